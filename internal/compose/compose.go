// Package compose turns a payload into the message that is sent. It is pure: no
// I/O, no clock, no randomness.
//
// The message is built first (content.go, card.go, suggestion.go), then held
// against the rules of the platform, which are written in package rbm and nowhere
// else. A rule that some part of the message breaks is explained at the place of
// the payload that this part came from (origin.go).
package compose

import (
	"slices"
	"time"

	"github.com/rcshook/rcshook/internal/payload"
	"github.com/rcshook/rcshook/rbm"
)

// Defaults hold for a payload that does not say otherwise.
type Defaults struct {
	// Traffic is why messages are sent; empty leaves it to the agent's use case.
	Traffic rbm.TrafficType

	// TTL is how long delivery is tried; zero means without a limit.
	TTL time.Duration

	// MaxDelay is how far ahead a message can be scheduled; zero means that it
	// cannot, because there is nothing that it could wait in.
	MaxDelay time.Duration
}

// Composed is a message that keeps all rules.
type Composed struct {
	// Message is what is sent.
	Message *rbm.AgentMessage

	// Encoded is Message as JSON.
	Encoded []byte

	// At is when the message is to be sent; zero means now.
	At time.Time

	// Warnings are about what is allowed but hardly meant.
	Warnings []Warning

	// Billing is how the message is billed if it goes to a US number.
	Billing rbm.Billing
}

// Message composes what p asks for. The error is of type [payload.Errors] and
// holds everything that is wrong, also what was found while p was read.
func Message(p *payload.Payload, d Defaults, now time.Time) (*Composed, error) {
	c := composer{payload: p, now: now, faults: slices.Clip(p.Errors)}
	at := c.schedule(d)
	m := c.message(d)
	if len(c.faults) > 0 {
		return nil, c.faults.Sorted()
	}
	w := warner{payload: p, message: m, cards: c.shown, size: len(c.encoded), now: now}
	return &Composed{Message: m, Encoded: c.encoded, At: at, Warnings: w.all(), Billing: m.Billing()}, nil
}

// composer builds one message and collects what is wrong with it.
type composer struct {
	payload *payload.Payload
	now     time.Time // when the message is to be sent
	faults  payload.Errors
	encoded []byte // the message, once it was held against the rules

	shown  []payload.Card // the cards as composed
	record bool           // keep a record of the parts; see origins
	parts  []origin
}

func (c *composer) fault(p payload.Position, format string, args ...any) {
	p.MarkInvalid()
	c.faults = append(c.faults, p.Errorf(format, args...))
}

// message builds the message and holds it against the rules.
func (c *composer) message(d Defaults) *rbm.AgentMessage {
	if c.payload.Raw.Sent() {
		return c.raw(d)
	}
	content := c.content()
	if content == nil {
		content = new(rbm.AgentContentMessage)
	}
	m := &rbm.AgentMessage{ContentMessage: content}
	c.delivery(m, d)
	c.hold(m)
	return m
}

// hold checks the message and keeps its JSON.
func (c *composer) hold(m *rbm.AgentMessage) {
	c.encoded, _ = m.Encode() // Check reports the cause of an error
	c.explain(m.Check(c.now))
}

// otpTTL is how long a one-time password is tried to be delivered.
const otpTTL = 10 * time.Minute

var trafficTypes = map[string]rbm.TrafficType{
	"otp":             rbm.TrafficAuthentication,
	"transaction":     rbm.TrafficTransaction,
	"promotion":       rbm.TrafficPromotion,
	"service":         rbm.TrafficServiceRequest,
	"acknowledgement": rbm.TrafficAcknowledgement,
}

// delivery sets why the message is sent and until when, as the payload, the
// message itself or the defaults say.
func (c *composer) delivery(m *rbm.AgentMessage, d Defaults) {
	p := c.payload
	switch {
	case p.Traffic.Sent():
		c.traffic(m, trafficTypes[p.Traffic.Value], p.Traffic.Position)
	case p.OTP.Value:
		c.traffic(m, rbm.TrafficAuthentication, p.OTP.Position)
	case m.MessageTrafficType == "":
		m.MessageTrafficType = d.Traffic
	}
	limited := m.TTL != 0 || !m.ExpireTime.IsZero()
	switch asked := p.TTL.Position; {
	case p.TTL.Sent() || p.ExpiresAt.Sent():
		if !p.TTL.Sent() {
			asked = p.ExpiresAt.Position
		}
		if limited {
			c.fault(asked, "%q already says when to give up; send either", p.Raw.Name())
			return
		}
		if m.TTL = rbm.Duration(p.TTL.Value); c.outlives(p.ExpiresAt) {
			m.ExpireTime = p.ExpiresAt.Value
		}
	case limited:
	case p.OTP.Value:
		m.TTL = rbm.Duration(otpTTL)
	default:
		m.TTL = rbm.Duration(d.TTL)
	}
}

// traffic sets the traffic type, unless a raw message has another one.
func (c *composer) traffic(m *rbm.AgentMessage, t rbm.TrafficType, p payload.Position) {
	if m.MessageTrafficType != "" && m.MessageTrafficType != t {
		c.fault(p, "%q has another traffic type; send either", c.payload.Raw.Name())
		return
	}
	m.MessageTrafficType = t
}
