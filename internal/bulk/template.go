package bulk

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/rcshook/rcshook/internal/payload"
)

// Template is a message with placeholders in its texts: {{name}} is replaced by the cell of
// the column, and {{name|there}} by the cell or a default. Cells are inserted after the
// JSON is parsed, so that a cell cannot add JSON.
type Template struct {
	// Sum is a hash of the message.
	Sum string

	members      []member
	placeholders []*placeholder // in the order of the message
}

// member is a member of the top-level object.
type member struct {
	field string // the name of the payload field
	name  []byte // as JSON
	value []part
}

// part is JSON, or a text with placeholders.
type part struct {
	json []byte
	text []piece
}

// piece is a placeholder, or the text between two.
type piece struct {
	text        string
	placeholder *placeholder
}

type placeholder struct {
	name     string
	fallback string // for an empty cell
	optional bool   // has a fallback, which may be empty
	column   int
}

func (h *placeholder) String() string { return "{{" + h.name + "}}" }

// Errors are the errors of a campaign, in the message or the columns.
type Errors []string

func (e Errors) Error() string { return strings.Join(e, "\n") }

// ParseTemplate parses a message: a payload in JSON. The error is of type [Errors].
func ParseTemplate(data []byte) (*Template, error) {
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	// Its errors are more helpful than those of the parser below.
	if _, err := payload.Decode("application/json", data, payload.Options{}); err != nil {
		if body, ok := errors.AsType[*payload.BodyError](err); ok {
			return nil, Errors{"invalid message: " + body.Detail}
		}
		return nil, err
	}
	sum := sha256.Sum256(bytes.TrimSpace(data))
	p := parser{dec: jsontext.NewDecoder(bytes.NewReader(data), jsontext.AllowDuplicateNames(true)), t: &Template{Sum: hex.EncodeToString(sum[:8])}}
	if p.dec.PeekKind() != '{' {
		return nil, Errors{"the message must be one JSON object"}
	}
	if err := p.object(func(name []byte) error {
		plain, err := jsontext.AppendUnquote(nil, name)
		if err != nil {
			return err
		}
		m := member{name: bytes.Clone(name)} // the decoder reuses it
		m.field, _ = payload.FieldName(string(plain))
		p.parts = nil
		err = p.value()
		m.value = p.parts
		p.t.members = append(p.t.members, m)
		return err
	}); err != nil {
		return nil, err
	}
	if len(p.errs) > 0 {
		return nil, p.errs
	}
	return p.t, nil
}

// parser splits JSON into parts.
type parser struct {
	dec   *jsontext.Decoder
	t     *Template
	parts []part // of the current member
	errs  Errors
}

// object parses an object, and calls member before each value.
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
		before := "{"
		if err := p.object(func(name []byte) error {
			p.json(before + string(name) + ":")
			before = ","
			return p.value()
		}); err != nil {
			return err
		}
		if before == "{" {
			p.json("{")
		}
		p.json("}")
		return nil
	case '[':
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

// json adds JSON, to the last part if that is JSON too.
func (p *parser) json(text string) {
	if n := len(p.parts); n > 0 && p.parts[n-1].text == nil {
		p.parts[n-1].json = append(p.parts[n-1].json, text...)
		return
	}
	p.parts = append(p.parts, part{json: []byte(text)})
}

// text adds a text, with or without placeholders.
func (p *parser) text(v jsontext.Value) error {
	plain, err := jsontext.AppendUnquote(nil, v)
	if err != nil {
		return err
	}
	pieces, placeholders, err := split(string(plain))
	switch {
	case err != nil:
		p.errs = append(p.errs, err.Error())
	case pieces == nil:
		p.json(string(v))
	case isJSON(pieces):
		p.errs = append(p.errs, fmt.Sprintf("%s is in a text that contains JSON, which a cell could change: write the JSON without quotes around it", placeholders[0]))
	default:
		p.t.placeholders = append(p.t.placeholders, placeholders...)
		p.parts = append(p.parts, part{text: pieces})
	}
	return nil
}

// split splits a text at its placeholders. It returns nil if there are none.
func split(text string) (pieces []piece, placeholders []*placeholder, err error) {
	for rest := text; ; {
		before, after, ok := strings.Cut(rest, "{{")
		if !ok {
			if pieces != nil && rest != "" {
				pieces = append(pieces, piece{text: rest})
			}
			return pieces, placeholders, nil
		}
		inside, after, ok := strings.Cut(after, "}}")
		name, fallback, optional := strings.Cut(inside, "|")
		name = strings.TrimSpace(name)
		if !ok || name == "" || strings.ContainsAny(inside, "{}\n") {
			return nil, nil, errors.New("{{ does not start a placeholder such as {{name}} or {{name|there}}")
		}
		if before != "" {
			pieces = append(pieces, piece{text: before})
		}
		h := &placeholder{name: name, fallback: strings.TrimSpace(fallback), optional: optional}
		pieces, placeholders = append(pieces, piece{placeholder: h}), append(placeholders, h)
		rest = after
	}
}

// isJSON reports whether a text is a JSON list or object, which the payload accepts in
// place of a list or an object.
func isJSON(pieces []piece) bool {
	var b strings.Builder
	for _, p := range pieces {
		if p.placeholder != nil {
			b.WriteString("0")
		}
		b.WriteString(p.text)
	}
	text := strings.TrimSpace(b.String())
	return text != "" && (text[0] == '[' || text[0] == '{') && json.Valid([]byte(text))
}
