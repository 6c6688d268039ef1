package rbm

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"
	"time"
	"unicode/utf8"

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
		{
			"what looks like an end in a text", `{"contentMessage": {"text": "a \"}, ] \\"}, "ids": [1, 2.5e3, null, true], "name": "n\u00e9\n"}`,
			Receipt{Name: "né\n"},
			nil,
		},
		{"half an answer", `{"name": "n"`, Receipt{}, errUnreadable},
		{"half a text", `{"contentMessage": {"text": "Hi`, Receipt{}, errUnreadable},
		{"half a list", `{"ids": [1, {"a": 2}, `, Receipt{}, errUnreadable},
		{"half an escape", `{"a": "\`, Receipt{}, errUnreadable},
		{"more than an answer", `{"name": "n"} {}`, Receipt{}, errUnreadable},
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

// FuzzReceipt holds the reading of receipts against package encoding/json: an object is
// read as it reads it, and no part of one is taken for the whole. Every part is tried, so
// the answers are short.
func FuzzReceipt(f *testing.F) {
	f.Add([]byte(`{"name": "phones/+12025550123/agentMessages/a", "sendTime": "2026-12-01T09:00:00.123456Z", "ttl": "5s"}`))
	f.Add([]byte(`{"contentMessage": {"text": "a \"}, ] \\", "list": [{}, [], 1, null]}, "name": "n\u00e9"}`))
	f.Add([]byte(`{"name": "a", "name": "b", "expireTime": 5, "": ""} `))
	f.Fuzz(func(t *testing.T, data []byte) {
		var got Receipt
		err := got.read(data)
		var want map[string]any
		if len(data) > 1<<10 || !utf8.Valid(data) || json.Unmarshal(data, &want) != nil || want == nil {
			return
		}
		if err != nil {
			t.Fatalf("%q: %v", data, err)
		}
		if name, ok := want["name"].(string); ok && got.Name != name {
			t.Errorf("%q: the name is %q, want %q", data, got.Name, name)
		}
		whole := bytes.TrimRight(data, " \t\r\n")
		for end := range whole {
			if new(Receipt).read(whole[:end]) == nil {
				t.Fatalf("%q is taken for a whole answer", whole[:end])
			}
		}
	})
}
