package limit

import (
	"reflect"
	"slices"
	"strings"
	"sync"

	"github.com/itchyny/gojq"
)

// Rewrite adds checks to every operator and function of a program that can make a value
// much larger than its operands, or that can take long in one step.
func Rewrite(query *gojq.Query) {
	Walk(query, func(node any) {
		if t, ok := node.(*gojq.Term); ok {
			distributeFormat(t)
		}
	})
	Walk(query, func(node any) {
		switch n := node.(type) {
		case *gojq.Query:
			rewriteOperator(n)
		case *gojq.Term:
			if t := n; t.Type == gojq.TermTypeFormat && t.Str == nil {
				replace(t, pipe(written, term(gojq.Term{Type: t.Type, Format: t.Format})))
			} else if t.Type == gojq.TermTypeArray && t.Array.Query != nil {
				replace(t, pipe(term(gojq.Term{Type: t.Type, Array: t.Array}), list))
			}
		case *gojq.Index:
			if n.Start != nil && !n.IsSlice && !isLiteral(n.Start, gojq.OpPipe) {
				n.Start = pipe(n.Start, lookup)
			}
		case *gojq.PatternObject:
			if n.KeyQuery != nil {
				n.KeyQuery = pipe(n.KeyQuery, lookup)
			}
		case *gojq.String:
			if len(n.Queries) > 0 {
				n.Queries = []*gojq.Query{interpolate(n.Queries)}
			}
		}
	})
	define(query)
}

// rightVariable holds the right operand of a rewritten operator.
const rightVariable = "$__right__"

var (
	written = parse("__written__($__budget__)")
	list    = parse("__list__")
	index   = parse("__index__")
	lookup  = parse("__lookup__")

	// operators are the replacements of operators. The input is the left operand.
	operators = map[gojq.Operator]*gojq.Query{
		gojq.OpAdd: parse(". + $__right__ | __sum__($__budget__)"),
		gojq.OpMul: parse(". * __factor__($__right__; $__budget__)"),
		gojq.OpSub: parse(". - __pairs__($__right__)"),
		gojq.OpEq:  parse(". == __compared__($__right__)"),
		gojq.OpNe:  parse(". != __compared__($__right__)"),
		gojq.OpLt:  parse(". < __compared__($__right__)"),
		gojq.OpGt:  parse(". > __compared__($__right__)"),
		gojq.OpLe:  parse(". <= __compared__($__right__)"),
		gojq.OpGe:  parse(". >= __compared__($__right__)"),
	}
	updates = map[gojq.Operator]gojq.Operator{gojq.OpUpdateAdd: gojq.OpAdd, gojq.OpUpdateMul: gojq.OpMul, gojq.OpUpdateSub: gojq.OpSub}
)

// guards are functions of jq with checks. An @ is the original.
var guards = []string{
	"add: __small__ | @",
	"add(f): [f] | __list__ | add",
	"bsearch($x): @($x | __tree__)",
	"contains($x): @(__pairs__($x))",
	"del(f): __tree__ | @(f)",
	"delpaths($x): __tree__ | @($x)",
	"error: __small__ | @",
	"error($x): @($x | __small__)",
	"explode: @ | __list__",
	"flatten: __small__ | @",
	"flatten($x): __small__ | @($x)",
	"format($x): __written__($__budget__) | @($x)",
	"fromstream(f): @(f | . as $e | $e[0] | __index__ | $e)",
	"getpath($x): @($x | __index__)",
	"group_by(f): @(f | __key__($__budget__))",
	"halt_error: __small__ | @",
	"halt_error($x): __small__ | @($x)",
	"index($x): @(__places__($x))",
	"indices($x): @(__places__($x)) | __list__",
	"inside($x): @(__pairs__($x))",
	"join($x): __joined__($x) | @($x)",
	"JOIN($x; f): @($x; f | __lookup__)",
	"JOIN($x; s; f): @($x; s; f | __lookup__)",
	"JOIN($x; s; f; g): @($x; s; f | __lookup__; g)",
	"map(f): @(f) | __list__",
	"max: __tree__ | @",
	"max_by(f): @(f | __key__($__budget__))",
	"min: __tree__ | @",
	"min_by(f): @(f | __key__($__budget__))",
	"nth($x): .[$x | __index__]",
	"rindex($x): @(__places__($x))",
	"setpath(x; y): @(x | __index__; y)",
	"sort: __tree__ | @",
	"sort_by(f): @(f | __key__($__budget__))",
	"split($x): @($x) | __list__",
	"tojson: __written__($__budget__) | @",
	"tostring: __written__($__budget__) | @",
	"transpose: __grid__ | @",
	"unique: __tree__ | @",
	"unique_by(f): @(f | __key__($__budget__))",
}

// replacements are functions of jq that call guarded ones, or match texts.
const replacements = `
def pick(f): . as $v | reduce path(f) as $p (null; setpath($p; $v | getpath($p)));
def IN(s): any(__compared__(s) == .; .);
def IN(src; s): any(src | __compared__(s) == .; .);
def INDEX(stream; f): reduce stream as $row ({}; .[$row | f | tostring] = $row);
def INDEX(f): INDEX(.[]; f);

def match($re; $flags): __match__("match"; $re; $flags);
def match($re): if $re | type == "array" then match($re[0]; $re[1]) else match($re; null) end;
def test($re; $flags): __match__("test"; $re; $flags);
def test($re): if $re | type == "array" then test($re[0]; $re[1]) else test($re; null) end;
def capture($re; $flags): __match__("capture"; $re; $flags);
def capture($re): if $re | type == "array" then capture($re[0]; $re[1]) else capture($re; null) end;
def scan($re; $flags): __match__("scan"; $re; $flags + "g");
def scan($re): scan($re; null);
def splits($re; $flags): __match__("splits"; $re; $flags + "g");
def splits($re): splits($re; null);
def split($re; $flags): [splits($re; $flags)] | __list__;
def sub($re; f; $flags): . as $text
  | [__match__("sub"; $re; $flags) | if .[1] then [.[0] + (.[1] | f)] else . end]
  | __assemble__($text);
def sub($re; f): sub($re; f; null);
def gsub($re; f; $flags): sub($re; f; $flags + "g");
def gsub($re; f): sub($re; f; "g");
.`

// definitions returns all functions that hide those of jq. They are parsed on first use,
// because most deployments have no mapping.
var definitions = sync.OnceValue(func() []*gojq.FuncDef {
	var text strings.Builder
	for _, guard := range guards {
		head, body, _ := strings.Cut(guard, ": ")
		name, _, _ := strings.Cut(head, "(")
		text.WriteString("def __jq_" + head + ": " + head + "; def " + head + ": " + strings.ReplaceAll(body, "@", "__jq_"+name) + ";\n")
	}
	return parse(text.String() + replacements).FuncDefs
})

// define adds the definitions that a program uses.
func define(query *gojq.Query) {
	used := make(map[string]bool)
	note := func(node any) {
		if f, ok := node.(*gojq.Func); ok {
			used[f.Name] = true
		}
	}
	Walk(query, note)
	for _, d := range slices.Backward(definitions()) {
		if used[d.Name] {
			Walk(d.Body, note)
			query.FuncDefs = append([]*gojq.FuncDef{d}, query.FuncDefs...)
		}
	}
}

// rewriteOperator turns l + r into r as $__right__ | l | replacement, and l += r into
// r as $__right__ | l |= replacement.
func rewriteOperator(q *gojq.Query) {
	if q.Op >= gojq.OpAssign {
		checkIndexes(q.Left)
	}
	operator := q.Op
	if q.Op >= gojq.OpAssign {
		operator = updates[q.Op]
	}
	replacement := operators[operator]
	if replacement == nil || operator != gojq.OpMul && (isLiteral(q.Left, operator) || isLiteral(q.Right, operator)) {
		return
	}
	op := gojq.OpPipe
	if q.Op >= gojq.OpAssign {
		op = gojq.OpModify
	}
	left := &gojq.Query{Left: q.Left, Op: op, Right: replacement}
	q.Left, q.Op, q.Right, q.Patterns = q.Right, gojq.OpPipe, left, []*gojq.Pattern{{Name: rightVariable}}
}

// isLiteral reports whether q is a value that an operator needs no check for. Texts grow
// when they are added.
func isLiteral(q *gojq.Query, operator gojq.Operator) bool {
	if q.Term == nil || len(q.Term.SuffixList) > 0 {
		return false
	}
	switch q.Term.Type {
	case gojq.TermTypeNull, gojq.TermTypeTrue, gojq.TermTypeFalse, gojq.TermTypeNumber:
		return true
	}
	return q.Term.Type == gojq.TermTypeString && len(q.Term.Str.Queries) == 0 && operator != gojq.OpAdd
}

// checkIndexes checks the indexes in the target of an assignment: an array grows to them.
func checkIndexes(target *gojq.Query) {
	Walk(target, func(node any) {
		if i, ok := node.(*gojq.Index); ok && i.Start != nil && !i.IsSlice {
			i.Start = pipe(i.Start, index)
		}
	})
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
	q := term(gojq.Term{Type: gojq.TermTypeFunc, Func: &gojq.Func{Name: "__text__", Args: args}})
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
