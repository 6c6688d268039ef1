package e2e

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rcshook/rcshook/internal/raced"
)

// TestSlowBody stops in the middle of a body. The function responds and closes the
// connection.
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

// TestSlowBody_rejected stops in the middle of a body that the function does not read. A
// caller cannot hold a connection that way.
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
		"GET / HTTP/1.1":                                           http.StatusOK,
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

// TestLargeBody_rejected sends a large body before it reads. It gets the response and can
// use the connection again.
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

// TestSlowBody_shutdown stops in the middle of a body while the process shuts down. It
// still gets a response.
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

// TestCallerRetries closes the connection while the platform handles the message. The
// request ends, and a retry with the same key gets the truth. There is one message,
// whether or not the first attempt succeeded.
func TestCallerRetries(t *testing.T) {
	t.Parallel()
	for _, accepted := range []bool{true, false} {
		t.Run(fmt.Sprintf("accepted %t", accepted), func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			var first sync.Once
			started := make(chan struct{})
			platform := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if strings.HasSuffix(r.URL.Path, "/agentMessages") {
					first.Do(func() {
						if accepted {
							s.sim.ServeHTTP(httptest.NewRecorder(), r)
						}
						_, _ = io.Copy(io.Discard, r.Body) // otherwise the server does not notice a closed connection
						close(started)
						<-r.Context().Done()
						panic(http.ErrAbortHandler)
					})
				}
				s.sim.ServeHTTP(w, r)
			}))
			defer platform.Close()
			s.move(t, platform)
			h, log := s.handler(t, nil)
			ended := make(chan struct{}, 2)
			web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				h.ServeHTTP(w, r)
				ended <- struct{}{}
			}))
			defer web.Close()

			ctx, cancel := context.WithCancel(t.Context())
			go func() { <-started; cancel() }()
			if code, err := s.call(ctx, web.URL); err == nil {
				t.Fatalf("response %s, want none", code)
			}
			<-ended
			if line := log.String(); !strings.Contains(line, `"code":"upstream_timeout"`) {
				t.Errorf("log:\n%s", line)
			}
			if code, err := s.call(t.Context(), web.URL); err != nil || code != "accepted" && code != "duplicate" {
				t.Errorf("retry: %q, %v, want accepted or duplicate", code, err)
			}
			if n := len(s.sim.Messages()); n != 1 {
				t.Errorf("%d messages arrived, want 1", n)
			}
		})
	}
}

// call sends a message with a key and returns the code of the response.
func (s *stage) call(ctx context.Context, url string) (code string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(`{"to": "+12025550123", "text": "Hello", "idempotency_key": "k"}`))
	if err != nil {
		return "", err
	}
	req.Header = http.Header{"Content-Type": {"application/json"}, "Authorization": {"Bearer dev"}}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	var response struct{ Code string }
	err = json.NewDecoder(res.Body).Decode(&response)
	return response.Code, err
}

// TestHostile sends requests that are made to be expensive. The memory and the response
// have limits.
func TestHostile(t *testing.T) {
	const (
		maxAlloc    = 16 << 20 // total for one request; the race detector needs more
		maxResponse = 64 << 10
		message     = `"to": "+12025550123", "text": "Hello", `
		form        = "application/x-www-form-urlencoded"
	)
	// fill repeats text, with a counter for {i}, up to the maximum size of a body.
	fill := func(before, text, after string) string {
		var b strings.Builder
		b.WriteString(before)
		for i := 0; b.Len() < 256<<10-len(after)-2*len(text)-20; i++ {
			b.WriteString(strings.ReplaceAll(text, "{i}", strconv.Itoa(i)))
		}
		return b.String() + after
	}
	collide := func(i int) string { // equal in many hash functions
		var b strings.Builder
		for bit := range 16 {
			b.WriteString([]string{"Aa", "BB"}[i>>bit&1])
		}
		return b.String()
	}
	var colliding strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&colliding, `"%s": 1, `, collide(i))
	}
	s := newStage(t)
	h, _ := s.handler(t, s.hooked(t))
	for _, test := range []struct {
		name, contentType, body string
		header                  http.Header
		status                  int
	}{
		{"unknown keys", "", fill("{"+message, `"k{i}": 1, `, `"z": 1}`), nil, 400},
		{"misspelled keys", "", fill("{"+message, `"teext{i}": 1, `, `"z": 1}`), nil, 400},
		{"colliding keys", "", "{" + message + colliding.String() + `"z": 1}`, nil, 422},
		{"one long key", "", fill("{"+message+`"`, "kkkkkkkkkk", `": 1}`), nil, 400},
		{"duplicate keys", "", fill("{"+message, `"text": "Hello", `, `"z": 1}`), nil, 400},
		{"nested lists", "", fill("{"+message+`"raw": `, "[", ""), nil, 400},
		{"nested objects", "", fill("{"+message+`"raw": `, `{"a":`, ""), nil, 400},
		{"JSON in text", "", fill("{"+message+`"cards": "`, "[", `"}`), nil, 422},
		{"a long number", "", fill("{"+message+`"ttl": `, "1234567890", "}"), nil, 422},
		{"a number with a large exponent", "", "{" + message + `"ttl": 1e999999999, "x_latitude": 1e-999999999}`, nil, 422},
		{"many recipients", "", fill(`{"text": "Hello", "to": [`, `"+12025550123",`, `""]}`), nil, 400},
		{"many recipients in one text", "", fill(`{"text": "Hello", "to": "`, `+12025550123,`, `"}`), nil, 422},
		{"many buttons in one text", "", fill("{"+message+`"buttons": "`, `a|b\n`, `"}`), nil, 422},
		{"many invalid buttons", "", fill("{"+message+`"buttons": [`, `{"a":1},`, `1]}`), nil, 400},
		{"a large index", "", "{" + message + `"card999999999_title": "a", "cards[999999999][title]": "a", "button999999999": "a"}`, nil, 422},
		{"many indexes in a form", form, fill("to=%2B12025550123", "&cards[{i}][title]=a", ""), nil, 400},
		{"nested in a form", form, fill("to=%2B12025550123&raw", "[a]", "=1"), nil, 400},
		{"many fields in a form", form, fill("to=%2B12025550123", "&a{i}", ""), nil, 400},
		{"duplicate fields in a form", form, fill("to=%2B12025550123", "&text=a", ""), nil, 400},
		{"empty fields in a form", form, fill("to=%2B12025550123", "&", ""), nil, 422},
		{"broken escapes", form, fill("to=%2B12025550123&text=", "%", ""), nil, 400},
		{"many parts", "multipart/form-data; boundary=b", fill("", "--b\r\nContent-Disposition: form-data; name=\"a{i}\"\r\n\r\n1\r\n", "--b--\r\n"), nil, 422},
		{"headers of a part", "multipart/form-data; boundary=b", fill("--b\r\n", "A{i}: 1\r\n", "\r\n\r\n1\r\n--b--\r\n"), nil, 400},
		{"a long API key", "", "{" + message + `"a": 1}`, http.Header{"Authorization": {"Bearer " + strings.Repeat("dev", 300_000)}}, 401},
		{"a long idempotency key", "", "{" + message + `"a": 1}`, http.Header{"Idempotency-Key": {`"` + strings.Repeat(`\"`, 400_000) + `"`}}, 422},
		{"a long trace", "", "{" + message + `"a": 1}`, http.Header{"Traceparent": {strings.Repeat("-", 900_000)}}, 422},
		{"a long content type", "application/json; " + strings.Repeat("a=b; ", 150_000), "{}", nil, 422},
	} {
		t.Run(test.name, func(t *testing.T) {
			req := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(test.body))
			req.Header = http.Header{"Authorization": {"Bearer dev"}, "Content-Type": {cmp.Or(test.contentType, "application/json")}}
			maps.Copy(req.Header, test.header)
			checkCost(t, h, req, test.status, raced.Factor*maxAlloc, maxResponse)
		})
	}
	for name, header := range map[string]http.Header{
		"many signatures":  {"Stripe-Signature": {"t=1" + strings.Repeat(",v1=00", 120_000)}},
		"many timestamps":  {"Stripe-Signature": {strings.Repeat("t=1,", 200_000) + "v1=00"}},
		"a long signature": {"Stripe-Signature": {"t=1,v1=" + strings.Repeat("0", 800_000)}},
	} {
		t.Run(name, func(t *testing.T) {
			req := httptest.NewRequest(http.MethodPost, "/hooks/pay", strings.NewReader(strings.Repeat("{", 256<<10)))
			req.Header = header
			checkCost(t, h, req, http.StatusUnauthorized, raced.Factor*maxAlloc, maxResponse)
		})
	}
}

// hooked returns settings with a source whose requests can have many signatures.
func (s *stage) hooked(t *testing.T) map[string]*string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "rcshook.yaml")
	if err := os.WriteFile(file, []byte("sources:\n  pay: {preset: stripe, secret: whsec_x, map: .}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return map[string]*string{"RCSHOOK_CONFIG": &file}
}

// TestBurst limits the memory of requests with large bodies while they wait for the
// platform.
func TestBurst(t *testing.T) {
	const requests, maxKept = 100, 128 << 10 // mostly for two HTTP connections
	s := newStage(t)
	arrived, release := make(chan struct{}), make(chan struct{})
	platform := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		arrived <- struct{}{}
		<-release
		_, _ = io.WriteString(w, "{}")
	}))
	defer platform.Close()
	h, _ := s.handler(t, map[string]*string{"RCSHOOK_RBM_ENDPOINT": &platform.URL})
	body := `{"to": "+12025550123", "cards": [{"title": "a"}, {"title": "b"}` + strings.Repeat(", null", 9900) + "]"
	body += strings.Repeat(" ", 256<<10-len(body)-1) + "}"
	heap := func() int {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int(m.HeapAlloc)
	}
	before := heap()
	var all sync.WaitGroup
	for range requests {
		all.Go(func() {
			w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
			r.Header.Set("Authorization", "Bearer dev")
			r.Header.Set("Content-Type", "application/json")
			if h.ServeHTTP(w, r); w.Code != http.StatusOK {
				t.Errorf("%d: %s", w.Code, w.Body)
			}
		})
	}
	for range requests {
		<-arrived
	}
	if each := (heap() - before) / requests; each > maxKept {
		t.Errorf("a request with a body of %d bytes keeps %d bytes, want at most %d", len(body), each, maxKept)
	}
	close(release)
	all.Wait()
}

// checkCost serves a request, and checks the status, the allocated memory and the size of
// the response.
func checkCost(t *testing.T, h http.Handler, r *http.Request, status int, maxAlloc uint64, maxResponse int) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	runtime.ReadMemStats(&after)
	allocated := after.TotalAlloc - before.TotalAlloc
	t.Logf("%d, %d KiB allocated, response of %d bytes", w.Code, allocated>>10, w.Body.Len())
	if w.Code != status {
		t.Errorf("status %d, want %d\n%.600s", w.Code, status, w.Body)
	}
	if allocated > maxAlloc || w.Body.Len() > maxResponse {
		t.Errorf("%d bytes allocated, want at most %d; response of %d bytes, want at most %d\n%.300s", allocated, maxAlloc, w.Body.Len(), maxResponse, w.Body)
	}
}
