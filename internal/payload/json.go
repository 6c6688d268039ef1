package payload

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// decoders are reused, for their buffers. Repeated names are let through: they
// become faults with a place, while the syntax could only refuse the whole body.
var decoders = sync.Pool{New: func() any { return new(jsontext.Decoder) }}

// parseJSON makes a tree of exactly one JSON value.
func (t *tree) parseJSON(body []byte) (*node, error) {
	dec := decoders.Get().(*jsontext.Decoder)
	defer decoders.Put(dec)
	dec.Reset(bytes.NewBuffer(body), jsontext.AllowDuplicateNames(true))
	defer dec.Reset(eof{}) // lets go of the body

	p := jsonParser{tree: t, dec: dec, text: string(body)}
	t.expect(1 + strings.Count(p.text, ",") + strings.Count(p.text, "{") + strings.Count(p.text, "["))
	root, err := p.value(nil, 0)
	if err != nil {
		return nil, p.explain(err)
	}
	return root, p.ended()
}

// CheckSyntax tells why a text is not one JSON value, if it is none, as [Decode] would, with
// a [*BodyError]. Nothing else holds for it: it need not be a payload.
func CheckSyntax(text []byte) error {
	dec := jsontext.NewDecoder(bytes.NewReader(text), jsontext.AllowDuplicateNames(true))
	p := jsonParser{dec: dec, text: string(text)}
	for {
		if err := p.step(); err != nil {
			return p.explain(err)
		}
		if dec.StackDepth() == 0 {
			return p.ended()
		}
	}
}

// maxSyntaxDepth is how deep jsontext goes, and encoding/json.
const maxSyntaxDepth = 10_000

// step reads the next bracket, name or literal by the calls that value and container
// make: the places of faults depend on them.
func (p *jsonParser) step() (err error) {
	in, n := p.dec.StackIndex(p.dec.StackDepth())
	named := in == '{' && n%2 == 0
	switch k := p.dec.PeekKind(); {
	case k == '}', k == ']', !named && (k == '{' || k == '['):
		_, err = p.dec.ReadToken()
	default:
		_, err = p.dec.ReadValue()
	}
	return err
}

// ended reports what follows after the value.
func (p *jsonParser) ended() error {
	rest := strings.TrimLeft(p.text[p.dec.InputOffset():], " \t\r\n")
	if rest == "" {
		return nil
	}
	return unreadable("more follows after the end of the JSON%s", p.where(int64(len(p.text)-len(rest))))
}

type eof struct{}

func (eof) Read([]byte) (int, error) { return 0, io.EOF }

// maxShared is how long a text may be that its parts keep in memory.
const maxShared = 16 << 10

// jsonParser reads one text. Strings without escapes become parts of the text
// instead of copies, unless it is long: one of them may be all that is kept.
type jsonParser struct {
	*tree
	dec  *jsontext.Decoder
	text string
}

// value reads the next value, which lies in home.
func (p *jsonParser) value(home *node, depth int) (*node, error) {
	if p.count >= maxNodes {
		return nil, unreadable("more than %d values", maxNodes)
	}
	k := p.dec.PeekKind()
	if k == '{' || k == '[' {
		return p.container(k, home, depth+1)
	}
	literal, err := p.dec.ReadValue()
	if err != nil {
		return nil, err
	}
	n := p.make(kindNull)
	n.home = home
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

// container reads an object or a list with all that is in it.
func (p *jsonParser) container(k jsontext.Kind, home *node, depth int) (*node, error) {
	if depth > maxDepth {
		return nil, unreadable("nested more than %d deep%s", maxDepth, p.where(p.dec.InputOffset()))
	}
	n := p.make(kindObject)
	n.home = home
	end := jsontext.Kind('}')
	if k == '[' {
		n.kind, end = kindList, ']'
	}
	if _, err := p.dec.ReadToken(); err != nil {
		return nil, err
	}
	start := p.dec.InputOffset() - 1
	for p.dec.PeekKind() != end {
		key := ""
		if n.kind == kindObject {
			literal, err := p.dec.ReadValue()
			if err != nil {
				return nil, err
			}
			if key = p.string(literal); len(key) > maxKeyLength {
				return nil, unreadable("the name of a field is longer than %d bytes%s", maxKeyLength, p.where(p.dec.InputOffset()))
			}
		}
		c, err := p.value(n, depth)
		if err != nil {
			return nil, err
		}
		c.key, c.index = key, n.count
		n.add(c)
	}
	if _, err := p.dec.ReadToken(); err != nil {
		return nil, err
	}
	n.src = p.text[start:p.dec.InputOffset()]
	return n, nil
}

// last returns the last n bytes that were read.
func (p *jsonParser) last(n int) string {
	end := int(p.dec.InputOffset())
	return p.text[end-n : end]
}

// string returns the content of a string literal that was just read.
func (p *jsonParser) string(literal jsontext.Value) string {
	if bytes.IndexByte(literal, '\\') < 0 {
		s := p.last(len(literal))
		s = s[1 : len(s)-1]
		if len(p.text) > maxShared {
			s = strings.Clone(s)
		}
		return s
	}
	b, _ := jsontext.AppendUnquote(nil, literal) // cannot fail: the decoder has checked it
	return string(b)
}

// explain says where the JSON is broken and, for the usual mistakes, why. It
// quotes nothing of it.
func (p *jsonParser) explain(err error) error {
	if body := (*BodyError)(nil); errors.As(err, &body) {
		return body
	}
	offset := p.dec.InputOffset()
	if syntax := (*jsontext.SyntacticError)(nil); errors.As(err, &syntax) {
		offset = syntax.ByteOffset
	}
	if strings.TrimSpace(p.text) == "" {
		return unreadable("nothing in it")
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return unreadable("the JSON breaks off%s", p.where(int64(len(p.text))))
	}
	if !utf8.ValidString(p.text) {
		return unreadable("not UTF-8%s", p.where(offset))
	}
	if p.dec.StackDepth() >= maxSyntaxDepth {
		return unreadable("nested too deep%s", p.where(offset))
	}
	return unreadable("broken JSON%s%s", p.where(offset), hint(p.text, int(offset)))
}

// where returns the place of a byte offset as people count it.
func (p *jsonParser) where(offset int64) string {
	before := p.text[:min(max(int(offset), 0), len(p.text))]
	line := 1 + strings.Count(before, "\n")
	column := 1 + utf8.RuneCountInString(before[strings.LastIndexByte(before, '\n')+1:])
	return fmt.Sprintf(" at line %d, column %d", line, column)
}

// hint recognises what template tools do to JSON.
func hint(text string, offset int) string {
	if offset < 0 || offset >= len(text) {
		return ""
	}
	r, _ := utf8.DecodeRuneInString(text[offset:])
	after := strings.TrimLeft(text[offset+1:], " \t\r\n")
	switch {
	case strings.HasPrefix(text[max(0, offset-2):], "{{") || strings.HasPrefix(text[max(0, offset-1):], "{{"):
		return ": a template was not filled in"
	case r == '\n' || r == '\r':
		return `: a line break inside a text is written \n`
	case r == '\t':
		return `: a tab inside a text is written \t`
	case r == '\'':
		return ": names and texts stand in double quotes"
	case r == '“' || r == '”' || r == '„':
		return ": typographic quotes; JSON needs straight ones"
	case r == ',' && (strings.HasPrefix(after, "}") || strings.HasPrefix(after, "]")):
		return ": a comma before the closing bracket"
	case r == '"' || r == '{' || r == '[':
		return ": a comma is missing, or a quote inside a text is not written \\\""
	case r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z':
		return ": a quote is missing, or a quote inside a text is not written \\\""
	default:
		return ""
	}
}
