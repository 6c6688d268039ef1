package doctor

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/google"
	"github.com/rcshook/rcshook/internal/queue"
	"github.com/rcshook/rcshook/internal/response"
	"github.com/rcshook/rcshook/rbm"
)

// queues checks each queue of the settings and of the sources.
func (e *run) queues(ctx context.Context) {
	messages := []string{e.cfg.Queue}
	for _, s := range e.cfg.Sources {
		messages = append(messages, s.Queue)
	}
	names := append([]string{e.cfg.EventsQueue}, messages...)
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		if name == "" || name == config.NoQueue || !e.identify(ctx) && e.skip(Queue, name, Identity, "") {
			continue
		}
		e.queue(ctx, name, slices.Contains(messages, name))
	}
}

// queue checks that the account may add tasks to a queue, and delete those of messages. It
// checks the settings of the queue if the account may read them. The roles of the function
// do not include that.
//
// Google docs: https://docs.cloud.google.com/tasks/docs/reference/rest/v2/projects.locations.queues
func (e *run) queue(ctx context.Context, name string, messages bool) {
	resource := cmp.Or(e.cfg.TasksEndpoint, "https://cloudtasks.googleapis.com") + "/v2/" + name
	uses, permissions := "add tasks", []string{"cloudtasks.tasks.create"}
	if messages {
		uses, permissions = "add and delete tasks", append(permissions, "cloudtasks.tasks.delete")
	}
	missing, err := e.missingPermissions(ctx, resource, permissions...)
	mayAdd, denied := !slices.Contains(missing, permissions[0]), " may not add tasks"
	if mayAdd {
		denied = " may not delete tasks"
	}
	var found struct {
		State string      `json:"state"`
		Retry retryConfig `json:"retryConfig"`
	}
	if err == nil {
		bound, cancel := context.WithTimeout(ctx, e.Timeout)
		defer cancel()
		err = e.agents.Platform().Call(bound, http.MethodGet, resource, nil, &found)
	}
	rejected, _ := errors.AsType[*google.APIError](err)
	if rejected == nil {
		rejected = new(google.APIError)
	}
	parts := strings.Split(name, "/") // projects/*/locations/*/queues/*
	at := parts[5] + " --location=" + parts[3] + " --project=" + parts[1]
	advise := func(reason string) string {
		return strings.ReplaceAll(response.QueueAdvice(&queue.Error{Reason: reason, Queue: name, Deleting: mayAdd}), "SERVICE_ACCOUNT", e.functionAccount())
	}
	switch {
	case rejected.HasReason(google.ReasonDisabled):
		e.add(Error, Queue, name, "the API of Cloud Tasks is not enabled in the project", advise("api_disabled"))
	case rejected.Status == "NOT_FOUND":
		e.add(Error, Queue, name, "missing", advise("not_found"))
	case err != nil && rejected.Status != "PERMISSION_DENIED":
		e.add(Error, Queue, name, "Cloud Tasks: "+err.Error(), advise("unavailable"))
	case len(missing) > 0 && err == nil && e.usesOtherAccount():
		e.add(Warning, Queue, name, e.accountName()+denied+"; not checked: whether the function may", e.impersonate())
	case !mayAdd:
		e.add(Error, Queue, name, e.accountName()+denied+", or the queue is missing", advise("permission_denied"))
	case len(missing) > 0 && len(e.allFallbacks()) > 0:
		e.add(Error, Queue, name, e.accountName()+denied+", so a delivered message may still go to its fallback", advise("permission_denied"))
	case len(missing) > 0:
		e.add(Warning, Queue, name, e.accountName()+denied+", so messages that wait cannot be revoked", advise("permission_denied"))
	case err != nil:
		e.add(OK, Queue, name, e.accountName()+" may "+uses+"; not checked: its settings, which this account may not read")
	case found.State != "RUNNING":
		e.add(Warning, Queue, name, "the queue is "+cmp.Or(found.State, "without a state")+", so its tasks wait", "Resume it: gcloud tasks queues resume "+at)
	case name == e.cfg.EventsQueue && !found.Retry.keeps(queue.MaxDeliveryAge):
		e.add(Error, Queue, name, "the queue may drop an event before the function gives it up after 7 days and reports it",
			"Keep tasks longer: gcloud tasks queues update "+at+" --max-attempts=-1 --max-retry-duration=691200s")
	default:
		e.add(OK, Queue, name, e.accountName()+" may "+uses)
	}
}

// retryConfig are the settings for tasks that fail.
type retryConfig struct {
	MaxAttempts      int          `json:"maxAttempts"`
	MaxRetryDuration rbm.Duration `json:"maxRetryDuration"`
	MaxBackoff       rbm.Duration `json:"maxBackoff"`
}

// keeps reports whether a task that fails is attempted after that time. Cloud Tasks drops a
// task when both limits are exceeded, but a number of attempts is not a time.
func (c retryConfig) keeps(age time.Duration) bool {
	if c.MaxRetryDuration == 0 {
		return c.MaxAttempts < 0
	}
	return time.Duration(c.MaxRetryDuration) > age+time.Duration(c.MaxBackoff)
}
