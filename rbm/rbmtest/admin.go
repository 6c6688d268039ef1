package rbmtest

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/rcshook/rcshook/internal/googletest"
	"github.com/rcshook/rcshook/rbm"
)

// adminHandler serves the admin paths, which the package comment lists.
func (s *Simulator) adminHandler() http.Handler {
	mux := http.NewServeMux()
	get := func(path string, state func() any) {
		mux.Handle("GET /_sim/"+path, googletest.JSONHandler(func(context.Context, *struct{}) (any, error) { return state(), nil }))
	}
	get("messages", func() any { return map[string]any{"messages": s.Messages()} })
	get("requests", func() any { return map[string]any{"requests": append([]Request{}, s.Requests()...)} })
	get("events", func() any { return map[string]any{"events": append([]LogEntry{}, s.Log()...)} })
	get("numbers", func() any { return map[string]any{"numbers": s.Behaviors()} })
	get("failures", func() any { return map[string]any{"failures": s.Failures()} })
	get("state", func() any { return s.Snapshot() })
	get("webhooks", func() any {
		state := s.Snapshot()
		return map[string]any{"webhooks": state.Webhooks, "waiting": state.Waiting}
	})
	mux.HandleFunc("GET /_sim/stream", s.serveStream)
	mux.HandleFunc("GET /_sim/key", s.serveKey)
	mux.HandleFunc("GET /_sim/files/{id}", s.serveFile)

	post(mux, "reset", func(*struct{}) error { s.Reset(); return nil })
	post(mux, "tick", func(*struct{}) error { s.Tick(); return nil })
	post(mux, "rotate", func(req *struct{ Revoke bool }) error { return s.Rotate(req.Revoke) })
	post(mux, "failures", func(req *struct{ Failures []Failure }) error {
		s.ClearFailures()
		for _, f := range req.Failures {
			s.Fail(f)
		}
		return nil
	})
	type onlineRequest struct {
		Phone  string
		Online *bool
	}
	post(mux, "online", func(req *onlineRequest) error {
		if req.Online == nil {
			return errors.New("online: expected true or false")
		}
		if err := checkPhone(req.Phone); err != nil {
			return err
		}
		s.SetOnline(req.Phone, *req.Online)
		return nil
	})
	type behaviorRequest struct {
		Phone    string
		Behavior Behavior
	}
	post(mux, "numbers", func(req *behaviorRequest) error {
		if err := checkPhone(req.Phone); err != nil {
			return err
		}
		s.SetBehavior(req.Phone, req.Behavior)
		return nil
	})
	type testerRequest struct {
		AgentID string `json:"agent_id"`
		Phone   string
		Status  rbm.InviteStatus
	}
	post(mux, "tester", func(req *testerRequest) error {
		if err := checkPhone(req.Phone); err != nil {
			return err
		}
		switch req.Status {
		case "", rbm.InvitePending, rbm.InviteAccepted, rbm.InviteDeclined:
			s.SetTester(req.AgentID, req.Phone, req.Status)
			return nil
		}
		return errors.New("status: expected PENDING, ACCEPTED, DECLINED or an empty string")
	})
	mux.Handle("POST /_sim/user", googletest.JSONHandler(func(_ context.Context, action *UserAction) (any, error) {
		if err := checkPhone(action.Phone); err != nil {
			return nil, err
		}
		id, err := s.Act(*action)
		return map[string]string{"message_id": id}, err
	}))
	type webhookRequest struct {
		AgentID     string `json:"agent_id"`
		URL         string
		ClientToken string `json:"client_token"`
	}
	mux.Handle("POST /_sim/webhooks", googletest.JSONHandler(func(ctx context.Context, req *webhookRequest) (any, error) {
		if req.URL == "" {
			s.Disconnect(req.AgentID)
			return nil, nil
		}
		warning, err := s.Connect(ctx, WebhookConfig(*req))
		if warning == "" {
			return nil, err
		}
		return map[string]string{"warning": warning}, err
	}))
	return mux
}

// post serves a POST request without a response.
func post[T any](mux *http.ServeMux, path string, handle func(*T) error) {
	mux.Handle("POST /_sim/"+path, googletest.JSONHandler(func(_ context.Context, req *T) (any, error) { return nil, handle(req) }))
}

func checkPhone(phone string) error {
	if !e164.MatchString(phone) {
		return errors.New("phone: expected a number in E.164 form, such as +12025550108")
	}
	return nil
}

// serveKey serves the key file, with a token_uri on the host of the request.
func (s *Simulator) serveKey(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Write(s.KeyFile(origin(r)))
}

// origin returns the scheme and the host of a request.
func origin(r *http.Request) string {
	if r.TLS != nil {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}

// serveFile serves the content of an uploaded file so that it cannot do harm in a browser.
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
