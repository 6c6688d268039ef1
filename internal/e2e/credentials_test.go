package e2e

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/rcshook/rcshook/internal/google"
	"github.com/rcshook/rcshook/internal/server"
	"github.com/rcshook/rcshook/rbm"
)

const hello = `{"to": "+12025550123", "text": "Hello"}`

// TestApplicationDefaultCredentials sends with every kind of Application Default
// Credentials, with and without a key for the platform in a secret.
func TestApplicationDefaultCredentials(t *testing.T) {
	for _, test := range []struct {
		name     string
		metadata bool
		secret   bool
		sender   string // account of the token at the platform
	}{
		{"key file and secret", false, true, "rbm-partner@rcshook-dev.iam.gserviceaccount.com"},
		{"key file alone", false, false, "rcshook-run@rcshook-dev.iam.gserviceaccount.com"},
		{"metadata server and secret", true, true, "rbm-partner@rcshook-dev.iam.gserviceaccount.com"},
		{"metadata server alone", true, false, "rcshook-run@rcshook-dev.iam.gserviceaccount.com"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newStage(t)
			hideCredentials(t)
			s.adc = nil
			var bearer atomic.Value
			platform := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				bearer.Store(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
				s.sim.ServeHTTP(w, r)
			}))
			defer platform.Close()
			if env := s.sim.Provision(s.url); test.metadata {
				t.Setenv("GCE_METADATA_HOST", env.MetadataHost)
			} else {
				file := filepath.Join(t.TempDir(), "key.json")
				if err := os.WriteFile(file, env.Credentials, 0o600); err != nil {
					t.Fatal(err)
				}
				t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", file)
			}
			override := map[string]*string{"RCSHOOK_RBM_ENDPOINT": &platform.URL}
			if !test.secret {
				override["RCSHOOK_CREDENTIALS"] = nil
			}
			h, _ := s.handler(t, override)
			if status, code := sendBody(t, h, hello); status != http.StatusOK || code != "accepted" {
				t.Fatalf("send = %d %s, want 200 accepted", status, code)
			}
			if got := s.sim.Messages(); len(got) != 1 {
				t.Errorf("%d messages arrived, want 1", len(got))
			}
			grant, err := s.sim.Tokens.Check(bearer.Load().(string), rbm.Scope)
			if err != nil || grant.Email != test.sender {
				t.Errorf("the platform was called by %q, %v, want %q", grant.Email, err, test.sender)
			}
			if keyless := test.metadata && !test.secret; keyless != (grant.KeyID == "") {
				t.Errorf("token of key %q at the platform; want a token without a key: %t", grant.KeyID, keyless)
			}
		})
	}
}

// TestNoCredentials tests that a function without credentials reports a secret that it
// cannot read.
func TestNoCredentials(t *testing.T) {
	s := newStage(t)
	hideCredentials(t)
	s.adc = nil
	t.Setenv("GCE_METADATA_HOST", "127.0.0.1:1") // refuses connections
	h, _ := s.handler(t, nil)
	status, code := sendBody(t, h, hello)
	if status/100 != 5 || !strings.HasPrefix(code, "secret_") {
		t.Errorf("send = %d %s, want a 5xx about a secret", status, code)
	}
}

// TestTokenEndpointDown checks that the response has no duplicate warning if no message was
// sent.
func TestTokenEndpointDown(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	h, _ := s.handler(t, nil)
	if status, code := sendBody(t, h, hello); status != http.StatusOK {
		t.Fatalf("send = %d %s, want 200", status, code)
	}
	s.sim.Tokens.RevokeTokens()
	s.sim.Tokens.Fail(http.StatusServiceUnavailable, 1000)
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(hello))
	r.Header.Set("Authorization", "Bearer dev")
	r.Header.Set("Content-Type", "application/json")
	h.ServeHTTP(w, r)
	if body := w.Body.String(); w.Code != http.StatusServiceUnavailable || strings.Contains(body, "duplicate_risk") {
		t.Errorf("send = %d %s, want 503 without duplicate_risk", w.Code, body)
	}
	if got := s.sim.Messages(); len(got) != 1 {
		t.Errorf("%d messages arrived, want 1", len(got))
	}
}

// hideCredentials hides the credentials of the developer.
func hideCredentials(t *testing.T) {
	t.Helper()
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", "")
	t.Setenv("GCE_METADATA_HOST", "")
	t.Setenv("HOME", t.TempDir())
	t.Setenv("CLOUDSDK_CONFIG", t.TempDir())
}

// TestRotation replaces the key during requests. None may fail, whether or not the old key
// is revoked.
func TestRotation(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	h, _ := s.handler(t, nil)
	if status, code := sendBody(t, h, hello); status != http.StatusOK {
		t.Fatalf("send before the rotations = %d %s", status, code)
	}
	const callers, rotations = 16, 6
	var (
		wg   sync.WaitGroup
		sent atomic.Int64
		stop = make(chan struct{})
	)
	for range callers {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if status, code := sendBody(t, h, hello); status != http.StatusOK {
					t.Errorf("send during a rotation = %d %s", status, code)
				}
				sent.Add(1)
			}
		})
	}
	for i := range rotations {
		waitFor(t, &sent, sent.Load()+2*callers)
		if err := s.sim.Rotate(i%2 == 1); err != nil {
			t.Error(err)
		}
	}
	waitFor(t, &sent, sent.Load()+2*callers)
	close(stop)
	wg.Wait()
	if got := int64(len(s.sim.Messages())); got != sent.Load()+1 {
		t.Errorf("%d messages arrived, want %d", got, sent.Load()+1)
	}
}

// waitFor waits until other goroutines have sent n messages.
func waitFor(t *testing.T, sent *atomic.Int64, n int64) {
	t.Helper()
	for sent.Load() < n {
		if t.Context().Err() != nil || t.Failed() {
			return
		}
	}
}

// sendBody posts a payload to h and returns the status and the code of the response.
func sendBody(t *testing.T, h http.Handler, body string) (status int, code string) {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body)).WithContext(t.Context())
	r.Header.Set("Authorization", "Bearer dev")
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	var response struct{ Code string }
	if err := json.Unmarshal(w.Body.Bytes(), &response); err != nil {
		t.Errorf("the response is not JSON: %v", err)
	}
	return w.Code, response.Code
}

// TestFileInSecretManager reads the file with the agents from a secret. Until it exists,
// every response contains the reason.
func TestFileInSecretManager(t *testing.T) {
	s := newStage(t)
	s.exportCredentials(t)
	const secret = "projects/rcshook-sim/secrets/rcshook-yaml"
	override := map[string]*string{"RCSHOOK_AGENT_ID": nil, "RCSHOOK_CREDENTIALS": nil, "RCSHOOK_CONFIG": pointer(secret)}
	environ := s.environ(override)
	_, err := server.New(t.Context(), server.Options{Environ: environ})
	if _, ok := errors.AsType[*google.SecretError](err); !ok {
		t.Fatalf("New without the secret = %v, want a SecretError", err)
	}
	w := httptest.NewRecorder()
	f := &server.Function{Environ: func() []string { return environ }, Log: io.Discard}
	f.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/hooks/it", strings.NewReader("{}")))
	if !strings.Contains(w.Body.String(), `"code":"secret_not_found"`) {
		t.Errorf("response %s, want secret_not_found", w.Body)
	}
	s.sim.Secrets.AddVersion(secret, []byte(strings.ReplaceAll(`
agents:
  default: {id: file_agent, credentials: "[key]"}
sources:
  it: {preset: bearer, secret: s3cret}
`, "[key]", s.env["RCSHOOK_CREDENTIALS"])))
	h, err := server.New(t.Context(), server.Options{Environ: environ})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	r := httptest.NewRequest(http.MethodPost, "/hooks/it", strings.NewReader(`{"to": "+12025550123", "text": "x"}`))
	r.Header.Set("Authorization", "Bearer s3cret")
	w = httptest.NewRecorder()
	if h.ServeHTTP(w, r); w.Code != http.StatusOK || len(s.sim.Messages()) != 1 || s.sim.Messages()[0].AgentID != "file_agent" {
		t.Errorf("response %s and %d messages, want one of file_agent", w.Body, len(s.sim.Messages()))
	}
}

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
			t.Fatalf("after Secret Manager is available again: %d %s", w.Code, w.Body)
		}
	}
}
