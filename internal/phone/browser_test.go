package phone_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/google/uuid"

	"github.com/rcshook/rcshook/internal/browsertest"
	"github.com/rcshook/rcshook/internal/googletest/platform"
	"github.com/rcshook/rcshook/internal/phone"
	"github.com/rcshook/rcshook/rbm/rbmtest"
)

// TestLive shows a message of another program without a reload.
func TestLive(t *testing.T) {
	t.Parallel()
	g := serve(t, phone.Options{}).open(1440, 900)
	g.Shows("#screen", "Waiting for the first message")
	g.post(`{"to": "` + phoneNumber + `", "text": "Hello from a program", "buttons": ["Hi!"]}`)
	g.Shows("#screen", "Hello from a program")
	// A visible message is marked as read.
	g.Wait(`document.querySelector(".row-agent[data-state=read]")`)
	// The recipient sees no receipt of it, and the logo of the agent.
	if meta := browsertest.Eval[string](g.Tab, `document.querySelector(".row-agent .meta").innerHTML`); strings.Contains(meta, "svg") || strings.Contains(meta, "Read") {
		t.Errorf("a received message has a receipt: %s", meta)
	}
	g.Wait(`document.querySelector(".avatar img").naturalWidth > 0`)
	if got := g.sim.Messages()[0].State; got != rbmtest.StateRead {
		t.Errorf("state = %s, want read", got)
	}
	g.Shows("#announcer", "New message from Harborline Ferries to +1 202 555 0123: Hello from a program")
	g.Clean()
}

// TestConversations has a conversation per number, and keeps the selected one.
func TestConversations(t *testing.T) {
	t.Parallel()
	g := serve(t, phone.Options{}).open(1440, 900)
	g.post(`{"to": "+12025550111", "text": "to the first"}`)
	g.Shows(".bubble", "to the first")
	g.Click(".chat")
	g.post(`{"to": "+12025550112", "text": "to the second"}`)
	g.Shows(".chat:not([aria-current])", "to the second")
	g.Shows(".chat:not([aria-current]) .badge", "1")
	g.Wait(`document.title === "(1) rcshook phone"`)
	if text := g.Text("#screen"); strings.Contains(text, "to the second") {
		t.Errorf("the first phone shows the message of the second: %q", text)
	}
	g.Click(".chat:not([aria-current])")
	g.Shows(".bubble", "to the second")
	g.Wait(`document.title === "rcshook phone"`)
	g.Clean()
}

// TestOffline delivers waiting messages when an offline phone goes online.
func TestOffline(t *testing.T) {
	t.Parallel()
	g := serve(t, phone.Options{}).open(1440, 900)
	const offline = "+12025550108"
	g.post(`{"to": "` + offline + `", "text": "first"}`)
	g.post(`{"to": "` + offline + `", "text": "second", "buttons": ["Yes"]}`)
	g.Shows(".banner", "2 messages waiting")
	g.Wait(`document.querySelectorAll(".row-agent[data-state=queued]").length === 2 && !document.querySelector(".chips")`)
	g.Click(".banner .button")
	g.Wait(`document.querySelectorAll(".row-agent[data-state=read]").length === 2 && document.querySelector(".banner").hidden`)
	g.Shows(".chips", "Yes")
	g.Click(".menu-button")
	g.Click(".menu-entry")
	g.Shows(".banner", "Offline")
	g.Clean()
}

// TestUndelivered shows messages that are not delivered: revoked, expired, rejected.
func TestUndelivered(t *testing.T) {
	t.Parallel()
	g := serve(t, phone.Options{}).open(1440, 900)
	const offline = "+12025550108"
	response := g.post(`{"to": "` + offline + `", "text": "revoked"}`)
	g.revoke(offline, response["message_id"].(string))
	g.Shows(".row-agent[data-state=revoked] .meta", "Revoked before delivery")
	g.post(`{"to": "` + offline + `", "text": "too late", "ttl": 1}`)
	g.Shows(".row-agent[data-state=expired] .meta", "Expired before delivery")
	g.Click(".row-agent[data-state=expired] .meta")
	g.Shows("#inspect", "TTL_EXPIRATION_REVOKED")

	g.post(`{"to": "+12025550104", "text": "unreachable"}`)
	g.Shows(".chat", "Rejected with 404: not delivered")
	g.Clean()
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

// TestInspector shows the details of a message.
func TestInspector(t *testing.T) {
	t.Parallel()
	g := serve(t, phone.Options{}).open(1440, 900)
	text := strings.Repeat("Ferry. ", 430) // 3010 of 3072 characters
	response := g.post(`{"to": "` + phoneNumber + `", "text": "` + text + `", "buttons": ["Yes"], "traffic": "transaction"}`)
	g.Click(".row-agent .meta")
	for _, want := range []string{
		"Text", response["message_id"].(string), "rcshook_demo_k3x9a1bc_agent", "TRANSACTION", "bytes of JSON",
		"Rich, 19 segments (US)", "example-us",
		"3,010 of 3,072 characters",
		"/agentMessages?", "DELIVERED", "READ",
		`"messageTrafficType": "TRANSACTION"`, `"sendTime"`,
	} {
		g.Shows("#inspect", want)
	}
	g.post(`{"to": "+12025550157", "text": "third time lucky", "idempotency_key": "k"}`)
	g.Shows(".chat", "third time lucky")
	g.Click(".chat:not([aria-current])")
	g.Shows("#inspect", "3 requests")
	g.Clean()
}

// TestUploads shows uploaded files by their type.
func TestUploads(t *testing.T) {
	t.Parallel()
	g := serve(t, phone.Options{}).open(1440, 900)
	picture, err := base64.StdEncoding.DecodeString("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==")
	if err != nil {
		t.Fatal(err)
	}
	image := g.upload("image/png", picture)
	g.create(t, map[string]any{"uploadedRbmFile": map[string]any{"fileName": image}})
	g.Wait(`[...document.querySelectorAll(".file img")].some((i) => i.getAttribute("src") === "_sim/` + image + `" && i.naturalWidth === 1)`)
	g.create(t, map[string]any{"richCard": map[string]any{"standaloneCard": map[string]any{"cardOrientation": "VERTICAL", "cardContent": map[string]any{
		"media": map[string]any{"height": "SHORT", "uploadedRbmFile": map[string]any{"fileName": image}},
	}}}})
	g.Wait(`document.querySelector(".card .media img")?.naturalWidth === 1`)
	for _, tt := range []struct{ kind, selector, text string }{
		{"application/pdf", ".document-icon", "PDF"},
		{"audio/mpeg", ".sound", ""},
		{"video/mp4", ".file:has(.play)", ""},
	} {
		g.create(t, map[string]any{"uploadedRbmFile": map[string]any{"fileName": g.upload(tt.kind, []byte("x"))}})
		g.Shows(tt.selector, tt.text)
	}
	g.Clean()
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

// TestAgentEvents shows the typing indicator and the read receipt of the agent.
func TestAgentEvents(t *testing.T) {
	t.Parallel()
	g := serve(t, phone.Options{}).open(1440, 900)
	g.post(`{"to": "` + phoneNumber + `", "text": "Which pier?"}`)
	g.Shows(".bubble", "Which pier?")
	id, err := g.sim.UserSends(phoneNumber, "Two")
	if err != nil {
		t.Fatal(err)
	}
	g.agentEvent(`{"eventType": "READ", "messageId": "` + id + `"}`)
	g.Shows(".row-user[data-state=read] .meta", "Read by the agent")
	g.agentEvent(`{"eventType": "IS_TYPING"}`)
	g.Wait(`document.querySelector(".typing")`)
	g.post(`{"to": "` + phoneNumber + `", "text": "Thank you"}`)
	g.Shows(".bubble", "Thank you")
	g.Wait(`!document.querySelector(".typing")`)
	g.Clean()
}

func (g *rig) agentEvent(event string) {
	g.t.Helper()
	address := g.url + "/v1/phones/" + phoneNumber + "/agentEvents?agentId=rcshook_demo_k3x9a1bc_agent&eventId=" + uuid.NewString()
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

// TestReset clears the simulator and the page.
func TestReset(t *testing.T) {
	t.Parallel()
	g := serve(t, phone.Options{}).open(1440, 900)
	g.post(`{"to": "` + phoneNumber + `", "text": "Hello"}`)
	g.Shows(".bubble", "Hello")
	g.Click("#reset")
	g.Shows("#reload", "Delete all messages and opt-outs?")
	g.Click("#reload [aria-label=Close]")
	g.Wait(`document.querySelector("#reload").hidden`)
	g.Shows(".bubble", "Hello")
	if n := len(g.sim.Messages()); n != 1 {
		t.Errorf("%d messages after the question was closed, want 1", n)
	}
	g.Click("#reset")
	g.Click("#reset-now")
	g.Shows("#screen", "Waiting for the first message")
	g.Wait(`document.querySelector("#reload").hidden`)
	g.Wait(`document.querySelectorAll(".chat").length === 0`)
	g.post(`{"to": "` + phoneNumber + `", "text": "Again"}`)
	g.Shows(".bubble", "Again")
	g.Clean()
}

// TestNoFunction shows a message on a page that cannot send, as that of rcshook send
// -preview, with its details in place of the editor.
func TestNoFunction(t *testing.T) {
	t.Parallel()
	g := serve(t, phone.Options{}).open(1280, 860)
	g.sim = platform.New(&rbmtest.Simulator{Page: phone.New(phone.Options{Agents: []phone.Agent{{Name: "Your agent"}}})})
	g.handler.Swap(g.sim).Close()
	g.create(t, map[string]any{"text": "It has shipped", "suggestions": []any{map[string]any{"reply": map[string]any{"text": "Fine", "postbackData": "x"}}}})
	g.Do(chromedp.Navigate(g.url + "/"))
	g.Shows(".bubble", "It has shipped")
	g.Shows("#inspect", "AgentMessage as sent")
	g.Shot("preview")
	g.Click("#tab-compose")
	g.Shows("#compose", "runs without a function")
	if browsertest.Eval[bool](g.Tab, `document.body.innerText.includes("Boarding")`) {
		t.Error("the page shows an example")
	}
}

// TestReconnect loses the connection to the simulator and no event.
func TestReconnect(t *testing.T) {
	t.Parallel()
	g := serve(t, phone.Options{}).open(1440, 900)
	g.post(`{"to": "` + phoneNumber + `", "text": "before"}`)
	g.Shows(".bubble", "before")
	g.gate.Store(true)
	g.server.CloseClientConnections()
	g.Wait(`document.querySelector("#live").dataset.state === "lost"`)
	g.Click("#send")
	g.Shows(".verdict", "rcshook does not respond. Start it again in its terminal.")
	g.post(`{"to": "` + phoneNumber + `", "text": "meanwhile"}`)
	g.gate.Store(false)
	g.Shows(".bubble", "meanwhile")
	g.Wait(`document.querySelector("#live").dataset.state === "live" && document.querySelectorAll(".row-agent").length === 2`)

	// A new process at the same address starts empty.
	g.replace()
	g.server.CloseClientConnections()
	g.Shows("#screen", "Waiting for the first message")
}
