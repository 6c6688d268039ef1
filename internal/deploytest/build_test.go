// Package deploytest tests the files in deploy without an account. It builds the function
// as the buildpack of Cloud Run functions does, and runs the deployment script with a
// replacement for gcloud.
package deploytest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rcshook/rcshook/internal/googletest"
	"github.com/rcshook/rcshook/internal/googletest/platform"
	"github.com/rcshook/rcshook/rbm/rbmtest"
)

// TestDeployedFunction builds the function from the uploaded files, starts it, and sends
// a message.
func TestDeployedFunction(t *testing.T) {
	t.Parallel()
	function := builtFunction(t)

	sim := platform.New(new(rbmtest.Simulator))
	server := httptest.NewServer(sim)
	t.Cleanup(func() { sim.Close(); server.Close() })
	url := start(t, function, environment(t, sim, server.URL)).url

	for _, test := range []struct {
		name, key, body string
		status          int
		code            string
	}{
		{"valid message", "key", `{"to": "+12025550123", "text": "deployed"}`, 200, "accepted"},
		{"invalid message", "key", `{"to": "+12025550123"}`, 422, "invalid_payload"},
		{"wrong key", "guess", `{"to": "+12025550123", "text": "deployed"}`, 401, "unauthorized"},
	} {
		status, code := post(t, url, test.key, test.body)
		if status != test.status || code != test.code {
			t.Errorf("%s: got %d %q, want %d %q", test.name, status, code, test.status, test.code)
		}
	}
	if got, want := get(t, url), `{"name":"rcshook","version":"v1.2.3","ready":true}`; got != want {
		t.Errorf("GET / returned %s, want %s", got, want)
	}
	if got := sim.Messages(); len(got) != 1 || got[0].To != "+12025550123" {
		t.Errorf("the simulator received %d messages, want the valid one", len(got))
	}
	t.Run("SIGTERM", func(t *testing.T) { checkShutdown(t, function) })
}

// checkShutdown checks that the function, after SIGTERM, finishes the request in flight and
// still responds to others before it exits.
func checkShutdown(t *testing.T, function string) {
	sim := platform.New(new(rbmtest.Simulator))
	started, released := make(chan struct{}, 100), make(chan struct{})
	release := sync.OnceFunc(func() { close(released) })
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/agentMessages") {
			started <- struct{}{}
			<-released
		}
		sim.ServeHTTP(w, r)
	}))
	t.Cleanup(func() { release(); sim.Close(); server.Close() })
	p := start(t, function, environment(t, sim, server.URL))

	var to []string
	for i := range 100 { // enough for a response larger than a buffer
		to = append(to, fmt.Sprintf(`"+1202555%04d"`, 2000+i))
	}
	type result struct {
		status int
		code   string
	}
	results := make(chan result, 1)
	go func() {
		defer close(results)
		status, code := post(t, p.url, "key", `{"text": "Hello", "to": [`+strings.Join(to, ",")+`]}`)
		results <- result{status, code}
	}()
	<-started
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for closing := false; !closing; { // until the function received the signal
		res, err := http.Get(p.url)
		if err != nil || res.StatusCode != http.StatusOK {
			t.Fatalf("request during shutdown: %v, %v", res, err)
		}
		res.Body.Close()
		closing = res.Close
	}
	release()
	if got := <-results; got != (result{200, "accepted"}) || len(sim.Messages()) != len(to) {
		t.Errorf("request in flight: %v, and %d messages", got, len(sim.Messages()))
	}
	<-p.ended
	if status, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGTERM {
		t.Errorf("the function exited with %v, want SIGTERM", p.cmd.ProcessState)
	}
}

// function builds the function once for all tests.
var function struct {
	sync.Mutex
	program string
}

func builtFunction(t *testing.T) string {
	t.Helper()
	skipSlow(t)
	function.Lock()
	defer function.Unlock()
	if function.program == "" {
		program := build(t, upload(t, "."))
		function.program = filepath.Join(programs, "function")
		if err := os.Rename(program, function.program); err != nil {
			t.Fatal(err)
		}
	}
	return function.program
}

// TestWrongTarget checks that the function has only the name that deployments use.
func TestWrongTarget(t *testing.T) {
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), builtFunction(t))
	cmd.Env = append(os.Environ(), "FUNCTION_TARGET=Sent", "PORT="+googletest.FreePort())
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 1 {
		t.Errorf("FUNCTION_TARGET=Sent: %v, want exit code 1\n%s", err, out)
	}
}

// TestSecondPackageInRoot checks that onePackage can fail.
func TestSecondPackageInRoot(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "first.go"), "package rcshook\n")
	write(t, filepath.Join(dir, "second.go"), "package rcshook_test\n")
	if err := onePackage(dir); err == nil {
		t.Error("onePackage accepted two packages")
	}
}

// TestFunction_reproducible builds the function in two folders. Cloud Build always uses the
// same one.
func TestFunction_reproducible(t *testing.T) {
	skipSlow(t)
	t.Setenv("CGO_ENABLED", "0") // with the packages that releases and images compile too
	first, second := read(t, build(t, upload(t, "."), "-trimpath")), read(t, build(t, upload(t, "."), "-trimpath"))
	if first != second {
		t.Errorf("the programs have %d and %d bytes, and differ", len(first), len(second))
	}
}

// build builds the uploaded files in dir as the buildpack does, with more flags, and returns
// the program.
//
// Buildpack: https://github.com/GoogleCloudPlatform/buildpacks/tree/main/cmd/go/functions_framework
func build(t *testing.T, dir string, flags ...string) string {
	t.Helper()
	if err := onePackage(dir); err != nil {
		t.Fatal(err)
	}
	module := strings.TrimSpace(run(t, dir, "go", "list", "-m"))
	if host, _, _ := strings.Cut(module, "/"); !strings.Contains(host, ".") {
		t.Fatalf("the module path %q has no dot in its first element", module)
	}
	write(t, filepath.Join(dir, "functions.local", "app", "main.go"), fmt.Sprintf(`package main

import (
	"log"
	"os"

	"github.com/GoogleCloudPlatform/functions-framework-go/funcframework"

	_ %q
)

func main() {
	if err := funcframework.Start(os.Getenv("PORT")); err != nil {
		log.Fatal(err)
	}
}
`, module))
	if inCI {
		run(t, dir, "go", "mod", "tidy")
	} else {
		t.Log("go mod tidy was skipped: it needs the network, and RCSHOOKTEST_NETWORK is not set")
	}
	program := filepath.Join(dir, "main")
	run(t, dir, "go", append(append([]string{"build"}, flags...), "-ldflags", linkerFlags(t), "-o", program, "./functions.local/app")...)
	return program
}

// inCI reports whether the tests run in .ci/run, with the network and enough time.
var inCI = os.Getenv("RCSHOOKTEST_NETWORK") != ""

// skipSlow skips a test outside of .ci/run: a build in another folder, or with the flags of
// releases and images, compiles many packages again.
func skipSlow(t *testing.T) {
	t.Helper()
	if !inCI {
		t.Skip("takes a minute: set RCSHOOKTEST_NETWORK=1")
	}
}

// linkerFlags returns the linker flags of deployments, for the version v1.2.3.
func linkerFlags(t *testing.T) string {
	t.Helper()
	find := func(file, pattern, version string) string {
		m := regexp.MustCompile(pattern).FindStringSubmatch(read(t, file))
		if m == nil || !strings.Contains(m[1], version) {
			t.Fatalf("%s does not set the version %s", file, version)
		}
		return strings.Replace(m[1], version, "v1.2.3", 1)
	}
	script := find("deploy/deploy.sh", `"GOOGLE_GOLDFLAGS=([^"]*)"`, "$version")
	module := find("deploy/terraform/main.tf", `GOOGLE_GOLDFLAGS = "([^"]*)"`, "${local.release}")
	if script != module {
		t.Errorf("deploy.sh builds with %q, Terraform with %q", script, module)
	}
	return script
}

// onePackage repeats a check of the buildpack: all Go files in the root folder, including
// tests and ignored files, must belong to one package.
func onePackage(dir string) error {
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil || len(files) == 0 {
		return fmt.Errorf("no Go file in the root folder: %w", err)
	}
	var name string
	for _, file := range files {
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.PackageClauseOnly)
		if err != nil {
			return err
		}
		if name == "" {
			name = f.Name.Name
		}
		if f.Name.Name != name {
			return fmt.Errorf("the root folder has the packages %s and %s", name, f.Name.Name)
		}
	}
	return nil
}

// environment returns the settings of a deployment that uses sim.
func environment(t *testing.T, sim *platform.Platform, url string) []string {
	t.Helper()
	env := sim.Provision(url)
	adc := filepath.Join(t.TempDir(), "adc.json")
	write(t, adc, string(env.Credentials))
	return append(os.Environ(),
		"K_SERVICE=rcshook", "CLOUD_RUN_TIMEOUT_SECONDS=60",
		"GOOGLE_APPLICATION_CREDENTIALS="+adc,
		"RCSHOOK_AGENT_ID="+env.AgentIDSecret, "RCSHOOK_CREDENTIALS="+env.KeySecret, "RCSHOOK_API_KEYS=key",
		"RCSHOOK_RBM_ENDPOINT="+url, "RCSHOOK_SECRETMANAGER_ENDPOINT="+url,
	)
}

// A process is a running function.
type process struct {
	url   string
	cmd   *exec.Cmd
	ended chan struct{}
}

// start runs the program until the end of the test, and checks that SIGTERM ends it.
func start(t *testing.T, program string, env []string) *process {
	t.Helper()
	port := googletest.FreePort()
	cmd := exec.Command(program)
	cmd.Env = append(env, "FUNCTION_TARGET=Send", "PORT="+port)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { cmd.Wait(); close(ended) }()
	t.Cleanup(func() {
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
			t.Error(err)
		}
		<-ended
		if t.Failed() {
			t.Logf("the function logged:\n%s", &stderr)
		}
		for line := range bytes.Lines(stderr.Bytes()) {
			if len(bytes.TrimSpace(line)) > 0 && !json.Valid(line) {
				t.Errorf("log line is not JSON: %s", line)
			}
		}
	})
	awaitPort(t, port, ended)
	return &process{"http://127.0.0.1:" + port + "/", cmd, ended}
}

// awaitPort waits until the program listens or exits.
func awaitPort(t *testing.T, port string, ended <-chan struct{}) {
	t.Helper()
	for tick := time.NewTicker(10 * time.Millisecond); ; {
		if conn, err := net.Dial("tcp", "127.0.0.1:"+port); err == nil {
			conn.Close()
			return
		}
		select {
		case <-ended:
			t.Fatal("the function exited before it listened")
		case <-tick.C:
		}
	}
}

func post(t *testing.T, url, key, body string) (status int, code string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+key)
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var response struct{ Code string }
	if err := json.NewDecoder(bufio.NewReader(io.LimitReader(res.Body, 1<<20))).Decode(&response); err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, response.Code
}

func get(t *testing.T, url string) string {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(body))
}

func run(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", cmd, err, &stderr)
	}
	return string(out)
}

func write(t *testing.T, file, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}
