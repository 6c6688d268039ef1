// Package trace joins what rcshook does to the trace of its caller: by W3C Trace
// Context, and by the older header of Google. It records no spans.
//
// Specification: https://www.w3.org/TR/trace-context/
package trace

import (
	"context"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
)

// Trace is the place of a request in a trace. The zero value is that of a request
// that came without one.
type Trace struct {
	// ID is that of the whole trace, 32 hexadecimal digits.
	ID string

	// Span is that of the request, 16 hexadecimal digits; it may be missing.
	Span string

	// Sampled says that the trace is recorded.
	Sampled bool

	flags string // of traceparent; empty if there was none
	state string // of tracestate
}

// Of reads the headers of a request. What is malformed counts as missing.
func Of(h http.Header) Trace {
	if t, ok := parent(h); ok {
		t.state = state(h)
		return t
	}
	return google(h.Get("X-Cloud-Trace-Context"))
}

// parent reads traceparent. A version that is not known yet is read as the first.
func parent(h http.Header) (Trace, bool) {
	values := h.Values("Traceparent")
	if len(values) != 1 {
		return Trace{}, false
	}
	parts := strings.SplitN(values[0], "-", 5) // what is more is one part: it may be long
	if len(parts) < 4 {
		return Trace{}, false
	}
	version, id, span, flags := parts[0], parts[1], parts[2], parts[3]
	switch {
	case !isHex(version, 2) || version == "ff" || version == "00" && len(parts) > 4,
		!isHex(id, 32) || isZero(id), !isHex(span, 16) || isZero(span), !isHex(flags, 2):
		return Trace{}, false
	}
	sampled := isOdd(flags)
	if version != "00" { // only this flag is known
		flags = "00"
		if sampled {
			flags = "01"
		}
	}
	return Trace{ID: id, Span: span, Sampled: sampled, flags: flags}, true
}

// isOdd reports whether the last bit is set.
func isOdd(flags string) bool {
	b, err := hex.DecodeString(flags)
	return err == nil && b[0]&1 == 1
}

// google reads TRACE_ID/SPAN_ID;o=OPTIONS, where the span is a decimal number.
//
// Cloud Trace docs: https://docs.cloud.google.com/trace/docs/trace-context
func google(value string) Trace {
	id, rest, _ := strings.Cut(value, "/")
	if !isHex(id, 32) || isZero(id) {
		return Trace{}
	}
	span, options, _ := strings.Cut(rest, ";")
	t := Trace{ID: id, Sampled: options == "o=1"}
	if n, err := strconv.ParseUint(span, 10, 64); err == nil && n != 0 {
		t.Span = fmt.Sprintf("%016x", n)
	}
	return t
}

// Limits of tracestate.
const (
	maxState   = 512 // characters that everybody must pass on
	maxMembers = 32
)

// state reads tracestate, which is passed on as it is, or not at all.
func state(h http.Header) string {
	all := strings.Join(h.Values("Tracestate"), ",")
	if all == "" || len(all) > maxState || strings.Count(all, ",") >= maxMembers {
		return ""
	}
	for member := range strings.SplitSeq(all, ",") {
		key, value, ok := strings.Cut(strings.Trim(member, " \t"), "=")
		if key == "" && value == "" && !ok {
			continue // an empty member is allowed
		}
		if !ok || key == "" || strings.Trim(key, "abcdefghijklmnopqrstuvwxyz0123456789_-*/@") != "" || value == "" ||
			strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r > '~' || r == '=' }) {
			return ""
		}
	}
	return all
}

func isHex(s string, length int) bool {
	return len(s) == length && strings.Trim(s, "0123456789abcdef") == ""
}

func isZero(s string) bool { return strings.Trim(s, "0") == "" }

// Header makes a request a part of the trace that somebody else makes later; nil for
// a trace without a traceparent.
func (t Trace) Header() map[string]string {
	if t.flags == "" {
		return nil
	}
	h := map[string]string{"Traceparent": "00-" + t.ID + "-" + t.Span + "-" + t.flags}
	if t.state != "" {
		h["Tracestate"] = t.state
	}
	return h
}

type contextKey struct{}

// With returns a context whose requests are passed on in trace t. A trace without
// a traceparent is not: nothing is made up.
func With(ctx context.Context, t Trace) context.Context {
	if t.flags == "" {
		return ctx
	}
	return context.WithValue(ctx, contextKey{}, t)
}

// Transport passes on, with each request, the trace that its context has, if it has
// one: the same trace and flags, with a new span ID.
type Transport struct{ Base http.RoundTripper }

// RoundTrip implements [http.RoundTripper].
func (t Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	in, ok := r.Context().Value(contextKey{}).(Trace)
	if !ok {
		return t.Base.RoundTrip(r)
	}
	own := r.WithContext(r.Context()) // a RoundTripper must not change the request
	own.Header = r.Header.Clone()
	own.Header.Set("Traceparent", fmt.Sprintf("00-%s-%016x-%s", in.ID, rand.Uint64N(1<<64-1)+1, in.flags))
	if in.state != "" {
		own.Header.Set("Tracestate", in.state)
	}
	return t.Base.RoundTrip(own)
}

// CloseIdleConnections closes those of Base.
func (t Transport) CloseIdleConnections() {
	if c, ok := t.Base.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}
