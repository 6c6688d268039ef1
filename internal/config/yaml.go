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

// Place is where something was written in a file, and its path there, such as
// sources.shop.map.
type Place struct {
	File         string
	Line, Column int // from 1; zero where the file says nothing
	Path         string
}

// Fault returns a fault at p. Its detail must not hold what was written: that may
// be a secret in the wrong place.
func (p Place) Fault(format string, args ...any) Fault {
	setting := p.File
	if p.Line > 0 {
		setting = fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
	}
	if p.Path != "" {
		setting += " " + p.Path
	}
	return Fault{setting, fmt.Sprintf(format, args...)}
}

// Places are the places of the fields of a struct, by their names in the file; ""
// is the struct itself. A field that was not written has the place of the struct.
type Places map[string]Place

// Of returns the place of a field.
func (p Places) Of(field string) Place {
	if at, ok := p[field]; ok {
		return at
	}
	at := p[""]
	at.Path = join(at.Path, field)
	return at
}

// orAt returns p, or the place of an entry without any field.
func (p Places) orAt(file, path string) Places {
	if p == nil {
		return Places{"": {File: file, Path: path}}
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
	Place

	block  bool // Text stands in the file line by line
	indent int  // of its lines
}

// At returns the place of the byte of Text at offset. Columns count characters.
func (p Program) At(offset int) Place {
	before := p.Text[:min(max(offset, 0), len(p.Text))]
	start := strings.LastIndexByte(before, '\n') + 1
	lines, column := strings.Count(before, "\n"), len([]rune(before[start:]))
	at := p.Place
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
// names in yaml tags. A field of type [Places] gets the places of the other fields.
//
// The faults are all that is wrong: syntax, unknown keys, repeated keys, values of
// another type. What could be read is in v all the same.
func DecodeYAML(file string, data []byte, v any) (faults []Fault) {
	d := yamlDecoder{file: file, lines: bytes.Split(data, []byte("\n"))}
	defer func() {
		if recover() != nil { // in the parser, which has met nothing like it
			faults = append(d.faults, Place{File: file}.Fault("cannot be read as YAML"))
		}
	}()
	tree, err := parser.ParseBytes(data, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		return []Fault{d.syntax(err)}
	}
	root := Place{File: file}
	switch bodies := slices.DeleteFunc(tree.Docs, func(n *ast.DocumentNode) bool { return n.Body == nil }); len(bodies) {
	case 0:
	case 1:
		d.value(bodies[0].Body, reflect.ValueOf(v).Elem(), root)
	default:
		d.fault(d.at(bodies[1].Body, ""), "begins a second document: a file has one")
	}
	return d.faults
}

type yamlDecoder struct {
	file   string
	lines  [][]byte
	faults []Fault
}

func (d *yamlDecoder) fault(at Place, format string, args ...any) {
	d.faults = append(d.faults, at.Fault(format, args...))
}

func (d *yamlDecoder) at(n ast.Node, path string) Place {
	at := Place{File: d.file, Path: path}
	if t := n.GetToken(); t != nil && t.Position != nil {
		at.Line, at.Column = t.Position.Line, t.Position.Column
	}
	return at
}

// syntax keeps of the parser's error its place and its words. The words name
// kinds of tokens; quoted parts of the file are cut off.
func (d *yamlDecoder) syntax(err error) Fault {
	at, words := Place{File: d.file}, "it cannot be read"
	if e, ok := err.(interface { //nolint:errorlint // the parser wraps nothing
		GetToken() *token.Token
		GetMessage() string
	}); ok {
		words, _, _ = strings.Cut(e.GetMessage(), `"`)
		if t := e.GetToken(); t != nil && t.Position != nil {
			at.Line, at.Column = t.Position.Line, t.Position.Column
		}
	}
	return at.Fault("is not YAML: %s", strings.TrimSpace(words))
}

var (
	secretType   = reflect.TypeFor[Secret]()
	programType  = reflect.TypeFor[Program]()
	durationType = reflect.TypeFor[time.Duration]()
	placesType   = reflect.TypeFor[Places]()
)

// value reads n into v. Null is as good as absent.
func (d *yamlDecoder) value(n ast.Node, v reflect.Value, at Place) {
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
func (d *yamlDecoder) entries(n ast.Node, at Place) []*ast.MappingValueNode {
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
func (d *yamlDecoder) object(n ast.Node, v reflect.Value, at Place) {
	fields, names, places := make(map[string]reflect.Value), []string(nil), Places{"": at}
	for i := range v.NumField() {
		if name := v.Type().Field(i).Tag.Get("yaml"); name != "" {
			fields[name], names = v.Field(i), append(names, name)
		} else if v.Field(i).Type() == placesType {
			v.Field(i).Set(reflect.ValueOf(places))
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
		places[name] = place
		d.value(e.Value, field, place)
	}
}

func (d *yamlDecoder) unknown(at Place, name string, known []string) {
	if near := Closest(name, known); near != "" {
		d.fault(at, "is not a key here: did you mean %s?", near)
		return
	}
	d.fault(at, "is not a key here: the keys are %s", strings.Join(known, ", "))
}

// Closest returns the candidate that name was probably meant to be, or "".
func Closest(name string, candidates []string) string {
	return typo.Nearest(strings.ToLower(name), candidates, min(len(name)/2, 4)+1)
}

// table reads a mapping whose keys are names that the file chooses.
func (d *yamlDecoder) table(n ast.Node, v reflect.Value, at Place) {
	v.Set(reflect.MakeMap(v.Type()))
	for _, e := range d.entries(n, at) {
		name := e.Key.GetToken().Value
		item := reflect.New(v.Type().Elem()).Elem()
		d.value(e.Value, item, d.at(e.Key, join(at.Path, name)))
		v.SetMapIndex(reflect.ValueOf(name), item)
	}
}

// list reads a sequence, or one value in place of a list of one.
func (d *yamlDecoder) list(n ast.Node, v reflect.Value, at Place) {
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
func (d *yamlDecoder) text(n ast.Node, at Place) (string, bool) {
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

func (d *yamlDecoder) scalar(n ast.Node, v reflect.Value, at Place) {
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
func (d *yamlDecoder) program(n ast.Node, v reflect.Value, at Place) {
	text, ok := d.text(n, at)
	if !ok {
		return
	}
	p := Program{Text: text, Place: at}
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
