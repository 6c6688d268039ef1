// Package browsertest drives a page in Chromium for tests: it waits, clicks, and reports what
// the browser reports.
package browsertest

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// Timeout limits every wait. It is only reached when something is broken.
const Timeout = 2 * time.Minute

// Tab is a tab of the browser, in a profile of its own.
type Tab struct {
	T       *testing.T
	Context context.Context

	// URL is the start of the addresses that the page may request, without a slash at the end.
	URL string

	mu       sync.Mutex
	requests []string // URLs requested by the tab
	troubles []string // errors in the browser
}

// Open opens an empty tab of a width and height, for a page at a URL. It skips the test unless
// RCSHOOKTEST_BROWSER is set.
func Open(t *testing.T, url string, width, height int64) *Tab {
	t.Helper()
	if os.Getenv("RCSHOOKTEST_BROWSER") == "" {
		t.Skip("SKIPPED: set RCSHOOKTEST_BROWSER=1 for the tests in Chromium (on Debian: apt-get install chromium)")
	}
	parent, err := browser()
	if err != nil {
		t.Fatal(err)
	}
	tab := &Tab{T: t, URL: url}
	ctx, cancel := chromedp.NewContext(parent, chromedp.WithNewBrowserContext(), chromedp.WithListener(tab.listen))
	t.Cleanup(cancel)
	tab.Context = ctx
	// The first step creates the tab, and the tab ends with the deadline of its context.
	late := time.AfterFunc(Timeout, cancel)
	defer late.Stop()
	if err := chromedp.Do(ctx, chromedp.EmulateViewport(width, height)); err != nil {
		t.Fatalf("open a tab: %v", err)
	}
	Call(tab, network.Enable, network.EnableParams{})
	Call(tab, cdplog.Enable, cdp.Empty{})
	return tab
}

// browser is shared by all tests; each has its own profile.
var browser = sync.OnceValues(func() (context.Context, error) {
	options := append(
		chromedp.DefaultExecAllocatorOptions[:],
		chromedp.NoSandbox,
		chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("hide-scrollbars", false),
		chromedp.Flag("lang", "en-US"),
		// Pages can reach this machine only.
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"),
	)
	allocator, _ := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, _ := chromedp.NewContext(allocator)
	closeBrowser = func() { _ = chromedp.Cancel(ctx) }
	return ctx, chromedp.Do(ctx)
})

// closeBrowser closes the browser, if a test has started it.
var closeBrowser = func() {}

// Main runs the tests of a package, closes the browser, which outlives them, and exits.
func Main(m *testing.M, cleanup ...func()) {
	code := m.Run()
	closeBrowser()
	for _, f := range cleanup {
		f()
	}
	os.Exit(code)
}

// listen records requests and errors of the tab.
func (tab *Tab) listen(event any) {
	tab.mu.Lock()
	defer tab.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		tab.requests = append(tab.requests, e.Request.URL)
	case *page.EventJavascriptDialogOpening:
		tab.troubles = append(tab.troubles, "dialog: "+e.Message)
	case *runtime.EventExceptionThrown:
		tab.troubles = append(tab.troubles, "exception: "+exception(e.ExceptionDetails))
	case *cdplog.EventEntryAdded:
		tab.troubles = append(tab.troubles, fmt.Sprintf("%s %s: %s %s", e.Entry.Source, e.Entry.Level, e.Entry.Text, e.Entry.URL))
	}
}

func exception(d *runtime.ExceptionDetails) string {
	if d.Exception != nil && d.Exception.Description != "" {
		return d.Exception.Description
	}
	return fmt.Sprintf("%s at %s:%d", d.Text, d.URL, d.LineNumber+1)
}

// Forgive forgets the errors whose text contains a part.
func (tab *Tab) Forgive(part string) {
	tab.mu.Lock()
	defer tab.mu.Unlock()
	tab.troubles = slices.DeleteFunc(tab.troubles, func(s string) bool { return strings.Contains(s, part) })
}

// Clean fails the test if the browser had errors or made requests to other hosts.
func (tab *Tab) Clean() {
	tab.T.Helper()
	tab.mu.Lock()
	defer tab.mu.Unlock()
	for _, trouble := range tab.troubles {
		tab.T.Errorf("browser error: %s", trouble)
	}
	for _, address := range tab.requests {
		if !strings.HasPrefix(address, tab.URL+"/") && !strings.HasPrefix(address, "data:") {
			tab.T.Errorf("the page requested %s, want requests to %s only", address, tab.URL)
		}
	}
}

// Do runs actions in the tab.
func (tab *Tab) Do(steps ...chromedp.Action[chromedp.Void]) {
	tab.T.Helper()
	ctx, cancel := context.WithTimeout(tab.Context, Timeout)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		tab.T.Fatal(err)
	}
}

// Run runs an action with a result.
func Run[T any](tab *Tab, step chromedp.Action[T]) T {
	tab.T.Helper()
	ctx, cancel := context.WithTimeout(tab.Context, Timeout)
	defer cancel()
	out, err := chromedp.Run(ctx, step)
	if err != nil {
		tab.T.Fatal(err)
	}
	return out
}

// Call sends a command of the protocol.
func Call[P, R any](tab *Tab, command cdp.Command[P, R], params P) R {
	tab.T.Helper()
	ctx, cancel := context.WithTimeout(tab.Context, Timeout)
	defer cancel()
	out, err := chromedp.Call(ctx, command, params)
	if err != nil {
		tab.T.Fatal(err)
	}
	return out
}

// Eval evaluates an expression in the page.
func Eval[T any](tab *Tab, expression string) T {
	tab.T.Helper()
	return Run(tab, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
}

// Wait waits until an expression is true in the page. The expression is part of the
// script and not evaluated by it: the page's policy allows no eval.
func (tab *Tab) Wait(expression string) {
	tab.T.Helper()
	script := fmt.Sprintf(`new Promise((resolve) => {
		const end = performance.now() + %d;
		const look = async () => {
			let ok = false;
			try { ok = Boolean(await (%s)); } catch {}
			if (ok || performance.now() > end) resolve(ok);
			else setTimeout(look, 10);
		};
		look();
	})`, Timeout.Milliseconds()/2, expression)
	ctx, cancel := context.WithTimeout(tab.Context, Timeout)
	defer cancel()
	ok, err := chromedp.Run(ctx, chromedp.Evaluate[bool](script, chromedp.EvalAwaitPromise))
	for err != nil && strings.Contains(err.Error(), "navigated") { // the page was reloaded
		ok, err = chromedp.Run(ctx, chromedp.Evaluate[bool](script, chromedp.EvalAwaitPromise))
	}
	if err != nil {
		tab.T.Fatal(err)
	}
	if !ok {
		tab.Shot("failed")
		tab.T.Fatalf("it never came true that %s\nthe page shows: %q", expression, Eval[string](tab, `document.body.innerText`))
	}
}

// Text returns the text of the first element that matches a selector.
func (tab *Tab) Text(selector string) string {
	tab.T.Helper()
	return Eval[string](tab, fmt.Sprintf(`document.querySelector(%s)?.innerText ?? "no match"`, Quote(selector)))
}

// Shows waits until a visible element contains a text.
func (tab *Tab) Shows(selector, text string) {
	tab.T.Helper()
	tab.Wait(fmt.Sprintf(`[...document.querySelectorAll(%s)].some((e) => e.checkVisibility() && e.textContent.includes(%s))`, Quote(selector), Quote(text)))
}

// Click clicks an element with the mouse.
func (tab *Tab) Click(selector string) {
	tab.T.Helper()
	const tries = 20
	for range tries {
		x, y := tab.Middle(selector)
		Eval[bool](tab, `(globalThis.hit = false, addEventListener("mousedown", (e) => (globalThis.hit = Boolean(e.target.closest(`+Quote(selector)+`))), {capture: true, once: true}), true)`)
		tab.Do(chromedp.MouseClickXY(x, y))
		hit, err := chromedp.Run(tab.Context, chromedp.Evaluate[bool](`globalThis.hit !== false`)) // undefined on the next page
		if hit || err != nil && strings.Contains(err.Error(), "navigated") {
			return
		}
		if err != nil {
			tab.T.Fatal(err)
		}
		tab.T.Logf("a click missed %s, which moved away before the button was down", selector)
	}
	tab.T.Fatalf("%d clicks missed %s", tries, selector)
}

// Middle returns the middle of an element, which must be visible, at rest, and not covered.
func (tab *Tab) Middle(selector string) (x, y float64) {
	tab.T.Helper()
	at := fmt.Sprintf(`(async () => {
		const e = document.querySelector(%s);
		if (!e || document.getAnimations().length > 0) return null;
		const place = () => (({left, top, width, height}) => [left + width / 2, top + height / 2])(e.getBoundingClientRect());
		const frame = () => new Promise((r) => requestAnimationFrame(r));
		e.scrollIntoView({block: "nearest", inline: "nearest", behavior: "instant"});
		await frame();
		const before = place();
		await frame();
		const [x, y] = place();
		return x === before[0] && y === before[1] && e.contains(document.elementFromPoint(x, y)) ? [x, y] : null;
	})()`, Quote(selector))
	for {
		tab.Wait(at)
		if point := Eval[[]float64](tab, at); len(point) == 2 { // it has not moved again
			return point[0], point[1]
		}
	}
}

// Scheme sets the preferred color scheme, and reduced motion.
func (tab *Tab) Scheme(name string) {
	tab.T.Helper()
	Call(tab, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: name},
		{Name: "prefers-reduced-motion", Value: "reduce"},
	}})
}

// artifacts returns the folder for screenshots.
func artifacts(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("RCSHOOKTEST_SCREENSHOTS")
	if dir == "" {
		return t.ArtifactDir()
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// Shot writes a screenshot as PNG and returns the file.
func (tab *Tab) Shot(name string) string {
	tab.T.Helper()
	png := Run(tab, chromedp.CaptureScreenshot())
	file := filepath.Join(artifacts(tab.T), strings.ReplaceAll(name, "/", "-")+".png")
	if err := os.WriteFile(file, png, 0o644); err != nil {
		tab.T.Fatal(err)
	}
	return file
}

// Quote returns a text as a JavaScript literal.
func Quote(text string) string {
	data, err := json.Marshal(text)
	if err != nil {
		panic(err) // a string can always be encoded
	}
	return string(data)
}

// Contrasts returns texts with too little contrast, with their ratios. It converts
// colors to numbers with a canvas.
const Contrasts = `(() => {
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

// Named returns the number of controls by role. It fails the test if one has no name.
func (tab *Tab) Named() map[string]int {
	tab.T.Helper()
	Call(tab, accessibility.Enable, cdp.Empty{})
	tree := Call(tab, accessibility.GetFullAXTree, accessibility.GetFullAXTreeParams{})
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
				tab.T.Errorf("a %s has no name", role)
			}
		}
	}
	return operable
}
