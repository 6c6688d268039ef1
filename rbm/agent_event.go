package rbm

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// AgentEvent is something that an agent lets a user see besides messages.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/phones.agentEvents
type AgentEvent struct {
	EventType AgentEventType `json:"eventType,omitempty"`

	// MessageID is the user's message that was read, for [AgentRead] only.
	MessageID string `json:"messageId,omitempty"`

	// Name is phones/{E.164}/agentEvents/{eventId}. Output only.
	Name string `json:"name,omitempty"`

	// SendTime is when the event was sent. Output only.
	SendTime time.Time `json:"sendTime,omitzero"`
}

// AgentEventType is what an agent lets a user see.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/phones.agentEvents#EventType
type AgentEventType string

// The events of agents.
const (
	AgentIsTyping AgentEventType = "IS_TYPING" // lasts for a moment, or until the next message
	AgentRead     AgentEventType = "READ"      // marks a message of the user as read
)

// TypingEvent returns the event that shows the user a typing indicator.
func TypingEvent() *AgentEvent { return &AgentEvent{EventType: AgentIsTyping} }

// ReadEvent returns the event that marks the message of the user with that ID as read.
func ReadEvent(messageID string) *AgentEvent {
	return &AgentEvent{EventType: AgentRead, MessageID: messageID}
}

// SendEvent sends e, such as [TypingEvent] or [ReadEvent], to phone and returns it with its
// name and time. Events and messages share their IDs: the platform ignores what
// has the ID of an earlier event or message of the agent, so SendEvent repeats
// failed attempts as [Client.SendMessage] does, and fails in the same ways.
//
// For a user who is out of reach for now a read event waits up to 30 days, and
// a typing event is dropped. Events cannot be revoked.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/phones.agentEvents/create
func (c *Client) SendEvent(ctx context.Context, phone, eventID string, e *AgentEvent) (*AgentEvent, error) {
	if err := checkAddress(phone, eventID); err != nil {
		return nil, err
	}
	if e == nil {
		return nil, errors.New("rbm: there is no event to send")
	}
	body, err := encode(e)
	if err != nil {
		return nil, fmt.Errorf("rbm: encode event: %w", err)
	}
	sent := new(AgentEvent)
	target := c.phoneURL(phone, "agentEvents") + "&eventId=" + eventID
	if err := c.do(ctx, call{method: methodEvent, verb: http.MethodPost, url: target, body: body}, sent); err != nil {
		return nil, err
	}
	return sent, nil
}
