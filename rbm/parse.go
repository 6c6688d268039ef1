package rbm

import "encoding/json"

// ParseAgentMessage reads an AgentMessage.
func ParseAgentMessage(data []byte) (*AgentMessage, []Violation) {
	m := new(AgentMessage)
	if err := json.Unmarshal(data, m); err != nil {
		return nil, []Violation{{Rule: RuleSyntax, Detail: "not JSON"}}
	}
	return m, nil
}
