package rbm

// Text returns a text message with the given chips below it.
func Text(text string, chips ...Suggestion) *AgentMessage {
	return &AgentMessage{ContentMessage: &AgentContentMessage{Text: text, Suggestions: chips}}
}
