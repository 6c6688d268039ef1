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

// NewLogger returns a logger for Cloud Logging: JSON with the keys severity and message.
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
				if level, _ := a.Value.Any().(slog.Level); level != slog.LevelWarn {
					return slog.String("severity", level.String())
				}
				return slog.String("severity", "WARNING")
			case slog.MessageKey:
				a.Key = "message"
			}
			return a
		},
	}))
}

// Log collects the data of the one log line that a request gets.
type Log struct {
	// ID is the trace ID of the request, or a random one.
	ID string

	// Project is the Google Cloud project. Cloud Logging needs it to join the line to
	// its trace.
	Project string

	// Trace is the trace that the request belongs to.
	Trace trace.Trace

	method, path string
	start        time.Time
	attempts     atomic.Int64
	upstream     atomic.Int64 // nanoseconds
}

// NewLog starts the log line of r.
func NewLog(r *http.Request) *Log {
	l := &Log{start: time.Now(), method: knownMethod(r.Method), path: knownPath(r.URL.Path), Trace: trace.FromHeader(r.Header)}
	if l.ID = l.Trace.ID; l.ID == "" {
		l.ID = uuid.NewString()
	}
	return l
}

// Attempt counts a request to RBM; see [rbm.Config].
func (l *Log) Attempt(a rbm.Attempt) {
	l.attempts.Add(1)
	l.upstream.Add(int64(a.Duration))
}

// attrsCap is the initial capacity of the attributes.
const attrsCap = 24

// Write writes the log line of a request with its response. writeErr is the error of
// writing the response: the caller has disconnected.
func (l *Log) Write(ctx context.Context, log *slog.Logger, resp *Response, writeErr error) {
	attrs := append(make([]slog.Attr, 0, attrsCap),
		slog.String("request_id", l.ID),
		slog.String("method", l.method),
		slog.String("path", l.path),
	)
	attrs = append(attrs, l.traceAttrs()...)
	attrs = resp.appendAttrs(attrs)
	if n := l.attempts.Load(); n > 0 {
		attrs = append(attrs, slog.Int64("attempts", n), slog.Int64("upstream_ms", time.Duration(l.upstream.Load()).Milliseconds()))
	}
	if writeErr != nil {
		attrs = append(attrs, slog.Bool("caller_gone", true))
	}
	attrs = append(attrs, slog.Int64("total_ms", time.Since(l.start).Milliseconds()))
	if h := log.Handler(); h.Enabled(ctx, resp.level()) { // the methods of log would look up the source line
		line := slog.NewRecord(time.Now(), resp.level(), string(resp.Code), 0)
		line.AddAttrs(attrs...)
		_ = h.Handle(ctx, line) // a failed log write cannot be reported anywhere
	}
}

// traceAttrs returns the attributes that join the line to its trace and to the request
// log of Cloud Run. That log has the httpRequest, so the line does not repeat it.
//
// Cloud Logging docs: https://docs.cloud.google.com/logging/docs/structured-logging#structured_logging_special_fields
func (l *Log) traceAttrs() []slog.Attr {
	if l.Trace.ID == "" || l.Project == "" {
		return nil
	}
	attrs := []slog.Attr{
		slog.String("logging.googleapis.com/trace", "projects/"+l.Project+"/traces/"+l.Trace.ID),
		slog.Bool("logging.googleapis.com/trace_sampled", l.Trace.Sampled),
	}
	if l.Trace.ParentID != "" {
		attrs = append(attrs, slog.String("logging.googleapis.com/spanId", l.Trace.ParentID))
	}
	return attrs
}

// knownMethod returns a method of HTTP unchanged. Other methods may contain anything.
func knownMethod(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return method
	default:
		return "other"
	}
}

// knownPath returns the part of a path that rcshook defines. The rest may contain
// personal data.
func knownPath(path string) string {
	first, rest, more := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	job, _, _ := strings.Cut(rest, "/")
	switch {
	case path == "/", path == "/openapi.json", path == "/capabilities", path == "/events", path == "/events/sample":
		return path
	case first == "tasks" && (job == "send" || job == "watch" || job == "fallback" || job == "event"):
		return "/tasks/" + job + "/*"
	case more && (first == "messages" || first == "hooks" || first == "tasks"):
		return "/" + first + "/*"
	default:
		return "other"
	}
}
