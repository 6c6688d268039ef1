package rcshook

import (
	"bytes"
	"maps"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/rcshook/rcshook/internal/googletest/platform"
	"github.com/rcshook/rcshook/internal/googletest/tasks"
	"github.com/rcshook/rcshook/internal/googletest/token"
	"github.com/rcshook/rcshook/rbm"
	"github.com/rcshook/rcshook/rbm/rbmtest"
)

// A stage is a simulator with everything that a function needs to run against it.
type stage struct {
	sim      *platform.Platform
	url      string
	env      map[string]string
	clock    clock
	google   *token.Issuer
	tasks    *tasks.Server
	fallback *fallback
}

// The queue of the stage, which is not used unless RCSHOOK_QUEUE names it, and whose
// its tasks are.
const (
	stageQueue   = "projects/example/locations/us-central1/queues/messages"
	stageAccount = "tasks@example.iam.gserviceaccount.com"
)

func newStage(t *testing.T) *stage {
	t.Helper()
	s := new(stage)
	s.clock.set(caseTime)
	s.sim = platform.New(&rbmtest.Simulator{Now: s.clock.now})
	server := httptest.NewServer(s.sim)
	t.Cleanup(func() { s.sim.Close(); server.Close() })
	s.url = server.URL
	var err error
	if s.google, err = token.NewIssuer(); err != nil {
		t.Fatal(err)
	}
	google := httptest.NewServer(s.google)
	t.Cleanup(google.Close)
	s.fallback = newFallback(t)
	s.tasks = &tasks.Server{Issuer: s.google, Now: s.clock.now}
	s.tasks.AddQueue(stageQueue, tasks.Settings{MinBackoff: time.Millisecond})
	queue := httptest.NewServer(s.tasks)
	t.Cleanup(func() { queue.Close(); s.tasks.Close() })
	env := s.sim.Provision(s.url)
	adc := filepath.Join(t.TempDir(), "adc.json")
	if err := os.WriteFile(adc, env.Credentials, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", adc)
	s.env = map[string]string{
		"RCSHOOK_AGENT_ID":               env.AgentIDSecret,
		"RCSHOOK_CREDENTIALS":            env.KeySecret,
		"RCSHOOK_API_KEYS":               "dev",
		"RCSHOOK_RBM_ENDPOINT":           s.url,
		"RCSHOOK_SECRETMANAGER_ENDPOINT": s.url,
		"RCSHOOK_OIDC_ENDPOINT":          google.URL,
		"RCSHOOK_TASKS_ENDPOINT":         queue.URL,
	}
	return s
}

// environ are the settings of the stage and those in override, where null removes one.
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

// handler returns a function with the settings of the stage and those in override.
// Its retries do not wait.
func (s *stage) handler(t *testing.T, override map[string]*string) (*Handler, *logged) {
	t.Helper()
	log := new(logged)
	h, err := New(s.environ(override), log)
	if err != nil && h.fault == nil {
		t.Fatal(err)
	}
	clock := s.clock.now()
	h.now = func() time.Time { return clock }
	if h.sender != nil {
		h.sender.Retry = rbm.Retry{BaseDelay: time.Nanosecond, MaxDelay: time.Nanosecond}
	}
	t.Cleanup(func() { h.Close() })
	return h, log
}

// clock is the time of a stage, which the queue reads while a test sets it.
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

// logged keeps what a function logs. It may be read while the function, which
// fetches secrets in the background, goes on.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
