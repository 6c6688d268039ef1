package rcshook

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/rcshook/rcshook/internal/agent"
	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/drain"
	"github.com/rcshook/rcshook/internal/google"
	"github.com/rcshook/rcshook/internal/queue"
	"github.com/rcshook/rcshook/internal/response"
	"github.com/rcshook/rcshook/internal/send"
	"github.com/rcshook/rcshook/internal/slots"
	"github.com/rcshook/rcshook/internal/source"
	"github.com/rcshook/rcshook/internal/trace"
	"github.com/rcshook/rcshook/rbm"
)

// New returns a handler with the settings in environ, a list of NAME=value such as
// [os.Environ] returns, that logs to w. Of all secrets it reads only the one that
// holds rcshook.yaml, if RCSHOOK_CONFIG names one; the others are read when they are
// first needed.
//
// If settings are missing or malformed, the error names all of them, and the
// handler answers every request with it.
func New(environ []string, w io.Writer) (*Handler, error) {
	h := &Handler{log: response.NewLogger(w), now: time.Now, reading: slots.New()}
	if h.cfg, h.fault = config.FromEnviron(environ); h.fault != nil {
		return h, h.fault
	}
	transport := rbm.NewTransport()
	if h.cfg.RBMEndpoint != "" {
		transport.MaxConnsPerHost = 0                                  // a simulator or a proxy, which may speak HTTP/1 only
		transport.MaxIdleConns, transport.MaxIdleConnsPerHost = 0, 512 // else most of a burst would dial
	}
	if h.fault = h.readFile(transport); h.fault != nil {
		return h, h.fault
	}
	h.agents = agent.New(h.cfg, agent.Options{Transport: transport, Log: h.log})
	if len(h.cfg.Audience) > 0 {
		h.tokens = source.NewGoogleTokens(h.cfg.OIDCEndpoint, transport, h.cfg.Audience, h.cfg.Emails)
	}
	if h.cfg.QueueAccount != "" {
		h.tasks = source.NewGoogleTokens(h.cfg.OIDCEndpoint, transport, []string{h.cfg.URL}, []string{h.cfg.QueueAccount})
	}
	h.sender = &send.Sender{
		Agents: h.agents,
		Queue: queue.New(queue.Options{
			API: h.agents.Platform(), Endpoint: h.cfg.TasksEndpoint,
			URL: h.cfg.URL, Account: h.cfg.QueueAccount, Timeout: h.cfg.Timeout,
		}),
		HTTP:      &http.Client{Transport: trace.Transport{Base: transport}},
		Endpoint:  h.cfg.RBMEndpoint,
		UserAgent: "rcshook/" + Version(),
		Paces:     send.NewPaces(h.cfg.Agents),
		Now:       func() time.Time { return h.now() },
	}
	return h, nil
}

// readFile adds what rcshook.yaml says to the settings. The error has every fault
// of the file, or is that of reading the secret.
func (h *Handler) readFile(transport http.RoundTripper) error {
	if h.cfg.File == "" {
		return nil
	}
	name, data, err := agent.ReadFile(context.Background(), h.cfg, agent.Options{Transport: transport, Log: h.log})
	if err != nil {
		return err
	}
	parsed, err := config.ParseFile(name, data)
	all := errors.Join(err)
	if h.cfg, err = h.cfg.With(name, parsed); err != nil {
		all = errors.Join(all, err)
	}
	var agents []string
	for name := range h.cfg.Agents {
		agents = append(agents, name)
	}
	h.sources, err = source.Open(parsed.Sources, source.Options{
		Secrets:        func(ctx context.Context, s config.Secret) ([]byte, error) { return h.agents.Secret(ctx, s) },
		Agents:         agents,
		GoogleEndpoint: h.cfg.OIDCEndpoint,
		Transport:      transport,
	})
	return config.Join(all, err)
}

// environment keeps the handler of the deployed function.
var environment builder

// A builder keeps a handler that is built once it is asked for, one build at a time.
type builder struct {
	mu      sync.Mutex
	handler *Handler
	at      time.Time     // when handler was built
	built   chan struct{} // closed once the build under way has ended; nil if there is none
}

// setupPause is how long a failure to read the file stands before it is tried again.
const setupPause = time.Second

// fromEnvironment builds the handler on the first request, so that importing the
// package has no effects.
func fromEnvironment(r *http.Request) *Handler { return environment.get(r, os.Environ, os.Stderr) }

// get returns the handler. If the file could not be read because Secret Manager was
// away, or refused, a later request tries again. Nobody waits longer for that than for
// an answer: the handler is then one that says so.
func (b *builder) get(r *http.Request, environ func() []string, log io.Writer) *Handler {
	handler, built := b.begin(environ, log)
	if handler != nil {
		return handler
	}
	waiting := &Handler{log: response.NewLogger(log), now: time.Now}
	waiting.cfg, _ = config.FromEnviron(environ()) // its faults are those of the build
	budget := waiting.callerOf(r).budget
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		budget = min(budget, readyTime)
	}
	ctx, cancel := context.WithTimeout(r.Context(), within(r.Context(), budget))
	defer cancel()
	select {
	case <-built:
		b.mu.Lock()
		defer b.mu.Unlock()
		return b.handler
	case <-ctx.Done():
		waiting.fault = &google.SecretError{
			Kind:   google.Unavailable,
			Reason: "unreachable",
			Err:    fmt.Errorf("rcshook.yaml is still being read: %w", ctx.Err()),
		}
		return waiting
	}
}

// begin returns the handler, or what is closed once it is built.
func (b *builder) begin(environ func() []string, log io.Writer) (*Handler, <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	secret := (*google.SecretError)(nil)
	switch {
	case b.built != nil:
		return nil, b.built
	case b.handler != nil && (!errors.As(b.handler.fault, &secret) || time.Since(b.at) < setupPause):
		return b.handler, nil
	}
	b.built = make(chan struct{})
	go b.build(environ, log)
	return nil, b.built
}

// build belongs to no request: whoever began it may leave before it ends.
func (b *builder) build(environ func() []string, log io.Writer) {
	h := &Handler{log: response.NewLogger(log), now: time.Now}
	defer func() {
		if v := recover(); v != nil {
			h.fault = response.Bug(v)
		}
		if h.fault != nil {
			h.log.Error("rcshook is not set up", slog.Any("cause", h.fault))
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		b.handler, b.at = h, time.Now()
		close(b.built)
		b.built = nil
	}()
	if built, _ := New(environ(), log); built != nil { // the error is its fault
		h = built
	}
}

// inFlight are the requests that Send is at work on.
var inFlight drain.Requests

// adapt makes the process one of Cloud Run, which sets K_SERVICE. It begins with the
// first request, so that importing the package has no effects: elsewhere signals and
// environment are those of whoever serves. The functions framework does nothing about
// them.
//
// Cloud Run docs: https://docs.cloud.google.com/run/docs/container-contract#services-env-vars
var adapt = sync.OnceFunc(func() {
	if os.Getenv("K_SERVICE") != "" {
		inFlight.EndBySignal()
		trustBundle(rootBundle)
	}
})

// rootBundle is the first file in which crypto/x509 looks for what Linux trusts. The
// images of Cloud Run, which are made of Ubuntu, have everything in it.
const rootBundle = "/etc/ssl/certs/ca-certificates.crt"

// trustBundle has crypto/x509 leave it at the bundle. It would read the same
// certificates a second time, each from a file of its own beside the bundle, and that
// is three quarters of the time that the first TLS connection of a process takes.
// Where somebody else has said what to trust, that stands.
func trustBundle(bundle string) {
	const dir = "SSL_CERT_DIR"
	f, err := os.Open(bundle) //nolint:gosec // a constant
	if err != nil {
		return
	}
	f.Close()
	if os.Getenv("SSL_CERT_FILE") == "" && os.Getenv(dir) == "" {
		os.Setenv(dir, "/nonexistent") //nolint:errcheck // without it there is only more to read
	}
}

// Drain returns once no request to Send is in flight and nothing new comes, or after
// 9 seconds, or when ctx ends, with an error. It is for programs that serve Send and
// are about to end.
func Drain(ctx context.Context) error { return inFlight.Wait(ctx) }

// Close ends what the handler does in the background.
func (h *Handler) Close() error {
	if h.agents == nil {
		return nil
	}
	h.sender.HTTP.CloseIdleConnections()
	return h.agents.Close()
}
