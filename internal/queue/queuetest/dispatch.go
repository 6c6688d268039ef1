package queuetest

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"
)

// run tries a task until it ends.
func (s *Server) run(t *task) {
	for s.wait(t) {
		status, after := s.dispatch(t)
		if !s.attempted(t, status, after) {
			return
		}
	}
}

// wait reports whether the turn of the task has come.
func (s *Server) wait(t *task) bool {
	timer := time.NewTimer(t.GetScheduleTime().AsTime().Sub(s.now()))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-t.forced:
		return s.ctx.Err() == nil
	case <-t.gone:
		return false
	case <-s.ctx.Done():
		return false
	}
	s.mu.Lock()
	resumed := t.queue.resumed
	s.mu.Unlock()
	select {
	case <-resumed:
	case <-t.forced:
		return s.ctx.Err() == nil
	case <-t.gone:
		return false
	case <-s.ctx.Done():
		return false
	}
	return t.queue.limiter.Wait(s.ctx) == nil
}

// maxAnswer is how much of an answer is read.
const maxAnswer = 1 << 20

// dispatch makes one attempt. The status is 0 if there was no answer.
func (s *Server) dispatch(t *task) (status int, after time.Duration) {
	select {
	case t.queue.slots <- struct{}{}:
	case <-s.ctx.Done():
		return 0, 0
	}
	defer func() { <-t.queue.slots }()
	h := t.GetHttpRequest()
	ctx, cancel := context.WithTimeout(s.ctx, t.GetDispatchDeadline().AsDuration())
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.GetUrl(), bytes.NewReader(h.GetBody()))
	if err != nil {
		return 0, 0
	}
	for name, value := range h.GetHeaders() {
		req.Header.Set(name, value)
	}
	if token := h.GetOidcToken(); token != nil {
		req.Header.Set("Authorization", "Bearer "+s.Issuer.Token(token.GetAudience(), token.GetServiceAccountEmail(), s.now()))
	}
	answered := 0
	for _, status := range t.statuses {
		if status != 0 && status < http.StatusInternalServerError {
			answered++
		}
	}
	for name, value := range map[string]string{
		"User-Agent":                        "Google-Cloud-Tasks",
		"X-CloudTasks-QueueName":            path.Base(t.queue.name),
		"X-CloudTasks-TaskName":             path.Base(t.GetName()),
		"X-CloudTasks-TaskRetryCount":       strconv.Itoa(len(t.statuses)),
		"X-CloudTasks-TaskExecutionCount":   strconv.Itoa(answered),
		"X-CloudTasks-TaskETA":              strconv.FormatInt(t.GetScheduleTime().AsTime().Unix(), 10),
		"X-CloudTasks-TaskPreviousResponse": previous(t.statuses),
	} {
		if value != "" {
			req.Header.Set(name, value)
		}
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	if s.Client != nil {
		client.Transport = s.Client.Transport
	}
	res, err := client.Do(req)
	if err != nil {
		return 0, 0
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, maxAnswer)) // only the status counts
	seconds, _ := strconv.Atoi(strings.TrimSpace(res.Header.Get("Retry-After")))
	return res.StatusCode, time.Duration(seconds) * time.Second
}

func previous(statuses []int) string {
	if len(statuses) == 0 {
		return ""
	}
	return strconv.Itoa(statuses[len(statuses)-1])
}

// attempted notes what came of an attempt and reports whether there is another one.
func (s *Server) attempted(t *task, status int, after time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx.Err() != nil || s.tasks[t.GetName()] != t {
		return false
	}
	defer s.changed()
	now := s.now()
	if t.first.IsZero() {
		t.first = now
	}
	t.statuses = append(t.statuses, status)
	t.DispatchCount, t.ResponseCount = t.DispatchCount+1, t.ResponseCount+int32(min(status, 1)) //nolint:gosec // small
	set, n := t.queue.set, len(t.statuses)
	spent := set.Attempts >= 0 && n >= set.Attempts && (set.MaxDuration == 0 || now.Sub(t.first) >= set.MaxDuration)
	if done := status/100 == 2; done || spent {
		s.finish(t, done)
		return false
	}
	t.ScheduleTime = timestamppb.New(now.Add(max(set.backoff(n), after)))
	t.forced = make(chan struct{})
	return true
}

// finish ends a task. s.mu is held.
func (s *Server) finish(t *task, done bool) {
	delete(s.tasks, t.GetName())
	s.names[t.GetName()] = s.now().Add(keepNames)
	s.ended = append(s.ended, Ended{t.GetName(), t.statuses, done})
}

// backoff is the pause after the n-th attempt: it doubles, then grows by what it has
// become, then stays.
//
// Google docs: https://docs.cloud.google.com/tasks/docs/reference/rest/v2/projects.locations.queues#RetryConfig
func (set Settings) backoff(n int) time.Duration {
	pause := set.MinBackoff
	for i := 1; i < n && pause < set.MaxBackoff; i++ {
		if i <= set.Doublings {
			pause *= 2
		} else {
			pause += set.MinBackoff << set.Doublings
		}
	}
	return min(pause, set.MaxBackoff)
}
