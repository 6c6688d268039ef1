package phone_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/security"

	"github.com/rcshook/rcshook/internal/browsertest"
	"github.com/rcshook/rcshook/internal/phone"
)

// hostile are texts that do harm if a page treats them as markup or code.
var hostile = []string{
	`<img src=x onerror=alert(1)>`,
	`"><script>alert(2)</script>`,
	`'-alert(3)-'`,
	`<svg onload=alert(4)><a xlink:href="javascript:alert(5)">x</a>`,
	`<iframe srcdoc="<script>parent.alert(6)</script>">`,
	`<style>*{background:url(https://evil.example/7)}</style>`,
	`<link rel=stylesheet href=https://evil.example/8><base href=https://evil.example/>`,
	`javascript:alert(9)`,
	`{{constructor.constructor('alert(10)')()}} ${alert(11)}`,
	"\u202Eevil.example\u202C \u0000 \ufeff",
}

// TestInjection sends hostile texts in every field through the simulator. None may run
// or load, and all must be shown as text.
func TestInjection(t *testing.T) {
	t.Parallel()
	g := serve(t, phone.Options{}).open(1440, 900)
	for i, text := range hostile {
		text = strings.ReplaceAll(text, "\x00", "")
		label := []rune(text)
		label = label[:min(len(label), 25)]
		suggestion := map[string]any{"reply": map[string]any{"text": string(label), "postbackData": text}}
		card := map[string]any{
			"title": text, "description": text, "suggestions": []any{suggestion},
			"media": map[string]any{
				"height": "SHORT", "contentDescription": text,
				"contentInfo": map[string]any{"fileUrl": "https://evil.example/" + fmt.Sprint(i) + `'onerror='alert(12).png`, "thumbnailUrl": "https://evil.example/t.png"},
			},
		}
		for _, content := range []map[string]any{
			{"text": text + " https://evil.example/\"><script>alert(13)</script> http://", "suggestions": []any{suggestion}},
			{"richCard": map[string]any{"standaloneCard": map[string]any{"cardOrientation": "VERTICAL", "cardContent": card}}},
			{"richCard": map[string]any{"carouselCard": map[string]any{"cardWidth": "MEDIUM", "cardContents": []any{card, card}}}},
			{"contentInfo": map[string]any{"fileUrl": "https://evil.example/%3Cscript%3Ealert(14)%3C/script%3E.pdf"}},
		} {
			g.create(t, content)
		}
	}
	g.Wait(fmt.Sprintf(`document.querySelectorAll(".row-agent").length === %d`, 4*len(hostile)))
	g.harmless()

	// The same through the editor and the inspector.
	g.write(`{"to": "+12025550123", "<img src=x onerror=alert(15)>": 1, "text": "<b>bold</b>"}`)
	g.Shows(".problems", "onerror")
	g.write(`{"to": "+12025550123", "text": "<img src=x onerror=alert(16)>", "buttons": ["<b>x</b>"]}`)
	g.Shows(".preview .bubble", "<img src=x onerror=alert(16)>")
	g.Click(".row-agent:nth-last-child(2) .meta")
	g.Shows("#inspect", "AgentMessage as sent")
	g.harmless()
	g.Clean()
}

// TestHostileContent renders content that the simulator would reject: wrong types, and
// addresses that are not HTTP.
func TestHostileContent(t *testing.T) {
	t.Parallel()
	g := serve(t, phone.Options{Images: true}).open(1440, 900)
	contents := []string{
		`{}`, `{"text": null}`, `{"text": 7}`, `{"text": {"toString": "x"}}`, `{"richCard": 5}`, `{"richCard": {"standaloneCard": []}}`,
		`{"richCard": {"carouselCard": {"cardContents": "no list"}}}`,
		`{"richCard": {"carouselCard": {"cardContents": [null, 1, {"title": ["x"], "media": 3, "suggestions": [null, 1, {}, {"reply": 1}, {"action": {"openUrlAction": "x"}}]}]}}}`,
		`{"contentInfo": {"fileUrl": "javascript:alert(1)//.pdf", "thumbnailUrl": "javascript:alert(2)"}}`,
		`{"contentInfo": {"fileUrl": "data:text/html,<script>alert(3)</script>"}}`,
		`{"contentInfo": {"fileUrl": "http://127.0.0.1:9/router/reboot.png"}}`,
		`{"uploadedRbmFile": {"fileName": "files/../reset"}}`, `{"fileName": "files/x?y"}`,
		`{"__proto__": {"text": "polluted"}, "constructor": {"prototype": {"text": "polluted"}}}`,
	}
	for _, content := range contents {
		browsertest.Eval[bool](g.Tab, fmt.Sprintf(`import("/js/message.js").then((m) => {
			const li = document.createElement("li");
			li.className = "row";
			li.append(m.body(JSON.parse(%s), () => {}));
			document.querySelector("#screen").append(li);
			return true;
		})`, browsertest.Quote(content)))
	}
	for _, address := range []string{"javascript:alert(4)", "data:text/html,x", "file:///etc/passwd", "\x01javascript:alert(5)", "vbscript:x", "//evil.example", "blob:http://x/y"} {
		browsertest.Eval[bool](g.Tab, fmt.Sprintf(`import("/js/sheet.js").then((m) => {
			const sheet = m.actionSheet({kind: "open", label: "x", about: {url: %s}});
			document.querySelector("#screen").append(sheet.body(() => {}));
			return true;
		})`, browsertest.Quote(address)))
	}
	if polluted := browsertest.Eval[bool](g.Tab, `({}).text !== undefined`); polluted {
		t.Error("Object.prototype was changed")
	}
	g.harmless()
	g.Clean()
}

// harmless fails the test if the page has an element or attribute that runs or loads.
func (g *rig) harmless() {
	g.t.Helper()
	if n := browsertest.Eval[int](g.Tab, `document.querySelectorAll("script:not([src='js/app.js']), iframe, object, embed, base, style, form[action], link[rel=stylesheet]:not([href^='css/']), meta[http-equiv]").length`); n != 0 {
		g.t.Errorf("%d elements run or load something", n)
	}
	attributes := browsertest.Eval[[]string](g.Tab, `[...document.querySelectorAll("*")].flatMap((e) => [...e.attributes].filter((a) => /^on|^srcdoc$|^formaction$/i.test(a.name)).map((a) => e.tagName + " " + a.name))`)
	if len(attributes) > 0 {
		g.t.Errorf("attributes run something: %v", attributes)
	}
	links := browsertest.Eval[[]string](g.Tab, `[...document.querySelectorAll("a")].filter((a) => !a.classList.contains("skip")).flatMap((a) =>
		/^https?:\/\//.test(a.href) && a.rel === "noopener noreferrer" && a.target === "_blank" ? [] : [a.href + " " + a.rel])`)
	if len(links) > 0 {
		g.t.Errorf("unsafe links: %v", links)
	}
	images := browsertest.Eval[[]string](g.Tab, `[...document.images].map((i) => i.src).filter((s) => !s.startsWith(location.origin + "/"))`)
	if len(images) > 0 {
		g.t.Errorf("images of other hosts without permission: %v", images)
	}
}

// create sends a message to the API of the simulator.
func (g *rig) create(t *testing.T, content map[string]any) {
	t.Helper()
	body, err := json.Marshal(map[string]any{"contentMessage": content})
	if err != nil {
		t.Fatal(err)
	}
	g.mu.Lock()
	g.sent++
	id := fmt.Sprintf("00000000-0000-4000-8000-%012d", g.sent)
	g.mu.Unlock()
	address := g.url + "/v1/phones/" + phoneNumber + "/agentMessages?agentId=rcshook_demo_k3x9a1bc_agent&messageId=" + id
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, strings.NewReader(string(body)))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+g.token())
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(resp.Body)
		t.Fatalf("create: status %d: %s\n%s", resp.StatusCode, text, body)
	}
}

func (g *rig) token() string { return g.sim.Token() }

// TestImages loads images of other hosts only with permission.
func TestImages(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var requests []string
	host := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		requests = append(requests, r.URL.Path+" referrer:"+r.Referer())
		mu.Unlock()
		if r.URL.Path == "/missing.png" {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "image/svg+xml")
		fmt.Fprint(w, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 2 1"><path fill="#c33" d="M0 0h2v1H0z"/></svg>`)
	}))
	t.Cleanup(host.Close)
	g := serve(t, phone.Options{}).open(1440, 900)
	browsertest.Call(g.Tab, security.SetIgnoreCertificateErrors, security.SetIgnoreCertificateErrorsParams{Ignore: true})
	g.create(t, map[string]any{"contentInfo": map[string]any{"fileUrl": host.URL + "/there.png"}})
	g.create(t, map[string]any{"contentInfo": map[string]any{"fileUrl": host.URL + "/missing.png"}})
	g.create(t, map[string]any{"contentInfo": map[string]any{"fileUrl": strings.Replace(host.URL, "https", "http", 1) + "/plain.png"}})
	g.Wait(`document.querySelectorAll(".stand-in").length === 3`)
	g.Shows(".stand-in", "not loaded")
	g.Clean()
	mu.Lock()
	if len(requests) != 0 {
		t.Errorf("requests without permission: %v", requests)
	}
	mu.Unlock()

	g.Click("#images")
	g.Wait(`document.querySelector("#images").getAttribute("aria-pressed") === "true"`)
	g.Wait(`[...document.images].some((i) => i.src.endsWith("/there.png") && i.complete && i.naturalWidth > 0)`)
	g.Shows(".stand-in", "failed to load")
	g.Wait(`document.querySelectorAll(".stand-in").length === 2`)
	mu.Lock()
	defer mu.Unlock()
	for _, a := range requests {
		if a != "/there.png referrer:" && a != "/missing.png referrer:" {
			t.Errorf("request for %s, want the two images without a referrer", a)
		}
	}
}
