package payload_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// withButtons returns a payload with the JSON value of its buttons.
func withButtons(value string) string {
	return `{"to": "+12025550123", "text": "a", "buttons": ` + value + `}`
}

// One text may hold several buttons, separated by line breaks or commas.
func TestDecode_buttonsInOneText(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, text string
		want       []string // the labels
	}{
		{"one", "Yes", []string{"Yes"}},
		{"commas without bars", "Yes, No , Maybe", []string{"Yes", "No", "Maybe"}},
		{"empty ones", ",Yes,, No,", []string{"Yes", "No"}},
		{"lines", `Yes\nNo\r\n\nCall|tel:+12025550199`, []string{"Yes", "No", "Call"}},
		{"a comma in a line", `Yes, please\nNo`, []string{"Yes, please", "No"}},
		{"commas before bars", "Track|https://example.com/t,Call|tel:+12025550199,No|=N", []string{"Track", "Call", "No"}},
		{"comma in a URL", "Track|https://example.com/?a=1,2,Call|tel:+12025550199", []string{"Track", "Call"}},
		{"comma in a place", "Find us|geo:37.42,-122.08?q=Shop, first floor,Call|tel:+12025550199", []string{"Find us", "Call"}},
		{"reply before a comma", "Yes,Call|tel:+12025550199", []string{"Yes", "Call"}},
		{"replies stay one where a bar is", "Yes,No,Call|tel:+12025550199", []string{"Yes,No", "Call"}},
		{"list in a text", `[\"Yes\", \"No\"]`, []string{"Yes", "No"}},
		{"list of objects in a text", `[{\"label\": \"Yes\"}]`, []string{"Yes"}},
		{"object in a text", `{\"label\": \"Yes\"}`, []string{"Yes"}},
		{"label in brackets", `[Yes]`, []string{"[Yes]"}},
	} {
		p := decode(t, asJSON, withButtons(`"`+tt.text+`"`))
		var got []string
		for _, b := range p.Top.Buttons.Items {
			got = append(got, b.Label.Value)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" || len(p.Errors) > 0 {
			t.Errorf("%s: labels of %q (-want +got):\n%s%v", tt.name, tt.text, diff, problems(t, asJSON, withButtons(`"`+tt.text+`"`)))
		}
	}
}

func TestDecode_buttonErrors(t *testing.T) {
	t.Parallel()
	const (
		schemes  = "https:, http:, webview:, webview-half:, webview-tall:, tel:, geo:, location:, cal:"
		noScheme = "after \"|\", expected a link that starts with one of " + schemes + ", or \"=\" and a postback"
		noHTTPS  = "missing \"https://\" before the link, as in Track|https://example.com"
		noTel    = "missing \"tel:\" before the phone number, as in Call us|tel:+12025550199"
		place    = "geo: expected latitude and longitude, as in geo:37.42,-122.08 or geo:37.42,-122.08?q=Label, or a search, as in geo:0,0?q=Words"
		event    = "cal: expected start, end and title, as in cal:2026-12-01T10:00Z/2026-12-01T11:00Z/Checkup; the times need Z or an offset"
		dial     = "tel: expected a phone number of digits, *, # and a leading +"
	)
	for _, tt := range []struct {
		text string
		want string
	}{
		{"Go|javascript:alert(1)", "unsupported link scheme \"javascript:\"; expected one of " + schemes},
		{"Go|JavaScript:alert(1)", "unsupported link scheme \"javascript:\"; expected one of " + schemes},
		{"Go|data:text/html,x", "unsupported link scheme \"data:\"; expected one of " + schemes},
		{"Go|mailto:a@b.c", "unsupported link scheme \"mailto:\"; expected one of " + schemes},
		{"Go|htps://example.com", "unsupported link scheme \"htps:\"; did you mean \"https:\"?"},
		{"Go|htttp://example.com", "unsupported link scheme \"htttp:\"; did you mean \"http:\"?"},
		{"Go|web-view:https://example.com", "unsupported link scheme \"web-view:\"; did you mean \"webview:\"?"},
		{"Go|tell:+1", "unsupported link scheme \"tell:\"; did you mean \"tel:\"?"},
		{"Go|loc:", "unsupported link scheme \"loc:\"; expected one of " + schemes},
		{"Go|www.example.com", noHTTPS},
		{"Go|example.com/a:b", noHTTPS},
		{"Go|see example.com", noScheme},
		{"Call|+1 (202) 555-0199", noTel},
		{"Call|1011", noTel},
		{"Go|ORDER_YES", noScheme},
		{"Go|:x", noScheme},
		{"Go|" + strings.Repeat("a", 21) + ":x", noScheme},
		{"Go|1https://example.com", noHTTPS},
		{"Go|", "nothing follows \"|\"; omit it for a reply"},
		{"Go| ", "nothing follows \"|\"; omit it for a reply"},
		{"|https://example.com", "missing label before \"|\""},
		{"Go|webview:example.com", "webview: expected a URL, as in webview:https://example.com"},
		{"Go|webview-half:tel:+1", "webview-half: expected a URL, as in webview-half:https://example.com"},
		{"Go|tel:", dial},
		{"Go|tel:1-800-FLOWERS", dial},
		{"Go|tel:++1", dial},
		{"Go|location:here", "location: expected nothing after the colon"},
		{"Go|geo:", place},
		{"Go|geo:37.42", place},
		{"Go|geo:37.42,west", place},
		{"Go|geo:0x10,1", place},
		{"Go|geo:NaN,1", place},
		{"Go|geo:1,2,3", place},
		{"Go|geo:1,2?z=5", place},
		{"Go|cal:", event},
		{"Go|cal:2026-12-01T10:00Z", event},
		{"Go|cal:2026-12-01T10:00/2026-12-01T11:00/No offset", event},
		{"Go|cal:2026-12-01/2026-12-02/Days", event},
	} {
		if diff := cmp.Diff([]string{"/buttons/0: " + tt.want}, problems(t, asJSON, withButtons(`["`+tt.text+`"]`))); diff != "" {
			t.Errorf("%q (-want +got):\n%s", tt.text, diff)
		}
	}
}

func TestDecode_buttonObjectErrors(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, value string
		want        []string
	}{
		{"no label", `[{"url": "https://example.com"}]`, []string{"/buttons/0/label: missing: the text on the button"}},
		{"typo in the label", `[{"lable": "a", "url": "https://example.com"}]`, []string{`/buttons/0/lable: unknown field; did you mean "label"?`}},
		{"two actions", `[{"label": "a", "url": "https://example.com", "phone": "+12025550199"}]`, []string{`/buttons/0/phone: a button has one action; send either "url" or "phone"`}},
		{"reply and action", `[{"label": "a", "url": "https://example.com", "reply": true}]`, []string{`/buttons/0/reply: a button has one action; send either "url" or "reply"`}},
		{"three actions", `[{"label": "a", "query": "b", "share_location": true, "phone": "+12025550199"}]`, []string{
			`/buttons/0/query: a button has one action; send either "phone" or "query"`,
			`/buttons/0/share_location: a button has one action; send either "phone" or "share_location"`,
		}},
		{"latitude only", `[{"label": "a", "latitude": 1}]`, []string{"/buttons/0/longitude: missing: a place needs both latitude and longitude"}},
		{"longitude only", `[{"label": "a", "lng": "1"}]`, []string{"/buttons/0/latitude: missing: a place needs both latitude and longitude"}},
		{"latitude in words", `[{"label": "a", "latitude": "north", "longitude": 1}]`, []string{"/buttons/0/latitude: expected a decimal number such as 37.42"}},
		{"event without times", `[{"label": "a", "event": {"title": "b"}}]`, []string{
			"/buttons/0/event/start: missing: the start time of the event",
			"/buttons/0/event/end: missing: the end time of the event",
		}},
		{"event with a typo", `[{"label": "a", "event": {"begin": "2026-12-01T10:00Z", "ende": "2026-12-01T10:00Z"}}]`, []string{
			"/buttons/0/event/start: missing: the start time of the event",
			"/buttons/0/event/begin: unknown field; expected one of title, description, start, end",
			`/buttons/0/event/ende: unknown field; did you mean "end"?`,
		}},
		{"event as text", `[{"label": "a", "event": "tomorrow"}]`, []string{"/buttons/0/event: expected an object, or text that contains one as JSON, got text"}},
		{"phone in letters", `[{"label": "a", "phone": "CALL"}]`, []string{"/buttons/0/phone: expected a phone number of digits, *, # and a leading +"}},
		{"two postbacks", `[{"label": "a", "reply": "b", "postback": "c"}]`, []string{`/buttons/0/reply: "postback" and "reply" both set the postback; send one of them`}},
		{"two URLs", `[{"label": "a", "url": "https://example.com/1", "webview": "https://example.com/2"}]`, []string{`/buttons/0/webview: "url" and "webview" are the same field, with different values; send one of them`}},
		{"view in a wrong word", `[{"label": "a", "url": "https://example.com/1", "webview": "huge"}]`, []string{`/buttons/0/webview: expected one of full, half, tall, browser`}},
		{"view without a URL", `[{"label": "a", "webview": "tall"}]`, []string{`/buttons/0/url: missing: the URL for the web view`}},
		{"place without a position", `[{"label": "a", "place": "Shop"}]`, []string{`/buttons/0/place: place is the label of a pin at latitude and longitude, which are missing; to search the map, send query`}},
		{"description of nothing", `[{"label": "a", "description": "Shop"}]`, []string{`/buttons/0/description: description belongs to a url, which is missing`}},
		{"event in flat keys", `[{"label": "a", "event_start": "2026-12-01T10:00Z"}]`, []string{"/buttons/0/event_start: missing: the end time of the event"}},
		{"very many", `"` + strings.Repeat("a,", 101) + `"`, []string{"/buttons: 101 buttons are more than any message allows"}},
		{"very many in a list", `[` + strings.Repeat(`"a",`, 100) + `"a"]`, []string{"/buttons: 101 buttons are more than any message allows"}},
		{"boolean", `[true]`, []string{"/buttons/0: expected an object, or text that contains one as JSON, got a boolean"}},
		{"list", `[["a"]]`, []string{"/buttons/0: expected an object, or text that contains one as JSON, got a list"}},
		{"two lines in one item", `["Yes\nNo"]`, []string{"/buttons/0: unexpected line break; write one button per item of the list"}},
		{"broken JSON", `"[\"Yes\""`, []string{"/buttons: cannot read the JSON in this text: unexpected end of the JSON at line 1, column 7"}},
		{"template that was not filled in", `"{{label}}"`, []string{"/buttons: cannot read the JSON in this text: invalid JSON at line 1, column 3: a template placeholder was not filled in"}},
		{"the only one in a text", `"Go|htps://example.com"`, []string{"/buttons: unsupported link scheme \"htps:\"; did you mean \"https:\"?"}},
		{"one of several in a text", `"Yes,No,Go|htps://example.com"`, []string{"/buttons: item 2 of this text: unsupported link scheme \"htps:\"; did you mean \"https:\"?"}},
		{"in JSON in a text", `"[{\"label\": \"a\", \"phone\": \"x\"}]"`, []string{"/buttons: in the JSON text, at /0/phone: expected a phone number of digits, *, # and a leading +"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tt.want, problems(t, asJSON, withButtons(tt.value))); diff != "" {
				t.Errorf("errors of %s (-want +got):\n%s", tt.value, diff)
			}
		})
	}
}

// The reader restores a plus sign that a form did not escape.
func TestDecode_dialInForms(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		"buttons=Call|tel:+12025550199":      "+12025550199",
		"buttons=Call|tel:%2B12025550199":    "+12025550199",
		"buttons=Call|tel:+1+202+555+0199":   "+12025550199",
		"buttons=Call|tel:12025550199":       "12025550199",
		"buttons=Call|tel:*100%23":           "*100#",
		"button1_label=a&button1_phone=+120": "120", // a short code
	} {
		p := decode(t, asForm, "to=%2B12025550123&text=a&"+body)
		if len(p.Errors) > 0 || len(p.Top.Buttons.Items) != 1 || p.Top.Buttons.Items[0].Phone.Value != want {
			t.Errorf("%s: %+v, %v, want to dial %q", body, p.Top.Buttons.Items, p.Errors, want)
		}
	}
}

func TestButton_postback(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"Yes":                           "Yes",
		"Yes|=ORDER_YES":                "ORDER_YES",
		"Yes|=a|=b":                     "a|=b",
		"Yes|=":                         "Yes",
		"Yes||=ORDER_YES":               "ORDER_YES", // a template without a target
		"Call us|tel:112":               "call-us",
		"  Call  us! |tel:112":          "call-us",
		"Größe 5 & mehr|tel:112":        "größe-5-mehr",
		"👍|tel:112":                     "👍",
		"नमस्ते|tel:112":                "नमस्ते",
		"Go|https://example.com|=GO":    "GO",
		"Go|https://example.com|=":      "go",
		"Go|https://e.com/?a|=b|=GO":    "GO",
		"Go|https://example.com| = GO":  "go",
		"Go|https://example.com |= GO ": "GO",
	} {
		p := decode(t, asJSON, withButtons(`["`+text+`"]`))
		if len(p.Errors) > 0 || len(p.Top.Buttons.Items) != 1 || p.Top.Buttons.Items[0].Postback.Value != want {
			t.Errorf("%q: %+v, %v, want the postback %q", text, p.Top.Buttons.Items, p.Errors, want)
		}
	}
}
