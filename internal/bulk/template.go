package bulk

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/rcshook/rcshook/internal/payload"
)

// Template is a message with placeholders in its texts: {{name}} stands for the
// cell of the column, {{name|there}} for the cell or, where it is blank, for what
// follows the bar. Cells are put into texts after these were read, and written as
// JSON afterwards, so that nothing in a cell can be taken for JSON.
type Template struct {
	// Sum identifies the message.
	Sum string

	members []member
	holes   []*hole // in the order of the message
}

// member is a member of the message at its top.
type member struct {
	field string // what it is read as
	name  []byte // as JSON
	value []part
}

// part is JSON as it was written, or a text with placeholders.
type part struct {
	json []byte
	text []piece
}

// piece is a part of a text: a placeholder, or what stands around it.
type piece struct {
	text string
	hole *hole
}

// hole is a placeholder.
type hole struct {
	name      string
	otherwise string // for a blank cell
	optional  bool   // otherwise was given
	column    int
}

func (h *hole) String() string { return "{{" + h.name + "}}" }

// Faults are what is wrong with a campaign as a whole: with the message or with the
// columns, for every row.
type Faults []string

func (f Faults) Error() string { return strings.Join(f, "\n") }

// ParseTemplate reads a message: a payload in JSON.
func ParseTemplate(data []byte) (*Template, error) {
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	// Its errors are better than those of the parser below.
	if _, err := payload.Decode("application/json", data, payload.Options{}); err != nil {
		if body, ok := err.(*payload.BodyError); ok {
			return nil, Faults{"the message cannot be read: " + body.Detail}
		}
		return nil, err
	}
	p := parser{dec: jsontext.NewDecoder(bytes.NewReader(data), jsontext.AllowDuplicateNames(true)), t: &Template{Sum: sumOf(data)}}
	if p.dec.PeekKind() != '{' {
		return nil, Faults{"the message must be one JSON object"}
	}
	if err := p.object(func(name []byte) error {
		plain, err := jsontext.AppendUnquote(nil, name)
		if err != nil {
			return err
		}
		m := member{name: bytes.Clone(name)} // which is overwritten by what is read next
		m.field, _ = payload.FieldName(string(plain))
		p.parts = nil
		err = p.value()
		m.value = p.parts
		p.t.members = append(p.t.members, m)
		return err
	}); err != nil {
		return nil, err
	}
	if len(p.faults) > 0 {
		return nil, p.faults
	}
	return p.t, nil
}

// parser makes parts of JSON.
type parser struct {
	dec    *jsontext.Decoder
	t      *Template
	parts  []part
	faults Faults
}

// object reads an object, whose members the function reads.
func (p *parser) object(member func(name []byte) error) error {
	if _, err := p.dec.ReadToken(); err != nil {
		return err
	}
	for p.dec.PeekKind() != '}' {
		name, err := p.dec.ReadValue()
		if err != nil {
			return err
		}
		if err := member(name); err != nil {
			return err
		}
	}
	_, err := p.dec.ReadToken()
	return err
}

func (p *parser) value() error {
	switch p.dec.PeekKind() {
	case '{':
		between := "{"
		if err := p.object(func(name []byte) error {
			p.json(between + string(name) + ":")
			between = ","
			return p.value()
		}); err != nil {
			return err
		}
		if between == "{" {
			p.json("{")
		}
		p.json("}")
		return nil
	case '[':
		return p.list()
	case '"':
		v, err := p.dec.ReadValue()
		if err != nil {
			return err
		}
		return p.text(v)
	default:
		v, err := p.dec.ReadValue()
		p.json(string(v))
		return err
	}
}

func (p *parser) list() error {
	if _, err := p.dec.ReadToken(); err != nil {
		return err
	}
	p.json("[")
	for n := 0; p.dec.PeekKind() != ']'; n++ {
		if n > 0 {
			p.json(",")
		}
		if err := p.value(); err != nil {
			return err
		}
	}
	p.json("]")
	_, err := p.dec.ReadToken()
	return err
}

// json adds to the JSON before it, if there is some.
func (p *parser) json(text string) {
	if n := len(p.parts); n > 0 && p.parts[n-1].text == nil {
		p.parts[n-1].json = append(p.parts[n-1].json, text...)
		return
	}
	p.parts = append(p.parts, part{json: []byte(text)})
}

// text reads a text, with placeholders or without.
func (p *parser) text(v jsontext.Value) error {
	plain, err := jsontext.AppendUnquote(nil, v)
	if err != nil {
		return err
	}
	pieces, fault := split(string(plain))
	switch {
	case fault != "":
		p.faults = append(p.faults, fault)
	case pieces == nil:
		p.json(string(v))
	case isJSON(pieces):
		p.faults = append(p.faults, fmt.Sprintf("%s stands in a text that holds JSON, where a cell could change its meaning: write the JSON without quotes around it", holesOf(pieces)[0]))
	default:
		p.t.holes = append(p.t.holes, holesOf(pieces)...)
		p.parts = append(p.parts, part{text: pieces})
	}
	return nil
}

// split finds the placeholders in a text; no pieces mean that it has none.
func split(text string) (pieces []piece, fault string) {
	for rest := text; ; {
		before, after, ok := strings.Cut(rest, "{{")
		if !ok {
			if pieces != nil && rest != "" {
				pieces = append(pieces, piece{text: rest})
			}
			return pieces, ""
		}
		inside, after, ok := strings.Cut(after, "}}")
		name, otherwise, optional := strings.Cut(inside, "|")
		name = strings.TrimSpace(name)
		if !ok || name == "" || strings.ContainsAny(inside, "{}\n") {
			return nil, "a {{ is not the beginning of a placeholder such as {{name}} or {{name|there}}"
		}
		if before != "" {
			pieces = append(pieces, piece{text: before})
		}
		pieces = append(pieces, piece{hole: &hole{name: name, otherwise: strings.TrimSpace(otherwise), optional: optional}})
		rest = after
	}
}

// isJSON reports whether a text is a list or an object, which the payload would read
// as such.
func isJSON(pieces []piece) bool {
	var b strings.Builder
	for _, p := range pieces {
		if p.hole != nil {
			b.WriteString("0")
		}
		b.WriteString(p.text)
	}
	text := strings.TrimSpace(b.String())
	return text != "" && (text[0] == '[' || text[0] == '{') && json.Valid([]byte(text))
}

func holesOf(pieces []piece) (holes []*hole) {
	for _, p := range pieces {
		if p.hole != nil {
			holes = append(holes, p.hole)
		}
	}
	return holes
}
