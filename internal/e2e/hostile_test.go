package e2e

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// raceFactor multiplies memory limits. The race detector needs more memory.
var raceFactor = func() uint64 {
	info, _ := debug.ReadBuildInfo()
	if slices.ContainsFunc(info.Settings, func(s debug.BuildSetting) bool { return s.Key == "-race" }) {
		return 3
	}
	return 1
}()

// TestHostile tests that requests that are made to be expensive use little memory and get a
// small response.
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
	h, _ := s.handler(t, s.stripeSource(t))
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
			checkCost(t, h, req, test.status, raceFactor*maxAlloc, maxResponse)
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
			checkCost(t, h, req, http.StatusUnauthorized, raceFactor*maxAlloc, maxResponse)
		})
	}
}

// stripeSource returns settings with a source whose requests can have many signatures.
func (s *stage) stripeSource(t *testing.T) map[string]*string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "rcshook.yaml")
	if err := os.WriteFile(file, []byte("sources:\n  pay: {preset: stripe, secret: whsec_x, map: .}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return map[string]*string{"RCSHOOK_CONFIG": &file}
}

// TestBurst tests the memory of requests with large bodies while they wait for the
// platform.
func TestBurst(t *testing.T) {
	const requests, maxKept = 80, 128 << 10 // mostly for two HTTP connections; more would wait for the memory of messages in flight
	s := newStage(t)
	arrived, release := make(chan struct{}), make(chan struct{})
	platform := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		arrived <- struct{}{}
		<-release
		fmt.Fprintf(w, `{"name": "%s/%s"}`, strings.TrimPrefix(r.URL.Path, "/v1/"), r.URL.Query().Get("messageId"))
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

// bomb returns a large payload that is compressed to 64 KiB.
func bomb(t *testing.T, compressor func(io.Writer) io.WriteCloser) []byte {
	t.Helper()
	var b bytes.Buffer
	w := compressor(&b)
	_, err := io.WriteString(w, `{"to": "+12025550123", "text": "`)
	for zeros := make([]byte, 1<<20); err == nil && b.Len() < 64<<10; {
		_, err = w.Write(zeros)
	}
	if err = errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestCompressed_undeclared sends compressed bodies without a Content-Encoding. They are
// not decompressed, and not valid.
func TestCompressed_undeclared(t *testing.T) {
	s := newStage(t)
	h, _ := s.handler(t, nil)
	for _, compressor := range []func(io.Writer) io.WriteCloser{
		func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) },
		func(w io.Writer) io.WriteCloser { return zlib.NewWriter(w) }, // "deflate"
	} {
		body := bomb(t, compressor)
		for contentType, status := range map[string]int{
			"application/json":                  http.StatusBadRequest,
			"application/x-www-form-urlencoded": http.StatusBadRequest,
			"multipart/form-data; boundary=b":   http.StatusBadRequest,
			"application/gzip":                  http.StatusUnsupportedMediaType,
		} {
			r := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(body))
			r.Header = http.Header{"Authorization": {"Bearer dev"}, "Content-Type": {contentType}}
			checkCost(t, h, r, status, raceFactor*(4<<20), 4<<10)
		}
	}
}
