package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/rcshook/rcshook/internal/googletest/tasks"
	"github.com/rcshook/rcshook/rbm/rbmtest"
)

// perTraffic are the outcomes of a race for messages that may arrive twice, and for those
// that may not.
type perTraffic struct{ repeatable, single outcome }

func (p perTraffic) of(traffic string) outcome {
	if slices.Contains(repeatable, traffic) {
		return p.repeatable
	}
	return p.single
}

func same(o outcome) perTraffic { return perTraffic{o, o} }

// traffics returns one traffic type of each kind if the outcomes are the same, otherwise all.
func (p perTraffic) traffics() []string {
	if p.repeatable == p.single {
		return []string{repeatable[0], single[1]}
	}
	return traffics
}

// Causes of failures in the table below.
var (
	rbmDown   = rbmtest.Failure{Status: http.StatusServiceUnavailable}
	rbmBusy   = rbmtest.Failure{Status: http.StatusTooManyRequests}
	lostAfter = rbmtest.Failure{Method: "phones.agentMessages.delete", Break: rbmtest.BreakAfter, Count: 1}
)

const gaveUp = "failed fallback_unavailable"

// race is a row of the table of races. After play, the queue makes the rest of its attempts.
type race struct {
	name  string
	setup lateSetup
	play  func(l *lateStage, traffic string)
	want  perTraffic
}

func runRaces(t *testing.T, races []race) {
	t.Helper()
	for _, test := range races {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			each(t, test.want.traffics(), func(t *testing.T, traffic string) {
				l := newLate(t, test.setup)
				test.play(l, traffic)
				l.expect(test.want.of(traffic))
			})
		})
	}
}

// ofSource is a file with a fallback for the messages of a source only.
const ofSource = `agents:
  default: {id: [id], credentials: [key]}
sources:
  shop: {preset: bearer, secret: s3cret, fallback: {url: "[fallback]", secret: [secret]}}
events:
  crm: {url: "[in]/crm", secret: [secret]}
`

// TestLate_races tests what happens to a message when its steps happen in an unusual order,
// or a part of the platform fails.
func TestLate_races(t *testing.T) {
	t.Parallel()
	runRaces(t, []race{
		{
			"delivered before the watch exists",
			lateSetup{},
			func(l *lateStage, traffic string) {
				l.before("create watch", func() { l.run("send") })
				l.send(online, traffic)
			},
			same(outcome{"create 200, delete 404", 0, "delivered"}),
		},
		{
			"the receipt is lost",
			lateSetup{deaf: true},
			func(l *lateStage, traffic string) {
				l.send(online, traffic)
				l.run("send")
			},
			same(outcome{"create 200, delete 404", 0, ""}),
		},
		{
			"delivered between the revocation and the fallback",
			lateSetup{assume: rbmtest.Assumptions{RevokeRace: true}},
			func(l *lateStage, traffic string) {
				l.send(offline, traffic)
				l.run("send")
				l.wait(time.Minute)
				watched := make(chan struct{})
				l.on("POST /", func(w http.ResponseWriter, r *http.Request, next http.Handler) { <-watched; next.ServeHTTP(w, r) })
				l.after("POST /tasks/watch", func() { close(watched) })
				l.run("watch")
			},
			same(outcome{"create 200, delete 200", 0, "delivered"}),
		},
		{
			"delivered after the watch, and the fallback waits",
			lateSetup{},
			func(l *lateStage, traffic string) {
				l.send(offline, traffic)
				l.run("send")
				l.wait(time.Minute)
				l.on("rbm delete", func(w http.ResponseWriter, _ *http.Request, _ http.Handler) { fmt.Fprint(w, "{}") })
				l.run("watch")
				l.pass(9 * time.Second)
				l.sim.SetOnline(offline, true)
				l.flush()
				l.expectCalls("create send", "create watch", "delete send", "create fallback", "delete watch", "delete watch", "delete fallback")
			},
			same(outcome{"create 200", 0, "delivered"}),
		},
		{
			"delivered while the watch revokes it",
			lateSetup{},
			func(l *lateStage, traffic string) {
				l.send(offline, traffic)
				l.run("send")
				l.wait(time.Minute)
				l.before("rbm delete", func() { l.sim.SetOnline(offline, true); l.flush() })
				l.run("watch")
			},
			same(outcome{"create 200, delete 404", 0, "delivered"}),
		},
		{
			"delivered and revoked, and the receipt overtakes the watch",
			lateSetup{},
			func(l *lateStage, traffic string) {
				l.send(offline, traffic)
				l.run("send")
				l.wait(time.Minute)
				l.on("rbm delete", func(w http.ResponseWriter, r *http.Request, next http.Handler) {
					l.sim.SetOnline(offline, true)
					l.flush()
					next.ServeHTTP(httptest.NewRecorder(), r)
					fmt.Fprint(w, "{}")
				})
				l.run("watch")
			},
			perTraffic{
				outcome{"create 200, delete 404", 1, "delivered, fallback timeout"},
				outcome{"create 200, delete 404", 0, "delivered, " + gaveUp},
			},
		},
		{
			// RBM repeats the receipt after an error.
			"delivered, and the watch cannot be deleted",
			lateSetup{},
			func(l *lateStage, traffic string) {
				l.send(online, traffic)
				l.replaceN("delete watch", http.StatusServiceUnavailable, 2)
				l.run("send")
				l.copyOf("watch")
				l.pass(50 * time.Second)
				if n := len(l.waiting("watch")); n != 0 {
					l.t.Errorf("%d watches after the second receipt, want none", n)
				}
			},
			same(outcome{"create 200", 0, "delivered"}),
		},
		{
			"delivered, and the response to the deletion of the watch is lost",
			lateSetup{},
			func(l *lateStage, traffic string) {
				l.send(offline, traffic)
				l.run("send")
				l.wait(time.Minute)
				l.on("rbm delete", func(w http.ResponseWriter, _ *http.Request, _ http.Handler) { fmt.Fprint(w, "{}") })
				l.run("watch")
				l.lose("delete watch")
				l.sim.SetOnline(offline, true)
				l.flush()
			},
			same(outcome{"create 200", 0, "delivered"}),
		},
		{
			"the response to the deletion of the task that sends is lost",
			lateSetup{},
			func(l *lateStage, traffic string) {
				l.send(online, traffic)
				l.wait(time.Minute)
				l.lose("delete send")
				l.expectRun("watch", http.StatusOK)
			},
			perTraffic{
				outcome{"delete 404", 1, "fallback timeout"},
				outcome{"delete 404", 0, gaveUp},
			},
		},
		{
			"the task that sends cannot be deleted, although it was",
			lateSetup{},
			func(l *lateStage, traffic string) {
				l.send(online, traffic)
				l.wait(time.Minute)
				l.tasks.Fail(tasks.Failure{Method: "delete", Status: "UNAVAILABLE", After: true, Count: 1})
				l.tasks.Fail(tasks.Failure{Method: "delete", Status: "UNAVAILABLE", Count: 1})
				l.expectRun("watch", http.StatusInternalServerError)
			},
			perTraffic{
				outcome{"delete 404", 1, "fallback timeout"},
				outcome{"delete 404", 0, gaveUp},
			},
		},
		{
			"the task that sends cannot be deleted",
			lateSetup{},
			func(l *lateStage, traffic string) {
				l.send(online, traffic)
				l.wait(time.Minute)
				l.tasks.Fail(tasks.Failure{Method: "delete", Status: "RESOURCE_EXHAUSTED", Count: 1})
				l.expectRun("watch", http.StatusConflict)
			},
			same(outcome{"delete 404", 1, "fallback timeout"}),
		},
		{
			"delivered, and only the source has a fallback",
			lateSetup{file: ofSource},
			func(l *lateStage, traffic string) {
				l.expectCode(l.hook("shop", message(online, traffic)), http.StatusOK, "queued")
				l.run("send")
				if n := len(l.waiting("watch")); n != 0 {
					l.t.Errorf("%d watches, want none", n)
				}
			},
			same(outcome{"create 200", 0, "delivered"}),
		},
		{
			"offline, and only the source has a fallback",
			lateSetup{file: ofSource},
			func(l *lateStage, traffic string) {
				l.expectCode(l.hook("shop", message(offline, traffic)), http.StatusOK, "queued")
			},
			same(outcome{"create 200, delete 200, delete 404", 1, "fallback timeout"}),
		},
		{
			"delivered after the SMS",
			lateSetup{},
			func(l *lateStage, traffic string) {
				l.send(offline, traffic)
				l.run("send")
				l.wait(time.Minute)
				l.on("rbm delete", func(w http.ResponseWriter, _ *http.Request, _ http.Handler) { fmt.Fprint(w, "{}") })
				l.run("watch")
				l.wait(10 * time.Second)
				l.on("rbm delete", func(w http.ResponseWriter, _ *http.Request, _ http.Handler) { fmt.Fprint(w, "{}") })
				l.run("fallback")
				l.pass(time.Second)
				l.sim.SetOnline(offline, true)
			},
			same(outcome{"create 200", 1, "fallback timeout, delivered"}),
		},
		{
			"RBM revokes everything, and no receipt comes",
			lateSetup{deaf: true, assume: rbmtest.Assumptions{RevokeAlwaysOK: true}},
			func(l *lateStage, traffic string) {
				l.send(online, traffic)
			},
			same(outcome{"create 200, delete 200", 1, "fallback timeout"}),
		},
		{
			"RBM revokes everything, and a receipt comes",
			lateSetup{assume: rbmtest.Assumptions{RevokeAlwaysOK: true}},
			func(l *lateStage, traffic string) {
				l.send(online, traffic)
			},
			same(outcome{"create 200", 0, "delivered"}),
		},
		{
			"RBM revokes messages that it does not have",
			lateSetup{assume: rbmtest.Assumptions{RevokeUnknownOK: true}},
			func(l *lateStage, traffic string) {
				l.send(offline, traffic)
			},
			same(outcome{"create 200, delete 200", 1, "fallback timeout"}),
		},
		{
			"the response to the revocation is lost",
			lateSetup{},
			func(l *lateStage, traffic string) {
				l.send(offline, traffic)
				l.run("send")
				l.sim.Fail(lostAfter)
			},
			perTraffic{
				outcome{"create 200, delete 0, delete 404", 1, "fallback timeout"},
				outcome{"create 200, delete 0, delete 404", 0, gaveUp},
			},
		},
		{
			"the response to the revocation is lost, and that of RBM's next one is 429",
			lateSetup{},
			func(l *lateStage, traffic string) {
				l.send(offline, traffic)
				l.run("send")
				l.wait(time.Minute)
				l.sim.Fail(lostAfter)
				l.sim.Fail(rbmBusy)
				l.expectRun("watch", http.StatusInternalServerError)
				l.sim.ClearFailures()
			},
			perTraffic{
				outcome{"create 200, delete 0, delete 429, delete 404", 1, "fallback timeout"},
				outcome{"create 200, delete 0, delete 429, delete 404", 0, gaveUp},
			},
		},
		{
			"RBM throttles revocations, and the message is delivered",
			lateSetup{deaf: true},
			func(l *lateStage, traffic string) {
				l.send(online, traffic)
				l.run("send")
				l.wait(time.Minute)
				l.sim.Fail(rbmBusy)
				l.expectRun("watch", http.StatusConflict)
				l.expectRun("watch", http.StatusConflict)
				l.sim.ClearFailures()
			},
			same(outcome{"create 200, delete 429, delete 404", 0, ""}),
		},
		{
			"RBM throttles revocations, and the phone is offline",
			lateSetup{},
			func(l *lateStage, traffic string) {
				l.send(offline, traffic)
				l.run("send")
				l.wait(time.Minute)
				l.sim.Fail(rbmBusy)
				l.expectRun("watch", http.StatusConflict)
				l.sim.ClearFailures()
			},
			same(outcome{"create 200, delete 429, delete 200, delete 404", 1, "fallback timeout"}),
		},
		{
			"Cloud Run has no instance for the watch, and the message is delivered",
			lateSetup{deaf: true},
			func(l *lateStage, traffic string) {
				l.send(online, traffic)
				l.run("send")
				l.wait(time.Minute)
				l.replace("POST /tasks/watch", http.StatusTooManyRequests)
				l.expectRun("watch", http.StatusTooManyRequests)
			},
			same(outcome{"create 200, delete 404", 0, ""}),
		},
		{
			"Cloud Run does not let the watch in, and the message is delivered",
			lateSetup{deaf: true},
			func(l *lateStage, traffic string) {
				l.send(online, traffic)
				l.run("send")
				l.wait(time.Minute)
				l.replace("POST /tasks/watch", http.StatusForbidden)
				l.expectRun("watch", http.StatusForbidden)
			},
			same(outcome{"create 200, delete 404", 0, ""}),
		},
		{
			"Google's keys cannot be fetched for the watch, and the message is delivered",
			lateSetup{deaf: true},
			func(l *lateStage, traffic string) {
				l.send(online, traffic)
				l.run("send")
				l.wait(time.Minute)
				l.withoutKeys("watch", http.StatusConflict)
			},
			same(outcome{"create 200, delete 404", 0, ""}),
		},
		{
			"RBM cannot be reached for the revocation, and the message is delivered",
			lateSetup{deaf: true},
			func(l *lateStage, traffic string) {
				l.send(online, traffic)
				l.run("send")
				l.wait(time.Minute)
				l.refuse()
				l.expectRun("watch", http.StatusConflict)
				l.accept()
			},
			same(outcome{"create 200, delete 404", 0, ""}),
		},
		{
			"RBM is down for ten minutes",
			lateSetup{},
			func(l *lateStage, traffic string) {
				l.sim.Fail(rbmDown)
				l.send(online, traffic)
				l.pass(10 * time.Minute)
				l.sim.ClearFailures()
			},
			perTraffic{
				outcome{"create 503, delete 503", 1, "fallback timeout"},
				outcome{"create 503, delete 503, delete 404", 1, "fallback timeout"},
			},
		},
		{
			"RBM throttles for ten minutes",
			lateSetup{},
			func(l *lateStage, traffic string) {
				l.sim.Fail(rbmBusy)
				l.send(online, traffic)
				l.pass(10 * time.Minute)
				l.sim.ClearFailures()
			},
			perTraffic{
				outcome{"create 429, delete 429", 1, "fallback timeout"},
				outcome{"create 429, delete 429, delete 404", 1, "fallback timeout"},
			},
		},
		{
			"RBM is down from the time of the fallback, and the phone offline",
			lateSetup{},
			func(l *lateStage, traffic string) {
				l.send(offline, traffic)
				l.pass(59 * time.Second)
				l.sim.Fail(rbmDown)
				l.pass(29 * time.Second)
				if sms := l.outcome().sms; sms != 0 {
					l.t.Errorf("%d SMS before 30 s without a response of RBM", sms)
				}
				l.pass(5 * time.Minute)
				l.sim.ClearFailures()
			},
			perTraffic{
				outcome{"create 200, delete 503", 1, "fallback timeout"},
				outcome{"create 200, delete 503, delete 200, delete 404", 1, "fallback timeout"},
			},
		},
		{
			"RBM is down from the time of the fallback, and the message is delivered",
			lateSetup{deaf: true},
			func(l *lateStage, traffic string) {
				l.send(online, traffic)
				l.pass(59 * time.Second)
				l.sim.Fail(rbmDown)
				l.pass(5 * time.Minute)
				l.sim.ClearFailures()
			},
			perTraffic{
				outcome{"create 200, delete 503", 1, "fallback timeout"}, // RBM may deliver it as well
				outcome{"create 200, delete 503, delete 404", 0, gaveUp},
			},
		},
		{
			"the queue is late by half an hour, and sends first",
			lateSetup{},
			func(l *lateStage, traffic string) {
				l.send(online, traffic)
				l.wait(31 * time.Minute)
				l.expectRun("send", http.StatusOK)
				if n := len(l.waiting("watch")); n != 0 {
					l.t.Errorf("%d watches, want none", n)
				}
			},
			same(outcome{"delete 404", 1, "fallback timeout"}),
		},
		{
			"the queue is late, sends first, and the result of the removal of the watch is lost",
			lateSetup{},
			func(l *lateStage, traffic string) {
				l.send(online, traffic)
				l.wait(31 * time.Minute)
				l.lose("delete watch")
				l.expectRun("send", http.StatusOK)
			},
			perTraffic{outcome{"delete 404", 1, "fallback timeout"}, outcome{"", 0, gaveUp}},
		},
		{
			"the queue is late, sends first, and both results of the removal are lost",
			lateSetup{},
			func(l *lateStage, traffic string) {
				l.send(online, traffic)
				l.wait(31 * time.Minute)
				l.on("delete watch", func(_ http.ResponseWriter, r *http.Request, next http.Handler) {
					l.replace("delete watch", http.StatusServiceUnavailable)
					next.ServeHTTP(httptest.NewRecorder(), r)
					panic(http.ErrAbortHandler)
				})
				l.expectRun("send", http.StatusOK)
			},
			perTraffic{outcome{"delete 404", 1, "fallback timeout"}, outcome{"", 0, gaveUp}},
		},
		{
			"the queue is late by 13 hours, and sends first",
			lateSetup{},
			func(l *lateStage, traffic string) {
				l.send(online, traffic)
				l.wait(13 * time.Hour)
				l.expectRun("send", http.StatusOK)
			},
			same(outcome{"", 0, "failed expired"}),
		},
		{
			"the queue is late by half an hour, and watches first",
			lateSetup{},
			func(l *lateStage, traffic string) {
				l.send(online, traffic)
				l.wait(31 * time.Minute)
				l.expectRun("watch", http.StatusOK)
				if n := len(l.waiting("send")); n != 0 {
					l.t.Errorf("%d tasks that send, want none", n)
				}
			},
			same(outcome{"delete 404", 1, "fallback timeout"}),
		},
		{
			"an attempt to send at the time of the fallback, before the watch",
			lateSetup{},
			func(l *lateStage, traffic string) {
				l.send(online, traffic)
				l.wait(time.Minute)
				l.expectRun("send", http.StatusInternalServerError)
				l.wait(5*time.Minute - time.Second)
				l.expectRun("send", http.StatusInternalServerError)
				l.expectRun("watch", http.StatusOK)
			},
			same(outcome{"delete 404", 1, "fallback timeout"}),
		},
		{
			"the watch was never created",
			lateSetup{},
			func(l *lateStage, traffic string) {
				l.replaceN("create watch", http.StatusServiceUnavailable, 2)
				got := l.do(http.MethodPost, "/", message(online, traffic), nil)
				if got.Code != "fallback_not_armed" {
					l.t.Errorf("code %s", got.Code)
				}
				l.wait(time.Minute)
				l.expectRun("send", http.StatusInternalServerError)
			},
			same(outcome{"delete 404", 1, "fallback timeout"}),
		},
		{
			// RBM had the message and delivered it, so the receipt deleted the watch.
			"sent by an attempt without a response, delivered, and the queue is late",
			lateSetup{},
			func(l *lateStage, traffic string) {
				l.send(online, traffic)
				l.lose("POST /tasks/send")
				l.run("send")
				l.wait(7 * time.Minute)
				l.expectRun("send", http.StatusOK)
			},
			same(outcome{"create 200", 0, "delivered"}),
		},
		{
			// RBM does not tell a delivered message from one that it never had.
			"sent by an attempt without a response, delivered, and the receipt is lost",
			lateSetup{deaf: true},
			func(l *lateStage, traffic string) {
				l.send(online, traffic)
				l.lose("POST /tasks/send")
				l.run("send")
				l.wait(time.Minute)
				l.run("watch")
			},
			same(outcome{"create 200, delete 404", 1, "fallback timeout"}),
		},
		{
			"a send in flight while the watch runs arrives after it",
			lateSetup{},
			func(l *lateStage, traffic string) {
				l.send(offline, traffic)
				l.wait(59 * time.Second)
				l.before("rbm create", func() {
					l.wait(time.Second)
					l.run("watch")
				})
				l.run("send")
			},
			same(outcome{"create 200, delete 200", 1, "fallback timeout"}),
		},
		{
			"a send in flight while the watch runs is delivered",
			lateSetup{},
			func(l *lateStage, traffic string) {
				l.send(online, traffic)
				l.wait(59 * time.Second)
				l.before("rbm create", func() {
					l.wait(time.Second)
					l.run("watch")
				})
				l.run("send")
			},
			same(outcome{"create 200", 0, "delivered"}),
		},
		{
			"two instances run the watch",
			lateSetup{instances: 2},
			func(l *lateStage, traffic string) {
				l.send(offline, traffic)
				l.run("send")
				l.wait(time.Minute)
				watch := l.copyOf("watch")
				l.before("create fallback", func() { l.dispatch(watch, http.StatusOK) })
				l.run("watch")
				l.dispatch(watch, http.StatusOK)
			},
			same(outcome{"create 200, delete 200, delete 404", 1, "fallback timeout"}),
		},
		{
			// The second attempt gets a 404, so it takes the message for a delivered one.
			"two instances run the watch, and the second one ends it",
			lateSetup{instances: 2},
			func(l *lateStage, traffic string) {
				l.send(offline, traffic)
				l.run("send")
				l.wait(time.Minute)
				watch := l.copyOf("watch")
				l.before("create fallback", func() { l.expectRun("watch", http.StatusOK) })
				l.dispatch(watch, http.StatusOK)
			},
			perTraffic{
				outcome{"create 200, delete 200, delete 404", 1, "fallback timeout"},
				outcome{"create 200, delete 200, delete 404", 0, gaveUp},
			},
		},
		{
			"two instances revoke at once",
			lateSetup{instances: 2},
			func(l *lateStage, traffic string) {
				l.send(offline, traffic)
				l.run("send")
				l.wait(time.Minute)
				watch := l.copyOf("watch")
				var both sync.WaitGroup
				both.Go(func() { l.dispatch(watch, http.StatusOK) })
				both.Go(func() { l.dispatch(watch, http.StatusOK) })
				both.Wait()
			},
			same(outcome{"create 200, delete 200, delete 404", 1, "fallback timeout"}),
		},
		{
			"expired before the watch ran",
			lateSetup{deaf: true},
			func(l *lateStage, traffic string) {
				l.send(online, traffic, `"ttl": "90s"`)
				l.run("send")
				l.wait(2 * time.Minute)
			},
			perTraffic{
				outcome{"create 200, delete 404", 1, "fallback timeout"},
				outcome{"create 200, delete 404", 0, gaveUp},
			},
		},
		{
			"expired at RBM, which reports it",
			lateSetup{},
			func(l *lateStage, traffic string) {
				l.send(offline, traffic, `"ttl": "90s"`)
				l.run("send")
				l.wait(2 * time.Minute)
			},
			perTraffic{
				outcome{"create 200, delete 404", 1, "expired expired, fallback timeout"},
				outcome{"create 200, delete 404", 0, "expired expired, " + gaveUp},
			},
		},
		{
			"expired at RBM, which reports nothing",
			lateSetup{assume: rbmtest.Assumptions{Expiry: rbmtest.ExpiryNeither}},
			func(l *lateStage, traffic string) {
				l.send(offline, traffic, `"ttl": "90s"`)
				l.run("send")
				l.wait(2 * time.Minute)
			},
			perTraffic{
				outcome{"create 200, delete 404", 1, "fallback timeout"},
				outcome{"create 200, delete 404", 0, gaveUp},
			},
		},
		{
			"expired and delivered",
			lateSetup{assume: rbmtest.Assumptions{Expiry: rbmtest.ExpiryBoth}},
			func(l *lateStage, traffic string) {
				l.send(offline, traffic, `"ttl": "90s"`)
				l.run("send")
				l.wait(2 * time.Minute)
			},
			same(outcome{"create 200", 0, "expired expired, delivered"}),
		},
		{
			"RBM conflicts with a repeated ID",
			lateSetup{assume: rbmtest.Assumptions{DuplicateConflict: true}},
			func(l *lateStage, traffic string) {
				l.send(offline, traffic)
				l.lose("POST /tasks/send")
				l.run("send")
			},
			same(outcome{"create 200, create 409, delete 200, delete 404", 1, "fallback timeout"}),
		},
	})
}
