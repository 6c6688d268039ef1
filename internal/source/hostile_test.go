package source_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/rcshook/rcshook/internal/compose"
	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/payload"
	"github.com/rcshook/rcshook/internal/racetest"
	"github.com/rcshook/rcshook/internal/source"
)

// TestPresets_unusualValues maps the sample of each preset with other types, long texts and
// large numbers in place of each of its values. The result is a message to the same recipient,
// without a trace of a missing value, or none. Only values that no sender has are errors.
func TestPresets_unusualValues(t *testing.T) {
	t.Parallel()
	racetest.Skip(t)
	tried, messages := 0, 0
	for _, name := range source.Presets() {
		s, _ := rehearsal(t, name)
		sample := s.Sample("0001")
		var root any
		d := json.NewDecoder(bytes.NewReader(sample.Body))
		d.UseNumber()
		if s.Config.Map.Text == "" || d.Decode(&root) != nil {
			continue // the sender's own payload, or a form, whose values are texts
		}
		recipients := func() (all []string, err error) {
			r := *sample
			if r.Body, err = json.Marshal(root); err != nil {
				return nil, err
			}
			tried++
			received, err := s.Map(t.Context(), &r, now)
			if err != nil {
				return nil, err
			}
			for _, m := range received.Messages {
				p, err := payload.Decode(m.ContentType, m.Body, payload.Options{})
				if err == nil {
					_, err = compose.Message(p, compose.Defaults{}, now)
				}
				if err != nil {
					return nil, err
				}
				messages++
				all = append(all, p.To[0].E164)
				for _, text := range texts(m.Body) {
					if sloppy.MatchString(text) {
						return nil, fmt.Errorf("the text is %.200q", text)
					}
				}
			}
			return all, nil
		}
		want, err := recipients()
		if err != nil || len(want) != 1 {
			t.Fatalf("%s: %d messages, %v", name, len(want), err)
		}
		replaceEach(root, "", func(pointer string, v any, replace func(any)) {
			for what, other := range unusual(v) {
				replace(other)
				got, err := recipients()
				replace(v)
				if err != nil && !strings.HasPrefix(what, "absurd") {
					t.Errorf("%s, %s %s: %s", name, pointer, what, explain(err))
				}
				for _, to := range got {
					if to != want[0] {
						t.Errorf("%s, %s %s: the recipient is %s, want %s", name, pointer, what, to, want[0])
					}
				}
			}
		})
	}
	if t.Logf("%d values, %d messages", tried, messages); tried < 500 || messages < 400 {
		t.Errorf("%d values with %d messages, want more", tried, messages)
	}
}

// replaceEach calls f with each value in v, and a function that replaces it.
func replaceEach(v any, pointer string, f func(pointer string, v any, replace func(any))) {
	switch v := v.(type) {
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			f(pointer+"/"+name, v[name], func(other any) { v[name] = other })
			replaceEach(v[name], pointer+"/"+name, f)
		}
	case []any:
		for i, item := range v {
			f(pointer+"/"+strconv.Itoa(i), item, func(other any) { v[i] = other })
			replaceEach(item, pointer+"/"+strconv.Itoa(i), f)
		}
	}
}

// unusual returns values to replace v with, by their descriptions.
func unusual(v any) map[string]any {
	switch v := v.(type) {
	case string:
		values := map[string]any{"absurd: long": strings.Repeat("long text ", 600), "absurd: number": json.Number("7")}
		if digits := strings.TrimLeft(v, "+0"); digits != "" && strings.Trim(digits, "0123456789") == "" {
			values["as a number"] = json.Number(digits)
		}
		return values
	case json.Number:
		return map[string]any{"as text": v.String(), "large": json.Number("123456789012345678901234567890"), "negative": json.Number("-1"), "absurd: huge": json.Number("1.5e300")}
	case bool:
		return map[string]any{"as text": strconv.FormatBool(v), "other": !v}
	case []any:
		return map[string]any{"empty": []any{}, "with null": append([]any{nil}, v...)}
	case map[string]any:
		return map[string]any{"empty": map[string]any{}}
	}
	return nil
}

// TestPresets_otherRecipient checks that no message goes to a person that the event only
// mentions, such as in the second phone number of a form.
func TestPresets_otherRecipient(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ preset, old, changed string }{
		{"aftership", `["+12025550123"]`, `["unknown", "+12025550123"]`},
		{"fillout", `{"id": "a2"`, `{"id": "a0", "name": "Phone", "type": "PhoneNumber", "value": "555-SHIP"}, {"id": "a2"`},
		{"pipedrive", `"value": "+12025550123"`, `"value": "unknown"`},
		{"supabase", `"phone": "12025550123"},
  "sms": {"otp": "481516", "phone": "12025550123"}`, `"phone": "12025550123", "new_phone": "12025550177"},
  "sms": {"otp": "481516"}`},
		{"supabase", `"phone": "12025550123"},
  "sms": {"otp": "481516", "phone": "12025550123"}`, `"phone": "12025550123", "factors": [{"factor_type": "phone", "phone": "12025550177"}]},
  "sms": {"otp": "481516"}`},
		{"supabase", `"sms": {"otp": "481516", "phone": "12025550123"}`, `"sms": {"otp": "481516", "phone": "unknown"}`},
		{"tally", `{"key": "question_2"`, `{"key": "question_0", "label": "Phone", "type": "INPUT_PHONE_NUMBER", "value": "555-SHIP"}, {"key": "question_2"`},
		{"telegram", `"user_id": 7`, `"user_id": 8`},
		{"telegram", `, "user_id": 7`, ``},
		{"typeform", `"answers": [`, `"answers": [{"type": "phone_number", "phone_number": "555-SHIP"},`},
		{"zitadel", `"recipientPhoneNumber": "+12025550123"`, `"recipientPhoneNumber": "unknown"`},
	} {
		s, _ := rehearsal(t, test.preset)
		r := s.Sample("0001")
		body := bytes.Replace(r.Body, []byte(test.old), []byte(test.changed), 1)
		if bytes.Equal(body, r.Body) {
			t.Errorf("%s: the sample does not contain %s", test.preset, test.old)
		}
		r.Body = body
		received, err := s.Map(t.Context(), r, now)
		if err != nil || len(received.Messages) != 0 {
			t.Errorf("%s with %s: the message is sent, or the error is %v", test.preset, test.changed, err)
		}
	}
}

// TestPresets_sameEvent checks which changes of a sample make it another event. A redelivery
// has the number or the time of the attempt; two updates of one parcel are two events.
func TestPresets_sameEvent(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		preset, old, changed string
		same                 bool
	}{
		{"docusign", `"retryCount": 0`, `"retryCount": 3`, true},
		{"hubspot", `"attemptNumber": 0`, `"attemptNumber": 1`, true},
		{"intercom", `"delivery_attempts": 1`, `"delivery_attempts": 2`, true},
		{"linear", `"webhookTimestamp": 1796115598000`, `"webhookTimestamp": 1796119198000`, true},
		{"notion", `"attempt_number": 1`, `"attempt_number": 2`, true},
		{"paddle", `"notification_id": "ntf_0001"`, `"notification_id": "ntf_0002"`, true},
		{"pipedrive", `"attempt": 1`, `"attempt": 2`, true},

		{"aftership", `0001"`, `0002"`, false},
		{"airtable", `08:59:58`, `08:59:59`, false},
		{"alertmanager", `"status": "firing",
      "labels"`, `"status": "resolved", "labels"`, false},
		{"alertmanager", `2026-12-01T08:59:58Z`, `2026-12-01T10:00:00Z`, false},
		{"alertmanager", `"receiver": "rcs"`, `"receiver": "other"`, false},
		{"alertmanager", `"startsAt": "2026-12-01T08:59:58Z"`, `"startsAt": null`, false},
		{"azure-monitor", `"monitorCondition": "Fired"`, `"monitorCondition": "Resolved"`, false},
		{"better-stack", `"resolved_at": null`, `"resolved_at": "2026-12-01T10:00:00Z"`, false},
		{"cal-com", `BOOKING_CREATED`, `BOOKING_CANCELLED`, false},
		{"cal-com", `08:59:58`, `08:59:59`, false},
		{"docusign", `08:59:58`, `08:59:59`, false},
		{"docusign", `envelope-completed`, `envelope-voided`, false},
		{"easypost", `evt_0001`, `evt_0002`, false},
		{"grafana", `2026-12-01T08:59:58Z`, `2026-12-01T10:00:00Z`, false},
		{"hubspot", `"occurredAt": 1796115590001`, `"occurredAt": 1796115591001`, false},
		{"lemon-squeezy", `08:59:58`, `08:59:59`, false},
		{"linear", `08:59:57`, `08:59:59`, false},
		{"onfleet", `"triggerId": 1`, `"triggerId": 2`, false},
		{"onfleet", `"time": 1796115598000`, `"time": 1796115599000`, false},
		{"paystack", `charge.success`, `charge.failed`, false},
		{"pipedrive", `"action": "create"`, `"action": "change"`, false},
		{"razorpay", `payment.captured`, `payment.failed`, false},
		{"sendcloud", `"timestamp": 1796115598000`, `"timestamp": 1796119198000`, false},
		{"shippo", `08:59:58`, `08:59:59`, false},
		{"telegram", `100001`, `100002`, false},
		{"uptime-kuma", `08:59:58`, `08:59:59`, false},
		{"twilio", `Body=HELP`, `Body=HELP&MessageStatus=delivered`, false},
		{"vercel", `evt_0001`, `evt_0002`, false},
		{"zendesk", `0001`, `0002`, false},
		{"zoom", `"r1"`, `"r2"`, false},
	} {
		c, err := source.Example(test.preset, "p")
		if err != nil {
			t.Fatal(err)
		}
		c.Map = config.Program{Text: `{to: "+12025550123", text: "x"}`}
		s, _ := rehearse(t, c)
		key := func(changed string) string {
			r := s.Sample("0001")
			body := bytes.Replace(r.Body, []byte(test.old), []byte(changed), 1)
			if bytes.Equal(body, r.Body) != (changed == test.old) {
				t.Errorf("%s: the sample does not contain %s", test.preset, test.old)
			}
			r.Body = body
			received, err := s.Map(t.Context(), r, now)
			if err != nil || len(received.Messages) == 0 || received.Messages[0].Key == "" {
				t.Fatalf("%s: %v, %v, want a message with a key", test.preset, received, err)
			}
			return received.Messages[0].Key
		}
		if same := key(test.old) == key(test.changed); same != test.same {
			t.Errorf("%s with %s is the same event: %t, want %t", test.preset, test.changed, same, test.same)
		}
	}
	// Two updates of one item in Webflow, which only its forms have an ID for.
	s, _ := rehearsal(t, "webflow")
	var keys []string
	for _, name := range []string{"a", "b"} {
		r := s.Sample("0001")
		r.Body = fmt.Appendf(nil, `{"triggerType": "collection_item_changed", "payload": {"id": "i-1", "fieldData": {"name": %q}}}`, name)
		c := s.Config
		c.Map = config.Program{Text: `{to: "+12025550123", text: "x"}`}
		received, err := open(t, c, nil).Map(t.Context(), r, now)
		if err != nil || len(received.Messages) != 1 {
			t.Fatalf("%v, %v", received, err)
		}
		keys = append(keys, received.Messages[0].Key)
	}
	if keys[0] == keys[1] {
		t.Errorf("two updates of an item have the key %q", keys[0])
	}
}

// TestWhatsApp_contacts checks that each message of a batch has the name of its author.
func TestWhatsApp_contacts(t *testing.T) {
	t.Parallel()
	s, _ := rehearsal(t, "whatsapp")
	r := s.Sample("0001")
	r.Body = []byte(`{"entry": [{"changes": [{"value": {
		"contacts": [{"wa_id": "12025550177", "profile": {"name": "Ada"}}, {"wa_id": "12025550188", "profile": {"name": "Grace"}}],
		"messages": [
			{"id": "a", "from": "12025550177", "type": "text", "text": {"body": "one"}},
			{"id": "b", "from": "12025550188", "type": "text", "text": {"body": "two"}},
			{"id": "c", "from": "12025550199", "type": "text", "text": {"body": "three"}}]}}]}]}`)
	received, err := s.Map(t.Context(), r, now)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range received.Messages {
		got = append(got, texts(m.Body)...)
	}
	for _, want := range []string{"WhatsApp from Ada: one", "WhatsApp from Grace: two", "WhatsApp: three"} {
		if !slices.Contains(got, want) {
			t.Errorf("the texts are %q, want %q", got, want)
		}
	}
}
