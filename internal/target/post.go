package target

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/rcshook/rcshook/internal/standardwebhook"
	"github.com/rcshook/rcshook/internal/trace"
)

// post makes the request to the URL of the target.
func (t *Target) post(ctx context.Context, id string, body []byte) Result {
	r, _ := t.exchange(ctx, id, body)
	return r
}

// Ask posts a question, which is one JSON object, and returns the body of the response.
// Its error names no address, header, number or text.
func (t *Target) Ask(ctx context.Context, id string, question []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(t.config.Timeout, DefaultTimeout))
	defer cancel()
	r, content := t.exchange(ctx, id, question)
	return content, t.wrap(r.Err)
}

// exchange makes a request and returns the body of the response.
func (t *Target) exchange(ctx context.Context, id string, body []byte) (_ Result, content []byte) {
	var connected atomic.Bool // before that, nothing was written
	traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { connected.Store(true) }})
	r, err := t.request(traced, id, body)
	if err != nil {
		return Result{Outcome: Retry, Err: err}, nil
	}
	// Unlike a client, a transport follows no redirects.
	response, err := trace.Transport{Base: t.transport}.RoundTrip(r)
	switch {
	case err != nil && connected.Load():
		return Result{Outcome: Unknown, Err: errors.New("no response: " + cause(ctx, err))}, nil
	case err != nil:
		return Result{Outcome: Retry, Err: errors.New("no connection: " + cause(ctx, err))}, nil
	}
	defer response.Body.Close()
	content, err = io.ReadAll(io.LimitReader(response.Body, maxResponse)) // reading it lets the connection be reused
	if err != nil {
		content = nil // the rest could change the meaning
	}
	status := response.StatusCode
	outcome, failure := classify(status), fmt.Errorf("HTTP %d%s", status, advice(status))
	if t.ok != nil && err != nil {
		return Result{Unknown, status, fmt.Errorf("HTTP %d; ok needs the whole response: %s", status, cause(ctx, err))}, nil
	}
	if t.ok != nil {
		decided, err := t.judge(ctx, response, content)
		switch {
		case err != nil:
			return Result{outcome, status, fmt.Errorf("HTTP %d; %w", status, err)}, nil
		case decided != outcome:
			outcome, failure = decided, fmt.Errorf("HTTP %d; the result of ok is %s", status, decided)
		}
	}
	if outcome == OK {
		failure = nil
	}
	return Result{outcome, status, failure}, content
}

// request returns a signed request. The error lists every setting that cannot be used.
func (t *Target) request(ctx context.Context, id string, body []byte) (*http.Request, error) {
	values, header := make(map[string]string), make(http.Header)
	header.Set("Idempotency-Key", id)
	header.Set("Webhook-Id", id)
	var problems []error
	for _, s := range t.settings() {
		value, err := t.options.Secret(ctx, s.secret)
		switch {
		case err != nil:
		case s.field == "secret":
			err = standardwebhook.Sign(header, body, value, t.options.Now())
		default:
			err = s.check(value)
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", strings.TrimSpace(s.field+" "+s.name), err))
		}
		values[s.field+s.name] = string(value)
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, values["url"], bytes.NewReader(body))
	if err != nil {
		return nil, errors.New("url: invalid") // the error contains the address
	}
	r.Header = header
	r.Header.Set("User-Agent", t.options.UserAgent)
	r.Header.Set("Content-Type", "application/json")
	if t.config.Form {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if t.config.Basic != "" {
		r.Header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(values["basic"])))
	}
	if t.config.Bearer != "" {
		r.Header.Set("Authorization", "Bearer "+values["bearer"])
	}
	for name := range t.config.Headers {
		r.Header.Set(name, values["headers"+name])
	}
	return r, nil
}

// Check reads the secrets of the target. The error lists all that cannot be used.
func (t *Target) Check(ctx context.Context) error {
	_, err := t.request(ctx, "", nil)
	return t.wrap(err)
}

// classify returns the outcome of a status without the program ok. A provider does not
// send a message that it rejects with 3xx or 4xx, but an operator can fix most of the reasons.
func classify(status int) Outcome {
	switch {
	case status/100 == 2:
		return OK
	case status == 400 || status == 410 || status == 413 || status == 415 || status == 422:
		return Never
	case status/100 == 3, status/100 == 4 && status != http.StatusConflict, status == http.StatusServiceUnavailable:
		return Retry
	default:
		return Unknown
	}
}

// advice returns the fix for a status, as the end of an error.
func advice(status int) string {
	switch {
	case status/100 == 3:
		return "; set url to the address without a redirect, or classify the response with ok"
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return "; check the credentials and the secret that this target expects"
	case status == http.StatusNotFound || status == http.StatusGone || status == http.StatusMethodNotAllowed:
		return "; check url"
	}
	return ""
}

// judge runs the program ok. Its input has the body as JSON if it is JSON, otherwise as a
// string, and the headers with lower-case names.
func (t *Target) judge(ctx context.Context, response *http.Response, content []byte) (Outcome, error) {
	headers := make(map[string]any, len(response.Header))
	for name, values := range response.Header {
		headers[strings.ToLower(name)] = strings.Join(values, ", ")
	}
	body, err := decodeJSON(content)
	if err != nil {
		body = strings.ToValidUTF8(string(content), "\uFFFD")
	}
	ctx = context.WithoutCancel(ctx) // the response is complete, even if the time is over now
	results, err := t.run(ctx, "ok", t.ok, map[string]any{"status": response.StatusCode, "headers": headers, "body": body})
	if err != nil {
		return "", err
	}
	if len(results) == 1 {
		text, _ := results[0].(string)
		if outcome := Outcome(text); slices.Contains([]Outcome{OK, Retry, Never, Unknown}, outcome) {
			return outcome, nil
		}
	}
	return "", errors.New(`ok: expected one of "ok", "retry", "never" and "unknown" as its only result`)
}
