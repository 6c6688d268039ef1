package rbm

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestReceipt reads answers as they are and as they should not be.
func TestReceipt(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 12, 1, 9, 0, 0, 123456000, time.UTC)
	for _, test := range []struct {
		name, answer string
		want         Receipt
		err          error
	}{
		{
			"the whole message", `{"name": "phones/+12025550123/agentMessages/a", "sendTime": "2026-12-01T09:00:00.123456Z",
				"expireTime": "2026-12-01T09:00:00.123456Z", "contentMessage": {"text": "Hi", "suggestions": [{"reply": {}}]}}`,
			Receipt{"phones/+12025550123/agentMessages/a", at, at},
			nil,
		},
		{"nothing in it", " {}", Receipt{}, nil},
		{"fields of other types are passed over", `{"sendTime": 5, "name": "n", "expireTime": {"a": []}}`, Receipt{Name: "n"}, nil},
		{"a time that is none is passed over", `{"name": "n", "sendTime": "soon"}`, Receipt{Name: "n"}, nil},
		{"half an answer", `{"name": "n"`, Receipt{}, errUnreadable},
		{"a list", `[{"name": "n"}]`, Receipt{}, errUnreadable},
		{"null", `null`, Receipt{}, errUnreadable},
		{"a page", `<html>`, Receipt{}, errUnreadable},
		{"no answer", ``, Receipt{}, errUnreadable},
	} {
		var got Receipt
		err := decodeAnswer([]byte(test.answer), &got)
		if !errors.Is(err, test.err) || err == nil != (test.err == nil) {
			t.Errorf("%s: %v, want %v", test.name, err, test.err)
		}
		if diff := cmp.Diff(test.want, got); err == nil && diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
	}
}
