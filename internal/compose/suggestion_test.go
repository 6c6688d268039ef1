package compose_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Every form of a button, as text and as an object, composes to its suggestion.
func TestMessage_buttons(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		text, object string // one of them may be empty
		want         string
	}{
		{"Yes", `{"label": "Yes"}`, `{"reply":{"text":"Yes","postbackData":"Yes"}}`},
		{"Yes", `{"text": "Yes", "reply": true}`, `{"reply":{"text":"Yes","postbackData":"Yes"}}`},
		{"Yes", `{"title": "Yes", "share_location": false}`, `{"reply":{"text":"Yes","postbackData":"Yes"}}`},
		{"Yes|=ORDER_YES", `{"label": "Yes", "reply": "ORDER_YES"}`, `{"reply":{"text":"Yes","postbackData":"ORDER_YES"}}`},
		{"Yes |=ORDER_YES ", `{"label": " Yes ", "postback_data": "ORDER_YES"}`, `{"reply":{"text":"Yes","postbackData":"ORDER_YES"}}`},
		{
			"Track|https://example.com/t", `{"label": "Track", "url": "https://example.com/t"}`,
			`{"action":{"text":"Track","postbackData":"track","openUrlAction":{"url":"https://example.com/t"}}}`,
		},
		{
			"Track|http://example.com/t|=TRACK", `{"label": "Track", "link": "http://example.com/t", "postback": "TRACK"}`,
			`{"action":{"text":"Track","postbackData":"TRACK","openUrlAction":{"url":"http://example.com/t"}}}`,
		},
		{
			"Track|https://example.com/(a,b)?q=1|2", `{"label": "Track", "url": "https://example.com/(a,b)?q=1|2"}`,
			`{"action":{"text":"Track","postbackData":"track","openUrlAction":{"url":"https://example.com/(a,b)?q=1%7C2"}}}`,
		},
		{
			"Track|webview:https://example.com", `{"label": "Track", "url": "https://example.com", "webview": true}`,
			`{"action":{"text":"Track","postbackData":"track","openUrlAction":{"url":"https://example.com","application":"WEBVIEW","webviewViewMode":"FULL"}}}`,
		},
		{
			"Track|Webview:https://example.com", `{"label": "Track", "webview": "https://example.com"}`,
			`{"action":{"text":"Track","postbackData":"track","openUrlAction":{"url":"https://example.com","application":"WEBVIEW","webviewViewMode":"FULL"}}}`,
		},
		{
			"Track|webview-half:https://example.com", `{"label": "Track", "url": "https://example.com", "webview": "half"}`,
			`{"action":{"text":"Track","postbackData":"track","openUrlAction":{"url":"https://example.com","application":"WEBVIEW","webviewViewMode":"HALF"}}}`,
		},
		{
			"Track|webview-tall:https://example.com", `{"label": "Track", "url": "https://example.com", "webview": "tall"}`,
			`{"action":{"text":"Track","postbackData":"track","openUrlAction":{"url":"https://example.com","application":"WEBVIEW","webviewViewMode":"TALL"}}}`,
		},
		{
			"", `{"label": "Track", "url": "https://example.com", "webview": "tall", "description": "Seats", "fallback_url": "https://example.com/f"}`,
			`{"action":{"text":"Track","postbackData":"track","fallbackUrl":"https://example.com/f","openUrlAction":{"url":"https://example.com","application":"WEBVIEW","webviewViewMode":"TALL","description":"Seats"}}}`,
		},
		{
			"", `{"label": "Track", "url": "https://example.com", "webview": false}`,
			`{"action":{"text":"Track","postbackData":"track","openUrlAction":{"url":"https://example.com","application":"BROWSER"}}}`,
		},
		{
			"Call us|tel:+12025550199", `{"label": "Call us", "phone": "+12025550199"}`,
			`{"action":{"text":"Call us","postbackData":"call-us","dialAction":{"phoneNumber":"+12025550199"}}}`,
		},
		{
			"Call us|tel: +1 (202) 555-0199", `{"label": "Call us", "tel": "tel:+1.202.555.0199"}`,
			`{"action":{"text":"Call us","postbackData":"call-us","dialAction":{"phoneNumber":"+12025550199"}}}`,
		},
		{"Call us|TEL:1011", `{"label": "Call us", "phone_number": 1011}`, `{"action":{"text":"Call us","postbackData":"call-us","dialAction":{"phoneNumber":"1011"}}}`},
		{
			"Find us|geo:37.42,-122.08?q=Our shop", `{"label": "Find us", "latitude": 37.42, "longitude": -122.08, "place": "Our shop"}`,
			`{"action":{"text":"Find us","postbackData":"find-us","viewLocationAction":{"latLong":{"latitude":37.42,"longitude":-122.08},"label":"Our shop"}}}`,
		},
		{
			"Find us|geo:37.42,-122.08", `{"label": "Find us", "lat": "37.42", "lng": " -122.08 "}`,
			`{"action":{"text":"Find us","postbackData":"find-us","viewLocationAction":{"latLong":{"latitude":37.42,"longitude":-122.08}}}}`,
		},
		{
			"Find us|geo:0,0", `{"label": "Find us", "lat": 0, "lon": 0}`,
			`{"action":{"text":"Find us","postbackData":"find-us","viewLocationAction":{"latLong":{"latitude":0,"longitude":0}}}}`,
		},
		{
			"Find us|geo:0,0?q=1600 Amphitheatre Pkwy", `{"label": "Find us", "query": "1600 Amphitheatre Pkwy"}`,
			`{"action":{"text":"Find us","postbackData":"find-us","viewLocationAction":{"query":"1600 Amphitheatre Pkwy"}}}`,
		},
		{
			"Find us|geo:0.0, 0.0?q=1600+Amphitheatre%20Pkwy%2C+CA|=MAP", `{"label": "Find us", "query": "1600 Amphitheatre Pkwy, CA", "postback": "MAP"}`,
			`{"action":{"text":"Find us","postbackData":"MAP","viewLocationAction":{"query":"1600 Amphitheatre Pkwy, CA"}}}`,
		},
		{
			"Find us|geo:0,0?q=C++ Shop 100%", `{"label": "Find us", "query": "C++ Shop 100%"}`,
			`{"action":{"text":"Find us","postbackData":"find-us","viewLocationAction":{"query":"C++ Shop 100%"}}}`,
		},
		{
			"Where?|location:", `{"label": "Where?", "share_location": "yes"}`,
			`{"action":{"text":"Where?","postbackData":"where","shareLocationAction":{}}}`,
		},
		{
			"Add|cal:2026-12-01T10:00Z/2026-12-01T11:00Z/Checkup", `{"label": "Add", "event": {"title": "Checkup", "start": "2026-12-01T10:00Z", "end": "2026-12-01T11:00:00Z"}}`,
			`{"action":{"text":"Add","postbackData":"add","createCalendarEventAction":{"startTime":"2026-12-01T10:00:00Z","endTime":"2026-12-01T11:00:00Z","title":"Checkup"}}}`,
		},
		{
			"Add|cal:2026-12-01T10:00:00+01:00/2026-12-01T11:00+0100/Dinner, wine/cheese|=CAL", `{"label": "Add", "postback": "CAL", "calendar": "{\"title\": \"Dinner, wine/cheese\", \"start_time\": \"2026-12-01T10:00+01:00\", \"end_time\": \"2026-12-01T11:00+01:00\"}"}`,
			`{"action":{"text":"Add","postbackData":"CAL","createCalendarEventAction":{"startTime":"2026-12-01T10:00:00+01:00","endTime":"2026-12-01T11:00:00+01:00","title":"Dinner, wine/cheese"}}}`,
		},
		{
			"Add|cal:2026-12-01T10:00Z/2026-12-01T11:00Z", `{"label": "Add", "event": {"start": "2026-12-01T10:00Z", "end": "2026-12-01T11:00Z"}}`,
			`{"action":{"text":"Add","postbackData":"add","createCalendarEventAction":{"startTime":"2026-12-01T10:00:00Z","endTime":"2026-12-01T11:00:00Z","title":"Add"}}}`,
		},
		{
			"", `{"label": "Add", "event": {"title": "a", "description": "b", "start": "2026-12-01T10:00Z", "end": "2026-12-01T11:00Z"}}`,
			`{"action":{"text":"Add","postbackData":"add","createCalendarEventAction":{"startTime":"2026-12-01T10:00:00Z","endTime":"2026-12-01T11:00:00Z","title":"a","description":"b"}}}`,
		},
	} {
		values := map[string]string{"list": "[" + tt.object + "]", "object": tt.object}
		if tt.text != "" {
			quoted, err := json.Marshal(tt.text)
			if err != nil {
				t.Fatal(err)
			}
			values["text"], values["text in a list"] = string(quoted), "["+string(quoted)+"]"
		}
		for form, value := range values {
			if form == "text" && strings.ContainsRune(tt.text, ',') && strings.Count(tt.text, "|") > 1 {
				continue // a comma before a bar starts another button
			}
			got := message(t, `"text": "a", "buttons": `+value)
			want := `{"contentMessage":{"text":"a","suggestions":[` + tt.want + `]}}`
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s %s (-want +got):\n%s", form, value, diff)
			}
		}
	}
}
