package phone

import (
	"bytes"
	"cmp"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/rcshook/rcshook/internal/googletest"
)

const (
	// maxPayload is more than the function accepts, so that its own error is shown.
	maxPayload = 1 << 20

	// maxResponse limits the part of a response that is passed on.
	maxResponse = 4 << 20
)

// send posts a payload to the function, with the key, and wraps the response:
//
//	{"status": 422, "retry_after": "2", "body": "...", "milliseconds": 3}
//
// The member outcome has the function's own response to an event, if its sender gets another.
// If the function breaks the connection, it serves {"error": "..."} with status 502.
func (p *page) send(w http.ResponseWriter, r *http.Request) {
	if p.Function == nil {
		writeError(w, http.StatusBadGateway, "the simulator runs without a function")
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxPayload))
	if err != nil {
		writeError(w, http.StatusBadRequest, "the payload is incomplete or larger than 1 MiB")
		return
	}
	req, err := http.NewRequestWithContext(r.Context(), http.MethodPost, cmp.Or(p.FunctionURL, "/"), bytes.NewReader(body))
	if err != nil {
		writeError(w, http.StatusBadGateway, "the address of the function is invalid")
		return
	}
	req.Header.Set("Content-Type", "application/json")
	if p.APIKey != "" {
		req.Header.Set("Authorization", "Bearer "+p.APIKey)
	}
	p.forward(w, req)
}

// hook sends an event to the source in the body, or its sample event, and wraps the
// response like send.
func (p *page) hook(w http.ResponseWriter, r *http.Request) {
	var req struct {
		Source string `json:"source"`
		Event  string `json:"event"`
	}
	err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxPayload)).Decode(&req)
	sources := p.sources()
	i := slices.IndexFunc(sources, func(s Source) bool { return s.Name == req.Source })
	if err != nil || i < 0 {
		writeError(w, http.StatusBadRequest, `the body must name a source: {"source": "..."}`)
		return
	}
	event, err := sources[i].Request(req.Event)
	if err != nil {
		writeError(w, http.StatusBadRequest, err.Error())
		return
	}
	p.forward(w, event.WithContext(r.Context()))
}

// forward makes a request to the function and wraps its response.
func (p *page) forward(w http.ResponseWriter, req *http.Request) {
	start := time.Now()
	resp, err := googletest.Transport{Handler: p.Function}.RoundTrip(req)
	if err != nil {
		writeError(w, http.StatusBadGateway, "no response from the function: "+err.Error())
		return
	}
	data, _ := io.ReadAll(io.LimitReader(resp.Body, maxResponse)) // it is in memory
	writeJSON(w, http.StatusOK, map[string]any{
		"outcome":      string(p.Outcome(resp.Header, data)),
		"status":       resp.StatusCode,
		"retry_after":  resp.Header.Get("Retry-After"),
		"body":         string(data),
		"milliseconds": time.Since(start).Milliseconds(),
	})
}
