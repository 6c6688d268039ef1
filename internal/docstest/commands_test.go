package docstest

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// ranBy names the tests that run what documents show. A command is known by how it
// begins.
var ranBy = []struct{ page, command, file, test string }{
	{"README.md", "go run ./cmd/rcshook", "cmd/rcshook/main_test.go", "TestReadme"},
	{"README.md", "curl http://localhost:808", "cmd/rcshook/main_test.go", "TestReadme"},
	{"README.md", "deploy/deploy.sh --dry-run", "internal/deploytest/deploy_sh_test.go", "TestReadmeDeploy"},
	{"docs/bulk.md", "rcshook bulk ", "cmd/rcshook/bulk_test.go", "TestBulkPage"},
	{"docs/doctor.md", "rcshook doctor ", "cmd/rcshook/testdata/doctor.txtar", "exec rcshook doctor"},
	{"docs/payload.md", "curl http://localhost:8080/", "internal/docstest/docs_test.go", "checkForms"},
	{"docs/queue.md", "go run ./cmd/rcshook dev -queue", "cmd/rcshook/testdata/dev-queue.txtar", "-queue"},
	{"docs/container.md", "rcshook serve -listen ", "cmd/rcshook/testdata/serve.txtar", "exec rcshook serve -listen"},
	{"docs/scaling.md", "go test ./internal/docstest -run TestScaling", "internal/docstest/scaling_test.go", "TestScaling"},
}

// byHand are commands that no test runs: for an editor, for Git, or tests themselves.
var byHand = []string{
	"git ", "cp -r testdata/cases/", "$EDITOR ", "go test ", "export RCSHOOK_", "terraform init && terraform test ",
}

var mark = regexp.MustCompile(`# (.*; )?needs (a Google account|Docker)$`)

// TestCommands holds that each command of each document is run by a test, or says
// that it needs an account.
func TestCommands(t *testing.T) {
	t.Parallel()
	block := regexp.MustCompile("(?ms)^ *```(?:sh|bash|shell|console)\n(.*?)^ *```$")
	used := make([]bool, len(ranBy))
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".md" {
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
	for i, r := range ranBy {
		if !used[i] {
			t.Errorf("%s does not show %q any more", r.page, r.command)
		}
		if data, err := os.ReadFile(r.file); err != nil || !strings.Contains(string(data), r.test) {
			t.Errorf("%s does not have %s, which runs %q of %s", r.file, r.test, r.command, r.page)
		}
	}
}

func checkCommand(t *testing.T, page, command string, used []bool) {
	t.Helper()
	if command == "" || strings.HasPrefix(command, "#") || mark.MatchString(command) {
		return
	}
	for i, r := range ranBy {
		if r.page == page && strings.HasPrefix(command, r.command) {
			used[i] = true
			return
		}
	}
	for _, prefix := range byHand {
		if strings.HasPrefix(command, prefix) {
			return
		}
	}
	t.Errorf("%s: neither run by a test nor marked \"# needs a Google account\": %s", page, command)
}
