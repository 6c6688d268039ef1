package e2e

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"path"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rcshook/rcshook/internal/googletest"
	"github.com/rcshook/rcshook/internal/googletest/tasks"
	"github.com/rcshook/rcshook/rbm/rbmtest"
)

// chaosQueue has the settings that deploy/terraform gives to the queue of messages.
var chaosQueue = tasks.Settings{Attempts: 20, MaxDuration: 7 * 24 * time.Hour, MinBackoff: 2 * time.Second, MaxBackoff: 300 * time.Second, Doublings: 7}

// fact is something that happened to a message.
type fact struct {
	began, ended time.Duration // since the start
	what         string        // such as "create", "delete", "add watch", "run watch", "sms" or "event delivered"
	done         bool          // the other side did it
	status       int           // of the response, as the client saw it; 0 without one
	by           string        // the host that asked
}

func (f fact) String() string {
	return fmt.Sprintf("%10.3fs to %10.3fs  %-16s done %-5t status %3d  %s", f.began.Seconds(), f.ended.Seconds(), f.what, f.done, f.status, f.by)
}

// ledger records what happened to each message. It stands between the function and
// everything else, and makes some requests fail.
type ledger struct {
	*world
	start time.Time

	// fate decides what happens to a request.
	fate func(what, id string) fate

	pause  time.Duration        // of settle
	delay  func() time.Duration // of late responses
	active atomic.Int64         // requests that are served

	mu    sync.Mutex
	facts map[string][]fact    // by message ID
	names map[string][2]string // of tasks: their job and message ID
	due   map[string]time.Time // of the watch
}

// fate is what happens to a request.
type fate int

const (
	served fate = iota
	refused
	throttled
	brokenBefore
	brokenAfter
	truncated
	hidden       // behind the error page of a proxy
	late         // the client may have given up
	killedBefore // with the instance that asked
	killedAfter
)

func newLedger(t *testing.T, fate func(what, id string) fate) *ledger {
	t.Helper()
	l := &ledger{fate: fate, pause: time.Minute, delay: func() time.Duration { return rand.N(20 * time.Second) }}
	l.reset()
	l.world = newWorld(t, chaosQueue, l.platform, l.queue, l.pushes, l.dispatches)
	l.net.host("sms").serve(t, worldSMS, l.target(func(string) string { return "sms" }))
	l.net.host("crm").serve(t, worldCRM, l.target(func(kind string) string { return "event " + kind }))
	for range 3 {
		l.world.start()
	}
	l.connect()
	return l
}

// reset forgets everything.
func (l *ledger) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.start, l.facts, l.names, l.due = time.Now(), map[string][]fact{}, map[string][2]string{}, map[string]time.Time{}
}

func (l *ledger) add(id, what, by string, began time.Time, done bool, status int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.facts[id] = append(l.facts[id], fact{began.Sub(l.start), time.Since(l.start), what, done, status, by})
}

// all returns the facts of one kind about a message.
func (l *ledger) all(id, what string) (found []fact) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, f := range l.facts[id] {
		if f.what == what {
			found = append(found, f)
		}
	}
	return found
}

// serve serves a request as its fate is, and records it.
func (l *ledger) serve(w http.ResponseWriter, r *http.Request, h http.Handler, what, id string) {
	l.active.Add(1)
	defer l.active.Add(-1)
	began, done, status := time.Now(), false, 0
	how := l.fate(what, id)
	defer func() { l.add(id, what, r.RemoteAddr, began, done, status) }()
	do := func() (response *bytes.Buffer, header http.Header) {
		full := perform(h, r)
		done, status = full.Code/100 == 2, full.Code
		return full.Body, full.Header()
	}
	lose := func() {
		status = 0
		panic(http.ErrAbortHandler)
	}
	refuse := func(code int) {
		status = code
		(&googletest.Error{Code: code, Message: "Try again."}).Write(w)
	}
	switch how {
	case refused:
		refuse(http.StatusServiceUnavailable)
		return
	case throttled:
		refuse(http.StatusTooManyRequests)
		return
	case hidden:
		do()
		status = http.StatusServiceUnavailable
		http.Error(w, "<html><title>Error</title>", status)
		return
	case brokenBefore:
		lose()
	case killedBefore:
		l.kill(r.RemoteAddr, rand.N(3*time.Second))
		lose()
	case brokenAfter:
		do()
		lose()
	case killedAfter:
		do()
		l.kill(r.RemoteAddr, rand.N(3*time.Second))
		lose()
	case late:
		time.Sleep(l.delay())
	}
	body, header := do()
	if r.Context().Err() != nil {
		lose()
	}
	for name, values := range header {
		w.Header()[name] = values
	}
	if how == truncated {
		status = 0
		w.Header().Set("Content-Length", fmt.Sprint(body.Len()))
		_, _ = w.Write(body.Bytes()[:body.Len()/2])
		panic(http.ErrAbortHandler)
	}
	w.WriteHeader(status)
	_, _ = w.Write(body.Bytes())
}

// readBody reads the body of a request, which can be read again.
func readBody(r *http.Request) []byte {
	googletest.Decompress(r)
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	return body
}

// platform records requests to send and to revoke a message.
func (l *ledger) platform(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasSuffix(r.URL.Path, "/agentMessages"):
			readBody(r)
			l.serve(w, r, h, "create", r.URL.Query().Get("messageId"))
		case r.Method == http.MethodDelete:
			l.serve(w, r, h, "delete", path.Base(r.URL.Path))
		default:
			h.ServeHTTP(w, r)
		}
	})
}

// queue records requests to add and to remove a task.
func (l *ledger) queue(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodDelete {
			l.mu.Lock()
			name := l.names[path.Base(r.URL.Path)]
			l.mu.Unlock()
			l.serve(w, r, h, "remove "+name[0], name[1])
			return
		}
		var request struct {
			Task struct {
				Name         string
				ScheduleTime time.Time
				HTTPRequest  struct {
					URL  string
					Body []byte
				}
			}
		}
		var about struct {
			ID    string `json:"message_id"`
			Event struct {
				ID string `json:"message_id"`
			}
		}
		if err := errors.Join(json.Unmarshal(readBody(r), &request), json.Unmarshal(request.Task.HTTPRequest.Body, &about)); err != nil {
			l.t.Errorf("%s %s: %v", r.Method, r.URL.Path, err)
		}
		id := cmp.Or(about.ID, about.Event.ID)
		job := strings.Split(request.Task.HTTPRequest.URL, "/")[4]
		l.mu.Lock()
		l.names[path.Base(request.Task.Name)] = [2]string{job, id}
		if job == "watch" && l.due[id].IsZero() {
			l.due[id] = request.Task.ScheduleTime
		}
		l.mu.Unlock()
		l.serve(w, r, h, "add "+job, id)
	})
}

// target is a target, which keeps what it gets. Its failures may come after that.
func (l *ledger) target(what func(kind string) string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var event struct {
			Type string
			ID   string `json:"message_id"`
		}
		body := readBody(r)
		if err := errors.Join(json.Unmarshal(body, &event), verifyStandard(r.Header, body)); err != nil {
			l.t.Error(err)
		}
		l.serve(w, r, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}), what(event.Type), event.ID)
	})
}

// roundTripper is a function that makes requests.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

var errLost = errors.New("the connection broke")

// pass makes a request, unless its fate is another one.
func (l *ledger) pass(base http.RoundTripper, r *http.Request, what, id string) (*http.Response, error) {
	began, how := time.Now(), l.fate(what, id)
	if how == brokenBefore {
		l.add(id, what, "", began, false, 0)
		return nil, errLost
	}
	res, err := base.RoundTrip(r)
	status := 0
	if err == nil && how == brokenAfter {
		res.Body.Close()
		l.add(id, what, "", began, res.StatusCode/100 == 2, 0)
		return nil, errLost
	}
	if err == nil {
		status = res.StatusCode
	}
	l.add(id, what, "", began, status/100 == 2, status)
	return res, err
}

// pushes loses some events of the platform, and records the others.
func (l *ledger) pushes(base http.RoundTripper) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		var envelope struct{ Message struct{ Data []byte } }
		var event struct{ EventType, MessageID string }
		if err := json.Unmarshal(readBody(r), &envelope); err != nil || json.Unmarshal(envelope.Message.Data, &event) != nil || event.EventType == "" {
			return base.RoundTrip(r) // the handshake
		}
		what := "push " + event.EventType
		if l.fate("lose "+what, event.MessageID) != served {
			l.add(event.MessageID, "lose "+what, "", time.Now(), true, 0)
			return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Request: r}, nil
		}
		return l.pass(base, r, what, event.MessageID)
	})
}

// dispatches records the attempts of tasks.
func (l *ledger) dispatches(base http.RoundTripper) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		l.mu.Lock()
		name := l.names[path.Base(r.URL.Path)]
		l.mu.Unlock()
		return l.pass(base, r, "run "+name[0], name[1])
	})
}

// send posts a payload until the function accepts it, and returns the message ID.
func (l *ledger) send(body string) string {
	var response struct {
		ID string `json:"message_id"`
	}
	for range 1000 {
		req, err := http.NewRequestWithContext(l.t.Context(), http.MethodPost, "http://"+worldFunction, strings.NewReader(body))
		if err != nil {
			l.t.Error(err)
			return ""
		}
		req.Header = http.Header{"Content-Type": {"application/json"}, "Authorization": {"Bearer dev"}}
		res, err := l.caller.Do(req)
		if err == nil {
			text, readErr := io.ReadAll(res.Body)
			res.Body.Close()
			err = errors.Join(readErr, json.Unmarshal(text, &response))
			switch {
			case err == nil && res.StatusCode == http.StatusOK:
				return response.ID
			case err == nil && res.StatusCode < 500 && res.StatusCode != http.StatusTooManyRequests:
				l.t.Errorf("%s: %d: %s", body, res.StatusCode, text)
				return ""
			}
		}
		time.Sleep(time.Second)
	}
	l.t.Errorf("not accepted: %s", body)
	return ""
}

// settle waits until the queue is empty, the platform has pushed everything, and all late
// responses are over.
func (l *ledger) settle() {
	for range 24 * 60 {
		if len(l.tasks.Waiting()) == 0 && l.sim.Waiting() == 0 && l.active.Load() == 0 {
			return
		}
		time.Sleep(l.pause)
	}
	for _, task := range l.tasks.Tasks() {
		l.t.Errorf("a task is left: %s %v", task.Path, task.Statuses)
	}
}

// arrived returns when a message was delivered by RCS; zero if it was not.
func (l *ledger) arrived() map[string]time.Time {
	all := map[string]time.Time{}
	for _, m := range l.sim.Messages() {
		all[m.MessageID] = m.Detail.Delivered
	}
	return all
}

// report prints everything about a message.
func (l *ledger) report(id, format string, args ...any) {
	l.mu.Lock()
	facts := slices.Clone(l.facts[id])
	l.mu.Unlock()
	slices.SortStableFunc(facts, func(a, b fact) int { return cmp.Compare(a.ended, b.ended) })
	var text strings.Builder
	for _, f := range facts {
		fmt.Fprintf(&text, "%s\n", f)
	}
	l.t.Errorf(id+": "+format+"\n%s%s", append(args, &text, l.logOf(id))...)
}

// TestFallback_outage sends one-time passwords through three instances while the platform
// responds to everything with 503 for ten minutes. It refuses the messages, or it accepts
// them and its responses get lost.
func TestFallback_outage(t *testing.T) {
	t.Parallel()
	const many, few, outage = 100, 5, 10 * time.Minute
	for _, test := range []struct {
		name    string
		create  fate
		delete  fate
		lost    bool          // the events
		offline bool          // the phones
		online  time.Duration // when offline phones are online

		sms, rcs, both int
	}{
		{name: "refused", create: refused, delete: refused, sms: many},
		{name: "throttled", create: throttled, delete: throttled, sms: few},
		{name: "connections break", create: brokenBefore, delete: brokenBefore, sms: few},
		{name: "accepted, and the event arrives", create: hidden, delete: hidden, rcs: few},
		{name: "accepted for offline phones", create: hidden, delete: served, offline: true, online: outage, sms: few},
		{name: "accepted for offline phones, connections break", create: brokenAfter, delete: served, offline: true, online: outage, sms: few},
		{name: "accepted for phones that are online before", create: truncated, delete: refused, offline: true, online: 30 * time.Second, rcs: few},
		// The platform does not revoke the message, which expires.
		{name: "never revoked", create: hidden, delete: refused, offline: true, online: outage, sms: few},
		// A 404 to a revocation also means that the platform does not have the message.
		{name: "accepted, and all events get lost", create: brokenAfter, delete: refused, lost: true, sms: few, rcs: few, both: few},
		{name: "not revoked before a phone is online", create: hidden, delete: refused, offline: true, online: 3 * time.Minute, sms: few, rcs: few, both: few},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				l := newLedger(t, func(what, _ string) fate {
					switch {
					case time.Since(start) >= outage:
						return served
					case what == "create":
						return test.create
					case what == "delete":
						return test.delete
					case what == "lose push DELIVERED" && test.lost:
						return refused
					}
					return served
				})
				l.sim.Delay = 100 * time.Millisecond // a receipt before the watch exists deletes nothing
				var ids []string
				for i := range max(test.sms, test.rcs) {
					phone := fmt.Sprintf("+1202556%04d", i)
					if test.offline {
						l.sim.SetOnline(phone, false)
						time.AfterFunc(test.online-time.Since(start), func() { l.sim.SetOnline(phone, true) })
					}
					ids = append(ids, l.send(fmt.Sprintf(`{"to": %q, "text": "Your code is %04d", "traffic": "otp", "ttl": "6m", "fallback_after": "60s", "idempotency_key": "code"}`, phone, i)))
					time.Sleep(10 * time.Millisecond)
				}
				time.Sleep(outage)
				l.settle()
				arrived := l.arrived()
				sms, rcs, both := 0, 0, 0
				for _, id := range ids {
					n, delivered := len(l.all(id, "sms")), !arrived[id].IsZero()
					if n > 1 {
						l.report(id, "%d SMS, want at most 1", n)
					}
					if n > 0 && len(l.all(id, "event fallback")) == 0 || delivered && !test.lost && len(l.all(id, "event delivered")) == 0 {
						l.report(id, "an event is missing")
					}
					if n == 1 {
						sms++
						if at := l.all(id, "sms")[0].began; at > 80*time.Second {
							l.report(id, "the SMS went after %v, want a little more than a minute", at)
						}
					}
					if delivered {
						rcs++
					}
					if n == 1 && delivered {
						both++
					}
				}
				if sms != test.sms || rcs != test.rcs || both != test.both {
					odd := ids[0]
					for _, id := range ids {
						if n := len(l.all(id, "sms")); (n > 0) != (test.sms > 0) || arrived[id].IsZero() != (test.rcs == 0) {
							odd = id
						}
					}
					l.report(odd, "%d by SMS, %d by RCS, %d by both; want %d, %d, %d", sms, rcs, both, test.sms, test.rcs, test.both)
				}
			})
		})
	}
}

// TestFallback_event tests that the event of a fallback is repeated until the queue has it,
// by any instance, and the SMS is not.
func TestFallback_event(t *testing.T) {
	t.Parallel()
	for _, traffic := range []string{"otp", "promotion"} {
		t.Run(traffic, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				l := newLedger(t, func(what, _ string) fate {
					if what == "add event" && time.Since(start) < 5*time.Minute {
						return brokenBefore
					}
					return served
				})
				l.sim.SetOnline("+12025560001", false)
				id := l.send(fmt.Sprintf(`{"to": "+12025560001", "text": "Hello", "traffic": %q, "fallback_after": "60s", "idempotency_key": "1"}`, traffic))
				l.settle()
				if len(l.all(id, "sms")) != 1 || len(l.all(id, "event fallback")) != 1 || len(l.all(id, "event failed")) != 0 {
					l.report(id, "want one SMS and one event fallback")
				}
			})
		})
	}
}

// TestFallback_eventAndReceipt tests that a receipt that arrives after the SMS does not prevent
// the event of the fallback, which the queue does not have yet.
func TestFallback_eventAndReceipt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		l := newLedger(t, func(what, _ string) fate {
			if (what == "add event" || what == "delete") && time.Since(start) < 5*time.Minute {
				return brokenBefore
			}
			return served
		})
		for _, name := range []string{"instance-2", "instance-3"} { // others do not know that the SMS is sent
			l.kill(name, 24*time.Hour)
		}
		l.sim.SetOnline("+12025560001", false)
		time.AfterFunc(2*time.Minute, func() { l.sim.SetOnline("+12025560001", true) })
		id := l.send(`{"to": "+12025560001", "text": "Hello", "traffic": "otp", "fallback_after": "60s", "idempotency_key": "1"}`)
		l.settle()
		if len(l.all(id, "sms")) != 1 || len(l.all(id, "event delivered")) != 1 || len(l.all(id, "event fallback")) != 1 {
			l.report(id, "want one SMS and both events")
		}
	})
}

// TestFallback_inFlight tests that no request to send begins after the fallback is due, and
// that the last one ends well before the fallback revokes the message: a request that arrives
// after that is not revoked.
func TestFallback_inFlight(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLedger(t, func(what, _ string) fate {
			if what == "create" {
				time.Sleep(4 * time.Second)
				return refused
			}
			return served
		})
		id := l.send(`{"to": "+12025560001", "text": "Hello", "traffic": "otp", "fallback_after": "5s", "idempotency_key": "1"}`)
		l.settle()
		late := 0
		for _, f := range l.all(id, "create") {
			if f.ended > 5*time.Second {
				late++
			}
			if f.began >= 5*time.Second || f.ended > 10*time.Second {
				l.report(id, "a request lasted from %v to %v, and its fallback was due after 5s", f.began, f.ended)
			}
		}
		if late == 0 || len(l.all(id, "sms")) != 1 {
			l.report(id, "want one SMS, and a request in flight when it was due")
		}
	})
}

// TestFallback_refusedWhenDue tests a refusal that arrives while the watch runs: the task
// that sends the message deletes a watch that has added the fallback.
func TestFallback_refusedWhenDue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start, removals := time.Now(), 0
		l := newLedger(t, func(what, _ string) fate {
			switch {
			case what == "create":
				time.Sleep(6*time.Second - time.Since(start))
			case what == "remove watch":
				if removals++; removals == 1 { // by the watch
					time.Sleep(2 * time.Second)
				}
			}
			return served
		})
		l.sim.SetBehavior("+12025560001", rbmtest.Behavior{Refusal: rbmtest.Unreachable})
		id := l.send(`{"to": "+12025560001", "text": "Hello", "traffic": "otp", "fallback_after": "5s", "idempotency_key": "1"}`)
		l.settle()
		if len(l.all(id, "sms")) != 1 || len(l.all(id, "event fallback")) != 1 {
			l.report(id, "want one SMS and one event fallback")
		}
	})
}

// TestChaos_fallback sends messages to phones of which a third is online, a third comes
// online before or after the fallback is due, and a third never. Meanwhile, everything fails,
// and instances are killed. Every message must arrive by RCS or by SMS, and by both only if
// the records explain that:
//
//	go test -run TestChaos_fallback -chaos 10m -timeout 15m -v ./internal/e2e
func TestChaos_fallback(t *testing.T) {
	if testing.Short() && *chaosFor == 0 {
		t.Skip("takes a few seconds")
	}
	start, messages := time.Now(), 200
	if *chaosFor > 0 {
		messages = 1000
	}
	for {
		synctest.Test(t, func(t *testing.T) { fallbackRound(t, messages) })
		if t.Failed() || time.Since(start) >= *chaosFor {
			return
		}
	}
}

const (
	chaosSends = 4 * time.Minute // while messages are sent
	chaosFails = 9 * time.Minute // while requests fail
)

// chaosFate returns the fate of a request.
func chaosFate(since time.Duration, what string) fate {
	between := func(from, to time.Duration) bool { return from <= since && since < to }
	job, _, _ := strings.Cut(what, " ")
	choose := func(percent float64, all ...fate) fate {
		if rand.Float64()*100 >= percent {
			return served
		}
		return all[rand.N(len(all))]
	}
	platform, queue := job == "create" || job == "delete", job == "add" || job == "remove"
	switch {
	case since >= chaosFails:
		return served
	case platform && between(100*time.Second, 160*time.Second):
		return refused
	case platform && between(220*time.Second, 250*time.Second):
		return []fate{hidden, brokenAfter}[rand.N(2)]
	case queue && between(130*time.Second, 140*time.Second), queue && between(300*time.Second, 310*time.Second):
		return []fate{brokenBefore, brokenAfter}[rand.N(2)] // Cloud Tasks restarts
	case job == "run" && between(130*time.Second, 140*time.Second):
		return []fate{brokenBefore, brokenAfter}[rand.N(2)]
	case rand.N(600) == 0 && (platform || queue || job == "sms"):
		return []fate{killedBefore, killedAfter}[rand.N(2)]
	}
	switch {
	case platform:
		return choose(25, refused, throttled, brokenBefore, brokenAfter, truncated, hidden, late)
	case what == "add watch": // twice at once, so that the caller repeats the request
		return choose(30, refused, throttled, brokenBefore, brokenAfter)
	case queue:
		return choose(8, refused, throttled, brokenBefore, brokenAfter, truncated, hidden)
	case job == "lose":
		return choose(30, refused)
	case job == "sms":
		return choose(15, refused, throttled, brokenBefore, brokenAfter, late)
	case job == "event":
		return choose(10, refused, throttled, brokenBefore, brokenAfter, late)
	default:
		return choose(5, brokenBefore, brokenAfter)
	}
}

// chaosMessage is one message of [TestChaos_fallback].
type chaosMessage struct {
	id, phone string
	repeats   bool // rather twice than never
}

func fallbackRound(t *testing.T, messages int) {
	start := time.Now()
	l := newLedger(t, func(what, _ string) fate { return chaosFate(time.Since(start), what) })
	all := make([]chaosMessage, messages)
	var sending sync.WaitGroup
	for i := range all {
		begin := rand.N(chaosSends)
		sending.Go(func() {
			time.Sleep(begin)
			all[i] = l.sendMessage(i, "default", 30*time.Second+rand.N(time.Minute))
		})
	}
	sending.Wait()
	var totals counter
	l.compare(all, &totals)
	l.mu.Lock()
	facts := 0
	for _, of := range l.facts {
		facts += len(of)
	}
	l.mu.Unlock()
	t.Logf("%d messages, %d requests, %d instances, in %v of simulated time\n%s", messages, facts, l.started, time.Since(start).Round(time.Second), &totals)
}

// sendMessage sends the i-th message as an agent.
func (l *ledger) sendMessage(i int, agent string, after time.Duration) (m chaosMessage) {
	m.phone = fmt.Sprintf("+1202557%04d", i%10000)
	traffic := []string{"otp", "transaction", "promotion", ""}[rand.N(4)]
	m.repeats = traffic == "otp" || traffic == "transaction"
	switch {
	case i%50 == 49:
		l.sim.SetBehavior(m.phone, rbmtest.Behavior{Refusal: rbmtest.Unreachable})
	case i%3 == 1: // late
		l.sim.SetOnline(m.phone, false)
		time.AfterFunc(rand.N(3*after), func() { l.sim.SetOnline(m.phone, true) })
	case i%3 == 2: // never
		l.sim.SetOnline(m.phone, false)
	}
	body := fmt.Sprintf(`{"to": %q, "agent": %q, "text": "Your code is %04d", "fallback_after": %q, "idempotency_key": "code", "traffic": %q}`,
		m.phone, agent, i, after.Truncate(time.Second), traffic)
	m.id = l.send(strings.Replace(body, `, "traffic": ""`, "", 1))
	return m
}

// compare waits until everything is over, and compares the messages with the records.
func (l *ledger) compare(all []chaosMessage, totals *counter) {
	l.settle()
	for _, m := range all {
		l.sim.SetOnline(m.phone, true)
	}
	l.settle()
	arrived := l.arrived()
	for _, m := range all {
		totals.add(l.audit(m, arrived[m.id]), 1)
	}
}

// audit checks that the records explain what a message became, and returns that.
func (l *ledger) audit(m chaosMessage, delivered time.Time) (outcome string) {
	sms, failed := l.all(m.id, "sms"), l.all(m.id, "event failed")
	sms = slices.DeleteFunc(sms, func(f fact) bool { return !f.done })
	rcs := !delivered.IsZero()
	stored := func(what string) bool {
		return slices.ContainsFunc(l.all(m.id, what), func(f fact) bool { return f.done })
	}
	outcome = map[[2]bool]string{{true, true}: "both", {true, false}: "RCS", {false, true}: "SMS", {false, false}: "none"}[[2]bool{rcs, len(sms) > 0}]
	if len(failed) > 0 {
		outcome += ", failed"
	}

	// The events tell everything.
	lost := func(f fact) bool { return f.status/100 != 2 }
	unknown := func(f fact) bool { return f.status == 0 || f.status >= 500 }
	if rcs && !stored("lose push DELIVERED") && !stored("event delivered") {
		l.report(m.id, "no event delivered")
	}
	if len(sms) > 0 && !stored("event fallback") && !(len(failed) > 0 && !m.repeats) {
		l.report(m.id, "no event fallback")
	}
	if !rcs && len(sms) == 0 && (m.repeats || !stored("event failed")) {
		l.report(m.id, "no outcome")
	}
	if len(failed) > 0 && m.repeats {
		l.report(m.id, "it failed, although it may be repeated")
	}
	if len(failed) > 0 && !slices.ContainsFunc([]string{"delete", "sms", "remove send", "run watch", "run fallback"}, func(what string) bool {
		return slices.ContainsFunc(l.all(m.id, what), unknown)
	}) {
		l.report(m.id, "it failed without a reason")
	}

	// Another SMS follows only a request or an attempt whose result is unknown. On a busy
	// machine, a request can also time out.
	timeouts := strings.Count(l.logOf(m.id), "fallback: no response: timeout")
	slices.SortFunc(sms, func(a, b fact) int { return cmp.Compare(a.began, b.began) })
	for i := 1; i < len(sms); i++ {
		between := func(run fact) bool {
			return run.status == 0 && sms[i-1].began <= run.ended && run.began <= sms[i].began
		}
		switch {
		case !m.repeats:
			l.report(m.id, "%d SMS, although it must not be repeated", len(sms))
		case lost(sms[i-1]) || slices.ContainsFunc(l.all(m.id, "run fallback"), between):
		case timeouts > 0:
			timeouts--
		default:
			l.report(m.id, "%d SMS", len(sms))
		}
	}
	if len(sms) > 1 {
		outcome += fmt.Sprintf(", %d SMS", len(sms))
	}
	for _, run := range l.all(m.id, "run send") {
		if !l.start.Add(run.began).Before(l.due[m.id]) && slices.ContainsFunc(l.all(m.id, "create"), func(f fact) bool {
			return run.began <= f.began && f.began <= run.ended
		}) {
			l.report(m.id, "it was sent after its fallback was due")
		}
	}

	// A message may be on its way to the platform when its fallback is due.
	for _, f := range sms {
		if !slices.ContainsFunc(l.all(m.id, "run fallback"), func(run fact) bool {
			return slices.ContainsFunc(l.all(m.id, "delete"), func(d fact) bool { return run.began <= d.began && d.began <= f.began })
		}) {
			l.report(m.id, "an SMS without an attempt to revoke the message")
		}
	}
	if !rcs || len(sms) == 0 {
		return outcome
	}

	// Both: RBM could not tell, or an instance could not tell others.
	first := sms[0]
	lateRemoval := func(f fact) bool { // by the task that sends, minutes after the watch was due
		return unknown(f) && l.start.Add(f.began).After(l.due[m.id].Add(time.Minute))
	}
	before := func(all []fact, test func(fact) bool) bool {
		return slices.ContainsFunc(all, func(f fact) bool { return f.began <= first.began && test(f) })
	}
	switch {
	case before(l.all(m.id, "remove send"), func(f fact) bool { return f.done }) &&
		(before(l.all(m.id, "create"), func(f fact) bool { return f.done && lost(f) }) || before(l.all(m.id, "run send"), lost)):
		outcome += ", accepted with a lost response"
	case before(l.all(m.id, "remove send"), func(f fact) bool { return f.done }) &&
		before(l.all(m.id, "create"), func(f fact) bool { return f.done && !l.start.Add(f.ended).Before(l.due[m.id]) }):
		outcome += ", accepted when it was due"
	case before(l.all(m.id, "delete"), unknown):
		outcome += ", result of DELETE lost"
	case before(l.all(m.id, "remove send"), unknown), len(l.all(m.id, "remove send")) > len(l.all(m.id, "run watch")): // it was repeated
		outcome += ", result of a removal lost"
	case m.repeats && before(l.all(m.id, "remove watch"), lateRemoval):
		outcome += ", result of a late removal lost"
	case before(l.all(m.id, "run watch"), func(f fact) bool { return f.status == 0 }):
		outcome += ", watch interrupted"
	case m.repeats && before(l.all(m.id, "delete"), func(f fact) bool {
		return f.status == http.StatusTooManyRequests && first.began-f.began >= 10*time.Second
	}):
		outcome += ", DELETE throttled"
	default:
		l.report(m.id, "by RCS and by SMS")
	}

	// A receipt that the function has acknowledged prevents the SMS, unless the watch was not
	// there yet, or was about to add the fallback, or that was on its way.
	pushed := l.all(m.id, "push DELIVERED")
	if i := slices.IndexFunc(pushed, func(f fact) bool { return f.done }); i >= 0 {
		receipt := pushed[i]
		isBefore := func(f fact) bool { return f.done && f.ended < receipt.began }
		armed := slices.ContainsFunc(l.all(m.id, "add watch"), isBefore) && l.start.Add(receipt.ended).Before(l.due[m.id])
		watched := slices.ContainsFunc(l.all(m.id, "run watch"), isBefore)
		given := slices.ContainsFunc(l.all(m.id, "run fallback"), func(f fact) bool { return f.began <= receipt.ended })
		if (armed || watched && !given) && !(m.repeats && before(l.all(m.id, "remove watch"), lateRemoval)) {
			l.report(m.id, "an SMS although the function knew that the message was delivered")
		}
	}
	return outcome
}
