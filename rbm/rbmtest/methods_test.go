package rbmtest_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rcshook/rcshook/rbm"
	"github.com/rcshook/rcshook/rbm/rbmtest"
)

// decoded is the response's JSON.
func (a response) decoded(t *testing.T) map[string]any {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal([]byte(a.body), &v); err != nil {
		t.Fatalf("%v in\n%s", err, a.body)
	}
	return v
}

func TestAgentEvents(t *testing.T) {
	t.Parallel()
	c := newClock()
	g := start(t, &rbmtest.Simulator{Now: c.Now})
	event := func(to, id, body string) response {
		return g.do(t, "POST", "/v1/phones/"+to+"/agentEvents?eventId="+id+"&agentId="+agent, body)
	}
	want := map[string]any{
		"name": "phones/" + offline + "/agentEvents/e1", "eventType": "READ", "messageId": "Mx1",
		"sendTime": "2026-11-20T09:15:03.464Z",
	}
	first := event(offline, "e1", `{"eventType":"READ","messageId":"Mx1"}`)
	equal(t, "response", first.decoded(t), want)
	c.now = c.now.Add(time.Second)
	equal(t, "repeated", event(offline, "e1", `{"eventType":"IS_TYPING"}`).body, first.body)
	equal(t, "typing", event(phone, "e2", `{"event_type":1}`).decoded(t)["eventType"], any("IS_TYPING"))
	if name, _ := event(phone, "", `{"eventType":"IS_TYPING"}`).decoded(t)["name"].(string); len(name) != len("phones/"+phone+"/agentEvents/")+36 {
		t.Errorf("name %q, want one with a made-up UUID", name)
	}

	g.SetBehavior(offline, rbmtest.Behavior{Refusal: rbmtest.Unreachable})
	equal(t, "repeated when unreachable", event(offline, "e1", `{"eventType":"IS_TYPING"}`).body, first.body)

	// Messages and events share their IDs.
	equal(t, "a message with the ID of an event", g.create(t, phone, "e1", text).body, first.body)
	g.create(t, phone, "m1", text)
	equal(t, "an event with the ID of a message", event(phone, "m1", `{"eventType":"IS_TYPING"}`).status, 200)
	equal(t, "messages", states(g.Simulator), []string{"m1 delivered"})
	equal(t, "revoking an event", g.do(t, "DELETE", "/v1/phones/"+offline+"/agentMessages/e1?agentId="+agent, "").status, 404)

	equal(t, "no type", event(phone, "e3", `{}`).message(t), "The event_type of the agent event is missing.")
	equal(t, "no message", event(phone, "e3", `{"eventType":"READ"}`).message(t), "The message_id of the user's message is missing.")
	equal(t, "unreachable", event("+12025550104", "e3", `{"eventType":"IS_TYPING"}`).status, 404)
	equal(t, "no tester", event("+12025550103", "e3", `{"eventType":"IS_TYPING"}`).status, 403)
	equal(t, "wrong word", event(phone, "e3", `{"eventType":"TYPING"}`).status, 400)

	var kinds []string
	for _, e := range g.Log() {
		if e.Kind == rbmtest.LogAgentEvent {
			kinds = append(kinds, e.Phone+" "+e.MessageID)
		}
	}
	equal(t, "events", kinds, []string{offline + " Mx1", phone + " ", phone + " "})
}

func TestCapabilities(t *testing.T) {
	t.Parallel()
	g := start(t, &rbmtest.Simulator{Agents: []rbmtest.AgentConfig{{ID: agent}, {ID: "new", Unlaunched: true}}})
	ask := func(to, agentID string) response {
		return g.do(t, "GET", "/v1/phones/"+to+"/capabilities?requestId=1&agentId="+agentID, "")
	}
	got := ask("+442079460123", agent).decoded(t)
	if diff := cmp.Diff(map[string]any{"features": toAny(rbmtest.AllFeatures())}, got); diff != "" {
		t.Errorf("capabilities (-want +got):\n%s", diff)
	}
	equal(t, "US number", ask(phone, agent).decoded(t)["carrier"], any("example-us"))
	equal(t, "plain device", ask("+12025550140", agent).decoded(t), map[string]any{"carrier": "example-us"})
	equal(t, "offline device", ask(offline, agent).status, 200)
	equal(t, "unreachable", ask("+12025550104", agent).status, 404)
	equal(t, "no tester", ask(phone, "new").status, 404)
	g.SetTester("new@rbm.goog", phone, rbm.InviteAccepted)
	equal(t, "tester", ask(phone, "new").status, 200)
	forbid := start(t, &rbmtest.Simulator{Assume: rbmtest.Assumptions{CapabilitiesForbidden: true}})
	equal(t, "no tester, older", forbid.do(t, "GET", "/v1/phones/+12025550103/capabilities?agentId=a", "").status, 403)

	const dial = `{"contentMessage":{"text":"x","suggestions":[{"action":{"text":"a","postbackData":"b","dialAction":{"phoneNumber":"1"}}}]}}`
	const carousel = `{"contentMessage":{"richCard":{"carouselCard":{"cardWidth":"MEDIUM","cardContents":[{"title":"a"},{"title":"b","suggestions":[{"action":{"text":"a","postbackData":"b","openUrlAction":{"url":"https://example.com","application":"WEBVIEW"}}}]}]}}}}`
	g.SetBehavior(phone, rbmtest.Behavior{Features: []rbm.Feature{"RICHCARD_CAROUSEL", "ACTION_OPEN_URL"}, Carrier: "other-us"})
	equal(t, "fewer features", ask(phone, agent).decoded(t), map[string]any{"features": []any{"RICHCARD_CAROUSEL", "ACTION_OPEN_URL"}, "carrier": "other-us"})
	equal(t, "a feature that lacks", g.create(t, phone, "1", dial).message(t), "The message uses a feature that the recipient's device does not support.")
	equal(t, "a web view opens the browser", g.create(t, phone, "2", carousel).status, 200)
	equal(t, "plain text", g.create(t, phone, "3", text).status, 200)
}

// TestNeededFeatures sends one message for each feature to a device that has all
// others.
func TestNeededFeatures(t *testing.T) {
	t.Parallel()
	action := func(members string) string {
		return suggestion(`{"action":{"text":"a","postbackData":"b",` + members + `}}`)
	}
	need := map[string]string{
		"ACTION_DIAL":                  action(`"dialAction":{"phoneNumber":"1"}`),
		"ACTION_OPEN_URL":              action(`"openUrlAction":{"url":"https://example.com"}`),
		"ACTION_VIEW_LOCATION":         action(`"viewLocationAction":{"query":"q"}`),
		"ACTION_SHARE_LOCATION":        action(`"shareLocationAction":{}`),
		"ACTION_CREATE_CALENDAR_EVENT": action(`"createCalendarEventAction":{"startTime":"2030-01-01T00:00:00Z","endTime":"2030-01-01T01:00:00Z","title":"t"}`),
		"ACTION_COMPOSE":               action(`"composeAction":{"composeTextMessage":{"phoneNumber":"+12025550199","text":"t"}}`),
		"RICHCARD_STANDALONE":          content(`"richCard":{"standaloneCard":{"cardOrientation":"VERTICAL","cardContent":{"title":"t"}}}`),
		"RICHCARD_CAROUSEL":            content(`"richCard":{"carouselCard":{"cardWidth":"SMALL","cardContents":[{"title":"t"},{"title":"u"}]}}`),
	}
	g := start(t, new(rbmtest.Simulator))
	all := append(rbmtest.AllFeatures(), "ACTION_COMPOSE")
	for feature, body := range need {
		g.SetBehavior(phone, rbmtest.Behavior{Features: all})
		equal(t, feature+" there", g.create(t, phone, feature, body).status, 200)
		g.SetBehavior(phone, rbmtest.Behavior{Features: slices.DeleteFunc(slices.Clone(all), func(f rbm.Feature) bool { return string(f) == feature })})
		equal(t, feature+" lacking", g.create(t, phone, feature+"2", body).status, 400)
	}
}

func toAny[T ~string](list []T) []any {
	out := make([]any, len(list))
	for i, s := range list {
		out[i] = string(s)
	}
	return out
}

// numbers returns n numbers of Great Britain.
func numbers(n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("+4477009%05d", i)
	}
	return out
}

func batchBody(t *testing.T, agentID string, users ...string) string {
	t.Helper()
	body, err := json.Marshal(map[string]any{"users": users, "agentId": agentID})
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func TestBatchGet(t *testing.T) {
	t.Parallel()
	g := start(t, &rbmtest.Simulator{Agents: []rbmtest.AgentConfig{{ID: agent}, {ID: "new", Unlaunched: true}}})
	ask := func(body string) response { return g.do(t, "POST", "/v1/users:batchGet", body) }

	few := ask(batchBody(t, agent, phone, "+12025550104", offline, phone))
	equal(t, "US numbers", few.decoded(t), map[string]any{
		"reachableUsers":    []any{phone, offline},
		"reachableUsersMap": map[string]any{"example-us": map[string]any{"reachableUsers": []any{phone, offline}}},
	})
	equal(t, "agent in the query", g.do(t, "POST", "/v1/users:batchGet?agentId="+agent, `{"users":["`+phone+`"]}`).status, 200)
	equal(t, "unlaunched agent", ask(batchBody(t, "new", "+442079460123")).body, "{}\n")

	many := numbers(1000)
	g.SetBehavior(many[0], rbmtest.Behavior{Refusal: rbmtest.Unreachable})
	g.SetBehavior(many[1], rbmtest.Behavior{Refusal: rbmtest.NotLaunched})
	got := ask(batchBody(t, agent, many...)).decoded(t)
	equal(t, "reachable", got["reachableUsers"].([]any), toAny(many[2:]))
	equal(t, "sample", got["totalRandomSampleUserCount"], any(750.0))
	equal(t, "reachable of the sample", got["reachableRandomSampleUserCount"], any(749.0))

	tests := []struct{ name, body, message string }{
		{"no agent", `{"users":["+1202555"]}`, "There was an error looking up the RBM agent (ID: null)"},
		{"no users", batchBody(t, agent), "The list of users is empty."},
		{"malformed", batchBody(t, agent, "0202555"), "A phone number in users is not in E.164 format."},
		{"too many", batchBody(t, agent, numbers(10001)...), "A request may hold at most 10000 users."},
		{"two regions", batchBody(t, agent, phone, "+442079460123"), "All users of a request must be of the same region."},
		{"wrong type", `{"users":[1],"agentId":"` + agent + `"}`, "Invalid value at 'users"},
		{"unknown field", `{"user":[],"agentId":"` + agent + `"}`, `Invalid JSON payload received. Unknown name "user": Cannot find field.`},
		{"no object", `"x"`, "Invalid value at ''"},
	}
	for _, tt := range tests {
		a := ask(tt.body)
		if got := a.message(t); !strings.HasPrefix(got, tt.message) {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.message)
		}
	}
	minimum := start(t, &rbmtest.Simulator{Assume: rbmtest.Assumptions{BatchMinimum: true}})
	equal(t, "too few", minimum.do(t, "POST", "/v1/users:batchGet", batchBody(t, agent, phone)).status, 400)
}

func TestBatchRegions(t *testing.T) {
	t.Parallel()
	g := start(t, new(rbmtest.Simulator))
	ask := func(host, user string) int {
		req := g.request(t, "POST", "/v1/users:batchGet", batchBody(t, agent, user))
		req.Host = host + "rcsbusinessmessaging.googleapis.com"
		return g.send(t, req).status
	}
	regions := map[string]string{"+12025550100": "us-", "+5511900000000": "us-", "+442079460123": "europe-", "+27110000000": "europe-", "+919000000000": "asia-", "+61400000000": "asia-", "+819000000000": "asia-"}
	for user, right := range regions {
		for _, host := range []string{"us-", "europe-", "asia-", ""} {
			want := 400
			if host == right || host == "" {
				want = 200
			}
			equal(t, user+" at "+host, ask(host, user), want)
		}
	}
	own := start(t, &rbmtest.Simulator{RegionOf: func(string) rbm.Region { return rbm.RegionAsia }})
	equal(t, "own table", own.do(t, "POST", "/v1/users:batchGet", batchBody(t, agent, phone, "+442079460123")).status, 200)
}

func TestBatchQuota(t *testing.T) {
	t.Parallel()
	c := newClock()
	g := start(t, &rbmtest.Simulator{Now: c.Now})
	body := batchBody(t, agent, phone)
	for range 600 {
		if a := g.do(t, "POST", "/v1/users:batchGet", body); a.status != 200 {
			t.Fatalf("status %d before the quota is used up", a.status)
		}
	}
	equal(t, "the 601st", g.do(t, "POST", "/v1/users:batchGet", body).status, 429)
	c.now = c.now.Add(time.Minute)
	equal(t, "a minute later", g.do(t, "POST", "/v1/users:batchGet", body).status, 200)
}

func TestTesters(t *testing.T) {
	t.Parallel()
	c := newClock()
	g := start(t, &rbmtest.Simulator{Now: c.Now, Agents: []rbmtest.AgentConfig{{ID: agent, Unlaunched: true}}})
	invite := func(to, body string) response {
		return g.do(t, "POST", "/v1/phones/"+to+"/testers?agentId="+agent, body)
	}
	blocked := "This operation is blocked because the RBM agent has not launched and the recipient has not been invited and accepted the invitation to become a tester."
	equal(t, "stranger", g.create(t, phone, "1", text).message(t), blocked)
	for _, body := range []string{``, `{}`, `{"inviteStatus":"PENDING"}`} {
		equal(t, "invitation", invite(phone, body).decoded(t), map[string]any{"name": "phones/" + phone + "/testers", "inviteStatus": "PENDING"})
	}
	equal(t, "pending", g.create(t, phone, "1", text).status, 403)
	equal(t, "accepts", g.do(t, "POST", "/_sim/tester", `{"agent_id":"`+agent+`","phone":"`+phone+`","status":"ACCEPTED"}`).status, 200)
	equal(t, "accepted", g.create(t, phone, "1", text).status, 200)
	equal(t, "invited again", invite(phone, "").decoded(t)["inviteStatus"], any("ACCEPTED"))
	g.SetTester(agent, phone, rbm.InviteDeclined)
	declined := invite(phone, "")
	equal(t, "declined", declined.status, 400)
	equal(t, "its status", declined.decoded(t)["error"].(map[string]any)["status"], any("FAILED_PRECONDITION"))
	g.SetTester(agent, phone, "")
	equal(t, "removed and invited", invite(phone, "").status, 200)
	equal(t, "unreachable", invite("+12025550104", "").status, 404)
	equal(t, "in trouble", invite("+12025550153", "").status, 503)

	// Four invitations are sent by now.
	for i := range 16 {
		equal(t, "invitation of the day", invite(fmt.Sprintf("+1202555%04d", i+1000), "").status, 200)
	}
	equal(t, "the 21st of the day", invite("+12025552000", "").status, 429)
	for day := range 9 {
		c.now = c.now.Add(24 * time.Hour)
		for i := range 20 {
			equal(t, "invitation", invite(fmt.Sprintf("+1202555%04d", 3000+20*day+i), "").status, 200)
		}
	}
	c.now = c.now.Add(24 * time.Hour)
	equal(t, "the 201st", invite("+12025552000", "").message(t), "The agent has reached its limit of tester invitations.")
}

func TestDialogflow(t *testing.T) {
	t.Parallel()
	g := start(t, &rbmtest.Simulator{Agents: []rbmtest.AgentConfig{
		{ID: agent, Dialogflow: map[string][]string{"RBM_WELCOME_EVENT": {"Welcome!", "How can we help?"}}},
		{ID: "plain"},
	}})
	fire := func(to, agentID, prefix, body string) response {
		return g.do(t, "POST", "/v1/phones/"+to+"/dialogflowMessages?messageIdPrefix="+prefix+"&agentId="+agentID, body)
	}
	const welcome = `{"eventName":"RBM_WELCOME_EVENT","parameters":{"a":[1,{"b":null}]}}`
	for range 2 { // the second time the IDs are known
		equal(t, "response", fire(phone, agent, "w", welcome).decoded(t), map[string]any{
			"name": "phones/" + phone + "/dialogflowMessages/w", "eventName": "RBM_WELCOME_EVENT",
			"parameters": map[string]any{"a": []any{1.0, map[string]any{"b": nil}}},
		})
		equal(t, "messages", states(g.Simulator), []string{"w-1 delivered", "w-2 delivered"})
	}
	equal(t, "text", string(g.Messages()[1].AgentMessage), `{"contentMessage":{"text":"How can we help?"}}`)
	equal(t, "unknown event", fire(phone, agent, "", `{"eventName":"OTHER"}`).status, 200)
	equal(t, "no event", fire(phone, agent, "", `{}`).status, 400)
	equal(t, "output field", fire(phone, agent, "", `{"name":"x","eventName":"OTHER"}`).status, 400)
	equal(t, "unreachable", fire("+12025550104", agent, "", welcome).status, 404)
	equal(t, "not connected", fire(phone, "plain", "", welcome).message(t), "Dialogflow integration is not enabled for the RBM agent.")

	conflict := start(t, &rbmtest.Simulator{Agents: g.Agents, Assume: rbmtest.Assumptions{DuplicateConflict: true}})
	path := "/v1/phones/" + phone + "/dialogflowMessages?messageIdPrefix=w&agentId=" + agent
	equal(t, "first", conflict.do(t, "POST", path, welcome).status, 200)
	equal(t, "repeated", conflict.do(t, "POST", path, welcome).status, 409)
}

func TestUSFields(t *testing.T) {
	t.Parallel()
	link := func(app string) string {
		return `,"suggestions":[{"action":{"text":"a","postbackData":"b","openUrlAction":{"url":"https://example.com"` + app + `}}}]`
	}
	tests := []struct {
		name, members string
		class         any
		billing       rbm.Billing
	}{
		{"basic", `"text":"x"`, nil, rbm.Billing{Class: rbm.BillingBasic}},
		{"160 bytes", `"text":"` + strings.Repeat("é", 80) + `"`, nil, rbm.Billing{Class: rbm.BillingBasic}},
		{"161 bytes", `"text":"` + strings.Repeat("é", 80) + `x"`, map[string]any{"classificationType": "RICH_MESSAGE", "segmentCount": 2.0}, rbm.Billing{Class: rbm.BillingRich, Segments: 2}},
		{"reply", `"text":"x","suggestions":[{"reply":{"text":"a","postbackData":"b"}}]`, map[string]any{"classificationType": "RICH_MESSAGE", "segmentCount": 1.0}, rbm.Billing{Class: rbm.BillingRich, Segments: 1}},
		{"browser", `"text":"x"` + link(""), map[string]any{"classificationType": "RICH_MESSAGE", "segmentCount": 1.0}, rbm.Billing{Class: rbm.BillingRich, Segments: 1}},
		{"web view", `"text":"x"` + link(`,"application":"WEBVIEW"`), map[string]any{"classificationType": "RICH_MEDIA_MESSAGE"}, rbm.Billing{Class: rbm.BillingRichMedia}},
		{"share location", `"text":"x","suggestions":[{"action":{"text":"a","postbackData":"b","shareLocationAction":{}}}]`, map[string]any{"classificationType": "RICH_MEDIA_MESSAGE"}, rbm.Billing{Class: rbm.BillingRichMedia}},
		{"file", `"contentInfo":{"fileUrl":"https://example.com/a.png"}`, map[string]any{"classificationType": "RICH_MEDIA_MESSAGE"}, rbm.Billing{Class: rbm.BillingRichMedia}},
	}
	g := start(t, new(rbmtest.Simulator))
	for i, tt := range tests {
		us := g.create(t, phone, fmt.Sprint(i, "us"), content(tt.members)).decoded(t)
		equal(t, tt.name+" class", us["richMessageClassification"], tt.class)
		equal(t, tt.name+" carrier", us["carrier"], any("example-us"))
		gb := g.create(t, "+442079460123", fmt.Sprint(i, "gb"), content(tt.members)).decoded(t)
		for _, name := range []string{"richMessageClassification", "carrier", "totalPayloadSizeBytes"} {
			if gb[name] != nil {
				t.Errorf("%s: %s for a number outside the US", tt.name, name)
			}
		}
		equal(t, tt.name+" billing", g.Messages()[2*i+1].Detail.Billing, tt.billing)
	}
}

// checker calls check before it takes the status of a response.
type checker struct {
	http.ResponseWriter
	check func(status int)
}

func (c checker) WriteHeader(status int) {
	c.check(status)
	c.ResponseWriter.WriteHeader(status)
}

// TestRequests_beforeResponse checks that a caller with a response finds its request in the
// list.
func TestRequests_beforeResponse(t *testing.T) {
	t.Parallel()
	g := start(t, new(rbmtest.Simulator))
	for i, token := range []string{g.token, "invalid"} {
		want := []int{http.StatusOK, http.StatusUnauthorized}[i]
		r := httptest.NewRequest(http.MethodGet, "/v1/phones/"+phone+"/capabilities?requestId=1&agentId="+agent, nil)
		r.Header.Set("Authorization", "Bearer "+token)
		g.ServeHTTP(checker{httptest.NewRecorder(), func(status int) {
			if list := g.Requests(); status != want || len(list) != i+1 || list[i].Status != want {
				t.Errorf("before the response %d, the list is %+v, want %d", status, list, want)
			}
		}}, r)
		if n := len(g.Requests()); n != i+1 {
			t.Errorf("after the response, the list has %d requests, want %d", n, i+1)
		}
	}
}
