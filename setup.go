package rcshook

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/rcshook/rcshook/internal/agent"
	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/deliver"
	"github.com/rcshook/rcshook/internal/outcome"
	"github.com/rcshook/rcshook/internal/source"
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
	h := &Handler{log: outcome.NewLogger(w), now: time.Now}
	if h.cfg, h.fault = config.FromEnviron(environ); h.fault != nil {
		return h, h.fault
	}
	transport := rbm.NewTransport()
	if h.cfg.RBMEndpoint != "" {
		transport.MaxConnsPerHost = 0 // a simulator or a proxy, which may speak HTTP/1 only
	}
	if h.fault = h.readFile(transport); h.fault != nil {
		return h, h.fault
	}
	h.agents = agent.New(h.cfg, agent.Options{Transport: transport, Log: h.log})
	if len(h.cfg.Audience) > 0 {
		h.tokens = source.NewGoogleTokens(h.cfg.OIDCEndpoint, transport, h.cfg.Audience, h.cfg.Emails)
	}
	h.sender = &deliver.Sender{
		Agents:    h.agents,
		HTTP:      &http.Client{Transport: transport},
		Endpoint:  h.cfg.RBMEndpoint,
		UserAgent: "rcshook/" + Version(),
		Paces:     deliver.NewPaces(h.cfg.Agents),
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
	name, data, err := h.file(transport)
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

// sourceFolder is where the build of a function puts the files that it is
// deployed with.
const sourceFolder = "serverless_function_source_code"

// file reads rcshook.yaml: a file, or a secret of Secret Manager.
func (h *Handler) file(transport http.RoundTripper) (name string, data []byte, err error) {
	if !h.cfg.File.IsResource() {
		name = h.cfg.File.Literal()
		data, err = os.ReadFile(name)
		if errors.Is(err, os.ErrNotExist) && !filepath.IsAbs(name) {
			data, err = os.ReadFile(filepath.Join(sourceFolder, name))
		}
		if err != nil {
			reason := "it cannot be read"
			if errors.Is(err, os.ErrNotExist) {
				reason = "there is no such file; if it is in the folder that was deployed, look for it in .gcloudignore"
			}
			return name, nil, &config.Error{Faults: []config.Fault{{Setting: "RCSHOOK_CONFIG", Detail: "names a file, and " + reason}}}
		}
		return filepath.Base(name), data, nil
	}
	// The agents are in the file, so this directory knows none yet.
	directory := agent.New(h.cfg, agent.Options{Transport: transport, Log: h.log})
	defer directory.Close()
	ctx, cancel := context.WithTimeout(context.Background(), config.DefaultTimeout)
	defer cancel()
	data, err = directory.Secret(ctx, h.cfg.File)
	if err != nil {
		return "", nil, fmt.Errorf("read rcshook.yaml: %w", err)
	}
	return h.cfg.File.String(), data, nil
}

// environment keeps the handler of the deployed function.
var environment struct {
	mu      sync.Mutex
	handler *Handler
	at      time.Time
}

// setupPause is how long a failure to read the file stands before it is tried again.
const setupPause = time.Second

// fromEnvironment builds the handler on the first request, so that importing the
// package has no effects. If the file could not be read because Secret Manager was
// away, or refused, a later request tries again.
func fromEnvironment() *Handler {
	e := &environment
	e.mu.Lock()
	defer e.mu.Unlock()
	secret := (*agent.SecretError)(nil)
	if e.handler != nil && (!errors.As(e.handler.fault, &secret) || time.Since(e.at) < setupPause) {
		return e.handler
	}
	h, err := New(os.Environ(), os.Stderr)
	if err != nil {
		h.log.Error("rcshook is not set up", slog.Any("cause", err))
	}
	e.handler, e.at = h, time.Now()
	return h
}

// Close ends what the handler does in the background.
func (h *Handler) Close() error {
	if h.agents == nil {
		return nil
	}
	h.sender.HTTP.CloseIdleConnections()
	return h.agents.Close()
}
