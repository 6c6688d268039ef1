package rbmtest_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rcshook/rcshook/rbm/rbmtest"
)

// broken makes a request that ends in the middle of a response, and returns the status
// that came, or 0.
func (g *rig) broken(t *testing.T, req *http.Request) int {
	t.Helper()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if !errors.Is(err, io.ErrUnexpectedEOF) || int64(len(body)) != resp.ContentLength/2 {
		t.Errorf("reading the response: %v after %d of %d bytes, want it to end in the middle", err, len(body), resp.ContentLength)
	}
	return resp.StatusCode
}

func TestFail(t *testing.T) {
	t.Parallel()
	g := start(t, new(rbmtest.Simulator))
	path := "/v1/phones/" + phone + "/agentMessages?agentId=" + agent + "&messageId="

	g.Fail(rbmtest.Failure{Status: 503, Count: 2, RetryAfter: 1500 * time.Millisecond, Message: "Come back."})
	for range 2 {
		a := g.create(t, phone, "counted", text)
		equal(t, "status", a.status, 503)
		equal(t, "message", a.message(t), "Come back.")
		equal(t, "Retry-After", a.header.Get("Retry-After"), "2")
	}
	equal(t, "after the count", g.create(t, phone, "counted", text).status, 200)

	g.Fail(rbmtest.Failure{Phone: "+12025550177", Method: "phones.agentMessages.create", Status: 500})
	equal(t, "another phone", g.create(t, phone, "p", text).status, 200)
	equal(t, "the phone", g.create(t, "+12025550177", "p2", text).status, 500)
	equal(t, "another method", g.do(t, "GET", "/v1/phones/+12025550177/capabilities?agentId="+agent, "").status, 200)
	g.ClearFailures()
	equal(t, "cleared", g.create(t, "+12025550177", "p2", text).status, 200)

	g.Fail(rbmtest.Failure{Break: rbmtest.BreakBefore, Count: 1})
	equal(t, "broken before", g.broken(t, g.request(t, "POST", path+"before", text)), 0)
	g.Fail(rbmtest.Failure{Break: rbmtest.BreakAfter, Count: 1})
	equal(t, "broken after", g.broken(t, g.request(t, "POST", path+"after", text)), 0)
	g.Fail(rbmtest.Failure{Truncate: true, Count: 1})
	equal(t, "truncated", g.broken(t, g.request(t, "POST", path+"half", text)), 200)
	equal(t, "messages", states(g.Simulator), []string{
		"counted delivered", "p delivered", "p2 delivered", "after delivered", "half delivered",
	})

	g.Fail(rbmtest.Failure{Status: 503, Count: 1, PerID: true})
	var got []int
	for _, id := range []string{"i1", "i1", "i2", "i2"} {
		got = append(got, g.create(t, phone, id, text).status)
	}
	equal(t, "per ID", got, []int{503, 200, 503, 200})
	equal(t, "failures that count per ID stay", len(g.Failures()), 1)
	g.Reset()
	equal(t, "after a reset", g.create(t, phone, "i3", text).status, 200)
}

// A refusal may carry Google's reason, and a proxy's page comes whatever the token is.
func TestFail_responses(t *testing.T) {
	t.Parallel()
	g := start(t, new(rbmtest.Simulator))
	g.Fail(rbmtest.Failure{Status: 403, Reason: "SERVICE_DISABLED", Count: 1})
	a := g.create(t, phone, "disabled", text)
	equal(t, "status", a.status, 403)
	equal(t, "reason", strings.Contains(a.body, `"reason": "SERVICE_DISABLED"`), true)

	g.Fail(rbmtest.Failure{Status: 302, Page: true})
	res, err := http.Get(g.url + "/v1/phones/" + phone + "/capabilities")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	equal(t, "status of the page", res.StatusCode, 302)
	equal(t, "type of the page", res.Header.Get("Content-Type"), "text/html; charset=UTF-8")
	g.ClearFailures()
	equal(t, "without the proxy", g.create(t, phone, "p", text).status, 200)
}

// A clock of its own shows in the header Date.
func TestDate(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	g := start(t, &rbmtest.Simulator{Now: func() time.Time { return at }})
	equal(t, "Date", g.create(t, phone, "p", text).header.Get("Date"), "Sun, 01 Mar 2026 12:00:00 GMT")
}

func TestBehavior_failures(t *testing.T) {
	t.Parallel()
	g := start(t, &rbmtest.Simulator{Numbers: map[string]rbmtest.Behavior{
		"+12025550161": {Failure: &rbmtest.Failure{Break: rbmtest.BreakBefore}},
		"+12025550162": {Failure: &rbmtest.Failure{Break: rbmtest.BreakAfter}},
		"+12025550163": {Failure: &rbmtest.Failure{Truncate: true}},
		"+12025550164": {Refusal: rbmtest.TrafficLimit},
		"+12025550165": {Refusal: rbmtest.NotLaunched},
	}})
	path := func(to string) string {
		return "/v1/phones/" + to + "/agentMessages?messageId=" + to[1:] + "&agentId=" + agent
	}
	equal(t, "before", g.broken(t, g.request(t, "POST", path("+12025550161"), text)), 0)
	equal(t, "after", g.broken(t, g.request(t, "POST", path("+12025550162"), text)), 0)
	equal(t, "half", g.broken(t, g.request(t, "POST", path("+12025550163"), text)), 200)
	limit := g.create(t, "+12025550164", "x", text)
	equal(t, "traffic limit", limit.status, 429)
	equal(t, "its message", limit.message(t), "You have reached the allowed traffic limit for this agent on the user, your message will not be delivered")
	equal(t, "not launched", g.create(t, "+12025550165", "x", text).status, 404)
	equal(t, "a test number that is none here", g.create(t, "+12025550104", "y", text).status, 200)
	equal(t, "messages", states(g.Simulator), []string{"12025550162 delivered", "12025550163 delivered", "y delivered"})

	old := start(t, &rbmtest.Simulator{Assume: rbmtest.Assumptions{NotLaunchedForbidden: true, EntityNotFound: true}})
	old.SetBehavior(phone, rbmtest.Behavior{Refusal: rbmtest.NotLaunched})
	equal(t, "not launched, older", old.create(t, phone, "x", text).status, 403)
	equal(t, "unreachable, other words", old.create(t, "+12025550104", "x", text).message(t), "Requested entity was not found.")
	old.SetBehavior(phone, rbmtest.Behavior{})
	equal(t, "back to normal", old.create(t, phone, "x", text).status, 200)
}

func TestSimulator_WithFailures(t *testing.T) {
	t.Parallel()
	g := start(t, new(rbmtest.Simulator))
	g.Fail(rbmtest.Failure{Status: 502, Count: 1}) // for the RBM API only
	g.Fail(rbmtest.Failure{Method: "token", Status: 504, Count: 1})
	equal(t, "token", g.do(t, "GET", "/token", "").status, 504)
	equal(t, "token, again", g.do(t, "GET", "/token", "").status, 405)
	other := g.WithFailures("other", http.NotFoundHandler())
	for _, want := range []int{504, 404} {
		if want == 504 {
			g.Fail(rbmtest.Failure{Method: "other", Status: 504, Count: 1})
		}
		w := httptest.NewRecorder()
		other.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
		equal(t, "other service", w.Code, want)
	}
	equal(t, "the RBM API", g.create(t, phone, "x", text).status, 502)
	equal(t, "failures left", len(g.Failures()), 0)
}

func TestFailure_json(t *testing.T) {
	t.Parallel()
	full := rbmtest.Failure{
		Phone: phone, Method: "users.batchGet", Count: 3, PerID: true, Status: 503, Message: "m",
		RetryAfter: 2 * time.Second, Delay: 1500 * time.Millisecond,
	}
	data, err := json.Marshal(full)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "JSON", string(data), `{"phone":"+12025550123","method":"users.batchGet","count":3,"per_id":true,"status":503,"message":"m","retry_after":"2s","delay":"1.5s"}`)
	var back rbmtest.Failure
	if err := json.Unmarshal(data, &back); err != nil {
		t.Fatal(err)
	}
	equal(t, "failure", back, full)

	g := start(t, new(rbmtest.Simulator))
	tests := []struct{ body, want string }{
		{`{"failures":[{"status":503,"retry_after":2.5}]}`, ""},
		{`{"failures":[{"break":"after","delay":"1s"}]}`, ""},
		{`{"failures":[{}]}`, "expected a delay, or one of"},
		{`{"failures":[{"status":503,"truncate":true}]}`, "expected a delay, or one of"},
		{`{"failures":[{"status":200}]}`, "expected 400 to 599, got 200"},
		{`{"failures":[{"break":"during"}]}`, "rbmtest: break: expected"},
		{`{"failures":[{"status":500,"count":-1}]}`, "must not be negative"},
		{`{"failures":[{"delay":true}]}`, "time: expected a string"},
		{`{"failures":[{"delay":"soon"}]}`, "invalid duration"},
		{`{"failures":[{"stat":500}]}`, `unknown field "stat"; the paths of the simulator and their bodies are in https://pkg.go.dev/github.com/rcshook/rcshook/rbm/rbmtest#hdr-Over_HTTP`},
		{`{"failures":[]} {}`, "expected one JSON value"},
	}
	for _, tt := range tests {
		a := g.do(t, "POST", "/_sim/failures", tt.body)
		if tt.want == "" {
			equal(t, tt.body, a.status, 200)
			continue
		}
		equal(t, tt.body, a.status, 400)
		if !strings.Contains(strings.ReplaceAll(a.body, `\"`, `"`), tt.want) {
			t.Errorf("%s: %s, want %q in it", tt.body, a.body, tt.want)
		}
	}
	equal(t, "failures", g.do(t, "GET", "/_sim/failures", "").body, "{\n  \"failures\": [\n    {\n      \"break\": \"after\",\n      \"delay\": \"1s\"\n    }\n  ]\n}\n")
	g.do(t, "POST", "/_sim/failures", "")
	equal(t, "cleared", len(g.Failures()), 0)
}

func TestFailPanics(t *testing.T) {
	t.Parallel()
	defer func() {
		if recover() == nil {
			t.Error("Fail accepted a failure without effect")
		}
	}()
	new(rbmtest.Simulator).Fail(rbmtest.Failure{})
}

// TestSlowNumber runs on a fake clock, where a minute passes at once.
func TestSlowNumber(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		sim := new(rbmtest.Simulator)
		defer sim.Close()
		req := httptest.NewRequest("POST", "/v1/phones/+12025550154/agentMessages?messageId=1&agentId=a", strings.NewReader(text))
		req.Header.Set("Authorization", "Bearer "+sim.Token())
		began := time.Now()
		w := httptest.NewRecorder()
		sim.ServeHTTP(w, req)
		equal(t, "status", w.Code, 200)
		equal(t, "waited", time.Since(began), 60*time.Second)
		equal(t, "messages", states(sim), []string{"1 delivered"})
	})
}

// TestSlowNumber_disconnect would not end if a hung request kept the server from closing.
func TestSlowNumber_disconnect(t *testing.T) {
	t.Parallel()
	sim := new(rbmtest.Simulator)
	server := httptest.NewServer(sim)
	g := &rig{sim, server.URL, sim.Token()}
	hung := make(chan int)
	for range 3 {
		req := g.request(t, "POST", "/v1/phones/+12025550154/agentMessages?messageId=1&agentId=a", text)
		go func() { hung <- g.broken(t, req) }()
	}
	sim.Close()
	for range 3 {
		equal(t, "status", <-hung, 0)
	}
	sim.Close()
	equal(t, "a quick request to a closed simulator", g.create(t, phone, "2", text).status, 200)
	server.Close()
	equal(t, "messages", states(sim), []string{"2 delivered"})
}
