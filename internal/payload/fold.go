package payload

import (
	"cmp"
	"slices"
	"strings"

	"github.com/rcshook/rcshook/internal/phonenumber"
)

// reader turns the tree of one body into a payload and collects its errors.
type reader struct {
	tree    *tree
	options Options
	errors  Errors

	// phone are the options of phone numbers. noCountry reports that the country of the
	// payload is invalid.
	phone     phonenumber.Options
	noCountry bool
}

// errorf reports an error at a node.
func (r *reader) errorf(n *node, format string, args ...any) {
	r.errorAt(n.position(), format, args...)
}

func (r *reader) errorAt(p Position, format string, args ...any) {
	r.report(p, p.Errorf(format, args...))
}

// missing reports a missing member of the object at a position.
func (r *reader) missing(p Position, name, format string, args ...any) {
	r.report(p, p.Missing(name, format, args...))
}

func (r *reader) report(p Position, e Error) {
	p.MarkInvalid()
	if !r.isFull() {
		r.errors = append(r.errors, e)
	}
}

// isFull reports whether no more errors are collected.
func (r *reader) isFull() bool { return len(r.errors) >= maxErrors }

// record is an object folded onto the fields of its level.
type record struct {
	at    [fieldCount]*node
	meant [fieldCount]bool // an unknown member is a typo of this field
	node  *node
	level Level
}

// lacks reports whether a field was not sent, not even with a typo.
func (f *record) lacks(id fieldID) bool { return f.get(id) == nil && !f.meant[id] }

// get returns the value of a field, or nil if it is missing or empty.
func (f *record) get(id fieldID) *node {
	if n := f.at[id]; n != nil && !n.isEmpty() {
		return n
	}
	return nil
}

// fold assigns the members of an object to the fields of its level. It gathers flat keys
// into the list or object that they describe.
func (r *reader) fold(n *node, level Level) record {
	f := record{node: n, level: level}
	for _, c := range n.children {
		name := cmp.Or(c.rest, c.key)
		if id, ok := lookup(level, name); ok {
			r.set(&f, id, c)
		} else if key, ok := parseFlatKey(level, FoldName(name)); ok {
			r.gather(&f, key, c)
		} else {
			r.unknown(&f, c, FoldName(name))
		}
	}
	return f
}

// set assigns c to a field. Two spellings of a field may be sent if their values are equal.
// A JSON name may not be sent twice, because most parsers drop one of the two.
func (r *reader) set(f *record, id fieldID, c *node) {
	previous := f.at[id]
	switch {
	case previous == nil:
		f.at[id] = c
	case r.isDuplicate(previous, c):
		r.errorf(c, duplicateName)
	case c.isEmpty():
	case previous.isEmpty():
		f.at[id] = c
	case r.tree.form && isRepeatable(fields[id].Type) && repeatsName(previous, c):
		if !previous.gathered {
			f.at[id] = r.tree.gather(kindList, previous, c)
			return
		}
		previous.children = append(previous.children, c)
	case !previous.equal(c):
		r.conflict(previous, c)
	}
}

const duplicateName = "duplicate name in one object; send it once"

// isDuplicate reports whether two nodes have the same name in one JSON object.
func (r *reader) isDuplicate(previous, c *node) bool {
	inForm := r.tree.form && c.parent.parent == nil
	return !inForm && !previous.gathered && previous.key == c.key && previous.parent == c.parent
}

// conflict reports two values of one field.
func (r *reader) conflict(previous, c *node) {
	first, second := previous.position().Name(), c.position().Name()
	if first == second {
		r.errorf(c, "sent twice with different values")
		return
	}
	r.errorf(c, "%q and %q are the same field, with different values; send one of them", first, second)
}

// isRepeatable reports whether a form field that is sent several times becomes a list.
func isRepeatable(t Type) bool {
	return t == TypePhones || t == TypeButtons || t == TypeCards
}

// repeatsName reports whether c has the name of previous, or of the last item of the list
// that was gathered before. PHP and others send to[] for a list.
func repeatsName(previous, c *node) bool {
	if previous.gathered {
		previous = previous.children[len(previous.children)-1]
	}
	return FoldName(previous.key) == FoldName(c.key)
}

// gather adds c, which has a flat key, to the list or object that the key describes.
func (r *reader) gather(f *record, key flatKey, c *node) {
	container := f.at[key.id]
	if container == nil || !container.gathered && container.isEmpty() {
		k := kindList
		if key.index < 0 {
			k = kindObject
		}
		container = r.tree.gather(k)
		f.at[key.id] = container
	}
	if key.index >= 0 && container.gathered {
		i, found := slices.BinarySearchFunc(container.children, key.index, func(n *node, index int) int {
			return cmp.Compare(n.index, index)
		})
		if key.rest == "" { // a whole item
			if found {
				r.conflictingItem(container.children[i], c)
				return
			}
			c.index = key.index
			container.children = slices.Insert(container.children, i, c)
			return
		}
		if !found {
			object := r.tree.gather(kindObject)
			object.index = key.index
			container.children = slices.Insert(container.children, i, object)
		}
		container = container.children[i]
	}
	if !container.gathered {
		if !c.isEmpty() {
			r.errorf(c, "conflicts with %q; send only one of them", container.position().Name())
		}
		return
	}
	c.rest = key.rest
	container.children = append(container.children, c)
}

// conflictingItem reports c, which has the number of another item, unless both are equal.
func (r *reader) conflictingItem(previous, c *node) {
	switch {
	case r.isDuplicate(previous, c):
		r.errorf(c, duplicateName)
	case !c.isEmpty() && (previous.gathered || !previous.equal(c)):
		r.conflict(previous, c)
	}
}

// unknown reports an unknown member and suggests the field with the most similar name. A
// payload with a typo must not send half a message.
func (r *reader) unknown(f *record, c *node, name string) {
	if r.isFull() { // skips the work
		c.position().MarkInvalid()
		return
	}
	if owner := otherOwner(name, f.level); owner != "" {
		r.errorf(c, "unknown field here; it belongs to %s", owner)
		return
	}
	if f.level == OnMessage && strings.HasPrefix(name, "raw") {
		f.meant[fRaw] = true
		r.errorf(c, "raw has no flat form; send it as one JSON object, or as text that contains one")
		return
	}
	id, near := nearest(f.level, name)
	if near == "" {
		var list []string
		for _, f := range Fields(f.level) {
			list = append(list, f.Name)
		}
		r.errorf(c, "unknown field; expected one of %s", strings.Join(list, ", "))
		return
	}
	f.meant[id] = true
	r.errorf(c, "unknown field; did you mean %q?", completeKey(c, near))
}

// otherOwner returns the object that a field belongs to if it exists only on other levels.
func otherOwner(name string, level Level) string {
	for i, owner := range []string{"the message", "a card", "a button", "the event of a button"} {
		if _, ok := lookup(levels[i], name); ok && levels[i] != level {
			return owner
		}
	}
	return ""
}

// completeKey puts the used start of a flat key before a name: title becomes card1_title.
func completeKey(c *node, name string) string {
	if c.rest == "" {
		return name
	}
	start := len(c.key)
	for left := len(c.rest); left > 0; {
		if start--; !isSeparator(c.key[start]) {
			left--
		}
	}
	if strings.HasSuffix(c.key, "]") {
		name += "]"
	}
	return c.key[:start] + name
}
