package send

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rcshook/rcshook/internal/code"
	"github.com/rcshook/rcshook/internal/compose"
	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/payload"
	"github.com/rcshook/rcshook/rbm"
	"github.com/rcshook/rcshook/rbm/rbmtest"
)

const (
	simulator   = "http://localhost:8081"
	firstNumber = "+12025552000"
)

// wire carries requests to the simulator without a network, because sockets do not work
// with the fake clock of synctest. It records when messages pass.
type wire struct {
	sim   *rbmtest.Simulator
	start time.Time

	mu sync.Mutex
	at []time.Duration
}

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	if strings.HasSuffix(r.URL.Path, "/agentMessages") {
		w.mu.Lock()
		w.at = append(w.at, time.Since(w.start).Round(time.Microsecond))
		w.mu.Unlock()
	}
	response := httptest.NewRecorder()
	if r.Body == nil {
		r.Body = http.NoBody
	}
	w.sim.ServeHTTP(response, r)
	return response.Result(), nil
}

// passed returns when messages passed since the last call.
func (w *wire) passed() []time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	at := w.at
	w.at = nil
	return at
}

// inBubble runs f with a fake clock, a sender to a simulator, and an agent with the
// given rate limit.
func inBubble(t *testing.T, perSecond float64, f func(t *testing.T, s *Sender, w *wire, a *Agent)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		sim := new(rbmtest.Simulator)
		t.Cleanup(sim.Close)
		w := &wire{sim: sim, start: time.Now()}
		s := New(Options{Transport: w, Endpoint: simulator, Now: time.Now, Allow: func(context.Context, *Message, string) error { return nil }})
		a := &Agent{
			Name: "default", ID: "agent", Limit: NewRateLimiter(perSecond),
			Token: func(context.Context) (string, error) { return sim.Token(), nil },
		}
		a.Renew = func(context.Context) (*Agent, error) { return a, nil }
		f(t, s, w, a)
	})
}

func message(t *testing.T, a *Agent, recipients int) *Message {
	t.Helper()
	m := &rbm.AgentMessage{ContentMessage: &rbm.AgentContentMessage{Text: "Hello"}}
	text, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	p := &Message{AgentName: a.Name, Agent: a, Message: &compose.Composed{Message: m, Encoded: text}, Key: "key"}
	for i := range recipients {
		p.To = append(p.To, payload.Recipient{E164: fmt.Sprintf("+1202555%04d", 2000+i)})
	}
	return p
}

// sendWithin sends m with a timeout.
func sendWithin(s *Sender, m *Message, timeout time.Duration) []Result {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	return s.Send(ctx, m)
}

func seconds(all ...float64) []time.Duration {
	var list []time.Duration
	for _, s := range all {
		list = append(list, time.Duration(s*float64(time.Second)))
	}
	return list
}

// TestLimit_interval tests that the messages to a list are sent at equal intervals, also
// with a rate below one per second.
func TestLimit_interval(t *testing.T) {
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
		inBubble(t, test.perSecond, func(t *testing.T, s *Sender, w *wire, a *Agent) {
			results := sendWithin(s, message(t, a, test.recipients), 20*time.Second)
			at := w.passed()
			for _, r := range results {
				if r.Err != nil {
					t.Fatalf("at %v a second: %v", test.perSecond, r.Err)
				}
			}
			if len(at) != test.recipients || at[len(at)-1] != test.last {
				t.Fatalf("at %v a second: %d messages in %v, want %d in %v", test.perSecond, len(at), at[len(at)-1], test.recipients, test.last)
			}
			for i := range at[1:] {
				if gap := at[i+1] - at[i]; test.perSecond > 0 && gap != time.Duration(float64(time.Second)/test.perSecond) {
					t.Errorf("at %v a second: %v between two messages", test.perSecond, gap)
				}
			}
		})
	}
}

// TestLimit_shared tests that all requests of an agent share its limit.
func TestLimit_shared(t *testing.T) {
	t.Parallel()
	inBubble(t, 1, func(t *testing.T, s *Sender, w *wire, a *Agent) {
		var wg sync.WaitGroup
		for i := range 4 {
			wg.Go(func() {
				m := message(t, a, 1)
				m.Key = fmt.Sprint(i)
				if r := sendWithin(s, m, 20*time.Second)[0]; r.Receipt == nil {
					t.Errorf("message %d: %v", i, r.Err)
				}
			})
		}
		wg.Wait()
		if diff := cmp.Diff(seconds(0, 1, 2, 3), w.passed()); diff != "" {
			t.Errorf("messages (-want +got):\n%s", diff)
		}
	})
}

// TestLimit_retries tests that retries wait for the limit too.
func TestLimit_retries(t *testing.T) {
	t.Parallel()
	inBubble(t, 0.1, func(t *testing.T, s *Sender, w *wire, a *Agent) {
		w.sim.Fail(rbmtest.Failure{Method: "phones.agentMessages.create", Status: http.StatusServiceUnavailable, Count: 1})
		if r := sendWithin(s, message(t, a, 1), 20*time.Second)[0]; r.Receipt == nil {
			t.Errorf("Send: %v", r.Err)
		}
		if diff := cmp.Diff(seconds(0, 10), w.passed()); diff != "" {
			t.Errorf("messages (-want +got):\n%s", diff)
		}

		// A rejected token does not jump the queue.
		<-time.After(10 * time.Second)
		start := time.Now()
		w.sim.Fail(rbmtest.Failure{Method: "phones.agentMessages.create", Status: http.StatusUnauthorized, Count: 1})
		w.sim.Fail(rbmtest.Failure{Method: "phones.agentMessages.create", Status: http.StatusServiceUnavailable, Count: 1})
		m := message(t, a, 1)
		m.Key = "another"
		if r := sendWithin(s, m, time.Minute)[0]; r.Receipt == nil || time.Since(start).Round(time.Microsecond) != 20*time.Second {
			t.Errorf("Send: %v after %v", r.Err, time.Since(start))
		}
		w.passed()

		// Without time for a retry, the known error is returned immediately.
		<-time.After(10 * time.Second)
		w.sim.Fail(rbmtest.Failure{Method: "phones.agentMessages.create", Status: http.StatusServiceUnavailable, Count: 1})
		m, start = message(t, a, 1), time.Now()
		m.Key = ""
		if r := sendWithin(s, m, 8*time.Second)[0]; !errors.Is(r.Err, rbm.ErrUnavailable) || !r.MaybeSent || time.Since(start) > time.Second {
			t.Errorf("after %v: %v, unsure %t", time.Since(start), r.Err, r.MaybeSent)
		}
	})
}

// TestSend_canceled tests the result for a caller that disconnects, or a process that
// exits, in the pause before a retry: the known error, and whether the message may have
// been sent.
func TestSend_canceled(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		status int
		want   error
		unsure bool
	}{
		{http.StatusTooManyRequests, rbm.ErrRateLimited, false},
		{http.StatusServiceUnavailable, rbm.ErrUnavailable, true},
	} {
		inBubble(t, 0, func(t *testing.T, s *Sender, w *wire, a *Agent) {
			w.sim.Fail(rbmtest.Failure{Method: "phones.agentMessages.create", Status: test.status, RetryAfter: 7 * time.Second})
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(time.Second, cancel)
			m := message(t, a, 1)
			m.Key = ""
			r := s.Send(ctx, m)[0]
			e, ok := errors.AsType[*rbm.Error](r.Err)
			if !ok || !errors.Is(r.Err, test.want) || r.MaybeSent != test.unsure || e.RetryAfter != 7*time.Second || e.StatusCode != test.status || len(w.passed()) != 1 {
				t.Errorf("after %d: %v, unsure %t; want %v, %t", test.status, r.Err, r.MaybeSent, test.want, test.unsure)
			}
			if !errors.Is(r.Err, context.Canceled) {
				t.Errorf("after %d: %v does not wrap context.Canceled", test.status, r.Err)
			}
		})
	}
}

// TestLimit_late tests that a message whose turn comes too late fails immediately.
func TestLimit_late(t *testing.T) {
	t.Parallel()
	inBubble(t, 0.1, func(t *testing.T, s *Sender, w *wire, a *Agent) {
		sendWithin(s, message(t, a, 1), 20*time.Second)
		w.passed()
		m, start := message(t, a, 1), time.Now()
		m.Key = ""
		r := sendWithin(s, m, 4*time.Second)[0]
		if waited := time.Since(start); waited != 0 {
			t.Errorf("Send took %v", waited)
		}
		if e, ok := errors.AsType[*LimitError](r.Err); !ok || e.RetryAfter != 10*time.Second || r.MaybeSent {
			t.Errorf("Send: %v, unsure %t; want a LimitError of 10s", r.Err, r.MaybeSent)
		}
		if at := w.passed(); len(at) != 0 {
			t.Errorf("%d messages were sent", len(at))
		}

		// The turn was not used, so the next message takes it: 10 s after the first.
		if r := sendWithin(s, m, 20*time.Second)[0]; r.Receipt == nil || time.Since(start).Round(time.Microsecond) != 10*time.Second {
			t.Errorf("after %v: %v", time.Since(start), r.Err)
		}
	})
}

// TestLimit_canceled tests that a caller that disconnects returns its turn.
func TestLimit_canceled(t *testing.T) {
	t.Parallel()
	inBubble(t, 0.1, func(t *testing.T, s *Sender, w *wire, a *Agent) {
		if err := a.Limit.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- a.Limit.Wait(ctx) }()
		synctest.Wait()
		cancel()
		err := <-done
		if _, ok := errors.AsType[*LimitError](err); !ok || !errors.Is(err, context.Canceled) {
			t.Errorf("wait = %v, want a LimitError that wraps context.Canceled", err)
		}
		start := time.Now()
		if err := a.Limit.Wait(t.Context()); err != nil || time.Since(start).Round(time.Microsecond) != 10*time.Second {
			t.Errorf("wait = %v after %v, want the returned turn", err, time.Since(start))
		}
	})
}

// TestLimit_progress tests that a caller that retries a whole list makes progress,
// although only a part of it is sent each time.
func TestLimit_progress(t *testing.T) {
	t.Parallel()
	inBubble(t, 1, func(t *testing.T, s *Sender, w *wire, a *Agent) {
		var failed []int
		for range 4 {
			n, after := 0, time.Duration(0)
			for _, r := range sendWithin(s, message(t, a, 25), 10*time.Second) {
				if e, ok := errors.AsType[*LimitError](r.Err); ok {
					n, after = n+1, max(after, e.RetryAfter)
				}
			}
			failed = append(failed, n)
			<-time.After(after)
		}
		if failed[0] == 0 || failed[1] == 0 || failed[1] >= failed[0] || failed[2] != 0 || failed[3] != 0 || len(w.passed()) != 25 {
			t.Errorf("rate limited in each attempt: %v", failed)
		}
	})
}

// TestLimit_exempt tests that dry runs and revocations do not wait.
func TestLimit_exempt(t *testing.T) {
	t.Parallel()
	inBubble(t, 0.1, func(t *testing.T, s *Sender, w *wire, a *Agent) {
		start := time.Now()
		sent := sendWithin(s, message(t, a, 1), 20*time.Second)[0]
		dry := message(t, a, 1)
		dry.DryRun = true
		if r := sendWithin(s, dry, 20*time.Second)[0]; r.Preview == nil {
			t.Errorf("dry run: %v", r.Err)
		}
		s.Revoke(t.Context(), a, sent.To, sent.MessageID)
		if waited := time.Since(start); waited != 0 {
			t.Errorf("they waited %v", waited)
		}
	})
}

// TestFallBack_deadline tests that a request that joins a call to the fallback keeps its
// own deadline, and TestFallBack_panic that a panic is an error of the fallback.
func TestFallBack_deadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		s := New(Options{Fallback: func(context.Context, *Message, string, string, code.Code) error {
			<-release
			return errors.New("too late")
		}})
		defer close(release)
		m := &Message{Fallback: new(config.Target)}
		go s.fallBack(t.Context(), m, firstNumber, "id", code.RecipientUnreachable)
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		start := time.Now()
		if err := s.fallBack(ctx, m, firstNumber, "id", code.RecipientUnreachable); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 300*time.Millisecond {
			t.Errorf("fallBack = %v after %v, want its own deadline", err, time.Since(start))
		}
	})
}

func TestFallBack_panic(t *testing.T) {
	t.Parallel()
	inBubble(t, 0, func(t *testing.T, s *Sender, w *wire, a *Agent) {
		s.options.Fallback = func(context.Context, *Message, string, string, code.Code) error { panic("secret") }
		m := message(t, a, 1)
		m.To[0].E164, m.Fallback = "+12025550104", new(config.Target)
		r := s.Send(t.Context(), m)[0]
		if !r.Fallback || r.FallbackErr == nil || strings.Contains(r.FallbackErr.Error(), "secret") || !strings.Contains(r.FallbackErr.Error(), "send.TestFallBack_panic") {
			t.Errorf("fallback %t: %v, want an error with the place of the panic", r.Fallback, r.FallbackErr)
		}
	})
}

// TestLimit_memory tests that the memory of a limit is bounded.
func TestLimit_memory(t *testing.T) {
	t.Parallel()
	l := NewRateLimiter(1)
	for i := range maxSent + 1 {
		l.remember("", fmt.Sprint(i), 1)
	}
	for id, want := range map[string]bool{"0": false, "1": true, fmt.Sprint(maxSent): true} {
		if _, ok := l.sent("", id); ok != want || l.known.Len() != maxSent {
			t.Errorf("message %s is known: %t, want %t; %d messages are known", id, ok, want, l.known.Len())
		}
	}
}
