package rbmtest

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// maxDepth is how deeply objects and lists may be nested in a request body.
//
// Assumption: this is the limit of the open-source parser of protocol buffers.
const maxDepth = 100

type nodeKind int

const (
	nullNode nodeKind = iota
	boolNode
	numberNode
	stringNode
	objectNode
	listNode
)

// node is a JSON value. Unlike a map, an object keeps the order of its members,
// and both of two with the same name.
type node struct {
	kind    nodeKind
	text    string // the string's value, or the literal of a number or boolean
	members []member
	list    []*node
}

type member struct {
	name  string
	value *node
}

func stringOf(s string) *node { return &node{kind: stringNode, text: s} }

// set appends a member.
func (n *node) set(name string, value *node) {
	n.members = append(n.members, member{name, value})
}

// get returns the last member called name, or nil.
func (n *node) get(name string) *node {
	if n == nil {
		return nil
	}
	for i := len(n.members) - 1; i >= 0; i-- {
		if n.members[i].name == name {
			return n.members[i].value
		}
	}
	return nil
}

// str returns the string member called name, or "".
func (n *node) str(name string) string {
	if v := n.get(name); v != nil && v.kind == stringNode {
		return v.text
	}
	return ""
}

// MarshalJSON writes the value as strict JSON.
func (n *node) MarshalJSON() ([]byte, error) {
	return n.append(nil), nil
}

func (n *node) append(dst []byte) []byte {
	switch n.kind {
	case nullNode:
		return append(dst, "null"...)
	case stringNode:
		return appendQuoted(dst, n.text)
	case objectNode:
		dst = append(dst, '{')
		for i, m := range n.members {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(appendQuoted(dst, m.name), ':')
			dst = m.value.append(dst)
		}
		return append(dst, '}')
	case listNode:
		dst = append(dst, '[')
		for i, item := range n.list {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = item.append(dst)
		}
		return append(dst, ']')
	default:
		return append(dst, n.text...)
	}
}

func appendQuoted(dst []byte, s string) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	// A string always encodes.
	_ = enc.Encode(s)
	return append(dst, bytes.TrimSuffix(b.Bytes(), []byte("\n"))...)
}

// parseLenient reads JSON as Google's front end does: strings may stand in single
// quotes, names without any, and a comma may follow the last item. Its complaints
// are worded as the front end's.
func parseLenient(data []byte) (*node, *apiError) {
	if !utf8.Valid(data) {
		return nil, badPayload("Encountered non UTF-8 code points.")
	}
	p := &lenientParser{text: string(data)}
	n, err := p.value("", 0)
	if err != nil {
		return nil, err
	}
	if p.skipSpace(); p.pos < len(p.text) {
		return nil, p.fail("Parsing terminated before end of input.")
	}
	return n, nil
}

type lenientParser struct {
	text string
	pos  int
}

func (p *lenientParser) skipSpace() {
	for p.pos < len(p.text) && strings.IndexByte(" \t\r\n", p.text[p.pos]) >= 0 {
		p.pos++
	}
}

// peek returns the next byte that is no space, or 0 at the end.
func (p *lenientParser) peek() byte {
	p.skipSpace()
	if p.pos == len(p.text) {
		return 0
	}
	return p.text[p.pos]
}

// fail shows the place with twenty bytes on each side, and a caret below it.
func (p *lenientParser) fail(message string) *apiError {
	if p.pos >= len(p.text) {
		return badPayload("Unexpected end of string. " + message + "\n\n^")
	}
	begin, end := max(p.pos-20, 0), min(p.pos+20, len(p.text))
	for !utf8.RuneStart(p.text[begin]) {
		begin++
	}
	for end < len(p.text) && !utf8.RuneStart(p.text[end]) {
		end--
	}
	caret := strings.Repeat(" ", p.pos-begin) + "^"
	return badPayload(message + "\n" + p.text[begin:end] + "\n" + caret)
}

func isNameByte(c byte, first bool) bool {
	letter := c == '_' || c == '$' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
	return letter || !first && '0' <= c && c <= '9'
}

func (p *lenientParser) value(key string, depth int) (*node, *apiError) {
	c := p.peek()
	switch {
	case c == '{' || c == '[':
		if depth == maxDepth {
			return nil, p.fail("Message too deep. Max recursion depth reached for key '" + key + "'")
		}
		if c == '{' {
			return p.object(depth + 1)
		}
		return p.list(key, depth+1)
	case c == '"' || c == '\'':
		s, err := p.str()
		return stringOf(s), err
	case c == '-' || '0' <= c && c <= '9':
		return p.number()
	}
	for _, literal := range []string{"true", "false", "null"} {
		rest, ok := strings.CutPrefix(p.text[p.pos:], literal)
		if ok && (rest == "" || !isNameByte(rest[0], false)) {
			p.pos += len(literal)
			if literal == "null" {
				return &node{}, nil
			}
			return &node{kind: boolNode, text: literal}, nil
		}
	}
	if isNameByte(c, true) || strings.IndexByte("}]:,", c) >= 0 && c != 0 {
		return nil, p.fail("Unexpected token.")
	}
	return nil, p.fail("Expected a value.")
}

func (p *lenientParser) object(depth int) (*node, *apiError) {
	p.pos++
	n := &node{kind: objectNode}
	for {
		c := p.peek()
		if c == '}' {
			p.pos++
			return n, nil
		}
		name, err := p.name(c)
		if err != nil {
			return nil, err
		}
		if p.peek() != ':' {
			return nil, p.fail("Expected : between key:value pair.")
		}
		p.pos++
		v, err := p.value(name, depth)
		if err != nil {
			return nil, err
		}
		n.set(name, v)
		switch p.peek() {
		case ',':
			p.pos++
		case '}':
		default:
			return nil, p.fail("Expected , or } after key:value pair.")
		}
	}
}

func (p *lenientParser) name(c byte) (string, *apiError) {
	if c == '"' || c == '\'' {
		return p.str()
	}
	start := p.pos
	for p.pos < len(p.text) && isNameByte(p.text[p.pos], p.pos == start) {
		p.pos++
	}
	if p.pos == start {
		return "", p.fail("Expected an object key or }.")
	}
	return p.text[start:p.pos], nil
}

func (p *lenientParser) list(key string, depth int) (*node, *apiError) {
	p.pos++
	n := &node{kind: listNode}
	for {
		c := p.peek()
		if c == ']' {
			p.pos++
			return n, nil
		}
		if c == 0 {
			return nil, p.fail("Expected a value or ] within an array.")
		}
		v, err := p.value(key, depth)
		if err != nil {
			return nil, err
		}
		n.list = append(n.list, v)
		switch p.peek() {
		case ',':
			p.pos++
		case ']':
		default:
			return nil, p.fail("Expected , or ] after array value.")
		}
	}
}

func (p *lenientParser) number() (*node, *apiError) {
	start := p.pos
	for p.pos < len(p.text) && strings.IndexByte("+-.0123456789eExX", p.text[p.pos]) >= 0 {
		p.pos++
	}
	literal := p.text[start:p.pos]
	if json.Valid([]byte(literal)) {
		return &node{kind: numberNode, text: literal}, nil
	}
	p.pos = start
	if digits := strings.TrimPrefix(literal, "-"); len(digits) > 1 && digits[0] == '0' {
		return nil, p.fail("Octal/hex numbers are not valid JSON values.")
	}
	return nil, p.fail("Unable to parse number.")
}

// str reads a string in either kind of quotes.
func (p *lenientParser) str() (string, *apiError) {
	start, quote := p.pos, p.text[p.pos]
	var b strings.Builder
	for i := p.pos + 1; i < len(p.text); {
		switch c := p.text[i]; {
		case c == quote:
			p.pos = i + 1
			return b.String(), nil
		case c != '\\':
			b.WriteByte(c)
			i++
		default:
			r, size := unescape(p.text[i:])
			if size == 0 {
				p.pos = i
				return "", p.fail("Illegal hex string.")
			}
			b.WriteRune(r)
			i += size
		}
	}
	p.pos = start
	return "", p.fail("Closing quote expected in string.")
}

// unescape reads an escape sequence. Half of a surrogate pair becomes U+FFFD; an
// unknown letter stands for itself. The size is 0 if there is no such sequence.
func unescape(s string) (r rune, size int) {
	if len(s) < 2 {
		return utf8.RuneError, len(s)
	}
	if s[1] != 'u' {
		if i := strings.IndexByte("bfnrtv", s[1]); i >= 0 {
			return rune("\b\f\n\r\t\v"[i]), 2
		}
		r, size = utf8.DecodeRuneInString(s[1:])
		return r, 1 + size
	}
	r, ok := hexRune(s)
	if !ok {
		return 0, 0
	}
	if utf16.IsSurrogate(r) {
		if low, ok := hexRune(s[6:]); ok {
			if pair := utf16.DecodeRune(r, low); pair != utf8.RuneError {
				return pair, 12
			}
		}
		return utf8.RuneError, 6
	}
	return r, 6
}

// hexRune reads \uXXXX.
func hexRune(s string) (rune, bool) {
	if len(s) < 6 || s[0] != '\\' || s[1] != 'u' {
		return 0, false
	}
	v, err := strconv.ParseUint(s[2:6], 16, 16)
	return rune(v), err == nil
}
