// Package hygiene tests the repository itself: its English, its imports, and that
// nothing private can reach a log.
package hygiene

import (
	"flag"
	"go/scanner"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rcshook/rcshook/internal/racetest"
)

var under = flag.String("under", "", "check only the files below this folder of the repository")

// unwanted are words and turns of phrase that make a native reader stop. Each has a
// plain replacement: response for answer, error for fault, "X is not a Y" for "X is
// no Y", a noun for "what is sent".
var unwanted = []*regexp.Regexp{
	regexp.MustCompile(`(?i)\b(nobody|anybody|somebody|everybody|whoever|whomever|whom)\b`),
	regexp.MustCompile(`(?i)\b(mend(s|ed|ing)?|anew|patience|begun|blanks?)\b`),
	regexp.MustCompile(`(?i)\b(faults?|faulty|answer(s|ed|ing)?)\b`),
	regexp.MustCompile(`(?i)\b(tells|told|says|said|hears|heard)\b`),
	regexp.MustCompile(`(?i)\b(is|are|was|were) no [a-z]+\b`),
	regexp.MustCompile(`(?i)\b(what|who) (is|are|was|were|has|have|had|can|could|may|must|might|will|would|should|stands|stood|comes|came|goes|went|asks|asked|calls|sends|sent|gets|got|holds|makes|takes|waits|needs|fits|follows|belongs|remains|counts)\b`),
	regexp.MustCompile(`(?i)\b(colour|behaviour|neighbour|harbour|cancelled|cancelling|recogni[s]e[sd]?|authori[s]e[sd]?|normali[s]e[sd]?)\b`),
}

// idioms are matches of unwanted that are plain English.
var idioms = regexp.MustCompile(`(?i)^(is|are|was|were) no (longer|more|less|fewer|later|earlier|need|way)$`)

// interfaceNames are names in interfaces, which do not change: two flags of rcshook bulk,
// two states in its results files, and a member of Typeform's events.
var interfaceNames = regexp.MustCompile("-skip-faulty|-patience|`faulty`|`begun`|[,\"](faulty|begun)[,\" ]|\"(skip-faulty|patience)\"|form_response[.]answers|\"answers\": [[]|^faulty {6}|\\bstate=(faulty|begun)\\b")

// TestEnglish reports every unwanted word in the comments and strings of Go files, in
// documents, and in the sources of the phone page and the deployment.
func TestEnglish(t *testing.T) {
	t.Parallel()
	racetest.Skip(t)
	root := filepath.Join("..", "..")
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(root, path)
		name = filepath.ToSlash(name)
		if d.IsDir() {
			if d.Name() == ".git" || d.Name() == "node_modules" || d.Name() == "hygiene" {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasPrefix(name, *under) || !slices.Contains([]string{".go", ".md", ".js", ".html", ".sh", ".tf", ".yaml", ".txtar"}, filepath.Ext(name)) || strings.Contains(name, "/fuzz/") || strings.Contains(name, "/vectors/") {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		check(t, name, text)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// check reports the unwanted words of one file.
func check(t *testing.T, name string, text []byte) {
	t.Helper()
	for line, prose := range prose(name, text) {
		prose = interfaceNames.ReplaceAllString(prose, "")
		for _, words := range unwanted {
			for _, found := range words.FindAllString(prose, -1) {
				if !idioms.MatchString(found) && found != strings.ToUpper(found) { // constants of other APIs
					t.Errorf("%s:%d: %q in: %.150s", name, line, found, strings.TrimSpace(prose))
				}
			}
		}
	}
}

// prose yields the lines of a file that are written for people, with their numbers.
// Of a Go file those are its comments and strings.
func prose(name string, text []byte) func(yield func(int, string) bool) {
	return func(yield func(int, string) bool) {
		if filepath.Ext(name) != ".go" {
			n := 0
			for line := range strings.Lines(string(text)) {
				if n++; !yield(n, line) {
					return
				}
			}
			return
		}
		fset := token.NewFileSet()
		file := fset.AddFile(name, -1, len(text))
		var s scanner.Scanner
		s.Init(file, text, nil, scanner.ScanComments)
		for {
			pos, tok, lit := s.Scan()
			if tok == token.EOF {
				return
			}
			if tok != token.COMMENT && tok != token.STRING {
				continue
			}
			n := file.Line(pos)
			for line := range strings.Lines(lit) {
				if !yield(n, line) {
					return
				}
				n++
			}
		}
	}
}
