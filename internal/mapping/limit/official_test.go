package limit_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/itchyny/gojq"
	"go.yaml.in/yaml/v4"

	"github.com/rcshook/rcshook/internal/mapping/limit"
	"github.com/rcshook/rcshook/internal/racetest"
)

// The programs of gojq's own tests have the same results with limits. Some never end, so
// they are compared up to a number of instructions or results.
func TestRewrite_official(t *testing.T) {
	t.Parallel()
	racetest.Skip(t)
	folder, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/itchyny/gojq").Output()
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(folder)), "cli", "test.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Name  string
		Args  []string
		Input string
	}
	if err := yaml.Unmarshal(data, &cases); err != nil {
		t.Fatal(err)
	}
	compared := 0
	for _, c := range cases {
		for _, text := range c.Args {
			query, err := gojq.Parse(text)
			if err != nil {
				continue // a flag, or a test of the parser
			}
			original, err := gojq.Compile(query)
			if err != nil {
				continue // it needs an option of the command
			}
			query = parse(t, text)
			limit.Rewrite(query)
			rewritten, err := gojq.Compile(query, append(limit.Functions(), gojq.WithVariables([]string{limit.Variable}))...)
			if err != nil {
				t.Errorf("%s: %s: %v", c.Name, text, err)
				continue
			}
			for _, input := range decode(c.Input) {
				want, ended := some(t, original, input)
				got, rewrittenEnded := some(t, rewritten, input, limit.NewBudget())
				if n := min(len(want), len(got)); !ended || !rewrittenEnded {
					want, got = want[:n], got[:n]
				}
				compared++
				diff := cmp.Diff(want, got, cmpopts.EquateNaNs(), cmp.Comparer(func(a, b *big.Int) bool { return a.Cmp(b) == 0 }))
				if exceeds := strings.Contains(c.Name, "error") && strings.Contains(fmt.Sprint(got), "makes a"); diff != "" && !exceeds {
					t.Errorf("%s: %s (-original +rewritten):\n%.600s", c.Name, text, diff)
				}
			}
		}
	}
	if compared < 1000 {
		t.Errorf("%d results were compared, want at least 1000", compared)
	}
}

// decode returns the JSON values in a text, or null if there are none.
func decode(text string) (values []any) {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	for {
		var v any
		if err := d.Decode(&v); err != nil {
			break
		}
		values = append(values, v)
	}
	if values == nil {
		return []any{nil}
	}
	return values
}

// some returns the first results of a program, and whether it ended.
func some(t *testing.T, code *gojq.Code, input any, values ...any) (all []any, ended bool) {
	t.Helper()
	ctx := &countdown{t.Context(), 200_000, make(chan struct{})}
	iter := code.RunWithContext(ctx, input, values...)
	for range 100 {
		v, ok := iter.Next()
		if !ok {
			return all, true
		}
		if err, failed := v.(error); errors.Is(err, context.Canceled) {
			return all, false
		} else if failed {
			return append(all, "error: "+err.Error()), true
		}
		all = append(all, v)
	}
	return all, false
}
