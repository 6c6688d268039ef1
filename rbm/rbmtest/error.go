package rbmtest

import (
	"cmp"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/rcshook/rcshook/internal/googletest"
	"github.com/rcshook/rcshook/rbm"
)

// apiError is an error response in the form of Google's REST APIs.
type apiError struct {
	status     int
	word       string // of google.rpc.Code; empty: the usual one for status
	message    string
	details    []any
	reason     string // adds the errors list of error format 1
	retryAfter time.Duration
	html       bool // a page instead of the API's JSON
}

// fieldViolation is one entry of google.rpc.BadRequest.
type fieldViolation struct {
	Field       string `json:"field"`
	Description string `json:"description"`
}

const invalidPayload = "Invalid JSON payload received. "

func invalidArgument(format string, args ...any) *apiError {
	return &apiError{status: http.StatusBadRequest, message: fmt.Sprintf(format, args...)}
}

// badRequest joins the violations of a request into one error. It returns nil if there
// are none.
func badRequest(violations []fieldViolation) *apiError {
	if len(violations) == 0 {
		return nil
	}
	lines := make([]string, len(violations))
	for i, v := range violations {
		lines[i] = v.Description
	}
	return &apiError{
		status:  http.StatusBadRequest,
		message: strings.Join(lines, "\n"),
		details: []any{map[string]any{"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": violations}},
	}
}

// violationsError is the error for the violations of a body. field is the one of the
// protocol buffers that holds the body.
//
// Assumption: the texts, except those for unknown names, unions and long labels.
func violationsError(field string, violations []rbm.Violation) *apiError {
	var fields []fieldViolation
	for _, v := range violations {
		slash := max(strings.LastIndexByte(v.Pointer, '/'), 0)
		name := camelCase(strings.TrimPrefix(v.Pointer[slash:], "/"))
		path, parent := protoPath(field, v.Pointer), protoPath(field, v.Pointer[:slash])
		text := "Invalid value at '" + path + "': " + v.Detail
		switch {
		case v.Rule == rbm.RuleSyntax:
			return invalidArgument("%s", invalidPayload+strings.TrimPrefix(v.Detail, "invalid JSON: "))
		case v.Rule == rbm.RuleUnknown:
			path, text = parent, invalidPayload+`Unknown name "`+v.Pointer[slash+1:]+`"`
			if parent != "" {
				text += " at '" + parent + "'"
			}
			text += ": Cannot find field."
		case v.Rule == rbm.RuleReadOnly: // Assumption: that such fields are errors at all
			text = "The field '" + name + "' is set by the RBM platform and must not be sent."
		case v.Rule == rbm.RuleUnion:
			union := "content"
			switch {
			case name == "ttl", name == "expireTime":
				union = "expiration"
			case name == "reply", name == "action":
				union = "option"
			case name == "standaloneCard", name == "carouselCard":
				union = "card"
			case strings.HasSuffix(name, "Action"):
				union = "action"
			}
			path, text = parent, "Invalid value at '"+parent+"' (oneof), oneof field '"+union+"' is already set. Cannot set '"+name+"'"
		case v.Rule == rbm.RuleTooLong && strings.HasSuffix(v.Pointer, "/reply/text"):
			text = "Within suggested reply, the provided text exceeds the maximum allowed length."
		case v.Rule == rbm.RuleTooLong && strings.HasSuffix(v.Pointer, "/action/text"):
			text = "Within suggested action, the provided text exceeds the maximum allowed length."
		}
		fields = append(fields, fieldViolation{path, text})
	}
	return badRequest(fields)
}

// Errors whose texts do not depend on the request.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/phones.agentMessages/create
var (
	errUnknownPath = &apiError{status: http.StatusNotFound, html: true}

	errNoToken  = &apiError{status: http.StatusUnauthorized, message: googletest.MissingToken}
	errBadToken = &apiError{status: http.StatusUnauthorized, message: googletest.InvalidToken}

	errUnreachable    = &apiError{status: http.StatusNotFound, message: "The specified phone number cannot be reached by RBM at this time."}
	errEntityNotFound = &apiError{status: http.StatusNotFound, message: "Requested entity was not found."}

	// Assumption: the text; only a paraphrase of this error is known.
	errNotLaunchedThere = &apiError{status: http.StatusNotFound, message: "The RBM agent has not launched on the user's carrier."}

	errNotTester = &apiError{status: http.StatusForbidden, message: "This operation is blocked because the RBM agent has not launched and the recipient has not been invited and accepted the invitation to become a tester."}

	// Assumption: the text; the documents give the status only.
	errFeature = &apiError{status: http.StatusBadRequest, message: "The message uses a feature that the recipient's device does not support."}

	errTrafficLimit = &apiError{status: http.StatusTooManyRequests, message: "You have reached the allowed traffic limit for this agent on the user, your message will not be delivered"}

	errConflict = &apiError{status: http.StatusConflict, message: "Requested entity already exists"}
)

// unknownAgent is the error for an agent ID that is missing (null) or does not belong to
// the caller.
func unknownAgent(id string) *apiError {
	return &apiError{
		status: http.StatusForbidden,
		message: "There was an error looking up the RBM agent (ID: " + id + ") that corresponds to the Google Cloud Platform (GCP) project you're authenticating with. " +
			"This may be a transient error, in which case a retry can help. Otherwise, please ensure you have previously registered an RBM agent that corresponds with the correct GCP project, and that you are properly authenticating with this project.",
		reason: "forbidden",
	}
}

// platformError is an error of the platform itself. An empty message means the usual one
// for the status.
func platformError(status int, message string, retryAfter time.Duration) *apiError {
	if message == "" {
		message = map[int]string{
			http.StatusServiceUnavailable: "The service is currently unavailable.",
			http.StatusTooManyRequests:    "Resource has been exhausted (e.g. check quota).",
			http.StatusGatewayTimeout:     "Deadline expired before operation could complete.",
			http.StatusUnauthorized:       errBadToken.message,
		}[status]
	}
	return &apiError{status: status, message: cmp.Or(message, "Internal error encountered."), retryAfter: retryAfter}
}

// reasons are the words of error format 1.
var reasons = map[int]string{
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
	type oldError struct {
		Message string `json:"message"`
		Domain  string `json:"domain"`
		Reason  string `json:"reason"`
	}
	body := struct {
		Code    int        `json:"code"`
		Message string     `json:"message"`
		Errors  []oldError `json:"errors,omitempty"`
		Status  string     `json:"status"`
		Details []any      `json:"details,omitempty"`
	}{Code: e.status, Message: e.message, Status: cmp.Or(e.word, googletest.StatusWord(e.status)), Details: e.details}
	reason := e.reason
	if reason == "" && r.URL.Query().Get("$.xgafv") == "1" {
		reason = cmp.Or(reasons[e.status], "backendError")
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
		w.Header().Set("Retry-After", strconv.Itoa(int((e.retryAfter+time.Second-1)/time.Second)))
	}
	writeAPI(w, r, e.status, map[string]any{"error": body})
}
