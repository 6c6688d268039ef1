package rbmtest_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/rcshook/rcshook/rbm"
	"github.com/rcshook/rcshook/rbm/rbmtest"
)

// payload returns the last payload of a kind, without its random parts.
func payload(t *testing.T, sim *rbmtest.Simulator, kind rbmtest.LogKind) map[string]any {
	t.Helper()
	var last json.RawMessage
	for _, e := range sim.Log() {
		if e.Kind == kind {
			last = e.Payload
		}
	}
	var v map[string]any
	if err := json.Unmarshal(last, &v); err != nil {
		t.Fatalf("payload of the last %s: %v", kind, err)
	}
	for _, name := range []string{"messageId", "eventId"} {
		if id, ok := v[name].(string); ok && strings.HasPrefix(id, "Mx") && len(id) == 24 {
			delete(v, name)
		}
	}
	return v
}

const rich = `{"contentMessage":{
  "richCard":{"carouselCard":{"cardWidth":"SMALL","cardContents":[
    {"title":"One","suggestions":[{"reply":{"text":"Same","postbackData":"one"}}]},
    {"title":"Two","suggestions":[{"reply":{"text":"Same","postbackData":"two"}}]}]}},
  "suggestions":[{"action":{"text":"Share","postbackData":"where","shareLocationAction":{}}},{"reply":{"text":"<b>Plain</b>","postbackData":"&=é"}}]}}`

func TestUserActions(t *testing.T) {
	t.Parallel()
	c := newClock()
	g := start(t, &rbmtest.Simulator{Now: c.Now})
	const gb = "+442079460123"
	g.create(t, gb, "m1", rich)
	common := func(more map[string]any) map[string]any {
		more["senderPhoneNumber"], more["agentId"], more["sendTime"] = gb, agent+"@rbm.goog", "2026-11-20T09:15:03.464Z"
		return more
	}
	tests := []struct {
		name   string
		action rbmtest.UserAction
		want   map[string]any
	}{
		{"text", rbmtest.UserAction{Action: "text", Text: "Which pier?"}, map[string]any{"text": "Which pier?"}},
		{"location", rbmtest.UserAction{Action: "location", Location: &rbm.LatLng{Latitude: 47.6, Longitude: -122.25}}, map[string]any{"location": map[string]any{"latitude": 47.6, "longitude": -122.25}}},
		{
			"file",
			rbmtest.UserAction{Action: "file", File: &rbmtest.SharedFile{MIMEType: "image/jpeg", Name: "a.jpg", URI: "https://example.com/a", Bytes: 7}},
			map[string]any{"userFile": map[string]any{"payload": map[string]any{"mimeType": "image/jpeg", "fileSizeBytes": "7", "fileName": "a.jpg", "fileUri": "https://example.com/a"}}},
		},
		{"tap by label, the first", rbmtest.UserAction{Action: "tap", MessageID: "m1", Suggestion: "Same"}, map[string]any{"suggestionResponse": map[string]any{"postbackData": "one", "text": "Same", "type": "REPLY"}}},
		{"tap by pointer", rbmtest.UserAction{Action: "tap", MessageID: "m1", Suggestion: "/contentMessage/richCard/carouselCard/cardContents/1/suggestions/0"}, map[string]any{"suggestionResponse": map[string]any{"postbackData": "two", "text": "Same", "type": "REPLY"}}},
		{"tap a chip", rbmtest.UserAction{Action: "tap", MessageID: "m1", Suggestion: "/contentMessage/suggestions/1", AgentID: agent + "@rbm.goog"}, map[string]any{"suggestionResponse": map[string]any{"postbackData": "&=é", "text": "<b>Plain</b>", "type": "REPLY"}}},
		{"tap an action", rbmtest.UserAction{Action: "tap", MessageID: "m1", Suggestion: "Share"}, map[string]any{"suggestionResponse": map[string]any{"postbackData": "where", "text": "Share", "type": "ACTION"}}},
		{"leave", rbmtest.UserAction{Action: "unsubscribe"}, map[string]any{"text": "STOP"}},
		{"come back", rbmtest.UserAction{Action: "subscribe", Text: "ALTA"}, map[string]any{"text": "ALTA"}},
	}
	for _, tt := range tests {
		tt.action.Phone = gb
		id, err := g.Act(tt.action)
		if err != nil || len(id) != 24 {
			t.Errorf("%s: Act = %q, %v", tt.name, id, err)
		}
		equal(t, tt.name, payload(t, g.Simulator, rbmtest.LogUserMessage), common(tt.want))
	}
	equal(t, "user events", userEvents(g.Simulator), []string{"m1 DELIVERED", " UNSUBSCRIBE", " SUBSCRIBE"})
	if _, err := g.Act(rbmtest.UserAction{Action: "typing", Phone: gb}); err != nil {
		t.Error(err)
	}
	equal(t, "typing", payload(t, g.Simulator, rbmtest.LogUserEvent), common(map[string]any{"eventType": "IS_TYPING"}))
	if err := g.Read(gb, "m1"); err != nil {
		t.Error(err)
	}
	equal(t, "read", payload(t, g.Simulator, rbmtest.LogUserEvent), common(map[string]any{"eventType": "READ", "messageId": "m1"}))
	before := len(g.Log())
	if err := g.Read(gb, ""); err != nil {
		t.Error(err)
	}
	equal(t, "events of reading again", len(g.Log())-before, 0)
}

// TestSubscriptions unsubscribes and subscribes again in each country: the menu sends the
// keyword of the country, if it has one, together with the event.
func TestSubscriptions(t *testing.T) {
	t.Parallel()
	tests := []struct{ phone, leave, back, text, textBack string }{
		{"+12025550123", "STOP", "START", "STOP", "START"},
		{"+919876543210", "STOP", "START", "STOP", "START"},
		{"+442079460123", "STOP", "START", "STOP", "START"},
		{"+4915112345678", "STOP", "START", "STOP", "START"},
		{"+34612345678", "BAJA", "ALTA", "BAJA", "ALTA"},
		{"+525512345678", "BAJA", "ALTA", "BAJA", "ALTA"},
		{"+33612345678", "STOP", "Démarrer", "STOP", "Démarrer"},
		{"+5511961234567", "parar", "começar", "parar", "começar"},
		{"+393123456789", "", "", "STOP", "START"}, // no keyword is known
	}
	for _, tt := range tests {
		g := start(t, new(rbmtest.Simulator))
		g.create(t, tt.phone, "m1", text)
		for _, action := range []rbmtest.UserAction{
			{Action: "unsubscribe"},
			{Action: "subscribe"},
			{Action: "unsubscribe", TextOnly: true},
			{Action: "subscribe", TextOnly: true},
			{Action: "unsubscribe", TextOnly: true, Text: "Halt"},
		} {
			action.Phone = tt.phone
			if _, err := g.Act(action); err != nil {
				t.Errorf("%s: %+v: %v", tt.phone, action, err)
			}
		}
		var got []string
		for _, e := range g.Log() {
			var p struct{ Text, EventType string }
			if e.Kind == rbmtest.LogUserMessage || e.Kind == rbmtest.LogUserEvent && e.MessageID == "" {
				if err := json.Unmarshal(e.Payload, &p); err != nil {
					t.Fatal(err)
				}
				got = append(got, p.Text+p.EventType)
			}
		}
		want := []string{tt.leave, "UNSUBSCRIBE", tt.back, "SUBSCRIBE", tt.text, tt.textBack, "Halt"}
		equal(t, tt.phone, got, slices.DeleteFunc(want, func(s string) bool { return s == "" }))
	}
}

func TestUserShortcuts(t *testing.T) {
	t.Parallel()
	g := start(t, new(rbmtest.Simulator))
	g.create(t, phone, "m1", `{"contentMessage":{"richCard":{"standaloneCard":{"cardOrientation":"VERTICAL","cardContent":{"title":"t","suggestions":[{"reply":{"text":"Yes","postbackData":"y"}}]}}}}}`)
	g.do(t, "POST", "/v1/phones/"+phone+"/agentMessages?messageId=m2&agentId=second", text)

	if _, err := g.UserSends(phone, "Hello"); err != nil {
		t.Error(err)
	}
	got := payload(t, g.Simulator, rbmtest.LogUserMessage)
	equal(t, "the agent that wrote last", got["agentId"], any("second@rbm.goog"))
	equal(t, "carrier of a US number", got["carrier"], any("example-us"))
	if _, err := g.Tap(phone, "m1", "/contentMessage/richCard/standaloneCard/cardContent/suggestions/0"); err != nil {
		t.Error(err)
	}
	equal(t, "the agent of the message", payload(t, g.Simulator, rbmtest.LogUserMessage)["agentId"], any(agent+"@rbm.goog"))
	if _, err := g.ShareLocation(phone, 1, 2); err != nil {
		t.Error(err)
	}
	if err := g.Read(phone, ""); err != nil {
		t.Error(err)
	}
	equal(t, "all read", states(g.Simulator), []string{"m1 read", "m2 read"})
}

func TestUserErrors(t *testing.T) {
	t.Parallel()
	g := start(t, new(rbmtest.Simulator))
	g.create(t, phone, "m1", text)
	g.SetBehavior("+12025550177", rbmtest.Behavior{Offline: true})
	g.create(t, "+12025550177", "m2", text)
	tests := []struct {
		name   string
		action rbmtest.UserAction
		want   error
	}{
		{"no conversation", rbmtest.UserAction{Action: "text", Phone: "+12025550199", Text: "x"}, rbmtest.ErrNoConversation},
		{"offline", rbmtest.UserAction{Action: "text", Phone: "+12025550177", Text: "x"}, rbmtest.ErrOffline},
		{"no text", rbmtest.UserAction{Action: "text", Phone: phone}, rbmtest.ErrAction},
		{"no location", rbmtest.UserAction{Action: "location", Phone: phone}, rbmtest.ErrAction},
		{"no file", rbmtest.UserAction{Action: "file", Phone: phone, File: &rbmtest.SharedFile{}}, rbmtest.ErrAction},
		{"no such action", rbmtest.UserAction{Action: "dance", Phone: phone}, rbmtest.ErrAction},
		{"unknown message", rbmtest.UserAction{Action: "tap", Phone: phone, MessageID: "x"}, rbmtest.ErrNoMessage},
		{"message of another agent", rbmtest.UserAction{Action: "tap", Phone: phone, MessageID: "m1", AgentID: "x"}, rbmtest.ErrNoMessage},
		{"message of another phone", rbmtest.UserAction{Action: "read", Phone: "+12025550199", MessageID: "m1"}, rbmtest.ErrNoMessage},
		{"unknown suggestion", rbmtest.UserAction{Action: "tap", Phone: phone, MessageID: "m1", Suggestion: "x"}, rbmtest.ErrNoSuggestion},
	}
	for _, tt := range tests {
		if _, err := g.Act(tt.action); !errors.Is(err, tt.want) {
			t.Errorf("%s: Act = %v, want %v", tt.name, err, tt.want)
		}
	}
	// A named agent needs not have written before.
	if _, err := g.Act(rbmtest.UserAction{Action: "text", Phone: "+12025550199", AgentID: agent, Text: "x"}); err != nil {
		t.Error(err)
	}
}
