package e2e

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
)

// TestTrace checks that the trace of a request reaches the platform and the log.
func TestTrace(t *testing.T) {
	t.Parallel()
	const id, span = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
	s := newStage(t)
	var got []http.Header
	platform := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = append(got, r.Header.Clone())
		s.sim.ServeHTTP(w, r)
	}))
	defer platform.Close()
	project := "p-1"
	h, log := s.handler(t, map[string]*string{"RCSHOOK_RBM_ENDPOINT": &platform.URL, "GOOGLE_CLOUD_PROJECT": &project})
	for _, tt := range []struct {
		header        http.Header
		parent, state string // patterns of the headers of the platform requests
		log           string
	}{
		{
			http.Header{"Traceparent": {"00-" + id + "-" + span + "-01"}, "Tracestate": {"congo=t61rcWkgMzE"}},
			`^00-` + id + `-[0-9a-f]{16}-01$`, `^congo=t61rcWkgMzE$`, `"logging.googleapis.com/spanId":"` + span + `"`,
		},
		{http.Header{"X-Cloud-Trace-Context": {id + "/1;o=1"}}, `^$`, `^$`, `"logging.googleapis.com/trace":"projects/p-1/traces/` + id + `"`},
		{http.Header{"Traceparent": {"umbrella"}, "Tracestate": {"congo=t61rcWkgMzE"}}, `^$`, `^$`, ""},
		{nil, `^$`, `^$`, ""},
	} {
		got = nil
		before := len(log.String())
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(`{"to": "+12025550157", "text": "Hi"}`)) // two retries
		for name, values := range tt.header {
			r.Header[name] = values
		}
		r.Header.Set("Authorization", "Bearer dev")
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != http.StatusOK || len(got) != 3 {
			t.Fatalf("%v: status %d after %d requests: %s", tt.header, w.Code, len(got), w.Body)
		}
		spans := map[string]bool{span: true}
		for _, header := range got {
			parent, state := header.Get("Traceparent"), header.Get("Tracestate")
			if !regexp.MustCompile(tt.parent).MatchString(parent) || !regexp.MustCompile(tt.state).MatchString(state) {
				t.Errorf("%v: traceparent %q and tracestate %q at the platform", tt.header, parent, state)
			}
			if parent != "" && spans[parent[36:52]] {
				t.Errorf("%v: the span of %q is not new", tt.header, parent)
			}
			if parent != "" {
				spans[parent[36:52]] = true
			}
		}
		line := log.String()[before:]
		if tt.log == "" && strings.Contains(line, "traces/") || !strings.Contains(line, tt.log) || strings.Contains(line, "umbrella") {
			t.Errorf("%v: log %s", tt.header, line)
		}
	}
}
