package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/rcshook/rcshook/internal/charset"
	"github.com/rcshook/rcshook/internal/payload"
)

// draft is a payload made from a file and from fields of the command line. The zero
// value is empty.
type draft struct {
	file  []byte   // sent as it is, unless fields are added
	read  []member // of the file
	added []member
}

type member struct {
	key    string
	value  json.RawMessage
	values []string // of an added one
}

// parseDraft reads a payload. It only checks that the text is one JSON object, because
// the function reports the errors in its fields.
func parseDraft(text []byte) (*draft, error) {
	text, err := charset.FromUTF16(text)
	if err != nil {
		return nil, fmt.Errorf("the message is %w; save it as UTF-8", err)
	}
	if err, ok := errors.AsType[*payload.BodyError](payload.CheckSyntax(text)); ok {
		return nil, errors.New(err.Detail)
	}
	d := &draft{file: text}
	decoder := json.NewDecoder(bytes.NewReader(text))
	if t, err := decoder.Token(); err != nil || t != json.Delim('{') {
		return nil, errors.New(`expected one JSON object, such as {"to": "+12025550123", "text": "Hello"}`)
	}
	for decoder.More() {
		key, err := decoder.Token()
		if err != nil {
			return nil, err
		}
		m := member{key: key.(string)}
		if err := decoder.Decode(&m.value); err != nil {
			return nil, err
		}
		d.read = append(d.read, m)
	}
	return d, nil
}

// set sets a field, and replaces the value from the file under any of its names. A list
// such as to or buttons may be set repeatedly, another field may not.
func (d *draft) set(key, value string) error {
	field, part, known := payload.FindField(key)
	for i, m := range d.added {
		if m.key != key {
			continue
		}
		if !known || part != "" || field.Type != payload.TypePhones && field.Type != payload.TypeButtons {
			return fmt.Errorf("duplicate field %s", key)
		}
		d.added[i].values = append(m.values, value)
		return nil
	}
	d.added = append(d.added, member{key: key, values: []string{value}})
	return nil
}

// remove removes a field, under any of its names.
func (d *draft) remove(name string) {
	keep := func(members []member) (kept []member) {
		for _, m := range members {
			if _, same := overlap(m.key, name); !same {
				kept = append(kept, m)
			}
		}
		return kept
	}
	if n := len(d.read); n > 0 {
		if d.read = keep(d.read); len(d.read) < n {
			d.file = nil
		}
	}
	d.added = keep(d.added)
}

// has reports whether a field has a value, under any of its names.
func (d *draft) has(name string) bool {
	for _, m := range append(d.read[:len(d.read):len(d.read)], d.added...) {
		text := string(m.value)
		if _, same := overlap(m.key, name); same && text != `""` && text != "null" {
			return true
		}
	}
	return false
}

// json returns the payload. A file without added fields is unchanged, so that errors
// are reported at their place.
func (d *draft) json() []byte {
	if d.file != nil && len(d.added) == 0 {
		return d.file
	}
	var b bytes.Buffer
	b.WriteByte('{')
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	encode := func(v any) {
		_ = encoder.Encode(v)   // strings always encode
		b.Truncate(b.Len() - 1) // the line break
	}
	write := func(m member) {
		if b.Len() > 1 {
			b.WriteString(", ")
		}
		encode(m.key)
		b.WriteString(": ")
		switch {
		case m.value != nil:
			b.Write(m.value)
		case len(m.values) == 1:
			encode(m.values[0])
		default:
			encode(m.values)
		}
	}
	for _, m := range d.read {
		if !d.replaced(m.key) {
			write(m)
		}
	}
	for _, m := range d.added {
		write(m)
	}
	b.WriteByte('}')
	return b.Bytes()
}

// replaced reports whether an added field replaces a member of the file.
func (d *draft) replaced(key string) bool {
	for _, m := range d.added {
		if conflict, _ := overlap(m.key, key); conflict {
			return true
		}
	}
	return false
}

// overlap reports whether two keys conflict, and whether they belong to the same field:
// card1_title and card2_title belong to one, and do not conflict.
func overlap(a, b string) (conflict, same bool) {
	field, part, known := payload.FindField(a)
	field2, part2, known2 := payload.FindField(b)
	if !known || !known2 {
		return a == b, a == b
	}
	same = field.Name == field2.Name
	return same && (part == "" || part2 == "" || part == part2), same
}
