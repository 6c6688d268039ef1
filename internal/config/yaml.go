package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"

	"github.com/rcshook/rcshook/internal/charset"
	"github.com/rcshook/rcshook/internal/typo"
)

// Positions holds the positions of the fields of a struct, by their names in the
// file. The key "" is the struct itself.
type Positions map[string]Position

// Of returns the position of a field. A field that was not written has the position
// of the struct.
func (p Positions) Of(field string) Position {
	if at, ok := p[field]; ok {
		return at
	}
	at := p[""]
	at.Path = join(at.Path, field)
	return at
}

func join(path, field string) string {
	if path == "" {
		return field
	}
	return path + "." + field
}

// Program is text in another language with positions of its own.
type Program struct {
	Text string
	Position

	block  bool // Text is a literal block (|)
	indent int  // of the block
}

// At returns the position of the byte of Text at offset. Columns count characters.
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

// DecodeYAML decodes a file into the struct that v points to. The yaml tags name the
// fields. A field of type [Positions] gets the positions of the other fields.
//
// It returns all problems: invalid syntax, unknown keys, duplicate keys and values of
// the wrong type. The valid part of the file is in v together with problems.
func DecodeYAML(file string, data []byte, v any) []Problem {
	data, err := charset.ToUTF8(data)
	if err != nil {
		at := Position{File: file}
		if i := bytes.IndexFunc(data, func(r rune) bool { return r == utf8.RuneError }); err == charset.ErrNotUTF8 && i >= 0 {
			at.Line, at.Column = 1+bytes.Count(data[:i], []byte("\n")), 1+utf8.RuneCount(data[1+bytes.LastIndexByte(data[:i], '\n'):i])
		}
		return []Problem{at.Problemf("%v; save the file as UTF-8", err)}
	}
	d := yamlDecoder{file: file, lines: bytes.Split(data, []byte("\n"))}
	var documents []*yaml.Node
	loader, err := yaml.NewLoader(bytes.NewReader(data))
	for err == nil {
		var document yaml.Node
		if err = loader.Load(&document); err == nil && len(document.Content) > 0 && document.Content[0].Tag != "!!null" {
			documents = append(documents, document.Content[0])
		}
	}
	if !errors.Is(err, io.EOF) {
		at, message := Position{File: file}, "cannot be read"
		if e, ok := errors.AsType[*yaml.LoadError](err); ok {
			if line, column, text, ok := explainSyntax(d.lines, e.Mark.Line); ok {
				at.Line, at.Column = line, column
				return []Problem{at.Problemf("invalid YAML: %s", text)}
			}
			at.Line, at.Column = e.Mark.Line, e.Mark.Column
			if strings.Contains(e.Message, "end of stream") && e.ContextMark.Line > 0 {
				at.Line, at.Column = e.ContextMark.Line, e.ContextMark.Column
			}
			message, _, _ = strings.Cut(e.Message, " '") // a quoted part may be a value
			if strings.HasPrefix(message, "mapping values are not allowed") {
				message = `expected one key in this line; end the key above with a colon, or quote the value that contains ": "`
			}
			if e.ContextMsg != "" {
				message += fmt.Sprintf(" %s from line %d", e.ContextMsg, e.ContextMark.Line)
			}
		}
		return []Problem{at.Problemf("invalid YAML: %s", message)}
	}
	switch len(documents) {
	case 0:
	case 1:
		d.value(documents[0], reflect.ValueOf(v).Elem(), d.at(documents[0], ""))
	default:
		d.problem(d.at(documents[1], ""), "second document; a file must contain only one")
	}
	return d.problems
}

type yamlDecoder struct {
	file     string
	lines    [][]byte
	problems []Problem
	outer    [][]string // the keys of the structs around the current value
}

func (d *yamlDecoder) problem(at Position, format string, args ...any) {
	d.problems = append(d.problems, at.Problemf(format, args...))
}

func (d *yamlDecoder) at(n *yaml.Node, path string) Position {
	return Position{File: d.file, Line: n.Line, Column: n.Column, Path: path}
}

// value decodes n into v. Null counts as not written.
func (d *yamlDecoder) value(n *yaml.Node, v reflect.Value, at Position) {
	if n.Kind == yaml.AliasNode || n.Anchor != "" || n.Style&yaml.TaggedStyle != 0 {
		d.problem(at, "must not use an anchor, alias or tag; write the value out")
		return
	}
	if n.Tag == "!!null" {
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		if n.Tag == "!!bool" && v.Type().Elem().Kind() == reflect.String {
			d.problem(at, `must be a text, got true or false; write "" for no text`)
			return
		}
		v.Set(reflect.New(v.Type().Elem()))
		d.value(n, v.Elem(), at)
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[Program]() || v.Type() == reflect.TypeFor[After]() {
			d.scalar(n, v, at)
			return
		}
		if store, ok := v.Addr().Interface().(*Store); ok { // a location or a target
			v = reflect.ValueOf(&store.Location).Elem()
			if n.Kind == yaml.MappingNode {
				v = reflect.ValueOf(&store.Lookup).Elem()
			}
			d.value(n, v, at)
			return
		}
		d.object(n, v, at)
	case reflect.Map: // the keys are names
		d.named(n, v, at)
	case reflect.Slice: // a sequence, or a single value
		values := []*yaml.Node{n}
		if n.Kind == yaml.SequenceNode {
			values = n.Content
		}
		v.Set(reflect.MakeSlice(v.Type(), len(values), len(values)))
		for i, value := range values {
			itemAt := at
			if len(values) > 1 {
				itemAt = d.at(value, fmt.Sprintf("%s[%d]", at.Path, i))
			}
			d.value(value, v.Index(i), itemAt)
		}
	default:
		d.scalar(n, v, at)
	}
}

// entries calls decode for every entry of a mapping.
func (d *yamlDecoder) entries(n *yaml.Node, at Position, decode func(name string, value *yaml.Node, at Position)) {
	if n.Kind != yaml.MappingNode {
		d.problem(at, "must be a mapping: indented lines of key: value")
		return
	}
	seen := make(map[string]bool)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		keyAt := d.at(key, join(at.Path, key.Value))
		switch {
		case key.Kind != yaml.ScalarNode || key.Tag == "!!merge":
			d.problem(keyAt, "must have plain text as its keys")
		case seen[key.Value]:
			d.problem(keyAt, "is a duplicate key")
		default:
			decode(key.Value, n.Content[i+1], keyAt)
		}
		seen[key.Value] = true
	}
}

// object decodes a mapping into a struct.
func (d *yamlDecoder) object(n *yaml.Node, v reflect.Value, at Position) {
	fields, positions := make(map[string]reflect.Value), Positions{"": at}
	names := keys(v.Type())
	for i := range v.NumField() {
		if name := v.Type().Field(i).Tag.Get("yaml"); name != "" {
			fields[name] = v.Field(i)
		} else if v.Field(i).Type() == reflect.TypeFor[Positions]() {
			v.Field(i).Set(reflect.ValueOf(positions))
		}
	}
	d.outer = append(d.outer, names)
	defer func() { d.outer = d.outer[:len(d.outer)-1] }()
	misplaced := make(map[string]bool) // by the key below which they belong
	set := make(map[string]bool)       // the keys with a value
	for i := 0; i+1 < len(n.Content); i += 2 {
		if key := n.Content[i].Value; n.Content[i+1].Tag != "!!null" {
			set[key] = true
		}
	}
	d.entries(n, at, func(name string, value *yaml.Node, at Position) {
		if field, ok := fields[name]; ok {
			positions[name] = at
			d.value(value, field, at)
			return
		}
		if d.isOuter(name) {
			if !misplaced[""] {
				d.problem(at, "is a key of an outer level; indent it and the lines after it less")
			}
			misplaced[""] = true
			return
		}
		if above := belongsBelow(set, v, name, value); above != "" {
			if !misplaced[above] {
				d.problem(at, "is not a key here; write it and the lines after it below %s:, indented further", above)
			}
			misplaced[above] = true
			return
		}
		d.problems = append(d.problems, unknown(at, Closest(name, names), "is an unknown key", "the keys are "+strings.Join(names, ", ")))
	})
}

// isOuter reports whether a key belongs to a struct around the current one.
func (d *yamlDecoder) isOuter(name string) bool {
	return slices.ContainsFunc(d.outer[:len(d.outer)-1], func(names []string) bool { return slices.Contains(names, name) })
}

// belongsBelow returns the field of v below which an unknown key was probably meant to be:
// one that is not set.
func belongsBelow(set map[string]bool, v reflect.Value, name string, value *yaml.Node) string {
	for i := range v.NumField() {
		field := v.Type().Field(i)
		if key := field.Tag.Get("yaml"); key == "" || set[key] {
			continue
		} else if field.Type.Kind() == reflect.Map {
			if slices.ContainsFunc(keys(field.Type.Elem()), func(k string) bool { return hasKey(value, k) }) {
				return key
			}
		} else if slices.Contains(keys(field.Type), name) {
			return key
		}
	}
	return ""
}

// hasKey reports whether a value is a mapping with a key.
func hasKey(n *yaml.Node, key string) bool {
	for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return true
		}
	}
	return false
}

// keys returns the keys of a struct or of a pointer to one.
func keys(t reflect.Type) (names []string) {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	for i := 0; t.Kind() == reflect.Struct && i < t.NumField(); i++ {
		if name := t.Field(i).Tag.Get("yaml"); name != "" {
			names = append(names, name)
		}
	}
	return names
}

// named decodes a mapping whose keys are names, such as sources. Keys of an entry in place
// of names are one problem.
func (d *yamlDecoder) named(n *yaml.Node, v reflect.Value, at Position) {
	v.Set(reflect.MakeMap(v.Type()))
	fields, of := keys(v.Type().Elem()), at.Path
	misplaced := func(name string, value *yaml.Node) bool {
		return slices.Contains(fields, name) && value.Kind != yaml.MappingNode && value.Tag != "!!null"
	}
	anyMisplaced := false
	for i := 0; i+1 < len(n.Content); i += 2 {
		anyMisplaced = anyMisplaced || misplaced(n.Content[i].Value, n.Content[i+1])
	}
	above, reported := "", false
	d.entries(n, at, func(name string, value *yaml.Node, at Position) {
		switch {
		case anyMisplaced && slices.Contains(fields, name):
			if !reported && above != "" {
				d.problem(at, "is a key of %s; indent it and the lines after it further than %[1]s", above)
			} else if !reported {
				d.problem(at, "is not a name; write the name of the %s in a line above it, and indent it further than the name", strings.TrimSuffix(of, "s"))
			}
			reported = true
		case anyMisplaced && value.Tag == "!!null":
			above = name
		case slices.Contains(d.outer[0], name) && !slices.ContainsFunc(fields, func(k string) bool { return hasKey(value, k) }):
			d.problem(at, "is a key of the file; do not indent it")
		default:
			item := reflect.New(v.Type().Elem()).Elem()
			d.value(value, item, at)
			v.SetMapIndex(reflect.ValueOf(name), item)
		}
	})
}

// Closest returns the candidate that was probably meant by name, or "".
func Closest(name string, candidates []string) string {
	return typo.Nearest(strings.ToLower(name), candidates, min(len(name)/2, 4)+1)
}

// scalar decodes a single value from its text and not from YAML's type of it: a
// secret of digits keeps its zeros, and the country NO is Norway.
func (d *yamlDecoder) scalar(n *yaml.Node, v reflect.Value, at Position) {
	if p, ok := v.Addr().Interface().(*Program); ok && n.Kind != yaml.ScalarNode {
		*p = Program{Text: "empty", Position: at} // otherwise it would be missing too
		d.problem(at, "is a YAML value and not a program; write %s: | and the program in the lines below, indented further", at.Name())
		return
	}
	if n.Kind != yaml.ScalarNode {
		d.problem(at, "must be a single value")
		return
	}
	_, isSecret := v.Addr().Interface().(*Secret)
	if isSecret || v.Kind() == reflect.String && strings.ContainsAny(n.Value, "/@") {
		if detail := findPlaceholder(Trim(n.Value)); detail != "" {
			p := at.Problemf("%s", detail)
			p.placeholder = true
			d.problems = append(d.problems, p)
		}
	}
	switch p := v.Addr().Interface().(type) {
	case *Program:
		*p = Program{Text: n.Value, Position: at, block: n.Style&yaml.LiteralStyle != 0}
		p.Line, p.Column = n.Line, n.Column
		if n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0 {
			p.Column++
		}
		for _, line := range d.lines[min(p.Line, len(d.lines)):] {
			if trimmed := bytes.TrimLeft(line, " "); len(bytes.TrimSpace(trimmed)) > 0 {
				p.indent = len(line) - len(trimmed)
				break
			}
		}
	case *Secret:
		*p = Secret(Trim(n.Value))
		if err := p.Check(); err != nil {
			d.problem(at, "%s", err)
		}
	case *time.Duration:
		t, err := parseDuration(n.Value)
		switch {
		case err != nil:
			d.problem(at, badDuration)
		case t <= 0:
			d.problem(at, notPositive)
		default:
			*p = t
		}
	case *After:
		t, err := parseDuration(n.Value)
		switch {
		case n.Value == "auto":
			p.Auto = true
		case err != nil:
			d.problem(at, "must be auto or a duration; write auto, 2m, 90s, or a whole number of seconds")
		case t < time.Second:
			d.problem(at, "must be at least 1s; remove it to use the fallback only for messages that RCS cannot deliver")
		case t > MaxAfter:
			d.problem(at, "must be at most %s, 5 minutes less than RCS keeps a message", MaxAfter)
		default:
			p.Duration = t
		}
	case *bool:
		var err error
		if *p, err = strconv.ParseBool(n.Value); err != nil {
			d.problem(at, "must be true or false")
		}
	case *int:
		var err error
		if *p, err = strconv.Atoi(n.Value); err != nil {
			d.problem(at, "must be an integer")
		}
	default:
		v.SetString(n.Value)
	}
}
