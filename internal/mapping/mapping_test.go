package mapping_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/itchyny/gojq"

	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/mapping"
	"github.com/rcshook/rcshook/internal/phonenumber"
)

var now = time.Date(2026, 12, 1, 9, 0, 0, 0, time.UTC)

func compile(t *testing.T, text string, variables ...string) *mapping.Program {
	t.Helper()
	program, problems := mapping.Compile(config.Program{Text: text}, mapping.Options{Phone: phonenumber.Options{Country: "US"}, MinorDigits: map[string]int{"ISK": 2}}, variables...)
	if len(problems) > 0 {
		t.Fatalf("Compile(%s): %s", text, problems[0])
	}
	return program
}

// run runs a program on JSON and returns its results as JSON, separated by spaces.
func run(t *testing.T, text, input string) (string, error) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(input))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatal(err)
	}
	results, err := compile(t, text).Run(t.Context(), now, v)
	var all []string
	for _, v := range results.Values {
		data, err := gojq.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, string(data))
	}
	return strings.Join(all, " "), err
}

func TestRun_functions(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, program, input, want string }{
		{"e164", ".p | e164", `{"p":"(202) 555-0123"}`, `"+12025550123"`},
		{"e164 of a country", ".p | e164(\"de\")", `{"p":"030 123456"}`, `"+4930123456"`},
		{"e164 of a number", ".p | e164", `{"p":12025550123}`, `"+12025550123"`},
		{"e164 after a space", ".p | e164(\"US\")", `{"p":" 2025550123"}`, `"+12025550123"`},
		{"e164 of other values", "[.p[] | e164]", `{"p":[null, "", "555-555-SHIP", "12", {}, true]}`, "[null,null,null,null,null,null]"},
		{"e164 of an international number", ".p | e164(\"DE\")", `{"p":"+12025550123"}`, `"+12025550123"`},
		{"money", "money(.a; .c)", `{"a":"1234.5","c":"usd"}`, `"$1,234.50"`},
		{"money of a number", "money(.a; .c)", `{"a":19.90,"c":"EUR"}`, `"€19.90"`},
		{"money without decimals", "money(.a; .c)", `{"a":500,"c":"JPY"}`, `"¥500"`},
		{"money with three decimals", "money(.a; .c)", `{"a":"1.2345","c":"KWD"}`, `"KWD` + "\u00a0" + `1.235"`},
		{"money of many digits", "money(.a; .c)", `{"a":"123456789012345678901234.56","c":"SEK"}`, `"SEK` + "\u00a0" + `123,456,789,012,345,678,901,234.56"`},
		{"negative money", "money(.a; .c)", `{"a":-5,"c":"GBP"}`, `"-£5.00"`},
		{"money that rounds to zero", "money(.a; .c)", `{"a":"-0.001","c":"GBP"}`, `"£0.00"`},
		{"cents", "money_minor(.a; .c)", `{"a":1990,"c":"usd"}`, `"$19.90"`},
		{"cents without decimals", "money_minor(.a; .c)", `{"a":500,"c":"jpy"}`, `"¥500"`},
		{"money of a float", "money(0.1 + 0.2; \"USD\")", `{}`, `"$0.30"`},
		{"date", ".t | date(\"%d %b %Y, %H:%M\"; \"Europe/Berlin\")", `{"t":"2026-12-04T13:00:00Z"}`, `"04 Dec 2026, 14:00"`},
		{"date in UTC", ".t | date(\"%H:%M\")", `{"t":"2026-12-04T13:00:00+02:00"}`, `"11:00"`},
		{"date of seconds", ".t | date(\"%F\")", `{"t":1796115598}`, `"2026-12-01"`},
		{"date of milliseconds", ".t | date(\"%F\")", `{"t":1796115598000}`, `"2026-12-01"`},
		{"date of seconds in a string", ".t | date(\"%F\")", `{"t":"1796115598"}`, `"2026-12-01"`},
		{"date without an offset", ".t | date(\"%H:%M\"; \"America/New_York\")", `{"t":"2026-12-04 13:00:00"}`, `"13:00"`},
		{"date of GitLab", ".t | date(\"%F %T\")", `{"t":"2016-08-12 15:23:28 UTC"}`, `"2016-08-12 15:23:28"`},
		{"date of Slack", ".t | date(\"%F %T\")", `{"t":"1721609600.123456"}`, `"2024-07-22 00:53:20"`},
		{"date of RFC 3339 in lower case", ".t | date(\"%F %T\")", `{"t":"2026-12-04t13:00:00.5z"}`, `"2026-12-04 13:00:00"`},
		{"date of Postgres", ".t | date(\"%F %T\")", `{"t":"2026-12-04 13:00:00.123456+02"}`, `"2026-12-04 11:00:00"`},
		{"date of Ruby", ".t | date(\"%F %T\")", `{"t":"2026-12-04 13:00:00 -0500"}`, `"2026-12-04 18:00:00"`},
		{"date of an HTML form", ".t | date(\"%T\"; \"Europe/Berlin\")", `{"t":"2026-12-04T13:00"}`, `"13:00:00"`},
		{"date of HTTP", ".t | date(\"%F %T\")", `{"t":"Sun, 06 Nov 1994 08:49:37 GMT"}`, `"1994-11-06 08:49:37"`},
		{"date of mail", ".t | date(\"%F %T\")", `{"t":"Fri, 4 Dec 2026 13:00:00 +0100"}`, `"2026-12-04 12:00:00"`},
		{"date of RFC 850", ".t | date(\"%F %T\")", `{"t":"Sunday, 06-Nov-94 08:49:37 GMT"}`, `"1994-11-06 08:49:37"`},
		{"date of C", ".t | date(\"%T\"; \"Europe/Berlin\")", `{"t":"Fri Dec  4 13:00:00 2026"}`, `"13:00:00"`},
		{"date of Twitter", ".t | date(\"%F %T\")", `{"t":"Fri Dec 04 13:00:00 +0000 2026"}`, `"2026-12-04 13:00:00"`},
		{"date with the abbreviation of its zone", ".t | date(\"%T\"; \"America/New_York\")", `{"t":"2026-12-04 13:00:00 EST"}`, `"13:00:00"`},
		{"date of microseconds", ".t | date(\"%F\")", `{"t":1796115598000000}`, `"2026-12-01"`},
		{"date of nanoseconds", ".t | date(\"%F\")", `{"t":"1796115598000000000"}`, `"2026-12-01"`},
		{"date of a day", ".t | date(\"%F %T\")", `{"t":"2026-12-04"}`, `"2026-12-04 00:00:00"`},
		{"date of many seconds", "[.[] | date(\"%F\")]", `[99999999999, 100000000000, -100000000000]`, `["5138-11-16","1973-03-03","-1199-02-15"]`},
		{"date of nothing", "[.[] | date(\"%F\")]", `["", " ", null]`, `[null,null,null]`},
		{"money of nothing", "[money(.[]; \"USD\"), money(5; .[])]", `["", " ", null]`, `[null,null,null,null,null,null]`},
		{"minor units of the sender", "money_minor(50000; .c)", `{"c":"isk"}`, `"ISK` + "\u00a0" + `500"`},
		{"present", "[.[] | present]", `[null, "", " \u200b", [], {}, 0, false, "a", [null]]`, `[0,false,"a",[null]]`},
		{"present with another value", "[.[] | present // \"there\"]", `[null, "", "Ada"]`, `["there","there","Ada"]`},
		{"surround", "[.[] | surround(\" (\"; \")\")]", `[null, "", "a", 5]`, `["",""," (a)"," (5)"]`},
		{"surround a number with an exponent", ".n | surround(\"<\"; \">\")", `{"n":1.25e2}`, `"<125>"`},
		{"date of null", "{d: (.t | date(\"%F\"))}", `{}`, `{"d":null}`},
		{"truncate", ".t | truncate(12)", `{"t":"The quick brown fox"}`, `"The quick…"`},
		{"truncate within a word", ".t | truncate(6)", `{"t":"Donaudampfschiff"}`, `"Donau…"`},
		{"truncate a short string", ".t | truncate(3)", `{"t":"äöü"}`, `"äöü"`},
		{"truncate keeps accents", ".t | truncate(3)", "{\"t\":\"ae\u0301o\u0302u\"}", `"a…"`},
		{"truncate keeps emoji", ".t | truncate(4)", `{"t":"a👨‍👩‍👧b"}`, `"a…"`},
		{"truncate to the sign", ".t | truncate(1)", `{"t":"ab"}`, `"…"`},
		{"truncate a single emoji", ".t | truncate(2)", `{"t":"👨‍👩‍👧b"}`, `"…"`},
		{"truncate keeps skin tones", "[.[] | truncate(2)]", `["👋🏻b", "👋🏿b", "👋🏺b", "👋🐀b"]`, `["…","…","👋…","👋…"]`},
		{"truncate keeps flags", "[.[] | truncate(2)]", "[\"🇦🇿b\", \"🇿🇦b\", \"🇦bb\", \"🇦\U0001F1E5b\", \"🇦\U0001F200b\", \"\U0001F1E5🇦b\", \"\U0001F200🇦b\"]", "[\"…\",\"…\",\"🇦…\",\"🇦…\",\"🇦…\",\"\U0001F1E5…\",\"\U0001F200…\"]"},
		{"truncate after two thirds", "[.[] | truncate(10)]", `["abcdefg hijkl", "abcdef ghijkl"]`, `["abcdefg…","abcdef gh…"]`},
		{"truncate a number", ".t | truncate(3)", `{"t":12345}`, `"12…"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := run(t, test.program, test.input)
			if err != nil || got != test.want {
				t.Errorf("%s of %s = %s, %v, want %s", test.program, test.input, got, err, test.want)
			}
		})
	}
}

// TestRun_zones tests that the cache is bounded. An event can name a zone in many ways, where the file system has the zones.
func TestRun_zones(t *testing.T) {
	t.Parallel()
	if _, err := time.LoadLocation("Europe//Berlin"); err != nil {
		t.Skip("this system has no files with time zones")
	}
	got, err := run(t, `[range(1; 600) as $n | 0 | date("%H"; "Europe" + "/" * $n + "Berlin")] | unique[]`, "null")
	if got != `"01"` || err != nil {
		t.Errorf("the hour is %s, %v, want 01", got, err)
	}
	if n := mapping.CachedZones(); n > 256 {
		t.Errorf("%d zones are cached, want at most 256", n)
	}
}

// A failing program explains why, and quotes nothing of its input.
func TestRun_errors(t *testing.T) {
	t.Parallel()
	const private = "+12025550123"
	for _, test := range []struct{ name, program, want string }{
		{"type", ".p + 1", "fails: cannot add: string"},
		{"iterate", ".p[]", "fails: cannot iterate over: string"},
		{"index", ".p.q", "fails: expected an object but got: string"},
		{"error", "error(.p)", "calls error"},
		{"error with an object", "error({p})", "calls error"},
		{"halt", "halt_error", "calls halt"},
		{"function", ".p | fromjson", "fails: fromjson"},
		{"regular expression", ".p | test(\"(\")", "fails: invalid regular expression"},
		{"infinite loop", "def f: f; f", "takes longer than 500ms"},
		{"infinite range", "last(range(infinite))", "takes longer than 500ms"},
		{"large products", "[range(20000)] as $x | $x - $x", "works on values that are too large"},
		{"many results", "range(2000)", "returns more than 1000 results"},
		{"string of the length in the input", `"★" * .n`, "makes a string of more than 1 MiB"},
		{"long array", `reduce range(40) as $i ([1]; . + .) | length`, "makes an array of more than 262144 items"},
		{"invalid country", ".p | e164(\"XX\")", "fails: e164 needs a country such as US or DE"},
		{"invalid currency", "money(1; \"dollars\")", "fails: money needs a currency such as USD"},
		{"invalid amount", "money(.p; \"USD\")", "fails: money needs an amount such as 19.90"},
		{"gigabytes of digits", "money(\"1e999999999\"; \"USD\")", "fails: money needs an amount such as 19.90"},
		{"invalid date", ".p | date(\"%F\")", "fails: date needs a time, such as 2026-12-01T09:00:00Z or the seconds since 1970"},
		{"zone of an unknown abbreviation", "\"2026-12-04 13:00:00 CST\" | date(\"%F\")", "fails: date needs a time, such as 2026-12-01T09:00:00Z or the seconds since 1970"},
		{"invalid zone", "1 | date(\"%F\"; \"Moon/Tranquility\")", "fails: date needs a time zone such as Europe/Berlin"},
		{"invalid length", ".p | truncate(0)", "fails: truncate needs a string and a length of at least 1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := run(t, test.program, `{"p":"`+private+`","n":1000000000}`)
			failure, ok := errors.AsType[*mapping.Error](err)
			if !ok {
				t.Fatalf("%s = %q, %v, want an Error", test.program, got, err)
			}
			if failure.Detail != test.want {
				t.Errorf("%s: %q, want %q", test.program, failure.Detail, test.want)
			}
			if strings.Contains(err.Error(), private) {
				t.Errorf("the error quotes the input: %v", err)
			}
			if quotes := failure.Detail == "calls error"; (failure.Err != nil) != quotes && !strings.HasPrefix(failure.Detail, "fails: ") {
				t.Errorf("%s: the error of jq is %v, want one: %t", test.program, failure.Err, quotes)
			}
		})
	}
}

func TestRun_variables(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		program, want string
		calls         int
	}{
		{"$a + now", "1796115601", 0},
		{"$b", "lazy", 1},
		{"$first", "lazy", 1},
	} {
		calls := 0
		lazy := func() any { calls++; return "lazy" }
		results, err := compile(t, test.program, "$first", "$a", "$b").Run(t.Context(), now, nil, lazy, 1, lazy)
		if err != nil || len(results.Values) != 1 {
			t.Fatalf("%s = %v, %v, want one result", test.program, results, err)
		}
		if got, _ := mapping.Text(results.Values[0]); got != test.want || calls != test.calls {
			t.Errorf("%s = %s after %d calls, want %s after %d", test.program, got, calls, test.want, test.calls)
		}
	}
}

func TestRun_canceled(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := compile(t, "def f: f; f").Run(ctx, now, nil); err == nil {
		t.Error("Run with a canceled context succeeds")
	}
}

func TestRun_manyResults(t *testing.T) {
	t.Parallel()
	if results, err := compile(t, "range(1000)").Run(t.Context(), now, nil); err != nil || len(results.Values) != 1000 {
		t.Errorf("%d results, %v, want 1000", len(results.Values), err)
	}
}

func TestEncode(t *testing.T) {
	t.Parallel()
	if data, err := mapping.Encode(json.Number("12345"), 5); err != nil || string(data) != "12345" {
		t.Errorf("Encode = %s, %v", data, err)
	}
	if data, err := mapping.Encode(map[string]any{"to": "x"}, 10); err != nil || string(data) != `{"to":"x"}` {
		t.Errorf("Encode = %s, %v", data, err)
	}
	nested := any([]any{})
	for range 40 {
		nested = []any{nested, nested}
	}
	for _, v := range []any{"0123456789", "\x01\x02\x03", nested} {
		if _, err := mapping.Encode(v, 10); !errors.Is(err, mapping.ErrTooLarge) {
			t.Errorf("Encode = %v, want ErrTooLarge", err)
		}
	}
}

// TestRun_position tests that an error has the line of the function or operator that
// failed, if only one line has it, and else the start of the program.
func TestRun_position(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		program, want string
	}{
		{".a as $x\n| {\n  text: ($x | ascii_upcase)\n}", "3:15"},
		{".a\n| .b[]\n| .", "2:5"},
		{"{a: .b,\n c: (.x + 1)}", "2:9"},
		{"(.a | length) as $n\n| .x.y.z", "1:1"}, // two lines have a field
		{"(\"b\" | ltrimstr(\"a\")) as $n\n| .x - 1", "2:6"},
		{"(\"b\" | ascii_upcase),\n(.a | ascii_upcase)", "1:1"},
		{"error(\"x\")", "1:1"},
		{"\n.t\n| date(\"%F\")", "3:3"}, // an error of ours
	} {
		_, err := run(t, test.program, `{"x": "text", "t": "soon"}`)
		failed, ok := errors.AsType[*mapping.Error](err)
		if !ok {
			t.Errorf("%q: %v, want an Error", test.program, err)
			continue
		}
		if got := fmt.Sprintf("%d:%d", failed.At.Line, failed.At.Column); got != test.want {
			t.Errorf("%q: %v at %s, want %s", test.program, failed.Err, got, test.want)
		}
	}
}

func TestCompile_syntax(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		program, want string
	}{
		{"{to: .a | }", `1:11 invalid jq: unexpected token "}"`},
		{"{\n  to: .a,\n  text: \"Hi\"\n", "1:1 invalid jq: the { here is never closed"},
		{".a\n| {to: (.b | e164", "2:8 invalid jq: the ( here is never closed"},
		{`[.a[] | "Hi \(.b"]`, "1:17 invalid jq: the \" here is never closed"},
		{`"\"[" | "{" | [.a`, "1:15 invalid jq: the [ here is never closed"},
		{"{a: .a} # }\n| {b: .c # }", "2:3 invalid jq: the { here is never closed"},
		{`{"a\(.b`, "1:5 invalid jq: the ( here is never closed"},
		{`"a`, "1:1 invalid jq: the \" here is never closed"},
		{`"a\`, "1:1 invalid jq: the \" here is never closed"},
		{".a |\n\n", `1:5 invalid jq: the program ends too early: an expression, or an "end", is missing`},
		{"if .a then .b", `1:14 invalid jq: the program ends too early: an expression, or an "end", is missing`},
	} {
		_, problems := mapping.Compile(config.Program{Text: test.program}, mapping.Options{})
		if len(problems) != 1 {
			t.Errorf("%q: %d problems, want one", test.program, len(problems))
		} else if got := strings.TrimPrefix(problems[0].String(), ":"); got != test.want {
			t.Errorf("%q: %s, want %s", test.program, got, test.want)
		}
	}
}

// TestRun_null checks that Results report a null that became text, however it did.
func TestRun_null(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		program string
		want    bool
	}{
		{`"Hi \(.name)"`, true},
		{`"Hi " + (.name | tostring)`, true},
		{`"Hi " + (.name | tojson)`, true},
		{`@uri "https://example.com/\(.name)"`, true},
		{`"https://example.com/" + (.name | @uri)`, true},
		{`"Hi " + (.name | @text)`, true},
		{`"Hi " + (.name | format("html"))`, true},
		{`def f: .name | tostring; f`, true},
		{`"Hi " + (.name // "you" | tostring)`, false},
		{`@uri "https://example.com/\(.name // 5)"`, false},
		{`[.name] | tojson`, false},
		{`.name`, false},
	} {
		program, problems := mapping.Compile(config.Program{Text: test.program}, mapping.Options{})
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		results, err := program.Run(t.Context(), time.Now(), map[string]any{})
		if err != nil || results.Null != test.want {
			t.Errorf("%s: null is %v, want %v; error %v", test.program, results.Null, test.want, err)
		}
	}
}
