package send

import (
	"errors"
	"testing"

	"github.com/google/uuid"

	"github.com/rcshook/rcshook/internal/agent"
	"github.com/rcshook/rcshook/rbm"
)

// TestMayHaveArrived holds the judgement on which duplicate_risk rests. What comes
// of a whole delivery is the matter of testdata/cases.
func TestMayHaveArrived(t *testing.T) {
	t.Parallel()
	failed := errors.New("failed")
	for _, test := range []struct {
		name    string
		attempt rbm.Attempt
		want    bool
	}{
		{"taken", rbm.Attempt{StatusCode: 200}, false}, // the answer says so
		{"taken, and the answer was cut off", rbm.Attempt{StatusCode: 200, Err: failed}, true},
		{"no answer", rbm.Attempt{Err: failed}, true},
		{"never sent", rbm.Attempt{Err: failed, Unsent: true}, false},
		{"refused", rbm.Attempt{StatusCode: 400, Err: failed}, false},
		{"unreachable", rbm.Attempt{StatusCode: 404, Err: failed}, false},
		{"limited", rbm.Attempt{StatusCode: 429, Err: failed}, false},
		{"limited, after a broken connection", rbm.Attempt{StatusCode: 429, Err: failed, Resent: true}, true},
		{"timed out on their side", rbm.Attempt{StatusCode: 408, Err: failed}, true},
		{"in trouble", rbm.Attempt{StatusCode: 503, Err: failed}, true},
	} {
		if got := mayHaveArrived(test.attempt); got != test.want {
			t.Errorf("%s: mayHaveArrived = %t, want %t", test.name, got, test.want)
		}
	}
}

func TestMessageID(t *testing.T) {
	t.Parallel()
	const phone, chosen = "+12025550123", "5a0c2f4e-6a3d-4d0e-9a50-0d7c1f7be001"
	from := &agent.Agent{ID: "agent"}
	derived := rbm.MessageID("agent", phone, "key")
	for _, test := range []struct {
		name   string
		parcel Parcel
		want   string // "" for a random one
	}{
		{"chosen", Parcel{Agent: from, ID: chosen, Key: "key"}, chosen},
		{"derived", Parcel{Agent: from, Key: "key"}, derived},
		{"random", Parcel{Agent: from}, ""},
	} {
		id, random := test.parcel.messageID(phone)
		if random != (test.want == "") || !random && id != test.want || uuid.Validate(id) != nil {
			t.Errorf("%s: messageID = %q, random %t, want %q", test.name, id, random, test.want)
		}
	}
}
