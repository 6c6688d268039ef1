package rbmtest

import (
	"slices"
	"time"
)

// Tick does what is due by the clock: messages expire, and pushes that failed are
// tried again. It is for simulators with a clock of their own, after it was moved;
// on the real clock it happens by itself. Tick returns before the pushes have
// ended; see [Simulator.Flush].
func (s *Simulator) Tick() {
	s.init()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle()
	s.schedule()
}

// settle lets expire what must have expired by now, so that nobody sees a message
// in a state that is over. s.mu is held.
func (s *Simulator) settle() {
	now := s.now()
	for _, m := range s.expiring {
		if m.pending() && !now.Before(m.Detail.Expires) {
			s.expire(m)
		}
	}
	s.expiring = slices.DeleteFunc(s.expiring, func(m *message) bool { return !m.pending() })
}

// pending reports whether m may still expire.
func (m *message) pending() bool {
	return m.State == StateQueued && !m.expired && !m.Detail.Expires.IsZero()
}

// expire ends the time of a message. s.mu is held.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/guides/build/messages/revoke
func (s *Simulator) expire(m *message) {
	m.expired = true
	switch s.Assume.Expiry {
	case ExpiryRevokeFailed:
		s.serverEvent(m, "TTL_EXPIRATION_REVOKE_FAILED")
	case ExpiryBoth:
		s.serverEvent(m, "TTL_EXPIRATION_REVOKED")
		s.deliver(m)
	default:
		m.State, m.Detail.Ended = StateExpired, s.now()
		s.emitMessage(m)
		if s.Assume.Expiry != ExpiryNeither {
			s.serverEvent(m, "TTL_EXPIRATION_REVOKED")
		}
	}
}

// schedule arms the timer for whatever is due next, on the real clock only. s.mu
// is held.
func (s *Simulator) schedule() {
	s.startPushing()
	if s.Now != nil || s.closed {
		return
	}
	next, ok := s.nextPush()
	for _, m := range s.expiring {
		if m.pending() && (!ok || m.Detail.Expires.Before(next)) {
			next, ok = m.Detail.Expires, true
		}
	}
	switch {
	case !ok:
		return
	case s.timer == nil:
		s.timer = time.AfterFunc(max(time.Until(next), 0), s.Tick)
	default:
		s.timer.Reset(max(time.Until(next), 0))
	}
}
