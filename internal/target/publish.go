package target

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/rcshook/rcshook/internal/google"
)

// publish publishes a body to the topic of the target. Every failure is temporary: an
// operator can fix it, and subscribers expect repeated messages.
//
// Google docs: https://docs.cloud.google.com/pubsub/docs/reference/rest/v1/projects.topics/publish
func (t *Target) publish(ctx context.Context, id string, event, body []byte) Result {
	var fields struct{ Type, Agent string }
	_ = json.Unmarshal(event, &fields) // events without these fields have empty attributes
	attributes := map[string]string{"id": id, "type": fields.Type, "agent": fields.Agent}
	request := map[string]any{"messages": []any{map[string]any{"data": body, "attributes": attributes}}}
	if err := t.options.API.Ready(ctx); err != nil {
		return Result{Outcome: Retry, Err: fmt.Errorf("credentials of the function: %w", err)}
	}
	path := url.URL{Path: "/v1/" + t.config.Topic + ":publish"}
	var published struct{ MessageIDs []string }
	err := t.options.API.Call(ctx, http.MethodPost, t.options.PubSub+path.EscapedPath(), request, &published)
	failed, isResponse := errors.AsType[*google.APIError](err)
	switch {
	case isResponse:
		return Result{Retry, failed.Code, errors.New(strings.TrimSpace(fmt.Sprintf("HTTP %d %s", failed.Code, failed.Status)) + publishAdvice(failed))} // the message can quote the event
	case err != nil:
		return Result{Outcome: Retry, Err: errors.New("no response of Pub/Sub: " + cause(ctx, err))}
	case len(published.MessageIDs) != 1:
		return Result{Retry, http.StatusOK, errors.New("the response of Pub/Sub does not contain the message")} // another server may have sent it
	}
	return Result{Outcome: OK, Status: http.StatusOK}
}

// publishAdvice returns the fix for an error response, as the end of an error.
func publishAdvice(e *google.APIError) string {
	switch {
	case e.HasReason(google.ReasonDisabled):
		return "; enable the API pubsub.googleapis.com in the project of the topic"
	case e.HasReason(google.ReasonScope):
		return "; give the function's credentials the scope cloud-platform"
	case e.Code == http.StatusForbidden:
		return "; grant the function's account the role roles/pubsub.publisher on the topic"
	case e.Code == http.StatusNotFound:
		return "; create the topic, or correct topic"
	case e.Code == http.StatusBadRequest:
		return "; check topic, and that map returns a value that Pub/Sub accepts"
	}
	return ""
}
