package phone_test

import (
	"flag"
	"fmt"
	"os"
	"testing"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"

	"github.com/rcshook/rcshook/internal/browsertest"
	"github.com/rcshook/rcshook/internal/phone"
)

var update = flag.Bool("update", false, "write the screenshot of the README to the folder .github, with RCSHOOKTEST_BROWSER=1")

// TestReadmeScreenshot takes the screenshot of the README.
func TestReadmeScreenshot(t *testing.T) {
	t.Parallel()
	g := serve(t, phone.Options{}).open(1360, 860)
	g.Scheme("light")
	for _, e := range examples(t) {
		if e.Name == "replies" || e.Name == "offline" {
			g.post(string(e.Payload))
		}
	}
	g.Click(`[data-phone="` + phoneNumber + `"]`)
	g.Shows(".chip", "Take the 18:00")
	g.Click(`.chip:nth-child(2)`)
	g.Shows(".row-user", "Take the 18:00")
	g.post(`{"to": "+12025550177", "text": "Your season ticket is ready"}`)
	g.post(`{"to": "+12025550104", "text": "Unreachable"}`)
	g.Shows(".chat", "Rejected with 404")
	g.Click(`[data-example="carousel"]`)
	g.Shows(".preview", "Orrin Island")
	g.Click("#send")
	g.Shows("#response .pill", "200 accepted")
	g.Wait(`document.querySelector(".rows .carousel") && !document.querySelector(".preview")`)
	g.Wait(`document.querySelector(".row-agent:last-child").dataset.state === "read"`)
	browsertest.Eval[bool](g.Tab, `(document.activeElement.blur(), true)`)
	g.Do(chromedp.MouseEvent(input.DispatchMouseEventTypeMouseMoved, 2, 2))
	// The port of dev instead of that of the test.
	browsertest.Eval[string](g.Tab, `document.querySelector("#endpoint").textContent = "POST http://localhost:8080/"`)
	g.loadImages()
	file := g.Shot("readme")
	if !*update {
		return
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("../../.github/phone.png", data, 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestScreenshots takes screenshots of the page at three widths, light and dark. It
// writes them to the folder RCSHOOKTEST_SCREENSHOTS.
func TestScreenshots(t *testing.T) {
	t.Parallel()
	sizes := []struct{ width, height int64 }{{320, 640}, {800, 1024}, {1400, 900}}
	for _, size := range sizes {
		for _, scheme := range []string{"light", "dark"} {
			t.Run(fmt.Sprintf("%d-%s", size.width, scheme), func(t *testing.T) {
				t.Parallel()
				g, fail := eventsRig(t)
				g.open(size.width, size.height)
				g.Scheme(scheme)
				g.tour(size.width < 720)
				fail.Store(true)
				g.tourEvents(size.width < 720)
				g.Clean()
			})
		}
	}
}

// view shows a part of the page.
func (g *rig) view(name string, narrow bool) {
	g.t.Helper()
	if narrow {
		g.Click(`.views [data-view="` + name + `"]`)
	} else if name != "phone" && name != "chats" {
		g.Click("#tab-" + name)
	}
}

// tourEvents takes screenshots of the events, of a target that fails, and of the sheets for
// files and for a reload with problems.
func (g *rig) tourEvents(narrow bool) {
	name := func(part string) string { return g.t.Name()[len("TestScreenshots/"):] + "-" + part }
	g.view("phone", narrow)
	g.Click(`[aria-label="Share"]`)
	g.Shot(name("8-share"))
	g.Click(`.sheet .chip:nth-child(2)`)
	g.Shot(name("9-file"))
	g.Click(`.sheet [type=submit]`)
	g.view("events", narrow)
	g.Shows("#events .target[data-outcome=retry]", "HTTP 503")
	g.Click("#events .event:nth-child(2) summary")
	g.Shot(name("10-events"))
	g.view("inspect", narrow)
	g.Shot(name("11-inspect"))
	g.sim.Note(phone.Note{Reload: &phone.Reload{File: "rcshook.yaml", Problems: []string{
		"rcshook.yaml:2:4 sources.shop.secret is required: a secret, or the name of one in Secret Manager, projects/PROJECT/secrets/SECRET",
		"rcshook.yaml:4:49 events.crm.map invalid jq: the { here is never closed",
	}}})
	g.Shows("#reload", "never closed")
	g.Shot(name("12-reload"))
}

// tour takes screenshots of all parts of the page.
func (g *rig) tour(narrow bool) {
	view := func(name string) { g.view(name, narrow) }
	name := func(part string) string { return g.t.Name()[len("TestScreenshots/"):] + "-" + part }
	pick := func(example string) {
		view("compose")
		g.Click(`[data-example="` + example + `"]`)
	}

	g.Shot(name("1-empty"))
	for _, e := range examples(g.t) {
		if e.Name != "errors" && e.Name != "carousel" {
			g.post(string(e.Payload))
		}
	}
	g.post(`{"to": "+12025550104", "text": "Unreachable"}`)
	g.post(`{"to": "+12025550177", "text": "A second conversation"}`)
	view("phone")
	if narrow {
		view("chats")
		g.Shows(".chat-number", "+1 202 555 0177")
		g.Shot(name("2-chats"))
	}
	g.Shows(".chat", "A second conversation")
	g.Click(`[data-phone="` + phoneNumber + `"]`)
	g.Shows("#screen", "Raw messages pass through")
	g.Wait(`document.querySelectorAll(".row-agent").length > 10`)
	g.loadImages()
	pick("carousel")
	g.Shows(".verdict", "Carousel")
	g.loadImages()
	g.Shot(name("3-compose"))
	view("phone")
	g.Shows(".preview", "Orrin Island")
	g.Shot(name("4-preview"))
	pick("carousel")
	g.Click("#send")
	g.Wait(`document.querySelector(".rows .carousel-medium") && !document.querySelector(".preview")`)
	view("phone")
	g.loadImages()
	g.Shot(name("5-sent"))
	view("inspect")
	g.Shows("#inspect", "Carousel")
	g.Shot(name("6-inspect"))
	pick("errors")
	g.Shows(".problems", "titel")
	g.Shot(name("7-errors"))
}

// loadImages waits for the visible images; browsers do not load the others.
func (g *rig) loadImages() {
	g.t.Helper()
	g.Wait(`(() => {
		const view = document.querySelector(".scroller").getBoundingClientRect();
		const seen = (r) => r.bottom > view.top && r.top < view.bottom && r.right > view.left && r.left < view.right;
		return [...document.images].every((i) => i.complete || !seen(i.getBoundingClientRect()));
	})()`)
}
