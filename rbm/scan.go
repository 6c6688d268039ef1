package rbm

import (
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// A value is one JSON value. Numbers keep their digits and objects the order and
// the repetitions of their members, all of which the faults of a message are about.
type value struct {
	kind    kind
	text    string // of a string, a number, a boolean
	members []member
	items   []value
}

type member struct {
	name  string
	value value
}

type kind byte

const (
	kindNull kind = iota
	kindBool
	kindNumber
	kindText
	kindList
	kindObject
)

func (k kind) String() string {
	return [...]string{"null", "a boolean", "a number", "a string", "a list", "an object"}[k]
}

// maxDepth bounds the nesting. An AgentMessage needs eleven levels.
//
// Assumption: the platform stops at the 100 levels of Google's other parsers.
const maxDepth = 100

// scan reads one JSON document. Strings and names may be in single quotes too,
// as the platform takes them. If the document is broken, scan returns the
// offset of the fault and what is wrong there.
func scan(data []byte) (v value, offset int, fault string) {
	if !utf8.Valid(data) {
		return value{}, 0, "not UTF-8"
	}
	s := scanner{data: data}
	if v = s.value(); s.fault == "" {
		if s.space(); s.pos < len(data) {
			s.fail("something follows the end of the document")
		}
	}
	return v, s.pos, s.fault
}

type scanner struct {
	data  []byte
	pos   int
	depth int
	fault string
}

// fail notes the first fault. The caller returns whatever it has.
func (s *scanner) fail(fault string) {
	if s.fault == "" {
		s.fault = fault
	}
}

func (s *scanner) space() {
	for s.pos < len(s.data) {
		switch s.data[s.pos] {
		case ' ', '\t', '\n', '\r':
			s.pos++
		default:
			return
		}
	}
}

// peek skips white space and returns the next byte, 0 at the end.
func (s *scanner) peek() byte {
	s.space()
	if s.pos == len(s.data) {
		return 0
	}
	return s.data[s.pos]
}

func (s *scanner) value() value {
	switch c := s.peek(); {
	case c == '{':
		return s.object()
	case c == '[':
		return s.list()
	case c == '"' || c == '\'':
		return value{kind: kindText, text: s.text(c)}
	case c == '-' || '0' <= c && c <= '9':
		return value{kind: kindNumber, text: s.number()}
	case c == 't' && s.word("true"):
		return value{kind: kindBool, text: "true"}
	case c == 'f' && s.word("false"):
		return value{kind: kindBool, text: "false"}
	case c == 'n' && s.word("null"):
		return value{}
	case s.pos == len(s.data):
		s.fail("the document ends too early")
	default:
		s.fail("a value is expected")
	}
	return value{}
}

func (s *scanner) word(w string) bool {
	if end := s.pos + len(w); end <= len(s.data) && string(s.data[s.pos:end]) == w {
		s.pos = end
		return true
	}
	return false
}

// enter counts a level and takes its opening bracket.
func (s *scanner) enter() bool {
	if s.depth == maxDepth {
		s.fail("nested too deeply")
		return false
	}
	s.depth++
	s.pos++
	return true
}

// more is called between the items of a list or an object: it takes the comma
// and reports true, or takes the closing bracket and reports false.
func (s *scanner) more(first bool, closing byte) bool {
	c := s.peek()
	switch {
	case s.fault != "":
		return false
	case c == closing:
		s.pos++
		s.depth--
		return false
	case first && c != 0:
		return true
	case c == ',':
		s.pos++
		if s.peek() != closing {
			return true
		}
		s.fail("a comma is followed by nothing")
	case s.pos == len(s.data):
		s.fail("the document ends too early")
	default:
		s.fail("a comma or a closing bracket is expected")
	}
	return false
}

func (s *scanner) object() value {
	v := value{kind: kindObject}
	if !s.enter() {
		return v
	}
	for first := true; s.more(first, '}'); first = false {
		name, ok := s.name()
		if !ok {
			break
		}
		v.members = append(v.members, member{name, s.value()})
	}
	return v
}

// name takes the name of a member and the colon after it.
func (s *scanner) name() (name string, ok bool) {
	quote := s.peek()
	if quote != '"' && quote != '\'' {
		s.fail("a name in quotes is expected")
		return "", false
	}
	name = s.text(quote)
	if s.peek() != ':' {
		s.fail("a colon is expected")
		return "", false
	}
	s.pos++
	return name, true
}

// skip passes over a value that nobody reads. Of its grammar it sees only that texts
// and brackets end.
func (s *scanner) skip() {
	for depth := 0; s.pos < len(s.data); s.pos++ {
		switch s.data[s.pos] {
		case '"':
			s.skipText()
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth < 0 {
				return // that of what the value lies in
			}
		case ',':
			if depth == 0 {
				return
			}
		}
	}
	s.pos = len(s.data)
}

// skipText moves to the quotation mark that ends a text.
func (s *scanner) skipText() {
	for s.pos++; s.pos < len(s.data) && s.data[s.pos] != '"'; s.pos++ {
		if s.data[s.pos] == '\\' {
			s.pos++
		}
	}
}

func (s *scanner) list() value {
	v := value{kind: kindList}
	if !s.enter() {
		return v
	}
	for first := true; s.more(first, ']'); first = false {
		v.items = append(v.items, s.value())
	}
	return v
}

// number takes a number of the JSON grammar and returns its digits as they are.
func (s *scanner) number() string {
	start := s.pos
	s.take('-')
	if !s.take('0') {
		s.digits()
	}
	if s.take('.') {
		s.digits()
	}
	if s.take('e') || s.take('E') {
		if !s.take('+') {
			s.take('-')
		}
		s.digits()
	}
	return string(s.data[start:s.pos])
}

func (s *scanner) take(c byte) bool {
	if s.pos < len(s.data) && s.data[s.pos] == c {
		s.pos++
		return true
	}
	return false
}

func (s *scanner) digits() {
	start := s.pos
	for s.pos < len(s.data) && '0' <= s.data[s.pos] && s.data[s.pos] <= '9' {
		s.pos++
	}
	if s.pos == start {
		s.fail("a digit is expected")
	}
}

// text takes a string in the given quotes.
func (s *scanner) text(quote byte) string {
	s.pos++
	start := s.pos
	var b []byte // what precedes start, once there was an escape
	for s.pos < len(s.data) {
		switch c := s.data[s.pos]; {
		case c == quote:
			end := s.data[start:s.pos]
			if s.pos++; b == nil {
				return string(end)
			}
			return string(append(b, end...))
		case c == '\\':
			b = s.escape(append(b, s.data[start:s.pos]...), quote)
			if s.fault != "" {
				return ""
			}
			start = s.pos
		case c < ' ':
			s.fail("a control character must be escaped")
			return ""
		default:
			s.pos++
		}
	}
	s.fail("a string does not end")
	return ""
}

// escape takes one escape and appends what it stands for.
func (s *scanner) escape(b []byte, quote byte) []byte {
	s.pos++
	if s.pos == len(s.data) {
		return b // the caller reports the missing end
	}
	c := s.data[s.pos]
	s.pos++
	switch c {
	case '"', '\\', '/':
		return append(b, c)
	case 'b':
		return append(b, '\b')
	case 'f':
		return append(b, '\f')
	case 'n':
		return append(b, '\n')
	case 'r':
		return append(b, '\r')
	case 't':
		return append(b, '\t')
	case 'u':
		return utf8.AppendRune(b, s.unicode())
	case quote:
		return append(b, c)
	}
	s.fail("an escape that JSON does not know")
	return b
}

// unicode takes the digits of a \u escape, and the second escape of a pair. A
// half of a pair that stands alone becomes the replacement character.
func (s *scanner) unicode() rune {
	r := s.hex()
	if !utf16.IsSurrogate(r) || s.pos+1 >= len(s.data) || s.data[s.pos] != '\\' || s.data[s.pos+1] != 'u' {
		return r
	}
	mark := s.pos
	s.pos += 2
	if pair := utf16.DecodeRune(r, s.hex()); pair != utf8.RuneError {
		return pair
	}
	s.pos = mark
	return utf8.RuneError
}

func (s *scanner) hex() rune {
	if s.pos+4 > len(s.data) {
		s.fail("four hexadecimal digits are expected")
		return 0
	}
	n, err := strconv.ParseUint(string(s.data[s.pos:s.pos+4]), 16, 32)
	if err != nil {
		s.fail("four hexadecimal digits are expected")
		return 0
	}
	s.pos += 4
	return rune(n)
}
