package payload

import (
	"strconv"
	"strings"
)

// reader turns the tree of one body into a payload and collects what is wrong.
type reader struct {
	tree    *tree
	options Options
	faults  Faults
}

// fault reports what is wrong at a node.
func (r *reader) fault(n *node, format string, args ...any) {
	r.faultAt(n.place(), format, args...)
}

func (r *reader) faultAt(p Place, format string, args ...any) {
	r.report(p, p.Fault(format, args...))
}

// missing reports a member that the object at a place lacks.
func (r *reader) missing(p Place, name, format string, args ...any) {
	r.report(p, p.Missing(name, format, args...))
}

func (r *reader) report(p Place, f Fault) {
	p.Flaw()
	if len(r.faults) < maxFaults {
		r.faults = append(r.faults, f)
	}
}

// place returns the place of n; that of no node is nowhere.
func (n *node) place() Place { return Place{node: n} }

// record is an object folded onto the fields of its level.
type record struct {
	at    [fieldCount]*node
	meant [fieldCount]bool // an unknown member probably means this field
	node  *node
	level Level
}

// lacks reports whether a field was neither sent nor probably meant by a member
// that is reported already.
func (f *record) lacks(id fieldID) bool { return f.get(id) == nil && !f.meant[id] }

// get returns the value of a field, or nil if it was not sent or is blank.
func (f *record) get(id fieldID) *node {
	if n := f.at[id]; n != nil && !n.blank() {
		return n
	}
	return nil
}

// fold assigns the members of an object to the fields of its level. Flat keys
// are gathered into the list or object that they spell.
func (r *reader) fold(n *node, level Level) record {
	f := record{node: n, level: level}
	var next *node
	for c := n.first; c != nil; c = next {
		next = c.next // c may move to another list
		name := c.name
		if name == "" {
			name = c.key
		}
		if id, ok := lookup(level, name); ok {
			r.set(&f, id, c)
		} else if flat, ok := unflatten(level, fold(name)); ok {
			r.gather(&f, flat, c)
		} else {
			r.unknown(&f, c, fold(name))
		}
	}
	return f
}

// set puts c into a field. A field may be written twice if both say the same,
// but a JSON key may not: one of the two is lost to every other reader.
func (r *reader) set(f *record, id fieldID, c *node) {
	was := f.at[id]
	switch {
	case was == nil:
		f.at[id] = c
	case r.twice(was, c):
		r.fault(c, "this name stands twice in one object")
	case c.blank():
	case was.blank():
		f.at[id] = c
	case r.tree.form && repeats(fields[id].Type) && sameName(was, c):
		f.at[id] = r.list(was, c)
	case !was.sameAs(c):
		r.conflict(was, c)
	}
}

// twice reports whether was and c are one JSON name written twice.
func (r *reader) twice(was, c *node) bool {
	inForm := r.tree.form && c.home.home == nil
	return !inForm && !was.made && was.key == c.key && was.home == c.home
}

// conflict reports two spellings of one field.
func (r *reader) conflict(was, c *node) {
	first, second := was.place().Name(), c.place().Name()
	if first == second {
		r.fault(c, "sent twice with different values")
		return
	}
	r.fault(c, "%q and %q are the same field, with different values; send one of them", first, second)
}

// repeats reports whether a form field that is sent several times is a list.
func repeats(t Type) bool {
	return t == TypePhones || t == TypeButtons || t == TypeCards
}

// sameName reports whether c repeats the name of was, or of the list that was
// made of the same name before. PHP and its kin send to[] for a list.
func sameName(was, c *node) bool {
	if was.made {
		was = was.last
	}
	return fold(was.key) == fold(c.key)
}

// list returns the list of a form field's values, of which was holds those
// before c.
func (r *reader) list(was, c *node) *node {
	if was.made {
		was.add(c)
		return was
	}
	list := r.tree.make(kindList)
	list.made, list.up = true, was.up
	list.add(was)
	list.add(c)
	return list
}

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
	case container == nil || container.blank() && !container.made:
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
