// Package payload reads the simplified payload: the fields of a message as JSON, an
// urlencoded form or a multipart form, nested or flat.
//
// [Decode] takes three steps. It parses the body into a tree of nodes that know their
// position in the document (json.go, form.go, tree.go). It folds the tree onto the known
// fields: it resolves spellings and aliases, gathers flat keys such as card1_title, and
// finds unknown and conflicting members (fields.go, fold.go, flat.go). It reads the fields
// into a typed [Payload] (message.go, scalar.go, recipient.go, button.go), whose values
// keep their [Position], so that later errors can point to it too.
package payload

import "time"

// Payload is a message as its sender described it.
type Payload struct {
	// To lists the recipients without duplicates, in the order of the payload.
	To []Recipient

	// Agent is the configured name of the agent that sends; empty for the default.
	Agent string

	// AgentPointer is the JSON Pointer of Agent.
	AgentPointer string

	// IdempotencyKey makes retries safe. It does not include a key from a header.
	IdempotencyKey string

	// MessageID is a UUID to use as it is.
	MessageID string

	// DryRun asks to compose and check the message without sending it.
	DryRun bool

	Traffic   Text // otp, transaction, promotion, service or acknowledgement
	TTL       Value[time.Duration]
	ExpiresAt Value[time.Time]
	OTP       Value[bool]

	// ScheduleAt is the time to send the message.
	ScheduleAt Value[time.Time]

	// FallbackAfter is how long delivery may take before the message goes to its fallback,
	// and FallbackText the text for it.
	FallbackAfter Value[time.Duration]
	FallbackText  Text

	Text      Text
	File      Text // an https URL or the name of an upload
	Top       Card // the card fields of the payload itself; its text is Payload.Text
	Card      *Card
	Cards     []Card
	CardsAt   Position
	CardWidth Text // small or medium
	Chips     Buttons
	Raw       Raw

	// Root is the position of the whole payload.
	Root Position

	// Errors lists the problems found so far, unsorted. Fields that could not be read are
	// left out of the payload.
	Errors Errors

	// ContentExplained reports that one of the errors explains why the payload may have
	// no content.
	ContentExplained bool
}

// Recipient is the phone number of one recipient.
type Recipient struct {
	// E164 is the number in the form of the API: a plus sign and digits.
	E164 string

	// Pointer is the JSON Pointer of the number. Numbers in one text share it.
	Pointer string
}

// Value is a value of the payload with its position. The position of a value that was not
// sent is zero.
type Value[T any] struct {
	Value T
	Position
}

// Text is a text of the payload. It is not empty if it was sent.
type Text = Value[string]

// Card holds the fields of a card, or the card fields at the top of a payload.
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

// Buttons is a list of buttons with its position.
type Buttons struct {
	Items []Button
	Position
}

// Raw is an AgentMessage in the form of the API.
type Raw struct {
	// JSON is the document as it was sent.
	JSON string

	// Content reports that JSON holds only the contentMessage.
	Content bool

	Position
}
