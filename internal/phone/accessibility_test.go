package phone_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/rcshook/rcshook/internal/browsertest"
	"github.com/rcshook/rcshook/internal/phone"
)

// TestContrast measures the contrast of all texts, light and dark.
func TestContrast(t *testing.T) {
	t.Parallel()
	for _, scheme := range []string{"light", "dark"} {
		t.Run(scheme, func(t *testing.T) {
			t.Parallel()
			g, fail := eventsRig(t)
			g.open(1440, 1400)
			g.Scheme(scheme)
			look := func(what string) {
				t.Helper()
				for _, bad := range browsertest.Eval[[]string](g.Tab, browsertest.Contrasts) {
					t.Errorf("%s: not enough contrast: %s", what, bad)
				}
			}
			look("empty")
			for _, e := range examples(t) {
				if e.Name != "errors" {
					g.post(string(e.Payload))
				}
			}
			g.post(`{"to": "+12025550104", "text": "unreachable"}`)
			g.Click(`[data-phone="` + phoneNumber + `"]`)
			g.Shows(".bubble", "Boarding")
			look("conversation")
			g.Click(`[data-example="errors"]`)
			g.Shows(".problems", "titel")
			look("errors")
			g.Click(`[data-example="card"]`)
			g.Shows(".preview", "Your ferry")
			look("preview")
			g.Click("#tab-inspect")
			g.Shows("#inspect", "AgentMessage")
			look("inspector")
			fail.Store(true)
			g.Do(chromedp.Focus(chromedp.CSS(".typed")), chromedp.KeyEvent("Not sure\r"))
			g.Click("#tab-events")
			g.Shows("#events .target", "HTTP 503")
			g.Click("#events summary")
			g.Shows("#events .json", "Not sure")
			look("events")
			g.sim.Note(phone.Note{Reload: &phone.Reload{File: "rcshook.yaml", Problems: []string{"rcshook.yaml:2:4 sources.s.secret is required"}}})
			g.Shows("#reload", "is required")
			look("reload")
			g.Click("#reload button")
			g.Click(".menu-button")
			look("menu")
			g.Click(".menu-entry:nth-child(3)")
			g.Wait(`document.querySelector(".sheet")`)
			look("sheet")
			g.Do(chromedp.KeyEvent("\x1b"))
			g.Click(`[data-phone="+12025550108"]`)
			g.Shows(".banner", "Offline")
			look("offline")
		})
	}
}

// TestAccessibleNames checks that every control has a name for screen readers.
func TestAccessibleNames(t *testing.T) {
	t.Parallel()
	g := serve(t, phone.Options{}).open(1440, 900)
	for _, e := range examples(t) {
		if e.Name != "errors" && e.Name != "offline" {
			g.post(string(e.Payload))
		}
	}
	g.Wait(`document.querySelectorAll(".row-agent").length === 16`)
	for role, least := range map[string]int{"button": 40, "link": 3, "textbox": 2, "tab": 2} {
		if n := g.Named()[role]; n < least {
			t.Errorf("%d elements of role %s, want at least %d", n, role, least)
		}
	}
}

// TestKeyboard tabs through the page: every control is reachable, in a logical order and
// with a visible focus.
func TestKeyboard(t *testing.T) {
	t.Parallel()
	g := serve(t, phone.Options{}).open(1440, 900)
	g.post(`{"to": "` + phoneNumber + `", "title": "Ferry", "text": "https://harborline.example", "buttons": ["Change"], "chips": ["Fine"]}`)
	g.Shows(".chip", "Fine")
	want := []string{".skip", "#images", ".chat", ".menu-button", ".card-description a", ".card-button", ".meta", ".chip", ".typed", ".send", "#tab-compose", ".example", ".editor-text", "#curl", "#send"}
	var seen []string
	for range 60 {
		g.Do(chromedp.KeyEvent("\t"))
		at := browsertest.Eval[string](g.Tab, `(() => {
			const e = document.activeElement;
			const shown = getComputedStyle(e.closest(".editor-frame") ?? e).outlineStyle !== "none";
			return ["`+strings.Join(want, `", "`)+`", ".rail-row"].find((x) => e.matches(x)) + (shown ? "" : " without a ring");
		})()`)
		if strings.HasSuffix(at, "without a ring") {
			t.Errorf("no visible focus on %s", at)
		}
		if at != "undefined" && (len(seen) == 0 || seen[len(seen)-1] != at) {
			seen = append(seen, at)
		}
		if at == "#send" {
			break
		}
	}
	if got := fmt.Sprint(seen); got != fmt.Sprint(want) {
		t.Errorf("the tab order is\n%v, want\n%v", got, want)
	}
	g.Do(chromedp.Focus(chromedp.CSS("#tab-compose")), chromedp.KeyEvent(kb.ArrowRight))
	g.Shows("#inspect", "Card")
	g.Do(chromedp.Focus(chromedp.CSS(".menu-button")), chromedp.KeyEvent("\r"))
	g.Wait(`document.activeElement.matches(".menu-entry")`)
	g.Do(chromedp.KeyEvent("\x1b"))
	g.Wait(`!document.querySelector(".menu") && document.activeElement.matches(".menu-button")`)
	g.Clean()
}

// TestReducedMotion checks that reduced motion stops all animations.
func TestReducedMotion(t *testing.T) {
	t.Parallel()
	g := serve(t, phone.Options{}).open(1440, 900)
	g.Scheme("light") // also sets reduced motion
	g.post(`{"to": "` + phoneNumber + `", "text": "x", "buttons": ["Call|tel:+12025550199"]}`)
	g.Click(".chip")
	g.Wait(`document.querySelector(".sheet")`)
	if n := browsertest.Eval[int](g.Tab, `document.getAnimations().length`); n != 0 {
		t.Errorf("%d animations run, want 0", n)
	}
}

// TestNarrow checks that the page fits on a small phone, even with very long words.
func TestNarrow(t *testing.T) {
	t.Parallel()
	g := serve(t, phone.Options{}).open(320, 640)
	fits := func(what string) {
		t.Helper()
		if got := browsertest.Eval[int](g.Tab, `document.scrollingElement.scrollWidth`); got > 320 {
			t.Errorf("%s: the page is %d wide, want at most 320", what, got)
		}
	}
	long := strings.Repeat("Donaudampfschifffahrtsgesellschaft", 8)
	g.post(`{"to": "` + phoneNumber + `", "text": "` + long + ` https://harborline.example/` + long + `"}`)
	g.post(`{"to": "` + phoneNumber + `", "title": "` + long[:180] + `", "text": "` + long + `", "image": "https://harborline.example/` + long + `.png", "buttons": ["WWWWWWWWWWWWWWWWWWWWWWWWW|https://` + long[:60] + `.example"]}`)
	for _, e := range examples(t) {
		if strings.HasPrefix(e.Name, "carousel") {
			g.post(string(e.Payload))
		}
	}
	g.Wait(`document.querySelectorAll(".row-agent").length === 4`)
	fits("phone")
	// Fonts of other systems are wider.
	for _, element := range []string{".bar", ".views"} {
		browsertest.Eval[string](g.Tab, `document.querySelector("`+element+`").style.letterSpacing = "0.06em"`)
		fits("wide letters in " + element)
	}
	if cut := browsertest.Eval[[]string](g.Tab, `[...document.querySelectorAll(".bubble, .card-text")].filter((e) => e.scrollWidth > e.clientWidth + 1).map((e) => e.textContent)`); len(cut) > 0 {
		t.Errorf("texts are wider than their containers: %q", cut)
	}
	g.Click(`.views [data-view=compose]`)
	g.Click(`[data-example=errors]`)
	g.Shows(".problems", "titel")
	fits("compose")
	g.Click(`.views [data-view=inspect]`)
	g.Shows("#inspect", "Carousel")
	fits("inspect")
	g.Click(`.views [data-view=chats]`)
	g.Wait(`document.querySelector(".chat").checkVisibility()`)
	fits("chats")
	g.Click(`.views [data-view=events]`)
	fits("events")
	g.Click("#reset")
	g.Shows("#reload", "Delete all messages")
	fits("question")
	g.Clean()
}

// TestLongConversation shows the last 500 of a thousand messages. It logs the times without
// checking them.
func TestLongConversation(t *testing.T) {
	t.Parallel()
	g := serve(t, phone.Options{})
	for i := range 1000 {
		g.create(t, map[string]any{"text": fmt.Sprintf("Message %d: the ferry is on its way. See https://harborline.example/%d", i, i)})
	}
	start := time.Now()
	g.open(1440, 900)
	g.Wait(`document.querySelectorAll(".row-agent[data-state=read]").length === 500`)
	t.Logf("500 messages were shown and read %v after the page was opened", time.Since(start))
	if !browsertest.Eval[bool](g.Tab, `[...document.querySelectorAll(".row")].at(-1).getBoundingClientRect().bottom <= innerHeight`) {
		t.Error("the latest message is not in view")
	}
	cost := browsertest.Eval[float64](g.Tab, `(async () => {
		const frame = () => new Promise((r) => requestAnimationFrame(r));
		let worst = 0;
		for (let i = 0; i < 30; i++) {
			document.querySelector(".scroller").scrollTop = -i * 400;
			const before = performance.now();
			await frame();
			await frame();
			worst = Math.max(worst, performance.now() - before);
		}
		return worst;
	})()`)
	t.Logf("scrolling: the longest of 30 pairs of frames took %.0f ms", cost)
	g.create(t, map[string]any{"text": "one more"})
	g.Shows(".row-agent:last-child", "one more")
	paint := browsertest.Eval[float64](g.Tab, `performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? -1`)
	t.Logf("first contentful paint after %.0f ms", paint)
	g.Clean()
}
