package e2e

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/rcshook/rcshook/internal/server"
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
	f := &server.Function{Environ: environ, Log: new(logged)}
	ask := func(method string) *httptest.ResponseRecorder {
		w, r := httptest.NewRecorder(), httptest.NewRequest(method, "/", nil)
		f.ServeHTTP(w, r)
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
	s.sim.Secrets.Hang(false)
	for {
		w := ask(http.MethodPost)
		if w.Code == http.StatusUnauthorized { // the server is there, and misses the key
			break
		}
		if w.Code != http.StatusServiceUnavailable || t.Context().Err() != nil {
			t.Fatalf("after Secret Manager came back: %d %s", w.Code, w.Body)
		}
	}
}
