package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rcshook/rcshook/internal/googletest/tasks"
	"github.com/rcshook/rcshook/rbm/rbmtest"
)

var queueDown = tasks.Failure{Status: "UNAVAILABLE", Count: 2} // one call, which has two attempts

// plain returns a payload whose fallback has no time.
func plain(to, traffic string) string {
	return strings.Replace(message(to, traffic), `"fallback_after": "60s", `, "", 1)
}

// hook posts a payload to a source.
func (l *lateStage) hook(source, body string) lateReply {
	l.t.Helper()
	return l.do(http.MethodPost, "/hooks/"+source, body, http.Header{"Authorization": {"Bearer s3cret"}})
}

func (l *lateStage) expectCode(got lateReply, status int, code string) {
	l.t.Helper()
	if got.Status != status || got.Code != code {
		l.t.Errorf("response %d %s, want %d %s", got.Status, got.Code, status, code)
	}
}

// expectQueue compares the queue of the only task for a job.
func (l *lateStage) expectQueue(job, queue string) {
	l.t.Helper()
	if got := l.copyOf(job); !strings.HasPrefix(got.Name, queue+"/") {
		l.t.Errorf("the task for the job %s is %s, want it in %s", job, got.Name, queue)
	}
}

// A message that RCS cannot deliver goes to its fallback at once, through a queue where there
// is one.
func TestLate_refused(t *testing.T) {
	t.Parallel()
	refused := outcome{"create 404, delete 404", 1, "fallback recipient_unreachable"}
	runRaces(t, []race{
		{
			"with a time",
			lateSetup{},
			func(l *lateStage, traffic string) {
				l.send(unreachable, traffic)
				l.expectRun("send", http.StatusOK)
				l.expectCalls("create send", "create watch", "create fallback", "delete watch")
				if at := l.copyOf("fallback").ScheduleTime; !at.Equal(l.clock.now()) {
					l.t.Errorf("fallback at %v, want now", at)
				}
			},
			same(refused),
		},
		{
			"without a time",
			lateSetup{},
			func(l *lateStage, traffic string) {
				l.expectCode(l.do(http.MethodPost, "/", plain(unreachable, traffic), nil), http.StatusOK, "queued")
				l.expectRun("send", http.StatusOK)
				l.expectCalls("create send", "create fallback")
			},
			same(refused),
		},
		{
			"of a source without a queue",
			lateSetup{},
			func(l *lateStage, traffic string) {
				l.expectCode(l.hook("none", plain(unreachable, traffic)), http.StatusOK, "fallback")
				l.expectQueue("fallback", stageQueue)
			},
			same(refused),
		},
		{
			"of a source without a queue, with a time",
			lateSetup{},
			func(l *lateStage, traffic string) {
				l.expectCode(l.hook("none", message(unreachable, traffic)), http.StatusOK, "queued")
				l.expectQueue("send", stageQueue)
				l.expectQueue("watch", stageQueue)
			},
			same(refused),
		},
		{
			"of a source with a queue of its own",
			lateSetup{},
			func(l *lateStage, traffic string) {
				l.expectCode(l.hook("own", plain(unreachable, traffic)), http.StatusOK, "queued")
				l.expectQueue("send", ownQueue)
				l.run("send")
				l.expectQueue("fallback", stageQueue)
			},
			same(refused),
		},
		{
			"of a source with a queue of its own, with a time",
			lateSetup{},
			func(l *lateStage, traffic string) {
				l.expectCode(l.hook("own", message(unreachable, traffic)), http.StatusOK, "queued")
				l.expectQueue("send", stageQueue)
				l.expectQueue("watch", stageQueue)
			},
			same(refused),
		},
		{
			"of a source with the only queue",
			lateSetup{queueless: true},
			func(l *lateStage, traffic string) {
				l.expectCode(l.hook("own", plain(unreachable, traffic)), http.StatusOK, "queued")
				l.run("send")
				l.expectQueue("fallback", ownQueue)
			},
			same(refused),
		},
		{
			"without any queue",
			lateSetup{queueless: true},
			func(l *lateStage, traffic string) {
				l.expectCode(l.do(http.MethodPost, "/", plain(unreachable, traffic), nil), http.StatusOK, "fallback")
				l.expectCalls()
			},
			same(outcome{"create 404", 1, "fallback recipient_unreachable"}),
		},
		{
			"the watch cannot be deleted",
			lateSetup{},
			func(l *lateStage, traffic string) {
				l.send(unreachable, traffic)
				l.replaceN("delete watch", http.StatusServiceUnavailable, 2)
				l.expectRun("send", http.StatusOK)
				l.expectRun("fallback", http.StatusOK)
				l.copyOf("watch")
			},
			same(refused),
		},
		{
			"the fallback cannot be added",
			lateSetup{},
			func(l *lateStage, traffic string) {
				l.send(unreachable, traffic)
				l.tasks.Fail(queueDown)
				l.expectRun("send", http.StatusInternalServerError)
				l.copyOf("watch")
			},
			same(refused),
		},
		{
			"expired in the queue, without a time",
			lateSetup{},
			func(l *lateStage, traffic string) {
				body := strings.Replace(plain(online, traffic), `"text"`, `"ttl": "5m", "text"`, 1)
				l.expectCode(l.do(http.MethodPost, "/", body, nil), http.StatusOK, "queued")
				l.wait(6 * time.Minute)
				l.expectRun("send", http.StatusOK)
			},
			same(outcome{"delete 404", 1, "fallback expired"}),
		},
		{
			"expired in the queue, with a time",
			lateSetup{},
			func(l *lateStage, traffic string) {
				l.send(online, traffic, `"ttl": "75s"`)
				l.wait(6 * time.Minute)
				l.expectRun("send", http.StatusOK)
			},
			same(outcome{"delete 404", 1, "fallback timeout"}),
		},
	})
}

// A caller gets an error if one of the two tasks is missing, and the same key adds that task.
func TestLate_intake(t *testing.T) {
	t.Parallel()
	random := func(body string) string { return strings.Replace(body, `"idempotency_key": "k", `, "", 1) }
	for _, test := range []struct {
		name       string
		fail       func(l *lateStage)
		randomRisk bool // of a duplicate, without a key
	}{
		{"the queue fails for the first task", func(l *lateStage) { l.tasks.Fail(queueDown) }, true},
		{"the queue throttles the first task", func(l *lateStage) { l.tasks.Fail(tasks.Failure{Status: "RESOURCE_EXHAUSTED", Count: 1}) }, false},
		{"the queue fails for the watch", func(l *lateStage) { l.before("create watch", func() { l.tasks.Fail(queueDown) }) }, true},
		{"the queue throttles the watch", func(l *lateStage) {
			l.before("create watch", func() { l.tasks.Fail(tasks.Failure{Status: "RESOURCE_EXHAUSTED", Count: 1}) })
		}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			l := newLate(t, lateSetup{})
			test.fail(l)
			got := l.do(http.MethodPost, "/", random(message(offline, "authentication")), nil)
			l.expectCode(got, http.StatusServiceUnavailable, "fallback_not_armed")
			if got.MessageID == "" || got.DuplicateRisk != test.randomRisk {
				t.Errorf("%+v, want a message ID and a risk of a duplicate: %v", got, test.randomRisk)
			}

			l = newLate(t, lateSetup{})
			test.fail(l)
			body := message(offline, "authentication")
			got = l.do(http.MethodPost, "/", body, nil)
			l.expectCode(got, http.StatusServiceUnavailable, "fallback_not_armed")
			if got.MessageID == "" || got.DuplicateRisk {
				t.Errorf("%+v, want a message ID and no risk of a duplicate", got)
			}
			again := l.do(http.MethodPost, "/", body, nil)
			if again.Status != http.StatusOK || again.MessageID != got.MessageID {
				t.Errorf("%+v again, want success with the ID %s", again, got.MessageID)
			}
			l.copyOf("send")
			l.copyOf("watch")
			l.expect(outcome{"create 200, delete 200, delete 404", 1, "fallback timeout"})
		})
	}
}

// An operator has to fix a queue that the function may not use.
func TestLate_denied(t *testing.T) {
	t.Parallel()
	l := newLate(t, lateSetup{})
	l.tasks.Denied = []string{"cloudtasks.tasks.create"}
	for _, body := range []string{message(offline, "authentication"), strings.Replace(message(offline, "authentication"), `"idempotency_key": "k", `, "", 1)} {
		got := l.do(http.MethodPost, "/", body, nil)
		l.expectCode(got, http.StatusServiceUnavailable, "fallback_not_armed")
		if got.Cause != "permission_denied" || !strings.Contains(got.Action, "roles/cloudtasks.enqueuer") {
			t.Errorf("cause %s, action %s", got.Cause, got.Action)
		}
	}
	if n := strings.Count(l.logs[0].String(), `"severity":"ERROR","message":"fallback_not_armed"`); n != 2 {
		t.Errorf("%d errors in the log, want 2:\n%s", n, l.logs[0])
	}
}

// The same key again does not add a second fallback.
func TestLate_sameKey(t *testing.T) {
	t.Parallel()
	again := func(l *lateStage, to, traffic, code string) {
		l.t.Helper()
		l.expectCode(l.do(http.MethodPost, "/", message(to, traffic), nil), http.StatusOK, code)
	}
	runRaces(t, []race{
		{
			"while it waits",
			lateSetup{},
			func(l *lateStage, traffic string) {
				l.send(offline, traffic)
				again(l, offline, traffic, "duplicate")
			},
			same(outcome{"create 200, delete 200, delete 404", 1, "fallback timeout"}),
		},
		{
			"after the SMS",
			lateSetup{},
			func(l *lateStage, traffic string) {
				l.send(offline, traffic)
				l.pass(2 * time.Minute)
				again(l, offline, traffic, "duplicate")
			},
			same(outcome{"create 200, delete 200, delete 404", 1, "fallback timeout"}),
		},
		{
			"a day after the delivery",
			lateSetup{},
			func(l *lateStage, traffic string) {
				l.send(online, traffic)
				l.pass(25 * time.Hour)
				l.restart("")
				again(l, online, traffic, "queued")
			},
			same(outcome{"create 200, delete 404", 0, "delivered"}),
		},
		{
			"a day after the SMS",
			lateSetup{},
			func(l *lateStage, traffic string) {
				l.send(offline, traffic)
				l.pass(25 * time.Hour)
				l.restart("")
				again(l, offline, traffic, "queued")
			},
			same(outcome{"create 200, delete 200, delete 404, create 200, delete 404", 1, "fallback timeout"}),
		},
		{
			// The webhook-id is the same, so that the fallback can drop it.
			"a day after the SMS, and RBM revokes again",
			lateSetup{assume: rbmtest.Assumptions{RevokeUnknownOK: true}},
			func(l *lateStage, traffic string) {
				l.send(offline, traffic)
				l.pass(25 * time.Hour)
				l.restart("")
				again(l, offline, traffic, "queued")
				l.pass(time.Hour)
				l.fallback.mu.Lock()
				defer l.fallback.mu.Unlock()
				if r := l.fallback.requests; len(r) != 2 || r[0].ID != r[1].ID {
					l.t.Errorf("requests %v, want two with one ID", r)
				}
			},
			same(outcome{"create 200, delete 200, create 200, delete 200", 2, "fallback timeout, fallback timeout"}),
		},
	})
}

// twoAgents is a file with two agents.
const twoAgents = `agents:
  default: {id: [id], credentials: [key], fallback: {url: "[fallback]", secret: [secret]}}
  second: {id: second_agent, credentials: [key], fallback: {url: "[fallback]", secret: [secret]}}
events:
  crm: {url: "[in]/crm", secret: [secret]}
`

// One message ID can stand for messages of two agents, or to two numbers.
func TestLate_sameID(t *testing.T) {
	t.Parallel()
	const id = `"message_id": "5a0c2f4e-6a3d-4d0e-9a50-0d7c1f7be001", "idempotency_key": null`
	with := func(body string, fields string) string {
		return strings.Replace(body, `"idempotency_key": "k"`, fields, 1)
	}
	runRaces(t, []race{
		{
			"two agents",
			lateSetup{file: twoAgents},
			func(l *lateStage, traffic string) {
				l.expectCode(l.do(http.MethodPost, "/", with(message(online, traffic), id+`, "agent": "default"`), nil), http.StatusOK, "queued")
				l.expectCode(l.do(http.MethodPost, "/", with(message(offline, traffic), id+`, "agent": "second"`), nil), http.StatusOK, "queued")
				if n := len(l.waiting("watch")); n != 2 {
					l.t.Errorf("%d watches, want 2", n)
				}
				for _, task := range l.waiting("send") {
					if _, err := l.tasks.Run(l.t.Context(), task.Name); err != nil {
						l.t.Fatal(err)
					}
				}
				l.flush()
				if n := len(l.waiting("watch")); n != 1 {
					l.t.Errorf("%d watches after a delivery, want 1", n)
				}
			},
			same(outcome{"create 200, delete 200, delete 404", 1, "delivered, fallback timeout"}),
		},
		{
			"two numbers, of which RBM refuses the second",
			lateSetup{},
			func(l *lateStage, traffic string) {
				for _, to := range []string{online, offline} {
					l.expectCode(l.do(http.MethodPost, "/", with(message(to, traffic), id), nil), http.StatusOK, "queued")
				}
				if n := len(l.waiting("watch")); n != 2 {
					l.t.Errorf("%d watches, want 2", n)
				}
				i := slices.IndexFunc(l.waiting("send"), func(w tasks.Waiting) bool { return strings.Contains(string(w.Body), online) })
				if _, err := l.tasks.Run(l.t.Context(), l.waiting("send")[i].Name); err != nil {
					l.t.Fatal(err)
				}
			},
			same(outcome{"create 200, delete 404", 0, "delivered, failed invalid_payload"}),
		},
	})
}

// A caller revokes a message by hand, in each state.
func TestLate_revokedByHand(t *testing.T) {
	t.Parallel()
	revoke := func(l *lateStage, to, id string, status int, code string) {
		l.t.Helper()
		l.expectCode(l.do(http.MethodDelete, "/messages/"+id+"?to="+strings.Replace(to, "+", "%2B", 1), "", nil), status, code)
	}
	runRaces(t, []race{
		{
			"waiting",
			lateSetup{},
			func(l *lateStage, traffic string) {
				revoke(l, offline, l.send(offline, traffic), http.StatusOK, "revoked")
				if left := l.tasks.Tasks(); len(left) > 0 {
					l.t.Errorf("%d tasks left", len(left))
				}
			},
			same(outcome{"delete 404", 0, ""}),
		},
		{
			"sent",
			lateSetup{},
			func(l *lateStage, traffic string) {
				id := l.send(offline, traffic)
				l.run("send")
				revoke(l, offline, id, http.StatusOK, "revoked")
			},
			same(outcome{"create 200, delete 200", 0, ""}),
		},
		{
			"at the time of the fallback",
			lateSetup{},
			func(l *lateStage, traffic string) {
				id := l.send(offline, traffic)
				l.run("send")
				l.wait(time.Minute)
				l.before("create fallback", func() { revoke(l, offline, id, http.StatusConflict, "already_delivered") })
				l.run("watch")
			},
			perTraffic{
				outcome{"create 200, delete 200, delete 404", 1, "fallback timeout"},
				outcome{"create 200, delete 200, delete 404", 0, gaveUp},
			},
		},
		{
			"before the fallback gets it",
			lateSetup{},
			func(l *lateStage, traffic string) {
				id := l.send(offline, traffic)
				l.pass(61 * time.Second)
				revoke(l, offline, id, http.StatusOK, "revoked")
			},
			same(outcome{"create 200, delete 200, delete 404", 0, ""}),
		},
		{
			"after the SMS",
			lateSetup{},
			func(l *lateStage, traffic string) {
				id := l.send(offline, traffic)
				l.pass(2 * time.Minute)
				revoke(l, offline, id, http.StatusConflict, "already_delivered")
			},
			same(outcome{"create 200, delete 200, delete 404", 1, "fallback timeout"}),
		},
		{
			"delivered",
			lateSetup{},
			func(l *lateStage, traffic string) {
				id := l.send(online, traffic)
				l.run("send")
				revoke(l, online, id, http.StatusConflict, "already_delivered")
			},
			same(outcome{"create 200, delete 404", 0, "delivered"}),
		},
		{
			"of a source with a queue of its own",
			lateSetup{},
			func(l *lateStage, traffic string) {
				got := l.hook("own", plain(unreachable, traffic))
				revoke(l, unreachable, got.MessageID, http.StatusOK, "revoked")
			},
			same(outcome{"delete 404", 0, ""}),
		},
		{
			"without the permission to delete tasks",
			lateSetup{},
			func(l *lateStage, traffic string) {
				id := l.send(offline, traffic)
				l.tasks.Denied = []string{"cloudtasks.tasks.delete"}
				revoke(l, offline, id, http.StatusInternalServerError, "queue_denied")
			},
			same(outcome{"create 200, delete 200, delete 404", 1, "fallback timeout"}),
		},
	})
}

// A person who opts out gets no SMS of the types that this blocks.
func TestLate_optOut(t *testing.T) {
	t.Parallel()
	// The confirmation of the opt-out expires, because the phone stays offline.
	stop := func(l *lateStage) {
		l.t.Helper()
		_, menu := stopped(offline, l.clock.now())
		l.tell(l.t, menu).expect(l.t, "stop", http.StatusOK, "received")
	}
	storeDown := rbmtest.Failure{Method: "storage", Status: http.StatusServiceUnavailable}
	runRaces(t, []race{
		{
			"before the message is sent",
			lateSetup{store: true},
			func(l *lateStage, traffic string) {
				l.send(offline, traffic)
				stop(l)
			},
			perTraffic{
				outcome{"create 200, delete 200, delete 404", 1, "unsubscribed, fallback timeout, expired expired"},
				outcome{"create 200, delete 404", 0, "unsubscribed, failed recipient_opted_out, expired expired"},
			},
		},
		{
			"before the watch",
			lateSetup{store: true},
			func(l *lateStage, traffic string) {
				l.send(offline, traffic)
				l.run("send")
				stop(l)
				l.wait(time.Minute)
				l.expectRun("watch", http.StatusOK)
				if n := len(l.waiting("fallback")); n != 0 && slices.Contains(single, traffic) {
					l.t.Errorf("%d tasks for the fallback, want none", n)
				}
			},
			perTraffic{
				outcome{"create 200, delete 200, delete 404", 1, "unsubscribed, fallback timeout, expired expired"},
				outcome{"create 200, delete 200", 0, "unsubscribed, failed recipient_opted_out, expired expired"},
			},
		},
		{
			"before the watch, which then deletes the task that sends",
			lateSetup{store: true},
			func(l *lateStage, traffic string) {
				l.send(offline, traffic)
				stop(l)
				l.wait(time.Minute)
				l.run("watch")
			},
			perTraffic{
				outcome{"create 200, delete 404", 1, "unsubscribed, fallback timeout, expired expired"},
				outcome{"create 200", 0, "unsubscribed, failed recipient_opted_out, expired expired"},
			},
		},
		{
			"before the watch, and the event cannot be added",
			lateSetup{store: true},
			func(l *lateStage, traffic string) {
				l.send(offline, traffic)
				l.run("send")
				stop(l)
				l.wait(time.Minute)
				l.tasks.Fail(queueDown)
				l.expectRun("watch", http.StatusGone)
			},
			perTraffic{
				outcome{"create 200, delete 200, delete 404", 1, "unsubscribed, fallback timeout, expired expired"},
				outcome{"create 200, delete 200", 0, "unsubscribed, failed recipient_opted_out, expired expired"},
			},
		},
		{
			"before the fallback",
			lateSetup{store: true},
			func(l *lateStage, traffic string) {
				l.send(offline, traffic)
				l.pass(61 * time.Second)
				stop(l)
			},
			perTraffic{
				outcome{"create 200, delete 200, create 200, delete 404", 1, "unsubscribed, fallback timeout, expired expired"},
				outcome{"create 200, delete 200, create 200", 0, "unsubscribed, failed recipient_opted_out, expired expired"},
			},
		},
		{
			"the store fails at the watch",
			lateSetup{store: true},
			func(l *lateStage, traffic string) {
				l.send(offline, traffic)
				l.run("send")
				l.wait(time.Minute)
				l.restart("") // with an empty cache
				l.sim.Fail(storeDown)
				want := http.StatusOK // the type is not blocked
				if slices.Contains(single, traffic) {
					want = http.StatusConflict
				}
				l.expectRun("watch", want)
				l.sim.ClearFailures()
			},
			perTraffic{
				outcome{"create 200, delete 200, delete 404", 1, "fallback timeout"},
				outcome{"create 200, delete 200, delete 404", 1, "fallback timeout"},
			},
		},
		{
			"the store fails at the fallback",
			lateSetup{store: true},
			func(l *lateStage, traffic string) {
				l.send(offline, traffic)
				l.pass(61 * time.Second)
				l.restart("")
				l.sim.Fail(storeDown)
				want := http.StatusOK
				if slices.Contains(single, traffic) {
					want = http.StatusConflict
				}
				l.expectRun("fallback", want)
				l.sim.ClearFailures()
			},
			same(outcome{"create 200, delete 200, delete 404", 1, "fallback timeout"}),
		},
	})
}

// The fallback decides what happens after its response.
func TestLate_targets(t *testing.T) {
	t.Parallel()
	responses := func(statuses ...int) func(*lateStage, string) {
		return func(l *lateStage, traffic string) {
			l.fallback.reset(statuses)
			l.send(offline, traffic)
		}
	}
	const revoked = "create 200, delete 200, delete 404"
	runRaces(t, []race{
		{"accepted", lateSetup{}, responses(200), same(outcome{revoked, 1, "fallback timeout"})},
		{"throttled", lateSetup{}, responses(429, 429, 200), same(outcome{revoked, 3, "fallback timeout"})},
		{"rejected", lateSetup{}, responses(400), same(outcome{revoked, 1, gaveUp})},
		{"throttled, then rejected", lateSetup{}, responses(503, 400), same(outcome{revoked, 2, gaveUp})},
		{"unknown", lateSetup{}, responses(500, 200), perTraffic{outcome{revoked, 2, "fallback timeout"}, outcome{revoked, 1, gaveUp}}},
		{"unknown, then rejected", lateSetup{}, responses(500, 400), perTraffic{outcome{revoked, 2, gaveUp}, outcome{revoked, 1, gaveUp}}},
		{
			"the response to the queue is lost after the SMS, and the instance ends",
			lateSetup{},
			func(l *lateStage, traffic string) {
				l.send(offline, traffic)
				l.pass(61 * time.Second)
				l.wait(9 * time.Second)
				l.lose("POST /tasks/fallback")
				l.run("fallback")
				l.restart("")
			},
			perTraffic{
				outcome{revoked, 2, "fallback timeout"},
				outcome{revoked, 1, "fallback timeout, " + gaveUp},
			},
		},
		{
			"the response to the queue is lost after the SMS, and the instance runs",
			lateSetup{},
			func(l *lateStage, traffic string) {
				l.send(offline, traffic)
				l.pass(61 * time.Second)
				l.wait(9 * time.Second)
				l.lose("POST /tasks/fallback")
				l.run("fallback")
			},
			same(outcome{revoked, 1, "fallback timeout"}),
		},
		{
			"Cloud Run has no instance for it",
			lateSetup{},
			func(l *lateStage, traffic string) {
				l.send(offline, traffic)
				l.pass(61 * time.Second)
				l.replace("POST /tasks/fallback", http.StatusTooManyRequests)
				l.expectRun("fallback", http.StatusTooManyRequests)
			},
			same(outcome{revoked, 1, "fallback timeout"}),
		},
		{
			"the ID token is not accepted",
			lateSetup{},
			func(l *lateStage, traffic string) {
				l.send(offline, traffic)
				l.pass(61 * time.Second)
				l.replace("POST /tasks/fallback", http.StatusUnauthorized)
				l.expectRun("fallback", http.StatusUnauthorized)
			},
			same(outcome{revoked, 1, "fallback timeout"}),
		},
		{
			"Google's keys cannot be fetched",
			lateSetup{},
			func(l *lateStage, traffic string) {
				l.send(offline, traffic)
				l.pass(61 * time.Second)
				l.withoutKeys("fallback", http.StatusConflict)
			},
			same(outcome{revoked, 1, "fallback timeout"}),
		},
		{
			"the queue dispatches it twice",
			lateSetup{},
			func(l *lateStage, traffic string) {
				l.send(offline, traffic)
				l.pass(61 * time.Second)
				l.wait(9 * time.Second)
				l.dispatch(l.copyOf("fallback"), http.StatusOK)
			},
			same(outcome{revoked, 1, "fallback timeout"}),
		},
		{
			"the event cannot be added",
			lateSetup{},
			func(l *lateStage, traffic string) {
				l.send(offline, traffic)
				l.pass(61 * time.Second)
				l.wait(9 * time.Second)
				l.tasks.Fail(queueDown)
				l.expectRun("fallback", http.StatusGone)
				l.restart("")
			},
			same(outcome{revoked, 1, "fallback timeout"}),
		},
		{
			"rejected, and the event cannot be added",
			lateSetup{},
			func(l *lateStage, traffic string) {
				l.fallback.reset([]int{400, 400})
				l.send(offline, traffic)
				l.pass(61 * time.Second)
				l.wait(9 * time.Second)
				l.tasks.Fail(queueDown)
				l.expectRun("fallback", http.StatusInternalServerError)
			},
			perTraffic{outcome{revoked, 2, gaveUp}, outcome{revoked, 1, gaveUp}},
		},
	})
}

// A fallback whose map returns nothing does not get the message, which is given up.
func TestLate_mapWithoutResult(t *testing.T) {
	t.Parallel()
	each(t, traffics, func(t *testing.T, traffic string) {
		l := newLate(t, lateSetup{file: strings.Replace(lateFile, `url: "[fallback]",`, `url: "[fallback]", map: 'select(.text == "")',`, 1)})
		l.send(offline, traffic)
		l.pass(61 * time.Second)
		l.wait(9 * time.Second)
		got := l.dispatch(l.copyOf("fallback"), http.StatusOK)
		if got.Code != "fallback_unavailable" || got.Retry != "never" || got.RetryAfter != "" {
			t.Errorf("the response is %+v, want fallback_unavailable with the retry never", got)
		}
		const cause = `"cause":"agents.default.fallback: map: expected one result, got none or null; without one, the message is not sent"`
		if logged := l.logs[0].String(); !strings.Contains(logged, cause) || strings.Contains(logged, `"retry":"later"`) {
			t.Errorf("the log lacks %s, or has the retry later:\n%s", cause, logged)
		}
		l.expect(outcome{"create 200, delete 200, delete 404", 0, gaveUp})
	})
}

// withoutKeys makes an attempt at an instance that cannot fetch Google's public keys.
func (l *lateStage) withoutKeys(job string, want int) {
	l.t.Helper()
	nowhere := "http://127.0.0.1:1"
	l.settings["RCSHOOK_OIDC_ENDPOINT"] = &nowhere
	l.restart("")
	l.expectRun(job, want)
	delete(l.settings, "RCSHOOK_OIDC_ENDPOINT")
	l.restart("")
}

// An instance ends between the revocation and the task for the fallback. The next attempt
// knows the previous response only.
func TestLate_previousResponse(t *testing.T) {
	t.Parallel()
	const watch = "POST /tasks/watch"
	revoked := outcome{"create 200, delete 200, delete 404", 1, "fallback timeout"}
	unknown := perTraffic{revoked, outcome{"create 200, delete 200, delete 404", 0, gaveUp}}
	// attempts are the statuses of attempts; the first one that is made revokes the message.
	attempts := func(statuses ...func(l *lateStage)) func(*lateStage, string) {
		return func(l *lateStage, traffic string) {
			l.send(offline, traffic)
			l.run("send")
			l.wait(time.Minute)
			for _, attempt := range statuses {
				attempt(l)
			}
		}
	}
	lost := func(l *lateStage) {
		l.tasks.Fail(queueDown)
		l.lose(watch)
		l.expectRun("watch", 0)
	}
	replaced := func(status int) func(*lateStage) {
		return func(l *lateStage) {
			l.tasks.Fail(queueDown)
			l.respond(watch, status)
			l.expectRun("watch", status)
		}
	}
	notMade := func(status int) func(*lateStage) {
		return func(l *lateStage) {
			l.replace(watch, status)
			l.expectRun("watch", status)
		}
	}
	gone := func(l *lateStage) {
		l.tasks.Fail(queueDown)
		l.expectRun("watch", http.StatusGone)
	}
	throttled := func(l *lateStage) {
		l.sim.Fail(rbmtest.Failure{Status: http.StatusTooManyRequests, Count: 4})
		l.expectRun("watch", http.StatusConflict)
	}
	runRaces(t, []race{
		{"none", lateSetup{}, attempts(lost), unknown},
		{"500", lateSetup{}, attempts(replaced(500)), unknown},
		{"503", lateSetup{}, attempts(replaced(503)), unknown},
		{"410", lateSetup{}, attempts(gone), same(revoked)},
		{"410 twice", lateSetup{}, attempts(gone, gone), same(revoked)},
		{"409", lateSetup{}, attempts(throttled), same(outcome{"create 200, delete 429, delete 200, delete 404", 1, "fallback timeout"})},
		{"409, then none", lateSetup{}, attempts(throttled, lost), perTraffic{
			outcome{"create 200, delete 429, delete 200, delete 404", 1, "fallback timeout"},
			outcome{"create 200, delete 429, delete 200, delete 404", 0, gaveUp},
		}},
		{"429 of Cloud Run", lateSetup{}, attempts(notMade(429)), same(revoked)},
		{"none, then 401", lateSetup{}, attempts(lost, notMade(401)), unknown},
		{"none, then without Google's keys", lateSetup{}, attempts(lost, func(l *lateStage) { l.withoutKeys("watch", http.StatusInternalServerError) }), unknown},
		{"none, then 429 of Cloud Run", lateSetup{}, attempts(lost, notMade(429)), unknown},
		{"410, then 429 of Cloud Run", lateSetup{}, attempts(gone, notMade(429)), unknown},
		{"410, then 503 of Cloud Run", lateSetup{}, attempts(gone, notMade(503)), unknown},
	})
}

// The configuration changes while a message waits.
func TestLate_changed(t *testing.T) {
	t.Parallel()
	const withoutFallback = `agents:
  default: {id: [id], credentials: [key]}
  second: {id: second_agent, credentials: [key], fallback: {url: "[fallback]", secret: [secret]}}
events:
  crm: {url: "[in]/crm", secret: [secret]}
`
	const withoutAgent = `agents:
  default: {id: [id], credentials: [key], fallback: {url: "[fallback]", secret: [secret]}}
events:
  crm: {url: "[in]/crm", secret: [secret]}
`
	runRaces(t, []race{
		{
			"the fallback is removed before the message is sent",
			lateSetup{},
			func(l *lateStage, traffic string) {
				l.send(online, traffic)
				l.restart(withoutFallback)
				l.wait(time.Minute)
				l.expectRun("send", http.StatusInternalServerError)
				l.run("watch")
			},
			same(outcome{"delete 404", 0, "failed expired"}),
		},
		{
			"the fallback is removed after the message is sent",
			lateSetup{},
			func(l *lateStage, traffic string) {
				l.send(offline, traffic)
				l.run("send")
				l.restart(withoutFallback)
			},
			same(outcome{"create 200, delete 200, delete 404", 0, "failed expired"}),
		},
		{
			"the agent is removed before the message is sent",
			lateSetup{file: twoAgents},
			func(l *lateStage, traffic string) {
				l.send(online, traffic, `"agent": "second"`)
				l.restart(withoutAgent)
			},
			same(outcome{"", 0, "failed expired"}),
		},
		{
			"the agent is removed after the message is sent",
			lateSetup{file: twoAgents},
			func(l *lateStage, traffic string) {
				l.send(offline, traffic, `"agent": "second"`)
				l.run("send")
				l.restart(withoutAgent)
			},
			same(outcome{"create 200", 0, "failed expired"}),
		},
		{
			"the fallback is removed and comes back",
			lateSetup{},
			func(l *lateStage, traffic string) {
				l.send(offline, traffic)
				l.run("send")
				l.restart(withoutFallback)
				l.pass(10 * time.Minute)
				l.restart(lateFile)
			},
			same(outcome{"create 200, delete 200, delete 404", 1, "fallback timeout"}),
		},
		{
			// RBM knows the message under the earlier ID only.
			"the agent gets another ID",
			lateSetup{},
			func(l *lateStage, traffic string) {
				l.send(offline, traffic)
				l.run("send")
				l.restart(strings.Replace(lateFile, "[id]", "another_agent", 1))
			},
			same(outcome{"create 200, delete 200, delete 404", 1, "fallback timeout"}),
		},
	})
}

// Without the permission to delete tasks, the watch asks RBM, and nothing is sent late.
func TestLate_permission(t *testing.T) {
	t.Parallel()
	deny := func(l *lateStage) { l.tasks.Denied = []string{"cloudtasks.tasks.delete"} }
	warned := func(l *lateStage) {
		l.t.Helper()
		if n := strings.Count(l.logs[0].String(), `"message":"the function may not delete its tasks"`); n != 1 {
			l.t.Errorf("%d warnings, want 1:\n%s", n, l.logs[0])
		}
	}
	runRaces(t, []race{
		{
			"delivered",
			lateSetup{},
			func(l *lateStage, traffic string) {
				deny(l)
				l.send(online, traffic)
				l.pass(time.Hour)
				warned(l)
			},
			same(outcome{"create 200, delete 404", 0, "delivered"}),
		},
		{
			"offline",
			lateSetup{},
			func(l *lateStage, traffic string) {
				deny(l)
				l.send(offline, traffic)
				l.pass(time.Hour)
				warned(l)
			},
			same(outcome{"create 200, delete 200, delete 404", 1, "fallback timeout"}),
		},
		{
			"RBM throttles until the fallback is due",
			lateSetup{},
			func(l *lateStage, traffic string) {
				deny(l)
				l.sim.Fail(rbmBusy)
				l.send(online, traffic)
				l.pass(65 * time.Second)
				l.sim.ClearFailures()
				l.pass(time.Hour)
			},
			same(outcome{"create 429, delete 429, delete 404", 1, "fallback timeout"}),
		},
	})
}

// A fallback that fails for too long is given up, with an event.
func TestLate_givenUp(t *testing.T) {
	t.Parallel()
	each(t, traffics, func(t *testing.T, traffic string) {
		l := newLate(t, lateSetup{maxBackoff: time.Hour})
		l.fallback.reset(slices.Repeat([]int{503}, 1000))
		limit := 12 * time.Hour
		if traffic == "authentication" {
			limit = time.Hour
		}
		l.send(offline, traffic)
		due := l.clock.now().Add(time.Minute)
		l.pass(23 * time.Hour)
		failed := l.in.about("/crm", offline)
		if len(failed) != 1 || failed[0].Type != "failed" || failed[0].Reason != "expired" || failed[0].Time.Before(due.Add(limit)) || failed[0].Time.After(due.Add(2*limit)) {
			t.Errorf("events %+v, want one that it failed %s after %s", failed, limit, due)
		}
		if left := l.tasks.Tasks(); len(left) > 0 {
			t.Errorf("%d tasks left", len(left))
		}
	})
	late := func(to string, deaf bool, want outcome) race {
		return race{
			"the watch is late by 13 hours, to " + to,
			lateSetup{deaf: deaf},
			func(l *lateStage, traffic string) {
				l.send(to, traffic)
				l.run("send")
				l.wait(13 * time.Hour)
			},
			same(want),
		}
	}
	runRaces(t, []race{
		late(offline, false, outcome{"create 200, delete 200", 0, "failed expired"}),
		late(online, true, outcome{"create 200, delete 404", 0, ""}),
		{
			"RBM is down for a day",
			lateSetup{maxBackoff: time.Hour},
			func(l *lateStage, traffic string) {
				l.send(offline, traffic)
				l.run("send")
				l.sim.Fail(rbmDown)
			},
			perTraffic{
				outcome{"create 200, delete 503", 1, "fallback timeout"},
				outcome{"create 200, delete 503", 0, "failed expired"},
			},
		},
	})
}

// Tasks that an earlier version added still work.
func TestLate_version1(t *testing.T) {
	t.Parallel()
	const id = "5a0c2f4e-6a3d-4d0e-9a50-0d7c1f7be001"
	body := func(to string) []byte {
		return fmt.Appendf(nil, `{"version": 1, "agent": "default", "to": %q, "message": {"contentMessage": {"text": "Your code is 123456"}}, "payload": "e30=", "not_after": "2026-12-01T09:10:00Z"}`, to)
	}
	for _, test := range []struct {
		name, to string
		wait     time.Duration
		code     string
		want     outcome
	}{
		{"sent", online, 0, "accepted", outcome{"create 200", 0, "delivered"}},
		{"refused", unreachable, 0, "fallback", outcome{"create 404, delete 404", 1, "fallback recipient_unreachable"}},
		{"expired", online, time.Hour, "fallback", outcome{"delete 404", 1, "fallback expired"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			l := newLate(t, lateSetup{})
			l.wait(test.wait)
			if got := l.dispatch(tasks.Waiting{Path: "/tasks/" + id, Body: body(test.to)}, http.StatusOK); got.Code != test.code {
				t.Errorf("code %s, want %s", got.Code, test.code)
			}
			l.flush()
			l.expect(test.want)
		})
	}
}

// Requests of others, and bodies of other tasks, have no effect.
func TestLate_forged(t *testing.T) {
	t.Parallel()
	for _, job := range []string{"watch", "fallback"} {
		for _, test := range []struct {
			name   string
			forge  func(l *lateStage, w *tasks.Waiting) (header []string)
			status int
			code   string
		}{
			{"no token", func(*lateStage, *tasks.Waiting) []string { return []string{"Authorization", ""} }, 401, "unauthorized"},
			{"key of a caller", func(*lateStage, *tasks.Waiting) []string { return []string{"Authorization", "Bearer dev"} }, 401, "unauthorized"},
			{"token for another function", func(l *lateStage, _ *tasks.Waiting) []string {
				return []string{"Authorization", "Bearer " + l.google.Token("https://other.example.com", stageAccount, l.clock.now())}
			}, 401, "unauthorized"},
			{"body of another number", func(_ *lateStage, w *tasks.Waiting) []string {
				w.Body = []byte(strings.Replace(string(w.Body), offline, online, 1))
				return nil
			}, 200, "invalid_payload"},
			{"another name", func(_ *lateStage, w *tasks.Waiting) []string { w.Path += "0"; return nil }, 200, "invalid_payload"},
			{"another job", func(_ *lateStage, w *tasks.Waiting) []string {
				other := map[string]string{"watch": "fallback", "fallback": "watch"}[job]
				w.Path = strings.Replace(w.Path, "/"+job+"/", "/"+other+"/", 1)
				return nil
			}, 200, "invalid_payload"},
			{"version 1", func(l *lateStage, w *tasks.Waiting) []string { l.set(w, "version", 1); return nil }, 200, "invalid_payload"},
			{"without a time", func(l *lateStage, w *tasks.Waiting) []string { l.set(w, "at", nil); return nil }, 200, "invalid_payload"},
			{"no object", func(_ *lateStage, w *tasks.Waiting) []string { w.Body = []byte("[]"); return nil }, 200, "invalid_payload"},
			{"a newer version", func(l *lateStage, w *tasks.Waiting) []string { l.set(w, "version", 3); return nil }, 409, "misconfigured"},
			{"a newer version, after an attempt without a response", func(l *lateStage, w *tasks.Waiting) []string {
				l.set(w, "version", 3)
				return []string{"X-CloudTasks-TaskRetryCount", "1"}
			}, 500, "misconfigured"},
		} {
			t.Run(job+", "+test.name, func(t *testing.T) {
				t.Parallel()
				l := newLate(t, lateSetup{})
				l.send(offline, "authentication")
				l.run("send")
				l.wait(time.Minute)
				want := "create 200"
				if job == "fallback" {
					l.run("watch")
					want = "create 200, delete 200"
				}
				task := l.copyOf(job)
				header := test.forge(l, &task)
				if got := l.dispatch(task, test.status, header...); got.Code != test.code {
					t.Errorf("code %s, want %s", got.Code, test.code)
				}
				if got := l.outcome(); got != (outcome{want, 0, ""}) {
					t.Errorf("%+v, want no effect", got)
				}
				l.copyOf(job)
			})
		}
	}
}

// set changes a member of the body of a task; nil removes it.
func (l *lateStage) set(w *tasks.Waiting, name string, value any) {
	l.t.Helper()
	var body map[string]any
	if err := json.Unmarshal(w.Body, &body); err != nil {
		l.t.Fatal(err)
	}
	if body[name] = value; value == nil {
		delete(body, name)
	}
	w.Body, _ = json.Marshal(body) // it was JSON
}
