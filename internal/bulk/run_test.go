package bulk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rcshook/rcshook/internal/client"
	"github.com/rcshook/rcshook/internal/code"
	"github.com/rcshook/rcshook/internal/googletest/platform"
	"github.com/rcshook/rcshook/internal/response"
	"github.com/rcshook/rcshook/internal/server"
	"github.com/rcshook/rcshook/rbm/rbmtest"
)

// A stage has the function, with the platform behind it and trouble before it.
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
	platform := httptest.NewServer(s.sim)
	t.Cleanup(platform.Close)
	env := s.sim.Provision(platform.URL)
	h, err := server.New(t.Context(), server.Options{Environ: append([]string{
		"RCSHOOK_AGENT_ID=" + env.AgentID, "RCSHOOK_CREDENTIALS=" + string(s.sim.KeyFile(platform.URL)), "RCSHOOK_API_KEYS=secret-key",
		"RCSHOOK_RBM_ENDPOINT=" + platform.URL,
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

// runner sends a table with n rows, from the number of a row on.
func (s *stage) runner(t *testing.T, c *Campaign, results string) *Runner {
	t.Helper()
	j, err := ReadJournal(results)
	if err != nil {
		t.Fatal(err)
	}
	if err := j.Begin(testHead, testTime); err != nil {
		t.Fatal(err)
	}
	return &Runner{
		Campaign: c, Journal: j, Concurrency: 8, Rate: 10_000, Patience: time.Minute,
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

// run runs to the end and returns the entries by state and code.
func run(t *testing.T, ctx context.Context, r *Runner) (map[string]int, error) {
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

// trouble answers some requests for the function, or breaks the connection after the
// function has done its work.
func trouble(n int64, w http.ResponseWriter, r *http.Request, function http.Handler) {
	answer := func(status int, body string) {
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
	switch n % 50 {
	case 10:
		answer(http.StatusTooManyRequests, `{"ok": false, "status": 429, "code": "rate_limited", "retry": "later"}`)
	case 20:
		answer(http.StatusServiceUnavailable, "no instance")
	case 30:
		function.ServeHTTP(httptest.NewRecorder(), r)
		panic(http.ErrAbortHandler)
	default:
		function.ServeHTTP(w, r)
	}
}

// TestRun is stopped half-way, and goes on. Everybody gets one message.
func TestRun(t *testing.T) {
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
	first, err := run(t, ctx, r)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("stopped half-way: %v", err)
	}
	r = s.runner(t, c, results)
	second, err := run(t, t.Context(), r)
	if err != nil {
		t.Errorf("gone on: %v", err)
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

	// Even if the results are lost.
	lost, err := run(t, t.Context(), s.runner(t, c, filepath.Join(t.TempDir(), "others.csv")))
	if lost["sent accepted"]+lost["sent duplicate"] != rows-1 || err != nil || len(s.sim.Messages()) != rows-1 {
		t.Errorf("without the results: %v, %v, %d messages", lost, err, len(s.sim.Messages()))
	}
}

// TestStops sees that a run does not go through a table for nothing.
func TestStops(t *testing.T) {
	t.Parallel()
	const rows = 200
	for _, tt := range []struct {
		name   string
		set    func(*stage)
		code   string
		detail string
		most   int
	}{
		{"a wrong key", func(s *stage) { s.client.Key = "other" }, "unauthorized", "The caller's key is missing or wrong", 8},
		{"a key of the platform that has ended", func(s *stage) {
			if err := s.sim.Rotate(true); err != nil {
				panic(err)
			}
		}, "secret_invalid", "A secret of this function cannot be used", 8},
		{
			"a wrong address", func(s *stage) {
				s.trouble = func(_ int64, w http.ResponseWriter, _ *http.Request, _ http.Handler) { io.WriteString(w, "hello") }
			},
			"", "what answers at the address (200 OK) is not rcshook", 8,
		},
		{
			"nobody is a tester", func(s *stage) {
				for i := range rows {
					s.sim.SetBehavior(fmt.Sprintf("+1303555%04d", i), rbmtest.Behavior{Refusal: rbmtest.NotTester})
				}
			},
			"recipient_not_tester", "20 rows in a row failed, the last with: The agent is not launched", 28,
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
			got, err := run(t, t.Context(), s.runner(t, c, filepath.Join(t.TempDir(), "results.csv")))
			stopped := (*StopError)(nil)
			if !errors.As(err, &stopped) || tt.code != "" && stopped.Code != tt.code || !strings.HasPrefix(stopped.Detail, tt.detail) || stopped.Action == "" {
				t.Errorf("error %#v, want %s: %s", err, tt.code, tt.detail)
			}
			n := 0
			for _, i := range got {
				n += i
			}
			if n == 0 || n > tt.most {
				t.Errorf("%d rows were tried, want at most %d: %v", n, tt.most, got)
			}
			for what := range got {
				if !strings.HasPrefix(what, string(Open)) {
					t.Errorf("%s would not be sent again", what)
				}
			}
		})
	}
}

// TestPatience leaves a row open that cannot be sent for too long.
func TestPatience(t *testing.T) {
	t.Parallel()
	s := newStage(t, "RCSHOOK_TIMEOUT=1s")
	s.sim.SetBehavior("+13035550001", rbmtest.Behavior{Failure: &rbmtest.Failure{Status: 503, RetryAfter: time.Hour}})
	c, _, err := start(t, numbers(3), `{"text": "No {{no}}"}`)
	if err != nil {
		t.Fatal(err)
	}
	got, err := run(t, t.Context(), s.runner(t, c, filepath.Join(t.TempDir(), "results.csv")))
	if diff := cmp.Diff(map[string]int{"sent accepted": 2, "open upstream_unavailable": 1}, got); diff != "" || err != nil {
		t.Errorf("%v; entries (-want +got):\n%s", err, diff)
	}
}

func TestLeavesOut(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	c, _, err := start(t, "to\n+13035550001\n12\n+13035550002\n", `{"text": "x"}`)
	if err != nil {
		t.Fatal(err)
	}
	r := s.runner(t, c, filepath.Join(t.TempDir(), "results.csv"))
	if _, err := run(t, t.Context(), r); err == nil || err.Error() != "row 3 has a fault now: missing country; write the number with + and the country code, or send country" {
		t.Errorf("a fault that nobody knew of: %v", err)
	}
	r = s.runner(t, c, filepath.Join(t.TempDir(), "results.csv"))
	r.SkipFaulty = true
	reach, err := c.Reach(t.Context(), 2, r.Journal.Done, func(_ context.Context, phones []string) ([]string, error) { return phones[1:], nil }, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Unreachable = reach.Lost
	got, err := run(t, t.Context(), r)
	want := map[string]int{"sent accepted": 1, "faulty invalid_payload": 1, "unreachable recipient_unreachable": 1}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v; entries (-want +got):\n%s", err, diff)
	}
}

// TestJudge goes through all that a function can answer.
func TestJudge(t *testing.T) {
	t.Parallel()
	stops := "invalid_body unsupported_media_type unknown_agent unauthorized not_found method_not_allowed " +
		"upstream_permission_denied upstream_auth_failed secret_not_found secret_denied secret_invalid misconfigured"
	for _, c := range response.Codes() {
		a := &client.Response{Response: *response.New(c)}
		v := judge(a, nil)
		switch {
		case a.OK && (!v.state.taken() || v.again || v.stop),
			!a.OK && v.state.taken(),
			(v.state == Queued) != (c == code.Queued), // what is not accepted does not claim to be
			(a.Retry == code.RetryLater || a.Retry == code.RetryNow) != v.again,
			strings.Contains(" "+stops+" ", " "+string(c)+" ") && !v.stop,
			v.stop && v.state != Open,
			v.state == Refused && a.Retry != code.RetryNever && c != code.Mixed:
			t.Errorf("%s, with the advice %s: %+v", c, a.Retry, v)
		}
	}
	unknown := judge(nil, errors.New("odd"))
	if unknown.state != Open || !unknown.again || unknown.stop {
		t.Errorf("no answer: %+v", unknown)
	}
}

// TestFinishes waits for the answer to a request that was made when it was told to stop.
func TestFinishes(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	ctx, cancel := context.WithCancel(t.Context())
	s.trouble = func(_ int64, w http.ResponseWriter, r *http.Request, function http.Handler) {
		cancel()
		select {
		case <-r.Context().Done(): // it was broken off
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
	got, err := run(t, ctx, r)
	if diff := cmp.Diff(map[string]int{"sent accepted": 1}, got); diff != "" || !errors.Is(err, context.Canceled) {
		t.Errorf("%v; entries (-want +got):\n%s", err, diff)
	}
}

// TestNobody tells a function that was never there from one that is away for a while.
func TestNobody(t *testing.T) {
	t.Parallel()
	closed := httptest.NewServer(nil)
	closed.Close()
	for _, tt := range []struct {
		name   string
		absent func(call int64) bool
		want   string
		stop   bool
	}{
		{"never there", func(int64) bool { return true }, "open ", true},
		{"away for a while", func(call int64) bool { return call == 2 || call == 3 }, "sent accepted", false},
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
		got, err := run(t, t.Context(), r)
		if len(got) != 1 || got[tt.want] == 0 || !tt.stop && got[tt.want] != 4 {
			t.Errorf("%s: %v, want %s alone", tt.name, got, tt.want)
		}
		const refused = "the function cannot be reached: dial tcp "
		stop, fault := (*StopError)(nil), (*client.Error)(nil)
		switch {
		case tt.stop && (!errors.As(err, &stop) || !errors.As(err, &fault) || !strings.HasPrefix(stop.Error(), refused) || reasons != nil):
			t.Errorf("%s: %v, after %q", tt.name, err, reasons)
		case !tt.stop && (err != nil || len(reasons) != 1 || !strings.HasPrefix(reasons[0], refused)):
			t.Errorf("%s: %v, after %q", tt.name, err, reasons)
		}
	}
}
