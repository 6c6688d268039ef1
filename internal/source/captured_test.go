package source_test

import (
	"bytes"
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/rcshook/rcshook/internal/compose"
	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/payload"
	"github.com/rcshook/rcshook/internal/racetest"
	"github.com/rcshook/rcshook/internal/source"
)

// unsigned are the parts of a captured request that change its message although nothing
// proves them, with the effect of another value: another ID sends the message again, another
// event type can change it. docs/sources.md lists them. The token of some senders proves the
// sender only, so that a captured request, which contains the token, allows everything; of
// those, the map lists the headers that matter.
var unsigned = map[string]string{
	"github X-Github-Event": "refused",
	"hmac Idempotency-Key":  "again",
	"hmac Webhook-Id":       "again",

	"cloud-scheduler X-Cloudscheduler-Jobname":      "again",
	"cloud-scheduler X-Cloudscheduler-Scheduletime": "again",
	"cloud-tasks X-Cloudtasks-Queuename":            "again",
	"cloud-tasks X-Cloudtasks-Taskname":             "again",
	"gitlab-token Idempotency-Key":                  "again",
}

// other changes what the messages of samples depend on, also in base64.
var other = strings.NewReplacer("12025550123", "12025550177", "MTIwMjU1NTAxMjM", "MTIwMjU1NTAxNzc", `"main"`, `"next"`)

// TestPresets_captured changes each part of a captured request of every preset: each header,
// the body, the query, the content type, and, in a form, repeated fields. Nothing but the
// parts in unsigned may change a message, or send it again.
func TestPresets_captured(t *testing.T) {
	t.Parallel()
	racetest.Skip(t)
	seen := make(map[string]bool)
	for _, name := range source.Presets() {
		t.Run(name, func(t *testing.T) {
			s, sign := rehearsal(t, name)
			seen[name] = true
			tried := 0
			captured := func() *source.Request {
				r := s.Sample("0001")
				sign(r, now)
				return r
			}
			original, err := s.Receive(t.Context(), captured(), now)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			// effect is that of the changed request: refused, none, again or changed.
			effect := func(change func(*source.Request)) string {
				tried++
				r := captured()
				change(r)
				got, err := s.Receive(t.Context(), r, now)
				if err != nil {
					return "refused"
				}
				messages := func(received *source.Received) (all, keys []string) {
					for _, m := range received.Messages {
						p, err := payload.Decode(m.ContentType, m.Body, payload.Options{})
						if err != nil {
							return nil, nil
						}
						composed, err := compose.Message(p, compose.Defaults{}, now)
						if err != nil {
							return nil, nil
						}
						all, keys = append(all, p.To[0].E164+string(composed.Encoded)), append(keys, m.Key)
					}
					return all, keys
				}
				want, wantKeys := messages(original)
				all, keys := messages(got)
				switch {
				case len(all) == 0:
					return "refused"
				case !slices.Equal(all, want):
					return "changed"
				case !slices.Equal(keys, wantKeys):
					return "again"
				}
				return "none"
			}
			check := func(what, got string) {
				want := unsigned[name+" "+what]
				if key := what == "Idempotency-Key" || what == "Webhook-Id"; key && !covers(name) && !source.Identifies(name) {
					want = "again"
				}
				if seen[name+" "+what] = true; want == "" && (got == "again" || got == "changed") || want != "" && got != want {
					t.Errorf("%s: with another %s, the message is %s, want %q", name, what, got, want)
				}
			}
			headers := slices.Collect(maps.Keys(captured().Header))
			headers = append(headers, "Idempotency-Key", "Webhook-Id", "Svix-Id", "Webhook-Signature", "Svix-Signature", "X-Other")
			for _, header := range slices.Compact(slices.Sorted(slices.Values(headers))) {
				if header == "Content-Type" {
					continue
				}
				check(header, effect(func(r *source.Request) { r.Header.Set(header, "forged") }))
				if r := captured(); r.Header.Get(header) != "" && !strings.EqualFold(header, "X-Github-Event") {
					check(header, effect(func(r *source.Request) { r.Header.Del(header) }))
				}
			}
			for _, media := range []string{"application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain", "application/json", "application/cloudevents+json", ""} {
				check("Content-Type "+media, effect(func(r *source.Request) { r.Header.Set("Content-Type", media) }))
			}
			if covers(name) {
				check("body", effect(func(r *source.Request) { r.Body = []byte(other.Replace(string(r.Body))) }))
				check("ID in the body", effect(func(r *source.Request) { r.Body = bytes.ReplaceAll(r.Body, []byte("0001"), []byte("0002")) }))
			}
			check("query", effect(func(r *source.Request) { r.Query = "to=%2B12025550177" }))
			check("query", effect(func(r *source.Request) { r.Query = "payload=%7B%22to%22%3A%22%2B12025550177%22%7D" }))
			if form, err := url.ParseQuery(string(captured().Body)); err == nil && captured().Header.Get("Content-Type") == "application/x-www-form-urlencoded" {
				for field := range form {
					check("field "+field, effect(func(r *source.Request) { r.Body = append(r.Body, "&"+field+"=%2B12025550177"...) }))
					check("field "+field, effect(func(r *source.Request) { r.Body = append([]byte(field+"=%2B12025550177&"), r.Body...) }))
				}
			}
			t.Logf("%d changed requests", tried)
		})
	}
	for part := range unsigned {
		if preset, _, _ := strings.Cut(part, " "); seen[preset] && !seen[part] {
			t.Errorf("%s is not a part of the captured request", part)
		}
	}
}

// TestPresets_credentials tests that no program sees the credentials of a request.
func TestPresets_credentials(t *testing.T) {
	t.Parallel()
	for _, name := range source.Presets() {
		c, err := source.Example(name, "p")
		if err != nil {
			t.Fatal(err)
		}
		c.Map = config.Program{Text: `{to: "+12025550123", text: ($headers | tojson)}`}
		c.EventID = config.Program{Text: `empty`}
		s, sign := rehearse(t, c)
		plain, r := s.Sample("0001"), s.Sample("0001")
		if err := sign(r, now); err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Cookie", "session=1")
		received, err := s.Receive(t.Context(), r, now)
		if err != nil || len(received.Messages) == 0 {
			t.Errorf("%s: %v, %v", name, received, err)
			continue
		}
		for header := range r.Header {
			shown := strings.Contains(string(received.Messages[0].Body), `\"`+strings.ToLower(header)+`\"`)
			if proof := plain.Header.Get(header) == "" && header != "Webhook-Id"; shown == proof {
				t.Errorf("%s: the program sees the header %s: %t", name, header, shown)
			}
		}
	}
}
