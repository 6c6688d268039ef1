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
	"syscall"
	"time"

	"github.com/rcshook/rcshook/internal/code"
	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/response"
	"github.com/rcshook/rcshook/internal/server"
)

// Limits of the server. What a request may take of the function itself is
// RCSHOOK_TIMEOUT.
const (
	headerPatience = 10 * time.Second
	bodyPatience   = 30 * time.Second
	writePatience  = 10 * time.Second
	slotPatience   = 5 * time.Second
	idlePatience   = 2 * time.Minute
	maxHeader      = 32 << 10
)

var serveCommand = command{
	name:  "serve",
	brief: "run the function as a plain server, as in a container",
	usage: `Usage:

	rcshook serve [-listen :8080] [-max-requests 250]

Runs the function as a plain server, as in a container, with the settings in the
environment. SIGTERM ends it once what is in flight is finished; on Cloud Run, which
kills it after 10 seconds, what is left after 8 is cancelled and answered. The
environment variable PORT sets the port too.
`,
	run: serve,
}

// serve runs the function as a plain server, with the settings of the environment,
// until ctx ends; what is in flight then is finished.
func serve(ctx context.Context, args []string, ends streams) error {
	address, most, err := serveFlags(args)
	if err != nil {
		return err
	}
	cfg, err := config.FromEnviron(os.Environ())
	if err != nil {
		return err
	}
	handler, err := server.New(ctx, server.Options{Environ: os.Environ(), Log: ends.err})
	if err != nil {
		return err
	}
	defer handler.Close()
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("%s is taken by another program: stop it, or choose another port with -listen or PORT", address)
	}
	if err != nil {
		return err
	}
	log := response.NewLogger(ends.err)
	log.Info("serving", slog.String("address", listener.Addr().String()), slog.String("version", server.Version()))
	h, finish := bound(handler, most, cfg.Timeout), finishAll(cfg.Timeout)
	if os.Getenv("K_SERVICE") != "" {
		h, finish = hurried(h)
	}
	err = serveOn(ctx, listener, h, finish, log)
	log.Info("stopped")
	return err
}

func serveFlags(args []string) (address string, most int, err error) {
	port := "8080"
	if p := os.Getenv("PORT"); p != "" {
		if !isPort(p) {
			return "", 0, usageError("the environment variable PORT is not a number from 0 to 65535")
		}
		port = p
	}
	flags := newFlags("serve")
	flags.StringVar(&address, "listen", ":"+port, "`address` to listen on")
	flags.IntVar(&most, "max-requests", 250, "the most `requests` at once")
	if err := parse(flags, args); err != nil {
		return "", 0, err
	}
	switch {
	case flags.NArg() > 0:
		err = usageError(fmt.Sprintf("serve takes no argument, and there is %q", flags.Arg(0)))
	case isPort(address):
		err = usageError(fmt.Sprintf("-listen takes an address with a port: write :%s", address))
	case most < 1:
		err = usageError("-max-requests must be at least 1")
	}
	return address, most, err
}

// isPort reports whether an address is a port alone, which lacks its colon.
func isPort(address string) bool {
	_, err := strconv.ParseUint(address, 10, 16)
	return err == nil
}

// serveOn serves until ctx ends, and then until finish has nothing left to wait for.
func serveOn(ctx context.Context, l net.Listener, h http.Handler, finish finisher, log *slog.Logger) error {
	server := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: headerPatience,
		ReadTimeout:       bodyPatience,
		IdleTimeout:       idlePatience,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(l) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	log.Info("stopping: what is in flight is finished first")
	if err := finish(context.WithoutCancel(ctx), server); err != nil {
		server.Close()
		return fmt.Errorf("some requests were cut off: %w", err)
	}
	return nil
}

// A finisher returns once what is in flight is answered, or cannot be waited for.
type finisher func(context.Context, *http.Server) error

// finishAll waits as long as a request may take.
func finishAll(budget time.Duration) finisher {
	return func(ctx context.Context, s *http.Server) error {
		ctx, cancel := context.WithTimeout(ctx, slotPatience+budget+writePatience)
		defer cancel()
		return s.Shutdown(ctx)
	}
}

// hurried is for Cloud Run, which ends an instance 10 seconds after SIGTERM: what
// takes too long is cancelled in time to be answered with what is known, as in the
// deployed function.
//
// Cloud Run docs: https://docs.cloud.google.com/run/docs/container-contract#instance-shutdown
func hurried(h http.Handler) (http.Handler, finisher) {
	const farewell = 500 * time.Millisecond // for connections whose requests are answered
	requests := new(server.Requests)
	served := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { requests.Serve(w, r, h.ServeHTTP) })
	return served, func(ctx context.Context, s *http.Server) error {
		err := requests.Wait(ctx)
		ctx, cancel := context.WithTimeout(ctx, farewell)
		defer cancel()
		return errors.Join(err, s.Shutdown(ctx))
	}
}

// bound lets at most so many requests through to h at once. One more waits for a
// while, and is then told to come again.
func bound(h http.Handler, most int, budget time.Duration) http.Handler {
	slots := make(chan struct{}, most)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		wait := time.NewTimer(slotPatience)
		defer wait.Stop()
		select {
		case slots <- struct{}{}:
			defer func() { <-slots }()
		case <-wait.C:
			refuse(w)
			return
		case <-r.Context().Done(): // the server ends, or nobody waits any more
			refuse(w)
			return
		}
		// From here on, because waiting must not take away the time of the answer. The
		// error only means that there is no connection to be slow.
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(budget + bodyPatience + writePatience))
		h.ServeHTTP(w, r)
	})
}

// refuse answers for the function, which has not seen the request.
func refuse(w http.ResponseWriter) {
	w.Header().Set("Connection", "close")
	answer := response.New(code.Overloaded)
	answer.RetryAfter = time.Second
	// The error only means that the caller is gone.
	_ = answer.Write(w)
}
