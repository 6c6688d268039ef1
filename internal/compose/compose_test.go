package compose_test

import (
	"bytes"
	"errors"
	"fmt"
	"mime/multipart"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rcshook/rcshook/internal/compose"
	"github.com/rcshook/rcshook/internal/payload"
	"github.com/rcshook/rcshook/rbm"
)

var now = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

const (
	asJSON = "application/json"
	asForm = "application/x-www-form-urlencoded"
)

func composeBody(t *testing.T, contentType, body string) (*compose.Composed, error) {
	t.Helper()
	p, err := payload.Decode(contentType, []byte(body), payload.Options{})
	if err != nil {
		t.Fatalf("Decode(%q): %v", body, err)
	}
	return compose.Message(p, compose.Defaults{}, now)
}

// message composes a payload of the given fields, to which it adds braces and a recipient.
func message(t *testing.T, fields string) string {
	t.Helper()
	c, err := composeBody(t, asJSON, `{"to": "+12025550123", `+fields+`}`)
	if err != nil {
		t.Fatalf("Message(%s): %q", fields, lines(err))
	}
	return string(c.Encoded)
}

// problems returns the errors of a payload of the given fields as lines.
func problems(t *testing.T, fields string) []string {
	t.Helper()
	_, err := composeBody(t, asJSON, `{"to": "+12025550123", `+fields+`}`)
	return lines(err)
}

func lines(err error) []string {
	var errs payload.Errors
	if err != nil && !errors.As(err, &errs) {
		return []string{err.Error()}
	}
	var all []string
	for _, f := range errs {
		line := f.Pointer + ": " + f.Detail
		if f.Limit != 0 {
			line += fmt.Sprintf(" [%d/%d]", f.Actual, f.Limit)
		}
		all = append(all, line)
	}
	return all
}

func TestMessage(t *testing.T) {
	t.Parallel()
	const (
		card     = `{"contentMessage":{"richCard":{"standaloneCard":{"cardOrientation":"VERTICAL","cardContent":`
		carousel = `{"contentMessage":{"richCard":{"carouselCard":{"cardWidth":`
	)
	for _, tt := range []struct {
		name, fields, want string
	}{
		{"text", `"text": "a"`, `{"contentMessage":{"text":"a"}}`},
		{"text keeps its white space", `"text": " a\n"`, `{"contentMessage":{"text":" a\n"}}`},
		{"number as text", `"text": 1042`, `{"contentMessage":{"text":"1042"}}`},
		{"text and buttons", `"text": "a", "buttons": "Yes"`, `{"contentMessage":{"text":"a","suggestions":[{"reply":{"text":"Yes","postbackData":"Yes"}}]}}`},
		{"text, buttons and chips", `"text": "a", "chips": ["No"], "buttons": ["Yes"]`, `{"contentMessage":{"text":"a","suggestions":[{"reply":{"text":"Yes","postbackData":"Yes"}},{"reply":{"text":"No","postbackData":"No"}}]}}`},
		{"file", `"file": "https://example.com/a.pdf"`, `{"contentMessage":{"contentInfo":{"fileUrl":"https://example.com/a.pdf"}}}`},
		{
			"file with all", `"file": "https://example.com/a.mp4", "thumbnail": "https://example.com/a.png", "force_refresh": "yes", "buttons": "Got it"`,
			`{"contentMessage":{"contentInfo":{"fileUrl":"https://example.com/a.mp4","thumbnailUrl":"https://example.com/a.png","forceRefresh":true},"suggestions":[{"reply":{"text":"Got it","postbackData":"Got it"}}]}}`,
		},
		{"upload", `"file": "files/a", "thumbnail": "files/b"`, `{"contentMessage":{"uploadedRbmFile":{"fileName":"files/a","thumbnailName":"files/b"}}}`},
		{"title", `"title": "a"`, card + `{"title":"a"}}}}}`},
		{"description", `"description": "a"`, card + `{"description":"a"}}}}}`},
		{"title and text", `"title": "a", "text": "b"`, card + `{"title":"a","description":"b"}}}}}`},
		{"text and description agree", `"title": "a", "text": "b", "description": "b"`, card + `{"title":"a","description":"b"}}}}}`},
		{"image", `"image": "https://example.com/a.png"`, card + `{"media":{"height":"MEDIUM","contentInfo":{"fileUrl":"https://example.com/a.png"}}}}}}}`},
		{"video with all", `"video": "https://example.com/a.mp4", "thumbnail_url": "https://example.com/a.png", "height": "tall", "alt": "A boat", "force_refresh": 1`, card + `{"media":{"height":"TALL","contentDescription":"A boat","contentInfo":{"fileUrl":"https://example.com/a.mp4","thumbnailUrl":"https://example.com/a.png","forceRefresh":true}}}}}}}`},
		{"image and video agree", `"video": "https://example.com/a", "image": "https://example.com/a"`, card + `{"media":{"height":"MEDIUM","contentInfo":{"fileUrl":"https://example.com/a"}}}}}}}`},
		{"uploaded image", `"image": "files/a", "thumbnail": "files/b"`, card + `{"media":{"height":"MEDIUM","uploadedRbmFile":{"fileName":"files/a","thumbnailName":"files/b"}}}}}}}`},
		{
			"card with buttons and chips", `"title": "a", "buttons": "Yes", "chips": "No"`,
			card + `{"title":"a","suggestions":[{"reply":{"text":"Yes","postbackData":"Yes"}}]}}},"suggestions":[{"reply":{"text":"No","postbackData":"No"}}]}}`,
		},
		{
			"horizontal", `"title": "a", "image": "https://example.com/a.png", "layout": "horizontal"`,
			`{"contentMessage":{"richCard":{"standaloneCard":{"cardOrientation":"HORIZONTAL","thumbnailImageAlignment":"LEFT","cardContent":{"title":"a","media":{"contentInfo":{"fileUrl":"https://example.com/a.png"}}}}}}}`,
		},
		{
			"horizontal right", `"title": "a", "image": "https://example.com/a.png", "layout": "Horizontal", "align": "RIGHT", "height": "short"`,
			`{"contentMessage":{"richCard":{"standaloneCard":{"cardOrientation":"HORIZONTAL","thumbnailImageAlignment":"RIGHT","cardContent":{"title":"a","media":{"height":"SHORT","contentInfo":{"fileUrl":"https://example.com/a.png"}}}}}}}`,
		},
		{"card", `"card": {"heading": "a", "body": "b"}`, card + `{"title":"a","description":"b"}}}}}`},
		{"card as text", `"card": "{\"title\": \"a\"}"`, card + `{"title":"a"}}}}}`},
		{"card and text", `"card": {"title": "a"}, "text": "b", "buttons": "Yes"`, card + `{"title":"a","description":"b","suggestions":[{"reply":{"text":"Yes","postbackData":"Yes"}}]}}}}}`},
		{"card and looks", `"card": {"image": "files/a"}, "height": "tall"`, card + `{"media":{"height":"TALL","uploadedRbmFile":{"fileName":"files/a"}}}}}}}`},
		{"card with its own looks", `"card": {"image": "files/a", "height": "short"}, "height": "tall"`, card + `{"media":{"height":"SHORT","uploadedRbmFile":{"fileName":"files/a"}}}}}}}`},
		{"one of cards", `"cards": [{"title": "a"}, {}], "text": "b"`, card + `{"title":"a","description":"b"}}}}}`},
		{"one card instead of a list", `"cards": {"title": "a"}`, card + `{"title":"a"}}}}}`},
		{"one flat card", `"card1_title": "a", "card2_title": ""`, card + `{"title":"a"}}}}}`},
		{
			"carousel", `"cards": [{"title": "a"}, {"title": "b"}]`,
			carousel + `"MEDIUM","cardContents":[{"title":"a"},{"title":"b"}]}}}}`,
		},
		{
			"carousel with all", `"card_width": "small", "height": "short", "chips": "Stop|=STOP", "cards": [{"title": "a", "image": "https://example.com/1", "buttons": "Buy"}, {"title": "b", "image": "https://example.com/2", "height": "medium"}]`,
			carousel + `"SMALL","cardContents":[{"title":"a","media":{"height":"SHORT","contentInfo":{"fileUrl":"https://example.com/1"}},"suggestions":[{"reply":{"text":"Buy","postbackData":"Buy"}}]},{"title":"b","media":{"height":"MEDIUM","contentInfo":{"fileUrl":"https://example.com/2"}}}]}},"suggestions":[{"reply":{"text":"Stop","postbackData":"STOP"}}]}}`,
		},
		{
			"carousel with buttons of the message", `"buttons": "Stop", "card1_title": "a", "card2_title": "b"`,
			carousel + `"MEDIUM","cardContents":[{"title":"a"},{"title":"b"}]}},"suggestions":[{"reply":{"text":"Stop","postbackData":"Stop"}}]}}`,
		},
		{"spaces in a link", `"image": "https://example.com/my box|1.png"`, card + `{"media":{"height":"MEDIUM","contentInfo":{"fileUrl":"https://example.com/my%20box%7C1.png"}}}}}}}`},

		{"traffic", `"text": "a", "traffic": "service"`, `{"contentMessage":{"text":"a"},"messageTrafficType":"SERVICEREQUEST"}`},
		{"ttl", `"text": "a", "ttl": "1.5s"`, `{"contentMessage":{"text":"a"},"ttl":"1.5s"}`},
		{"expires_at", `"text": "a", "expires_at": "2026-12-01T10:00+01:00"`, `{"contentMessage":{"text":"a"},"expireTime":"2026-12-01T10:00:00+01:00"}`},
		{"otp", `"text": "a", "otp": true`, `{"contentMessage":{"text":"a"},"messageTrafficType":"AUTHENTICATION","ttl":"600s"}`},
		{"otp with ttl", `"text": "a", "otp": "yes", "ttl": 60, "traffic": "otp"`, `{"contentMessage":{"text":"a"},"messageTrafficType":"AUTHENTICATION","ttl":"60s"}`},
		{"otp with expires_at", `"text": "a", "otp": 1, "expires_at": "2026-12-01T10:00:00Z"`, `{"contentMessage":{"text":"a"},"messageTrafficType":"AUTHENTICATION","expireTime":"2026-12-01T10:00:00Z"}`},
		{"not otp", `"text": "a", "otp": false`, `{"contentMessage":{"text":"a"}}`},

		{"raw", `"raw": {"contentMessage": {"text": "a"}, "ttl": "5.5s"}`, `{"contentMessage":{"text":"a"},"ttl":"5.5s"}`},
		{"raw in snake case", `"raw": {"content_message": {"text": "a", "suggestions": [{"reply": {"text": "b", "postback_data": "c"}}]}}`, `{"contentMessage":{"text":"a","suggestions":[{"reply":{"text":"b","postbackData":"c"}}]}}`},
		{"raw as text", `"agent_message": "{\"contentMessage\": {\"text\": \"a\"}}"`, `{"contentMessage":{"text":"a"}}`},
		{"content message", `"contentMessage": {"text": "a"}, "messageTrafficType": "PROMOTION", "ttl": "600s"`, `{"contentMessage":{"text":"a"},"messageTrafficType":"PROMOTION","ttl":"600s"}`},
		{"content message with one inside", `"content_message": {"contentMessage": {"text": "a"}}`, `{"contentMessage":{"text":"a"}}`},
		{"raw with ttl and traffic", `"raw": {"contentMessage": {"text": "a"}}, "ttl": "5m", "traffic": "promotion"`, `{"contentMessage":{"text":"a"},"messageTrafficType":"PROMOTION","ttl":"300s"}`},
		{"raw with the same traffic", `"raw": {"contentMessage": {"text": "a"}, "messageTrafficType": "PROMOTION"}, "traffic": "promotion"`, `{"contentMessage":{"text":"a"},"messageTrafficType":"PROMOTION"}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tt.want, message(t, tt.fields)); diff != "" {
				t.Errorf("message of %s (-want +got):\n%s", tt.fields, diff)
			}
		})
	}
}

func TestMessage_defaults(t *testing.T) {
	t.Parallel()
	defaults := compose.Defaults{Traffic: rbm.TrafficTransaction, TTL: time.Hour}
	for _, tt := range []struct{ fields, want string }{
		{`"text": "a"`, `"messageTrafficType":"TRANSACTION","ttl":"3600s"}`},
		{`"text": "a", "ttl": 60`, `"messageTrafficType":"TRANSACTION","ttl":"60s"}`},
		{`"text": "a", "expires_at": "2026-12-01T10:00:00Z"`, `"messageTrafficType":"TRANSACTION","expireTime":"2026-12-01T10:00:00Z"}`},
		{`"text": "a", "traffic": "promotion"`, `"messageTrafficType":"PROMOTION","ttl":"3600s"}`},
		{`"text": "a", "otp": true`, `"messageTrafficType":"AUTHENTICATION","ttl":"600s"}`},
		{`"raw": {"contentMessage": {"text": "a"}}`, `"messageTrafficType":"TRANSACTION","ttl":"3600s"}`},
		{`"raw": {"contentMessage": {"text": "a"}, "ttl": "5s", "messageTrafficType": "PROMOTION"}`, `"messageTrafficType":"PROMOTION","ttl":"5s"}`},
	} {
		p, err := payload.Decode(asJSON, []byte(`{"to": "+12025550123", `+tt.fields+`}`), payload.Options{})
		if err != nil {
			t.Fatal(err)
		}
		c, err := compose.Message(p, defaults, now)
		if err != nil {
			t.Fatalf("%s: %q", tt.fields, lines(err))
		}
		if diff := cmp.Diff(`{"contentMessage":{"text":"a"},`+tt.want, string(c.Encoded)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.fields, diff)
		}
	}
}

// TestMessage_schedule tests the limits of the time of a message, and of its expiration.
func TestMessage_schedule(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, fields string
		want         time.Time // zero means now
		problems     []string
	}{
		{"now", `"schedule_at": "2026-11-22T12:00:00Z"`, time.Time{}, nil},
		{"a second later", `"schedule_at": "2026-11-22T12:00:01Z"`, now.Add(time.Second), nil},
		{"latest", `"schedule_at": "2026-12-22T12:00:00Z"`, now.Add(30 * day), nil},
		{"too late", `"schedule_at": "2026-12-22T12:00:01Z"`, time.Time{}, []string{"/schedule_at: expected at most 30 days ahead, got 31 [31/30]"}},
		{"expires then", `"schedule_at": "2026-12-01T12:00:00Z", "expires_at": "2026-12-01T12:00:00Z"`, time.Time{}, []string{`/expires_at: the message would expire before "schedule_at"`}},
		{"expires a second later", `"schedule_at": "2026-12-01T12:00:00Z", "expires_at": "2026-12-01T12:00:01Z"`, now.Add(9 * day), nil},
		{"expires as late as possible", `"schedule_at": "2026-12-01T12:00:00Z", "expires_at": "2026-12-16T12:00:00Z"`, now.Add(9 * day), nil},
		{"expires too late", `"schedule_at": "2026-12-01T12:00:00Z", "expires_at": "2026-12-16T12:00:01Z"`, time.Time{}, []string{`/expires_at: expected at most 15 days after "schedule_at"`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p, err := payload.Decode(asJSON, []byte(`{"to": "+12025550123", "text": "a", `+tt.fields+`}`), payload.Options{})
			if err != nil {
				t.Fatal(err)
			}
			c, err := compose.Message(p, compose.Defaults{MaxDelay: 30 * day}, now)
			if diff := cmp.Diff(tt.problems, lines(err)); diff != "" {
				t.Fatalf("problems (-want +got):\n%s", diff)
			}
			if err == nil && !c.At.Equal(tt.want) {
				t.Errorf("it is sent at %v, want %v", c.At, tt.want)
			}
		})
	}
}

// Message does not change the payload, so a second call returns the same message.
func TestMessage_repeated(t *testing.T) {
	t.Parallel()
	for _, body := range []string{
		`{"to": "+12025550123", "card": {"title": "a"}, "text": "b", "buttons": "c", "height": "tall"}`,
		`{"to": "+12025550123", "card1_title": "a", "card2_title": "b", "height": "tall", "chips": "c", "buttons": "d"}`,
	} {
		p, err := payload.Decode(asJSON, []byte(body), payload.Options{})
		if err != nil {
			t.Fatal(err)
		}
		first, err1 := compose.Message(p, compose.Defaults{}, now)
		second, err2 := compose.Message(p, compose.Defaults{}, now)
		if diff := cmp.Diff(first, second); diff != "" || err1 != nil || err2 != nil {
			t.Errorf("%s: %v, %v (-first +second):\n%s", body, err1, err2, diff)
		}
	}
}

// A carousel composes to the same message in every encoding.
func TestMessage_encodings(t *testing.T) {
	t.Parallel()
	fields := [][2]string{
		{"to", "+12025550123"},
		{"card_width", "small"},
		{"card1_title", "Trail shoe"},
		{"card1_text", "Light & quick, 5 % off"},
		{"card1_image", "https://cdn.example.com/1.jpg?a=1&b=2"},
		{"card1_buttons", "Buy|https://example.com/1\nCall|tel:+12025550199"},
		{"card2_title", "Road shoe"},
		{"card2_text", "Größe 42"},
		{"card2_image", "https://cdn.example.com/2.jpg"},
		{"card2_buttons", "Buy|https://example.com/2"},
		{"chips", "See all|https://example.com,Stop|=STOP"},
		{"ttl", "4h"},
	}
	want := message(t, `"card_width": "small", "ttl": 14400, "chips": ["See all|https://example.com", {"label": "Stop", "reply": "STOP"}], "cards": [
		{"title": "Trail shoe", "text": "Light & quick, 5 % off", "image": "https://cdn.example.com/1.jpg?a=1&b=2", "buttons": [{"label": "Buy", "url": "https://example.com/1"}, "Call|tel:+1 202-555-0199"]},
		{"title": "Road shoe", "text": "Größe 42", "image": "https://cdn.example.com/2.jpg", "buttons": "Buy|https://example.com/2"}]`)

	flat, form := strings.Builder{}, url.Values{}
	var parts bytes.Buffer
	w := multipart.NewWriter(&parts)
	for i, f := range fields {
		fmt.Fprintf(&flat, "%c%q: %q", "{,"[min(i, 1)], f[0], f[1])
		form.Set(f[0], f[1])
		if err := w.WriteField(f[0], f[1]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	nested := url.Values{}
	for _, f := range fields {
		key := f[0]
		if n, rest, ok := strings.Cut(strings.TrimPrefix(key, "card"), "_"); ok && len(n) == 1 {
			key = "cards[" + n + "][" + rest + "]"
		}
		nested.Set(key, f[1])
	}
	for _, tt := range []struct{ name, contentType, body string }{
		{"flat JSON", asJSON, flat.String() + "}"},
		{"JSON in a list", asJSON, "[" + flat.String() + "}]"},
		{"form", asForm, form.Encode()},
		{"form with brackets", asForm, nested.Encode()},
		{"multipart", w.FormDataContentType(), parts.String()},
	} {
		c, err := composeBody(t, tt.contentType, tt.body)
		if err != nil {
			t.Errorf("%s: %q", tt.name, lines(err))
			continue
		}
		if diff := cmp.Diff(want, string(c.Encoded)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}
