package rbm

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// value is one JSON value. Numbers keep their digits, and objects the order and the
// duplicates of their members, because violations are about them.
type value struct {
	kind    kind
	text    string   // of a string, a number or a boolean; of an object or a list, as JSON
	members []member // of an object or, without names, of a list
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

// member returns the first member of that name that is not null, or null.
func (v value) member(name string) value {
	for _, m := range v.members {
		if m.name == name && m.value.kind != kindNull {
			return m.value
		}
	}
	return value{}
}

// maxDepth limits the nesting. An AgentMessage needs eleven levels.
//
// Assumption: the platform stops at the 100 levels of Google's open-source parser.
const maxDepth = 100

// scanner reads a JSON document. Like the platform it also accepts strings in single
// quotes; see [ParseAgentMessage].
type scanner struct {
	data    string
	pos     int
	depth   int
	open    []member // of the open objects and lists, so that each list of them is allocated once
	problem string   // the first one
	at      int      // its offset
}

// scan reads one JSON document. problem is empty if it is valid.
func scan(document []byte) (v value, problem string) {
	data := string(document) // the texts of the values share its memory
	s := &scanner{data: data, open: make([]member, 0, 16)}
	switch {
	case strings.TrimSpace(data) == "":
		return value{}, "the document is empty"
	case !utf8.ValidString(data):
		s.fail("not UTF-8")
	default:
		v = s.value()
		if s.peek(); s.pos < len(data) {
			s.fail("unexpected data after the end of the document")
		}
	}
	if s.problem == "" {
		return v, ""
	}
	before := data[:min(s.at, len(data))]
	line := strings.Count(before, "\n") + 1
	column := utf8.RuneCountInString(before[strings.LastIndexByte(before, '\n')+1:]) + 1
	return value{}, fmt.Sprintf("invalid JSON: %s (line %d, column %d)", s.problem, line, column)
}

func (s *scanner) fail(problem string) {
	if s.problem == "" {
		s.problem, s.at = problem, s.pos
	}
}

// expect fails because the next token is not the expected one.
func (s *scanner) expect(token string) {
	if s.pos >= len(s.data) {
		s.fail("unexpected end of the document")
	}
	s.fail("expected " + token)
}

// peek skips white space and returns the next byte, 0 at the end.
func (s *scanner) peek() byte {
	for ; s.pos < len(s.data); s.pos++ {
		if c := s.data[s.pos]; c != ' ' && c != '\t' && c != '\n' && c != '\r' {
			return c
		}
	}
	return 0
}

const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// word takes the bytes up to the first one that is not in the set.
func (s *scanner) word(set string) string {
	start := s.pos
	s.pos = len(s.data) - len(strings.TrimLeft(s.data[start:], set))
	return s.data[start:s.pos]
}

func (s *scanner) value() value {
	switch s.peek() {
	case '{':
		return s.nested(kindObject, '}')
	case '[':
		return s.nested(kindList, ']')
	case '"', '\'':
		return value{kind: kindText, text: s.text()}
	}
	start := s.pos
	switch word := s.word(letters + "0123456789+-."); {
	case word == "null":
		return value{}
	case word == "true" || word == "false":
		return value{kind: kindBool, text: word}
	case json.Valid([]byte(word)):
		return value{kind: kindNumber, text: word}
	}
	s.pos = start
	s.expect("a value")
	return value{}
}

// nested reads an object or a list. A comma after the last member is allowed.
func (s *scanner) nested(k kind, closing byte) value {
	start, first := s.pos, len(s.open)
	if s.depth++; s.depth > maxDepth {
		s.fail("nested too deeply")
	}
	s.pos++
	for s.problem == "" {
		if s.peek() == closing {
			s.pos++
			break
		}
		var m member
		if k == kindObject {
			if m.name = s.name(); s.problem != "" {
				break
			}
		}
		m.value = s.value()
		s.open = append(s.open, m)
		switch s.peek() {
		case ',':
			s.pos++
		case closing:
		default:
			s.expect("a comma or a closing bracket")
		}
	}
	s.depth--
	v := value{kind: k, text: s.data[start:s.pos], members: slices.Clone(s.open[first:])}
	s.open = s.open[:first]
	return v
}

// name reads the name of a member and the colon after it.
func (s *scanner) name() (name string) {
	switch c := s.peek(); {
	case c == '"' || c == '\'':
		name = s.text()
	case strings.ContainsRune(letters+"_$", rune(c)):
		name = s.word(letters + "_$0123456789")
	default:
		s.expect("a name")
	}
	if s.peek() != ':' {
		s.expect("a colon")
		return ""
	}
	s.pos++
	return name
}

// escapes turns the inside of a string in single quotes into that of one in double
// quotes.
var escapes = strings.NewReplacer(`\\`, `\\`, `\"`, `\"`, `\'`, `'`, `"`, `\"`)

// text reads a string in either kind of quotes.
func (s *scanner) text() string {
	quote, start, escaped := s.data[s.pos], s.pos+1, false
	for s.pos++; s.pos < len(s.data); s.pos++ {
		switch c := s.data[s.pos]; {
		case c == quote:
			text := s.data[start:s.pos]
			if quote == '\'' {
				text, escaped = escapes.Replace(text), true
			}
			if escaped {
				text = s.unquote(text)
			}
			s.pos++
			return text
		case c == '\\':
			escaped = true
			s.pos++
		case c < ' ':
			s.fail("a control character must be escaped")
			return ""
		}
	}
	s.pos = len(s.data) // a backslash at the end passes it
	s.expect("the end of a string")
	return ""
}

// unquote resolves the escapes in the inside of a string in double quotes.
func (s *scanner) unquote(inside string) (text string) {
	if json.Unmarshal([]byte(`"`+inside+`"`), &text) != nil {
		s.fail("invalid escape in a string")
	}
	return text
}
