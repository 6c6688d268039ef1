package rbmtest

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
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
	Webhook agentWebhook `json:"agentWebhookIntegration,omitzero"`
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
	handle := func(pattern, name string, serve func(*call) (any, *apiError)) {
		verb, _, _ := strings.Cut(pattern, " ")
		m := &method{name: name, verb: verb, scope: ManagementScope, handle: func(_ *Simulator, c *call) (any, *apiError) { return serve(c) }}
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			c := &call{method: m, request: r, agentID: r.PathValue("agent")}
			s.serveCall(w, r, c, func(w http.ResponseWriter, r *http.Request, c *call) {
				result, refusal := s.manage(w, c)
				if refusal != nil {
					refusal.write(w, r)
					return
				}
				writeAPI(w, r, http.StatusOK, result)
			})
		})
	}
	handle("GET /v1/brands", "brands.list", func(*call) (any, *apiError) {
		return map[string]any{"brands": []any{map[string]string{"name": "brands/" + brandID, "displayName": "Simulated brand"}}}, nil
	})
	handle("GET /v1/brands/{brand}/agents", "brands.agents.list", s.listAgents)
	const path, name = " /v1/brands/{brand}/agents/{agent}/integrations", "brands.agents.integrations."
	handle("GET"+path, name+"list", s.listIntegrations)
	handle("POST"+path, name+"create", s.createIntegration)
	handle("GET"+path+"/{integration}", name+"get", func(c *call) (any, *apiError) { return s.integration(c.agentID), nil })
	handle("PATCH"+path+"/{integration}", name+"patch", s.patchIntegration)
	handle("DELETE"+path+"/{integration}", name+"delete", func(c *call) (any, *apiError) { s.Disconnect(c.agentID); return struct{}{}, nil })
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { errUnknownPath.write(w, r) })
	return mux
}

// manage checks the names in the path and the body of a call, and serves it.
func (s *Simulator) manage(w http.ResponseWriter, c *call) (any, *apiError) {
	brand, id := c.request.PathValue("brand"), c.request.PathValue("integration")
	unknownAgent := c.agentID != "" && s.agent(c.agentID) == nil
	c.agentID = agentName(c.agentID)
	if brand != "" && brand != "-" && brand != brandID || unknownAgent || id != "" && (id != integrationID(c.agentID) || s.integration(c.agentID) == nil) {
		return nil, errEntityNotFound
	}
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
		in.Webhook.Token += in.Webhook.SnakeToken
		c.body = &in
	}
	return c.handle(s, c)
}

// integrationID returns the ID of an agent's only integration.
func integrationID(agent string) string {
	return uuid.NewSHA1(uuid.NameSpaceURL, []byte("integration:"+agent)).String()
}

// integration returns the integration of an agent without its token; nil if there is none.
func (s *Simulator) integration(agent string) *integration {
	s.mu.Lock()
	defer s.mu.Unlock()
	hook, ok := s.hooks[agent]
	status := "ENABLED"
	if !ok {
		hook, ok = s.unverified[agent]
		status = "DISABLED"
	}
	if !ok {
		return nil
	}
	return &integration{"brands/" + brandID + "/agents/" + agent + "/integrations/" + integrationID(agent), status, agentWebhook{URL: hook.URL}}
}

func (s *Simulator) listAgents(c *call) (any, *apiError) {
	var ids []string
	s.mu.Lock()
	known := s.Agents != nil
	for _, a := range s.Agents {
		ids = append(ids, agentName(a.ID))
	}
	s.mu.Unlock()
	if !known {
		for _, hook := range s.Snapshot().Webhooks {
			ids = append(ids, hook.AgentID)
		}
	}
	ids = slices.DeleteFunc(ids, func(id string) bool { return id == "" }) // the partner's webhook
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
	var page struct {
		Agents []integration `json:"agents,omitempty"`
		Next   string        `json:"nextPageToken,omitempty"`
	}
	for _, id := range ids[start:end] {
		page.Agents = append(page.Agents, integration{Name: "brands/" + brandID + "/agents/" + id})
	}
	if end < len(ids) {
		page.Next = strconv.Itoa(end)
	}
	return page, nil
}

func (s *Simulator) listIntegrations(c *call) (any, *apiError) {
	if found := s.integration(c.agentID); found != nil {
		return map[string]any{"integrations": []any{found}}, nil
	}
	return struct{}{}, nil
}

func (s *Simulator) createIntegration(c *call) (any, *apiError) {
	in := c.body.(*integration).Webhook
	switch {
	case in.URL == "" || in.Token == "":
		return nil, invalidArgument("The webhook needs a webhookUri and a verificationToken.")
	case s.integration(c.agentID) != nil:
		return nil, errConflict
	}
	return s.connectIntegration(c.request.Context(), WebhookConfig{c.agentID, in.URL, in.Token})
}

func (s *Simulator) patchIntegration(c *call) (any, *apiError) {
	in := c.body.(*integration).Webhook
	s.mu.Lock()
	hook := cmp.Or(s.hooks[c.agentID], s.unverified[c.agentID])
	s.mu.Unlock()
	for field := range strings.SplitSeq(c.request.URL.Query().Get("updateMask"), ",") {
		switch field {
		case "agentWebhookIntegration":
			hook.URL, hook.ClientToken = in.URL, in.Token
		case "agentWebhookIntegration.webhookUri":
			hook.URL = in.URL
		case "agentWebhookIntegration.verificationToken":
			hook.ClientToken = in.Token
		default:
			return nil, invalidArgument("The update mask is missing, or has the unknown field '%s'.", field)
		}
	}
	return s.connectIntegration(c.request.Context(), hook)
}

// connectIntegration performs the handshake and returns the integration. After a failed
// one, the agent's earlier webhook stays; see [Assumptions.HandshakeDisables].
func (s *Simulator) connectIntegration(ctx context.Context, hook WebhookConfig) (any, *apiError) {
	_, err := s.Connect(ctx, hook)
	if err != nil && !s.Assume.HandshakeDisables {
		return nil, &apiError{status: http.StatusBadRequest, word: "FAILED_PRECONDITION", message: "The webhook could not be verified: " + strings.TrimPrefix(err.Error(), "rbmtest: ")}
	}
	if err != nil {
		s.mu.Lock()
		delete(s.hooks, hook.AgentID)
		s.unverified[hook.AgentID] = hook
		s.mu.Unlock()
	}
	return s.integration(hook.AgentID), nil
}
