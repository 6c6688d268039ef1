package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/rcshook/rcshook/internal/code"
	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/response"
	"github.com/rcshook/rcshook/internal/server"
)

// The timeouts and limits of the server. RCSHOOK_TIMEOUT limits the function itself.
const (
	headerTimeout  = 10 * time.Second
	bodyTimeout    = 30 * time.Second
	writeTimeout   = 10 * time.Second
	slotTimeout    = 5 * time.Second
	idleTimeout    = 2 * time.Minute
	maxHeaderBytes = 32 << 10
)

var serveCommand = command{
	name:    "serve",
	summary: "run the function as a plain server, as in a container",
	help: `Usage:

	rcshook serve [-listen :8080] [-max-requests 250]

Runs the function as a plain server, as in a container, with the settings in the
environment. After SIGTERM it finishes the requests in flight and exits. On Cloud Run,
which kills it after 10 seconds, requests that take longer than 8 seconds are canceled
and get a response. The environment variable PORT sets the port too.
`,
	run: serve,
}

func serve(ctx context.Context, args []string, std stdio) error {
	address, maxRequests, err := parseServeFlags(args)
	if err != nil {
		return err
	}
	cfg, err := config.FromEnviron(os.Environ())
	if err != nil {
		return err
	}
	handler, err := server.New(ctx, server.Options{
		Environ: os.Environ(), Log: std.err,
		MaxStrangers: min(server.DefaultStrangers, max(1, maxRequests/2)),
	})
	if err != nil {
		return err
	}
	defer handler.Close()
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if isPortTaken(err) {
		return fmt.Errorf("%s is in use by another program: stop it, or choose another port with -listen or PORT", address)
	}
	if err != nil {
		return err
	}
	log := response.NewLogger(std.err)
	log.Info("serving", slog.String("address", listener.Addr().String()), slog.String("version", server.Version()))
	h, shutdown := limitRequests(handler, maxRequests, cfg.Timeout), gracefulShutdown(cfg.Timeout)
	if os.Getenv("K_SERVICE") != "" {
		h, shutdown = cloudRunShutdown(h)
	}
	err = serveOn(ctx, listener, h, shutdown, log)
	log.Info("stopped")
	return err
}

func parseServeFlags(args []string) (address string, maxRequests int, err error) {
	port := "8080"
	if p := os.Getenv("PORT"); p != "" {
		if !isPort(p) {
			return "", 0, usageError("the environment variable PORT: expected a number from 0 to 65535")
		}
		port = p
	}
	flags := newFlags("serve")
	flags.StringVar(&address, "listen", ":"+port, "")
	flags.IntVar(&maxRequests, "max-requests", 250, "")
	if err := parse(flags, args); err != nil {
		return "", 0, err
	}
	switch {
	case flags.NArg() > 0:
		err = usageError(fmt.Sprintf("unexpected argument %q", flags.Arg(0)))
	case isPort(address):
		err = usageError(fmt.Sprintf("-listen: expected an address with a port; write :%s", address))
	case maxRequests < 1:
		err = usageError("-max-requests must be at least 1")
	}
	return address, maxRequests, err
}

func isPort(text string) bool {
	_, err := strconv.ParseUint(text, 10, 16)
	return err == nil
}

// A shutdownFunc waits for the requests in flight, and closes the server's connections.
type shutdownFunc func(context.Context, *http.Server) error

// serveOn serves until ctx ends, and then shuts down.
func serveOn(ctx context.Context, l net.Listener, h http.Handler, shutdown shutdownFunc, log *slog.Logger) error {
	server := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       bodyTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(l) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	log.Info("stopping: finishing requests in flight")
	if err := shutdown(context.WithoutCancel(ctx), server); err != nil {
		server.Close()
		return fmt.Errorf("some requests were aborted: %w", err)
	}
	return nil
}

// gracefulShutdown waits as long as a request may take.
func gracefulShutdown(requestTimeout time.Duration) shutdownFunc {
	return func(ctx context.Context, s *http.Server) error {
		ctx, cancel := context.WithTimeout(ctx, slotTimeout+requestTimeout+writeTimeout)
		defer cancel()
		return s.Shutdown(ctx)
	}
}

// cloudRunShutdown is for Cloud Run, which kills an instance 10 seconds after SIGTERM. As
// in the deployed function, slow requests are canceled in time for a response.
//
// Cloud Run docs: https://docs.cloud.google.com/run/docs/container-contract#instance-shutdown
func cloudRunShutdown(h http.Handler) (http.Handler, shutdownFunc) {
	requests := new(server.Requests)
	served := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { requests.Serve(w, r, h.ServeHTTP) })
	return served, func(ctx context.Context, s *http.Server) error {
		err := requests.Wait(ctx)
		ctx, cancel := context.WithTimeout(ctx, 500*time.Millisecond) // to close connections
		defer cancel()
		return errors.Join(err, s.Shutdown(ctx))
	}
}

// limitRequests passes at most n concurrent requests to h. Another one waits for
// slotTimeout, and then gets a 503.
func limitRequests(h http.Handler, n int, requestTimeout time.Duration) http.Handler {
	slots := make(chan struct{}, n)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		wait := time.NewTimer(slotTimeout)
		defer wait.Stop()
		select {
		case slots <- struct{}{}:
			defer func() { <-slots }()
		case <-wait.C:
			writeOverloaded(w, r)
			return
		case <-r.Context().Done(): // the server stops, or the client is gone
			writeOverloaded(w, r)
			return
		}
		// The deadline starts here, because waiting must not shorten it. An error only
		// means that the connection is closed.
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(requestTimeout + bodyTimeout + writeTimeout))
		h.ServeHTTP(w, r)
	})
}

func writeOverloaded(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Connection", "close")
	resp := response.New(code.Overloaded)
	resp.RetryAfter = time.Second
	_ = resp.Write(w, r) // the client may be gone
}
