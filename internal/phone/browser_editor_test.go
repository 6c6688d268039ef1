package phone_test

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/rcshook/rcshook/internal/browsertest"
	"github.com/rcshook/rcshook/internal/phone"
)

// TestExamples previews and sends every example.
func TestExamples(t *testing.T) {
	t.Parallel()
	// A selector for the message on the phone, and a part of its text.
	want := map[string][2]string{
		"text":           {".bubble", "Boarding for the 09:40"},
		"replies":        {".bubble", "20 minutes late"},
		"actions":        {".bubble", "Every action of a chip"},
		"otp":            {".bubble", "482913"},
		"card":           {".card[data-layout=vertical] .media[data-height=MEDIUM] + .card-body", "Your ferry leaves"},
		"card-left":      {".card[data-layout=horizontal][data-side=left]", "Lighthouse walk"},
		"card-right":     {".card[data-layout=horizontal][data-side=right]", "Harbor café"},
		"video":          {".card:has(.media[data-kind=video][data-height=TALL] .play)", "Safety on board"},
		"carousel":       {".carousel-medium .card:nth-child(3)", "North Harbor"},
		"carousel-small": {".carousel-small .card:nth-child(3)", "Season"},
		"flat":           {".carousel .card:nth-child(2)", "Quiet zone"},
		"image":          {".row-agent:has(.file img[src='pictures/island.svg'])", ""},
		"pdf":            {".document", "boarding-pass-1042.pdf"},
		"audio":          {".sound", "announcement.mp3"},
		"scripts":        {".bubble[dir=auto]", "مرحباً"},
		"raw":            {".bubble", "pass through unchanged"},
		"offline":        {".row-agent[data-state=queued] .bubble", "The gate closes"},
	}
	g := serve(t, phone.Options{}).open(1440, 900)
	for _, e := range examples(t) {
		if e.Name == "errors" {
			continue
		}
		w, ok := want[e.Name]
		if !ok {
			t.Errorf("example %q: missing in this test", e.Name)
			continue
		}
		g.Click(fmt.Sprintf("[data-example=%q]", e.Name))
		inPreview := strings.ReplaceAll(w[0], ".row-agent[data-state=queued]", ".frame")
		g.Shows(".preview "+strings.ReplaceAll(inPreview, ".row-agent", ".frame"), w[1])
		before := len(g.sim.Messages())
		g.Click("#send")
		g.Shows("#response .pill", "200 accepted")
		g.Shows(".rows "+w[0], w[1])
		if after := len(g.sim.Messages()); after != before+1 {
			t.Errorf("example %q: one click sent %d messages, want 1", e.Name, after-before)
		}
	}
	g.Clean()
}

// TestErrors shows the errors of a payload at their lines.
func TestErrors(t *testing.T) {
	t.Parallel()
	g := serve(t, phone.Options{}).open(1440, 900)
	g.write("{\n  \"to\": \"+12025550123\",\n  \"txt\": \"Hello\",\n  \"buttons\": [\n    \"Yes\",\n    \"No|javascript:alert(1)\"\n  ]\n}")
	g.Shows(".problems li:nth-child(1)", "Line 3")
	g.Shows(".problems li:nth-child(1)", "did you mean \"text\"?")
	g.Shows(".problems li:nth-child(2)", "Line 6")
	lines := browsertest.Eval[[]int](g.Tab, `[...document.querySelectorAll(".editor-line")].flatMap((l, i) => l.classList.contains("wrong") ? [i + 1] : [])`)
	if lines[0] != 3 || lines[1] != 6 {
		t.Errorf("marked lines = %v, want 3 and 6", lines)
	}
	if got := g.Text(".problem"); got != `"txt"` {
		t.Errorf("underlined = %q, want the member with its name", got)
	}
	g.Click(".problems li:nth-child(2) button")
	g.Wait(`(() => {
		const a = document.querySelector(".editor-text");
		return document.activeElement === a && a.value.slice(a.selectionStart, a.selectionEnd) === '"No|javascript:alert(1)"';
	})()`)
	g.Click("#send")
	g.Shows("#response .pill", "422 invalid_payload")

	g.write("{\n  \"to\": \"+12025550123\",\n  \"text\": \"Hello\"\n  \"buttons\": []\n}")
	g.Shows(".problems li", "Line 4")
	g.Shows("#response .pill", "400 invalid_body")

	g.write("  ")
	g.Shows(".verdict", "Write a payload")
	if n := len(g.sim.Messages()); n != 0 {
		t.Errorf("%d messages were sent, want 0", n)
	}
	g.Clean()
}

// TestWarnings shows a warning at its line and sends the message.
func TestWarnings(t *testing.T) {
	t.Parallel()
	g := serve(t, phone.Options{}).open(1440, 900)
	g.write("{\n  \"to\": \"+12025550123\",\n  \"text\": \"Your code is 1234\",\n  \"ttl\": 5\n}")
	g.Shows(".problems li[data-tone=wait]", "Line 4")
	g.Wait(`document.querySelectorAll(".editor-line")[3].classList.contains("mild") && document.querySelector(".editor-text").getAttribute("aria-invalid") === "false"`)
	g.Shows(".preview", "Your code is 1234")
	g.Click("#send")
	g.Shows(".rows .bubble", "Your code is 1234")
	g.Clean()
}

// TestSources sends events to sources: samples, and one of one's own. Errors in them are
// not marked in the editor.
func TestSources(t *testing.T) {
	t.Parallel()
	function := ""
	request := func(sample string) func(string) (*http.Request, error) {
		return func(event string) (*http.Request, error) {
			if event == "{" {
				return nil, errors.New("expected a header such as Content-Type: application/json")
			}
			req, err := http.NewRequest(http.MethodPost, function, strings.NewReader(cmp.Or(event, sample)))
			if err == nil {
				req.Header.Set("Authorization", "Bearer dev")
				req.Header.Set("Content-Type", "application/json")
			}
			return req, err
		}
	}
	const shop, broken = `{"to": "` + phoneNumber + `", "text": "Order 1042 has shipped"}`, `{"to": "` + phoneNumber + `", "txt": "x"}`
	g := serve(t, phone.Options{Sources: func() []phone.Source {
		return []phone.Source{
			{Name: "shop", About: "Shopify", Sample: shop, Request: request(shop)},
			{Name: "broken", About: "a broken mapping", Sample: broken, Request: request(broken)},
			{Name: "custom", About: "without a sample", Request: request("")},
		}
	}})
	function = g.call
	g.open(1440, 900)
	g.Click(`[data-source="shop"]`)
	g.Shows("#response .pill", "200 accepted")
	g.Shows(".rows .bubble", "Order 1042 has shipped")
	g.Click(`[data-source="broken"]`)
	g.Shows("#response .pill", "422 invalid_payload")
	g.Shows("#response h3", "Response to /hooks/broken")
	g.Wait(`!document.querySelector(".problems li, .editor-line.wrong, [data-source=custom]")`)

	// The box starts with the sample of its source.
	g.Click("#own summary")
	box := func(want string) {
		t.Helper()
		g.Wait(`document.querySelector(".own-event").value === ` + browsertest.Quote(want))
	}
	choose := func(source string) {
		t.Helper()
		browsertest.Eval[bool](g.Tab, `(() => {
			const choice = document.querySelector("#own select");
			choice.value = `+browsertest.Quote(source)+`;
			return choice.dispatchEvent(new Event("change"));
		})()`)
	}
	box(shop)
	choose("broken")
	box(broken)
	choose("custom")
	box("")
	write := func(event string) {
		t.Helper()
		browsertest.Eval[string](g.Tab, `document.querySelector(".own-event").value = `+browsertest.Quote(event))
		g.Click("#send-own")
	}
	write(`{"to": "` + phoneNumber + `", "text": "Order 1043 is late"}`)
	g.Shows("#response h3", "Response to /hooks/custom")
	g.Shows("#response .pill", "200 accepted")
	g.Shows(".verdict", "Received: accepted")
	g.Shows(".rows .bubble", "Order 1043 is late")
	write("{")
	g.Shows(".verdict", "expected a header such as Content-Type: application/json")
	g.Shot("sources")
	g.Forgive("status of 400")
	g.Clean()
}

// TestSources_outcome sends events to sources whose senders get a response of their own: the
// page shows the outcome, and the response to the sender.
func TestSources_outcome(t *testing.T) {
	t.Parallel()
	outcomes := map[string]string{
		"accepted": `{"ok": true, "status": 204, "code": "accepted"}`,
		"other":    `{"ok": true, "status": 200, "code": "duplicate", "message": "Sent before: another message has this ID", "detail": "another message has this ID"}`,
		"ignored":  `{"ok": true, "status": 422, "code": "ignored"}`,
		"refused":  `{"ok": false, "status": 200, "code": "invalid_phone", "title": "The phone number is invalid"}`,
	}
	function := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Source", r.URL.Path[1:])
		switch r.URL.Path {
		case "/accepted":
			w.WriteHeader(http.StatusNoContent)
		case "/ignored":
			w.WriteHeader(http.StatusUnprocessableEntity)
		default:
			io.WriteString(w, `{"shown": "to the user"}`)
		}
	})
	var sources []phone.Source
	for _, name := range slices.Sorted(maps.Keys(outcomes)) {
		sources = append(sources, phone.Source{Name: name, Sample: "{}", Request: func(string) (*http.Request, error) {
			return http.NewRequest(http.MethodPost, "/"+name, strings.NewReader("{}"))
		}})
	}
	g := serve(t, phone.Options{
		Function: function,
		Sources:  func() []phone.Source { return sources },
		Outcome:  func(header http.Header, _ []byte) []byte { return []byte(outcomes[header.Get("X-Source")]) },
	}).open(1440, 900)
	for _, tt := range []struct{ source, tone, verdict, pill, body string }{
		{"accepted", "good", "Received: accepted; the sender gets 204 without a body", "204 accepted", `"ok": true`},
		{"ignored", "", "Received: ignored, because the map returned no message; the sender gets 422 without a body", "422 ignored", `"ok": true`},
		{"other", "bad", "Sent before: another message has this ID; the sender gets 200 with a body of its own", "200 duplicate", "to the user"},
		{"refused", "bad", "The phone number is invalid; the sender gets 200 with a body of its own", "200 invalid_phone", "to the user"},
	} {
		g.Click(`[data-source="` + tt.source + `"]`)
		g.Shows(`.verdict[data-tone="`+tt.tone+`"]`, tt.verdict)
		g.Shows("#response .pill", tt.pill)
		g.Shows("#response", tt.body)
		g.Shot("outcome-" + tt.source)
	}
	g.Forgive("status of 4")
	g.Clean()
}

// TestSenders copies the command for a sender from the list, on a small phone and on a desk,
// light and dark.
func TestSenders(t *testing.T) {
	t.Parallel()
	for _, width := range []int64{320, 1400} {
		for _, scheme := range []string{"light", "dark"} {
			t.Run(fmt.Sprintf("%d-%s", width, scheme), func(t *testing.T) {
				t.Parallel()
				senders := []phone.Senders{
					{Group: "sign-in", Presets: []string{"auth0", "authentik", "clerk", "cognito", "fusionauth", "kratos", "logto", "okta", "supabase", "zitadel"}},
					{Group: "shop", Presets: []string{"bigcommerce", "shopify", "woocommerce"}},
					{Group: "payment", Presets: []string{"chargebee", "gocardless", "lemon-squeezy", "mollie", "paddle", "paystack", "razorpay", "square", "stripe"}},
					{Group: "any", Presets: []string{"basic", "bearer", "cloudevents", "hmac", "standard-webhooks", "svix"}},
				}
				g := serve(t, phone.Options{Senders: senders}).open(width, 900)
				g.Scheme(scheme)
				g.view("compose", width < 720)
				g.Click("#senders summary")
				g.Shows("#senders .caption", "payment")
				g.Shows("#senders .example", "paddle")
				g.Shot("senders-" + t.Name()[len("TestSenders/"):])
				browsertest.Eval[bool](g.Tab, `(navigator.clipboard.writeText = async (text) => { window.copied = text; }, true)`)
				g.Click("#senders .examples:nth-of-type(2) .example:nth-of-type(2)")
				g.Wait(`window.copied === "rcshook init shopify"`)
				for _, bad := range browsertest.Eval[[]string](g.Tab, browsertest.Contrasts) {
					t.Errorf("not enough contrast: %s", bad)
				}
				if got := browsertest.Eval[int64](g.Tab, `document.scrollingElement.scrollWidth`); got > width {
					t.Errorf("the page is %d wide, want at most %d", got, width)
				}
				g.Named()
				g.Clean()
			})
		}
	}
}

// TestDryRun previews payloads that switch dry_run off.
func TestDryRun(t *testing.T) {
	t.Parallel()
	g := serve(t, phone.Options{}).open(1440, 900)
	for i, payload := range []string{
		`{"to": "+12025550123", "text": "one", "dry_run": false}`,
		`{"to": "+12025550123", "text": "two", "DryRun": "no"}`,
		`{"to": "+12025550123", "text": "three", "validate": false}`,
		`[{"to": "+12025550123", "text": "four"}]`,
		` { "to": "+12025550123", "text": "five" }`,
	} {
		g.write(payload)
		g.Shows(".preview .bubble", []string{"one", "two", "three", "four", "five"}[i])
	}
	if n := len(g.sim.Messages()); n != 0 {
		t.Errorf("the previews sent %d messages, want 0", n)
	}
	g.Click(".preview-close")
	g.Wait(`!document.querySelector(".preview")`)
	g.Clean()
}

// TestCurl copies a correctly quoted command.
func TestCurl(t *testing.T) {
	t.Parallel()
	g := serve(t, phone.Options{}).open(1440, 900)
	g.write(`{"to": "+12025550123", "text": "It's John's $HOME ` + "`date`" + `"}`)
	browsertest.Eval[bool](g.Tab, `(() => {
		navigator.clipboard.writeText = async (text) => { window.copied = text; };
		const button = document.querySelector("#curl"); // shows the word for a moment
		new MutationObserver(() => { window.confirmed ||= button.textContent.includes("Copied"); })
			.observe(button, {subtree: true, childList: true, characterData: true});
		return true;
	})()`)
	g.Click("#curl")
	g.Wait(`window.confirmed`)
	got := browsertest.Eval[string](g.Tab, `window.copied`)
	want := "curl -i '" + g.call + "' \\\n  -H 'Authorization: Bearer dev' \\\n  -H 'Content-Type: application/json' \\\n" +
		"  -d '{\"to\": \"+12025550123\", \"text\": \"It'\\''s John'\\''s $HOME `date`\"}'"
	if got != want {
		t.Errorf("copied:\n%s\nwant:\n%s", got, want)
	}
	g.Clean()
}

// TestCompose_hidden checks that a preview that arrives while another tab is shown is there
// when Compose is shown again.
func TestCompose_hidden(t *testing.T) {
	t.Parallel()
	g := serve(t, phone.Options{}).open(1440, 900)
	write := func(text, then string) {
		browsertest.Eval[bool](g.Tab, `(() => {
			const area = document.querySelector(".editor-text");
			area.value = `+browsertest.Quote(`{"to": "+12025550123", "text": "`+text+`"}`)+`;
			area.dispatchEvent(new InputEvent("input", {bubbles: true}));
			`+then+`
			return true;
		})()`)
	}
	write("First", "")
	g.Shows(".preview", "First")
	write("Second", `document.querySelector("#tab-events").click();`)
	g.Wait(`document.querySelector("#response pre").textContent.includes("Second")`) // behind the other tab
	g.Shows(".preview", "First")
	g.Click("#tab-compose")
	g.Shows(".preview", "Second")
}
