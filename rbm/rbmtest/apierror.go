package rbmtest

import (
	"cmp"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/rcshook/rcshook/internal/googletest"
)

// apiError is a refusal in the envelope that all of Google's REST APIs share.
type apiError struct {
	status     int
	word       string // of google.rpc.Code; empty: the usual one for status
	message    string
	details    []any
	reason     string // adds the old errors[] list, as error format 1 has it
	retryAfter time.Duration
	html       bool // outside the API: a page for people
}

// fieldFault is one entry of google.rpc.BadRequest.
type fieldFault struct {
	Field       string `json:"field"`
	Description string `json:"description"`
}

const invalidPayload = "Invalid JSON payload received. "

func badPayload(message string) *apiError {
	return &apiError{status: http.StatusBadRequest, message: invalidPayload + message}
}

func invalidArgument(format string, args ...any) *apiError {
	return &apiError{status: http.StatusBadRequest, message: fmt.Sprintf(format, args...)}
}

// badRequest joins the faults of a request body into one refusal.
func badRequest(message string, faults []fieldFault) *apiError {
	return &apiError{
		status:  http.StatusBadRequest,
		message: message,
		details: []any{map[string]any{
			"@type":           "type.googleapis.com/google.rpc.BadRequest",
			"fieldViolations": faults,
		}},
	}
}

// The refusals whose words do not depend on the request.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/phones.agentMessages/create
var (
	errUnknownPath = &apiError{status: http.StatusNotFound, html: true}

	errNoToken = &apiError{
		status:  http.StatusUnauthorized,
		message: "Request is missing required authentication credential. Expected OAuth 2 access token, login cookie or other valid authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project.",
	}
	errBadToken = &apiError{
		status:  http.StatusUnauthorized,
		message: "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project.",
	}

	errUnreachable    = &apiError{status: http.StatusNotFound, message: "The specified phone number cannot be reached by RBM at this time."}
	errEntityNotFound = &apiError{status: http.StatusNotFound, message: "Requested entity was not found."}

	// Assumption: the wording; only a paraphrase of this refusal is known.
	errNotLaunchedThere = &apiError{status: http.StatusNotFound, message: "The RBM agent has not launched on the user's carrier."}

	errNotTester = &apiError{status: http.StatusForbidden, message: "This operation is blocked because the RBM agent has not launched and the recipient has not been invited and accepted the invitation to become a tester."}

	// Assumption: the wording; the documents give the status alone.
	errFeature = &apiError{status: http.StatusBadRequest, message: "The message uses a feature that the recipient's device does not support."}

	errTrafficLimit = &apiError{status: http.StatusTooManyRequests, message: "You have reached the allowed traffic limit for this agent on the user, your message will not be delivered"}

	errConflict = &apiError{status: http.StatusConflict, message: "Requested entity already exists"}
)

func insufficientScope(method string) *apiError {
	return &apiError{
		status:  http.StatusForbidden,
		message: "Request had insufficient authentication scopes.",
		details: []any{map[string]any{
			"@type":  "type.googleapis.com/google.rpc.ErrorInfo",
			"reason": "ACCESS_TOKEN_SCOPE_INSUFFICIENT",
			"domain": "googleapis.com",
			"metadata": map[string]string{
				"service": "rcsbusinessmessaging.googleapis.com",
				"method":  method,
			},
		}},
	}
}

// unknownAgent is the refusal of an agent ID that is missing (null) or does not
// belong to the caller.
func unknownAgent(id string) *apiError {
	return &apiError{
		status: http.StatusForbidden,
		message: "There was an error looking up the RBM agent (ID: " + id + ") that corresponds to the Google Cloud Platform (GCP) project you're authenticating with. " +
			"This may be a transient error, in which case a retry can help. Otherwise, please ensure you have previously registered an RBM agent that corresponds with the correct GCP project, and that you are properly authenticating with this project.",
		reason: "forbidden",
	}
}

// trouble is what a status means when the platform itself is to blame.
func trouble(status int, message string, retryAfter time.Duration) *apiError {
	if message == "" {
		switch status {
		case http.StatusServiceUnavailable:
			message = "The service is currently unavailable."
		case http.StatusTooManyRequests:
			message = "Resource has been exhausted (e.g. check quota)."
		case http.StatusGatewayTimeout:
			message = "Deadline expired before operation could complete."
		case http.StatusUnauthorized:
			message = errBadToken.message
		default:
			message = "Internal error encountered."
		}
	}
	return &apiError{status: status, message: message, retryAfter: retryAfter}
}

// old is one entry of the errors[] list of error format 1.
type oldError struct {
	Message string `json:"message"`
	Domain  string `json:"domain"`
	Reason  string `json:"reason"`
}

var oldReasons = map[int]string{
	http.StatusBadRequest:         "badRequest",
	http.StatusUnauthorized:       "authError",
	http.StatusForbidden:          "forbidden",
	http.StatusNotFound:           "notFound",
	http.StatusConflict:           "alreadyExists",
	http.StatusTooManyRequests:    "rateLimitExceeded",
	http.StatusServiceUnavailable: "backendError",
}

func (e *apiError) write(w http.ResponseWriter, r *http.Request) {
	if e.html {
		w.Header().Set("Content-Type", "text/html; charset=UTF-8")
		w.WriteHeader(e.status)
		title, text := "Error 404 (Not Found)", "There is nothing at this URL."
		if e != errUnknownPath {
			title, text = http.StatusText(e.status), "This page comes from a proxy."
		}
		fmt.Fprintf(w, "<!DOCTYPE html>\n<html lang=en>\n<title>%s</title>\n<p><b>%d.</b> %s\n", title, e.status, text)
		return
	}
	type envelope struct {
		Code    int        `json:"code"`
		Message string     `json:"message"`
		Errors  []oldError `json:"errors,omitempty"`
		Status  string     `json:"status"`
		Details []any      `json:"details,omitempty"`
	}
	body := envelope{Code: e.status, Message: e.message, Status: cmp.Or(e.word, googletest.StatusWord(e.status)), Details: e.details}
	reason := e.reason
	if reason == "" && r.URL.Query().Get("$.xgafv") == "1" {
		reason = "backendError"
		if known, ok := oldReasons[e.status]; ok {
			reason = known
		}
	}
	if reason != "" {
		body.Errors = []oldError{{e.message, "global", reason}}
	}
	if e.status == http.StatusUnauthorized {
		challenge := `Bearer realm="https://accounts.google.com/"`
		if e.message == errBadToken.message {
			challenge += `, error="invalid_token"`
		}
		w.Header().Set("WWW-Authenticate", challenge)
	}
	if e.retryAfter > 0 {
		seconds := (e.retryAfter + time.Second - 1) / time.Second
		w.Header().Set("Retry-After", strconv.Itoa(int(seconds)))
	}
	writeAPI(w, r, e.status, map[string]any{"error": body})
}
