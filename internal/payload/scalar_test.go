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
		"600": 10 * time.Minute, "600s": 10 * time.Minute, "10m": 10 * time.Minute, "1h30m": 90 * time.Minute, "500ms": time.Second / 2,
		"4h": 4 * time.Hour, "2d": 48 * time.Hour, "1d12h": 36 * time.Hour, " 10 M ": 10 * time.Minute,
		"10 minutes": 10 * time.Minute, "1 hour 30 min": 90 * time.Minute, "2 days": 48 * time.Hour,
		"3.5s": 3500 * time.Millisecond, "3600.5": 3600500 * time.Millisecond, "0": 0, "1e3": 0, ".5h": 30 * time.Minute,
		"15d": 15 * 24 * time.Hour, "1 day": 24 * time.Hour, "36500d": 36500 * 24 * time.Hour,
	} {
		got, ok := payload.ParseDuration(text)
		if text == "1e3" {
			if ok {
				t.Errorf("ParseDuration(%q) = %v, want an error", text, got)
			}
			continue
		}
		if !ok || got != want {
			t.Errorf("ParseDuration(%q) = %v, %v, want %v", text, got, ok, want)
		}
	}
	for _, text := range []string{"", " ", "m", "-5", "-5s", "+5", "10x", "10m5", "5 5", "1h 5", "1..5s", "soon", "10 m m", "99999999999999999999d", "36500d1s", "PT10M", "1,5h"} {
		if got, ok := payload.ParseDuration(text); ok {
			t.Errorf("ParseDuration(%q) = %v, want an error", text, got)
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
		want := "/expires_at: expected a time with an offset, such as 2026-12-01T10:00:00Z or 2026-12-01T10:00+01:00"
		if got := problems(t, asJSON, `{"to": "+12025550123", "expires_at": `+value+`}`); len(got) != 1 || got[0] != want {
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
		{`"dry_run": "maybe"`, "/dry_run: expected true or false, got text"},
		{`"dry_run": 2`, "/dry_run: expected true or false, got a number"},
		{`"dry_run": {"a": 1}`, "/dry_run: expected true or false, got an object"},
		{`"text": true`, "/text: expected text, got a boolean"},
		{`"text": ["a"]`, "/text: expected text, got a list"},
		{`"text": {"a": 1}`, "/text: expected text, got an object"},
		{`"ttl": "soon"`, `/ttl: expected a number of seconds or a duration such as "10m", "1h30m" or "2d"`},
		{`"ttl": -5`, `/ttl: expected a number of seconds or a duration such as "10m", "1h30m" or "2d"`},
		{`"ttl": true`, `/ttl: expected a number of seconds or a duration such as "10m", got a boolean`},
		{`"ttl": 0`, `/ttl: expected more than zero; omit it for no limit`},
		{`"ttl": 5, "expire_time": "2026-12-01T09:00Z"`, `/expire_time: "ttl" and "expire_time" both set the expiration; send one of them`},
		{`"traffic": "spam"`, `/traffic: expected one of otp, transaction, promotion, service, acknowledgement`},
		{`"traffic": "promtion"`, `/traffic: expected one of otp, transaction, promotion, service, acknowledgement; did you mean "promotion"?`},
		{`"traffic": ["otp"]`, `/traffic: expected one of otp, transaction, promotion, service, acknowledgement, got a list`},
		{`"otp": true, "traffic": "service"`, `/traffic: conflicts with "otp", which sets the traffic to otp; send only one of them`},
		{`"height": 5`, `/height: expected one of short, medium, tall`},
		{`"message_id": "1234"`, `/message_id: expected a UUID of 36 characters with hyphens; for any other key use idempotency_key`},
		{`"message_id": "00000000-0000-4000-8000-00000000000g"`, `/message_id: expected a UUID of 36 characters with hyphens; for any other key use idempotency_key`},
		{`"message_id": "000000000000-4000-8000-000000000000-"`, `/message_id: expected a UUID of 36 characters with hyphens; for any other key use idempotency_key`},
		{`"card": "a"`, `/card: expected an object, or text that contains one as JSON, got text`},
		{`"card": ["a"]`, `/card: expected an object, or text that contains one as JSON, got a list`},
		{`"card": "{\"title\": 1"`, `/card: cannot read the JSON in this text: unexpected end of the JSON at line 1, column 12`},
		{`"card": "[1]"`, `/card: expected an object, got a list`},
		{`"cards": 5`, `/cards: expected a list, or text that contains one as JSON, got a number`},
		{`"cards": [5]`, `/cards/0: expected an object, or text that contains one as JSON, got a number`},
		{`"raw": 5`, `/raw: expected an object, or text that contains one as JSON, got a number`},
	} {
		if diff := cmp.Diff([]string{tt.want}, problems(t, asJSON, `{"to": "+12025550123", `+tt.fields+`}`)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.fields, diff)
		}
	}
}

// Every synonym of a word, in any spelling and between spaces, decodes to the word.
func TestDecode_words(t *testing.T) {
	t.Parallel()
	for _, f := range payload.Fields(payload.OnMessage) {
		for _, words := range f.Words {
			for _, word := range words {
				for _, spelling := range append(spellings(word), " "+word+"\\n") {
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
	if got := problems(t, asJSON, `{"to": "+12025550123", "idempotency_key": "`+key+`"}`); got != nil {
		t.Errorf("key of 256 characters: %q", got)
	}
	want := []string{"/idempotency_key: expected at most 256 characters, got 257 [257/256]"}
	if diff := cmp.Diff(want, problems(t, asJSON, `{"to": "+12025550123", "idempotency_key": "`+key+`a"}`)); diff != "" {
		t.Errorf("key of 257 characters (-want +got):\n%s", diff)
	}
}

func TestDecode_uploads(t *testing.T) {
	t.Parallel()
	const image = "name=image; filename=a.png\nContent-Type: image/png\n\n\x89PNG\xff"
	for _, other := range []string{"name=to\n\n+12025550123", "name=to; filename=to.json\n\n[\"+12025550123\"]"} {
		want := []string{"/image: uploads are not supported here; send the URL of a file instead"}
		if diff := cmp.Diff(want, problems(t, "multipart/form-data; boundary=X", multipartForm(other, image))); diff != "" {
			t.Errorf("errors beside %q (-want +got):\n%s", other, diff)
		}
	}
}
