package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"runtime/debug"
	"sync"
	"time"

	"github.com/rcshook/rcshook/internal/code"
	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/google"
	"github.com/rcshook/rcshook/internal/response"
)

// Function is the deployed function: a server that is configured by the environment
// when the first request arrives, and that shuts down gracefully.
type Function struct {
	// Environ returns the settings as NAME=value, such as [os.Environ].
	Environ func() []string

	// Log receives the log lines.
	Log io.Writer

	// Transport makes all requests; nil means a transport for RBM.
	Transport http.RoundTripper

	requests Requests
	onCloud  sync.Once

	mu      sync.Mutex
	handler http.Handler  // nil before the first build
	builtAt time.Time     // when handler was built
	retry   bool          // whether another build may succeed
	done    chan struct{} // closed when the build in progress ends; nil if there is none
}

// retryPause is the time between two attempts to read rcshook.yaml.
const retryPause = time.Second

// ServeHTTP serves one request. On Cloud Run, which sets K_SERVICE, the first request
// also sets up the process: SIGTERM then ends it after the requests in flight. The
// functions framework does not handle signals.
//
// Cloud Run docs: https://docs.cloud.google.com/run/docs/container-contract#services-env-vars
func (f *Function) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.onCloud.Do(func() {
		if os.Getenv("K_SERVICE") != "" {
			f.requests.exitOnSignal()
			useBundle(rootBundle)
		}
	})
	f.requests.Serve(w, r, func(w http.ResponseWriter, r *http.Request) { f.current(r).ServeHTTP(w, r) })
}

// current returns the server, or a handler that responds with the error if there is
// none. If rcshook.yaml could not be read, a later request tries again.
func (f *Function) current(r *http.Request) http.Handler {
	f.mu.Lock()
	if f.done == nil && (f.handler == nil || f.retry && time.Since(f.builtAt) >= retryPause) {
		f.done = make(chan struct{})
		go f.build(f.done)
	}
	handler, done := f.handler, f.done
	f.mu.Unlock()
	if done == nil {
		return handler
	}
	timeout := config.DefaultTimeout
	if cfg, err := config.FromEnviron(f.Environ()); err == nil {
		timeout = cfg.Timeout
	}
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		timeout = min(timeout, readyTimeout)
	}
	ctx, cancel := context.WithTimeout(r.Context(), beforeDeadline(r.Context(), timeout))
	defer cancel()
	select {
	case <-done:
		f.mu.Lock()
		defer f.mu.Unlock()
		return f.handler
	case <-ctx.Done():
		return f.broken(&google.SecretError{
			Kind:   google.Unavailable,
			Reason: "unreachable",
			Err:    fmt.Errorf("rcshook.yaml is still being read: %w", ctx.Err()),
		})
	}
}

// build builds the server and closes done. It runs in its own goroutine, because the
// request that started it may be canceled first.
func (f *Function) build(done chan struct{}) {
	s, err := func() (s *Server, err error) {
		defer func() {
			if v := recover(); v != nil {
				err = code.PanicError(v)
			}
		}()
		return New(context.Background(), Options{Environ: f.Environ(), Log: f.Log, Transport: f.Transport})
	}()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.handler, f.retry = s, false
	if err != nil {
		response.NewLogger(f.Log).Error("the configuration is invalid", slog.Any("cause", err))
		f.handler = f.broken(err)
		_, f.retry = errors.AsType[*google.SecretError](err)
	}
	f.builtAt, f.done = time.Now(), nil
	close(done)
}

// broken returns the handler for a configuration that cannot be used. Requests that need
// it get err, and GET / reports that the function is not ready.
func (f *Function) broken(err error) http.Handler {
	cfg, _ := config.FromEnviron(f.Environ()) // as far as it is valid
	logger := response.NewLogger(f.Log)
	return newRouter(func(to route) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			c := &call{Request: r, w: w, profile: response.Strict}
			serve(c, logger, cfg.Project, config.DefaultTimeout, func() (*response.Response, error) {
				_, secret := errors.AsType[*google.SecretError](err)
				file := 0 // problems in rcshook.yaml, which any caller could read here
				if e, ok := errors.AsType[*config.Error](err); ok {
					for _, p := range e.Problems {
						if p.File != "" {
							file++
						}
					}
				}
				switch {
				case to.static:
					return to.serve(nil, c)
				case to.pattern == aboutPattern && !hasKey(r): // a key cannot be checked
					if err := c.checkAbout(); err != nil {
						return nil, err
					}
					res := response.Document(aboutPage{Name: "rcshook", Version: Version()})
					res.Err = err
					return res, nil
				case secret:
					return nil, response.Redact(err, "rcshook.yaml cannot be read")
				case file > 0:
					return nil, &response.Problem{
						Code: code.Misconfigured, Err: err, Detail: fmt.Sprintf("rcshook.yaml has errors: %d", file),
						Action: "Run rcshook check, or read the log of the function. Fix the errors and deploy again.",
					}
				default:
					return nil, err
				}
			})
		}
	})
}

// rootBundle is the first file in which crypto/x509 looks for root certificates on
// Linux. The images of Cloud Run, which are based on Ubuntu, have all roots in it.
const rootBundle = "/etc/ssl/certs/ca-certificates.crt"

// useBundle makes crypto/x509 read only the bundle, and not also the file of each
// certificate beside it, which would take three quarters of the first TLS handshake.
// SSL_CERT_FILE and SSL_CERT_DIR take precedence.
func useBundle(bundle string) {
	const dir = "SSL_CERT_DIR"
	if _, err := os.Stat(bundle); err == nil && os.Getenv("SSL_CERT_FILE") == "" && os.Getenv(dir) == "" {
		os.Setenv(dir, "/nonexistent")
	}
}

// release is the version that the linker sets: -ldflags "-X
// github.com/rcshook/rcshook/internal/server.release=v1.2.3". A source upload has no
// version control information.
var release string

// Version returns the version that the linker set, or that of the module, or "devel".
var Version = sync.OnceValue(func() string {
	version := "devel"
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "(devel)" {
		version = cmp.Or(info.Main.Version, version)
	}
	return cmp.Or(release, version)
})
