package deploytest

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rcshook/rcshook/internal/googletest"
	"github.com/rcshook/rcshook/internal/googletest/platform"
	"github.com/rcshook/rcshook/rbm/rbmtest"
)

// readmeFile returns the rcshook.yaml of the README.
func readmeFile(t *testing.T) string {
	t.Helper()
	var file strings.Builder
	for _, m := range regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(read(t, "README.md"), -1) {
		file.WriteString(m[1])
	}
	if text := file.String(); strings.Contains(text, "sources:") && strings.Contains(text, "events:") {
		return strings.ReplaceAll(text, "projects/p/", "projects/my-project/")
	}
	t.Fatal("the README has no rcshook.yaml with sources and events")
	return ""
}

const agentDefault = `agents:
  default: {id: projects/my-project/secrets/shop-agent, credentials: projects/my-project/secrets/shop-key}
`

// TestScriptReadmeFile deploys the rcshook.yaml of the README, starts the function with the
// environment that it then has, and sends messages.
func TestScriptReadmeFile(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, agents string
		args         []string
	}{
		{"dry run", "", []string{"--dry-run", "--project", "my-project"}},
		{"dry run with the agent in the file", agentDefault, []string{"--dry-run", "--project", "my-project"}},
		{"agent in the file", agentDefault, nil},
		{"agent in the file, and events", agentDefault, []string{"--events"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := newCloud(t)
			c.addGo()
			c.file("rcshook.yaml", test.agents+readmeFile(t))
			c.fill("shop-agent", "shop-key", "shopify-hook", "slack-url")
			stdin := ""
			if test.agents == "" {
				stdin = agentID + "\n" + c.file("key.json", serviceKey) + "\n"
			}
			out := c.deploy(stdin, test.args...)
			command := regexp.MustCompile(`(?m)^\+ gcloud run deploy .*$`).FindString(out)
			environ := strings.Split(flag(t, strings.ReplaceAll(command, `\`, ""), "--set-env-vars"), ",")
			hasAgent := slices.ContainsFunc(environ, func(s string) bool {
				return strings.HasPrefix(s, "RCSHOOK_AGENT_ID=") || strings.HasPrefix(s, "RCSHOOK_CREDENTIALS=")
			})
			if hasAgent != (test.agents == "") {
				t.Errorf("the agent is in the environment: %t; %q", hasAgent, environ)
			}
			sendWith(t, c.dir, environ)
		})
	}
}

// sendWith starts the function in a folder with the settings of a deployment, and sends a
// message by its own API, and another one by the source shopify of the README.
func sendWith(t *testing.T, dir string, environ []string) {
	t.Helper()
	sim := platform.New(&rbmtest.Simulator{})
	google := httptest.NewServer(sim)
	t.Cleanup(func() { sim.Close(); google.Close() })
	env := sim.Provision(google.URL)
	for secret, value := range map[string]string{
		"rcshook-agent-id": env.AgentID, "shop-agent": env.AgentID, "rcshook-api-keys": "a-long-random-key",
		"rcshook-credentials": string(sim.KeyFile(google.URL)), "shop-key": string(sim.KeyFile(google.URL)), "shopify-hook": "hook-secret",
		"slack-url": "https://hooks.slack.com/services/x", "rcshook-webhook-token": "client-token", "rcshook-opt-out-key": strings.Repeat("k", 43),
	} {
		sim.Secrets.AddVersion("projects/my-project/secrets/"+secret, []byte(value))
	}
	program, err := rcshook()
	if err != nil {
		t.Fatal(err)
	}
	environ = append(slices.Clone(environ), "PATH="+os.Getenv("PATH"), "GCE_METADATA_HOST="+env.MetadataHost,
		"RCSHOOK_RBM_ENDPOINT="+google.URL, "RCSHOOK_SECRETMANAGER_ENDPOINT="+google.URL, "RCSHOOK_STORAGE_ENDPOINT="+google.URL)
	if slices.Contains(environ, "RCSHOOK_OPT_OUT_STORE=gs://my-project-rcshook-optouts/rcs-opt-outs") {
		sim.Storage.AddBucket("my-project-rcshook-optouts")
		next := exec.CommandContext(t.Context(), program, "optouts", "init") // as the script prints
		next.Dir, next.Env = dir, environ
		if out, err := next.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	port := googletest.FreePort()
	cmd := exec.CommandContext(t.Context(), program, "serve")
	cmd.Dir, cmd.Env = dir, append(environ, "PORT="+port)
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	awaitPort(t, port, ended)
	defer func() {
		_ = cmd.Process.Kill()
		<-ended
		if t.Failed() {
			t.Logf("the log of the function:\n%s", &log)
		}
	}()

	const order = `{"id": 1, "name": "#1042", "phone": "(202) 555-0124"}`
	mac := hmac.New(sha256.New, []byte("hook-secret"))
	mac.Write([]byte(order))
	for _, message := range []struct{ path, body, header, value string }{
		{"/", `{"to": "+12025550123", "text": "Hello", "traffic": "transaction"}`, "Authorization", "Bearer a-long-random-key"},
		{"/hooks/shopify", order, "X-Shopify-Hmac-Sha256", base64.StdEncoding.EncodeToString(mac.Sum(nil))},
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://127.0.0.1:"+port+message.path, strings.NewReader(message.body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set(message.header, message.value)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || !strings.Contains(string(body), `"code":"accepted"`) {
			t.Errorf("POST %s: %d %s, %v", message.path, res.StatusCode, body, err)
		}
	}
	if got := len(sim.Messages()); got != 2 {
		t.Errorf("the platform got %d messages, want 2", got)
	}
}

// TestScriptFileConflicts checks that the script reports what does not work together before
// it changes anything, in a dry run too.
func TestScriptFileConflicts(t *testing.T) {
	t.Parallel()
	const late = `sources: {shop: {preset: shopify, secret: s3cret, map: '{to: .phone, text: "a"}', fallback: {url: "https://sms.example.com/", after: 2m}}}` + "\n"
	for _, test := range []struct {
		name, file string
		args       []string
		want       []string
	}{
		{"fallback in time without a queue", late, nil, []string{"sources.shop.fallback.after needs RCSHOOK_QUEUE", "--queue sets RCSHOOK_QUEUE"}},
		{"two stores of opt-outs", "opt_out: {store: gs://shop-rcs, key: projects/my-project/secrets/opt-out-key}\n", []string{"--events"}, []string{"opt_out.store is also described by RCSHOOK_OPT_OUT_STORE", "--no-opt-out leaves out the latter"}},
		{"two targets named events", "events: {events: {url: 'https://crm.example.com/in'}}\n", []string{"--events", "--events-url", "https://crm.example.com/"}, []string{"is also described by RCSHOOK_EVENTS_URL; rename it"}},
		{"client token behind IAM", agentDefault + "  care: {id: care_agent, webhook_token: projects/my-project/secrets/token}\n", []string{"--access", "iam"}, []string{"agents.care.webhook_token is set while RCSHOOK_ALLOW_UNAUTHENTICATED is true"}},
		{"two problems", agentDefault + late, []string{"--access", "iam", "--set", "RCSHOOK_TRAFFIC=promo"}, []string{"RCSHOOK_TRAFFIC must be otp"}},
		{"key for the agent in the file", agentDefault, []string{"--key-file", "key.json"}, []string{"rcshook.yaml describes the agent default without the secret projects/my-project/secrets/rcshook-credentials"}},
	} {
		for _, dry := range []string{"", "--dry-run"} {
			t.Run(test.name+dry, func(t *testing.T) {
				t.Parallel()
				c := newCloud(t)
				c.addGo()
				c.file("key.json", serviceKey)
				c.file("rcshook.yaml", test.file)
				args := append([]string{"--project", "my-project"}, test.args...)
				if dry != "" {
					args = append(args, dry)
				}
				out, err := c.try("", args...)
				for _, want := range test.want {
					if err == nil || !strings.Contains(out, want) {
						t.Errorf("%v, want %q:\n%s", err, want, out)
					}
				}
				for _, call := range c.calls() {
					if !strings.HasPrefix(call, "config ") && call != "projects describe my-project --format=value(projectNumber)" {
						t.Errorf("the script called gcloud %s", call)
					}
				}
			})
		}
	}
}

// TestScriptFileWarning checks that targets of events without a webhook are noticed.
func TestScriptFileWarning(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	c.addGo()
	c.file("rcshook.yaml", agentDefault+"events: {team: {url: 'https://crm.example.com/in'}}\n")
	const warning = "warning: the targets of events get nothing"
	if out := c.deploy("", "--dry-run", "--project=my-project"); !strings.Contains(out, warning) || !strings.Contains(out, "use deploy.sh --events") {
		t.Errorf("the warning is missing:\n%s", out)
	}
	if out := c.deploy("", "--dry-run", "--project=my-project", "--events"); strings.Contains(out, warning) {
		t.Errorf("with --events, the script warns:\n%s", out)
	}
}

// TestScriptFileMissing checks that the script names every resource that it cannot create,
// with the command that does, before it changes anything.
func TestScriptFileMissing(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	c.addGo()
	c.file("rcshook.yaml", agentDefault+`sources: {shop: {preset: shopify, secret: projects/other-project/secrets/shop-hook, map: '{to: .phone, text: "a"}'}}
events: {lake: {topic: projects/lake/topics/rcs-events}}
opt_out: {store: gs://shop-rcs, key: projects/my-project/secrets/opt-out-key}
`)
	out, err := c.try("", "--region", "europe-west1")
	for _, want := range []string{
		"\n  gcloud secrets create shop-hook --project=other-project --replication-policy=automatic\n",
		"\n  gcloud pubsub topics create rcs-events --project=lake\n",
		"\n  gcloud storage buckets create gs://shop-rcs --project=my-project --location=europe-west1 --uniform-bucket-level-access --public-access-prevention\n",
		"NOT_FOUND",
	} {
		if err == nil || !strings.Contains(out, want) {
			t.Errorf("%v, want %q:\n%s", err, want, out)
		}
	}
	if got := c.state(); len(got.Accounts)+len(got.Secrets)+len(got.Access) > 0 {
		t.Errorf("the project was changed: %+v", got)
	}
}

// TestScriptFileAgent checks that the script asks for no agent that the file describes, and
// stores the files of the options only in secrets that the file names.
func TestScriptFileAgent(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	c.addGo()
	c.file("rcshook.yaml", "agents: {default: {id: shop_x7k2_agent, credentials: projects/my-project/secrets/rcshook-credentials}}\n")
	out, err := c.try("")
	const next = "\n  printf %s 'KEY' | gcloud secrets versions add rcshook-credentials --project=my-project --data-file=-\n"
	if versions, ok := c.state().Secrets["rcshook-credentials"]; err == nil || !ok || len(versions) > 0 || !strings.Contains(out, next) {
		t.Errorf("the credentials have the versions %q (%t), want none and the next step:\n%s", versions, ok, out)
	}
	if _, ok := c.state().Secrets["rcshook-agent-id"]; ok {
		t.Error("a secret was created for an agent ID that is in the file")
	}
	out = c.deploy("", "--key-file", c.file("key.json", serviceKey))
	if got := c.state().Secrets["rcshook-credentials"]; !slices.Equal(got, []string{serviceKey}) || strings.Contains(out, next) {
		t.Errorf("the credentials have the versions %q:\n%s", got, out)
	}
}
