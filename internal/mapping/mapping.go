// Package mapping compiles and runs jq programs that turn one JSON value into others.
// A program can reach neither files nor the environment, and its time and its memory are
// limited.
package mapping

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/itchyny/gojq"

	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/mapping/limit"
	"github.com/rcshook/rcshook/internal/phonenumber"
	"github.com/rcshook/rcshook/internal/typo"
)

// MaxTime limits the time on the processor. Usual programs take microseconds.
const MaxTime = limit.MaxTime

// ErrMemory means that other requests use the memory that a program needs.
var ErrMemory = limit.ErrMemory

// Limited calls f with a context in which all programs together have the time and the
// memory of one.
func Limited(ctx context.Context, f func(context.Context)) {
	limit.Metered(ctx, func(m *limit.Meter) { f(m) })
}

// maxResults limits the results of one run.
const maxResults = 1000

// nowVariable replaces calls of the function now.
const nowVariable = "$__now__"

// forbidden are the functions that could reach outside, with the reason to give.
var forbidden = map[string]string{
	"env":          "mappings have no access to the environment, which may hold secrets",
	"$ENV":         "mappings have no access to the environment, which may hold secrets",
	"input":        "the only event is already the input; write .",
	"inputs":       "the only event is already the input; write .",
	"modulemeta":   "mappings have no modules",
	limit.Variable: "the name is reserved",
}

// Options are the defaults of the functions of a program.
type Options struct {
	// Phone are the options of e164.
	Phone phonenumber.Options

	// MinorDigits are the currencies for which the sender deviates from ISO 4217: the
	// number of digits that money_minor divides off.
	MinorDigits map[string]int

	// Keyed adds the function hmac_sha256_hex, whose argument is a variable with a [Key].
	// Programs of users do not have it: a message could then reveal the MAC of any text.
	Keyed bool
}

// Program is a compiled jq program.
type Program struct {
	source config.Program
	code   *gojq.Code
	used   []bool // which of the variables occur in the program
}

// Compile compiles a program that may use the named variables, such as $headers, and the
// functions in [functions]. Problems have their position in the file.
func Compile(p config.Program, o Options, variables ...string) (*Program, []config.Problem) {
	if strings.TrimSpace(p.Text) == "" {
		return nil, []config.Problem{p.At(0).Problemf("invalid jq: the program is empty")}
	}
	query, err := gojq.Parse(p.Text)
	if err != nil {
		offset, reason := diagnose(p.Text, err)
		return nil, []config.Problem{p.At(offset).Problemf("invalid jq: %s", reason)}
	}
	var problems []config.Problem
	for _, i := range query.Imports {
		problems = append(problems, p.At(locate(p.Text, i.ImportPath+i.IncludePath)).Problemf("must not import: mappings have no modules"))
	}
	program := &Program{source: p, used: make([]bool, len(variables))}
	limit.Walk(query, func(node any) {
		f, ok := node.(*gojq.Func)
		if !ok {
			return
		}
		if reason, ok := forbidden[f.Name]; ok {
			problems = append(problems, p.At(locate(p.Text, f.Name)).Problemf("must not use %s: %s", f.Name, reason))
		}
		if i := slices.Index(variables, f.Name); i >= 0 {
			program.used[i] = true
		}
		if f.Name == "now" && len(f.Args) == 0 {
			f.Name = nowVariable
		}
	})
	if len(problems) > 0 {
		return nil, problems
	}
	limit.Rewrite(query)
	all := append([]string{nowVariable, limit.Variable}, variables...)
	if program.code, err = gojq.Compile(query, append(functions(o), gojq.WithVariables(all))...); err != nil {
		// The compiler does not report a position, but the last word of its error is the unknown name.
		name := err.Error()[strings.LastIndexByte(err.Error(), ' ')+1:]
		name, _, isFunction := strings.Cut(name, "/")
		hint := nearest(name, variables)
		if isFunction {
			hint = nearest(name, functionNames(o))
		}
		return nil, []config.Problem{p.At(locate(p.Text, name)).Problemf("invalid jq: %s%s", err, hint)}
	}
	return program, nil
}

// diagnose returns where and why a program does not parse. The parser reports only the end of
// a program that ends too early; the mistake is usually the last bracket that is still open.
func diagnose(text string, err error) (offset int, reason string) {
	e, ok := errors.AsType[*gojq.ParseError](err)
	if !ok {
		return len(text), err.Error()
	}
	if e.Token != "" {
		return e.Offset - len(e.Token), err.Error()
	}
	var open []int // where the brackets and strings begin that are open
	for i := 0; i < len(text); i++ {
		inString := len(open) > 0 && text[open[len(open)-1]] == '"'
		switch c := text[i]; {
		case inString && c == '\\':
			if i++; i < len(text) && text[i] == '(' {
				open = append(open, i)
			}
		case inString && c != '"':
		case c == '#':
			for i+1 < len(text) && text[i+1] != '\n' {
				i++
			}
		case inString || strings.IndexByte(")]}", c) >= 0:
			open = open[:max(len(open)-1, 0)]
		case strings.IndexByte("\"([{", c) >= 0:
			open = append(open, i)
		}
	}
	if len(open) > 0 {
		last := open[len(open)-1]
		return last, fmt.Sprintf("the %c here is never closed", text[last])
	}
	return len(strings.TrimRightFunc(text, unicode.IsSpace)), `the program ends too early: an expression, or an "end", is missing`
}

// nearest returns the name that an unknown one was probably meant to be, as the end of an
// error. Functions are known as name/arity.
func nearest(name string, known []string) string {
	var names, same []string
	for _, k := range known {
		n, _, _ := strings.Cut(k, "/")
		if names = append(names, n); n == name {
			same = append(same, k)
		}
	}
	if slices.Sort(same); len(same) > 0 {
		return "; expected " + strings.Join(same, " or ")
	}
	if near := typo.Nearest(name, names, 0); near != "" {
		return "; did you mean " + near + "?"
	}
	return ""
}

// functionNames returns the functions that a program may use, as name/arity.
func functionNames(o Options) (names []string) {
	query, err := gojq.Parse("builtins[]")
	if err != nil {
		panic("mapping: " + err.Error()) // it is constant
	}
	code, err := gojq.Compile(query, functions(o)...)
	if err != nil {
		panic("mapping: " + err.Error())
	}
	for results := code.Run(nil); ; {
		v, ok := results.Next()
		if !ok {
			return names
		}
		if name, ok := v.(string); ok && forbidden[strings.Split(name, "/")[0]] == "" {
			names = append(names, name)
		}
	}
}

// locate finds a name in a program, as a whole word and not as a field.
func locate(text, name string) int {
	found := regexp.MustCompile(`(?:^|[^\w$.])(` + regexp.QuoteMeta(name) + `)(?:$|\W)`).FindStringSubmatchIndex(text)
	if found == nil {
		return 0
	}
	return found[2]
}

// Results are what a program returns.
type Results struct {
	Values []any // other than null

	// Null reports that a null became the text "null" in a string, perhaps in one that
	// is not in Values.
	Null bool
}

// Run returns the results of the program. The values are those of the variables in the
// order of [Compile]; a func() any is called only if the program uses its variable. The
// error is an [*Error], [ErrMemory], or that of ctx.
func (p *Program) Run(ctx context.Context, now time.Time, input any, values ...any) (results Results, err error) {
	meter, ok := ctx.(*limit.Meter)
	if !ok {
		limit.Metered(ctx, func(m *limit.Meter) { results, err = p.Run(m, now, input, values...) })
		return results, err
	}
	defer func() { err = meter.Verdict(err) }() // also after a panic: other programs may wait for it
	return p.run(meter, now, input, values)
}

func (p *Program) run(ctx *limit.Meter, now time.Time, input any, values []any) (Results, error) {
	budget := limit.NewBudget()
	variables := []any{float64(now.UnixMilli()) / 1000, budget}
	for i, v := range values {
		if lazy, ok := v.(func() any); ok {
			if v = nil; p.used[i] {
				v = lazy()
			}
		}
		variables = append(variables, v)
	}
	var results []any
	for iter := p.code.RunWithContext(ctx, input, variables...); ; {
		v, ok := iter.Next()
		if !ok {
			return Results{results, budget.Null}, nil
		}
		if err, ok := v.(error); ok {
			if ended := ctx.Context.Err(); ended != nil {
				return Results{}, ended
			}
			failed := &Error{Detail: describe(err), At: p.position(err)}
			if _, own := errors.AsType[functionError](err); !own && (strings.HasPrefix(failed.Detail, fails) || failed.Detail == callsError) {
				failed.Err = err
			}
			return Results{}, failed
		}
		if v == nil {
			continue
		}
		if results = append(results, v); len(results) > maxResults {
			return Results{}, &Error{fmt.Sprintf("returns more than %d results", maxResults), nil, p.source.At(0)}
		}
	}
}

// Error means that a program failed on its input. Detail continues a sentence about the
// program, and quotes nothing of the input.
type Error struct {
	Detail string
	Err    error // the error of gojq if Detail is a part of it. It may quote the input; not for logs

	// At is where the program probably failed, or its start. Gojq does not report it.
	At config.Position
}

func (e *Error) Error() string { return e.Detail }

// failure finds the name of a function or an operator in an error of gojq, or in one of ours.
var failure = regexp.MustCompile(`^(?:(\w+)(?:/\d+|\(.*\))? (?:cannot be applied|needs)|cannot (iterate|add|subtract|multiply|divide)|(expected an object))`)

// position returns where a program failed, if only one line has the function or operator
// that failed. Otherwise it returns the start of the program.
func (p *Program) position(err error) config.Position {
	found := failure.FindStringSubmatch(err.Error())
	if found == nil {
		return p.source.At(0)
	}
	pattern := `\b` + regexp.QuoteMeta(found[1]) + `\b`
	if sign := map[string]string{"iterate": `\[\]`, "add": `\+`, "subtract": `-`, "multiply": `\*`, "divide": `/`}[found[2]]; sign != "" {
		pattern = sign
	} else if found[3] != "" {
		pattern = `\.\w`
	}
	at := regexp.MustCompile(pattern).FindAllStringIndex(p.source.Text, -1)
	if len(at) == 0 || p.source.At(at[0][0]).Line != p.source.At(at[len(at)-1][0]).Line {
		return p.source.At(0)
	}
	return p.source.At(at[0][0])
}

const (
	fails      = "fails: "
	callsError = "calls error"
)

// describe describes an error of gojq without the values that it quotes.
func describe(err error) string {
	if _, ok := errors.AsType[*gojq.HaltError](err); ok {
		return "calls halt"
	}
	if exceeded, ok := errors.AsType[limit.Error](err); ok {
		return string(exceeded)
	}
	if own, ok := errors.AsType[functionError](err); ok {
		return fails + string(own)
	}
	if _, ok := errors.AsType[gojq.ValueError](err); ok {
		return callsError
	}
	text := err.Error()
	if i := strings.IndexAny(text, `("[{0123456789`); i >= 0 { // where a value starts
		text = text[:i]
	}
	text = strings.TrimRight(text, " :")
	for _, open := range []string{" cannot be applied to", " and", " by"} {
		text = strings.TrimSuffix(text, open)
	}
	return fails + text
}

// ErrTooLarge means that the JSON of a value is longer than allowed.
var ErrTooLarge = errors.New("the JSON is too large")

// Encode returns a result of a program as JSON of at most maxBytes bytes. The error is
// [ErrTooLarge].
func Encode(v any, maxBytes int) ([]byte, error) {
	if limit.Size(v, maxBytes) > maxBytes { // its JSON may be far larger than the value in memory
		return nil, ErrTooLarge
	}
	data, err := gojq.Marshal(v)
	if err == nil && len(data) > maxBytes {
		err = ErrTooLarge
	}
	return data, err
}
