package config

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"github.com/rcshook/rcshook/internal/typo"
)

// Position is where a setting was written.
type Position struct {
	File         string // empty for the environment
	Line, Column int    // from 1; zero if the setting was not written
	Path         string // of the setting in the file, such as sources.shop.map
}

func (p Position) String() string {
	var parts []string
	switch {
	case p.Line > 0:
		parts = append(parts, fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column))
	case p.File != "":
		parts = append(parts, p.File)
	}
	if p.Path != "" {
		parts = append(parts, p.Path)
	}
	return strings.Join(parts, " ")
}

// Name returns the last element of the path, such as map.
func (p Position) Name() string { return p.Path[strings.LastIndexByte(p.Path, '.')+1:] }

// Problemf returns a problem at p. Its text must not contain the value of the
// setting, which may be a secret in the wrong place.
func (p Position) Problemf(format string, args ...any) Problem {
	return Problem{Position: p, Detail: fmt.Sprintf(format, args...)}
}

// Positions are the positions of the fields of a struct, by their names in the file; ""
// is the struct itself. A field that was not written has the place of the struct.
type Positions map[string]Position

// Of returns the place of a field.
func (p Positions) Of(field string) Position {
	if at, ok := p[field]; ok {
		return at
	}
	at := p[""]
	at.Path = join(at.Path, field)
	return at
}

// orAt returns p, or the place of an entry without any field.
func (p Positions) orAt(file, path string) Positions {
	if p == nil {
		return Positions{"": {File: file, Path: path}}
	}
	return p
}

func join(path, field string) string {
	if path == "" {
		return field
	}
	return path + "." + field
}

// Program is a text with lines of its own, in another language.
type Program struct {
	Text string
	Position

	block  bool // Text stands in the file line by line
	indent int  // of its lines
}

// At returns the place of the byte of Text at offset. Columns count characters.
func (p Program) At(offset int) Position {
	before := p.Text[:min(max(offset, 0), len(p.Text))]
	start := strings.LastIndexByte(before, '\n') + 1
	lines, column := strings.Count(before, "\n"), len([]rune(before[start:]))
	at := p.Position
	switch {
	case p.block:
		at.Line, at.Column = at.Line+1+lines, p.indent+1+column
	case at.Line == 0:
		at.Line, at.Column = 1+lines, 1+column
	case lines == 0:
		at.Column += column
	}
	return at
}

// DecodeYAML reads a file into the struct that v points to. Fields have their
// names in yaml tags. A field of type [Positions] gets the positions of the other fields.
//
// The problems are all that is wrong: syntax, unknown keys, repeated keys, values of
// another type. What could be read is in v all the same.
func DecodeYAML(file string, data []byte, v any) (problems []Problem) {
	d := yamlDecoder{file: file, lines: bytes.Split(data, []byte("\n"))}
	defer func() {
		if recover() != nil { // in the parser, which has met nothing like it
			problems = append(d.problems, Position{File: file}.Problemf("cannot be read as YAML"))
		}
	}()
	tree, err := parser.ParseBytes(data, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		return []Problem{d.syntax(err)}
	}
	root := Position{File: file}
	switch bodies := slices.DeleteFunc(tree.Docs, func(n *ast.DocumentNode) bool { return n.Body == nil }); len(bodies) {
	case 0:
	case 1:
		d.value(bodies[0].Body, reflect.ValueOf(v).Elem(), root)
	default:
		d.fault(d.at(bodies[1].Body, ""), "begins a second document: a file has one")
	}
	return d.problems
}

type yamlDecoder struct {
	file     string
	lines    [][]byte
	problems []Problem
}

func (d *yamlDecoder) fault(at Position, format string, args ...any) {
	d.problems = append(d.problems, at.Problemf(format, args...))
}

func (d *yamlDecoder) at(n ast.Node, path string) Position {
	at := Position{File: d.file, Path: path}
	if t := n.GetToken(); t != nil && t.Position != nil {
		at.Line, at.Column = t.Position.Line, t.Position.Column
	}
	return at
}

// syntax keeps of the parser's error its place and its words. The words name
// kinds of tokens; quoted parts of the file are cut off.
func (d *yamlDecoder) syntax(err error) Problem {
	at, words := Position{File: d.file}, "it cannot be read"
	if e, ok := err.(interface { //nolint:errorlint // the parser wraps nothing
		GetToken() *token.Token
		GetMessage() string
	}); ok {
		words, _, _ = strings.Cut(e.GetMessage(), `"`)
		if t := e.GetToken(); t != nil && t.Position != nil {
			at.Line, at.Column = t.Position.Line, t.Position.Column
		}
	}
	return at.Problemf("is not YAML: %s", strings.TrimSpace(words))
}

var (
	secretType    = reflect.TypeFor[Secret]()
	programType   = reflect.TypeFor[Program]()
	durationType  = reflect.TypeFor[time.Duration]()
	positionsType = reflect.TypeFor[Positions]()
)

// value reads n into v. Null is as good as absent.
func (d *yamlDecoder) value(n ast.Node, v reflect.Value, at Position) {
	switch n.(type) {
	case nil, *ast.NullNode:
		return
	case *ast.AnchorNode, *ast.AliasNode, *ast.TagNode, *ast.MergeKeyNode:
		d.fault(at, "uses an anchor, an alias or a tag, which this file does not have: write the value out")
		return
	}
	switch {
	case v.Type() == programType:
		d.program(n, v, at)
	case v.Kind() == reflect.Struct:
		d.object(n, v, at)
	case v.Kind() == reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		d.value(n, v.Elem(), at)
	case v.Kind() == reflect.Map:
		d.table(n, v, at)
	case v.Kind() == reflect.Slice:
		d.list(n, v, at)
	default:
		d.scalar(n, v, at)
	}
}

// entries returns the keys and values of a mapping.
func (d *yamlDecoder) entries(n ast.Node, at Position) []*ast.MappingValueNode {
	var values []*ast.MappingValueNode
	switch n := n.(type) {
	case *ast.MappingNode:
		values = n.Values
	case *ast.MappingValueNode:
		values = []*ast.MappingValueNode{n}
	default:
		d.fault(at, "must have keys and values of its own, below it and indented")
		return nil
	}
	seen := make(map[string]bool)
	return slices.DeleteFunc(values, func(e *ast.MappingValueNode) bool {
		key := e.Key.GetToken().Value
		if seen[key] {
			d.fault(d.at(e.Key, join(at.Path, key)), "is there twice")
		}
		defer func() { seen[key] = true }()
		return seen[key]
	})
}

// object reads a mapping with known keys.
func (d *yamlDecoder) object(n ast.Node, v reflect.Value, at Position) {
	fields, names, positions := make(map[string]reflect.Value), []string(nil), Positions{"": at}
	for i := range v.NumField() {
		if name := v.Type().Field(i).Tag.Get("yaml"); name != "" {
			fields[name], names = v.Field(i), append(names, name)
		} else if v.Field(i).Type() == positionsType {
			v.Field(i).Set(reflect.ValueOf(positions))
		}
	}
	for _, e := range d.entries(n, at) {
		name := e.Key.GetToken().Value
		place := d.at(e.Key, join(at.Path, name))
		field, ok := fields[name]
		if !ok {
			d.unknown(place, name, names)
			continue
		}
		positions[name] = place
		d.value(e.Value, field, place)
	}
}

func (d *yamlDecoder) unknown(at Position, name string, known []string) {
	p := at.Problemf("is not a key here: the keys are %s", strings.Join(known, ", "))
	p.Unknown = true
	if p.Suggestion = Closest(name, known); p.Suggestion != "" {
		p.Detail = fmt.Sprintf("is not a key here: did you mean %s?", p.Suggestion)
	}
	d.problems = append(d.problems, p)
}

// Closest returns the candidate that name was probably meant to be, or "".
func Closest(name string, candidates []string) string {
	return typo.Nearest(strings.ToLower(name), candidates, min(len(name)/2, 4)+1)
}

// table reads a mapping whose keys are names that the file chooses.
func (d *yamlDecoder) table(n ast.Node, v reflect.Value, at Position) {
	v.Set(reflect.MakeMap(v.Type()))
	for _, e := range d.entries(n, at) {
		name := e.Key.GetToken().Value
		item := reflect.New(v.Type().Elem()).Elem()
		d.value(e.Value, item, d.at(e.Key, join(at.Path, name)))
		v.SetMapIndex(reflect.ValueOf(name), item)
	}
}

// list reads a sequence, or one value in place of a list of one.
func (d *yamlDecoder) list(n ast.Node, v reflect.Value, at Position) {
	values := []ast.Node{n}
	if s, ok := n.(*ast.SequenceNode); ok {
		values = s.Values
	}
	v.Set(reflect.MakeSlice(v.Type(), 0, len(values)))
	for i, value := range values {
		place := at
		if len(values) > 1 {
			place = d.at(value, fmt.Sprintf("%s[%d]", at.Path, i))
		}
		item := reflect.New(v.Type().Elem()).Elem()
		d.value(value, item, place)
		v.Set(reflect.Append(v, item))
	}
}

// text returns a scalar as it was written, whatever YAML would make of it: a
// secret of digits keeps its zeros, and the country NO is Norway.
func (d *yamlDecoder) text(n ast.Node, at Position) (string, bool) {
	switch n := n.(type) {
	case *ast.LiteralNode:
		return n.Value.Value, true
	case *ast.StringNode, *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return n.GetToken().Value, true
	default:
		d.fault(at, "must be one value")
		return "", false
	}
}

func (d *yamlDecoder) scalar(n ast.Node, v reflect.Value, at Position) {
	text, ok := d.text(n, at)
	if !ok {
		return
	}
	switch {
	case v.Type() == secretType:
		s := Secret(Trim(text))
		if err := s.check(); err != nil {
			d.fault(at, "%s", err)
		}
		v.SetString(string(s))
	case v.Type() == durationType:
		t, err := parseDuration(text)
		if err != nil || t <= 0 {
			d.fault(at, "must be a length of time: write 10m, 90s, or a number of seconds")
			return
		}
		v.SetInt(int64(t))
	case v.Kind() == reflect.Bool:
		b, err := strconv.ParseBool(text)
		if err != nil {
			d.fault(at, "must be true or false")
		}
		v.SetBool(b)
	case v.Kind() == reflect.Int:
		i, err := strconv.Atoi(text)
		if err != nil {
			d.fault(at, "must be a whole number")
		}
		v.SetInt(int64(i))
	default:
		v.SetString(text)
	}
}

// program reads a text and keeps where its lines are.
func (d *yamlDecoder) program(n ast.Node, v reflect.Value, at Position) {
	text, ok := d.text(n, at)
	if !ok {
		return
	}
	p := Program{Text: text, Position: at}
	if start := n.GetToken().Position; start != nil {
		p.Line, p.Column = start.Line, start.Column
	}
	switch n := n.(type) {
	case *ast.LiteralNode:
		p.block = strings.HasPrefix(n.Start.Value, "|")
		p.indent = d.indent(p.Line)
	case *ast.StringNode:
		if t := n.Token.Type; t == token.SingleQuoteType || t == token.DoubleQuoteType {
			p.Column++
		}
	}
	v.Set(reflect.ValueOf(p))
}

// indent returns the indentation of the first line with anything on it after the
// given one.
func (d *yamlDecoder) indent(line int) int {
	for _, l := range d.lines[min(line, len(d.lines)):] {
		if trimmed := bytes.TrimLeft(l, " "); len(bytes.TrimSpace(trimmed)) > 0 {
			return len(l) - len(trimmed)
		}
	}
	return 0
}
