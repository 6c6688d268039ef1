// Corpus keeps inputs from fuzzing. It copies a few small inputs that reach new code to
// testdata/fuzz, where every go test runs them.
//
//	go test -run '^$' -fuzz '^FuzzVerify$' -fuzztime 10m ./internal/source
//	go run ./internal/tools/corpus ./internal/source FuzzVerify
//
// Existing files in testdata/fuzz stay. Delete the folder of a target to select all of
// its inputs again, for example after a change of its arguments.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"log"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

const (
	most    = 20      // kept inputs per target
	tried   = 100     // tried inputs, from small to large
	largest = 1 << 10 // bytes per input
)

// readers are prefixes of the packages that read input from outside. encoding/json is not
// in the list, because nearly all packages import it and would be compiled again.
var readers = []string{
	"github.com/coreos/go-oidc/", "github.com/go-jose/", "github.com/go-json-experiment/", "go.yaml.in/yaml/", "github.com/itchyny/gojq", "github.com/rcshook/",
}

func main() {
	log.SetFlags(0)
	if len(os.Args) != 3 {
		log.Fatal("usage: go run ./internal/tools/corpus ./internal/source FuzzVerify")
	}
	if err := run(os.Args[1], os.Args[2]); err != nil {
		log.Fatal(err)
	}
}

// A target is a compiled fuzz target that reports coverage.
type target struct{ name, dir, program, profile string }

func run(dir, name string) error {
	found, err := inputs(dir, name)
	if err != nil {
		return err
	}
	scratch, err := os.MkdirTemp("", "corpus")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	t := target{name, dir, filepath.Join(scratch, "target"), filepath.Join(scratch, "profile")}
	packages, err := measured(dir)
	if err != nil {
		return err
	}
	if out, err := exec.Command("go", "test", "-c", "-cover", "-coverpkg="+packages, "-o", t.program, dir).CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	known, err := t.reaches("^" + name + "$") // by the existing inputs
	if err != nil {
		return err
	}
	kept := filepath.Join(dir, "testdata", "fuzz", name)
	if err := os.MkdirAll(kept, 0o777); err != nil {
		return err
	}
	had, err := os.ReadDir(kept)
	if err != nil {
		return err
	}
	var reached []map[string]bool
	for _, in := range found {
		code, err := t.try(filepath.Join(kept, in.name), in.text)
		if err != nil {
			return err
		}
		reached = append(reached, code)
	}
	for _, i := range choose(known, reached, most-len(had)) {
		path := filepath.Join(kept, found[i].name)
		fmt.Println(path)
		if err := os.WriteFile(path, found[i].text, 0o666); err != nil {
			return err
		}
	}
	os.Remove(kept) // if it is empty
	return nil
}

// choose returns the indexes of at most n inputs. Each one reaches the most code that the
// ones before it do not reach.
func choose(known map[string]bool, reached []map[string]bool, n int) (chosen []int) {
	for range n {
		best, more := 0, 0
		for i, code := range reached {
			n := 0
			for block := range code {
				if !known[block] {
					n++
				}
			}
			if n > more {
				best, more = i, n
			}
		}
		if more == 0 {
			break
		}
		chosen = append(chosen, best)
		maps.Copy(known, reached[best])
	}
	return chosen
}

// try returns the code that an input reaches. It returns nothing if the input exists
// already or belongs to a target with other arguments.
func (t target) try(path string, text []byte) (map[string]bool, error) {
	if _, err := os.Stat(path); err == nil {
		return nil, nil
	}
	if err := os.WriteFile(path, text, 0o666); err != nil {
		return nil, err
	}
	reached, err := t.reaches("^" + t.name + "$/^" + filepath.Base(path) + "$")
	if err != nil {
		reached = nil
	}
	return reached, os.Remove(path)
}

// measured returns the packages whose coverage counts.
func measured(dir string) (string, error) {
	out, err := exec.Command("go", "list", "-deps", dir).Output()
	if err != nil {
		return "", err
	}
	return strings.Join(slices.DeleteFunc(strings.Fields(string(out)), func(name string) bool {
		return !slices.ContainsFunc(readers, func(prefix string) bool { return strings.HasPrefix(name, prefix) })
	}), ","), nil
}

type input struct {
	name string
	text []byte
}

// inputs returns inputs from the fuzz cache of go, from the smallest to the largest.
func inputs(dir, name string) (all []input, err error) {
	out, err := exec.Command("go", "list", "-f", "{{.ImportPath}}", dir).Output()
	if err != nil {
		return nil, err
	}
	cache, err := exec.Command("go", "env", "GOCACHE").Output()
	if err != nil {
		return nil, err
	}
	folder := filepath.Join(string(bytes.TrimSpace(cache)), "fuzz", string(bytes.TrimSpace(out)), name)
	files, err := os.ReadDir(folder)
	if err != nil {
		return nil, errors.Join(err, errors.New("fuzz the target first"))
	}
	for _, f := range files {
		path := filepath.Join(folder, f.Name())
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		if len(text) <= largest {
			all = append(all, input{f.Name(), text})
		}
	}
	slices.SortStableFunc(all, func(a, b input) int { return len(a.text) - len(b.text) })
	var some []input
	for i := range min(tried, len(all)) {
		some = append(some, all[i*len(all)/min(tried, len(all))])
	}
	return some, nil
}

// reaches returns the blocks of code that the matching tests run.
func (t target) reaches(pattern string) (map[string]bool, error) {
	test := exec.Command(t.program, "-test.run="+pattern, "-test.v", "-test.coverprofile="+t.profile)
	test.Dir = t.dir
	if out, err := test.CombinedOutput(); err != nil || !bytes.Contains(out, []byte("--- PASS")) {
		return nil, fmt.Errorf("%s: %w\n%s", pattern, err, out)
	}
	profile, err := os.ReadFile(t.profile)
	if err != nil {
		return nil, err
	}
	reached := make(map[string]bool)
	for line := range strings.Lines(string(profile)) {
		if block, ran := strings.CutSuffix(strings.TrimSpace(line), " 1"); ran {
			reached[block] = true
		}
	}
	return reached, nil
}
