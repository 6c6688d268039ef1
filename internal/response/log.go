package response

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/rcshook/rcshook/internal/trace"
	"github.com/rcshook/rcshook/rbm"
)

// NewLogger returns a logger whose lines Cloud Logging reads: JSON with the keys
// severity and message.
//
// Cloud Logging docs: https://docs.cloud.google.com/logging/docs/structured-logging
func NewLogger(w io.Writer) *slog.Logger {
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{
		ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			if len(groups) > 0 {
				return a
			}
			switch a.Key {
			case slog.LevelKey:
				a.Key = "severity"
				if a.Value.Any() == slog.LevelWarn {
					a.Value = slog.StringValue("WARNING")
				}
			case slog.MessageKey:
				a.Key = "message"
			}
			return a
		},
	}))
}

// Trip is what one request costs on its way: it ends as one log line.
type Trip struct {
	// ID is the trace ID that the platform gave the request, or a random one.
	ID string

	// Project is the Google Cloud project; without it the log line cannot be
	// joined to its trace.
	Project string

	// Trace is the one that the request belongs to.
	Trace trace.Trace

	method, path string
	start        time.Time
	attempts     atomic.Int64
	upstream     atomic.Int64 // nanoseconds
}

// Begin starts the trip of r.
func Begin(r *http.Request) *Trip {
	t := &Trip{start: time.Now(), method: knownMethod(r.Method), path: place(r.URL.Path), Trace: trace.FromHeader(r.Header)}
	if t.ID = t.Trace.ID; t.ID == "" {
		t.ID = uuid.NewString()
	}
	return t
}

// Attempt counts one request to RCS Business Messaging; see [rbm.Config].
func (t *Trip) Attempt(a rbm.Attempt) {
	t.attempts.Add(1)
	t.upstream.Add(int64(a.Duration))
}

// mostAttrs is about how many things a line says at most; more is no harm.
const mostAttrs = 24

// End writes the log line of a trip that ended with answer a. A write that failed
// means that the caller was gone.
func (t *Trip) End(ctx context.Context, log *slog.Logger, a *Answer, write error) {
	attrs := append(make([]slog.Attr, 0, mostAttrs),
		slog.String("request_id", t.ID),
		slog.String("method", t.method),
		slog.String("path", t.path),
	)
	attrs = append(attrs, t.correlate()...)
	attrs = a.appendAttrs(attrs)
	if n := t.attempts.Load(); n > 0 {
		attrs = append(attrs, slog.Int64("attempts", n), slog.Int64("upstream_ms", time.Duration(t.upstream.Load()).Milliseconds()))
	}
	if write != nil {
		attrs = append(attrs, slog.Bool("caller_gone", true))
	}
	attrs = append(attrs, slog.Int64("total_ms", time.Since(t.start).Milliseconds()))
	if h := log.Handler(); h.Enabled(ctx, a.Level()) { // not by log, which would look where in the source this is
		line := slog.NewRecord(time.Now(), a.Level(), string(a.Code), 0)
		line.AddAttrs(attrs...)
		_ = h.Handle(ctx, line) // as a logger does: there is nobody to tell
	}
}

// correlate joins the line to the request's own line, which Cloud Run writes, and to
// its trace. There is no httpRequest here: that line has it.
//
// Cloud Logging docs: https://docs.cloud.google.com/logging/docs/structured-logging#structured_logging_special_fields
func (t *Trip) correlate() []slog.Attr {
	if t.Trace.ID == "" || t.Project == "" {
		return nil
	}
	attrs := []slog.Attr{
		slog.String("logging.googleapis.com/trace", "projects/"+t.Project+"/traces/"+t.Trace.ID),
		slog.Bool("logging.googleapis.com/trace_sampled", t.Trace.Sampled),
	}
	if t.Trace.ParentID != "" {
		attrs = append(attrs, slog.String("logging.googleapis.com/spanId", t.Trace.ParentID))
	}
	return attrs
}

// knownMethod keeps a method that HTTP has: another one may hold anything.
func knownMethod(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return method
	default:
		return "other"
	}
}

// place keeps of a path what we named ourselves: the rest may hold anything.
func place(path string) string {
	first, _, more := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	switch {
	case path == "/", path == "/openapi.json":
		return path
	case more && (first == "messages" || first == "hooks" || first == "tasks"):
		return "/" + first + "/*"
	default:
		return "other"
	}
}
