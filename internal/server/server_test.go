package server

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rcshook/rcshook/internal/code"
	"github.com/rcshook/rcshook/internal/response"
)

func newServer(t *testing.T, environ ...string) *Server {
	t.Helper()
	s, err := New(t.Context(), Options{Environ: append(environ, "RCSHOOK_AGENT_ID=agent", "RCSHOOK_API_KEYS=key")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// TestNewCall tests that a webhook has the timeout of its sender, limited by that of the
// function.
func TestNewCall(t *testing.T) {
	t.Parallel()
	for preset, want := range map[string]time.Duration{"sentry": 800 * time.Millisecond, "shopify": 4 * time.Second, "bearer": 4 * time.Second, "woocommerce": 20 * time.Second} {
		file := filepath.Join(t.TempDir(), "rcshook.yaml")
		if err := os.WriteFile(file, fmt.Appendf(nil, "sources: {it: {preset: %s, secret: s3cret, map: .}}", preset), 0o600); err != nil {
			t.Fatal(err)
		}
		for setting, want := range map[string]time.Duration{"": want, "RCSHOOK_TIMEOUT=10ms": 10 * time.Millisecond} {
			s := newServer(t, "RCSHOOK_CONFIG="+file, setting)
			r := httptest.NewRequest(http.MethodPost, "/hooks/it", nil)
			r.SetPathValue("source", "it")
			if c, timeout := s.newCall(nil, r); timeout != want || c.profile != response.Soft || c.source == nil {
				t.Errorf("%s %s: timeout %v, profile %s, want %v, soft", preset, setting, timeout, c.profile, want)
			}
		}
	}
}

// TestPrepare_overloaded tests that a request that times out while it waits to be
// prepared gets a response that asks for a retry.
func TestPrepare_overloaded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // so that a busy machine does not use up the timeout
		s := newServer(t, "RCSHOOK_TIMEOUT=50ms")
		for s.preparing.TryAcquire(1) {
		}
		w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/", strings.NewReader(`{"to": "+12025550123", "text": "a"}`))
		r.Header.Set("Authorization", "Bearer key")
		s.ServeHTTP(w, r)
		const detail = `"detail":"timed out waiting to process the body: too many requests in progress"`
		if body := w.Body.String(); w.Code != http.StatusServiceUnavailable || !strings.Contains(body, `"code":"overloaded","retry":"later"`) || !strings.Contains(body, detail) {
			t.Errorf("%d: %s", w.Code, body)
		}
	})
}

// TestMemory_overloaded tests that large messages in flight do not use up the memory, and
// that a webhook does not wait for it.
func TestMemory_overloaded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // so that a busy machine does not use up the timeout
		file := filepath.Join(t.TempDir(), "rcshook.yaml")
		if err := os.WriteFile(file, []byte("sources: {it: {preset: bearer, secret: s3cret}}"), 0o600); err != nil {
			t.Fatal(err)
		}
		s := newServer(t, "RCSHOOK_CONFIG="+file, "RCSHOOK_TIMEOUT=50ms")
		for path, key := range map[string]string{"/": "key", "/hooks/it": "s3cret"} {
			for left, want := range map[int64]string{100: "too many large messages in progress", 1000: ""} {
				if !s.memory.TryAcquire(maxMemory - left) {
					t.Fatal("a message is in flight")
				}
				w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, path, strings.NewReader(`{"to": "+12025550123", "text": "a", "dry_run": true}`))
				r.Header.Set("Authorization", "Bearer "+key)
				s.ServeHTTP(w, r)
				s.memory.Release(maxMemory - left)
				var got response.Response
				if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
					t.Fatal(err)
				}
				if got.Detail != want || want != "" && got.Code != code.Overloaded {
					t.Errorf("%s with %d bytes left: %s: %s, want %q", path, left, got.Code, got.Detail, want)
				}
			}
			if !s.memory.TryAcquire(maxMemory) {
				t.Errorf("%s: memory is not released", path)
			}
			s.memory.Release(maxMemory)
		}
	})
}

// TestWeakKeys tests that the log warns once about a key that is easy to guess.
func TestWeakKeys(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	s, err := New(t.Context(), Options{Environ: []string{"RCSHOOK_AGENT_ID=agent", "RCSHOOK_API_KEYS=s3cret"}, Log: &log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	for range 2 {
		w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/", strings.NewReader("{}"))
		r.Header.Set("X-API-Key", "s3cret")
		if s.ServeHTTP(w, r); w.Code == http.StatusUnauthorized {
			t.Errorf("the key is rejected: %s", w.Body)
		}
	}
	const warning = `"message":"weak API key","detail":"API key 1 is easy to guess: expected at least 16 random characters, got 6"`
	if n := strings.Count(log.String(), warning); n != 1 || strings.Contains(log.String(), "s3cret") {
		t.Errorf("%d warnings, want 1, without the key:\n%s", n, &log)
	}
}

// TestDescribe_narrow tests that the description for generators of clients has the URL
// at which it was requested.
func TestDescribe_narrow(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for _, test := range []struct{ query, proto, want string }{
		{"?version=3.0", "https", "https://send-a1b2.run.app"},
		{"?version=3.0", "", "http://send-a1b2.run.app"},
		{"?version=3.1", "https", "/"},
		{"", "https", "/"},
	} {
		w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "http://send-a1b2.run.app/openapi.json"+test.query, nil)
		r.Header.Set("X-Forwarded-Proto", test.proto)
		s.ServeHTTP(w, r)
		var got struct{ Servers []struct{ URL string } }
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || len(got.Servers) != 1 || got.Servers[0].URL != test.want {
			t.Errorf("%s with %q: servers %v, %v, want %s", test.query, test.proto, got.Servers, err, test.want)
		}
	}
	w := httptest.NewRecorder()
	if s.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/openapi.json?version=2", nil)); w.Code != http.StatusUnprocessableEntity {
		t.Errorf("version=2: status %d, want 422", w.Code)
	}
}

// TestKeyInQuery tests that a key is found, and that a query of a stranger with thousands of
// parameters takes little memory.
func TestKeyInQuery(t *testing.T) {
	for query, want := range map[string]bool{"": false, "to=1&keys=2": false, "a=1&API-Key=2": true, "x%5Fapi%5fkey=2": true, "Token": true, "a=key": false, "%=1&auth=2": true} {
		if got := keyInQuery(httptest.NewRequest(http.MethodGet, "/?"+query, nil)); got != want {
			t.Errorf("%s: %t, want %t", query, got, want)
		}
	}
	var query strings.Builder
	for i := range 9000 {
		fmt.Fprintf(&query, "&%x", i)
	}
	r := httptest.NewRequest(http.MethodGet, "/?"+query.String(), nil)
	if got := testing.AllocsPerRun(1, func() { keyInQuery(r) }); got > 10 {
		t.Errorf("%v allocations for 9000 parameters, want at most 10", got)
	}
}

// lines is a writer that sends each line.
type lines chan string

func (l lines) Write(line []byte) (int, error) {
	l <- string(line)
	return len(line), nil
}

// TestLogFilter tests that the log does not contain what a server sent after its response.
func TestLogFilter(t *testing.T) {
	logged := make(lines, 1)
	before := log.Writer()
	t.Cleanup(func() { log.SetOutput(before) })
	log.SetOutput(logFilter{logged})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		fmt.Fprint(conn, "HTTP/1.1 204 No Content\r\n\r\n{\"to\": \"+12025550123\"}")
		_, _ = conn.Read(make([]byte, 1)) // until the client closes the connection
		conn.Close()
	}))
	t.Cleanup(server.Close)
	client := &http.Client{Transport: new(http.Transport)}
	res, err := client.Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if got := <-logged; !strings.HasSuffix(got, " Unsolicited response received on idle HTTP channel\n") {
		t.Errorf("log %q, want a line without the response", got)
	}
}

func TestBeforeDeadline(t *testing.T) {
	t.Parallel()
	const timeout = 20 * time.Second
	for _, test := range []struct{ left, want time.Duration }{
		{0, timeout}, // no deadline
		{time.Minute, timeout},
		{timeout, timeout - responseTime},
		{10 * time.Second, 10*time.Second - responseTime},
		{500 * time.Millisecond, 250 * time.Millisecond},
		{-time.Second, -500 * time.Millisecond},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx := t.Context()
			if test.left != 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, test.left)
				defer cancel()
			}
			if got := beforeDeadline(ctx, timeout); got != test.want {
				t.Errorf("with %v left: %v, want %v", test.left, got, test.want)
			}
		})
	}
}

// TestUseBundle tests that the certificate files beside a bundle are ignored only if
// the bundle exists and the environment does not configure the roots.
func TestUseBundle(t *testing.T) {
	bundle := filepath.Join(t.TempDir(), "bundle.crt")
	if err := os.WriteFile(bundle, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ name, bundle, file, dir, want string }{
		{"usual", bundle, "", "", "/nonexistent"},
		{"no bundle", bundle + ".none", "", "", ""},
		{"another file", bundle, "own.pem", "", ""},
		{"another directory", bundle, "", "/own", "/own"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Setenv("SSL_CERT_FILE", test.file)
			t.Setenv("SSL_CERT_DIR", test.dir)
			if useBundle(test.bundle); os.Getenv("SSL_CERT_DIR") != test.want {
				t.Errorf("SSL_CERT_DIR is %q, want %q", os.Getenv("SSL_CERT_DIR"), test.want)
			}
			if got := os.Getenv("SSL_CERT_FILE"); got != test.file {
				t.Errorf("SSL_CERT_FILE is %q, want %q", got, test.file)
			}
		})
	}
}

// TestServeHTTP_paths tests that every path gets one response of ours: never a redirect,
// and never the plain text of ServeMux.
func TestServeHTTP_paths(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for _, test := range []struct {
		method, path string
		status       int
		allow        string
	}{
		{"GET", "/", 200, ""},
		{"HEAD", "/", 200, ""},
		{"GET", "/openapi.json", 200, ""},
		{"PUT", "/", 405, "GET, HEAD, POST, OPTIONS"},
		{"GET", "/hooks/shop", 405, "POST, OPTIONS"},
		{"POST", "/openapi.json", 405, "GET, HEAD, OPTIONS"},
		{"GET", "/messages/x", 405, "DELETE, OPTIONS"},
		{"OPTIONS", "/", 204, "GET, HEAD, POST, OPTIONS"},
		{"POST", "//hooks/shop", 404, ""},
		{"POST", "/hooks//shop", 404, ""},
		{"POST", "/hooks/../", 404, ""},
		{"POST", "/hooks/..", 404, ""},
		{"POST", "/./", 404, ""},
		{"POST", "/hooks/a%2Fb", 404, ""},
		{"DELETE", "/messages/a%2fb", 404, ""},
		{"POST", "/hooks/shop/", 404, ""},
		{"POST", "/hooks", 404, ""},
		{"GET", "/favicon.ico", 404, ""},
		{"OPTIONS", "*", 404, ""},
	} {
		w, r := httptest.NewRecorder(), httptest.NewRequest(test.method, "http://example.com/", nil)
		r.URL, r.RequestURI = &url.URL{Path: test.path}, test.path
		if strings.HasPrefix(test.path, "/") {
			var err error
			if r.URL, err = url.ParseRequestURI(test.path); err != nil {
				t.Fatal(err)
			}
		}
		s.ServeHTTP(w, r)
		if w.Code != test.status || w.Header().Get("Allow") != test.allow || w.Header().Get("Location") != "" {
			t.Errorf("%s %s: %d, Allow %q, want %d, %q", test.method, test.path, w.Code, w.Header().Get("Allow"), test.status, test.allow)
		}
		if kind := w.Header().Get("Content-Type"); test.status >= 400 && kind != "application/problem+json" {
			t.Errorf("%s %s: Content-Type %q", test.method, test.path, kind)
		}
	}
}

// TestFunction_broken tests that a broken configuration affects only the requests that
// need it, and that its errors are in the log and not in a response to a stranger.
func TestFunction_broken(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "rcshook.yaml")
	if err := os.WriteFile(file, []byte("sources: {shop: {preset: nonsense}}"), 0o600); err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	f := &Function{Log: &log, Environ: func() []string {
		return []string{"RCSHOOK_AGENT_ID=agent", "RCSHOOK_API_KEYS=key", "RCSHOOK_CONFIG=" + file, "GOOGLE_CLOUD_PROJECT=p"}
	}}
	for _, test := range []struct {
		method, path string
		status       int
		code         string
	}{
		{"GET", "/", 200, ""},
		{"GET", "/openapi.json", 200, ""},
		{"GET", "/favicon.ico", 404, "not_found"},
		{"PUT", "/", 405, "method_not_allowed"},
		{"OPTIONS", "/", 204, ""},
		{"OPTIONS", "/hooks/shop", 204, ""},
		{"POST", "/", 500, "misconfigured"},
		{"POST", "/hooks/shop", 500, "misconfigured"},
		{"POST", "/tasks/x", 500, "misconfigured"},
		{"DELETE", "/messages/x", 500, "misconfigured"},
	} {
		w, r := httptest.NewRecorder(), httptest.NewRequest(test.method, test.path, nil)
		r.Header.Set("Traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
		f.ServeHTTP(w, r)
		if body := w.Body.String(); w.Code != test.status || test.code != "" && !strings.Contains(body, `"code":"`+test.code+`"`) {
			t.Errorf("%s %s: %d %s, want %d %s", test.method, test.path, w.Code, body, test.status, test.code)
		}
		if strings.Contains(w.Body.String(), "shop") {
			t.Errorf("%s %s: strangers see the settings: %s", test.method, test.path, w.Body)
		}
	}
	if !strings.Contains(log.String(), "sources.shop.preset") {
		t.Errorf("the log does not have the errors of the file:\n%s", log.String())
	}
	if !strings.Contains(log.String(), `"logging.googleapis.com/trace":"projects/p/traces/`) {
		t.Errorf("the log is not joined to the trace:\n%s", log.String())
	}
}

// TestReady tests that GET / reads the agent ID too: without it, no message can be sent.
func TestReady(t *testing.T) {
	t.Parallel()
	google := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if strings.Contains(r.URL.Path, "token") {
			fmt.Fprint(w, `{"access_token": "t", "token_type": "Bearer", "expires_in": 3600}`)
			return
		}
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, `{"error": {"code": 404, "status": "NOT_FOUND", "message": "Secret not found."}}`)
	}))
	t.Cleanup(google.Close)
	s, err := New(t.Context(), Options{
		DefaultCredentials: fmt.Appendf(nil, `{"type": "authorized_user", "client_id": "a", "client_secret": "b", "refresh_token": "c", "token_uri": "%s/token"}`, google.URL),
		Environ: []string{
			"RCSHOOK_AGENT_ID=projects/p/secrets/agent-id", "RCSHOOK_API_KEYS=key",
			"RCSHOOK_SECRETMANAGER_ENDPOINT=" + google.URL, "RCSHOOK_RBM_ENDPOINT=" + google.URL,
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	if body := w.Body.String(); !strings.Contains(body, `"ready":false`) {
		t.Errorf("GET / = %s, want ready false", body)
	}
}
