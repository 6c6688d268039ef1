package rbmtest

import (
	"encoding/json"
	"slices"
	"time"
)

// LogKind is what an [LogEntry] tells.
type LogKind string

// The kinds of events.
const (
	// LogMessage is a message that was accepted or has changed its state;
	// Message and Detail are set.
	LogMessage LogKind = "message"

	// LogAgentEvent is an event that an agent sent with agentEvents.create;
	// Payload is the AgentEvent.
	LogAgentEvent LogKind = "agent_event"

	// LogUserMessage is something that a user sent or tapped; Payload is the
	// UserMessage as it is pushed.
	LogUserMessage LogKind = "user_message"

	// LogUserEvent is a receipt or a typing notice of a user; Payload is the
	// UserEvent as it is pushed.
	LogUserEvent LogKind = "user_event"

	// LogServerEvent is an expiry; Payload is the ServerEvent as it is pushed.
	LogServerEvent LogKind = "server_event"

	// LogPush is an attempt to push something to a webhook; Push is set.
	LogPush LogKind = "push"

	// LogRequest is a request for the API that was answered; Request is set.
	LogRequest LogKind = "request"

	// LogTester is an invitation; Payload is the Tester.
	LogTester LogKind = "tester"

	// LogPhone is a change in how a number behaves; Online is set.
	LogPhone LogKind = "phone"

	// LogReset means that everything before it is forgotten.
	LogReset LogKind = "reset"
)

// LogEntry is something that happened, as [Simulator.Log] returns it and
// /_sim/stream sends it.
type LogEntry struct {
	// ID counts the events from 1; a reset does not start again.
	ID int64 `json:"id"`

	Time time.Time `json:"time"`
	Kind LogKind   `json:"kind"`

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
	events []LogEntry
	news   chan struct{} // closed by the next event; nil if nobody waits
}

// emit adds an event to the log and returns its ID. s.mu is held.
func (s *Simulator) emit(e LogEntry) int64 {
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
	s.emit(LogEntry{
		Kind: LogMessage, Phone: m.To, AgentID: m.AgentID, MessageID: m.MessageID,
		Message: &out, Detail: &out.Detail,
	})
}

// Events returns what has happened, oldest first: the last 10,000 events.
func (s *Simulator) Log() []LogEntry {
	s.init()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle()
	return slices.Clone(s.log.events)
}

// eventsAfter returns the events after the one with an ID, and a channel that is
// closed when there are more.
func (s *Simulator) eventsAfter(id int64) ([]LogEntry, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, _ := slices.BinarySearchFunc(s.log.events, id+1, func(e LogEntry, id int64) int { return int(e.ID - id) })
	if s.log.news == nil {
		s.log.news = make(chan struct{})
	}
	return slices.Clone(s.log.events[i:]), s.log.news
}
