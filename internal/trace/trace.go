// Package trace propagates the trace of a caller: W3C Trace Context, and Google's older
// header as input. It records no spans.
//
// Specification: https://www.w3.org/TR/trace-context/
package trace

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// Trace is the position of a request in a trace. The zero value means no trace.
type Trace struct {
	ID       string // trace-id: 32 hexadecimal digits
	ParentID string // parent-id, the span of the caller: 16 hexadecimal digits, or ""
	Sampled  bool   // whether the caller records the trace

	flags string // trace-flags; "" without a valid traceparent
	state string // tracestate
}

var (
	traceparent = regexp.MustCompile(`^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$`)
	cloudTrace  = regexp.MustCompile(`^([0-9a-f]{32})(?:/([^;]*);?(.*))?$`)
	tracestate  = regexp.MustCompile(`^[ \t]*([a-z0-9_\-*/@]+=[ -+\--<>-~]+)?([ \t]*,[ \t]*([a-z0-9_\-*/@]+=[ -+\--<>-~]+)?)*$`)
)

// Limits of tracestate.
const (
	maxState   = 512 // characters that every vendor must propagate
	maxMembers = 32
)

// FromHeader returns the trace in the headers of a request. Malformed headers are
// ignored.
func FromHeader(h map[string][]string) Trace {
	if len(h["Traceparent"]) == 1 {
		m := traceparent.FindStringSubmatch(h["Traceparent"][0])
		// Version 00 has no more fields; ff is invalid.
		if m != nil && m[1] != "ff" && (m[1] != "00" || m[5] == "") && !isZero(m[2]) && !isZero(m[3]) {
			flags, _ := strconv.ParseUint(m[4], 16, 8)
			t := Trace{ID: m[2], ParentID: m[3], Sampled: flags&1 == 1, flags: m[4]}
			if m[1] != "00" {
				t.flags = fmt.Sprintf("%02x", flags&1) // other flags of a later version are unknown
			}
			if s := strings.Join(h["Tracestate"], ","); len(s) <= maxState && strings.Count(s, ",") < maxMembers && tracestate.MatchString(s) {
				t.state = s
			}
			return t
		}
	}
	// TRACE_ID/SPAN_ID;o=OPTIONS, where SPAN_ID is a decimal number.
	//
	// Cloud Trace docs: https://docs.cloud.google.com/trace/docs/trace-context
	if len(h["X-Cloud-Trace-Context"]) > 0 {
		if m := cloudTrace.FindStringSubmatch(h["X-Cloud-Trace-Context"][0]); m != nil && !isZero(m[1]) {
			t := Trace{ID: m[1], Sampled: m[3] == "o=1"}
			if span, err := strconv.ParseUint(m[2], 10, 64); err == nil && span != 0 {
				t.ParentID = fmt.Sprintf("%016x", span)
			}
			return t
		}
	}
	return Trace{}
}

func isZero(s string) bool { return strings.Trim(s, "0") == "" }

// Header returns the headers with which a later request continues the trace; nil for a
// trace without a traceparent.
func (t Trace) Header() map[string]string {
	if t.flags == "" {
		return nil
	}
	h := map[string]string{"Traceparent": "00-" + t.ID + "-" + t.ParentID + "-" + t.flags}
	if t.state != "" {
		h["Tracestate"] = t.state
	}
	return h
}

type contextKey struct{}

// NewContext returns a context whose requests continue t. A trace without a traceparent
// is not continued.
func NewContext(ctx context.Context, t Trace) context.Context {
	if t.flags == "" {
		return ctx
	}
	return context.WithValue(ctx, contextKey{}, t)
}

// FromContext returns the trace of a context made by [NewContext], or the zero value.
func FromContext(ctx context.Context) Trace {
	t, _ := ctx.Value(contextKey{}).(Trace)
	return t
}
