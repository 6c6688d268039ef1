package payload

import "strings"

// Bounds of a body. They are far above anything a message needs, and keep the
// work on hostile input proportional to its size.
const (
	maxDepth     = 32
	maxNodes     = 10_000
	maxKeyLength = 256
)

// kind is what a node holds.
type kind uint8

const (
	kindNull kind = iota
	kindFalse
	kindTrue
	kindNumber
	kindString
	kindList
	kindObject
	kindFile // uploaded in a form; its content is not kept
)

var kindNames = [...]string{"null", "a boolean", "a boolean", "a number", "text", "a list", "an object", "a file"}

// node is one value of a body. Every encoding becomes a tree of them.
//
// A node has two parents. Home is the container in which the sender wrote it;
// it never changes and gives the node's JSON Pointer. Up is the container to
// which it belongs once flat keys are unflattened: card1_title is written in
// the root (home) and belongs to the first card (up).
type node struct {
	home *node
	up   *node

	first, last, next *node // the members or items, in order

	key   string // the member's name as sent
	name  string // the folded rest of the key, once a part of it was used to move the node
	text  string // the text of a string, the literal of a number
	src   string // the JSON text of an object or list
	seq   int32  // position in the document, for the order of faults
	index int32  // position in a list; the number in a flat key
	count int32  // number of members or items
	kind  kind

	made   bool // not sent: a container made for flat keys
	inText bool // the root of JSON text that was sent inside a string, its home
	flawed bool // a fault was found here or below
}

// tree makes the nodes of one body.
type tree struct {
	chunk []node
	count int32
	form  bool // sent as a form: values are text and keys may repeat
	plus  bool // sent urlencoded: a blank may have been a plus sign
}

// expect makes room for about n nodes; more are no harm.
func (t *tree) expect(n int) { t.chunk = make([]node, 0, min(n, maxChunk)) }

// maxChunk is how many nodes are made at once.
const maxChunk = 256

// make returns a new node. Nodes are made in chunks, so their addresses stay.
func (t *tree) make(k kind) *node {
	if len(t.chunk) == cap(t.chunk) {
		t.chunk = make([]node, 0, min(max(8, 2*cap(t.chunk)), maxChunk))
	}
	t.count++
	t.chunk = append(t.chunk, node{kind: k, seq: t.count})
	return &t.chunk[len(t.chunk)-1]
}

// add appends c to the children of n.
func (n *node) add(c *node) {
	c.up, c.next = n, nil
	if n.first == nil {
		n.first = c
	} else {
		n.last.next = c
	}
	n.last = c
	n.count++
}

// blank reports whether n says nothing: null, white space, or a container of
// only such. Form and no-code tools send every field, filled in or not.
func (n *node) blank() bool {
	switch n.kind {
	case kindNull:
		return true
	case kindString:
		return strings.TrimSpace(n.text) == ""
	case kindList, kindObject:
		for c := n.first; c != nil; c = c.next {
			if !c.blank() {
				return false
			}
		}
		return true
	default:
		return false
	}
}

// sameAs reports whether two nodes hold the same value, whatever its spelling:
// the number 600 and the text "600" are the same.
func (n *node) sameAs(m *node) bool {
	if n.kind < kindList && m.kind < kindList {
		return n.scalar() == m.scalar()
	}
	if n.kind != m.kind || n.count != m.count {
		return false
	}
	for a, b := n.first, m.first; a != nil; a, b = a.next, b.next {
		if a.key != b.key || !a.sameAs(b) {
			return false
		}
	}
	return true
}

// scalar returns the text of a node that is neither list nor object.
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

// pointer returns the JSON Pointer of n in what the sender wrote. For a node in
// JSON text inside a string the pointer ends at the string; inside is then the
// way from there. A container made for flat keys is found at the first of them.
//
// Specification: https://www.rfc-editor.org/rfc/rfc6901
func (n *node) pointer() (pointer, inside string) {
	for n.made && n.first != nil {
		n = n.first
	}
	for ; n.home != nil; n = n.home {
		if n.inText {
			inside, pointer = pointer+inside, ""
			continue
		}
		pointer = "/" + token(n) + pointer
	}
	return pointer, inside
}
