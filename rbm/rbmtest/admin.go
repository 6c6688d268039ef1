package rbmtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
)

// maxAdminBody bounds a request to the admin paths.
const maxAdminBody = 1 << 20

// adminHandler serves the admin paths, which the package comment lists.
func (s *Simulator) adminHandler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /_sim/messages", answerJSON(func(*http.Request) (any, error) {
		return map[string]any{"messages": s.Messages()}, nil
	}))
	mux.Handle("GET /_sim/requests", answerJSON(func(*http.Request) (any, error) {
		return map[string]any{"requests": nonNil(s.Requests())}, nil
	}))
	mux.Handle("GET /_sim/events", answerJSON(func(*http.Request) (any, error) {
		return map[string]any{"events": nonNil(s.Events())}, nil
	}))
	mux.HandleFunc("GET /_sim/stream", s.serveStream)
	mux.HandleFunc("GET /_sim/key", s.serveKey)
	mux.Handle("POST /_sim/reset", answerJSON(func(*http.Request) (any, error) {
		s.Reset()
		return struct{}{}, nil
	}))
	mux.Handle("POST /_sim/tick", answerJSON(func(*http.Request) (any, error) {
		s.Tick()
		return struct{}{}, nil
	}))
	mux.Handle("POST /_sim/online", answerJSON(s.adminOnline))
	mux.Handle("GET /_sim/numbers", answerJSON(func(*http.Request) (any, error) {
		return map[string]any{"numbers": s.Behaviors()}, nil
	}))
	mux.Handle("POST /_sim/numbers", answerJSON(s.adminNumber))
	mux.Handle("GET /_sim/faults", answerJSON(func(*http.Request) (any, error) {
		return map[string]any{"faults": s.Faults()}, nil
	}))
	mux.Handle("POST /_sim/faults", answerJSON(s.adminFaults))
	mux.Handle("POST /_sim/rotate", answerJSON(s.adminRotate))
	mux.Handle("GET /_sim/secrets", answerJSON(func(*http.Request) (any, error) {
		return map[string]any{"secrets": s.secretNames()}, nil
	}))
	mux.Handle("POST /_sim/secrets", answerJSON(s.adminSecret))
	mux.Handle("POST /_sim/user", answerJSON(s.adminUser))
	mux.Handle("POST /_sim/tester", answerJSON(s.adminTester))
	mux.Handle("GET /_sim/webhooks", answerJSON(func(*http.Request) (any, error) {
		state := s.Snapshot()
		return map[string]any{"webhooks": state.Webhooks, "waiting": state.Waiting}, nil
	}))
	mux.Handle("POST /_sim/webhooks", answerJSON(s.adminWebhook))
	mux.Handle("GET /_sim/state", answerJSON(func(*http.Request) (any, error) {
		return s.Snapshot(), nil
	}))
	mux.HandleFunc("GET /_sim/files/{id}", s.serveFile)
	return mux
}

func answerJSON(h func(*http.Request) (any, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxAdminBody)
		out, err := h(r)
		if err != nil {
			writeJSON(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
			return
		}
		writeJSON(w, http.StatusOK, out)
	})
}

func nonNil[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// decodeAdmin reads a request, in which no name may be misspelt. An empty body is
// an empty object.
func decodeAdmin(r *http.Request, v any) error {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	if len(bytes.TrimSpace(body)) == 0 {
		return nil
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return err
	}
	if dec.More() {
		return errors.New("there is more than one JSON value")
	}
	return nil
}

var errAdminPhone = errors.New("phone must be a number in E.164 form, such as +12025550108")

func (s *Simulator) adminOnline(r *http.Request) (any, error) {
	var req struct {
		Phone  string `json:"phone"`
		Online *bool  `json:"online"`
	}
	if err := decodeAdmin(r, &req); err != nil {
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
	if err := decodeAdmin(r, &req); err != nil {
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
		Faults []Fault `json:"faults"`
	}
	if err := decodeAdmin(r, &req); err != nil {
		return nil, err
	}
	s.ClearFaults()
	for _, f := range req.Faults {
		s.Fail(f)
	}
	return struct{}{}, nil
}

func (s *Simulator) adminRotate(r *http.Request) (any, error) {
	var req struct {
		Revoke bool `json:"revoke"`
	}
	if err := decodeAdmin(r, &req); err != nil {
		return nil, err
	}
	return struct{}{}, s.Rotate(req.Revoke)
}

func (s *Simulator) adminSecret(r *http.Request) (any, error) {
	var req struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	}
	if err := decodeAdmin(r, &req); err != nil {
		return nil, err
	}
	match := matchSecret(req.Name)
	if match == nil || match[3] != "" {
		return nil, errors.New("name must be of the form projects/*/secrets/*")
	}
	if len(req.Value) > maxSecretBytes {
		return nil, errors.New("value is larger than the 64 KiB of a secret")
	}
	return map[string]string{"version": s.secrets.AddVersion(req.Name, []byte(req.Value))}, nil
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
