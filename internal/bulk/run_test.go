package bulk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rcshook/rcshook/internal/client"
	"github.com/rcshook/rcshook/internal/code"
	"github.com/rcshook/rcshook/internal/compose"
	"github.com/rcshook/rcshook/internal/googletest/platform"
	"github.com/rcshook/rcshook/internal/payload"
	"github.com/rcshook/rcshook/internal/response"
	"github.com/rcshook/rcshook/internal/server"
	"github.com/rcshook/rcshook/rbm/rbmtest"
)

// A stage has a function with a simulator, and a proxy that may fail.
type stage struct {
	sim     *platform.Platform
	client  client.Client
	trouble func(n int64, w http.ResponseWriter, r *http.Request, function http.Handler)
	calls   atomic.Int64
}

func newStage(t *testing.T, settings ...string) *stage {
	t.Helper()
	s := &stage{sim: platform.New(new(rbmtest.Simulator))}
	t.Cleanup(s.sim.Close)
	google := httptest.NewServer(s.sim)
	t.Cleanup(google.Close)
	env := s.sim.Provision(google.URL)
	h, err := server.New(t.Context(), server.Options{Environ: append([]string{
		"RCSHOOK_AGENT_ID=" + env.AgentID, "RCSHOOK_CREDENTIALS=" + string(s.sim.KeyFile(google.URL)), "RCSHOOK_API_KEYS=secret-key",
		"RCSHOOK_RBM_ENDPOINT=" + google.URL,
	}, settings...)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := s.calls.Add(1)
		if s.trouble != nil {
			s.trouble(n, w, r, h)
			return
		}
		h.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	s.client = client.Client{URL: server.URL, Key: "secret-key"}
	return s
}

// runner returns a runner for a campaign.
func (s *stage) runner(t *testing.T, c *Campaign, results string) *Runner {
	t.Helper()
	j, err := ReadJournal(results)
	if err != nil {
		t.Fatal(err)
	}
	if err := j.Start(testHead, testTime); err != nil {
		t.Fatal(err)
	}
	return &Runner{
		Campaign: c, Journal: j, Concurrency: 8, Rate: 10_000, RetryFor: time.Minute,
		Send: func(ctx context.Context, body []byte) (*client.Response, error) {
			return s.client.Send(ctx, body, "application/json", "")
		},
	}
}

func numbers(n int) string {
	var b strings.Builder
	b.WriteString("to,no\n")
	for i := range n {
		fmt.Fprintf(&b, "+1303555%04d,%d\n", i, i)
	}
	return b.String()
}

// runAll runs to the end and returns the entries by state and code.
func runAll(t *testing.T, ctx context.Context, r *Runner) (map[string]int, error) {
	t.Helper()
	entries := make(chan Entry, 10_000)
	observe := r.Observe
	r.Observe = func(e Entry) {
		entries <- e
		if observe != nil {
			observe(e)
		}
	}
	err := r.Run(ctx)
	if err := r.Journal.Close(); err != nil {
		t.Error(err)
	}
	close(entries)
	got := map[string]int{}
	for e := range entries {
		got[string(e.State)+" "+e.Code]++
	}
	return got, err
}

// trouble rejects some requests, or breaks the connection after the function has sent the
// message.
func trouble(n int64, w http.ResponseWriter, r *http.Request, function http.Handler) {
	respond := func(status int, body string) {
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
	switch n % 50 {
	case 10:
		respond(http.StatusTooManyRequests, `{"ok": false, "status": 429, "code": "rate_limited", "retry": "later"}`)
	case 20:
		respond(http.StatusServiceUnavailable, "no instance")
	case 30:
		function.ServeHTTP(httptest.NewRecorder(), r)
		panic(http.ErrAbortHandler)
	default:
		function.ServeHTTP(w, r)
	}
}

// TestRunner stops half-way and continues. Each recipient gets one message.
func TestRunner(t *testing.T) {
	t.Parallel()
	const rows = 300
	s := newStage(t)
	s.trouble = trouble
	s.sim.SetBehavior("+13035550007", rbmtest.Behavior{Refusal: rbmtest.Unreachable})
	results := filepath.Join(t.TempDir(), "results.csv")
	c, _, err := start(t, numbers(rows), `{"text": "No {{no}}"}`)
	if err != nil {
		t.Fatal(err)
	}

	ctx, cancel := context.WithCancel(t.Context())
	r := s.runner(t, c, results)
	var entries atomic.Int64
	r.Observe = func(Entry) {
		if entries.Add(1) == rows/2 {
			cancel()
		}
	}
	first, err := runAll(t, ctx, r)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("stopped half-way: %v", err)
	}
	r = s.runner(t, c, results)
	second, err := runAll(t, t.Context(), r)
	if err != nil {
		t.Errorf("continued: %v", err)
	}
	for code, n := range second {
		first[code] += n
	}
	if diff := cmp.Diff(map[string]int{"sent accepted": rows - 1, "refused recipient_unreachable": 1}, first); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
	arrived := map[string]int{}
	for _, m := range s.sim.Messages() {
		arrived[m.To]++
	}
	if len(arrived) != rows-1 || len(s.sim.Messages()) != rows-1 {
		t.Errorf("%d messages to %d numbers, want %d", len(s.sim.Messages()), len(arrived), rows-1)
	}

	// It also does if the results are lost.
	lost, err := runAll(t, t.Context(), s.runner(t, c, filepath.Join(t.TempDir(), "others.csv")))
	if lost["sent accepted"]+lost["sent duplicate"] != rows-1 || err != nil || len(s.sim.Messages()) != rows-1 {
		t.Errorf("without the results: %v, %v, %d messages", lost, err, len(s.sim.Messages()))
	}
}

// TestRunner_stops checks that a run ends early if all rows would fail.
func TestRunner_stops(t *testing.T) {
	t.Parallel()
	const rows = 200
	for _, tt := range []struct {
		name   string
		set    func(*stage)
		code   string
		detail string
		most   int
	}{
		{"a wrong key", func(s *stage) { s.client.Key = "other" }, "unauthorized", "The API key is missing or wrong", 8},
		{"a revoked key of the platform", func(s *stage) {
			if err := s.sim.Rotate(true); err != nil {
				panic(err)
			}
		}, "secret_invalid", "A secret of this function is invalid", 8},
		{
			"a wrong URL", func(s *stage) {
				s.trouble = func(_ int64, w http.ResponseWriter, _ *http.Request, _ http.Handler) { io.WriteString(w, "hello") }
			},
			"", "the server at this URL is not rcshook (200 OK)", 8,
		},
		{
			"not testers", func(s *stage) {
				for i := range rows {
					s.sim.SetBehavior(fmt.Sprintf("+1303555%04d", i), rbmtest.Behavior{Refusal: rbmtest.NotTester})
				}
			},
			"recipient_not_tester", "20 consecutive rows failed, the last with: The agent is not launched", 28,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			tt.set(s)
			c, _, err := start(t, numbers(rows), `{"text": "No {{no}}"}`)
			if err != nil {
				t.Fatal(err)
			}
			got, err := runAll(t, t.Context(), s.runner(t, c, filepath.Join(t.TempDir(), "results.csv")))
			stopped, ok := errors.AsType[*StopError](err)
			if !ok || tt.code != "" && stopped.Code != tt.code || !strings.HasPrefix(stopped.Detail, tt.detail) || stopped.Action == "" {
				t.Errorf("error %#v, want %s: %s", err, tt.code, tt.detail)
			}
			n := 0
			for _, i := range got {
				n += i
			}
			if n == 0 || n > tt.most {
				t.Errorf("%d rows were sent, want at most %d: %v", n, tt.most, got)
			}
			for what := range got {
				if !strings.HasPrefix(what, string(Open)) {
					t.Errorf("%s would not be sent again", what)
				}
			}
		})
	}
}

// TestRunner_times checks that only an error of a time in the dry run of the first row ends
// a run.
func TestRunner_times(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		field, pointer string
		ends           bool
	}{
		{`"schedule_at": "2026-01-03T00:00:00Z"`, "/schedule_at", true},
		{`"Send At": "2026-01-03T00:00:00Z"`, "/Send At", true},
		{`"schedule_at": "2026-01-03T00:00:00Z"`, "/text", false},
		{`"schedule_at": "2026-01-03T00:00:00Z"`, "", false},
		{`"fallback_after": "2m"`, "/fallback_after", true},
		{`"ttl": "1m"`, "/ttl", true},
		{`"expires_at": "2026-01-03T00:00:00Z"`, "/expires_at", true},
		{`"validity_period": 60`, "/validity_period", true},
	} {
		pointer, ends := test.pointer, test.ends
		s := newStage(t)
		s.trouble = func(n int64, w http.ResponseWriter, r *http.Request, _ http.Handler) {
			body, _ := io.ReadAll(r.Body)
			dry := strings.Contains(string(body), `"dry_run":true`)
			switch {
			case dry != (n == 1):
				t.Errorf("request %d is %s", n, body)
			case dry:
				fmt.Fprintf(w, `{"ok": false, "status": 422, "code": "invalid_payload", "retry": "never", "action": "Fix it.",
					"errors": [{"pointer": %q, "detail": "is wrong"}]}`, pointer)
			case strings.Contains(string(body), "13035550000"):
				io.WriteString(w, `{"ok": false, "status": 422, "code": "invalid_payload", "retry": "never"}`)
			default:
				io.WriteString(w, `{"ok": true, "status": 200, "code": "queued", "retry": "none"}`)
			}
		}
		c, _, err := start(t, numbers(3), `{"text": "x", `+test.field+`}`)
		if err != nil {
			t.Fatal(err)
		}
		got, err := runAll(t, t.Context(), s.runner(t, c, filepath.Join(t.TempDir(), "results.csv")))
		want := map[string]int{"queued queued": 2, "refused invalid_payload": 1}
		if ends {
			want = map[string]int{}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q: entries (-want +got):\n%s", pointer, diff)
		}
		stopped, ok := errors.AsType[*StopError](err)
		if ok != ends || ends && (stopped.Error() != "invalid_payload: is wrong" || stopped.Action != "Fix it.") || !ends && err != nil {
			t.Errorf("%q: error %v", pointer, err)
		}
	}
}

// TestRunner_retryFor checks that a row that cannot be sent is left open.
func TestRunner_retryFor(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.sim.SetBehavior("+13035550001", rbmtest.Behavior{Failure: &rbmtest.Failure{Status: 503, RetryAfter: time.Hour}})
	c, _, err := start(t, numbers(3), `{"text": "No {{no}}"}`)
	if err != nil {
		t.Fatal(err)
	}
	got, err := runAll(t, t.Context(), s.runner(t, c, filepath.Join(t.TempDir(), "results.csv")))
	if diff := cmp.Diff(map[string]int{"sent accepted": 2, "open upstream_unavailable": 1}, got); diff != "" || err != nil {
		t.Errorf("%v; entries (-want +got):\n%s", err, diff)
	}
}

func TestRunner_skips(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	c, _, err := start(t, "to\n+13035550001\n12\n+13035550002\n", `{"text": "x"}`)
	if err != nil {
		t.Fatal(err)
	}
	r := s.runner(t, c, filepath.Join(t.TempDir(), "results.csv"))
	if _, err := runAll(t, t.Context(), r); err == nil || err.Error() != "row 3 is now invalid: missing country; write the number with + and the country code, or send country" {
		t.Errorf("an unexpected error: %v", err)
	}
	r = s.runner(t, c, filepath.Join(t.TempDir(), "results.csv"))
	r.SkipInvalid = true
	summary, err := c.Check(t.Context(), r.Journal.Done, nil)
	if err != nil {
		t.Fatal(err)
	}
	reach, err := c.Reach(t.Context(), summary, r.Journal.Done, func(_ context.Context, phones []string) ([]string, error) { return phones[1:], nil }, nil)
	if err != nil || reach.Len() != 1 {
		t.Fatalf("%+v, %v", reach, err)
	}
	r.Unreachable = reach
	got, err := runAll(t, t.Context(), r)
	want := map[string]int{"sent accepted": 1, "faulty invalid_payload": 1, "unreachable recipient_unreachable": 1}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v; entries (-want +got):\n%s", err, diff)
	}
}

// TestCampaign_Reach checks that each list of numbers is of one region, and that every number
// is in one.
func TestCampaign_Reach(t *testing.T) {
	t.Parallel()
	c, _, err := start(t, "to\n+13035550001\n+4917012345678\n+13035550002\n+919876543210\n+5215512345678\n", `{"text": "x"}`)
	if err != nil {
		t.Fatal(err)
	}
	summary, err := c.Check(t.Context(), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	var lists []string
	checked := 0
	reach, err := c.Reach(t.Context(), summary, nil, func(_ context.Context, phones []string) ([]string, error) {
		lists = append(lists, strings.Join(phones, " "))
		return phones[:1], nil
	}, func(n int) { checked = n })
	slices.Sort(lists)
	want := []string{"+13035550001 +13035550002 +525512345678", "+4917012345678", "+919876543210"}
	if diff := cmp.Diff(want, lists); diff != "" || err != nil || checked != 5 {
		t.Errorf("%v; %d numbers checked; lists (-want +got):\n%s", err, checked, diff)
	}
	for _, to := range []string{"+13035550002", "+525512345678"} {
		if ok, err := reach.Contains(to); !ok || err != nil || reach.Len() != 2 {
			t.Errorf("%s is unreachable: %v, %v, of %d", to, ok, err, reach.Len())
		}
	}
}

// TestNewResult checks the results of all codes.
func TestNewResult(t *testing.T) {
	t.Parallel()
	stops := "invalid_body unsupported_media_type unknown_agent unauthorized forbidden not_found method_not_allowed " +
		"upstream_permission_denied upstream_auth_failed secret_not_found secret_denied secret_invalid misconfigured"
	for _, c := range response.Codes() {
		a := &client.Response{Response: *response.New(c)}
		v := newResult(a, nil)
		switch {
		case a.OK && (!v.State.accepted() || v.retry || v.stop),
			!a.OK && v.State.accepted(),
			(v.State == Queued) != (c == code.Queued), // only a queued message claims to be queued
			(a.Retry == code.RetryLater || a.Retry == code.RetryNow) != v.retry,
			strings.Contains(" "+stops+" ", " "+string(c)+" ") && !v.stop,
			v.stop && v.State != Open,
			(v.State == OptedOut) != (c == code.RecipientOptedOut),
			v.State == Refused && a.Retry != code.RetryNever && c != code.Mixed:
			t.Errorf("%s, with the advice %s: %+v", c, a.Retry, v)
		}
	}
	several := client.Response{Response: *response.Join([]*response.Response{
		response.New(code.RecipientUnreachable), response.New(code.RateLimited), response.New(code.Accepted),
	})}
	if v := newResult(&several, nil); v.State != Open || !v.retry {
		t.Errorf("a result that is worth a retry: %+v", v)
	}
	duplicate := client.Response{Response: *response.New(code.Duplicate)}
	duplicate.Warnings = []compose.Warning{{Detail: "another message had this key"}}
	if v := newResult(&duplicate, nil); v.State != Sent || v.Detail != "another message had this key" {
		t.Errorf("a duplicate of another message: %+v", v)
	}
	forbidden := func(pointers ...string) *client.Response {
		r := &client.Response{Response: *response.New(code.Forbidden)}
		for _, p := range pointers {
			r.Errors = append(r.Errors, payload.Error{Pointer: p})
		}
		return r
	}
	if v := newResult(forbidden("/Phone"), nil); v.State != Refused || v.stop {
		t.Errorf("a country that the caller may not send to: %+v", v)
	}
	if v := newResult(forbidden("/Phone", "/traffic"), nil); v.State != Open || !v.stop {
		t.Errorf("a type that the caller may not send: %+v", v)
	}
	unknown := newResult(nil, errors.New("odd"))
	if unknown.State != Open || !unknown.retry || unknown.stop {
		t.Errorf("no response: %+v", unknown)
	}
}

// TestRunner_finishes checks that a canceled run waits for the request in flight.
func TestRunner_finishes(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	ctx, cancel := context.WithCancel(t.Context())
	s.trouble = func(_ int64, w http.ResponseWriter, r *http.Request, function http.Handler) {
		cancel()
		select {
		case <-r.Context().Done(): // it was canceled
		case <-time.After(100 * time.Millisecond):
		}
		function.ServeHTTP(w, r)
	}
	c, _, err := start(t, numbers(50), `{"text": "x"}`)
	if err != nil {
		t.Fatal(err)
	}
	r := s.runner(t, c, filepath.Join(t.TempDir(), "results.csv"))
	r.Concurrency = 1
	got, err := runAll(t, ctx, r)
	if diff := cmp.Diff(map[string]int{"sent accepted": 1}, got); diff != "" || !errors.Is(err, context.Canceled) {
		t.Errorf("%v; entries (-want +got):\n%s", err, diff)
	}
}

// TestRunner_noConnection checks that a run ends at once if the function was never
// reachable, but retries if it was.
func TestRunner_noConnection(t *testing.T) {
	t.Parallel()
	closed := httptest.NewServer(nil)
	closed.Close()
	for _, tt := range []struct {
		name   string
		absent func(call int64) bool
		want   string
		stop   bool
	}{
		{"never reachable", func(int64) bool { return true }, "open ", true},
		{"temporarily unreachable", func(call int64) bool { return call == 2 || call == 3 }, "sent accepted", false},
	} {
		s := newStage(t)
		c, _, err := start(t, numbers(4), `{"text": "No {{no}}"}`)
		if err != nil {
			t.Fatal(err)
		}
		r := s.runner(t, c, filepath.Join(t.TempDir(), "results.csv"))
		r.Concurrency = 1
		var calls atomic.Int64
		r.Send = func(ctx context.Context, body []byte) (*client.Response, error) {
			c := s.client
			if tt.absent(calls.Add(1)) {
				c.URL = closed.URL
			}
			return c.Send(ctx, body, "application/json", "")
		}
		var reasons []string
		r.Retrying = func(reason string) { reasons = append(reasons, reason) }
		got, err := runAll(t, t.Context(), r)
		if len(got) != 1 || got[tt.want] == 0 || !tt.stop && got[tt.want] != 4 {
			t.Errorf("%s: %v, want %s alone", tt.name, got, tt.want)
		}
		const refused = "cannot connect to the function: dial tcp "
		stop, stopped := errors.AsType[*StopError](err)
		_, failed := errors.AsType[*client.Error](err)
		switch {
		case tt.stop && (!stopped || !failed || !strings.HasPrefix(stop.Error(), refused) || reasons != nil):
			t.Errorf("%s: %v, after %q", tt.name, err, reasons)
		case !tt.stop && (err != nil || len(reasons) != 1 || !strings.HasPrefix(reasons[0], refused)):
			t.Errorf("%s: %v, after %q", tt.name, err, reasons)
		}
	}
}
