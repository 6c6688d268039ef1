// Package tasks is a stand-in for Cloud Tasks: an [http.Handler] that accepts tasks by
// its REST API and dispatches them.
//
// It is as strict as the real service. It checks unknown fields, names, limits and
// times, keeps the name of an ended task reserved, and retries each task by the settings
// of its queue until the response is 2xx.
//
// Assumption: only Retry-After throttles a queue; the rate of a queue starts at its
// maximum; redirects are failures.
//
// Google docs: https://docs.cloud.google.com/tasks/docs/reference/rest/v2/projects.locations.queues.tasks
package tasks

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/rcshook/rcshook/internal/googletest/token"
)

// nameLifetime is how long the name of an ended task stays reserved.
//
// Google docs: https://docs.cloud.google.com/tasks/docs/reference/rest/v2/projects.locations.queues.tasks/create
const nameLifetime = 24 * time.Hour

// Server is Cloud Tasks. Set its fields before the first request. Its methods may be
// called from several goroutines.
type Server struct {
	// Issuer signs the ID tokens of tasks. Without it, tasks that need a token are
	// rejected.
	Issuer *token.Issuer

	// Authorize, if set, checks the access token of each request.
	Authorize func(token string) error

	// Denied are the permissions that callers lack, such as cloudtasks.queues.get.
	Denied []string

	// Client dispatches the tasks; nil means [http.DefaultClient].
	Client *http.Client

	// Now is the clock; nil means [time.Now].
	Now func() time.Time

	// Observe, if set, is called when a task is added, after each attempt, and with the
	// result when it ends. It must not use the server.
	Observe func(t Waiting, ended *Ended)

	mu       sync.Mutex
	queues   map[string]*queue
	tasks    map[string]*task
	names    map[string]time.Time // ended tasks: when their names are free again
	ended    []Ended
	failures []Failure
	change   chan struct{} // closed at the next change
	closed   bool
	work     sync.WaitGroup
	ctx      context.Context
	cancel   context.CancelFunc
}

// Settings are the settings of a queue. Zero values mean the defaults of Cloud Tasks.
//
// Google docs: https://docs.cloud.google.com/tasks/docs/reference/rest/v2/projects.locations.queues#Queue
type Settings struct {
	Rate        float64       // dispatches per second; 500
	Concurrent  int           // concurrent dispatches; 1000
	Attempts    int           // 100; negative means unlimited
	MaxDuration time.Duration // of all attempts; Attempts applies only after it; 0 means none
	MinBackoff  time.Duration // 100ms
	MaxBackoff  time.Duration // 1h
	Doublings   int           // 16
}

// Ended is a task that succeeded, ran out of attempts or was deleted.
type Ended struct {
	Name     string `json:"name"`
	Path     string `json:"-"`        // of the URL
	Statuses []int  `json:"statuses"` // of all attempts; 0 without a response
	Done     bool   `json:"done"`     // the last response was 2xx
	Deleted  bool   `json:"deleted,omitempty"`
	Body     []byte `json:"-"`
}

// Waiting is a task that has not ended. An attempt may be in flight.
type Waiting struct {
	Name         string    `json:"name"`
	Path         string    `json:"-"`             // of the URL
	ScheduleTime time.Time `json:"schedule_time"` // of the next attempt
	Statuses     []int     `json:"statuses"`      // of all attempts; 0 without a response
	Body         []byte    `json:"-"`
}

type queue struct {
	name     string
	settings Settings
	limiter  *rate.Limiter
	slots    chan struct{}
	resumed  chan struct{} // closed unless the queue is paused
}

type task struct {
	apiTask
	queue    *queue
	forced   chan struct{} // closed to run the task now
	deleted  chan struct{} // closed when the task is deleted
	statuses []int
	made     int  // ended attempts, also of one that was deleted meanwhile
	status   int  // of the last one
	stopped  bool // no attempt follows, and none is in flight
	first    time.Time
}

var queueName = regexp.MustCompile(`^projects/[^/]+/locations/[^/]+/queues/[A-Za-z0-9-]{1,100}$`)

// AddQueue creates a queue, projects/*/locations/*/queues/*.
func (s *Server) AddQueue(name string, set Settings) {
	if !queueName.MatchString(name) {
		panic("tasks: AddQueue: invalid queue name " + name)
	}
	set.Rate, set.Concurrent, set.Attempts = cmp.Or(set.Rate, 500), cmp.Or(set.Concurrent, 1000), cmp.Or(set.Attempts, 100)
	set.MinBackoff, set.MaxBackoff = cmp.Or(set.MinBackoff, 100*time.Millisecond), cmp.Or(set.MaxBackoff, time.Hour)
	set.Doublings = cmp.Or(set.Doublings, 16)
	resumed := make(chan struct{})
	close(resumed)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.init()
	s.queues[name] = &queue{name, set, rate.NewLimiter(rate.Limit(set.Rate), max(1, int(set.Rate))), make(chan struct{}, set.Concurrent), resumed}
}

// init makes the zero value usable. s.mu must be held.
func (s *Server) init() {
	if s.queues != nil {
		return
	}
	s.queues, s.tasks, s.names = make(map[string]*queue), make(map[string]*task), make(map[string]time.Time)
	s.change = make(chan struct{})
	s.ctx, s.cancel = context.WithCancel(context.Background())
}

// Close drops all tasks and waits for the dispatches in flight.
func (s *Server) Close() {
	s.mu.Lock()
	s.init()
	s.closed = true
	s.mu.Unlock()
	s.cancel()
	s.work.Wait()
}

// Reset drops all tasks, ended ones included. The queues stay.
func (s *Server) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.init()
	for name, t := range s.tasks {
		delete(s.tasks, name)
		close(t.deleted)
	}
	clear(s.names)
	s.ended, s.failures = nil, nil
	s.changed()
}

// Waiting returns the names of the tasks that have not ended, sorted.
func (s *Server) Waiting() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.tasks))
}

// Tasks returns the tasks that have not ended, by the time of their next attempt.
func (s *Server) Tasks() []Waiting {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []Waiting
	for _, t := range s.tasks {
		all = append(all, t.waiting())
	}
	slices.SortFunc(all, func(a, b Waiting) int {
		return cmp.Or(a.ScheduleTime.Compare(b.ScheduleTime), cmp.Compare(a.Name, b.Name))
	})
	return all
}

func (t *task) waiting() Waiting {
	u, _ := url.Parse(t.HTTPRequest.URL) // checked by check
	return Waiting{t.Name, u.Path, t.ScheduleTime, slices.Clone(t.statuses), t.HTTPRequest.Body}
}

// observe reports the state of a task. s.mu must be held.
func (s *Server) observe(t *task, ended *Ended) {
	if s.Observe != nil {
		s.Observe(t.waiting(), ended)
	}
}

// Ended returns the tasks that have ended, in that order.
func (s *Server) Ended() []Ended {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.ended)
}

// Settle waits until the only tasks left are scheduled for later.
func (s *Server) Settle(ctx context.Context) error {
	for {
		s.mu.Lock()
		s.init()
		left, change := 0, s.change
		for _, t := range s.tasks {
			if len(t.statuses) > 0 || !t.ScheduleTime.After(s.now()) {
				left++
			}
		}
		s.mu.Unlock()
		if left == 0 {
			return nil
		}
		select {
		case <-change:
		case <-ctx.Done():
			return fmt.Errorf("%d tasks left: %w", left, ctx.Err())
		}
	}
}

// Run makes an attempt of a task now, also if its queue is paused, and waits for the end of
// the attempt. The status is 0 without a response, or if the task was deleted before.
func (s *Server) Run(ctx context.Context, name string) (status int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tasks[name]
	if t == nil {
		return 0, fmt.Errorf("no task %s", name)
	}
	made := t.made
	if !isClosed(t.forced) {
		close(t.forced)
	}
	for t.made == made && !t.stopped {
		change := s.change
		s.mu.Unlock()
		select {
		case <-change:
		case <-ctx.Done():
			err = ctx.Err()
		}
		s.mu.Lock()
		if err != nil {
			return 0, err
		}
	}
	if t.made > made {
		status = t.status
	}
	return status, nil
}

// changed wakes the callers of Settle and Run. s.mu must be held.
func (s *Server) changed() {
	close(s.change)
	s.change = make(chan struct{})
}

func (s *Server) now() time.Time {
	if s.Now != nil {
		return s.Now()
	}
	return time.Now()
}

// run dispatches a task until it ends.
func (s *Server) run(t *task) {
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		t.stopped = true
		s.changed()
	}()
	for s.wait(t) {
		status, retryAfter := s.dispatch(t)
		if !s.reschedule(t, status, retryAfter) {
			return
		}
	}
}

// wait waits until the task may be dispatched. It returns false if the task is dropped.
func (s *Server) wait(t *task) bool {
	timer := time.NewTimer(t.ScheduleTime.Sub(s.now()))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-t.forced:
		return s.ctx.Err() == nil
	case <-t.deleted:
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
	case <-t.deleted:
		return false
	case <-s.ctx.Done():
		return false
	}
	return t.queue.limiter.Wait(s.ctx) == nil
}

// dispatch makes one attempt. The status is 0 without a response.
func (s *Server) dispatch(t *task) (status int, retryAfter time.Duration) {
	select {
	case t.queue.slots <- struct{}{}:
	case <-t.deleted:
		return 0, 0
	case <-s.ctx.Done():
		return 0, 0
	}
	defer func() { <-t.queue.slots }()
	if isClosed(t.deleted) { // while it waited for its turn
		return 0, 0
	}
	h := t.HTTPRequest
	deadline, _ := t.deadline()
	ctx, cancel := context.WithTimeout(s.ctx, deadline)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.URL, bytes.NewReader(h.Body))
	if err != nil {
		return 0, 0
	}
	for name, value := range h.Headers {
		req.Header.Set(name, value)
	}
	if token := h.OIDCToken; token != nil {
		req.Header.Set("Authorization", "Bearer "+s.Issuer.Token(token.Audience, token.ServiceAccountEmail, s.now()))
	}
	executions, previous := 0, ""
	for _, status := range t.statuses {
		if status != 0 && status < http.StatusInternalServerError {
			executions++
		}
		if previous = ""; status != 0 {
			previous = strconv.Itoa(status)
		}
	}
	for name, value := range map[string]string{
		"User-Agent":                        "Google-Cloud-Tasks",
		"X-CloudTasks-QueueName":            path.Base(t.queue.name),
		"X-CloudTasks-TaskName":             path.Base(t.Name),
		"X-CloudTasks-TaskRetryCount":       strconv.Itoa(len(t.statuses)),
		"X-CloudTasks-TaskExecutionCount":   strconv.Itoa(executions),
		"X-CloudTasks-TaskETA":              strconv.FormatInt(t.ScheduleTime.Unix(), 10),
		"X-CloudTasks-TaskPreviousResponse": previous,
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
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 1<<20)) // only the status matters
	seconds, _ := strconv.Atoi(strings.TrimSpace(res.Header.Get("Retry-After")))
	return res.StatusCode, time.Duration(seconds) * time.Second
}

// reschedule records an attempt and schedules the next one. It returns false if the
// task has ended.
func (s *Server) reschedule(t *task, status int, retryAfter time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.changed()
	t.made, t.status = t.made+1, status
	if s.ctx.Err() != nil || s.tasks[t.Name] != t {
		return false
	}
	now := s.now()
	if t.first.IsZero() {
		t.first = now
	}
	t.statuses = append(t.statuses, status)
	t.DispatchCount, t.ResponseCount = t.DispatchCount+1, t.ResponseCount+min(status, 1)
	set, n := t.queue.settings, len(t.statuses)
	spent := set.Attempts >= 0 && n >= set.Attempts && (set.MaxDuration == 0 || now.Sub(t.first) >= set.MaxDuration)
	if done := status/100 == 2; done || spent {
		s.finish(t, Ended{Done: done})
		return false
	}
	t.ScheduleTime = now.Add(max(set.backoff(n), retryAfter))
	t.forced = make(chan struct{})
	s.observe(t, nil)
	return true
}

// finish ends a task. s.mu must be held.
func (s *Server) finish(t *task, ended Ended) {
	delete(s.tasks, t.Name)
	s.names[t.Name] = s.now().Add(nameLifetime)
	w := t.waiting()
	ended.Name, ended.Path, ended.Statuses, ended.Body = w.Name, w.Path, w.Statuses, w.Body
	s.ended = append(s.ended, ended)
	s.observe(t, &ended)
}

// backoff returns the pause after the n-th attempt. It doubles a number of times, then
// grows linearly, then stays at its maximum.
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

// isClosed reports whether a channel without values is closed.
func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
