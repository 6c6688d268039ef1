package rbmtest

import (
	"crypto/rand"

	"github.com/rcshook/rcshook/rbm"
)

// newID makes an ID as the platform and the users' clients do.
func newID() string { return "Mx" + rand.Text()[:22] }

// userEvent reports what happened to a message on the user's device. s.mu is held.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/UserEvent
func (s *Simulator) userEvent(m *message, eventType string) {
	s.pushUserEvent(m.To, m.AgentID, m.MessageID, eventType)
}

func (s *Simulator) pushUserEvent(phone, agent, messageID, eventType string) {
	p := &node{kind: objectNode}
	p.set("senderPhoneNumber", stringOf(phone))
	p.set("eventType", stringOf(eventType))
	p.set("eventId", stringOf(newID()))
	if messageID != "" {
		p.set("messageId", stringOf(messageID))
	}
	p.set("sendTime", timestamp(s.now().Truncate(1e6)))
	p.set("agentId", stringOf(agent+rbm.AgentDomain))
	s.publish(LogUserEvent, phone, agent, messageID, p, eventType)
}

// serverEvent reports the expiry of a message. s.mu is held.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/ServerEvent
func (s *Simulator) serverEvent(m *message, eventType string) {
	p := &node{kind: objectNode}
	p.set("phoneNumber", stringOf(m.To))
	p.set("messageId", stringOf(m.MessageID))
	p.set("agentId", stringOf(m.AgentID+rbm.AgentDomain))
	p.set("eventType", stringOf(eventType))
	p.set("eventId", stringOf(newID()))
	p.set("sendTime", timestamp(s.now().Truncate(1e6)))
	s.publish(LogServerEvent, m.To, m.AgentID, m.MessageID, p, eventType)
}

// publish logs what the platform has to tell an agent, and queues it for the
// agent's webhook. s.mu is held.
func (s *Simulator) publish(kind LogKind, phone, agent, messageID string, payload *node, about string) {
	data := payload.append(nil)
	id := s.emit(LogEntry{Kind: kind, Phone: phone, AgentID: agent, MessageID: messageID, Payload: data})
	s.enqueue(&push{event: id, agent: agent, kind: kind, about: about, data: data})
}
