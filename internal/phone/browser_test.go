package phone_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/rcshook/rcshook/internal/phone"
	"github.com/rcshook/rcshook/rbm/rbmtest"
)

// TestExamples picks every example, sees its preview, sends it, and sees it arrive.
func TestExamples(t *testing.T) {
	t.Parallel()
	// What the phone shows of each: a selector, and a text in what it finds.
	want := map[string][2]string{
		"text":           {".bubble", "Boarding for the 09:40"},
		"replies":        {".bubble", "20 minutes late"},
		"actions":        {".bubble", "Everything a chip can do"},
		"otp":            {".bubble", "482913"},
		"card":           {".card[data-layout=vertical] .media[data-height=MEDIUM] + .card-body", "Your ferry leaves"},
		"card-left":      {".card[data-layout=horizontal][data-side=left]", "Lighthouse walk"},
		"card-right":     {".card[data-layout=horizontal][data-side=right]", "Harbor café"},
		"video":          {".card:has(.media[data-kind=video][data-height=TALL] .play)", "Safety on board"},
		"carousel":       {".carousel-medium .card:nth-child(3)", "North Harbor"},
		"carousel-small": {".carousel-small .card:nth-child(3)", "Season"},
		"flat":           {".carousel .card:nth-child(2)", "Quiet zone"},
		"image":          {".row-agent:has(.file img[src='/pictures/island.svg'])", ""},
		"pdf":            {".document", "boarding-pass-1042.pdf"},
		"audio":          {".sound", "announcement.mp3"},
		"scripts":        {".bubble[dir=auto]", "مرحباً"},
		"raw":            {".bubble", "goes through as it is"},
		"offline":        {".row-agent[data-state=queued] .bubble", "The gate closes"},
	}
	g := serve(t, phone.Options{}).open(1440, 900)
	for _, e := range examples(t) {
		if e.Name == "faults" {
			continue
		}
		w, ok := want[e.Name]
		if !ok {
			t.Errorf("example %q: the test does not know what it looks like", e.Name)
			continue
		}
		g.click(fmt.Sprintf("[data-example=%q]", e.Name))
		inPreview := strings.ReplaceAll(w[0], ".row-agent[data-state=queued]", ".frame")
		g.shows(".preview "+strings.ReplaceAll(inPreview, ".row-agent", ".frame"), w[1])
		before := len(g.sim.Messages())
		g.click("#send")
		g.shows("#answer .pill", "200 accepted")
		g.shows(".rows "+w[0], w[1])
		if after := len(g.sim.Messages()); after != before+1 {
			t.Errorf("example %q: %d messages reached the simulator by one Send, want 1", e.Name, after-before)
		}
	}
	g.clean()
}

// TestLive sees a message that a program sends, in less than a second, and its ticks.
func TestLive(t *testing.T) {
	t.Parallel()
	g := serve(t, phone.Options{}).open(1440, 900)
	g.shows("#screen", "Waiting for the first message")
	eval[bool](g, `(() => {
		new MutationObserver(() => {
			if (!window.seen && document.querySelector("#screen").innerText.includes("Hello from a program")) window.seen = Date.now();
		}).observe(document.querySelector("#screen"), {subtree: true, childList: true, characterData: true});
		return true;
	})()`)
	g.post(`{"to": "` + someone + `", "text": "Hello from a program", "buttons": ["Hi!"]}`)
	g.wait(`window.seen`)
	seen := time.UnixMilli(eval[int64](g, `window.seen`))
	if late := seen.Sub(g.sim.Messages()[0].Received); late > time.Second {
		t.Errorf("the message was on the phone after %v, want within a second", late)
	}
	// Who looks at it has read it.
	g.shows(".row-agent[data-state=read] .meta", "Read")
	if got := g.sim.Messages()[0].State; got != rbmtest.StateRead {
		t.Errorf("state = %s, want read", got)
	}
	g.shows("#announcer", "New message from Harborline Ferries to +1 202 555 0123: Hello from a program")
	g.clean()
}

// TestConversations keeps numbers apart, and leaves the phone on the one that the
// user has chosen.
func TestConversations(t *testing.T) {
	t.Parallel()
	g := serve(t, phone.Options{}).open(1440, 900)
	g.post(`{"to": "+12025550111", "text": "to the first"}`)
	g.shows(".bubble", "to the first")
	g.click(".chat")
	g.post(`{"to": "+12025550112", "text": "to the second"}`)
	g.shows(".chat:not([aria-current])", "to the second")
	g.shows(".chat:not([aria-current]) .badge", "1")
	g.wait(`document.title === "(1) rcshook phone"`)
	if text := g.text("#screen"); strings.Contains(text, "to the second") {
		t.Errorf("the first phone shows what was sent to the second: %q", text)
	}
	g.click(".chat:not([aria-current])")
	g.shows(".bubble", "to the second")
	g.wait(`document.title === "rcshook phone"`)
	g.clean()
}

// TestChips taps a reply: the event is pushed as the platform would push it, and the
// chips are gone, while the buttons of cards stay.
func TestChips(t *testing.T) {
	t.Parallel()
	hook := newHook(t)
	g := serve(t, phone.Options{Webhook: hook.url})
	if err := g.sim.Connect(t.Context(), rbmtest.Webhook{URL: hook.url, ClientToken: "secret"}); err != nil {
		t.Fatal(err)
	}
	g.open(1440, 900)
	g.post(`{"to": "` + someone + `", "title": "Ferry", "text": "At 09:40", "buttons": ["Change|=CHANGE"], "chips": ["Fine|=OK_1", "Help|tel:+12025550199"]}`)
	g.shows(".chips .chip", "Fine")
	g.click(".chips .chip")
	g.shows(".row-user .bubble", "Fine")
	g.wait(`!document.querySelector(".chips") && document.querySelector(".card-button")`)
	g.shows(".row-user .meta", "webhook 200")
	got := hook.find(t, "suggestionResponse")
	if diff := cmp.Diff(map[string]any{"postbackData": "OK_1", "text": "Fine", "type": "REPLY"}, got); diff != "" {
		t.Errorf("pushed suggestionResponse (-want +got):\n%s", diff)
	}
	g.click(".row-user .meta")
	g.shows("#inspect", `"postbackData": "OK_1"`)
	g.shows("#inspect .pushed", "200")

	// The button of the card is still there to be tapped.
	g.click(".card-button")
	g.wait(`document.querySelectorAll(".row-user").length === 2`)
	g.clean()
}

// TestActions taps every kind of action, and sees what the phone would do.
func TestActions(t *testing.T) {
	t.Parallel()
	g := serve(t, phone.Options{}).open(1440, 900)
	for _, e := range examples(t) {
		if e.Name == "actions" {
			g.post(string(e.Payload))
		}
	}
	for _, tt := range []struct{ kind, sheet, size string }{
		{"open", "harborline.example/timetable", ""},
		{"webview", "harborline.example/t/1042", "tall"},
		{"dial", "+1 202 555 0199", ""},
		{"place", "47.6026, -122.3393", ""},
		{"calendar", "Ferry to Orrin Island", ""},
	} {
		g.click(`.chip[data-kind="` + tt.kind + `"]`)
		g.shows(".sheet", tt.sheet)
		if got := eval[string](g, `document.querySelector(".sheet").dataset.size`); got != tt.size {
			t.Errorf("%s: the sheet is %q, want %q", tt.kind, got, tt.size)
		}
		if tt.kind == "open" {
			link := eval[map[string]string](g, `(({href, rel, target}) => ({href, rel, target}))(document.querySelector(".sheet a"))`)
			want := map[string]string{"href": "https://harborline.example/timetable", "rel": "noopener noreferrer", "target": "_blank"}
			if diff := cmp.Diff(want, link); diff != "" {
				t.Errorf("link (-want +got):\n%s", diff)
			}
		}
		g.do(chromedp.KeyEvent("\x1b"))
		g.wait(`!document.querySelector(".sheet")`)
	}
	g.wait(`document.querySelectorAll(".row-tap").length === 5`)

	g.click(`.chip[data-kind="share"]`)
	g.shows(".sheet", "Share a location")
	g.click(`.sheet [type=submit]`)
	g.shows(".row-user .map", "47.6026, -122.3393")
	location := ""
	for _, e := range g.sim.Events() {
		if e.Kind == rbmtest.EventUserMessage && strings.Contains(string(e.Payload), `"location"`) {
			location = string(e.Payload)
		}
	}
	if !strings.Contains(location, `"location":{"latitude":47.6026,"longitude":-122.3393}`) {
		t.Errorf("user message = %s, want the location", location)
	}
	g.clean()
}

// TestTyping writes to the agent with the keyboard alone.
func TestTyping(t *testing.T) {
	t.Parallel()
	g := serve(t, phone.Options{}).open(1440, 900)
	g.post(`{"to": "` + someone + `", "text": "Which pier?", "buttons": ["Pier 2"]}`)
	g.shows(".chip", "Pier 2")
	g.do(chromedp.Focus(chromedp.CSS(".typed")), chromedp.KeyEvent("Not sure\r"))
	g.shows(".row-user .bubble", "Not sure")
	g.shows(".row-user .meta", "Sent")
	g.wait(`!document.querySelector(".chips") && document.querySelector(".typed").value === ""`)
	g.clean()
}

// TestOffline sees messages wait for a phone without network, and come when it is
// switched on.
func TestOffline(t *testing.T) {
	t.Parallel()
	g := serve(t, phone.Options{}).open(1440, 900)
	const offline = "+12025550108"
	g.post(`{"to": "` + offline + `", "text": "first"}`)
	g.post(`{"to": "` + offline + `", "text": "second", "buttons": ["Yes"]}`)
	g.shows(".banner", "2 messages at the platform")
	g.wait(`document.querySelectorAll(".row-agent[data-state=queued]").length === 2 && !document.querySelector(".chips")`)
	g.click(".banner .button")
	g.wait(`document.querySelectorAll(".row-agent[data-state=read]").length === 2 && document.querySelector(".banner").hidden`)
	g.shows(".chips", "Yes")
	g.click(".menu-button")
	g.click(".menu-entry")
	g.shows(".banner", "Offline")
	g.clean()
}

// TestEnds shows messages that never arrive: revoked, expired, refused.
func TestEnds(t *testing.T) {
	t.Parallel()
	g := serve(t, phone.Options{}).open(1440, 900)
	const offline = "+12025550108"
	answer := g.post(`{"to": "` + offline + `", "text": "taken back"}`)
	g.revoke(offline, answer["message_id"].(string))
	g.shows(".row-agent[data-state=revoked] .meta", "Revoked before it was delivered")
	g.post(`{"to": "` + offline + `", "text": "too late", "ttl": 1}`)
	g.shows(".row-agent[data-state=expired] .meta", "Expired before it was delivered")
	g.click(".row-agent[data-state=expired] .meta")
	g.shows("#inspect", "TTL_EXPIRATION_REVOKED")

	g.post(`{"to": "+12025550104", "text": "nobody there"}`)
	g.shows(".chat", "Refused with 404: nothing arrives")
	g.clean()
}

func (g *rig) revoke(to, id string) {
	g.t.Helper()
	address := g.call + "messages/" + id + "?to=" + strings.ReplaceAll(to, "+", "%2B")
	req, err := http.NewRequestWithContext(g.t.Context(), http.MethodDelete, address, nil)
	if err != nil {
		g.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer dev")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		g.t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		g.t.Fatalf("revoke: status %d, want 200", resp.StatusCode)
	}
}

// TestInspector tells everything about a message.
func TestInspector(t *testing.T) {
	t.Parallel()
	g := serve(t, phone.Options{}).open(1440, 900)
	text := strings.Repeat("Ferry. ", 430) // 3010 of 3072 characters
	answer := g.post(`{"to": "` + someone + `", "text": "` + text + `", "buttons": ["Yes"], "traffic": "transaction"}`)
	g.click(".row-agent .meta")
	for _, want := range []string{
		"Text", answer["message_id"].(string), "rcshook_demo_k3x9a1bc_agent", "TRANSACTION", "bytes of JSON",
		"Rich, 19 segments (US)", "example-us",
		"3,010 of 3,072 characters",
		"/agentMessages?", "DELIVERED", "READ",
		`"messageTrafficType": "TRANSACTION"`, `"sendTime"`,
	} {
		g.shows("#inspect", want)
	}
	g.post(`{"to": "+12025550157", "text": "third time lucky", "idempotency_key": "k"}`)
	g.shows(".chat", "third time lucky")
	g.click(".chat:not([aria-current])")
	g.shows("#inspect", "3 requests")
	g.clean()
}

// TestFaults shows what is wrong with a payload at the line where it was written.
func TestFaults(t *testing.T) {
	t.Parallel()
	g := serve(t, phone.Options{}).open(1440, 900)
	g.write("{\n  \"to\": \"+12025550123\",\n  \"txt\": \"Hello\",\n  \"buttons\": [\n    \"Yes\",\n    \"No|javascript:alert(1)\"\n  ]\n}")
	g.shows(".faults li:nth-child(1)", "Line 3")
	g.shows(".faults li:nth-child(1)", "did you mean \"text\"?")
	g.shows(".faults li:nth-child(2)", "Line 6")
	lines := eval[[]int](g, `[...document.querySelectorAll(".editor-line")].flatMap((l, i) => l.classList.contains("wrong") ? [i + 1] : [])`)
	if lines[0] != 3 || lines[1] != 6 {
		t.Errorf("marked lines = %v, want 3 and 6", lines)
	}
	if got := g.text(".fault"); got != `"txt"` {
		t.Errorf("underlined = %q, want the member from its name on", got)
	}
	g.click(".faults li:nth-child(2) button")
	g.wait(`(() => {
		const a = document.querySelector(".editor-text");
		return document.activeElement === a && a.value.slice(a.selectionStart, a.selectionEnd) === '"No|javascript:alert(1)"';
	})()`)
	g.click("#send")
	g.shows("#answer .pill", "422 invalid_payload")

	g.write("{\n  \"to\": \"+12025550123\",\n  \"text\": \"Hello\"\n  \"buttons\": []\n}")
	g.shows(".faults li", "Line 4")
	g.shows("#answer .pill", "400 invalid_body")

	g.write("  ")
	g.shows(".verdict", "Write a payload")
	if n := len(g.sim.Messages()); n != 0 {
		t.Errorf("%d messages were sent, want none", n)
	}
	g.clean()
}

// TestWarnings shows what is allowed but hardly meant, at its line, and sends it
// all the same.
func TestWarnings(t *testing.T) {
	t.Parallel()
	g := serve(t, phone.Options{}).open(1440, 900)
	g.write("{\n  \"to\": \"+12025550123\",\n  \"text\": \"Your code is 1234\",\n  \"ttl\": 5\n}")
	g.shows(".faults li[data-tone=wait]", "Line 4")
	g.wait(`document.querySelectorAll(".editor-line")[3].classList.contains("mild") && document.querySelector(".editor-text").getAttribute("aria-invalid") === "false"`)
	g.shows(".preview", "Your code is 1234")
	g.click("#send")
	g.shows(".rows .bubble", "Your code is 1234")
	g.clean()
}

// TestSources sends the sample event of a source. What the function finds wrong with
// it is not wrong with the text in the editor.
func TestSources(t *testing.T) {
	t.Parallel()
	function := ""
	sample := func(payload string) func() (*http.Request, error) {
		return func() (*http.Request, error) {
			req, err := http.NewRequest(http.MethodPost, function, strings.NewReader(payload)) //nolint:noctx // the page adds its own
			if err == nil {
				req.Header.Set("Authorization", "Bearer dev")
				req.Header.Set("Content-Type", "application/json")
			}
			return req, err
		}
	}
	g := serve(t, phone.Options{Sources: []phone.Source{
		{Name: "shop", About: "Shopify", Sample: sample(`{"to": "` + someone + `", "text": "Order 1042 has shipped"}`)},
		{Name: "broken", About: "a mapping with a fault", Sample: sample(`{"to": "` + someone + `", "txt": "x"}`)},
	}})
	function = g.call
	g.open(1440, 900)
	g.click(`[data-source="shop"]`)
	g.shows("#answer .pill", "200 accepted")
	g.shows(".rows .bubble", "Order 1042 has shipped")
	g.click(`[data-source="broken"]`)
	g.shows("#answer .pill", "422 invalid_payload")
	g.shows("#answer h3", "Answer to /hooks/broken")
	g.wait(`!document.querySelector(".faults li, .editor-line.wrong")`)
	g.shot("sources")
	g.clean()
}

// TestUploads shows files that were uploaded to the platform, by their type.
func TestUploads(t *testing.T) {
	t.Parallel()
	g := serve(t, phone.Options{}).open(1440, 900)
	picture, err := base64.StdEncoding.DecodeString("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==")
	if err != nil {
		t.Fatal(err)
	}
	image := g.upload("image/png", picture)
	g.create(t, map[string]any{"uploadedRbmFile": map[string]any{"fileName": image}})
	g.wait(`[...document.querySelectorAll(".file img")].some((i) => i.getAttribute("src") === "/_sim/` + image + `" && i.naturalWidth === 1)`)
	g.create(t, map[string]any{"richCard": map[string]any{"standaloneCard": map[string]any{"cardOrientation": "VERTICAL", "cardContent": map[string]any{
		"media": map[string]any{"height": "SHORT", "uploadedRbmFile": map[string]any{"fileName": image}},
	}}}})
	g.wait(`document.querySelector(".card .media img")?.naturalWidth === 1`)
	for _, tt := range []struct{ kind, selector, text string }{
		{"application/pdf", ".document-icon", "PDF"},
		{"audio/mpeg", ".sound", ""},
		{"video/mp4", ".file:has(.play)", ""},
	} {
		g.create(t, map[string]any{"uploadedRbmFile": map[string]any{"fileName": g.upload(tt.kind, []byte("x"))}})
		g.shows(tt.selector, tt.text)
	}
	g.clean()
}

func (g *rig) upload(contentType string, data []byte) string {
	g.t.Helper()
	req, err := http.NewRequestWithContext(g.t.Context(), http.MethodPost, g.url+"/upload/v1/files?agentId=rcshook_demo_k3x9a1bc_agent", bytes.NewReader(data))
	if err != nil {
		g.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+g.token())
	req.Header.Set("Content-Type", contentType)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		g.t.Fatal(err)
	}
	defer resp.Body.Close()
	var file struct{ Name string }
	if err := json.NewDecoder(resp.Body).Decode(&file); err != nil || file.Name == "" {
		g.t.Fatalf("upload: status %d, name %q: %v", resp.StatusCode, file.Name, err)
	}
	return file.Name
}

// TestPushFails says so when the webhook does not take an event.
func TestPushFails(t *testing.T) {
	t.Parallel()
	hook := newHook(t)
	g := serve(t, phone.Options{Webhook: hook.url})
	if err := g.sim.Connect(t.Context(), rbmtest.Webhook{URL: hook.url, ClientToken: "secret"}); err != nil {
		t.Fatal(err)
	}
	hook.refuse.Store(true)
	g.open(1440, 900)
	g.post(`{"to": "` + someone + `", "text": "x", "buttons": ["Yes"]}`)
	g.click(".chip")
	g.shows(".row-user .meta", "webhook 500")
	g.click(".row-user .meta")
	g.shows("#inspect .pushed[data-tone=bad]", "500")
	hook.refuse.Store(false) // the platform tries again by itself
	g.shows(".row-user .meta", "webhook 200, ")
	g.shows("#inspect .pushed[data-tone=good]", "200")
}

// TestAgentEvents shows the agent typing, and that it has read.
func TestAgentEvents(t *testing.T) {
	t.Parallel()
	g := serve(t, phone.Options{}).open(1440, 900)
	g.post(`{"to": "` + someone + `", "text": "Which pier?"}`)
	g.shows(".bubble", "Which pier?")
	id, err := g.sim.UserSends(someone, "Two")
	if err != nil {
		t.Fatal(err)
	}
	g.agentEvent(`{"eventType": "READ", "messageId": "` + id + `"}`)
	g.shows(".row-user[data-state=read] .meta", "Read by the agent")
	g.agentEvent(`{"eventType": "IS_TYPING"}`)
	g.wait(`document.querySelector(".typing")`)
	g.post(`{"to": "` + someone + `", "text": "Thank you"}`)
	g.shows(".bubble", "Thank you")
	g.wait(`!document.querySelector(".typing")`)
	g.clean()
}

func (g *rig) agentEvent(event string) {
	g.t.Helper()
	address := g.url + "/v1/phones/" + someone + "/agentEvents?agentId=rcshook_demo_k3x9a1bc_agent&eventId=" + uuid.NewString()
	req, err := http.NewRequestWithContext(g.t.Context(), http.MethodPost, address, strings.NewReader(event))
	if err != nil {
		g.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+g.token())
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		g.t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		g.t.Fatalf("agent event: status %d, want 200", resp.StatusCode)
	}
}

// TestDryRun types payloads that try to get themselves sent.
func TestDryRun(t *testing.T) {
	t.Parallel()
	g := serve(t, phone.Options{}).open(1440, 900)
	for i, payload := range []string{
		`{"to": "+12025550123", "text": "one", "dry_run": false}`,
		`{"to": "+12025550123", "text": "two", "DryRun": "no"}`,
		`{"to": "+12025550123", "text": "three", "validate": false}`,
		`[{"to": "+12025550123", "text": "four"}]`,
		` { "to": "+12025550123", "text": "five" }`,
	} {
		g.write(payload)
		g.shows(".preview .bubble", []string{"one", "two", "three", "four", "five"}[i])
	}
	if n := len(g.sim.Messages()); n != 0 {
		t.Errorf("%d messages were sent by looking at them, want none", n)
	}
	g.click(".preview-close")
	g.wait(`!document.querySelector(".preview")`)
	g.clean()
}

// TestCurl copies a command that a shell reads as it was meant.
func TestCurl(t *testing.T) {
	t.Parallel()
	g := serve(t, phone.Options{}).open(1440, 900)
	g.write(`{"to": "+12025550123", "text": "It's John's $HOME ` + "`date`" + `"}`)
	eval[bool](g, `(() => {
		navigator.clipboard.writeText = async (text) => { window.copied = text; };
		return true;
	})()`)
	g.click("#curl")
	g.shows("#curl", "Copied")
	got := eval[string](g, `window.copied`)
	want := "curl -i '" + g.call + "' \\\n  -H 'Authorization: Bearer dev' \\\n  -H 'Content-Type: application/json' \\\n" +
		"  -d '{\"to\": \"+12025550123\", \"text\": \"It'\\''s John'\\''s $HOME `date`\"}'"
	if got != want {
		t.Errorf("copied:\n%s\nwant:\n%s", got, want)
	}
	g.clean()
}

// TestReset empties the page with the simulator.
func TestReset(t *testing.T) {
	t.Parallel()
	g := serve(t, phone.Options{}).open(1440, 900)
	g.post(`{"to": "` + someone + `", "text": "Hello"}`)
	g.shows(".bubble", "Hello")
	g.click("#reset")
	g.shows("#screen", "Waiting for the first message")
	g.wait(`document.querySelectorAll(".chat").length === 0`)
	g.post(`{"to": "` + someone + `", "text": "Again"}`)
	g.shows(".bubble", "Again")
	g.clean()
}

// TestReconnect loses the line to the simulator and misses nothing.
func TestReconnect(t *testing.T) {
	t.Parallel()
	g := serve(t, phone.Options{}).open(1440, 900)
	g.post(`{"to": "` + someone + `", "text": "before"}`)
	g.shows(".bubble", "before")
	g.gate.Store(true)
	g.server.CloseClientConnections()
	g.wait(`document.querySelector("#live").dataset.state === "lost"`)
	g.post(`{"to": "` + someone + `", "text": "meanwhile"}`)
	g.gate.Store(false)
	g.shows(".bubble", "meanwhile")
	g.wait(`document.querySelector("#live").dataset.state === "live" && document.querySelectorAll(".row-agent").length === 2`)

	// Another process in the same place starts from nothing.
	g.replace()
	g.server.CloseClientConnections()
	g.shows("#screen", "Waiting for the first message")
}

// hook is a webhook that remembers what is pushed to it.
type hook struct {
	url    string
	refuse atomic.Bool

	mu       sync.Mutex
	payloads []map[string]any
}

func newHook(t *testing.T) *hook {
	t.Helper()
	h := new(hook)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body struct {
			Secret  string
			Message struct{ Data []byte }
		}
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		if body.Secret != "" {
			io.WriteString(w, body.Secret)
			return
		}
		if h.refuse.Load() {
			http.Error(w, "not now", http.StatusInternalServerError)
			return
		}
		var payload map[string]any
		if err := json.Unmarshal(body.Message.Data, &payload); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		h.payloads = append(h.payloads, payload)
	}))
	t.Cleanup(server.Close)
	h.url = server.URL + "/events"
	return h
}

// find returns a member of the first payload that has it.
func (h *hook) find(t *testing.T, member string) any {
	t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, p := range h.payloads {
		if p[member] != nil {
			return p[member]
		}
	}
	t.Fatalf("nothing with %s was pushed: %v", member, h.payloads)
	return nil
}
