package payload

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// ContentTypeError reports a body of an unsupported content type.
type ContentTypeError struct {
	// Detail describes the problem to the sender.
	Detail string
}

func (e *ContentTypeError) Error() string { return "payload: unsupported content type: " + e.Detail }

// BodyError reports that a body could not be parsed. Its text contains positions and types
// but no content, so it is safe to log.
type BodyError struct {
	// Detail describes the problem to the sender.
	Detail string

	// Line and Column are the position in Detail; zero if it has none.
	Line, Column int
}

// Below returns the error for a body with that many lines above it.
func (e BodyError) Below(lines int) *BodyError {
	const at = " at line %d, column"
	e.Detail = strings.Replace(e.Detail, fmt.Sprintf(at, e.Line), fmt.Sprintf(at, e.Line+lines), 1)
	e.Line += lines
	return &e
}

func (e *BodyError) Error() string { return "payload: unreadable body: " + e.Detail }

func unreadable(format string, args ...any) *BodyError {
	return &BodyError{Detail: fmt.Sprintf(format, args...)}
}

// Error is one problem of a payload that could be parsed.
type Error struct {
	// Pointer is the JSON Pointer of the value in the body. The name of a form field is
	// one token: /card1_title.
	Pointer string `json:"pointer"`

	// Detail describes the problem and the fix. It quotes names of fields and words of
	// enums, never a text or a phone number.
	Detail string `json:"detail"`

	// Limit and Actual are set if the problem is a number of characters, items, bytes or
	// seconds.
	Limit  int `json:"limit,omitempty"`
	Actual int `json:"actual,omitempty"`

	// Phone reports that the problem is the phone number of a recipient.
	Phone bool `json:"-"`

	order int64 // of the position in the document; zero sorts last
}

func (e Error) Error() string { return "payload: " + e.Detail }

// Errors lists every problem of a payload, in the order of the document.
type Errors []Error

// Error counts the problems and quotes nothing, so it is safe to log.
func (e Errors) Error() string {
	if len(e) == 1 {
		return "payload: 1 error"
	}
	return fmt.Sprintf("payload: %d errors", len(e))
}

// maxErrors limits the errors of one payload. Hostile input could cause one error per two
// bytes.
const maxErrors = 100

// Sorted returns the errors in the order of the document and errors about missing fields
// last. It removes duplicates and keeps at most 100 errors.
func (e Errors) Sorted() Errors {
	sorted := slices.Clone(e)
	slices.SortStableFunc(sorted, func(a, b Error) int {
		return cmp.Compare(uint64(a.order-1), uint64(b.order-1)) // zero wraps to the end
	})
	sorted = slices.CompactFunc(sorted, func(a, b Error) bool {
		return a.Pointer == b.Pointer && a.Detail == b.Detail
	})
	return sorted[:min(len(sorted), maxErrors)]
}

// Position is the position of a value in the body. The zero Position belongs to a value
// that was not sent.
type Position struct {
	node *node
	part int // the item of a text that holds several, from 1; zero for the whole text
}

// Sent reports whether the value was sent.
func (p Position) Sent() bool { return p.node != nil }

// Pointer returns the JSON Pointer of the position. It is empty for the zero Position.
func (p Position) Pointer() string {
	if p.node == nil {
		return ""
	}
	return p.node.location().pointer
}

// Name returns the last token of the pointer, which is the name of the field as it was
// sent. It is safe to quote for a known field.
func (p Position) Name() string {
	pointer := p.Pointer()
	return unescaper.Replace(pointer[strings.LastIndexByte(pointer, '/')+1:])
}

var (
	escaper   = strings.NewReplacer("~", "~0", "/", "~1")
	unescaper = strings.NewReplacer("~1", "/", "~0", "~")
)

// MarkInvalid records that an error was reported at the position. A member that seems to be
// missing there may be the invalid one.
func (p Position) MarkInvalid() {
	n := p.node
	for n.invalid = true; n.gathered; n.invalid = true {
		n = n.children[0]
	}
}

// IsInvalid reports whether an error was reported at the position or inside its value.
func (p Position) IsInvalid() bool { return p.node != nil && p.node.hasError() }

func (n *node) hasError() bool {
	return n.invalid || slices.ContainsFunc(n.children, (*node).hasError)
}

// Errorf returns an error at the position.
func (p Position) Errorf(format string, args ...any) Error {
	return p.ErrorBelow("", format, args...)
}

// ErrorBelow returns an error at a JSON Pointer below the position.
func (p Position) ErrorBelow(pointer, format string, args ...any) Error {
	at := p.node.location()
	e := Error{Pointer: at.pointer, Detail: fmt.Sprintf(format, args...), order: int64(at.seq)<<16 + int64(p.part)}
	if p.part > 0 {
		e.Detail = fmt.Sprintf("item %d of this text: %s", p.part, e.Detail)
	}
	if !at.inText {
		e.Pointer += pointer
	} else if inside := at.inside + pointer; inside != "" {
		e.Detail = "in the JSON text, at " + inside + ": " + e.Detail
	}
	return e
}

// Missing returns an error about a missing member of the object at the position. The first
// key stands for an object that was gathered from flat keys.
func (p Position) Missing(name, format string, args ...any) Error {
	below := "/" + escaper.Replace(name)
	if p.node.gathered || p.node.kind != kindObject {
		below = ""
	}
	e := p.ErrorBelow(below, format, args...)
	if p.node.isPayload {
		e.order = 0
	}
	return e
}

// Excess returns the position of the first item beyond a limit if the list was gathered
// from flat keys and so has no position of its own. Otherwise it returns p.
func (p Position) Excess(limit int) Position {
	if !p.node.gathered || p.node.kind != kindList || limit >= len(p.node.children) {
		return p
	}
	return p.node.children[limit].position()
}
