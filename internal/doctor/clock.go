package doctor

import (
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/rcshook/rcshook/internal/google"
)

const (
	// clockFault is how far a clock may be off at most: beyond it signatures of
	// webhooks count as stale, and the token endpoint refuses a key's assertion.
	//
	// Assumption: that the endpoint allows as much as the schemes of webhooks do;
	// Google says no number.
	clockFault = 5 * time.Minute

	// clockWarning is far more than a clock is off that is set by the network, and
	// than the second that the header Date leaves open.
	clockWarning = 30 * time.Second
)

// watch carries requests and compares the clock of the first that answers with ours.
type watch struct {
	base http.RoundTripper

	mu   sync.Mutex
	host string
	skew time.Duration // ours is so much ahead
}

// RoundTrip takes the time in the middle of the exchange.
func (w *watch) RoundTrip(r *http.Request) (*http.Response, error) {
	start := time.Now()
	res, err := w.base.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	ours := start.Add(time.Since(start) / 2)
	if theirs, wrong := http.ParseTime(res.Header.Get("Date")); wrong == nil {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.host == "" {
			w.host, w.skew = r.URL.Host, ours.Sub(theirs.Add(500*time.Millisecond))
		}
	}
	return res, nil
}

func (w *watch) seen() (host string, skew time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.host, w.skew
}

// clock compares the clock of this machine, once, with that of whoever answered first.
func (e *examination) clock() {
	if slices.ContainsFunc(e.checks, func(c Check) bool { return c.Name == Clock }) {
		return
	}
	host, skew := e.watch.seen()
	if host == "" {
		e.skip(Clock, "", Platform, "")
		return
	}
	state := OK
	if skew.Abs() > clockWarning {
		state = Warning
	}
	if skew.Abs() > clockFault {
		state = Fault
	}
	if state == OK {
		e.add(OK, Clock, "", "it agrees with that of "+host)
		return
	}
	e.add(state, Clock, "", "it is "+offBy(skew)+" "+host+"'s: beyond 5 minutes tokens and signatures are refused", adviseClock)
}

const adviseClock = "Set the clock of this machine: sudo timedatectl set-ntp true; a virtual machine that was asleep may need a restart"

// offBy says how far a clock is off: in minutes, as seconds change while one reads.
func offBy(skew time.Duration) string {
	word := "ahead of"
	if skew < 0 {
		word = "behind"
	}
	n := max(1, int((skew.Abs()+30*time.Second)/time.Minute))
	return fmt.Sprintf("about %s %s", count(n, "minute"), word)
}

// blameClock enters a check that is skipped if the token endpoint has refused a key
// while the clock is off: it refuses a signature from another time in the words for
// a key that was deleted.
func (e *examination) blameClock(name, subject string, refused *google.SecretError) bool {
	if _, skew := e.watch.seen(); skew.Abs() <= clockFault || refused.Reason != "invalid_grant" {
		return false
	}
	e.clock()
	return e.skip(name, subject, Clock, "")
}
