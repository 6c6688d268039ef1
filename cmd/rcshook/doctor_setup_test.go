package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rcshook/rcshook/internal/googletest"
	"github.com/rcshook/rcshook/internal/googletest/platform"
	"github.com/rcshook/rcshook/internal/googletest/pubsub"
	"github.com/rcshook/rcshook/internal/googletest/tasks"
	"github.com/rcshook/rcshook/rbm"
	"github.com/rcshook/rcshook/rbm/rbmtest"
)

// The secrets of a setup.
const (
	inProject = "projects/rcshook-dev/secrets/"
	inQueues  = "projects/rcshook-dev/locations/europe-west1/queues/"
	idSecret  = inProject + "rcs-agent-id"
	keySecret = inProject + "rcs-key"
	apiSecret = inProject + "api-keys"
	shop      = inProject + "shop-hook"
	sms       = inProject + "sms"
	crmSecret = inProject + "crm-url"
)

const (
	shopSecret = "whsec_c2VzYW1lc2VzYW1lc2VzYW1lc2VzYW1l"
	apiKey     = "sesame-open-the-door"
	testNumber = "+12025550123"
	// getCapabilities is the only method of the RBM API that doctor may call.
	getCapabilities = "phones.getCapabilities"
)

// setup is a valid setup, which a test breaks.
type setup struct {
	t    *testing.T
	id   string // of the agent
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
	c.id = made.AgentID
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

// webhook adds a webhook token, and serves the webhook of the function, whose response to
// an event is status. It returns the address of the function.
func (c *setup) webhook(status int) string {
	c.t.Helper()
	hook := &rbm.Webhook{ClientToken: hookToken, Handle: func(_ context.Context, e rbm.Event) error {
		if event, ok := e.(*rbm.UserEvent); !ok || time.Since(event.SendTime) < 8*24*time.Hour {
			c.t.Errorf("the webhook got an event that reaches targets: %+v", e)
		}
		return nil
	}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if status != http.StatusOK {
			w.WriteHeader(status)
			return
		}
		hook.ServeHTTP(w, r)
		if r.Header.Get(rbm.WebhookTypeHeader) != "verification" {
			io.WriteString(w, `{"code": "ignored", "agent": "default"}`)
		}
	}))
	c.t.Cleanup(server.Close)
	c.sim.Secrets.AddVersion(hookSecret, []byte(hookToken+"\nold-token\n"))
	c.env["RCSHOOK_WEBHOOK_TOKEN"], c.env["RCSHOOK_URL"] = hookSecret, server.URL
	c.optOuts()
	return server.URL
}

// optOuts sets a store of opt-outs, and prepares it.
func (c *setup) optOuts() {
	c.t.Helper()
	c.env["RCSHOOK_OPT_OUT_STORE"], c.env["RCSHOOK_OPT_OUT_KEY"], c.env["RCSHOOK_STORAGE_ENDPOINT"] = storeLocation, storeKey, c.url
	c.sim.Secrets.AddVersion(storeKey, []byte(oldStoreKey))
	c.sim.Storage.AddBucket(storeBucket)
	c.sim.Storage.Put(storeBucket, "rcs-opt-outs/_key", []byte(`{"check": "09cf3a8940d9d4485c3d5982d9a41ce0098ce259c34070a6a10f3aa81ee02540", "brands": "default ferries"}`)) // of oldStoreKey
}

// lookup sets a program of the operator as the store of opt-outs, with a response.
func (c *setup) lookup(status int, body string) {
	c.t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var asked struct{ Phone, Brand string }
		if err := json.NewDecoder(r.Body).Decode(&asked); err != nil || asked.Phone != "+12025550100" || asked.Brand != "default" {
			c.t.Errorf("the store is asked %+v, %v", asked, err)
		}
		w.WriteHeader(status)
		io.WriteString(w, body)
	}))
	c.t.Cleanup(server.Close)
	c.sim.Secrets.AddVersion(crmSecret, []byte(shopSecret))
	c.file = "opt_out: {store: {url: \"" + server.URL + "\", secret: " + crmSecret + "}}\n"
}

// connect connects an agent to a webhook that has hookToken.
func (c *setup) connect(agent, url string) {
	c.t.Helper()
	if _, err := c.sim.Connect(c.t.Context(), rbmtest.WebhookConfig{AgentID: agent, URL: url, ClientToken: hookToken}); err != nil {
		c.t.Fatal(err)
	}
}

// targets sets the targets of events, and connects the webhook of the agent default.
func (c *setup) targets(yaml string) {
	c.t.Helper()
	c.file = "events:" + yaml
	c.connect(c.id, c.webhook(200)+"/events")
	topics := &pubsub.Server{Authorize: func(token string) error {
		_, err := c.sim.Tokens.Check(token, googletest.CloudPlatform)
		return err
	}}
	topics.AddTopic("projects/p/topics/events")
	server := httptest.NewServer(topics)
	c.t.Cleanup(server.Close)
	c.env["RCSHOOK_PUBSUB_ENDPOINT"] = server.URL
}

// queues sets a queue of messages and a queue of events.
func (c *setup) queues(events tasks.Settings, denied ...string) *tasks.Server {
	c.t.Helper()
	cloudTasks := &tasks.Server{Denied: denied, Authorize: func(token string) error {
		_, err := c.sim.Tokens.Check(token, googletest.CloudPlatform)
		return err
	}}
	cloudTasks.AddQueue(inQueues+"messages", tasks.Settings{})
	cloudTasks.AddQueue(inQueues+"events", events)
	server := httptest.NewServer(cloudTasks)
	c.t.Cleanup(func() { cloudTasks.Close(); server.Close() })
	c.env["RCSHOOK_TASKS_ENDPOINT"] = server.URL
	c.env["RCSHOOK_QUEUE"], c.env["RCSHOOK_EVENTS_QUEUE"] = inQueues+"messages", inQueues+"events"
	c.env["RCSHOOK_QUEUE_ACCOUNT"], c.env["RCSHOOK_URL"] = "rcshook-queue@rcshook-dev.iam.gserviceaccount.com", c.url
	return cloudTasks
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
