package phone

import (
	"bytes"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/url"
	"slices"
	"time"
)

const (
	// maxPayload is more than the function takes, so that it can say so itself.
	maxPayload = 1 << 20

	// maxAnswer bounds what is passed on of an answer.
	maxAnswer = 4 << 20

	// sendTimeout is more than the function takes for any request.
	sendTimeout = 2 * time.Minute
)

// functionClient goes straight to the function and follows no redirects: the
// function makes none.
func functionClient() *http.Client {
	return &http.Client{
		Transport: &http.Transport{Proxy: nil, DialContext: (&net.Dialer{Timeout: 5 * time.Second}).DialContext},
		Timeout:   sendTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		},
	}
}

// send posts a payload to the function, with the key, and wraps the answer:
//
//	{"status": 422, "retry_after": "2", "body": "...", "milliseconds": 3}
//
// A function that cannot be reached is {"error": "..."} with status 502.
func (p *page) send(w http.ResponseWriter, r *http.Request) {
	if p.FunctionURL == "" {
		answer(w, http.StatusBadGateway, map[string]string{"error": "the simulator runs without a function"})
		return
	}
	body, all, err := bounded(r.Body, maxPayload)
	if err != nil || !all {
		answer(w, http.StatusBadRequest, map[string]string{"error": "the payload did not arrive in full, or has more than 1 MiB"})
		return
	}
	req, err := http.NewRequestWithContext(r.Context(), http.MethodPost, p.FunctionURL, bytes.NewReader(body))
	if err != nil {
		answer(w, http.StatusBadGateway, map[string]string{"error": "the address of the function is malformed"})
		return
	}
	req.Header.Set("Content-Type", "application/json")
	if p.APIKey != "" {
		req.Header.Set("Authorization", "Bearer "+p.APIKey)
	}
	p.pass(w, req)
}

// hook sends the sample event of the source that the body names, and wraps the
// answer as send does.
func (p *page) hook(w http.ResponseWriter, r *http.Request) {
	var asked struct {
		Source string `json:"source"`
	}
	err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<10)).Decode(&asked)
	i := slices.IndexFunc(p.Sources, func(s Source) bool { return s.Name == asked.Source })
	if err != nil || i < 0 {
		answer(w, http.StatusBadRequest, map[string]string{"error": `the body must name a source: {"source": "..."}`})
		return
	}
	req, err := p.Sources[i].Sample()
	if err != nil {
		answer(w, http.StatusBadGateway, map[string]string{"error": err.Error()})
		return
	}
	p.pass(w, req.WithContext(r.Context()))
}

// pass makes a request to the function and wraps its answer.
func (p *page) pass(w http.ResponseWriter, req *http.Request) {
	start := time.Now()
	resp, err := p.client.Do(req)
	if err != nil {
		answer(w, http.StatusBadGateway, map[string]string{"error": "the function did not answer: " + cause(err)})
		return
	}
	defer resp.Body.Close()
	data, _, err := bounded(resp.Body, maxAnswer)
	if err != nil {
		answer(w, http.StatusBadGateway, map[string]string{"error": "the function's answer broke off: " + cause(err)})
		return
	}
	answer(w, http.StatusOK, map[string]any{
		"status":       resp.StatusCode,
		"retry_after":  resp.Header.Get("Retry-After"),
		"body":         string(data),
		"milliseconds": time.Since(start).Milliseconds(),
	})
}

// cause is the error without the address, which the page shows anyway.
func cause(err error) string {
	if u := (*url.Error)(nil); errors.As(err, &u) {
		return u.Err.Error()
	}
	return err.Error()
}
