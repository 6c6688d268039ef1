package rbmtest

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/rcshook/rcshook/rbm"
)

// State is the state of a message.
type State string

// The states of a message.
const (
	StateQueued    State = "queued"    // accepted; the user is offline
	StateDelivered State = "delivered" // on the user's device
	StateRead      State = "read"      // read by the user
	StateRevoked   State = "revoked"   // revoked by the agent before delivery
	StateExpired   State = "expired"   // revoked by the platform; see ttl and expireTime
)

// Message is a message that the platform accepted.
type Message struct {
	// To is the number of the user in E.164 form.
	To string `json:"to"`

	// MessageID is the ID that the sender chose.
	MessageID string `json:"message_id"`

	// AgentID is the agent, without "@rbm.goog".
	AgentID string `json:"agent_id"`

	// State is the current state.
	State State `json:"state"`

	// Received is the time at which the message was accepted.
	Received time.Time `json:"received"`

	// AgentMessage is the body as it was posted, rewritten as strict JSON if needed.
	AgentMessage json.RawMessage `json:"agent_message"`

	// Detail is not part of /_sim/messages.
	Detail Detail `json:"-"`
}

// Detail describes a message beyond its content.
type Detail struct {
	// Response is the body of the response.
	Response json.RawMessage `json:"response"`

	// Bytes is the size of the posted body; the limit is [rbm.MaxMessageBytes].
	Bytes int `json:"bytes"`

	// Billing follows the rules for the United States, for any number.
	Billing rbm.Billing `json:"billing"`

	// Request is the number of the [Request] that sent the message.
	Request int `json:"request"`

	// Delivered, Read and Ended are the times of those states; Ended is the time of
	// revocation or expiry. Zero means never.
	Delivered time.Time `json:"delivered,omitzero"`
	Read      time.Time `json:"read,omitzero"`
	Ended     time.Time `json:"ended,omitzero"`

	// Expires is the time at which an undelivered message expires; zero means never.
	Expires time.Time `json:"expires,omitzero"`
}

// message is a Message with its parsed content. s.mu guards it.
type message struct {
	Message
	content *rbm.AgentMessage

	// arrives, expires and reads are the times at which the state changes by itself;
	// zero after that, and if it does not.
	arrives, expires, reads time.Time
}

// due returns the time of the next change of the state, or zero.
func (m *message) due() time.Time {
	switch {
	case m.State == StateDelivered:
		return m.reads
	case m.State != StateQueued:
		return time.Time{}
	case m.arrives.IsZero() || !m.expires.IsZero() && m.expires.Before(m.arrives):
		return m.expires
	}
	return m.arrives
}

// usedID is an ID that an agent has used.
type usedID struct {
	response any
	message  *message // nil for an event
}

func (m *message) copy() Message {
	out := m.Message
	out.AgentMessage = bytes.Clone(m.AgentMessage)
	out.Detail.Response = bytes.Clone(m.Detail.Response)
	return out
}

// Messages returns all accepted messages, in the order of arrival. A repeated ID does
// not add a message.
func (s *Simulator) Messages() []Message {
	s.lock()
	defer s.mu.Unlock()
	s.advance()
	out := make([]Message, len(s.messages))
	for i, m := range s.messages {
		out[i] = m.copy()
	}
	return out
}

// createMessage is phones.agentMessages.create.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/phones.agentMessages/create
func (s *Simulator) createMessage(c *call) (any, *apiError) {
	c.content = c.body.(*rbm.AgentMessage)
	violations := c.content.Check(s.now())
	if len(c.raw) > rbm.MaxMessageBytes {
		violations = append(violations, rbm.Violation{Rule: rbm.RuleTooLong, Limit: rbm.MaxMessageBytes, Actual: len(c.raw), Detail: "the message is too large"})
	}
	if s.Assume.TenCardSuggestions {
		violations = slices.DeleteFunc(violations, func(v rbm.Violation) bool {
			return v.Rule == rbm.RuleTooMany && v.Limit == rbm.MaxCardSuggestions && v.Actual <= 10 && strings.HasSuffix(v.Pointer, "/suggestions")
		})
	}
	if len(violations) > 0 {
		// The platform stops at the first violation.
		//
		// Assumption: the details list all of them, and which comes first.
		refusal := violationsError(c.field, violations)
		refusal.message, _, _ = strings.Cut(refusal.message, "\n")
		return nil, refusal
	}
	s.mu.Lock()
	for _, name := range fileNames(c.content.ContentMessage) {
		if s.file(name) == nil && s.Assume.RefuseUnknownFiles {
			s.mu.Unlock()
			return nil, invalidArgument("The file %s does not exist.", name) // Assumption: the text
		}
	}
	earlier := s.ids[c.key()]
	s.mu.Unlock()
	if refusal := checkTraffic(c.agent, c.content.MessageTrafficType); refusal != nil {
		return nil, refusal
	}
	if earlier != nil {
		return s.repeat(earlier)
	}
	if refusal := s.checkReachable(c); refusal != nil {
		return nil, refusal
	}
	return s.accept(c)
}

// checkTraffic applies the rules of the agent's use case.
//
// Assumption: the status and the text; the documents only call it an error.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/phones.agentMessages#MessageTrafficType
func checkTraffic(a *AgentConfig, t rbm.TrafficType) *apiError {
	allowed := true
	switch t {
	case "", rbm.TrafficUnspecified:
		if a.UseCase == UseCaseMultiUse {
			return invalidArgument("A message from a multi-use agent must have a message_traffic_type.")
		}
	case rbm.TrafficServiceRequest, rbm.TrafficAcknowledgement:
	case rbm.TrafficAuthentication:
		allowed = a.UseCase == UseCaseOTP
	case rbm.TrafficTransaction:
		allowed = a.UseCase == UseCaseTransactional || a.UseCase == UseCaseMultiUse
	default:
		allowed = a.UseCase == UseCasePromotional || a.UseCase == UseCaseMultiUse
	}
	if !allowed && a.UseCase != "" {
		return invalidArgument("The message_traffic_type %s is not allowed for the use case of the agent.", t)
	}
	return nil
}

// repeat returns the response to a request with an ID that was used before.
func (s *Simulator) repeat(earlier *usedID) (any, *apiError) {
	if s.Assume.DuplicateConflict {
		return nil, errConflict
	}
	return earlier.response, nil
}

// checkReachable applies the number's failure and returns the error if the platform does
// not reach the number. c.content is nil for methods that send no message.
func (s *Simulator) checkReachable(c *call) *apiError {
	if refusal := s.applyFailure(c); refusal != nil {
		return refusal
	}
	s.mu.Lock()
	b := s.behaviors[c.phone]
	tester := !c.agent.Unlaunched || s.testers[testerKey{agentName(c.agent.ID), c.phone}] == rbm.InviteAccepted
	s.mu.Unlock()
	switch {
	case b.Refusal == NotTester || !tester:
		if c.name == capabilitiesName && !s.Assume.CapabilitiesForbidden {
			return errUnreachable
		}
		return errNotTester
	case b.Refusal == Unreachable:
		return s.unreachable()
	case b.Refusal == NotLaunched:
		refusal := *errNotLaunchedThere
		if s.Assume.NotLaunchedForbidden {
			refusal.status = http.StatusForbidden
		}
		return &refusal
	case c.content == nil:
		return nil
	case b.Refusal == TrafficLimit:
		return errTrafficLimit
	case b.Features != nil && slices.ContainsFunc(neededFeatures(c.content.ContentMessage), func(f rbm.Feature) bool { return !slices.Contains(b.Features, f) }):
		return errFeature
	}
	return nil
}

func (s *Simulator) unreachable() *apiError {
	if s.Assume.EntityNotFound {
		return errEntityNotFound
	}
	return errUnreachable
}

// neededFeatures returns the features that a device needs to show a message. Text, files
// and replies need none, and neither does a web view: a device without web views opens the
// browser.
func neededFeatures(content *rbm.AgentContentMessage) []rbm.Feature {
	var need []rbm.Feature
	if rich := content.RichCard; rich != nil {
		if rich.CarouselCard != nil {
			need = append(need, rbm.FeatureCarousel)
		} else {
			need = append(need, rbm.FeatureRichCard)
		}
	}
	for _, sug := range suggestions(content) {
		switch a := sug.Action; {
		case a == nil:
		case a.DialAction != nil:
			need = append(need, rbm.FeatureDial)
		case a.OpenURLAction != nil:
			need = append(need, rbm.FeatureOpenURL)
		case a.ViewLocationAction != nil:
			need = append(need, rbm.FeatureViewLocation)
		case a.ShareLocationAction != nil:
			need = append(need, rbm.FeatureShareLocation)
		case a.CreateCalendarEventAction != nil:
			need = append(need, rbm.FeatureCreateCalendarEvent)
		//lint:ignore SA1019 the platform still accepts it, and so does the simulator
		case a.ComposeAction != nil:
			need = append(need, "ACTION_COMPOSE")
		}
	}
	return need
}

// accept stores a message, unless its ID was used in the meantime.
func (s *Simulator) accept(c *call) (any, *apiError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if earlier := s.ids[c.key()]; earlier != nil {
		return s.repeat(earlier)
	}
	now := s.now()
	m := &message{content: c.content, Message: Message{
		To: c.phone, MessageID: c.id, AgentID: agentName(c.agent.ID), State: StateQueued, Received: now,
		AgentMessage: bytes.TrimSpace(c.raw),
		Detail:       Detail{Bytes: len(c.raw), Billing: c.content.Billing(), Request: s.requests.total + 1},
	}}
	if !json.Valid(c.raw) {
		m.AgentMessage = encodeJSON(c.content)
	}
	switch {
	case c.content.TTL > 0:
		m.Detail.Expires = now.Add(time.Duration(c.content.TTL))
	case !c.content.ExpireTime.IsZero():
		m.Detail.Expires = c.content.ExpireTime
	}
	m.expires = m.Detail.Expires
	response := s.messageResponse(m)
	m.Detail.Response = encodeJSON(response)
	if s.MaxMessages > 0 && len(s.messages) >= s.MaxMessages {
		s.forgetMessages(max(s.MaxMessages/10, 1))
	}
	s.messages = append(s.messages, m)
	s.ids[c.key()] = &usedID{response, m}
	s.lastAgent[c.phone] = m.AgentID
	s.logMessage(m)
	if s.Delay > 0 {
		m.arrives = now.Add(s.Delay)
	} else if !s.behaviors[c.phone].Offline {
		s.deliver(m)
	}
	if !m.due().IsZero() {
		s.changing = append(s.changing, m)
	}
	s.schedule()
	return response, nil
}

// messageResponse returns a message as the platform does: with the fields that it sets,
// and the expiry time in place of a ttl. Numbers of the United States get more fields.
// s.mu must be held.
//
// Assumption: the names of the classes, that a basic message has none, and the name of
// the carrier.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/phones.agentMessages#RichMessageClassification
func (s *Simulator) messageResponse(m *message) *rbm.AgentMessage {
	out := *m.content
	out.Name = "phones/" + m.To + "/agentMessages/" + m.MessageID
	out.SendTime = s.timestamp()
	out.TTL, out.ExpireTime = 0, time.Time{}
	if !m.Detail.Expires.IsZero() {
		out.ExpireTime = m.Detail.Expires.UTC()
	}
	out.RichMessageClassification, out.TotalPayloadSizeBytes, out.Carrier = nil, 0, ""
	if !isUS(m.To) {
		return &out
	}
	switch b := m.Detail.Billing; b.Class {
	case rbm.BillingRich:
		out.RichMessageClassification = &rbm.RichMessageClassification{ClassificationType: "RICH_MESSAGE", SegmentCount: b.Segments}
	case rbm.BillingRichMedia:
		out.RichMessageClassification = &rbm.RichMessageClassification{ClassificationType: "RICH_MEDIA_MESSAGE"}
	}
	for _, name := range fileNames(m.content.ContentMessage) {
		if f := s.file(name); f != nil {
			out.TotalPayloadSizeBytes += f.size
		}
	}
	out.Carrier = s.carrier(m.To)
	return &out
}

// isUS reports whether a number gets the fields for the United States. The simulator
// counts all of +1.
func isUS(phone string) bool { return strings.HasPrefix(phone, "+1") }

// carrier returns the network of a number. s.mu must be held.
func (s *Simulator) carrier(phone string) string {
	if c := s.behaviors[phone].Carrier; c != "" {
		return c
	}
	return "example-us"
}

// deliverQueued delivers the queued messages of a user. s.mu must be held.
func (s *Simulator) deliverQueued(phone string) {
	for _, m := range s.messages {
		if m.To == phone && m.State == StateQueued && m.arrives.IsZero() {
			s.deliver(m)
		}
	}
}

// deliver puts m on the device. s.mu must be held.
func (s *Simulator) deliver(m *message) {
	m.State, m.Detail.Delivered = StateDelivered, s.now()
	s.logMessage(m)
	s.userEvent(m.To, m.AgentID, m.MessageID, rbm.UserDelivered)
	if s.AutoRead && s.Delay > 0 {
		m.reads = s.now().Add(s.Delay)
		s.changing = append(s.changing, m)
	} else if s.AutoRead {
		s.markRead(m)
	}
}

// markRead marks m as read by the user. s.mu must be held.
func (s *Simulator) markRead(m *message) {
	m.State, m.Detail.Read = StateRead, s.now()
	s.logMessage(m)
	s.userEvent(m.To, m.AgentID, m.MessageID, rbm.UserRead)
}

// deleteMessage is phones.agentMessages.delete.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/phones.agentMessages/delete
func (s *Simulator) deleteMessage(c *call) (any, *apiError) {
	if refusal := s.applyFailure(c); refusal != nil {
		return nil, refusal
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.advance()
	unknownOK := s.Assume.RevokeUnknownOK
	used := s.ids[c.key()]
	switch {
	case used == nil || used.message == nil || used.message.To != c.phone:
	case used.message.State == StateQueued && s.Assume.RevokeRace:
		s.deliver(used.message)
		return struct{}{}, nil
	case used.message.State == StateQueued:
		m := used.message
		m.State, m.Detail.Ended = StateRevoked, s.now()
		s.logMessage(m)
		return struct{}{}, nil
	case used.message.State == StateDelivered, used.message.State == StateRead:
		unknownOK = false
	}
	if unknownOK || s.Assume.RevokeAlwaysOK {
		return struct{}{}, nil
	}
	return nil, errEntityNotFound
}

// Tick performs the actions that are due: messages are delivered and read after the Delay,
// or expire, and failed pushes are retried.
// Call it after changing the time of [Simulator.Now]; with the real clock it happens by
// itself. Tick returns before the pushes have ended; see [Simulator.Flush].
func (s *Simulator) Tick() {
	s.lock()
	defer s.mu.Unlock()
	s.advance()
	s.schedule()
}

// advance performs the changes of messages that are due. s.mu must be held.
func (s *Simulator) advance() {
	now := s.now()
	for _, m := range s.changing {
		for !m.due().IsZero() && !m.due().After(now) {
			switch m.due() {
			case m.reads:
				s.markRead(m)
			case m.arrives:
				m.arrives = time.Time{}
				if !s.behaviors[m.To].Offline {
					s.deliver(m)
				}
			default:
				m.expires = time.Time{}
				s.expire(m)
			}
		}
	}
	s.changing = slices.DeleteFunc(s.changing, func(m *message) bool { return m.due().IsZero() })
}

// expire ends the life of an undelivered message. s.mu must be held.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/guides/build/messages/revoke
func (s *Simulator) expire(m *message) {
	switch s.Assume.Expiry {
	case ExpiryRevokeFailed:
		s.serverEvent(m, rbm.TTLExpirationRevokeFailed)
	case ExpiryBoth:
		s.serverEvent(m, rbm.TTLExpirationRevoked)
		s.deliver(m)
	default:
		m.State, m.Detail.Ended = StateExpired, s.now()
		s.logMessage(m)
		if s.Assume.Expiry != ExpiryNeither {
			s.serverEvent(m, rbm.TTLExpirationRevoked)
		}
	}
}

// schedule sets the timer for the next expiry or push, on the real clock only. s.mu must
// be held.
func (s *Simulator) schedule() {
	s.startPushing()
	if s.Now != nil || s.closed {
		return
	}
	var next time.Time
	earliest := func(t time.Time) {
		if !t.IsZero() && (next.IsZero() || t.Before(next)) {
			next = t
		}
	}
	now := s.now()
	for _, p := range s.pushes {
		if p.next.After(now) { // pushAll is about to make the others
			earliest(p.next)
		}
	}
	for _, m := range s.changing {
		earliest(m.due())
	}
	switch {
	case next.IsZero():
	case s.timer == nil:
		s.timer = time.AfterFunc(max(time.Until(next), 0), s.Tick)
	default:
		s.timer.Reset(max(time.Until(next), 0))
	}
}
