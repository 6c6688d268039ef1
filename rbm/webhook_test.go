package rbm_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rcshook/rcshook/rbm"
	"github.com/rcshook/rcshook/rbm/rbmtest"
)

// This signature was computed with another program: HMAC-SHA-512 of the decoded data.
const (
	clientToken   = "harborline-demo-token"
	deliveredData = "eyJzZW5kZXJQaG9uZU51bWJlciI6IisxNTU1MDE0MjIzMyIsImV2ZW50VHlwZSI6IkRFTElWRVJFRCIsImV2ZW50SWQiOiJNeFRRN2YzclNMS2NQMGJuMnZZZDFBIiwibWVzc2FnZUlkIjoiNWEwYzJmNGUtNmEzZC00ZDBlLTlhNTAtMGQ3YzFmN2JlMDAxIiwic2VuZFRpbWUiOiIyMDI2LTExLTIwVDA5OjE1OjA0LjIxOFoiLCJhZ2VudElkIjoiaGFyYm9ybGluZV9mZXJyaWVzX2szeDlhMWJjX2FnZW50QHJibS5nb29nIn0="
	delivered     = `{"message":{"attributes":{"business_id":"harborline_ferries_k3x9a1bc_agent@rbm.goog","product":"RBM"},"data":"` + deliveredData + `","messageId":"8150042197310554"},"subscription":"s"}`
	signature     = "+HIQ6OZTBb1CvprcpJi1JedBk0bVeYx2Llc10U3n1BvUJ/iw1snF82dd3w6PkF/23kzna25XnUi3AN4cjzQdUw=="
)

func TestVerifySignature(t *testing.T) {
	t.Parallel()
	other := strings.Replace(delivered, "eyJz", "eyJa", 1)
	attributes := strings.Replace(delivered, `"RBM"`, `"other"`, 1)
	tests := []struct {
		name, token, signature, body string
		want                         error
	}{
		{"valid", clientToken, signature, delivered, nil},
		{"attributes are not signed", clientToken, signature, attributes, nil},
		{"other token", "harborline-demo-token2", signature, delivered, rbm.ErrSignature},
		{"no token", "", signature, delivered, rbm.ErrSignature},
		{"no token, signed with none", "", "", delivered, rbm.ErrSignature},
		{"other data", clientToken, signature, other, rbm.ErrSignature},
		{"no signature", clientToken, "", delivered, rbm.ErrSignature},
		{"truncated signature", clientToken, signature[:44], delivered, rbm.ErrSignature},
		{"signature without padding", clientToken, strings.TrimRight(signature, "="), delivered, rbm.ErrSignature},
		{"signature that is not base64", clientToken, "!" + signature[1:], delivered, rbm.ErrSignature},
		{"body that is not JSON", clientToken, signature, "{", rbm.ErrSignature},
		{"body without data", clientToken, signature, `{"message":{}}`, rbm.ErrSignature},
		{"data that is not base64", clientToken, signature, `{"message":{"data":"!"}}`, rbm.ErrSignature},
	}
	for _, test := range tests {
		if err := rbm.VerifySignature(test.token, test.signature, []byte(test.body)); !errors.Is(err, test.want) {
			t.Errorf("%s: VerifySignature = %v, want %v", test.name, err, test.want)
		}
	}
}

func TestHandshake(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, token, body, secret string
		ok                        bool
		want                      error
	}{
		{"valid", "t", `{"clientToken":"t","secret":"s"}`, "s", true, nil},
		{"wrong token", "t", `{"clientToken":"T","secret":"s"}`, "", true, rbm.ErrHandshake},
		{"no token configured", "", `{"clientToken":"t","secret":"s"}`, "", true, rbm.ErrHandshake},
		{"empty token", "", `{"clientToken":"","secret":"s"}`, "", false, nil},
		{"no secret", "t", `{"clientToken":"t"}`, "", false, nil},
		{"an event", "t", delivered, "", false, nil},
		{"not JSON", "t", `x`, "", false, nil},
	}
	for _, test := range tests {
		secret, ok, err := rbm.Handshake(test.token, []byte(test.body))
		if secret != test.secret || ok != test.ok || !errors.Is(err, test.want) {
			t.Errorf("%s: Handshake = %q, %t, %v; want %q, %t, %v", test.name, secret, ok, err, test.secret, test.ok, test.want)
		}
	}
}

func envelope(payload string) []byte {
	return []byte(`{"message":{"data":"` + base64.StdEncoding.EncodeToString([]byte(payload)) + `"}}`)
}

func TestParseWebhook(t *testing.T) {
	t.Parallel()
	const head = `"senderPhoneNumber":"+15550142233","messageId":"Mx1","sendTime":"2026-11-20T09:16:10.120Z","agentId":"a@rbm.goog"`
	at := time.Date(2026, 11, 20, 9, 16, 10, 120e6, time.UTC)
	from := func(m rbm.UserMessage) *rbm.UserMessage {
		m.SenderPhoneNumber, m.MessageID, m.SendTime, m.AgentID = "+15550142233", "Mx1", at, "a@rbm.goog"
		return &m
	}
	tests := []struct {
		name, payload, id string
		want              rbm.Event
	}{
		{"text", `{` + head + `,"text":"Which pier?"}`, "Mx1", from(rbm.UserMessage{Text: "Which pier?"})},
		{"empty text", `{` + head + `,"text":""}`, "Mx1", from(rbm.UserMessage{})},
		{
			"US number", `{` + head + `,"text":"Hi","carrier":"c","richMessageClassification":{"classificationType":"RICH","segmentCount":1}}`, "Mx1",
			from(rbm.UserMessage{Text: "Hi", Carrier: "c", RichMessageClassification: &rbm.RichMessageClassification{ClassificationType: "RICH", SegmentCount: 1}}),
		},
		{
			"reply", `{` + head + `,"suggestionResponse":{"postbackData":"pier info ä","text":"Show pier","type":"REPLY"}}`, "Mx1",
			from(rbm.UserMessage{SuggestionResponse: &rbm.SuggestionResponse{PostbackData: "pier info ä", Text: "Show pier", Type: "REPLY"}}),
		},
		{
			"location", `{` + head + `,"location":{"latitude":47.6026,"longitude":"-122.3393"}}`, "Mx1",
			from(rbm.UserMessage{Location: &rbm.LatLng{Latitude: 47.6026, Longitude: -122.3393}}),
		},
		{
			"file", `{` + head + `,"userFile":{"payload":{"mimeType":"image/jpeg","fileSizeBytes":204331,"fileName":"t.jpg","fileUri":"https://f.example/1"},
				"thumbnail":{"mimeType":"image/jpeg","fileSizeBytes":"8121","fileUri":"https://f.example/2"}}}`, "Mx1",
			from(rbm.UserMessage{UserFile: &rbm.UserFile{
				Payload:   &rbm.FileInfo{MimeType: "image/jpeg", FileSizeBytes: 204331, FileName: "t.jpg", FileURI: "https://f.example/1"},
				Thumbnail: &rbm.FileInfo{MimeType: "image/jpeg", FileSizeBytes: 8121, FileURI: "https://f.example/2"},
			}}),
		},
		{
			"message with an event ID, as in a guide", `{"senderPhoneNumber":"+15550142233","eventId":"Mx9","suggestionResponse":{"postbackData":"p"}}`, "Mx9",
			&rbm.UserMessage{SenderPhoneNumber: "+15550142233", MessageID: "Mx9", SuggestionResponse: &rbm.SuggestionResponse{PostbackData: "p"}},
		},
		{
			"mismatched types", `{"text":"Hi","messageId":7,"sendTime":"soon","location":[],"userFile":null,"novelty":{}}`, "",
			&rbm.UserMessage{Text: "Hi"},
		},
		{
			"user event", `{` + head + `,"eventType":"READ","eventId":"E1"}`, "E1",
			&rbm.UserEvent{SenderPhoneNumber: "+15550142233", EventType: rbm.UserRead, EventID: "E1", MessageID: "Mx1", SendTime: at, AgentID: "a@rbm.goog"},
		},
		{
			"unsubscription", `{"senderPhoneNumber":"+15550142233","eventType":"UNSUBSCRIBE","eventId":"E2"}`, "E2",
			&rbm.UserEvent{SenderPhoneNumber: "+15550142233", EventType: rbm.UserUnsubscribe, EventID: "E2"},
		},
		{
			"unknown user event", `{"senderPhoneNumber":"+15550142233","eventType":"WAVED","eventId":"E3"}`, "E3",
			&rbm.UserEvent{SenderPhoneNumber: "+15550142233", EventType: "WAVED", EventID: "E3"},
		},
		{
			"server event", `{"phoneNumber":"+15550142233","messageId":"m","agentId":"a@rbm.goog","eventType":"TTL_EXPIRATION_REVOKED","eventId":"E4","sendTime":"2026-11-20T09:16:10.120Z"}`, "E4",
			&rbm.ServerEvent{PhoneNumber: "+15550142233", MessageID: "m", AgentID: "a@rbm.goog", EventType: rbm.TTLExpirationRevoked, EventID: "E4", SendTime: at},
		},
		{
			"launch", `{"eventId":"7a41","agentId":"a@rbm.goog","botDisplayName":"Ferries","brandId":"c9","brandDisplayName":"Harborline","regionId":"example-carrier",
				"oldLaunchState":"PENDING","newLaunchState":"LAUNCHED","actingParty":"r@a.example","comment":"","sendTime":"2026-11-20T09:16:10.120Z"}`, "7a41",
			&rbm.AgentLaunchEvent{
				EventID: "7a41", AgentID: "a@rbm.goog", BotDisplayName: "Ferries", BrandID: "c9", BrandDisplayName: "Harborline", RegionID: "example-carrier",
				OldLaunchState: "PENDING", NewLaunchState: "LAUNCHED", ActingParty: "r@a.example", SendTime: at,
			},
		},
	}
	for _, test := range tests {
		got, err := rbm.ParseWebhook(envelope(test.payload))
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
		if id := got.Header().ID; id != test.id {
			t.Errorf("%s: Header().ID = %q, want %q", test.name, id, test.id)
		}
	}
	for _, body := range [][]byte{nil, []byte("x"), []byte(`{"message":{"data":"e30"}}`), envelope(""), envelope("[]"), envelope("{}"), envelope(`{"text":null}`), envelope(`{"text":"`)} {
		if got, err := rbm.ParseWebhook(body); !errors.Is(err, rbm.ErrUnknownEvent) {
			t.Errorf("ParseWebhook(%s) = %v, %v; want %v", body, got, err, rbm.ErrUnknownEvent)
		}
	}
}

func TestWebhook(t *testing.T) {
	t.Parallel()
	var got []rbm.Event
	failure := errors.New("the database is down")
	hook := &rbm.Webhook{ClientToken: clientToken, Handle: func(_ context.Context, e rbm.Event) error {
		got = append(got, e)
		return failure
	}}
	call := func(h *rbm.Webhook, method, signature, body string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		r := httptest.NewRequest(method, "/", strings.NewReader(body))
		r.Header.Set(rbm.SignatureHeader, signature)
		h.ServeHTTP(w, r)
		return w
	}
	const unknown = `{"message":{"data":"e30="}}` // {}
	const unknownSignature = "GFY6FQpkNf0Tvr8zF3Jx8e9ZkR9LqzDKZajDIkr9txL2RRkPEKPqiVAUa5wghB3MItd5qQd4XqCFGbtEEyIY9Q=="
	tests := []struct {
		name                    string
		hook                    *rbm.Webhook
		method, signature, body string
		status                  int
		response                string
	}{
		{"GET", hook, "GET", "", "", 405, "send a POST request\n"},
		{"handshake", hook, "POST", "", `{"clientToken":"` + clientToken + `","secret":"<s3>"}`, 200, "<s3>"},
		{"handshake with another token", hook, "POST", "", `{"clientToken":"x","secret":"s"}`, 403, "invalid client token\n"},
		{"handshake without a token set", &rbm.Webhook{}, "POST", "", `{"clientToken":"x","secret":"s"}`, 403, "invalid client token\n"},
		{"forged", hook, "POST", unknownSignature, delivered, 403, "invalid signature\n"},
		{"no token set", &rbm.Webhook{}, "POST", signature, delivered, 403, "invalid signature\n"},
		{"too large", hook, "POST", signature, strings.Repeat(" ", 1<<20+1), 400, "cannot read the body\n"},
		{"unknown", hook, "POST", unknownSignature, unknown, 200, ""},
		{"handler error", hook, "POST", signature, delivered, 500, "handling the event failed\n"},
	}
	for _, test := range tests {
		w := call(test.hook, test.method, test.signature, test.body)
		if w.Code != test.status || w.Body.String() != test.response {
			t.Errorf("%s: %d %q, want %d %q", test.name, w.Code, w.Body, test.status, test.response)
		}
	}
	if w := call(&rbm.Webhook{ClientToken: clientToken}, "POST", signature, delivered); w.Code != 500 {
		t.Errorf("event without a handler: status %d, want 500", w.Code)
	}
	var raw []string
	unknownError := errors.New("the queue is full")
	forward := &rbm.Webhook{ClientToken: clientToken, Unknown: func(_ context.Context, data []byte) error {
		raw = append(raw, string(data))
		return unknownError
	}}
	for _, want := range []int{500, 200} {
		if w := call(forward, "POST", unknownSignature, unknown); w.Code != want {
			t.Errorf("unknown event: status %d, want %d", w.Code, want)
		}
		unknownError = nil
	}
	if diff := cmp.Diff([]string{"{}", "{}"}, raw); diff != "" {
		t.Errorf("unknown events (-want +got):\n%s", diff)
	}
	failure = nil
	if w := call(hook, "POST", signature, delivered); w.Code != 200 || w.Body.Len() != 0 {
		t.Errorf("event: %d %q, want 200 and an empty body", w.Code, w.Body)
	}
	want := &rbm.UserEvent{
		SenderPhoneNumber: "+15550142233", EventType: rbm.UserDelivered, EventID: "MxTQ7f3rSLKcP0bn2vYd1A", MessageID: messageID,
		SendTime: time.Date(2026, 11, 20, 9, 15, 4, 218e6, time.UTC), AgentID: "harborline_ferries_k3x9a1bc_agent@rbm.goog",
	}
	if diff := cmp.Diff([]rbm.Event{want, want}, got); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

// TestWebhook_simulator receives a delivery, a read receipt and a reply from the simulator.
func TestWebhook_simulator(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var got []string
	server := httptest.NewServer(&rbm.Webhook{ClientToken: clientToken, Handle: func(_ context.Context, e rbm.Event) error {
		mu.Lock()
		defer mu.Unlock()
		switch e := e.(type) {
		case *rbm.UserMessage:
			got = append(got, "message "+e.Text)
		case *rbm.UserEvent:
			got = append(got, string(e.EventType)+" "+e.MessageID)
		}
		return nil
	}})
	t.Cleanup(server.Close)
	sim := &rbmtest.Simulator{AutoRead: true}
	client := simulate(t, sim, rbm.Config{})
	if _, err := sim.Connect(t.Context(), rbmtest.WebhookConfig{URL: server.URL, ClientToken: "wrong"}); err == nil {
		t.Error("the handshake succeeded with a wrong client token")
	}
	if _, err := sim.Connect(t.Context(), rbmtest.WebhookConfig{URL: server.URL, ClientToken: clientToken}); err != nil {
		t.Fatal(err)
	}
	if _, err := client.SendMessage(t.Context(), phone, "m1", hello); err != nil {
		t.Fatal(err)
	}
	if _, err := sim.Act(rbmtest.UserAction{Action: rbmtest.ActionText, Phone: phone, Text: "Thanks"}); err != nil {
		t.Fatal(err)
	}
	if err := sim.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	if diff := cmp.Diff([]string{"DELIVERED m1", "READ m1", "message Thanks"}, got); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

// FuzzWebhook checks that no other signature or data verifies, and that no body causes a
// panic.
func FuzzWebhook(f *testing.F) {
	f.Add(signature, []byte(delivered))
	f.Add("", []byte(`{"clientToken":"`+clientToken+`","secret":"s"}`))
	f.Add(signature, envelope(`{"text":"Hi","location":{"latitude":1e999}}`))
	f.Fuzz(func(t *testing.T, signed string, body []byte) {
		event, err := rbm.ParseWebhook(body)
		if (event == nil) == (err == nil) {
			t.Errorf("ParseWebhook(%q) = %v, %v", body, event, err)
		}
		rbm.Handshake(clientToken, body)
		if rbm.VerifySignature(clientToken, signed, body) != nil {
			return
		}
		want, _ := rbm.ParseWebhook([]byte(delivered))
		if diff := cmp.Diff(want, event); diff != "" {
			t.Errorf("another event verifies (-signed +got):\n%s", diff)
		}
	})
}

var _ http.Handler = (*rbm.Webhook)(nil)

func TestEvent_header(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 20, 9, 16, 10, 0, time.UTC)
	const agent, agentWithDomain = "a_agent", "a_agent@rbm.goog"
	tests := []struct {
		event rbm.Event
		want  rbm.EventHeader
	}{
		{&rbm.UserMessage{SenderPhoneNumber: phone, MessageID: "m", SendTime: at, AgentID: agentWithDomain}, rbm.EventHeader{ID: "m", AgentID: agent, Phone: phone, MessageID: "m", Time: at}},
		{&rbm.UserEvent{SenderPhoneNumber: phone, EventID: "e", MessageID: "m", SendTime: at, AgentID: agentWithDomain}, rbm.EventHeader{ID: "e", AgentID: agent, Phone: phone, MessageID: "m", Time: at}},
		{&rbm.ServerEvent{PhoneNumber: phone, EventID: "e", MessageID: "m", SendTime: at, AgentID: agent}, rbm.EventHeader{ID: "e", AgentID: agent, Phone: phone, MessageID: "m", Time: at}},
		{&rbm.AgentLaunchEvent{EventID: "e", AgentID: agentWithDomain, SendTime: at}, rbm.EventHeader{ID: "e", AgentID: agent, Time: at}},
	}
	for _, test := range tests {
		if diff := cmp.Diff(test.want, test.event.Header()); diff != "" {
			t.Errorf("%T.Header() (-want +got):\n%s", test.event, diff)
		}
	}
}

// TestFileInfo_json checks that a FileInfo can be decoded from the JSON of the platform,
// which has int64 values as strings, and from its own.
func TestFileInfo_json(t *testing.T) {
	t.Parallel()
	want := rbm.FileInfo{MimeType: "image/jpeg", FileSizeBytes: 204331, FileURI: "https://f.example/1"}
	encoded, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	for _, in := range []string{
		`{"mimeType":"image/jpeg","fileSizeBytes":"204331","fileUri":"https://f.example/1"}`,
		`{"mimeType":"image/jpeg","fileSizeBytes":204331,"fileUri":"https://f.example/1"}`,
		string(encoded),
	} {
		var got rbm.FileInfo
		if err := json.Unmarshal([]byte(in), &got); err != nil || got != want {
			t.Errorf("Unmarshal(%s) = %+v, %v; want %+v", in, got, err, want)
		}
	}
	if err := json.Unmarshal([]byte(`{"fileSizeBytes":[]}`), new(rbm.FileInfo)); err == nil {
		t.Error("Unmarshal of a list as the size succeeded")
	}
}
