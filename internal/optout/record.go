// Package optout keeps people who opted out from getting messages that they do not want:
// it recognizes the keywords and events, and stores who opted out of which brand.
package optout

import "time"

// State is whether a person gets messages of a brand.
type State string

// The states.
const (
	OptedOut State = "opted_out"
	OptedIn  State = "opted_in"
)

// Record is the state of a person in a [Bucket].
type Record struct {
	Brand string `json:"brand"`
	Phone string `json:"phone"` // in E.164
	State State  `json:"state"`

	// Since is the time of the first signal for the state, At that of the newest one.
	Since time.Time `json:"since"`
	At    time.Time `json:"at"`

	// Via is text, menu, button, import or operator. Keyword is the word of a text or button.
	Via     string `json:"via"`
	Keyword string `json:"keyword"`

	// Agent is the name of the agent that the person wrote to. EventID is the event.
	Agent   string `json:"agent"`
	EventID string `json:"event_id"`
}
