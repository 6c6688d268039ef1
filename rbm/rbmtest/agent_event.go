package rbmtest

// createEvent is phones.agentEvents.create. A user who is offline is no obstacle:
// READ waits, IS_TYPING is lost, and the agent learns of neither.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/phones.agentEvents/create
func (s *Simulator) createEvent(c *call) (*node, *apiError) {
	if refusal := s.refuseOutput(c); refusal != nil {
		return nil, refusal
	}
	// Assumption: the wording.
	switch c.body.str("eventType") {
	case "":
		return nil, invalidArgument("The event_type of the agent event is missing.")
	case "READ":
		if c.body.str("messageId") == "" {
			return nil, invalidArgument("The message_id of the user's message is missing.")
		}
	}
	if earlier := s.used(c.key()); earlier != nil {
		return s.repeated(earlier)
	}
	if refusal := s.reach(c, nil); refusal != nil {
		return nil, refusal
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if earlier := s.ids[c.key()]; earlier != nil {
		return s.repeated(earlier)
	}
	out := &node{kind: objectNode}
	out.set("name", stringOf("phones/"+c.phone+"/agentEvents/"+c.id))
	out.members = append(out.members, c.body.members...)
	out.set("sendTime", timestamp(s.now().Truncate(1e6)))
	s.ids[c.key()] = &taken{answer: out}
	s.talked(c.phone, c.agent)
	s.emit(LogEntry{
		Kind: LogAgentEvent, Phone: c.phone, AgentID: agentName(c.agent.ID),
		MessageID: c.body.str("messageId"), Payload: out.append(nil),
	})
	return out, nil
}
