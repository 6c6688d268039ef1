// Package queue stores messages, and events on their way to targets, in Cloud Tasks, one
// task each. It reads the tasks when Cloud Tasks sends them back to the function.
//
// A message with a fallback in time has a second task, the watch. The watch or the task that
// sends the message creates a third, which gives the message to its fallback.
//
// The name of a task is derived from its job and its message, or from its event and target.
// So the queue drops a task that was added before, and any instance can delete one.
//
// Google docs: https://docs.cloud.google.com/tasks/docs/creating-http-target-tasks
package queue

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"path"
	"time"

	"github.com/rcshook/rcshook/rbm"
)

// Path is the path of tasks at the function, to which the job and the ID are appended.
const Path = "/tasks/"

// Limits of Cloud Tasks.
const (
	// MaxDelay is the maximum time from now to the schedule time of a task.
	//
	// Google docs: https://docs.cloud.google.com/tasks/docs/quotas
	MaxDelay = 30 * 24 * time.Hour

	// MaxBody is the maximum size of a task. The largest message, with the largest
	// payload for a fallback, takes two thirds of it.
	//
	// Google docs: https://docs.cloud.google.com/tasks/docs/quotas
	MaxBody = 1 << 20

	// minDeadline and maxDeadline limit the time of a dispatch attempt.
	//
	// Google docs: https://docs.cloud.google.com/tasks/docs/reference/rest/v2/projects.locations.queues.tasks#Task
	minDeadline = 15 * time.Second
	maxDeadline = 30 * time.Minute
)

// API sends requests to Google's APIs as the account of the function.
type API interface {
	// Ready waits for an access token. Its error is a [*google.SecretError].
	Ready(ctx context.Context) error

	// Call sends a request with in as its JSON body, and decodes the JSON response
	// into out. An error response is a [*google.APIError].
	Call(ctx context.Context, method, url string, in, out any) error
}

// Options configure a [Client].
type Options struct {
	// API carries the requests.
	API API

	// Endpoint is a base URL to use instead of Google's; may be empty.
	Endpoint string

	// URL is the function's own address. Account is the service account whose ID
	// tokens, with URL as their audience, the tasks carry.
	URL, Account string

	// Timeout is the maximum time that the function takes for a task.
	Timeout time.Duration
}

// Client creates and deletes tasks. It is safe for concurrent use.
type Client struct{ options Options }

// New returns a client.
func New(o Options) *Client {
	o.Endpoint = cmp.Or(o.Endpoint, "https://cloudtasks.googleapis.com")
	return &Client{options: o}
}

// Place is the queue and the time of a task.
type Place struct {
	Queue string    // projects/*/locations/*/queues/*
	At    time.Time // of the first dispatch; zero means now

	// Header is added to the headers of the task.
	Header map[string]string
}

// Limits of a call. A webhook has a second or less for everything.
const (
	callTimeout = 5 * time.Second
	attempts    = 2
	retryDelay  = 50 * time.Millisecond
)

// Add creates a task and returns its name. Repeated reports that the queue contains a
// task for this message, or contained one within the last day; then Add creates none.
// The error is an [*Error].
func (c *Client) Add(ctx context.Context, t Task, p Place) (name string, repeated bool, err error) {
	t.Version = version
	return c.add(ctx, p, Send, t.taskID(Send), &t)
}

// AddHandover is like [Client.Add] for [Watch] and [Fallback].
func (c *Client) AddHandover(ctx context.Context, job Job, h Handover, p Place) (name string, repeated bool, err error) {
	h.Version = version
	return c.add(ctx, p, job, h.taskID(job), &h)
}

// AddDelivery is like [Client.Add] for the delivery of an event to a target.
func (c *Client) AddDelivery(ctx context.Context, d Delivery, p Place) (name string, repeated bool, err error) {
	d.Version = version
	return c.add(ctx, p, deliver, d.taskID(), &d)
}

// add creates the task of that ID, whose request has v as its JSON body.
func (c *Client) add(ctx context.Context, p Place, job Job, id string, v any) (name string, repeated bool, err error) {
	name = taskName(p.Queue, id)
	request, err := c.request(p, name, string(job)+"/"+id, v)
	if err != nil {
		return name, false, &Error{Kind: Rejected, Reason: "invalid", Queue: p.Queue, Account: c.options.Account, Err: err}
	}
	var created struct {
		Name string `json:"name"`
	}
	unsure, failure := c.try(ctx, p.Queue, func(ctx context.Context) error {
		err := c.options.API.Call(ctx, "POST", c.options.Endpoint+"/v2/"+p.Queue+"/tasks", request, &created)
		if err == nil && path.Base(created.Name) != id {
			err = errors.New("the response does not contain the task") // another server may have sent it
		}
		return err
	})
	switch {
	case failure == nil:
		return name, false, nil
	case failure.exists:
		return name, !unsure, nil
	}
	return name, false, failure
}

func taskName(queue, id string) string { return queue + "/tasks/" + id }

// Removal is the result of [Client.Delete].
type Removal int

// The results.
const (
	Missing Removal = iota // the queue had no such task
	Removed                // the task is deleted; an attempt of it may be in flight
	Unsure                 // one or the other: a response was lost
)

// Delete deletes the task for a job with a message. The error is an [*Error]. Cloud Tasks
// does not say whether the task or the queue does not exist.
//
// Google docs: https://docs.cloud.google.com/tasks/docs/reference/rest/v2/projects.locations.queues.tasks/delete
func (c *Client) Delete(ctx context.Context, queue string, job Job, m Message) (Removal, error) {
	unsure, failure := c.try(ctx, queue, func(ctx context.Context) error {
		return c.options.API.Call(ctx, "DELETE", c.options.Endpoint+"/v2/"+taskName(queue, m.taskID(job)), nil, nil)
	})
	switch {
	case failure == nil:
		return Removed, nil
	case failure.Kind != NotFound:
		failure.Deleting = true
		return Unsure, failure
	case unsure:
		return Unsure, nil
	}
	return Missing, nil
}

// try calls a method of Cloud Tasks, twice if necessary. Unsure reports that an attempt
// before the last one may have succeeded.
func (c *Client) try(ctx context.Context, queue string, call func(context.Context) error) (unsure bool, failure *Error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	failure = &Error{Queue: queue, Account: c.options.Account}
	if err := c.options.API.Ready(ctx); err != nil {
		failure.setCredentials(err)
		return false, failure
	}
	deadline, _ := ctx.Deadline()
	timeout := time.Until(deadline) / attempts
	for i := 1; ; i++ {
		failure = &Error{Queue: queue, Account: c.options.Account}
		attempt, cancel := context.WithTimeout(ctx, timeout)
		err := call(attempt)
		if err == nil {
			cancel()
			return unsure, nil
		}
		failure.setCall(attempt, err)
		cancel()
		certain := failure.exists || failure.Kind == NotFound // about the task, not this attempt
		unsure = unsure || failure.MaybeDone && !certain
		failure.MaybeDone = unsure
		if certain || !failure.isTransient() || i == attempts {
			return unsure, failure
		}
		select {
		case <-time.After(retryDelay):
		case <-ctx.Done():
			return unsure, failure
		}
	}
}

// createRequest is the request to create a task.
//
// Google docs: https://docs.cloud.google.com/tasks/docs/reference/rest/v2/projects.locations.queues.tasks/create
type createRequest struct {
	Task struct {
		Name             string       `json:"name"`
		ScheduleTime     time.Time    `json:"scheduleTime,omitzero"`
		DispatchDeadline rbm.Duration `json:"dispatchDeadline"`
		HTTPRequest      httpRequest  `json:"httpRequest"`
	} `json:"task"`
}

type httpRequest struct {
	URL        string            `json:"url"`
	HTTPMethod string            `json:"httpMethod"`
	Headers    map[string]string `json:"headers"`
	Body       []byte            `json:"body"`
	OIDCToken  struct {
		ServiceAccountEmail string `json:"serviceAccountEmail"`
		Audience            string `json:"audience"`
	} `json:"oidcToken"`
}

func (c *Client) request(p Place, name, path string, v any) (*createRequest, error) {
	body, err := encode(v)
	if err != nil {
		return nil, err
	}
	request := new(createRequest)
	task := &request.Task
	task.Name = name
	if !p.At.IsZero() {
		task.ScheduleTime = p.At.UTC()
	}
	// A little more than the function takes, so that an attempt with a lost
	// connection is soon followed by another one.
	task.DispatchDeadline = rbm.Duration(min(max(c.options.Timeout+10*time.Second, minDeadline), maxDeadline))
	task.HTTPRequest = httpRequest{
		URL: c.options.URL + Path + path, HTTPMethod: "POST", Body: body,
		Headers: map[string]string{"Content-Type": "application/json"},
	}
	maps.Copy(task.HTTPRequest.Headers, p.Header)
	task.HTTPRequest.OIDCToken.ServiceAccountEmail = c.options.Account
	task.HTTPRequest.OIDCToken.Audience = c.options.URL
	return request, nil
}
