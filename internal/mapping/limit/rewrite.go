package limit

import (
	"fmt"
	"reflect"

	"github.com/itchyny/gojq"
)

// Rewrite adds checks to every operator and function of a program that can make a value
// much larger than its operands.
func Rewrite(query *gojq.Query) {
	defined := make(map[string]bool) // functions that the program defines; they hide those of jq
	Walk(query, func(node any) {
		switch n := node.(type) {
		case *gojq.FuncDef:
			defined[signature(n.Name, len(n.Args))] = true
		case *gojq.Term:
			distributeFormat(n)
		}
	})
	Walk(query, func(node any) {
		switch n := node.(type) {
		case *gojq.Query:
			rewriteOperator(n)
		case *gojq.Term:
			rewriteTerm(n, defined)
		case *gojq.String:
			if len(n.Queries) > 0 {
				n.Queries = []*gojq.Query{interpolate(n.Queries)}
			}
		}
	})
}

// rightVariable holds the right operand of a rewritten operator.
const rightVariable = "$__right__"

// The replacements of operators and functions. The input is the left operand.
var (
	sum     = parse(". + $__right__ | __sum__($__budget__)")
	product = parse(". * __factor__($__right__; $__budget__)")
	join    = parse("__join__($__right__) | join($__right__)")
	addAll  = parse("__small__ | add")
	small   = parse(funcSmall)
	written = parse("__small__ | __written__($__budget__)")
	index   = parse(funcIndex)

	// guards check the input of functions that can make a long string of a short list.
	guards = map[string]*gojq.Query{
		"add/0": small, "flatten/0": small, "flatten/1": small, "format/1": written, "tojson/0": written, "tostring/0": written,
		"transpose/0": parse(funcGrid),
	}
)

// rewriteOperator turns l + r into r as $__right__ | l | sum, and l += r into
// r as $__right__ | l |= sum.
func rewriteOperator(q *gojq.Query) {
	if q.Op >= gojq.OpAssign {
		checkIndexes(q.Left)
	}
	replacement := sum
	switch q.Op {
	case gojq.OpAdd, gojq.OpUpdateAdd:
		if isNumber(q.Left) || isNumber(q.Right) {
			return
		}
	case gojq.OpMul, gojq.OpUpdateMul:
		replacement = product
	default:
		return
	}
	op := gojq.OpPipe
	if q.Op >= gojq.OpAssign {
		op = gojq.OpModify
	}
	left := &gojq.Query{Left: q.Left, Op: op, Right: replacement}
	q.Left, q.Op, q.Right, q.Patterns = q.Right, gojq.OpPipe, left, []*gojq.Pattern{{Name: rightVariable}}
}

func isNumber(q *gojq.Query) bool {
	return q.Term != nil && q.Term.Type == gojq.TermTypeNumber && len(q.Term.SuffixList) == 0
}

// checkIndexes checks the indexes in the target of an assignment: an array grows to them.
func checkIndexes(target *gojq.Query) {
	Walk(target, func(node any) {
		if i, ok := node.(*gojq.Index); ok && i.Start != nil && !i.IsSlice {
			i.Start = pipe(i.Start, index)
		}
	})
}

// signature returns the full name of a function in jq, such as join/1.
func signature(name string, args int) string { return fmt.Sprintf("%s/%d", name, args) }

func rewriteTerm(t *gojq.Term, defined map[string]bool) {
	if t.Type == gojq.TermTypeFormat && t.Str == nil {
		replace(t, pipe(written, term(gojq.Term{Type: t.Type, Format: t.Format})))
	}
	if t.Type != gojq.TermTypeFunc {
		return
	}
	f := t.Func
	name := signature(f.Name, len(f.Args))
	if defined[name] {
		return
	}
	if guard := guards[name]; guard != nil {
		replace(t, pipe(guard, term(gojq.Term{Type: t.Type, Func: f})))
	}
	switch name {
	case "add/1":
		replace(t, pipe(term(gojq.Term{Type: gojq.TermTypeArray, Array: &gojq.Array{Query: f.Args[0]}}), addAll))
	case "join/1":
		replace(t, &gojq.Query{Left: f.Args[0], Op: gojq.OpPipe, Right: join, Patterns: []*gojq.Pattern{{Name: rightVariable}}})
	case "pick/1":
		checkIndexes(f.Args[0])
	case "setpath/2":
		f.Args[0] = pipe(f.Args[0], index)
	}
}

// replace puts a query in the place of a term and keeps the suffixes of the term.
func replace(t *gojq.Term, q *gojq.Query) {
	*t = gojq.Term{Type: gojq.TermTypeQuery, Query: q, SuffixList: t.SuffixList}
}

// distributeFormat applies the format of a string to its interpolated values:
// @uri "a\(b)" becomes "a\(b | @uri)".
func distributeFormat(t *gojq.Term) {
	if t.Type != gojq.TermTypeFormat || t.Str == nil || len(t.Str.Queries) == 0 {
		return
	}
	for i, q := range t.Str.Queries {
		if q.Term.Str == nil {
			t.Str.Queries[i] = pipe(q, term(gojq.Term{Type: gojq.TermTypeFormat, Format: t.Format}))
		}
	}
	t.Type, t.Format = gojq.TermTypeString, ""
}

// interpolate joins the parts of a string by calls of one function.
func interpolate(parts []*gojq.Query) *gojq.Query {
	var rest []*gojq.Query
	if len(parts) > maxParts {
		parts, rest = parts[:maxParts], parts[maxParts:]
	}
	args := append(parts[:len(parts):len(parts)], term(gojq.Term{Type: gojq.TermTypeFunc, Func: &gojq.Func{Name: Variable}}))
	q := term(gojq.Term{Type: gojq.TermTypeFunc, Func: &gojq.Func{Name: funcText, Args: args}})
	if len(rest) > 0 {
		return interpolate(append([]*gojq.Query{q}, rest...))
	}
	return q
}

func pipe(left, right *gojq.Query) *gojq.Query {
	return &gojq.Query{Left: left, Op: gojq.OpPipe, Right: right}
}

func term(t gojq.Term) *gojq.Query { return &gojq.Query{Term: &t} }

func parse(text string) *gojq.Query {
	q, err := gojq.Parse(text)
	if err != nil {
		panic("limit: " + err.Error()) // a constant
	}
	return q
}

// Walk calls f for every node of a parsed program, children first.
func Walk(query *gojq.Query, f func(node any)) { walk(reflect.ValueOf(query), f) }

func walk(v reflect.Value, f func(node any)) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			walk(v.Elem(), f)
			f(v.Interface())
		}
	case reflect.Struct:
		for i := range v.NumField() {
			walk(v.Field(i), f)
		}
	case reflect.Slice:
		for i := range v.Len() {
			walk(v.Index(i), f)
		}
	}
}
