// Package queue stores messages, and events on their way to targets, in Cloud Tasks, one
// task each. It reads the tasks when Cloud Tasks sends them back to the function.
//
// The name of a task is derived from its message ID, or from its event and target. So the
// queue drops a message or an event that was added before, and RCS Business Messaging
// drops a message that is sent twice.
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

// Path is the path of tasks at the function, to which the message ID is appended.
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

// Client creates tasks. It is safe for concurrent use.
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

// Limits for adding a task. A webhook has a second or less for everything.
const (
	addTimeout = 5 * time.Second
	attempts   = 2
	retryDelay = 50 * time.Millisecond
)

// Add creates a task and returns its name. Repeated reports that the queue contains a
// task for this message, or contained one within the last day; then Add creates none.
// The error is an [*Error].
func (c *Client) Add(ctx context.Context, t Task, p Place) (name string, repeated bool, err error) {
	// A message ID that a caller chose may be that of a message to another number.
	return c.add(ctx, p, rbm.MessageID(t.Agent, t.To, t.ID), t.ID, &t)
}

// AddDelivery is like [Client.Add] for the delivery of an event to a target.
func (c *Client) AddDelivery(ctx context.Context, d Delivery, p Place) (name string, repeated bool, err error) {
	d.Version = version
	return c.add(ctx, p, d.taskID(), deliveryPath+d.taskID(), &d)
}

// add creates the task of that ID, whose request has v as its JSON body.
func (c *Client) add(ctx context.Context, p Place, id, path string, v any) (name string, repeated bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, addTimeout)
	defer cancel()
	name = p.Queue + "/tasks/" + id
	failure := &Error{Queue: p.Queue, Account: c.options.Account}
	if err := c.options.API.Ready(ctx); err != nil {
		failure.setCredentials(err)
		return name, false, failure
	}
	request, err := c.request(p, name, path, v)
	if err != nil {
		failure.Kind, failure.Reason, failure.Err = Rejected, "invalid", err
		return name, false, failure
	}
	deadline, _ := ctx.Deadline()
	timeout := time.Until(deadline) / attempts
	unsure := false // an attempt may have succeeded
	for i := 1; ; i++ {
		err := c.create(ctx, p.Queue, request, timeout)
		switch {
		case err == nil:
			return name, false, nil
		case err.exists:
			return name, !unsure, nil
		}
		unsure = unsure || err.MaybeAdded
		err.MaybeAdded = unsure
		if !err.isTransient() || i == attempts {
			return name, false, err
		}
		select {
		case <-time.After(retryDelay):
		case <-ctx.Done():
			return name, false, err
		}
	}
}

// create makes one attempt to create a task.
func (c *Client) create(ctx context.Context, queue string, request *createRequest, timeout time.Duration) *Error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var created struct {
		Name string `json:"name"`
	}
	err := c.options.API.Call(ctx, "POST", c.options.Endpoint+"/v2/"+queue+"/tasks", request, &created)
	if err == nil && path.Base(created.Name) != path.Base(request.Task.Name) {
		err = errors.New("the response does not contain the task") // another server may have sent it
	}
	if err != nil {
		e := &Error{Queue: queue, Account: c.options.Account}
		e.setCall(ctx, err)
		return e
	}
	return nil
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
