package rbmtest

import (
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/rcshook/rcshook/internal/googletest"
	"github.com/rcshook/rcshook/rbm"
)

func (s *Simulator) adminUser(r *http.Request) (any, error) {
	var action UserAction
	if err := googletest.ReadJSON(r, &action); err != nil {
		return nil, err
	}
	if !e164.MatchString(action.Phone) {
		return nil, errAdminPhone
	}
	id, err := s.Act(action)
	return map[string]string{"message_id": id}, err
}

func (s *Simulator) adminTester(r *http.Request) (any, error) {
	var req struct {
		AgentID string           `json:"agent_id"`
		Phone   string           `json:"phone"`
		Status  rbm.InviteStatus `json:"status"`
	}
	if err := googletest.ReadJSON(r, &req); err != nil {
		return nil, err
	}
	if !e164.MatchString(req.Phone) {
		return nil, errAdminPhone
	}
	switch req.Status {
	case "", rbm.InvitePending, rbm.InviteAccepted, rbm.InviteDeclined:
	default:
		return nil, errors.New("status must be PENDING, ACCEPTED, DECLINED or empty")
	}
	s.SetTester(req.AgentID, req.Phone, req.Status)
	return struct{}{}, nil
}

func (s *Simulator) adminWebhook(r *http.Request) (any, error) {
	var req struct {
		AgentID     string `json:"agent_id"`
		URL         string `json:"url"`
		ClientToken string `json:"client_token"`
	}
	if err := googletest.ReadJSON(r, &req); err != nil {
		return nil, err
	}
	if req.URL == "" {
		s.Disconnect(req.AgentID)
		return struct{}{}, nil
	}
	return struct{}{}, s.Connect(r.Context(), WebhookConfig(req))
}

// serveFile serves the content of an uploaded file in a way that lets it do no
// harm in a browser, whatever it is.
func (s *Simulator) serveFile(w http.ResponseWriter, r *http.Request) {
	contentType, content, ok := s.File("files/" + r.PathValue("id"))
	if !ok || content == nil {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(content)))
	w.Header().Set("Content-Security-Policy", "default-src 'none'; sandbox")
	if !strings.HasPrefix(contentType, "image/") {
		w.Header().Set("Content-Disposition", "attachment")
	}
	w.Write(content)
}
