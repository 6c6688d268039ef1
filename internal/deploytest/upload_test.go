package deploytest

import (
	"cmp"
	"encoding/json"
	flags "flag"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var updateUpload = flags.Bool("update-upload", false, "write the lists of uploaded files")

// uploads lists the files that select the source to upload, with the package that is
// built from it.
var uploads = []struct {
	file, pkg string
	list      func(patterns []string) string
}{
	{".gcloudignore", ".", gcloudList},
	{"deploy/terraform/build.tf", ".", func(patterns []string) string { return "    \"" + strings.Join(patterns, "\",\n    \"") + "\",\n" }},
	{".dockerignore", "./cmd/rcshook", func(patterns []string) string { return "!" + strings.Join(patterns, "\n!") + "\n" }},
}

// gcloudList returns lines of .gcloudignore. A line that includes a folder includes its
// contents, unless a later line ignores them.
func gcloudList(patterns []string) string {
	var b strings.Builder
	b.WriteString("/*\n")
	seen := map[string]bool{".": true}
	for _, pattern := range patterns {
		for i, c := range pattern {
			if dir := pattern[:i]; c == '/' && !seen[dir] && !strings.HasSuffix(pattern, "/**") {
				seen[dir] = true
				fmt.Fprintf(&b, "!/%s/\n/%s/*\n", dir, dir)
			}
		}
		fmt.Fprintf(&b, "!/%s\n", strings.TrimSuffix(pattern, "**"))
	}
	return b.String()
}

// A sourcePackage is a package of this module, as go list describes it.
type sourcePackage struct {
	Dir                                                string
	GoFiles, IgnoredGoFiles, EmbedFiles, EmbedPatterns []string
	Module                                             struct{ Main bool }
}

// sourcePackages returns the packages of this module that pkg is built from. Dir is relative to the root.
func sourcePackages(t *testing.T, pkg string) []sourcePackage {
	t.Helper()
	root, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	out := run(t, ".", "go", "list", "-deps", "-json=Dir,GoFiles,IgnoredGoFiles,EmbedFiles,EmbedPatterns,Module", pkg)
	var all []sourcePackage
	for d := json.NewDecoder(strings.NewReader(out)); d.More(); {
		var p sourcePackage
		if err := d.Decode(&p); err != nil {
			t.Fatal(err)
		}
		if !p.Module.Main {
			continue
		}
		dir, err := filepath.Rel(root, p.Dir)
		if err != nil {
			t.Fatal(err)
		}
		p.Dir = filepath.ToSlash(dir)
		all = append(all, p)
	}
	return all
}

// uploadPatterns returns patterns of the files that pkg is built from.
func uploadPatterns(t *testing.T, pkg string) []string {
	t.Helper()
	patterns := []string{"go.mod", "go.sum"}
	if pkg == "." {
		patterns = append(patterns, "rcshook.yaml")
	}
	for _, p := range sourcePackages(t, pkg) {
		patterns = append(patterns, path.Join(p.Dir, "*.go"))
		for _, embedded := range p.EmbedPatterns {
			if info, err := os.Stat(filepath.Join(p.Dir, embedded)); err == nil && info.IsDir() {
				embedded += "/**"
			}
			patterns = append(patterns, path.Join(p.Dir, embedded))
		}
	}
	slices.SortFunc(patterns, func(a, b string) int { return cmp.Or(strings.Compare(path.Dir(a), path.Dir(b)), strings.Compare(a, b)) })
	return slices.Compact(patterns)
}

var generated = regexp.MustCompile(`(?s)([ \t]*# Generated from go list -deps \S+\n)(.*?)([ \t]*# End of the generated list\n)`)

// TestUploadLists compares the patterns in .gcloudignore, .dockerignore and Terraform with
// the packages that the function and the command are built from:
//
//	go test ./internal/deploytest -run TestUploadLists -update-upload
func TestUploadLists(t *testing.T) {
	t.Parallel()
	for _, u := range uploads {
		want := u.list(uploadPatterns(t, u.pkg))
		text := read(t, u.file)
		m := generated.FindStringSubmatch(text)
		if m == nil {
			t.Fatalf("%s has no generated list", u.file)
		}
		if *updateUpload {
			write(t, u.file, strings.Replace(text, m[0], m[1]+want+m[3], 1))
		} else if m[2] != want {
			t.Errorf("%s: expected the list\n%s\ngot\n%s\nrun this test with -update-upload", u.file, want, m[2])
		}
	}
}

// TestUpload checks that gcloud uploads the files that the function is built from, and no others.
func TestUpload(t *testing.T) {
	t.Parallel()
	needed, allowed := map[string]bool{"go.mod": true, "go.sum": true}, map[string]bool{"rcshook.yaml": true}
	for _, p := range sourcePackages(t, ".") {
		for _, file := range slices.Concat(p.GoFiles, p.EmbedFiles) {
			needed[path.Join(p.Dir, file)] = true
		}
		for _, file := range p.IgnoredGoFiles { // of other systems
			allowed[path.Join(p.Dir, file)] = true
		}
	}
	dir := upload(t, ".")
	err := filepath.WalkDir(dir, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		file, err := filepath.Rel(dir, name)
		file = filepath.ToSlash(file)
		if !needed[file] && !allowed[file] {
			t.Errorf("%s is uploaded, but the build does not need it", file)
		}
		delete(needed, file)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for file := range needed {
		t.Errorf("%s is not uploaded, but the build needs it", file)
	}
}

// TestUploadStrayFiles checks that files beside the source, such as keys, are not uploaded.
func TestUploadStrayFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, ".gcloudignore"), read(t, ".gcloudignore"))
	for _, file := range []string{
		"function.go", "rcshook.yaml", "go.mod",
		"key.json", ".env", "function_test.go", "docs/payload.md", "cmd/rcshook/main.go", "deploy/key.json", "internal/agent/key.json",
		"internal/agent/agent_test.go", "internal/agent/testdata/key.json", "testdata/cases/key.json", "rbm/rbmtest/doc.go",
	} {
		write(t, filepath.Join(dir, file), "package x\n")
	}
	got, err := filepath.Glob(filepath.Join(upload(t, dir), "*"))
	if err != nil {
		t.Fatal(err)
	}
	for i, file := range got {
		got[i] = filepath.Base(file)
	}
	if want := []string{"function.go", "go.mod", "rcshook.yaml"}; !slices.Equal(got, want) {
		t.Errorf("uploaded %q, want %q", got, want)
	}
}

// upload copies the files of the folder root that gcloud uploads.
func upload(t *testing.T, root string) string {
	t.Helper()
	patterns := strings.Fields(regexp.MustCompile(`(?m)^#.*$`).ReplaceAllString(read(t, filepath.Join(root, ".gcloudignore")), ""))
	dir := t.TempDir()
	err := filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || name == root {
			return err
		}
		file, err := filepath.Rel(root, name)
		switch {
		case err != nil:
			return err
		case entry.IsDir() && ignored(patterns, filepath.ToSlash(file), true):
			return fs.SkipDir
		case !entry.IsDir() && !ignored(patterns, filepath.ToSlash(file), false):
			copyFile(t, name, filepath.Join(dir, file))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// ignored reports whether gcloud ignores a file or folder. Unlike in a .gitignore, each
// pattern that matches a folder applies to its contents too, including those with "!".
//
// https://docs.cloud.google.com/sdk/gcloud/reference/topic/gcloudignore
func ignored(patterns []string, file string, isDir bool) bool {
	var prefixes []string
	for i, c := range file + "/" {
		if c == '/' {
			prefixes = append(prefixes, file[:i])
		}
	}
	verdicts := make([]bool, len(prefixes)) // whether each prefix is ignored
	for _, pattern := range patterns {
		pattern, negated := strings.CutPrefix(pattern, "!")
		pattern, dirOnly := strings.CutSuffix(pattern, "/")
		pattern, anchored := strings.CutPrefix(pattern, "/")
		matched, verdict := false, false
		for i, prefix := range prefixes {
			name := prefix
			if !anchored {
				name = path.Base(prefix)
			}
			if ok, _ := path.Match(pattern, name); ok && !matched && (!dirOnly || isDir || i < len(prefixes)-1) {
				matched, verdict = true, !negated
			}
			if matched {
				verdicts[i] = verdict
			}
			if verdicts[i] {
				matched, verdict = true, true
			}
		}
	}
	return verdicts[len(verdicts)-1]
}

// dockerContext copies the files that .dockerignore selects.
func dockerContext(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	m := generated.FindStringSubmatch(read(t, ".dockerignore"))
	for line := range strings.Lines(m[2]) {
		pattern := strings.TrimPrefix(strings.TrimSpace(line), "!")
		if folder, ok := strings.CutSuffix(pattern, "/**"); ok {
			if err := os.CopyFS(filepath.Join(dir, folder), os.DirFS(folder)); err != nil {
				t.Fatal(err)
			}
			continue
		}
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Errorf(".dockerignore: the pattern %s matches no file: %v", pattern, err)
		}
		for _, file := range files {
			if !strings.HasSuffix(file, "_test.go") {
				copyFile(t, file, filepath.Join(dir, file))
			}
		}
	}
	return dir
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	write(t, to, string(data))
}
