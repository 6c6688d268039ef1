package response

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/rcshook/rcshook/internal/code"
	"github.com/rcshook/rcshook/internal/compose"
	"github.com/rcshook/rcshook/internal/queue"
	"github.com/rcshook/rcshook/internal/send"
	"github.com/rcshook/rcshook/internal/target"
)

// Document returns a response with a document of its own.
func Document(v any) *Response {
	resp := New(code.Document)
	resp.document = v
	return resp
}

// Text returns a response with a body of plain text.
func Text(text string) *Response {
	resp := New(code.Document)
	resp.Replace(resp.Status, "text/plain; charset=utf-8", []byte(text))
	return resp
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
	var resp *Response
	switch {
	case r.Fallback:
		cause := FromError(r.Err)
		switch {
		case r.FallbackErr == nil:
			resp = New(code.Fallback)
		case errors.Is(r.FallbackErr, target.ErrRejected):
			resp = New(cause.Code)
			resp.Detail, resp.Err = "RCS cannot deliver it, and the fallback did not accept it", r.FallbackErr
		default:
			resp = FromError(&Problem{Code: code.FallbackUnavailable, Err: r.FallbackErr})
			if errors.Is(r.FallbackErr, target.ErrUnsure) {
				resp.Detail = "the fallback may have sent it, and a message of this traffic type is not sent twice"
				resp.Action = "Find out at the provider of the fallback whether the message was sent. Messages with the traffic transaction, otp or service are repeated."
				resp.Status, resp.Retry, resp.RetryAfter, resp.final = http.StatusUnprocessableEntity, code.RetryNever, 0, true
			}
		}
		resp.Cause, resp.Upstream = string(cause.Code), cause.Upstream
	case r.Err != nil:
		resp = FromError(r.Err)
	case r.Receipt != nil:
		if resp = New(code.Accepted); r.OtherContent {
			resp = New(code.Duplicate)
		}
		resp.Name = r.Receipt.Name
		if !r.Receipt.SendTime.IsZero() {
			resp.SendTime = &r.Receipt.SendTime
		}
	case r.Task != nil && r.Task.Duplicate:
		resp = New(code.Duplicate)
		resp.Detail = "the queue has a task for this message, or had one within the last day"
		resp.Name = r.Task.Name
	case r.Task != nil:
		resp = New(code.Queued)
		resp.Name = r.Task.Name
		if !r.Task.At.IsZero() {
			at := r.Task.At.UTC()
			resp.ScheduleAt = &at
		}
		resp.setFallbackAt(r.Task.FallbackAt)
	case r.Preview != nil:
		c := r.Preview.Message
		resp = New(code.DryRun)
		resp.DryRun = &Preview{Method: http.MethodPost, URL: r.Preview.URL, AgentMessage: c.Encoded, Bytes: len(c.Encoded)}
		if strings.HasPrefix(r.To, "+1") {
			resp.DryRun.Billing = &c.Billing
		}
		if r.Preview.Fallback {
			resp.DryRun.Fallback = compose.NewSMS(c.FallbackText)
		}
		resp.setFallbackAt(c.FallbackAt)
	case r.Duplicate:
		resp = New(code.Duplicate)
	default:
		resp = New(code.Revoked)
	}
	unsure := r.MaybeSent
	if failed, ok := errors.AsType[*queue.Error](r.Err); ok {
		unsure = unsure || failed.MaybeDone
	}
	if unsure && resp.Code == code.AlreadyDelivered {
		resp.Detail = "it may also be revoked, because an earlier attempt of this request got no response"
	}
	resp.Agent, resp.To, resp.MessageID, resp.Warnings = r.Agent, r.To, r.MessageID, r.Warnings
	if r.OtherContent {
		resp.Detail = "another message has this ID, and this one was not sent"
		resp.Warnings = append(slices.Clip(resp.Warnings), otherContent)
	}
	if r.Random {
		resp.noteRandomID(unsure)
	}
	return resp
}

func (resp *Response) setFallbackAt(at time.Time) {
	if at = at.UTC(); !at.IsZero() {
		resp.FallbackAt = &at
	}
}

// otherContent is the warning about a message that RBM ignored, because another message
// had its ID.
var otherContent = compose.Warning{
	Pointer: "/idempotency_key",
	Detail:  "this key was used for another message before; use a new key for each message, such as order-1042-shipped, and the same key only to repeat it",
}

// otherEvent is otherContent for the webhook of a source, whose map decides on the ID.
var otherEvent = compose.Warning{
	Detail: "another message of this source has the same ID: event_id, or idempotency_key in the map, returns the same for both events; " +
		"make it differ, as in .booking.ref + \"/\" + .status",
}

// noteRandomID records that the message ID is random, and whether an attempt may have
// succeeded. A retry is then only safe with the same message ID.
func (resp *Response) noteRandomID(unsure bool) {
	resp.random = true
	if resp.OK {
		return
	}
	if resp.Code == code.FallbackUnavailable || resp.Code == code.Internal {
		unsure = true // the earlier attempts are not known here
	}
	resp.DuplicateRisk = unsure
	const same = "with the message_id of this response, to avoid a duplicate. Do not add idempotency_key now, which changes the ID: set it in new messages."
	switch {
	case resp.Retry == code.RetryNow, resp.Retry == code.RetryLater:
		resp.setAction("Send the request again "+same, resp.advice)
	case unsure && resp.Action != "":
		resp.Action = strings.TrimSuffix(resp.Action, ".") + ". If you send the request again, do it " + same
	case unsure:
		resp.Action = "If you send the request again, do it " + same
	}
}

// Join joins the responses of several recipients. The code is [code.Mixed] unless all
// have the same one.
func Join(results []*Response) *Response {
	resp := New(commonCode(results))
	for _, r := range results {
		resp.RetryAfter = max(resp.RetryAfter, r.RetryAfter)
		resp.DuplicateRisk = resp.DuplicateRisk || r.DuplicateRisk
		resp.random = resp.random || r.random
		if resp.Err == nil {
			resp.Err = r.Err
		}
	}
	resp.Results = results
	if !resp.OK && resp.random {
		// The recipients that have the message would get a second one.
		resp.DuplicateRisk = resp.DuplicateRisk || resp.Code == code.Mixed
	}
	if resp.Code == code.Mixed || !resp.OK && resp.random {
		resp.Action = joinedAction(results, resp.random)
	}

	// A dry run contains the message once, not once for each recipient.
	for _, r := range results {
		if r.DryRun == nil || len(r.DryRun.AgentMessage) == 0 || &r.DryRun.AgentMessage[0] != &results[0].DryRun.AgentMessage[0] {
			return resp
		}
	}
	first := results[0].DryRun
	resp.DryRun = &Preview{AgentMessage: first.AgentMessage, Bytes: first.Bytes, Fallback: first.Fallback}
	resp.Warnings = results[0].Warnings
	for _, r := range results {
		r.DryRun.AgentMessage, r.DryRun.Bytes, r.DryRun.Fallback, r.Warnings = nil, 0, nil, nil
	}
	return resp
}

// joinedAction returns the next step after several results, by their retry.
func joinedAction(results []*Response, random bool) string {
	retries := make(map[code.Retry]bool)
	for _, r := range results {
		retries[r.Retry] = true
	}
	var steps []string
	switch again := retries[code.RetryNow] || retries[code.RetryLater]; {
	case again && random:
		steps = append(steps, "Send the message again only to the recipients whose result has the retry now or later, each with the message_id of its result.")
	case again:
		steps = append(steps, "Send the whole request again with the same idempotency_key: no recipient gets the message twice.")
	}
	if random && (retries[code.RetryNone] || retries[code.RetryNow] || retries[code.RetryLater]) {
		steps = append(steps, "Do not repeat the whole request: it has no idempotency_key, so recipients could get the message twice.")
	}
	if retries[code.RetryAfterFix] {
		steps = append(steps, "Results with the retry after_fix need the fix in their action first.")
	}
	if retries[code.RetryNever] {
		steps = append(steps, "For results with the retry never, a retry would fail again: follow their action instead.")
	}
	return strings.Join(steps, " ")
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
