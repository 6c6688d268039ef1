package payload_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rcshook/rcshook/internal/payload"
)

func TestParseDuration(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{
		"600": 10 * time.Minute, "600s": 10 * time.Minute, "10m": 10 * time.Minute, "1h30m": 90 * time.Minute,
		"4h": 4 * time.Hour, "2d": 48 * time.Hour, "1d12h": 36 * time.Hour, " 10 M ": 10 * time.Minute,
		"10 minutes": 10 * time.Minute, "1 hour 30 min": 90 * time.Minute, "2 days": 48 * time.Hour,
		"3.5s": 3500 * time.Millisecond, "3600.5": 3600500 * time.Millisecond, "0": 0, "1e3": 0, ".5h": 30 * time.Minute,
		"15d": 15 * 24 * time.Hour,
	} {
		got, ok := payload.ParseDuration(text)
		if text == "1e3" {
			if ok {
				t.Errorf("ParseDuration(%q) = %v, want it refused", text, got)
			}
			continue
		}
		if !ok || got != want {
			t.Errorf("ParseDuration(%q) = %v, %v, want %v", text, got, ok, want)
		}
	}
	for _, text := range []string{"", " ", "m", "-5", "-5s", "+5", "10x", "10m5", "5 5", "1h 5", "1..5s", "soon", "10 m m", "99999999999999999999d", "PT10M", "1,5h"} {
		if got, ok := payload.ParseDuration(text); ok {
			t.Errorf("ParseDuration(%q) = %v, want it refused", text, got)
		}
	}
}

func TestDecode_times(t *testing.T) {
	t.Parallel()
	want := time.Date(2026, 12, 1, 9, 0, 0, 0, time.UTC)
	for _, text := range []string{
		"2026-12-01T09:00:00Z", "2026-12-01T09:00Z", "2026-12-01t09:00z", "2026-12-01 09:00:00Z", " 2026-12-01T10:00+01:00 ",
		"2026-12-01T10:00:00+0100", "2026-12-01T04:00-0500", "2026-12-01T09:00:00.000Z",
	} {
		p := decode(t, asJSON, `{"to": "+12025550123", "expires_at": "`+text+`"}`)
		if len(p.Errors) > 0 || !p.ExpiresAt.Value.Equal(want) {
			t.Errorf("%q is %v, %v, want %v", text, p.ExpiresAt.Value, p.Errors, want)
		}
	}
	for _, value := range []string{`"2026-12-01T10:00:00"`, `"2026-12-01"`, `"tomorrow"`, `1796119200`, `"2026-13-01T10:00Z"`, `"0000-01-01T00:00Z"`, `true`, `["2026-12-01T09:00Z"]`} {
		want := "/expires_at: this must be a time with its offset such as 2026-12-01T10:00:00Z or 2026-12-01T10:00+01:00"
		if got := faults(t, asJSON, `{"to": "+12025550123", "expires_at": `+value+`}`); len(got) != 1 || got[0] != want {
			t.Errorf("%s: %q", value, got)
		}
	}
}

func TestDecode_flags(t *testing.T) {
	t.Parallel()
	for want, values := range map[bool][]string{
		true:  {`true`, `"true"`, `"TRUE"`, `"yes"`, `" on "`, `1`, `"1"`, `"y"`, `"t"`},
		false: {`false`, `"false"`, `"no"`, `"off"`, `0`, `"0"`, `"n"`, `"f"`, `""`, `null`},
	} {
		for _, value := range values {
			p := decode(t, asJSON, `{"to": "+12025550123", "dry_run": `+value+`}`)
			if len(p.Errors) > 0 || p.DryRun != want {
				t.Errorf("%s is %v, %v, want %v", value, p.DryRun, p.Errors, want)
			}
		}
	}
}

func TestDecode_wrongValues(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		fields string
		want   string
	}{
		{`"dry_run": "maybe"`, "/dry_run: this must be true or false, not text"},
		{`"dry_run": 2`, "/dry_run: this must be true or false, not a number"},
		{`"dry_run": {"a": 1}`, "/dry_run: this must be true or false, not an object"},
		{`"text": true`, "/text: this must be text, not a boolean"},
		{`"text": ["a"]`, "/text: this must be text, not a list"},
		{`"text": {"a": 1}`, "/text: this must be text, not an object"},
		{`"ttl": "soon"`, `/ttl: this must be a number of seconds or a time such as "10m", "1h30m" or "2d"`},
		{`"ttl": -5`, `/ttl: this must be a number of seconds or a time such as "10m", "1h30m" or "2d"`},
		{`"ttl": true`, `/ttl: this must be a number of seconds or a time such as "10m", not a boolean`},
		{`"ttl": 0`, `/ttl: this must be more than zero; leave it out to try without a limit`},
		{`"ttl": 5, "expire_time": "2026-12-01T09:00Z"`, `/expire_time: "ttl" and "expire_time" both say when to give up; send one of them`},
		{`"traffic": "spam"`, `/traffic: this must be one of otp, transaction, promotion, service, acknowledgement`},
		{`"traffic": "promtion"`, `/traffic: this must be one of otp, transaction, promotion, service, acknowledgement; did you mean "promotion"?`},
		{`"traffic": ["otp"]`, `/traffic: this must be one of otp, transaction, promotion, service, acknowledgement, not a list`},
		{`"otp": true, "traffic": "service"`, `/traffic: "otp" already makes this an otp message; send one of them`},
		{`"height": 5`, `/height: this must be one of short, medium, tall`},
		{`"message_id": "1234"`, `/message_id: this must be a UUID in its usual form of 36 characters; for any other key use idempotency_key`},
		{`"message_id": "00000000-0000-4000-8000-00000000000g"`, `/message_id: this must be a UUID in its usual form of 36 characters; for any other key use idempotency_key`},
		{`"message_id": "000000000000-4000-8000-000000000000-"`, `/message_id: this must be a UUID in its usual form of 36 characters; for any other key use idempotency_key`},
		{`"card": "a"`, `/card: this must be an object, or a text that holds one as JSON, not text`},
		{`"card": ["a"]`, `/card: this must be an object, or a text that holds one as JSON, not a list`},
		{`"card": "{\"title\": 1"`, `/card: the text holds JSON that cannot be read: the JSON breaks off at line 1, column 12`},
		{`"card": "[1]"`, `/card: this must be an object, not a list`},
		{`"cards": 5`, `/cards: this must be a list, or a text that holds one as JSON, not a number`},
		{`"cards": [5]`, `/cards/0: this must be an object, or a text that holds one as JSON, not a number`},
		{`"raw": 5`, `/raw: this must be an object, or a text that holds one as JSON, not a number`},
	} {
		if diff := cmp.Diff([]string{tt.want}, faults(t, asJSON, `{"to": "+12025550123", `+tt.fields+`}`)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.fields, diff)
		}
	}
}

// Every word and synonym of a field, in any spelling, is the first word.
func TestDecode_words(t *testing.T) {
	t.Parallel()
	for _, f := range payload.Fields(payload.OnMessage) {
		for _, words := range f.Words {
			for _, word := range words {
				for _, spelling := range spellings(word) {
					p := decode(t, asJSON, `{"to": "+12025550123", "`+f.Name+`": "`+spelling+`"}`)
					got := map[string]payload.Text{
						"height": p.Top.Height, "layout": p.Top.Layout, "align": p.Top.Align, "card_width": p.CardWidth, "traffic": p.Traffic,
					}[f.Name]
					if len(p.Errors) > 0 || got.Value != words[0] {
						t.Errorf("%s %q is %q, %v, want %q", f.Name, spelling, got.Value, p.Errors, words[0])
					}
				}
			}
		}
	}
}

func TestDecode_idempotencyKey(t *testing.T) {
	t.Parallel()
	key := ""
	for range 256 {
		key += "ä"
	}
	if got := faults(t, asJSON, `{"to": "+12025550123", "idempotency_key": "`+key+`"}`); got != nil {
		t.Errorf("key of 256 characters: %q", got)
	}
	want := []string{"/idempotency_key: 257 characters, at most 256 are allowed [257/256]"}
	if diff := cmp.Diff(want, faults(t, asJSON, `{"to": "+12025550123", "idempotency_key": "`+key+`a"}`)); diff != "" {
		t.Errorf("key of 257 characters (-want +got):\n%s", diff)
	}
}

func TestDecode_uploads(t *testing.T) {
	t.Parallel()
	body := "--X\r\nContent-Disposition: form-data; name=\"to\"\r\n\r\n+12025550123\r\n" +
		"--X\r\nContent-Disposition: form-data; name=\"image\"; filename=\"a.png\"\r\nContent-Type: image/png\r\n\r\n\x89PNG\xff\r\n--X--\r\n"
	want := []string{"/image: a file was uploaded here; send the URL of a file instead"}
	if diff := cmp.Diff(want, faults(t, "multipart/form-data; boundary=X", body)); diff != "" {
		t.Errorf("faults (-want +got):\n%s", diff)
	}
}
