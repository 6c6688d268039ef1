package rbmtest_test

import (
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/rcshook/rcshook/internal/googletest/token"
	"github.com/rcshook/rcshook/rbm"
	"github.com/rcshook/rcshook/rbm/rbmtest"
)

// content wraps the members of a contentMessage.
func content(members string) string { return `{"contentMessage":{` + members + `}}` }

func suggestion(members string) string {
	return content(`"text":"x","suggestions":[` + members + `]`)
}

// TestCreate_parseErrors checks the errors for bodies that are not messages. The texts of
// unknown names and unions are Google's.
func TestCreate_parseErrors(t *testing.T) {
	t.Parallel()
	const payload = "Invalid JSON payload received. "
	const root = "agent_message"
	const at = root + ".content_message"
	tests := []struct {
		name, body, field, want string // field: empty without details; want: prefix
	}{
		{"end", `{"contentMessage"`, "", payload},
		{"no colon", `{"contentMessage" 1}`, "", payload},
		{"two values", `{} {}`, "", payload},
		{"not UTF-8", "{\"a\":\"\xff\"}", "", payload},
		{"too deep", `{"a":` + strings.Repeat("[", 101), "", payload},
		{"list", `[1]`, root, "Invalid value at 'agent_message': "},
		{"unknown field", `{"foo":1}`, root, payload + `Unknown name "foo" at 'agent_message': Cannot find field.`},
		{"unknown field in a list", suggestion(`{"reply":{"text":"a","foo":1}}`), at + ".suggestions[0].reply", payload + `Unknown name "foo" at '` + at + `.suggestions[0].reply': Cannot find field.`},
		{"list for one", content(`"text":["x"]`), at + ".text", "Invalid value at '" + at + ".text': "},
		{"object for text", content(`"text":{}`), at + ".text", "Invalid value at '" + at + ".text': "},
		{"number for text", content(`"text":5`), at + ".text", "Invalid value at '" + at + ".text': "},
		{"text for object", `{"contentMessage":"x"}`, at, "Invalid value at '" + at + "': "},
		{"text for bool", content(`"contentInfo":{"fileUrl":"https://a.example","forceRefresh":"no"}`), at + ".content_info.force_refresh", "Invalid value at "},
		{"null in a list", suggestion(`null`), at + ".suggestions[0]", "Invalid value at "},
		{"enum word", `{"messageTrafficType":"SERVICE_REQUEST"}`, root + ".message_traffic_type", "Invalid value at 'agent_message.message_traffic_type': "},
		{"enum number", `{"messageTrafficType":99}`, root + ".message_traffic_type", "Invalid value at 'agent_message.message_traffic_type': "},
		{"ttl without unit", `{"ttl":"10"}`, root + ".ttl", "Invalid value at 'agent_message.ttl': "},
		{"ttl as a number", `{"ttl":10}`, root + ".ttl", "Invalid value at 'agent_message.ttl': "},
		{"time", `{"expireTime":"tomorrow"}`, root + ".expire_time", "Invalid value at 'agent_message.expire_time': "},
		{"ttl and expireTime", `{"ttl":"10s","expire_time":"2030-01-01T00:00:00Z"}`, root, "Invalid value at 'agent_message' (oneof), oneof field 'expiration' is already set. Cannot set 'expireTime'"},
		{"reply and action", suggestion(`{"reply":{"text":"a"},"action":{"text":"b"}}`), at + ".suggestions[0]", "Invalid value at '" + at + ".suggestions[0]' (oneof), oneof field 'option' is already set. Cannot set 'action'"},
		{"two actions", suggestion(`{"action":{"text":"b","dialAction":{"phoneNumber":"1"},"shareLocationAction":{}}}`), at + ".suggestions[0].action", "Invalid value at '" + at + ".suggestions[0].action' (oneof), oneof field 'action' is already set. Cannot set 'shareLocationAction'"},
		{"two contents", content(`"text":"x","richCard":{}`), at, "Invalid value at '" + at + "' (oneof), oneof field 'content' is already set. Cannot set 'richCard'"},
	}
	g := start(t, new(rbmtest.Simulator))
	for _, tt := range tests {
		a := g.create(t, phone, "x", tt.body)
		equal(t, tt.name+" status", a.status, 400)
		if got := a.message(t); !strings.HasPrefix(got, tt.want) {
			t.Errorf("%s: message %q, want the prefix %q", tt.name, got, tt.want)
		}
		var envelope struct {
			Error struct {
				Details []struct {
					Type            string `json:"@type"`
					FieldViolations []struct{ Field, Description string }
				}
			}
		}
		if err := json.Unmarshal([]byte(a.body), &envelope); err != nil {
			t.Fatal(err)
		}
		if tt.field == "" {
			equal(t, tt.name+" details", len(envelope.Error.Details), 0)
			continue
		}
		d := envelope.Error.Details[0]
		equal(t, tt.name+" type", d.Type, "type.googleapis.com/google.rpc.BadRequest")
		equal(t, tt.name+" field", d.FieldViolations[0].Field, tt.field)
	}
	equal(t, "messages", states(g.Simulator), []string{})

	both := g.create(t, phone, "x", `{"foo":1,"ttl":5}`)
	equal(t, "lines for two errors", len(strings.Split(both.message(t), "\n")), 2)
}

// TestCreate_rules sends messages that parse but break rules.
func TestCreate_rules(t *testing.T) {
	t.Parallel()
	label := strings.Repeat("l", rbm.MaxSuggestionText+1)
	card := func(members string) string {
		return content(`"richCard":{"standaloneCard":{"cardOrientation":"VERTICAL","cardContent":{` + members + `}}}`)
	}
	five := strings.TrimSuffix(strings.Repeat(`{"reply":{"text":"a","postbackData":"b"}},`, 5), ",")
	tests := []struct {
		name, body, field, message string // message: its beginning
	}{
		{"nothing", `{}`, "agent_message.content_message", "Invalid value at 'agent_message.content_message': "},
		{"nothing at all", ``, "agent_message.content_message", "Invalid value at 'agent_message.content_message': "},
		{"no content", content(``), "agent_message.content_message", "Invalid value at 'agent_message.content_message': "},
		{"empty text", content(`"text":""`), "agent_message.content_message", "Invalid value at 'agent_message.content_message': "},
		{"long text", content(`"text":"` + strings.Repeat("é", rbm.MaxText+1) + `"`), "agent_message.content_message.text", "Invalid value at 'agent_message.content_message.text': "},
		{"long reply", suggestion(`{"reply":{"text":"` + label + `","postbackData":"p"}}`), "agent_message.content_message.suggestions[0].reply.text", "Within suggested reply, the provided text exceeds the maximum allowed length."},
		{"long action", suggestion(`{"action":{"text":"` + label + `","postbackData":"p","shareLocationAction":{}}}`), "agent_message.content_message.suggestions[0].action.text", "Within suggested action, the provided text exceeds the maximum allowed length."},
		{"five buttons", card(`"title":"t","suggestions":[` + five + `]`), "agent_message.content_message.rich_card.standalone_card.card_content.suggestions", "Invalid value at "},
		{"ttl of 16 days", `{"contentMessage":{"text":"x"},"ttl":"1382400s"}`, "agent_message.ttl", "Invalid value at 'agent_message.ttl': "},
		{"past", `{"contentMessage":{"text":"x"},"expireTime":"2001-01-01T00:00:00Z"}`, "agent_message.expire_time", "Invalid value at 'agent_message.expire_time': "},
		{"too large", `{"contentMessage":{"text":"x"}` + strings.Repeat(" ", rbm.MaxMessageBytes) + `}`, "agent_message", "Invalid value at 'agent_message': "},
	}
	g := start(t, new(rbmtest.Simulator))
	for _, tt := range tests {
		a := g.create(t, phone, "x", tt.body)
		equal(t, tt.name+" status", a.status, 400)
		if got := a.message(t); !strings.HasPrefix(got, tt.message) {
			t.Errorf("%s: message %q, want it to begin with %q", tt.name, got, tt.message)
		}
		if !strings.Contains(a.body, `"field": "`+tt.field+`"`) {
			t.Errorf("%s: no violation of %s in\n%s", tt.name, tt.field, a.body)
		}
	}
	equal(t, "messages", states(g.Simulator), []string{})

	ten := start(t, &rbmtest.Simulator{Assume: rbmtest.Assumptions{TenCardSuggestions: true}})
	equal(t, "five buttons of ten", ten.create(t, phone, "x", card(`"title":"t","suggestions":[`+five+`]`)).status, 200)
	equal(t, "fifteen buttons of ten", ten.create(t, phone, "y", card(`"title":"t","suggestions":[`+five+`,`+five+`,`+five+`]`)).status, 400)
}

func TestOutputFields(t *testing.T) {
	t.Parallel()
	body := `{"name":"phones/x","contentMessage":{"text":"x"},"carrier":"mine","total_payload_size_bytes":"7","richMessageClassification":{"segment_count":"2"}}`
	g := start(t, new(rbmtest.Simulator))
	a := g.create(t, phone, "x", body)
	equal(t, "status", a.status, 400)
	equal(t, "message", strings.Split(a.message(t), "\n")[0], "The field 'name' is set by the RBM platform and must not be sent.")
	event := g.do(t, "POST", "/v1/phones/"+phone+"/agentEvents?eventId=1&agentId="+agent, `{"eventType":"IS_TYPING","send_time":"2026-01-01T00:00:00Z"}`)
	equal(t, "event", event.message(t), "The field 'sendTime' is set by the RBM platform and must not be sent.")

	lax := start(t, &rbmtest.Simulator{Assume: rbmtest.Assumptions{OutputFieldsIgnored: true}})
	got := lax.create(t, phone, "x", body)
	equal(t, "status when ignored", got.status, 200)
	if strings.Contains(got.body, "mine") {
		t.Errorf("a field that was to be ignored came back:\n%s", got.body)
	}
}

// TestCreate_requestErrors checks the errors of requests besides the body.
func TestCreate_requestErrors(t *testing.T) {
	t.Parallel()
	g := start(t, &rbmtest.Simulator{
		Agents: []rbmtest.AgentConfig{{ID: agent + "@rbm.goog"}, {ID: "multi", UseCase: rbmtest.UseCaseMultiUse}, {ID: "otp", UseCase: rbmtest.UseCaseOTP}},
		Assume: rbmtest.Assumptions{RequireUUID: true},
	})
	const id = "5a0c2f4e-6a3d-4d0e-9a50-0d7c1f7be001"
	traffic := func(t string) string { return `{"contentMessage":{"text":"x"},"messageTrafficType":"` + t + `"}` }
	tests := []struct {
		name, path, body string
		status           int
		message          string // its beginning
	}{
		{"good", phone + "/agentMessages?messageId=" + id + "&agentId=" + agent, text, 200, ""},
		{"missing agent", phone + "/agentMessages?messageId=" + id, text, 403, "There was an error looking up the RBM agent (ID: null) that corresponds"},
		{"empty agent", phone + "/agentMessages?messageId=" + id + "&agentId=", text, 403, "There was an error looking up the RBM agent (ID: null) that"},
		{"unknown agent", phone + "/agentMessages?messageId=" + id + "&agentId=unknown", text, 403, "There was an error looking up the RBM agent (ID: unknown) that"},
		{"no plus", "12025550123/agentMessages?messageId=" + id + "&agentId=" + agent, text, 400, "The phone number in the resource name is not in E.164 format."},
		{"too long a number", "+1202555012345678/agentMessages?messageId=" + id + "&agentId=" + agent, text, 400, "The phone number in"},
		{"slash in the number", "+1%2F202/agentMessages?messageId=" + id + "&agentId=" + agent, text, 400, "The phone number in"},
		{"no message ID", phone + "/agentMessages?agentId=" + agent, text, 400, "The messageId is missing."},
		{"no UUID", phone + "/agentMessages?messageId=123&agentId=" + agent, text, 400, "The messageId is not a valid UUID."},
		{"two unknown parameters", phone + "/agentMessages?b=1&a=2&messageId=" + id + "&agentId=" + agent, text, 400, "Invalid JSON payload received. Unknown name \"a\": Cannot bind query parameter. Field 'a' could not be found in request message.\nInvalid JSON payload received. Unknown name \"b\""},
		{"snake case and standard parameters", phone + "/agentMessages?message_id=" + id + "&agent_id=" + agent + "&prettyPrint=false&key=k&alt=json", text, 200, ""},
		{"traffic missing", phone + "/agentMessages?messageId=" + id + "&agentId=multi", text, 400, "A message from a multi-use agent must have a message_traffic_type."},
		{"traffic unspecified", phone + "/agentMessages?messageId=" + id + "&agentId=multi", traffic("MESSAGE_TRAFFIC_TYPE_UNSPECIFIED"), 400, "A message from a multi-use"},
		{"traffic wrong", phone + "/agentMessages?messageId=" + id + "&agentId=otp", traffic("PROMOTION"), 400, "The message_traffic_type PROMOTION is not allowed"},
		{"traffic open to all", phone + "/agentMessages?messageId=" + id + "&agentId=otp", traffic("SERVICEREQUEST"), 200, ""},
		{"traffic right", phone + "/agentMessages?messageId=" + id + "&agentId=multi", traffic("PROMOTION"), 200, ""},
		{"traffic default", phone + "/agentMessages?messageId=6a0c2f4e-6a3d-4d0e-9a50-0d7c1f7be001&agentId=otp", traffic("AUTHENTICATION"), 200, ""},
	}
	for _, tt := range tests {
		a := g.do(t, "POST", "/v1/phones/"+tt.path, tt.body)
		equal(t, tt.name+" status", a.status, tt.status)
		if tt.status != 200 {
			if got := a.message(t); !strings.HasPrefix(got, tt.message) {
				t.Errorf("%s: message %q, want it to begin with %q", tt.name, got, tt.message)
			}
		}
	}
	missing := g.do(t, "POST", "/v1/phones/"+phone+"/agentMessages?messageId="+id, text)
	if !strings.Contains(missing.body, `"domain": "global"`) || !strings.Contains(missing.body, `"reason": "forbidden"`) {
		t.Errorf("the agent look-up has no errors[]:\n%s", missing.body)
	}
	large := g.create(t, phone, id, strings.Repeat(" ", 10<<20+1))
	equal(t, "large body", large.message(t), "Request payload size exceeds the limit: 10485760 bytes.")
	old := g.do(t, "POST", "/v1/phones/1/agentMessages?$.xgafv=1&messageId="+id+"&agentId="+agent, text)
	if !strings.Contains(old.body, `"reason": "badRequest"`) {
		t.Errorf("error format 1 has no errors[]:\n%s", old.body)
	}
	flat := g.do(t, "POST", "/v1/phones/"+phone+"/agentMessages?prettyPrint=false&messageId="+id+"&agentId="+agent, text)
	if strings.Contains(strings.TrimSpace(flat.body), "\n") {
		t.Errorf("prettyPrint=false is ignored:\n%s", flat.body)
	}
	for _, path := range []string{"/v1/phones", "/v1/phones//agentMessages", "/v2/phones/+1/agentMessages", "/v1/phones/a/b/c/d", "/v1/", "/upload/v1/nothing"} {
		req := httptest.NewRequest("POST", "http://x/", nil)
		req.URL.Path, req.URL.RawPath = path, path
		w := httptest.NewRecorder()
		g.ServeHTTP(w, req)
		want := 404
		if path == "/v2/phones/+1/agentMessages" {
			want = 403 // the admin paths, for which x is not a loopback host
		}
		equal(t, path, w.Code, want)
	}
}

// TestTrafficTypes tries every traffic type with every use case.
func TestTrafficTypes(t *testing.T) {
	t.Parallel()
	const all = "AUTHENTICATION TRANSACTION PROMOTION SERVICEREQUEST ACKNOWLEDGEMENT"
	allowed := map[rbmtest.UseCase]string{
		"":                           all,
		rbmtest.UseCaseOTP:           "AUTHENTICATION SERVICEREQUEST ACKNOWLEDGEMENT",
		rbmtest.UseCaseTransactional: "TRANSACTION SERVICEREQUEST ACKNOWLEDGEMENT",
		rbmtest.UseCasePromotional:   "PROMOTION SERVICEREQUEST ACKNOWLEDGEMENT",
		rbmtest.UseCaseMultiUse:      "TRANSACTION PROMOTION SERVICEREQUEST ACKNOWLEDGEMENT",
	}
	for useCase, want := range allowed {
		g := start(t, &rbmtest.Simulator{Agents: []rbmtest.AgentConfig{{ID: agent, UseCase: useCase}}})
		var got []string
		for _, traffic := range strings.Fields(all) {
			if g.create(t, phone, traffic, `{"contentMessage":{"text":"x"},"messageTrafficType":"`+traffic+`"}`).status == 200 {
				got = append(got, traffic)
			}
		}
		equal(t, string(useCase), strings.Join(got, " "), want)
	}
}

func TestAllowMissingID(t *testing.T) {
	t.Parallel()
	g := start(t, &rbmtest.Simulator{Assume: rbmtest.Assumptions{AllowMissingID: true}})
	for range 2 {
		equal(t, "status", g.do(t, "POST", "/v1/phones/"+phone+"/agentMessages?agentId="+agent, text).status, 200)
	}
	m := g.Messages()
	if len(m) != 2 || m[0].MessageID == "" || m[0].MessageID == m[1].MessageID {
		t.Errorf("messages %+v, want two with different IDs", m)
	}
}

func TestTokens(t *testing.T) {
	t.Parallel()
	g := start(t, new(rbmtest.Simulator))
	path := "/v1/phones/" + phone + "/agentMessages?messageId=1&agentId=" + agent
	wrongScope := g.Tokens().(*token.Server).Issue("https://www.googleapis.com/auth/cloud-platform")
	tests := []struct {
		name, query, header string
		status              int
		challenge           string
	}{
		{"none", "", "", 401, `Bearer realm="https://accounts.google.com/"`},
		{"other scheme", "", "Basic eDp5", 401, `Bearer realm="https://accounts.google.com/", error="invalid_token"`},
		{"unknown", "", "Bearer x", 401, `Bearer realm="https://accounts.google.com/", error="invalid_token"`},
		{"wrong scope", "", "Bearer " + wrongScope, 403, ""},
		{"good", "", "Bearer " + g.token, 200, ""},
		{"in the query", "&access_token=" + g.token, "", 200, ""},
		{"in the query, older", "&oauth_token=" + g.token, "", 200, ""},
	}
	for _, tt := range tests {
		req := g.request(t, "POST", path+tt.query, text)
		req.Header.Del("Authorization")
		if tt.header != "" {
			req.Header.Set("Authorization", tt.header)
		}
		a := g.send(t, req)
		equal(t, tt.name+" status", a.status, tt.status)
		equal(t, tt.name+" challenge", a.header.Get("WWW-Authenticate"), tt.challenge)
		if tt.name == "wrong scope" {
			equal(t, "message", a.message(t), "Request had insufficient authentication scopes.")
			if !strings.Contains(a.body, "ACCESS_TOKEN_SCOPE_INSUFFICIENT") || !strings.Contains(a.body, "RcsBusinessMessagingService.CreateAgentMessage") {
				t.Errorf("no reason in\n%s", a.body)
			}
		}
	}
	for _, r := range g.Requests() {
		if strings.Contains(r.URL, g.token) {
			t.Error("the request log holds a token")
		}
	}
	g.Tokens().(*token.Server).RevokeTokens()
	equal(t, "revoked", g.create(t, phone, "2", text).status, 401)
}
