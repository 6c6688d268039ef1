package payload

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
)

// ErrContentType is wrapped by the error for a body in a form that is not
// accepted.
var ErrContentType = errors.New("payload: unsupported content type")

// BodyError says why a body could not be read at all. Its text names places and
// kinds, never content, so it is safe to log.
type BodyError struct {
	// Detail is what is wrong, for the sender.
	Detail string
}

func (e *BodyError) Error() string { return "payload: unreadable body: " + e.Detail }

func unreadable(format string, args ...any) *BodyError {
	return &BodyError{Detail: fmt.Sprintf(format, args...)}
}

// Error is one thing that is wrong with a payload that could be read.
type Error struct {
	// Pointer is the JSON Pointer of the place in what the sender wrote. The
	// name of a form field is one token: /card1_title.
	Pointer string `json:"pointer"`

	// Detail says what is wrong and what would be right. It quotes names of
	// fields and words of enums, never a text or a phone number.
	Detail string `json:"detail"`

	// Limit and Actual are set where the fault is about a number: characters,
	// items, bytes or seconds.
	Limit  int `json:"limit,omitempty"`
	Actual int `json:"actual,omitempty"`

	// Phone says that a recipient's number is at fault.
	Phone bool `json:"-"`

	order int64 // of the place in the document; zero comes last
}

// Errors is everything that is wrong with a payload, in the order of the document.
type Errors []Error

// Error counts the faults and quotes nothing, so it is safe to log.
func (f Errors) Error() string {
	if len(f) == 1 {
		return "payload: 1 fault"
	}
	return fmt.Sprintf("payload: %d faults", len(f))
}

// maxFaults bounds an answer. Nobody reads more, and hostile input could cause
// one per two bytes.
const maxFaults = 100

// Sorted returns the faults in the order of the document, those about missing
// fields last, at most a hundred and each once.
func (f Errors) Sorted() Errors {
	sorted := slices.Clone(f)
	slices.SortStableFunc(sorted, func(a, b Error) int {
		return cmp.Compare(uint64(a.order-1), uint64(b.order-1)) // zero wraps to the end
	})
	sorted = slices.CompactFunc(sorted, func(a, b Error) bool {
		return a.Pointer == b.Pointer && a.Detail == b.Detail
	})
	return sorted[:min(len(sorted), maxFaults)]
}
