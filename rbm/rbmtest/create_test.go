package rbmtest_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/rcshook/rcshook/rbm/rbmtest"
)

func TestCreate(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"+442079460123", "%2B442079460123"} {
		g := start(t, new(rbmtest.Simulator))
		a := g.create(t, path, "m-1", `{"content_message":{"text":"Hi","suggestions":null},"ttl":"600s","message_traffic_type":2}`)
		if a.status != http.StatusOK {
			t.Fatalf("create: %d\n%s", a.status, a.body)
		}
		var got map[string]any
		if err := json.Unmarshal([]byte(a.body), &got); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"sendTime", "expireTime"} {
			if s, ok := got[name].(string); !ok || !strings.HasSuffix(s, "Z") {
				t.Errorf("%s = %v, want a time in UTC", name, got[name])
			}
			delete(got, name)
		}
		equal(t, "response", got, map[string]any{
			"name":               "phones/+442079460123/agentMessages/m-1",
			"contentMessage":     map[string]any{"text": "Hi"},
			"messageTrafficType": "TRANSACTION",
		})
		m := g.Messages()
		if len(m) != 1 {
			t.Fatalf("%d messages, want 1", len(m))
		}
		equal(t, "to", m[0].To, "+442079460123")
		equal(t, "state", m[0].State, rbmtest.StateDelivered)
		equal(t, "agent_message", string(m[0].AgentMessage), `{"content_message":{"text":"Hi","suggestions":null},"ttl":"600s","message_traffic_type":2}`)
	}
}

func TestTestNumbers(t *testing.T) {
	t.Parallel()
	tests := []struct {
		phone   string
		status  int
		message string
		retry   string
		state   []string
	}{
		{"+12025550100", 200, "", "", []string{"x delivered"}},
		{"+12025550103", 403, "This operation is blocked because the RBM agent has not launched and the recipient has not been invited and accepted the invitation to become a tester.", "", []string{}},
		{"+12025550104", 404, "The specified phone number cannot be reached by RBM at this time.", "", []string{}},
		{"+12025550108", 200, "", "", []string{"x queued"}},
		{"+12025550129", 429, "Resource has been exhausted (e.g. check quota).", "2", []string{}},
		{"+12025550140", 200, "", "", []string{"x delivered"}},
		{"+12025550150", 500, "Internal error encountered.", "", []string{}},
		{"+12025550153", 503, "The service is currently unavailable.", "", []string{}},
	}
	g := start(t, new(rbmtest.Simulator))
	for _, tt := range tests {
		g.Reset()
		a := g.create(t, tt.phone, "x", text)
		equal(t, tt.phone+" status", a.status, tt.status)
		if a.status != 200 {
			equal(t, tt.phone+" message", a.message(t), tt.message)
		}
		equal(t, tt.phone+" Retry-After", a.header.Get("Retry-After"), tt.retry)
		equal(t, tt.phone+" messages", states(g.Simulator), tt.state)
	}
}

func TestTestNumbers_twiceUnavailable(t *testing.T) {
	t.Parallel()
	g := start(t, new(rbmtest.Simulator))
	var got []int
	for _, id := range []string{"a", "a", "b", "a", "b", "b"} {
		got = append(got, g.create(t, "+12025550157", id, text).status)
	}
	equal(t, "statuses", got, []int{503, 503, 503, 200, 503, 200})
	equal(t, "messages", states(g.Simulator), []string{"a delivered", "b delivered"})
	equal(t, "attempts", g.Attempts("a"), 3)
}

func TestDuplicates(t *testing.T) {
	t.Parallel()
	g := start(t, new(rbmtest.Simulator))
	first := g.create(t, phone, "one", text)
	again := g.create(t, "+12025550199", "one", `{"contentMessage":{"text":"Other"}}`)
	equal(t, "status", again.status, 200)
	g.SetBehavior(phone, rbmtest.Behavior{Refusal: rbmtest.Unreachable})
	equal(t, "body when unreachable", g.create(t, phone, "one", text).body, first.body)
	g.SetBehavior(phone, rbmtest.Behavior{})
	equal(t, "body", again.body, first.body)
	full := g.do(t, "POST", "/v1/phones/"+phone+"/agentMessages?messageId=one&agentId="+agent+"@rbm.goog", text)
	equal(t, "body with the agent's domain", full.body, first.body)
	other := g.do(t, "POST", "/v1/phones/"+phone+"/agentMessages?messageId=one&agentId=other", text)
	equal(t, "another agent's status", other.status, 200)
	equal(t, "messages", len(g.Messages()), 2)

	strict := start(t, &rbmtest.Simulator{Assume: rbmtest.Assumptions{DuplicateConflict: true}})
	strict.create(t, phone, "one", text)
	conflict := strict.create(t, phone, "one", text)
	equal(t, "status", conflict.status, 409)
	equal(t, "message", conflict.message(t), "Requested entity already exists")
	equal(t, "messages", len(strict.Messages()), 1)
}

func TestMaxMessages(t *testing.T) {
	t.Parallel()
	g := start(t, &rbmtest.Simulator{MaxMessages: 20})
	for i := range 21 {
		g.create(t, phone, fmt.Sprint(i), text)
	}
	messages := g.Messages()
	equal(t, "messages", len(messages), 19)
	equal(t, "oldest", messages[0].MessageID, "2")
	equal(t, "attempts of a forgotten message", g.Attempts("1"), 0)
	g.create(t, phone, "1", text)
	equal(t, "messages with an ID that was forgotten", len(g.Messages()), 20)
	g.create(t, phone, "2", text)
	equal(t, "messages with an ID that is known", len(g.Messages()), 20)
}

func TestCreate_concurrentDuplicates(t *testing.T) {
	t.Parallel()
	g := start(t, new(rbmtest.Simulator))
	responses := make([]response, 10)
	var wg sync.WaitGroup
	for i := range responses {
		wg.Go(func() { responses[i] = g.create(t, phone, "same", text) })
	}
	wg.Wait()
	for _, a := range responses {
		equal(t, "status", a.status, 200)
		equal(t, "body", a.body, responses[0].body)
	}
	equal(t, "messages", states(g.Simulator), []string{"same delivered"})
}
