package deploytest

import (
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/googletest"
)

// TestContainerBuild runs the build command of the Dockerfile with the files that Docker
// would copy, and checks that the program needs nothing from the base image.
func TestContainerBuild(t *testing.T) {
	t.Parallel()
	skipSlow(t)
	if runtime.GOOS != "linux" {
		t.Skip("a container runs Linux")
	}
	m := regexp.MustCompile(`(?m)^RUN (.*go build .*) -o /rcshook (.*)$`).FindStringSubmatch(read(t, "deploy/Dockerfile"))
	if m == nil {
		t.Fatal("the Dockerfile has no build command")
	}
	program := filepath.Join(t.TempDir(), "rcshook")
	run(t, dockerContext(t), "sh", "-c", "VERSION=v1.2.3; "+m[1]+" -buildvcs=false -o "+program+" "+m[2])

	file, err := elf.Open(program)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, part := range file.Progs {
		if part.Type == elf.PT_INTERP {
			t.Error("the program is not static: it needs a loader")
		}
	}
	out, err := exec.CommandContext(t.Context(), program, "version").Output()
	if err != nil || string(out) != "rcshook v1.2.3\n" {
		t.Errorf("version: got %q, %v", out, err)
	}
	checkServeShutdown(t, program)
}

// checkServeShutdown runs serve and ends it with SIGTERM, as a platform does.
func checkServeShutdown(t *testing.T, program string) {
	t.Helper()
	port := googletest.FreePort()
	cmd := exec.CommandContext(t.Context(), program, "serve")
	cmd.Env = append(os.Environ(), "PORT="+port, "RCSHOOK_AGENT_ID=shop_agent", "RCSHOOK_API_KEYS=key")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended, wait := make(chan struct{}), make(chan error, 1)
	go func() { wait <- cmd.Wait(); close(ended) }()
	awaitPort(t, port, ended)
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := <-wait; err != nil {
		t.Errorf("serve exited after SIGTERM with %v, want exit code 0", err)
	}
}

// TestContainer checks the user, the command and the Go version of the image.
func TestContainer(t *testing.T) {
	t.Parallel()
	file := read(t, "deploy/Dockerfile")
	_, last, _ := strings.Cut(file, "\nFROM gcr.io/distroless/static")
	for _, want := range []string{"USER 65532:65532", `ENTRYPOINT ["/rcshook"]`, `CMD ["serve"]`, "/src/LICENSE /THIRD-PARTY-LICENSES /\n"} {
		if !strings.Contains(last, want) {
			t.Errorf("the Dockerfile does not contain %s", want)
		}
	}
	version := regexp.MustCompile(`(?m)^go (1\.\d+)`).FindStringSubmatch(read(t, "go.mod"))
	if version == nil || !strings.Contains(file, " golang:"+version[1]+" ") {
		t.Error("the image is not built with the Go version of go.mod")
	}
}

// TestServiceSettings checks that rcshook accepts the settings of service.yaml, without and
// with those for events, which are comments.
func TestServiceSettings(t *testing.T) {
	t.Parallel()
	file := strings.NewReplacer("PROJECT", "example-project", "REGION", "us-central1", "NUMBER", "123456789012").Replace(read(t, "deploy/service.yaml"))
	for service, want := range map[string]bool{file: false, strings.NewReplacer("# -", "-", "#   value:", "  value:").Replace(file): true} {
		var environ []string
		for _, m := range regexp.MustCompile(`(?m)^ +- name: (RCSHOOK_\w+)\n +value: (\S+)`).FindAllStringSubmatch(service, -1) {
			environ = append(environ, m[1]+"="+m[2])
		}
		if len(environ) == 0 {
			t.Fatal("service.yaml has no settings")
		}
		cfg, err := config.FromEnviron(environ)
		if err != nil {
			t.Error(err)
		}
		if got := cfg.WebhookToken != "" && cfg.EventsQueue != ""; got != want {
			t.Errorf("settings for events: %v, want %v, in %q", got, want, environ)
		}
	}
}
