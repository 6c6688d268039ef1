package trace_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/rcshook/rcshook/internal/trace"
)

const (
	id   = "4bf92f3577b34da6a3ce929d0e0e4736"
	span = "00f067aa0ba902b7"
)

// recorder is a transport that records the headers of a request.
type recorder struct{ header http.Header }

func (s *recorder) RoundTrip(r *http.Request) (*http.Response, error) {
	s.header = r.Header
	return new(http.Response), nil
}

// propagated returns the trace headers of a request that is sent during one with headers h.
func propagated(t *testing.T, h http.Header) (parent, state string) {
	t.Helper()
	req, err := http.NewRequestWithContext(trace.NewContext(t.Context(), trace.FromHeader(h)), http.MethodPost, "https://example.com/", nil)
	if err != nil {
		t.Fatal(err)
	}
	s := new(recorder)
	if _, err := (trace.Transport{Base: s}).RoundTrip(req); err != nil {
		t.Fatal(err)
	}
	if len(req.Header) > 0 {
		t.Errorf("the request was modified: %v", req.Header)
	}
	return s.header.Get("Traceparent"), s.header.Get("Tracestate")
}

func TestTrace(t *testing.T) {
	t.Parallel()
	zero := strings.Repeat("0", 32)
	for _, tt := range []struct {
		name, value string
		want        trace.Trace
		flags       string // that are propagated; "" if nothing is
	}{
		{"Traceparent", "00-" + id + "-" + span + "-01", trace.Trace{ID: id, ParentID: span, Sampled: true}, "01"},
		{"Traceparent", "00-" + id + "-" + span + "-00", trace.Trace{ID: id, ParentID: span}, "00"},
		{"Traceparent", "00-" + id + "-" + span + "-03", trace.Trace{ID: id, ParentID: span, Sampled: true}, "03"},
		{"Traceparent", "cc-" + id + "-" + span + "-ff-more", trace.Trace{ID: id, ParentID: span, Sampled: true}, "01"},
		{"Traceparent", "00-" + id + "-" + span + "-01-more", trace.Trace{}, ""},
		{"Traceparent", "ff-" + id + "-" + span + "-01", trace.Trace{}, ""},
		{"Traceparent", "00-" + zero + "-" + span + "-01", trace.Trace{}, ""},
		{"Traceparent", "00-" + id + "-" + zero[:16] + "-01", trace.Trace{}, ""},
		{"Traceparent", "00-" + strings.ToUpper(id) + "-" + span + "-01", trace.Trace{}, ""},
		{"Traceparent", "00-" + id + "-" + span + "-0x", trace.Trace{}, ""},
		{"Traceparent", id, trace.Trace{}, ""},
		{"Traceparent", "+12025550123", trace.Trace{}, ""},
		{"X-Cloud-Trace-Context", id + "/67667974448284343;o=1", trace.Trace{ID: id, ParentID: "00f067aa0ba902b7", Sampled: true}, ""},
		{"X-Cloud-Trace-Context", id + "/1;o=0", trace.Trace{ID: id, ParentID: "0000000000000001"}, ""},
		{"X-Cloud-Trace-Context", id, trace.Trace{ID: id}, ""},
		{"X-Cloud-Trace-Context", "+12025550123", trace.Trace{}, ""},
		{"X-Cloud-Trace-Context", strings.ToUpper(id), trace.Trace{}, ""},
	} {
		h := http.Header{}
		h.Set(tt.name, tt.value)
		got := trace.FromHeader(h)
		if got.ID != tt.want.ID || got.ParentID != tt.want.ParentID || got.Sampled != tt.want.Sampled {
			t.Errorf("%s: %s is %+v, want %+v", tt.name, tt.value, got, tt.want)
		}
		if want := tt.want; tt.flags == "" && got.Header() != nil || tt.flags != "" && got.Header()["Traceparent"] != "00-"+want.ID+"-"+want.ParentID+"-"+tt.flags {
			t.Errorf("%s: %s is propagated later as %v", tt.name, tt.value, got.Header())
		}
		parent, _ := propagated(t, h)
		if tt.flags == "" && parent != "" || tt.flags != "" && !regexp.MustCompile(`^00-`+id+`-[0-9a-f]{16}-`+tt.flags+`$`).MatchString(parent) || strings.Contains(parent, span) {
			t.Errorf("%s: %s is propagated as %q", tt.name, tt.value, parent)
		}
	}
	duplicate := http.Header{"Traceparent": {"00-" + id + "-" + span + "-01", "00-" + id + "-" + span + "-01"}}
	if got := trace.FromHeader(duplicate); got.ID != "" {
		t.Errorf("a duplicate header gives %+v", got)
	}
}

func TestState(t *testing.T) {
	t.Parallel()
	long := "a=" + strings.Repeat("b", 511)
	for _, tt := range []struct {
		values []string
		want   string
	}{
		{nil, ""},
		{[]string{"congo=t61rcWkgMzE, rojo=00f067aa0ba902b7"}, "congo=t61rcWkgMzE, rojo=00f067aa0ba902b7"},
		{[]string{"a=1", "fw529a3039@dt=FfAA"}, "a=1,fw529a3039@dt=FfAA"},
		{[]string{"a=1,,b=2"}, "a=1,,b=2"},
		{[]string{"a"}, ""},
		{[]string{"=1"}, ""},
		{[]string{"a="}, ""},
		{[]string{"a=b=c"}, ""},
		{[]string{"A=1"}, ""},
		{[]string{"a=\x7f"}, ""},
		{[]string{"a=\u00e9"}, ""},
		{[]string{long}, ""},
		{[]string{strings.Repeat("a=1,", 32) + "a=1"}, ""},
	} {
		h := http.Header{"Traceparent": {"00-" + id + "-" + span + "-01"}, "Tracestate": tt.values}
		if _, got := propagated(t, h); got != tt.want {
			t.Errorf("%q is propagated as %q, want %q", tt.values, got, tt.want)
		}
		h.Del("Traceparent")
		if parent, got := propagated(t, h); parent+got != "" {
			t.Errorf("%q is propagated without a traceparent: %q, %q", tt.values, parent, got)
		}
	}
}

// FuzzFromHeader checks that only valid values reach the log and requests.
func FuzzFromHeader(f *testing.F) {
	f.Add("00-"+id+"-"+span+"-01", "a=1", "")
	f.Add("", "", id+"/1;o=1")
	form := regexp.MustCompile(`^(00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2})?$`)
	logged := regexp.MustCompile(`^([0-9a-f]{32}( [0-9a-f]{16})?)? ?$`)
	f.Fuzz(func(t *testing.T, parent, state, cloud string) {
		h := http.Header{"Traceparent": {parent}, "Tracestate": {state}, "X-Cloud-Trace-Context": {cloud}}
		in := trace.FromHeader(h)
		parent, state = propagated(t, h)
		if !form.MatchString(parent) || parent == "" && state != "" || len(state) > 512 || strings.ContainsAny(state, "\r\n") {
			t.Errorf("%q and %q are propagated", parent, state)
		}
		if !logged.MatchString(in.ID + " " + in.ParentID) {
			t.Errorf("%q and %q are logged", in.ID, in.ParentID)
		}
	})
}
