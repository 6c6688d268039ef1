// Package compose turns a payload into the message to send. It is pure: it uses no I/O, no
// clock and no randomness.
//
// [Message] builds the message (content.go, card.go, suggestion.go) and checks it with the
// rules of the platform in package rbm. It reports a violation at the position in the payload
// that the invalid part of the message came from (origin.go).
package compose

import (
	"slices"
	"strings"
	"time"

	"github.com/rcshook/rcshook/internal/payload"
	"github.com/rcshook/rcshook/rbm"
)

// Defaults are the values of fields that the payload does not set.
type Defaults struct {
	// Traffic is the traffic type; empty leaves it to the agent's use case.
	Traffic rbm.TrafficType

	// TTL limits how long delivery is tried; zero means no limit.
	TTL time.Duration

	// MaxDelay limits how far ahead a message can be scheduled. Zero means that there is
	// no queue for scheduled messages.
	MaxDelay time.Duration

	// Fallback is the fallback of the message; nil means that there is none.
	Fallback *Fallback
}

// Fallback is when a message goes to its fallback.
type Fallback struct {
	// After is how long delivery may take. Auto means that it depends on the traffic type.
	// If neither is set, only a message that RCS cannot deliver goes to the fallback.
	After time.Duration
	Auto  bool

	// MaxDelay limits how far ahead that time can be. Zero means that the function has no
	// queue to keep the message until then.
	MaxDelay time.Duration
}

// Composed is a valid message.
type Composed struct {
	// Message is the message to send.
	Message *rbm.AgentMessage

	// Encoded is Message as JSON.
	Encoded []byte

	// At is the time to send the message; zero means now.
	At time.Time

	// FallbackAt is when the message goes to its fallback unless it was delivered; zero means
	// only if RCS cannot deliver it.
	FallbackAt time.Time

	// FallbackText is the text for the fallback. It is set if the message has one.
	FallbackText string

	// Warnings list values that are valid but probably mistakes.
	Warnings []Warning

	// Billing describes how the message to a US number is billed.
	Billing rbm.Billing
}

// Message composes the message of p. The error is of type [payload.Errors] and includes the
// errors of p itself.
func Message(p *payload.Payload, d Defaults, now time.Time) (*Composed, error) {
	c := composer{payload: p, received: now, now: now, errors: slices.Clip(p.Errors)}
	at := c.schedule(d)
	c.checkFallback(d.Fallback)
	m := c.message(d)
	if len(c.errors) > 0 {
		return nil, c.errors.Sorted()
	}
	w := warner{payload: p, message: m, cards: c.shown, size: len(c.encoded), now: now, hasFallback: d.Fallback != nil, after: c.after}
	composed := &Composed{Message: m, Encoded: c.encoded, At: at, Warnings: w.all(), Billing: m.Billing()}
	if d.Fallback != nil {
		if composed.FallbackText = p.FallbackText.Value; composed.FallbackText == "" {
			composed.FallbackText = PlainText(m)
		}
	}
	if c.after > 0 {
		composed.FallbackAt = c.now.Add(c.after)
	}
	return composed, nil
}

// composer builds one message and collects its errors.
type composer struct {
	payload  *payload.Payload
	received time.Time     // when the request arrived
	now      time.Time     // when the message will be sent
	after    time.Duration // from then to the fallback; zero if only a rejection leads to it
	errors   payload.Errors
	encoded  []byte // the message as JSON, once it was checked

	shown  []payload.Card // the cards as composed
	record bool           // record the origins of the parts
	parts  []origin
}

// errorf reports an error at a position.
func (c *composer) errorf(p payload.Position, format string, args ...any) {
	p.MarkInvalid()
	c.errors = append(c.errors, p.Errorf(format, args...))
}

// tooMuch reports a value above a limit. The format has both numbers.
func (c *composer) tooMuch(p payload.Position, format string, limit, actual int) {
	c.errorf(p, format, limit, actual)
	e := &c.errors[len(c.errors)-1]
	e.Limit, e.Actual = limit, actual
}

// message builds the message and checks it.
func (c *composer) message(d Defaults) *rbm.AgentMessage {
	if c.payload.Raw.Sent() {
		return c.raw(d)
	}
	content := c.content()
	if content == nil {
		content = new(rbm.AgentContentMessage)
	}
	m := &rbm.AgentMessage{ContentMessage: content}
	c.setDelivery(m, d)
	c.check(m)
	return m
}

// check encodes and checks the message.
func (c *composer) check(m *rbm.AgentMessage) {
	c.encoded, _ = m.Encode() // Check reports the cause of an error
	c.explain(m.Check(c.now))
}

// otpTTL is the default TTL of a one-time password.
const otpTTL = 10 * time.Minute

var trafficTypes = map[string]rbm.TrafficType{
	"otp":             rbm.TrafficAuthentication,
	"transaction":     rbm.TrafficTransaction,
	"promotion":       rbm.TrafficPromotion,
	"service":         rbm.TrafficServiceRequest,
	"acknowledgement": rbm.TrafficAcknowledgement,
}

// setDelivery sets the traffic type and the expiration from the payload, a raw message or the
// defaults.
func (c *composer) setDelivery(m *rbm.AgentMessage, d Defaults) {
	p := c.payload
	switch {
	case p.Traffic.Sent():
		c.setTraffic(m, trafficTypes[p.Traffic.Value], p.Traffic.Position)
	case p.OTP.Value:
		c.setTraffic(m, rbm.TrafficAuthentication, p.OTP.Position)
	case m.MessageTrafficType == "":
		m.MessageTrafficType = d.Traffic
	}
	c.setAfter(m, d)
	expires := m.TTL != 0 || !m.ExpireTime.IsZero()
	reach := time.Duration(0) // of a lifetime that the caller did not send
	if c.after > 0 {
		reach = c.after + margin
	}
	switch at := p.TTL.Position; {
	case p.TTL.Sent() || p.ExpiresAt.Sent():
		if !p.TTL.Sent() {
			at = p.ExpiresAt.Position
		}
		if expires {
			c.errorf(at, "%q already sets the expiration; send only one of them", p.Raw.Name())
			return
		}
		if m.TTL = rbm.Duration(p.TTL.Value); c.checkExpiration() {
			m.ExpireTime = p.ExpiresAt.Value
		}
	case expires:
	case p.OTP.Value:
		m.TTL = rbm.Duration(max(otpTTL, reach))
	case d.TTL > 0:
		m.TTL = rbm.Duration(max(d.TTL, reach))
	}
	c.checkReach(m)
}

// setTraffic sets the traffic type unless a raw message has another one.
func (c *composer) setTraffic(m *rbm.AgentMessage, t rbm.TrafficType, p payload.Position) {
	if m.MessageTrafficType != "" && m.MessageTrafficType != t {
		c.errorf(p, "%q has a different traffic type; send only one of them", c.payload.Raw.Name())
		return
	}
	m.MessageTrafficType = t
}

// raw parses and checks an AgentMessage in the form of the API.
func (c *composer) raw(d Defaults) *rbm.AgentMessage {
	raw := c.payload.Raw
	data := raw.JSON
	if raw.Content {
		data = `{"contentMessage":` + data + `}`
	}
	m, violations := rbm.CheckAgentMessage([]byte(data), c.now)
	for _, v := range violations {
		pointer := v.Pointer
		if raw.Content {
			pointer = strings.TrimPrefix(pointer, "/contentMessage")
		}
		e := raw.ErrorBelow(pointer, "%s", v.Detail)
		e.Limit, e.Actual = v.Limit, v.Actual
		c.errors = append(c.errors, e)
	}
	if m == nil {
		return nil
	}
	c.onlyKind()
	for _, extra := range []payload.Buttons{c.payload.Top.Buttons, c.payload.Chips} {
		if extra.Sent() {
			c.errorf(extra.Position, "%q is the whole message; add the suggestions to it", raw.Name())
		}
	}
	c.setDelivery(m, d)
	if len(violations) == 0 {
		c.check(m) // again, with the additions of the payload
	}
	return m
}

// schedule returns the time to send the message, zero for now, and sets c.now to it, because
// lifetimes count from then. A time in the past means now, as in Cloud Tasks: it may have
// been computed a moment ago.
func (c *composer) schedule(d Defaults) time.Time {
	p := c.payload
	at := p.ScheduleAt.Value
	maxDelay := d.MaxDelay
	if maxDelay == 0 && d.Fallback != nil {
		maxDelay = d.Fallback.MaxDelay // see setAfter
	}
	switch delay := at.Sub(c.now); {
	case !p.ScheduleAt.Sent():
		return time.Time{}
	case maxDelay == 0:
		c.cannotSchedule()
		return time.Time{}
	case delay <= 0:
		return time.Time{}
	case delay > maxDelay:
		c.tooMuch(p.ScheduleAt.Position, "expected at most %d days ahead, got %d", days(maxDelay), days(delay))
	}
	c.now = at
	return at
}

func (c *composer) cannotSchedule() {
	at := c.payload.ScheduleAt.Position
	c.errorf(at, "scheduling needs a queue, and none is configured; remove %s or set RCSHOOK_QUEUE (in rcshook dev: -queue)", at.Name())
}

// days returns d in days, rounded up.
func days(d time.Duration) int {
	const day = 24 * time.Hour
	return int((d + day - 1) / day)
}

// checkExpiration reports whether the expiration of a scheduled message is possible. It
// counts from the time to send the message. For a message that is sent now, rbm checks it.
func (c *composer) checkExpiration() bool {
	expires, scheduled := c.payload.ExpiresAt, c.payload.ScheduleAt
	switch left := expires.Value.Sub(c.now); {
	case !scheduled.Sent() || !expires.Sent() || scheduled.Value.Before(c.now):
	case left <= 0:
		c.errorf(expires.Position, "the message would expire before %q", scheduled.Name())
		return false
	case left > rbm.MaxLifetime:
		c.errorf(expires.Position, "expected at most 15 days after %q", scheduled.Name())
		return false
	}
	return true
}
