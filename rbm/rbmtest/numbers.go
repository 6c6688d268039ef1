package rbmtest

import (
	"maps"
	"net/http"
	"time"

	"github.com/rcshook/rcshook/rbm"
)

// Behavior is how a phone number differs from one that is reachable, online and supports
// every feature.
type Behavior struct {
	// Refusal is the reason why the platform does not reach the number.
	Refusal Refusal `json:"refusal,omitempty"`

	// Offline users receive their messages once they are online.
	Offline bool `json:"offline,omitempty"`

	// Features are the features of the device. Nil means [AllFeatures]; an empty list
	// means text, files and replies only. A message that needs another one gets 400.
	Features []rbm.Feature `json:"features,omitzero"`

	// Carrier is the network of a number that starts with +1; empty means "example-us".
	Carrier string `json:"carrier,omitempty"`

	// Failure happens to every request about the number, before its usual response.
	Failure *Failure `json:"failure,omitempty"`
}

// Refusal is a reason not to reach a phone number.
type Refusal string

// The refusals.
const (
	// Unreachable numbers do not have RCS, or it is switched off: 404.
	Unreachable Refusal = "unreachable"

	// NotLaunched numbers are on a network where the agent is not launched: 404, or 403
	// with [Assumptions.NotLaunchedForbidden].
	NotLaunched Refusal = "not_launched"

	// NotTester numbers get the errors of an agent that is not launched: 403 for messages
	// and events; for capabilities see [Assumptions.CapabilitiesForbidden].
	NotTester Refusal = "not_tester"

	// TrafficLimit numbers have received as many messages from the agent as allowed: 429
	// for messages.
	TrafficLimit Refusal = "traffic_limit"
)

// TestNumbers returns a new map of the numbers that behave differently by default. They
// are from the range +1 202 555 0100 to 0199, which is reserved for fiction. Every other
// number is reachable and online.
//
//	+1 202 555 0103  403, not a tester of an unlaunched agent
//	+1 202 555 0104  404, not reachable
//	+1 202 555 0108  offline: accepted and queued until switched online
//	+1 202 555 0129  429 with Retry-After: 2
//	+1 202 555 0140  400 for cards and actions, which the device lacks
//	+1 202 555 0150  500
//	+1 202 555 0153  503
//	+1 202 555 0154  no response for 60 seconds, then accepted
//	+1 202 555 0157  503 twice for each message ID, then accepted
func TestNumbers() map[string]Behavior {
	return map[string]Behavior{
		"+12025550103": {Refusal: NotTester},
		"+12025550104": {Refusal: Unreachable},
		"+12025550108": {Offline: true},
		"+12025550129": {Failure: &Failure{Status: http.StatusTooManyRequests, RetryAfter: 2 * time.Second}},
		"+12025550140": {Features: []rbm.Feature{}},
		"+12025550150": {Failure: &Failure{Status: http.StatusInternalServerError}},
		"+12025550153": {Failure: &Failure{Status: http.StatusServiceUnavailable}},
		"+12025550154": {Failure: &Failure{Delay: 60 * time.Second}},
		"+12025550157": {Failure: &Failure{Status: http.StatusServiceUnavailable, Count: 2, PerID: true}},
	}
}

// SetBehavior sets the behavior of a number in E.164 form. A user no longer offline
// receives the queued messages. The zero Behavior makes the number like any other.
func (s *Simulator) SetBehavior(phone string, b Behavior) {
	s.lock()
	defer s.mu.Unlock()
	s.setBehavior(phone, b)
}

// SetOnline connects the device of a number to the network or disconnects it. Once online,
// it receives the queued messages in the order of sending.
func (s *Simulator) SetOnline(phone string, online bool) {
	s.lock()
	defer s.mu.Unlock()
	b := s.behaviors[phone]
	b.Offline = !online
	s.setBehavior(phone, b)
}

func (s *Simulator) setBehavior(phone string, b Behavior) {
	s.advance()
	s.behaviors[phone] = b
	if !b.Offline {
		s.deliverQueued(phone)
	}
	s.log(LogEntry{Kind: LogPhone, Phone: phone, Online: !b.Offline})
}

// Behaviors returns the numbers with a behavior.
func (s *Simulator) Behaviors() map[string]Behavior {
	s.lock()
	defer s.mu.Unlock()
	return maps.Clone(s.behaviors)
}
