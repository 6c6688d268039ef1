package docstest

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rcshook/rcshook/internal/googletest"
	"github.com/rcshook/rcshook/internal/standardwebhook"
)

// TestMakeBlueprint sends the request of the blueprint. Its first module has the fields
// that the second one refers to, such as {{1.name}}.
func TestMakeBlueprint(t *testing.T) {
	text, err := os.ReadFile("deploy/recipes/make.json")
	if err != nil {
		t.Fatal(err)
	}
	type field struct{ Name, Value string }
	var blueprint struct {
		Flow []struct {
			Module string
			Mapper struct {
				Variables             []field
				URL, Method           string
				Headers               []field
				ContentType           string
				URLEncodedBodyContent []field
				ParseResponse         bool
				StopOnHTTPError       bool
			}
		}
	}
	if err := json.Unmarshal(text, &blueprint); err != nil || len(blueprint.Flow) != 2 {
		t.Fatalf("got %d modules, want 2: %v", len(blueprint.Flow), err)
	}
	first, second := blueprint.Flow[0].Mapper, blueprint.Flow[1].Mapper
	if second.ContentType != "urlEncoded" || !second.ParseResponse || !second.StopOnHTTPError {
		t.Errorf("the request is %+v", second)
	}
	defined := map[string]bool{}
	for _, v := range first.Variables {
		defined["{{1."+v.Name+"}}"] = true
	}
	for _, match := range reference.FindAllString(string(text), -1) {
		if !defined[match] {
			t.Errorf("%s is not a variable of the first module", match)
		}
	}
	sim, web := serve(t)
	form := url.Values{}
	for _, f := range second.URLEncodedBodyContent {
		form.Set(f.Name, fill(t, f.Value, strings.Clone))
	}
	r, err := http.NewRequestWithContext(t.Context(), strings.ToUpper(second.Method), strings.Replace(second.URL, "HOOK", web, 1), strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.Header = http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "X-Api-Key": {apiKey}}
	for _, h := range second.Headers {
		r.Header.Set(h.Name, fill(t, h.Value, strings.Clone))
	}
	if status, body := do(t, r); status != http.StatusOK || !strings.Contains(body, `"code":"accepted"`) {
		t.Errorf("%d %s, want accepted", status, body)
	}
	k := kitchen{t: t, sim: sim}
	for _, b := range boxes.FindAllStringSubmatch(string(readPage(t, "deploy/recipes/make.md")), -1) {
		if b[1] == "json message" {
			k.message(b[2])
		}
	}
}

// do makes a request, and returns the status and the body of the response.
func do(t *testing.T, r *http.Request) (status int, body string) {
	t.Helper()
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(text)
}

// nodeRed is a Node-RED with the flow of the recipe.
type nodeRed struct {
	t     *testing.T
	url   string
	lines *bufio.Scanner // of the log
}

// startNodeRed starts Node-RED, and imports the flow with the values of its environment
// variables. Debug nodes write to the log.
func startNodeRed(t *testing.T, env map[string]string) *nodeRed {
	t.Helper()
	npm, folder, port := npmFolder(t), t.TempDir(), googletest.FreePort()
	settings := `module.exports = {uiHost: "127.0.0.1", credentialSecret: false, httpNodeRoot: "/", httpAdminRoot: "/", telemetry: {enabled: false}, editorTheme: {tours: false}};`
	file := filepath.Join(folder, "settings.js")
	if err := os.WriteFile(file, []byte(settings), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // ends wait
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, "node", filepath.Join(npm, "node_modules/node-red/red.js"), "--userDir", folder, "--settings", file, "--port", port)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	n := &nodeRed{t: t, url: "http://127.0.0.1:" + port, lines: bufio.NewScanner(out)}
	n.wait("Server now running at", "Started flows")

	text, err := os.ReadFile("deploy/recipes/node-red.json")
	if err != nil {
		t.Fatal(err)
	}
	var flow []map[string]any
	if err := json.Unmarshal(text, &flow); err != nil {
		t.Fatal(err)
	}
	for _, node := range flow {
		switch node["type"] {
		case "tab":
			node["credentials"] = env
			for _, e := range node["env"].([]any) {
				if e := e.(map[string]any); e["type"] == "str" {
					e["value"] = env[e["name"].(string)]
				}
			}
		case "debug":
			node["console"] = true
		}
	}
	text, err = json.Marshal(flow)
	if err != nil {
		t.Fatal(err)
	}
	n.post("/flows", string(text), http.StatusNoContent, nil)
	n.wait("Started flows")
	return n
}

// post makes a request to Node-RED.
func (n *nodeRed) post(path, body string, want int, header http.Header) {
	n.t.Helper()
	r, err := http.NewRequestWithContext(n.t.Context(), http.MethodPost, n.url+path, strings.NewReader(body))
	if err != nil {
		n.t.Fatal(err)
	}
	r.Header = http.Header{"Content-Type": {"application/json"}}
	for name, values := range header {
		r.Header[name] = values
	}
	if status, body := do(n.t, r); status != want {
		n.t.Fatalf("POST %s: %d %s, want %d", path, status, body, want)
	}
}

// wait reads the log until lines contained each text, in any order.
func (n *nodeRed) wait(texts ...string) {
	n.t.Helper()
	var seen strings.Builder
	for n.lines.Scan() {
		texts = slices.DeleteFunc(texts, func(text string) bool { return strings.Contains(n.lines.Text(), text) })
		if len(texts) == 0 {
			return
		}
		seen.WriteString(n.lines.Text() + "\n")
	}
	n.t.Fatalf("the log of Node-RED does not contain %q: %v\n%s", texts, n.lines.Err(), &seen)
}

// TestNodeRed runs the flow of the recipe in Node-RED. It sends a message, shows an error,
// and gets an event of the function.
func TestNodeRed(t *testing.T) {
	npmFolder(t)
	sim, web := serve(t)
	secret := standardwebhook.NewSecret()
	n := startNodeRed(t, map[string]string{"RCS_HOOK": web, "RCS_KEY": apiKey, "RCS_SECRET": string(secret)})

	// The message of the page.
	n.post("/inject/rcs-order", "", http.StatusOK, nil)
	n.wait("[debug:Sent] accepted")
	k := kitchen{t: t, sim: sim}
	for _, b := range boxes.FindAllStringSubmatch(string(readPage(t, "deploy/recipes/node-red.md")), -1) {
		if b[1] == "json message" {
			k.message(b[2])
		}
	}
	n.post("/inject/rcs-order", "", http.StatusOK, nil)
	n.wait("[debug:Sent] accepted") // again, and no second message
	if messages := sim.Messages(); len(messages) != 1 {
		t.Errorf("got %d messages, want 1", len(messages))
	}
	n.post("/inject/rcs-order", `{"__user_inject_props__": [{"p": "order", "vt": "json", "v": "{\"phone\": \"+12025550104\", \"number\": \"2\"}"}]}`, http.StatusOK, nil)
	n.wait("[error] [function:Result] This number cannot get RCS from this agent: ")
	n.wait("[debug:Not sent] recipient_unreachable")

	// Events, of the function and of others.
	file := filepath.Join(t.TempDir(), "rcshook.yaml")
	yaml := targetURL.ReplaceAllString(readPage(t, "deploy/recipes/node-red.md").blocks("yaml")[0], "$1 "+n.url+"/rcs")
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(yaml, "PROJECT", "example")), 0o600); err != nil {
		t.Fatal(err)
	}
	sim, h := function(t, "RCSHOOK_CONFIG="+file, "RCSHOOK_WEBHOOK_TOKEN=token")
	sim.Secrets.AddVersion("projects/example/secrets/node-red-secret", secret)
	for _, test := range []struct{ eventType, want string }{{"reply", "[debug:Reply] "}, {"button", "[debug:Button] "}, {"unsubscribed", "[debug:Other events] unsubscribed"}} {
		w := httptest.NewRecorder()
		if h.ServeHTTP(w, rbmEvent(test.eventType, time.Now())); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), `"code":"received"`) {
			t.Fatalf("%s: %d %s", test.eventType, w.Code, w.Body)
		}
		n.wait(test.want)
	}
	for _, test := range []struct {
		secret []byte
		sent   time.Time
		status int
		want   string
	}{
		{secret, time.Now(), http.StatusNoContent, "[debug:Reply] Grüße"},
		{secret, time.Now().Add(-time.Hour), http.StatusUnauthorized, "the event is too old"},
		{standardwebhook.NewSecret(), time.Now(), http.StatusUnauthorized, "the signature of the event is wrong"},
	} {
		header := http.Header{"Webhook-Id": {"evt_1"}}
		const event = `{"type": "reply", "text": "Grüße"}`
		if err := standardwebhook.Sign(header, []byte(event), test.secret, test.sent); err != nil {
			t.Fatal(err)
		}
		n.post("/rcs", event, test.status, header)
		n.wait(test.want)
		if test.status == http.StatusNoContent {
			n.post("/rcs", event, http.StatusNoContent, header) // a repetition
			if header.Set("Webhook-Signature", "v1,\xff"); true {
				n.post("/rcs", event, http.StatusUnauthorized, header)
			}
			n.wait("the signature of the event is wrong")
		}
	}
}
