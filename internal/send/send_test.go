package send

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/rcshook/rcshook/internal/code"
	"github.com/rcshook/rcshook/rbm"
)

// TestMayHaveArrived tests the decision behind duplicate_risk.
func TestMayHaveArrived(t *testing.T) {
	t.Parallel()
	failed := errors.New("failed")
	for _, test := range []struct {
		name    string
		attempt rbm.Attempt
		want    bool
	}{
		{"accepted", rbm.Attempt{StatusCode: 200}, false},
		{"accepted, response truncated", rbm.Attempt{StatusCode: 200, Err: failed}, true},
		{"no response", rbm.Attempt{Err: failed}, true},
		{"not sent", rbm.Attempt{Err: failed, Unsent: true}, false},
		{"redirected", rbm.Attempt{StatusCode: 300, Err: failed}, false},
		{"rejected", rbm.Attempt{StatusCode: 400, Err: failed}, false},
		{"unreachable", rbm.Attempt{StatusCode: 404, Err: failed}, false},
		{"rate limited", rbm.Attempt{StatusCode: 429, Err: failed}, false},
		{"rate limited after a broken connection", rbm.Attempt{StatusCode: 429, Err: failed, Resent: true}, true},
		{"upstream timeout", rbm.Attempt{StatusCode: 408, Err: failed}, true},
		{"canceled", rbm.Attempt{StatusCode: 499, Err: failed}, true},
		{"unavailable", rbm.Attempt{StatusCode: 503, Err: failed}, true},
		{"page of a proxy with 403", rbm.Attempt{StatusCode: 403, Err: &rbm.Error{StatusCode: 403, NotFromAPI: true}}, true},
	} {
		if got := mayHaveArrived(test.attempt); got != test.want {
			t.Errorf("%s: mayHaveArrived = %t, want %t", test.name, got, test.want)
		}
	}
}

func TestSend_messageID(t *testing.T) {
	t.Parallel()
	const chosen = "5a0c2f4e-6a3d-4d0e-9a50-0d7c1f7be001"
	for _, test := range []struct {
		name    string
		id, key string
		want    string // "" for a random one
	}{
		{"chosen", chosen, "key", chosen},
		{"derived", "", "key", rbm.MessageID("agent", firstNumber, "key")},
		{"random", "", "", ""},
	} {
		inBubble(t, 0, func(t *testing.T, s *Sender, _ *wire, a *Agent) {
			m := message(t, a, 1)
			m.ID, m.Key = test.id, test.key
			r := s.Send(t.Context(), m)[0]
			if r.Random != (test.want == "") || !r.Random && r.MessageID != test.want || uuid.Validate(r.MessageID) != nil || r.Receipt == nil {
				t.Errorf("%s: ID %q, random %t, %v, want %q", test.name, r.MessageID, r.Random, r.Err, test.want)
			}
		})
	}
}

// TestSend_again tests a message ID that this process has used before. A dry run does not
// use it.
func TestSend_again(t *testing.T) {
	t.Parallel()
	inBubble(t, 1000, func(t *testing.T, s *Sender, w *wire, a *Agent) {
		for _, test := range []struct {
			text             string
			dryRun           bool
			duplicate, other bool
		}{
			{"Hello", true, false, false},
			{"Hello", false, false, false},
			{"Hello", false, true, false},
			{"Bye", false, true, true},
		} {
			m := message(t, a, 1)
			m.Message.Message.ContentMessage.Text, m.DryRun = test.text, test.dryRun
			r := s.Send(t.Context(), m)[0]
			if r.Err != nil || r.Duplicate != test.duplicate || r.OtherContent != test.other || (r.Preview != nil) != test.dryRun {
				t.Errorf("%+v: duplicate %t, other content %t, %v", test, r.Duplicate, r.OtherContent, r.Err)
			}
		}
	})
}

// TestFallBack_again tests that the fallback gets a message again after it failed, but not
// after it accepted the message.
func TestFallBack_again(t *testing.T) {
	t.Parallel()
	failed := errors.New("failed")
	calls := 0
	s := New(Options{Fallback: func(context.Context, *Message, string, string, code.Code) error {
		if calls++; calls == 1 {
			return failed
		}
		return nil
	}})
	for i, want := range []struct {
		err   error
		calls int
	}{{failed, 1}, {nil, 2}, {nil, 2}} {
		err := s.fallBack(t.Context(), new(Message), firstNumber, "id", code.RecipientUnreachable)
		if !errors.Is(err, want.err) || calls != want.calls {
			t.Errorf("call %d: %v, %d calls, want %v, %d", i, err, calls, want.err, want.calls)
		}
	}
}

// TestRateLimiter_deadline tests which deadlines leave time to send: the turn of the second
// message is in one second.
func TestRateLimiter_deadline(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		waiting int // messages before this one
		timeout time.Duration
		ok      bool
	}{
		{0, time.Nanosecond, true},
		{1, 2*time.Second - 1, false},
		{1, 2 * time.Second, true},
	} {
		synctest.Test(t, func(t *testing.T) {
			l := NewRateLimiter(1)
			for range test.waiting {
				l.reserve(t.Context())
			}
			ctx, cancel := context.WithTimeout(t.Context(), test.timeout)
			defer cancel()
			if reservation, delay := l.reserve(ctx); (reservation != nil) != test.ok || delay != time.Duration(test.waiting)*time.Second {
				t.Errorf("%v before the deadline: reserved %t after %v, want %t", test.timeout, reservation != nil, delay, test.ok)
			}
		})
	}
}

// TestTakeOnce tests that only a message that got its turn is free when it is sent again.
func TestTakeOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := NewRateLimiter(0.1)
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		for i, want := range []struct {
			id string
			ok bool
		}{{"a", true}, {"a", true}, {"b", false}, {"b", false}} {
			if err := l.takeOnce(ctx, firstNumber, want.id); (err == nil) != want.ok {
				t.Errorf("message %d: %v, want success %t", i, err, want.ok)
			}
		}
	})
}
