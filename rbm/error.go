package rbm

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Kinds of errors, for [errors.Is]. An [Error] matches exactly one of them, or none if
// the caller canceled its context during an attempt. If the context ends between two
// attempts, the error matches both the last [Error] and the error of the context.
var (
	// ErrUnreachable reports that the agent cannot reach the user: the user has no
	// RCS or has switched it off, or the agent is not launched on the user's network. 404.
	ErrUnreachable = errors.New("rbm: the user cannot be reached by RCS from this agent")

	// ErrAlreadyDelivered reports that a message was delivered before it could be
	// revoked. 404 from [Client.RevokeMessage].
	ErrAlreadyDelivered = errors.New("rbm: the message was already delivered")

	// ErrNotTester reports that the agent is not launched, and the user is not one of
	// its testers or has not accepted the invitation. 403.
	ErrNotTester = errors.New("rbm: the agent is not launched and the user is not one of its testers")

	// ErrNotLaunched reports that the agent is not launched. Older guides document
	// it; current ones document [ErrUnreachable]. 403.
	ErrNotLaunched = errors.New("rbm: the agent is not launched")

	// ErrPermissionDenied reports that the credentials are not allowed to act for the
	// agent, that the agent does not exist, or that the API is not enabled. 403.
	ErrPermissionDenied = errors.New("rbm: the credentials are not allowed to act for this agent")

	// ErrUnauthenticated reports that the token is missing, invalid or expired. 401.
	ErrUnauthenticated = errors.New("rbm: the access token was rejected")

	// ErrFeatureUnsupported reports that the user's device lacks a feature that the
	// message uses. 400.
	ErrFeatureUnsupported = errors.New("rbm: the user's device lacks a feature that the message uses")

	// ErrInvalidArgument reports that the platform rejected the request for another
	// reason. 400.
	ErrInvalidArgument = errors.New("rbm: the platform rejected the request as invalid")

	// ErrAlreadyExists reports that the ID was used before, so that the platform
	// already has the message. 409.
	ErrAlreadyExists = errors.New("rbm: the ID was already used")

	// ErrIDTaken reports that the ID was used before for a message to another number, so
	// that the platform ignored this message. Send it with a new ID.
	ErrIDTaken = errors.New("rbm: the message ID was used for a message to another number")

	// ErrRateLimited reports that a limit of the platform is exceeded. 429.
	ErrRateLimited = errors.New("rbm: a limit of the platform is exceeded")

	// ErrUnavailable reports a failure of the platform or of the connection to it:
	// 5xx, a broken connection, or an unreadable response.
	ErrUnavailable = errors.New("rbm: the platform is not available")

	// ErrTimeout reports that no response came before the timeout. Such an error also
	// matches [context.DeadlineExceeded].
	ErrTimeout = errors.New("rbm: timed out waiting for the response")
)

// Errors in the arguments of a call. The client sent nothing.
var (
	// ErrInvalidPhone reports that a phone number is not in E.164 form.
	ErrInvalidPhone = errors.New("rbm: invalid phone number: expected E.164 form, such as +12025550123")

	// ErrInvalidID reports that the ID of a message or an event is neither a UUID nor
	// a token of at most 128 letters, digits, hyphens and underscores.
	ErrInvalidID = errors.New("rbm: invalid ID: expected a UUID")

	// ErrNeedsRegion reports that a call needs the host of a region; see [Region].
	ErrNeedsRegion = errors.New("rbm: the call needs a region: us, europe or asia")
)

// InvalidMessageError reports the rules that a message breaks. The client sent
// nothing.
type InvalidMessageError struct {
	Violations []Violation // at least one
}

// Error lists the violations. It quotes neither texts nor numbers of the message.
func (e *InvalidMessageError) Error() string {
	texts := make([]string, len(e.Violations))
	for i, v := range e.Violations {
		texts[i] = v.String()
	}
	return "rbm: invalid message: " + strings.Join(texts, "; ")
}

// Is reports whether target is [ErrInvalidArgument]: the platform would have rejected
// the message.
func (e *InvalidMessageError) Is(target error) bool { return target == ErrInvalidArgument }

// Error is a failed call after at least one attempt. Its text contains the status and
// its meaning, and no part of the request or the response, so it may be logged.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/phones.agentMessages/create
type Error struct {
	// Method is the name of the method in the reference, such as
	// phones.agentMessages.create.
	Method string

	// StatusCode is the HTTP status; 0 without a response.
	StatusCode int

	// Status is Google's code of the error, such as NOT_FOUND.
	Status string

	// Reason is Google's code of the cause, such as SERVICE_DISABLED; often empty.
	Reason string

	// Message is Google's text, at most 4 KiB. It may quote the request, so the text of
	// Error does not include it, and it does not belong in a log.
	Message string

	// RetryAfter is the delay that the platform requested, at most 30 days; 0 if it
	// requested none.
	RetryAfter time.Duration

	// Attempts is the number of attempts. If it is more than one, an earlier attempt
	// may have succeeded although its response was lost.
	Attempts int

	// NotFromAPI reports that the response does not have the form of the API: it came
	// from a proxy, or the endpoint is wrong. It is not about a user or a message, so
	// it counts as [ErrUnavailable]; only 429 counts as [ErrRateLimited].
	NotFromAPI bool

	// Err is the cause if no complete response came. Its text may contain
	// private data; the text of Error describes it without any.
	Err error
}

// Error describes the failure.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("rbm: " + e.Method)
	if e.StatusCode != 0 {
		b.WriteString(": " + strconv.Itoa(e.StatusCode))
		if e.Status != "" {
			b.WriteString(" " + e.Status)
		}
		if e.Reason != "" {
			b.WriteString(" (" + e.Reason + ")")
		}
	}
	switch kind := e.kind(); {
	case e.Err != nil:
		b.WriteString(": " + describe(e.Err))
	case e.NotFromAPI:
		b.WriteString(": the response does not have the form of the API; check the endpoint and proxies")
	case kind != nil:
		b.WriteString(": " + strings.TrimPrefix(kind.Error(), "rbm: "))
	}
	if e.Attempts > 1 {
		b.WriteString(", after " + strconv.Itoa(e.Attempts) + " attempts")
	}
	return b.String()
}

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// Is reports whether target is the kind of e.
func (e *Error) Is(target error) bool {
	kind := e.kind()
	return target == kind || target == context.DeadlineExceeded && kind == ErrTimeout
}

func (e *Error) kind() error {
	switch {
	case errors.Is(e.Err, context.Canceled):
		return nil
	case isTimeout(e.Err):
		return ErrTimeout
	case errors.Is(e.Err, errIDTaken):
		return ErrIDTaken
	case e.Err != nil, e.NotFromAPI && e.StatusCode != http.StatusTooManyRequests, e.interrupted():
		return ErrUnavailable
	}
	message := strings.ToLower(e.Message)
	switch {
	case e.StatusCode == http.StatusBadRequest && lacksFeature(message):
		return ErrFeatureUnsupported
	case e.StatusCode == http.StatusBadRequest:
		return ErrInvalidArgument
	case e.StatusCode == http.StatusUnauthorized:
		return ErrUnauthenticated
	case e.StatusCode == http.StatusForbidden && strings.Contains(message, "tester"): // may mention the launch too
		return ErrNotTester
	case e.StatusCode == http.StatusForbidden && strings.Contains(message, "launch"):
		return ErrNotLaunched
	case e.StatusCode == http.StatusForbidden:
		return ErrPermissionDenied
	case e.StatusCode == http.StatusTooManyRequests:
		return ErrRateLimited
	case e.StatusCode/100 != 4 || e.StatusCode == http.StatusRequestTimeout:
		return ErrUnavailable
	case e.StatusCode == http.StatusConflict:
		return ErrAlreadyExists
	case e.StatusCode == http.StatusNotFound && e.Method == methodRevoke:
		return ErrAlreadyDelivered
	case e.StatusCode == http.StatusNotFound && e.Method != methodBatchGet && e.Method != methodCreateFile:
		return ErrUnreachable // a 404 for a phone number means the user is unreachable
	}
	return ErrInvalidArgument
}

// lacksFeature reports whether the message of a 400 is about a missing feature.
//
// Assumption: the documents give the status of that response but not its text. Any text
// that mentions a feature, capability, or device together with "support" matches. The
// messages of the JSON parser quote the request and never match.
func lacksFeature(message string) bool {
	contains := func(words ...string) bool {
		for _, word := range words {
			if strings.Contains(message, word) {
				return true
			}
		}
		return false
	}
	return !strings.HasPrefix(message, "invalid json") && !strings.HasPrefix(message, "invalid value") &&
		contains("feature", "capabilit", "device", "handset") && contains("support", "lack", "not capable")
}

// temporary reports whether a retry may succeed.
func (e *Error) temporary() bool {
	if e.Err != nil {
		return !errors.Is(e.Err, context.Canceled) && !errors.Is(e.Err, errIDTaken)
	}
	switch e.StatusCode {
	case http.StatusTooManyRequests, http.StatusRequestTimeout, http.StatusInternalServerError,
		http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return e.UnknownAgent() || e.interrupted()
}

// interrupted reports whether the platform gave up the request: 409 ABORTED, which is not
// about the ID, or 499 CANCELLED.
//
// Google docs: https://cloud.google.com/apis/design/errors#handling_errors
func (e *Error) interrupted() bool { return e.Status == "ABORTED" || e.Status == "CANCELLED" }

// UnknownAgent reports whether the platform did not find the agent for the credentials:
// it does not exist, or it belongs to another partner. The platform does not
// distinguish the two.
//
// The message of that response calls the error possibly transient, so the client retries
// it once.
func (e *Error) UnknownAgent() bool {
	return e.StatusCode == http.StatusForbidden && strings.Contains(strings.ToLower(e.Message), "transient")
}

// safeError is an error text of this package. It contains no private data.
type safeError string

func (e safeError) Error() string { return string(e) }

// Causes in a response that is not an error by its status.
const (
	errUnreadable safeError = "the response is not a JSON object"
	errNotOurs    safeError = "the response does not name the message; check the endpoint and proxies"
	errFailed     safeError = "the response contains an error; check the endpoint and proxies"
	errIDTaken    safeError = "the message ID was used for a message to another number; use a new ID"
)

// isTimeout reports whether err is a timeout of a context, an HTTP client or a
// connection.
func isTimeout(err error) bool {
	limit, ok := errors.AsType[interface {
		error
		Timeout() bool
	}](err)
	return errors.Is(err, context.DeadlineExceeded) || ok && limit.Timeout()
}

// describe returns a description of the cause of a failed attempt without private
// data. The text of an unknown cause can quote a response or a URL with a phone number.
func describe(err error) string {
	if own, ok := errors.AsType[safeError](err); ok {
		return own.Error()
	}
	switch {
	case errors.Is(err, context.Canceled):
		return "canceled by the caller"
	case isTimeout(err):
		return "timed out waiting for the response"
	case asType[*net.DNSError](err):
		return "the host name cannot be resolved"
	case asType[*tls.CertificateVerificationError](err):
		return "the certificate of the host is not trusted"
	case asType[tls.RecordHeaderError](err), asType[tls.AlertError](err):
		return "the TLS handshake with the host failed"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "the connection was closed before the end of the response"
	}
	if number, ok := errors.AsType[syscall.Errno](err); ok {
		return number.Error()
	}
	return "the connection broke"
}

func asType[T error](err error) bool {
	_, ok := errors.AsType[T](err)
	return ok
}

// readResponse reads the object of a response.
func readResponse(data []byte) (value, error) {
	v, problem := scan(data)
	switch {
	case problem != "" || v.kind != kindObject:
		return value{}, errUnreadable
	case v.member("error").kind != kindNull:
		return value{}, errFailed
	}
	return v, nil
}

// maxRetryAfter limits a requested delay, to keep arithmetic with it in range.
const maxRetryAfter = 30 * 24 * time.Hour

// errorFrom reads an error response.
//
// RBM docs: https://cloud.google.com/apis/design/errors#http_mapping
func errorFrom(resp *http.Response, body []byte) *Error {
	e := &Error{StatusCode: resp.StatusCode}
	header := resp.Header.Get("Retry-After")
	if seconds, err := strconv.ParseUint(header, 10, 31); err == nil {
		e.RetryAfter = min(time.Duration(seconds)*time.Second, maxRetryAfter)
	} else if at, err := http.ParseTime(header); err == nil {
		e.RetryAfter = min(max(0, time.Until(at)), maxRetryAfter)
	}
	var envelope struct{ Error json.RawMessage }
	_ = json.Unmarshal(body, &envelope) // no error without JSON
	var status struct {
		Code            int
		Message, Status string
		Errors          []struct{ Reason string } // in older responses
		Details         []struct {
			Reason     string // of google.rpc.ErrorInfo
			RetryDelay string // of google.rpc.RetryInfo
		}
	}
	_ = json.Unmarshal(envelope.Error, &status) // mismatched types are ignored
	if status.Code != e.StatusCode && status.Status == "" {
		e.NotFromAPI = true
		return e
	}
	const maxMessage = 4 << 10
	e.Message = strings.ToValidUTF8(status.Message[:min(len(status.Message), maxMessage)], "")
	e.Status = errorCode(status.Status)
	for _, old := range status.Errors {
		e.Reason = errorCode(old.Reason)
	}
	for _, d := range status.Details {
		if d.Reason != "" {
			e.Reason = errorCode(d.Reason)
		}
		if delay, err := ParseDuration(d.RetryDelay); err == nil && e.RetryAfter == 0 {
			e.RetryAfter = min(max(0, time.Duration(delay)), maxRetryAfter)
		}
	}
	return e
}

// errorCode returns s if it is a word such as NOT_FOUND or forbidden, which cannot quote
// the request.
func errorCode(s string) string {
	if len(s) > 64 || strings.Trim(s, letters+"_") != "" {
		return ""
	}
	return s
}
