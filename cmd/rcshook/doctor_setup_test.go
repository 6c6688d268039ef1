package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rcshook/rcshook/internal/googletest/platform"
)

// The secrets of a setup.
const (
	inProject = "projects/rcshook-dev/secrets/"
	idSecret  = inProject + "rcs-agent-id"
	keySecret = inProject + "rcs-key"
	apiSecret = inProject + "api-keys"
	shop      = inProject + "shop-hook"
	sms       = inProject + "sms"
)

const (
	shopSecret = "whsec_c2VzYW1lc2VzYW1lc2VzYW1lc2VzYW1l"
	apiKey     = "sesame-open-the-door"
	testNumber = "+12025550123"
	// getCapabilities is the only method of the platform that doctor may call.
	getCapabilities = "phones.getCapabilities"
)

// setup is a valid setup, which a test breaks.
type setup struct {
	t    *testing.T
	sim  *platform.Platform
	url  string
	env  map[string]string // by variable; "" removes it
	file string            // rcshook.yaml
	args []string
	dir  string
}

const goodFile = `sources:
  shop:
    preset: standard-webhooks
    secret: ` + shop + `
    map: '{to: .phone, text: "Hello"}'
    fallback: {url: https://sms.example.com/in, secret: ` + sms + `}
`

func newSetup(t *testing.T, sim *platform.Platform) *setup {
	t.Helper()
	server := httptest.NewServer(sim)
	t.Cleanup(func() {
		sim.Close()
		server.Close()
	})
	c := &setup{t: t, sim: sim, url: server.URL, file: goodFile, dir: t.TempDir(), args: []string{"-timeout", "5s"}}
	made := sim.Provision(c.url)
	sim.Secrets.AddVersion(apiSecret, []byte(apiKey+"\n"))
	sim.Secrets.AddVersion(shop, []byte(shopSecret))
	sim.Secrets.AddVersion(sms, []byte(shopSecret))
	c.env = map[string]string{
		"GOOGLE_APPLICATION_CREDENTIALS": c.write("adc.json", string(made.Credentials)),
		"RCSHOOK_AGENT_ID":               idSecret,
		"RCSHOOK_CREDENTIALS":            keySecret,
		"RCSHOOK_API_KEYS":               apiSecret,
		"RCSHOOK_RBM_ENDPOINT":           c.url,
		"RCSHOOK_SECRETMANAGER_ENDPOINT": c.url,
		"RCSHOOK_CONFIG":                 filepath.Join(c.dir, "rcshook.yaml"),
	}
	return c
}

func (c *setup) write(name, content string) string {
	c.t.Helper()
	path := filepath.Join(c.dir, name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		c.t.Fatal(err)
	}
	return path
}

// doctor runs the command, and returns its output and its exit code.
func (c *setup) doctor(flags ...string) (string, int) {
	c.t.Helper()
	code, text := c.run(append(append([]string{"doctor"}, c.args...), flags...)...)
	text = strings.ReplaceAll(text, c.dir+"/", "")
	return port.ReplaceAllString(text, "127.0.0.1:8081"), code
}

// run runs a command with the settings, and returns its exit code and its output.
func (c *setup) run(args ...string) (int, string) {
	c.t.Helper()
	if c.file != "" {
		c.write("rcshook.yaml", c.file)
	}
	var lines strings.Builder
	for _, name := range slices.Sorted(maps.Keys(c.env)) {
		if strings.HasPrefix(name, "RCSHOOK_") {
			fmt.Fprintf(&lines, "%s=%s\n", name, c.env[name])
			continue
		}
		c.t.Setenv(name, c.env[name])
	}
	if !slices.Contains(args, "-env") {
		args = append(args, "-env", c.write("env", lines.String()))
	}
	var out, errs bytes.Buffer
	code := run(c.t.Context(), args, stdio{strings.NewReader(""), &out, &errs})
	return code, out.String() + errs.String()
}

var port = regexp.MustCompile(`127\.0\.0\.1:[0-9]+`)

// deployed returns the output of gcloud for a deployment of the setup.
func deployed(c *setup, account string) string {
	type pair struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	}
	var env []pair
	for _, name := range slices.Sorted(maps.Keys(c.env)) {
		if strings.HasPrefix(name, "RCSHOOK_") {
			env = append(env, pair{name, c.env[name]})
		}
	}
	text, err := json.Marshal(map[string]any{
		"kind": "Service",
		"metadata": map[string]any{
			"name": "rcshook", "namespace": "123456789012", "labels": map[string]string{"cloud.googleapis.com/location": "europe-west1"},
		},
		"spec": map[string]any{"template": map[string]any{"spec": map[string]any{
			"serviceAccountName": account, "containers": []any{map[string]any{"env": env}},
		}}},
	})
	if err != nil {
		c.t.Fatal(err)
	}
	return string(text)
}

// checkPrivacy checks that an output contains no secret and no number.
func (c *setup) checkPrivacy(text string) {
	c.t.Helper()
	var key struct {
		PrivateKey string `json:"private_key"`
	}
	if err := json.Unmarshal(c.sim.KeyFile(c.url), &key); err != nil {
		c.t.Fatal(err)
	}
	for _, mark := range []string{
		"sesame", "c2VzYW1l", "PRIVATE KEY", strings.Split(key.PrivateKey, "\n")[1], "ya29", "k3x9a1bc", testNumber, "2025550104", "202555",
	} {
		if strings.Contains(text, mark) {
			c.t.Errorf("the output contains %q:\n%s", mark, text)
		}
	}
}
