package rbmtest_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2/jwt"

	"github.com/rcshook/rcshook/internal/racetest"
	"github.com/rcshook/rcshook/rbm"
	"github.com/rcshook/rcshook/rbm/rbmtest"
)

func compress(t *testing.T, content io.Reader) *bytes.Buffer {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := io.Copy(w, content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return &b
}

// compressed posts a compressed body.
func (g *rig) compressed(t *testing.T, path, contentType string, body io.Reader) response {
	t.Helper()
	req := g.request(t, "POST", path, "")
	req.Body, req.ContentLength = io.NopCloser(body), -1
	req.Header.Set("Content-Encoding", "gzip")
	req.Header.Set("Content-Type", contentType)
	return g.send(t, req)
}

// zeros is an endless number of zero bytes.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// TestGzip sends compressed bodies, as Google's clients for Java and .NET do, to every
// path that reads a body.
func TestGzip(t *testing.T) {
	t.Parallel()
	g := start(t, new(rbmtest.Simulator))
	send := func(path, contentType, body string) response {
		return g.compressed(t, path, contentType, compress(t, strings.NewReader(body)))
	}
	const v1 = "/v1/phones/" + phone
	const query = "?agentId=" + agent
	equal(t, "message", send(v1+"/agentMessages"+query+"&messageId=1", "application/json", text).status, 200)
	equal(t, "body in the log", string(g.Messages()[0].AgentMessage), text)
	equal(t, "event", send(v1+"/agentEvents"+query, "application/json", `{"eventType":"IS_TYPING"}`).status, 200)
	equal(t, "batch", send("/v1/users:batchGet"+query, "application/json", `{"users":["`+phone+`"]}`).status, 200)
	equal(t, "file by URL", send("/v1/files"+query, "application/json", `{"fileUrl":"https://example.com/a.png"}`).status, 200)
	g.named(t, send("/upload/v1/files"+query, "image/png", "PNG"), "image/png", "PNG")
	equal(t, "admin path", send("/_sim/user", "application/json", `{"action":"text","phone":"`+phone+`","text":"Hi"}`).status, 200)
	equal(t, "token", send("/token", "application/x-www-form-urlencoded", "grant_type=password").body, "{\n"+
		`  "error": "unsupported_grant_type",`+"\n"+`  "error_description": "Invalid grant_type: password"`+"\n}\n")
	equal(t, "not compressed", g.compressed(t, v1+"/agentMessages"+query+"&messageId=2", "application/json", strings.NewReader(text)).message(t), "The request body cannot be read.")
	equal(t, "truncated", g.compressed(t, v1+"/agentMessages"+query+"&messageId=2", "application/json", io.LimitReader(compress(t, strings.NewReader(text)), 20)).message(t), "The request body cannot be read.")
	equal(t, "messages", states(g.Simulator), []string{"1 delivered"})
}

// TestGzip_bomb sends small bodies that decompress to 128 MiB. The limits of the paths
// must apply to the decompressed bytes.
func TestGzip_bomb(t *testing.T) {
	t.Parallel()
	racetest.Skip(t)
	bomb := compress(t, io.LimitReader(zeros{}, 128<<20)).Bytes()
	g := start(t, new(rbmtest.Simulator))
	for path, want := range map[string]string{
		"/v1/phones/" + phone + "/agentMessages?messageId=1&agentId=" + agent: "Request payload size exceeds the limit: 10485760 bytes.",
		"/v1/users:batchGet":                "Request payload size exceeds the limit: 10485760 bytes.",
		"/upload/v1/files?agentId=" + agent: "The file is larger than the limit of 104857600 bytes.",
	} {
		equal(t, path, g.compressed(t, path, "image/png", bytes.NewReader(bomb)).message(t), want)
	}
	for path, want := range map[string]string{"/token": "is not a form", "/_sim/user": "invalid character"} {
		if a := g.compressed(t, path, "application/x-www-form-urlencoded", bytes.NewReader(bomb)); a.status != 400 || !strings.Contains(a.body, want) {
			t.Errorf("%s: %d %s, want 400 with %q", path, a.status, a.body, want)
		}
	}
}

// TestTokenPaths gets tokens at all paths that Google's libraries know, and uses them.
func TestTokenPaths(t *testing.T) {
	t.Parallel()
	g := start(t, new(rbmtest.Simulator))
	var key struct {
		ClientEmail string `json:"client_email"`
		PrivateKey  string `json:"private_key"`
	}
	if err := json.Unmarshal(g.KeyFile(g.url), &key); err != nil {
		t.Fatal(err)
	}
	for path, audience := range map[string]string{
		"/token":           "https://oauth2.googleapis.com/token",
		"/oauth2/v4/token": "https://www.googleapis.com/oauth2/v4/token",
		"/o/oauth2/token":  "https://accounts.google.com/o/oauth2/token",
	} {
		config := &jwt.Config{Email: key.ClientEmail, PrivateKey: []byte(key.PrivateKey), Scopes: []string{rbm.Scope}, TokenURL: g.url + path, Audience: audience}
		token, err := config.TokenSource(t.Context()).Token()
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		g.token = token.AccessToken
		equal(t, path, g.create(t, phone, url.PathEscape(path), text).status, 200)
	}
}

// TestDiscovery checks that the discovery document describes every method and every field.
func TestDiscovery(t *testing.T) {
	t.Parallel()
	g := start(t, new(rbmtest.Simulator))
	resp, err := http.Get(g.url + "/$discovery/rest?version=v1") // without a token
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	type method struct {
		ID, Path, HTTPMethod string
		Parameters           map[string]struct{ Location, Pattern string }
		ParameterOrder       []string
		Request, Response    map[string]string
		MediaUpload          map[string]any
	}
	type resource struct {
		Methods   map[string]method
		Resources map[string]resource
	}
	var document struct {
		resource
		RootURL, ServicePath, Name, Version string
		Schemas                             map[string]struct {
			Properties map[string]map[string]any
		}
	}
	if err := json.NewDecoder(resp.Body).Decode(&document); err != nil {
		t.Fatal(err)
	}
	equal(t, "root URL", document.RootURL, g.url+"/")
	var got []string
	var list func(resource)
	list = func(r resource) {
		for _, m := range r.Methods {
			got = append(got, strings.TrimPrefix(m.ID, "rcsbusinessmessaging.")+" "+m.HTTPMethod+" "+m.Path+" "+m.Request["$ref"]+" "+m.Response["$ref"])
			for _, ref := range []string{m.Request["$ref"], m.Response["$ref"]} {
				if _, ok := document.Schemas[ref]; ref != "" && !ok {
					t.Errorf("%s: the schema %s is missing", m.ID, ref)
				}
			}
			for _, name := range m.ParameterOrder {
				if !strings.Contains(m.Path, "{+"+name+"}") || m.Parameters[name].Location != "path" {
					t.Errorf("%s: parameter %s is not in the path %s", m.ID, name, m.Path)
				}
			}
			if _, ok := m.Parameters["agentId"]; !ok {
				t.Errorf("%s: no parameter agentId", m.ID)
			}
		}
		for _, sub := range r.Resources {
			list(sub)
		}
	}
	list(document.resource)
	slices.Sort(got)
	equal(t, "methods", got, []string{
		"files.create POST v1/files CreateFileRequest File",
		"phones.agentEvents.create POST v1/{+parent}/agentEvents AgentEvent AgentEvent",
		"phones.agentMessages.create POST v1/{+parent}/agentMessages AgentMessage AgentMessage",
		"phones.agentMessages.delete DELETE v1/{+name}  Empty",
		"phones.dialogflowMessages.create POST v1/{+parent}/dialogflowMessages DialogflowEvent DialogflowEvent",
		"phones.getCapabilities GET v1/{+name}/capabilities  Capabilities",
		"phones.testers.create POST v1/{+parent}/testers Tester Tester",
		"users.batchGet POST v1/users:batchGet BatchGetUsersRequest BatchGetUsersResponse",
	})
	create := document.Resources["phones"].Resources["agentMessages"].Methods["create"]
	equal(t, "pattern", create.Parameters["parent"].Pattern, "^phones/[^/]+$")
	equal(t, "pattern of delete", document.Resources["phones"].Resources["agentMessages"].Methods["delete"].Parameters["name"].Pattern, "^phones/[^/]+/agentMessages/[^/]+$")
	equal(t, "ID of a message", create.Parameters["messageId"].Location, "query")
	equal(t, "upload", document.Resources["files"].Methods["create"].MediaUpload["protocols"].(map[string]any)["simple"].(map[string]any)["path"], any("/upload/v1/files"))

	// Every Go type of the API, down to the last one, has its schema.
	seen := map[reflect.Type]bool{}
	var check func(reflect.Type)
	check = func(t1 reflect.Type) {
		switch t1.Kind() {
		case reflect.Pointer, reflect.Slice:
			check(t1.Elem())
		case reflect.Struct:
			if t1 == reflect.TypeFor[time.Time]() || seen[t1] {
				return
			}
			seen[t1] = true
			for i := range t1.NumField() {
				name, _, _ := strings.Cut(t1.Field(i).Tag.Get("json"), ",")
				if document.Schemas[t1.Name()].Properties[name] == nil {
					t.Errorf("the schema %s lacks %s", t1.Name(), name)
				}
				check(t1.Field(i).Type)
			}
		}
	}
	check(reflect.TypeFor[rbm.AgentMessage]())
	equal(t, "types of a message", len(seen) > 20, true)
	equal(t, "ttl", document.Schemas["AgentMessage"].Properties["ttl"], map[string]any{"type": "string", "format": "google-duration"})
	equal(t, "other version", g.do(t, "GET", "/$discovery/rest?version=v2", "").status, 404)
}

// TestLenientJSON checks that the simulator and rbm agree on JSON that is not strict, in
// the bodies of all methods.
func TestLenientJSON(t *testing.T) {
	t.Parallel()
	const phones = "/v1/phones/" + phone
	methods := []struct {
		path string
		dst  any
		body string // with "text" for the first string
	}{
		{phones + "/agentMessages?messageId=%d&agentId=" + agent, new(rbm.AgentMessage), `{"contentMessage":{"text":"Hi"}}`},
		{phones + "/agentEvents?eventId=%d&agentId=" + agent, new(rbm.AgentEvent), `{"messageId":"Mx1","eventType":"READ"}`},
		{phones + "/dialogflowMessages?agentId=" + agent, new(rbm.DialogflowEvent), `{"eventName":"E","parameters":{"a":["b",1,true,null]}}`},
		{"/v1/files?agentId=" + agent, new(struct {
			FileURL string `json:"fileUrl"`
		}), `{"fileUrl":"https://example.com/a.png"}`},
		{"/v1/users:batchGet?agentId=" + agent, new(struct {
			Users []string `json:"users"`
		}), `{"users":["` + phone + `"]}`},
	}
	snake := regexp.MustCompile(`[A-Z]\w*":`)
	dialects := []struct {
		name   string
		write  func(string) string
		status int
	}{
		{"strict", func(s string) string { return s }, 200},
		{"single quotes", func(s string) string { return strings.ReplaceAll(s, `"`, `'`) }, 200},
		{"no quotes", func(s string) string { return regexp.MustCompile(`"(\w+)":`).ReplaceAllString(s, `$1:`) }, 200},
		{"trailing comma", func(s string) string { return strings.TrimSuffix(s, "}") + ",}" }, 200},
		{"snake case", func(s string) string {
			return snake.ReplaceAllStringFunc(s, func(word string) string { return "_" + strings.ToLower(word) })
		}, 200},
		{"null member", func(s string) string { return regexp.MustCompile(`^{("\w+"):`).ReplaceAllString(s, `{$1:null,$1:`) }, 200},
		{"duplicate member", func(s string) string { return strings.TrimSuffix(s, "}") + "," + s[1:] }, 400},
		{"two commas", func(s string) string { return strings.TrimSuffix(s, "}") + ",,}" }, 400},
		{"unknown member", func(s string) string { return strings.TrimSuffix(s, "}") + `,"x":1}` }, 400},
		{"text after it", func(s string) string { return s + "x" }, 400},
	}
	agents := []rbmtest.AgentConfig{{ID: agent, Dialogflow: map[string][]string{}}}
	g := start(t, &rbmtest.Simulator{Agents: agents})
	strict := start(t, &rbmtest.Simulator{Agents: agents, Assume: rbmtest.Assumptions{StrictJSON: true}})
	for i, d := range dialects {
		for _, m := range methods {
			body := d.write(m.body)
			path := strings.ReplaceAll(m.path, "%d", strconv.Itoa(i))
			a := g.do(t, "POST", path, body)
			equal(t, d.name+" of "+body+": status", a.status, d.status)
			dst := reflect.New(reflect.TypeOf(m.dst).Elem()).Interface()
			if violations := rbm.ParseRequest([]byte(body), dst); (len(violations) == 0) != (d.status == 200) {
				t.Errorf("%s of %s: rbm reports %v", d.name, body, violations)
			}
			want := d.status
			if !json.Valid([]byte(body)) {
				want = 400
			}
			equal(t, d.name+" of "+body+", strict: status", strict.do(t, "POST", path, body).status, want)
		}
	}
	equal(t, "parameters", g.do(t, "POST", phones+"/dialogflowMessages?messageIdPrefix=p&agentId="+agent, methods[2].body).decoded(t)["parameters"],
		any(map[string]any{"a": []any{"b", 1.0, true, nil}}))
}
