package main

import (
	"errors"
	"html"
	"io/fs"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rcshook/rcshook/internal/compose"
	"github.com/rcshook/rcshook/internal/payload"
	"github.com/rcshook/rcshook/internal/source"
)

const root = "../.."

// documentPages returns the pages of the documents by their paths below docs, and their folder.
var documentPages = sync.OnceValues(func() (map[string]string, error) {
	out, err := os.MkdirTemp("", "rcshook-documents-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(out)
	if err := writeDocuments(out); err != nil {
		return nil, err
	}
	files := map[string]string{}
	docs := os.DirFS(filepath.Join(out, "docs"))
	err = fs.WalkDir(docs, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := fs.ReadFile(docs, name)
		files[name] = string(text)
		return err
	})
	return files, err
})

func readPages(t *testing.T) map[string]string {
	t.Helper()
	files, err := documentPages()
	if err != nil {
		t.Fatal(err)
	}
	return files
}

var (
	reference = regexp.MustCompile(` (?:href|src)="([^"]*)"`)
	anchor    = regexp.MustCompile(` id="([^"]*)"`)
)

// TestDocuments_links checks that the links of all pages lead to pages, headings and files of
// the repository that exist, and that each ID is unique.
func TestDocuments_links(t *testing.T) {
	t.Parallel()
	files := readPages(t)
	ids := map[string]bool{}
	for name, text := range files {
		for _, m := range anchor.FindAllStringSubmatch(text, -1) {
			if at := name + "#" + m[1]; ids[at] {
				t.Errorf("the ID %s occurs twice", at)
			} else {
				ids[at] = true
			}
		}
	}
	links := 0
	for name, text := range files {
		for _, m := range reference.FindAllStringSubmatch(text, -1) {
			link, err := url.Parse(html.UnescapeString(m[1]))
			if err != nil {
				t.Fatal(err)
			}
			if file, ok := strings.CutPrefix(link.Path, "/rcshook/rcshook/"); ok && link.Host == "github.com" {
				kind, file, _ := strings.Cut(file, "/main/")
				info, err := os.Stat(filepath.Join(root, file))
				if (kind == "blob" || kind == "tree") && (err != nil || info.IsDir() != (kind == "tree")) {
					t.Errorf("%s: %s leads to no %s: %v", name, link, kind, err)
				}
			}
			if link.IsAbs() {
				continue
			}
			links++
			target := path.Join(path.Dir(name), link.Path)
			if link.Path == "" {
				target = name
			}
			if target == "../index.html" || target == "../favicon.svg" { // of the playground
				continue
			}
			if files[target] == "" || strings.HasPrefix(link.Path, "/") {
				t.Errorf("%s: %s leads to no file of the site", name, link)
			} else if link.Fragment != "" && !ids[target+"#"+link.Fragment] {
				t.Errorf("%s: %s leads to no heading", name, link)
			}
		}
	}
	if links < 1000 {
		t.Errorf("found %d links", links)
	}
}

// TestDocuments_navigation checks that every document for users is a page, and that the
// navigation of each page lists all pages once, and marks the page itself.
func TestDocuments_navigation(t *testing.T) {
	t.Parallel()
	files := readPages(t)
	var want []string
	err := fs.WalkDir(os.DirFS(root), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "node_modules" || d.Name() == "testdata" || name == "internal" || strings.HasPrefix(d.Name(), ".") && name != ".") {
			return fs.SkipDir
		}
		if path.Ext(name) == ".md" {
			want = append(want, name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	pages := 0
	for name, text := range files {
		if path.Ext(name) != ".html" {
			continue
		}
		pages++
		_, nav, _ := strings.Cut(text, "<nav ")
		nav, _, _ = strings.Cut(nav, "</nav>")
		seen := map[string]bool{}
		for _, m := range regexp.MustCompile(`href="([^"]*)"( aria-current="page")?`).FindAllStringSubmatch(nav, -1) {
			to := path.Join(path.Dir(name), m[1])
			if seen[to] || (m[2] != "") != (to == name) {
				t.Errorf("%s: the navigation lists %s twice, or marks the wrong page", name, to)
			}
			seen[to] = true
		}
		if len(seen) != len(want) {
			t.Errorf("%s: the navigation has %d pages, want %d", name, len(seen), len(want))
		}
	}
	if pages != len(want) {
		t.Errorf("got %d pages, want one for each of %q", pages, want)
	}
	start := files["index.html"]
	if first, second := strings.Index(start, `<a href="payload.html">The payload</a>`), strings.Index(start, `<a href="sources.html">Sources</a>`); first < 0 || second < first {
		t.Error("the navigation is not in the order of the README")
	}
}

// accepts reports whether a body is a payload for POST / without unknown fields.
func accepts(body string) error {
	p, err := payload.Decode("application/json", []byte(body), payload.Options{})
	if err != nil {
		return err
	}
	later := 30 * 24 * time.Hour // the function has a queue and a fallback
	c, err := compose.Message(p, compose.Defaults{MaxDelay: later, Fallback: &compose.Fallback{MaxDelay: later}}, time.Date(2026, 12, 1, 9, 0, 0, 0, time.UTC))
	if err != nil {
		return err
	}
	for _, w := range c.Warnings {
		if strings.Contains(w.Detail, "unknown") {
			return errors.New(w.Detail)
		}
	}
	return nil
}

var (
	fence  = regexp.MustCompile("(?ms)^ *```([^\n]*)\n(.*?)^ *```$")
	quoted = regexp.MustCompile(`'([^']+)'`)
	tryIt  = regexp.MustCompile(`<a href="(?:\.\./)+index\.html#(payload|preset)=([^"]*)">Try`)
)

// TestDocuments_examples checks that every payload for POST / in a code block has a link that
// opens it in the playground: the block itself, or a quoted argument, if the function accepts it.
func TestDocuments_examples(t *testing.T) {
	t.Parallel()
	docs, err := readDocuments(root)
	if err != nil {
		t.Fatal(err)
	}
	pages, presets, total := readPages(t), source.Presets(), map[string]int{}
	for _, d := range docs {
		linked := map[string][]string{}
		for _, link := range tryIt.FindAllStringSubmatch(pages[d.Path], -1) {
			value, err := url.PathUnescape(html.UnescapeString(link[2]))
			if err != nil {
				t.Fatal(err)
			}
			linked[link[1]] = append(linked[link[1]], value)
			total[link[1]]++
			if link[1] == "preset" && !slices.Contains(presets, value) {
				t.Errorf("%s: %s is not a preset", d.file, value)
			}
			if link[1] == "payload" {
				if err := accepts(value); err != nil {
					t.Errorf("%s: %v in\n%s", d.file, err, value)
				}
			}
		}
		for _, block := range fence.FindAllStringSubmatch(string(d.source), -1) {
			if strings.HasPrefix(block[1], "json event") { // for a source
				continue
			}
			bodies := []string{strings.TrimSpace(block[2])}
			for _, m := range quoted.FindAllStringSubmatch(block[2], -1) {
				bodies = append(bodies, m[1])
			}
			for _, body := range bodies {
				if accepts(body) == nil && !slices.Contains(linked["payload"], body) {
					t.Errorf("%s: this payload has no link:\n%s", d.file, body)
				}
			}
		}
		if len(linked) > 0 {
			t.Logf("%s: %d payloads and %d mappings have a link", d.file, len(linked["payload"]), len(linked["preset"]))
		}
	}
	for _, preset := range presets {
		if !strings.Contains(pages["sources.html"], `<td><a href="../index.html#preset=`+preset+`"><code>`+preset+`</code></a></td>`) {
			t.Errorf("docs/sources.md: the preset %s has no link", preset)
		}
	}
	t.Logf("links: %v", total)
	if total["payload"] < 38 || total["preset"] < 10 {
		t.Errorf("got the links %v", total)
	}
}

// TestDocuments_page checks what all pages have in common.
func TestDocuments_page(t *testing.T) {
	t.Parallel()
	version, err := documentedVersion(root)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range readPages(t) {
		if path.Ext(name) != ".html" {
			continue
		}
		for _, want := range []string{"default-src 'none'", "Version: " + version + ". ", `<a class="skip" href="#content">`, `<main id="content">`} {
			if !strings.Contains(text, want) {
				t.Errorf("%s does not contain %s", name, want)
			}
		}
		for _, unwanted := range []string{"<script", " style=", "<style", "raw HTML", ` href="http://github.com`, "<h1></h1>"} {
			if strings.Contains(strings.ReplaceAll(text, "<!-- raw HTML omitted -->", ""), unwanted) {
				t.Errorf("%s contains %s", name, unwanted)
			}
		}
		if n := strings.Count(text, "<h1"); n != 1 {
			t.Errorf("%s has %d titles", name, n)
		}
	}
}

// TestDocumentedVersion reads the version from a CHANGELOG before and after a release.
func TestDocumentedVersion(t *testing.T) {
	t.Parallel()
	for changes, want := range map[string]string{
		"# Changes\n\nText.\n\n## Unreleased\n\nNews.\n\n## 0.1.0\n": "unreleased",
		"# Changes\n\n## 0.2.0-rc.1\n\n## 0.1.0\n":                   "0.2.0-rc.1",
		"# Changes\n": "",
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "CHANGELOG.md"), []byte(changes), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := documentedVersion(dir); got != want || (err == nil) != (want != "") {
			t.Errorf("%q: got %q, %v, want %q", changes, got, err, want)
		}
	}
}

// TestDocuments_licenses checks the licenses of the engine.
func TestDocuments_licenses(t *testing.T) {
	t.Parallel()
	text := readPages(t)["licenses.txt"]
	for _, want := range []string{
		"\n== Go go1.", "The Go Authors", "\n== github.com/nyaruka/phonenumbers v", "Nyaruka\n", "\n== github.com/itchyny/gojq v",
		"\n== go.yaml.in/yaml/v4 v4.0.0: NOTICE\n", "\n== github.com/rcshook/rcshook : LICENSE\n",
	} {
		if strings.Count(text, want) == 0 {
			t.Errorf("the licenses do not contain %q", want)
		}
	}
	if strings.Contains(text, "github.com/yuin/goldmark") {
		t.Error("the licenses are not those of the engine: they contain that of goldmark")
	}
}
