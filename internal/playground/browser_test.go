package main

import (
	"testing"

	"github.com/rcshook/rcshook/internal/browsertest"
)

// TestPlayground sends what people try first, and sees what comes back.
func TestPlayground(t *testing.T) {
	t.Parallel()
	g := open(t, "", 1440, 900).release()
	g.Shows(".preview", "Boarding for the 09:40 ferry")
	g.write(`{"to": "+12025550123", "text": "Hello from the engine", "buttons": ["Fine", "Docs|https://example.com"]}`)
	g.Shows(".preview", "Hello from the engine")
	g.Click("#send")
	g.Shows(".rows .bubble", "Hello from the engine")
	g.Shows("#response .pill", "200 accepted")
	g.pick("card", "Your ferry leaves")
	g.Click("#send")
	g.Shows(".rows .card", "Your ferry leaves")
	g.pick("carousel", "Orrin Island")
	g.Click("#send")
	g.Shows(".rows .carousel", "Orrin Island")
	g.Shot("carousel")

	g.write(`{"to": "+12025550123", "titel": "x", "buttons": ["A label that is much too long for a button"]}`)
	g.Wait(`document.querySelectorAll(".problems li").length === 2`)
	g.Shows(".problems", "titel")
	g.Shot("errors")

	g.Click(`[data-source="shopify"]`)
	g.Shows("#response h3", "Response to /hooks/shopify")
	g.Shows(".verdict", "Received: accepted")
	g.Shot("shopify")

	g.pick("replies", "running 20 minutes late")
	g.Click("#send")
	g.Click(".chips .chip")
	g.Shows(".row-user", "I'll wait")
	g.Click("#tab-events")
	g.Shows("#events .event-type", "reply")
	g.Shows("#events .target", "your-crm")
	g.Click("#events .event:first-child summary")
	g.Shot("events")
	g.Clean()
}

// TestPlayground_beforeEngine uses the page while the engine loads: the examples work, the engine gets
// what was sent, and other payloads wait for it.
func TestPlayground_beforeEngine(t *testing.T) {
	t.Parallel()
	g := open(t, "", 1440, 900)
	g.Shows(".preview", "Boarding for the 09:40 ferry")
	g.pick("replies", "running 20 minutes late")
	g.Click("#send")
	g.Shows(".rows .bubble", "running 20 minutes late")
	g.Wait(`document.querySelector(".row-agent[data-state=read]")`)
	g.pick("card", "Your ferry leaves")
	g.Click("#send")
	g.Shows(".rows .card", "Your ferry leaves")
	g.Wait(`document.querySelectorAll(".row-agent[data-state=read]").length === 2`)
	g.Shot("before-engine")
	rows := browsertest.Eval[[]string](g.Tab, `[...document.querySelectorAll(".rows .row")].map((r) => (r.mark = true, r.dataset.key))`)
	g.write(`{"to": "+12025550123", "text": "Written before"}`)
	g.Shows(".verdict", "Loading the engine")
	g.Shot("waiting")
	g.release()
	g.Shows(".preview", "Written before")
	g.Click(".preview-close")
	// The same elements show the same messages: nothing was built again.
	if same := browsertest.Eval[bool](g.Tab, `[...document.querySelectorAll(".rows .row")].every((r) => r.mark)`); !same {
		t.Error("the engine has replaced the messages on the phone")
	}
	if now := browsertest.Eval[[]string](g.Tab, `[...document.querySelectorAll(".rows .row")].map((r) => r.dataset.key)`); len(now) != len(rows) || now[0] != rows[0] || now[1] != rows[1] {
		t.Errorf("messages %q, want %q", now, rows)
	}
	// The engine knows the message of the recording.
	g.Click(".rows .card-button:nth-child(3)")
	g.Shows(".row-user", "Change time")
	g.Click("#tab-events")
	g.Shows("#events .event-type", "reply")
	if n := browsertest.Eval[int](g.Tab, `[...document.querySelectorAll("#events .event")].filter((e) => ["delivered", "read"].includes(e.dataset.type)).length`); n != 4 {
		t.Errorf("%d receipts of 2 messages, want 4", n)
	}
	g.Click(".row-agent .meta")
	g.Shows("#inspect", "History")
	g.Shot("inspect")
	g.Clean()
}
