package phone_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rcshook/rcshook/internal/browsertest"
	"github.com/rcshook/rcshook/internal/phone"
	"github.com/rcshook/rcshook/rbm/rbmtest"
)

// eventsRig is a rig whose function gets the events of the simulator and passes them on to
// a target, which fails while the returned switch is on.
func eventsRig(t *testing.T) (g *rig, fail *atomic.Bool) {
	t.Helper()
	fail = new(atomic.Bool)
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // the test does not need it
		if fail.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	t.Cleanup(target.Close)
	g = serve(t, phone.Options{}, "RCSHOOK_WEBHOOK_TOKEN=token", "RCSHOOK_EVENTS_URL="+target.URL)
	if _, err := g.sim.Connect(t.Context(), rbmtest.WebhookConfig{URL: g.call + "events", ClientToken: "token"}); err != nil {
		t.Fatal(err)
	}
	return g, fail
}

// TestEvents uses the phone: each event appears with the response of its target, and its
// JSON can be opened.
func TestEvents(t *testing.T) {
	t.Parallel()
	g, fail := eventsRig(t)
	g.open(1440, 900)
	g.Click("#tab-events")
	g.Shows(".pane-empty", "No event has left the function yet.")
	g.post(`{"to": "` + phoneNumber + `", "text": "Thursday, 3 pm?", "buttons": ["Confirm|=CONFIRM", "Docs|https://harborline.example"]}`)
	// types returns the types of the events, the latest first.
	types := func(want ...string) {
		t.Helper()
		g.Wait(`document.querySelectorAll("#events .event").length === ` + strconv.Itoa(len(want)))
		got := browsertest.Eval[[]string](g.Tab, `[...document.querySelectorAll("#events .event-type")].map((e) => e.textContent)`)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
	}
	types("read", "delivered")
	if g.Wait(`!document.querySelector("#events .pane-empty").checkVisibility()`); g.Text(".target") == "" {
		t.Error("the event has no target")
	}

	// A reply and an action.
	g.Click(".chip:nth-child(2)")
	g.Shows("#events .event", "Docs")
	g.Click(".sheet-close")
	g.Click(".chip")
	g.Wait(`document.querySelector("#events .event-about")?.textContent === "Confirm"`)
	types("button", "button", "read", "delivered")
	if got := g.Text("#events .target"); got != "events\nok\n200" {
		t.Errorf("the target shows %q", got)
	}
	g.Click("#events .event-part summary")
	g.Shows("#events .json", `"postback": "CONFIRM"`)

	// A file, typing, which the target does not want, and both directions of consent: the
	// text and the event of the menu are one event.
	g.Click(`[aria-label="Share"]`)
	g.Click(`.sheet .chip:nth-child(2)`)
	g.Click(`.sheet .chip:nth-child(2)`)
	g.Click(`.sheet [type=submit]`)
	g.Wait(`document.querySelector("#events .event-about").textContent === "ticket.pdf"`)
	g.menu("Start typing")
	g.Shows("#events .event", "No target gets this event.")
	g.menu("Unsubscribe")
	types("unsubscribed", "typing", "file", "button", "button", "read", "delivered")
	g.menu("Subscribe")
	types("subscribed", "unsubscribed", "typing", "file", "button", "button", "read", "delivered")

	// The opened JSON stays open, and the inspector shows the targets of an item.
	g.Shows("#events .json", `"postback": "CONFIRM"`)
	g.Click(".row-agent .meta")
	g.Wait(`document.querySelectorAll("#inspect .target[data-outcome=ok]").length === 2`)

	// A target that fails gets the event again.
	fail.Store(true)
	g.Click("#tab-events")
	g.Click(`[aria-label="Share"]`)
	g.Click(`.sheet .chip`)
	g.Click(`.sheet [type=submit]`)
	g.Shows("#events .target[data-outcome=retry]", "HTTP 503")
	fail.Store(false)
	g.Shows("#events .target[data-outcome=ok] .target-status", "200, 2 attempts")
	g.harmless()
}

// TestEvents_notes shows requests that were received for a target, and changes of the file.
func TestEvents_notes(t *testing.T) {
	t.Parallel()
	sources := []phone.Source{}
	var current atomic.Pointer[[]phone.Source]
	current.Store(&sources)
	g := serve(t, phone.Options{Sources: func() []phone.Source { return *current.Load() }}).open(1440, 900)
	hostileText := `<img src=x onerror=alert(1)>`
	g.sim.Note(phone.Note{Request: &phone.Request{ID: "m1", URL: "https://sms.example/" + hostileText, Body: `{"Body": "` + hostileText + `"}`}})
	g.sim.Note(phone.Note{Delivery: &phone.Delivery{
		Target: "agents.default.fallback", Event: []byte(`{"id": "evt_1", "type": "fallback", "message_id": "m1", "text": "` + hostileText + `"}`), Outcome: "never", Error: hostileText,
	}})
	g.Click("#tab-events")
	g.Shows("#events .target[data-outcome=never]", hostileText)
	g.Wait(`document.querySelectorAll("#events .event").length === 1`)
	g.Click("#events [data-part=request] summary")
	g.Shows("#events .json", hostileText)

	added := []phone.Source{{Name: "shop", About: "Shopify", Sample: "{}"}}
	current.Store(&added)
	g.sim.Note(phone.Note{Reload: &phone.Reload{File: "rcshook.yaml", Problems: []string{"rcshook.yaml:2:4 " + hostileText, "second"}}})
	g.Shows("#reload[data-tone=bad]", "rcshook.yaml:2:4 "+hostileText)
	g.Click("#reload button")
	g.Wait(`!document.querySelector("#reload").checkVisibility()`)
	g.sim.Note(phone.Note{Reload: &phone.Reload{File: "rcshook.yaml", Problems: []string{}}})
	g.Shows("#reload[data-tone=good]", "The new rcshook.yaml is in use.")
	g.Click("#tab-compose")
	g.Shows(`[data-source="shop"]`, "shop")
	g.harmless()
	g.Clean()
}
