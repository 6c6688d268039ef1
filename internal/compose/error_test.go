package compose_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMessage_errors(t *testing.T) {
	t.Parallel()
	const nothing = "/text: missing content: send text, or title or image for a card, or cards, file or raw"
	for _, tt := range []struct {
		name, fields string
		want         []string
	}{
		{"nothing to show", `"ttl": 5`, []string{nothing}},
		{"only buttons", `"buttons": "Yes"`, []string{nothing}},
		{"empty text", `"text": " "`, []string{nothing}},
		{"nothing, and a bad number", `"to2": "x"`, []string{"/to2: conflicts with \"to\"; send only one of them", nothing}},
		{"the typo explains it", `"txt": "a"`, []string{`/txt: unknown field; did you mean "text"?`}},
		{"a typo and a button", `"txt": "a", "buttons": ["A label of 28 characters ---", "b"]`, []string{
			`/txt: unknown field; did you mean "text"?`, "/buttons/0: the label is too long: expected at most 25 characters, got 28 [28/25]",
		}},
		{"the wrong type explains it", `"text": {"a": 1}`, []string{`/text: expected text, got an object`}},
		{"a far name does not", `"zzz": "a"`, []string{
			"/zzz: unknown field; expected one of to, text, title, description, image, video, thumbnail, height, alt, force_refresh, layout, align, file, card, cards, card_width, buttons, chips, ttl, expires_at, schedule_at, fallback_after, fallback_text, traffic, otp, agent, country, idempotency_key, message_id, dry_run, raw",
			nothing,
		}},

		{"text and file", `"text": "a", "file": "https://example.com"`, []string{`/text: "file" and "text" are two kinds of message; send one of them`}},
		{"file and image", `"image": "https://example.com", "file_url": "https://example.com"`, []string{`/file_url: "image" and "file_url" are two kinds of message; send one of them`}},
		{"cards and title", `"title": "a", "cards": [{"title": "a"}, {"title": "b"}]`, []string{`/title: "cards" and "title" are two kinds of message; send one of them`}},
		{"cards and card", `"card": {"title": "a"}, "cards": [{"title": "a"}, {"title": "b"}]`, []string{`/card: "cards" and "card" are two kinds of message; send one of them`}},
		{"carousel and text", `"text": "a", "carousel": [{"title": "a"}, {"title": "b"}]`, []string{`/text: "carousel" and "text" are two kinds of message; send one of them`}},
		{"flat carousel and file", `"card1_title": "a", "card2_title": "a", "file": "files/a"`, []string{`/file: "card1_title" and "file" are two kinds of message; send one of them`}},
		{"raw and three others", `"raw": {"contentMessage": {"text": "a"}}, "text": "a", "cards": [{"title": "a"}], "file": "files/a", "chips": "a"`, []string{
			`/text: "raw" and "text" are two kinds of message; send one of them`,
			`/cards: "raw" and "cards" are two kinds of message; send one of them`,
			`/file: "raw" and "file" are two kinds of message; send one of them`,
			`/chips: "raw" is the whole message; add the suggestions to it`,
		}},
		{"text and description", `"title": "a", "text": "b", "subtitle": "c"`, []string{`/subtitle: "text" and "subtitle" both set the description of the card; send one of them`}},
		{"image and video", `"image": "https://example.com/1", "video": "https://example.com/2"`, []string{`/video: a card has one media file; send either "image" or "video"`}},
		{"card and another text", `"card": {"text": "a"}, "text": "b"`, []string{`/text: the card has its own text; send only one of them`}},
		{"card and other buttons", `"card": {"title": "a", "buttons": "b"}, "buttons": "b"`, []string{`/buttons: the card has its own buttons; send only one of them, or send chips to put buttons under the card`}},
		{"horizontal in a carousel", `"cards": [{"title": "a"}, {"title": "b", "layout": "horizontal"}]`, []string{`/cards/1/layout: cards in a carousel must be vertical`}},
		{"horizontal carousel", `"cards": [{"title": "a"}, {"title": "b"}], "layout": "horizontal"`, []string{`/layout: cards in a carousel must be vertical`}},
		{"thumbnail of an upload", `"file": "files/a", "thumbnail": "https://example.com"`, []string{`/thumbnail: a file and its thumbnail must both be URLs or both be uploads (files/...)`}},
		{"uploaded thumbnail", `"image": "https://example.com", "thumbnail": "files/a"`, []string{`/thumbnail: a file and its thumbnail must both be URLs or both be uploads (files/...)`}},

		{"only buttons on a card", `"cards": [{"title": "a"}, {"buttons": "Yes"}]`, []string{`/cards/1: a card needs a title, a text, an image or a video`}},
		{"only flat buttons on a card", `"card1_title": "a", "card2_buttons": "Yes"`, []string{`/card2_buttons: a card needs a title, a text, an image or a video`}},
		{"a typo in a card", `"cards": [{"title": "a"}, {"titl": "b"}]`, []string{`/cards/1/titl: unknown field; did you mean "title"?`}},
		{"too many, and one is wrong", `"text": "a", "buttons": ["1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", {"label": "a", "url": ["b"]}]`, []string{
			"/buttons: too many chips: expected at most 11, got 12 [12/11]", "/buttons/11/url: expected text, got a list",
		}},
		{"media alone, horizontal", `"image": "https://example.com", "layout": "horizontal"`, []string{`/layout: a horizontal card needs a title, a text or buttons beside its media`}},
		{"media alone, horizontal, in a card", `"card": {"image": "https://example.com", "layout": "horizontal"}`, []string{`/card/layout: a horizontal card needs a title, a text or buttons beside its media`}},
		{"tall and small", `"card_width": "small", "cards": [{"title": "a", "image": "https://example.com", "height": "tall"}, {"title": "b"}]`, []string{`/cards/0/height: tall media does not fit on small cards; choose height short or medium, or card_width medium`}},
		{"tall and small for all", `"card_width": "small", "height": "tall", "cards": [{"title": "a", "image": "https://example.com"}, {"title": "b"}]`, []string{`/height: tall media does not fit on small cards; choose height short or medium, or card_width medium`}},

		{"link of another scheme", `"text": "a", "buttons": [{"label": "a", "url": "mailto:a@b.c"}]`, []string{`/buttons/0/url: the URL must start with https:// or http://`}},
		{"link without a scheme", `"image": "example.com/a.png"`, []string{`/image: the URL must be an absolute URL, such as https://example.com/`}},
		{"fallback without a scheme", `"text": "a", "buttons": [{"label": "a", "phone": "1", "fallback_url": "b"}]`, []string{`/buttons/0/fallback_url: the fallback URL must be an absolute URL, such as https://example.com/`}},
		{"thumbnail without a scheme", `"file": "https://example.com", "thumbnail": "b"`, []string{`/thumbnail: the URL must be an absolute URL, such as https://example.com/`}},
		{"upload without an ID", `"file": "files/"`, []string{`/file: this must be the name of an upload: files/ and its ID`}},
		{"latitude", `"text": "a", "buttons": ["a|geo:91,0"]`, []string{`/buttons/0: the latitude must be between -90 and 90 [0/90]`}},
		{"longitude", `"text": "a", "buttons": [{"label": "a", "lat": 0, "lng": 181}]`, []string{`/buttons/0/lng: the longitude must be between -180 and 180 [0/180]`}},
		{"event that ends before", `"text": "a", "buttons": ["a|cal:2026-12-01T10:00Z/2026-12-01T09:00Z/b"]`, []string{`/buttons/0: the event must not end before it starts`}},
		{"expired", `"text": "a", "expires_at": "2026-11-22T12:00:00Z"`, []string{`/expires_at: the time must be in the future`}},
		{"expired in one of many", `"raw": {"contentMessage": {"text": "a"}}, "expires_at": "2026-11-22T12:00:00Z"`, []string{`/expires_at: the time must be in the future`}},

		{"raw", `"raw": {"content_message": {"text": "a", "rich_card": {}, "sugestions": []}, "ttl": "5m"}`, []string{
			`/raw/content_message/rich_card: conflicts with text; send only one of text, fileName, uploadedRbmFile, richCard, contentInfo`,
			`/raw/content_message/sugestions: is an unknown field; did you mean suggestions?`,
			`/raw/ttl: must be a number of seconds with the suffix s, such as 600s`,
		}},
		{"raw without content", `"raw": {"ttl": "5s"}`, []string{`/raw/contentMessage: is missing`}},
		{"limit in raw", `"agentMessage": {"contentMessage": {"text": "a", "suggestions": [{"reply": {"text": "` + strings.Repeat("a", 26) + `", "postbackData": "a"}}]}}`, []string{
			`/agentMessage/contentMessage/suggestions/0/reply/text: must be at most 25 characters [26/25]`,
		}},
		{"limit in raw as text", `"raw": "{\"contentMessage\": {\"text\": 5}}"`, []string{`/raw: in the JSON text, at /contentMessage/text: must be a string, not a number`}},
		{"content message", `"contentMessage": {"tekst": "a"}`, []string{
			`/contentMessage/tekst: is an unknown field; known fields are text, fileName, uploadedRbmFile, richCard, contentInfo, suggestions`,
			`/contentMessage: needs one of text, fileName, uploadedRbmFile, richCard, contentInfo`,
		}},
		{"raw has a ttl", `"raw": {"contentMessage": {"text": "a"}, "ttl": "5s"}, "ttl": 5`, []string{`/ttl: "raw" already sets the expiration; send only one of them`}},
		{"raw has another traffic type", `"raw": {"contentMessage": {"text": "a"}, "messageTrafficType": "PROMOTION"}, "traffic": "otp"`, []string{`/traffic: "raw" has a different traffic type; send only one of them`}},
		{"raw with a long ttl", `"raw": {"contentMessage": {"text": "a"}}, "ttl": "16d"`, []string{`/ttl: the ttl must be at most 15 days, 1296000s [1382400/1296000]`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tt.want, problems(t, tt.fields)); diff != "" {
				t.Errorf("errors of %s (-want +got):\n%s", tt.fields, diff)
			}
		})
	}
}

// Each limit is tested at its value and one above.
func TestMessage_limits(t *testing.T) {
	t.Parallel()
	text := func(field string) func(int) string {
		return func(n int) string { return fmt.Sprintf(`"title": "a", %q: %q`, field, strings.Repeat("ä", n)) }
	}
	label := func(unit string) func(int) string {
		return func(n int) string {
			return fmt.Sprintf(`"text": "a", "buttons": ["Yes", "%s"]`, strings.Repeat(unit, n))
		}
	}
	list := func(format string) func(int) string {
		return func(n int) string {
			return fmt.Sprintf(format, strings.TrimSuffix(strings.Repeat(`"a", `, n), ", "))
		}
	}
	numbered := func(before, format string) func(int) string {
		return func(n int) string {
			fields := before
			for i := range n {
				fields += fmt.Sprintf(format, i+1)
			}
			return strings.TrimPrefix(fields, ", ")
		}
	}
	for _, tt := range []struct {
		name   string
		fields func(int) string
		limit  int
		want   string
	}{
		{"text", func(n int) string { return `"text": "` + strings.Repeat("ä", n) + `"` }, 3072, "/text: the text is too long: expected at most 3072 characters, got %d"},
		{"title", func(n int) string { return `"title": "` + strings.Repeat("ä", n) + `"` }, 200, "/title: the title is too long: expected at most 200 characters, got %d"},
		{"description", text("description"), 2000, "/description: the description is too long: expected at most 2000 characters, got %d"},
		{"text of a card", text("text"), 2000, "/text: the text is too long: expected at most 2000 characters, got %d"},
		{"flat title", func(n int) string { return `"card2_title": "` + strings.Repeat("a", n) + `", "card1_title": "b"` }, 200, "/card2_title: the title is too long: expected at most 200 characters, got %d"},
		{"label", label("a"), 25, "/buttons/1: the label is too long: expected at most 25 characters, got %d"},
		{"label of emoji", label("🚢"), 25, "/buttons/1: the label is too long: expected at most 25 characters, got %d"},
		{"label of combining characters", func(n int) string { return label("x")(n - 2)[:len(label("x")(n-2))-2] + `e\u0301"]` }, 25, "/buttons/1: the label is too long: expected at most 25 characters, got %d"},
		{"label in one text", func(n int) string { return `"text": "a", "buttons": "Yes,` + strings.Repeat("a", n) + `"` }, 25, "/buttons: item 2 of this text: the label is too long: expected at most 25 characters, got %d"},
		{"label of a flat button", func(n int) string {
			return `"text": "a", "button1_url": "https://example.com", "button1_label": "` + strings.Repeat("a", n) + `"`
		}, 25, "/button1_label: the label is too long: expected at most 25 characters, got %d"},
		{"flat label", func(n int) string {
			return `"card1_title": "a", "card2_title": "b", "card2_buttons": "` + strings.Repeat("a", n) + `"`
		}, 25, "/card2_buttons: the label is too long: expected at most 25 characters, got %d"},
		{"postback", func(n int) string { return `"text": "a", "buttons": ["Yes|=` + strings.Repeat("a", n) + `"]` }, 2048, "/buttons/0: the postback is too long: expected at most 2048 characters, got %d"},
		{"link", func(n int) string {
			return `"text": "a", "buttons": ["Yes|https://example.com/` + strings.Repeat("a", n-20) + `"]`
		}, 2048, "/buttons/0: the URL is too long: expected at most 2048 characters, got %d"},
		{"event title", func(n int) string {
			return `"text": "a", "buttons": ["Yes|cal:2026-12-01T10:00Z/2026-12-01T11:00Z/` + strings.Repeat("a", n) + `"]`
		}, 100, "/buttons/0: the title of the event is too long: expected at most 100 characters, got %d"},
		{"event description", func(n int) string {
			return `"text": "a", "buttons": [{"label": "a", "event": {"start": "2026-12-01T10:00Z", "end": "2026-12-01T11:00Z", "description": "` + strings.Repeat("a", n) + `"}}]`
		}, 500, "/buttons/0/event/description: the description of the event is too long: expected at most 500 characters, got %d"},
		{"chips", list(`"text": "a", "chips": [%s]`), 11, "/chips: too many chips: expected at most 11, got %d"},
		{"buttons of a text", list(`"text": "a", "buttons": [%s]`), 11, "/buttons: too many chips: expected at most 11, got %d"},
		{"buttons of a card", list(`"title": "a", "actions": [%s]`), 4, "/actions: too many buttons: expected at most 4, got %d"},
		{"flat buttons", numbered(`"text": "a"`, `, "button%d": "a"`), 11, "/button12: too many chips: expected at most 11, got %d"},
		{"buttons of a flat card", numbered(`"card1_title": "a", "card2_title": "b"`, `, "card1_button%d": "a"`), 4, "/card1_button5: too many buttons: expected at most 4, got %d"},
		{"cards", func(n int) string {
			return `"cards": [` + strings.TrimSuffix(strings.Repeat(`{"title": "a"},`, n), ",") + `]`
		}, 10, "/cards: too many cards: expected at most 10, got %d"},
		{"flat cards", numbered("", `, "card%d_title": "a"`), 10, "/card11_title: too many cards: expected at most 10, got %d"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := problems(t, tt.fields(tt.limit)); got != nil {
				t.Errorf("at the limit: %q", got)
			}
			want := []string{fmt.Sprintf(tt.want, tt.limit+1) + fmt.Sprintf(" [%d/%d]", tt.limit+1, tt.limit)}
			if diff := cmp.Diff(want, problems(t, tt.fields(tt.limit+1))); diff != "" {
				t.Errorf("one past the limit (-want +got):\n%s", diff)
			}
		})
	}
}

// A message of many long URLs exceeds only the limit of its size.
func TestMessage_size(t *testing.T) {
	t.Parallel()
	sized := func(thumbnail int) string {
		var cards []string
		for i := range 10 {
			cards = append(cards, fmt.Sprintf(`{"title": "a", "image": "https://example.com/%d?%s"}`, i, strings.Repeat("a", 24_000)))
		}
		return `"cards": [` + strings.Join(cards, ",") + `], "chips": [{"label": "a", "postback": "` + strings.Repeat("b", thumbnail) + `"}]`
	}
	if got := problems(t, sized(100)); got != nil {
		t.Errorf("under the limit: %q", got)
	}
	got := strings.Join(problems(t, strings.Replace(sized(100), `"title": "a"`, `"title": "a", "thumbnail": "https://example.com/`+strings.Repeat("t", 12_000)+`"`, 1)), "\n")
	if !strings.HasPrefix(got, ": the message is too long: expected at most 250000 bytes of JSON, got 25") || !strings.HasSuffix(got, "/250000]") {
		t.Errorf("over the limit: %q", got)
	}
}

// A raw message may exceed the limit once the fields of the payload are added.
func TestMessage_sizeOfRaw(t *testing.T) {
	t.Parallel()
	const around = len(`{"contentMessage":{"contentInfo":{"fileUrl":"https://example.com/"}}}`)
	raw := `"raw": {"contentMessage": {"contentInfo": {"fileUrl": "https://example.com/` + strings.Repeat("a", 250_000-around) + `"}}}`
	if got := problems(t, raw); got != nil {
		t.Errorf("at the limit: %q", got)
	}
	want := []string{"/raw: the message is too long: expected at most 250000 bytes of JSON, got 250011 [250011/250000]"}
	if diff := cmp.Diff(want, problems(t, raw+`, "ttl": 5`)); diff != "" {
		t.Errorf("with a ttl (-want +got):\n%s", diff)
	}
}

// All problems of a payload are reported, each at its position.
func TestMessage_tenErrors(t *testing.T) {
	t.Parallel()
	got := problems(t, `"ttl": "16d", "traffic": "spam", "titel": "a",
		"card1_title": "`+strings.Repeat("a", 201)+`", "card1_image": "ftp://example.com/1", "card1_buttons": "`+strings.Repeat("b", 26)+`|https://example.com",
		"card2_title": "b", "card2_buttons": "a,b,c,d,e", "card2_height": "huge", "card3_buttons": "Go|htps://example.com", "idempotency_key": "`+strings.Repeat("k", 257)+`"`)
	want := []string{
		"/ttl: the ttl must be at most 15 days, 1296000s [1382400/1296000]",
		"/traffic: expected one of otp, transaction, promotion, service, acknowledgement",
		`/titel: unknown field; did you mean "title"?`,
		"/card1_title: the title is too long: expected at most 200 characters, got 201 [201/200]",
		"/card1_image: the URL must start with https:// or http://",
		"/card1_buttons: the label is too long: expected at most 25 characters, got 26 [26/25]",
		"/card2_buttons: too many buttons: expected at most 4, got 5 [5/4]",
		"/card2_height: expected one of short, medium, tall",
		"/card3_buttons: unsupported link scheme \"htps:\"; did you mean \"https:\"?",
		"/idempotency_key: expected at most 256 characters, got 257 [257/256]",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("errors (-want +got):\n%s", diff)
	}
}
