package rbmtest

import (
	"encoding/json"
	"time"

	"github.com/rcshook/rcshook/rbm"
)

// State is where a message is.
type State string

// The states of a message.
const (
	StateQueued    State = "queued"    // accepted, the user is offline
	StateDelivered State = "delivered" // on the user's device
	StateRead      State = "read"      // seen by the user
	StateRevoked   State = "revoked"   // taken back by the agent before delivery
	StateExpired   State = "expired"   // taken back by the platform, see ttl and expireTime
)

// Message is a message that the platform accepted.
type Message struct {
	// To is the number of the user in E.164 form.
	To string `json:"to"`

	// MessageID is the ID that the sender chose.
	MessageID string `json:"message_id"`

	// AgentID is the agent, without "@rbm.goog".
	AgentID string `json:"agent_id"`

	// State is where the message is now.
	State State `json:"state"`

	// Received is when it was accepted.
	Received time.Time `json:"received"`

	// AgentMessage is the body as it was posted. If that was JSON by the lenient
	// rules only, it is written here as proper JSON.
	AgentMessage json.RawMessage `json:"agent_message"`

	// Detail is what the answers of /_sim/messages leave out.
	Detail Detail `json:"-"`
}

// Detail is what there is to know about a message besides its content.
type Detail struct {
	// Answer is the body that was answered.
	Answer json.RawMessage `json:"response"`

	// Bytes is the size of the posted body, of which the platform allows
	// [rbm.MaxMessageBytes].
	Bytes int `json:"bytes"`

	// Billing is the class by the rules for the United States, for any number.
	Billing rbm.Billing `json:"billing"`

	// Request is the number of the request that brought it, see [Request].
	Request int `json:"request"`

	// Delivered, Read and Ended are when the message reached those states; Ended
	// is when it was revoked or expired. Zero means never.
	Delivered time.Time `json:"delivered,omitzero"`
	Read      time.Time `json:"read,omitzero"`
	Ended     time.Time `json:"ended,omitzero"`

	// Expires is when an undelivered message expires; zero means never.
	Expires time.Time `json:"expires,omitzero"`
}

// message is a Message and what it takes to work with it. s.mu guards it.
type message struct {
	Message
	content *rbm.AgentMessage
	expired bool // its time is over and that is dealt with
}

// taken is an ID that an agent has used.
type taken struct {
	answer  *node
	message *message // nil for an event
}

func (m *message) copy() Message {
	// RawMessages are never written to, but a caller might.
	out := m.Message
	out.AgentMessage = append(json.RawMessage(nil), m.AgentMessage...)
	out.Detail.Answer = append(json.RawMessage(nil), m.Detail.Answer...)
	return out
}

// Messages returns all messages that were accepted, in the order of arrival.
// Repetitions of an ID are not among them.
func (s *Simulator) Messages() []Message {
	s.init()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle()
	out := make([]Message, len(s.messages))
	for i, m := range s.messages {
		out[i] = m.copy()
	}
	return out
}

// deliverQueued delivers what waits for a user. s.mu is held.
func (s *Simulator) deliverQueued(phone string) {
	for _, m := range s.messages {
		if m.To == phone && m.State == StateQueued {
			s.deliver(m)
		}
	}
}

// deliver puts m on the device. s.mu is held.
func (s *Simulator) deliver(m *message) {
	m.State, m.Detail.Delivered = StateDelivered, s.now()
	s.emitMessage(m)
	s.userEvent(m, "DELIVERED")
	if s.AutoRead {
		s.markRead(m)
	}
}

// markRead shows m to the user. s.mu is held.
func (s *Simulator) markRead(m *message) {
	m.State, m.Detail.Read = StateRead, s.now()
	s.emitMessage(m)
	s.userEvent(m, "READ")
}
