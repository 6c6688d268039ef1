package rbmtest

import (
	"cmp"
	"maps"
	"slices"
)

// Snapshot is how things stand, as GET /_sim/state answers it: enough for a page to
// begin with, and to go on from with the stream.
type Snapshot struct {
	// LastEvent is the ID of the last event that is part of the state:
	// /_sim/stream?after=LastEvent sends all later ones.
	LastEvent int64 `json:"last_event"`

	// Messages are all messages in the order of arrival.
	Messages []SnapshotMessage `json:"messages"`

	// Conversation are the events that belong to conversations and are not
	// messages of agents: what users sent, and what agents let them see.
	Conversation []LogEntry `json:"conversation"`

	// Numbers are the phone numbers that behave differently.
	Numbers map[string]Behavior `json:"numbers"`

	// Webhooks are those that are connected, without their tokens, and Waiting
	// is how many events wait to be pushed to them.
	Webhooks []SnapshotWebhook `json:"webhooks"`
	Waiting  int               `json:"waiting"`
}

// SnapshotMessage is a message with its details.
type SnapshotMessage struct {
	Message
	Detail Detail `json:"detail"`
}

// SnapshotWebhook is a webhook without its token.
type SnapshotWebhook struct {
	AgentID string `json:"agent_id"`
	URL     string `json:"url"`
}

// Snapshot returns how things stand.
func (s *Simulator) Snapshot() Snapshot {
	s.init()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle()
	out := Snapshot{
		LastEvent:    s.log.last,
		Messages:     []SnapshotMessage{},
		Conversation: []LogEntry{},
		Numbers:      maps.Clone(s.behaviors),
		Webhooks:     []SnapshotWebhook{},
		Waiting:      len(s.pushes),
	}
	for _, m := range s.messages {
		c := m.copy()
		out.Messages = append(out.Messages, SnapshotMessage{c, c.Detail})
	}
	for _, e := range s.log.events {
		switch e.Kind {
		case LogUserMessage, LogUserEvent, LogServerEvent, LogAgentEvent, LogTester:
			out.Conversation = append(out.Conversation, e)
		}
	}
	for _, hook := range s.hooks {
		out.Webhooks = append(out.Webhooks, SnapshotWebhook{hook.AgentID, withoutQuery(hook.URL)})
	}
	slices.SortFunc(out.Webhooks, func(a, b SnapshotWebhook) int { return cmp.Compare(a.AgentID, b.AgentID) })
	return out
}
