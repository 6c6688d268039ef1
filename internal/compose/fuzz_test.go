package compose_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"mime/multipart"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/rcshook/rcshook/internal/compose"
	"github.com/rcshook/rcshook/internal/payload"
	"github.com/rcshook/rcshook/rbm"
)

// FuzzMessage checks that every body in every encoding is unreadable, has errors that point
// into it, or composes to a valid message.
func FuzzMessage(f *testing.F) {
	for _, seed := range []string{
		`{"to": "+12025550123", "text": "hi", "buttons": ["Track|https://example.com/t", "Call us|tel:+12025550199", "Thanks"]}`,
		`[{"To": 12025550123, "card1_title": "a", "card[2][image]": "https://example.com/2", "card2.buttons": "[{\"label\":\"x\",\"lat\":1,\"lng\":\"2\"}]"}]`,
		`{"to": ["abc", "+1"], "cards": [{"titel": "a"}, {"buttons": "Go|htps://x"}], "ttl": "16d", "otp": true, "traffic": "x"}`,
		`{"to": "202 555 0123", "country": "US", "raw": {"content_message": {"rich_card": {}}}, "ttl": 5}`,
		`{"contentMessage": {"text": 5}, "raw": "{\"a\": [", "chips": "A|cal:2026-12-01T10:00Z/2026-12-01T11:00Z/x,B|geo:0,0?q=%41+b|=C"}`,
		`to=+12025550123&text=hi&buttons=Yes&buttons=No&card=%7B%22title%22%3A1%7D`,
		`to[]=1&to[]=2&button1_label=Go&button1_event[start]=2026-12-01T10:00Z`,
		"--X\r\nContent-Disposition: form-data; name=\"to\"\r\n\r\n+12025550123\r\n--X\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\n\xff\r\n--X--\r\n",
		`{"to": "+12025550123", "title": "a", "image": "files/a", "layout": "horizontal", "thumbnail": "http://bit.ly/x", "traffic": "promotion"}`,
		`{"to": "+12025550123", "text": "hi", "fallback_after": "90s", "fallback_text": "b", "expires_at": "2026-11-22T12:10Z"}`,
		`{"to": "+12025550123", "raw": {"contentMessage": {"text": "a"}, "expire_time": "2026-11-22T12:01:10Z", "message_traffic_type": "AUTHENTICATION"}, "Fallback Text": 5}`,
		`to=+12025550123&text=hi&fallbackAfter=15d&otp=1&ttl=3600&schedule_at=2026-12-22T11:59Z`,
	} {
		f.Add(asJSON, seed)
		f.Add(asForm, seed)
		f.Add("multipart/form-data; boundary=X", seed)
		f.Add("", seed)
	}
	f.Fuzz(func(t *testing.T, contentType, body string) {
		p, err := payload.Decode(contentType, []byte(body), payload.Options{Country: "DE"})
		if err != nil {
			_, unreadable := errors.AsType[*payload.BodyError](err)
			if _, unsupported := errors.AsType[*payload.ContentTypeError](err); !unreadable && !unsupported {
				t.Fatalf("Decode: %v, of an unknown type", err)
			}
			return
		}
		c, err := compose.Message(p, compose.Defaults{}, now)
		if err != nil {
			checkErrors(t, body, err)
		} else {
			checkMessage(t, p, c)
		}
		if p, err = payload.Decode(contentType, []byte(body), payload.Options{Country: "DE"}); err != nil {
			t.Fatalf("Decode again: %v", err)
		}
		fallback := &compose.Fallback{Auto: true, MaxDelay: 30 * day}
		if c, err = compose.Message(p, compose.Defaults{TTL: time.Second, Fallback: fallback}, now); err != nil {
			checkErrors(t, body, err)
		} else if !c.FallbackAt.IsZero() {
			checkFallback(t, c)
		}
	})
}

// checkFallback checks that the queue keeps a message until the time of its fallback, and
// RBM for longer.
func checkFallback(t *testing.T, c *compose.Composed) {
	t.Helper()
	sent := c.At
	if sent.IsZero() {
		sent = now
	}
	least := c.FallbackAt.Add(15 * time.Second)
	if c.FallbackAt.Sub(sent) < time.Second || c.FallbackAt.Sub(now) > 30*day {
		t.Errorf("the fallback is at %s", c.FallbackAt)
	}
	m := c.Message
	if m.TTL > 0 && sent.Add(time.Duration(m.TTL)).Before(least) || !m.ExpireTime.IsZero() && m.ExpireTime.Before(least) {
		t.Errorf("the fallback of %s is at %s", c.Encoded, c.FallbackAt)
	}
}

// checkErrors checks that every error points to a value in the body, or to a missing member
// of an object in it.
func checkErrors(t *testing.T, body string, err error) {
	t.Helper()
	var errs payload.Errors
	if !errors.As(err, &errs) || len(errs) == 0 {
		t.Fatalf("Message: %v, want errors", err)
	}
	var document any
	body = strings.TrimSpace(strings.TrimPrefix(body, "\ufeff"))
	if !strings.HasPrefix(body, "{") && !strings.HasPrefix(body, "[") || json.Unmarshal([]byte(body), &document) != nil {
		return // a form: a pointer is one token
	}
	for _, f := range errs {
		if !resolves(document, f.Pointer) {
			t.Errorf("%s points nowhere: %s", f.Pointer, f.Detail)
		}
		if f.Detail == "" || !utf8.ValidString(f.Detail) {
			t.Errorf("%s: detail %q", f.Pointer, f.Detail)
		}
	}
}

func resolves(v any, pointer string) bool {
	if pointer == "" {
		return true
	}
	token, rest, more := strings.Cut(pointer[1:], "/")
	token = strings.NewReplacer("~1", "/", "~0", "~").Replace(token)
	if more {
		rest = "/" + rest
	}
	switch v := v.(type) {
	case map[string]any:
		member, ok := v[token]
		// This parser keeps only one value of a duplicate name.
		return !ok && !more || ok && (resolves(member, rest) || member != nil)
	case []any:
		i, err := strconv.Atoi(token)
		return err == nil && i < len(v) && resolves(v[i], rest)
	default:
		return false
	}
}

// checkMessage checks that a message is valid, survives a round trip through JSON, and is
// the same when it is composed again.
func checkMessage(t *testing.T, p *payload.Payload, c *compose.Composed) {
	t.Helper()
	if len(p.To) == 0 {
		t.Error("a message without a recipient")
	}
	for _, r := range p.To {
		if strings.Trim(r.E164[1:], "0123456789") != "" || r.E164[0] != '+' || len(r.E164) > 16 || r.Pointer == "" {
			t.Errorf("recipient %+v", r)
		}
	}
	checkSchema(t, c.Encoded)
	again, violations := rbm.CheckAgentMessage(c.Encoded, now)
	if len(violations) > 0 {
		t.Fatalf("%s breaks rules: %+v", c.Encoded, violations)
	}
	encoded, err := again.Encode()
	if err != nil || !bytes.Equal(encoded, c.Encoded) {
		t.Errorf("%s\nreads as %s, %v", c.Encoded, encoded, err)
	}
	second, err := compose.Message(p, compose.Defaults{}, now)
	if err != nil || !bytes.Equal(second.Encoded, c.Encoded) {
		t.Errorf("%s\nbecomes %+v, %v", c.Encoded, second, err)
	}
}

// FuzzButton checks that the text form and the object form of a button decode to the same
// button.
func FuzzButton(f *testing.F) {
	for _, seed := range []string{
		"Yes", "Yes|=ORDER_YES", "Track|https://example.com/t|=TRACK", "Track|webview-half:http://e.com/?a|=b", "Call|tel:+1 202 555 0199",
		"Find|geo:37.42,-122.08?q=Our shop", "Find|geo:0,0?q=C%2B%2B+100%25", "Where?|location:", "Add|cal:2026-12-01T10:00:00.5+01:00/2026-12-01T11:00Z/a/b",
		"Add|cal:2026-12-01T10:00Z/2026-12-01T11:00Z|=x", "👍|geo:0,0", "a|https://x||=b|", "a|geo:1e3,2?q=a|b", "Go|https://e.com/?a|=b|=go",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if strings.HasPrefix(strings.TrimSpace(text), "{") || !utf8.ValidString(text) {
			return
		}
		b, ok := oneButton(t, text)
		if !ok {
			return
		}
		object, ok := oneButton(t, objectOf(b))
		if !ok {
			t.Fatalf("%q is a button, but %v is not", text, objectOf(b))
		}
		if diff := cmp.Diff(suggestionOf(t, b), suggestionOf(t, object)); diff != "" {
			t.Errorf("%q and its object form (-text +object):\n%s", text, diff)
		}
	})
}

// oneButton decodes a button from its text or object form.
func oneButton(t *testing.T, form any) (payload.Button, bool) {
	t.Helper()
	body, err := json.Marshal(map[string]any{"to": "+12025550123", "text": "a", "buttons": []any{form}})
	if err != nil {
		t.Fatal(err)
	}
	p, err := payload.Decode(asJSON, body, payload.Options{})
	if err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	if len(p.Errors) > 0 || len(p.Top.Buttons.Items) != 1 {
		return payload.Button{}, false
	}
	return p.Top.Buttons.Items[0], true
}

// suggestionOf composes a button without checking its limits.
func suggestionOf(t *testing.T, b payload.Button) []string {
	t.Helper()
	parts := []string{strconv.Itoa(int(b.Action)), b.Label.Value, b.Postback.Value, b.URL.Value, b.Webview.Value, b.Phone.Value, b.Query.Value, b.Pin.Value}
	for _, x := range []float64{b.Latitude.Value, b.Longitude.Value} {
		parts = append(parts, strconv.FormatFloat(x, 'g', -1, 64))
	}
	if e := b.Event; e != nil {
		parts = append(parts, e.Title.Value, e.Start.Value.Format(time.RFC3339Nano), e.End.Value.Format(time.RFC3339Nano))
	}
	return parts
}

// objectOf returns the object form of a button.
func objectOf(b payload.Button) map[string]any {
	o := map[string]any{"label": b.Label.Value, "postback": b.Postback.Value}
	switch b.Action {
	case payload.OpenURL:
		o["url"] = b.URL.Value
		if b.Webview.Value != "" {
			o["webview"] = b.Webview.Value
		}
	case payload.Dial:
		o["phone"] = b.Phone.Value
	case payload.ShowPlace:
		o["latitude"], o["longitude"] = b.Latitude.Value, b.Longitude.Value
		if b.Pin.Sent() {
			o["place"] = b.Pin.Value
		}
	case payload.SearchPlace:
		o["query"] = b.Query.Value
	case payload.ShareLocation:
		o["share_location"] = true
	case payload.AddEvent:
		o["event"] = map[string]any{"title": b.Event.Title.Value, "start": b.Event.Start.Value, "end": b.Event.End.Value}
	}
	return o
}

// FuzzEncodings checks that a carousel composes to the same message or the same errors as
// JSON, as an urlencoded form and as a multipart form.
func FuzzEncodings(f *testing.F) {
	f.Add("a", "b", "https://example.com/a.png", "Yes,No", "10m")
	f.Add("", "", "x", "Go|htps://example.com\nCall|tel:+1 202", "soon")
	f.Add("ä & b = c + d", " ", "files/a", "[{\"label\": \"x\"}]", " 5 ")
	f.Fuzz(func(t *testing.T, title, text, image, buttons, ttl string) {
		fields := [][2]string{
			{"to", "+12025550123"},
			{"card1_title", title},
			{"card1_text", text},
			{"card2_image", image},
			{"card2_buttons", buttons},
			{"ttl", ttl},
		}
		var members, form []string
		var parts bytes.Buffer
		w := multipart.NewWriter(&parts)
		for _, field := range fields {
			value, err := json.Marshal(field[1])
			if err != nil || !utf8.ValidString(field[1]) || strings.Contains(strings.ToLower(field[1]), "tel: ") {
				return // a space after tel: may be a plus sign, but only in a form
			}
			members = append(members, strconv.Quote(field[0])+":"+string(value))
			form = append(form, field[0]+"="+url.QueryEscape(field[1]))
			if err := w.WriteField(field[0], field[1]); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		want := outcome(t, asJSON, "{"+strings.Join(members, ",")+"}")
		for contentType, body := range map[string]string{asForm: strings.Join(form, "&"), w.FormDataContentType(): parts.String()} {
			if diff := cmp.Diff(want, outcome(t, contentType, body)); diff != "" {
				t.Errorf("%s (-JSON +form):\n%s", contentType, diff)
			}
		}
	})
}

// outcome returns the message or its errors.
func outcome(t *testing.T, contentType, body string) []string {
	t.Helper()
	c, err := composeBody(t, contentType, body)
	if err != nil {
		return lines(err)
	}
	return []string{string(c.Encoded)}
}
