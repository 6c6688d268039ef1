package payload

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// decoders reuses decoders for their buffers. They allow duplicate names, which become
// errors with a position, while a syntax error would reject the whole body.
var decoders = sync.Pool{New: func() any { return new(jsontext.Decoder) }}

// parseJSON parses exactly one JSON value.
func (t *tree) parseJSON(body []byte) (*node, error) {
	dec := decoders.Get().(*jsontext.Decoder)
	defer decoders.Put(dec)
	dec.Reset(bytes.NewBuffer(body), jsontext.AllowDuplicateNames(true))
	defer dec.Reset(strings.NewReader("")) // drops the reference to the body

	p := jsonParser{tree: t, dec: dec, text: string(body), open: make([]*node, 0, 16)}
	root, err := p.value(nil, 0)
	if err != nil {
		return nil, p.explain(err)
	}
	return root, p.checkEnd()
}

// CheckSyntax returns a [*BodyError] with the text of [Decode] if a text is not exactly one
// JSON value. The value need not be a payload, so the limits of a body do not apply.
func CheckSyntax(text []byte) error {
	t := &tree{unlimited: true}
	_, err := t.parseJSON(text)
	return err
}

// checkEnd returns an error if anything but white space follows the value.
func (p *jsonParser) checkEnd() error {
	rest := strings.TrimLeft(p.text[p.dec.InputOffset():], " \t\r\n")
	if rest == "" {
		return nil
	}
	return p.unreadable(len(p.text)-len(rest), "unexpected data after the end of the JSON", "")
}

// maxShared limits the length of a text whose substrings become values without a copy. One
// of them may outlive the rest.
const maxShared = 16 << 10

type jsonParser struct {
	*tree
	dec  *jsontext.Decoder
	text string
	open []*node // the children of the open containers, so that each list of them is allocated once
}

// value reads the next value, a child of parent.
func (p *jsonParser) value(parent *node, depth int) (*node, error) {
	if limit := maxNodes + p.numbers; p.count >= limit && !p.unlimited {
		return nil, unreadable("more than %d values", limit)
	}
	k := p.dec.PeekKind()
	if k == '{' || k == '[' {
		return p.container(k, parent, depth+1)
	}
	literal, err := p.dec.ReadValue()
	if err != nil {
		return nil, err
	}
	n := p.newNode(kindNull, parent)
	switch k {
	case '"':
		n.kind, n.text = kindString, p.string(literal)
	case '0':
		n.kind, n.text = kindNumber, p.last(len(literal))
	case 't':
		n.kind = kindTrue
	case 'f':
		n.kind = kindFalse
	}
	return n, nil
}

// container reads an object or a list with its content.
func (p *jsonParser) container(k jsontext.Kind, parent *node, depth int) (*node, error) {
	if depth > maxDepth && !p.unlimited {
		return nil, p.unreadable(int(p.dec.InputOffset()), fmt.Sprintf("nested more than %d levels deep", maxDepth), "")
	}
	n := p.newNode(kindObject, parent)
	end := jsontext.Kind('}')
	if k == '[' {
		n.kind, end = kindList, ']'
	}
	if _, err := p.dec.ReadToken(); err != nil {
		return nil, err
	}
	start, first := p.dec.InputOffset()-1, len(p.open)
	for p.dec.PeekKind() != end {
		key := ""
		if n.kind == kindObject {
			literal, err := p.dec.ReadValue()
			if err != nil {
				return nil, err
			}
			if key = p.string(literal); len(key) > maxKeyLength && !p.unlimited {
				return nil, p.unreadable(int(p.dec.InputOffset()), fmt.Sprintf("a field name is longer than %d bytes", maxKeyLength), "")
			}
		}
		c, err := p.value(n, depth)
		if err != nil {
			return nil, err
		}
		c.key, c.index = key, len(p.open)-first
		p.open = append(p.open, c)
	}
	n.children, p.open = slices.Clone(p.open[first:]), p.open[:first]
	if _, err := p.dec.ReadToken(); err != nil {
		return nil, err
	}
	n.src = p.text[start:p.dec.InputOffset()]
	return n, nil
}

// last returns the last n bytes that the decoder read.
func (p *jsonParser) last(n int) string {
	end := int(p.dec.InputOffset())
	return p.text[end-n : end]
}

// string returns the content of the string literal that the decoder just read.
func (p *jsonParser) string(literal jsontext.Value) string {
	if !bytes.ContainsRune(literal, '\\') {
		s := p.last(len(literal))
		s = s[1 : len(s)-1]
		if len(p.text) > maxShared {
			s = strings.Clone(s)
		}
		return s
	}
	b, _ := jsontext.AppendUnquote(nil, literal) // cannot fail: the decoder has validated it
	return string(b)
}

// explain converts an error of the decoder to a BodyError with a position and, for common
// mistakes, the cause. It quotes nothing.
func (p *jsonParser) explain(err error) error {
	if body, ok := errors.AsType[*BodyError](err); ok {
		return body
	}
	offset := int(p.dec.InputOffset())
	if syntax, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		offset = int(syntax.ByteOffset)
	}
	switch {
	case strings.TrimSpace(p.text) == "":
		return unreadable("it is empty")
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return p.unreadable(len(p.text), "unexpected end of the JSON", "")
	case !utf8.ValidString(p.text):
		return p.unreadable(offset, "invalid UTF-8", "")
	case p.dec.StackDepth() >= 10_000: // the limit of jsontext and encoding/json
		return p.unreadable(offset, "nested too deeply", "")
	default:
		return p.unreadable(offset, "invalid JSON", hint(p.text, offset))
	}
}

// unreadable returns the error for a problem at a byte offset. The position is between the
// problem and the hint.
func (p *jsonParser) unreadable(offset int, problem, hint string) *BodyError {
	before := p.text[:min(max(offset, 0), len(p.text))]
	e := &BodyError{
		Line:   1 + strings.Count(before, "\n"),
		Column: 1 + utf8.RuneCountInString(before[strings.LastIndexByte(before, '\n')+1:]),
	}
	e.Detail = fmt.Sprintf("%s at line %d, column %d%s", problem, e.Line, e.Column, hint)
	return e
}

// hint recognizes common mistakes in JSON that was made from a template.
func hint(text string, offset int) string {
	if offset < 0 || offset >= len(text) {
		return ""
	}
	r, _ := utf8.DecodeRuneInString(text[offset:])
	after := strings.TrimLeft(text[offset+1:], " \t\r\n")
	switch {
	case strings.HasPrefix(text[max(0, offset-2):], "{{") || strings.HasPrefix(text[max(0, offset-1):], "{{"):
		return ": a template placeholder was not filled in"
	case isForm(text):
		return ": the text looks like a form; send it as application/x-www-form-urlencoded"
	case r == '+':
		return ": a value that starts with +, such as a phone number, must be in double quotes"
	case r == '\n' || r == '\r':
		return `: unescaped line break in a string; write it as \n`
	case r == '\t':
		return `: unescaped tab in a string; write it as \t`
	case r == '\'':
		return ": strings must be in double quotes"
	case r == '“' || r == '”' || r == '„':
		return ": typographic quotes; use straight quotes"
	case r == ',' && (strings.HasPrefix(after, "}") || strings.HasPrefix(after, "]")):
		return ": trailing comma before a closing bracket"
	case r == '"' || r == '{' || r == '[':
		return `: missing comma, or an unescaped quote in a string; write it as \"`
	case r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z':
		return `: missing quote, or an unescaped quote in a string; write it as \"`
	default:
		return ""
	}
}

// isForm reports whether text starts as a urlencoded form does: with a name and =.
func isForm(text string) bool {
	name, _, ok := strings.Cut(text, "=")
	return ok && name != "" && !strings.ContainsAny(name, "{[\"' \t\r\n,:")
}
