package docstest

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/googletest/platform"
	"github.com/rcshook/rcshook/internal/googletest/token"
	"github.com/rcshook/rcshook/internal/server"
	"github.com/rcshook/rcshook/internal/source"
	"github.com/rcshook/rcshook/rbm/rbmtest"
)

// A box is a code block of a recipe:
//
//	yaml          a complete rcshook.yaml, with one source
//	json payload  a payload for the function
//	json event    an event for the source
//	json message  the message that the previous box sends
type box struct{ kind, text string }

var boxes = regexp.MustCompile("(?s)```(yaml|json payload|json event|json message)\n(.*?)```")

// TestRecipes posts the payloads and events of the recipes to the function. Events are
// signed as their senders sign them.
func TestRecipes(t *testing.T) {
	pages, err := filepath.Glob("deploy/recipes/*.md")
	if err != nil || len(pages) != 11 {
		t.Fatalf("got %d documents, want 11: %v", len(pages), err)
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
		t.Run(strings.TrimSuffix(name, ".md"), func(t *testing.T) { tryRecipe(t, page) })
	}
}

func tryRecipe(t *testing.T, page string) {
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	k := kitchen{t: t, sim: platform.New(new(rbmtest.Simulator))}
	server := httptest.NewServer(k.sim)
	t.Cleanup(func() { k.sim.Close(); server.Close() })
	k.environ = environ(t, k.sim, server.URL)
	for _, b := range boxes.FindAllStringSubmatch(strings.ReplaceAll(string(text), "PROJECT", "example"), -1) {
		k.try(box{b[1], b[2]})
	}
	if k.sent == 0 {
		t.Error("the recipe sends no message")
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
}

func (k *kitchen) try(b box) {
	k.t.Helper()
	switch b.kind {
	case "yaml":
		k.file(b.text)
	case "json payload":
		k.post("/", http.Header{"Authorization": {"Bearer " + apiKey}, "Content-Type": {"application/json"}}, b.text)
	case "json event":
		r := k.source.Sample("0001")
		r.Body = []byte(b.text)
		if k.source.UsesGoogleTokens() {
			r.Header.Set("Authorization", "Bearer "+k.google.Token(k.source.Config.Audience[0], k.source.Config.Emails[0], time.Now()))
		} else if err := k.source.Sign(r, k.secret, time.Now()); err != nil {
			k.t.Fatal(err)
		}
		k.post("/hooks/"+k.source.Name, r.Header, b.text)
	case "json message":
		k.message(b.text)
	}
}

// file reads rcshook.yaml, and stores the secret of its source in the simulator.
func (k *kitchen) file(text string) {
	k.t.Helper()
	parsed, err := config.ParseFile("rcshook.yaml", []byte(text))
	if err != nil {
		k.t.Fatal(err)
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
	path := filepath.Join(k.t.TempDir(), "rcshook.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		k.t.Fatal(err)
	}
	k.environ = append(k.environ, "RCSHOOK_CONFIG="+path, "RCSHOOK_OIDC_ENDPOINT="+google.URL)
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
	if !strings.Contains(w.Body.String(), `"code":"accepted"`) {
		k.t.Errorf("POST %s: %d %s\n%s", path, w.Code, w.Body, body)
	}
	if k.sent++; len(k.sim.Messages()) != k.sent {
		k.t.Errorf("got %d messages, want %d", len(k.sim.Messages()), k.sent)
	}
}

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

var yamlBoxes = regexp.MustCompile("(?s)```yaml\n(.*?)```")

// TestDocumentedFiles checks that the examples of rcshook.yaml are valid, and that
// docs/sources.md lists every preset.
func TestDocumentedFiles(t *testing.T) {
	t.Parallel()
	for _, page := range []string{"README.md", "docs/sources.md", "docs/configuration.md"} {
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
		}
		if page != "docs/sources.md" {
			continue
		}
		var listed []string
		for _, row := range regexp.MustCompile("(?m)^\\| `([a-z-]+)` \\| .* \\| .*`(secret|audience)`").FindAllSubmatch(text, -1) {
			listed = append(listed, string(row[1]))
		}
		if diff := cmp.Diff(source.Presets(), listed); diff != "" {
			t.Errorf("presets in %s (-want +got):\n%s", page, diff)
		}
	}
}
