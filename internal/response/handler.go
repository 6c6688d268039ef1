package response

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// NewLogger returns a logger for Cloud Logging: JSON with the keys severity and message.
//
// Cloud Logging docs: https://docs.cloud.google.com/logging/docs/structured-logging
func NewLogger(w io.Writer) *slog.Logger { return slog.New(&handler{w: w}) }

// handler writes each record as a line. Unlike [slog.JSONHandler], it needs no reflection
// for most attributes.
type handler struct {
	slog.Handler // nil: no logger uses WithAttrs or WithGroup

	mu sync.Mutex
	w  io.Writer
}

// Enabled implements [slog.Handler].
func (h *handler) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelInfo }

// Handle implements [slog.Handler].
func (h *handler) Handle(_ context.Context, r slog.Record) error {
	severity := r.Level.String()
	if r.Level == slog.LevelWarn {
		severity = "WARNING"
	}
	line := append(make([]byte, 0, 512), `{"time":"`...)
	line = append(r.Time.AppendFormat(line, time.RFC3339Nano), '"')
	line = appendAttr(line, slog.String("severity", severity))
	line = appendAttr(line, slog.String("message", r.Message))
	r.Attrs(func(a slog.Attr) bool {
		line = appendAttr(line, a)
		return true
	})
	h.mu.Lock()
	defer h.mu.Unlock()
	_, err := h.w.Write(append(line, "}\n"...))
	return err
}

// appendAttr appends an attribute as a member of the JSON object at the end of a line.
func appendAttr(line []byte, a slog.Attr) []byte {
	if line[len(line)-1] != '{' {
		line = append(line, ',')
	}
	line = append(appendText(line, a.Key), ':')
	switch v := a.Value.Resolve(); v.Kind() {
	case slog.KindString:
		return appendText(line, v.String())
	case slog.KindInt64:
		return strconv.AppendInt(line, v.Int64(), 10)
	case slog.KindBool:
		return strconv.AppendBool(line, v.Bool())
	case slog.KindGroup:
		line = append(line, '{')
		for _, member := range v.Group() {
			line = appendAttr(line, member)
		}
		return append(line, '}')
	default:
		data, err := json.Marshal(v.Any())
		if _, isError := v.Any().(error); isError || err != nil {
			return appendText(line, fmt.Sprint(v.Any()))
		}
		return append(line, data...)
	}
}

// appendText appends a text as JSON.
func appendText(line []byte, text string) []byte {
	line, _ = jsontext.AppendQuote(line, text) // replaces invalid UTF-8
	return line
}
