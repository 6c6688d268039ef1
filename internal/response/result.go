package response

import (
	"errors"
	"net/http"
	"strings"

	"github.com/rcshook/rcshook/internal/code"
	"github.com/rcshook/rcshook/internal/queue"
	"github.com/rcshook/rcshook/internal/send"
)

// Page returns a response with a document of its own.
func Page(v any) *Response {
	a := New(code.Served)
	a.page = v
	return a
}

// FromResults returns the response to a request: the results of its messages, joined
// with the responses of messages that could not be prepared.
func FromResults(results []send.Result, unprepared []*Response) *Response {
	all := unprepared
	for i := range results {
		all = append(all, FromResult(&results[i]))
	}
	if len(all) == 1 {
		return all[0]
	}
	return Join(all)
}

// FromResult returns the response for one recipient.
func FromResult(r *send.Result) *Response {
	var a *Response
	switch {
	case r.Fallback:
		a = New(code.Fallback)
		if r.FallbackErr != nil {
			a = FromError(&Problem{Code: code.FallbackUnavailable, Err: r.FallbackErr})
		}
		cause := FromError(r.Err)
		a.Reason, a.Upstream = string(cause.Code), cause.Upstream
	case r.Err != nil:
		a = FromError(r.Err)
	case r.Receipt != nil:
		a = New(code.Accepted)
		a.Name = r.Receipt.Name
		if !r.Receipt.SendTime.IsZero() {
			a.SendTime = &r.Receipt.SendTime
		}
	case r.Task != nil && r.Task.Duplicate:
		a = New(code.Duplicate)
		a.Detail = "the queue has a task for this message, or had one within the last day"
		a.Name = r.Task.Name
	case r.Task != nil:
		a = New(code.Queued)
		a.Name = r.Task.Name
		if !r.Task.At.IsZero() {
			at := r.Task.At.UTC()
			a.ScheduleAt = &at
		}
	case r.Preview != nil:
		c := r.Preview.Message
		a = New(code.DryRun)
		a.DryRun = &Preview{Method: http.MethodPost, URL: r.Preview.URL, AgentMessage: c.Encoded, Bytes: len(c.Encoded)}
		if strings.HasPrefix(r.To, "+1") {
			a.DryRun.Billing = &c.Billing
		}
	case r.Duplicate:
		a = New(code.Duplicate)
	default:
		a = New(code.Revoked)
	}
	unsure := r.Unsure
	if failed, ok := errors.AsType[*queue.Error](r.Err); ok {
		unsure = unsure || failed.Unsure
	}
	if unsure && a.Code == code.AlreadyDelivered {
		a.Detail = "or it is revoked: an earlier attempt of this request got no response"
	}
	a.Agent, a.To, a.MessageID, a.Warnings = r.Agent, r.To, r.MessageID, r.Warnings
	if r.Random {
		a.setRandom(unsure)
	}
	return a
}

// setRandom records that the message ID is random, and whether an attempt may have
// succeeded. A retry is then only safe with the same message ID.
func (a *Response) setRandom(unsure bool) {
	a.random = true
	if a.OK {
		return
	}
	if a.Code == code.FallbackUnavailable || a.Code == code.Internal {
		unsure = true // the earlier attempts are not known here
	}
	a.DuplicateRisk = unsure
	const same = "with the message_id of this response, to avoid a duplicate. Set idempotency_key and you need not keep the ID."
	switch {
	case a.Retry == code.RetryNow, a.Retry == code.RetryLater:
		a.setAction("Send the request again "+same, a.advice)
	case unsure && a.Action != "":
		a.Action = strings.TrimSuffix(a.Action, ".") + ". If you send the request again, do it " + same
	case unsure:
		a.Action = "If you send the request again, do it " + same
	}
}

// Join joins the responses of several recipients. The code is [code.Mixed] unless all
// have the same one.
func Join(results []*Response) *Response {
	a := New(commonCode(results))
	for _, r := range results {
		a.RetryAfter = max(a.RetryAfter, r.RetryAfter)
		a.DuplicateRisk = a.DuplicateRisk || r.DuplicateRisk
		a.random = a.random || r.random
		if a.Cause == nil {
			a.Cause = r.Cause
		}
	}
	if a.random && !a.OK {
		// The recipients that have the message would get a second one.
		a.DuplicateRisk = a.DuplicateRisk || a.Code == code.Mixed
		a.Action = "Send the message again only to the recipients whose result is not ok, each with the message_id of its result. Set idempotency_key and you can send the whole request again."
	}
	a.Results = results

	// A dry run contains the message once, not once for each recipient.
	for _, r := range results {
		if r.DryRun == nil || len(r.DryRun.AgentMessage) == 0 || &r.DryRun.AgentMessage[0] != &results[0].DryRun.AgentMessage[0] {
			return a
		}
	}
	a.DryRun = &Preview{AgentMessage: results[0].DryRun.AgentMessage, Bytes: results[0].DryRun.Bytes}
	a.Warnings = results[0].Warnings
	for _, r := range results {
		r.DryRun.AgentMessage, r.DryRun.Bytes, r.Warnings = nil, 0, nil
	}
	return a
}

func commonCode(results []*Response) code.Code {
	common, ok, queued := results[0].Code, true, false
	for _, r := range results {
		ok, queued = ok && r.OK, queued || r.Code == code.Queued
		if r.Code != common {
			common = code.Mixed
		}
	}
	switch {
	case ok && common == code.Mixed && queued:
		return code.Queued // the others are duplicates
	case ok && common == code.Mixed:
		return code.Accepted // the others are duplicates
	}
	return common
}
