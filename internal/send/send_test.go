package send

import (
	"errors"
	"testing"

	"github.com/google/uuid"

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
