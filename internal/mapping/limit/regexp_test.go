package limit_test

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/itchyny/gojq"

	"github.com/rcshook/rcshook/internal/mapping/limit"
	"github.com/rcshook/rcshook/internal/racetest"
)

// regexpCalls are calls of all functions of regular expressions; $r is an expression and
// $f are flags.
const regexpCalls = `
[match($r; $f)], [test($r; $f)], [capture($r; $f)], [scan($r; $f)], [splits($r; $f)], split($r; $f),
[sub($r; "<\(.)>"; $f)], [gsub($r; "<\(.)>"; $f)], [gsub($r; "a", "b", ""; $f)], [gsub($r; empty; $f)], [gsub($r; null; $f)],
[gsub($r; if .x then .x, "y" else "z" end; $f)], [gsub($r; if .x then .x else empty end; $f)]`

// The functions of regular expressions have the results of gojq.
func TestMatch_results(t *testing.T) {
	t.Parallel()
	racetest.Skip(t)
	expressions := []string{
		"", "a", "b*", "a*?", "^", "$", "(?m)^", "(?m)$", `\b`, `\B`, `\A`, `\z`, "a|", "|a", "ab|a", "a|ab", ".", "(?s).", "x*", "(?<x>a)", "(?<x>a)|(?<y>b)",
		"(a)(b)?", "(?<x>a)(?<x>b)?", "((a)|(b))*", "(?<x>)", "(?:)", "[^a-z]", `\s+`, `[ä-ü]`, `\p{L}+`, `(?i)A`, `\Qa.b`, `\Q(\E.`, "é|e", "^a", "a$", `\bab`, `(^|b)a`,
		"(", `\E`, "a{2}", "(?i:A)b", "a(?i)B", "(?U)a+", "🙂", `\n`, "a**",
	}
	texts := []string{"", "a", "ab", "aab", "abab", "ba", "bab a", "äbä", "a\nb\na", "🙂a🙂", "e\u0301é", "A.b(a)", "x\xffa", "  a  b ", "aaaa"}
	compareRegexps(t, "ab", strings.Repeat("(", 900)+strings.Repeat(")", 900), "g")
	for _, flags := range []any{"", "m", "gg", "x", "n", "s", "l", "p", "gimx", "G"} {
		compareRegexps(t, "a\nAb", "(?<x>a)|.", flags)
	}
	for _, flags := range []any{nil, "g", "gi", "gm"} {
		for _, r := range expressions {
			for _, text := range texts {
				compareRegexps(t, text, r, flags)
			}
		}
	}
}

// The time grows with the length of the text. Gojq needs minutes for these.
func TestMatch_long(t *testing.T) {
	t.Parallel()
	racetest.Skip(t)
	const n = 250_000
	letters, list := strings.Repeat("é", n/2), strings.Repeat("1,  ", n/4)
	for _, test := range []struct {
		program, text string
		want          any
	}{
		{`gsub("[^0-9+]"; "")`, letters, ""},
		{`gsub("(?<x>.)"; "\(.x)") | length`, letters, n / 2},
		{`sub("$"; "!") | length`, letters, n/2 + 1},
		{`[scan("[0-9]")] | length`, list, n / 4},
		{`[splits(", *")] | length`, list, n/4 + 1},
		{`split(", *"; null) | length`, list, n/4 + 1},
		{`last(match("."; "g")).offset`, list, n - 1},
		{`last(capture("(?<d>[0-9])"; "g")).d`, list, "1"},
		{`gsub("<[^>]*> ?"; "") | length`, strings.Repeat("<b> x", n/5), n / 5},
		{`gsub("<[^>]*> ?"; "") | length`, strings.Repeat("<", n), n},
		{`test("(a*)*b")`, strings.Repeat("a", n), false},
	} {
		if diff := cmp.Diff([]any{test.want}, limited(t, test.program, test.text)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.program, diff)
		}
	}
}

// countdown is a context that ends after some instructions.
type countdown struct {
	context.Context
	left int
	done chan struct{}
}

func (c *countdown) Done() <-chan struct{} {
	if c.left--; c.left == 0 {
		close(c.done)
	}
	return c.done
}

func (c *countdown) Err() error { return context.Canceled }

// For some expressions each match takes a look at the whole text, so a program must be
// interruptible between matches.
func TestMatch_interrupted(t *testing.T) {
	t.Parallel()
	racetest.Skip(t)
	text := strings.Repeat("<!-- >", 40_000)
	for _, call := range []string{`gsub("<!--.*?-->|<[^>]*>"; "")`, `[scan("<!--.*?-->|<")]`, `[splits("<!--.*?-->|<")]`, `last(match("<!--.*?-->|<"; "g"))`} {
		query := parse(t, call)
		limit.Rewrite(query)
		code, err := gojq.Compile(query, append(limit.Functions(), gojq.WithVariables([]string{limit.Variable}))...)
		if err != nil {
			t.Fatal(err)
		}
		ctx := &countdown{t.Context(), 150, make(chan struct{})}
		if got := results(code.RunWithContext(ctx, text, limit.NewBudget())); !reflect.DeepEqual(got, []any{"error: context canceled"}) {
			t.Errorf("%s = %.100v, want an interruption", call, got)
		}
	}
}

// Expressions that come from events can be large, and there can be many.
func TestMatch_expressions(t *testing.T) {
	t.Parallel()
	const tooLarge = "error: uses a regular expression that is too large for its text"
	for _, r := range []string{strings.Repeat("a", 20_000), strings.Repeat("[ab]{1000}", 100), `(\pL{100}){10}`, strings.Repeat("(a*)", 100)} {
		input := map[string]any{"r": r, "t": strings.Repeat("b", 100_000)}
		if got := limited(t, ".r as $r | .t | test($r)", input); !reflect.DeepEqual(got, []any{tooLarge}) {
			t.Errorf("test(%.20q) = %v, want an error", r, got)
		}
	}
	if got := limited(t, `. as $r | "b" | test($r)`, strings.Repeat("(a?)", 2000)); !reflect.DeepEqual(got, []any{tooLarge}) {
		t.Errorf("test with 2000 groups = %v, want an error", got)
	}
	for i := range 300 {
		limited(t, `. as $r | "a" | test($r)`, fmt.Sprintf("[ab]{%d}x", i+1))
	}
	if entries, size := limit.CachedPatterns(); entries > 64 || size > 64*1000 {
		t.Errorf("%d patterns of size %d are cached", entries, size)
	}
}

// Errors and other forms of arguments are those of gojq, too.
func TestMatch_arguments(t *testing.T) {
	t.Parallel()
	input := map[string]any{"a": "ab", "n": 1}
	for _, call := range []string{
		`.a | match("b")`, `.a | match(["b", "g"])`, `.a | test("B", ["B", "i"])`, `.a | capture("(?<x>b)")`, `.a | capture(["(?<x>B)", "i"])`,
		`.a | scan("[ab]")`, `.a | scan("a", "b")`, `.a | splits("a")`, `.a | sub("a"; "b", "c")`, `.a | sub("(?<x>.)"; .x + "-"; "g", "")`, `.a | gsub("a"; "b")`,
		`.n | match("a")`, `.n | test("a")`, `.n | sub("a"; "b")`, `null | scan("a")`, `.a | match(1)`, `.a | test("a"; 1)`, `.a | test(null)`, `.a | match([])`,
		`.a | sub("a"; 1)`, `.a | sub("a"; [1])`, `.a | gsub("a"; error("x"))`, `.a | scan("a"; 1)`, `.a | test("a"; "gq")`, `.a | gsub("^";"> ")`,
		`def sub(f; g): f + g; .a | sub("x"; "y")`, `def f: def test(x): x; test(5); .a | f`, `.a | [test("a"), test("b")] | all`, `[.a | match("a", "b").offset]`,
		`.a | gsub("(?<x>[a-z])"; "\(.x | ascii_upcase)")`, `.a |= gsub("a"; "c")`, `[.[] | strings | gsub("a"; "x")]`, `path(.a | select(test("a")))`,
	} {
		call = "try (" + call + ") catch ."
		if diff := cmp.Diff(native(t, call, input), limited(t, call, input)); diff != "" {
			t.Errorf("%s (-gojq +limited):\n%s", call, diff)
		}
	}
}

func FuzzMatch(f *testing.F) {
	f.Add("aab", "a*|b", "g")
	f.Add("a\nb", "(?m)^(?<x>.)?", "gi")
	f.Add("é🙂", `\b|\B`, "")
	f.Fuzz(func(t *testing.T, text, r, flags string) {
		if len(text) > 200 || len(r) > 100 || len(flags) > 3 {
			t.Skip()
		}
		compareRegexps(t, text, r, flags)
	})
}

// regexpPrograms are the calls, compiled as gojq has them and with limits.
var regexpPrograms = sync.OnceValue(func() (programs [][2]*gojq.Code) {
	for call := range strings.SplitSeq(regexpCalls, ",\n") {
		var pair [2]*gojq.Code
		for i := range pair {
			query, err := gojq.Parse(". as [$t, $r, $f] | $t | try (" + call + ") catch .")
			if err != nil {
				panic(err)
			}
			if i > 0 {
				limit.Rewrite(query)
			}
			if pair[i], err = gojq.Compile(query, append(limit.Functions(), gojq.WithVariables([]string{limit.Variable}))...); err != nil {
				panic(err)
			}
		}
		programs = append(programs, pair)
	}
	return programs
})

func compareRegexps(t *testing.T, text, r string, flags any) {
	t.Helper()
	for i, pair := range regexpPrograms() {
		input := []any{text, r, flags}
		want, got := results(pair[0].Run(input, nil)), results(pair[1].Run(input, limit.NewBudget()))
		if !reflect.DeepEqual(want, got) {
			t.Fatalf("call %d of %q with %q and %v (-gojq +limited):\n%s", i, text, r, flags, cmp.Diff(want, got))
		}
	}
}
