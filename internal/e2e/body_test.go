package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rcshook/rcshook/internal/source"
)

// TestSlowBody tests a caller that stops in the middle of a body. The function responds and
// closes the connection.
func TestSlowBody(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	timeout := "200ms"
	h, _ := s.handler(t, map[string]*string{"RCSHOOK_TIMEOUT": &timeout})
	web := httptest.NewServer(h)
	defer web.Close()

	conn, in := dial(t, web)
	fmt.Fprint(conn, "POST / HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer dev\r\n"+
		"Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"to\":")
	res, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatalf("no response: %v", err)
	}
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusRequestTimeout || !strings.Contains(string(body), `"code":"body_timeout"`) {
		t.Errorf("response %s, %v\n%s", res.Status, err, body)
	}
	if _, err := in.ReadByte(); err != io.EOF {
		t.Errorf("the connection stays open: %v, want EOF", err)
	}
}

// TestSlowBody_rejected tests a caller that stops in the middle of a body that the function
// does not read. The function closes the connection.
func TestSlowBody_rejected(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	h, _ := s.handler(t, nil)
	web := httptest.NewServer(h)
	t.Cleanup(web.Close)
	var wg sync.WaitGroup
	for request, want := range map[string]int{
		"POST / HTTP/1.1\r\nAuthorization: Bearer wrong":                            http.StatusUnauthorized,
		"POST / HTTP/1.1\r\nAuthorization: Bearer dev\r\nContent-Encoding: gzip":    http.StatusUnsupportedMediaType,
		"POST / HTTP/1.1\r\nAuthorization: Bearer dev\r\nContent-Length: 100000000": http.StatusRequestEntityTooLarge,
		"POST /nowhere HTTP/1.1":                                   http.StatusNotFound,
		"POST /hooks/unknown HTTP/1.1":                             http.StatusNotFound,
		"POST /tasks/1 HTTP/1.1\r\nAuthorization: Bearer x":        http.StatusNotFound,
		"GET / HTTP/1.1":                                           http.StatusMethodNotAllowed,
		"DELETE /messages/1 HTTP/1.1\r\nAuthorization: Bearer dev": http.StatusUnprocessableEntity,
	} {
		conn, in := dial(t, web)
		wg.Go(func() {
			if !strings.Contains(request, "Content-Length") {
				request += "\r\nContent-Length: 100"
			}
			fmt.Fprint(conn, request+"\r\nHost: localhost\r\n\r\n{\"to\":")
			res, err := http.ReadResponse(in, nil)
			if err != nil {
				t.Errorf("%s: no response: %v", request, err)
				return
			}
			if _, err := io.Copy(io.Discard, res.Body); err != nil || res.StatusCode != want {
				t.Errorf("%s: response %s, %v, want %d", request, res.Status, err, want)
			}
			if _, err := in.ReadByte(); err != io.EOF {
				t.Errorf("%s: the connection stays open: %v, want EOF", request, err)
			}
		})
	}
	wg.Wait()
}

// TestLargeBody_rejected tests a caller that sends a large body before it reads. It gets
// the response and can reuse the connection.
func TestLargeBody_rejected(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	h, _ := s.handler(t, nil)
	web := httptest.NewServer(h)
	defer web.Close()
	conn, in := dial(t, web)
	body := strings.Repeat(" ", 250<<10)
	for range 2 {
		fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer wrong\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
		res, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatalf("no response: %v", err)
		}
		if _, err := io.Copy(io.Discard, res.Body); err != nil || res.StatusCode != http.StatusUnauthorized || res.Close {
			t.Fatalf("response %s, %v, closes the connection: %t", res.Status, err, res.Close)
		}
	}
}

// dial connects to a server, with a deadline.
func dial(t *testing.T, web *httptest.Server) (net.Conn, *bufio.Reader) {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(web.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	return conn, bufio.NewReader(conn)
}

// TestSlowBody_shutdown tests a caller that stops in the middle of a body while the process
// shuts down. It still gets a response.
func TestSlowBody_shutdown(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	timeout := "10m" // not reached
	h, _ := s.handler(t, map[string]*string{"RCSHOOK_TIMEOUT": &timeout})
	started, shutdown := make(chan struct{}), make(chan struct{})
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		go func() { <-shutdown; cancel() }()
		r.Body = firstRead{r.Body, sync.OnceFunc(func() { close(started) })}
		h.ServeHTTP(w, r.WithContext(ctx))
	}))
	defer web.Close()
	conn, in := dial(t, web)
	fmt.Fprint(conn, "POST / HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer dev\r\n"+
		"Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"to\":")
	<-started
	close(shutdown)
	res, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatalf("no response: %v", err)
	}
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusRequestTimeout || !strings.Contains(string(body), `"code":"body_timeout"`) {
		t.Errorf("response %s, %v\n%s", res.Status, err, body)
	}
}

// firstRead calls started before the body is read.
type firstRead struct {
	io.ReadCloser
	started func()
}

func (b firstRead) Read(p []byte) (int, error) {
	b.started()
	return b.ReadCloser.Read(p)
}

// unread is a body that must not be read.
type unread struct{ t *testing.T }

func (u unread) Read([]byte) (int, error) {
	u.t.Error("the body was read")
	return 0, io.EOF
}

// TestCompressed tests that every path rejects bodies with a Content-Encoding, with the
// same response, and without reading them.
func TestCompressed(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	h, _, url := s.queueHandler(t, s.stripeSource(t))
	token := s.google.Token(url, stageAccount, s.clock.now())
	want := map[string]any{
		"ok": false, "status": 415.0, "code": "unsupported_media_type", "retry": "never",
		"type":   "https://github.com/rcshook/rcshook/blob/main/docs/responses.md#unsupported_media_type",
		"title":  "The content type is not supported",
		"detail": "the body is compressed", "message": "The content type is not supported: the body is compressed",
		"action": "Send application/json, application/x-www-form-urlencoded or multipart/form-data, without compression.",
	}
	signed := &source.Request{Header: http.Header{}, Body: []byte("{}")}
	_, sources := h.settings()
	pay, err := sources.Find("pay")
	if err == nil {
		err = pay.Sign(signed, []byte("whsec_x"), s.clock.now())
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, to := range []struct{ path, header, proof, source string }{
		{"/", "Authorization", "Bearer dev", ""},
		{"/hooks/pay", "Stripe-Signature", signed.Header.Get("Stripe-Signature"), "pay"},
		{"/hooks/pay", "Stripe-Signature", "", "pay"}, // the signature is not checked
		{"/tasks/5a0c2f4e-6a3d-4d0e-9a50-0d7c1f7be001", "Authorization", "Bearer " + token, ""},
	} {
		if delete(want, "source"); to.source != "" {
			want["source"] = to.source
		}
		for _, encodings := range [][]string{
			{"gzip"}, {"br"}, {"deflate"}, {"zstd"}, {"x-gzip"}, {"GZIP"}, {"gzip, gzip"}, {"identity, gzip"}, {"identity", "br"}, {"*"},
		} {
			r := httptest.NewRequest(http.MethodPost, to.path, unread{t})
			r.Header = http.Header{to.header: {to.proof}, "Content-Type": {"application/json"}, "Content-Encoding": encodings}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			got := make(map[string]any)
			if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
				t.Fatal(err)
			}
			delete(got, "request_id")
			if diff := cmp.Diff(want, got); diff != "" || w.Code != http.StatusUnsupportedMediaType {
				t.Errorf("%s of %q: %d (-want +got):\n%s", to.path, encodings, w.Code, diff)
			}
		}
		r := httptest.NewRequest(http.MethodPost, to.path, strings.NewReader("{}"))
		r.Header = http.Header{to.header: {to.proof}, "Content-Type": {"application/json"}, "Content-Encoding": {"Identity"}}
		w := httptest.NewRecorder()
		if h.ServeHTTP(w, r); w.Code == http.StatusUnsupportedMediaType {
			t.Errorf("%s: an uncompressed body was rejected: %s", to.path, w.Body)
		}
	}
	if n := len(s.sim.Messages()); n != 0 {
		t.Errorf("%d messages were sent, want 0", n)
	}
}
