package rbmtest

import (
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
		mux.Handle("GET /_sim/"+path, googletest.JSONHandler(func(*http.Request) (any, error) { return state(), nil }))
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

	post := func(path string, handle func(r *http.Request) (any, error)) {
		mux.Handle("POST /_sim/"+path, googletest.JSONHandler(func(r *http.Request) (any, error) {
			response, err := handle(r)
			if response == nil {
				response = struct{}{}
			}
			return response, err
		}))
	}
	post("reset", func(*http.Request) (any, error) { s.Reset(); return nil, nil })
	post("tick", func(*http.Request) (any, error) { s.Tick(); return nil, nil })
	post("rotate", func(r *http.Request) (any, error) {
		var req struct {
			Revoke bool `json:"revoke"`
		}
		if err := googletest.ReadJSON(r, &req); err != nil {
			return nil, err
		}
		return nil, s.Rotate(req.Revoke)
	})
	post("failures", func(r *http.Request) (any, error) {
		var req struct {
			Failures []Failure `json:"failures"`
		}
		if err := googletest.ReadJSON(r, &req); err != nil {
			return nil, err
		}
		s.ClearFailures()
		for _, f := range req.Failures {
			s.Fail(f)
		}
		return nil, nil
	})
	post("online", func(r *http.Request) (any, error) {
		var req struct {
			Phone  string `json:"phone"`
			Online *bool  `json:"online"`
		}
		if err := readPhone(r, &req, &req.Phone); err != nil {
			return nil, err
		}
		if req.Online == nil {
			return nil, errors.New("online: expected true or false")
		}
		s.SetOnline(req.Phone, *req.Online)
		return nil, nil
	})
	post("numbers", func(r *http.Request) (any, error) {
		var req struct {
			Phone    string   `json:"phone"`
			Behavior Behavior `json:"behavior"`
		}
		if err := readPhone(r, &req, &req.Phone); err != nil {
			return nil, err
		}
		s.SetBehavior(req.Phone, req.Behavior)
		return nil, nil
	})
	post("user", func(r *http.Request) (any, error) {
		var action UserAction
		if err := readPhone(r, &action, &action.Phone); err != nil {
			return nil, err
		}
		id, err := s.Act(action)
		return map[string]string{"message_id": id}, err
	})
	post("tester", func(r *http.Request) (any, error) {
		var req struct {
			AgentID string           `json:"agent_id"`
			Phone   string           `json:"phone"`
			Status  rbm.InviteStatus `json:"status"`
		}
		if err := readPhone(r, &req, &req.Phone); err != nil {
			return nil, err
		}
		switch req.Status {
		case "", rbm.InvitePending, rbm.InviteAccepted, rbm.InviteDeclined:
		default:
			return nil, errors.New("status: expected PENDING, ACCEPTED, DECLINED or an empty string")
		}
		s.SetTester(req.AgentID, req.Phone, req.Status)
		return nil, nil
	})
	post("webhooks", func(r *http.Request) (any, error) {
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
			return nil, nil
		}
		return nil, s.Connect(r.Context(), WebhookConfig(req))
	})
	return mux
}

// readPhone decodes a request whose phone number must be valid.
func readPhone(r *http.Request, req any, phone *string) error {
	if err := googletest.ReadJSON(r, req); err != nil {
		return err
	}
	if !e164.MatchString(*phone) {
		return errors.New("phone: expected a number in E.164 form, such as +12025550108")
	}
	return nil
}

// serveKey serves the key file, with a token_uri on the host of the request.
func (s *Simulator) serveKey(w http.ResponseWriter, r *http.Request) {
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Write(s.KeyFile(scheme + "://" + r.Host))
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
