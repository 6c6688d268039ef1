package phone_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

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
	g.click("#tab-events")
	g.shows(".pane-empty", "No event has left the function yet.")
	g.post(`{"to": "` + phoneNumber + `", "text": "Thursday, 3 pm?", "buttons": ["Confirm|=CONFIRM", "Docs|https://harborline.example"]}`)
	// types returns the types of the events, the latest first.
	types := func(want ...string) {
		t.Helper()
		g.wait(`document.querySelectorAll("#events .event").length === ` + strconv.Itoa(len(want)))
		got := eval[[]string](g, `[...document.querySelectorAll("#events .event-type")].map((e) => e.textContent)`)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
	}
	types("read", "delivered")
	if g.wait(`!document.querySelector("#events .pane-empty").checkVisibility()`); g.text(".target") == "" {
		t.Error("the event has no target")
	}

	// A reply and an action.
	g.click(".chip:nth-child(2)")
	g.shows("#events .event", "Docs")
	g.click(".sheet-close")
	g.click(".chip")
	g.wait(`document.querySelector("#events .event-about")?.textContent === "Confirm"`)
	types("button", "button", "read", "delivered")
	if got := g.text("#events .target"); got != "events\nok\n200" {
		t.Errorf("the target shows %q", got)
	}
	g.click("#events .event-part summary")
	g.shows("#events .json", `"postback": "CONFIRM"`)

	// A file, typing, which the target does not want, and both directions of consent: the
	// text and the event of the menu are one event.
	g.click(`[aria-label="Share"]`)
	g.click(`.sheet .chip:nth-child(2)`)
	g.click(`.sheet .chip:nth-child(2)`)
	g.click(`.sheet [type=submit]`)
	g.wait(`document.querySelector("#events .event-about").textContent === "ticket.pdf"`)
	g.menu("Start typing")
	g.shows("#events .event", "No target gets this event.")
	g.menu("Unsubscribe")
	types("unsubscribed", "typing", "file", "button", "button", "read", "delivered")
	g.menu("Subscribe")
	types("subscribed", "unsubscribed", "typing", "file", "button", "button", "read", "delivered")

	// The opened JSON stays open, and the inspector shows the targets of an item.
	g.shows("#events .json", `"postback": "CONFIRM"`)
	g.click(".row-agent .meta")
	g.wait(`document.querySelectorAll("#inspect .target[data-outcome=ok]").length === 2`)

	// A target that fails gets the event again.
	fail.Store(true)
	g.click("#tab-events")
	g.click(`[aria-label="Share"]`)
	g.click(`.sheet .chip`)
	g.click(`.sheet [type=submit]`)
	g.shows("#events .target[data-outcome=retry]", "HTTP 503")
	fail.Store(false)
	g.shows("#events .target[data-outcome=ok] .target-status", "200, 2 attempts")
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
	g.click("#tab-events")
	g.shows("#events .target[data-outcome=never]", hostileText)
	g.wait(`document.querySelectorAll("#events .event").length === 1`)
	g.click("#events [data-part=request] summary")
	g.shows("#events .json", hostileText)

	added := []phone.Source{{Name: "shop", About: "Shopify", Sample: "{}"}}
	current.Store(&added)
	g.sim.Note(phone.Note{Reload: &phone.Reload{File: "rcshook.yaml", Problems: []string{"rcshook.yaml:2:4 " + hostileText, "second"}}})
	g.shows("#reload[data-tone=bad]", "rcshook.yaml:2:4 "+hostileText)
	g.click("#reload button")
	g.wait(`!document.querySelector("#reload").checkVisibility()`)
	g.sim.Note(phone.Note{Reload: &phone.Reload{File: "rcshook.yaml", Problems: []string{}}})
	g.shows("#reload[data-tone=good]", "The new rcshook.yaml is in use.")
	g.click("#tab-compose")
	g.shows(`[data-source="shop"]`, "shop")
	g.harmless()
	g.clean()
}
