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

// TestSlowBody sees that a sender who stops in the middle of the body is answered,
// and that the connection is given up.
func TestSlowBody(t *testing.T) {
	s := newStage(t)
	patience := "200ms"
	h, _ := s.handler(t, map[string]*string{"RCSHOOK_TIMEOUT": &patience})
	web := httptest.NewServer(h)
	defer web.Close()

	conn, in := dial(t, web)
	fmt.Fprint(conn, "POST / HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer dev\r\n"+
		"Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"to\":")
	res, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatalf("no answer: %v", err)
	}
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusRequestTimeout || !strings.Contains(string(body), `"code":"body_timeout"`) {
		t.Errorf("the answer is %s, %v\n%s", res.Status, err, body)
	}
	if _, err := in.ReadByte(); err != io.EOF { //nolint:errorlint // the very error
		t.Errorf("the connection goes on: %v, want EOF", err)
	}
}

// TestSlowBody_refused sees that nobody who is answered before the body is read, such as
// a stranger, holds a connection with a body that does not come.
func TestSlowBody_refused(t *testing.T) {
	s := newStage(t)
	h, _ := s.handler(t, nil)
	web := httptest.NewServer(h)
	t.Cleanup(web.Close)
	for request, want := range map[string]int{
		"POST / HTTP/1.1\r\nAuthorization: Bearer wrong":                            http.StatusUnauthorized,
		"POST / HTTP/1.1\r\nAuthorization: Bearer dev\r\nContent-Encoding: gzip":    http.StatusUnsupportedMediaType,
		"POST / HTTP/1.1\r\nAuthorization: Bearer dev\r\nContent-Length: 100000000": http.StatusRequestEntityTooLarge,
		"POST /nowhere HTTP/1.1":                                   http.StatusNotFound,
		"POST /hooks/nobody HTTP/1.1":                              http.StatusNotFound,
		"POST /tasks/1 HTTP/1.1\r\nAuthorization: Bearer x":        http.StatusNotFound,
		"GET / HTTP/1.1":                                           http.StatusOK,
		"DELETE /messages/1 HTTP/1.1\r\nAuthorization: Bearer dev": http.StatusUnprocessableEntity,
	} {
		t.Run(request, func(t *testing.T) {
			t.Parallel()
			conn, in := dial(t, web)
			if !strings.Contains(request, "Content-Length") {
				request += "\r\nContent-Length: 100"
			}
			fmt.Fprint(conn, request+"\r\nHost: localhost\r\n\r\n{\"to\":")
			res, err := http.ReadResponse(in, nil)
			if err != nil {
				t.Fatalf("no answer: %v", err)
			}
			if _, err := io.Copy(io.Discard, res.Body); err != nil || res.StatusCode != want {
				t.Errorf("the answer is %s, %v, want %d", res.Status, err, want)
			}
			if _, err := in.ReadByte(); err != io.EOF { //nolint:errorlint // the very error
				t.Errorf("the connection goes on: %v, want EOF", err)
			}
		})
	}
}

// TestRefused_whole sees that a caller who sends all of a large body before reading is
// told what is wrong, and keeps the connection.
func TestRefused_whole(t *testing.T) {
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
			t.Fatalf("no answer: %v", err)
		}
		if _, err := io.Copy(io.Discard, res.Body); err != nil || res.StatusCode != http.StatusUnauthorized || res.Close {
			t.Fatalf("the answer is %s, %v, the last one: %t", res.Status, err, res.Close)
		}
	}
}

// dial connects to server, for as long as an answer may take at most.
func dial(t *testing.T, web *httptest.Server) (net.Conn, *bufio.Reader) {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(web.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(time.Minute)) // should it not be answered at all
	return conn, bufio.NewReader(conn)
}

// TestSlowBody_hurried sees that a body that arrives slowly while the process ends is
// answered too.
func TestSlowBody_hurried(t *testing.T) {
	s := newStage(t)
	patience := "10m" // not what ends it
	h, _ := s.handler(t, map[string]*string{"RCSHOOK_TIMEOUT": &patience})
	begun, hurry := make(chan struct{}), make(chan struct{})
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		go func() { <-hurry; cancel() }()
		r.Body = begins{r.Body, sync.OnceFunc(func() { close(begun) })}
		h.ServeHTTP(w, r.WithContext(ctx))
	}))
	defer web.Close()
	conn, in := dial(t, web)
	fmt.Fprint(conn, "POST / HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer dev\r\n"+
		"Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"to\":")
	<-begun
	close(hurry)
	res, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatalf("no answer: %v", err)
	}
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusRequestTimeout || !strings.Contains(string(body), `"code":"body_timeout"`) {
		t.Errorf("the answer is %s, %v\n%s", res.Status, err, body)
	}
}

// begins calls begun before the body is read.
type begins struct {
	io.ReadCloser
	begun func()
}

func (b begins) Read(p []byte) (int, error) {
	b.begun()
	return b.ReadCloser.Read(p)
}

// TestCallerReturns sees that a request ends when its caller hangs up while the
// platform has it, and that the caller who comes back with the same key is told the
// truth: there is one message, whether or not the first attempt got through.
func TestCallerReturns(t *testing.T) {
	for _, taken := range []bool{true, false} {
		t.Run(fmt.Sprintf("taken %t", taken), func(t *testing.T) {
			s := newStage(t)
			var first sync.Once
			begun := make(chan struct{})
			platform := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if strings.HasSuffix(r.URL.Path, "/agentMessages") {
					first.Do(func() {
						if taken {
							s.sim.ServeHTTP(httptest.NewRecorder(), r)
						}
						_, _ = io.Copy(io.Discard, r.Body) // or the server would not notice that the function leaves
						close(begun)
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

			ctx, hangUp := context.WithCancel(t.Context())
			go func() { <-begun; hangUp() }()
			if code, err := s.call(ctx, web.URL); err == nil {
				t.Fatalf("the caller who hung up was told %s", code)
			}
			<-ended
			if line := log.String(); !strings.Contains(line, `"code":"upstream_timeout"`) {
				t.Errorf("the log says\n%s", line)
			}
			if code, err := s.call(t.Context(), web.URL); err != nil || code != "accepted" && code != "duplicate" {
				t.Errorf("the caller who came back was told %q, %v", code, err)
			}
			if n := len(s.sim.Messages()); n != 1 {
				t.Errorf("%d messages arrived, want 1", n)
			}
		})
	}
}

// call sends a message with a key and returns the code of the answer.
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
	var answer struct{ Code string }
	err = json.NewDecoder(res.Body).Decode(&answer)
	return answer.Code, err
}

// TestHostile sends what is made to cost much. It must cost little: the memory is
// bounded by a multiple of the largest body, and so is the answer.
func TestHostile(t *testing.T) {
	const (
		most       = 16 << 20 // allocated for one request, over its whole time; the race detector takes more
		mostAnswer = 64 << 10
		message    = `"to": "+12025550123", "text": "Hello", `
		form       = "application/x-www-form-urlencoded"
	)
	// fill repeats a text, with {i} counting, up to the largest body.
	fill := func(before, text, after string) string {
		var b strings.Builder
		b.WriteString(before)
		for i := 0; b.Len() < 256<<10-len(after)-2*len(text)-20; i++ {
			b.WriteString(strings.ReplaceAll(text, "{i}", strconv.Itoa(i)))
		}
		return b.String() + after
	}
	collide := func(i int) string { // the same in many hash functions
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
		{"keys that are nearly right", "", fill("{"+message, `"teext{i}": 1, `, `"z": 1}`), nil, 400},
		{"colliding keys", "", "{" + message + colliding.String() + `"z": 1}`, nil, 422},
		{"one long key", "", fill("{"+message+`"`, "kkkkkkkkkk", `": 1}`), nil, 400},
		{"one key many times", "", fill("{"+message, `"text": "Hello", `, `"z": 1}`), nil, 400},
		{"nested lists", "", fill("{"+message+`"raw": `, "[", ""), nil, 400},
		{"nested objects", "", fill("{"+message+`"raw": `, `{"a":`, ""), nil, 400},
		{"JSON in text", "", fill("{"+message+`"cards": "`, "[", `"}`), nil, 422},
		{"a number of many digits", "", fill("{"+message+`"ttl": `, "1234567890", "}"), nil, 422},
		{"a number of gigabytes", "", "{" + message + `"ttl": 1e999999999, "x_latitude": 1e-999999999}`, nil, 422},
		{"many recipients", "", fill(`{"text": "Hello", "to": [`, `"+12025550123",`, `""]}`), nil, 400},
		{"many recipients in one text", "", fill(`{"text": "Hello", "to": "`, `+12025550123,`, `"}`), nil, 422},
		{"many buttons in one text", "", fill("{"+message+`"buttons": "`, `a|b\n`, `"}`), nil, 422},
		{"many buttons with faults", "", fill("{"+message+`"buttons": [`, `{"a":1},`, `1]}`), nil, 400},
		{"a far card", "", "{" + message + `"card999999999_title": "a", "cards[999999999][title]": "a", "button999999999": "a"}`, nil, 422},
		{"far cards in a form", form, fill("to=%2B12025550123", "&cards[{i}][title]=a", ""), nil, 400},
		{"nested in a form", form, fill("to=%2B12025550123&raw", "[a]", "=1"), nil, 400},
		{"many fields in a form", form, fill("to=%2B12025550123", "&a{i}", ""), nil, 400},
		{"one field many times", form, fill("to=%2B12025550123", "&text=a", ""), nil, 400},
		{"empty fields in a form", form, fill("to=%2B12025550123", "&", ""), nil, 422},
		{"broken escapes", form, fill("to=%2B12025550123&text=", "%", ""), nil, 400},
		{"many parts", "multipart/form-data; boundary=b", fill("", "--b\r\nContent-Disposition: form-data; name=\"a{i}\"\r\n\r\n1\r\n", "--b--\r\n"), nil, 422},
		{"headers of a part", "multipart/form-data; boundary=b", fill("--b\r\n", "A{i}: 1\r\n", "\r\n\r\n1\r\n--b--\r\n"), nil, 400},
		{"a long key of a caller", "", "{" + message + `"a": 1}`, http.Header{"Authorization": {"Bearer " + strings.Repeat("dev", 300_000)}}, 401},
		{"a long idempotency key", "", "{" + message + `"a": 1}`, http.Header{"Idempotency-Key": {`"` + strings.Repeat(`\"`, 400_000) + `"`}}, 422},
		{"a long trace", "", "{" + message + `"a": 1}`, http.Header{"Traceparent": {strings.Repeat("-", 900_000)}}, 422},
		{"a long content type", "application/json; " + strings.Repeat("a=b; ", 150_000), "{}", nil, 422},
	} {
		t.Run(test.name, func(t *testing.T) {
			req := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(test.body))
			req.Header = http.Header{"Authorization": {"Bearer dev"}, "Content-Type": {cmp.Or(test.contentType, "application/json")}}
			maps.Copy(req.Header, test.header)
			hold(t, h, req, test.status, raced.Factor*most, mostAnswer)
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
			hold(t, h, req, http.StatusUnauthorized, raced.Factor*most, mostAnswer)
		})
	}
}

// hooked adds a source whose sender shows many signatures.
func (s *stage) hooked(t *testing.T) map[string]*string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "rcshook.yaml")
	if err := os.WriteFile(file, []byte("sources:\n  pay: {preset: stripe, secret: whsec_x, map: .}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return map[string]*string{"RCSHOOK_CONFIG": &file}
}

// TestBurst sees that requests with large bodies, while they wait for the platform, keep
// no more of them than what is sent.
func TestBurst(t *testing.T) {
	const requests, kept = 100, 128 << 10 // the larger part of kept is that of two HTTP connections
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
	if each := (heap() - before) / requests; each > kept {
		t.Errorf("a request with a body of %d bytes keeps %d bytes, want at most %d", len(body), each, kept)
	}
	close(release)
	all.Wait()
}

// hold lets h answer, and holds it to a status and to bounds in bytes.
func hold(t *testing.T, h http.Handler, r *http.Request, status int, most uint64, mostAnswer int) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	answer := httptest.NewRecorder()
	h.ServeHTTP(answer, r)
	runtime.ReadMemStats(&after)
	allocated := after.TotalAlloc - before.TotalAlloc
	t.Logf("%d, %d KiB allocated, %d bytes of answer", answer.Code, allocated>>10, answer.Body.Len())
	if answer.Code != status {
		t.Errorf("status %d, want %d\n%.600s", answer.Code, status, answer.Body)
	}
	if allocated > most || answer.Body.Len() > mostAnswer {
		t.Errorf("%d bytes were allocated, and the answer has %d\n%.300s", allocated, answer.Body.Len(), answer.Body)
	}
}
