package rbmtest

// InviteStatus is where the invitation of a tester is.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/phones.testers
type InviteStatus string

// The states of an invitation.
const (
	NotInvited InviteStatus = ""
	Pending    InviteStatus = "PENDING"
	Accepted   InviteStatus = "ACCEPTED"
	Declined   InviteStatus = "DECLINED"
)

type testerKey struct{ agent, phone string }

// SetTester arranges the invitation of a user to test an agent. [NotInvited]
// removes it.
func (s *Simulator) SetTester(agentID, phone string, status InviteStatus) {
	s.init()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.testers[testerKey{agentName(agentID), phone}] = status
}

// isTester reports whether a user has agreed to test an agent. s.mu is held.
func (s *Simulator) isTester(a *Agent, phone string) bool {
	return s.testers[testerKey{agentName(a.ID), phone}] == Accepted
}
