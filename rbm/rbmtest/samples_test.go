package rbmtest_test

import (
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/google/uuid"
	"golang.org/x/oauth2/google"

	"github.com/rcshook/rcshook/rbm"
	"github.com/rcshook/rcshook/rbm/rbmtest"
)

// sample is a request with the response of the simulator and of the real service. The test
// compares only the parts that are known or assumed to be equal.
type sample struct {
	name   string
	verb   string
	path   string // {phone}, {agent} and {id} are filled in
	token  string // empty: a good one; none; or as it is
	body   string
	status int

	// For a success, members that the response must have; for a refusal, the
	// status word and the beginning of the message.
	members []string
	word    string
	message string
}

const createPath = "/v1/phones/{phone}/agentMessages?messageId={id}&agentId={agent}"

// accepted are bodies of every kind of content.
var accepted = []struct{ name, body string }{
	{"text", `{"contentMessage":{"text":"The 09:40 leaves from pier 2."}}`},
	{"snake case", `{"content_message":{"text":"Snakes","suggestions":[{"reply":{"text":"Yes","postback_data":"y"}}]}}`},
	{"nulls and empty strings", `{"contentMessage":{"contentInfo":{"fileUrl":"https://media.example.com/a.png","thumbnailUrl":null,"forceRefresh":false}},"messageTrafficType":null}`},
	{"single quotes", `{'contentMessage': {'text': 'It is "quoted"',}}`},
	{"bare names", `{contentMessage: {text: "bare"}}`},
	{"escapes", `{"contentMessage":{"text":"a\u00e9\ud83d\ude00\n\/"}}`},
	{"replies", `{"contentMessage":{"text":"Wait?","suggestions":[{"reply":{"text":"Yes","postbackData":"y"}},{"reply":{"text":"No","postbackData":"n"}}]}}`},
	{"dial", `{"contentMessage":{"text":"Call","suggestions":[{"action":{"text":"Call us","postbackData":"c","fallbackUrl":"https://example.com/c","dialAction":{"phoneNumber":"+12025550199"}}}]}}`},
	{"location, numbers as strings", `{"contentMessage":{"text":"Here","suggestions":[{"action":{"text":"Map","postbackData":"m","viewLocationAction":{"latLong":{"latitude":"47.6","longitude":"-122.3"},"label":"Pier"}}}]}}`},
	{"location by query", `{"contentMessage":{"text":"Here","suggestions":[{"action":{"text":"Map","postbackData":"m","viewLocationAction":{"query":"bakery"}}}]}}`},
	{"calendar", `{"contentMessage":{"text":"Booked","suggestions":[{"action":{"text":"Save","postbackData":"s","createCalendarEventAction":{"startTime":"2026-12-01T09:40:00+01:00","endTime":"2026-12-01T10:30:00.5Z","title":"Ferry","description":"Pier 2"}}}]}}`},
	{"browser", `{"contentMessage":{"text":"Read","suggestions":[{"action":{"text":"Open","postbackData":"o","openUrlAction":{"url":"https://example.com/t","application":"BROWSER"}}}]}}`},
	{"webview", `{"contentMessage":{"text":"Read","suggestions":[{"action":{"text":"Open","postbackData":"o","openUrlAction":{"url":"https://example.com/t","application":"WEBVIEW","webviewViewMode":"TALL","description":"Seats"}}}]}}`},
	{"share location", `{"contentMessage":{"text":"Where?","suggestions":[{"action":{"text":"Share","postbackData":"s","shareLocationAction":{}}}]}}`},
	{"file with chips", `{"contentMessage":{"contentInfo":{"fileUrl":"https://media.example.com/t.pdf","forceRefresh":true},"suggestions":[{"reply":{"text":"Got it","postbackData":"ok"}}]}}`},
	{"card", `{"contentMessage":{"richCard":{"standaloneCard":{"cardOrientation":"VERTICAL","cardContent":{"title":"Cruise","description":"Ninety minutes","media":{"height":"MEDIUM","contentInfo":{"fileUrl":"https://media.example.com/c.jpg","thumbnailUrl":"https://media.example.com/s.jpg"}},"suggestions":[{"reply":{"text":"Book","postbackData":"b"}}]}}}}}`},
	{"horizontal card", `{"contentMessage":{"richCard":{"standaloneCard":{"cardOrientation":"HORIZONTAL","thumbnailImageAlignment":"LEFT","cardContent":{"title":"Rye","media":{"contentInfo":{"fileUrl":"https://media.example.com/r.jpg"}}}}}}}`},
	{"alt text", `{"contentMessage":{"richCard":{"standaloneCard":{"cardOrientation":"VERTICAL","cardContent":{"title":"Safety","media":{"height":"TALL","contentDescription":"A life jacket","contentInfo":{"fileUrl":"https://media.example.com/v.mp4"}}}}}}}`},
	{"carousel", `{"contentMessage":{"richCard":{"carouselCard":{"cardWidth":"SMALL","cardContents":[{"title":"One","media":{"height":"SHORT","contentInfo":{"fileUrl":"https://media.example.com/1.jpg"}}},{"title":"Two","suggestions":[{"reply":{"text":"Two","postbackData":"2"}}]}]}}}}`},
	{"ttl", `{"contentMessage":{"text":"482913 is your code."},"messageTrafficType":"AUTHENTICATION","ttl":"120.5s"}`},
	{"enum by number", `{"contentMessage":{"text":"By number"},"messageTrafficType":2}`},
}

// samples are the requests of the table test. Those that reach a phone come first.
func samples() []sample {
	var out []sample
	for _, a := range accepted {
		out = append(out, sample{
			name: "create/" + a.name, verb: "POST", path: createPath, body: a.body, status: 200,
			members: []string{"name", "sendTime", "contentMessage"},
		})
	}
	const noBinding = "Invalid JSON payload received. Unknown name \"foo\": Cannot bind query parameter. Field 'foo' could not be found in request message."
	return append(out,
		sample{name: "capabilities", verb: "GET", path: "/v1/phones/{phone}/capabilities?requestId={id}&agentId={agent}", status: 200, members: []string{"features"}},
		sample{name: "typing", verb: "POST", path: "/v1/phones/{phone}/agentEvents?eventId={id}&agentId={agent}", body: `{"eventType":"IS_TYPING"}`, status: 200, members: []string{"name", "eventType", "sendTime"}},
		sample{
			name: "no token", verb: "POST", path: createPath, token: "none", body: text, status: 401, word: "UNAUTHENTICATED",
			message: "Request is missing required authentication credential.",
		},
		sample{
			name: "bad token", verb: "POST", path: createPath, token: "ya29.nonsense", body: text, status: 401, word: "UNAUTHENTICATED",
			message: "Request had invalid authentication credentials.",
		},
		sample{
			name: "no agent", verb: "POST", path: "/v1/phones/{phone}/agentMessages?messageId={id}", body: text, status: 403, word: "PERMISSION_DENIED",
			message: "There was an error looking up the RBM agent (ID: null)",
		},
		sample{name: "unknown query parameter", verb: "POST", path: createPath + "&foo=1", body: text, status: 400, word: "INVALID_ARGUMENT", message: noBinding},
		sample{
			name: "unknown field", verb: "POST", path: createPath, body: `{"contentMessage":{"text":"x","foo":1}}`, status: 400, word: "INVALID_ARGUMENT",
			message: `Invalid JSON payload received. Unknown name "foo" at 'agent_message.content_message': Cannot find field.`,
		},
		sample{
			name: "unknown enum word", verb: "POST", path: createPath,
			body:   `{"contentMessage":{"richCard":{"standaloneCard":{"cardOrientation":"DIAGONAL","cardContent":{"title":"x"}}}}}`,
			status: 400, word: "INVALID_ARGUMENT",
			message: "Invalid value at 'agent_message.content_message.rich_card.standalone_card.card_orientation'",
		},
		sample{
			name: "two contents", verb: "POST", path: createPath, body: `{"contentMessage":{"text":"x","richCard":{}}}`, status: 400, word: "INVALID_ARGUMENT",
			message: "Invalid value at 'agent_message.content_message' (oneof), oneof field 'content' is already set. Cannot set 'richCard'",
		},
		sample{name: "broken JSON", verb: "POST", path: createPath, body: `{"contentMessage" 1}`, status: 400, word: "INVALID_ARGUMENT", message: "Invalid JSON payload received."},
		sample{
			name: "long label", verb: "POST", path: createPath,
			body:   `{"contentMessage":{"text":"x","suggestions":[{"reply":{"text":"` + strings.Repeat("l", 26) + `","postbackData":"p"}}]}}`,
			status: 400, word: "INVALID_ARGUMENT",
			message: "Within suggested reply, the provided text exceeds the maximum allowed length.",
		},
		sample{name: "no content", verb: "POST", path: createPath, body: `{}`, status: 400, word: "INVALID_ARGUMENT"},
		sample{name: "unknown path", verb: "GET", path: "/v1/phones/{phone}/nothing", status: 404},
		sample{name: "wrong method", verb: "PATCH", path: createPath, body: text, status: 404},
	)
}

// try runs a sample against a server and compares the response.
func (s sample) try(t *testing.T, base, token, agentID, phone string) {
	t.Helper()
	path := strings.NewReplacer("{phone}", phone, "{agent}", agentID, "{id}", uuid.NewString()).Replace(s.path)
	req, err := http.NewRequestWithContext(t.Context(), s.verb, base+path, strings.NewReader(s.body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	switch s.token {
	case "":
		req.Header.Set("Authorization", "Bearer "+token)
	case "none":
	default:
		req.Header.Set("Authorization", "Bearer "+s.token)
	}
	got := (&rig{}).send(t, req)
	if got.status != s.status {
		t.Fatalf("status %d, want %d\n%s", got.status, s.status, got.body)
	}
	var body map[string]any
	isJSON := json.Unmarshal([]byte(got.body), &body) == nil
	if s.status == 200 {
		for _, name := range s.members {
			if body[name] == nil {
				t.Errorf("the response has no %s:\n%s", name, got.body)
			}
		}
		return
	}
	if s.word == "" {
		if isJSON {
			t.Errorf("the response is the API's, want an HTML page:\n%s", got.body)
		}
		return
	}
	var envelope struct {
		Error struct{ Message, Status string }
	}
	if err := json.Unmarshal([]byte(got.body), &envelope); err != nil {
		t.Fatalf("%v\n%s", err, got.body)
	}
	equal(t, "error.status", envelope.Error.Status, s.word)
	if !strings.HasPrefix(envelope.Error.Message, s.message) {
		t.Errorf("error.message = %q, want it to begin with %q", envelope.Error.Message, s.message)
	}
}

func TestSamples(t *testing.T) {
	t.Parallel()
	g := start(t, new(rbmtest.Simulator))
	for _, s := range samples() {
		t.Run(s.name, func(t *testing.T) { s.try(t, g.url, g.token, agent, phone) })
	}
	equal(t, "messages", len(g.Messages()), len(accepted))
}

// TestSamplesLive holds the same table against Google. It sends a message of each
// kind to the phone, which must be your own.
func TestSamplesLive(t *testing.T) {
	keyPath, agentID, to := os.Getenv("RBM_LIVE_KEY"), os.Getenv("RBM_LIVE_AGENT"), os.Getenv("RBM_LIVE_PHONE")
	if keyPath == "" || agentID == "" || to == "" {
		t.Skip("NOT RUN against the real service: set RBM_LIVE_KEY (path of a key file), RBM_LIVE_AGENT and RBM_LIVE_PHONE (a tester's number)")
	}
	key, err := os.ReadFile(keyPath)
	if err != nil {
		t.Fatal(err)
	}
	conf, err := google.JWTConfigFromJSON(key, rbm.Scope)
	if err != nil {
		t.Fatal(err)
	}
	token, err := conf.TokenSource(t.Context()).Token()
	if err != nil {
		t.Fatal(err)
	}
	host := "https://rcsbusinessmessaging.googleapis.com"
	if region := os.Getenv("RBM_LIVE_REGION"); region != "" {
		host = "https://" + region + "-rcsbusinessmessaging.googleapis.com"
	}
	for _, s := range samples() {
		t.Run(s.name, func(t *testing.T) { s.try(t, host, token.AccessToken, agentID, to) })
	}
}
