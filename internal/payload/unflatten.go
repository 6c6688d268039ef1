package payload

import (
	"strconv"
	"strings"
)

// flat is what a flat key such as card2_title spells.
type flat struct {
	id    fieldID // the list or object, here cards
	index int32   // the number, here 2; -1 for an object
	rest  string  // what is left of the name, here title; empty for a whole item
}

// maxNumber bounds the number in a flat key.
const maxNumber = 999

// unflatten reads a folded name as a flat key.
func unflatten(level Level, name string) (flat, bool) {
	for _, stem := range stems[level] {
		after, ok := strings.CutPrefix(name, stem.text)
		if !ok {
			continue
		}
		if !stem.numbered {
			// What only resembles a flat key, such as cardholder, stays a name.
			if known(stem.level, after) {
				return flat{stem.id, -1, after}, true
			}
			continue
		}
		digits := 0
		for digits < len(after) && after[digits] >= '0' && after[digits] <= '9' {
			digits++
		}
		index, err := strconv.Atoi(after[:digits])
		rest := after[digits:]
		if err != nil || index > maxNumber || rest != "" && stem.level == 0 {
			continue
		}
		return flat{stem.id, int32(index), rest}, true
	}
	return flat{}, false
}

// known reports whether name is a field of the level or a flat key of it.
func known(level Level, name string) bool {
	if _, ok := lookup(level, name); ok {
		return true
	}
	_, ok := unflatten(level, name)
	return ok
}

// stem is the beginning of a flat key.
type stem struct {
	text     string
	id       fieldID
	numbered bool
	level    Level // of the rest; zero if nothing may follow
}

// stems are the beginnings of flat keys on each level.
var stems = func() (byLevel [OnEvent + 1][]stem) {
	for _, level := range levels {
		for id, f := range fields {
			if f.Level&level == 0 {
				continue
			}
			for _, text := range f.Numbered {
				byLevel[level] = append(byLevel[level], stem{fold(text), fieldID(id), true, f.Type.inside()})
			}
			if f.Type != TypeCard && f.Type != TypeEvent {
				continue
			}
			for _, text := range append([]string{f.Name}, f.Aliases...) {
				byLevel[level] = append(byLevel[level], stem{fold(text), fieldID(id), false, f.Type.inside()})
			}
		}
	}
	return byLevel
}()

// inside returns the level of the objects that a field of the type holds.
func (t Type) inside() Level {
	switch t {
	case TypeCard, TypeCards:
		return OnCard
	case TypeButtons:
		return OnButton
	case TypeEvent:
		return OnEvent
	default:
		return 0
	}
}

// gather moves c, which was sent under a flat key, to where it belongs.
func (r *reader) gather(f *record, flat flat, c *node) {
	container := f.at[flat.id]
	switch {
	case container == nil || !container.made && container.blank():
		k := kindList
		if flat.index < 0 {
			k = kindObject
		}
		container = r.tree.make(k)
		container.made, container.up = true, f.node
		f.at[flat.id] = container
	case !container.made:
		if !c.blank() {
			r.fault(c, "%q says this already; send either", container.place().Name())
		}
		return
	}
	if flat.index >= 0 {
		if flat.rest == "" {
			r.item(container, flat.index, c)
			return
		}
		container = r.object(container, flat.index, c)
	}
	if container != nil {
		c.name = flat.rest
		container.add(c)
	}
}

// item puts c into a gathered list.
func (r *reader) item(list *node, index int32, c *node) {
	was := list.numbered(index)
	switch {
	case was == nil:
		c.index = index
		list.insert(c)
	case r.twice(was, c):
		r.fault(c, "this name stands twice in one object")
	case !c.blank() && (was.made || !was.sameAs(c)):
		r.conflict(was, c)
	}
}

// object returns the object of that number in a gathered list, for c, or nil if
// the whole item was sent as well.
func (r *reader) object(list *node, index int32, c *node) *node {
	if was := list.numbered(index); was != nil {
		if !was.made && !c.blank() {
			r.fault(c, "%q says this already; send either", was.place().Name())
		}
		if !was.made {
			return nil
		}
		return was
	}
	n := r.tree.make(kindObject)
	n.made, n.index = true, index
	list.insert(n)
	return n
}

// numbered returns the item of that number.
func (n *node) numbered(index int32) *node {
	for c := n.first; c != nil; c = c.next {
		if c.index == index {
			return c
		}
	}
	return nil
}

// insert adds c to a gathered list before the first item of a higher number.
func (n *node) insert(c *node) {
	if n.last == nil || n.last.index <= c.index {
		n.add(c)
		return
	}
	c.up = n
	n.count++
	if n.first.index > c.index {
		c.next, n.first = n.first, c
		return
	}
	before := n.first
	for before.next.index <= c.index {
		before = before.next
	}
	c.next, before.next = before.next, c
}
