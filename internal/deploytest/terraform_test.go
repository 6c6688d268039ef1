package deploytest

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rcshook/rcshook/internal/config"
)

// TestSettings holds everything here to the names of the settings.
func TestSettings(t *testing.T) {
	t.Parallel()
	setting := regexp.MustCompile(`\bRCSHOOK_[A-Z_]+`)
	for _, file := range deployments(t) {
		names := setting.FindAllString(read(t, file), -1)
		slices.Sort(names)
		for _, name := range slices.Compact(names) {
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

// deployments are the files from which something is deployed.
func deployments(t *testing.T) []string {
	t.Helper()
	files := []string{"README.md"}
	err := filepath.WalkDir("deploy", func(path string, entry os.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && filepath.Ext(path) != ".go" {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// TestTerraformKeepsNoKeys sees that nothing secret can come into the state.
func TestTerraformKeepsNoKeys(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"google_secret_manager_secret_version", "google_service_account_key", "random_password"} {
		if found := regexp.MustCompile(`"` + kind + `\w*"`).FindString(terraform(t)); found != "" {
			t.Errorf("%s puts a key into the state of Terraform", found)
		}
	}
}

// TestTerraformUpload sees that Terraform uploads what gcloud does.
func TestTerraformUpload(t *testing.T) {
	t.Parallel()
	_, list, ok := strings.Cut(read(t, "deploy/terraform/build.tf"), "excludes = [")
	if !ok {
		t.Fatal("there are no excludes")
	}
	list, _, _ = strings.Cut(list, "]")
	var got []string
	for _, m := range regexp.MustCompile(`"(.*?)"`).FindAllStringSubmatch(list, -1) {
		got = append(got, strings.TrimPrefix(strings.TrimSuffix(m[1], "/**"), "**/"))
	}
	var want []string
	for line := range strings.Lines(read(t, ".gcloudignore")) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			want = append(want, strings.TrimSuffix(line, "/"))
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, slices.Compact(got)); diff != "" {
		t.Errorf("Terraform does not leave out what .gcloudignore names (-want +got):\n%s", diff)
	}
}

// TestRuntime sees that the runtime is the Go version of go.mod, everywhere.
func TestRuntime(t *testing.T) {
	t.Parallel()
	version := regexp.MustCompile(`(?m)^go 1\.(\d+)`).FindStringSubmatch(read(t, "go.mod"))
	if version == nil {
		t.Fatal("go.mod has no Go version")
	}
	want := "go1" + version[1]
	for _, file := range []string{"README.md", "deploy/terraform/variables.tf"} {
		if !strings.Contains(read(t, file), want) {
			t.Errorf("%s does not name the runtime %s", file, want)
		}
	}
}

// terraform is the whole module as one text.
func terraform(t *testing.T) string {
	t.Helper()
	files, err := filepath.Glob("deploy/terraform/*.tf")
	if err != nil || len(files) == 0 {
		t.Fatalf("there is no module: %v", err)
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
