package rbmtest

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/rcshook/rcshook/rbm"
)

// AllFeatures returns the features that the device of a number has unless its [Behavior]
// differs: all that rbm names, except [rbm.FeaturePDFInRichCards].
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/Feature
func AllFeatures() []rbm.Feature {
	return []rbm.Feature{
		rbm.FeatureRevocation, rbm.FeatureRichCard, rbm.FeatureCarousel, rbm.FeatureCreateCalendarEvent, rbm.FeatureDial,
		rbm.FeatureOpenURL, rbm.FeatureShareLocation, rbm.FeatureViewLocation, rbm.FeatureOpenURLInWebview,
	}
}

// createEvent is phones.agentEvents.create. It also succeeds for an offline user:
// READ waits, IS_TYPING is lost, and the agent is not notified.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/phones.agentEvents/create
func (s *Simulator) createEvent(c *call) (any, *apiError) {
	event := c.body.(*rbm.AgentEvent)
	switch {
	case event.EventType == "", event.EventType == "TYPE_UNSPECIFIED": // Assumption: the texts
		return nil, invalidArgument("The event_type of the agent event is missing.")
	case event.EventType == rbm.AgentRead && event.MessageID == "":
		return nil, invalidArgument("The message_id of the user's message is missing.")
	}
	s.mu.Lock()
	earlier := s.ids[c.key()]
	s.mu.Unlock()
	if earlier != nil {
		return s.repeat(earlier)
	}
	if refusal := s.checkReachable(c); refusal != nil {
		return nil, refusal
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if earlier := s.ids[c.key()]; earlier != nil {
		return s.repeat(earlier)
	}
	event.Name = "phones/" + c.phone + "/agentEvents/" + c.id
	event.SendTime = s.timestamp()
	s.ids[c.key()] = &usedID{response: event}
	s.lastAgent[c.phone] = agentName(c.agent.ID)
	s.log(LogEntry{Kind: LogAgentEvent, Phone: c.phone, AgentID: agentName(c.agent.ID), MessageID: event.MessageID, Payload: encodeJSON(event)})
	return event, nil
}

// getCapabilities is phones.getCapabilities. A repeated request ID makes no difference:
// the result of an ignored request is not documented.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/phones/getCapabilities
func (s *Simulator) getCapabilities(c *call) (any, *apiError) {
	if refusal := s.checkReachable(c); refusal != nil {
		return nil, refusal
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.behaviors[c.phone]
	out := rbm.Capabilities{Features: b.Features}
	if out.Features == nil {
		out.Features = AllFeatures()
	}
	if isUS(c.phone) {
		out.Carrier = s.carrier(c.phone)
	}
	return out, nil
}

// Rules of users.batchGet.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/users/batchGet
const (
	minBatch       = 500
	batchPerMinute = 600
)

type batchGetUsersRequest struct {
	Users   []string `json:"users"`
	AgentID string   `json:"agentId"`
}

// batchGet is users.batchGet. Repeated numbers count once.
//
// Assumption: the texts of all errors.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/users/batchGet
func (s *Simulator) batchGet(c *call) (any, *apiError) {
	var users []string
	seen := map[string]bool{}
	for _, phone := range c.body.(*batchGetUsersRequest).Users {
		if !e164.MatchString(phone) {
			return nil, invalidArgument("A phone number in users is not in E.164 format.")
		}
		if !seen[phone] {
			seen[phone] = true
			users = append(users, phone)
		}
	}
	switch {
	case len(users) == 0:
		return nil, invalidArgument("The list of users is empty.")
	case len(users) > rbm.MaxBatchUsers:
		return nil, invalidArgument("A request may hold at most %d users.", rbm.MaxBatchUsers)
	case len(users) < minBatch && s.Assume.BatchMinimum:
		return nil, invalidArgument("A request must hold at least %d users.", minBatch)
	}
	region := s.regionOf(users[0])
	for _, phone := range users {
		if s.regionOf(phone) != region {
			return nil, invalidArgument("All users of a request must be of the same region.")
		}
	}
	for _, r := range []rbm.Region{rbm.RegionUS, rbm.RegionEurope, rbm.RegionAsia} {
		if strings.HasPrefix(c.request.Host, string(r)+"-rcsbusinessmessaging.") && r != region {
			return nil, invalidArgument("The users of the request are of another region than the endpoint.")
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	s.batches = slices.DeleteFunc(s.batches, func(t time.Time) bool { return now.Sub(t) >= time.Minute })
	if len(s.batches) >= batchPerMinute {
		return nil, platformError(http.StatusTooManyRequests, "", 0)
	}
	s.batches = append(s.batches, now)

	out := rbm.BatchGetUsersResponse{}
	for i, phone := range users {
		refusal := s.behaviors[phone].Refusal
		// Three of four numbers are the sample that estimates the reach on all networks.
		if len(users) >= minBatch && i%4 != 3 {
			out.TotalRandomSampleUserCount++
			if refusal != Unreachable {
				out.ReachableRandomSampleUserCount++
			}
		}
		if c.agent.Unlaunched || refusal == Unreachable || refusal == NotLaunched || refusal == NotTester {
			continue
		}
		out.ReachableUsers = append(out.ReachableUsers, phone)
		if isUS(phone) {
			if out.ReachableUsersMap == nil {
				out.ReachableUsersMap = map[string]rbm.CarrierUsers{}
			}
			carrier := s.carrier(phone)
			out.ReachableUsersMap[carrier] = rbm.CarrierUsers{ReachableUsers: append(out.ReachableUsersMap[carrier].ReachableUsers, phone)}
		}
	}
	return out, nil
}

func (s *Simulator) regionOf(phone string) rbm.Region {
	if s.RegionOf != nil {
		return s.RegionOf(phone)
	}
	switch phone[1] {
	case '1', '5':
		return rbm.RegionUS
	case '6', '8', '9':
		return rbm.RegionAsia
	}
	return rbm.RegionEurope
}

type testerKey struct{ agent, phone string }

// SetTester sets the invitation of a user to test an agent. An empty status removes it.
func (s *Simulator) SetTester(agentID, phone string, status rbm.InviteStatus) {
	s.lock()
	defer s.mu.Unlock()
	s.testers[testerKey{agentName(agentID), phone}] = status
}

// Limits of invitations for one agent.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/phones.testers/create
const (
	maxInvitedPerDay = 20
	maxInvited       = 200
)

// createTester is phones.testers.create. The invitation stays pending until
// [Simulator.SetTester].
//
// Assumption: the error for an invitation that was declined, the texts of both errors,
// and that a day is any 24 hours.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/phones.testers/create
func (s *Simulator) createTester(c *call) (any, *apiError) {
	if refusal := s.applyFailure(c); refusal != nil {
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
			return nil, platformError(http.StatusTooManyRequests, "The agent has reached its limit of tester invitations.", 0)
		}
		s.invited[key.agent] = append(sent, now)
		s.testers[key] = rbm.InvitePending
	}
	out := rbm.Tester{Name: "phones/" + c.phone + "/testers", InviteStatus: s.testers[key]}
	s.log(LogEntry{Kind: LogTester, Phone: c.phone, AgentID: key.agent, Payload: encodeJSON(out)})
	return out, nil
}

// createDialogflowEvent is phones.dialogflowMessages.create: the Dialogflow agent responds
// to the event with the texts of [AgentConfig.Dialogflow], each in a message of its own.
//
// Assumption: the texts of the errors, and that the message IDs are the prefix, a hyphen
// and a number from 1.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/phones.dialogflowMessages/create
func (s *Simulator) createDialogflowEvent(c *call) (any, *apiError) {
	if c.agent.Dialogflow == nil {
		return nil, &apiError{status: http.StatusForbidden, message: "Dialogflow integration is not enabled for the RBM agent."}
	}
	event := c.body.(*rbm.DialogflowEvent)
	if event.EventName == "" {
		return nil, invalidArgument("The event_name of the Dialogflow event is missing.")
	}
	if refusal := s.checkReachable(c); refusal != nil {
		return nil, refusal
	}
	prefix := c.query.Get("messageIdPrefix")
	if prefix == "" {
		prefix = uuid.NewString()
	}
	for i, text := range c.agent.Dialogflow[event.EventName] {
		content := rbm.Text(text)
		message := &call{
			request: c.request, phone: c.phone, agentID: c.agentID, agent: c.agent,
			id: prefix + "-" + strconv.Itoa(i+1), raw: encodeJSON(content), content: content,
		}
		if _, refusal := s.accept(message); refusal != nil {
			return nil, refusal
		}
	}
	event.Name = "phones/" + c.phone + "/dialogflowMessages/" + prefix
	return event, nil
}
