package deploy_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

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
