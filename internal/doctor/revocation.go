package doctor

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/response"
	"github.com/rcshook/rcshook/rbm"
)

// testMessage expires long after [Options.Arrived] returns, because the platform does not
// revoke an expired message either.
var testMessage = rbm.AgentMessage{
	ContentMessage:     &rbm.AgentContentMessage{Text: "A test by rcshook doctor. You can delete this message."},
	MessageTrafficType: rbm.TrafficServiceRequest, // which every agent may send
	TTL:                rbm.Duration(24 * time.Hour),
}

// revocation sends a message and revokes it, to check that the platform refuses to revoke a
// delivered message: a fallback in time depends on that.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/phones.agentMessages/delete
func (e *run) revocation(ctx context.Context) {
	names := e.agentNames()
	switch {
	case e.Number == "":
		return
	case len(names) == 0:
		e.skip(Revocation, "", File, "")
		return
	}
	name := names[0]
	if slices.Contains(names, config.DefaultAgent) {
		name = config.DefaultAgent
	}
	if i := slices.IndexFunc(names, func(name string) bool {
		f := e.cfg.Agents[name].Fallback
		return f != nil && f.After != (config.After{})
	}); i >= 0 {
		name = names[i]
	}
	subject := response.Mask(e.Number) + " from " + name
	if e.skip(Revocation, subject, Agent, name) {
		return
	}
	id := uuid.NewString()
	var client *rbm.Client
	a, err := e.agents.Agent(ctx, name) // which the earlier checks have read
	if err == nil {
		client, err = e.client(a.ID, name, a.Region)
	}
	if err == nil {
		bound, cancel := context.WithTimeout(ctx, e.Timeout)
		_, err = client.SendMessage(bound, e.Number, id, &testMessage)
		cancel()
	}
	if err != nil {
		e.reachable(Revocation, subject, nil, err)
		return
	}
	seen := e.Arrived(ctx, subject)
	// An interrupted check revokes its message, too.
	bound, cancel := context.WithTimeout(context.WithoutCancel(ctx), e.Timeout)
	defer cancel()
	err = client.RevokeMessage(bound, e.Number, id)
	remote, _ := errors.AsType[*rbm.Error](err)
	const needsEvents = "the platform reports the revocation of a delivered message as a success (HTTP 200), so a fallback in time needs the delivered events of the webhook"
	switch {
	case err == nil && !seen:
		e.add(Warning, Revocation, subject, "the platform revoked the message (HTTP 200), so it was not delivered yet; not checked: a delivered message",
			"Check that the phone is online, and try again at a terminal, or with a longer -wait")
	case err == nil && len(e.tokens(name)) == 0:
		e.add(Error, Revocation, subject, needsEvents,
			"Set RCSHOOK_WEBHOOK_TOKEN to the name of a secret, and connect the webhook, with the same -env: rcshook webhook set -agent "+name)
	case err == nil:
		e.add(Warning, Revocation, subject, needsEvents, "Keep the webhook of the agent connected")
	case errors.Is(err, rbm.ErrAlreadyDelivered) && remote.Attempts == 1:
		e.add(OK, Revocation, subject, "the platform does not revoke a delivered message (HTTP 404)")
	case errors.Is(err, rbm.ErrAlreadyDelivered):
		e.add(Warning, Revocation, subject, "not checked: an attempt to revoke the message got no response", "Try again")
	default:
		e.add(Error, Revocation, subject, "the message was sent, but not revoked: "+err.Error(), retryPlatform)
	}
}
