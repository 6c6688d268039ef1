package rbmtest

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"
)

// ManagementScope is the OAuth scope of the Business Communications API, which manages
// brands and agents.
const ManagementScope = "https://www.googleapis.com/auth/businesscommunications"

// brandID is the only brand. All agents belong to it.
const brandID = "9d9c0b4f-6a67-4c8e-9b60-64d7b7f2f7a1"

// maxPage limits the entries of a page.
const maxPage = 50

// integration is a connection of an agent to a webhook. The simulator has no integrations
// with Dialogflow.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/business-communications/rest/v1/brands.agents.integrations
type integration struct {
	Name    string       `json:"name,omitempty"`
	Status  string       `json:"status,omitempty"`
	Webhook agentWebhook `json:"agentWebhookIntegration"`
}

type agentWebhook struct {
	URL        string `json:"webhookUri,omitempty"`
	Token      string `json:"verificationToken,omitempty"`
	SnakeToken string `json:"verification_token,omitempty"` // as the official samples write it
}

// managementAPI returns the part of the Business Communications API that connects webhooks.
// Its agents are those of Agents, or without them those that have a webhook.
//
// Assumption: the texts of the errors, 404 for an unknown agent, 409 for the second webhook
// of an agent, and that names contain the agent ID without its domain.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/business-communications/rest
func (s *Simulator) managementAPI() http.Handler {
	mux := http.NewServeMux()
	handle := func(pattern, name, rpc string, serve func(*call) (any, *apiError)) {
		verb, _, _ := strings.Cut(pattern, " ")
		m := &method{name: name, rpc: "businesscommunications.v1.BusinessCommunications." + rpc, verb: verb, scope: ManagementScope}
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			c := &call{method: m, request: r, agentID: r.PathValue("agent")}
			s.serveCall(w, r, c, func(w http.ResponseWriter, r *http.Request, c *call) {
				result, refusal := s.manage(w, c, serve)
				if refusal != nil {
					refusal.write(w, r)
					return
				}
				writeAPI(w, r, http.StatusOK, result)
			})
		})
	}
	const agent, hook = "/v1/brands/{brand}/agents/{agent}", "/v1/brands/{brand}/agents/{agent}/integrations/{integration}"
	handle("GET /v1/brands", "brands.list", "ListBrands", func(*call) (any, *apiError) {
		return map[string]any{"brands": []any{map[string]string{"name": "brands/" + brandID, "displayName": "Simulated brand"}}}, nil
	})
	handle("GET /v1/brands/{brand}/agents", "brands.agents.list", "ListAgents", s.listAgents)
	handle("GET "+agent+"/integrations", "brands.agents.integrations.list", "ListIntegrations", s.listIntegrations)
	handle("POST "+agent+"/integrations", "brands.agents.integrations.create", "CreateIntegration", s.createIntegration)
	handle("GET "+hook, "brands.agents.integrations.get", "GetIntegration", s.getIntegration)
	handle("PATCH "+hook, "brands.agents.integrations.patch", "UpdateIntegration", s.patchIntegration)
	handle("DELETE "+hook, "brands.agents.integrations.delete", "DeleteIntegration", s.deleteIntegration)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { errUnknownPath.write(w, r) })
	return mux
}

// manage checks the names in the path and the body of a call, and serves it.
func (s *Simulator) manage(w http.ResponseWriter, c *call, serve func(*call) (any, *apiError)) (any, *apiError) {
	if brand := c.request.PathValue("brand"); brand != "" && brand != "-" && brand != brandID || c.agentID != "" && s.agent(c.agentID) == nil {
		return nil, errEntityNotFound
	}
	c.agentID = agentName(c.agentID)
	raw, refusal := readBody(w, c.request, maxBody, errBodySize)
	if refusal != nil {
		return nil, refusal
	}
	if c.verb == http.MethodPost || c.verb == http.MethodPatch {
		var in integration
		dec := json.NewDecoder(bytes.NewReader(raw))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&in); err != nil {
			return nil, invalidArgument("%s", invalidPayload+strings.TrimPrefix(err.Error(), "json: "))
		}
		c.body = &in
	}
	if id := c.request.PathValue("integration"); id != "" && id != integrationID(c.agentID) {
		return nil, errEntityNotFound
	}
	return serve(c)
}

// integrationID returns the ID of an agent's only integration.
func integrationID(agent string) string {
	return uuid.NewSHA1(uuid.NameSpaceURL, []byte("integration:"+agent)).String()
}

// findIntegration returns the integration of an agent without its token, or an error if
// there is none.
func (s *Simulator) findIntegration(agent string) (*integration, *apiError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found := &integration{Name: "brands/" + brandID + "/agents/" + agent + "/integrations/" + integrationID(agent), Status: "ENABLED"}
	hook, ok := s.hooks[agent]
	if !ok {
		if hook, ok = s.unverified[agent]; !ok {
			return nil, errEntityNotFound
		}
		found.Status = "DISABLED"
	}
	found.Webhook.URL = hook.URL
	return found, nil
}

func (s *Simulator) listAgents(c *call) (any, *apiError) {
	var ids []string
	s.mu.Lock()
	for _, a := range s.Agents {
		ids = append(ids, agentName(a.ID))
	}
	if s.Agents == nil {
		ids = slices.Collect(maps.Keys(s.hooks))
		ids = slices.DeleteFunc(ids, func(id string) bool { return id == "" })
	}
	s.mu.Unlock()
	slices.Sort(ids)
	query := c.request.URL.Query()
	start, err := strconv.Atoi("0" + query.Get("pageToken"))
	size, badSize := strconv.Atoi("0" + query.Get("pageSize"))
	if err != nil || badSize != nil || start > len(ids) {
		return nil, invalidArgument("Request contains an invalid argument.")
	}
	if size == 0 {
		size = maxPage
	}
	end := min(start+min(size, maxPage), len(ids))
	response := map[string]any{}
	var agents []any
	for _, id := range ids[start:end] {
		agents = append(agents, map[string]string{"name": "brands/" + brandID + "/agents/" + id, "displayName": id})
	}
	if agents != nil {
		response["agents"] = agents
	}
	if end < len(ids) {
		response["nextPageToken"] = strconv.Itoa(end)
	}
	return response, nil
}

func (s *Simulator) listIntegrations(c *call) (any, *apiError) {
	found, refusal := s.findIntegration(c.agentID)
	if refusal != nil {
		return struct{}{}, nil
	}
	return map[string]any{"integrations": []any{found}}, nil
}

func (s *Simulator) getIntegration(c *call) (any, *apiError) { return s.findIntegration(c.agentID) }

func (s *Simulator) createIntegration(c *call) (any, *apiError) {
	in := c.body.(*integration).Webhook
	if in.Token += in.SnakeToken; in.URL == "" || in.Token == "" {
		return nil, invalidArgument("The webhook needs a webhookUri and a verificationToken.")
	}
	if _, missing := s.findIntegration(c.agentID); missing == nil {
		return nil, errConflict
	}
	return s.connectIntegration(c.request.Context(), WebhookConfig{c.agentID, in.URL, in.Token})
}

func (s *Simulator) patchIntegration(c *call) (any, *apiError) {
	if _, missing := s.findIntegration(c.agentID); missing != nil {
		return nil, missing
	}
	s.mu.Lock()
	hook, ok := s.hooks[c.agentID]
	if !ok {
		hook = s.unverified[c.agentID]
	}
	s.mu.Unlock()
	in := c.body.(*integration).Webhook
	in.Token += in.SnakeToken
	mask := c.request.URL.Query().Get("updateMask")
	if mask == "" {
		return nil, invalidArgument("The update mask is missing.")
	}
	for field := range strings.SplitSeq(mask, ",") {
		switch field {
		case "agentWebhookIntegration":
			hook.URL, hook.ClientToken = in.URL, in.Token
		case "agentWebhookIntegration.webhookUri":
			hook.URL = in.URL
		case "agentWebhookIntegration.verificationToken":
			hook.ClientToken = in.Token
		default:
			return nil, invalidArgument("The update mask has the unknown field '%s'.", field)
		}
	}
	return s.connectIntegration(c.request.Context(), hook)
}

// connectIntegration performs the handshake and returns the integration. After a failed
// one, the agent's earlier webhook stays; see [Assumptions.HandshakeDisables].
func (s *Simulator) connectIntegration(ctx context.Context, hook WebhookConfig) (any, *apiError) {
	if _, err := s.Connect(ctx, hook); err != nil {
		if !s.Assume.HandshakeDisables {
			return nil, &apiError{status: http.StatusBadRequest, word: "FAILED_PRECONDITION", message: "The webhook could not be verified: " + strings.TrimPrefix(err.Error(), "rbmtest: ")}
		}
		s.mu.Lock()
		delete(s.hooks, hook.AgentID)
		s.unverified[hook.AgentID] = hook
		s.mu.Unlock()
	}
	return s.findIntegration(hook.AgentID)
}

func (s *Simulator) deleteIntegration(c *call) (any, *apiError) {
	if _, missing := s.findIntegration(c.agentID); missing != nil {
		return nil, missing
	}
	s.Disconnect(c.agentID)
	return struct{}{}, nil
}
