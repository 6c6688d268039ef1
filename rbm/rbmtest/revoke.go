package rbmtest

// deleteMessage is phones.agentMessages.delete.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/phones.agentMessages/delete
func (s *Simulator) deleteMessage(c *call) (*node, *apiError) {
	if refusal := s.strike(c); refusal != nil {
		return nil, refusal
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle()
	done := &node{kind: objectNode}
	earlier := s.ids[c.key()]
	if earlier == nil || earlier.message == nil || earlier.message.To != c.phone {
		if s.Assume.RevokeUnknownOK || s.Assume.RevokeAlwaysOK {
			return done, nil
		}
		return nil, errEntityNotFound
	}
	switch m := earlier.message; m.State {
	case StateQueued:
		if s.Assume.RevokeRace {
			s.deliver(m)
			return done, nil
		}
		m.State, m.Detail.Ended = StateRevoked, s.now()
		s.emitMessage(m)
		return done, nil
	case StateRevoked, StateExpired:
		if s.Assume.RevokeUnknownOK {
			return done, nil
		}
	}
	if s.Assume.RevokeAlwaysOK {
		return done, nil
	}
	return nil, errEntityNotFound
}
