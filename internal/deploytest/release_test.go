package deploytest

import (
	"archive/tar"
	"archive/zip"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v4"
)

// releaseFiles are the files of a release, by platform.
var releaseFiles = map[string]string{
	"linux/amd64": "rcshook-linux-amd64.tar.gz", "linux/arm64": "rcshook-linux-arm64.tar.gz",
	"darwin/amd64": "rcshook-darwin-amd64.tar.gz", "darwin/arm64": "rcshook-darwin-arm64.tar.gz",
	"windows/amd64": "rcshook-windows-amd64.zip", "windows/arm64": "rcshook-windows-arm64.zip",
}

// release runs the script that builds a release from the repository in a folder, and checks
// the checksums of its files.
func release(t *testing.T, repository string, environ ...string) (dist string) {
	t.Helper()
	skipSlow(t)
	for _, program := range []string{"bash", "curl", "git", "sha256sum"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skip("needs " + program)
		}
	}
	if err := exec.CommandContext(t.Context(), "git", "rev-parse", "HEAD").Run(); err != nil {
		t.Skip("needs a repository of Git")
	}
	dist = t.TempDir()
	cmd := exec.CommandContext(t.Context(), "bash", "-c", read(t, ".ci/release"), ".ci/release", dist)
	cmd.Dir, cmd.Env = repository, append(os.Environ(), environ...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	files, err := filepath.Glob(filepath.Join(dist, "rcshook-*"))
	if err != nil {
		t.Fatal(err)
	}
	want := ""
	for _, file := range files {
		want += fmt.Sprintf("%x  %s\n", sha256.Sum256([]byte(read(t, file))), filepath.Base(file))
	}
	if got := read(t, filepath.Join(dist, "SHA256SUMS")); got != want || want == "" {
		t.Errorf("the checksums are %q, want %q", got, want)
	}
	return dist
}

// unpack returns the files of an archive. It fails if a program is not executable.
func unpack(t *testing.T, archive string) map[string]string {
	t.Helper()
	files := map[string]string{}
	add := func(info fs.FileInfo, content io.Reader) {
		if program := strings.HasPrefix(info.Name(), "rcshook"); program != (info.Mode()&0o111 != 0) {
			t.Errorf("%s: %s has the mode %v", archive, info.Name(), info.Mode())
		}
		text, err := io.ReadAll(content)
		if err != nil {
			t.Fatal(err)
		}
		files[info.Name()] = string(text)
	}
	if filepath.Ext(archive) == ".zip" {
		z, err := zip.OpenReader(archive)
		if err != nil {
			t.Fatal(err)
		}
		defer z.Close()
		for _, f := range z.File {
			content, err := f.Open()
			if err != nil {
				t.Fatal(err)
			}
			add(f.FileInfo(), content)
		}
		return files
	}
	z, err := gzip.NewReader(strings.NewReader(read(t, archive)))
	if err != nil {
		t.Fatal(err)
	}
	for archived := tar.NewReader(z); ; {
		head, err := archived.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		if head.Typeflag == tar.TypeReg {
			add(head.FileInfo(), archived)
		}
	}
}

// TestRelease builds the release for this platform, installs its program with the command
// of docs/install.md, and runs it.
func TestRelease(t *testing.T) {
	t.Parallel()
	name := releaseFiles[runtime.GOOS+"/"+runtime.GOARCH]
	command := regexp.MustCompile(`(?m)^curl -fsSL (https\S+/)(` + regexp.QuoteMeta(name) + ` .*)$`).FindStringSubmatch(read(t, "docs/install.md"))
	if name == "" || command == nil {
		t.Skip("docs/install.md has no command for " + runtime.GOOS + "/" + runtime.GOARCH)
	}
	platform := "PLATFORMS=" + runtime.GOOS + "/" + runtime.GOARCH
	dist := release(t, ".", platform)
	run(t, dist, "bash", "-o", "pipefail", "-c", "curl -fsSL file://"+filepath.ToSlash(dist)+"/"+command[2])
	if got := run(t, dist, filepath.Join(dist, "rcshook"), "version"); !strings.HasPrefix(got, "rcshook ") {
		t.Errorf("version: got %q", got)
	}
	if run(t, ".", "git", "status", "--porcelain") == "" { // elsewhere the paths of files are in the program
		sameRelease(t, dist, release(t, clone(t), platform))
	}
}

// clone returns a copy of the repository in another folder.
func clone(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "another", "folder")
	run(t, ".", "git", "clone", "--quiet", "--shared", ".", dir)
	return dir
}

// sameRelease compares the checksums of two releases.
func sameRelease(t *testing.T, dist, second string) {
	t.Helper()
	if diff := cmp.Diff(read(t, filepath.Join(dist, "SHA256SUMS")), read(t, filepath.Join(second, "SHA256SUMS"))); diff != "" {
		t.Errorf("two builds of a release differ (-first +second):\n%s", diff)
	}
}

// TestRelease_platforms checks the archives of all platforms. A script takes the place of the
// compiler, which needs a minute for each platform.
func TestRelease_platforms(t *testing.T) {
	t.Parallel()
	compiler, err := exec.LookPath("go")
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	script := "#!/bin/sh\n[ $1 = build ] || exec '" + compiler + "' \"$@\"\n" +
		"while [ \"$1\" != -o ]; do shift; done\necho $GOOS/$GOARCH >\"$2\"\nchmod 755 \"$2\"\n"
	if err := os.WriteFile(filepath.Join(bin, "go"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	path := "PATH=" + bin + string(os.PathListSeparator) + os.Getenv("PATH")
	dist := release(t, ".", path)
	sameRelease(t, dist, release(t, clone(t), path, "TZ=Asia/Tokyo"))
	if files, err := os.ReadDir(dist); err != nil || len(files) != len(releaseFiles)+1 {
		t.Errorf("got %v, %v, want %d archives and their checksums", files, err, len(releaseFiles))
	}
	install := read(t, "docs/install.md")
	for platform, name := range releaseFiles {
		files := unpack(t, filepath.Join(dist, name))
		program := "rcshook"
		if strings.HasPrefix(platform, "windows/") {
			program = "rcshook.exe"
		}
		if len(files) != 4 || files["LICENSE"] == "" || files["README.md"] == "" || files[program] == "" {
			t.Errorf("%s contains %q", name, slices.Sorted(maps.Keys(files)))
		}
		if licenses := files["THIRD-PARTY-LICENSES"]; !strings.Contains(licenses, "\n== golang.org/x/sys v") {
			t.Errorf("%s has the licenses %.100q", name, licenses)
		}
		if files[program] != platform+"\n" {
			t.Errorf("%s contains a program for %q", name, files[program])
		}
		if !strings.Contains(install, "`"+name+"`") {
			t.Errorf("docs/install.md does not name %s", name)
		}
	}
}

// TestRelease_windows compiles the program for Windows.
func TestRelease_windows(t *testing.T) {
	t.Parallel()
	files := unpack(t, filepath.Join(release(t, ".", "PLATFORMS=windows/amd64"), releaseFiles["windows/amd64"]))
	if !strings.HasPrefix(files["rcshook.exe"], "MZ") {
		t.Error("rcshook.exe is not a program for Windows")
	}
}

// licenses are sentences of the licenses that allow to distribute programs under the license
// of this repository, with their text. The source of a module with the MPL must be available.
var licenses = map[string]string{
	"Apache": "Apache License Version 2.0, January 2004",
	"BSD":    "Redistribution and use in source and binary forms, with or without modification, are permitted",
	"MIT":    "Permission is hereby granted, free of charge, to any person obtaining a copy of this software",
	"MPL":    "Mozilla Public License, version 2.0",
}

// TestLicenses checks the licenses of all modules in the function and the command.
func TestLicenses(t *testing.T) {
	t.Parallel()
	head, text, _ := strings.Cut(run(t, ".", "bash", ".ci/licenses", ".", "./cmd/rcshook"), "\n== ")
	if !strings.Contains(head, "go mod download MODULE@VERSION") {
		t.Errorf("the list starts with %q, want how to get the source", head)
	}
	found := map[string]string{}
	for _, section := range strings.Split(text, "\n== ") {
		file, license, _ := strings.Cut(section, "\n")
		module, _, _ := strings.Cut(file, " ")
		words := strings.Join(strings.Fields(strings.ReplaceAll(license, "*", "")), " ")
		known := strings.HasSuffix(file, ": NOTICE") || strings.HasSuffix(file, ": NOTICE.txt")
		for name, sentence := range licenses {
			if strings.Contains(words, sentence) {
				known = true
				found[module] = strings.TrimSpace(found[module] + " " + name)
			}
		}
		if !known {
			t.Errorf("%s: unknown license: %.200s", file, words)
		}
	}
	for module, want := range map[string]string{
		"Go": "BSD", "github.com/GoogleCloudPlatform/functions-framework-go": "Apache", "github.com/nyaruka/phonenumbers": "MIT", "github.com/hashicorp/golang-lru/v2": "MPL BSD", "github.com/coreos/go-oidc/v3": "Apache",
	} {
		if found[module] != want {
			t.Errorf("%s has the license %q, want %q", module, found[module], want)
		}
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

// TestWorkflows checks that a job can write only if it runs no code of the repository, that
// no other job uses a token, that programs are built apart from the tests, and that each
// action is pinned by its digest.
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
				if !slices.Contains([]string{"contents", "packages", "pages", "id-token", "attestations"}, scope) {
					t.Errorf("%s: %s has the permission %s", file, name, scope)
				}
			}
			if job.Uses != "" || job.Env != nil {
				t.Errorf("%s: %s is another workflow, or has an environment for all steps", file, name)
			}
			tests, uploads := false, false
			for _, step := range job.Steps {
				tests, uploads = tests || strings.Contains(step.Run, ".ci/run"), uploads || strings.HasPrefix(step.Uses, "actions/upload-")
				checkout := strings.HasPrefix(step.Uses, "actions/checkout@")
				switch {
				case step.Uses != "" && !pinned.MatchString(step.Uses):
					t.Errorf("%s: %s uses %s without its digest", file, name, step.Uses)
				case writes && (checkout || strings.Contains(step.Run, "go ") || strings.Contains(step.Run, "docker ")):
					t.Errorf("%s: %s can write, and checks out the repository or runs programs of others", file, name)
				case checkout && step.With["persist-credentials"] != false:
					t.Errorf("%s: %s leaves its token to the programs that it runs", file, name)
				case step.Env != nil && !writes:
					t.Errorf("%s: %s gives a program an environment, perhaps with a token", file, name)
				case strings.HasPrefix(step.Uses, "actions/attest") && permissions["attestations"] != "write":
					t.Errorf("%s: %s attests without the permission", file, name)
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
