package rbmtest

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/rcshook/rcshook/rbm"
)

// createMessage is phones.agentMessages.create.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/phones.agentMessages/create
func (s *Simulator) createMessage(c *call) (*node, *apiError) {
	content, refusal := s.checkMessage(c)
	if refusal != nil {
		return nil, refusal
	}
	if earlier := s.used(c.key()); earlier != nil {
		return s.repeated(earlier)
	}
	if refusal := s.reach(c, content); refusal != nil {
		return nil, refusal
	}
	return s.accept(c, content)
}

// checkMessage applies the rules of the message and of the agent's use case.
func (s *Simulator) checkMessage(c *call) (*rbm.AgentMessage, *apiError) {
	if refusal := s.refuseOutput(c); refusal != nil {
		return nil, refusal
	}
	content, broken := rbm.ParseAgentMessage(c.body.append(nil))
	if len(broken) == 0 {
		broken = content.Check(s.now())
	}
	if len(c.raw) > rbm.MaxMessageBytes {
		broken = append(broken, rbm.Violation{Rule: rbm.RuleTooLong, Limit: rbm.MaxMessageBytes, Actual: len(c.raw), Detail: "the message is too large"})
	}
	if s.Assume.TenCardSuggestions {
		broken = slices.DeleteFunc(broken, func(v rbm.Violation) bool {
			return v.Rule == rbm.RuleTooMany && v.Limit == rbm.MaxCardSuggestions && v.Actual <= 10 && strings.HasSuffix(v.Pointer, "/suggestions")
		})
	}
	if len(broken) > 0 {
		return nil, brokenRules(broken)
	}
	if refusal := s.checkFiles(content); refusal != nil {
		return nil, refusal
	}
	return content, checkTraffic(c.agent, content.MessageTrafficType)
}

// refuseOutput refuses the fields that only the platform fills in, or drops them.
//
// Assumption: the wording, and that they are refused at all.
func (s *Simulator) refuseOutput(c *call) *apiError {
	output := func(m member) bool { return c.method.body.lookup(m.name).output }
	if s.Assume.OutputFieldsIgnored {
		c.body.members = slices.DeleteFunc(c.body.members, output)
	}
	if i := slices.IndexFunc(c.body.members, output); i >= 0 {
		return invalidArgument("The field '%s' is set by the RBM platform and must not be sent.", c.body.members[i].name)
	}
	return nil
}

// checkTraffic applies the rules of the agent's use case.
//
// Assumption: the status and the wording; the documents say only that it is an
// error.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/phones.agentMessages#MessageTrafficType
func checkTraffic(a *AgentConfig, t rbm.TrafficType) *apiError {
	if t == "" || t == rbm.TrafficUnspecified {
		if a.UseCase == UseCaseMultiUse {
			return invalidArgument("A message from a multi-use agent must have a message_traffic_type.")
		}
		return nil
	}
	if !a.UseCase.allows(t) {
		return invalidArgument("The message_traffic_type %s is not allowed for the use case of the agent.", t)
	}
	return nil
}

// used returns what an ID was used for, or nil.
func (s *Simulator) used(key idKey) *taken {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ids[key]
}

// repeated answers a request with an ID that was used before.
func (s *Simulator) repeated(earlier *taken) (*node, *apiError) {
	if s.Assume.DuplicateConflict {
		return nil, errConflict
	}
	return earlier.answer, nil
}

// strike lets the number's fault happen.
func (s *Simulator) strike(c *call) *apiError {
	s.mu.Lock()
	fault := s.behaviors[c.phone].Failure
	if fault != nil && fault.PerID && !s.countFailure(fault, c.key()) {
		fault = nil
	}
	s.mu.Unlock()
	if fault == nil {
		return nil
	}
	if !s.wait(c.request.Context(), fault.Delay) || fault.Break == BreakBefore {
		panic(http.ErrAbortHandler)
	}
	if fault.Status != 0 {
		return fault.refusal()
	}
	c.ending = fault
	return nil
}

// reach lets the number's fault happen, and tells why the platform would not
// reach it. content is nil for calls that send no message.
func (s *Simulator) reach(c *call, content *rbm.AgentMessage) *apiError {
	if refusal := s.strike(c); refusal != nil {
		return refusal
	}
	s.mu.Lock()
	b := s.behaviors[c.phone]
	tester := !c.agent.Unlaunched || s.isTester(c.agent, c.phone)
	s.mu.Unlock()
	switch {
	case b.Refusal == NotTester || !tester:
		return s.notTester(c)
	case b.Refusal == Unreachable:
		return s.unreachable()
	case b.Refusal == NotLaunched:
		refusal := *errNotLaunchedThere
		if s.Assume.NotLaunchedForbidden {
			refusal.status = http.StatusForbidden
		}
		return &refusal
	case content == nil:
		return nil
	case b.Refusal == TrafficLimit:
		return errTrafficLimit
	case b.Refusal == FeatureUnsupported, b.Features != nil && lacks(b.Features, content):
		return errFeature
	default:
		return nil
	}
}

func (s *Simulator) unreachable() *apiError {
	if s.Assume.EntityNotFound {
		return errEntityNotFound
	}
	return errUnreachable
}

func (s *Simulator) notTester(c *call) *apiError {
	if c.name == capabilitiesName && !s.Assume.CapabilitiesForbidden {
		return errUnreachable
	}
	return errNotTester
}

// accept stores a message, unless its ID was taken meanwhile.
func (s *Simulator) accept(c *call, content *rbm.AgentMessage) (*node, *apiError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if earlier := s.ids[c.key()]; earlier != nil {
		return s.repeated(earlier)
	}
	now := s.now()
	m := &message{content: content, Message: Message{
		To:           c.phone,
		MessageID:    c.id,
		AgentID:      agentName(c.agent.ID),
		State:        StateQueued,
		Received:     now,
		AgentMessage: asPosted(c),
		Detail:       Detail{Bytes: len(c.raw), Billing: content.Billing(), Request: s.requests.total + 1},
	}}
	switch {
	case content.TTL > 0:
		m.Detail.Expires = now.Add(durationOf(content.TTL))
	case !content.ExpireTime.IsZero():
		m.Detail.Expires = content.ExpireTime
	}
	answer := s.messageAnswer(c, m)
	m.Detail.Answer = answer.append(nil)
	s.messages = append(s.messages, m)
	s.ids[c.key()] = &taken{answer, m}
	s.talked(c.phone, c.agent)
	s.emitMessage(m)
	if !s.behaviors[c.phone].Offline {
		s.deliver(m)
	}
	if m.pending() {
		s.expiring = append(s.expiring, m)
	}
	s.schedule()
	return answer, nil
}

// asPosted is the body as it was posted, as JSON.
func asPosted(c *call) json.RawMessage {
	if json.Valid(c.raw) {
		return bytes.TrimSpace(c.raw)
	}
	return c.sent.append(nil)
}

// messageAnswer is the message as the platform returns it: what was sent, and what
// it has filled in. A ttl comes back as the moment at which it ends. s.mu is held.
func (s *Simulator) messageAnswer(c *call, m *message) *node {
	out := &node{kind: objectNode}
	out.set("name", stringOf("phones/"+c.phone+"/agentMessages/"+c.id))
	out.set("sendTime", timestamp(m.Received.Truncate(1e6)))
	for _, sent := range c.body.members {
		if sent.name != "ttl" && sent.name != "expireTime" {
			out.set(sent.name, sent.value)
		}
	}
	if !m.Detail.Expires.IsZero() {
		out.set("expireTime", timestamp(m.Detail.Expires))
	}
	if isUS(c.phone) {
		s.addUSFields(out, m)
	}
	return out
}
