package docstest

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// testedBy lists the tests that run commands of the documents. A command is identified by
// its prefix.
var testedBy = []struct{ page, command, file, test string }{
	{"README.md", "go run ./cmd/rcshook", "cmd/rcshook/main_test.go", "TestReadme"},
	{"README.md", "rcshook send ", "cmd/rcshook/main_test.go", "TestReadme"},
	{"README.md", "curl http://localhost:808", "cmd/rcshook/main_test.go", "TestReadme"},
	{"docs/install.md", "curl ", "internal/deploytest/release_test.go", "docs/install.md"},
	{"docs/clients.md", "mkdir -p rcs", "internal/docstest/clients_test.go", "TestClients"},
	{"docs/clients.md", "go ", "internal/docstest/clients_test.go", "TestClients"},
	{"docs/clients.md", "np", "internal/docstest/clients_test.go", "TestClients"}, // npm and npx
	{"docs/bulk.md", "rcshook bulk ", "cmd/rcshook/bulk_test.go", "TestBulkPage"},
	{"docs/doctor.md", "rcshook doctor ", "cmd/rcshook/testdata/doctor.txtar", "exec rcshook doctor"},
	{"docs/dev.md", "go run ./cmd/rcshook dev -events", "cmd/rcshook/dev_test.go", "TestDev_events"},
	{"docs/dev.md", "go run ./cmd/rcshook dev -queue", "cmd/rcshook/testdata/dev-queue.txtar", "-queue"},
	{"docs/dev.md", "curl http://localhost:8080/ ", "cmd/rcshook/testdata/dev-queue.txtar", `"otp": true, "fallback_after": `},
	{"docs/dev.md", "curl http://localhost:8081/_dev/queue", "cmd/rcshook/testdata/dev-queue.txtar", "exec curl -s http://127.0.0.1:$SIM/_dev/queue"},
	{"docs/dev.md", "curl http://localhost:8081/_sim/online", "cmd/rcshook/testdata/dev-queue.txtar", "/_sim/online -d"},
	{"docs/dev.md", "go run ./cmd/rcshook", "cmd/rcshook/main_test.go", "TestReadme"},
	{"docs/dev.md", "curl http://localhost:8081/_sim/user", "cmd/rcshook/testdata/dev-events.txtar", "/_sim/user -d"},
	{"docs/dev.md", "curl http://localhost:8081/_sim/key", "cmd/rcshook/testdata/dev.txtar", "exec curl -s http://127.0.0.1:$SIM/_sim/key"},
	{"docs/dev.md", "rcshook dev -config rcshook.yaml -listen ", "cmd/rcshook/testdata/dev-listen.txtar", "-config rcshook.yaml -listen"},
	{"docs/new-sender.md", "rcshook dev -config rcshook.yaml -listen ", "cmd/rcshook/testdata/dev-listen.txtar", "-config rcshook.yaml -listen"},
	{"docs/new-sender.md", "rcshook check -update", "cmd/rcshook/testdata/new-sender.txtar", "exec rcshook check -update"},
	{"docs/opt-out.md", "rcshook dev", "cmd/rcshook/testdata/dev-opt-out.txtar", "exec rcshook dev"},
	{"docs/opt-out.md", "curl -i http://localhost:8080/", "cmd/rcshook/testdata/dev-opt-out.txtar", "/ -H 'Authorization: Bearer dev'"},
	{"docs/capabilities.md", "curl ", "cmd/rcshook/testdata/dev.txtar", "/capabilities -H"},
	{"docs/events.md", "rcshook trigger ", "cmd/rcshook/trigger_test.go", "TestTrigger_to"},
	{"docs/payload.md", "curl http://localhost:8080/", "internal/docstest/docs_test.go", "checkForms"},
	{"docs/payload.md", "rcshook send to=", "internal/docstest/docs_test.go", "sendField"},
	{"docs/opt-out.md", "rcshook send -to", "cmd/rcshook/send_docs_test.go", "docs/opt-out.md"},
	{"docs/queue.md", "go run ./cmd/rcshook dev -queue", "cmd/rcshook/testdata/dev-queue.txtar", "-queue"},
	{"docs/fallback.md", "rcshook dev -queue -config rcshook.yaml", "cmd/rcshook/testdata/dev-fallback.txtar", "-queue -config rcshook.yaml"},
	{"docs/fallback.md", "curl http://localhost:8080/", "cmd/rcshook/testdata/dev-fallback.txtar", "+12025550108"},
	{"docs/sources.md", "rcshook init ", "cmd/rcshook/init_test.go", "TestInit"},
	{"deploy/recipes/supabase.md", "rcshook dev -config rcshook.yaml", "cmd/rcshook/recipes_test.go", "TestSupabaseRecipe"},
	{"deploy/recipes/supabase.md", "node send.mjs ", "cmd/rcshook/recipes_test.go", "TestSupabaseRecipe"},
	{"docs/container.md", "rcshook serve -listen ", "cmd/rcshook/testdata/serve.txtar", "exec rcshook serve -listen"},
	{"docs/scaling.md", "go test ./internal/docstest -run TestScaling", "internal/docstest/scaling_test.go", "TestScaling"},
}

// untested are prefixes of commands that no test runs: for Git, GitHub, an editor, or go
// itself.
var untested = []string{
	"git ", "mkdir -p testdata/cases/", "cp -r testdata/cases/", "$EDITOR ", "go test ", "export RCSHOOK_", "go run ./internal/bench ", "go build -C ../before ", "terraform init && terraform test ",
	"go install github.com/rcshook/rcshook/", "gh attestation verify ",
}

var mark = regexp.MustCompile(`# needs Docker$`)

// TestCommands checks that each command of each document is run by a test, or is marked
// as needing an account. A block of the language "sh account" needs one as a whole; its
// commands can be pasted into zsh, which takes a comment for an argument.
func TestCommands(t *testing.T) {
	t.Parallel()
	block := regexp.MustCompile("(?ms)^ *```(?:sh|bash|shell|console)\n(.*?)^ *```$")
	used := make([]bool, len(testedBy))
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".md" || strings.Contains(path, "node_modules") {
			return err
		}
		for _, m := range block.FindAllStringSubmatch(string(readPage(t, path)), -1) {
			for line := range strings.Lines(strings.ReplaceAll(m[1], "\\\n", " ")) {
				checkCommand(t, filepath.ToSlash(path), strings.TrimSpace(line), used)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range testedBy {
		if !used[i] {
			t.Errorf("%s no longer contains %q", r.page, r.command)
		}
		if data, err := os.ReadFile(r.file); err != nil || !strings.Contains(string(data), r.test) {
			t.Errorf("%s does not contain %s, which runs %q of %s", r.file, r.test, r.command, r.page)
		}
	}
}

func checkCommand(t *testing.T, page, command string, used []bool) {
	t.Helper()
	if command == "" || strings.HasPrefix(command, "#") || mark.MatchString(command) {
		return
	}
	for i, r := range testedBy {
		if r.page == page && strings.HasPrefix(command, r.command) {
			used[i] = true
			return
		}
	}
	for _, prefix := range untested {
		if strings.HasPrefix(command, prefix) {
			return
		}
	}
	t.Errorf("%s: the command is not run by a test and not in a block \"sh account\", whose commands need an account: %s", page, command)
}
