package response

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/rcshook/rcshook/internal/code"
	"github.com/rcshook/rcshook/internal/compose"
	"github.com/rcshook/rcshook/internal/payload"
	"github.com/rcshook/rcshook/rbm"
)

// Page answers with a document of its own.
func Page(v any) *Answer {
	a := New(code.Served)
	a.page = v
	return a
}

// OfSent answers for a message that the platform took.
func OfSent(sent *rbm.Receipt) *Answer {
	a := New(code.Accepted)
	a.Name = sent.Name
	if !sent.SendTime.IsZero() {
		a.SendTime = &sent.SendTime
	}
	return a
}

// OfQueued answers for a message that waits in a queue as the named task. Repeated
// tells that there was such a task before.
func OfQueued(task string, at time.Time, repeated bool) *Answer {
	a := New(code.Queued)
	if repeated {
		a = New(code.Duplicate)
		a.Detail = "the queue has, or had within the last day, a task for this message"
	} else if !at.IsZero() {
		utc := at.UTC()
		a.ScheduleAt = &utc
	}
	a.Name = task
	return a
}

// OfDryRun shows what would have been sent to url.
func OfDryRun(url, phone string, c *compose.Composed) *Answer {
	a := New(code.DryRun)
	a.DryRun = &Preview{Method: http.MethodPost, URL: url, AgentMessage: c.Encoded, Bytes: len(c.Encoded)}
	if strings.HasPrefix(phone, "+1") {
		a.DryRun.Billing = &c.Billing
	}
	return a
}

// Random tells that the message has a random ID, and whether some attempt may have
// got through. Then only the same ID makes a retry safe.
func (a *Answer) Random(unsure bool) {
	a.random = true
	if a.OK {
		return
	}
	switch a.Code {
	case code.FallbackUnavailable, code.Internal: // what came before is not known here
		unsure = true
	}
	a.DuplicateRisk = unsure
	const same = "with the message_id of this answer, so that the message cannot arrive twice. An idempotency_key spares you this."
	switch {
	case a.Retry == code.RetryNow, a.Retry == code.RetryLater:
		_, advice, _ := strings.Cut(a.Action, ". ") // beyond that
		a.Action = "Send again " + same
		if a.Code == code.RateLimited && advice != "" {
			a.Action += " " + advice
		}
	case unsure:
		if a.Action != "" {
			a.Action = strings.TrimSuffix(a.Action, ".") + ". "
		}
		a.Action += "If you send again, do it " + same
	}
}

// UnknownAgentAt is the answer to a request for an agent that is none of names;
// pointer is where it stands in the payload, if it does.
func UnknownAgentAt(pointer string, names []string) error {
	p := &Problem{Code: code.UnknownAgent, Detail: "the agents of this function are: " + strings.Join(names, ", ")}
	if pointer != "" {
		p.Errors = []payload.Error{{Pointer: pointer, Detail: "no agent has this name"}}
	}
	return p
}

// ProfileOf reads the profile that a caller asks for with ?profile=. Parameters
// that are not among known, which has a blank between the names, are faults: what
// somebody meant with them would not happen.
func ProfileOf(query url.Values, known string) (Profile, error) {
	profile := Profile(cmp.Or(query.Get("profile"), string(Strict)))
	var faults payload.Errors
	if profile != Strict && profile != Soft {
		faults = append(faults, payload.Error{Detail: "the query parameter profile is neither strict nor soft"})
		profile = Strict
	}
	names := strings.Fields(known)
	for name := range query {
		if !slices.Contains(names, name) {
			faults = append(faults, payload.Error{Detail: "there is an unknown query parameter; the fields of the payload stand in the body, and read from the query are: " + strings.Join(names, ", ")})
			break
		}
	}
	if len(faults) > 0 {
		return profile, faults
	}
	return profile, nil
}

// NotServed is the answer to a path that is served with the methods in allow only,
// or not at all.
func NotServed(method string, allow []string) error {
	if len(allow) == 0 {
		return &Problem{Code: code.NotFound}
	}
	if !slices.Contains(allow, http.MethodOptions) {
		allow = append(allow, http.MethodOptions)
	}
	p := &Problem{Code: code.MethodNotAllowed, Allow: strings.Join(allow, ", ")}
	if method == http.MethodOptions {
		p.Code = code.Served
	}
	return p
}

// NoSource is the answer to a webhook for a source that does not exist. It tells
// strangers no name.
func NoSource() error {
	return &Problem{
		Code:   code.NotFound,
		Detail: "there is no such source",
		Action: "Post to /hooks/NAME at this function, where NAME is written exactly as under sources in its rcshook.yaml. " +
			"Who runs the function finds that file where RCSHOOK_CONFIG points.",
	}
}

// Handshake is the answer to a sender of CloudEvents that asks whether it may
// begin: anybody may, at any pace, since each event has to prove where it is from.
func Handshake() *Answer {
	a := New(code.Served)
	a.Header = map[string]string{"WebHook-Allowed-Origin": "*", "WebHook-Allowed-Rate": "*"}
	a.page = struct{}{}
	return a
}

// Hidden keeps the words of err from a caller who has not proved to be one; only
// its code and the given words are shown.
func Hidden(err error, detail string) error {
	return &Problem{Code: Of(err).Code, Detail: detail, Err: err}
}

// Bug is the error of a panic with value v, to be called where it is recovered.
// The value may hold anything, somebody's words among it; its type and the places
// that were passed are enough to find the bug.
func Bug(v any) error {
	pcs := make([]uintptr, 64)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs)])
	var places []string
	panicked := false
	for frame, more := frames.Next(); more && len(places) < 5; frame, more = frames.Next() {
		if panicked && !strings.HasPrefix(frame.Function, "runtime.") {
			places = append(places, fmt.Sprintf("%s:%d", frame.Function, frame.Line))
		}
		panicked = panicked || frame.Function == "runtime.gopanic"
	}
	return fmt.Errorf("panic with a %T at %s", v, strings.Join(places, " < "))
}
