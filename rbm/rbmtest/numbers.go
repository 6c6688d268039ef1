package rbmtest

import (
	"maps"
	"net/http"
	"time"
)

// Behavior is how a phone number differs from one that is reachable, online and
// able to show everything.
type Behavior struct {
	// Refusal is how the platform refuses to reach the number.
	Refusal Refusal `json:"refusal,omitempty"`

	// Offline users get their messages when they are switched online.
	Offline bool `json:"offline,omitempty"`

	// Features are what the device supports, in the words of [AllFeatures].
	// Nil means all of them; an empty list means plain text and files only.
	Features []string `json:"features,omitzero"`

	// Carrier is the network of a number that starts with +1; empty means
	// "example-us".
	Carrier string `json:"carrier,omitempty"`

	// Failure happens to every request about the number, instead of or before
	// its usual answer.
	Failure *Failure `json:"failure,omitempty"`
}

// Refusal is a reason not to reach a phone number.
type Refusal string

// The refusals.
const (
	// Unreachable numbers have no RCS, or have switched it off: 404.
	Unreachable Refusal = "unreachable"

	// NotLaunched numbers are on a network where the agent is not launched:
	// 404, or 403 with [Assumptions.NotLaunchedForbidden].
	NotLaunched Refusal = "not_launched"

	// NotTester numbers are refused as if the agent were not launched: 403 for
	// messages and events, for capabilities see [Assumptions.CapabilitiesForbidden].
	NotTester Refusal = "not_tester"

	// FeatureUnsupported numbers refuse every message as one that needs a
	// feature which the device lacks: 400. To be asked for capabilities they
	// answer none.
	FeatureUnsupported Refusal = "feature_unsupported"

	// TrafficLimit numbers have had their share of messages from the agent: 429
	// for messages.
	TrafficLimit Refusal = "traffic_limit"
)

// TestNumbers returns the numbers that misbehave by default, a fresh copy. They
// are from the range +1 202 555 0100 to 0199, which is set aside for fiction;
// every number that is not listed is reachable and online.
//
//	+1 202 555 0103  403, not a tester of an unlaunched agent
//	+1 202 555 0104  404, not reachable
//	+1 202 555 0108  offline: accepted and queued until switched online
//	+1 202 555 0129  429 with Retry-After: 2
//	+1 202 555 0140  400, the device lacks a feature
//	+1 202 555 0150  500
//	+1 202 555 0153  503
//	+1 202 555 0154  no answer for 60 seconds, then accepted
//	+1 202 555 0157  503 twice for each message ID, then accepted
func TestNumbers() map[string]Behavior {
	return map[string]Behavior{
		"+12025550103": {Refusal: NotTester},
		"+12025550104": {Refusal: Unreachable},
		"+12025550108": {Offline: true},
		"+12025550129": {Failure: &Failure{Status: http.StatusTooManyRequests, RetryAfter: 2 * time.Second}},
		"+12025550140": {Refusal: FeatureUnsupported},
		"+12025550150": {Failure: &Failure{Status: http.StatusInternalServerError}},
		"+12025550153": {Failure: &Failure{Status: http.StatusServiceUnavailable}},
		"+12025550154": {Failure: &Failure{Delay: 60 * time.Second}},
		"+12025550157": {Failure: &Failure{Status: http.StatusServiceUnavailable, Count: 2, PerID: true}},
	}
}

// SetBehavior arranges how a number in E.164 form behaves from now on. A user who
// is no longer offline gets what is waiting. The zero Behavior makes the number
// like any other.
func (s *Simulator) SetBehavior(phone string, b Behavior) {
	s.init()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle()
	s.behaviors[phone] = b
	if !b.Offline {
		s.deliverQueued(phone)
	}
	s.emit(LogEntry{Kind: LogPhone, Phone: phone, Online: !b.Offline})
}

// SetOnline switches the device of a number on or off the network. Once online,
// it gets what is waiting, in the order of sending.
func (s *Simulator) SetOnline(phone string, online bool) {
	s.init()
	s.mu.Lock()
	b := s.behaviors[phone]
	s.mu.Unlock()
	b.Offline = !online
	s.SetBehavior(phone, b)
}

// Behaviors returns the numbers that behave differently, and how.
func (s *Simulator) Behaviors() map[string]Behavior {
	s.init()
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.behaviors)
}
