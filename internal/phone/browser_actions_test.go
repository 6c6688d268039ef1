package phone_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/google/go-cmp/cmp"

	"github.com/rcshook/rcshook/internal/browsertest"
	"github.com/rcshook/rcshook/internal/phone"
	"github.com/rcshook/rcshook/rbm/rbmtest"
)

// TestChips taps a reply: the event is pushed like the platform pushes it, and the
// chips disappear. The buttons of cards stay.
func TestChips(t *testing.T) {
	t.Parallel()
	hook := newHook(t)
	g := serve(t, phone.Options{})
	if _, err := g.sim.Connect(t.Context(), rbmtest.WebhookConfig{URL: hook.url, ClientToken: "secret"}); err != nil {
		t.Fatal(err)
	}
	g.open(1440, 900)
	g.post(`{"to": "` + phoneNumber + `", "title": "Ferry", "text": "At 09:40", "buttons": ["Change|=CHANGE"], "chips": ["Fine|=OK_1", "Help|tel:+12025550199"]}`)
	g.Shows(".chips .chip", "Fine")
	g.Click(".chips .chip")
	g.Shows(".row-user .bubble", "Fine")
	g.Wait(`!document.querySelector(".chips") && document.querySelector(".card-button")`)
	g.Shows(".row-user .meta", "webhook 200")
	got := hook.find(t, "suggestionResponse")
	if diff := cmp.Diff(map[string]any{"postbackData": "OK_1", "text": "Fine", "type": "REPLY"}, got); diff != "" {
		t.Errorf("pushed suggestionResponse (-want +got):\n%s", diff)
	}
	g.Click(".row-user .meta")
	g.Shows("#inspect", `"postbackData": "OK_1"`)
	g.Shows("#inspect .pushed", "200")

	// The button of the card still works.
	g.Click(".card-button")
	g.Wait(`document.querySelectorAll(".row-user").length === 2`)
	g.Clean()
}

// TestChips_pressed gets a message, which has no chips, while the mouse button is down on a
// chip. The tap counts, and then the chips disappear.
func TestChips_pressed(t *testing.T) {
	t.Parallel()
	g := serve(t, phone.Options{}).open(1440, 900)
	g.post(`{"to": "` + phoneNumber + `", "text": "Ferry", "buttons": ["Fine"]}`)
	g.Shows(".chip", "Fine")
	x, y := g.Middle(".chip")
	mouse := func(kind input.DispatchMouseEventType) {
		g.Do(chromedp.MouseEvent(kind, x, y, chromedp.ButtonLeft, chromedp.ClickCount(1)))
	}
	mouse(input.DispatchMouseEventTypeMousePressed)
	g.post(`{"to": "` + phoneNumber + `", "text": "It has left"}`)
	g.Shows("#announcer", "It has left")
	g.Wait(`new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))`)
	mouse(input.DispatchMouseEventTypeMouseReleased)
	g.Shows(".row-user .bubble", "Fine")
	g.Shows(".row-agent:nth-child(3) .bubble", "It has left")
	g.Wait(`!document.querySelector(".chips")`)
	g.Clean()
}

// TestChips_scroll scrolls chips with the buttons beside them, which cover none.
func TestChips_scroll(t *testing.T) {
	t.Parallel()
	g := serve(t, phone.Options{}).open(320, 640)
	g.post(`{"to": "` + phoneNumber + `", "text": "When?", "buttons": ["Tomorrow morning", "Tomorrow at noon", "In the evening", "Never"]}`)
	g.Shows(".chip", "Never")
	const covered = `(() => {
		const row = document.querySelector(".chips").getBoundingClientRect();
		return [...document.querySelectorAll(".rail-button:not([hidden])")].map((b) => b.getBoundingClientRect())
			.filter((b) => b.left < row.right && b.right > row.left).length;
	})()`
	if n := browsertest.Eval[int](g.Tab, covered); n != 0 {
		t.Errorf("%d buttons cover chips", n)
	}
	g.Shot("chips")
	g.Click(".rail-on")
	g.Wait(`document.querySelector(".chips").scrollLeft > 100`)
	g.Wait(`!document.querySelector(".rail-back").hidden`)
	if n := browsertest.Eval[int](g.Tab, covered); n != 0 {
		t.Errorf("%d buttons cover chips after a click", n)
	}
	g.Shot("chips-scrolled")
	g.Click(".chip:nth-child(4)")
	g.Shows(".row-user", "Never")
	g.post(`{"to": "` + phoneNumber + `", "text": "Really?", "buttons": ["No"]}`)
	g.Shows(".chip", "No")
	g.Wait(`document.querySelector(".rail-on").hidden && document.querySelector(".rail-back").hidden`)
	g.Clean()
}

// TestOneTimeCode copies the code of a one-time password. The agent does not learn that.
func TestOneTimeCode(t *testing.T) {
	t.Parallel()
	g := serve(t, phone.Options{}).open(1440, 900)
	browsertest.Eval[bool](g.Tab, `(navigator.clipboard.writeText = async (text) => { window.copied = text; }, true)`)
	g.post(`{"to": "` + phoneNumber + `", "text": "Ferry 104200 is late", "traffic": "transaction", "buttons": ["Fine"]}`)
	g.Shows(".chip", "Fine")
	g.Wait(`!document.querySelector(".chip[data-kind=copy]")`)
	g.write(`{"to": "` + phoneNumber + `", "text": "719-204 is your code until 10:30", "otp": true}`)
	g.Shows(".preview .chip", "Copy 719-204")
	g.post(`{"to": "` + phoneNumber + `", "text": "482913 is your code", "otp": true}`)
	g.Click(".preview-close")
	g.Shows(".tail > .rail .chip", "Copy 482913")
	g.Shot("code")
	g.Click(".chip")
	g.Wait(`window.copied === "482913"`)
	if n := browsertest.Eval[int](g.Tab, `document.querySelectorAll(".row-user, .row-tap").length`); n != 0 {
		t.Errorf("%d rows of the user, want none", n)
	}
	g.Click("#device") // an iPhone offers the code on its keyboard
	g.Shows(".status-device", "iPhone")
	g.Wait(`!document.querySelector(".chip")`)
	g.Clean()
}

// TestActions taps every kind of action and checks its sheet.
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
		g.Click(`.chip[data-kind="` + tt.kind + `"]`)
		g.Shows(".sheet", tt.sheet)
		if got := browsertest.Eval[string](g.Tab, `document.querySelector(".sheet").dataset.size`); got != tt.size {
			t.Errorf("%s: the sheet is %q, want %q", tt.kind, got, tt.size)
		}
		if tt.kind == "open" {
			link := browsertest.Eval[map[string]string](g.Tab, `(({href, rel, target}) => ({href, rel, target}))(document.querySelector(".sheet a"))`)
			want := map[string]string{"href": "https://harborline.example/timetable", "rel": "noopener noreferrer", "target": "_blank"}
			if diff := cmp.Diff(want, link); diff != "" {
				t.Errorf("link (-want +got):\n%s", diff)
			}
		}
		g.Do(chromedp.KeyEvent("\x1b"))
		g.Wait(`!document.querySelector(".sheet")`)
	}
	g.Wait(`document.querySelectorAll(".row-tap").length === 5`)

	g.Click(`.chip[data-kind="share"]`)
	g.Shows(".sheet", "Share a location")
	g.Click(`.sheet [type=submit]`)
	g.Shows(".row-user .map", "47.6026, -122.3393")
	location := ""
	for _, e := range g.sim.Log() {
		if e.Kind == rbmtest.LogUserMessage && strings.Contains(string(e.Payload), `"location"`) {
			location = string(e.Payload)
		}
	}
	if !strings.Contains(location, `"location":{"latitude":47.6026,"longitude":-122.3393}`) {
		t.Errorf("user message = %s, want the location", location)
	}
	g.Clean()
}

// TestTyping sends a message to the agent with the keyboard.
func TestTyping(t *testing.T) {
	t.Parallel()
	g := serve(t, phone.Options{Connect: "rcshook webhook set"}).open(1440, 900)
	g.post(`{"to": "` + phoneNumber + `", "text": "Which pier?", "buttons": ["Pier 2"]}`)
	g.Shows(".chip", "Pier 2")
	g.Do(chromedp.Focus(chromedp.CSS(".typed")), chromedp.KeyEvent("Not sure\r"))
	g.Shows(".row-user .bubble", "Not sure")
	g.Shows(".row-user .meta", "Sent \u00b7 the agent has no webhook")
	g.Click(".row-user .meta")
	g.Shows("#inspect", "Connect one: rcshook webhook set")
	g.Wait(`!document.querySelector(".chips") && document.querySelector(".typed").value === ""`)
	g.Clean()
}

// TestPushRetry shows failed attempts to push an event.
func TestPushRetry(t *testing.T) {
	t.Parallel()
	hook := newHook(t)
	g := serve(t, phone.Options{})
	if _, err := g.sim.Connect(t.Context(), rbmtest.WebhookConfig{URL: hook.url, ClientToken: "secret"}); err != nil {
		t.Fatal(err)
	}
	hook.fail.Store(true)
	g.open(1440, 900)
	g.post(`{"to": "` + phoneNumber + `", "text": "x", "buttons": ["Yes"]}`)
	g.Click(".chip")
	g.Shows(".row-user .meta", "webhook 500")
	g.Click(".row-user .meta")
	g.Shows("#inspect .pushed[data-tone=bad]", "500")
	hook.fail.Store(false) // the platform retries
	g.Shows(".row-user .meta", "webhook 200, ")
	g.Shows("#inspect .pushed[data-tone=good]", "200")
}

// hook is a webhook that records the pushed events.
type hook struct {
	url  string
	fail atomic.Bool

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
		if h.fail.Load() {
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
	t.Fatalf("no pushed event has %s: %v", member, h.payloads)
	return nil
}
