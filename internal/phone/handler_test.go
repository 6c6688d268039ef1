package phone_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rcshook/rcshook/internal/phone"
)

func serveRequest(t *testing.T, h http.Handler, method, path, body string, header http.Header) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
	for name, values := range header {
		r.Header[name] = values
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestFiles(t *testing.T) {
	t.Parallel()
	h := phone.New(phone.Options{})
	tests := []struct {
		path   string
		status int
		kind   string
	}{
		{"/", 200, "text/html; charset=utf-8"},
		{"/js/app.js", 200, "text/javascript; charset=utf-8"},
		{"/css/base.css", 200, "text/css; charset=utf-8"},
		{"/examples.json", 200, "application/json"},
		{"/favicon.svg", 200, "image/svg+xml"},
		{"/index.html", 404, ""},
		{"/js/", 404, ""},
		{"/js/none.js", 404, ""},
		{"/phone.go", 404, ""},
		{"/css/..%2f..%2fphone.go", 404, ""},
	}
	for _, tt := range tests {
		t.Run(tt.path, func(t *testing.T) {
			t.Parallel()
			w := serveRequest(t, h, "GET", tt.path, "", nil)
			if w.Code != tt.status {
				t.Fatalf("GET %s: status %d, want %d", tt.path, w.Code, tt.status)
			}
			if tt.status == 200 && w.Header().Get("Content-Type") != tt.kind {
				t.Errorf("GET %s: Content-Type %q, want %q", tt.path, w.Header().Get("Content-Type"), tt.kind)
			}
			header := map[string]string{
				"Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; " +
					"form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'; img-src 'self'",
				"X-Content-Type-Options":       "nosniff",
				"X-Frame-Options":              "DENY",
				"Referrer-Policy":              "no-referrer",
				"Cross-Origin-Opener-Policy":   "same-origin",
				"Cross-Origin-Resource-Policy": "same-origin",
			}
			for name, want := range header {
				if got := w.Header().Get(name); got != want {
					t.Errorf("GET %s: %s = %q, want %q", tt.path, name, got, want)
				}
			}
		})
	}
}

// TestLogo serves the logo of the options.
func TestLogo(t *testing.T) {
	t.Parallel()
	w := serveRequest(t, phone.New(phone.Options{Logo: []byte("\x89PNG\r\n\x1a\n")}), "GET", phone.LogoPath, "", nil)
	if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "image/png" || w.Body.Len() != 8 {
		t.Errorf("status %d, %s, %d bytes", w.Code, w.Header().Get("Content-Type"), w.Body.Len())
	}
	if w := serveRequest(t, phone.New(phone.Options{}), "GET", phone.LogoPath, "", nil); w.Code != http.StatusNotFound {
		t.Errorf("without a logo: status %d, want 404", w.Code)
	}
}

func TestNotModified(t *testing.T) {
	t.Parallel()
	h := phone.New(phone.Options{})
	tag := serveRequest(t, h, "GET", "/js/app.js", "", nil).Header().Get("ETag")
	w := serveRequest(t, h, "GET", "/js/app.js", "", http.Header{"If-None-Match": {tag}})
	if w.Code != http.StatusNotModified || w.Body.Len() != 0 {
		t.Errorf("with its ETag: status %d and %d bytes, want 304 and 0", w.Code, w.Body.Len())
	}
	if other := serveRequest(t, h, "GET", "/js/dom.js", "", nil).Header().Get("ETag"); other == tag {
		t.Errorf("two files have the ETag %s", tag)
	}
}

func TestSetup(t *testing.T) {
	t.Parallel()
	o := phone.Options{FunctionURL: "http://localhost:8080/", APIKey: "dev", Connect: "rcshook webhook set", Agents: []phone.Agent{phone.Demo("a")}, Senders: []phone.Senders{{Group: "shop", Presets: []string{"shopify", "woocommerce"}}}}
	h := phone.New(o)
	var got map[string]any
	if err := json.Unmarshal(serveRequest(t, h, "GET", "/_dev/setup", "", nil).Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if got["boot"] == "" {
		t.Error("boot is empty")
	}
	delete(got, "boot")
	limits, _ := got["limits"].(map[string]any)
	if limits["text"] != 3072.0 {
		t.Errorf("limits = %v, want the limit of text", limits)
	}
	delete(got, "limits")
	want := map[string]any{
		"function": "http://localhost:8080/", "key": "dev", "sources": []any{}, "senders": []any{map[string]any{"group": "shop", "presets": []any{"shopify", "woocommerce"}}},
		"connect": "rcshook webhook set", "images": false,
		"agents": []any{map[string]any{"id": "a", "name": "Harborline Ferries", "color": "#0b5c7a", "logo": "pictures/logo.svg"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("setup (-want +got):\n%s", diff)
	}
}

func TestImagesSwitch(t *testing.T) {
	t.Parallel()
	h := phone.New(phone.Options{})
	imgs := func() string {
		_, src, _ := strings.Cut(serveRequest(t, h, "GET", "/", "", nil).Header().Get("Content-Security-Policy"), "img-src ")
		return src
	}
	tests := []struct {
		body   string
		status int
		want   string
	}{
		{`{"on": true}`, 200, "'self' https:"},
		{`{}`, 400, "'self' https:"},
		{`on`, 400, "'self' https:"},
		{`{"on": false}`, 200, "'self'"},
	}
	for _, tt := range tests {
		if w := serveRequest(t, h, "POST", "/_dev/images", tt.body, nil); w.Code != tt.status {
			t.Errorf("POST %s: status %d, want %d", tt.body, w.Code, tt.status)
		}
		if got := imgs(); got != tt.want {
			t.Errorf("after %s: img-src %s, want %s", tt.body, got, tt.want)
		}
	}
}

// TestCrossOrigin rejects requests of other pages.
func TestCrossOrigin(t *testing.T) {
	t.Parallel()
	h := phone.New(phone.Options{FunctionURL: "http://127.0.0.1:1/"})
	for _, path := range []string{"/_dev/images", "/_dev/send"} {
		for _, header := range []http.Header{
			{"Sec-Fetch-Site": {"cross-site"}},
			{"Sec-Fetch-Site": {"same-site"}},
			{"Origin": {"https://evil.example"}},
			{"Origin": {"null"}},
		} {
			if w := serveRequest(t, h, "POST", path, `{"on": true}`, header); w.Code != http.StatusForbidden {
				t.Errorf("POST %s with %v: status %d, want 403", path, header, w.Code)
			}
		}
	}
}

func TestSend(t *testing.T) {
	t.Parallel()
	function := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || r.Method != http.MethodPost || r.URL.Path != "/" || r.Header.Get("Authorization") != "Bearer dev" || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("unexpected request %s %s with %v: %v", r.Method, r.URL, r.Header, err)
		}
		switch string(body) {
		case "redirect":
			http.Redirect(w, r, "https://evil.example/", http.StatusFound)
		case "broken":
			io.WriteString(w, "{")
			panic(http.ErrAbortHandler)
		default:
			w.Header().Set("Retry-After", "2")
			w.WriteHeader(http.StatusTooManyRequests)
			io.WriteString(w, `{"code": "rate_limited"}`)
		}
	})
	here := phone.New(phone.Options{Function: function, FunctionURL: "http://localhost:8080/", APIKey: "dev"})
	tests := []struct {
		name    string
		handler http.Handler
		body    string
		status  int
		want    map[string]any
	}{
		{"response", here, "{}", 200, map[string]any{"status": 429.0, "retry_after": "2", "body": `{"code": "rate_limited"}`, "outcome": ""}},
		{"redirect", here, "redirect", 200, map[string]any{"status": 302.0, "retry_after": "", "body": "", "outcome": ""}},
		{"broken connection", here, "broken", 502, map[string]any{"error": "no response from the function: unexpected EOF"}},
		{"too large", here, strings.Repeat("x", 1<<20+1), 400, map[string]any{"error": "the payload is incomplete or larger than 1 MiB"}},
		{"no function", phone.New(phone.Options{}), "{}", 502, map[string]any{"error": "the simulator runs without a function"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := serveRequest(t, tt.handler, "POST", "/_dev/send", tt.body, nil)
			var got map[string]any
			if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
				t.Fatalf("%v: %s", err, w.Body)
			}
			delete(got, "milliseconds")
			if w.Code != tt.status {
				t.Errorf("status %d, want %d", w.Code, tt.status)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("response (-want +got):\n%s", diff)
			}
		})
	}
}

// TestPageSources checks the files of the page: no inline code, no other hosts, no
// conversion of text to markup, and a small total size.
func TestPageSources(t *testing.T) {
	t.Parallel()
	forbidden := map[string]*regexp.Regexp{
		".js":   regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|DOMParser|setAttribute\("(on|style|href|src)`),
		".html": regexp.MustCompile(`<style|<script>|\son\w+=|\sstyle=|(?:src|href)="(?:https?:)?//`),
		".css":  regexp.MustCompile(`@import|url\("?(?:https?:)?//`),
	}
	total, seen := int64(0), 0
	err := filepath.WalkDir("page", func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		seen++
		total += int64(len(data))
		if re := forbidden[filepath.Ext(path)]; re != nil {
			if bad := re.Find(data); bad != nil {
				t.Errorf("%s contains %q", path, bad)
			}
		}
		return nil
	})
	if err != nil || seen < 20 {
		t.Fatalf("read %d files, want the whole page: %v", seen, err)
	}
	if most := int64(180 << 10); total > most {
		t.Errorf("the page has %d bytes, want at most %d", total, most)
	}
}

// TestWrongServer posts requests for the function to the phone.
func TestWrongServer(t *testing.T) {
	t.Parallel()
	const phrase = `{"error":"this is the phone; post to the function, `
	for _, tt := range []struct {
		function, path string
		status         int
		allow, want    string
	}{
		{"http://localhost:9000/", "/", 405, "GET, HEAD", phrase + `http://localhost:9000/"}`},
		{"http://localhost:9000/", "/hooks/shop", 404, "", phrase + `http://localhost:9000/hooks/shop"}`},
		{"", "/", 405, "GET, HEAD", phrase + `which listens on another port, 8080 by default"}`},
	} {
		w := serveRequest(t, phone.New(phone.Options{FunctionURL: tt.function}), "POST", tt.path, "{}", nil)
		if w.Code != tt.status || w.Header().Get("Allow") != tt.allow || w.Body.String() != tt.want {
			t.Errorf("POST %s: %d, allowed %q, %s", tt.path, w.Code, w.Header().Get("Allow"), w.Body)
		}
	}
}
