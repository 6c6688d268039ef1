package limit

import (
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"
	"unicode/utf8"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/itchyny/gojq"
)

// The limits of regular expressions. Go matches in a time that grows with the product of
// the cost and the length of the text. The cost is the size times the number of groups,
// whose positions Go copies for each of the ways to match that it follows.
const (
	maxPattern = 16 << 10 // bytes
	maxSize    = 10_000   // of a compiled pattern
	maxCost    = 1 << 20
	maxMatch   = 64 << 20 // cost times bytes of text
	maxCached  = 1000     // size of patterns that are cached
)

const errPattern = Error("uses a regular expression that is too large for its text")

// pattern is a compiled regular expression.
type pattern struct {
	first *regexp.Regexp // finds the first match
	next  *regexp.Regexp // finds the first match after one character; it is group 1
	size  int
	cost  int
}

// patterns caches compiled patterns by their text and their flags.
var patterns = func() *lru.Cache[[2]string, *pattern] {
	cache, err := lru.New[[2]string, *pattern](64)
	if err != nil {
		panic(err) // the size is positive
	}
	return cache
}()

// compilePattern returns the errors of gojq.
func compilePattern(text, flags string) (*pattern, error) {
	key := [2]string{text, flags}
	if p, ok := patterns.Get(key); ok {
		return p, nil
	}
	if strings.Trim(flags, "gim") != "" {
		return nil, fmt.Errorf("unsupported regular expression flag: %q", flags)
	}
	if len(text) > maxPattern {
		return nil, errPattern
	}
	if strings.Contains(flags, "i") {
		text = "(?i)" + text
	}
	if strings.Contains(flags, "m") {
		text = "(?s)" + text
	}
	tree, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return nil, fmt.Errorf("invalid regular expression %q: %s", text, err)
	}
	p := &pattern{size: treeSize(tree)}
	p.cost = p.size * (tree.MaxCap() + 1)
	if p.size > maxSize || p.cost > maxCost {
		return nil, errPattern
	}
	if p.first, err = regexp.Compile(text); err == nil {
		p.next, err = regexp.Compile(`\A(?s:..*?)(` + tree.String() + `)`) // tree closes an open \Q
	}
	if err != nil {
		return nil, fmt.Errorf("invalid regular expression %q: %s", text, err)
	}
	if p.size <= maxCached {
		patterns.Add(key, p)
	}
	return p, nil
}

// treeSize estimates the size of a compiled pattern, in instructions of 256 bytes.
func treeSize(tree *syntax.Regexp) int {
	n := 1
	switch tree.Op {
	case syntax.OpLiteral:
		n += len(tree.Rune)
	case syntax.OpCharClass:
		n += len(tree.Rune) / 64
	}
	for _, sub := range tree.Sub {
		n += treeSize(sub)
	}
	if tree.Op == syntax.OpRepeat {
		n *= max(tree.Min, tree.Max, 1)
	}
	return n
}

// find returns the first match that starts at from or later, as the indexes of its groups.
func (p *pattern) find(text string, from int) []int {
	if from == 0 {
		return p.first.FindStringSubmatchIndex(text)
	}
	_, width := utf8.DecodeLastRuneInString(text[:from])
	base := from - width
	found := p.next.FindStringSubmatchIndex(text[base:])
	if found == nil {
		return nil
	}
	for i := range found {
		if found[i] >= 0 {
			found[i] += base
		}
	}
	return found[2:]
}

// matches is an iterator of the matches of a pattern. Gojq's own functions find all
// matches in one step, and count the characters before each from the start of the text.
type matches struct {
	kind  string
	text  string
	p     *pattern
	names []string // of the groups
	all   bool
	from  int // start of the next search, or -1
	end   int // of the last match

	bytes, runes int // a position in the text that was counted
}

// match returns an iterator. Its values depend on the kind: "match" as in jq; "test" a
// boolean; "capture" an object of groups; "scan" a string or the strings of the groups;
// "splits" the strings between matches; "sub" for each match the string before it and an
// object of groups, and at last the string after all.
func match(v any, args []any) gojq.Iter {
	kind := args[0].(string)
	text, isText := v.(string)
	expression, isExpression := args[1].(string)
	flags, isFlags := args[2].(string)
	if !isText || !isExpression || !isFlags && args[2] != nil {
		name, got := "match", "null"
		if kind == "test" {
			name = kind
		}
		if v != nil {
			got = fmt.Sprintf("%s (%s)", gojq.TypeOf(v), gojq.Preview(v))
		}
		return gojq.NewIter(fmt.Errorf("%s(%s; %s) cannot be applied to: %s", name, gojq.Preview(args[1]), gojq.Preview(args[2]), got))
	}
	p, err := compilePattern(expression, flags)
	if err == nil && p.cost*len(text) > maxMatch {
		err = errPattern
	}
	if err != nil {
		return gojq.NewIter(err)
	}
	if kind == "test" {
		return gojq.NewIter(p.first.MatchString(text))
	}
	return &matches{kind: kind, text: text, p: p, names: p.first.SubexpNames(), all: strings.Contains(flags, "g")}
}

func (m *matches) Next() (any, bool) {
	if m.from < 0 {
		return nil, false
	}
	var found []int
	if m.from <= len(m.text) {
		found = m.p.find(m.text, m.from)
	}
	if found == nil {
		m.from = -1
		switch m.kind {
		case "splits":
			return m.text[m.end:], true
		case "sub":
			return []any{m.text[m.end:]}, true
		}
		return nil, false
	}
	before := m.text[m.end:found[0]]
	m.end, m.from = found[1], found[1]
	if found[0] == found[1] {
		_, width := utf8.DecodeRuneInString(m.text[m.from:])
		m.from += max(width, 1)
	}
	if !m.all {
		m.from = len(m.text) + 1
	}
	switch m.kind {
	case "splits":
		return before, true
	case "sub":
		return []any{before, m.captures(found)}, true
	case "capture":
		return m.captures(found), true
	case "scan":
		if len(found) == 2 {
			return m.text[found[0]:found[1]], true
		}
		groups := make([]any, 0, len(found)/2-1)
		for i := 2; i < len(found); i += 2 {
			groups = append(groups, m.group(found[i:]))
		}
		return groups, true
	}
	return m.describe(found), true
}

// group returns the text of a group, or nil if it did not take part.
func (m *matches) group(at []int) any {
	if at[0] < 0 {
		return nil
	}
	return m.text[at[0]:at[1]]
}

func (m *matches) captures(found []int) map[string]any {
	groups := make(map[string]any)
	for i, name := range m.names {
		if name != "" {
			groups[name] = m.group(found[2*i:])
		}
	}
	return groups
}

func (m *matches) describe(found []int) map[string]any {
	m.runes += utf8.RuneCountInString(m.text[m.bytes:found[0]])
	m.bytes = found[0]
	captures := make([]any, 0, len(found)/2-1)
	for i := 1; i < len(found)/2; i++ {
		from, to := found[2*i], found[2*i+1]
		c := map[string]any{"name": nil, "offset": -1, "length": 0, "string": nil}
		if m.names[i] != "" {
			c["name"] = m.names[i]
		}
		if from >= 0 {
			c["offset"] = m.runes + utf8.RuneCountInString(m.text[found[0]:from])
			c["length"] = utf8.RuneCountInString(m.text[from:to])
			c["string"] = m.text[from:to]
		}
		captures = append(captures, c)
	}
	text := m.text[found[0]:found[1]]
	return map[string]any{"offset": m.runes, "length": utf8.RuneCountInString(text), "string": text, "captures": captures}
}

// assemble returns the results of sub. Each row of the input has the texts for one match,
// and the last one the text after all. If there are several replacements, each makes a
// result.
func assemble(v any, args []any) gojq.Iter {
	rows := v.([]any)
	last := len(rows) - 1
	return &assembly{text: args[0], rows: rows[:last], tail: rows[last].([]any)[0].(string)}
}

// assembly is an iterator of the results of sub, because all of them together can be much
// longer than the rows.
type assembly struct {
	text any // without a replacement
	rows []any
	tail string
	next int // the column of the next result
}

func (a *assembly) Next() (any, bool) {
	var b strings.Builder
	found := false
	for _, row := range a.rows {
		if row := row.([]any); a.next < len(row) {
			text, _ := row[a.next].(string)
			b.WriteString(text)
			found = true
		}
		if b.Len()+len(a.tail) > maxText {
			return errText, true
		}
	}
	a.next++
	if !found {
		return a.text, a.next == 1
	}
	return b.String() + a.tail, true
}
