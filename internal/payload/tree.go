package payload

import (
	"slices"
	"strconv"
	"strings"
)

// Limits of a body. They are far above the needs of a message, and keep the work on hostile
// input proportional to its size.
const (
	maxDepth     = 32
	maxNodes     = 10_000
	maxKeyLength = 256
)

// kind is the type of a node.
type kind uint8

const (
	kindNull kind = iota
	kindFalse
	kindTrue
	kindNumber
	kindString
	kindList
	kindObject
	kindFile // an upload in a form; its content is dropped
)

var kindNames = [...]string{"null", "a boolean", "a boolean", "a number", "text", "a list", "an object", "a file"}

// node is one value of a body.
type node struct {
	parent   *node   // the container in the document, or the text that holds this JSON
	children []*node // members or items; the root of the JSON inside a text

	key   string // the member's name as it was sent
	rest  string // the unused rest of a flat key, folded: title of card1_title
	text  string // the content of a string, or the literal of a number
	src   string // the JSON text of an object or list
	seq   int    // position in the document, to sort errors
	index int    // position in a list, or the number in a flat key
	kind  kind

	gathered  bool // a container that was not sent, but made for flat keys
	isPayload bool // the payload itself
	invalid   bool // an error was reported here
}

// tree creates the nodes of one body.
type tree struct {
	count     int
	form      bool // values are text, and keys may repeat
	plus      bool // the body is urlencoded: a space may be an unescaped plus sign
	unlimited bool // the limits do not apply
	numbers   int  // added to the maximum number of nodes

	free []node // allocated together, because a payload has several nodes
}

func (t *tree) newNode(k kind, parent *node) *node {
	t.count++
	if len(t.free) == 0 {
		t.free = make([]node, 4)
	}
	n := &t.free[0]
	t.free = t.free[1:]
	n.kind, n.parent, n.seq = k, parent, t.count
	return n
}

// gather returns a container for nodes that were sent elsewhere.
func (t *tree) gather(k kind, children ...*node) *node {
	n := t.newNode(k, nil)
	n.gathered, n.children = true, children
	return n
}

// position returns the position of n. It is zero for a nil node.
func (n *node) position() Position { return Position{node: n} }

// isEmpty reports whether n is null, white space, or a container of only empty values. Form
// and no-code tools send every field, filled in or not.
func (n *node) isEmpty() bool {
	switch n.kind {
	case kindNull:
		return true
	case kindString:
		return strings.TrimSpace(n.text) == ""
	case kindList, kindObject:
		return !slices.ContainsFunc(n.children, func(c *node) bool { return !c.isEmpty() })
	default:
		return false
	}
}

// equal reports whether two nodes hold the same value in any spelling: the number 600 and
// the text "600" are equal.
func (n *node) equal(m *node) bool {
	if max(n.kind, m.kind) < kindList {
		return n.scalar() == m.scalar()
	}
	return n.kind == m.kind && slices.EqualFunc(n.children, m.children, func(a, b *node) bool {
		return a.key == b.key && a.equal(b)
	})
}

// scalar returns the text of a node that is not a list or an object.
func (n *node) scalar() string {
	switch n.kind {
	case kindTrue:
		return "true"
	case kindFalse:
		return "false"
	default:
		return n.text
	}
}

// location describes the position of a node in the body. The pointer of a node in JSON
// inside a text is the pointer of the text.
type location struct {
	pointer string // a JSON Pointer, RFC 6901
	inside  string // the pointer within the JSON inside a text
	inText  bool   // the node is in JSON inside a text
	seq     int    // of the node, or of the text that holds it
}

// location returns the location of n. A container for flat keys has the location of the
// first of them.
func (n *node) location() location {
	for n.gathered {
		n = n.children[0]
	}
	at := location{seq: n.seq}
	for ; n.parent != nil; n = n.parent {
		switch n.parent.kind {
		case kindString:
			at = location{inside: at.pointer + at.inside, inText: true, seq: n.parent.seq}
		case kindList:
			at.pointer = "/" + strconv.Itoa(n.index) + at.pointer
		default:
			at.pointer = "/" + escaper.Replace(n.key) + at.pointer
		}
	}
	return at
}
