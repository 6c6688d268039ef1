package rcshook

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// TestBuilder_hangs sees that nobody waits longer than for an answer while
// rcshook.yaml is read from a Secret Manager that does not answer, that one read
// goes on meanwhile, and that it serves whoever comes later.
func TestBuilder_hangs(t *testing.T) {
	s := newStage(t)
	name, budget := "projects/acme-test/secrets/rcshook-yaml", "200ms"
	s.sim.Secrets.AddVersion(name, []byte("sources: {}\n"))
	environ := func() []string {
		return s.environ(map[string]*string{"RCSHOOK_CONFIG": &name, "RCSHOOK_TIMEOUT": &budget})
	}
	var b builder
	log := new(logged)
	ask := func(method string) *httptest.ResponseRecorder {
		w, r := httptest.NewRecorder(), httptest.NewRequest(method, "/", nil)
		b.get(r, environ, log).ServeHTTP(w, r)
		return w
	}
	s.sim.Secrets.Hang(true)
	var all sync.WaitGroup
	for _, method := range []string{http.MethodPost, http.MethodPost, http.MethodGet} {
		all.Go(func() {
			var body struct{ Code string }
			w := ask(method)
			_ = json.Unmarshal(w.Body.Bytes(), &body)
			if method == http.MethodPost && (w.Code != http.StatusServiceUnavailable || body.Code != "secret_unavailable") {
				t.Errorf("%s: %d %s", method, w.Code, w.Body)
			}
			if method == http.MethodGet && w.Code != http.StatusOK {
				t.Errorf("%s: %d %s", method, w.Code, w.Body)
			}
		})
	}
	all.Wait()
	b.mu.Lock()
	built := b.built
	b.mu.Unlock()
	if built == nil {
		t.Fatal("the answers came only once the build had ended")
	}
	s.sim.Secrets.Hang(false)
	<-built
	h := b.get(httptest.NewRequest(http.MethodGet, "/", nil), environ, log)
	if h.fault != nil {
		t.Fatalf("after Secret Manager came back: %v", h.fault)
	}
	h.Close()
}

// TestTrustBundle sees that the certificates beside a bundle are left alone only if
// there is a bundle, and nobody has said what to trust.
func TestTrustBundle(t *testing.T) {
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
			if trustBundle(test.bundle); os.Getenv("SSL_CERT_DIR") != test.want {
				t.Errorf("SSL_CERT_DIR is %q, want %q", os.Getenv("SSL_CERT_DIR"), test.want)
			}
			if got := os.Getenv("SSL_CERT_FILE"); got != test.file {
				t.Errorf("SSL_CERT_FILE is %q, want %q", got, test.file)
			}
		})
	}
}
