package deploytest

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/optout"
)

const (
	agentID    = "shop_x7k2_agent"
	serviceKey = `{"type": "service_account", "private_key": "PRIVATE"}`
)

// TestScriptDryRun runs the script without gcloud.
func TestScriptDryRun(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	c.remove("gcloud")
	out := c.deploy("", "--dry-run", "--project", "my-project")
	for _, want := range []string{
		"+ gcloud services enable run.googleapis.com",
		"+ gcloud secrets create rcshook-credentials --project=my-project",
		"+ gcloud secrets versions add rcshook-credentials --project=my-project --data-file=KEY.json",
		"+ gcloud run deploy rcshook --project=my-project --region=us-central1",
		"Dry run: nothing was changed.",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("the dry run does not print %q:\n%s", want, out)
		}
	}
	if calls := c.calls(); len(calls) > 0 {
		t.Errorf("the dry run called gcloud: %v", calls)
	}
}

// TestScriptTwice deploys to an empty project, and again.
func TestScriptTwice(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	out := c.deploy("", "--agent-id-file", c.file("id", agentID), "--key-file", c.file("key.json", serviceKey))

	first := c.state()
	for secret, want := range map[string]string{"rcshook-agent-id": agentID, "rcshook-credentials": serviceKey} {
		if got := first.Secrets[secret]; !slices.Equal(got, []string{want}) {
			t.Errorf("%s has the versions %q, want one: %q", secret, got, want)
		}
	}
	keys := first.Secrets["rcshook-api-keys"]
	if len(keys) != 1 || !regexp.MustCompile(`^[A-Za-z0-9_-]{43}$`).MatchString(keys[0]) {
		t.Fatalf("expected one new key with 256 bits, got %d versions", len(keys))
	}
	for _, secret := range []string{agentID, "PRIVATE", keys[0]} {
		if strings.Contains(out, secret) || strings.Contains(fmt.Sprint(c.calls()), secret) {
			t.Errorf("a secret was printed, or was on a command line")
		}
	}
	wantAccess := []string{
		"roles/run.builder on my-project for serviceAccount:rcshook-build@my-project.iam.gserviceaccount.com",
		"roles/secretmanager.secretAccessor on rcshook-agent-id for serviceAccount:rcshook-run@my-project.iam.gserviceaccount.com",
		"roles/secretmanager.secretAccessor on rcshook-api-keys for serviceAccount:rcshook-run@my-project.iam.gserviceaccount.com",
		"roles/secretmanager.secretAccessor on rcshook-credentials for serviceAccount:rcshook-run@my-project.iam.gserviceaccount.com",
	}
	if diff := cmp.Diff(wantAccess, first.Access); diff != "" {
		t.Errorf("access (-want +got):\n%s", diff)
	}
	if !strings.Contains(out, "rcshook is at https://rcshook.example") {
		t.Errorf("the URL is missing in the output:\n%s", out)
	}
	for _, call := range c.calls() {
		if !strings.Contains(strings.ReplaceAll(out, `\`, ""), "+ gcloud "+strings.TrimSuffix(call, " --quiet")) && !strings.HasPrefix(call, "config ") {
			t.Errorf("this command ran without being printed: gcloud %s", call)
		}
	}

	c.forget()
	c.deploy("") // stdin is empty
	if diff := cmp.Diff(first, c.state()); diff != "" {
		t.Errorf("the second run changed something (-first +second):\n%s", diff)
	}
	for _, call := range c.calls() {
		if strings.Contains(call, " create ") || strings.Contains(call, " versions add ") {
			t.Errorf("the second run created something: gcloud %s", call)
		}
	}
}

// TestScriptHome types the path of the key with a tilde.
func TestScriptHome(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	c.env = append(c.env, "HOME="+c.dir)
	c.file("key.json", serviceKey)
	c.deploy(agentID + "\n~/key.json\n")
	if got := c.state().Secrets["rcshook-credentials"]; !slices.Equal(got, []string{serviceKey}) {
		t.Errorf("the secret has the versions %q, want one: %q", got, serviceKey)
	}
}

// TestScriptSettings checks that the function accepts the deployed settings.
func TestScriptSettings(t *testing.T) {
	t.Parallel()
	const p = "projects/my-project/secrets/"
	for _, test := range []struct {
		name string
		args []string
		want config.Config
	}{
		{
			name: "keys",
			want: config.Config{
				Agents:  map[string]config.Agent{"default": {ID: p + "rcshook-agent-id", Credentials: p + "rcshook-credentials"}},
				APIKeys: p + "rcshook-api-keys",
				Timeout: config.DefaultTimeout,
				Project: "my-project",
			},
		},
		{
			name: "iam and more",
			args: []string{"--access=iam", "--rcs-region", "europe", "--name=shop", "--set", "RCSHOOK_COUNTRY=DE"},
			want: config.Config{
				Agents:               map[string]config.Agent{"default": {ID: p + "shop-agent-id", Credentials: p + "shop-credentials", Region: "europe"}},
				AllowUnauthenticated: true,
				Region:               "europe",
				Country:              "DE",
				Timeout:              config.DefaultTimeout,
				Project:              "my-project",
			},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := newCloud(t)
			c.deploy(agentID+"\n"+c.file("key.json", serviceKey)+"\n", test.args...)
			environ := strings.Split(flag(t, c.call("run deploy"), "--set-env-vars"), ",")
			if !slices.Contains(environ, "GOMEMLIMIT=200MiB") {
				t.Errorf("GOMEMLIMIT is missing: %q", environ)
			}
			got, err := config.FromEnviron(environ)
			if err != nil {
				t.Fatal(err)
			}
			if got.Brands["default"].OptOut.Store.IsSet() {
				t.Error("opt-outs have a store, which is made with --events only")
			}
			got.Brands = nil
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("settings (-want +got):\n%s", diff)
			}
		})
	}
}

// TestScriptAccess checks the access to the function.
func TestScriptAccess(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	input := agentID + "\n" + c.file("key.json", serviceKey) + "\n"
	c.deploy(input)
	if !strings.Contains(c.call("run deploy"), " --allow-unauthenticated") {
		t.Error("with keys, the URL is not public")
	}
	c.forget()
	project := c.state()
	project.Public = append(project.Public, "allAuthenticatedUsers") // any Google account
	data, err := json.Marshal(project)
	if err != nil {
		t.Fatal(err)
	}
	c.file("project.json", string(data))
	c.deploy("", "--access", "iam", "--invoker", "serviceAccount:shop@my-project.iam.gserviceaccount.com")
	if !strings.Contains(c.call("run deploy"), " --no-allow-unauthenticated") {
		t.Error("with iam, the URL is public")
	}
	calls := c.calls()
	closed := slices.IndexFunc(calls, func(s string) bool { return strings.HasPrefix(s, "run services remove-iam-policy-binding") })
	deployed := slices.IndexFunc(calls, func(s string) bool { return strings.HasPrefix(s, "run deploy") })
	if closed < 0 || closed > deployed {
		t.Error("public access was not removed before rcshook stopped checking keys")
	}
	if public := c.state().Public; len(public) > 0 {
		t.Errorf("the function is still public: %q", public)
	}
	if want := "roles/run.invoker on rcshook for serviceAccount:shop@my-project.iam.gserviceaccount.com"; !slices.Contains(c.state().Access, want) {
		t.Errorf("the invoker has no access; access is %q", c.state().Access)
	}
}

// TestScriptVersion checks that a deployment has the version of its folder, not of a
// repository around it.
func TestScriptVersion(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	git := func(args ...string) {
		run(t, c.dir, "git", append([]string{"-c", "user.name=n", "-c", "user.email=n@example.com"}, args...)...)
	}
	const flags = "--set-build-env-vars=GOOGLE_GOLDFLAGS=-s -w -X github.com/rcshook/rcshook/internal/server.release="
	c.deploy(agentID + "\n" + c.file("key.json", serviceKey) + "\n")
	if call := c.call("run deploy"); !strings.Contains(call, flags+"devel ") {
		t.Errorf("without a repository: gcloud %s", call)
	}
	git("init", "-q", ".")
	git("add", "deploy")
	git("commit", "-q", "-m", "first")
	git("tag", "v1.2.3")
	c.forget()
	c.deploy("")
	if call := c.call("run deploy"); !strings.Contains(call, flags+"v1.2.3 ") {
		t.Errorf("at a tag: gcloud %s", call)
	}
	c.file("deploy/deploy.sh", read(t, "deploy/deploy.sh")+"\n")
	c.forget()
	c.deploy("")
	if call := c.call("run deploy"); !strings.Contains(call, flags+"v1.2.3-dirty ") {
		t.Errorf("changed after a tag: gcloud %s", call)
	}
}

// TestScriptQueue checks the queue, its settings and its access.
func TestScriptQueue(t *testing.T) {
	t.Parallel()
	const queuer = "rcshook-queue@my-project.iam.gserviceaccount.com"
	c := newCloud(t)
	input := agentID + "\n" + c.file("key.json", serviceKey) + "\n"
	c.deploy(input, "--queue")
	for _, want := range []string{
		"roles/cloudtasks.enqueuer on rcshook for serviceAccount:rcshook-run@my-project.iam.gserviceaccount.com",
		"roles/cloudtasks.taskDeleter on rcshook for serviceAccount:rcshook-run@my-project.iam.gserviceaccount.com",
		"roles/iam.serviceAccountUser on " + queuer + " for serviceAccount:rcshook-run@my-project.iam.gserviceaccount.com",
	} {
		if !slices.Contains(c.state().Access, want) {
			t.Errorf("%s is missing; access is %q", want, c.state().Access)
		}
	}
	got, err := config.FromEnviron(strings.Split(flag(t, c.call("run deploy"), "--set-env-vars"), ","))
	if err != nil {
		t.Fatal(err)
	}
	want := [...]string{"projects/my-project/locations/us-central1/queues/rcshook", queuer, "https://rcshook-123456789012.us-central1.run.app"}
	if diff := cmp.Diff(want, [...]string{got.Queue, got.QueueAccount, got.URL}); diff != "" {
		t.Errorf("settings (-want +got):\n%s", diff)
	}
	if audience := flag(t, c.call("run deploy"), "--add-custom-audiences"); audience != got.URL {
		t.Errorf("Cloud Run accepts tokens for %s, want %s", audience, got.URL)
	}
	if api := c.call("services enable"); !strings.Contains(api, "cloudtasks.googleapis.com") {
		t.Errorf("the API is not enabled: gcloud %s", api)
	}
	first := c.state()
	c.forget()
	c.deploy("", "--queue")
	if diff := cmp.Diff(first, c.state()); diff != "" || slices.ContainsFunc(c.calls(), func(s string) bool { return strings.Contains(s, " create ") }) {
		t.Errorf("the second run changed something (-first +second):\n%s\n%q", diff, c.calls())
	}
	c.deploy("", "--queue", "--access", "iam")
	if want := "roles/run.invoker on rcshook for serviceAccount:" + queuer; !slices.Contains(c.state().Access, want) {
		t.Errorf("tasks have no access to the function; access is %q", c.state().Access)
	}
}

// TestScriptDroppedSettings checks that a deployment with fewer options removes settings only
// with --replace-settings, and names the options that keep them.
func TestScriptDroppedSettings(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	c.addGo()
	yaml := c.file("rcshook.yaml", "callers: {zapier: {key: projects/my-project/secrets/rcshook-caller-zapier, agents: [default]}}\n")
	all := []string{"--queue", "--events", "--events-url=https://crm.example.com/", "--rcs-region=us", "--set=RCSHOOK_COUNTRY=US", "--caller=zapier"}
	c.deploy(agentID+"\n"+c.file("key.json", serviceKey)+"\n", all...)
	first := c.state()
	if err := os.Remove(yaml); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		args []string
		want []string
	}{
		{nil, []string{
			"RCSHOOK_CONFIG: the file ", "RCSHOOK_REGION: --rcs-region REGION", "RCSHOOK_COUNTRY: --set RCSHOOK_COUNTRY=VALUE",
			"RCSHOOK_WEBHOOK_TOKEN: --events", "RCSHOOK_OPT_OUT_STORE: --events", "RCSHOOK_OPT_OUT_KEY: --events", "RCSHOOK_EVENTS_QUEUE: --events",
			"RCSHOOK_EVENTS_URL: --events --events-url URL", "RCSHOOK_EVENTS_SECRET: --events --events-url URL",
			"RCSHOOK_QUEUE: --queue", "RCSHOOK_QUEUE_ACCOUNT: --queue or --events", "RCSHOOK_URL: --queue or --events",
		}},
		{[]string{"--queue", "--events", "--no-opt-out", "--rcs-region=us", "--set=RCSHOOK_COUNTRY=US"}, []string{
			"RCSHOOK_CONFIG: the file ", "RCSHOOK_EVENTS_URL: --events --events-url URL", "RCSHOOK_EVENTS_SECRET: --events --events-url URL",
		}},
	} {
		c.forget()
		out, err := c.try("", test.args...)
		var lines []string
		for _, line := range strings.Split(out, "\n") {
			if strings.HasPrefix(line, "  RCSHOOK_") {
				lines = append(lines, strings.ReplaceAll(strings.TrimSpace(line), filepath.Join(c.dir, "rcshook.yaml"), ""))
			}
		}
		slices.Sort(lines)
		slices.Sort(test.want)
		if diff := cmp.Diff(test.want, lines); err == nil || diff != "" || !strings.Contains(out, "--replace-settings") {
			t.Errorf("%q: %v; dropped settings (-want +got):\n%s\n%s", test.args, err, diff, out)
		}
		if diff := cmp.Diff(first, c.state()); diff != "" {
			t.Errorf("%q: the project was changed:\n%s", test.args, diff)
		}
	}
	c.deploy("", "--replace-settings")
	if got := strings.Join(c.state().Env, ","); strings.Contains(got, "WEBHOOK") {
		t.Errorf("the settings are %s", got)
	}
	c.deploy("", "--access=iam") // removes the API keys on purpose
	if out, err := c.try(""); err == nil || !strings.Contains(out, "\n  RCSHOOK_ALLOW_UNAUTHENTICATED: --access iam\n") {
		t.Errorf("without --access iam, the function becomes public: %v\n%s", err, out)
	}
}

// TestScriptEvents checks the webhook's token, the queue of the events, the settings and the
// access.
func TestScriptEvents(t *testing.T) {
	t.Parallel()
	const (
		p      = "projects/my-project/secrets/"
		queuer = "rcshook-queue@my-project.iam.gserviceaccount.com"
		runner = " for serviceAccount:rcshook-run@my-project.iam.gserviceaccount.com"
	)
	c := newCloud(t)
	out := c.deploy(agentID+"\n"+c.file("key.json", serviceKey)+"\n", "--events", "--events-url", "https://crm.example.com/in?x=1")
	first := c.state()
	for secret, form := range map[string]string{
		"rcshook-webhook-token": `^[A-Za-z0-9_-]{43}$`,
		"rcshook-events-secret": `^whsec_[A-Za-z0-9+/]{43}=$`, // the form of Standard Webhooks
		"rcshook-opt-out-key":   `^[A-Za-z0-9_-]{43}$`,
	} {
		versions := first.Secrets[secret]
		if len(versions) != 1 || !regexp.MustCompile(form).MatchString(versions[0]) {
			t.Fatalf("expected one version of %s with 256 bits, got %d", secret, len(versions))
		}
		if strings.Contains(out, versions[0]) || strings.Contains(fmt.Sprint(c.calls()), versions[0]) {
			t.Errorf("the content of %s was printed, or was on a command line", secret)
		}
	}
	for _, want := range []string{
		"roles/cloudtasks.enqueuer on rcshook-events" + runner,
		"roles/iam.serviceAccountUser on " + queuer + runner,
		"roles/secretmanager.secretAccessor on rcshook-webhook-token" + runner,
		"roles/secretmanager.secretAccessor on rcshook-events-secret" + runner,
		"roles/secretmanager.secretAccessor on rcshook-opt-out-key" + runner,
	} {
		if !slices.Contains(first.Access, want) {
			t.Errorf("%s is missing; access is %q", want, first.Access)
		}
	}
	if !slices.Equal(first.Queues, []string{"rcshook-events"}) {
		t.Errorf("the queues are %q", first.Queues)
	}
	call := c.call("tasks queues create rcshook-events")
	if got := flag(t, call, "--max-attempts"); got != "-1" {
		t.Errorf("the queue gives up after %s attempts", got)
	}
	// The function gives up an event at its first attempt after 7 days, and reports it.
	backoff, err := time.ParseDuration(flag(t, call, "--max-backoff"))
	if err != nil {
		t.Fatal(err)
	}
	if age, err := time.ParseDuration(flag(t, call, "--max-retry-duration")); err != nil || age < 7*24*time.Hour+2*backoff {
		t.Errorf("the queue gives up after %v (%v), before the function does", age, err)
	}
	got, err := config.FromEnviron(strings.Split(flag(t, c.call("run deploy"), "--set-env-vars"), ","))
	if err != nil {
		t.Fatal(err)
	}
	want := [...]string{
		"projects/my-project/locations/us-central1/queues/rcshook-events", queuer, "https://rcshook-123456789012.us-central1.run.app",
		p + "rcshook-webhook-token", "https://crm.example.com/in?x=1", p + "rcshook-events-secret", "",
	}
	target := got.Events["events"]
	settings := [...]string{got.EventsQueue, got.QueueAccount, got.URL, string(got.WebhookToken), string(target.URL), string(target.Secret), got.Queue}
	if diff := cmp.Diff(want, settings); diff != "" {
		t.Errorf("settings (-want +got):\n%s", diff)
	}
	if audience := flag(t, c.call("run deploy"), "--add-custom-audiences"); audience != got.URL {
		t.Errorf("Cloud Run accepts tokens for %s, want %s", audience, got.URL)
	}
	if api := c.call("services enable"); !strings.Contains(api, "cloudtasks.googleapis.com") || strings.Contains(api, "pubsub") {
		t.Errorf("the wrong APIs are enabled: gcloud %s", api)
	}
	if want := "gcloud run services describe rcshook --project=my-project --region=us-central1 --format=json | go run ./cmd/rcshook webhook set -env -\n"; !strings.Contains(out, want) {
		t.Errorf("the next step is missing:\n%s", out)
	}
	c.forget()
	c.deploy("", "--events", "--events-url", "https://crm.example.com/in?x=1")
	if diff := cmp.Diff(first, c.state()); diff != "" || slices.ContainsFunc(c.calls(), func(s string) bool { return strings.Contains(s, " create ") || strings.Contains(s, " versions add ") }) {
		t.Errorf("the second run changed something (-first +second):\n%s\n%q", diff, c.calls())
	}

	// Messages have another queue, and the address of the target may be a secret.
	c.forget()
	args := []string{"--queue", "--events", "--events-url", "projects/crm/secrets/address"}
	if out, err := c.try("", args...); err == nil || !strings.Contains(out, "\n  gcloud secrets create address --project=crm --replication-policy=automatic\n") {
		t.Errorf("%v, want the command that creates the secret:\n%s", err, out)
	}
	first.Secrets["address"] = []string{"https://crm.example.com/"} // of the project crm, but the replacement has one project
	data, err := json.Marshal(first)
	if err != nil {
		t.Fatal(err)
	}
	c.file("project.json", string(data))
	c.forget()
	c.deploy("", args...)
	if want := "roles/secretmanager.secretAccessor on address" + runner; !slices.Contains(c.state().Access, want) {
		t.Errorf("%s is missing; access is %q", want, c.state().Access)
	}
	got, err = config.FromEnviron(strings.Split(flag(t, c.call("run deploy"), "--set-env-vars"), ","))
	if err != nil {
		t.Fatal(err)
	}
	if url := got.Events["events"].URL; url != "projects/crm/secrets/address" || got.Queue != "projects/my-project/locations/us-central1/queues/rcshook" {
		t.Errorf("the target is %s, and the queue %s", url, got.Queue)
	}
}

// TestScriptOptOut checks the bucket of the opt-outs, its key, the settings and the access.
func TestScriptOptOut(t *testing.T) {
	t.Parallel()
	const bucket, runner = "gs://my-project-rcshook-optouts", " for serviceAccount:rcshook-run@my-project.iam.gserviceaccount.com"
	c := newCloud(t)
	input := agentID + "\n" + c.file("key.json", serviceKey) + "\n"
	optOuts := func(out string) (list []string) {
		t.Helper()
		for _, line := range append(c.calls(), strings.Split(out, "\n")...) {
			if regexp.MustCompile(`opt.?out|OPT_OUT|storage`).MatchString(line) {
				list = append(list, line)
			}
		}
		return list
	}
	for _, args := range [][]string{nil, {"--queue"}, {"--events", "--no-opt-out", "--replace-settings"}} {
		if got := optOuts(c.deploy(input, args...)); len(got) > 0 {
			t.Errorf("%q: opt-outs are in %q", args, got)
		}
		c.forget()
		input = ""
	}

	out := c.deploy("", "--events", "--region", "europe-west1")
	first := c.state()
	if got, want := c.call("storage buckets create"), "storage buckets create "+bucket+" --project=my-project --location=europe-west1"+
		" --uniform-bucket-level-access --public-access-prevention --soft-delete-duration=7d"; got != want {
		t.Errorf("the bucket is made with\n%s\nwant\n%s", got, want)
	}
	if got := len(first.Secrets["rcshook-opt-out-key"]); got != 1 {
		t.Fatalf("the key has %d versions, want 1", got)
	}
	if key := first.Secrets["rcshook-opt-out-key"][0]; len(key) < optout.MinKey || key == first.Secrets["rcshook-webhook-token"][0] {
		t.Error("the key is short or not new")
	}
	access := slices.DeleteFunc(slices.Clone(first.Access), func(s string) bool { return !regexp.MustCompile(`opt.?out`).MatchString(s) })
	if diff := cmp.Diff([]string{"roles/secretmanager.secretAccessor on rcshook-opt-out-key" + runner, "roles/storage.objectUser on " + bucket + runner}, access); diff != "" {
		t.Errorf("access (-want +got):\n%s", diff)
	}
	got, err := config.FromEnviron(strings.Split(flag(t, c.call("run deploy"), "--set-env-vars"), ","))
	if err != nil {
		t.Fatal(err)
	}
	if o := got.Brands["default"].OptOut; o.Store.Location != bucket+"/rcs-opt-outs" || o.Key != "projects/my-project/secrets/rcshook-opt-out-key" {
		t.Errorf("the store is %s with the key %s", o.Store.Location, o.Key)
	}
	if api := c.call("services enable"); !strings.Contains(api, "storage.googleapis.com") {
		t.Errorf("the API is not enabled: gcloud %s", api)
	}
	const describe = "\n  gcloud run services describe rcshook --project=my-project --region=europe-west1 --format=json | go run ./cmd/rcshook "
	prepare, connect := strings.Index(out, describe+"optouts init -env -\n"), strings.Index(out, describe+"webhook set -env -\n")
	if prepare < 0 || connect < prepare {
		t.Errorf("the next steps are missing, or in another order:\n%s", out)
	}

	c.forget()
	c.deploy("", "--events", "--region", "europe-west1")
	if diff := cmp.Diff(first, c.state()); diff != "" || slices.ContainsFunc(c.calls(), func(s string) bool { return strings.Contains(s, " create ") || strings.Contains(s, " versions add ") }) {
		t.Errorf("the second run changed something (-first +second):\n%s\n%q", diff, c.calls())
	}

	// A bucket that exists is kept, but no longer used.
	c.forget()
	if got := optOuts(c.deploy("", "--events", "--no-opt-out", "--region", "europe-west1")); len(got) > 0 {
		t.Errorf("with --no-opt-out, opt-outs are in %q", got)
	}
	if !slices.Equal(c.state().Buckets, []string{bucket}) {
		t.Errorf("the buckets are %q", c.state().Buckets)
	}

	c.forget()
	out = c.deploy("", "--dry-run", "--project=my-project", "--events")
	for _, want := range []string{
		"+ gcloud secrets versions add rcshook-opt-out-key --project=my-project --data-file=-\n",
		"+ gcloud storage buckets create " + bucket + " --project=my-project --location=us-central1 ",
		"+ gcloud storage buckets add-iam-policy-binding " + bucket + " --member=serviceAccount:rcshook-run@my-project.iam.gserviceaccount.com --role=roles/storage.objectUser\n",
		" | go run ./cmd/rcshook optouts init -env -\n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("the dry run does not print %q:\n%s", want, out)
		}
	}
}

// TestScriptBucketName checks that the longest names of a project and a function make the
// name of a bucket that Cloud Storage accepts: at most 63 characters.
func TestScriptBucketName(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	out := c.deploy("", "--dry-run", "--events", "--project", strings.Repeat("p", 30), "--name", strings.Repeat("n", 24))
	m := regexp.MustCompile(`buckets create gs://(\S+)`).FindStringSubmatch(out)
	if m == nil || len(m[1]) > 63 {
		t.Errorf("the bucket is %q", m)
	}
}

// TestScriptFile checks that the function gets access to the secrets that it reads because
// of rcshook.yaml, to the topics that it publishes to and to the buckets of opt-outs, and to
// no others that the text of the file contains.
func TestScriptFile(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	c.addGo()
	c.file("project.json", `{"Secrets": {"shop-hook": ["x"], "sms": ["x"]}, "Labels": {}, "Topics": ["rcs-events"], "Buckets": ["gs://harborline-rcs"]}`)
	c.file("rcshook.yaml", `# projects/my-project/secrets/old
agents:
  other: {id: other_x7k2_agent, credentials: projects/my-project/secrets/other-key/versions/3}
sources:
  shop:
    preset: shopify # not projects/prod/secrets/database-root
    secret: [projects/other-project/secrets/shop-hook, projects/my-project/secrets/other-key]
    map: '{to: .phone, text: "see projects/hr/secrets/payroll"}'
    fallback: {url: "https://sms.example.com/", secret: projects/my-project/secrets/sms}
events:
  lake: {topic: projects/lake/topics/rcs-events, agents: [default]} # not projects/lake/topics/old
  zap: {url: projects/my-project/secrets/zap, agents: [other]}
brands:
  harborline:
    agents: [other]
    opt_out: {store: gs://harborline-rcs/a/b, key: projects/my-project/secrets/harborline-key} # not gs://old/a
`)
	input := agentID + "\n" + c.file("key.json", serviceKey) + "\n"
	out, err := c.try(input)
	if err == nil || c.state().Service != "" || strings.Contains(out, "versions add harborline-key") || !strings.Contains(out, "The secret shop-hook is in the project other-project, not in my-project.") {
		t.Errorf("the function is deployed with empty secrets: %v\n%s", err, out)
	}
	for _, secret := range []string{"other-key", "zap"} {
		if versions, ok := c.state().Secrets[secret]; !ok || len(versions) > 0 || !strings.Contains(out, "\n  printf %s 'KEY' | gcloud secrets versions add "+secret+" --project=my-project --data-file=-\n") {
			t.Errorf("%s has the versions %q (%t), want none and the next step:\n%s", secret, versions, ok, out)
		}
	}
	if strings.Contains(out, "versions add sms ") {
		t.Errorf("a secret with a value is called empty:\n%s", out)
	}
	c.fill("other-key", "zap")
	if out := c.deploy(""); !strings.Contains(out, "These secrets are empty: harborline-key. ") {
		t.Errorf("the output does not name the key that optouts init creates:\n%s", out)
	}
	got := slices.DeleteFunc(c.state().Access, func(s string) bool { return strings.HasPrefix(s, "roles/run.builder on ") })
	want := []string{"roles/pubsub.publisher on rcs-events for serviceAccount:rcshook-run@my-project.iam.gserviceaccount.com"}
	for _, secret := range []string{"harborline-key", "other-key", "rcshook-agent-id", "rcshook-api-keys", "rcshook-credentials", "shop-hook", "sms", "zap"} {
		want = append(want, "roles/secretmanager.secretAccessor on "+secret+" for serviceAccount:rcshook-run@my-project.iam.gserviceaccount.com")
	}
	want = append(want, "roles/storage.objectUser on gs://harborline-rcs for serviceAccount:rcshook-run@my-project.iam.gserviceaccount.com")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("access (-want +got):\n%s", diff)
	}
	if got := flag(t, c.call("run deploy"), "--set-env-vars"); !strings.Contains(got, "RCSHOOK_CONFIG=rcshook.yaml") {
		t.Errorf("the file is not configured: %s", got)
	}
	if call := c.call("pubsub topics add-iam-policy-binding"); flag(t, call, "--project") != "lake" {
		t.Errorf("the topic has another project: gcloud %s", call)
	}
	if api := c.call("services enable"); !strings.Contains(api, "pubsub.googleapis.com") || !strings.Contains(api, "storage.googleapis.com") {
		t.Errorf("the APIs are not enabled: gcloud %s", api)
	}
}

// TestScriptCallers checks that each caller gets a key of its own, once, which the function
// can read.
func TestScriptCallers(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	c.addGo()
	c.file("rcshook.yaml", "callers: {zapier: {key: projects/my-project/secrets/rcshook-caller-zapier, agents: [default]}}\n")
	out := c.deploy(agentID+"\n"+c.file("key.json", serviceKey)+"\n", "--caller", "zapier", "--caller=Make_2")
	first := c.state()
	zapier, other := first.Secrets["rcshook-caller-zapier"], first.Secrets["rcshook-caller-Make_2"]
	if len(zapier) != 1 || len(zapier[0]) != 43 || len(other) != 1 || zapier[0] == other[0] || zapier[0] == first.Secrets["rcshook-api-keys"][0] {
		t.Fatalf("expected a new key for each caller, got versions %d and %d", len(zapier), len(other))
	}
	for _, secret := range []string{"rcshook-caller-zapier", "rcshook-caller-Make_2"} {
		if want := "roles/secretmanager.secretAccessor on " + secret + " for serviceAccount:rcshook-run@my-project.iam.gserviceaccount.com"; !slices.Contains(first.Access, want) {
			t.Errorf("%s is missing; access is %q", want, first.Access)
		}
		if !strings.Contains(out, "\n  gcloud secrets versions access latest --secret="+secret+" --project=my-project | head -n 1\n") {
			t.Errorf("the output does not say how to read %s:\n%s", secret, out)
		}
	}
	if strings.Contains(out+fmt.Sprint(c.calls()), zapier[0]) {
		t.Error("a key was printed, or was on a command line")
	}
	const missing = "\n    Make_2: {key: projects/my-project/secrets/rcshook-caller-Make_2}\n"
	if !strings.Contains(out, missing) || strings.Contains(out, "    zapier: {key:") {
		t.Errorf("the output does not name the one caller that rcshook.yaml lacks:\n%s", out)
	}
	c.forget()
	c.deploy("", "--caller", "zapier", "--caller=Make_2")
	if diff := cmp.Diff(first, c.state()); diff != "" {
		t.Errorf("the second run changed something (-first +second):\n%s", diff)
	}
}

// TestScriptInvalidFile checks that errors of rcshook.yaml end the script before it changes
// anything, in a dry run too.
func TestScriptInvalidFile(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	c.addGo()
	c.file("rcshook.yaml", "sources: {shop: {preset: shopifi, secret: x}}\n")
	for _, args := range [][]string{{"--dry-run", "--project", "my-project"}, nil} {
		out, err := c.try(agentID+"\n"+c.file("key.json", serviceKey)+"\n", args...)
		if err == nil || !strings.Contains(out, "did you mean shopify?") || !strings.Contains(out, "rcshook.yaml has errors") {
			t.Errorf("%q: %v, want the error of the file:\n%s", args, err, out)
		}
		if calls := c.calls(); slices.ContainsFunc(calls, func(s string) bool { return !strings.HasPrefix(s, "config ") }) {
			t.Errorf("%q: the script called gcloud: %q", args, calls)
		}
	}
}

// TestScriptHelp checks that --help describes every option.
func TestScriptHelp(t *testing.T) {
	t.Parallel()
	help := newCloud(t).deploy("", "--help")
	for _, m := range regexp.MustCompile(`(?m)^    (--[a-z-]+)\)`).FindAllStringSubmatch(read(t, "deploy/deploy.sh"), -1) {
		if !regexp.MustCompile(`(?m)[[ ]` + m[1] + `[] ]`).MatchString(help) {
			t.Errorf("--help does not describe %s", m[1])
		}
	}
}

// TestReadmeDeploy runs the dry run and the deployment of the README.
func TestReadmeDeploy(t *testing.T) {
	t.Parallel()
	_, section, ok := strings.Cut(read(t, "README.md"), "\n## Deploy\n")
	if !ok {
		t.Fatal("the README has no section Deploy")
	}
	section, _, _ = strings.Cut(section, "\n## ")
	commands := deployCommands(section)
	if len(commands) != 2 || !strings.Contains(commands[0], "--dry-run") || strings.Contains(commands[1], "--dry-run") {
		t.Fatalf("got the commands %q, want a dry run and a deployment", commands)
	}
	for _, args := range commands {
		c := newCloud(t)
		c.deploy(agentID+"\n"+c.file("key.json", serviceKey)+"\n", strings.Fields(args)...)
	}
}

// TestShellcheck runs shellcheck if it is installed.
func TestShellcheck(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("shellcheck"); err != nil {
		t.Skip("needs shellcheck")
	}
	run(t, ".", "shellcheck", "deploy/deploy.sh")
}
