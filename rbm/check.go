package rbm

import "time"

// Check reports every rule of the platform that m breaks.
func (m *AgentMessage) Check(now time.Time) []Violation {
	if m.ContentMessage == nil {
		return []Violation{{Pointer: "/contentMessage", Rule: RuleRequired, Detail: "a message needs content"}}
	}
	return nil
}
