package response

import "github.com/rcshook/rcshook/internal/code"

// All joins the answers of several recipients: one code where they agree, and
// [code.Mixed] where they do not.
func All(results []*Answer) *Answer {
	a := New(common(results))
	for _, r := range results {
		a.RetryAfter = max(a.RetryAfter, r.RetryAfter)
		a.DuplicateRisk = a.DuplicateRisk || r.DuplicateRisk
		a.random = a.random || r.random
		if a.Cause == nil {
			a.Cause = r.Cause
		}
	}
	if a.random && !a.OK {
		// Some may have got it, and would get another one.
		a.DuplicateRisk = a.DuplicateRisk || a.Code == code.Mixed
		a.Action = "Send again only to those whose result is not ok, to each with the message_id of its result. An idempotency_key spares you this."
	}
	a.shareMessage(results)
	a.Results = results
	return a
}

// shareMessage shows the message of a dry run once instead of for each recipient.
func (a *Answer) shareMessage(results []*Answer) {
	for _, r := range results {
		if r.DryRun == nil || len(r.DryRun.AgentMessage) == 0 {
			return
		}
		if first := results[0].DryRun; &r.DryRun.AgentMessage[0] != &first.AgentMessage[0] {
			return
		}
	}
	first := results[0]
	a.DryRun = &Preview{AgentMessage: first.DryRun.AgentMessage, Bytes: first.DryRun.Bytes}
	a.Warnings = first.Warnings
	for _, r := range results {
		r.DryRun.AgentMessage, r.DryRun.Bytes, r.Warnings = nil, 0, nil
	}
}

func common(results []*Answer) code.Code {
	c, ok, waits := results[0].Code, true, false
	for _, r := range results {
		ok, waits = ok && r.OK, waits || r.Code == code.Queued
		if r.Code != c {
			c = code.Mixed
		}
	}
	switch {
	case ok && c == code.Mixed && waits:
		return code.Queued // some of them before
	case ok && c == code.Mixed:
		return code.Accepted // some of them before
	}
	return c
}
