package phone_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/rcshook/rcshook/internal/browsertest"
	"github.com/rcshook/rcshook/internal/googletest/platform"
	"github.com/rcshook/rcshook/internal/googletest/tasks"
	"github.com/rcshook/rcshook/internal/googletest/token"
	"github.com/rcshook/rcshook/internal/phone"
	"github.com/rcshook/rcshook/internal/server"
	"github.com/rcshook/rcshook/rbm/rbmtest"
)

const phoneNumber = "+12025550123"

// rig is the function, the simulator with the page, and a browser tab with the page.
type rig struct {
	t    *testing.T
	sim  *platform.Platform
	url  string // of the simulator
	call string // of the function
	*browsertest.Tab

	server  *httptest.Server
	handler atomic.Pointer[platform.Platform]
	gate    atomic.Bool // the page cannot reach the simulator
	options phone.Options
	issuer  *token.Issuer
	tasks   *tasks.Server // of Cloud Tasks, for tests with RCSHOOK_QUEUE

	mu   sync.Mutex
	sent int
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
	if o.Function == nil {
		o.Function = function
	}
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

func TestMain(m *testing.M) { browsertest.Main(m) }

// open opens the page at a width and height.
func (g *rig) open(width, height int64) *rig {
	g.t.Helper()
	g.Tab = browsertest.Open(g.t, g.url, width, height)
	g.Do(chromedp.Navigate(g.url + "/"))
	g.Wait(`document.querySelector("#live").dataset.state === "live" && document.querySelector(".example")`)
	return g
}

// menu chooses an entry of the phone's menu.
func (g *rig) menu(label string) {
	g.t.Helper()
	g.Click(".menu-button")
	i := browsertest.Eval[int](g.Tab, `[...document.querySelectorAll(".menu-entry")].findIndex((e) => e.textContent === `+browsertest.Quote(label)+`)`)
	if i < 0 {
		g.t.Fatalf("the menu has no entry %s: %q", label, g.Text(".menu"))
	}
	g.Click(fmt.Sprintf(".menu-entry:nth-child(%d)", i+1))
}

// write replaces the payload in the editor.
func (g *rig) write(payload string) {
	g.t.Helper()
	browsertest.Eval[bool](g.Tab, fmt.Sprintf(`(() => {
		const area = document.querySelector(".editor-text");
		area.value = %s;
		return area.dispatchEvent(new InputEvent("input", {bubbles: true}));
	})()`, browsertest.Quote(payload)))
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
