package e2e

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/rcshook/rcshook/internal/server"
)

// TestSetup_timeout reads rcshook.yaml from a Secret Manager that does not respond. Requests
// meanwhile get a response in time. One read continues and serves later requests.
func TestSetup_timeout(t *testing.T) {
	s := newStage(t)
	s.exportCredentials(t)
	name, budget := "projects/acme-test/secrets/rcshook-yaml", "200ms"
	s.sim.Secrets.AddVersion(name, []byte("sources: {}\n"))
	environ := func() []string {
		return s.environ(map[string]*string{"RCSHOOK_CONFIG": &name, "RCSHOOK_TIMEOUT": &budget})
	}
	f := &server.Function{Environ: environ, Log: new(logged)}
	do := func(method string) *httptest.ResponseRecorder {
		w, r := httptest.NewRecorder(), httptest.NewRequest(method, "/", nil)
		f.ServeHTTP(w, r)
		return w
	}
	s.sim.Secrets.Hang(true)
	var all sync.WaitGroup
	for _, method := range []string{http.MethodPost, http.MethodPost, http.MethodGet} {
		all.Go(func() {
			var body struct{ Code string }
			w := do(method)
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
		w := do(http.MethodPost)
		if w.Code == http.StatusUnauthorized { // the server is ready, and the key is missing
			break
		}
		if w.Code != http.StatusServiceUnavailable || t.Context().Err() != nil {
			t.Fatalf("after Secret Manager came back: %d %s", w.Code, w.Body)
		}
	}
}
