package phone_test

import (
	"flag"
	"fmt"
	"os"
	"testing"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"

	"github.com/rcshook/rcshook/internal/phone"
)

var update = flag.Bool("update", false, "write the picture of the README into the folder .github")

// TestReadmePicture makes the picture that the README begins with.
func TestReadmePicture(t *testing.T) {
	t.Parallel()
	g := serve(t, phone.Options{}).open(1360, 860)
	g.scheme("light")
	for _, e := range examples(t) {
		if e.Name == "replies" || e.Name == "offline" {
			g.post(string(e.Payload))
		}
	}
	g.click(`[data-phone="` + someone + `"]`)
	g.click(`.chip:nth-child(2)`)
	g.shows(".row-user", "Take the 18:00")
	g.post(`{"to": "+12025550177", "text": "Your season ticket is ready"}`)
	g.post(`{"to": "+12025550104", "text": "Nobody is there"}`)
	g.shows(".chat", "Refused with 404")
	g.click(`[data-example="carousel"]`)
	g.shows(".preview", "Orrin Island")
	g.click("#send")
	g.shows("#answer .pill", "200 accepted")
	g.wait(`document.querySelector(".rows .carousel") && !document.querySelector(".preview")`)
	g.shows(".row-agent:last-child .meta", "Read")
	eval[bool](g, `(document.activeElement.blur(), true)`)
	g.do(chromedp.MouseEvent(input.DispatchMouseEventTypeMouseMoved, 2, 2))
	// The ports of dev instead of those of the test.
	eval[string](g, `document.querySelector("#endpoint").textContent = "POST http://localhost:8080/"`)
	g.pictures()
	file := g.shot("readme")
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

// TestScreenshots shows the page to people: at three widths, light and dark. Set
// RCSHOOKTEST_SCREENSHOTS to the folder that they are wanted in.
func TestScreenshots(t *testing.T) {
	t.Parallel()
	sizes := []struct{ width, height int64 }{{360, 740}, {768, 1024}, {1440, 900}}
	for _, size := range sizes {
		for _, scheme := range []string{"light", "dark"} {
			t.Run(fmt.Sprintf("%d-%s", size.width, scheme), func(t *testing.T) {
				t.Parallel()
				g := serve(t, phone.Options{}).open(size.width, size.height)
				g.scheme(scheme)
				g.tour(size.width < 720)
				g.clean()
			})
		}
	}
}

// tour goes through the page and takes pictures of it.
func (g *rig) tour(narrow bool) {
	view := func(name string) {
		if narrow {
			g.click(`.views [data-view="` + name + `"]`)
		} else if name == "compose" || name == "inspect" {
			g.click("#tab-" + name)
		}
	}
	name := func(part string) string { return g.t.Name()[len("TestScreenshots/"):] + "-" + part }
	pick := func(example string) {
		view("compose")
		g.click(`[data-example="` + example + `"]`)
	}

	g.shot(name("1-empty"))
	for _, e := range examples(g.t) {
		if e.Name != "faults" && e.Name != "carousel" {
			g.post(string(e.Payload))
		}
	}
	g.post(`{"to": "+12025550104", "text": "Nobody is there"}`)
	g.post(`{"to": "+12025550177", "text": "A second conversation"}`)
	view("phone")
	if narrow {
		view("chats")
		g.shows(".chat-number", "+1 202 555 0177")
		g.shot(name("2-chats"))
	}
	g.shows(".chat", "A second conversation")
	g.click(`[data-phone="` + someone + `"]`)
	g.shows("#screen", "Whatever the API can do")
	g.wait(`document.querySelectorAll(".row-agent").length > 10`)
	g.pictures()
	pick("carousel")
	g.shows(".verdict", "Carousel")
	g.pictures()
	g.shot(name("3-compose"))
	view("phone")
	g.shows(".preview", "Orrin Island")
	g.shot(name("4-preview"))
	pick("carousel")
	g.click("#send")
	g.wait(`document.querySelector(".rows .carousel-medium") && !document.querySelector(".preview")`)
	view("phone")
	g.pictures()
	g.shot(name("5-sent"))
	view("inspect")
	g.shows("#inspect", "Carousel")
	g.shot(name("6-inspect"))
	pick("faults")
	g.shows(".faults", "titel")
	g.shot(name("7-faults"))
}

// pictures waits for the images that are in view; the others are not loaded.
func (g *rig) pictures() {
	g.t.Helper()
	g.wait(`(() => {
		const view = document.querySelector(".scroller").getBoundingClientRect();
		const seen = (r) => r.bottom > view.top && r.top < view.bottom && r.right > view.left && r.left < view.right;
		return [...document.images].every((i) => i.complete || !seen(i.getBoundingClientRect()));
	})()`)
}
