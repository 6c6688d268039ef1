// Package draft puts a payload together from a file and from single fields, as
// they are given on a command line.
package draft

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/rcshook/rcshook/internal/payload"
)

// Draft is a payload that can be added to. The zero value is empty.
type Draft struct {
	file []byte   // as it was, to be sent so if nothing is added to it
	from []member // of the file
	own  []member // set later
}

type member struct {
	key    string
	value  json.RawMessage
	values []string // of one that was set
}

var errNoObject = errors.New("it is not one JSON object, such as {\"to\": \"+12025550123\", \"text\": \"Hello\"}")

// Parse reads a payload. What is wrong with its fields is for the function to say;
// here it only has to be one JSON object.
func Parse(text []byte) (*Draft, error) {
	text = bytes.TrimPrefix(text, []byte("\uFEFF"))
	if body := (*payload.BodyError)(nil); errors.As(payload.Syntax(text), &body) {
		return nil, errors.New(body.Detail)
	}
	d := &Draft{file: text}
	decoder := json.NewDecoder(bytes.NewReader(text))
	if t, err := decoder.Token(); err != nil || t != json.Delim('{') {
		return nil, errNoObject
	}
	for decoder.More() {
		key, err := decoder.Token()
		if err != nil {
			return nil, err
		}
		m := member{key: key.(string)} //nolint:errcheck // keys are nothing else
		if err := decoder.Decode(&m.value); err != nil {
			return nil, err
		}
		d.from = append(d.from, m)
	}
	return d, nil
}

// Set gives a field a value, in the place of what the file says about it in
// whatever spelling. Set again, the field has several values if it can, such as
// to and buttons; otherwise it is an error.
func (d *Draft) Set(key, value string) error {
	field, part, known := payload.Find(key)
	for i, m := range d.own {
		if m.key != key {
			continue
		}
		if !known || part != "" || field.Type != payload.TypePhones && field.Type != payload.TypeButtons {
			return fmt.Errorf("%s is given twice", key)
		}
		d.own[i].values = append(m.values, value)
		return nil
	}
	d.own = append(d.own, member{key: key, values: []string{value}})
	return nil
}

// Remove takes a field out, in whatever spelling.
func (d *Draft) Remove(name string) {
	keep := func(members []member) (kept []member) {
		for _, m := range members {
			if _, about := overlap(m.key, name); !about {
				kept = append(kept, m)
			}
		}
		return kept
	}
	if n := len(d.from); n > 0 {
		if d.from = keep(d.from); len(d.from) < n {
			d.file = nil
		}
	}
	d.own = keep(d.own)
}

// Has reports whether a field has a value, in whatever spelling.
func (d *Draft) Has(name string) bool {
	for _, m := range append(d.from[:len(d.from):len(d.from)], d.own...) {
		text := string(m.value)
		if _, about := overlap(m.key, name); about && text != `""` && text != "null" {
			return true
		}
	}
	return false
}

// Empty reports whether there is nothing at all.
func (d *Draft) Empty() bool { return d.file == nil && len(d.from)+len(d.own) == 0 }

// JSON returns the payload. A file to which nothing was added is as it was, faults
// included, so that they are reported where they are.
func (d *Draft) JSON() []byte {
	if d.file != nil && len(d.own) == 0 {
		return d.file
	}
	var b bytes.Buffer
	write := func(m member) {
		if b.Len() > 1 {
			b.WriteString(", ")
		}
		b.WriteString(encode(m.key) + ": ")
		switch {
		case m.value != nil:
			b.Write(m.value)
		case len(m.values) == 1:
			b.WriteString(encode(m.values[0]))
		default:
			b.WriteString(encode(m.values))
		}
	}
	b.WriteByte('{')
	for _, m := range d.from {
		if !d.replaced(m.key) {
			write(m)
		}
	}
	for _, m := range d.own {
		write(m)
	}
	b.WriteByte('}')
	return b.Bytes()
}

func (d *Draft) replaced(key string) bool {
	for _, m := range d.own {
		if same, _ := overlap(m.key, key); same {
			return true
		}
	}
	return false
}

// overlap reports whether two keys contradict each other, and whether they are about
// the same field: card1_title and card2_title are, and can stand side by side.
func overlap(a, b string) (contradict, about bool) {
	one, part, known := payload.Find(a)
	other, part2, known2 := payload.Find(b)
	if !known || !known2 {
		return a == b, a == b
	}
	about = one.Name == other.Name
	return about && (part == "" || part2 == "" || part == part2), about
}

// encode cannot fail: it gets texts only.
func encode(v any) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return strconv.Quote("")
	}
	return string(bytes.TrimSpace(b.Bytes()))
}
