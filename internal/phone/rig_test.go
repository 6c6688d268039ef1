package phone_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/rcshook/rcshook/internal/googletest/platform"
	"github.com/rcshook/rcshook/internal/googletest/tasks"
	"github.com/rcshook/rcshook/internal/googletest/token"
	"github.com/rcshook/rcshook/internal/phone"
	"github.com/rcshook/rcshook/internal/server"
	"github.com/rcshook/rcshook/rbm/rbmtest"
)

// timeout limits every wait. It is only reached when something is broken.
const timeout = 20 * time.Second

const phoneNumber = "+12025550123"

// rig is the function, the simulator with the page, and a browser tab with the page.
type rig struct {
	t    *testing.T
	sim  *platform.Platform
	url  string // of the simulator
	call string // of the function
	tab  context.Context

	server  *httptest.Server
	handler atomic.Pointer[platform.Platform]
	gate    atomic.Bool // the page cannot reach the simulator
	options phone.Options
	issuer  *token.Issuer
	tasks   *tasks.Server // of Cloud Tasks, for tests with RCSHOOK_QUEUE

	mu       sync.Mutex
	requests []string // URLs requested by the tab
	troubles []string // errors in the browser
	sent     int
}

// serve starts the simulator with the page and the function, like the command dev.
// Settings are added to those of the function.
func serve(t *testing.T, o phone.Options, settings ...string) *rig {
	t.Helper()
	issuer, err := token.NewIssuer()
	if err != nil {
		t.Fatal(err)
	}
	g := &rig{t: t, issuer: issuer, tasks: &tasks.Server{Issuer: issuer}}
	web := httptest.NewUnstartedServer(g)
	base := "http://" + web.Listener.Addr().String()
	sim := platform.New(new(rbmtest.Simulator))
	env := sim.Provision(base)
	functionServer := httptest.NewUnstartedServer(nil)
	functionURL := "http://" + functionServer.Listener.Addr().String()
	g.tasks.Observe = func(task tasks.Waiting, ended *tasks.Ended) {
		if note, ok := phone.NewTask(task, ended != nil); ok {
			sim.Note(note)
		}
	}
	options := server.Options{Delivered: func(d server.Delivery) { sim.Note(phone.NewDelivery(d.Target, d.Event, d.Result)) }, DefaultCredentials: env.Credentials}
	options.Environ = append([]string{
		"RCSHOOK_AGENT_ID=" + env.AgentID,
		"RCSHOOK_CREDENTIALS=" + string(sim.KeyFile(base)),
		"RCSHOOK_API_KEYS=dev",
		"RCSHOOK_RBM_ENDPOINT=" + base,
		"RCSHOOK_SECRETMANAGER_ENDPOINT=" + base,
		"RCSHOOK_STORAGE_ENDPOINT=" + base,
		"RCSHOOK_OIDC_ENDPOINT=" + base,
		"RCSHOOK_TASKS_ENDPOINT=" + base,
		"RCSHOOK_QUEUE_ACCOUNT=queue@example.com",
		"RCSHOOK_URL=" + functionURL,
	}, settings...)
	options.Environ = slices.DeleteFunc(options.Environ, func(entry string) bool { // an empty setting removes one
		name, _, _ := strings.Cut(entry, "=")
		return slices.Contains(settings, name+"=")
	})
	function, err := server.New(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	functionServer.Config.Handler = function
	functionServer.Start()
	o.FunctionURL, o.APIKey = functionURL+"/", "dev"
	o.Agents = append(o.Agents, phone.Demo(env.AgentID))
	sim.Page = phone.New(o)
	g.sim, g.options, g.server, g.call = sim, o, web, o.FunctionURL
	g.handler.Store(sim)
	web.Start()
	g.url = web.URL
	t.Cleanup(func() {
		g.handler.Load().Close()
		sim.Close()
		g.tasks.Close()
		web.Close()
		functionServer.Close()
		function.Close()
	})
	return g
}

// ServeHTTP serves the simulator, unless the gate blocks the page.
func (g *rig) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if g.gate.Load() && !strings.HasPrefix(r.URL.Path, "/v1/") && r.URL.Path != "/token" {
		panic(http.ErrAbortHandler)
	}
	switch {
	case strings.HasPrefix(r.URL.Path, "/v2/"):
		g.tasks.ServeHTTP(w, r)
	case r.URL.Path == g.issuer.Path():
		g.issuer.ServeHTTP(w, r)
	default:
		g.handler.Load().ServeHTTP(w, r)
	}
}

// replace replaces the simulator with a new one, like a restart of the process.
func (g *rig) replace() {
	sim := platform.New(&rbmtest.Simulator{Page: phone.New(g.options)})
	g.handler.Swap(sim).Close()
}

// browser is shared by all tests; each has its own profile.
var browser = sync.OnceValues(func() (context.Context, error) {
	path, err := findBrowser()
	if err != nil {
		return nil, err
	}
	options := append(
		chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path),
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
	return ctx, chromedp.Do(ctx)
})

var errNoBrowser = errors.New("no Chromium in the PATH")

func findBrowser() (string, error) {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errNoBrowser
}

// TestMain closes the browser, which outlives the tests.
func TestMain(m *testing.M) {
	code := m.Run()
	if ctx, err := browser(); err == nil {
		_ = chromedp.Cancel(ctx)
	}
	os.Exit(code)
}

// open opens the page in a new tab, in a profile of its own, at a width and height.
func (g *rig) open(width, height int64) *rig {
	g.t.Helper()
	parent, err := browser()
	if errors.Is(err, errNoBrowser) && os.Getenv("RCSHOOKTEST_BROWSER") == "" {
		g.t.Skip("SKIPPED: this test needs Chromium (on Debian: apt-get install chromium)")
	}
	if err != nil {
		g.t.Fatal(err)
	}
	ctx, cancel := chromedp.NewContext(parent, chromedp.WithNewBrowserContext(), chromedp.WithListener(g.listen))
	g.t.Cleanup(cancel)
	g.tab = ctx
	// The first step creates the tab and must not have a deadline.
	if err := chromedp.Do(ctx, chromedp.EmulateViewport(width, height)); err != nil {
		g.t.Fatal(err)
	}
	call(g, network.Enable, network.EnableParams{})
	call(g, cdplog.Enable, cdp.Empty{})
	g.do(chromedp.Navigate(g.url + "/"))
	g.wait(`document.querySelector("#live").dataset.state === "live" && document.querySelector(".example")`)
	return g
}

// listen records requests and errors of the tab.
func (g *rig) listen(event any) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		g.requests = append(g.requests, e.Request.URL)
	case *page.EventJavascriptDialogOpening:
		g.troubles = append(g.troubles, "dialog: "+e.Message)
	case *runtime.EventExceptionThrown:
		g.troubles = append(g.troubles, "exception: "+exception(e.ExceptionDetails))
	case *cdplog.EventEntryAdded:
		g.troubles = append(g.troubles, fmt.Sprintf("%s %s: %s %s", e.Entry.Source, e.Entry.Level, e.Entry.Text, e.Entry.URL))
	}
}

func exception(d *runtime.ExceptionDetails) string {
	if d.Exception != nil && d.Exception.Description != "" {
		return d.Exception.Description
	}
	return fmt.Sprintf("%s at %s:%d", d.Text, d.URL, d.LineNumber+1)
}

// clean fails the test if the browser had errors or made requests to other hosts.
func (g *rig) clean() {
	g.t.Helper()
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, trouble := range g.troubles {
		g.t.Errorf("browser error: %s", trouble)
	}
	for _, address := range g.requests {
		if !strings.HasPrefix(address, g.url+"/") && !strings.HasPrefix(address, "data:") {
			g.t.Errorf("the page requested %s, want requests to %s only", address, g.url)
		}
	}
}

// do runs actions in the tab.
func (g *rig) do(steps ...chromedp.Action[chromedp.Void]) {
	g.t.Helper()
	ctx, cancel := context.WithTimeout(g.tab, timeout)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		g.t.Fatal(err)
	}
}

// run runs an action with a result.
func run[T any](g *rig, step chromedp.Action[T]) T {
	g.t.Helper()
	ctx, cancel := context.WithTimeout(g.tab, timeout)
	defer cancel()
	out, err := chromedp.Run(ctx, step)
	if err != nil {
		g.t.Fatal(err)
	}
	return out
}

// call sends a command of the protocol.
func call[P, R any](g *rig, command cdp.Command[P, R], params P) R {
	g.t.Helper()
	ctx, cancel := context.WithTimeout(g.tab, timeout)
	defer cancel()
	out, err := chromedp.Call(ctx, command, params)
	if err != nil {
		g.t.Fatal(err)
	}
	return out
}

// eval evaluates an expression in the page.
func eval[T any](g *rig, expression string) T {
	g.t.Helper()
	return run(g, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
}

// wait waits until an expression is true in the page. The expression is part of the
// script and not evaluated by it: the page's policy allows no eval.
func (g *rig) wait(expression string) {
	g.t.Helper()
	script := fmt.Sprintf(`new Promise((resolve) => {
		const end = performance.now() + %d;
		const look = async () => {
			let ok = false;
			try { ok = Boolean(await (%s)); } catch {}
			if (ok || performance.now() > end) resolve(ok);
			else setTimeout(look, 10);
		};
		look();
	})`, timeout.Milliseconds()/2, expression)
	ctx, cancel := context.WithTimeout(g.tab, timeout)
	defer cancel()
	ok, err := chromedp.Run(ctx, chromedp.Evaluate[bool](script, chromedp.EvalAwaitPromise))
	for err != nil && strings.Contains(err.Error(), "navigated") { // the page was reloaded
		ok, err = chromedp.Run(ctx, chromedp.Evaluate[bool](script, chromedp.EvalAwaitPromise))
	}
	if err != nil {
		g.t.Fatal(err)
	}
	if !ok {
		g.shot("failed")
		g.t.Fatalf("it never came true that %s\nthe phone shows: %q\ncompose shows: %q", expression,
			eval[string](g, `document.querySelector("#screen").innerText`), eval[string](g, `document.querySelector("#compose").innerText`))
	}
}

// text returns the text of the first element that matches a selector.
func (g *rig) text(selector string) string {
	g.t.Helper()
	return eval[string](g, fmt.Sprintf(`document.querySelector(%s)?.innerText ?? "no match"`, quoted(selector)))
}

// shows waits until a visible element contains a text.
func (g *rig) shows(selector, text string) {
	g.t.Helper()
	g.wait(fmt.Sprintf(`[...document.querySelectorAll(%s)].some((e) => e.checkVisibility() && e.textContent.includes(%s))`, quoted(selector), quoted(text)))
}

// click clicks an element with the mouse. The element must be visible, at rest, and not
// covered.
func (g *rig) click(selector string) {
	g.t.Helper()
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
	})()`, quoted(selector))
	g.wait(at)
	point := eval[[]float64](g, at)
	for len(point) != 2 { // it has moved
		g.wait(at)
		point = eval[[]float64](g, at)
	}
	g.do(chromedp.MouseClickXY(point[0], point[1]))
}

// menu chooses an entry of the phone's menu.
func (g *rig) menu(label string) {
	g.t.Helper()
	g.click(".menu-button")
	i := eval[int](g, `[...document.querySelectorAll(".menu-entry")].findIndex((e) => e.textContent === `+quoted(label)+`)`)
	if i < 0 {
		g.t.Fatalf("the menu has no entry %s: %q", label, g.text(".menu"))
	}
	g.click(fmt.Sprintf(".menu-entry:nth-child(%d)", i+1))
}

// write replaces the payload in the editor.
func (g *rig) write(payload string) {
	g.t.Helper()
	eval[bool](g, fmt.Sprintf(`(() => {
		const area = document.querySelector(".editor-text");
		area.value = %s;
		return area.dispatchEvent(new InputEvent("input", {bubbles: true}));
	})()`, quoted(payload)))
}

// post sends a payload to the function and returns the response.
func (g *rig) post(payload string) map[string]any {
	g.t.Helper()
	req, err := http.NewRequestWithContext(g.t.Context(), http.MethodPost, g.call, strings.NewReader(payload))
	if err != nil {
		g.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer dev")
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		g.t.Fatal(err)
	}
	defer resp.Body.Close()
	var response map[string]any
	if err := json.NewDecoder(resp.Body).Decode(&response); err != nil {
		g.t.Fatal(err)
	}
	return response
}

// scheme sets the preferred color scheme, and reduced motion.
func (g *rig) scheme(name string) {
	g.t.Helper()
	call(g, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
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

// shot writes a screenshot as PNG and returns the file.
func (g *rig) shot(name string) string {
	g.t.Helper()
	png := run(g, chromedp.CaptureScreenshot())
	file := filepath.Join(artifacts(g.t), strings.ReplaceAll(name, "/", "-")+".png")
	if err := os.WriteFile(file, png, 0o644); err != nil {
		g.t.Fatal(err)
	}
	return file
}

// example is an entry of examples.json.
type example struct {
	Name    string          `json:"name"`
	Label   string          `json:"label"`
	About   string          `json:"about"`
	Matters bool            `json:"to_matters"`
	Payload json.RawMessage `json:"payload"`
}

func examples(t *testing.T) []example {
	t.Helper()
	data, err := os.ReadFile("page/examples.json")
	if err != nil {
		t.Fatal(err)
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	var list []example
	if err := dec.Decode(&list); err != nil {
		t.Fatal(err)
	}
	return list
}

// quoted returns a text as a JavaScript literal.
func quoted(text string) string {
	data, err := json.Marshal(text)
	if err != nil {
		panic(err) // a string can always be encoded
	}
	return string(data)
}
