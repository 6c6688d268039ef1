// Package payload reads the simplified payload: what a sender writes to get a
// message out, in JSON, as an urlencoded or a multipart form, nested or flat.
//
// A body takes three steps. It becomes a tree of nodes that know where they were
// written (json.go, form.go, tree.go). The tree is folded onto the known fields:
// spellings and aliases are resolved, flat keys gathered, unknown and
// conflicting ones found (fields.go, fold.go, unflatten.go). The fields are read into a typed
// [Payload] (message.go and its neighbours), whose values keep their [Position], so that
// whatever turns out wrong later can still be explained where it was written.
package payload

import "time"

// Payload is what a sender asks for.
type Payload struct {
	// To are the recipients, each once, in the order of the payload.
	To []Recipient

	// Agent is the configured name of the agent that sends; empty for the default.
	Agent string

	// AgentPointer is where Agent was written.
	AgentPointer string

	// IdempotencyKey makes repeated sending safe. A key in a header is for the
	// caller to add.
	IdempotencyKey string

	// MessageID is a UUID to be used as it is.
	MessageID string

	// DryRun asks to compose and check, and to send nothing.
	DryRun bool

	Traffic   Text // otp, transaction, promotion, service or acknowledgement
	TTL       Value[time.Duration]
	ExpiresAt Value[time.Time]
	OTP       Value[bool]

	// ScheduleAt is when the message is to be sent.
	ScheduleAt Value[time.Time]

	Text      Text
	File      Text // an https URL or the name of an upload
	Top       Card // the card fields of the payload itself; its Text is Payload.Text
	Card      *Card
	Cards     []Card
	CardsAt   Position
	CardWidth Text // small or medium
	Chips     Buttons
	Raw       Raw

	// Root is the place of the whole payload.
	Root Position

	// Errors is what is wrong so far, not yet in order. What could not be read
	// is left out above.
	Errors Errors

	// ContentExplained says that one of the faults explains why there may be
	// nothing to show.
	ContentExplained bool
}

// Recipient is somebody to send to.
type Recipient struct {
	// E164 is the number as the API wants it: a plus sign and digits.
	E164 string

	// Pointer is where it was written; several numbers in one text share it.
	Pointer string
}

// Value is a value of the payload and where it was written. If it was not sent,
// the place is nowhere.
type Value[T any] struct {
	Value T
	Position
}

// Text is a text of the payload. It is never empty if it was sent.
type Text = Value[string]

// Card is a card, or the card fields at the top of a payload.
type Card struct {
	Position

	Title        Text
	Text         Text // shown as the description
	Description  Text
	Image, Video Text // an https URL or the name of an upload
	Thumbnail    Text
	Alt          Text // for screen readers
	ForceRefresh Value[bool]
	Height       Text // short, medium or tall
	Layout       Text // vertical or horizontal
	Align        Text // left or right
	Buttons      Buttons
}

// Buttons is a list of buttons and where it was written.
type Buttons struct {
	Items []Button
	Position
}

// Raw is an AgentMessage in the API's own form.
type Raw struct {
	// JSON is the text of it, as it was sent.
	JSON string

	// Content says that it is only the contentMessage.
	Content bool

	Position
}
