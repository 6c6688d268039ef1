package compose_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rcshook/rcshook/internal/compose"
	"github.com/rcshook/rcshook/internal/payload"
	"github.com/rcshook/rcshook/rbm"
)

const day = 24 * time.Hour

// withFallback composes a payload of the given fields.
func withFallback(t *testing.T, fields string, d compose.Defaults) (*compose.Composed, error) {
	t.Helper()
	p, err := payload.Decode(asJSON, []byte(`{"to": "+12025550123", `+fields+`}`), payload.Options{})
	if err != nil {
		t.Fatalf("Decode(%s): %v", fields, err)
	}
	return compose.Message(p, d, now)
}

// TestMessage_fallbackAt tests the time of the fallback, and the lifetime that reaches
// beyond it.
func TestMessage_fallbackAt(t *testing.T) {
	t.Parallel()
	const scheduled = `"schedule_at": "2026-12-01T10:00:00Z"`
	at := time.Date(2026, 12, 1, 10, 0, 0, 0, time.UTC)
	never := compose.Fallback{MaxDelay: 30 * day}
	after := compose.Fallback{MaxDelay: 30 * day, After: 2 * time.Minute}
	auto := compose.Fallback{MaxDelay: 30 * day, Auto: true}
	for _, tt := range []struct {
		name, fields string
		fallback     compose.Fallback
		defaultTTL   time.Duration
		want         time.Time
		ttl          string // of the message
	}{
		{"never", `"text": "a", "otp": true`, never, 0, time.Time{}, "600s"},
		{"never, with a default ttl", `"text": "a"`, never, time.Minute, time.Time{}, "60s"},
		{"of the message", `"text": "a", "fallback_after": "90s"`, never, 0, now.Add(90 * time.Second), ""},
		{"shortest", `"text": "a", "fallback_after": 1`, never, 0, now.Add(time.Second), ""},
		{"longest", `"text": "a", "fallback_after": 1295700`, never, time.Hour, now.Add(15*day - 5*time.Minute), "1296000s"},
		{"of the configuration", `"text": "a"`, after, 0, now.Add(2 * time.Minute), ""},
		{"the message wins", `"text": "a", "fallback_after": "1h"`, after, 0, now.Add(time.Hour), ""},
		{"the message wins over auto", `"text": "a", "otp": true, "fallback_after": "1h"`, auto, 0, now.Add(time.Hour), "3900s"},
		{"without a queue", `"text": "a", "ttl": 5`, compose.Fallback{After: time.Minute}, 0, time.Time{}, "5s"},

		{"auto without a type", `"text": "a"`, auto, 0, time.Time{}, ""},
		{"auto for otp", `"text": "a", "otp": true`, auto, 0, now.Add(time.Minute), "600s"},
		{"auto for traffic otp", `"text": "a", "traffic": "otp"`, auto, 0, now.Add(time.Minute), ""},
		{"auto for a transaction", `"text": "a", "traffic": "transaction"`, auto, 0, now.Add(5 * time.Minute), ""},
		{"auto for service", `"text": "a", "traffic": "service"`, auto, 0, now.Add(5 * time.Minute), ""},
		{"auto for a promotion", `"text": "a", "traffic": "promotion"`, auto, 0, time.Time{}, ""},
		{"auto for an acknowledgement", `"text": "a", "traffic": "acknowledgement"`, auto, 0, time.Time{}, ""},
		{"auto for raw", `"raw": {"contentMessage": {"text": "a"}, "messageTrafficType": "AUTHENTICATION"}`, auto, time.Hour, now.Add(time.Minute), "3600s"},

		{"scheduled", `"text": "a", "fallback_after": "1h", ` + scheduled, never, 0, at.Add(time.Hour), ""},
		{"scheduled, of the configuration", `"text": "a", ` + scheduled, after, 0, at.Add(2 * time.Minute), ""},
		{"scheduled in the past", `"text": "a", "fallback_after": "1h", "schedule_at": "2026-11-22T11:00:00Z"`, never, 0, now.Add(time.Hour), ""},
		{"30 days ahead", `"text": "a", "fallback_after": "1h", "schedule_at": "2026-12-22T11:00:00Z"`, never, 0, now.Add(30 * day), ""},

		{"a long default ttl", `"text": "a", "fallback_after": "1h"`, never, 2 * time.Hour, now.Add(time.Hour), "7200s"},
		{"a short default ttl", `"text": "a", "fallback_after": "1h"`, never, time.Minute, now.Add(time.Hour), "3900s"},
		{"a short default ttl, of the configuration", `"text": "a"`, after, time.Minute, now.Add(2 * time.Minute), "420s"},
		{"the ttl of otp", `"text": "a", "otp": true, "fallback_after": "8m"`, never, 0, now.Add(8 * time.Minute), "780s"},
		{"15 seconds more", `"text": "a", "fallback_after": "1h", "ttl": "3615s"`, never, 0, now.Add(time.Hour), "3615s"},
		{"expires 15 seconds later", `"text": "a", "fallback_after": "1h", "expires_at": "2026-11-22T13:00:15Z"`, never, 0, now.Add(time.Hour), ""},
		{"expires 15 seconds later, scheduled", `"text": "a", "fallback_after": "1h", "expires_at": "2026-12-01T11:00:15Z", ` + scheduled, never, 0, at.Add(time.Hour), ""},
		{"15 seconds more in raw", `"raw": {"contentMessage": {"text": "a"}, "ttl": "75s"}, "fallback_after": "1m"`, never, 0, now.Add(time.Minute), "75s"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c, err := withFallback(t, tt.fields, compose.Defaults{MaxDelay: 30 * day, TTL: tt.defaultTTL, Fallback: &tt.fallback})
			if err != nil {
				t.Fatalf("%q", lines(err))
			}
			if !c.FallbackAt.Equal(tt.want) {
				t.Errorf("the fallback is at %s, want %s", c.FallbackAt, tt.want)
			}
			_, ttl, _ := strings.Cut(string(c.Encoded), `"ttl":"`)
			if ttl, _, _ = strings.Cut(ttl, `"`); ttl != tt.ttl {
				t.Errorf("the ttl is %q, want %q", ttl, tt.ttl)
			}
		})
	}
}

func TestMessage_fallbackErrors(t *testing.T) {
	t.Parallel()
	const (
		scheduled = `"schedule_at": "2026-12-01T10:00:00Z"`
		late      = `"schedule_at": "2026-12-22T11:30:00Z"` // half an hour less than 30 days
		noQueue   = "/schedule_at: scheduling needs a queue, and none is configured; remove schedule_at or set RCSHOOK_QUEUE (in rcshook dev: -queue)"
	)
	queue := &compose.Fallback{MaxDelay: 30 * day}
	after := &compose.Fallback{MaxDelay: 30 * day, After: time.Hour}
	auto := &compose.Fallback{MaxDelay: 30 * day, Auto: true}
	for _, tt := range []struct {
		name, fields string
		fallback     *compose.Fallback
		direct       bool // the source has no queue
		want         []string
	}{
		{"no fallback", `"text": "a", "fallback_after": "1m"`, nil, false, []string{
			"/fallback_after: neither the agent nor the source has a fallback; remove fallback_after or set fallback in rcshook.yaml (rcshook dev -queue without -config has one)",
		}},
		{"no fallback, in another spelling", `"text": "a", "Fallback After": "1m"`, nil, false, []string{
			"/Fallback After: neither the agent nor the source has a fallback; remove Fallback After or set fallback in rcshook.yaml (rcshook dev -queue without -config has one)",
		}},
		{"no queue", `"text": "a", "fallback_after": "1m", "fallback_text": "b"`, &compose.Fallback{After: time.Minute}, false, []string{
			"/fallback_after: fallback_after needs a queue, and none is configured; remove fallback_after or set RCSHOOK_QUEUE (in rcshook dev: -queue)",
		}},
		{"not a duration", `"text": "a", "fallback_after": "soon", "ttl": 5`, queue, false, []string{
			`/fallback_after: expected a number of seconds or a duration such as "10m", "1h30m" or "2d"`,
		}},
		{"milliseconds", `"text": "a", "fallback_after": "500ms"`, queue, false, []string{
			"/fallback_after: expected at least 1 second",
		}},
		{"too short", `"text": "a", "fallback_after": 0.999, "ttl": 5`, queue, false, []string{
			"/fallback_after: expected at least 1 second",
		}},
		{"zero", `"text": "a", "fallback_after": 0`, after, false, []string{
			"/fallback_after: expected at least 1 second",
		}},
		{"too long", `"text": "a", "fallback_after": 1295701, "ttl": "15d"`, queue, false, []string{
			"/fallback_after: expected at most 14 days, 23 hours and 55 minutes, which is 5 minutes less than RCS keeps a message",
		}},
		{"a long text", `"text": "a", "fallback_text": "` + strings.Repeat("ä", 3073) + `"`, nil, false, []string{
			"/fallback_text: the text is too long: expected at most 3072 characters, got 3073 [3073/3072]",
		}},
		{"a long text, and no content", `"fallback_text": "` + strings.Repeat("a", 3073) + `"`, queue, false, []string{
			"/fallback_text: the text is too long: expected at most 3072 characters, got 3073 [3073/3072]",
			"/text: missing content: send text, or title or image for a card, or cards, file or raw",
		}},
		{"the longest text", `"text": "a", "fallback_text": "` + strings.Repeat("a", 3072) + `"`, queue, false, nil},
		{"a list of texts", `"text": "a", "fallback_text": ["b"]`, queue, false, []string{"/fallback_text: expected text, got a list"}},

		{"later than the queue keeps it", `"text": "a", "fallback_after": "1h", ` + late, queue, false, []string{
			"/fallback_after: the fallback would be too late: expected at most 30 days ahead, got 31; send an earlier schedule_at or a shorter fallback_after [31/30]",
		}},
		{"later, because of the configuration", `"text": "a", ` + late, after, false, []string{
			"/schedule_at: the fallback would be too late: expected at most 30 days ahead, got 31; send an earlier schedule_at or a shorter fallback_after [31/30]",
		}},
		{"scheduled too late", `"text": "a", "fallback_after": "1h", "schedule_at": "2027-01-01T10:00:00Z"`, queue, false, []string{
			"/schedule_at: expected at most 30 days ahead, got 40 [40/30]",
		}},

		{"ttl", `"text": "a", "fallback_after": "2m", "ttl": "134s"`, queue, false, []string{
			"/ttl: expected at least 2m15s, which is 15s more than fallback_after",
		}},
		{"ttl, scheduled", `"text": "a", "fallback_after": "2m", "ttl": "134s", ` + scheduled, queue, false, []string{
			"/ttl: expected at least 2m15s, which is 15s more than fallback_after",
		}},
		{"ttl and the configuration", `"text": "a", "ttl": "1h"`, after, false, []string{
			"/ttl: expected at least 1h0m15s, which is 15s more than after of the fallback in rcshook.yaml",
		}},
		{"ttl and auto", `"text": "a", "ttl": 30, "otp": true`, auto, false, []string{
			"/ttl: expected at least 1m15s, which is 15s more than after of the fallback in rcshook.yaml",
		}},
		{"expires_at", `"text": "a", "fallback_after": "2m", "expires_at": "2026-11-22T12:02:14Z"`, queue, false, []string{
			"/expires_at: expected 2026-11-22T12:02:16Z or later, which is 15s after the time that fallback_after sets",
		}},
		{"expires_at, scheduled", `"text": "a", "expires_at": "2026-12-01T11:00:14Z", ` + scheduled, after, false, []string{
			"/expires_at: expected 2026-12-01T11:00:16Z or later, which is 15s after the time that after of the fallback in rcshook.yaml sets",
		}},
		{"expired", `"text": "a", "fallback_after": "2m", "expires_at": "2026-11-22T12:00:00Z"`, queue, false, []string{
			"/expires_at: the time must be in the future",
		}},
		{"ttl of raw", `"raw": {"contentMessage": {"text": "a"}, "ttl": "134s"}, "fallback_after": "2m"`, queue, false, []string{
			"/raw/ttl: expected at least 2m15s, which is 15s more than fallback_after",
		}},
		{"ttl of raw as text", `"raw": "{\"contentMessage\": {\"text\": \"a\"}, \"ttl\": \"134s\"}", "fallback_after": "2m"`, queue, false, []string{
			"/raw: in the JSON text, at /ttl: expected at least 2m15s, which is 15s more than fallback_after",
		}},
		{"expireTime of raw", `"raw": {"contentMessage": {"text": "a"}, "expireTime": "2026-11-22T12:02:14Z"}, "fallback_after": "2m"`, queue, false, []string{
			"/raw/expireTime: expected 2026-11-22T12:02:16Z or later, which is 15s after the time that fallback_after sets",
		}},
		{"expire_time of raw", `"agent_message": {"content_message": {"text": "a"}, "expire_time": "2026-11-22T12:02:14Z"}, "fallback_after": "2m"`, queue, false, []string{
			"/agent_message/expire_time: expected 2026-11-22T12:02:16Z or later, which is 15s after the time that fallback_after sets",
		}},

		{"no queue for a schedule", `"text": "a", ` + scheduled, queue, true, []string{noQueue}},
		{"no queue at all for a schedule", `"text": "a", ` + scheduled, &compose.Fallback{After: time.Hour}, true, []string{noQueue}},
		{"no queue for a schedule without a time", `"text": "a", "traffic": "promotion", ` + scheduled, auto, true, []string{noQueue}},
		{"the queue of the fallback", `"text": "a", "fallback_after": "1h", ` + scheduled, queue, true, nil},
		{"the queue of the fallback, by after", `"text": "a", ` + scheduled, after, true, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d := compose.Defaults{MaxDelay: 30 * day, Fallback: tt.fallback}
			if tt.direct {
				d.MaxDelay = 0
			}
			_, err := withFallback(t, tt.fields, d)
			if diff := cmp.Diff(tt.want, lines(err)); diff != "" {
				t.Errorf("errors of %s (-want +got):\n%s", tt.fields, diff)
			}
		})
	}
}

func TestMessage_fallbackWarnings(t *testing.T) {
	t.Parallel()
	const (
		soon     = "many messages take some seconds to be delivered, so with less than 10 seconds the user may get both messages"
		typeless = "without a traffic type, the fallback gets the message at most once, as a promotion, and never if in doubt; set traffic, or otp for a password"
		slow     = "the fallback of a one-time password is due later than 10 minutes, so RCS may deliver the password that late too"
		endless  = "/traffic: a promotion without ttl or expires_at may be delivered days later"
		unused   = "/fallback_text: has no effect: the message has no fallback"
	)
	queue := &compose.Fallback{MaxDelay: day}
	auto := &compose.Fallback{MaxDelay: day, Auto: true}
	after := &compose.Fallback{MaxDelay: day, After: time.Hour}
	for _, tt := range []struct {
		fields   string
		fallback *compose.Fallback
		want     []string
	}{
		{`"text": "a", "otp": true, "fallback_after": 10, "fallback_text": "b"`, queue, nil},
		{`"text": "a", "traffic": "service", "fallback_after": 9`, queue, []string{"/fallback_after: " + soon}},
		{`"raw": {"contentMessage": {"text": "a"}, "messageTrafficType": "AUTHENTICATION"}, "fallback_after": 9`, queue, []string{"/fallback_after: " + soon}},
		{`"text": "a", "fallback_text": "b"`, nil, []string{unused}},
		{`"raw": {"contentMessage": {"text": "a"}}, "fallback_text": "b"`, nil, []string{unused}},

		{`"text": "a", "fallback_after": 10`, queue, []string{"/fallback_after: " + typeless}},
		{`"raw": {"contentMessage": {"text": "a"}}, "fallback_after": 10`, queue, []string{"/fallback_after: " + typeless}},
		{`"text": "a"`, after, []string{": " + typeless}},
		{`"text": "a"`, queue, nil},
		{`"text": "a"`, auto, nil},
		{`"text": "a"`, &compose.Fallback{After: time.Hour}, nil}, // without a queue

		{`"text": "a", "otp": true, "fallback_after": "10m"`, queue, nil},
		{`"text": "a", "otp": true, "fallback_after": "601s"`, queue, []string{"/fallback_after: " + slow}},
		{`"text": "a", "traffic": "otp"`, after, []string{": " + slow}},
		{`"text": "a", "traffic": "transaction"`, after, nil},

		{`"text": "a", "traffic": "promotion"`, after, nil},
		{`"text": "a", "traffic": "promotion", "fallback_after": "1h"`, queue, nil},
		{`"text": "a", "traffic": "promotion"`, queue, []string{endless}},
		{`"text": "a", "traffic": "promotion"`, auto, []string{endless}},
	} {
		c, err := withFallback(t, tt.fields, compose.Defaults{Fallback: tt.fallback})
		if err != nil {
			t.Fatalf("%s: %q", tt.fields, lines(err))
		}
		var got []string
		for _, w := range c.Warnings {
			got = append(got, w.Pointer+": "+w.Detail)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("warnings of %s (-want +got):\n%s", tt.fields, diff)
		}
	}
}

// TestMessage_fallbackText tests the text that the fallback gets.
func TestMessage_fallbackText(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, fields, want string }{
		{"text", `"text": "a\nb"`, "a\nb"},
		{"its own", `"text": "a", "buttons": "Go|https://example.com", "fallback_text": "b\nc "`, "b\nc "},
		{"its own, of a file", `"file": "files/x", "fallback_text": "b"`, "b"},
		{"buttons", `"text": "a", "buttons": ["Yes", "Go|https://example.com/1", "Call|tel:+12025550199", "Here|geo:1,2", "Share|location:"], "chips": "Web|webview:https://example.com/2"`, "a\nGo: https://example.com/1\nCall: +12025550199\nWeb: https://example.com/2"},
		{"fallback URL", `"text": "a", "buttons": [{"label": "Here", "lat": 1, "lng": 2, "fallback_url": "https://example.com/map"}, {"label": "Go", "url": "https://example.com/go", "fallback_url": "https://example.com/other"}]`, "a\nHere: https://example.com/map\nGo: https://example.com/go"},
		{"card", `"title": "a", "text": "b", "image": "https://example.com/a.png", "buttons": ["Go|https://example.com", "Yes"], "chips": "All|https://example.com/all"`, "a\nb\nGo: https://example.com\nAll: https://example.com/all"},
		{"image", `"image": "https://example.com/a.png"`, ""},
		{"carousel", `"cards": [{"title": "a", "buttons": "Go|https://example.com/a"}, {"title": "b", "text": "c"}], "chips": "All|https://example.com"`, "a\nGo: https://example.com/a\nb\nc\nAll: https://example.com"},
		{"file", `"file": "https://example.com/a.pdf", "chips": ["Thanks", "Go|https://example.com"]`, "https://example.com/a.pdf\nGo: https://example.com"},
		{"upload", `"file": "files/x"`, ""},
		{"raw", `"raw": {"contentMessage": {"text": "a", "suggestions": [{"action": {"text": "Go", "postbackData": "go", "openUrlAction": {"url": "https://example.com"}}}]}}`, "a\nGo: https://example.com"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c, err := withFallback(t, tt.fields, compose.Defaults{Fallback: new(compose.Fallback)})
			if err != nil {
				t.Fatalf("%q", lines(err))
			}
			if c.FallbackText != tt.want {
				t.Errorf("got %q, want %q", c.FallbackText, tt.want)
			}
			if c, err = withFallback(t, tt.fields, compose.Defaults{}); err != nil || c.FallbackText != "" {
				t.Errorf("without a fallback: %+v, %v", c, err)
			}
		})
	}
	if got := compose.PlainText(new(rbm.AgentMessage)); got != "" {
		t.Errorf("the text of no content is %q", got)
	}
}
