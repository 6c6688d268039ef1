package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"github.com/rcshook/rcshook/internal/browsertest"
)

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "playground-test")
	if err != nil {
		panic(err)
	}
	built = sync.OnceValues(func() (string, error) { return dir, build(dir) })
	browsertest.Main(m, func() { os.RemoveAll(dir) })
}

// built builds the site once, and returns its folder.
var built func() (string, error)

// base is the path of the site on its host, which is not the root.
const base = "/rcshook/"

// rig is the site on a host that only serves files, with the headers of the site, in a tab of a
// browser.
type rig struct {
	*browsertest.Tab
	server *httptest.Server

	// gate is closed when the host may serve the engine.
	gate chan struct{}
}

// open opens the page at a width and height, with a fragment. The host holds the engine back until
// release.
func open(t *testing.T, fragment string, width, height int64) *rig {
	t.Helper()
	return openPage(t, fragment, width, height, false)
}

// openPage is open. With hangs, the worker never finishes a request for /hang or with a message_id,
// gets no request for /wait, and stops at one for /stop. The clock on which the page gives up stands
// still until turn.
func openPage(t *testing.T, fragment string, width, height int64, hangs bool) *rig {
	t.Helper()
	g := &rig{gate: make(chan struct{})}
	g.server = httptest.NewUnstartedServer(nil)
	// It is closed after the tab. Close of httptest would wait for requests, and a browser may repeat
	// those whose connection was closed.
	t.Cleanup(func() {
		g.server.Listener.Close() // a skipped test starts no server
		g.server.Config.Close()
	})
	url := "http://" + g.server.Listener.Addr().String()
	g.Tab = browsertest.Open(t, url, width, height)
	dir, err := built()
	if err != nil {
		t.Fatal(err)
	}
	files := http.StripPrefix(base, http.FileServer(http.Dir(dir)))
	g.server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for line := range strings.Lines(headers) {
			if name, value, ok := strings.Cut(strings.TrimSpace(line), ": "); ok {
				w.Header().Set(name, value)
			}
		}
		if strings.HasSuffix(r.URL.Path, engineFile) {
			select {
			case <-g.gate:
			case <-r.Context().Done():
				return
			}
		}
		if hangs && strings.HasSuffix(r.URL.Path, "/worker.js") {
			script, _ := os.ReadFile(filepath.Join(dir, "playground", "worker.js"))
			w.Header().Set("Content-Type", "text/javascript")
			fmt.Fprintf(w, `%s
				addEventListener("message", (e) => {
					while (e.data.path === "/hang" || e.data.body?.includes("message_id"));
					if (e.data.path === "/stop") postMessage({failed: "the engine stopped"});
					if (e.data.path === "/wait") e.stopImmediatePropagation();
				});`, script)
			return
		}
		files.ServeHTTP(w, r)
	})
	g.server.Start()
	script := `globalThis.setInterval = (f) => ((globalThis.turn = f), 1)`
	browsertest.Call(g.Tab, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: script})
	g.Do(chromedp.Navigate(url + base + fragment))
	g.Wait(`document.querySelector("#copy-link")`)
	return g
}

// release lets the host serve the engine, and waits until the engine is ready.
func (g *rig) release() *rig {
	g.T.Helper()
	close(g.gate)
	g.Wait(`document.querySelector("#live").dataset.state === "live"`)
	return g
}

// write replaces the payload in the editor.
func (g *rig) write(payload string) {
	g.T.Helper()
	browsertest.Eval[bool](g.Tab, `(() => {
		const area = document.querySelector(".editor-text");
		area.value = `+browsertest.Quote(payload)+`;
		return area.dispatchEvent(new InputEvent("input", {bubbles: true}));
	})()`)
}

// pick chooses an example and waits for its preview.
func (g *rig) pick(example, preview string) {
	g.T.Helper()
	g.Click(`[data-example="` + example + `"]`)
	g.Shows(".preview", preview)
}
