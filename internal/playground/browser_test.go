package main

import (
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"github.com/rcshook/rcshook/internal/browsertest"
)

// TestPlayground sends each kind of message and an event of a shop, and taps a button.
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
	g.Click(".rows .card-button:nth-child(2)")
	g.Shows(".sheet", "Pier 2")
	g.pick("carousel", "Orrin Island")
	g.Wait(`!document.querySelector(".sheet")`)
	g.Click("#send")
	g.Shows(".rows .carousel", "Orrin Island")
	g.Shot("carousel")

	g.write(`{"to": "+12025550123", "titel": "x", "buttons": ["A label that is much too long for a button"]}`)
	g.Wait(`document.querySelectorAll(".problems li").length === 2`)
	g.Shows(".problems", "titel")
	g.Shot("errors")
	g.write("hello")
	g.Shows(".verdict", "A payload must be a JSON object")
	g.Wait(`document.querySelector("#response").hidden && !document.querySelector(".examples [aria-pressed=true]")`)
	g.write(`{"to": ["+12025550104", "+442079460123", "+12025550123"], "text": "Hello to three"}`)
	g.Shows(".verdict", "Text to +1 202 555 0104 and 2 more")
	g.Shows(".preview", "Hello to three")
	g.pick("offline", "The gate closes")
	g.pick("text", "Boarding for the 09:40 ferry")
	g.Wait(`JSON.parse(document.querySelector("#compose .editor-text").value).to === "+12025550123"`)

	g.Click(`[data-source="shopify"]`)
	g.Shows("#response h3", "Response to /hooks/shopify")
	g.Shows(".verdict", "Received: accepted")
	g.Shot("shopify")

	g.pick("replies", "running 20 minutes late")
	g.Click("#send")
	g.Shows(".tail > .rail .chip", "I'll wait")
	g.Click(".tail > .rail .chip")
	g.Shows(".row-user", "I'll wait")
	g.Click("#tab-events")
	g.Shows("#events .event-type", "button")
	g.Shows("#events .target", "your-crm")
	g.Shows("#events-note", "Nothing leaves the page. Targets")
	g.Click("#events .event:first-child summary")
	g.Shot("events")

	// A dry run does not look up opt-outs, so the page adds a note.
	g.Click("#tab-compose")
	browsertest.Eval[bool](g.Tab, `import("`+base+`js/stream.js").then(({ask}) =>
		ask("/_sim/user", {action: "text", phone: "+12025550123", agent_id: "harborline_demo_agent", text: "STOP"})).then(() => true)`)
	g.Shows(".rows", "Unsubscribed")
	g.write(`{"to": "+12025550123", "text": "An offer"}`)
	g.Shows("#response-note", "A dry run does not look up opt-outs. This number has opted out")
	g.Shot("opted-out")
	g.Click("#send")
	g.Shows("#response .pill", "recipient_opted_out")
	g.write(`{"to": "+12025550124", "text": "An offer"}`)
	g.Shows(".verdict", "Text to +1 202 555 0124")
	g.Wait(`!document.querySelector("#response-note")`)

	// A conversation has a limit.
	if oldest := browsertest.Eval[string](g.Tab, `import("`+base+`js/store.js").then(({Store}) => {
		const store = new Store(() => {});
		for (let id = 0; id < 600; id++) store.apply({id, kind: "user_message", phone: "+12025550123", message_id: String(id), time: "2026-12-01T09:00:00Z", payload: {text: "Hello"}});
		const [c] = store.conversations.values();
		return [c.items.length, c.byKey.size, c.items[0].id].join(" ");
	})`); oldest != "500 500 100" {
		t.Errorf("after 600 replies a conversation has items, keys, and the oldest item %s, want 500 500 100", oldest)
	}
	g.Clean()
}

// TestPlayground_beforeEngine uses the page while the engine loads: the examples work, the engine gets
// the same messages, and other payloads wait for it.
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
	g.write(`{"to": "+12025550123", "text": "Given up"}`)
	g.Shows(".verdict", "Loading the engine")
	g.pick("card", "Your ferry leaves")
	g.Shows(".verdict", "Card to")
	// Neither the progress nor the request of another tab replaces the verdict.
	browsertest.Eval[bool](g.Tab, `document.dispatchEvent(new CustomEvent("engine", {detail: {state: "loading", bytes: 1e6, of: 4e6}}))`)
	g.Shows("#live-text", "Loading the engine: 1.0 of 4.0 MB")
	g.Click("#tab-maps")
	g.Shows("#maps-verdict", "Loading the engine")
	g.Click("#tab-compose")
	if verdict := g.Text(".verdict"); !strings.Contains(verdict, "Card to") {
		t.Errorf("the verdict on the card is %q", verdict)
	}
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
	g.Shows("#events .event-type", "button")
	if n := browsertest.Eval[int](g.Tab, `[...document.querySelectorAll("#events .event")].filter((e) => ["delivered", "read"].includes(e.dataset.type)).length`); n != 4 {
		t.Errorf("%d receipts of 2 messages, want 4", n)
	}
	g.Click(".row-agent .meta")
	g.Shows("#inspect", "History")
	g.Shot("inspect")
	g.Clean()
}

// TestPlayground_hang ends an engine that hangs, and one that has stopped, shows that, and starts
// another.
func TestPlayground_hang(t *testing.T) {
	t.Parallel()
	g := openPage(t, "#preset=shopify", 1440, 900, true).release()
	g.Click("#tab-compose")
	for _, test := range []struct{ request, turns, want string }{
		{"/hang", "4", "The engine did not respond for 2 seconds, so it was started again, and the messages are gone."},
		{"/stop", "0", "The engine stopped, so it was started again, and the messages are gone."},
	} {
		message := browsertest.Eval[string](g.Tab, `import("`+base+`js/stream.js").then(async ({ask}) => {
			const response = ask("`+test.request+`").catch((e) => e.message);
			await new Promise((posted) => setTimeout(posted));
			for (let i = 0; i < `+test.turns+`; i++) turn();
			return response;
		})`)
		if !strings.HasPrefix(message, test.want) {
			t.Errorf("the error is %q, want %q", message, test.want)
		}
		g.Shows("#notice", test.want)
		g.Wait(`document.querySelector("#live").dataset.state === "live"`)
		g.Shot("hang")
		g.Click("#notice button")
		g.Wait(`!document.querySelector("#notice")`)
	}
	if tab := browsertest.Eval[string](g.Tab, `document.querySelector(".tab[aria-selected=true]").id`); tab != "tab-compose" {
		t.Errorf("after the engine was started again, the page shows %s, want tab-compose", tab)
	}
	g.write(`{"to": "+12025550123", "text": "After the engine hung"}`)
	g.Shows(".preview", "After the engine hung")
	g.Clean()
}

// TestPlayground_hangAtStart ends an engine that hangs at a message of the recording. A request that
// waits for it fails too.
func TestPlayground_hangAtStart(t *testing.T) {
	t.Parallel()
	g := openPage(t, "", 1440, 900, true)
	g.Shows(".preview", "Boarding")
	g.Click("#send")
	g.Shows(".rows .bubble", "Boarding")
	browsertest.Eval[bool](g.Tab, `import("`+base+`js/stream.js").then(({ask}) =>
		(ask("/_sim/messages").catch((e) => (globalThis.failed = e.message)), true))`)
	close(g.gate)
	g.Wait(`(globalThis.turn?.(), document.querySelector("#notice"))`)
	const want = "The engine did not respond for 2 seconds"
	g.Wait(`globalThis.failed?.startsWith("` + want + `")`)
	g.Shows("#notice", want)
	g.Clean()
}

// TestPlayground_late gives up on a request that waits, although the engine serves others, and keeps
// the engine.
func TestPlayground_late(t *testing.T) {
	t.Parallel()
	g := openPage(t, "", 1440, 900, true).release()
	g.Click("#send")
	g.Shows(".rows .bubble", "Boarding for the 09:40 ferry")
	message := browsertest.Eval[string](g.Tab, `import("`+base+`js/stream.js").then(async ({ask}) => {
		let message = "";
		ask("/wait").catch((e) => (message = e.message));
		for (let i = 0; i < 60; i++) {
			if (message) return "too early: " + message;
			await ask("/_sim/numbers");
			turn();
		}
		await ask("/_sim/numbers");
		return message;
	})`)
	if want := "The engine did not finish the request within 30 seconds, so it was canceled."; message != want {
		t.Errorf("the error is %q, want %q", message, want)
	}
	if shown := g.Text(".rows .bubble"); !strings.Contains(shown, "Boarding for the 09:40 ferry") {
		t.Errorf("the phone shows %q, want the message from before", shown)
	}
	g.Clean()
}

// TestPlayground_offline loads the page and a document again, when their host is gone.
func TestPlayground_offline(t *testing.T) {
	t.Parallel()
	g := open(t, "", 1440, 900)
	browsertest.Eval[bool](g.Tab, `caches.open("rcshook-playground-0").then(() => true)`)
	g.release()
	g.Shows("#live-text", "Ready, also offline")
	g.Wait(`caches.keys().then((names) => names.length === 1 && names[0] !== "rcshook-playground-0")`)
	const kept = `caches.keys().then(([name]) => caches.open(name)).then((cache) => cache.keys())
		.then((all) => all.map((r) => new URL(r.url).pathname).filter((path) => path.includes("/docs/")).sort())`
	want := []string{base + "docs/document.css", base + "docs/responses.html"} // which responses link
	if docs := browsertest.Eval[[]string](g.Tab, kept); !slices.Equal(docs, want) {
		t.Errorf("the first load has kept the documents %q, want %q", docs, want)
	}
	g.Do(chromedp.Navigate(g.URL + base + "docs/payload.html"))
	g.Wait(kept + `.then((paths) => ["payload.html", "document.css"].every((name) => paths.includes("` + base + `docs/" + name)))`)
	g.server.Config.Close()
	// A new version that is there before the engine is ready, is offered too.
	browsertest.Call(g.Tab, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: `
		document.addEventListener("engine", ({detail}) => detail.state === "started" && navigator.serviceWorker.dispatchEvent(new Event("controllerchange")))`})
	g.Do(chromedp.Navigate(g.URL + base))
	g.Shows("#notice", "There is a new version of this page.")
	g.Click("#notice [aria-label=Close]")
	g.Wait(`document.querySelector("#live").dataset.state === "live"`)
	g.write(`{"to": "+12025550123", "text": "Without a network"}`)
	g.Shows(".preview", "Without a network")
	g.Click("#send")
	g.Shows(".rows .bubble", "Without a network")
	g.Shot("offline")
	g.Do(chromedp.Navigate(g.URL + base + "docs/payload.html"))
	g.Wait(`document.querySelector("h1").textContent.includes("ayload") && [...document.styleSheets].every((s) => s.cssRules.length > 0)`)
	g.Do(chromedp.Navigate(g.URL + base + "docs/queue.html"))
	g.Shows("body", "This document was not opened before")
	g.Do(chromedp.Navigate(g.URL + base + "docs/responses.html#invalid_payload"))
	g.Wait(`document.querySelector(":target")?.textContent === "invalid_payload"`)
	g.Clean()
}

// TestPlayground_links opens links to payloads: they fill the editor and send nothing.
func TestPlayground_links(t *testing.T) {
	t.Parallel()
	const hostile = `<img src=x onerror=alert(1)>`
	link := func(payload string) string { return "#payload=" + url.PathEscape(payload) }
	g := open(t, link(`{"to": "+12025550123", "text": "`+hostile+`", "buttons": ["<b>Yes</b>"]}`), 1440, 900).release()
	g.Shows(".preview .bubble", hostile)
	if n := browsertest.Eval[int](g.Tab, `document.querySelectorAll(".rows .row, img[src=x], .preview b").length`); n != 0 {
		t.Errorf("the link has sent or created %d elements", n)
	}
	for fragment, want := range map[string]string{
		"#payload=":                            "This link is incomplete: the text after #payload= is not JSON.",
		"#payload=%7B%22to":                    "This link is incomplete: the text after #payload= is not JSON.",
		"#payload=%E0%A4%A":                    "This link is incomplete: the text after #payload= is not JSON.",
		link("7"):                              "This link has no payload: expected a JSON object after #payload=.",
		link(strings.Repeat(" ", 50_000)):      "This link is too long for a payload.",
		link(`"<img src=x onerror=alert(2)>"`): "This link has no payload: expected a JSON object after #payload=.",
	} {
		browsertest.Eval[string](g.Tab, `location.hash = `+browsertest.Quote(fragment))
		g.Shows("#notice", want)
		g.Click("#notice button")
		g.Shows(".preview .bubble", hostile)
	}
	browsertest.Eval[string](g.Tab, `location.hash = `+browsertest.Quote(link(`{"to": "+12025550123", "text": "Another"}`)))
	g.Shows(".preview .bubble", "Another")
	// A message that needs a queue is previewed without it, with a note about the queue.
	for _, test := range []struct{ fields, want, document string }{
		{`"schedule_at": "2026-01-02T03:04Z"`, "has no queue. With one, the function sends this message at once, because that time is past.", "queue.html"},
		{`"send_at": "2999-01-02T12:00Z"`, "has no queue. With one, the function sends this message on ", "queue.html"},
		{`"fallback_after": "20s"`, "has no fallback. With one, an SMS replaces this message if it is not delivered within 20s.", "fallback.html"},
		{`"fallback_after": 120`, "if it is not delivered within 120 seconds.", "fallback.html"},
	} {
		browsertest.Eval[string](g.Tab, `location.hash = `+browsertest.Quote(link(`{"to": "+12025550123", "text": "Later", `+test.fields+`}`)))
		g.Shows("#response-note", test.want)
		g.Shows("#compose .verdict", "Only a preview, without ")
		g.Wait(`!document.querySelector("#response .response-action:not(#response-note)")`)
		g.Shows(".preview .bubble", "Later")
		g.Wait(`document.querySelector("#response-note a").getAttribute("href") === "docs/` + test.document + `"`)
		g.Click(".preview-close")
		g.Wait(`!document.querySelector(".preview")`)
	}
	g.Shot("no-fallback")
	for _, payload := range []string{
		"\ufeff" + `{"to": "+12025550123", "text": "Byte order mark", "schedule_at": "2999-01-02T12:00Z"}`,
		`[{"to": "+12025550123", "text": "In a list", "schedule_at": "2999-01-02T12:00Z"}]`,
	} {
		g.write(payload)
		g.Shows("#response-note", "The playground has no queue. With one, the function sends this message on ")
		g.Shows("#compose .verdict", "Only a preview, without schedule_at")
		_, text, _ := strings.Cut(payload, `"text": "`)
		text, _, _ = strings.Cut(text, `"`)
		g.Shows(".preview .bubble", text)
	}
	// Another error has to be fixed first.
	g.write(`{"to": "+12025550123", "text": "Two errors", "schedule_at": "2999-01-02T12:00Z", "titel": "x"}`)
	g.Shows("#compose .problems", "titel")
	g.Wait(`!document.querySelector("#response-note") && document.querySelector("#compose .verdict").dataset.tone === "bad"`)
	// The response links the document of the site.
	if found := browsertest.Eval[string](g.Tab, `(async () => {
		const link = document.querySelector("#response pre a");
		const page = await (await fetch(link.href)).text();
		return [link.textContent, link.pathname, link.hash, page.includes(`+"`id=\"${link.hash.slice(1)}\"`"+`)].join(" ");
	})()`); found != "https://github.com/rcshook/rcshook/blob/main/docs/responses.md#invalid_payload "+base+"docs/responses.html #invalid_payload true" {
		t.Errorf("the response links %s", found)
	}
	// The second key from the start of the page leads to the editor.
	browsertest.Eval[bool](g.Tab, `document.activeElement.blur(), document.querySelector(".skip").focus(), true`)
	g.Do(chromedp.KeyEvent("\t"), chromedp.KeyEvent("\r"))
	g.Wait(`document.activeElement.matches("#compose .editor-text")`)
	// The link of the page leads to the same text.
	if same := browsertest.Eval[bool](g.Tab, `import("`+base+`playground/link.js").then((m) => {
		const text = document.querySelector(".editor-text").value;
		return m.payloadOf(new URL(m.linkTo(text)).hash) === text;
	})`); !same {
		t.Error("a link of the page leads to another text")
	}
	// A text that no link can hold is not copied.
	for _, test := range []struct{ text, pointers string }{
		{`{"to": `, "[]"},
		{`{"to": "+12025550123", "text": "` + strings.Repeat(" ", 34_000) + `"}`, `["/text"]`},
	} {
		g.write(test.text)
		g.Wait(`document.querySelectorAll(".problems li").length === 1 &&
			JSON.stringify([...document.querySelectorAll(".problems code")].map((e) => e.textContent)) === ` + browsertest.Quote(test.pointers))
		g.Click("#copy-link")
		g.Shows(".verdict", "A link needs a JSON object")
	}
	g.Clean()
}

// TestPlayground_accessible checks contrast and names of the controls, and the width of a small phone.
func TestPlayground_accessible(t *testing.T) {
	t.Parallel()
	for _, scheme := range []string{"light", "dark"} {
		t.Run(scheme, func(t *testing.T) {
			t.Parallel()
			g := open(t, "", 320, 640)
			g.Scheme(scheme)
			look := func(what string) {
				t.Helper()
				g.Shot("320-" + scheme + "-" + what)
				for _, bad := range browsertest.Eval[[]string](g.Tab, browsertest.Contrasts) {
					t.Errorf("%s: not enough contrast: %s", what, bad)
				}
				if width := browsertest.Eval[int](g.Tab, `document.scrollingElement.scrollWidth`); width > 320 {
					t.Errorf("%s: the page is %d wide, want at most 320", what, width)
				}
				if wide := browsertest.Eval[[]string](g.Tab, `[...document.querySelectorAll(".bar, .views, .compose-foot, .copy-as .menu, #notice")]
					.filter((e) => e.checkVisibility() && (e.scrollWidth > e.clientWidth + 1 || e.getBoundingClientRect().right > 320 || e.getBoundingClientRect().left < 0)).map((e) => e.className)`); len(wide) > 0 {
					t.Errorf("%s: too wide: %q", what, wide)
				}
			}
			g.Shows(".preview", "Boarding")
			look("phone")
			g.Click(`.views [data-view=compose]`)
			g.Click(`[data-example="carousel"]`)
			g.Click(`.views [data-view=phone]`)
			g.Shows(".preview .carousel", "Orrin Island")
			look("carousel")
			g.Click(".preview .rail-on")
			g.Wait(`(({right}) => right > 0 && right <= 320)(document.querySelector(".preview .carousel .card:nth-child(2)").getBoundingClientRect())`)
			look("carousel-next")
			g.Click(`.views [data-view=compose]`)
			g.Click(`.copy-as summary`)
			g.Wait(`document.querySelector(".copy-as .menu-entry").checkVisibility()`)
			g.Click(`[data-format="n8n node"]`)
			g.Shows(".copy-place", "n8n")
			g.Do(chromedp.ScrollIntoView(chromedp.CSS(".copy-as .menu")))
			look("compose")
			g.Named()
			g.Do(chromedp.Focus(chromedp.CSS(".copy-as .menu-entry")), chromedp.KeyEvent("\x1b"))
			g.Wait(`!document.querySelector(".copy-as").open && document.activeElement.matches(".copy-as summary")`)
			browsertest.Eval[string](g.Tab, `location.hash = "#payload=x"`)
			g.Shows("#notice", "This link is incomplete")
			look("notice")
			g.Clean()
		})
	}
}

// TestPlayground_times logs how long people wait, also with a CPU that is two and four times
// slower, and checks no time.
func TestPlayground_times(t *testing.T) {
	t.Parallel()
	if os.Getenv("RCSHOOKTEST_TIMES") == "" {
		t.Skip("set RCSHOOKTEST_TIMES to measure")
	}
	for i := range 9 {
		slower := float64(int(1) << (i / 3))
		g := open(t, "", 1440, 900)
		browsertest.Call(g.Tab, emulation.SetCPUThrottlingRate, emulation.SetCPUThrottlingRateParams{Rate: slower})
		close(g.gate)
		g.Do(chromedp.Navigate(g.URL + base + "?again"))
		first := `new Promise((done) => {
			const look = () => document.querySelector(".preview") ? done(performance.now()) : requestAnimationFrame(look);
			look();
		})`
		shown := browsertest.Eval[float64](g.Tab, first)
		g.Wait(`document.querySelector("#live").dataset.state === "live"`)
		ready := browsertest.Eval[float64](g.Tab, `performance.now()`)
		message := browsertest.Eval[float64](g.Tab, `new Promise((done) => {
			const start = performance.now();
			const area = document.querySelector(".editor-text");
			area.value = '{"to": "+12025550123", "title": "Not recorded", "text": "x"}';
			area.dispatchEvent(new InputEvent("input"));
			const look = () => document.querySelector(".preview")?.textContent.includes("Not recorded") ? done(performance.now() - start) : requestAnimationFrame(look);
			look();
		})`)
		t.Logf("%.0f times slower: first message after %.0f ms, engine ready after %.0f ms, the next message %.0f ms after that", slower, shown, ready, message)
	}
}
