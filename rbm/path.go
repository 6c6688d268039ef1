package rbm

import (
	"strconv"
	"strings"
)

// A path leads from the root of a document to one value in it. It is a list of
// steps that live on the stack; text is made of it only for a violation.
type path struct {
	up    *path
	name  string // the member, as it was sent
	field string // the same member, as the reference writes it
	index int    // the element of a list; -1 for a member
}

func (p *path) at(name string) *path { return &path{up: p, name: name, field: name, index: -1} }

func (p *path) sent(name, field string) *path {
	return &path{up: p, name: name, field: field, index: -1}
}

func (p *path) item(i int) *path { return &path{up: p, index: i} }

// pointer returns p as a JSON Pointer (RFC 6901) with the names as they were sent.
func (p *path) pointer() string { return string(p.append(nil, false)) }

// canonical returns p as a JSON Pointer with the names of the reference.
func (p *path) canonical() string { return string(p.append(nil, true)) }

func (p *path) append(b []byte, canonical bool) []byte {
	if p == nil || p.up == nil {
		return b
	}
	b = append(p.up.append(b, canonical), '/')
	switch {
	case p.index >= 0:
		return strconv.AppendInt(b, int64(p.index), 10)
	case canonical:
		return append(b, p.field...)
	}
	return append(b, escapePointer(p.name)...)
}

func escapePointer(name string) string {
	if !strings.ContainsAny(name, "~/") {
		return name
	}
	return strings.ReplaceAll(strings.ReplaceAll(name, "~", "~0"), "/", "~1")
}
