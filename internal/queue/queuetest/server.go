// Package queuetest is Cloud Tasks on this machine, as far as rcshook needs it: an
// [http.Handler] that takes tasks from the official client, and sends them where they
// are to go.
//
// It is strict where the real service is: unknown members, names, limits and times
// are checked, a name stays taken after its task has ended, and each task is tried
// again by the rules of its queue until an answer of 2xx.
//
// Assumptions: system throttling is left out but for Retry-After, which is kept; the
// rate of a queue begins at its full height; redirects are failures.
//
// Google docs: https://docs.cloud.google.com/tasks/docs/reference/rest/v2/projects.locations.queues.tasks
package queuetest

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"sync"
	"time"

	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"
	"golang.org/x/time/rate"

	"github.com/rcshook/rcshook/internal/source"
)

// keepNames is how long the name of an ended task stays taken.
//
// Google docs: https://docs.cloud.google.com/tasks/docs/reference/rest/v2/projects.locations.queues.tasks/create
const keepNames = 24 * time.Hour

// Server is Cloud Tasks. Set its fields before it is used; it may be used by several
// goroutines.
type Server struct {
	// Issuer signs the ID tokens of tasks; without one, tasks that want a token
	// are refused.
	Issuer *source.Issuer

	// Authorize, when set, is asked about the access token of each request.
	Authorize func(token string) error

	// Client sends the tasks; nil means [http.DefaultClient].
	Client *http.Client

	// Now is the clock; nil means [time.Now].
	Now func() time.Time

	mu     sync.Mutex
	queues map[string]*queue
	tasks  map[string]*task
	names  map[string]time.Time // of ended tasks: until when they are taken
	ended  []Ended
	faults []Fault
	change chan struct{} // closed when something has changed
	closed bool
	work   sync.WaitGroup
	ctx    context.Context
	end    context.CancelFunc
}

// Settings are those of a queue. Zero values mean the defaults of Cloud Tasks.
//
// Google docs: https://docs.cloud.google.com/tasks/docs/reference/rest/v2/projects.locations.queues#Queue
type Settings struct {
	Rate        float64       // dispatches in a second; 500
	Concurrent  int           // dispatches at once; 1000
	Attempts    int           // 100; negative means without a limit
	MaxDuration time.Duration // of all attempts; once it is over, and only then, Attempts counts; 0 means none
	MinBackoff  time.Duration // 100ms
	MaxBackoff  time.Duration // 1h
	Doublings   int           // 16
}

// Ended is a task that has come to its end.
type Ended struct {
	Name     string
	Statuses []int // of all attempts; 0 where there was no answer
	Done     bool  // the last answer was 2xx
}

type queue struct {
	name    string
	set     Settings
	limiter *rate.Limiter
	slots   chan struct{}
	resumed chan struct{} // closed unless the queue is paused
}

type task struct {
	*cloudtaskspb.Task
	queue    *queue
	forced   chan struct{} // closed when it is to run now
	gone     chan struct{} // closed when it was deleted
	statuses []int
	first    time.Time
}

var queueName = regexp.MustCompile(`^projects/[^/]+/locations/[^/]+/queues/[A-Za-z0-9-]{1,100}$`)

// AddQueue creates a queue, projects/*/locations/*/queues/*.
func (s *Server) AddQueue(name string, set Settings) {
	if !queueName.MatchString(name) {
		panic("queuetest: AddQueue: " + name + " is no name of a queue")
	}
	if set.Rate == 0 {
		set.Rate = 500
	}
	if set.Concurrent == 0 {
		set.Concurrent = 1000
	}
	if set.Attempts == 0 {
		set.Attempts = 100
	}
	if set.MinBackoff == 0 {
		set.MinBackoff = 100 * time.Millisecond
	}
	if set.MaxBackoff == 0 {
		set.MaxBackoff = time.Hour
	}
	if set.Doublings == 0 {
		set.Doublings = 16
	}
	resumed := make(chan struct{})
	close(resumed)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.start()
	s.queues[name] = &queue{name, set, rate.NewLimiter(rate.Limit(set.Rate), max(1, int(set.Rate))), make(chan struct{}, set.Concurrent), resumed}
}

// start makes what the zero value lacks. s.mu is held.
func (s *Server) start() {
	if s.queues != nil {
		return
	}
	s.queues, s.tasks, s.names = make(map[string]*queue), make(map[string]*task), make(map[string]time.Time)
	s.change = make(chan struct{})
	s.ctx, s.end = context.WithCancel(context.Background())
}

// Close drops all tasks and waits for the attempts that are under way.
func (s *Server) Close() {
	s.mu.Lock()
	s.start()
	s.closed = true
	s.mu.Unlock()
	s.end()
	s.work.Wait()
}

// Reset drops all tasks and forgets those that have ended. The queues stay.
func (s *Server) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.start()
	for name, t := range s.tasks {
		delete(s.tasks, name)
		close(t.gone)
	}
	clear(s.names)
	s.ended, s.faults = nil, nil
	s.changed()
}

// Waiting returns the names of the tasks that have not ended, sorted.
func (s *Server) Waiting() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var names []string
	for name := range s.tasks {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Ended returns the tasks that have ended, in that order.
func (s *Server) Ended() []Ended {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.ended)
}

// Settle waits until no task is left but those that are scheduled for later.
func (s *Server) Settle(ctx context.Context) error {
	for {
		s.mu.Lock()
		s.start()
		left, change := 0, s.change
		for _, t := range s.tasks {
			if len(t.statuses) > 0 || !t.GetScheduleTime().AsTime().After(s.now()) {
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
			return fmt.Errorf("%d tasks are left: %w", left, ctx.Err())
		}
	}
}

// changed wakes those who wait. s.mu is held.
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
