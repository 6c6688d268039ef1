// Package queue lets messages wait in Cloud Tasks: it hands them over, one task for
// each, and reads the tasks when the queue sends them back to the function.
//
// A task is named by its message ID, so the queue drops a message that was handed
// over before, and the platform one that is sent twice.
//
// Google docs: https://docs.cloud.google.com/tasks/docs/creating-http-target-tasks
package queue

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"time"

	cloudtasks "cloud.google.com/go/cloudtasks/apiv2"
	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"
	"google.golang.org/api/option"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/rcshook/rcshook/internal/agent"
)

// Path is above the addresses of tasks: the message ID follows.
const Path = "/tasks/"

// Limits of Cloud Tasks.
const (
	// MaxDelay is how far ahead a task can be scheduled.
	//
	// Google docs: https://docs.cloud.google.com/tasks/docs/quotas
	MaxDelay = 30 * 24 * time.Hour

	// MaxBody is the size of a task. The largest message, with the largest payload
	// beside it for a fallback, has two thirds of it.
	//
	// Google docs: https://docs.cloud.google.com/tasks/docs/quotas
	MaxBody = 1 << 20

	// minDeadline and maxDeadline bound the time of an attempt.
	//
	// Google docs: https://docs.cloud.google.com/tasks/docs/reference/rest/v2/projects.locations.queues.tasks#Task
	minDeadline = 15 * time.Second
	maxDeadline = 30 * time.Minute
)

// Options are what a [Client] works with.
type Options struct {
	// Platform carries the requests.
	Platform *agent.Platform

	// Endpoint is a base URL to use instead of Google's; may be empty.
	Endpoint string

	// URL is the function's own address, Account the service account whose ID
	// tokens the tasks carry. The tokens are made for URL.
	URL, Account string

	// Timeout is how long the function takes for a task at most.
	Timeout time.Duration
}

// Client hands messages over. It may be used by several goroutines. Making one costs
// nothing: the client of the library is made when it is first needed.
type Client struct {
	options Options
	client  func() (*cloudtasks.Client, error)
}

// New returns a client.
func New(o Options) *Client {
	c := &Client{options: o}
	c.client = sync.OnceValues(c.connect)
	return c
}

// connect makes the client of the library. REST, because it starts faster than gRPC.
func (c *Client) connect() (*cloudtasks.Client, error) {
	opts := []option.ClientOption{
		option.WithHTTPClient(&http.Client{Transport: c.options.Platform}),
		// The library can be told by an environment variable to log requests,
		// which are messages.
		option.WithLogger(slog.New(slog.DiscardHandler)),
	}
	if c.options.Endpoint != "" {
		opts = append(opts, option.WithEndpoint(c.options.Endpoint))
	}
	client, err := cloudtasks.NewRESTClient(context.Background(), opts...)
	if err != nil {
		return nil, err
	}
	client.CallOptions.CreateTask = nil // deadlines and attempts are ours
	return client, nil
}

// A Place is where and when a task is to be.
type Place struct {
	Queue string    // projects/*/locations/*/queues/*
	At    time.Time // when it is sent at the earliest; zero means at once

	// Header goes with the task.
	Header map[string]string
}

// Times of handing over. A webhook has a second or less for all.
const (
	patience = 5 * time.Second
	attempts = 2
	pause    = 50 * time.Millisecond
)

// Add hands a task over and returns its name. Repeated tells that the queue has, or
// had within the last day, a task for this message: then there is none more. The
// error is an [*Error].
func (c *Client) Add(ctx context.Context, t Task, p Place) (name string, repeated bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	name = p.Queue + "/tasks/" + t.ID
	if err := c.options.Platform.Ready(ctx); err != nil {
		return name, false, tokenError(p.Queue, err)
	}
	request, err := c.request(t, p, name)
	if err != nil {
		return name, false, &Error{Kind: Rejected, Reason: "invalid", Queue: p.Queue, Action: advise(p.Queue, c.options.Account, "invalid"), Err: err}
	}
	deadline, _ := ctx.Deadline()
	each := time.Until(deadline) / attempts
	unsure := false // some attempt may have succeeded
	for i := 1; ; i++ {
		failed := c.create(ctx, request, each)
		switch {
		case failed == nil:
			return name, false, nil
		case failed.exists:
			return name, !unsure, nil
		}
		unsure = unsure || failed.Unsure
		failed.Unsure = unsure
		if !failed.passing() || i == attempts || !rest(ctx, pause) {
			return name, false, failed
		}
	}
}

// rest reports whether ctx goes on after d.
func rest(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func (c *Client) request(t Task, p Place, name string) (*cloudtaskspb.CreateTaskRequest, error) {
	body, err := t.encode()
	if err != nil {
		return nil, err
	}
	header := map[string]string{"Content-Type": "application/json"}
	for key, value := range p.Header {
		header[key] = value
	}
	task := &cloudtaskspb.Task{
		Name: name,
		// A little more than the function takes, so that an attempt whose
		// connection is lost is soon followed by another one.
		DispatchDeadline: durationpb.New(min(max(c.options.Timeout+10*time.Second, minDeadline), maxDeadline)),
		MessageType: &cloudtaskspb.Task_HttpRequest{HttpRequest: &cloudtaskspb.HttpRequest{
			Url:        c.options.URL + Path + t.ID,
			HttpMethod: cloudtaskspb.HttpMethod_POST,
			Headers:    header,
			Body:       body,
			AuthorizationHeader: &cloudtaskspb.HttpRequest_OidcToken{OidcToken: &cloudtaskspb.OidcToken{
				ServiceAccountEmail: c.options.Account,
				Audience:            c.options.URL,
			}},
		}},
	}
	if !p.At.IsZero() {
		task.ScheduleTime = timestamppb.New(p.At)
	}
	return &cloudtaskspb.CreateTaskRequest{Parent: p.Queue, Task: task}, nil
}

func (c *Client) create(ctx context.Context, request *cloudtaskspb.CreateTaskRequest, patience time.Duration) *Error {
	client, err := c.client()
	if err != nil {
		return &Error{Kind: Unavailable, Reason: "unavailable", Queue: request.GetParent(), Action: advise(request.GetParent(), "", "unavailable"), Err: err}
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if _, err = client.CreateTask(ctx, request); err != nil {
		return createError(ctx, request.GetParent(), c.options.Account, err)
	}
	return nil
}
