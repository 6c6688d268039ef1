package rbmtest

import (
	"encoding/json"
	"slices"
	"time"
)

// EventKind is what an [Event] tells.
type EventKind string

// The kinds of events.
const (
	// EventMessage is a message that was accepted or has changed its state;
	// Message and Detail are set.
	EventMessage EventKind = "message"

	// EventAgentEvent is an event that an agent sent with agentEvents.create;
	// Payload is the AgentEvent.
	EventAgentEvent EventKind = "agent_event"

	// EventUserMessage is something that a user sent or tapped; Payload is the
	// UserMessage as it is pushed.
	EventUserMessage EventKind = "user_message"

	// EventUserEvent is a receipt or a typing notice of a user; Payload is the
	// UserEvent as it is pushed.
	EventUserEvent EventKind = "user_event"

	// EventServerEvent is an expiry; Payload is the ServerEvent as it is pushed.
	EventServerEvent EventKind = "server_event"

	// EventPush is an attempt to push something to a webhook; Push is set.
	EventPush EventKind = "push"

	// EventRequest is a request for the API that was answered; Request is set.
	EventRequest EventKind = "request"

	// EventTester is an invitation; Payload is the Tester.
	EventTester EventKind = "tester"

	// EventPhone is a change in how a number behaves; Online is set.
	EventPhone EventKind = "phone"

	// EventReset means that everything before it is forgotten.
	EventReset EventKind = "reset"
)

// Event is something that happened, as [Simulator.Events] returns it and
// /_sim/stream sends it.
type Event struct {
	// ID counts the events from 1; a reset does not start again.
	ID int64 `json:"id"`

	Time time.Time `json:"time"`
	Kind EventKind `json:"kind"`

	// Phone, AgentID (without "@rbm.goog") and MessageID are what it is about,
	// as far as that applies.
	Phone     string `json:"phone,omitempty"`
	AgentID   string `json:"agent_id,omitempty"`
	MessageID string `json:"message_id,omitempty"`

	// Which of these are set depends on Kind.
	Message *Message        `json:"message,omitempty"`
	Detail  *Detail         `json:"detail,omitempty"`
	Payload json.RawMessage `json:"payload,omitempty"`
	Push    *Push           `json:"push,omitempty"`
	Request *Request        `json:"request,omitempty"`
	Online  bool            `json:"online,omitempty"`
}

// Push is one attempt to push an event to a webhook.
type Push struct {
	// URL is the webhook, without its query.
	URL string `json:"url"`

	// Attempt counts from 1.
	Attempt int `json:"attempt"`

	// Status is what the webhook answered; 0 if it did not.
	Status int `json:"status"`

	// Error says why there was no answer.
	Error string `json:"error,omitempty"`

	// Again is when it is tried again; zero if it succeeded or is given up.
	Again time.Time `json:"again,omitzero"`

	// Event is the ID of the event that is pushed.
	Event int64 `json:"event"`
}

// maxEvents is how many events are remembered.
const maxEvents = 10_000

type eventLog struct {
	last   int64
	events []Event
	news   chan struct{} // closed by the next event; nil if nobody waits
}

// emit adds an event to the log and returns its ID. s.mu is held.
func (s *Simulator) emit(e Event) int64 {
	log := &s.log
	log.last++
	e.ID, e.Time = log.last, s.now()
	if len(log.events) >= maxEvents {
		log.events = slices.Delete(log.events, 0, maxEvents/10)
	}
	log.events = append(log.events, e)
	if log.news != nil {
		close(log.news)
		log.news = nil
	}
	return e.ID
}

// emitMessage tells the state of a message. s.mu is held.
func (s *Simulator) emitMessage(m *message) {
	out := m.copy()
	s.emit(Event{
		Kind: EventMessage, Phone: m.To, AgentID: m.AgentID, MessageID: m.MessageID,
		Message: &out, Detail: &out.Detail,
	})
}

// Events returns what has happened, oldest first: the last 10,000 events.
func (s *Simulator) Events() []Event {
	s.init()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle()
	return slices.Clone(s.log.events)
}

// eventsAfter returns the events after the one with an ID, and a channel that is
// closed when there are more.
func (s *Simulator) eventsAfter(id int64) ([]Event, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, _ := slices.BinarySearchFunc(s.log.events, id+1, func(e Event, id int64) int { return int(e.ID - id) })
	if s.log.news == nil {
		s.log.news = make(chan struct{})
	}
	return slices.Clone(s.log.events[i:]), s.log.news
}
