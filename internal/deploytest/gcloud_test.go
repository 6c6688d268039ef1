package deploytest

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/rcshook/rcshook/internal/deploytest/gcloudtest"
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

// programs is the folder of the programs that the tests build.
var programs string

func TestMain(m *testing.M) {
	code := 1
	defer func() { os.Exit(code) }()
	// The tests run in the root folder, so that paths are as in the documents.
	err := os.Chdir(filepath.Join("..", ".."))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return
	}
	if programs, err = os.MkdirTemp("", "deploy-*"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return
	}
	defer os.RemoveAll(programs)
	code = m.Run()
}

// gcloud builds the replacement for gcloud.
var gcloud = sync.OnceValues(func() (string, error) {
	program := filepath.Join(programs, "gcloud")
	if out, err := exec.Command("go", "build", "-o", program, "./internal/deploytest/gcloudtest/gcloud").CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	return program, nil
})

// rcshook builds the command for the replacement of go, which has no cache in a test.
var rcshook = sync.OnceValues(func() (string, error) {
	program := filepath.Join(programs, "rcshook")
	if out, err := exec.Command("go", "build", "-o", program, "./cmd/rcshook").CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	return program, nil
})

// A cloud is a folder with a copy of the script and a replacement for gcloud.
type cloud struct {
	t   *testing.T
	dir string
	env []string
}

func newCloud(t *testing.T) *cloud {
	t.Helper()
	if inCI {
		t.Skip("needs no network, and runs without RCSHOOKTEST_NETWORK")
	}
	if _, err := exec.LookPath("bash"); err != nil {
		t.Skip("needs bash")
	}
	c := &cloud{t: t, dir: t.TempDir()}
	for _, dir := range []string{"bin", "deploy"} {
		if err := os.Mkdir(filepath.Join(c.dir, dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	program, err := gcloud()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(program, filepath.Join(c.dir, "bin", "gcloud")); err != nil {
		t.Fatal(err)
	}
	c.file("deploy/deploy.sh", read(t, "deploy/deploy.sh"))
	c.env = append(os.Environ(), "RETRY_SECONDS=0", "GCLOUD_STATE="+c.dir,
		"PATH="+filepath.Join(c.dir, "bin")+string(filepath.ListSeparator)+"/usr/bin"+string(filepath.ListSeparator)+"/bin")
	return c
}

// addGo adds a replacement for "go run -C FOLDER ./cmd/rcshook", which runs a program that
// is built.
func (c *cloud) addGo() {
	c.t.Helper()
	program, err := rcshook()
	if err != nil {
		c.t.Fatal(err)
	}
	path := c.file("bin/go", "#!/bin/sh\ncd \"$3\" && shift 4 && exec "+program+" \"$@\"\n")
	if err := os.Chmod(path, 0o700); err != nil {
		c.t.Fatal(err)
	}
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

// calls returns the arguments of all calls of gcloud.
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
	c.t.Fatalf("gcloud %s was not called", prefix)
	return ""
}

func (c *cloud) forget() { os.Remove(filepath.Join(c.dir, "calls")) }

// fill stores a value in secrets.
func (c *cloud) fill(secrets ...string) {
	c.t.Helper()
	p := c.state()
	for _, secret := range secrets {
		p.Secrets[secret] = []string{"x"}
	}
	data, err := json.Marshal(p)
	if err != nil {
		c.t.Fatal(err)
	}
	c.file("project.json", string(data))
}

func (c *cloud) state() gcloudtest.Project {
	c.t.Helper()
	p, err := gcloudtest.Load(c.dir)
	if err != nil {
		c.t.Fatal(err)
	}
	return p
}
