package docstest

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ (.*)$`)
	fence   = regexp.MustCompile("(?ms)^ *```.*?^ *```$")
	notSlug = regexp.MustCompile(`[^\w\- ]`)
)

// statusItem matches the start of a list that Markdown makes of a status code.
var statusItem = regexp.MustCompile(`^[1-5]\d\d\. `)

// TestDocuments checks that the relative links of all documents lead to files and headings
// that exist, that prose has at most 100 characters per line, and that no paragraph that starts
// with a status, such as "404.", is a list.
func TestDocuments(t *testing.T) {
	t.Parallel()
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".md" || strings.Contains(path, "node_modules") {
			return err
		}
		text := fence.ReplaceAllString(string(readPage(t, path)), "")
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			checkLink(t, path, m[1])
		}
		for line := range strings.Lines(text) {
			if len([]rune(line)) > 101 && !strings.HasPrefix(line, "|") && strings.Contains(strings.TrimSpace(line), " ") {
				t.Errorf("%s: this line is longer than 100 characters: %s", path, line)
			}
			if statusItem.MatchString(line) {
				t.Errorf("%s: this is item %.3s of a list: %s", path, line, line)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// checkLink checks a link in the document at path.
func checkLink(t *testing.T, path, target string) {
	t.Helper()
	if strings.Contains(target, ":") {
		return
	}
	file, anchor, _ := strings.Cut(target, "#")
	if file == "" {
		file = path
	} else {
		file = filepath.Join(filepath.Dir(path), filepath.FromSlash(file))
	}
	if _, err := os.Stat(file); err != nil {
		t.Errorf("%s: the link %s leads nowhere", path, target)
		return
	}
	if anchor == "" {
		return
	}
	for _, m := range heading.FindAllStringSubmatch(string(readPage(t, file)), -1) {
		slug := strings.ReplaceAll(notSlug.ReplaceAllString(strings.ToLower(m[1]), ""), " ", "-")
		if slug == anchor {
			return
		}
	}
	t.Errorf("%s: %s has no heading for the link %s", path, file, target)
}
