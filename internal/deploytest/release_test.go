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
