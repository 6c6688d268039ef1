package deploytest

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
)

// TestRelease builds the release for this platform, and checks its checksum.
func TestRelease(t *testing.T) {
	t.Parallel()
	for _, program := range []string{"bash", "sha256sum"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skip("needs " + program)
		}
	}
	dist := t.TempDir()
	platform := runtime.GOOS + "/" + runtime.GOARCH
	cmd := exec.CommandContext(t.Context(), "bash", "-c", quick(read(t, ".ci/release")), ".ci/release", dist)
	cmd.Env = append(os.Environ(), "PLATFORMS="+platform)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	name := "rcshook-" + strings.ReplaceAll(platform, "/", "-")
	program, err := os.ReadFile(filepath.Join(dist, name))
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(program)
	if got, want := read(t, filepath.Join(dist, "SHA256SUMS")), hex.EncodeToString(sum[:])+"  "+name+"\n"; got != want {
		t.Errorf("the checksums are %q, want %q", got, want)
	}
	if got := run(t, dist, filepath.Join(dist, name), "version"); !strings.HasPrefix(got, "rcshook ") {
		t.Errorf("version: got %q", got)
	}
}

// TestReleaseNotes runs the command with which the workflow extracts the notes of a version
// from the CHANGELOG.
func TestReleaseNotes(t *testing.T) {
	t.Parallel()
	command := regexp.MustCompile(`(?m)^ +(awk .*) >notes\.md$`).FindStringSubmatch(read(t, ".github/workflows/release.yml"))
	if command == nil {
		t.Fatal("the workflow does not extract notes")
	}
	dir := t.TempDir()
	changes := strings.Replace(read(t, "CHANGELOG.md"), "## Unreleased", "## 0.2.0\n\nNews.\n\n## 0.1.0-rc.1\n\nEarly.\n\n## 0.1.0", 1)
	write(t, filepath.Join(dir, "CHANGELOG.md"), changes)
	for tag, want := range map[string]string{"v0.2.0": "News.", "v0.1.0-rc.1": "Early.", "v0.1.0": "The first release.", "v0.3.0": ""} {
		cmd := exec.CommandContext(t.Context(), "bash", "-c", command[1])
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "GITHUB_REF_NAME="+tag)
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		got := strings.TrimSpace(string(out))
		if !strings.HasPrefix(got, want) || want == "" && got != "" || strings.Contains(got, "##") {
			t.Errorf("the notes of %s are %q, want %q...", tag, got, want)
		}
	}
}

// TestWorkflows checks that a job can change the repository only if it runs none of its
// code, that no other job uses a token, that programs are built apart from the tests, and
// that each action is pinned by its digest.
func TestWorkflows(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(".github/workflows/*.y*ml")
	if err != nil || len(files) < 2 {
		t.Fatalf("found %q, %v", files, err)
	}
	type step struct {
		Uses, Run string
		With      map[string]any
		Env       map[string]string
	}
	pinned := regexp.MustCompile(`^[\w-]+/[\w-]+@[0-9a-f]{40}$`)
	for _, file := range files {
		text := read(t, file)
		var workflow struct {
			Permissions map[string]string
			Env         map[string]string
			Jobs        map[string]struct {
				Permissions map[string]string
				Env         map[string]string
				Uses        string
				Steps       []step
			}
		}
		if err := yaml.Unmarshal([]byte(text), &workflow); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(text, "pull_request_target") || strings.Contains(text, "workflow_run") {
			t.Errorf("%s: the trigger gives the code of strangers a token that can write", file)
		}
		if workflow.Permissions == nil || workflow.Env != nil {
			t.Errorf("%s: the default permissions are not limited, or all jobs have an environment", file)
		}
		for name, job := range workflow.Jobs {
			permissions := job.Permissions
			if permissions == nil {
				permissions = workflow.Permissions
			}
			writes := false
			for scope, access := range permissions {
				writes = writes || access != "read"
				if scope != "contents" {
					t.Errorf("%s: %s has the permission %s", file, name, scope)
				}
			}
			if job.Uses != "" || job.Env != nil {
				t.Errorf("%s: %s is another workflow, or has an environment for all steps", file, name)
			}
			tests, uploads := false, false
			for _, step := range job.Steps {
				tests, uploads = tests || strings.Contains(step.Run, ".ci/run"), uploads || strings.HasPrefix(step.Uses, "actions/upload-artifact@")
				checkout := strings.HasPrefix(step.Uses, "actions/checkout@")
				switch {
				case step.Uses != "" && !pinned.MatchString(step.Uses):
					t.Errorf("%s: %s uses %s without its digest", file, name, step.Uses)
				case checkout && writes:
					t.Errorf("%s: %s can change the repository and checks it out", file, name)
				case checkout && step.With["persist-credentials"] != false:
					t.Errorf("%s: %s leaves its token to the programs that it runs", file, name)
				case step.Env != nil && !writes:
					t.Errorf("%s: %s gives a program an environment, perhaps with a token", file, name)
				case strings.Contains(step.Run, "${{"):
					t.Errorf("%s: %s expands an expression in a script", file, name)
				}
			}
			if tests && uploads {
				t.Errorf("%s: %s uploads files that the packages of its tests could have changed", file, name)
			}
		}
	}
}
