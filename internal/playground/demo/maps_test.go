package demo_test

import (
	"encoding/json"
	"flag"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rcshook/rcshook/internal/check"
	"github.com/rcshook/rcshook/internal/racetest"
	"github.com/rcshook/rcshook/internal/source"
)

var update = flag.Bool("update", false, "write the wanted responses")

// ask returns the response to a body as indented JSON, without random IDs. A nil body is a GET.
func ask(t *testing.T, f http.Handler, path string, body object) string {
	t.Helper()
	method, text := http.MethodGet, []byte(nil)
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			t.Fatal(err)
		}
		method = http.MethodPost
	}
	w := request(t, f, method, path, string(text))
	if !json.Valid(w.Body.Bytes()) {
		t.Fatalf("%s: %s", path, w.Body)
	}
	return ids.ReplaceAllString(string(check.Indent(w.Body.Bytes())), "ID")
}

type object = map[string]any

// TestMaps compares responses with testdata/maps/NAME.json.
func TestMaps(t *testing.T) {
	t.Parallel()
	f := open(t)
	const file = "sources:\n  shop:\n    preset: shopify\n    secret: projects/p/secrets/shop\n    map: '{to: .phone, text: \"Thank you, \\(.customer.first_name)!\"}'\n"
	for name, test := range map[string]struct {
		path string
		body object
	}{
		"shopify":         {"/_play/map", object{"preset": "shopify"}},
		"headers":         {"/_play/map", object{"preset": "github", "download": true}},
		"form":            {"/_play/map", object{"preset": "twilio"}},
		"empty-map":       {"/_play/map", object{"preset": "shopify", "map": "\n"}},
		"no-map":          {"/_play/map", object{"preset": "hmac"}},
		"syntax":          {"/_play/map", object{"preset": "shopify", "map": "{\n  to: .phone,\n  text: (\"Hi\"\n}"}},
		"unknown-name":    {"/_play/map", object{"preset": "shopify", "map": "{to: .phone,\n text: uper(.name)}"}},
		"loop":            {"/_play/map", object{"preset": "shopify", "map": "def f: f; f"}},
		"no-object":       {"/_play/map", object{"preset": "shopify", "map": "{to: .phone,\n text: (.name | .first)}"}},
		"null":            {"/_play/map", object{"preset": "shopify", "map": `{to: .phone, text: "Hi \(.customer.name)"}`}},
		"null-perhaps":    {"/_play/map", object{"preset": "shopify", "map": `{to: .phone, text: "Hi \(.customer.first_name)"}`}},
		"two-errors":      {"/_play/map", object{"preset": "shopify", "map": `{to: "1", text: "", butons: ["Yes"]}`}},
		"two-messages":    {"/_play/map", object{"preset": "shopify", "map": `{to: (.phone, "+12025550124"), text: "Hi"}`}},
		"file-outside":    {"/_play/map", object{"file": file + "    cases: '..\\..\\startup'\n", "download": true}},
		"nothing":         {"/_play/map", object{"preset": "shopify", "map": "empty"}},
		"reply":           {"/_play/map", object{"preset": "slack", "event": `{"type": "url_verification", "challenge": "abc"}`}},
		"broken-event":    {"/_play/map", object{"preset": "shopify", "event": "{\n  \"phone\": \"+12025550123\"\n  \"name\": 1\n}"}},
		"broken-body":     {"/_play/map", object{"preset": "github", "event": "X-GitHub-Event: push\n\n{\"a\": 1,}"}},
		"plain-event":     {"/_play/map", object{"preset": "shopify", "event": "hello"}},
		"no-preset":       {"/_play/map", object{"preset": "shopfy"}},
		"nothing-chosen":  {"/_play/map", object{}},
		"file":            {"/_play/map", object{"file": file, "source": "shop", "event": `{"phone": "+12025550123", "customer": {"first_name": "Ada"}}`, "download": true}},
		"file-map":        {"/_play/map", object{"file": file, "source": "shop", "event": `[1]`}},
		"file-source":     {"/_play/map", object{"file": file, "source": "shop2"}},
		"check":           {"/_play/check", object{"file": file}},
		"check-empty":     {"/_play/check", object{"file": ""}},
		"check-problems":  {"/_play/check", object{"file": "sources:\n  shop:\n    preset: shopfy\n    secret: projects/p/secrets/shop\n    map: '{to: .phone}'\nevents:\n  crm:\n    url: ftp://crm.example.com\n  log:\n    url: https://log.example.com\n    map: '{text: .text'\n"}},
		"check-tab":       {"/_play/check", object{"file": "sources:\n\tshop: {}\n"}},
		"check-targets":   {"/_play/check", object{"file": "events:\n  log:\n    url: https://log.example.com\n    only: [reply]\n    map: '.text + 1'\n  loop:\n    url: https://loop.example.com\n    map: 'def f: f; f'\n"}},
		"check-no-secret": {"/_play/check", object{"file": "sources:\n  shop:\n    preset: shopify\n    map: '{to: .phone, text: \"Hi\"}'\n"}},
	} {
		t.Run(name, func(t *testing.T) {
			got, golden := ask(t, f, test.path, test.body), filepath.Join("testdata", "maps", name+".json")
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("response (-want +got):\n%s", diff)
			}
		})
	}
}

// TestMaps_presets maps the sample of each preset, without a problem and without a text that
// contains null.
func TestMaps_presets(t *testing.T) {
	t.Parallel()
	racetest.Skip(t)
	f := open(t)
	for _, preset := range source.Describe() {
		if preset.About == "" || preset.Group == "" {
			t.Errorf("%s has no description or group", preset.Name)
		}
		var got struct {
			Event           string
			Problems, Nulls []any
			Messages        []struct {
				Status   int
				Response json.RawMessage
				Send     any
			}
		}
		if err := json.Unmarshal([]byte(ask(t, f, "/_play/map", object{"preset": preset.Name})), &got); err != nil {
			t.Fatal(err)
		}
		if len(got.Problems) > 0 || len(got.Messages) == 0 || len(got.Nulls) > 0 || got.Event == "" {
			t.Errorf("%s: got %+v, want messages", preset.Name, got)
		}
		for _, m := range got.Messages {
			if m.Status != http.StatusOK || m.Send == nil {
				t.Errorf("%s: status %d\n%s", preset.Name, m.Status, m.Response)
			}
		}
	}
}
