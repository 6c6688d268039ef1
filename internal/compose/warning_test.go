package compose_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rcshook/rcshook/rbm"
)

func TestMessage_warnings(t *testing.T) {
	t.Parallel()
	const shapes = "the cards have different parts (media and its height, title, description, number of buttons), so all get the height of the tallest"
	for _, tt := range []struct {
		name, fields string
		want         []string
	}{
		{"none", `"text": "a", "buttons": "Yes,No", "ttl": 10`, nil},
		{"none for a card", `"title": "a", "text": "b", "image": "https://example.com/a.png", "height": "tall", "alt": "c", "thumbnail": "https://example.com/b.png", "force_refresh": true`, nil},
		{"none for a carousel", `"card_width": "small", "height": "short", "card1_title": "a", "card2_title": "b", "card1_image": "files/a", "card2_image": "files/b"`, nil},

		{"endless promotion", `"text": "a", "traffic": "promotion"`, []string{"/traffic: a promotion without ttl or expires_at may be delivered days later"}},
		{"endless raw promotion", `"raw": {"contentMessage": {"text": "a"}, "messageTrafficType": "PROMOTION"}`, []string{": a promotion without ttl or expires_at may be delivered days later"}},
		{"promotion with an end", `"text": "a", "traffic": "promotion", "ttl": "1h"`, nil},
		{"short life", `"text": "a", "ttl": "9.9s"`, []string{"/ttl: with less than 10 seconds, a message may be reported both as delivered and as revoked"}},

		{"long text", `"text": "` + strings.Repeat("ä", 2919) + `"`, []string{"/text: the text is near its limit: 2919 of 3072 characters"}},
		{"text not yet long", `"text": "` + strings.Repeat("ä", 2918) + `"`, nil},
		{"long text of a card", `"title": "a", "text": "` + strings.Repeat("a", 1900) + `"`, []string{"/text: the text is near its limit: 1900 of 2000 characters"}},
		{"long title", `"cards": [{"title": "` + strings.Repeat("a", 190) + `"}]`, []string{"/cards/0/title: the title is near its limit: 190 of 200 characters"}},
		{"message not yet long", `"file": "https://example.com/` + strings.Repeat("a", 237_499-len(`{"contentMessage":{"contentInfo":{"fileUrl":"https://example.com/"}}}`)) + `"`, nil},
		{"message that is just long", `"file": "https://example.com/` + strings.Repeat("a", 237_500-len(`{"contentMessage":{"contentInfo":{"fileUrl":"https://example.com/"}}}`)) + `"`, []string{": the message as JSON is near its limit: 237500 of 250000 bytes"}},
		{"long message", `"image": "https://example.com/` + strings.Repeat("a", 240_000) + `"`, []string{": the message as JSON is near its limit: 240174 of 250000 bytes"}},

		{"same labels", `"text": "a", "buttons": ["Go|https://example.com/1", "Go|https://example.com/2"]`, []string{"/buttons/1: another button has the same label"}},
		{"opt-out", `"text": "a", "buttons": ["Stop", "No more|=STOP", "Cancel|=CANCEL"]`, []string{"/buttons/1: the postback is a word that unsubscribes or subscribes the user, so targets get no button event for a tap"}},
		{"same labels in a text", `"title": "a", "buttons": "Go,Go"`, []string{"/buttons: item 2 of this text: another button has the same label"}},
		{"fallback URL", `"text": "a", "buttons": [{"label": "Yes", "fallback_url": "https://example.com/"}, {"label": "Go", "url": "https://example.com/", "fallback_url": "https://example.com/"}]`, []string{"/buttons/0/fallback_url: has no effect: a reply does not open anything"}},
		{"search", `"text": "a", "chips": ["Go|geo:0,0?q=Shop"]`, []string{"/chips/0: only Google Messages on Android searches the map; coordinates work everywhere"}},

		{"plain http", `"image": "HTTP://example.com/a.png", "thumbnail": "https://example.com"`, []string{"/image: devices may refuse to load http links; use https"}},
		{"plain http file", `"file": "https://example.com", "thumbnail": "http://example.com"`, []string{"/thumbnail: devices may refuse to load http links; use https"}},
		{"short link", `"file": "https://Bit.ly/x"`, []string{"/file: short links redirect, and the platform does not follow redirects to files; use the final URL"}},
		{"PDF on a card", `"image": "https://example.com/a.PDF?x=1"`, []string{"/image: only networks in India show a PDF on a card; send it as file"}},
		{"audio on a card", `"cards": [{"video": "https://example.com/a.mp3"}]`, []string{"/cards/0/video: a card cannot show audio; send it as file"}},
		{"upload fetched again", `"file": "files/a", "force_refresh": true`, []string{"/force_refresh: has no effect: an upload is never fetched again"}},

		{"card fields of a text", `"text": "a", "height": "tall", "layout": "vertical", "align": "left", "alt": "b", "card_width": "small", "thumbnail": "https://example.com", "force_refresh": true`, []string{
			"/card_width: has no effect: the message has no carousel",
			"/height: has no effect: the message has no card",
			"/layout: has no effect: the message has no card",
			"/align: has no effect: the message has no card",
			"/alt: has no effect: the message has no card",
			"/thumbnail: has no effect: the message has no media or file",
			"/force_refresh: has no effect: the message has no media or file",
		}},
		{"media fields without media", `"title": "a", "height": "tall", "alt": "b", "thumbnail": "https://example.com"`, []string{
			"/thumbnail: has no effect: the card has no media",
			"/alt: has no effect: the card has no media",
			"/height: has no effect: the card has no media",
		}},
		{"height of a card without media", `"cards": [{"title": "a", "height": "tall"}, {"title": "b"}]`, []string{"/cards/0/height: has no effect: the card has no media"}},
		{"height for all", `"height": "tall", "cards": [{"title": "a", "image": "files/a"}, {"title": "b"}]`, []string{"/cards: " + shapes}},
		{"align of a vertical card", `"title": "a", "align": "left"`, []string{"/align: has no effect: only a horizontal card has its media at one side"}},
		{"height of a horizontal card", `"title": "a", "image": "files/a", "layout": "horizontal", "height": "tall"`, []string{"/height: has no effect: media on a horizontal card has a fixed height"}},
		{"media fields beside cards", `"card": {"title": "a", "image": "files/a"}, "alt": "b"`, []string{"/alt: has no effect: it belongs inside the card"}},
		{"different shapes", `"card1_title": "a", "card2_title": "b", "card2_buttons": "c"`, []string{"/card1_title: " + shapes}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c, err := composeBody(t, asJSON, `{"to": "+12025550123", `+tt.fields+`}`)
			if err != nil {
				t.Fatalf("%q", lines(err))
			}
			var got []string
			for _, w := range c.Warnings {
				got = append(got, w.Pointer+": "+w.Detail)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("warnings (-want +got):\n%s", diff)
			}
		})
	}
}

func TestMessage_billing(t *testing.T) {
	t.Parallel()
	text := func(n int) string { return `"text": "` + strings.Repeat("a", n) + `"` }
	for _, tt := range []struct {
		fields string
		want   rbm.Billing
	}{
		{text(160), rbm.Billing{Class: "basic"}},
		{text(161), rbm.Billing{Class: "rich", Segments: 2}},
		{text(320), rbm.Billing{Class: "rich", Segments: 2}},
		{text(321), rbm.Billing{Class: "rich", Segments: 3}},
		{`"text": "` + strings.Repeat("ä", 80) + `"`, rbm.Billing{Class: "basic"}},
		{`"text": "` + strings.Repeat("ä", 81) + `"`, rbm.Billing{Class: "rich", Segments: 2}},
		{`"text": "a", "buttons": ["Yes", "Call|tel:1", "Go|https://example.com"]`, rbm.Billing{Class: "rich", Segments: 1}},
		{`"text": "a", "buttons": [{"label": "Go", "url": "https://example.com", "webview": "browser"}]`, rbm.Billing{Class: "rich", Segments: 1}},
		{`"text": "a", "buttons": ["Go|webview:https://example.com"]`, rbm.Billing{Class: "rich_media"}},
		{`"text": "a", "buttons": ["Go|geo:1,2"]`, rbm.Billing{Class: "rich_media"}},
		{`"text": "a", "buttons": ["Go|location:"]`, rbm.Billing{Class: "rich_media"}},
		{`"text": "a", "buttons": ["Go|cal:2026-12-01T10:00Z/2026-12-01T11:00Z"]`, rbm.Billing{Class: "rich_media"}},
		{`"file": "files/a"`, rbm.Billing{Class: "rich_media"}},
		{`"title": "a"`, rbm.Billing{Class: "rich_media"}},
		{`"raw": {"contentMessage": {"text": "a"}}`, rbm.Billing{Class: "basic"}},
	} {
		c, err := composeBody(t, asJSON, `{"to": "+12025550123", `+tt.fields+`}`)
		if err != nil {
			t.Fatalf("%s: %q", tt.fields, lines(err))
		}
		if c.Billing != tt.want {
			t.Errorf("%s is billed as %+v, want %+v", tt.fields, c.Billing, tt.want)
		}
	}
}
