package payload

import (
	"fmt"
	"strconv"
	"strings"
)

// Position is where the sender wrote a value. The zero Position is nowhere: the value
// was not sent.
type Position struct {
	node *node
	part int // which one of several in one text, from 1; zero if it is the only one
}

// Sent reports whether the place exists.
func (p Position) Sent() bool { return p.node != nil }

// Pointer returns the JSON Pointer of the place, and empty for nowhere.
func (p Position) Pointer() string {
	if p.node == nil {
		return ""
	}
	pointer, _ := p.node.pointer()
	return pointer
}

// Name is the last token of the pointer, the field's name as it was sent. It is
// safe to quote for a field that was recognised.
func (p Position) Name() string {
	pointer := p.Pointer()
	return unescape(pointer[strings.LastIndexByte(pointer, '/')+1:])
}

// MarkInvalid notes that a fault was found here, for everything that this belongs to:
// what seems to be missing there may just be at fault.
func (p Position) MarkInvalid() {
	for n := p.node; n != nil && !n.flawed; n = n.up {
		n.flawed = true
	}
}

// IsInvalid reports whether a fault was noted here or in anything below.
func (p Position) IsInvalid() bool { return p.node != nil && p.node.flawed }

// Error returns a fault at the place.
func (p Position) Errorf(format string, args ...any) Error {
	return p.ErrorBelow("", format, args...)
}

// Missing returns a fault about the member name that the object at the place
// lacks. Of an object that was gathered from flat keys, the first key stands for
// the place.
func (p Position) Missing(name, format string, args ...any) Error {
	below := "/" + escape(name)
	if p.node.made || p.node.kind != kindObject {
		below = ""
	}
	f := p.ErrorBelow(below, format, args...)
	if p.node.up == nil { // the payload itself
		f.order = 0
	}
	return f
}

// Item returns the place of the i-th item of a list, or the list itself if it
// has no such item.
func (p Position) Item(i int) Position {
	if p.node == nil || p.node.kind != kindList {
		return p
	}
	for c := p.node.first; c != nil; c = c.next {
		if i == 0 {
			return Position{node: c}
		}
		i--
	}
	return p
}

// ErrorBelow returns a fault at a JSON Pointer below the place.
func (p Position) ErrorBelow(pointer, format string, args ...any) Error {
	f := Error{Detail: fmt.Sprintf(format, args...)}
	if p.part > 0 {
		f.Detail = fmt.Sprintf("number %d of this text: %s", p.part, f.Detail)
	}
	f.order = int64(p.node.order())<<16 + int64(p.part)
	at, inside := p.node.pointer()
	if f.Pointer = at; !p.node.embedded() {
		f.Pointer += pointer
	} else if inside += pointer; inside != "" {
		f.Detail = "in the JSON text, at " + inside + ": " + f.Detail
	}
	return f
}

// has reports whether an object has a member of that folded name.
func (n *node) has(name string) bool {
	for c := n.first; c != nil; c = c.next {
		if fold(c.key) == name {
			return true
		}
	}
	return false
}

// embedded reports whether n lies in JSON text inside a string.
func (n *node) embedded() bool {
	for ; n != nil; n = n.home {
		if n.inText {
			return true
		}
	}
	return false
}

// order is the position of n in the document. All of a JSON text inside a string
// stands where the string does.
func (n *node) order() int32 {
	for n.made && n.first != nil {
		n = n.first
	}
	order := n.seq
	for ; n != nil; n = n.home {
		if n.inText {
			order = n.home.seq
		}
	}
	return order
}

// token returns the reference token of n in its home.
func token(n *node) string {
	if n.home.kind == kindList {
		return strconv.Itoa(int(n.index))
	}
	return escape(n.key)
}

func escape(s string) string   { return escaper.Replace(s) }
func unescape(s string) string { return unescaper.Replace(s) }

var (
	escaper   = strings.NewReplacer("~", "~0", "/", "~1")
	unescaper = strings.NewReplacer("~1", "/", "~0", "~")
)

// Excess returns the place of the first item beyond a limit, for a list that
// was gathered from flat keys and so has no place of its own. For any other it
// is the list.
func (p Position) Excess(limit int) Position {
	if p.node == nil || !p.node.made {
		return p
	}
	return p.Item(limit)
}
