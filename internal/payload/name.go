package payload

import "strconv"

// FieldName returns the name of the field of the message that a member of the given
// name is read as, whatever its spelling: text for Body. A flat name comes back in
// one spelling for each place that it names: cards1title for Card 1 Title. What may
// stand there is for [Decode] to tell.
func FieldName(name string) (field string, ok bool) {
	if len(name) > maxKeyLength {
		return "", false
	}
	if id, ok := lookup(OnMessage, name); ok {
		return fields[id].Name, true
	}
	flat, ok := unflatten(OnMessage, fold(name))
	if !ok {
		return "", false
	}
	field = fields[flat.id].Name
	if flat.index >= 0 {
		field += strconv.Itoa(int(flat.index))
	}
	return field + flat.rest, true
}

// NearestField returns the name of the field of the message that was probably meant
// by a name that is none, or empty.
func NearestField(name string) string {
	_, near := nearest(OnMessage, fold(name))
	return near
}

// FoldName brings the spellings of a name together, as they are for fields: case
// and what people put between words do not matter.
func FoldName(name string) string { return fold(name) }
