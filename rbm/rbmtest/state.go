package rbmtest

import (
	"cmp"
	"maps"
	"slices"
)

// State is how things stand, as GET /_sim/state answers it: enough for a page to
// begin with, and to go on from with the stream.
type State struct {
	// LastEvent is the ID of the last event that is part of the state:
	// /_sim/stream?after=LastEvent sends all later ones.
	LastEvent int64 `json:"last_event"`

	// Messages are all messages in the order of arrival.
	Messages []StateMessage `json:"messages"`

	// Conversation are the events that belong to conversations and are not
	// messages of agents: what users sent, and what agents let them see.
	Conversation []Event `json:"conversation"`

	// Numbers are the phone numbers that behave differently.
	Numbers map[string]Behavior `json:"numbers"`

	// Webhooks are those that are connected, without their tokens, and Waiting
	// is how many events wait to be pushed to them.
	Webhooks []StateWebhook `json:"webhooks"`
	Waiting  int            `json:"waiting"`
}

// StateMessage is a message with its details.
type StateMessage struct {
	Message
	Detail Detail `json:"detail"`
}

// StateWebhook is a webhook without its token.
type StateWebhook struct {
	AgentID string `json:"agent_id"`
	URL     string `json:"url"`
}

// State returns how things stand.
func (s *Simulator) State() State {
	s.init()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle()
	out := State{
		LastEvent:    s.log.last,
		Messages:     []StateMessage{},
		Conversation: []Event{},
		Numbers:      maps.Clone(s.behaviors),
		Webhooks:     []StateWebhook{},
		Waiting:      len(s.pushes),
	}
	for _, m := range s.messages {
		c := m.copy()
		out.Messages = append(out.Messages, StateMessage{c, c.Detail})
	}
	for _, e := range s.log.events {
		switch e.Kind {
		case EventReset:
			out.Conversation = []Event{}
		case EventUserMessage, EventUserEvent, EventServerEvent, EventAgentEvent, EventTester:
			out.Conversation = append(out.Conversation, e)
		}
	}
	for _, hook := range s.hooks {
		out.Webhooks = append(out.Webhooks, StateWebhook{hook.AgentID, withoutQuery(hook.URL)})
	}
	slices.SortFunc(out.Webhooks, func(a, b StateWebhook) int { return cmp.Compare(a.AgentID, b.AgentID) })
	return out
}
