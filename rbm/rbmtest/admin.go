package rbmtest

import (
	"errors"
	"net/http"

	"github.com/rcshook/rcshook/internal/googletest"
)

// adminHandler serves the admin paths, which the package comment lists.
func (s *Simulator) adminHandler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /_sim/messages", googletest.JSONHandler(func(*http.Request) (any, error) {
		return map[string]any{"messages": s.Messages()}, nil
	}))
	mux.Handle("GET /_sim/requests", googletest.JSONHandler(func(*http.Request) (any, error) {
		return map[string]any{"requests": nonNil(s.Requests())}, nil
	}))
	mux.Handle("GET /_sim/events", googletest.JSONHandler(func(*http.Request) (any, error) {
		return map[string]any{"events": nonNil(s.Log())}, nil
	}))
	mux.HandleFunc("GET /_sim/stream", s.serveStream)
	mux.HandleFunc("GET /_sim/key", s.serveKey)
	mux.Handle("POST /_sim/reset", googletest.JSONHandler(func(*http.Request) (any, error) {
		s.Reset()
		return struct{}{}, nil
	}))
	mux.Handle("POST /_sim/tick", googletest.JSONHandler(func(*http.Request) (any, error) {
		s.Tick()
		return struct{}{}, nil
	}))
	mux.Handle("POST /_sim/online", googletest.JSONHandler(s.adminOnline))
	mux.Handle("GET /_sim/numbers", googletest.JSONHandler(func(*http.Request) (any, error) {
		return map[string]any{"numbers": s.Behaviors()}, nil
	}))
	mux.Handle("POST /_sim/numbers", googletest.JSONHandler(s.adminNumber))
	mux.Handle("GET /_sim/failures", googletest.JSONHandler(func(*http.Request) (any, error) {
		return map[string]any{"failures": s.Failures()}, nil
	}))
	mux.Handle("POST /_sim/failures", googletest.JSONHandler(s.adminFaults))
	mux.Handle("POST /_sim/rotate", googletest.JSONHandler(s.adminRotate))
	mux.Handle("POST /_sim/user", googletest.JSONHandler(s.adminUser))
	mux.Handle("POST /_sim/tester", googletest.JSONHandler(s.adminTester))
	mux.Handle("GET /_sim/webhooks", googletest.JSONHandler(func(*http.Request) (any, error) {
		state := s.Snapshot()
		return map[string]any{"webhooks": state.Webhooks, "waiting": state.Waiting}, nil
	}))
	mux.Handle("POST /_sim/webhooks", googletest.JSONHandler(s.adminWebhook))
	mux.Handle("GET /_sim/state", googletest.JSONHandler(func(*http.Request) (any, error) {
		return s.Snapshot(), nil
	}))
	mux.HandleFunc("GET /_sim/files/{id}", s.serveFile)
	return mux
}

func nonNil[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

var errAdminPhone = errors.New("phone must be a number in E.164 form, such as +12025550108")

func (s *Simulator) adminOnline(r *http.Request) (any, error) {
	var req struct {
		Phone  string `json:"phone"`
		Online *bool  `json:"online"`
	}
	if err := googletest.ReadJSON(r, &req); err != nil {
		return nil, err
	}
	if !e164.MatchString(req.Phone) {
		return nil, errAdminPhone
	}
	if req.Online == nil {
		return nil, errors.New("online must be true or false")
	}
	s.SetOnline(req.Phone, *req.Online)
	return struct{}{}, nil
}

func (s *Simulator) adminNumber(r *http.Request) (any, error) {
	var req struct {
		Phone    string   `json:"phone"`
		Behavior Behavior `json:"behavior"`
	}
	if err := googletest.ReadJSON(r, &req); err != nil {
		return nil, err
	}
	if !e164.MatchString(req.Phone) {
		return nil, errAdminPhone
	}
	s.SetBehavior(req.Phone, req.Behavior)
	return struct{}{}, nil
}

func (s *Simulator) adminFaults(r *http.Request) (any, error) {
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
	return struct{}{}, nil
}

func (s *Simulator) adminRotate(r *http.Request) (any, error) {
	var req struct {
		Revoke bool `json:"revoke"`
	}
	if err := googletest.ReadJSON(r, &req); err != nil {
		return nil, err
	}
	return struct{}{}, s.Rotate(req.Revoke)
}

// serveKey serves the key file, with a token_uri on the host that was asked.
func (s *Simulator) serveKey(w http.ResponseWriter, r *http.Request) {
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Write(s.KeyFile(scheme + "://" + r.Host))
}
