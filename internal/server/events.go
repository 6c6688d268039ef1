package server

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rcshook/rcshook/internal/code"
	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/events"
	"github.com/rcshook/rcshook/internal/mapping"
	"github.com/rcshook/rcshook/internal/prepare"
	"github.com/rcshook/rcshook/internal/queue"
	"github.com/rcshook/rcshook/internal/response"
	"github.com/rcshook/rcshook/internal/send"
	"github.com/rcshook/rcshook/internal/target"
	"github.com/rcshook/rcshook/internal/trace"
	"github.com/rcshook/rcshook/rbm"
)

const (
	// eventTimeout is the time for a request of RBM, whose own limit is unknown.
	eventTimeout = 3 * time.Second

	// directTimeout is the time for a delivery without a queue.
	directTimeout = 2 * time.Second

	// maxDelivered is the number of deliveries that the server remembers.
	maxDelivered = 16384
)

// Delivery is the result of one attempt to deliver an event to a target. For a fallback,
// Target is its path in the file. If no target gets the event, only Event is set.
type Delivery struct {
	Target string
	Event  json.RawMessage
	Result target.Result
}

// event serves POST /events: an event of RBM. The response is 200 when every target has
// the event, or the queue will deliver it. Otherwise RBM sends the event again.
func (s *Server) event(c *call) (*response.Response, error) {
	body, err := c.readBody(events.MaxBody)
	if err != nil {
		return nil, err
	}
	received, err := s.receiver.Receive(c.Context(), c.Header.Get(rbm.SignatureHeader), body, s.now())
	if _, ok := errors.AsType[*events.SettingsError](err); ok {
		return nil, response.Redact(err, "the agent IDs or the webhook tokens of this function cannot be read")
	}
	switch {
	case err != nil:
		return nil, err
	case received.Secret != "":
		return response.Text(received.Secret), nil
	case received.Event == nil:
		if _, known := s.foreign.LoadOrStore(received.AgentID, true); !known {
			s.log.LogAttrs(c.Context(), slog.LevelWarn, "event of an agent that is not configured", slog.String("agent_id", received.AgentID))
		}
		return response.New(code.Ignored), nil
	}
	e := received.Event
	res := response.New(code.Received)
	decision, err := s.optOut(c.Context(), e, received.Agents) // at any age of the event
	switch {
	case err != nil:
	case decision.Superseded, e.IsOld(s.now()):
		res = response.New(code.Ignored)
		res.Cause = map[bool]string{true: "superseded", false: "old"}[decision.Superseded]
	default:
		err = s.disarm(c.Context(), e, received.Agents)
		err = cmp.Or(s.passOn(c.Context(), e, ""), err)
	}
	// A store of the operator's own learns of the opt-out from the event. The failure of a
	// target does not delay the confirmation otherwise, nor that of the confirmation the event.
	if decision.Text != "" && (err == nil || s.cfg.BrandOf(e.Agent).OptOut.Store.Lookup == nil) {
		err = cmp.Or(err, s.confirm(c.Context(), e, decision))
	}
	if err != nil {
		res = response.FromError(err)
	}
	res.Agent, res.Event, res.EventType, res.To, res.MessageID = e.Agent, e.ID, e.Type, e.Phone, e.MessageID
	res.EventAge = s.now().Sub(e.Time)
	return res, nil
}

// sampleEvents serves GET /events/sample: an event of each type, or of one.
func (s *Server) sampleEvents(c *call) (*response.Response, error) {
	eventType := c.URL.Query().Get("type")
	if eventType == "" {
		return response.Document(events.Samples(config.DefaultAgent, "example_agent", "sample", s.now())), nil
	}
	e := events.Sample(eventType, config.DefaultAgent, "example_agent", "sample", s.now())
	if e == nil {
		return nil, invalidRequest(fmt.Sprintf("query parameter type: expected one of %s", strings.Join(config.EventTypes, ", ")))
	}
	return response.Document(e), nil
}

// passOn delivers an event to the targets that want it, except one. With a queue, it adds
// a task for each; the error is a [*queue.Error]. Without a queue, the error reports that
// a target is unavailable. RBM does not repeat the events of the function itself, so the
// queue for messages carries them if events have none of their own.
func (s *Server) passOn(ctx context.Context, e *events.Event, except string) error {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(s.cfg.Events)) {
		if name != except && s.cfg.Events[name].Wants(e.Type, e.Agent) {
			names = append(names, name)
		}
	}
	body, err := json.Marshal(e)
	if err != nil {
		return err
	}
	if len(names) == 0 {
		s.observe(Delivery{Event: body})
		return nil
	}
	pass, queueName := s.deliverNow, s.cfg.EventsQueue
	if e.Type == "failed" || e.Type == "fallback" {
		queueName = cmp.Or(queueName, s.cfg.Queue)
	}
	if queueName != "" {
		pass = func(ctx context.Context, name string, e *events.Event, body []byte) error {
			return s.enqueueEvent(ctx, queueName, name, e, body)
		}
	}
	if len(names) == 1 {
		return pass(ctx, names[0], e, body)
	}
	failed := make([]error, len(names))
	var all sync.WaitGroup
	for i, name := range names {
		all.Go(func() {
			_, failed[i] = safely(func() (*response.Response, error) { return nil, pass(ctx, name, e, body) })
		})
	}
	all.Wait()
	for _, err := range failed {
		if err != nil {
			return err // the other errors are in the log, or occur again
		}
	}
	return nil
}

// enqueueEvent adds the delivery of an event to the queue. A delivery that was added
// before counts as a success.
func (s *Server) enqueueEvent(ctx context.Context, queueName, name string, e *events.Event, body []byte) error {
	_, _, err := s.queue.AddDelivery(ctx, queue.Delivery{Target: name, EventID: e.ID, Event: body, Created: s.now().UTC()},
		queue.Place{Queue: queueName, Header: trace.FromContext(ctx).Header()})
	return err
}

// deliverNow delivers an event within a request of RBM, which RBM repeats after an error.
// The server remembers each target that has the event, with an empty code, and each that
// rejected it, with the reason, until the other targets know that too.
func (s *Server) deliverNow(ctx context.Context, name string, e *events.Event, body []byte) error {
	key := name + "\n" + e.ID
	reason, known := s.delivered.Get(key)
	if !known {
		ctx, cancel := context.WithTimeout(ctx, directTimeout)
		defer cancel()
		switch result := s.deliver(ctx, name, e, body); result.Outcome {
		case target.OK:
		case target.Never:
			s.logRejected(ctx, name, e, result)
			reason = result.reason
		default:
			return &response.Problem{Code: code.TargetUnavailable, Detail: "target " + name, Target: name, Err: result.Err}
		}
		s.delivered.Add(key, reason)
	}
	if reason == "" {
		return nil
	}
	if err := s.passOnFailure(ctx, name, e, reason); err != nil {
		return err
	}
	s.delivered.Add(key, "")
	return nil
}

// deliverTask serves POST /tasks/event/{id}: a delivery that waited in the queue.
func (s *Server) deliverTask(c *call) (*response.Response, error) {
	body, err := s.readTask(c)
	if err != nil {
		return nil, err
	}
	d, err := queue.DecodeDelivery(c.PathValue("id"), body)
	if err != nil {
		return nil, err
	}
	e := new(events.Event)
	if err := json.Unmarshal(d.Event, e); err != nil {
		return nil, queue.ErrTask
	}
	result := attempt{target.Result{Outcome: target.Retry, Err: errors.New("the target was removed from the configuration")}, code.Misconfigured}
	if s.cfg.Events[d.Target] != nil {
		result = s.deliver(c.Context(), d.Target, e, d.Event)
	}
	res := response.New(code.Received)
	switch {
	case result.Outcome == target.OK:
	case result.Outcome == target.Never, s.now().Sub(d.Created) > queue.MaxDeliveryAge:
		problem := &response.Problem{Code: code.TargetRejected, Detail: "target " + d.Target, Err: result.Err}
		if result.Outcome != target.Never {
			problem.Detail = fmt.Sprintf("target %s was unavailable for 7 days", d.Target)
		}
		if err := s.passOnFailure(c.Context(), d.Target, e, result.reason); err != nil {
			return nil, err
		}
		res = response.FromError(problem)
	default:
		res = response.FromError(&response.Problem{Code: code.TargetUnavailable, Detail: "target " + d.Target, Err: result.Err})
		res.Repeat(http.StatusInternalServerError)
	}
	res.Agent, res.Event, res.EventType, res.Target, res.To, res.MessageID = e.Agent, e.ID, e.Type, d.Target, e.Phone, e.MessageID
	res.EventAge = s.now().Sub(e.Time)
	return res, nil
}

// attempt is the result of one attempt to deliver an event.
type attempt struct {
	target.Result
	reason code.Code // if the event is given up
}

// deliver makes one attempt to deliver an event to a target.
func (s *Server) deliver(ctx context.Context, name string, e *events.Event, body []byte) attempt {
	result := attempt{reason: code.TargetRejected}
	if s.cfg.Events[name].Send.Text != "" {
		result = s.reply(ctx, name, e, body)
	} else {
		result.Result = s.targets.Events[name].Deliver(ctx, e.ID, body)
		s.logProgramError(ctx, result.Result)
	}
	s.observe(Delivery{name, body, result.Result})
	return result
}

// logProgramError logs that the program ok of a target failed, although the status of the
// response was a success.
func (s *Server) logProgramError(ctx context.Context, result target.Result) {
	if result.Outcome == target.OK && result.Err != nil {
		s.log.LogAttrs(ctx, slog.LevelWarn, "the program ok of a target failed", slog.Any("cause", result.Err))
	}
}

// logRejected logs a delivery that is given up within a request of RBM, whose own line
// reports a success.
func (s *Server) logRejected(ctx context.Context, name string, e *events.Event, result attempt) {
	s.log.LogAttrs(ctx, slog.LevelError, string(code.TargetRejected), slog.String("code", string(code.TargetRejected)),
		slog.String("target", name), slog.String("event", e.ID), slog.String("event_type", e.Type), slog.Any("cause", result.Err),
		slog.Group("logging.googleapis.com/labels", slog.String("code", string(code.TargetRejected)), slog.String("target", name)))
}

// passOnFailure passes an event of the type failed on to the other targets. The failure of
// such an event is in the log only, because each would cause another one.
func (s *Server) passOnFailure(ctx context.Context, name string, e *events.Event, reason code.Code) error {
	if e.Type == "failed" {
		return nil
	}
	return s.passOn(ctx, events.Failed(*e, name, string(reason), s.now()), name)
}

// maxReplies is the number of messages to one number and minute that targets may send.
const maxReplies = 10

// replyLimiter limits the messages that targets send to a number. It counts messages and
// not attempts, so that an outage does not use up the limit.
type replyLimiter struct {
	mu   sync.Mutex
	sent map[string][]reply // by number
}

type reply struct {
	key string
	at  time.Time
}

// allow reports whether the message with that key may be sent to a number.
func (l *replyLimiter) allow(number, key string, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.sent == nil {
		l.sent = make(map[string][]reply)
	}
	isOld := func(r reply) bool { return now.Sub(r.at) >= time.Minute }
	if len(l.sent) > maxDelivered {
		maps.DeleteFunc(l.sent, func(_ string, all []reply) bool {
			return !slices.ContainsFunc(all, func(r reply) bool { return !isOld(r) })
		})
	}
	recent := slices.DeleteFunc(l.sent[number], isOld)
	allowed := slices.ContainsFunc(recent, func(r reply) bool { return r.key == key })
	if !allowed && len(recent) < maxReplies {
		recent, allowed = append(recent, reply{key, now}), true
	}
	l.sent[number] = recent
	return allowed
}

// reply sends the messages that a target makes of an event. Their IDs are derived from the
// target, the event and their number, so that a repeated event sends nothing again.
func (s *Server) reply(ctx context.Context, name string, e *events.Event, body []byte) attempt {
	never := func(reason code.Code, format string, args ...any) attempt {
		return attempt{target.Result{Outcome: target.Never, Err: fmt.Errorf("target "+name+": "+format, args...)}, reason}
	}
	retry := func(err error) attempt {
		return attempt{target.Result{Outcome: target.Retry, Err: fmt.Errorf("target %s: %w", name, err)}, code.TargetUnavailable}
	}
	payloads, err := s.targets.Events[name].Payloads(ctx, body)
	switch {
	case err != nil && (errors.Is(err, mapping.ErrMemory) || ctx.Err() != nil):
		return attempt{target.Result{Outcome: target.Retry, Err: err}, code.TargetUnavailable}
	case err != nil:
		return attempt{target.Result{Outcome: target.Never, Err: err}, code.TargetRejected}
	}
	var messages []*send.Message
	for i, p := range payloads {
		in, from := prepare.Reply(p, name, e.Agent, e.Phone, e.ID, i)
		m, err := s.prepare(ctx, in, from, s.callers[0])
		if err != nil {
			res := response.FromError(err)
			if res.Retry == code.RetryNever {
				return never(res.Code, "message %d: %s%s", i+1, res.Code, pointers(res, s.cfg.Events[name].Send.Text))
			}
			return retry(err)
		}
		if m.AgentName != e.Agent {
			return never(code.UnknownAgent, "message %d names another agent; remove agent, because the agent of the event sends", i+1)
		}
		if !m.Message.At.IsZero() {
			return never(code.InvalidPayload, "message %d has a schedule_at; remove it, because a target sends now", i+1)
		}
		for _, to := range m.To {
			if !s.replies.allow(to.E164, in.Key, s.now()) {
				return never(code.RateLimited, "more than %d messages to one number in a minute", maxReplies)
			}
		}
		messages = append(messages, m)
	}
	if len(messages) == 0 {
		return attempt{Result: target.Result{Outcome: target.OK}}
	}
	res := response.FromResults(s.sender.Send(ctx, messages...), nil)
	res.SetProfile(response.Soft)
	switch {
	case res.OK:
		return attempt{Result: target.Result{Outcome: target.OK, Status: res.Status}}
	case res.Status < http.StatusMultipleChoices:
		return never(res.Code, "%s", res.Code)
	default:
		return retry(errors.New(string(res.Code)))
	}
}

// pointers returns the places of the errors in a payload, for the log. It leaves out the
// details, which may quote the user, and places whose names are not in the program: an
// event may contain them.
func pointers(res *response.Response, program string) string {
	var all []string
	for _, e := range res.Errors {
		fromEvent := func(name string) bool {
			return !strings.Contains(program, name) && strings.Trim(name, "0123456789") != ""
		}
		if e.Pointer != "" && !slices.ContainsFunc(strings.Split(e.Pointer, "/"), fromEvent) {
			all = append(all, e.Pointer)
		}
	}
	if all == nil {
		return ""
	}
	return " at " + strings.Join(all, ", ")
}
