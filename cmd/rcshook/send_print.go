package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/rcshook/rcshook/internal/client"
	"github.com/rcshook/rcshook/internal/code"
	"github.com/rcshook/rcshook/internal/response"
)

// sendPrinter tells what became of a message. Success goes to standard output, a
// failure to standard error, and for scripts the answer itself to standard output.
type sendPrinter struct {
	ends streams
	json bool
	key  string // with which it can be sent again; empty if the message has its own
	by   string // who sent it
}

// answer prints what the function said, and returns the exit code.
func (p *sendPrinter) answer(a *client.Response, cause string) error {
	if p.json {
		fmt.Fprintf(p.ends.out, "%s\n", bytes.TrimSpace(a.Body))
		p.repeat(p.ends.err, &a.Response)
		return exitCode(&a.Response)
	}
	out := p.ends.out
	if !a.OK {
		out = p.ends.err
	}
	if len(a.Results) == 0 {
		p.one(out, &a.Response)
	} else {
		fmt.Fprintf(out, "%s: %s\n", a.Code, count(len(a.Results), "recipient"))
		for _, r := range a.Results {
			p.one(out, r)
		}
		p.warnings(out, &a.Response)
	}
	if cause != "" {
		fmt.Fprintf(out, "  cause: %s\n", cause)
	}
	fmt.Fprintf(out, "  by: %s\n", p.by)
	if p.by == localURL && a.OK {
		fmt.Fprintf(out, "  (on this machine; -url or %s names another function)\n", envURL)
	}
	p.repeat(out, &a.Response)
	p.bodies(out, &a.Response)
	return exitCode(&a.Response)
}

// one prints the answer for one recipient.
func (p *sendPrinter) one(out io.Writer, a *response.Response) {
	switch a.Code {
	case code.Accepted:
		fmt.Fprintf(out, "accepted: message %s to %s from agent %s\n", a.MessageID, a.To, a.Agent)
	case code.Queued:
		fmt.Fprintf(out, "queued: message %s to %s from agent %s", a.MessageID, a.To, a.Agent)
		if a.ScheduleAt != nil {
			fmt.Fprintf(out, ", for %s", a.ScheduleAt.Format(time.RFC3339))
		}
		fmt.Fprintln(out)
	case code.Duplicate:
		fmt.Fprintf(out, "duplicate: message %s to %s was sent before, and is not sent again\n", a.MessageID, a.To)
	case code.DryRun:
		fmt.Fprintf(out, "dry_run: checked, not sent; it would be message %s to %s from agent %s\n", a.MessageID, a.To, a.Agent)
	case code.Fallback:
		fmt.Fprintf(out, "fallback: RCS cannot deliver to %s, and the fallback took the message\n", a.To)
	default:
		p.failure(out, a)
	}
	p.request(out, a.DryRun)
	p.warnings(out, a)
}

func (p *sendPrinter) failure(out io.Writer, a *response.Response) {
	fmt.Fprintf(out, "%s: %s", a.Code, a.Title)
	if a.To != "" {
		fmt.Fprintf(out, " (%s)", a.To)
	}
	fmt.Fprintln(out)
	if len(a.Errors) == 0 && a.Detail != "" {
		fmt.Fprintf(out, "  %s\n", a.Detail)
	}
	for _, f := range a.Errors {
		if f.Pointer == "" {
			fmt.Fprintf(out, "  %s\n", f.Detail)
			continue
		}
		fmt.Fprintf(out, "  %s: %s\n", f.Pointer, f.Detail)
	}
	if u := a.Upstream; u != nil {
		fmt.Fprintf(out, "  RCS Business Messaging said: %d %s %s\n", u.Status, u.Reason, u.Message)
	}
	if action := nextStep(a.Code, nil, p.by, a.Action); action != "" {
		fmt.Fprintf(out, "  next: %s\n", action)
	}
}

func (p *sendPrinter) request(out io.Writer, d *response.Preview) {
	if d == nil {
		return
	}
	fmt.Fprintf(out, "  request: %s %s\n", d.Method, d.URL)
	if b := d.Billing; b != nil {
		fmt.Fprintf(out, "  billing: %s", b.Class)
		if b.Segments > 0 {
			fmt.Fprintf(out, ", %s", count(b.Segments, "segment"))
		}
		fmt.Fprintln(out)
	}
}

// bodies shows what a dry run did not send: once if all would get the same.
func (p *sendPrinter) bodies(out io.Writer, a *response.Response) {
	if d := a.DryRun; d != nil && len(d.AgentMessage) > 0 {
		fmt.Fprintf(out, "  body: %d bytes\n%s", d.Bytes, indent(d.AgentMessage))
		return
	}
	for _, r := range a.Results {
		p.bodies(out, r)
	}
}

func (p *sendPrinter) warnings(out io.Writer, a *response.Response) {
	for _, w := range a.Warnings {
		fmt.Fprintf(out, "  warning: %s: %s\n", w.Pointer, w.Detail)
	}
}

// repeat says how to send it again, where that makes sense.
func (p *sendPrinter) repeat(out io.Writer, a *response.Response) {
	if code := adviceCode(a); code != exitRetry && code != exitFix {
		return
	}
	p.again(out, a.RetryAfter)
}

func (p *sendPrinter) again(out io.Writer, wait time.Duration) {
	if wait > 0 {
		fmt.Fprintf(out, "  wait: %v (Retry-After)\n", wait)
	}
	if p.key != "" {
		fmt.Fprintf(out, "  to send it again, without sending it twice: -idempotency-key %s\n", p.key)
	}
}

// unanswered is what scripts get in the place of an answer.
type unanswered struct {
	OK            bool       `json:"ok"`
	Status        int        `json:"status"`
	Code          string     `json:"code"`
	Retry         code.Retry `json:"retry"`
	Detail        string     `json:"detail"`
	Action        string     `json:"action,omitempty"`
	DuplicateRisk bool       `json:"duplicate_risk,omitempty"`
	Key           string     `json:"idempotency_key,omitempty"`
}

// lost prints that there was no answer of the function.
func (p *sendPrinter) lost(err error) error {
	fault := (*client.Error)(nil)
	if !errors.As(err, &fault) {
		return err
	}
	action := nextStep("", fault, p.by, fault.Action)
	if p.json {
		text, err := json.Marshal(unanswered{
			Status: fault.Status, Code: "no_answer", Retry: fault.Retry, Detail: fault.Error(), Action: action,
			DuplicateRisk: fault.Unsure, Key: p.key,
		})
		fmt.Fprintf(p.ends.out, "%s\n", text)
		return errors.Join(err, &exitError{exitLost})
	}
	out := p.ends.err
	fmt.Fprintf(out, "no_answer: %s\n  by: %s\n", fault, p.by)
	if action != "" {
		fmt.Fprintf(out, "  next: %s\n", action)
	}
	if fault.Unsure {
		fmt.Fprintln(out, "  the message may have been sent all the same")
	}
	if fault.Unsure || fault.Retry == code.RetryLater {
		p.again(out, fault.RetryAfter)
	}
	return &exitError{exitLost}
}
