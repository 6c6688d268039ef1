package phone_test

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

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
		g.click(fmt.Sprintf("[data-example=%q]", e.Name))
		inPreview := strings.ReplaceAll(w[0], ".row-agent[data-state=queued]", ".frame")
		g.shows(".preview "+strings.ReplaceAll(inPreview, ".row-agent", ".frame"), w[1])
		before := len(g.sim.Messages())
		g.click("#send")
		g.shows("#response .pill", "200 accepted")
		g.shows(".rows "+w[0], w[1])
		if after := len(g.sim.Messages()); after != before+1 {
			t.Errorf("example %q: one click sent %d messages, want 1", e.Name, after-before)
		}
	}
	g.clean()
}

// TestErrors shows the errors of a payload at their lines.
func TestErrors(t *testing.T) {
	t.Parallel()
	g := serve(t, phone.Options{}).open(1440, 900)
	g.write("{\n  \"to\": \"+12025550123\",\n  \"txt\": \"Hello\",\n  \"buttons\": [\n    \"Yes\",\n    \"No|javascript:alert(1)\"\n  ]\n}")
	g.shows(".problems li:nth-child(1)", "Line 3")
	g.shows(".problems li:nth-child(1)", "did you mean \"text\"?")
	g.shows(".problems li:nth-child(2)", "Line 6")
	lines := eval[[]int](g, `[...document.querySelectorAll(".editor-line")].flatMap((l, i) => l.classList.contains("wrong") ? [i + 1] : [])`)
	if lines[0] != 3 || lines[1] != 6 {
		t.Errorf("marked lines = %v, want 3 and 6", lines)
	}
	if got := g.text(".problem"); got != `"txt"` {
		t.Errorf("underlined = %q, want the member with its name", got)
	}
	g.click(".problems li:nth-child(2) button")
	g.wait(`(() => {
		const a = document.querySelector(".editor-text");
		return document.activeElement === a && a.value.slice(a.selectionStart, a.selectionEnd) === '"No|javascript:alert(1)"';
	})()`)
	g.click("#send")
	g.shows("#response .pill", "422 invalid_payload")

	g.write("{\n  \"to\": \"+12025550123\",\n  \"text\": \"Hello\"\n  \"buttons\": []\n}")
	g.shows(".problems li", "Line 4")
	g.shows("#response .pill", "400 invalid_body")

	g.write("  ")
	g.shows(".verdict", "Write a payload")
	if n := len(g.sim.Messages()); n != 0 {
		t.Errorf("%d messages were sent, want 0", n)
	}
	g.clean()
}

// TestWarnings shows a warning at its line and sends the message.
func TestWarnings(t *testing.T) {
	t.Parallel()
	g := serve(t, phone.Options{}).open(1440, 900)
	g.write("{\n  \"to\": \"+12025550123\",\n  \"text\": \"Your code is 1234\",\n  \"ttl\": 5\n}")
	g.shows(".problems li[data-tone=wait]", "Line 4")
	g.wait(`document.querySelectorAll(".editor-line")[3].classList.contains("mild") && document.querySelector(".editor-text").getAttribute("aria-invalid") === "false"`)
	g.shows(".preview", "Your code is 1234")
	g.click("#send")
	g.shows(".rows .bubble", "Your code is 1234")
	g.clean()
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
	g.click(`[data-source="shop"]`)
	g.shows("#response .pill", "200 accepted")
	g.shows(".rows .bubble", "Order 1042 has shipped")
	g.click(`[data-source="broken"]`)
	g.shows("#response .pill", "422 invalid_payload")
	g.shows("#response h3", "Response to /hooks/broken")
	g.wait(`!document.querySelector(".problems li, .editor-line.wrong, [data-source=custom]")`)

	// The box starts with the sample of its source.
	g.click("#own summary")
	box := func(want string) {
		t.Helper()
		g.wait(`document.querySelector(".own-event").value === ` + quoted(want))
	}
	choose := func(source string) {
		t.Helper()
		eval[bool](g, `(() => {
			const choice = document.querySelector("#own select");
			choice.value = `+quoted(source)+`;
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
		eval[string](g, `document.querySelector(".own-event").value = `+quoted(event))
		g.click("#send-own")
	}
	write(`{"to": "` + phoneNumber + `", "text": "Order 1043 is late"}`)
	g.shows("#response h3", "Response to /hooks/custom")
	g.shows("#response .pill", "200 accepted")
	g.shows(".verdict", "Received: accepted")
	g.shows(".rows .bubble", "Order 1043 is late")
	write("{")
	g.shows(".verdict", "expected a header such as Content-Type: application/json")
	g.shot("sources")
	g.mu.Lock()
	g.troubles = slices.DeleteFunc(g.troubles, func(s string) bool { return strings.Contains(s, "status of 400") })
	g.mu.Unlock()
	g.clean()
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
	function := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Source", r.URL.Path[1:])
		switch r.URL.Path {
		case "/accepted":
			w.WriteHeader(http.StatusNoContent)
		case "/ignored":
			w.WriteHeader(http.StatusUnprocessableEntity)
		default:
			io.WriteString(w, `{"shown": "to the user"}`)
		}
	}))
	defer function.Close()
	var sources []phone.Source
	for _, name := range slices.Sorted(maps.Keys(outcomes)) {
		sources = append(sources, phone.Source{Name: name, Sample: "{}", Request: func(string) (*http.Request, error) {
			return http.NewRequest(http.MethodPost, function.URL+"/"+name, strings.NewReader("{}"))
		}})
	}
	g := serve(t, phone.Options{
		Sources: func() []phone.Source { return sources },
		Outcome: func(header http.Header, _ []byte) []byte { return []byte(outcomes[header.Get("X-Source")]) },
	}).open(1440, 900)
	for _, tt := range []struct{ source, tone, verdict, pill, body string }{
		{"accepted", "good", "Received: accepted; the sender gets 204 without a body", "204 accepted", `"ok": true`},
		{"ignored", "", "Received: ignored, because the map returned no message; the sender gets 422 without a body", "422 ignored", `"ok": true`},
		{"other", "bad", "Sent before: another message has this ID; the sender gets 200 with a body of its own", "200 duplicate", "to the user"},
		{"refused", "bad", "The phone number is invalid; the sender gets 200 with a body of its own", "200 invalid_phone", "to the user"},
	} {
		g.click(`[data-source="` + tt.source + `"]`)
		g.shows(`.verdict[data-tone="`+tt.tone+`"]`, tt.verdict)
		g.shows("#response .pill", tt.pill)
		g.shows("#response", tt.body)
		g.shot("outcome-" + tt.source)
	}
	g.mu.Lock()
	g.troubles = slices.DeleteFunc(g.troubles, func(s string) bool { return strings.Contains(s, "status of 4") })
	g.mu.Unlock()
	g.clean()
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
				g.scheme(scheme)
				g.view("compose", width < 720)
				g.click("#senders summary")
				g.shows("#senders .caption", "payment")
				g.shows("#senders .example", "paddle")
				g.shot("senders-" + t.Name()[len("TestSenders/"):])
				eval[bool](g, `(navigator.clipboard.writeText = async (text) => { window.copied = text; }, true)`)
				g.click("#senders .examples:nth-of-type(2) .example:nth-of-type(2)")
				g.wait(`window.copied === "rcshook init shopify"`)
				for _, bad := range eval[[]string](g, contrasts) {
					t.Errorf("not enough contrast: %s", bad)
				}
				if got := eval[int64](g, `document.scrollingElement.scrollWidth`); got > width {
					t.Errorf("the page is %d wide, want at most %d", got, width)
				}
				g.named()
				g.clean()
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
		g.shows(".preview .bubble", []string{"one", "two", "three", "four", "five"}[i])
	}
	if n := len(g.sim.Messages()); n != 0 {
		t.Errorf("the previews sent %d messages, want 0", n)
	}
	g.click(".preview-close")
	g.wait(`!document.querySelector(".preview")`)
	g.clean()
}

// TestCurl copies a correctly quoted command.
func TestCurl(t *testing.T) {
	t.Parallel()
	g := serve(t, phone.Options{}).open(1440, 900)
	g.write(`{"to": "+12025550123", "text": "It's John's $HOME ` + "`date`" + `"}`)
	eval[bool](g, `(() => {
		navigator.clipboard.writeText = async (text) => { window.copied = text; };
		const button = document.querySelector("#curl"); // shows the word for a moment
		new MutationObserver(() => { window.confirmed ||= button.textContent.includes("Copied"); })
			.observe(button, {subtree: true, childList: true, characterData: true});
		return true;
	})()`)
	g.click("#curl")
	g.wait(`window.confirmed`)
	got := eval[string](g, `window.copied`)
	want := "curl -i '" + g.call + "' \\\n  -H 'Authorization: Bearer dev' \\\n  -H 'Content-Type: application/json' \\\n" +
		"  -d '{\"to\": \"+12025550123\", \"text\": \"It'\\''s John'\\''s $HOME `date`\"}'"
	if got != want {
		t.Errorf("copied:\n%s\nwant:\n%s", got, want)
	}
	g.clean()
}
