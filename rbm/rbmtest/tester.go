package rbmtest

import (
	"net/http"
	"time"

	"github.com/rcshook/rcshook/rbm"
)

type testerKey struct{ agent, phone string }

// SetTester arranges the invitation of a user to test an agent. An empty status
// removes it.
func (s *Simulator) SetTester(agentID, phone string, status rbm.InviteStatus) {
	s.init()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.testers[testerKey{agentName(agentID), phone}] = status
}

// isTester reports whether a user has agreed to test an agent. s.mu is held.
func (s *Simulator) isTester(a *AgentConfig, phone string) bool {
	return s.testers[testerKey{agentName(a.ID), phone}] == rbm.InviteAccepted
}

// Limits of invitations for one agent.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/phones.testers/create
const (
	maxInvitedPerDay = 20
	maxInvited       = 200
)

// createTester is phones.testers.create. The invitation stays pending until
// [Simulator.SetTester] says what the user answered.
//
// Assumption: the refusal of an invitation that was declined, the wording of both
// refusals, and that a day is any 24 hours.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/phones.testers/create
func (s *Simulator) createTester(c *call) (*node, *apiError) {
	if refusal := s.strike(c); refusal != nil {
		return nil, refusal
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.behaviors[c.phone].Refusal == Unreachable {
		return nil, s.unreachable()
	}
	key := testerKey{agentName(c.agent.ID), c.phone}
	switch s.testers[key] {
	case rbm.InviteDeclined:
		return nil, &apiError{
			status: http.StatusBadRequest, word: "FAILED_PRECONDITION",
			message: "The user has declined to be a tester of the agent. Remove the tester before inviting again.",
		}
	case "", rbm.InvitePending:
		now := s.now()
		sent := s.invited[key.agent]
		today := 0
		for _, t := range sent {
			if now.Sub(t) < 24*time.Hour {
				today++
			}
		}
		if today >= maxInvitedPerDay || len(sent) >= maxInvited {
			return nil, trouble(http.StatusTooManyRequests, "The agent has reached its limit of tester invitations.", 0)
		}
		s.invited[key.agent] = append(sent, now)
		s.testers[key] = rbm.InvitePending
	}
	out := &node{kind: objectNode}
	out.set("name", stringOf("phones/"+c.phone+"/testers"))
	out.set("inviteStatus", stringOf(string(s.testers[key])))
	s.emit(LogEntry{Kind: LogTester, Phone: c.phone, AgentID: key.agent, Payload: out.append(nil)})
	return out, nil
}
