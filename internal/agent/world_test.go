package agent_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rcshook/rcshook/internal/agent"
	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/google"
	"github.com/rcshook/rcshook/internal/googletest/secrets"
	"github.com/rcshook/rcshook/internal/googletest/token"
)

const (
	idSecret  = "projects/p-1/secrets/agent-id"
	keySecret = "projects/p-1/secrets/key"
	ownScope  = "https://www.googleapis.com/auth/cloud-platform"
)

// own issues the function's own tokens, with which it reads secrets. Its key file is the
// Application Default Credentials of all tests in this process. Tests of other
// credentials run in child processes, see adc_test.go.
var own = new(token.Server)

func TestMain(m *testing.M) {
	if os.Getenv(childMode) != "" {
		os.Exit(runChild())
	}
	os.Exit(func() int {
		server := httptest.NewServer(own)
		defer server.Close()
		dir, err := os.MkdirTemp("", "agent")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(dir)
		file := filepath.Join(dir, "own.json")
		key := own.KeyFile(token.KeyOptions{ClientEmail: "run@p-1", TokenURI: server.URL + "/own/token"})
		if err := os.WriteFile(file, key, 0o600); err != nil {
			panic(err)
		}
		os.Setenv("GOOGLE_APPLICATION_CREDENTIALS", file)
		return m.Run()
	}())
}

// world has stand-ins for Google's services.
type world struct {
	secrets secrets.Server
	tokens  token.Server
	url     string

	mu  sync.Mutex
	log strings.Builder
}

// loopback returns a world on the network of this machine.
func loopback(t testing.TB) *world {
	t.Helper()
	w := new(world)
	server := httptest.NewServer(w.handler())
	t.Cleanup(server.Close)
	w.url = server.URL
	w.secrets.Authorize = func(token string) error {
		_, err := own.Check(token, ownScope)
		return err
	}
	return w
}

// bubble returns a world without a network, for tests in a synctest bubble. It does not
// check the function's own tokens, which are issued in the time of each bubble.
func bubble() *world { return &world{url: "http://localhost:8081"} }

func (w *world) handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/v1/", &w.secrets)
	mux.Handle("/token", &w.tokens)
	mux.Handle("/own/token", own)
	return mux
}

// firstKey is the first key of every world, because generating one takes time.
var firstKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

// keyFile returns a key that this world's token endpoint accepts.
func (w *world) keyFile() []byte {
	return w.tokens.KeyFile(token.KeyOptions{TokenURI: w.url + "/token", PrivateKey: firstKey()})
}

// store stores valid values in both secrets, and returns the ID of the key.
func (w *world) store() (keyID string) {
	w.secrets.AddVersion(idSecret, []byte("brand_agent\n"))
	return w.add(w.keyFile())
}

// storeKey stores a new key, and returns its ID.
func (w *world) storeKey() (keyID string) {
	return w.add(w.tokens.KeyFile(token.KeyOptions{TokenURI: w.url + "/token"}))
}

func (w *world) add(file []byte) (keyID string) {
	w.secrets.AddVersion(keySecret, file)
	return keyIDOf(file)
}

func keyIDOf(file []byte) string {
	_, rest, _ := strings.Cut(string(file), `"private_key_id": "`)
	id, _, _ := strings.Cut(rest, `"`)
	return id
}

// config returns a configuration with one agent from secrets.
func (w *world) config() config.Config {
	return config.Config{
		Agents:                map[string]config.Agent{"default": {ID: idSecret, Credentials: keySecret}},
		RBMEndpoint:           w.url,
		SecretManagerEndpoint: w.url,
	}
}

// open returns a directory that logs to w.
func (w *world) open(t testing.TB, cfg config.Config, opts agent.Options) *agent.Directory {
	t.Helper()
	opts.Log = slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: slog.LevelDebug}))
	d := agent.New(cfg, opts)
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return d
}

// enter returns a directory that calls the handlers of this world without a network.
func (w *world) enter(t testing.TB, cfg config.Config) *agent.Directory {
	t.Helper()
	return w.open(t, cfg, agent.Options{Transport: inProcess{w.handler()}})
}

// Write implements [io.Writer] for the log.
func (w *world) Write(line []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.log.Write(line)
}

func (w *world) logged() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.log.String()
}

// inProcess is a transport that calls a handler. A network would prevent synctest from
// detecting that all goroutines wait.
type inProcess struct{ http.Handler }

func (t inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body == nil {
		r = r.Clone(r.Context())
		r.Body = http.NoBody
	}
	recorder, done := httptest.NewRecorder(), make(chan struct{})
	go func() {
		defer close(done)
		t.ServeHTTP(recorder, r)
	}()
	select {
	case <-done:
		return recorder.Result(), nil
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
}

// send does the steps of a request: it finds the agent and gets its token.
func send(ctx context.Context, d *agent.Directory) (*agent.Agent, string, error) {
	a, err := d.Agent(ctx, "")
	if err != nil {
		return nil, "", err
	}
	token, err := a.Token(ctx)
	return a, token, err
}

// mustSend is send with a check for success and a valid token.
func mustSend(t *testing.T, w *world, d *agent.Directory) (*agent.Agent, string) {
	t.Helper()
	a, token, err := send(t.Context(), d)
	if err != nil {
		t.Fatalf("Agent and Token: %v", err)
	}
	if _, err := w.tokens.Check(token, rbmScope); err != nil {
		t.Fatalf("Check of the token: %v", err)
	}
	return a, token
}

// wantSecretError checks that err is a SecretError with that sentinel and reason.
func wantSecretError(t *testing.T, err, sentinel error, reason string) *google.SecretError {
	t.Helper()
	e, ok := errors.AsType[*google.SecretError](err)
	if !ok || !errors.Is(err, sentinel) || e.Reason != reason {
		t.Fatalf("error %v, want %q with the reason %s", err, sentinel, reason)
	}
	for _, other := range []error{google.ErrSecretNotFound, google.ErrSecretDenied, google.ErrSecretInvalid, google.ErrSecretUnavailable} {
		if other != sentinel && errors.Is(err, other) {
			t.Errorf("error %v also matches %q", err, other)
		}
	}
	return e
}

// clock is a clock that tests set.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Now()} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}
