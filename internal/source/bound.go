package source

import (
	"fmt"
	"reflect"

	"github.com/itchyny/gojq"
)

// bound rewrites a program so that one step of it makes nothing very large: a step
// cannot be interrupted, and an instance has little memory. What operators make is
// limited by the functions in limits.go. The rest of jq makes at most a few times
// what it is given.
func bound(query *gojq.Query) {
	own := make(map[string]bool) // what is defined in the program is not the function of jq
	each(reflect.ValueOf(query), func(node any) {
		if f, ok := node.(*gojq.FuncDef); ok {
			own[arity(f.Name, len(f.Args))] = true
		}
	})
	each(reflect.ValueOf(query), func(node any) {
		switch n := node.(type) {
		case *gojq.Query:
			boundOperator(n)
		case *gojq.Term:
			boundTerm(n, own)
		case *gojq.String:
			if len(n.Queries) > 0 {
				n.Queries = []*gojq.Query{interpolated(n.Queries)}
			}
		}
	})
}

// What a sum and a product become, with the left side as the input.
var (
	sum     = parsed(". + $__right__ | __made__($__room__)")
	product = parsed(". * __factor__($__right__; $__room__)")
)

// boundOperator makes of l + r: r as $__right__ | l | sum, and of l += r:
// r as $__right__ | l |= sum.
func boundOperator(q *gojq.Query) {
	if q.Op >= gojq.OpAssign {
		boundIndexes(q.Left)
	}
	then, bounded := gojq.OpPipe, sum
	switch q.Op {
	case gojq.OpAdd, gojq.OpUpdateAdd:
		if isNumber(q.Left) || isNumber(q.Right) {
			return
		}
	case gojq.OpMul, gojq.OpUpdateMul:
		bounded = product
	default:
		return
	}
	if q.Op >= gojq.OpAssign {
		then = gojq.OpModify
	}
	left := &gojq.Query{Left: q.Left, Op: then, Right: bounded}
	q.Left, q.Op, q.Right, q.Patterns = q.Right, gojq.OpPipe, left, []*gojq.Pattern{{Name: varRight}}
}

func isNumber(q *gojq.Query) bool {
	return q.Term != nil && q.Term.Type == gojq.TermTypeNumber && len(q.Term.SuffixList) == 0
}

// boundIndexes limits the indexes in what is assigned to: a list would grow to them.
func boundIndexes(assigned *gojq.Query) {
	each(reflect.ValueOf(assigned), func(node any) {
		if i, ok := node.(*gojq.Index); ok && i.Start != nil && !i.IsSlice {
			i.Start = pipe(i.Start, index)
		}
	})
}

var (
	small = parsed(funcSmall)
	index = parsed(funcIndex)

	// guards are what has to be true of the input of functions that would make a long
	// text of a short list, in which the same text is many times.
	guards = map[string]*gojq.Query{
		"add/0": small, "flatten/0": small, "flatten/1": small, "format/1": small, "tojson/0": small, "tostring/0": small,
		"transpose/0": parsed(funcGrid),
	}

	addAll = parsed(funcSmall + " | add")
	joined = parsed("__joins__($__right__) | join($__right__)")
)

// arity is the full name of a function.
func arity(name string, args int) string { return fmt.Sprintf("%s/%d", name, args) }

func boundTerm(t *gojq.Term, own map[string]bool) {
	if t.Type == gojq.TermTypeFormat && t.Str == nil {
		replace(t, pipe(small, term(gojq.Term{Type: t.Type, Format: t.Format})))
	}
	if t.Type != gojq.TermTypeFunc {
		return
	}
	f := t.Func
	name := arity(f.Name, len(f.Args))
	if own[name] {
		return
	}
	if guard := guards[name]; guard != nil {
		replace(t, pipe(guard, term(gojq.Term{Type: t.Type, Func: f})))
	}
	switch name {
	case "add/1":
		replace(t, pipe(term(gojq.Term{Type: gojq.TermTypeArray, Array: &gojq.Array{Query: f.Args[0]}}), addAll))
	case "join/1":
		replace(t, &gojq.Query{Left: f.Args[0], Op: gojq.OpPipe, Right: joined, Patterns: []*gojq.Pattern{{Name: varRight}}})
	case "pick/1":
		boundIndexes(f.Args[0])
	case "setpath/2":
		f.Args[0] = pipe(f.Args[0], index)
	}
}

// replace puts a query in the place of a term, but for what follows it.
func replace(t *gojq.Term, q *gojq.Query) {
	*t = gojq.Term{Type: gojq.TermTypeQuery, Query: q, SuffixList: t.SuffixList}
}

// spread applies the format of a text to what is put into it: @uri "a\(b)" becomes
// "a\(b | @uri)".
func spread(t *gojq.Term) {
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

// interpolated makes one text of the parts of one.
func interpolated(parts []*gojq.Query) *gojq.Query {
	var rest []*gojq.Query
	if len(parts) > maxParts {
		parts, rest = parts[:maxParts], parts[maxParts:]
	}
	args := append(parts[:len(parts):len(parts)], term(gojq.Term{Type: gojq.TermTypeFunc, Func: &gojq.Func{Name: varRoom}}))
	q := term(gojq.Term{Type: gojq.TermTypeFunc, Func: &gojq.Func{Name: funcText, Args: args}})
	if len(rest) > 0 {
		return interpolated(append([]*gojq.Query{q}, rest...))
	}
	return q
}

func pipe(left, right *gojq.Query) *gojq.Query {
	return &gojq.Query{Left: left, Op: gojq.OpPipe, Right: right}
}

func term(t gojq.Term) *gojq.Query { return &gojq.Query{Term: &t} }

func parsed(text string) *gojq.Query {
	q, err := gojq.Parse(text)
	if err != nil {
		panic("source: " + err.Error()) // decided at build time
	}
	return q
}

// each calls f for every node of a program, after those within it.
func each(v reflect.Value, f func(node any)) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			each(v.Elem(), f)
			f(v.Interface())
		}
	case reflect.Struct:
		for i := range v.NumField() {
			each(v.Field(i), f)
		}
	case reflect.Slice:
		for i := range v.Len() {
			each(v.Index(i), f)
		}
	}
}
