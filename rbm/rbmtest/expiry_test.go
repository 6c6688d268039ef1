package rbmtest_test

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rcshook/rcshook/rbm/rbmtest"
)

const offline = "+12025550108"

// clock is a clock that a test owns.
type clock struct{ now time.Time }

func (c *clock) Now() time.Time { return c.now }

func newClock() *clock { return &clock{time.Date(2026, 11, 20, 9, 15, 3, 464e6, time.UTC)} }

// userEvents returns the events about messages as "ID EVENT".
func userEvents(sim *rbmtest.Simulator) []string {
	out := []string{}
	for _, e := range sim.Log() {
		if e.Kind == rbmtest.LogUserEvent || e.Kind == rbmtest.LogServerEvent {
			var p struct{ EventType string }
			if json.Unmarshal(e.Payload, &p) == nil {
				out = append(out, e.MessageID+" "+p.EventType)
			}
		}
	}
	return out
}

func TestQueueAndDelivery(t *testing.T) {
	t.Parallel()
	g := start(t, new(rbmtest.Simulator))
	g.create(t, offline, "1", text)
	g.create(t, offline, "2", text)
	g.create(t, phone, "3", text)
	other := start(t, &rbmtest.Simulator{Numbers: map[string]rbmtest.Behavior{phone: {Offline: true}, offline: {Offline: true}}})
	other.create(t, phone, "1", text)
	other.create(t, offline, "2", text)
	other.SetOnline(phone, true)
	equal(t, "one of two online", states(other.Simulator), []string{"1 delivered", "2 queued"})
	equal(t, "offline", states(g.Simulator), []string{"1 queued", "2 queued", "3 delivered"})
	equal(t, "switch", g.do(t, "POST", "/_sim/online", `{"phone":"`+offline+`","online":true}`).status, 200)
	equal(t, "online", states(g.Simulator), []string{"1 delivered", "2 delivered", "3 delivered"})
	if err := g.Read(offline, "2"); err != nil {
		t.Fatal(err)
	}
	g.SetOnline(offline, false)
	g.create(t, offline, "4", text)
	equal(t, "read", states(g.Simulator), []string{"1 delivered", "2 read", "3 delivered", "4 queued"})
	equal(t, "user events", userEvents(g.Simulator), []string{"3 DELIVERED", "1 DELIVERED", "2 DELIVERED", "2 READ"})
	d := g.Messages()[1].Detail
	if d.Delivered.IsZero() || d.Read.IsZero() || !d.Ended.IsZero() {
		t.Errorf("times of a message that was read: %+v", d)
	}

	auto := start(t, &rbmtest.Simulator{AutoRead: true})
	auto.create(t, phone, "1", text)
	equal(t, "read by itself", states(auto.Simulator), []string{"1 read"})
	equal(t, "user events", userEvents(auto.Simulator), []string{"1 DELIVERED", "1 READ"})
}

func TestExpiry(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		expiry rbmtest.Expiry
		state  string
		online string // state after the user comes online
		told   []string
	}{
		{"revoked", rbmtest.ExpiryRevoked, "1 expired", "1 expired", []string{"1 TTL_EXPIRATION_REVOKED"}},
		{"revoke failed", rbmtest.ExpiryRevokeFailed, "1 queued", "1 delivered", []string{"1 TTL_EXPIRATION_REVOKE_FAILED", "1 DELIVERED"}},
		{"both", rbmtest.ExpiryBoth, "1 delivered", "1 delivered", []string{"1 TTL_EXPIRATION_REVOKED", "1 DELIVERED"}},
		{"neither", rbmtest.ExpiryNeither, "1 expired", "1 expired", []string{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := newClock()
			g := start(t, &rbmtest.Simulator{Now: c.Now, Assume: rbmtest.Assumptions{Expiry: tt.expiry}})
			a := g.create(t, offline, "1", `{"contentMessage":{"text":"x"},"ttl":"60.5s"}`)
			if !strings.Contains(a.body, `"expireTime": "2026-11-20T09:16:03.964Z"`) || !strings.Contains(a.body, `"sendTime": "2026-11-20T09:15:03.464Z"`) {
				t.Errorf("times in the response:\n%s", a.body)
			}
			c.now = c.now.Add(60*time.Second + 499*time.Millisecond)
			g.Tick()
			equal(t, "before", states(g.Simulator), []string{"1 queued"})
			c.now = c.now.Add(time.Millisecond)
			g.do(t, "POST", "/_sim/tick", "")
			equal(t, "expired", states(g.Simulator), []string{tt.state})
			g.Tick() // has nothing left to do
			g.SetOnline(offline, true)
			equal(t, "online", states(g.Simulator), []string{tt.online})
			equal(t, "user events", userEvents(g.Simulator), tt.told)
		})
	}
}

func TestExpireTime(t *testing.T) {
	t.Parallel()
	c := newClock()
	g := start(t, &rbmtest.Simulator{Now: c.Now})
	body := `{"contentMessage":{"text":"x"},"expireTime":"2026-11-20T10:16:00+01:00"}`
	if a := g.create(t, offline, "1", body); !strings.Contains(a.body, `"expireTime": "2026-11-20T09:16:00Z"`) {
		t.Errorf("response:\n%s", a.body)
	}
	g.create(t, phone, "2", body)
	c.now = c.now.Add(time.Hour)
	// Without Tick, the expiry shows at the next access.
	equal(t, "messages", states(g.Simulator), []string{"1 expired", "2 delivered"})
	equal(t, "ended", g.Messages()[0].Detail.Ended, c.now)
}

func TestExpiry_realClock(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		sim := new(rbmtest.Simulator)
		defer sim.Close()
		token := sim.Token()
		for id, ttl := range []string{"5s", "10s"} {
			req := httptest.NewRequest("POST", fmt.Sprint("/v1/phones/"+offline+"/agentMessages?agentId=a&messageId=", id), strings.NewReader(`{"contentMessage":{"text":"x"},"ttl":"`+ttl+`"}`))
			req.Header.Set("Authorization", "Bearer "+token)
			w := httptest.NewRecorder()
			sim.ServeHTTP(w, req)
			equal(t, "status", w.Code, 200)
			time.Sleep(20 * time.Second) // of the bubble's time, which costs none
		}
		synctest.Wait()
		var at []time.Duration
		events := sim.Log()
		for _, e := range events {
			if e.Kind == rbmtest.LogServerEvent {
				at = append(at, e.Time.Sub(events[0].Time))
			}
		}
		equal(t, "expiries", at, []time.Duration{5 * time.Second, 30 * time.Second})
	})
}

func TestRevoke(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		assume rbmtest.Assumptions
		want   map[string]int // status by message ID
		states []string
	}{
		{
			"current reference",
			rbmtest.Assumptions{},
			map[string]int{"queued": 200, "delivered": 404, "revoked": 404, "expired": 404, "unknown": 404},
			[]string{"queued revoked", "delivered delivered", "revoked revoked", "expired expired"},
		},
		{
			"always 200",
			rbmtest.Assumptions{RevokeAlwaysOK: true},
			map[string]int{"queued": 200, "delivered": 200, "revoked": 200, "expired": 200, "unknown": 200},
			[]string{"queued revoked", "delivered delivered", "revoked revoked", "expired expired"},
		},
		{
			"unknown is as good as gone",
			rbmtest.Assumptions{RevokeUnknownOK: true},
			map[string]int{"queued": 200, "delivered": 404, "revoked": 200, "expired": 200, "unknown": 200},
			[]string{"queued revoked", "delivered delivered", "revoked revoked", "expired expired"},
		},
		{
			"lost race",
			rbmtest.Assumptions{RevokeRace: true},
			map[string]int{"queued": 200, "delivered": 404, "unknown": 404},
			[]string{"queued delivered", "delivered delivered", "revoked delivered", "expired expired"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := newClock()
			g := start(t, &rbmtest.Simulator{Now: c.Now, Assume: tt.assume})
			g.create(t, offline, "queued", text)
			g.create(t, phone, "delivered", text)
			g.create(t, offline, "revoked", text)
			g.create(t, offline, "expired", `{"contentMessage":{"text":"x"},"ttl":"10s"}`)
			revoke := func(id string) response {
				to := offline
				if id == "delivered" {
					to = "%2B" + phone[1:]
				}
				return g.do(t, "DELETE", "/v1/phones/"+to+"/agentMessages/"+id+"?agentId="+agent, "")
			}
			equal(t, "first revocation", revoke("revoked").status, 200)
			c.now = c.now.Add(time.Minute)
			for id, want := range tt.want {
				a := revoke(id)
				equal(t, id, a.status, want)
				if want == 200 {
					equal(t, id+" body", a.body, "{}\n")
				} else {
					equal(t, id+" message", a.message(t), "Requested entity was not found.")
				}
			}
			equal(t, "messages", states(g.Simulator), tt.states)
			g.SetOnline(offline, true)
			equal(t, "messages online", states(g.Simulator), tt.states)
		})
	}
	g := start(t, new(rbmtest.Simulator))
	g.create(t, offline, "1", text)
	equal(t, "another agent", g.do(t, "DELETE", "/v1/phones/"+offline+"/agentMessages/1?agentId=other", "").status, 404)
	equal(t, "another phone", g.do(t, "DELETE", "/v1/phones/"+phone+"/agentMessages/1?agentId="+agent, "").status, 404)
	equal(t, "no agent", g.do(t, "DELETE", "/v1/phones/"+phone+"/agentMessages/1", "").status, 403)
	g.SetBehavior(offline, rbmtest.Behavior{Offline: true, Failure: &rbmtest.Failure{Status: 503}})
	equal(t, "in trouble", g.do(t, "DELETE", "/v1/phones/"+offline+"/agentMessages/1?agentId="+agent, "").status, 503)
	equal(t, "messages", states(g.Simulator), []string{"1 queued"})
}

func TestDelay(t *testing.T) {
	t.Parallel()
	c := newClock()
	g := start(t, &rbmtest.Simulator{Now: c.Now, Delay: time.Second, AutoRead: true})
	after := func(d time.Duration, want ...string) {
		t.Helper()
		c.now = c.now.Add(d)
		g.Tick()
		equal(t, "states", states(g.Simulator), want)
	}
	g.create(t, phone, "1", text)
	g.create(t, phone, "revoked", text)
	g.create(t, phone, "short", `{"contentMessage":{"text":"x"},"ttl":"0.5s"}`)
	g.create(t, offline, "2", text)
	equal(t, "revocation before delivery", g.do(t, "DELETE", "/v1/phones/"+phone+"/agentMessages/revoked?agentId="+agent, "").status, 200)
	after(499*time.Millisecond, "1 queued", "revoked revoked", "short queued", "2 queued")
	after(time.Millisecond, "1 queued", "revoked revoked", "short expired", "2 queued")
	after(499*time.Millisecond, "1 queued", "revoked revoked", "short expired", "2 queued")
	after(time.Millisecond, "1 delivered", "revoked revoked", "short expired", "2 queued")
	g.SetBehavior(phone, rbmtest.Behavior{})
	g.create(t, phone, "3", text)
	g.SetBehavior(phone, rbmtest.Behavior{}) // must not deliver at once
	after(999*time.Millisecond, "1 delivered", "revoked revoked", "short expired", "2 queued", "3 queued")
	after(time.Millisecond, "1 read", "revoked revoked", "short expired", "2 queued", "3 delivered")
	g.SetOnline(offline, true)
	after(time.Second, "1 read", "revoked revoked", "short expired", "2 read", "3 read")
	equal(t, "events", userEvents(g.Simulator), []string{
		"short TTL_EXPIRATION_REVOKED", "1 DELIVERED", "1 READ", "3 DELIVERED", "2 DELIVERED", "3 READ", "2 READ",
	})
}

// TestDelay_realClock checks that a message is delivered and read by itself.
func TestDelay_realClock(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		sim := &rbmtest.Simulator{Delay: time.Minute, AutoRead: true}
		defer sim.Close()
		token := sim.Token()
		req := httptest.NewRequest("POST", "/v1/phones/"+phone+"/agentMessages?messageId=1&agentId="+agent, strings.NewReader(text))
		req.Header.Set("Authorization", "Bearer "+token)
		sim.ServeHTTP(httptest.NewRecorder(), req)
		var got []string
		for range 3 {
			time.Sleep(time.Minute)
			synctest.Wait()
			for _, e := range sim.Log() {
				if e.Kind == rbmtest.LogMessage {
					got = append(got, string(e.Message.State))
				}
			}
		}
		equal(t, "states in the log after each minute", got, []string{
			"queued", "delivered", "queued", "delivered", "read", "queued", "delivered", "read",
		})
	})
}
