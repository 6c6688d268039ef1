package compose

import (
	"time"

	"github.com/rcshook/rcshook/internal/payload"
	"github.com/rcshook/rcshook/rbm"
)

// schedule returns when the message is to be sent, zero for now, and moves the
// clock by which its lifetime is judged. A time in the past means now, as it does to
// Cloud Tasks: a schedule that somebody computed a moment ago is no fault.
func (c *composer) schedule(d Defaults) time.Time {
	p := c.payload
	at := p.ScheduleAt.Value
	switch delay := at.Sub(c.now); {
	case !p.ScheduleAt.Sent():
		return time.Time{}
	case d.MaxDelay == 0:
		c.fault(p.ScheduleAt.Position, "this function sends at once, because it has no queue here that messages could wait in; leave it out")
		return time.Time{}
	case delay <= 0:
		return time.Time{}
	case delay > d.MaxDelay:
		f := p.ScheduleAt.Errorf("this is %d days ahead, at most %d are possible", days(delay), days(d.MaxDelay))
		f.Limit, f.Actual = days(d.MaxDelay), days(delay)
		p.ScheduleAt.MarkInvalid()
		c.faults = append(c.faults, f)
	}
	c.now = at
	return at
}

// days counts days, begun ones too.
func days(d time.Duration) int {
	const day = 24 * time.Hour
	return int((d + day - 1) / day)
}

// outlives reports whether a message that is scheduled expires at a time that makes
// sense, which counts from when it is sent. If it does not, a fault says so.
func (c *composer) outlives(expires payload.Value[time.Time]) bool {
	scheduled := c.payload.ScheduleAt.Position
	switch left := expires.Value.Sub(c.now); {
	case !scheduled.Sent() || !expires.Sent():
	case left <= 0:
		c.fault(expires.Position, "the message would have expired before %q", scheduled.Name())
		return false
	case left > rbm.MaxLifetime:
		c.fault(expires.Position, "this must be at most 15 days after %q", scheduled.Name())
		return false
	}
	return true
}
