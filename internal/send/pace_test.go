package send

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rcshook/rcshook/internal/agent"
	"github.com/rcshook/rcshook/internal/code"
	"github.com/rcshook/rcshook/internal/compose"
	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/googletest/platform"
	"github.com/rcshook/rcshook/internal/payload"
	"github.com/rcshook/rcshook/internal/response"
	"github.com/rcshook/rcshook/rbm"
	"github.com/rcshook/rcshook/rbm/rbmtest"
)

const simulator = "http://localhost:8081"

// A wire carries requests to the simulator without a network, so that time may be
// that of a bubble, and notes when messages pass.
type wire struct {
	sim   *platform.Platform
	start time.Time

	mu sync.Mutex
	at []time.Duration
}

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	if strings.HasSuffix(r.URL.Path, "/agentMessages") {
		w.mu.Lock()
		w.at = append(w.at, time.Since(w.start).Round(time.Microsecond)) // the pace counts in fractions
		w.mu.Unlock()
	}
	answer := httptest.NewRecorder()
	if r.Body == nil {
		r.Body = http.NoBody
	}
	w.sim.ServeHTTP(answer, r)
	return answer.Result(), nil
}

// passed returns when the messages passed, and forgets it.
func (w *wire) passed() []time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	at := w.at
	w.at = nil
	return at
}

// rig returns a sender to the simulator for an agent with this pace.
func rig(t *testing.T, perSecond float64) (*Sender, *wire, *agent.Agent) {
	t.Helper()
	sim := platform.New(new(rbmtest.Simulator))
	t.Cleanup(sim.Close)
	w := &wire{sim: sim, start: time.Now()}
	env := sim.Provision(simulator)
	key := httptest.NewRecorder()
	sim.ServeHTTP(key, httptest.NewRequest(http.MethodGet, simulator+"/_sim/key", nil))
	cfg := config.Config{RBMEndpoint: simulator, SecretManagerEndpoint: simulator, Agents: map[string]config.Agent{config.DefaultAgent: {
		ID: config.Secret(env.AgentID), Credentials: config.Secret(key.Body.String()), MessagesPerSecond: perSecond,
	}}}
	agents := agent.New(cfg, agent.Options{Transport: w, Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	t.Cleanup(func() { agents.Close() })
	a, err := agents.Agent(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	return &Sender{Agents: agents, HTTP: &http.Client{Transport: w}, Endpoint: simulator, Paces: NewPaces(cfg.Agents)}, w, a
}

func parcel(t *testing.T, a *agent.Agent, recipients int) *Parcel {
	t.Helper()
	m := &rbm.AgentMessage{ContentMessage: &rbm.AgentContentMessage{Text: "Hello"}}
	text, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	p := &Parcel{Agent: a, Message: &compose.Composed{Message: m, Encoded: text}, Key: "key"}
	for i := range recipients {
		p.To = append(p.To, payload.Recipient{E164: fmt.Sprintf("+1202555%04d", 2000+i)})
	}
	return p
}

// send sends as a request with that budget would.
func send(s *Sender, p *Parcel, budget time.Duration) *response.Answer {
	ctx, cancel := context.WithTimeout(context.Background(), budget)
	defer cancel()
	trip := response.Begin(httptest.NewRequest(http.MethodPost, "/", nil))
	return s.Send(ctx, p, trip)
}

// inBubble runs f with a clock that moves when everybody waits. What the rig does
// in the background ends before.
func inBubble(t *testing.T, perSecond float64, f func(t *testing.T, s *Sender, w *wire, a *agent.Agent)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s, w, a := rig(t, perSecond)
		f(t, s, w, a)
	})
}

func seconds(all ...float64) []time.Duration {
	var list []time.Duration
	for _, s := range all {
		list = append(list, time.Duration(s*float64(time.Second)))
	}
	return list
}

// TestPace_spreads sees a list go out one by one, and a pace of less than one.
func TestPace_spreads(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		perSecond  float64
		recipients int
		last       time.Duration
	}{
		{50, 100, 99 * 20 * time.Millisecond},
		{0.5, 3, 4 * time.Second},
		{0, 100, 0},
	} {
		inBubble(t, test.perSecond, func(t *testing.T, s *Sender, w *wire, a *agent.Agent) {
			answer := send(s, parcel(t, a, test.recipients), 20*time.Second)
			at := w.passed()
			if answer.Code != code.Accepted || len(at) != test.recipients || at[len(at)-1] != test.last {
				t.Fatalf("at %v a second: %s, and %d messages in %v, want %d in %v", test.perSecond, answer.Code, len(at), at[len(at)-1], test.recipients, test.last)
			}
			for i := range at[1:] {
				if gap := at[i+1] - at[i]; test.perSecond > 0 && gap != time.Duration(float64(time.Second)/test.perSecond) {
					t.Errorf("at %v a second: %v between two messages", test.perSecond, gap)
				}
			}
		})
	}
}

// TestPace_shared sees that all requests of an agent have one pace, and others not.
func TestPace_shared(t *testing.T) {
	t.Parallel()
	inBubble(t, 1, func(t *testing.T, s *Sender, w *wire, a *agent.Agent) {
		var wg sync.WaitGroup
		for i := range 4 {
			wg.Go(func() {
				p := parcel(t, a, 1)
				p.Key = fmt.Sprint(i)
				if answer := send(s, p, 20*time.Second); answer.Code != code.Accepted {
					t.Errorf("the answer is %s", answer.Code)
				}
			})
		}
		wg.Wait()
		if diff := cmp.Diff(seconds(0, 1, 2, 3), w.passed()); diff != "" {
			t.Errorf("messages (-want +got):\n%s", diff)
		}
	})
}

// TestPace_repetitions sees that repetitions wait for their turn too.
func TestPace_repetitions(t *testing.T) {
	t.Parallel()
	inBubble(t, 0.1, func(t *testing.T, s *Sender, w *wire, a *agent.Agent) {
		w.sim.Fail(rbmtest.Failure{Method: "phones.agentMessages.create", Status: http.StatusServiceUnavailable, Count: 1})
		if answer := send(s, parcel(t, a, 1), 20*time.Second); answer.Code != code.Accepted {
			t.Errorf("the answer is %s", answer.Code)
		}
		if diff := cmp.Diff(seconds(0, 10), w.passed()); diff != "" {
			t.Errorf("messages (-want +got):\n%s", diff)
		}

		// Nor does a token that is no good give anything a turn out of order.
		<-time.After(10 * time.Second)
		begun := time.Now()
		w.sim.Fail(rbmtest.Failure{Method: "phones.agentMessages.create", Status: http.StatusUnauthorized, Count: 1})
		w.sim.Fail(rbmtest.Failure{Method: "phones.agentMessages.create", Status: http.StatusServiceUnavailable, Count: 1})
		p := parcel(t, a, 1)
		p.Key = "another"
		if answer := send(s, p, time.Minute); answer.Code != code.Accepted || time.Since(begun).Round(time.Microsecond) != 20*time.Second {
			t.Errorf("the answer is %s, after %v", answer.Code, time.Since(begun))
		}
		w.passed()

		// There is no time for a repetition: then what is known is told, at once.
		<-time.After(10 * time.Second)
		w.sim.Fail(rbmtest.Failure{Method: "phones.agentMessages.create", Status: http.StatusServiceUnavailable, Count: 1})
		p, begun = parcel(t, a, 1), time.Now()
		p.Key = ""
		answer := send(s, p, 8*time.Second)
		if answer.Code != code.UpstreamUnavailable || !answer.DuplicateRisk || time.Since(begun) > time.Second {
			t.Errorf("after %v: %s, duplicate risk %t", time.Since(begun), answer.Code, answer.DuplicateRisk)
		}
	})
}

// TestSend_left sees what a caller is told who leaves, or whose process ends, in the pause
// before a repetition: the failure that is known, and whether the message may be there.
func TestSend_left(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		status int
		want   code.Code
		unsure bool
	}{
		{http.StatusTooManyRequests, code.RateLimited, false},
		{http.StatusServiceUnavailable, code.UpstreamUnavailable, true},
	} {
		inBubble(t, 0, func(t *testing.T, s *Sender, w *wire, a *agent.Agent) {
			w.sim.Fail(rbmtest.Failure{Method: "phones.agentMessages.create", Status: test.status, RetryAfter: 7 * time.Second})
			ctx, leave := context.WithCancel(t.Context())
			time.AfterFunc(time.Second, leave)
			p := parcel(t, a, 1)
			p.Key = ""
			trip := response.Begin(httptest.NewRequest(http.MethodPost, "/", nil))
			answer := s.Send(ctx, p, trip)
			if answer.Code != test.want || answer.DuplicateRisk != test.unsure || answer.RetryAfter != 7*time.Second || len(w.passed()) != 1 {
				t.Errorf("after %d: %s, duplicate risk %t, come back after %v; want %s, %t, 7s",
					test.status, answer.Code, answer.DuplicateRisk, answer.RetryAfter, test.want, test.unsure)
			}
			if answer.Upstream == nil || answer.Upstream.Status != test.status {
				t.Errorf("after %d: upstream %+v", test.status, answer.Upstream)
			}
			if !errors.Is(answer.Cause, context.Canceled) {
				t.Errorf("after %d: the log does not say that the caller left: %v", test.status, answer.Cause)
			}
		})
	}
}

// TestPace_late sees that a message whose turn comes too late is answered at once,
// with the truth.
func TestPace_late(t *testing.T) {
	t.Parallel()
	inBubble(t, 0.1, func(t *testing.T, s *Sender, w *wire, a *agent.Agent) {
		send(s, parcel(t, a, 1), 20*time.Second)
		w.passed()
		p, begun := parcel(t, a, 1), time.Now()
		p.Key = ""
		answer := send(s, p, 4*time.Second)
		if waited := time.Since(begun); waited != 0 {
			t.Errorf("the answer took %v", waited)
		}
		if answer.Code != code.RateLimited || answer.Reason != "pace" || answer.DuplicateRisk || answer.RetryAfter != 10*time.Second ||
			answer.Detail != "the pace that is set for this agent here, messages_per_second, is taken up for the next 10s; nothing was sent" ||
			!strings.Contains(answer.Action, "raise messages_per_second") {
			text, err := json.Marshal(answer)
			t.Errorf("the answer is %s, %v; come back after %v", text, err, answer.RetryAfter)
		}
		if at := w.passed(); len(at) != 0 {
			t.Errorf("%d messages were sent", len(at))
		}

		// A turn that was not taken is free for the next: the first is after 10 s.
		if answer := send(s, p, 20*time.Second); answer.Code != code.Accepted || time.Since(begun).Round(time.Microsecond) != 10*time.Second {
			t.Errorf("after %v: %s", time.Since(begun), answer.Code)
		}
	})
}

// TestPace_leaves sees that a caller who hangs up gives the turn back.
func TestPace_leaves(t *testing.T) {
	t.Parallel()
	inBubble(t, 0.1, func(t *testing.T, s *Sender, w *wire, a *agent.Agent) {
		pace := s.Paces[a.Name]
		if err := pace.wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- pace.wait(ctx) }()
		synctest.Wait()
		cancel()
		var problem *response.Problem
		if err := <-ended; !errors.As(err, &problem) || !errors.Is(err, context.Canceled) || problem.Code != code.RateLimited {
			t.Errorf("wait = %v", err)
		}
		begun := time.Now()
		if err := pace.wait(t.Context()); err != nil || time.Since(begun).Round(time.Microsecond) != 10*time.Second {
			t.Errorf("wait = %v after %v, want the turn that was given back", err, time.Since(begun))
		}
	})
}

// TestPace_gettingOn sees that a caller who repeats a whole list gets on, although
// each time only a part of it has a turn.
func TestPace_gettingOn(t *testing.T) {
	t.Parallel()
	inBubble(t, 1, func(t *testing.T, s *Sender, w *wire, a *agent.Agent) {
		var codes []code.Code
		for range 4 {
			answer := send(s, parcel(t, a, 25), 10*time.Second)
			codes = append(codes, answer.Code)
			<-time.After(answer.RetryAfter)
		}
		want := []code.Code{code.Mixed, code.Mixed, code.Accepted, code.Duplicate}
		if diff := cmp.Diff(want, codes); diff != "" || len(w.passed()) != 25 {
			t.Errorf("answers (-want +got):\n%s", diff)
		}
	})
}

// TestPace_unpaced sees that a dry run and a revocation take no turn.
func TestPace_unpaced(t *testing.T) {
	t.Parallel()
	inBubble(t, 0.1, func(t *testing.T, s *Sender, w *wire, a *agent.Agent) {
		begun := time.Now()
		sent := send(s, parcel(t, a, 1), 20*time.Second)
		rehearsal := parcel(t, a, 1)
		rehearsal.DryRun = true
		if answer := send(s, rehearsal, 20*time.Second); answer.Code != code.DryRun {
			t.Errorf("the dry run: %s", answer.Code)
		}
		trip := response.Begin(httptest.NewRequest(http.MethodDelete, "/", nil))
		s.Revoke(t.Context(), a, sent.To, sent.MessageID, trip)
		if waited := time.Since(begun); waited != 0 {
			t.Errorf("they waited %v", waited)
		}
	})
}

// TestRecent sees that memory is bounded.
func TestRecent(t *testing.T) {
	t.Parallel()
	var r recent
	for i := range maxRecent + 1 {
		r.add(fmt.Sprint(i))
		r.add(fmt.Sprint(i))
	}
	if r.has("0") || !r.has("1") || !r.has(fmt.Sprint(maxRecent)) || len(r.known) != maxRecent {
		t.Errorf("%d are known, the first: %t", len(r.known), r.has("0"))
	}
}
