package deploy_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rcshook/rcshook/internal/config"
)

const (
	agentID    = "shop_x7k2_agent"
	serviceKey = `{"type": "service_account", "private_key": "PRIVATE"}`
)

// TestScriptRehearsal runs what a stranger would run first, without gcloud.
func TestScriptRehearsal(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	c.remove("gcloud")
	out := c.deploy("", "--dry-run", "--project", "my-project")
	for _, want := range []string{
		"+ gcloud services enable run.googleapis.com",
		"+ gcloud secrets create rcshook-credentials --project=my-project",
		"+ gcloud secrets versions add rcshook-credentials --project=my-project --data-file=KEY.json",
		"+ gcloud run deploy rcshook --project=my-project --region=us-central1",
		"This was a rehearsal: nothing was done.",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("the rehearsal does not print %q:\n%s", want, out)
		}
	}
	if calls := c.calls(); len(calls) > 0 {
		t.Errorf("the rehearsal ran %v", calls)
	}
}

// TestScriptFirst deploys to an empty project, and again.
func TestScriptFirst(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	out := c.deploy("", "--agent-id-file", c.file("id", agentID), "--key-file", c.file("key.json", serviceKey))

	made := c.state()
	for secret, want := range map[string]string{"rcshook-agent-id": agentID, "rcshook-credentials": serviceKey} {
		if got := made.Secrets[secret]; !slices.Equal(got, []string{want}) {
			t.Errorf("%s has the versions %q, want one: %q", secret, got, want)
		}
	}
	keys := made.Secrets["rcshook-api-keys"]
	if len(keys) != 1 || !regexp.MustCompile(`^[A-Za-z0-9_-]{43}$`).MatchString(keys[0]) {
		t.Fatalf("the key that was made has not 256 bits: %d versions", len(keys))
	}
	for _, secret := range []string{agentID, "PRIVATE", keys[0]} {
		if strings.Contains(out, secret) || strings.Contains(fmt.Sprint(c.calls()), secret) {
			t.Errorf("what is in a secret was printed, or stood on a command line")
		}
	}
	wantAccess := []string{
		"roles/run.builder on my-project for serviceAccount:rcshook-build@my-project.iam.gserviceaccount.com",
		"roles/secretmanager.secretAccessor on rcshook-agent-id for serviceAccount:rcshook-run@my-project.iam.gserviceaccount.com",
		"roles/secretmanager.secretAccessor on rcshook-api-keys for serviceAccount:rcshook-run@my-project.iam.gserviceaccount.com",
		"roles/secretmanager.secretAccessor on rcshook-credentials for serviceAccount:rcshook-run@my-project.iam.gserviceaccount.com",
	}
	if diff := cmp.Diff(wantAccess, made.Access); diff != "" {
		t.Errorf("access (-want +got):\n%s", diff)
	}
	if !strings.Contains(out, "rcshook is at https://rcshook.example") {
		t.Errorf("the address is not told:\n%s", out)
	}
	for _, call := range c.calls() {
		if !strings.Contains(strings.ReplaceAll(out, `\`, ""), "+ gcloud "+strings.TrimSuffix(call, " --quiet")) && !strings.HasPrefix(call, "config ") {
			t.Errorf("this command ran without being printed: gcloud %s", call)
		}
	}

	c.forget()
	c.deploy("") // asks nothing: stdin is empty
	if diff := cmp.Diff(made, c.state()); diff != "" {
		t.Errorf("the second run changed something (-first +second):\n%s", diff)
	}
	for _, call := range c.calls() {
		if strings.Contains(call, " create ") || strings.Contains(call, " versions add ") {
			t.Errorf("the second run made something: gcloud %s", call)
		}
	}
}

// TestScriptSettings holds the settings that it deploys to what the function takes.
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
				t.Errorf("Go does not know of the memory that there is: %q", environ)
			}
			got, err := config.FromEnviron(environ)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("the settings (-want +got):\n%s", diff)
			}
		})
	}
}

// TestScriptAccess sees who may call.
func TestScriptAccess(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	answers := agentID + "\n" + c.file("key.json", serviceKey) + "\n"
	c.deploy(answers)
	if !strings.Contains(c.call("run deploy"), " --allow-unauthenticated") {
		t.Error("with keys the address is not public")
	}
	c.forget()
	c.deploy("", "--access", "iam", "--invoker", "serviceAccount:shop@my-project.iam.gserviceaccount.com")
	if !strings.Contains(c.call("run deploy"), " --no-allow-unauthenticated") {
		t.Error("with iam the address is public")
	}
	calls := c.calls()
	closed := slices.IndexFunc(calls, func(s string) bool { return strings.HasPrefix(s, "run services remove-iam-policy-binding") })
	deployed := slices.IndexFunc(calls, func(s string) bool { return strings.HasPrefix(s, "run deploy") })
	if closed < 0 || closed > deployed {
		t.Error("the public address was not closed before rcshook stopped looking at keys")
	}
	if want := "roles/run.invoker on rcshook for serviceAccount:shop@my-project.iam.gserviceaccount.com"; !slices.Contains(c.state().Access, want) {
		t.Errorf("the invoker was not let in; access is %q", c.state().Access)
	}
}

// TestScriptVersion sees that a deployment knows its version, which is that of the
// folder, not of one around it.
func TestScriptVersion(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	git := func(args ...string) {
		run(t, c.dir, "git", append([]string{"-c", "user.name=n", "-c", "user.email=n@example.com"}, args...)...)
	}
	const flags = "--set-build-env-vars=GOOGLE_GOLDFLAGS=-s -w -X github.com/rcshook/rcshook.release="
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
	c.file("deploy/deploy.sh", read(t, "deploy.sh")+"\n")
	c.forget()
	c.deploy("")
	if call := c.call("run deploy"); !strings.Contains(call, flags+"v1.2.3-dirty ") {
		t.Errorf("changed after a tag: gcloud %s", call)
	}
}

// TestScriptQueue sees that the function may use the queue that is made for it, and
// nothing more, and that the tasks get through.
func TestScriptQueue(t *testing.T) {
	t.Parallel()
	const queuer = "rcshook-queue@my-project.iam.gserviceaccount.com"
	c := newCloud(t)
	answers := agentID + "\n" + c.file("key.json", serviceKey) + "\n"
	c.deploy(answers, "--queue")
	for _, want := range []string{
		"roles/cloudtasks.enqueuer on rcshook for serviceAccount:rcshook-run@my-project.iam.gserviceaccount.com",
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
		t.Errorf("the settings (-want +got):\n%s", diff)
	}
	if audience := flag(t, c.call("run deploy"), "--add-custom-audiences"); audience != got.URL {
		t.Errorf("Cloud Run takes tokens for %s, want %s", audience, got.URL)
	}
	if api := c.call("services enable"); !strings.Contains(api, "cloudtasks.googleapis.com") {
		t.Errorf("the API is not enabled: gcloud %s", api)
	}
	made := c.state()
	c.forget()
	c.deploy("", "--queue")
	if diff := cmp.Diff(made, c.state()); diff != "" || slices.ContainsFunc(c.calls(), func(s string) bool { return strings.Contains(s, " create ") }) {
		t.Errorf("the second run changed something (-first +second):\n%s\n%q", diff, c.calls())
	}
	c.deploy("", "--queue", "--access", "iam")
	if want := "roles/run.invoker on rcshook for serviceAccount:" + queuer; !slices.Contains(c.state().Access, want) {
		t.Errorf("Cloud Run lets no task through; access is %q", c.state().Access)
	}
}

// TestScriptPatience sees that it waits until a new account is known everywhere.
func TestScriptPatience(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	c.env = append(c.env, "FAIL_BINDINGS=2")
	c.deploy(agentID + "\n" + c.file("key.json", serviceKey) + "\n")
	if got := len(c.state().Access); got != 4 {
		t.Errorf("there are %d bindings, want 4", got)
	}
}

// TestScriptNamedSecrets sees that secrets of rcshook.yaml may be read.
func TestScriptNamedSecrets(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	c.file("rcshook.yaml", "# projects/my-project/secrets/old\nsources:\n  shop:\n    preset: shopify\n    secret: projects/other-project/secrets/shop-hook\n")
	c.deploy(agentID + "\n" + c.file("key.json", serviceKey) + "\n")
	if want := "roles/secretmanager.secretAccessor on shop-hook for serviceAccount:rcshook-run@my-project.iam.gserviceaccount.com"; !slices.Contains(c.state().Access, want) {
		t.Errorf("the sender's secret may not be read; access is %q", c.state().Access)
	}
	if got := flag(t, c.call("run deploy"), "--set-env-vars"); !strings.Contains(got, "RCSHOOK_CONFIG=rcshook.yaml") {
		t.Errorf("the file is not configured: %s", got)
	}
}

// TestScriptRefusals sees that mistakes are told before anything is changed.
func TestScriptRefusals(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		stdin string
		args  []string
		code  int
		says  string
	}{
		{"nothing to ask", "", nil, 1, "use --agent-id-file"},
		{"no key", agentID + "\n", nil, 1, "use --key-file"},
		{"blank agent ID", " \n", nil, 1, "agent ID is empty"},
		{"no such key", agentID + "\n/nowhere/key.json\n", nil, 1, "/nowhere/key.json cannot be read"},
		{"swapped", "", []string{"--key-file", "deploy/deploy.sh"}, 1, "not the key of a service account"},
		{"unknown option", "", []string{"--projekt=x"}, 2, "unknown option --projekt"},
		{"unknown option at the end", "", []string{"--dry-run", "--foo"}, 2, "unknown option --foo"},
		{"no value", "", []string{"--region"}, 2, "--region needs a value"},
		{"number of a project", "", []string{"--project", "12345678"}, 2, "--project is the ID"},
		{"open to everybody", "", []string{"--access", "iam", "--invoker", "allUsers"}, 2, "use --access keys"},
		{"invoker of a public address", "", []string{"--invoker", "user:a@example.com"}, 2, "goes with --access iam"},
		{"secret as a setting", "", []string{"--set", "RCSHOOK_API_KEYS=abc"}, 2, "--set takes"},
		{"region of RCS", "", []string{"--rcs-region", "eu"}, 2, "us, europe or asia"},
		{"concurrency", "", []string{"--concurrency", "many"}, 2, "are numbers"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := newCloud(t)
			out, err := c.try(test.stdin, test.args...)
			var exit *exec.ExitError
			if !errors.As(err, &exit) || exit.ExitCode() != test.code || !strings.Contains(out, test.says) {
				t.Errorf("got %v, want exit code %d and %q:\n%s", err, test.code, test.says, out)
			}
			if got := c.state(); len(got.Accounts)+len(got.Secrets)+len(got.Access) > 0 {
				t.Errorf("something was changed: %+v", got)
			}
		})
	}
}

// TestScriptFailures sees that whatever goes wrong at Google ends the script there, with
// the words of gcloud.
func TestScriptFailures(t *testing.T) {
	t.Parallel()
	const denied = "PERMISSION_DENIED: Permission denied on resource (or it may not exist)."
	for _, test := range []struct {
		command, words string
		args           []string
	}{
		{"config get-value project", "There was a problem refreshing your current auth tokens", nil},
		{"config get-value run/region", "Property file cannot be read", nil},
		{"secrets versions list", denied, nil},
		{"iam service-accounts describe", denied, nil},
		{"projects add-iam-policy-binding", denied, nil},
		{"secrets describe", denied, nil},
		{"secrets versions add", denied, nil},
		{"tasks queues describe", denied, []string{"--queue"}},
		{"projects describe", denied, []string{"--queue"}},
		{"run services get-iam-policy", denied, []string{"--access", "iam"}},
		{"run services remove-iam-policy-binding", denied, []string{"--access", "iam"}},
		{"run services describe", denied, nil},
	} {
		t.Run(test.command, func(t *testing.T) {
			t.Parallel()
			c := newCloud(t)
			answers := agentID + "\n" + c.file("key.json", serviceKey) + "\n"
			c.file("project.json", `{"Public": true, "Secrets": {}}`)
			c.env = append(c.env, "FAIL="+test.command+": "+test.words)
			out, err := c.try(answers, test.args...)
			var exit *exec.ExitError
			if !errors.As(err, &exit) || exit.ExitCode() != 1 || !strings.Contains(out, test.words) {
				t.Errorf("got %v, want exit code 1 and %q:\n%s", err, test.words, out)
			}
			if calls := c.calls(); !strings.HasPrefix(calls[len(calls)-1], test.command) {
				t.Errorf("it went on with gcloud %s", calls[len(calls)-1])
			}
		})
	}
}

// TestScriptAbsent sees that it goes on where gcloud says, in whichever words, that
// something is not there yet.
func TestScriptAbsent(t *testing.T) {
	t.Parallel()
	for name, absent := range map[string][]string{
		"new project": {
			"secrets versions list: PERMISSION_DENIED: Secret Manager API has not been used in project 123456789012 before or it is disabled.",
			"iam service-accounts describe: NOT_FOUND: Unknown service account. This command is authenticated as n@example.com",
			"secrets describe: NOT_FOUND: Secret [projects/123456789012/secrets/rcshook-agent-id] not found.",
			"tasks queues describe: NOT_FOUND: Queue does not exist.",
			"run services get-iam-policy: Cannot find service [rcshook]",
		},
		"project in use": {
			"secrets versions list: NOT_FOUND: Secret [projects/123456789012/secrets/rcshook-agent-id] not found.",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCloud(t)
			c.env = append(c.env, "FAIL="+strings.Join(absent, "\n"))
			out := c.deploy(agentID+"\n"+c.file("key.json", serviceKey)+"\n", "--queue", "--access", "iam")
			if strings.Contains(out, "ERROR") {
				t.Errorf("it is alarmed by what is as it should be:\n%s", out)
			}
		})
	}
}

// TestScriptHelp sees that every option is explained.
func TestScriptHelp(t *testing.T) {
	t.Parallel()
	help := newCloud(t).deploy("", "--help")
	for _, m := range regexp.MustCompile(`(?m)^    (--[a-z-]+)\)`).FindAllStringSubmatch(read(t, "deploy.sh"), -1) {
		if !regexp.MustCompile(`(?m)[[ ]` + m[1] + `[] ]`).MatchString(help) {
			t.Errorf("--help does not explain %s", m[1])
		}
	}
}

// TestReadmeDeploy runs the rehearsal of the README, and sees that its other
// commands are known to need an account.
func TestReadmeDeploy(t *testing.T) {
	t.Parallel()
	_, section, ok := strings.Cut(read(t, "../README.md"), "\n## Deploy\n")
	if !ok {
		t.Fatal("the README has no section Deploy")
	}
	section, _, _ = strings.Cut(section, "\n## ")
	rehearsed := false
	for _, m := range regexp.MustCompile("(?m)^deploy/deploy.sh(.*)$").FindAllStringSubmatch(section, -1) {
		command, comment, _ := strings.Cut(m[1], "#")
		args := strings.Fields(command)
		if slices.Contains(args, "--dry-run") {
			rehearsed = true
		} else if !strings.Contains(comment, "Google") {
			t.Errorf("this is not marked as needing a Google account: %s", m[0])
		}
		c := newCloud(t)
		c.deploy(agentID+"\n"+c.file("key.json", serviceKey)+"\n", args...)
	}
	if !rehearsed {
		t.Error("the README shows no rehearsal")
	}
}

// TestShellcheck runs shellcheck, where it is installed.
func TestShellcheck(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("shellcheck"); err != nil {
		t.Skip("needs shellcheck")
	}
	run(t, ".", "shellcheck", "deploy.sh")
}

// flag returns the value of --name=VALUE in a recorded command.
func flag(t *testing.T, call, name string) string {
	t.Helper()
	_, rest, ok := strings.Cut(call, name+"=")
	if !ok {
		t.Fatalf("no %s in: gcloud %s", name, call)
	}
	value, _, _ := strings.Cut(rest, " ")
	return value
}

// A cloud is a folder with a copy of the script, beside a stand-in for gcloud that
// records its commands and remembers what they made.
type cloud struct {
	t   *testing.T
	dir string
	env []string
}

func newCloud(t *testing.T) *cloud {
	t.Helper()
	if _, err := exec.LookPath("bash"); err != nil {
		t.Skip("needs bash")
	}
	c := &cloud{t: t, dir: t.TempDir()}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"bin", "deploy"} {
		if err := os.Mkdir(filepath.Join(c.dir, dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(self, filepath.Join(c.dir, "bin", "gcloud")); err != nil {
		t.Fatal(err)
	}
	c.file("deploy/deploy.sh", read(t, "deploy.sh"))
	c.env = append(os.Environ(), "RETRY_SECONDS=0", "GCLOUD_STATE="+c.dir,
		"GORACE=atexit_sleep_ms=0", // else each gcloud of a -race run ends a second late
		"PATH="+filepath.Join(c.dir, "bin")+string(filepath.ListSeparator)+"/usr/bin"+string(filepath.ListSeparator)+"/bin")
	return c
}

func (c *cloud) remove(program string) {
	c.t.Helper()
	if err := os.Remove(filepath.Join(c.dir, "bin", program)); err != nil {
		c.t.Fatal(err)
	}
}

func (c *cloud) file(name, content string) string {
	c.t.Helper()
	path := filepath.Join(c.dir, name)
	write(c.t, path, content)
	return path
}

func (c *cloud) try(stdin string, args ...string) (string, error) {
	cmd := exec.CommandContext(c.t.Context(), "bash", append([]string{"deploy/deploy.sh"}, args...)...)
	cmd.Dir, cmd.Env, cmd.Stdin = c.dir, c.env, strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (c *cloud) deploy(stdin string, args ...string) string {
	c.t.Helper()
	out, err := c.try(stdin, args...)
	if err != nil {
		c.t.Fatalf("deploy.sh %q: %v\n%s", args, err, out)
	}
	return out
}

// calls returns the commands that gcloud got.
func (c *cloud) calls() []string {
	data, err := os.ReadFile(filepath.Join(c.dir, "calls"))
	if err != nil {
		return nil
	}
	return strings.Split(strings.TrimSpace(string(data)), "\n")
}

func (c *cloud) call(prefix string) string {
	c.t.Helper()
	for _, call := range c.calls() {
		if strings.HasPrefix(call, prefix) {
			return call
		}
	}
	c.t.Fatalf("gcloud %s did not run", prefix)
	return ""
}

func (c *cloud) forget() { os.Remove(filepath.Join(c.dir, "calls")) }

func (c *cloud) state() project {
	c.t.Helper()
	p, err := load(c.dir)
	if err != nil {
		c.t.Fatal(err)
	}
	return p
}

// TestMain is gcloud, if that is the name of the program.
func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) != "gcloud" {
		os.Exit(m.Run())
	}
	if err := gcloud(os.Getenv("GCLOUD_STATE"), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "ERROR: (gcloud)", err)
		os.Exit(1)
	}
}

// project is what the stand-in remembers.
type project struct {
	Accounts []string
	Secrets  map[string][]string // versions
	Access   []string            // sorted
	Public   bool
	Service  string
	Queues   []string
	Failed   int
}

func load(dir string) (project, error) {
	p := project{Secrets: map[string][]string{}}
	data, err := os.ReadFile(filepath.Join(dir, "project.json"))
	if errors.Is(err, os.ErrNotExist) {
		return p, nil
	}
	if err != nil {
		return p, err
	}
	return p, json.Unmarshal(data, &p)
}

// gcloud does one command, as far as the script needs it.
func gcloud(dir string, args []string) error {
	log, err := os.OpenFile(filepath.Join(dir, "calls"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	fmt.Fprintln(log, strings.Join(args, " "))
	for fault := range strings.Lines(os.Getenv("FAIL")) {
		if command, words, _ := strings.Cut(strings.TrimSpace(fault), ": "); strings.HasPrefix(strings.Join(args, " "), command) {
			return errors.New(words)
		}
	}
	p, err := load(dir)
	if err != nil {
		return err
	}
	if err := p.do(args); err != nil {
		return err
	}
	data, err := json.Marshal(p)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "project.json"), data, 0o600)
}

var errAbsent = errors.New("NOT_FOUND")

func (p *project) do(args []string) error {
	words, flags := parse(args)
	command, subject := strings.Join(words[:len(words)-1], " "), words[len(words)-1]
	switch command {
	case "config get-value":
		if subject == "project" {
			fmt.Println("my-project")
		}
		return nil
	case "iam service-accounts describe":
		name, _, _ := strings.Cut(subject, "@")
		if !slices.Contains(p.Accounts, name) {
			return errAbsent
		}
		return nil
	case "iam service-accounts create":
		if slices.Contains(p.Accounts, subject) {
			return errors.New("ALREADY_EXISTS")
		}
		p.Accounts = append(p.Accounts, subject)
		return nil
	case "secrets describe", "secrets create", "secrets versions list", "secrets versions add":
		return p.secret(command, subject, flags)
	case "tasks queues describe":
		if !slices.Contains(p.Queues, subject) {
			return errAbsent
		}
		return nil
	case "tasks queues create":
		if slices.Contains(p.Queues, subject) {
			return errors.New("ALREADY_EXISTS")
		}
		p.Queues = append(p.Queues, subject)
		return nil
	case "projects describe":
		fmt.Println("123456789012")
		return nil
	case "projects add-iam-policy-binding", "secrets add-iam-policy-binding", "run services add-iam-policy-binding",
		"tasks queues add-iam-policy-binding", "iam service-accounts add-iam-policy-binding":
		return p.bind(subject, flags)
	case "run services get-iam-policy":
		if p.Public {
			fmt.Println(`{"bindings": [{"members": ["allUsers"], "role": "roles/run.invoker"}]}`)
		}
		return nil
	case "run services remove-iam-policy-binding":
		if !p.Public || flags["--member"] != "allUsers" {
			return errAbsent
		}
		p.Public = false
		return nil
	case "run deploy":
		_, p.Public = flags["--allow-unauthenticated"]
		p.Service = subject
		return nil
	case "run services describe":
		if p.Service != subject {
			return errAbsent
		}
		fmt.Println("https://" + subject + ".example")
		return nil
	}
	if len(words) > 2 && words[0] == "services" && words[1] == "enable" {
		return nil
	}
	return fmt.Errorf("the stand-in does not know %q", words)
}

func (p *project) secret(command, name string, flags map[string]string) error {
	versions, ok := p.Secrets[name]
	switch {
	case command == "secrets create":
		if ok {
			return errors.New("ALREADY_EXISTS")
		}
		p.Secrets[name] = []string{}
		return nil
	case !ok:
		return errAbsent
	case command == "secrets versions list" && len(versions) > 0:
		fmt.Println(len(versions))
	case command == "secrets versions add":
		from := os.Stdin
		if file := flags["--data-file"]; file != "-" {
			var err error
			if from, err = os.Open(file); err != nil {
				return err
			}
			defer from.Close()
		}
		value, err := io.ReadAll(from)
		if err != nil {
			return err
		}
		p.Secrets[name] = append(versions, string(value))
	}
	return nil
}

func (p *project) bind(on string, flags map[string]string) error {
	if fmt.Sprint(p.Failed) < os.Getenv("FAIL_BINDINGS") {
		p.Failed++
		return p.fail()
	}
	line := fmt.Sprintf("%s on %s for %s", flags["--role"], on, flags["--member"])
	if !slices.Contains(p.Access, line) {
		p.Access = append(p.Access, line)
		slices.Sort(p.Access)
	}
	return nil
}

// fail keeps that it failed, although nothing else is kept then.
func (p *project) fail() error {
	data, err := json.Marshal(p)
	if err == nil {
		err = os.WriteFile(filepath.Join(os.Getenv("GCLOUD_STATE"), "project.json"), data, 0o600)
	}
	return errors.Join(err, errors.New("INVALID_ARGUMENT: the service account does not exist"))
}

// parse splits a command line into words and flags.
func parse(args []string) (words []string, flags map[string]string) {
	flags = map[string]string{}
	for _, arg := range args {
		if !strings.HasPrefix(arg, "--") {
			words = append(words, arg)
			continue
		}
		name, value, _ := strings.Cut(arg, "=")
		flags[name] = value
	}
	return words, flags
}
