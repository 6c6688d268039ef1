package e2e

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/google"
	gcp "github.com/rcshook/rcshook/internal/google/platform"
	"github.com/rcshook/rcshook/internal/googletest/platform"
	"github.com/rcshook/rcshook/internal/googletest/tasks"
	"github.com/rcshook/rcshook/internal/googletest/token"
	"github.com/rcshook/rcshook/internal/optout"
	"github.com/rcshook/rcshook/internal/phonenumber"
	"github.com/rcshook/rcshook/internal/server"
	"github.com/rcshook/rcshook/internal/source"
	"github.com/rcshook/rcshook/rbm"
	"github.com/rcshook/rcshook/rbm/rbmtest"
)

// A stage is the environment of one test: simulators of the platform and of Google's other
// services, and the settings of a function that uses them.
type stage struct {
	sim      *platform.Platform
	url      string
	env      map[string]string
	adc      []byte // Application Default Credentials; nil means those of the process
	clock    clock
	google   *token.Issuer
	tasks    *tasks.Server
	fallback *fallback

	processLog    io.Writer     // gets the whole log of a process, if it is set
	optOutTimeout time.Duration // long, because machines can be busy
}

// The queues of the stage and the account of their tasks. Functions only use them if
// RCSHOOK_QUEUE or RCSHOOK_EVENTS_QUEUE is set.
const (
	stageQueue   = "projects/example/locations/us-central1/queues/messages"
	eventsQueue  = "projects/example/locations/us-central1/queues/events"
	stageAccount = "tasks@example.iam.gserviceaccount.com"
)

// stageIssuer returns the issuer of ID tokens of all stages. Generating a key is slow.
var stageIssuer = sync.OnceValues(token.NewIssuer)

func newStage(t *testing.T) *stage {
	t.Helper()
	s := &stage{optOutTimeout: time.Minute}
	s.clock.set(caseTime)
	s.sim = platform.New(&rbmtest.Simulator{Now: s.clock.now})
	web := httptest.NewServer(s.sim)
	t.Cleanup(func() { s.sim.Close(); web.Close() })
	s.url = web.URL
	var err error
	if s.google, err = stageIssuer(); err != nil {
		t.Fatal(err)
	}
	google := httptest.NewServer(s.google)
	t.Cleanup(google.Close)
	s.fallback = newFallback(t)
	s.tasks = &tasks.Server{Issuer: s.google, Now: s.clock.now}
	s.tasks.AddQueue(stageQueue, tasks.Settings{MinBackoff: time.Millisecond})
	s.tasks.AddQueue(eventsQueue, tasks.Settings{MinBackoff: time.Millisecond})
	queue := httptest.NewServer(s.tasks)
	t.Cleanup(func() { queue.Close(); s.tasks.Close() })
	env := s.sim.Provision(s.url)
	s.adc = env.Credentials
	s.env = map[string]string{
		"RCSHOOK_AGENT_ID":               env.AgentIDSecret,
		"RCSHOOK_CREDENTIALS":            env.KeySecret,
		"RCSHOOK_API_KEYS":               "dev",
		"RCSHOOK_RBM_ENDPOINT":           s.url,
		"RCSHOOK_SECRETMANAGER_ENDPOINT": s.url,
		"RCSHOOK_OIDC_ENDPOINT":          google.URL,
		"RCSHOOK_TASKS_ENDPOINT":         queue.URL,
		"RCSHOOK_STORAGE_ENDPOINT":       s.url,
	}
	return s
}

// The store of opt-outs of a stage, and the secret with its key.
const (
	storeBucket   = "rcshook-stage"
	storeLocation = "gs://rcshook-stage/rcs-opt-outs"
	storeKey      = "projects/example/secrets/opt-out-key"
)

// stageKey is the key.
var stageKey = strings.Repeat("k", optout.MinKey)

// openStore creates the store.
func (s *stage) openStore(t testing.TB) {
	t.Helper()
	s.sim.Storage.AddBucket(storeBucket)
	s.sim.Secrets.AddVersion(storeKey, []byte(stageKey))
	if err := s.bucket(t, stageKey).Init(t.Context(), "default", "harborline", "bakery"); err != nil {
		t.Fatal(err)
	}
}

// bucket returns the store, with a key.
func (s *stage) bucket(t testing.TB, key string) *optout.Bucket {
	t.Helper()
	background := google.NewBackground()
	t.Cleanup(background.Close)
	return optout.NewBucket(optout.BucketOptions{
		API: gcp.New(gcp.Options{
			Transport: http.DefaultTransport, Now: time.Now, Background: background, Log: slog.New(slog.DiscardHandler), Credentials: s.adc,
		}),
		Endpoint: s.url, Location: storeLocation, Now: s.clock.now,
		Key: func(context.Context) ([]byte, error) { return []byte(key), nil }, RereadKey: func(context.Context) error { return nil },
	})
}

// exportCredentials puts the Application Default Credentials of the stage into the
// environment, for tests of [server.Function].
func (s *stage) exportCredentials(t *testing.T) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "adc.json")
	if err := os.WriteFile(file, s.adc, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", file)
	s.adc = nil
}

// environ returns the settings of the stage, changed by override; nil removes a setting.
func (s *stage) environ(override map[string]*string) []string {
	env := maps.Clone(s.env)
	for name, value := range override {
		if delete(env, name); value != nil {
			env[name] = *value
		}
	}
	var environ []string
	for name, value := range env {
		environ = append(environ, name+"="+value)
	}
	return environ
}

// function is the function under test. Its configuration may be invalid.
type function struct {
	http.Handler
	t       *testing.T
	err     error // from server.New
	environ []string
	now     func() time.Time // its clock
}

// handler returns a function with the settings of the stage, changed by override. It
// retries without delay, and its clock is stopped.
func (s *stage) handler(t *testing.T, override map[string]*string) (*function, *logged) {
	t.Helper()
	log, at := new(logged), s.clock.now()
	f := &function{t: t, environ: s.environ(override), now: func() time.Time { return at }}
	h, err := server.New(t.Context(), server.Options{
		Environ: f.environ, DefaultCredentials: s.adc,
		Log:   log,
		Now:   func() time.Time { return f.now() },
		Retry: rbm.Retry{BaseDelay: time.Nanosecond, MaxDelay: time.Nanosecond},

		OptOutTimeout: s.optOutTimeout,
	})
	if err != nil {
		f.err = err
		f.Handler = &server.Function{Environ: func() []string { return f.environ }, Log: log}
		return f, log
	}
	f.Handler = h
	t.Cleanup(func() { h.Close() })
	return f, log
}

// Close stops the background work of the function.
func (f *function) Close() {
	if h, ok := f.Handler.(*server.Server); ok {
		h.Close()
	}
}

// settings returns the configuration of the function, and its sources.
func (f *function) settings() (config.Config, *source.Directory) {
	f.t.Helper()
	cfg, err := config.FromEnviron(f.environ)
	if err != nil || cfg.File == "" || cfg.File.IsResource() {
		return cfg, new(source.Directory)
	}
	data, err := os.ReadFile(string(cfg.File))
	if err != nil {
		f.t.Fatal(err)
	}
	parsed, err := config.ParseFile("rcshook.yaml", data)
	if err != nil {
		return cfg, new(source.Directory)
	}
	if cfg, err = cfg.With("rcshook.yaml", parsed); err != nil {
		return cfg, new(source.Directory)
	}
	sources, err := source.Open(parsed.Sources, source.Options{
		Agents: slices.Collect(maps.Keys(cfg.Agents)),
		Phone:  phonenumber.Options{Country: cfg.Country, Countries: cfg.AllCountries()},
	})
	if err != nil {
		return cfg, new(source.Directory)
	}
	return cfg, sources
}

// clock is the settable clock of a stage.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) set(at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = at
}

// logged is the log of a function. It is safe for concurrent use.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text.Reset()
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
