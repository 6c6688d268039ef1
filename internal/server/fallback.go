package server

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/rcshook/rcshook/internal/code"
	"github.com/rcshook/rcshook/internal/compose"
	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/events"
	"github.com/rcshook/rcshook/internal/optout"
	"github.com/rcshook/rcshook/internal/queue"
	"github.com/rcshook/rcshook/internal/response"
	"github.com/rcshook/rcshook/internal/send"
	"github.com/rcshook/rcshook/internal/source"
	"github.com/rcshook/rcshook/internal/target"
	"github.com/rcshook/rcshook/internal/trace"
	"github.com/rcshook/rcshook/rbm"
)

// A message with a fallback in time has two tasks from the start: one sends it, the other,
// the watch, is due when the fallback is. A delivery receipt deletes the watch. Otherwise the
// watch deletes the first task and revokes the message, and adds the task for the fallback.
// docs/fallback.md describes what happens when several of them run at the same time.

const (
	// revokePause is the time from the watch to the fallback. An attempt to send may be in
	// flight, and a delivery receipt on its way.
	revokePause = 10 * time.Second

	// sendTime is the part of revokePause in which an attempt to send may end.
	sendTime = 5 * time.Second

	// watchTime is the time that a watch has. After it, a task that did not send its message
	// gives it to the fallback itself.
	watchTime = 5 * time.Minute

	// verdictTime is the time that a watch waits for RBM. A message that people wait for
	// goes to its fallback then, although RBM may deliver it too.
	verdictTime = 30 * time.Second

	// revokeTimeout limits the request to revoke a message before its fallback.
	revokeTimeout = 5 * time.Second

	// A fallback is given up after this time: it is shorter than that of the queue, which
	// drops a task silently. After an hour, a one-time password is worthless.
	maxFallbackAge      = 12 * time.Hour
	maxAuthenticatedAge = time.Hour
)

// The statuses with which a watch or a fallback asks for another attempt. That attempt knows
// the status of the previous one, from a header of Cloud Tasks, and nothing else.
const (
	statusUnchanged = http.StatusConflict            // no attempt has revoked or sent anything
	statusDone      = http.StatusGone                // the message is revoked or sent, and the next task or event is missing
	statusUnsure    = http.StatusInternalServerError // an attempt may have revoked or sent the message
)

// previousAttempt returns one of these statuses. An attempt whose response got lost, or was
// not that of the function, is unsure. So is each that follows, unless it gets a verdict.
//
// Google docs: https://docs.cloud.google.com/tasks/docs/creating-http-target-tasks#handler
func previousAttempt(h http.Header) int {
	retries, previous := h.Get("X-CloudTasks-TaskRetryCount"), h.Get("X-CloudTasks-TaskPreviousResponse")
	switch {
	case retries == "0", previous == "409":
		return statusUnchanged
	case retries == "1" && (previous == "429" || previous == "401" || previous == "403"):
		return statusUnchanged // Cloud Run has no instance, or the ID token was not accepted
	case previous == "410":
		return statusDone
	}
	return statusUnsure
}

// mayRepeat reports whether a message may rather arrive twice than never. A message without
// a traffic type counts as a promotion.
func mayRepeat(traffic string) bool {
	switch rbm.TrafficType(traffic) {
	case rbm.TrafficAuthentication, rbm.TrafficTransaction, rbm.TrafficServiceRequest:
		return true
	}
	return false
}

// watch adds the watch of a message whose own task was added, or failed with err.
func (s *Server) watch(ctx context.Context, m *send.Message, t *queue.Task, p queue.Place, err error) error {
	if err == nil {
		p.At = t.FallbackAt
		_, err = s.addWatch(ctx, m, t, p)
		if failed, ok := errors.AsType[*queue.Error](err); ok {
			failed.MaybeDone = true // the message will be sent
		}
	}
	if err == nil {
		return nil
	}
	failure := response.FromError(err)
	return &response.Problem{Code: code.FallbackNotArmed, Cause: failure.Cause, Detail: string(failure.Code), Err: err}
}

// addWatch adds a watch. Repeated reports that the message has one, or had one within the
// last day.
func (s *Server) addWatch(ctx context.Context, m *send.Message, t *queue.Task, p queue.Place) (repeated bool, err error) {
	h := s.newHandover(m, t.To, t.ID, "timeout")
	h.At, h.NotAfter, h.Queue = t.FallbackAt, t.NotAfter, p.Queue
	_, repeated, err = s.queue.AddHandover(ctx, queue.Watch, h, p)
	return repeated, err
}

func (s *Server) newHandover(m *send.Message, to, id string, reason code.Code) queue.Handover {
	return queue.Handover{
		Message: queue.Message{ID: id, AgentID: m.Agent.ID, To: to}, Agent: m.AgentName, Source: m.Source,
		Traffic: string(m.Message.Message.MessageTrafficType), Text: cmp.Or(m.Message.FallbackText, compose.PlainText(m.Message.Message)),
		Payload: m.Payload, Reason: string(reason), At: s.now(),
	}
}

// sendLate returns the response to the task of a message that must not be sent any more,
// because its fallback is due or because it expired. It returns nil for other messages.
func (s *Server) sendLate(ctx context.Context, m *send.Message, t *queue.Task, expired error) *response.Response {
	isDue := !t.FallbackAt.IsZero() && !s.now().Before(t.FallbackAt)
	if !isDue && (expired == nil || m.Fallback == nil) {
		return nil
	}
	h := s.newHandover(m, t.To, t.ID, code.Expired)
	h.At = t.NotAfter // the queue may be late
	if isDue {
		h.Reason, h.At = "timeout", t.FallbackAt
		unsure, res := s.awaitWatch(ctx, m, t)
		if unsure && !mayRepeat(h.Traffic) {
			res = s.stop(ctx, &h, &response.Problem{Code: code.FallbackUnavailable, Detail: "the message may be delivered: the response of the queue was lost"})
		}
		if res != nil {
			return res
		}
	}
	result := send.Result{Agent: m.AgentName, To: t.To, MessageID: t.ID, Err: queue.ErrExpired, Fallback: true}
	result.FallbackErr = s.useFallback(ctx, m, h)
	return response.FromResult(&result)
}

// awaitWatch returns the response to a task that its watch should have deleted. It returns
// nil if the watch has not done so in time, and now is deleted itself. Unsure reports that a
// delivery receipt may have deleted it before.
func (s *Server) awaitWatch(ctx context.Context, m *send.Message, t *queue.Task) (unsure bool, res *response.Response) {
	waiting := repeat(&response.Problem{Code: code.Expired, Detail: "its fallback is due"}, http.StatusInternalServerError)
	if s.now().Sub(t.FallbackAt) < watchTime {
		return false, waiting
	}
	removed, err := s.queue.Delete(ctx, s.cfg.Queue, queue.Watch, t.Message)
	failed, ok := errors.AsType[*queue.Error](err)
	switch {
	case ok && failed.Reason == "permission_denied":
		return false, nil
	case ok && !failed.MaybeDone:
		return false, repeat(err, http.StatusInternalServerError)
	case removed != queue.Missing:
		return removed == queue.Unsure, nil
	}
	// A delivery receipt has deleted the watch, unless it was never added.
	repeated, err := s.addWatch(ctx, m, t, queue.Place{Queue: s.cfg.Queue, Header: trace.FromContext(ctx).Header()})
	if err != nil || !repeated {
		return false, waiting
	}
	res = response.New(code.Ignored)
	res.Cause = "delivered"
	return false, res
}

// fallBack gives a message to its fallback because RCS cannot deliver it.
func (s *Server) fallBack(ctx context.Context, m *send.Message, to, id string, reason code.Code) error {
	return s.useFallback(ctx, m, s.newHandover(m, to, id, reason))
}

// useFallback gives a message to its fallback now. Where there is a queue, a task does that.
func (s *Server) useFallback(ctx context.Context, m *send.Message, h queue.Handover) error {
	h.Queue = s.cfg.Queue
	if from := s.cfg.Sources[m.Source]; h.Queue == "" && from.Queue != config.NoQueue {
		h.Queue = from.Queue
	}
	if h.Queue == "" {
		result := s.handOver(ctx, &h)
		switch result.Outcome {
		case target.OK:
			if err := s.passOn(ctx, s.fallbackEvent(&h), ""); err != nil {
				s.log.LogAttrs(ctx, slog.LevelError, "the event fallback did not reach all targets", slog.String("message_id", h.ID), slog.Any("cause", err))
			}
			return nil
		case target.Never:
			return fmt.Errorf("%w: %w", target.ErrRejected, result.Err)
		case target.Unknown:
			if !mayRepeat(h.Traffic) {
				return fmt.Errorf("%w: %w", target.ErrUnsure, result.Err)
			}
		}
		return result.Err
	}
	if _, err := s.addFallback(ctx, h, time.Time{}); err != nil {
		return err
	}
	if !m.Message.FallbackAt.IsZero() {
		// The watch has nothing left to do. If this fails, it finds that out.
		_, _ = s.deleteTask(ctx, h.Queue, queue.Watch, h.Message)
	}
	return nil
}

// addFallback adds the task that gives a message to its fallback. A task that was added
// before counts as a success.
func (s *Server) addFallback(ctx context.Context, h queue.Handover, at time.Time) (repeated bool, err error) {
	_, repeated, err = s.queue.AddHandover(ctx, queue.Fallback, h, queue.Place{Queue: h.Queue, At: at, Header: trace.FromContext(ctx).Header()})
	return repeated, err
}

// handOver makes one attempt to give a message to its fallback.
func (s *Server) handOver(ctx context.Context, h *queue.Handover) target.Result {
	place := cmp.Or(s.cfg.Sources[h.Source].Fallback, s.cfg.Agents[h.Agent].Fallback)
	if place == nil {
		return target.Result{Outcome: target.Retry, Err: errors.New("the fallback was removed from the configuration")}
	}
	e := s.fallbackEvent(h)
	if e.Payload = h.Payload; !json.Valid(h.Payload) { // a form
		e.Payload, _ = json.Marshal(string(h.Payload)) // a string has no errors
	}
	body, err := json.Marshal(e)
	if err != nil {
		return target.Result{Outcome: target.Never, Err: err}
	}
	result := s.targets.Fallbacks[place].Deliver(ctx, h.ID, body)
	s.observe(Delivery{place.At.Of("").Path, body, result})
	s.logProgramError(ctx, result)
	return result
}

// fallbackEvent returns the event for a message that its fallback gets.
func (s *Server) fallbackEvent(h *queue.Handover) *events.Event {
	about := events.Event{Phone: h.To, Agent: h.Agent, AgentID: h.AgentID, MessageID: h.ID}
	return events.Fallback(about, h.Reason, h.Text, nil, s.now())
}

// handover serves the task of a message for its fallback with f.
func (s *Server) handover(c *call, job queue.Job, f func(context.Context, *queue.Handover, int) *response.Response) (*response.Response, error) {
	previous := previousAttempt(c.Header)
	body, err := s.readTask(c)
	switch {
	case errors.Is(err, source.ErrKeys):
		return repeat(err, previous), nil
	case err != nil:
		return nil, err
	}
	release, err := s.reserve(c.Context(), len(body))
	if err != nil {
		return repeat(err, previous), nil
	}
	defer release()
	h, err := queue.DecodeHandover(job, c.PathValue("id"), body)
	switch {
	case errors.Is(err, queue.ErrTask):
		return nil, err
	case err != nil:
		return repeat(err, previous), nil
	}
	var res *response.Response
	old := previous != statusDone && s.isOld(h)
	if !old || job == queue.Watch { // a watch revokes the message at any age
		res = f(c.Context(), h, previous)
	}
	if old && (res == nil || res.Status >= http.StatusMultipleChoices) {
		res = s.stop(c.Context(), h, &response.Problem{Code: code.Expired, Detail: "its fallback was due too long ago"})
	}
	res.Agent, res.Source, res.To, res.MessageID = h.Agent, h.Source, h.To, h.ID
	return res, nil
}

// isOld reports whether a message is worthless for its fallback now.
func (s *Server) isOld(h *queue.Handover) bool {
	age := s.now().Sub(h.At)
	return age > maxFallbackAge || age > maxAuthenticatedAge && h.Traffic == string(rbm.TrafficAuthentication)
}

// stop gives up a message for its fallback.
func (s *Server) stop(ctx context.Context, h *queue.Handover, err error) *response.Response {
	res := response.FromError(err)
	res.SetProfile(response.Soft)
	res.Status, res.Retry, res.RetryAfter = http.StatusOK, code.RetryNever, 0
	res.Action = "The message is given up: the targets get the event failed."
	return s.giveUp(ctx, h.Message, h.Agent, res)
}

// repeat returns the response that makes Cloud Tasks repeat a watch or a fallback.
func repeat(err error, status int) *response.Response {
	res := response.FromError(err)
	res.Repeat(status)
	return res
}

// watchTask serves POST /tasks/watch/{id}: a message that may not have been delivered in
// time.
func (s *Server) watchTask(c *call) (*response.Response, error) {
	return s.handover(c, queue.Watch, func(ctx context.Context, h *queue.Handover, previous int) *response.Response {
		allowed := s.optOuts.Allow(ctx, h.Agent, h.To, h.Traffic)
		if allowed != nil && !errors.Is(allowed, optout.ErrOptedOut) {
			return repeat(allowed, previous)
		}
		var sent, revoked bool
		if previous != statusDone {
			var res *response.Response
			if sent, revoked, res = s.revokeLate(ctx, h, previous); res != nil {
				return res
			}
		}
		if allowed != nil {
			res := s.stop(ctx, h, allowed)
			if res.Status >= http.StatusMultipleChoices {
				res.Repeat(statusDone) // the next attempt only adds the event
			}
			return res
		}
		repeated, err := s.addFallback(ctx, *h, s.now().Add(revokePause))
		if err != nil {
			return repeat(err, statusDone)
		}
		if sent && !repeated {
			// A delivery receipt or the caller may have deleted this task, but not yet the next.
			// After the revocation, another attempt may have ended this task: it gets a 404.
			removed, err := s.deleteTask(ctx, h.Queue, queue.Watch, h.Message)
			if err == nil && removed == queue.Missing && !(revoked && mayRepeat(h.Traffic)) {
				removed, _ = s.deleteTask(ctx, h.Queue, queue.Fallback, h.Message) // RBM may deliver it too
				if revoked && removed == queue.Removed {
					return s.stop(ctx, h, &response.Problem{Code: code.FallbackUnavailable, Detail: "the message was revoked, but perhaps also delivered"})
				}
			}
		}
		res := response.New(code.Fallback)
		res.Cause = h.Reason
		return res
	})
}

// revokeLate revokes a message whose fallback is due. It returns the response to the watch
// if the fallback does not get the message, or not yet. Sent reports that the task that sends
// the message had ended: otherwise that task may delete the watch itself, and needs its
// fallback. Revoked reports that RBM has revoked the message now.
func (s *Server) revokeLate(ctx context.Context, h *queue.Handover, previous int) (sent, revoked bool, res *response.Response) {
	removed, err := s.deleteTask(ctx, h.Queue, queue.Send, h.Message)
	if failed, ok := errors.AsType[*queue.Error](err); ok && failed.MaybeDone || removed == queue.Unsure && err == nil {
		previous = statusUnsure
	}
	switch {
	case err != nil:
		return false, false, repeat(err, previous)
	case removed == queue.Removed:
		return false, false, nil
	}
	sent = removed == queue.Missing
	result := s.revokeTask(ctx, h)
	if result.MaybeSent {
		previous = statusUnsure
	}
	expired := !h.NotAfter.IsZero() && !s.now().Before(h.NotAfter)
	switch {
	case result.Err == nil:
		return sent, true, nil
	case errors.Is(result.Err, rbm.ErrAlreadyDelivered) && previous == statusUnchanged && !expired:
		res := response.New(code.Ignored)
		res.Cause = "delivered"
		return false, false, res
	case errors.Is(result.Err, rbm.ErrAlreadyDelivered):
		// RBM does not tell a delivered message from one that is revoked or expired.
		if mayRepeat(h.Traffic) {
			return sent, false, nil
		}
		return false, false, s.stop(ctx, h, &response.Problem{Code: code.FallbackUnavailable, Detail: "the message was delivered, or it was revoked and the response lost", Err: result.Err})
	case mayRepeat(h.Traffic) && s.now().Sub(h.At) >= verdictTime:
		return sent, false, nil
	}
	return false, false, repeat(result.Err, previous)
}

// fallbackTask serves POST /tasks/fallback/{id}: a message for its fallback.
func (s *Server) fallbackTask(c *call) (*response.Response, error) {
	return s.handover(c, queue.Fallback, func(ctx context.Context, h *queue.Handover, previous int) *response.Response {
		// The server remembers that the fallback has the message, until the targets of events
		// know that too.
		key := fallbackKey(h.Message)
		if previous != statusDone && !s.delivered.Contains(key) {
			if res := s.giveToFallback(ctx, h, previous); res != nil {
				return res
			}
			s.delivered.Add(key, "")
		}
		if err := s.passOn(ctx, s.fallbackEvent(h), ""); err != nil {
			return repeat(err, statusDone)
		}
		res := response.New(code.Fallback)
		res.Cause = h.Reason
		return res
	})
}

func fallbackKey(m queue.Message) string {
	return "fallback\n" + m.AgentID + "\n" + m.To + "\n" + m.ID
}

// giveToFallback revokes a message and gives it to its fallback. It returns the response to
// the task if the fallback did not accept the message.
func (s *Server) giveToFallback(ctx context.Context, h *queue.Handover, previous int) *response.Response {
	if err := s.optOuts.Allow(ctx, h.Agent, h.To, h.Traffic); errors.Is(err, optout.ErrOptedOut) {
		return s.stop(ctx, h, err)
	} else if err != nil {
		return repeat(err, previous)
	}
	if previous == statusUnsure && !mayRepeat(h.Traffic) {
		return s.stop(ctx, h, &response.Problem{Code: code.FallbackUnavailable, Detail: "an attempt whose result is unknown may have sent it"})
	}
	// An attempt to send the message may have been in flight at the time of the watch.
	if err := s.revokeTask(ctx, h).Err; err != nil && !errors.Is(err, rbm.ErrAlreadyDelivered) && !mayRepeat(h.Traffic) {
		return repeat(err, previous)
	}
	result := s.handOver(ctx, h)
	problem := &response.Problem{Code: code.FallbackUnavailable, Err: result.Err}
	switch result.Outcome {
	case target.OK:
		return nil
	case target.Never:
		return s.stop(ctx, h, problem)
	case target.Unknown:
		if !mayRepeat(h.Traffic) {
			return s.stop(ctx, h, problem)
		}
		return repeat(problem, statusUnsure)
	}
	return repeat(problem, previous)
}

// revokeTask revokes the message of a task.
func (s *Server) revokeTask(ctx context.Context, h *queue.Handover) send.Result {
	ctx, cancel := context.WithTimeout(ctx, revokeTimeout)
	defer cancel()
	a, err := s.taskAgent(ctx, h.Agent, h.AgentID)
	if err != nil {
		return send.Result{Err: err}
	}
	return s.sender.Revoke(ctx, a, h.To, h.ID)
}

// disarm deletes the watch of a delivered message, or the task for its fallback if the watch
// is gone. That task stays if the SMS is out and only the event of the fallback is missing.
// RBM repeats the event after an error.
func (s *Server) disarm(ctx context.Context, e *events.Event, agents []string) error {
	if e.Type != "delivered" || s.cfg.Queue == "" || !s.mayFallBack(agents) {
		return nil
	}
	m := queue.Message{ID: e.MessageID, AgentID: e.AgentID, To: numberOf(e)}
	removed, err := s.deleteTask(ctx, s.cfg.Queue, queue.Watch, m)
	if err == nil && removed != queue.Removed && !s.delivered.Contains(fallbackKey(m)) {
		_, err = s.deleteTask(ctx, s.cfg.Queue, queue.Fallback, m)
	}
	return err
}

// deleteTask deletes the task for a job with a message. Without the permission it does
// nothing: a watch learns from RBM that a message is delivered, and a task does not send late.
func (s *Server) deleteTask(ctx context.Context, name string, job queue.Job, m queue.Message) (queue.Removal, error) {
	removed, err := s.queue.Delete(ctx, name, job, m)
	failed, ok := errors.AsType[*queue.Error](err)
	if !ok || failed.Reason != "permission_denied" {
		return removed, err
	}
	s.warnDenied.Do(func() {
		s.log.LogAttrs(ctx, slog.LevelError, "the function may not delete its tasks", slog.Any("cause", err), slog.String("action", response.QueueAdvice(failed)))
	})
	return queue.Missing, nil
}

// mayFallBack reports whether a message of one of the agents can have a fallback.
func (s *Server) mayFallBack(agents []string) bool {
	for _, name := range agents {
		if s.cfg.Agents[name].Fallback != nil {
			return true
		}
	}
	for _, from := range s.cfg.Sources {
		if from.Fallback != nil {
			return true
		}
	}
	return false
}

// deleteTasks deletes the tasks of a message that a caller revokes. It reports whether one
// of them would have sent the message.
func (s *Server) deleteTasks(ctx context.Context, m queue.Message) (removed queue.Removal, err error) {
	names := map[string]bool{s.cfg.Queue: true}
	for _, from := range s.cfg.Sources {
		names[from.Queue] = true
	}
	delete(names, "")
	delete(names, config.NoQueue)
	for name := range names {
		for _, job := range []queue.Job{queue.Send, queue.Watch, queue.Fallback} {
			got, err := s.queue.Delete(ctx, name, job, m)
			switch {
			case err != nil:
				return removed, err
			case job == queue.Watch:
			case got == queue.Removed || removed == queue.Missing:
				removed = got
			}
		}
	}
	return removed, nil
}
