package limit_test

import (
	"encoding/json"
	"math"
	"math/big"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/itchyny/gojq"

	"github.com/rcshook/rcshook/internal/mapping/limit"
	"github.com/rcshook/rcshook/internal/racetest"
)

// A program fails before it makes a very large value, even if the input decides the
// size. The test is not parallel, because it counts allocations.
func TestRewrite_exceeded(t *testing.T) {
	racetest.Skip(t)
	const (
		text  = "error: makes a string of more than 1 MiB"
		list  = "error: makes an array of more than 262144 items"
		total = "error: makes more than 64 MiB of strings and arrays"

		number = "error: makes a number that is too large"
		large  = "error: works on values that are too large"
		trees  = `reduce range(45) as $i (0; [., .]) as $a | reduce range(45) as $i (0; [., .]) as $b | `
	)
	for _, test := range []struct{ program, want string }{
		{`"x" * 2000000000 | length`, text},
		{`"★" * .n`, text},
		{`.n * "★"`, text},
		{`(.n, 2) as $n | .s * $n`, text},
		{`.s *= .n`, text},
		{`. as {"a\("x" * .n)": $a} | $a`, text},
		{`{("x" * .n): 1}`, text},
		{`def f($n): "x" * $n; f(.n)`, text},
		{`[limit(30; repeat("x" * 100000000))]`, text},
		{`last(limit(3000; repeat("x" * 1000000)))`, total},
		{`last(range(3000) | ("x" * 1000000) + "y")`, total},
		{`("x" * 1000000) as $x | last(range(3000) | "\($x)")`, total},
		{`[range(1000)] as $x | last(range(30000) | $x + [.])`, total},
		{`reduce range(40) as $i ("x"; . + .)`, text},
		{`reduce range(40) as $i ("x"; . += .)`, text},
		{`reduce range(40) as $i ({a: "x"}; .a += .a)`, text},
		{`reduce range(40) as $i ([1]; . + .) | length`, list},
		{`reduce range(40) as $i ("x"; "\(.)\(.)")`, text},
		{`reduce range(40) as $i ("x"; @html "\(.)\(.)")`, text},
		{`reduce range(40) as $i ("x"; {"\(.)\(.)": 1} | keys[0])`, text},
		{`reduce range(40) as $i ("x"; [., .] | add)`, text},
		{`reduce range(40) as $i ("x"; add(., .))`, text},
		{`reduce range(40) as $i ("x"; [., .] | join(""))`, text},
		{`[range(2000)] | join("x" * 1000)`, text},
		{`reduce range(400) as $i ("x"; @base64)`, text},
		{`reduce range(40) as $i ("\""; tojson)`, text},
		{`reduce range(40) as $i ([]; [., .]) | tojson`, text},
		{`reduce range(40) as $i ([]; [., .]) | "\(.)"`, text},
		{`reduce range(40) as $i ([]; [., .]) | @text`, text},
		{`reduce range(40) as $i ([1]; [., .]) | flatten`, text},
		{`[[range(20000)], (range(20000) | [.])] | transpose`, list},
		{`[] | .[500000000] = 1 | length`, list},
		{`.n as $n | [] | .[$n] = 1 | length`, list},
		{`.n as $n | [] | .[$n - 700000000] |= 1 | length`, list},
		{`setpath(["a", .n - 700000000]; 1) | length`, list},
		{`pick(.a[300000000]) | length`, list},
		{`pick(getpath(["a", 300000000])) | length`, list},
		{`getpath(["a", 300000000]) = 1 | length`, list},
		{`[] | nth(300000000) = 1 | length`, list},
		{`fromstream([[300000000], 1], [[300000000]]) | length`, list},
		{`[range(300000)] | length`, list},
		{`[range(1000)] | map(range(300)) | length`, list},
		{`"x" * 300000 | explode | length`, list},
		{`("x" * 60000) as $x | "a" + "b" * 1000000 | sub("a"; range(500) | $x) | length`, text},
		{`"x" * 300000 | split("") | length`, list},
		{`[1] | INDEX("x" * 1000000 | [., .]) | length`, text},
		{`reduce range(40) as $i ([]; [., .]) | error`, text},
		{`reduce range(40) as $i ({}; {a: ., b: .}) | . * .`, large},
		{`reduce range(40) as $i ([]; [., .]) | del(.[0])`, large},
		{`[range(1000)] as $key | [range(100000)] | sort_by($key)`, total},
		{`reduce range(40) as $i (3; . * .) | length`, number},
		{`reduce range(20000) as $i ([]; [.]) | tojson`, text},

		// Operators that compare many values, or values that share their parts.
		{`[range(20000)] - [range(16000)]`, large},
		{`[range(20000)] | . -= [range(16000)]`, large},
		{`[range(20000)] as $x | [range(20000)] | contains($x)`, large},
		{`[range(20000)] as $x | {a: [range(20000)]} | contains({a: $x})`, large},
		{`[range(20000)] as $x | [range(20000)] | inside($x)`, large},
		{`[range(20000)] | index([range(10000)])`, large},
		{`[range(20000)] | rindex([range(10000)])`, large},
		{`[range(20000)] | indices([range(10000)])`, large},
		{`{a: [range(20000)], b: [range(10000)]} | .a[.b]`, large},
		{`[range(10000)] as $b | [range(20000)] | .[$b]`, large},
		{`[range(10000)] as $b | [range(20000)] as {($b): $x} | $x`, large},
		{`[range(10000)] as $b | {a: [range(20000)]} | getpath(["a", $b])`, large},
		{`[range(10000)] as $b | [1] | JOIN([range(20000)]; $b)`, large},
		{`[range(10000)] as $b | [1] | JOIN([range(20000)]; .[]; $b)`, large},
		{`[range(10000)] as $b | [1] | JOIN([range(20000)]; .[]; $b; .)`, large},
		{`"a" * 100000 | index("a" * 10000 + "b")`, large},
		{`"a" * 100000 | indices("a" * 10000)`, large},
		{`[range(200000)] | [., .] as [$a, $b] | [[$a, $b], [$a, $b], [$a, $b]] | unique`, large},
		{trees + `$a == $b`, large},
		{trees + `$a != $b`, large},
		{trees + `$a < $b`, large},
		{trees + `$a >= $b`, large},
		{trees + `[$a] - [$b]`, large},
		{trees + `$a | contains($b)`, large},
		{trees + `[$a] | index($b)`, large},
		{trees + `$a | IN($b)`, large},
		{trees + `IN($a; $b)`, large},
		{trees + `[$a, $b] | unique`, large},
		{trees + `[$a, $b] | sort`, large},
		{trees + `[$a, $b] | min`, large},
		{trees + `[1, 2] | group_by($a)`, large},
		{trees + `[1, 2] | unique_by($a)`, large},
		{trees + `[1, 2] | max_by($a)`, large},
		{trees + `[$a] | bsearch($b)`, large},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		got := limited(t, test.program, map[string]any{"n": json.Number("1000000000"), "s": "x"})
		runtime.ReadMemStats(&after)
		if len(got) != 1 || got[0] != test.want {
			t.Errorf("%s = %.100v, want %s", test.program, got, test.want)
		}
		if most, mib := uint64(96), (after.TotalAlloc-before.TotalAlloc)>>20; mib > most {
			t.Errorf("%s allocates %d MiB, want at most %d", test.program, mib, most)
		}
	}
}

// Within the limits, a rewritten program has the results of the original.
func TestRewrite_within(t *testing.T) {
	t.Parallel()
	input := map[string]any{
		"a": 1, "b": "b", "l": []any{1, "x", nil, []any{2}}, "o": map[string]any{"k": "v", "n": nil},
		"n": json.Number("19.90"), "big": json.Number("9007199254740993"), "f": math.NaN(),
	}
	for _, program := range []string{
		`.a == .b`, `(1, 2) == (1, 3)`, `(1, 2) < (1, 3)`, `.l == .l`, `.n >= .big`, `.l != [1]`, `.b == "b"`, `.l - [1]`, `.l - .l`, `([1], [2]) - ([1], [2])`, `.l -= [1]`, `.a -= (1, 2)`, `try (.o - .l) catch .`,
		`.l | contains([1])`, `.b | contains("b", "c")`, `.o | contains({k: "v"})`, `"b" | inside("abc")`, `[1, 2, 1] | index(1), rindex(1), indices(1)`, `"abab" | index("b"), rindex("b"), indices("ab")`, `try (.a | index("b")) catch .`,
		`.l | sort, unique, min, max`, `[{a: 2}, {a: 1}] | sort_by(.a), group_by(.a), unique_by(.a), min_by(.a), max_by(.a)`, `[1, 2] | bsearch(2, 3)`, `.l | IN([1])`, `.a | IN(1, 2)`, `IN(1, 2; 2, 3)`, `[.o] | INDEX(.k)`, `INDEX(.o, .o; .k)`,
		`del(.l[0], .o.k)`, `delpaths([["l"], ["o", "k"]])`, `getpath(["o", "k"], ["l", 3, 0])`, `path(getpath(["l", 0]))`, `getpath(["l", 0]) |= 7`, `.l | nth(1)`, `.l | nth(1) = 5`, `[.l | tostream]`, `fromstream(.l | tostream)`, `[paths]`, `.o | to_entries`,
		`.b | explode | implode`, `"a,b" | split(",")`, `[.l[] | tostring] | map(length)`, `try error catch .`, `try error(.o) catch .`, `.o * {k: {z: 1}} * {k: {y: 2}}`,
		`.a + .b`, `.a + 1`, `1 + .a`, `.b + "x"`, `.l + .l`, `.o + {a: 1}`, `null + .b`, `.n + .big`, `.big + .big`, `.o + .l`,
		`(1, 2) + (10, 20)`, `("a", "b") + ("c", "d")`, `(1, 2) * (10, 20)`, `("a", "b") * (1, 2)`, `1 + 2 * 3 + 4 * 5`, `. as $x | $x.a + $x.a * 2`,
		`"ab" * 3`, `3 * "ab"`, `"ab" * 0`, `"ab" * 0.5`, `"ab" * 1.5`, `"ab" * -1`, `"ab" * .f`, `"ab" * .n`, `"" * 1e9`, `.o * {k: {z: 1}}`, `.l * 2`, `.b * .b`, `.big * .big`, `.n * 2`,
		`.a += 1`, `.a += (1, 2)`, `.l[0] += .a`, `.b += "x"`, `.l[] += 1`, `.o[] += "x"`, `.missing += "x"`, `.b *= 2`, `.b *= (1, 2)`, `.n *= 2`, `(.a, .n) += 1`, `(.a, .b) *= 2`,
		`.o |= (. + {c: 1} | .k += "w")`, `.l |= map(. + "x")?`, `[.l[] | try (. + 1) catch .]`, `[.l[] | . * 2?]`, `.l[(.a + 0)] = "y"`, `.l[.a] |= 5`, `.l[-1] = 1`, `.l[2:] = ["z"]`, `.l[7] = 1`, `.o["\(.b)\(.a)"] = 1`,
		`.o["k\("")"]`, `."a\("")"`, `.["o"]["k"]`, `path(.l[.a])`, `path(.o | select(.k + "" == "v") | .k)`, `[paths(type == "number" and . * 2 > 1)]`, `try path(.a + 1) catch .`, `try path("\(.a)") catch .`,
		`"\(.a)"`, `"x\(.b)y\(.l)z\(.n)"`, `"\(1, 2)-\(3, 4)"`, `"\("q")\(null)\(true)"`, `"a\("b\("c\(.a)")")"`, `@html "<\(.b + "<>")>"`, `@json "x\(.l)"`, `@base64 "\(.b)\(.l)"`, `@uri "?q=\("ä ö")"`, `@sh "echo \("it's")"`, `@csv "\([1, "a\"b"])"`, `@html "\("<")\(1 | "<")"`, `@text "\(.o)"`, `@html "plain"`,
		`.l[[1, "x"], ["x"]]`, `.l[.l[3]]`, `.l[.a]`, `.o[.o.k]`, `try .l[.o] catch .`, `. as {("l", "b"): $x} | $x`, `getpath(["l", ["x"]])`,
		`[[.b, 1]] | JOIN({"1": 2}; .[1] | tostring)`, `[JOIN({"1": 2}; .a; tostring)]`, `[JOIN({"1": 2}; .a; tostring; add)]`,
		`{"k\(.a)": .b}`, `{"\("a", "b")"}`, `{(@base64 "\(.b)"): 1}`, `. as {"\("a")": $x} | $x`, `{("a" + "b"): 1, "c": (1 + .a)}`, `[.l[]?, 1 + .a]`, `"\(.missing?)"`, `("a" + "b")[1:]`, `"a\(.b)"[1:]`, `"a\(.b)" | .[0:1] + "z"`, `"\(.a)"?`, `(.l + [1])[0]`, `(.l | add?)`,
		`.l | tojson`, `.l | tostring`, `.b | tostring`, `[.l[] | tojson]`, `.l | @json`, `.l | flatten`, `[[[1]]] | flatten(1)`, `[.a, 2] | add`, `.o | add`, `add(.a, .a)`, `[] | add`, `try (.a | add) catch .`, `["a", 1, null, true] | join("-")`, `["a", "b"] | join("-", "+")`, `{a: "x", b: "y"} | join(",")`, `try ([[1]] | join(",")) catch .`, `try (.a | join(",")) catch .`,
		`[[1, 2], [3]] | transpose`, `try (.a | transpose) catch .`, `setpath(["o", "z"]; 1)`, `setpath(["l", 1]; 2)`, `try setpath(1; 1) catch .`, `setpath(["a"], ["b"]; 1, 2)`, `pick(.o.k)`, `pick(.l[1])`, `format("json")`, `.b | format("base64")`,
		`def f(x): x + x; f(.a, .b)`, `def f($x): "\($x)!" * 2; f("a")`, `def add: 5; add`, `def join(x): x + 1; join(2)`, `def add(f): [f]; add(.a, .b)`, `def join(f): [f]; join(1, 2)`, `def f: def add(g): g * 2; add(3); f`, `def setpath(p; v): [p, v]; setpath(1; 2)`, `def flatten: 7; .b | flatten`, `reduce .l[] as $x (""; . + ($x | tostring))`, `foreach (1, 2, 3) as $x (0; . + $x; [$x, .])`, `[limit(3; repeat("x" + "y"))]`, `label $out | 1 + (2, break $out)`, `first(.a + 1, error("x"))`, `try ("a" + 1) catch .`, `try error("a" + "b") catch .`, `.missing // "a" + "b"`, `if .a + 1 == 2 then "y" + "es" else "no" end`, `[.l[] as [$x] ?// $x | "\($x)"]`, `-(.a + 1)`, `[.[]? | numbers | . * 2 + 1]`, `[.. | strings | . + "!"]`, `walk(if type == "string" then . + "!" else . end)`, `with_entries(.key += "_" | .value |= tostring)`, `to_entries | map("\(.key)=\(.value)") | join("&")`, `.b | gsub("b"; "c" + "d")`, `.b | gsub("(?<x>b)"; "<\(.x)\(.x)>")`,
		`"` + strings.Repeat(`\(.a)-`, 100) + `"`, `"` + strings.Repeat(`\(.b)`, 30) + `"`, `@base64 "` + strings.Repeat(`\(.b)`, 29) + `"`,
	} {
		if diff := cmp.Diff(native(t, program, input), limited(t, program, input), cmpopts.EquateNaNs(), cmp.Comparer(func(a, b *big.Int) bool { return a.Cmp(b) == 0 })); diff != "" {
			t.Errorf("%s (-original +rewritten):\n%s", program, diff)
		}
	}
}

// native returns the results of a program that is not rewritten.
func native(t *testing.T, text string, input any) []any {
	t.Helper()
	code, err := gojq.Compile(parse(t, text))
	if err != nil {
		t.Fatal(err)
	}
	return results(code.Run(input))
}

func limited(t *testing.T, text string, input any) []any {
	t.Helper()
	query := parse(t, text)
	limit.Rewrite(query)
	code, err := gojq.Compile(query, append(limit.Functions(), gojq.WithVariables([]string{limit.Variable}))...)
	if err != nil {
		t.Fatal(err)
	}
	return results(code.Run(input, limit.NewBudget()))
}

func parse(t *testing.T, text string) *gojq.Query {
	t.Helper()
	query, err := gojq.Parse(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return query
}

// results returns all results, with an error as its text.
func results(iter gojq.Iter) (all []any) {
	for v, ok := iter.Next(); ok; v, ok = iter.Next() {
		if err, failed := v.(error); failed {
			return append(all, "error: "+err.Error())
		}
		all = append(all, v)
	}
	return all
}
