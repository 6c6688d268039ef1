package rbmtest

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rcshook/rcshook/rbm"
)

// bind fits a parsed body to a message as the front end does, and returns it with
// the field names in lower camel case, enums by name, times and numbers in their
// usual form, and nulls left out. root is the name of the field that the body
// stands for, empty if it is the whole request. Every misfit is reported in one
// refusal.
func bind(d *descriptor, body *node, root string) (*node, *apiError) {
	var b binder
	if body.kind != objectNode {
		b.unknown("", root, "Root element must be a message.")
		return nil, b.refusal()
	}
	n := b.message(d, body, root)
	return n, b.refusal()
}

type binder struct {
	faults []fieldFault
}

// maxFaults is how many misfits are reported.
const maxFaults = 100

func (b *binder) fault(field, description string) {
	if len(b.faults) < maxFaults {
		b.faults = append(b.faults, fieldFault{field, description})
	}
}

func (b *binder) refusal() *apiError {
	if len(b.faults) == 0 {
		return nil
	}
	words := make([]string, len(b.faults))
	for i, f := range b.faults {
		words[i] = f.Description
	}
	return badRequest(strings.Join(words, "\n"), b.faults)
}

func (b *binder) unknown(name, parent, why string) {
	at := ""
	if parent != "" {
		at = " at '" + parent + "'"
	}
	b.fault(parent, invalidPayload+`Unknown name "`+name+`"`+at+": "+why)
}

func (b *binder) invalid(path, typeName, why string) {
	b.fault(path, "Invalid value at '"+path+"' ("+typeName+"), "+why)
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

func (b *binder) message(d *descriptor, n *node, path string) *node {
	out := &node{kind: objectNode}
	unions := map[string]bool{}
	for _, m := range n.members {
		f := d.lookup(m.name)
		if f == nil {
			b.unknown(m.name, path, "Cannot find field.")
			continue
		}
		if m.value.kind == nullNode {
			continue
		}
		if f.oneof != "" {
			if unions[f.oneof] {
				b.invalid(path, "oneof", "oneof field '"+f.oneof+"' is already set. Cannot set '"+m.name+"'")
				continue
			}
			unions[f.oneof] = true
		}
		if v := b.field(f, m, path); v != nil && !(f.oneof == "" && v.isDefault(f)) {
			out.members = slices.DeleteFunc(out.members, func(o member) bool { return o.name == f.json() })
			out.set(f.json(), v)
		}
	}
	return out
}

// isDefault reports whether v says no more than its absence would, which is so
// outside unions for empty strings and lists, false, zero and the first word of an
// enum.
func (n *node) isDefault(f *field) bool {
	switch n.kind {
	case stringNode:
		return n.text == "" || f.kind == kindEnum && n.text == f.enum.values[0] || f.kind == kindInt64 && n.text == "0"
	case boolNode:
		return n.text == "false"
	case numberNode:
		// A coordinate of zero is a place: the message is read once more from
		// here, by rules that want both coordinates.
		return f.kind != kindDouble && (n.text == "0" || n.text == "-0")
	case listNode:
		return len(n.list) == 0
	default:
		return false
	}
}

// field binds one member; nil means that it did not fit.
func (b *binder) field(f *field, m member, parent string) *node {
	path := join(parent, f.name)
	if !f.repeated {
		if m.value.kind == listNode {
			b.unknown(m.name, parent, "Proto field is not repeating, cannot start list.")
			return nil
		}
		return b.single(f, m.value, parent, path)
	}
	items := m.value.list
	if m.value.kind != listNode {
		// The front end takes a lone value for a list of one.
		items = []*node{m.value}
	}
	out := &node{kind: listNode}
	for i, item := range items {
		at := path + "[" + strconv.Itoa(i) + "]"
		if item.kind == listNode || item.kind == nullNode {
			b.invalid(at, f.typeName(), "List elements must be values of the field's type.")
			continue
		}
		if v := b.single(f, item, parent, at); v != nil {
			out.list = append(out.list, v)
		}
	}
	return out
}

func (b *binder) single(f *field, v *node, parent, path string) *node {
	switch {
	case f.kind == kindMessage && v.kind == objectNode:
		return b.message(f.message, v, path)
	case f.kind == kindStruct && v.kind == objectNode:
		return v
	case v.kind == objectNode:
		b.invalid(parent, f.name, "Starting an object on a scalar field")
		return nil
	}
	out, why := bindScalar(f, v)
	if out == nil {
		if why == "" {
			why = string(v.append(nil))
		}
		b.invalid(path, f.typeName(), why)
	}
	return out
}

// bindScalar returns nil for a value that the field cannot hold, perhaps with a
// reason.
func bindScalar(f *field, v *node) (out *node, why string) {
	switch f.kind {
	case kindString:
		if v.kind == stringNode {
			return v, ""
		}
	case kindBool:
		if v.kind == boolNode || v.kind == stringNode && (v.text == "true" || v.text == "false") {
			return &node{kind: boolNode, text: v.text}, ""
		}
	case kindDouble:
		return bindDouble(v), ""
	case kindInt32:
		return bindInteger(v, math.MinInt32, math.MaxInt32), ""
	case kindInt64:
		if n := bindInteger(v, math.MinInt64, math.MaxInt64); n != nil {
			return stringOf(n.text), "" // 64-bit numbers travel as strings
		}
	case kindEnum:
		return bindEnum(f.enum, v), ""
	case kindTimestamp:
		if v.kind == stringNode {
			return bindTimestamp(f, v)
		}
	case kindDuration:
		if v.kind == stringNode {
			return bindDuration(f, v)
		}
	}
	return nil, ""
}

func bindDouble(v *node) *node {
	if v.kind != numberNode && v.kind != stringNode {
		return nil
	}
	x, err := strconv.ParseFloat(v.text, 64)
	if err != nil || math.IsInf(x, 0) || math.IsNaN(x) || strings.ContainsAny(v.text, "xX_pP") {
		return nil
	}
	return &node{kind: numberNode, text: strconv.FormatFloat(x, 'f', -1, 64)}
}

func bindInteger(v *node, low, high int64) *node {
	if v.kind != numberNode && v.kind != stringNode {
		return nil
	}
	i, err := strconv.ParseInt(v.text, 10, 64)
	if err != nil {
		x := bindDouble(v)
		if x == nil {
			return nil
		}
		if i, err = strconv.ParseInt(x.text, 10, 64); err != nil {
			return nil
		}
	}
	if i < low || i > high {
		return nil
	}
	return &node{kind: numberNode, text: strconv.FormatInt(i, 10)}
}

func bindEnum(e *enum, v *node) *node {
	switch v.kind {
	case stringNode:
		if slices.Contains(e.values, v.text) {
			return v
		}
	case numberNode:
		if i, err := strconv.Atoi(v.text); err == nil && 0 <= i && i < len(e.values) {
			return stringOf(e.values[i])
		}
	}
	return nil
}

func bindTimestamp(f *field, v *node) (*node, string) {
	t, err := time.Parse(time.RFC3339Nano, v.text)
	if err != nil {
		return nil, "Field '" + f.json() + "', Illegal timestamp format; timestamps must end with 'Z' or have a valid timezone offset."
	}
	return timestamp(t), ""
}

func bindDuration(f *field, v *node) (*node, string) {
	d, err := rbm.ParseDuration(v.text)
	if err != nil {
		return nil, "Field '" + f.json() + "', Illegal duration format; duration must end with 's'"
	}
	return stringOf(d.String()), ""
}

// timestamp writes a time as protocol buffers do: in UTC, with 0, 3, 6 or 9
// decimals.
func timestamp(t time.Time) *node {
	t = t.UTC()
	format := "2006-01-02T15:04:05.000000000Z"
	switch n := t.Nanosecond(); {
	case n == 0:
		format = "2006-01-02T15:04:05Z"
	case n%1e6 == 0:
		format = "2006-01-02T15:04:05.000Z"
	case n%1e3 == 0:
		format = "2006-01-02T15:04:05.000000Z"
	}
	return stringOf(t.Format(format))
}
