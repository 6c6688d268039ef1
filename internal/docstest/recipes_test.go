package docstest

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/events"
	"github.com/rcshook/rcshook/internal/googletest/platform"
	"github.com/rcshook/rcshook/internal/googletest/pubsub"
	"github.com/rcshook/rcshook/internal/googletest/token"
	"github.com/rcshook/rcshook/internal/server"
	"github.com/rcshook/rcshook/internal/source"
	"github.com/rcshook/rcshook/internal/standardwebhook"
	"github.com/rcshook/rcshook/internal/target"
	"github.com/rcshook/rcshook/rbm"
	"github.com/rcshook/rcshook/rbm/rbmtest"
)

// A box is a code block or a table of a recipe:
//
//	yaml                a complete rcshook.yaml, with one source or with targets of events
//	| name | value |    the rows of a form in a tool, which sends them as a form or as JSON
//	form payload        a form for the function
//	json payload PATH   a payload for the function; PATH is / unless it is written
//	json event          an event for the source
//	json event again    an event that must not send another message
//	json event fallback an event whose message goes to the fallback
//	http event          header fields, an empty line and the body of an event
//	http unsigned       the same, without the signature of the sender
//	json message        the message that the previous box sends
//	json response       members of the response to the previous box; without it, the
//	                    response must be accepted
//	form fallback       the form that the fallback gets for the previous box
//	json body TYPE      the body that the target posts for a sample of that type
type box struct{ kind, text string }

var boxes = regexp.MustCompile("(?ms)^```(yaml|http event|http unsigned|form payload|form fallback|json (?:payload(?: /\\S*)?|event|event again|event fallback|message|response|body [a-z_]+))\n(.*?)^```$|^\\| (name \\| value) \\|\n((?:\\|[^\n]*\n)+)")

// sample has the values of the tool's own fields, by the last word of their names. They
// contain the characters that break JSON and forms.
var sample = map[string]string{
	"phone": "(202) 555-0123", "name": `Ada "Ace" O'Neil & Söhne`, "order": "1042", "id": "17", "link": "https://example.com/t/1042?a=1&b=2",
}

// fill replaces the references to a tool's fields, such as *Name*, {{ $json.name }},
// {{flow.data.name}} or @{encodeUriComponent(triggerBody()?['name'])}.
func fill(t *testing.T, template string, encode func(string) string) string {
	t.Helper()
	return reference.ReplaceAllStringFunc(template, func(match string) string {
		words := word.FindAllString(match, -1)
		value, ok := sample[strings.ToLower(words[len(words)-1])]
		if !ok {
			t.Errorf("the sample has no value for %s", match)
		}
		return encode(value)
	})
}

var (
	reference = regexp.MustCompile(`\*\w+\*|\{\{.*?\}\}|@\{.*?\}`)
	word      = regexp.MustCompile(`\w+`)
)

// TestRecipes posts the payloads and events of the recipes to the function. Events are
// signed as their senders sign them. Targets get a sample of each type.
func TestRecipes(t *testing.T) {
	pages, err := filepath.Glob("deploy/recipes/*.md")
	if err != nil || len(pages) != 27 {
		t.Fatalf("got %d documents, want 27: %v", len(pages), err)
	}
	list, err := os.ReadFile("deploy/recipes/README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range pages {
		name := filepath.Base(page)
		if name == "README.md" {
			continue
		}
		if !bytes.Contains(list, []byte("("+name+")")) {
			t.Errorf("%s is not listed in README.md", name)
		}
		if name == "sms.md" {
			continue // TestSMSRecipe
		}
		t.Run(strings.TrimSuffix(name, ".md"), func(t *testing.T) { tryRecipe(t, page) })
	}
}

func tryRecipe(t *testing.T, page string) {
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	k := newKitchen(t)
	var all []box
	for _, b := range boxes.FindAllStringSubmatch(strings.ReplaceAll(string(text), "PROJECT", "example"), -1) {
		all = append(all, box{b[1] + b[3], b[2] + b[4]})
	}
	for i, b := range all {
		k.responds = i+1 < len(all) && all[i+1].kind == "json response"
		k.try(b)
	}
	if k.sent == 0 && len(k.posted) == 0 {
		t.Error("the recipe sends no message, and its targets get no event")
	}
}

// apiKey stands for KEY in the documents.
const apiKey = "open-sesame-open-sesame"

// environ returns the settings of a function that uses sim.
func environ(t *testing.T, sim *platform.Platform, url string) []string {
	t.Helper()
	env := sim.Provision(url)
	adc := filepath.Join(t.TempDir(), "adc.json")
	if err := os.WriteFile(adc, env.Credentials, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", adc)
	return []string{
		"RCSHOOK_AGENT_ID=" + env.AgentIDSecret, "RCSHOOK_CREDENTIALS=" + env.KeySecret, "RCSHOOK_API_KEYS=" + apiKey,
		"RCSHOOK_RBM_ENDPOINT=" + url, "RCSHOOK_SECRETMANAGER_ENDPOINT=" + url,
	}
}

// A kitchen runs one recipe.
type kitchen struct {
	t       *testing.T
	sim     *platform.Platform
	environ []string
	source  *source.Source // of the file
	secret  []byte         // the key of the sender
	google  *token.Issuer
	sent    int
	posted  map[string]string // the last body for each type of event

	responds bool   // whether the recipe shows the response to this box
	response string // the last one
	fallback string // the last body that the fallback got
}

func newKitchen(t *testing.T) *kitchen {
	t.Helper()
	k := kitchen{t: t, sim: platform.New(new(rbmtest.Simulator))}
	server := httptest.NewServer(k.sim)
	t.Cleanup(func() { k.sim.Close(); server.Close() })
	k.environ = environ(t, k.sim, server.URL)
	return &k
}

func (k *kitchen) try(b box) {
	k.t.Helper()
	if eventType, ok := strings.CutPrefix(b.kind, "json body "); ok {
		k.body(eventType, b.text)
		return
	}
	if path, ok := strings.CutPrefix(b.kind, "json payload"); ok {
		k.post("/"+strings.TrimPrefix(path, " /"), caller("application/json"), b.text)
		return
	}
	switch b.kind {
	case "yaml":
		k.file(b.text)
	case "name | value":
		k.rows(page("| name | value |\n" + b.text))
	case "form payload":
		form := fill(k.t, strings.TrimSpace(b.text), url.QueryEscape)
		k.post("/", caller("application/x-www-form-urlencoded"), form)
	case "json response":
		k.responded(b.text)
	case "form fallback":
		if diff := cmp.Diff(strings.TrimSpace(b.text), k.fallback); diff != "" {
			k.t.Errorf("request to the fallback (-want +got):\n%s", diff)
		}
	case "json event":
		k.event("", b.text, true)
	case "json event fallback":
		k.responds, k.fallback = true, ""
		k.event("", b.text, true)
		if k.fallback == "" {
			k.t.Error("the fallback got no request")
		}
	case "json event again":
		k.sent-- // The response is accepted again.
		k.event("", b.text, true)
	case "http event", "http unsigned":
		header, body, _ := strings.Cut(b.text, "\n\n")
		k.event(header, strings.TrimSpace(body), b.kind == "http event")
	case "json message":
		k.message(b.text)
	}
}

// event posts an event to the source, with lines that change the header of its sample.
func (k *kitchen) event(header, body string, signed bool) {
	k.t.Helper()
	r := k.source.Sample("0001")
	r.Body = []byte(body)
	for line := range strings.Lines(header) {
		name, value, _ := strings.Cut(line, ":")
		r.Header.Set(name, strings.TrimSpace(value))
	}
	if k.source.UsesGoogleTokens() {
		r.Header.Set("Authorization", "Bearer "+k.google.Token(k.source.Config.Audience[0], k.source.Config.Emails[0], time.Now()))
	} else if signed {
		if err := k.source.Sign(r, k.secret, time.Now()); err != nil {
			k.t.Fatal(err)
		}
	}
	k.post("/hooks/"+k.source.Name, r.Header, body)
}

// caller returns the header of a request with the key.
func caller(contentType string) http.Header {
	return http.Header{"Authorization": {"Bearer " + apiKey}, "Content-Type": {contentType}}
}

// rows posts the rows of a table as a form and as JSON, and as a dry run.
func (k *kitchen) rows(table page) {
	k.t.Helper()
	form, object := url.Values{}, map[string]string{}
	for _, row := range table.rows() {
		value := fill(k.t, strings.ReplaceAll(row[1], "`", ""), strings.Clone)
		name := strings.Trim(row[0], "`")
		form.Set(name, value)
		object[name] = value
	}
	k.post("/", caller("application/x-www-form-urlencoded"), form.Encode())
	first := k.sim.Messages()
	if key, ok := object["idempotency_key"]; ok {
		object["idempotency_key"] = key + "-json" // otherwise it is a duplicate
	}
	text, err := json.Marshal(object)
	if err != nil {
		k.t.Fatal(err)
	}
	k.post("/", caller("application/json"), string(text))
	second := k.sim.Messages()
	if len(first) == 0 || len(second) == 0 || string(first[len(first)-1].AgentMessage) != string(second[len(second)-1].AgentMessage) {
		k.t.Errorf("the form and the JSON of a table are different messages:\n%s", table)
	}
	form.Set("dry_run", "true")
	responds := k.responds
	k.responds = true
	k.post("/", caller("application/x-www-form-urlencoded"), form.Encode())
	k.responds = responds
	if !strings.Contains(k.response, `"code":"dry_run"`) {
		k.t.Errorf("the table with dry_run: %s", k.response)
	}
}

// responded compares the members of the last response that the recipe shows.
func (k *kitchen) responded(want string) {
	k.t.Helper()
	wanted, got := fields(k.t, json.RawMessage(want)), fields(k.t, json.RawMessage(k.response))
	maps.DeleteFunc(got, func(name string, _ any) bool { _, ok := wanted[name]; return !ok })
	if diff := cmp.Diff(wanted, got); diff != "" {
		k.t.Errorf("response (-want +got):\n%s", diff)
	}
}

// file reads rcshook.yaml, and stores the secret of its source in the simulator.
func (k *kitchen) file(text string) {
	k.t.Helper()
	text = strings.Replace(text, "\n      after: auto\n", "\n", 1) // TestOTP has a queue
	parsed, err := config.ParseFile("rcshook.yaml", []byte(text))
	if err != nil {
		k.t.Fatal(err)
	}
	if len(parsed.Events) > 0 {
		k.events(parsed, text)
		return
	}
	sources, err := source.Open(parsed.Sources, source.Options{})
	if err != nil {
		k.t.Fatal(err)
	}
	all := sources.All()
	if len(all) != 1 {
		k.t.Fatalf("got %d sources, want 1", len(all))
	}
	k.source = all[0]
	if k.source.Config.Fallback != nil {
		text = targetURL.ReplaceAllString(text, "$1 "+k.provider())
	}
	for _, secret := range parsed.Secrets() {
		k.sim.Secrets.AddVersion(secret, []byte("user:password"))
	}
	for _, s := range k.source.Config.Secrets {
		name, _ := s.Resource()
		secret, _, _ := strings.Cut(name, "/versions/")
		var receiver []byte
		receiver, k.secret = k.source.NewKeys()
		k.sim.Secrets.AddVersion(secret, receiver)
	}
	if k.google, err = token.NewIssuer(); err != nil {
		k.t.Fatal(err)
	}
	google := httptest.NewServer(k.google)
	k.t.Cleanup(google.Close)
	k.environ = append(k.environ, "RCSHOOK_CONFIG="+k.write(text), "RCSHOOK_OIDC_ENDPOINT="+google.URL)
}

// provider starts a stand-in for a provider of SMS and returns its URL.
func (k *kitchen) provider() string {
	provider := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		data, _ := io.ReadAll(r.Body)
		k.fallback = string(data)
		w.WriteHeader(http.StatusCreated)
	}))
	k.t.Cleanup(provider.Close)
	return provider.URL
}

func (k *kitchen) write(text string) (path string) {
	k.t.Helper()
	path = filepath.Join(k.t.TempDir(), "rcshook.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		k.t.Fatal(err)
	}
	return path
}

var targetURL = regexp.MustCompile(`(?m)^( +url:) .*$`)

// events posts a sample of each type of event that RBM sends. The targets are on this
// machine: they and the secrets of the file accept everything.
func (k *kitchen) events(file config.File, text string) {
	k.t.Helper()
	bodies := make(chan string, 1)
	place := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		data, _ := io.ReadAll(r.Body)
		bodies <- string(data)
		if strings.Contains(text, ".status == 302") {
			w.Header().Set("Location", "https://script.googleusercontent.com/macros/echo")
			w.WriteHeader(http.StatusFound)
		}
	}))
	defer place.Close()
	topics := new(pubsub.Server)
	google := httptest.NewServer(topics)
	defer google.Close()
	for _, secret := range file.Secrets() {
		k.sim.Secrets.AddVersion(secret, standardwebhook.NewSecret())
	}
	for _, t := range file.Events {
		topics.AddTopic(t.Topic)
	}
	h, err := server.New(k.t.Context(), server.Options{
		Environ: append(k.environ, "RCSHOOK_CONFIG="+k.write(targetURL.ReplaceAllString(text, "$1 "+place.URL)),
			"RCSHOOK_WEBHOOK_TOKEN=token", "RCSHOOK_PUBSUB_ENDPOINT="+google.URL),
		Now: func() time.Time { return exampleTime },
	})
	if err != nil {
		k.t.Fatal(err)
	}
	defer h.Close()
	k.posted = make(map[string]string)
	for _, eventType := range slices.Backward(config.EventTypes) { // unsubscribed last, which decides at one time
		r := rbmEvent(eventType, exampleTime)
		if r == nil {
			continue
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), `"code":"received"`) {
			k.t.Errorf("the event %s: %d %s", eventType, w.Code, w.Body)
		}
		for _, t := range file.Events {
			if messages := topics.Messages(t.Topic); len(messages) > 0 {
				k.posted[eventType] = string(messages[len(messages)-1].Data)
			}
		}
		select {
		case k.posted[eventType] = <-bodies:
		default:
		}
	}
}

// rbmEvent returns a request to POST /events with a sample, which RBM signs with the client
// token "token". It returns nil for a type that RBM does not send.
func rbmEvent(eventType string, now time.Time) *http.Request {
	data, ok := events.SampleData(eventType, "rcshook_demo_k3x9a1bc_agent", "sample", now)
	if !ok {
		return nil
	}
	r := httptest.NewRequest(http.MethodPost, "/events", strings.NewReader(fmt.Sprintf(`{"message": {"data": %q}}`, base64.StdEncoding.EncodeToString(data))))
	mac := hmac.New(sha512.New, []byte("token"))
	mac.Write(data)
	r.Header.Set(rbm.SignatureHeader, base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	return r
}

// body compares the body for a sample with the wanted one.
func (k *kitchen) body(eventType, want string) {
	k.t.Helper()
	if diff := cmp.Diff(fields(k.t, json.RawMessage(want)), fields(k.t, json.RawMessage(k.posted[eventType]))); diff != "" {
		k.t.Errorf("body for %s (-want +got):\n%s", eventType, diff)
	}
}

func (k *kitchen) post(path string, header http.Header, body string) {
	k.t.Helper()
	h, err := server.New(k.t.Context(), server.Options{Environ: k.environ})
	if err != nil {
		k.t.Fatal(err)
	}
	defer h.Close()
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	r.Header = header
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	k.response = w.Body.String()
	if accepted.MatchString(k.response) || w.Code == http.StatusNoContent && !k.responds {
		k.sent++
	} else if !k.responds {
		k.t.Errorf("POST %s: %d %s\n%s", path, w.Code, w.Body, body)
	}
	if len(k.sim.Messages()) != k.sent {
		k.t.Errorf("got %d messages, want %d", len(k.sim.Messages()), k.sent)
	}
}

// accepted is a part of the responses to messages that RBM accepted, also to those of Okta.
var accepted = regexp.MustCompile(`"(code|transactionMetadata)":"accepted"`)

func (k *kitchen) message(want string) {
	k.t.Helper()
	messages := k.sim.Messages()
	if len(messages) == 0 {
		k.t.Fatal("got no message")
	}
	var wanted, got any
	if err := json.Unmarshal([]byte(want), &wanted); err != nil {
		k.t.Fatalf("%v in\n%s", err, want)
	}
	if err := json.Unmarshal(messages[len(messages)-1].AgentMessage, &got); err != nil {
		k.t.Fatal(err)
	}
	if diff := cmp.Diff(wanted, got); diff != "" {
		k.t.Errorf("message (-want +got):\n%s", diff)
	}
}

// TestRecipes_codes checks that docs/responses.md describes the codes of the table in
// README.md.
func TestRecipes_codes(t *testing.T) {
	t.Parallel()
	responses := readPage(t, "docs/responses.md")
	rows := readPage(t, "deploy/recipes/README.md").section(t, "## Responses to a first event").rows()
	if len(rows) == 0 {
		t.Fatal("the page has no table")
	}
	for _, row := range rows {
		for _, name := range quoted(row[0]) {
			responses.section(t, "### "+name)
		}
	}
}

// TestRecipes_outcome tests the programs ok of the recipes.
func TestRecipes_outcome(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		page     string
		status   int
		location string
		want     target.Outcome
	}{
		{"google-sheets", 302, "https://script.googleusercontent.com/macros/echo?user_content_key=a", target.OK},
		{"google-sheets", 302, "https://accounts.google.com/ServiceLogin", target.Retry},
		{"google-sheets", 302, "", target.Retry},
		{"google-sheets", 200, "", target.Retry}, // the program failed
		{"hubspot", 200, "", target.OK},
		{"hubspot", 201, "", target.OK},
		{"hubspot", 207, "", target.Never},
		{"hubspot", 400, "", target.Never},
		{"hubspot", 401, "", target.Retry},
		{"hubspot", 429, "", target.Retry},
		{"make", 200, "", target.OK},
		{"make", 400, "", target.Retry},
		{"make", 410, "", target.Retry},
		{"slack", 200, "", target.OK},
		{"slack", 400, "", target.Never},
		{"slack", 410, "", target.Never},
		{"slack", 429, "", target.Retry},
		{"n8n", 404, "", target.Retry},
	} {
		place := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", test.location)
			w.WriteHeader(test.status)
		}))
		defer place.Close()
		file, err := config.ParseFile("rcshook.yaml", []byte(strings.ReplaceAll(readPage(t, "deploy/recipes/"+test.page+".md").blocks("yaml")[0], "PROJECT", "example")))
		if err != nil || len(file.Events) != 1 {
			t.Fatalf("got %d targets: %v", len(file.Events), err)
		}
		for _, c := range file.Events {
			c.URL = config.Secret(place.URL)
			to, problems := target.New(c, target.Options{
				Secret:    func(_ context.Context, s config.Secret) ([]byte, error) { return []byte(s), nil },
				Transport: new(http.Transport), Now: time.Now,
			})
			if len(problems) > 0 {
				t.Fatal(problems)
			}
			event, err := json.Marshal(events.Sample("reply", "default", "example_agent", "sample", exampleTime))
			if err != nil {
				t.Fatal(err)
			}
			if got := to.Deliver(t.Context(), "evt_1", event); got.Outcome != test.want {
				t.Errorf("%s: %d %s: got %s, want %s", test.page, test.status, test.location, got.Outcome, test.want)
			}
			to.Close()
		}
	}
}

var yamlBoxes = regexp.MustCompile("(?s)```yaml\n(.*?)```")

// TestDocumentedFiles checks that the examples of rcshook.yaml are valid.
func TestDocumentedFiles(t *testing.T) {
	t.Parallel()
	for _, page := range []string{"README.md", "docs/sources.md", "docs/configuration.md", "docs/events.md"} {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		files := yamlBoxes.FindAllSubmatch(text, -1)
		if len(files) == 0 {
			t.Errorf("%s has no example of rcshook.yaml", page)
		}
		for _, file := range files {
			parsed, err := config.ParseFile(page, file[1])
			_, wrong := source.Open(parsed.Sources, source.Options{Agents: []string{"default"}})
			if err := config.Join(err, wrong); err != nil {
				t.Errorf("%v in\n%s", err, file[1])
			}
			checkTargets(t, parsed.Events, parsed.Fallbacks())
		}
	}
}
