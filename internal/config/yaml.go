package config

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"reflect"
	"regexp"
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
	at.Path, at.unset = join(at.Path, field), field != ""
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
	d := yamlDecoder{file: file, lines: splitLines(data), root: reflect.TypeOf(v).Elem()}
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
			at.Line, at.Column, message = d.syntax(e)
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

// lineBreak is what ends a line in YAML 1.1, whose rules the parser counts by:
// https://yaml.org/spec/1.1/#id871136
var lineBreak = regexp.MustCompile("\r\n|[\n\r\u0085\u2028\u2029]")

func splitLines(data []byte) (lines [][]byte) {
	start := 0
	for _, at := range lineBreak.FindAllIndex(data, -1) {
		lines = append(lines, data[start:at[0]])
		start = at[1]
	}
	return append(lines, data[start:])
}

type yamlDecoder struct {
	file     string
	lines    [][]byte
	problems []Problem
	root     reflect.Type // of the file
	outer    [][]string   // the keys of the structs around the current value
}

func (d *yamlDecoder) problem(at Position, format string, args ...any) {
	d.problems = append(d.problems, at.Problemf(format, args...))
}

// unclosed are the errors of constructs that do not end, by the context that the parser
// reports.
var unclosed = map[string]string{
	"while scanning a quoted scalar": "expected a quote at the end of the value that starts here",
	"while parsing a flow sequence":  "expected a comma or ] in the list that starts here",
	"while parsing a flow mapping":   "expected a comma or } in the mapping that starts here",
}

// syntax returns the position and the text of a syntax error. The parser often stops some
// lines after the cause.
func (d *yamlDecoder) syntax(e *yaml.LoadError) (line, column int, text string) {
	context, stopped := e.ContextMark, e.Mark
	text = unclosed[e.ContextMsg]
	if strings.Contains(e.Message, "unknown escape") {
		text = ""
	}
	if text != "" {
		stopped = context
	}
	if line, column, text, ok := explainSyntax(d.lines, cmp.Or(context.Line, stopped.Line), stopped.Line); ok {
		return line, column, text
	}
	switch {
	case text != "":
	case strings.HasPrefix(e.Message, "mapping values are not allowed"), strings.Contains(e.Message, "<document start>"):
		text = `expected one key in this line; end the key above with a colon, or quote the value that contains ": "`
	case strings.HasPrefix(e.Message, "could not find expected"):
		return context.Line, context.Column, "expected a colon and a space after the key"
	case strings.HasPrefix(e.Message, "found character that cannot start any token"):
		if text = "expected a value; quote it if it starts with %, @ or a backtick"; bytes.HasPrefix(d.lines[stopped.Line-1], []byte("```")) {
			text = "expected YAML, got a line of Markdown; remove it"
		}
	default:
		text, _, _ = strings.Cut(e.Message, " '") // a quoted part may be a value
		if e.ContextMsg != "" {
			text += fmt.Sprintf(" %s from line %d", e.ContextMsg, context.Line)
		}
	}
	return stopped.Line, stopped.Column, text
}

// misplaced adds a problem with a key at the wrong level.
func (d *yamlDecoder) misplaced(at Position, format string, args ...any) {
	p := at.Problemf(format, args...)
	p.misplaced = true
	d.problems = append(d.problems, p)
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
		dash := ""
		if n.Kind == yaml.SequenceNode {
			dash = ", without a dash"
		}
		d.misplaced(at, "must be a mapping: indented lines of key: value%s", dash)
		return
	}
	seen := make(map[string]bool)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		keyAt := d.at(key, join(at.Path, key.Value))
		switch {
		case key.Kind != yaml.ScalarNode || key.Tag == "!!merge":
			d.problem(keyAt, "must have plain text as its keys")
		case strings.ContainsRune(key.Value, '\u00a0'):
			d.misplaced(keyAt, "contains a non-breaking space; replace it by a space")
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
	set := make(map[string]bool) // the keys with a value
	var others []string          // the unknown keys
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i].Value
		set[key] = set[key] || n.Content[i+1].Tag != "!!null"
		if !slices.Contains(names, key) {
			others = append(others, key)
		}
	}
	above, reported := "", false // the last known key; whether a problem covers the unknown keys after it
	d.entries(n, at, func(name string, value *yaml.Node, at Position) {
		if field, ok := fields[name]; ok {
			above, reported = name, false
			positions[name] = at
			d.value(value, field, at)
			return
		}
		if reported {
			return
		}
		near := Closest(name, names)
		if d.isOuter(name) {
			d.misplaced(at, "is a key of an outer level; indent it and the lines after it less")
			reported = true
		} else if below := belongsBelow(set, v, above, name, value, others); below != "" && near == "" {
			d.misplaced(at, "is not a key here; write it and the lines after it below %s, indented further", below)
			reported = true
		} else {
			p := unknown(at, near, "is an unknown key", "the keys are "+strings.Join(names, ", "))
			p.misplaced = near == "" && value.Kind == yaml.MappingNode
			d.problems = append(d.problems, p)
		}
	})
}

// isOuter reports whether a key belongs to a struct around the current one.
func (d *yamlDecoder) isOuter(name string) bool {
	return slices.ContainsFunc(d.outer[:len(d.outer)-1], func(names []string) bool { return slices.Contains(names, name) })
}

// belongsBelow returns the field of v below which an unknown key was probably meant to be,
// with a colon: one that is not set, or has entries with such keys. The last known key is
// above it, which is the likeliest field; others are the unknown keys of v.
func belongsBelow(set map[string]bool, v reflect.Value, above, name string, value *yaml.Node, others []string) string {
	entries := ""
	for pass := range 2 {
		for i := range v.NumField() {
			field := v.Type().Field(i)
			key := field.Tag.Get("yaml")
			if key == "" || pass == 0 && key != above {
				continue
			}
			if field.Type.Kind() != reflect.Map {
				if !set[key] && slices.Contains(keys(field.Type), name) {
					return key + ":"
				}
				continue
			}
			known := keys(field.Type.Elem())
			if !set[key] && (key == above && value.Tag == "!!null" || slices.ContainsFunc(known, func(k string) bool { return hasKey(value, k) })) {
				return key + ":"
			}
			if slices.Contains(known, name) && (key == above || containsAll(known, others)) {
				entries = cmp.Or(entries, key+": and a name")
			}
		}
		if entries != "" {
			return entries
		}
	}
	return ""
}

// containsAll reports whether a list contains all of others.
func containsAll(list, others []string) bool {
	return !slices.ContainsFunc(others, func(name string) bool { return !slices.Contains(list, name) })
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

// keysOf returns the keys of a field of a struct or of a pointer to one.
func keysOf(t reflect.Type, name string) []string {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	for i := range t.NumField() {
		if t.Field(i).Tag.Get("yaml") == name {
			return keys(t.Field(i).Type)
		}
	}
	return nil
}

// named decodes a mapping whose keys are names, such as sources. Keys of an entry in place
// of names are one problem.
func (d *yamlDecoder) named(n *yaml.Node, v reflect.Value, at Position) {
	v.Set(reflect.MakeMap(v.Type()))
	fields, of := keys(v.Type().Elem()), at.Path
	misplaced := func(name string, value *yaml.Node) bool {
		if !slices.Contains(fields, name) || value.Tag == "!!null" || value.Kind != yaml.MappingNode {
			return slices.Contains(fields, name) && value.Tag != "!!null"
		}
		// An entry may have the name of a key, such as fallback.
		inner := keysOf(v.Type().Elem(), name)
		return !slices.ContainsFunc(fields, func(k string) bool { return hasKey(value, k) && !slices.Contains(inner, k) })
	}
	anyMisplaced := false
	for i := 0; i+1 < len(n.Content); i += 2 {
		anyMisplaced = anyMisplaced || misplaced(n.Content[i].Value, n.Content[i+1])
	}
	above, reported := "", false // the last name; whether a problem covers the entries after it
	d.entries(n, at, func(name string, value *yaml.Node, at Position) {
		section := d.sectionOf(value, of)
		switch {
		case reported:
		case anyMisplaced && slices.Contains(fields, name):
			if above != "" {
				d.misplaced(at, "is a key of %s; indent it and the lines after it further than %[1]s", above)
			} else {
				d.misplaced(at, "is not a name; write the name of the %s in a line above it, and indent it further than the name", strings.TrimSuffix(of, "s"))
			}
			reported = true
		case slices.Contains(d.outer[0], name) && !slices.ContainsFunc(fields, func(k string) bool { return hasKey(value, k) }):
			d.misplaced(at, "is a key of the file; do not indent it")
			reported = value.Tag == "!!null" // the entries after it are its own
		case section != "":
			d.misplaced(at, "has keys of an entry of %s; write %[1]s: in a line above it", section)
			reported = true
		default:
			if above = name; anyMisplaced && value.Tag == "!!null" {
				return
			}
			item := reflect.New(v.Type().Elem()).Elem()
			d.value(value, item, at)
			if item.IsZero() && fields != nil { // without keys, or rejected
				d.value(&yaml.Node{Kind: yaml.MappingNode}, item, Position{File: d.file, Path: at.Path})
			}
			v.SetMapIndex(reflect.ValueOf(name), item)
		}
	})
}

// sectionOf returns the section of the file to which an entry below the wrong one belongs:
// it has all keys of the entry. If the section is the right one, it returns "".
func (d *yamlDecoder) sectionOf(entry *yaml.Node, current string) (section string) {
	var names []string
	for i := 0; entry.Kind == yaml.MappingNode && i+1 < len(entry.Content); i += 2 {
		names = append(names, entry.Content[i].Value)
	}
	for i := 0; len(names) > 0 && i < d.root.NumField(); i++ {
		field := d.root.Field(i)
		key := field.Tag.Get("yaml")
		if field.Type.Kind() != reflect.Map || !containsAll(keys(field.Type.Elem()), names) {
			continue
		}
		if key == current {
			return ""
		}
		section = cmp.Or(section, key)
	}
	return section
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
			d.problem(at, "must be auto or a duration; write auto, 2m, 90s, 48h instead of 2d, or a whole number of seconds")
		case t < time.Second:
			d.problem(at, "must be at least 1s; remove it to use the fallback only for messages that RCS cannot deliver")
		case t > MaxAfter:
			d.problem(at, "must be at most 14 days, 23 hours and 55 minutes, 5 minutes less than RCS keeps a message; write 359h55m")
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
