package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/rcshook/rcshook/internal/check"
	"github.com/rcshook/rcshook/internal/client"
	"github.com/rcshook/rcshook/internal/code"
	"github.com/rcshook/rcshook/internal/response"
)

// sendPrinter prints the result of send: success to standard output, a failure to
// standard error, and with -json the response itself to standard output.
type sendPrinter struct {
	stdio
	json bool
	key  string // the generated idempotency key, if any
	by   string // the sender
}

// response prints a response of the function, and returns the exit code.
func (p *sendPrinter) response(r *client.Response, cause string) error {
	exit, ok := exitCodes[client.Advice(&r.Response)]
	if !ok {
		exit = exitNever
	}
	out := p.out
	switch {
	case p.json:
		fmt.Fprintf(p.out, "%s\n", bytes.TrimSpace(r.Body))
		out = p.err
	case exit != 0:
		out = p.err
	}
	if !p.json {
		if len(r.Results) == 0 {
			p.recipient(out, &r.Response)
		} else {
			fmt.Fprintf(out, "%s: %s\n", r.Code, count(len(r.Results), "recipient"))
			for _, item := range r.Results {
				p.recipient(out, item)
			}
			p.warnings(out, &r.Response)
			if r.Action != "" {
				fmt.Fprintf(out, "  next: %s\n", r.Action)
			}
		}
		if cause != "" {
			fmt.Fprintf(out, "  cause: %s\n", cause)
		}
		fmt.Fprintf(out, "  by: %s\n", p.by)
		if p.by == localURL && r.OK {
			fmt.Fprintf(out, "  (on this machine; use -url or %s for another function)\n", envURL)
		}
	}
	if exit == exitRetry || exit == exitFix {
		p.retry(out, r.RetryAfter)
	}
	if !p.json {
		p.bodies(out, &r.Response)
	}
	if exit == 0 {
		return nil
	}
	return exitError(exit)
}

// recipient prints the result for one recipient.
func (p *sendPrinter) recipient(out io.Writer, r *response.Response) {
	switch r.Code {
	case code.Accepted:
		fmt.Fprintf(out, "accepted: message %s to %s from agent %s\n", r.MessageID, r.To, r.Agent)
	case code.Queued:
		fmt.Fprintf(out, "queued: message %s to %s from agent %s", r.MessageID, r.To, r.Agent)
		if r.ScheduleAt != nil {
			fmt.Fprintf(out, ", for %s", r.ScheduleAt.Format(time.RFC3339))
		}
		fmt.Fprintln(out)
	case code.Duplicate:
		fmt.Fprintf(out, "duplicate: message %s to %s was sent before, and was not sent again\n", r.MessageID, r.To)
	case code.DryRun:
		fmt.Fprintf(out, "dry_run: checked, not sent: message %s to %s from agent %s\n", r.MessageID, r.To, r.Agent)
	case code.Fallback:
		fmt.Fprintf(out, "fallback: RCS cannot deliver to %s; the fallback accepted the message\n", r.To)
	default:
		p.failure(out, r)
	}
	if at := r.FallbackAt; at != nil {
		fmt.Fprintf(out, "  fallback: at %s, unless the message was delivered before\n", at.Format(time.RFC3339))
	}
	if d := r.DryRun; d != nil {
		fmt.Fprintf(out, "  request: %s %s\n", d.Method, d.URL)
		if b := d.Billing; b != nil {
			fmt.Fprintf(out, "  billing: %s", b.Class)
			if b.Segments > 0 {
				fmt.Fprintf(out, ", %s", count(b.Segments, "segment"))
			}
			fmt.Fprintln(out)
		}
	}
	p.warnings(out, r)
}

func (p *sendPrinter) failure(out io.Writer, r *response.Response) {
	fmt.Fprintf(out, "%s: %s", r.Code, r.Title)
	if r.To != "" {
		fmt.Fprintf(out, " (%s)", r.To)
	}
	fmt.Fprintln(out)
	if len(r.Errors) == 0 && r.Detail != "" {
		fmt.Fprintf(out, "  %s\n", r.Detail)
	}
	for _, e := range r.Errors {
		if e.Pointer == "" {
			fmt.Fprintf(out, "  %s\n", e.Detail)
			continue
		}
		fmt.Fprintf(out, "  %s: %s\n", e.Pointer, e.Detail)
	}
	if u := r.Upstream; u != nil && !strings.Contains(r.Detail, u.Message) {
		fmt.Fprintf(out, "  RCS Business Messaging responded: %d %s %s\n", u.Status, u.Reason, u.Message)
	}
	if action := nextStep(r.Code, nil, p.by, r.Action); action != "" {
		fmt.Fprintf(out, "  next: %s\n", action)
	}
}

// bodies prints the messages of a dry run, or one of them if all are the same.
func (p *sendPrinter) bodies(out io.Writer, r *response.Response) {
	if d := r.DryRun; d != nil && len(d.AgentMessage) > 0 {
		if sms := d.Fallback; sms != nil {
			fmt.Fprintf(out, "  fallback: SMS in %s, %s\n", sms.Encoding, count(sms.Segments, "segment"))
		}
		fmt.Fprintf(out, "  body: %d bytes\n%s", d.Bytes, check.Indent(d.AgentMessage))
		return
	}
	for _, item := range r.Results {
		p.bodies(out, item)
	}
}

func (p *sendPrinter) warnings(out io.Writer, r *response.Response) {
	for _, w := range r.Warnings {
		fmt.Fprintf(out, "  warning: %s: %s\n", w.Pointer, w.Detail)
	}
}

// retry prints how to send the message again.
func (p *sendPrinter) retry(out io.Writer, wait time.Duration) {
	if wait > 0 {
		fmt.Fprintf(out, "  wait: %v (Retry-After)\n", wait)
	}
	if p.key != "" {
		fmt.Fprintf(out, "  to retry without sending twice: -idempotency-key %s\n", p.key)
	}
}

// noResponse prints that the function did not respond, with -json in the form of a
// response.
func (p *sendPrinter) noResponse(err error) error {
	e, ok := errors.AsType[*client.Error](err)
	if !ok {
		return err
	}
	action := nextStep("", e, p.by, e.Action)
	if p.json {
		text, err := json.Marshal(struct {
			OK            bool       `json:"ok"`
			Status        int        `json:"status"`
			Code          string     `json:"code"`
			Retry         code.Retry `json:"retry"`
			Detail        string     `json:"detail"`
			Action        string     `json:"action,omitempty"`
			DuplicateRisk bool       `json:"duplicate_risk,omitempty"`
			Key           string     `json:"idempotency_key,omitempty"`
		}{Status: e.Status, Code: noResponse, Retry: e.Retry, Detail: e.Error(), Action: action, DuplicateRisk: e.Unsure, Key: p.key})
		if err != nil {
			return err
		}
		fmt.Fprintf(p.out, "%s\n", text)
		return exitError(exitNoResponse)
	}
	fmt.Fprintf(p.err, "%s: %s\n  by: %s\n", noResponse, e, p.by)
	if action != "" {
		fmt.Fprintf(p.err, "  next: %s\n", action)
	}
	if e.Unsure {
		fmt.Fprintln(p.err, "  the message may have been sent")
	}
	if e.Unsure || e.Retry == code.RetryLater {
		p.retry(p.err, e.RetryAfter)
	}
	return exitError(exitNoResponse)
}

// noResponse is the code of a request without a response of the function.
const noResponse = "no_response"
