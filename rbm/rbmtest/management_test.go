package rbmtest_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/rcshook/rcshook/internal/googletest/token"
	"github.com/rcshook/rcshook/rbm"
	"github.com/rcshook/rcshook/rbm/rbmtest"
)

// manage calls the Business Communications API and returns the status and the body without
// white space.
func manage(t *testing.T, sim *rbmtest.Simulator, scope, method, path, body string) (int, string) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, "/v1/"+path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+sim.Tokens().(*token.Server).Issue(scope))
	w := httptest.NewRecorder()
	sim.ServeHTTP(w, r)
	got, err := io.ReadAll(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	return w.Code, strings.NewReplacer("\n", "", "  ", "", ": ", ":").Replace(string(got))
}

// TestManagement walks an agent's webhook through the API. Each step continues from the
// one before.
func TestManagement(t *testing.T) {
	hook, moved := newHook(t), newHook(t)
	wrong := newHook(t)
	wrong.proof = "no"
	const (
		agent       = "brands/9d9c0b4f-6a67-4c8e-9b60-64d7b7f2f7a1/agents/a_agent"
		any         = "brands/-/agents/a_agent/integrations"
		integration = agent + "/integrations/40041559-88b7-5a82-aa51-934113f506b4"
		mask        = "?updateMask=agentWebhookIntegration.webhookUri"
	)
	to := func(url string) string {
		return `{"agentWebhookIntegration":{"webhookUri":"` + url + `","verificationToken":"` + clientToken + `"}}`
	}
	resource := func(url string) string {
		return `{"name":"` + integration + `","status":"ENABLED","agentWebhookIntegration":{"webhookUri":"` + url + `"}}`
	}
	sim := &rbmtest.Simulator{Agents: []rbmtest.AgentConfig{{ID: "b_agent@rbm.goog"}, {ID: "a_agent@rbm.goog"}}}
	defer sim.Close()
	for _, step := range []struct {
		method, path, body string
		status             int
		want               string // part of the response
	}{
		{"GET", "brands", "", 200, `"name":"brands/9d9c0b4f-6a67-4c8e-9b60-64d7b7f2f7a1"`},
		{"GET", "brands/-/agents?pageSize=1", "", 200, `{"agents":[{"name":"` + agent + `"}],"nextPageToken":"1"}`},
		{"GET", "brands/-/agents?pageSize=1&pageToken=1", "", 200, `b_agent"}]}`},
		{"GET", "brands/-/agents?pageToken=x", "", 400, `"status":"INVALID_ARGUMENT"`},
		{"GET", "brands/other/agents", "", 404, `"status":"NOT_FOUND"`},
		{"GET", "brands/-/agents/c_agent/integrations", "", 404, `"status":"NOT_FOUND"`},
		{"GET", any, "", 200, "{}"},
		{"GET", integration, "", 404, `"status":"NOT_FOUND"`},
		{"PATCH", integration + mask, to(hook.url), 404, `"status":"NOT_FOUND"`},
		{"DELETE", integration, "", 404, `"status":"NOT_FOUND"`},
		{"POST", any, `{}`, 400, "needs a webhookUri"},
		{"POST", any, `{"webhook":{}}`, 400, `unknown field`},
		{"POST", any, to(wrong.url), 400, `FAILED_PRECONDITION`},
		{"GET", any, "", 200, "{}"},
		{"POST", any, strings.Replace(to(hook.url), "verificationToken", "verification_token", 1), 200, resource(hook.url)},
		{"POST", any, to(moved.url), 409, `"status":"ALREADY_EXISTS"`},
		{"GET", any, "", 200, `{"integrations":[` + resource(hook.url) + `]}`},
		{"GET", integration, "", 200, resource(hook.url)},
		{"PATCH", integration, to(moved.url), 400, "unknown field ''"},
		{"PATCH", integration + "?updateMask=status", to(moved.url), 400, "unknown field 'status'"},
		{"PATCH", integration + mask, to(wrong.url), 400, `FAILED_PRECONDITION`},
		{"GET", integration, "", 200, resource(hook.url)},
		{"PATCH", integration + mask, to(moved.url), 200, resource(moved.url)},
		{"PATCH", integration + "?updateMask=agentWebhookIntegration.verificationToken", strings.Replace(to(""), clientToken, "other", 1), 400, `got 403`},
		{"PUT", integration, to(hook.url), 404, "There is nothing at this URL"},
	} {
		status, got := manage(t, sim, rbmtest.ManagementScope, step.method, step.path, step.body)
		if status != step.status || !strings.Contains(got, step.want) {
			t.Errorf("%s %s: %d %s, want %d with %s", step.method, step.path, status, got, step.status, step.want)
		}
	}
	if _, err := sim.Act(rbmtest.UserAction{Action: rbmtest.ActionText, AgentID: "a_agent", Phone: phone, Text: "Hello"}); err != nil {
		t.Fatal(err)
	}
	flush(t, sim)
	if moved.count() != 1 || hook.count() != 0 {
		t.Errorf("the connected webhook got %d events and the old one %d, want 1 and 0", moved.count(), hook.count())
	}
	if status, got := manage(t, sim, rbmtest.ManagementScope, "DELETE", integration, ""); status != 200 || got != "{}" {
		t.Errorf("DELETE: %d %s", status, got)
	}
	if status, _ := manage(t, sim, rbmtest.ManagementScope, "GET", integration, ""); status != 404 {
		t.Errorf("GET after DELETE: %d, want 404", status)
	}
	if status, got := manage(t, sim, rbm.Scope, "GET", "brands", ""); status != 403 || !strings.Contains(got, "ACCESS_TOKEN_SCOPE_INSUFFICIENT") {
		t.Errorf("with the scope of messages: %d %s, want 403", status, got)
	}
	if status, _ := manage(t, sim, rbmtest.ManagementScope, "GET", "phones/+12025550123/capabilities?agentId=a_agent", ""); status != http.StatusForbidden {
		t.Errorf("messages with the scope of management: %d, want 403", status)
	}
}

// TestManagement_disabled tests the other possible result of a failed handshake.
func TestManagement_disabled(t *testing.T) {
	hook := newHook(t)
	hook.proof = "no"
	sim := &rbmtest.Simulator{Assume: rbmtest.Assumptions{HandshakeDisables: true}}
	defer sim.Close()
	body := `{"agentWebhookIntegration":{"webhookUri":"` + hook.url + `","verificationToken":"` + clientToken + `"}}`
	for _, step := range []struct{ method, path, want string }{
		{"POST", "brands/-/agents/a_agent/integrations", `"status":"DISABLED"`},
		{"GET", "brands/-/agents/a_agent/integrations", `"status":"DISABLED"`},
		{"PATCH", "brands/-/agents/a_agent/integrations/40041559-88b7-5a82-aa51-934113f506b4?updateMask=agentWebhookIntegration", `"status":"ENABLED"`},
		{"GET", "brands/-/agents", `/agents/a_agent"`},
	} {
		if step.method == "PATCH" {
			hook.proof = "%s"
		}
		if status, got := manage(t, sim, rbmtest.ManagementScope, step.method, step.path, body); status != 200 || !strings.Contains(got, step.want) {
			t.Errorf("%s %s: %d %s, want 200 with %s", step.method, step.path, status, got, step.want)
		}
	}
}
