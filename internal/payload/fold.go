package payload

// reader turns the tree of one body into a payload and collects what is wrong.
type reader struct {
	tree    *tree
	options Options
	faults  Errors
}

// fault reports what is wrong at a node.
func (r *reader) fault(n *node, format string, args ...any) {
	r.faultAt(n.place(), format, args...)
}

func (r *reader) faultAt(p Position, format string, args ...any) {
	r.report(p, p.Errorf(format, args...))
}

// missing reports a member that the object at a place lacks.
func (r *reader) missing(p Position, name, format string, args ...any) {
	r.report(p, p.Missing(name, format, args...))
}

func (r *reader) report(p Position, f Error) {
	p.MarkInvalid()
	if len(r.faults) < maxFaults {
		r.faults = append(r.faults, f)
	}
}

// place returns the place of n; that of no node is nowhere.
func (n *node) place() Position { return Position{node: n} }

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
