package phone_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/rcshook/rcshook/internal/phone"
)

// contrasts returns texts with too little contrast, with their ratios. It converts
// colors to numbers with a canvas.
const contrasts = `(() => {
	const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
	const rgb = (color) => {
		canvas.clearRect(0, 0, 1, 1);
		canvas.fillStyle = color;
		canvas.fillRect(0, 0, 1, 1);
		const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
		return [r, g, b, a / 255];
	};
	const over = (top, under) => top.slice(0, 3).map((c, i) => c * top[3] + under[i] * (1 - top[3])).concat(1);
	const luminance = (c) => c.slice(0, 3).map((x) => (x /= 255) <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4).reduce((n, x, i) => n + x * [0.2126, 0.7152, 0.0722][i], 0);
	const ground = (el) => {
		const layers = [];
		for (let e = el; e; e = e.parentElement) {
			const s = getComputedStyle(e);
			if (s.backgroundImage !== "none" && !s.backgroundImage.includes("gradient")) return null;
			const c = rgb(s.backgroundColor);
			if (c[3] > 0) layers.push(c);
			if (c[3] === 1) break;
		}
		return layers.reverse().reduce((under, top) => over(top, under), [255, 255, 255, 1]);
	};
	const bad = [];
	const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
	while (walker.nextNode()) {
		const el = walker.currentNode.parentElement;
		const text = walker.currentNode.textContent.trim();
		if (!text || !el.checkVisibility({checkOpacity: true, checkVisibilityCSS: true}) || el.closest("noscript, .unseen, .skip, .stand-in, .editor-text, .toast:not(.shown)")) continue;
		if (el.matches("button:disabled, button:disabled *")) continue;
		const style = getComputedStyle(el);
		const under = ground(el);
		if (!under) continue;
		const a = luminance(over(rgb(style.color), under)) + 0.05, b = luminance(under) + 0.05;
		const ratio = Math.max(a, b) / Math.min(a, b);
		const large = parseFloat(style.fontSize) >= 24 || (parseFloat(style.fontSize) >= 18.66 && style.fontWeight >= 700);
		if (ratio < (large ? 3 : 4.5)) bad.push(el.className + ": " + text.slice(0, 30) + " " + ratio.toFixed(2));
	}
	return [...new Set(bad)];
})()`

// TestContrast measures the contrast of all texts, light and dark.
func TestContrast(t *testing.T) {
	t.Parallel()
	for _, scheme := range []string{"light", "dark"} {
		t.Run(scheme, func(t *testing.T) {
			t.Parallel()
			g, fail := eventsRig(t)
			g.open(1440, 1400)
			g.scheme(scheme)
			look := func(what string) {
				t.Helper()
				for _, bad := range eval[[]string](g, contrasts) {
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
			g.click(`[data-phone="` + phoneNumber + `"]`)
			g.shows(".bubble", "Boarding")
			look("conversation")
			g.click(`[data-example="errors"]`)
			g.shows(".problems", "titel")
			look("errors")
			g.click(`[data-example="card"]`)
			g.shows(".preview", "Your ferry")
			look("preview")
			g.click("#tab-inspect")
			g.shows("#inspect", "AgentMessage")
			look("inspector")
			fail.Store(true)
			g.do(chromedp.Focus(chromedp.CSS(".typed")), chromedp.KeyEvent("Not sure\r"))
			g.click("#tab-events")
			g.shows("#events .target", "HTTP 503")
			g.click("#events summary")
			g.shows("#events .json", "Not sure")
			look("events")
			g.sim.Note(phone.Note{Reload: &phone.Reload{File: "rcshook.yaml", Problems: []string{"rcshook.yaml:2:4 sources.s.secret is required"}}})
			g.shows("#reload", "is required")
			look("reload")
			g.click("#reload button")
			g.click(".menu-button")
			look("menu")
			g.click(".menu-entry:nth-child(3)")
			g.wait(`document.querySelector(".sheet")`)
			look("sheet")
			g.do(chromedp.KeyEvent("\x1b"))
			g.click(`[data-phone="+12025550108"]`)
			g.shows(".banner", "Offline")
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
	g.wait(`document.querySelectorAll(".row-agent").length === 16`)
	for role, least := range map[string]int{"button": 40, "link": 3, "textbox": 2, "tab": 2} {
		if n := g.named()[role]; n < least {
			t.Errorf("%d elements of role %s, want at least %d", n, role, least)
		}
	}
}

// named returns the number of controls by role. It fails the test if one has no name.
func (g *rig) named() map[string]int {
	g.t.Helper()
	call(g, accessibility.Enable, cdp.Empty{})
	tree := call(g, accessibility.GetFullAXTree, accessibility.GetFullAXTreeParams{})
	text := func(v *accessibility.Value) string {
		if v == nil {
			return ""
		}
		return strings.Trim(string(v.Value), `"`)
	}
	operable := map[string]int{}
	for _, node := range tree.Nodes {
		switch role := text(node.Role); role {
		case "button", "link", "textbox", "tab", "tabpanel", "group", "region", "navigation", "image":
			if node.Ignored || role == "group" && text(node.Name) == "" {
				continue
			}
			operable[role]++
			if text(node.Name) == "" {
				g.t.Errorf("a %s has no name", role)
			}
		}
	}
	return operable
}

// TestKeyboard tabs through the page: every control is reachable, in a logical order and
// with a visible focus.
func TestKeyboard(t *testing.T) {
	t.Parallel()
	g := serve(t, phone.Options{}).open(1440, 900)
	g.post(`{"to": "` + phoneNumber + `", "title": "Ferry", "text": "https://harborline.example", "buttons": ["Change"], "chips": ["Fine"]}`)
	g.shows(".chip", "Fine")
	want := []string{".skip", "#images", ".chat", ".menu-button", ".card-description a", ".card-button", ".meta", ".chip", ".typed", ".send", "#tab-compose", ".example", ".editor-text", "#curl", "#send"}
	var seen []string
	for range 60 {
		g.do(chromedp.KeyEvent("\t"))
		at := eval[string](g, `(() => {
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
	g.do(chromedp.Focus(chromedp.CSS("#tab-compose")), chromedp.KeyEvent(kb.ArrowRight))
	g.shows("#inspect", "Card")
	g.do(chromedp.Focus(chromedp.CSS(".menu-button")), chromedp.KeyEvent("\r"))
	g.wait(`document.activeElement.matches(".menu-entry")`)
	g.do(chromedp.KeyEvent("\x1b"))
	g.wait(`!document.querySelector(".menu") && document.activeElement.matches(".menu-button")`)
	g.clean()
}

// TestReducedMotion checks that reduced motion stops all animations.
func TestReducedMotion(t *testing.T) {
	t.Parallel()
	g := serve(t, phone.Options{}).open(1440, 900)
	g.scheme("light") // also sets reduced motion
	g.post(`{"to": "` + phoneNumber + `", "text": "x", "buttons": ["Call|tel:+12025550199"]}`)
	g.click(".chip")
	g.wait(`document.querySelector(".sheet")`)
	if n := eval[int](g, `document.getAnimations().length`); n != 0 {
		t.Errorf("%d animations run, want 0", n)
	}
}

// TestNarrow checks that the page fits on a small phone, even with very long words.
func TestNarrow(t *testing.T) {
	t.Parallel()
	g := serve(t, phone.Options{}).open(320, 640)
	fits := func(what string) {
		t.Helper()
		if got := eval[int](g, `document.scrollingElement.scrollWidth`); got > 320 {
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
	g.wait(`document.querySelectorAll(".row-agent").length === 4`)
	fits("phone")
	// Fonts of other systems are wider.
	for _, element := range []string{".bar", ".views"} {
		eval[string](g, `document.querySelector("`+element+`").style.letterSpacing = "0.06em"`)
		fits("wide letters in " + element)
	}
	if cut := eval[[]string](g, `[...document.querySelectorAll(".bubble, .card-text")].filter((e) => e.scrollWidth > e.clientWidth + 1).map((e) => e.textContent)`); len(cut) > 0 {
		t.Errorf("texts are wider than their containers: %q", cut)
	}
	g.click(`.views [data-view=compose]`)
	g.click(`[data-example=errors]`)
	g.shows(".problems", "titel")
	fits("compose")
	g.click(`.views [data-view=inspect]`)
	g.shows("#inspect", "Carousel")
	fits("inspect")
	g.click(`.views [data-view=chats]`)
	g.wait(`document.querySelector(".chat").checkVisibility()`)
	fits("chats")
	g.click(`.views [data-view=events]`)
	fits("events")
	g.click("#reset")
	g.shows("#reload", "Delete all messages")
	fits("question")
	g.clean()
}

// TestLongConversation shows a thousand messages. It logs the times without checking them.
func TestLongConversation(t *testing.T) {
	t.Parallel()
	g := serve(t, phone.Options{})
	for i := range 1000 {
		g.create(t, map[string]any{"text": fmt.Sprintf("Message %d: the ferry is on its way. See https://harborline.example/%d", i, i)})
	}
	start := time.Now()
	g.open(1440, 900)
	g.wait(`document.querySelectorAll(".row-agent[data-state=read]").length === 1000`)
	t.Logf("1,000 messages were shown and read %v after the page was opened", time.Since(start))
	if !eval[bool](g, `[...document.querySelectorAll(".row")].at(-1).getBoundingClientRect().bottom <= innerHeight`) {
		t.Error("the latest message is not in view")
	}
	cost := eval[float64](g, `(async () => {
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
	g.shows(".row-agent:last-child", "one more")
	paint := eval[float64](g, `performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? -1`)
	t.Logf("first contentful paint after %.0f ms", paint)
	g.clean()
}
