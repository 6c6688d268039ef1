package phone

import "encoding/json"

// Note is an entry of the log of [rbmtest.Simulator.Note] that the page shows. One field is
// set.
//
// [rbmtest.Simulator.Note]: https://pkg.go.dev/github.com/rcshook/rcshook/rbm/rbmtest#Simulator.Note
type Note struct {
	Delivery *Delivery `json:"delivery,omitempty"`
	Request  *Request  `json:"request,omitempty"`
	Reload   *Reload   `json:"reload,omitempty"`
}

// Delivery is one attempt to deliver an event to a target. Target is empty if the function
// has no targets.
type Delivery struct {
	Target  string          `json:"target"`
	Event   json.RawMessage `json:"event"`
	Outcome string          `json:"outcome"`
	Status  int             `json:"status,omitempty"`
	Error   string          `json:"error,omitempty"`
}

// Request is a request to a target that was received in its place. ID is that of the event
// or, for a fallback, of the message.
type Request struct {
	ID   string `json:"id"`
	URL  string `json:"url"`
	Body string `json:"body"`
}

// Reload means that the file with the configuration changed. If it has problems, the
// earlier configuration stays in use.
type Reload struct {
	File     string   `json:"file"`
	Problems []string `json:"problems"`
}
