package prepare_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/payload"
	"github.com/rcshook/rcshook/internal/prepare"
	"github.com/rcshook/rcshook/internal/typo"
)

// TestMessage_fallbackQueue tests which queue keeps a message with a fallback. One that
// waits for its fallback is in the queue of the function.
func TestMessage_fallbackQueue(t *testing.T) {
	t.Parallel()
	const functions, own = "projects/p/locations/l/queues/functions", "projects/p/locations/l/queues/own"
	now := time.Date(2026, 12, 1, 9, 0, 0, 0, time.UTC)
	never := &config.Target{Name: "never"}
	after := &config.Target{Name: "after", After: config.After{Duration: 2 * time.Minute}}
	auto := &config.Target{Name: "auto", After: config.After{Auto: true}}
	for _, test := range []struct {
		name, fields  string
		source, agent *config.Target // the fallbacks
		sourceQueue   string
		queue         string
		want          string
	}{
		{"no time", "", never, nil, own, functions, "never, own"},
		{"no time, direct", "", nil, never, config.NoQueue, functions, "never, direct"},
		{"of the function", "", nil, after, "", functions, "after, functions, 2m0s"},
		{"another queue", "", after, nil, own, functions, "after, functions, 2m0s"},
		{"direct", "", after, nil, config.NoQueue, functions, "after, functions, 2m0s"},
		{"direct, by the payload", `, "fallback_after": 60`, nil, never, config.NoQueue, functions, "never, functions, 1m0s"},
		{"direct, by the traffic type", `, "otp": true`, nil, auto, config.NoQueue, functions, "auto, functions, 1m0s"},
		{"direct, without a time for the traffic type", `, "traffic": "promotion", "ttl": 60`, nil, auto, config.NoQueue, functions, "auto, direct"},
		{"direct, scheduled", `, "schedule_at": "2026-12-01T10:00:00Z"`, after, nil, config.NoQueue, functions, "after, functions, 1h2m0s"},
		{"the source wins", "", never, after, "", functions, "never, functions"},
		{"without a queue", "", after, nil, "", "", "after, direct"},
		{"the queue of the source is not enough", "", after, nil, own, "", "after, own"},
		{"no fallback", `, "fallback_text": "b"`, nil, nil, own, functions, "none, own"},
	} {
		cfg := &config.Config{Queue: test.queue, Agents: map[string]config.Agent{"default": {Fallback: test.agent}}}
		in := prepare.Input{ContentType: "application/json", Body: []byte(`{"to": "+12025550123", "text": "a"` + test.fields + `}`)}
		m, err := prepare.Message(in, cfg, config.Source{Name: "s", Fallback: test.source, Queue: test.sourceQueue}, now)
		if err != nil {
			t.Errorf("%s: %+v", test.name, err)
			continue
		}
		got := []string{"none", "direct"}
		if m.Fallback != nil {
			got[0] = m.Fallback.Name
		}
		if m.Queue != "" {
			got[1] = m.Queue[strings.LastIndexByte(m.Queue, '/')+1:]
		}
		if at := m.Message.FallbackAt; !at.IsZero() {
			got = append(got, at.Sub(now).String())
		}
		if got := strings.Join(got, ", "); got != test.want {
			t.Errorf("%s: got %s, want %s", test.name, got, test.want)
		}
	}
}

// TestMessage_unknownFallback tests that a message of an agent whose settings are not known
// may have a fallback.
func TestMessage_unknownFallback(t *testing.T) {
	t.Parallel()
	const body = `{"to": "+12025550123", "text": "a", "agent": "care", "traffic": "service", "fallback_after": "2m", "fallback_text": "b", "dry_run": 5}`
	for _, test := range []struct {
		agents map[string]config.Agent
		want   []string
	}{
		{nil, []string{"/dry_run: expected true or false, got a number"}},
		{map[string]config.Agent{"default": {}}, []string{"/dry_run: expected true or false, got a number", `/agent: expected the agent default, got "care"`}},
		{map[string]config.Agent{"care": {}}, []string{
			"/fallback_after: neither the agent nor the source has a fallback; remove fallback_after or set fallback in rcshook.yaml (rcshook dev -queue without -config has one)",
			"/dry_run: expected true or false, got a number",
		}},
	} {
		in := prepare.Input{ContentType: "application/json", Body: []byte(body)}
		_, err := prepare.Message(in, &config.Config{Agents: test.agents}, config.Source{}, time.Now())
		invalid, _ := errors.AsType[payload.Errors](err)
		var got []string
		for _, e := range invalid {
			got = append(got, e.Pointer+": "+e.Detail)
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("with %v (-want +got):\n%s", test.agents, diff)
		}
	}
	in := prepare.Input{ContentType: "application/json", Body: []byte(strings.Replace(body, ": 5}", ": true}", 1))}
	if m, err := prepare.Message(in, new(config.Config), config.Source{}, time.Now()); err != nil || len(m.Message.Warnings) > 0 {
		t.Errorf("got %+v, %v; want a message without warnings", m, err)
	}
}

// TestUnknownAgentError tests that the error quotes no more of a name than a word.
func TestUnknownAgentError(t *testing.T) {
	t.Parallel()
	longest := strings.Repeat("x", typo.MaxLength)
	for _, test := range []struct {
		name  string
		names []string
		want  string
	}{
		{"crae", []string{"care", "shop"}, `expected one of the agents care, shop, got "crae"; did you mean care?`},
		{"", []string{"care"}, `expected the agent care, got "default"`},
		{longest, []string{"care"}, `expected the agent care, got "` + longest + `"`},
		{longest + "x", []string{"care"}, `expected the agent care, got "` + longest + `..."`},
	} {
		if got := (&prepare.UnknownAgentError{Name: test.name, Names: test.names}).Error(); got != test.want {
			t.Errorf("%q: %s, want %s", test.name, got, test.want)
		}
	}
}

// TestMessage_recipients tests payloads that anyone may have changed: a source with recipients
// sends to no other number, however the payload names it.
func TestMessage_recipients(t *testing.T) {
	t.Parallel()
	const (
		jsonType, form = "application/json", "application/x-www-form-urlencoded"
		multipart      = "multipart/form-data; boundary=b"
		part           = "--b\r\nContent-Disposition: form-data; name=\"to\"\r\n\r\n+12025550177\r\n" +
			"--b\r\nContent-Disposition: form-data; name=\"text\"\r\n\r\na\r\n--b--\r\n"
	)
	for _, test := range []struct{ contentType, body, want string }{
		{jsonType, `{"text": "a"}`, "sends"},
		{jsonType, `{"text": "a", "to": "+1 (202) 555-0123"}`, "sends"},
		{jsonType, `{"text": "a", "to": "202 555 0123", "country": "US"}`, "sends"},
		{form, `text=a&to=%2B12025550123`, "sends"},

		{jsonType, `{"text": "a", "to": "+12025550177"}`, "refuses /to"},
		{jsonType, `{"text": "a", "to": ["+12025550123", "+12025550177"]}`, "refuses /to/1"},
		{jsonType, `{"text": "a", "to": "+12025550123, +12025550177"}`, "refuses /to"},
		{jsonType, `{"text": "a", "to": 12025550177}`, "refuses /to"},
		{jsonType, `{"text": "a", "to": "202 555 0177", "country": "US"}`, "refuses /to"},
		{jsonType, `{"text": "a", "to": "202 555 0123", "country": "CA"}`, "sends"}, // the same country code
		{jsonType, `{"text": "a", "to": "02025550123", "country": "DE"}`, "refuses /to"},
		{jsonType, `{"text": "a", "To": "+12025550177"}`, "refuses /To"},
		{jsonType, `{"text": "a", "TO ": "+12025550177"}`, "refuses /TO "},
		{jsonType, `{"text": "a", "phone_number": "+12025550177"}`, "refuses /phone_number"},
		{jsonType, `{"text": "a", "Recipient-1": "+12025550177"}`, "refuses /Recipient-1"},
		{jsonType, `{"text": "a", "to[0]": "+12025550177"}`, "refuses /to[0]"},
		{jsonType, `{"text": "a", "\u0074o": "+12025550177"}`, "refuses /to"},
		{jsonType, `{"text": "a", "to": "+12025550123", "to": "+12025550177"}`, "is invalid"},
		{jsonType, `{"text": "a", "to": "+12025550123", "phone": "+12025550177"}`, "is invalid"},
		{jsonType, `{"text": "a", "to": null, "phone": "+12025550177"}`, "refuses /phone"},
		{jsonType, `{"text": "a", "to": null}`, "is invalid"},
		{jsonType, `[{"text": "a", "to": "+12025550177"}]`, "refuses /0/to"},
		{"text/plain", `{"text": "a", "to": "+12025550177"}`, "is invalid"},
		{form, `text=a&to=%2B12025550177`, "refuses /to"},
		{form, `text=a&to=%2B12025550123&to=%2B12025550177`, "refuses /to"},
		{form, `text=a&to[1]=%2B12025550177`, "refuses /to[1]"},
		{form, `text=a`, "is invalid"},
		{multipart, part, "refuses /to"},
	} {
		in := prepare.Input{ContentType: test.contentType, Body: []byte(test.body)}
		m, err := prepare.Message(in, new(config.Config), config.Source{Name: "s", Recipients: []string{"+12025550123"}}, time.Now())
		got := "is invalid"
		if refused, ok := errors.AsType[*prepare.DestinationError](err); ok {
			got = "refuses " + refused.Errors[0].Pointer
		} else if err == nil {
			got = "sends"
			if len(m.To) != 1 || m.To[0].E164 != "+12025550123" {
				t.Errorf("%s sends to %v", test.body, m.To)
			}
		}
		if got != test.want {
			t.Errorf("%s: %s (%v), want %s", test.body, got, err, test.want)
		}
	}
}
