package deploytest

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rcshook/rcshook/internal/config"
)

// TestSettings checks that all settings in deploy and docs exist.
func TestSettings(t *testing.T) {
	t.Parallel()
	setting := regexp.MustCompile(`\bRCSHOOK_[A-Z_]+`)
	for _, file := range deployments(t) {
		names := setting.FindAllString(read(t, file), -1)
		slices.Sort(names)
		for _, name := range slices.Compact(names) {
			if strings.HasPrefix(name, "RCSHOOK_DEV_SECRET_") {
				continue // of rcshook dev, and the rest is the name of a source
			}
			_, err := config.FromEnviron([]string{name + "=x"})
			e, ok := errors.AsType[*config.Error](err)
			if !ok {
				continue
			}
			for _, f := range e.Problems {
				if f.Path == name && f.Unknown {
					t.Errorf("%s: %v", file, f)
				}
			}
		}
	}
}

// deployments returns the README and the files in deploy and docs.
func deployments(t *testing.T) []string {
	t.Helper()
	files := []string{"README.md"}
	for _, dir := range []string{"deploy", "docs"} {
		err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
			if err == nil && entry.IsDir() && entry.Name() == "node_modules" {
				return filepath.SkipDir
			}
			if err == nil && !entry.IsDir() {
				files = append(files, path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return files
}

// TestTerraformSecrets checks that the state cannot contain secrets.
func TestTerraformSecrets(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"google_secret_manager_secret_version", "google_service_account_key", "random_password"} {
		if found := regexp.MustCompile(`"` + kind + `\w*"`).FindString(terraform(t)); found != "" {
			t.Errorf("%s stores a secret in the state of Terraform", found)
		}
	}
}

// TestRuntime checks that every runtime is the Go version of go.mod.
func TestRuntime(t *testing.T) {
	t.Parallel()
	version := regexp.MustCompile(`(?m)^go 1\.(\d+)`).FindStringSubmatch(read(t, "go.mod"))
	if version == nil {
		t.Fatal("go.mod has no Go version")
	}
	want := "go1" + version[1]
	for _, file := range []string{"deploy/deploy.sh", "deploy/terraform/variables.tf"} {
		if !strings.Contains(read(t, file), want) {
			t.Errorf("%s does not contain the runtime %s", file, want)
		}
	}
}

// terraform returns the text of the whole module.
func terraform(t *testing.T) string {
	t.Helper()
	files, err := filepath.Glob("deploy/terraform/*.tf")
	if err != nil || len(files) == 0 {
		t.Fatalf("missing module: %v", err)
	}
	var b strings.Builder
	for _, file := range files {
		b.WriteString(read(t, file))
	}
	return b.String()
}

func read(t *testing.T, file string) string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
