package client

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/rcshook/rcshook/internal/code"
)

// Error is a request that the function did not answer: nothing came back, or
// somebody else answered. Its text holds no key, no address and nothing of what was
// sent.
type Error struct {
	// Status is that of a foreign answer; 0: there was none.
	Status int

	// Retry tells whether sending the same request again makes sense:
	// [code.RetryLater] or [code.RetryAfterFix].
	Retry code.Retry

	// RetryAfter is how long to wait before that, if somebody said so.
	RetryAfter time.Duration

	// Unsure means that the message may have been sent all the same.
	Unsure bool

	// Unreached means that no connection came about: nobody listens there, or there
	// is no such address.
	Unreached bool

	Detail string // what happened
	Action string // the next step, a sentence; may be empty

	Err error // nil unless the connection failed
}

func (e *Error) Error() string {
	if e.Err != nil {
		return e.Detail + ": " + e.Err.Error()
	}
	return e.Detail
}

func (e *Error) Unwrap() error { return e.Err }

func badAddress(fault string) *Error {
	return &Error{
		Retry: code.RetryAfterFix, Detail: "the address of the function " + fault,
		Action: "Take the address that the deployment printed.",
	}
}

// read takes an answer of the function, and tells one of somebody else from it.
func (c *Client) read(res *http.Response, text []byte) (*Response, error) {
	a := &Response{Body: text}
	if err := json.Unmarshal(text, &a.Response); err == nil && a.Code != "" && a.Retry != "" && a.Status != 0 {
		a.RetryAfter = retryAfter(res.Header, time.Now())
		return a, nil
	}
	e := &Error{Status: res.StatusCode, Retry: code.RetryAfterFix, RetryAfter: retryAfter(res.Header, time.Now())}
	c.foreign(e, res.Header, text)
	return nil, e
}

// foreign explains an answer that is not the function's. Of its text nothing is
// repeated, which may be anybody's.
//
// Cloud Run docs: https://docs.cloud.google.com/run/docs/troubleshooting
func (c *Client) foreign(e *Error, h http.Header, text []byte) {
	cloudRun := strings.Contains(string(text), "Your client does not have permission") || h.Get("Server") == "Google Frontend"
	switch status := e.Status; {
	case status >= 300 && status < 400:
		e.Detail = fmt.Sprintf("the address answers with a redirect (%d), and the function makes none", status)
		e.Action = "Use the address of the function itself, with https://."
	case (status == http.StatusUnauthorized || status == http.StatusForbidden) && cloudRun:
		e.Detail = fmt.Sprintf("Cloud Run let nobody through to the function (%d)", status)
		e.Action = "Send an ID token of an account with the role roles/run.invoker, as gcloud auth print-identity-token prints it."
		if c.Token != "" {
			e.Action = "Grant the account of the ID token the role roles/run.invoker on the function, or make a new token: one is good for an hour."
		}
	case status == http.StatusTooManyRequests && cloudRun:
		e.Detail = "Cloud Run had no instance free that could take the request (429)"
		e.Action = "Send again later with the same idempotency key. If it comes often, raise --max-instances of the function, or send more slowly."
		e.Retry = code.RetryLater
	case status == http.StatusTooManyRequests, status >= http.StatusInternalServerError:
		e.Detail = fmt.Sprintf("something in front of the function answered %d %s", status, http.StatusText(status))
		e.Action = "Send again later with the same idempotency key. If it stays, look at the log of the function."
		e.Retry = code.RetryLater
		e.Unsure = status >= http.StatusInternalServerError
	default:
		e.Detail = fmt.Sprintf("what answers at the address (%d %s) is not rcshook", status, http.StatusText(status))
		e.Action = "Check the address: GET on it answers {\"name\":\"rcshook\",...}."
	}
}
