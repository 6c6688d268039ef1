package main

import (
	"archive/zip"
	"bytes"
	"encoding/base64"
	"io"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/rcshook/rcshook/internal/browsertest"
)

// edit replaces the text of an editor in the tab for mappings.
func (g *rig) edit(editor, text string) {
	g.T.Helper()
	browsertest.Eval[bool](g.Tab, `(() => {
		const area = document.querySelector("`+editor+` .editor-text");
		area.value = `+browsertest.Quote(text)+`;
		return area.dispatchEvent(new InputEvent("input", {bubbles: true}));
	})()`)
}

// TestMaps changes the mapping of Shopify, breaks and repairs it, sends the message, and downloads the
// file and the case.
func TestMaps(t *testing.T) {
	t.Parallel()
	g := open(t, "#preset=shopify", 1440, 900)
	// A payload of the user is in the editor, and another tab is shown while the engine loads.
	browsertest.Eval[bool](g.Tab, `(sessionStorage.setItem("rcshook.draft", '{"to": "+12025550108", "text": "Mine", "schedule_at": "2999-01-02T12:00Z"}'), true)`)
	g.Do(chromedp.Reload())
	g.Wait(`document.querySelector("#maps-sender option")`)
	g.Click("#tab-events")
	g.Click("#tab-maps")
	g.release()
	g.Wait(`document.querySelector("#response pre")?.textContent.includes("/schedule_at")`) // the dry run of the payload
	g.Shows(".preview", "Hi Ada")
	g.Wait(`document.querySelector("#tab-maps").getAttribute("aria-selected") === "true"`)
	g.Shows("#maps-verdict", "Text to +1 202 555 0123")
	// The payload is previewed without its time when its tab is shown.
	browsertest.Eval[bool](g.Tab, `import("`+base+`js/stream.js").then(({ask}) => ask("/_sim/numbers")).then(() => true)`)
	g.Shows(".preview", "Hi Ada")
	browsertest.Eval[bool](g.Tab, `document.querySelector("#tab-maps").dispatchEvent(new KeyboardEvent("keydown", {key: "ArrowRight"}))`)
	g.Shows(".preview", "Mine")
	g.Shows("#response-note", "The playground has no queue.")
	g.Click("#tab-maps")
	g.Shows(".preview", "Hi Ada, your order #1001 ($19.90) is on its way.")
	g.Shot("maps")

	const broken = "{\n  to: .phone,\n  text: (\"Hi\"\n}"
	g.edit("#maps-map", broken)
	g.Shows("#maps-problems .problem-line", "Mapping, line 4")
	g.Shows("#maps-problems", "unexpected token")
	g.Shot("maps-broken")
	g.Click("#maps-problems .problem-entry")
	if at := browsertest.Eval[string](g.Tab, `(({value, selectionStart, selectionEnd}) => value.slice(selectionStart, selectionEnd))(document.activeElement)`); at != "}" {
		t.Errorf("the problem selects %q, want the bracket", at)
	}
	if disabled := browsertest.Eval[bool](g.Tab, `document.querySelector("#maps-send").disabled && document.querySelector("#maps-download").disabled`); !disabled {
		t.Error("a broken mapping can be sent or downloaded")
	}

	// With few fields, the function has the time to try without each also on a busy machine.
	g.edit("#maps-event", `{"phone": "+12025550123", "customer": {"first_name": "Ada"}, "order_status_url": "https://example.com/1"}`)
	g.edit("#maps-map", "{to: .phone, text: \"Hi \\(.customer.first_name)\", buttons: [\"Track|\\(.order_status_url)\"]}")
	g.Shows(".preview", "Hi Ada")
	g.Shows("#maps-problems", "if the event has no /customer/first_name")
	g.edit("#maps-event", "{\"phone\": \"+12025550124\",\n \"customer\": {\"first_name\": Ada}}")
	g.Shows("#maps-problems .problem-line", "Event, line 2")
	g.edit("#maps-event", "{\"phone\": \"+12025550124\",\n \"customer\": {\"first_name\": \"Grace\"}, \"order_status_url\": \"https://example.com/1\"}")
	g.Shows(".preview", "Hi Grace")
	link := browsertest.Eval[string](g.Tab, `location.hash`)
	g.Click("#maps-send")
	g.Shows("#maps-verdict", "Sent 1 message")
	g.Shows(".rows .bubble", "Hi Grace")
	g.Shot("maps-sent")

	browsertest.Eval[bool](g.Tab, `(() => {
		const create = URL.createObjectURL;
		URL.createObjectURL = (blob) => ((window.downloaded = blob), create(blob));
		return true;
	})()`)
	g.Click("#maps-download")
	g.Shows("#maps-verdict", "Downloaded rcshook-shopify.zip")
	browsertest.Eval[bool](g.Tab, `(window.downloaded.arrayBuffer().then((b) => (window.archive = new Uint8Array(b).toBase64())), true)`)
	g.Wait(`window.archive`)
	files := unzip(t, browsertest.Eval[string](g.Tab, `window.archive`))
	if !strings.Contains(files["rcshook.yaml"], `text: "Hi \(.customer.first_name)"`) || !strings.Contains(files["cases/shopify/sample.json"], "Grace") ||
		!strings.Contains(files["cases/shopify/sample.want.json"], `"text": "Hi Grace"`) || len(files) != 3 {
		t.Errorf("the archive contains %v", files)
	}
	opened := open(t, link, 1440, 900).release()
	opened.Shows(".preview", "Hi Grace")
	opened.Clean()

	g.Click("#maps-results a")
	g.Wait(`document.querySelector("#tab-compose").getAttribute("aria-selected") === "true"`)
	g.Wait(`JSON.parse(document.querySelector("#compose .editor-text").value).text === "Hi Grace"`)
	g.Click("#tab-maps")
	g.Wait(`(document.querySelector("#maps-results a").click(), true)`) // again, while the messages are made again
	g.Wait(`document.querySelector("#tab-compose").getAttribute("aria-selected") === "true"`)
	g.Click("#tab-maps")
	g.Click("#maps-reset")
	g.Shows(".preview", "Hi Ada, your order")
	g.Clean()
}

// unzip returns the files of an archive.
func unzip(t *testing.T, encoded string) map[string]string {
	t.Helper()
	data, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		t.Fatal(err)
	}
	archive, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	files := make(map[string]string)
	for _, f := range archive.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r) // checks the checksum
		if err != nil {
			t.Fatal(err)
		}
		files[f.Name] = string(text)
	}
	return files
}

// TestMaps_endless writes programs that do not end: each is stopped, and the engine keeps the
// messages.
func TestMaps_endless(t *testing.T) {
	t.Parallel()
	g := open(t, "#preset=shopify", 1440, 900).release()
	g.Shows(".preview", "Hi Ada")
	g.Click("#maps-send")
	g.Shows(".rows .bubble", "Hi Ada")
	for _, program := range []string{"def f: f; f", "[range(1e12)]", "[limit(1e9; repeat(1))] | length"} {
		g.edit("#maps-map", program)
		g.Wait(`/the map (takes longer than 500ms|uses more than 48 MiB)/.test(document.querySelector("#maps-problems").innerText)`)
		g.edit("#maps-map", `{to: .phone, text: "It ends"}`)
		g.Shows(".preview", "It ends")
	}
	g.Shows(".rows .bubble", "Hi Ada")
	g.Clean()
}

// TestMaps_file pastes a file with problems, repairs it, and maps an event with its source.
func TestMaps_file(t *testing.T) {
	t.Parallel()
	g := open(t, "", 390, 844).release()
	g.Click(`.views [data-view="maps"]`)
	g.Shows("#maps-verdict", "Text to")
	g.Shot("maps-narrow")
	browsertest.Eval[bool](g.Tab, `(document.querySelector("#maps-file").open = true)`)
	const file = "sources:\n  shop:\n    preset: shopfy\n    secret: projects/p/secrets/shop\n    map: '{to: .phone, text: .name}'\nevents:\n  crm:\n    url: ftp://crm.example.com\n  log:\n    url: https://log.example.com\n    map: '{text: .text'\n"
	g.edit("#maps-file", file)
	g.Wait(`document.querySelectorAll("#file-problems li").length === 3`)
	g.Shows("#file-problems", "did you mean shopify?")
	g.Click("#file-problems li:nth-child(3) .problem-entry")
	if line := browsertest.Eval[int](g.Tab, `document.activeElement.value.slice(0, document.activeElement.selectionStart).split("\n").length`); line != 11 {
		t.Errorf("the third problem selects line %d, want 11", line)
	}
	g.Shot("maps-file")
	g.edit("#maps-file", strings.NewReplacer("shopfy", "shopify", "ftp:", "https:", "'{text: .text'", "'{text: .text}'").Replace(file))
	g.Shows("#maps-file .verdict", "No problems")
	g.Click("#maps-file .example")
	g.Shows("#maps-verdict", "Text to +1 202 555 0123")
	g.Shows("#maps-results", `"#1001"`)
	g.Clean()
}

// TestMaps_access checks the tab with the keyboard, for screen readers, and at 320 pixels.
func TestMaps_access(t *testing.T) {
	t.Parallel()
	for _, scheme := range []string{"light", "dark"} {
		g := open(t, "#preset=stripe", 320, 640).release()
		g.Scheme(scheme)
		g.Shows("#maps-verdict", "Text to")
		if wide := browsertest.Eval[int](g.Tab, `document.documentElement.scrollWidth`); wide > 320 {
			t.Errorf("%s: the page is %d pixels wide", scheme, wide)
		}
		g.Shot("maps-320-" + scheme)
		if bad := browsertest.Eval[[]string](g.Tab, browsertest.Contrasts); len(bad) > 0 {
			t.Errorf("%s: low contrast of %q", scheme, bad)
		}
		if named := g.Named(); named["textbox"] < 2 {
			t.Errorf("%s: controls %v, want the two editors", scheme, named)
		}
		g.Clean()
	}
}
