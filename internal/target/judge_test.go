package target

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"testing"
	"time"

	"github.com/rcshook/rcshook/internal/config"
)

// FuzzEncodeForm tests that a form has every member of a flat object as its text, and that
// other values are errors.
func FuzzEncodeForm(f *testing.F) {
	for _, seed := range []string{`{}`, `{"a": "b&c=d", "é": "+1 %2B", "n": 1.50, "big": 12345678901234567890, "e": 1e3}`, `{"": null, "t": true}`, `{"a": {}}`, `{"a": []}`, `[1]`, `"a=b"`, `{"a": 1e999}`, `{"a": "\ud800"}`, "1\u0085"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		value, err := decodeJSON(data)
		if (err == nil) != json.Valid(data) {
			t.Fatalf("decodeJSON: %v, want an error only for invalid JSON", err)
		}
		object, flat := value.(map[string]any)
		want := url.Values{}
		for name, member := range object {
			switch member := member.(type) {
			case nil:
			case string:
				want.Set(name, member)
			case bool:
				want.Set(name, map[bool]string{true: "true", false: "false"}[member])
			case json.Number:
				if _, err := member.Float64(); err != nil {
					t.Skip("a number without digits of its own")
				}
				want.Set(name, "")
			default:
				flat = false
			}
		}
		body, err := encodeForm(value)
		if (err == nil) != flat {
			t.Fatalf("encodeForm: %v, want an error only for a value that is not a flat object", err)
		}
		if err != nil {
			return
		}
		got, err := url.ParseQuery(string(body))
		if err != nil || len(got) != len(want) {
			t.Fatalf("got %v and %v from %s, want %v", got, err, body, want)
		}
		for name := range want {
			if number, ok := object[name].(json.Number); ok {
				before, _ := number.Float64()
				after, err := json.Number(got.Get(name)).Float64()
				if err != nil || before != after {
					t.Errorf("%q: got %q, want %s", name, got.Get(name), number)
				}
			} else if got.Get(name) != want.Get(name) || len(got[name]) != 1 {
				t.Errorf("%q: got %q, want %q", name, got[name], want.Get(name))
			}
		}
	})
}

// FuzzJudge tests that a program of a provider classifies any response, and that its errors
// quote nothing of the response.
func FuzzJudge(f *testing.F) {
	text := `if .status == 429 or (.body | type) == "string" then "retry" elif .body.messages[0].status == "0" and .headers["x-a"] != "" then "ok" else "never" end`
	c := &config.Target{Name: "sms", OK: config.Program{Text: text, Position: config.Position{File: "f.yaml", Line: 1, Column: 1}}}
	sms, problems := New(c, Options{Transport: new(http.Transport), Now: time.Now})
	if len(problems) > 0 {
		f.Fatal(problems)
	}
	for _, seed := range []string{`{"messages": [{"status": "0"}]}`, `{"messages": [{"status": "9"}]}`, `{"messages": {}}`, `[]`, `null`, ``, `<xml/>`, "caf\xe9", `{"a": 1} 2`} {
		f.Add(200, "secretvalue", []byte(seed))
	}
	f.Fuzz(func(t *testing.T, status int, header string, body []byte) {
		response := &http.Response{StatusCode: status, Header: http.Header{"X-A": {header}}}
		outcome, err := sms.judge(context.Background(), response, body)
		if err != nil {
			if outcome != "" || !failures.MatchString(err.Error()) {
				t.Errorf("got %q and %v", outcome, err)
			}
			return
		}
		if want := !json.Valid(body) || status == 429; want && outcome != Retry {
			t.Errorf("got %s, want retry", outcome)
		}
	})
}

// failures matches the errors of the program of FuzzJudge.
var failures = regexp.MustCompile(`^f\.yaml:1:\d+ fails: expected an (array|object) but got: (array|boolean|number|object|string)$`)

// TestJudge_canceled tests that a response that arrives at the last moment is classified.
func TestJudge_canceled(t *testing.T) {
	t.Parallel()
	c := &config.Target{OK: config.Program{Text: `[range(100000)] | "never"`}}
	sms, problems := New(c, Options{Transport: new(http.Transport), Now: time.Now})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got, err := sms.judge(ctx, &http.Response{StatusCode: http.StatusOK}, nil); got != Never || err != nil {
		t.Errorf("got %s, %v; want never", got, err)
	}
}
