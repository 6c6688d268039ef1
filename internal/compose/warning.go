package compose

import (
	"github.com/rcshook/rcshook/internal/payload"
	"github.com/rcshook/rcshook/rbm"
)

// Warning is about something that is allowed but hardly meant, or shown badly.
type Warning struct {
	// Pointer is the place in the payload, a JSON Pointer.
	Pointer string `json:"pointer"`

	// Detail says what will happen and what would be better.
	Detail string `json:"detail"`
}

type warner struct {
	payload *payload.Payload
	message *rbm.AgentMessage
	size    int
	list    []Warning
}

func (w *warner) all() []Warning { return w.list }
