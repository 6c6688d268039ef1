package doctor

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/events"
	"github.com/rcshook/rcshook/internal/webhook"
)

// tokens returns the settings with the webhook tokens of an agent.
func (e *run) tokens(agent string) []config.Secret {
	if own := e.cfg.Agents[agent].WebhookTokens; len(own) > 0 {
		return own
	}
	if e.cfg.WebhookToken != "" {
		return []config.Secret{e.cfg.WebhookToken}
	}
	return nil
}

// webhooks checks the webhook of each agent that has a token, and the targets that get
// its events.
func (e *run) webhooks(ctx context.Context) {
	for _, name := range e.agentNames() {
		tokens := e.tokens(name)
		if len(tokens) == 0 {
			if len(e.cfg.Events) > 0 {
				e.add(Warning, Webhook, name, "the agent has no webhook_token, so targets get no events of it", "Set RCSHOOK_WEBHOOK_TOKEN to the name of a secret, and connect the webhook, with the same -env: rcshook webhook set -agent "+name)
			}
			continue
		}
		text, ok := e.value(Webhook, name, tokens[0])
		if !ok || e.skip(Webhook, name, Credentials, name) || e.cfg.Agents[name].ID.IsResource() && e.skip(Webhook, name, Secret, e.cfg.Agents[name].ID.String()) {
			continue
		}
		if e.cfg.URL == "" {
			e.add(Warning, Webhook, name, "not checked: the address of the function is unknown", "Set it: "+e.Service.update()+" --update-env-vars=RCSHOOK_URL=URL_OF_THE_FUNCTION")
			continue
		}
		bound, cancel := context.WithTimeout(ctx, e.Timeout)
		e.webhook(bound, name, webhook.Address{URL: e.cfg.URL + "/events", Token: webhook.FirstToken(text)})
		cancel()
	}
}

// webhook checks the webhook of an agent from outside: that the function accepts an event,
// and that the platform sends its events there.
func (e *run) webhook(ctx context.Context, name string, to webhook.Address) {
	set := "Connect it, with the same -env: rcshook webhook set -agent " + name
	a, err := e.agents.Agent(ctx, name)
	if err != nil {
		e.add(Error, Webhook, name, "timeout while reading the ID of the agent", "Try again with a longer -timeout")
		return
	}
	// An event that is so old reaches no target, and typing does not change an opt-out.
	event, _ := events.SampleData("typing", a.ID, "doctor", time.Now().AddDate(0, 0, -30))
	switch r, err := webhook.PostEvent(ctx, e.transport, to, event); {
	case err != nil:
		e.add(Error, Webhook, name, "the function does not respond at RCSHOOK_URL with /events", "Check RCSHOOK_URL, and that the service allows requests from the internet")
		return
	case r.Status == http.StatusUnauthorized:
		e.add(Error, Webhook, name, "the function rejects an event that is signed with the first token (HTTP 401)", "Grant the function access to the secret of the token, or wait some minutes after a change", "Check that the function has the same RCSHOOK_WEBHOOK_TOKEN")
		return
	case r.Code == "" && slices.Contains([]int{http.StatusOK, http.StatusNotFound, http.StatusMethodNotAllowed}, r.Status):
		e.add(Error, Webhook, name, fmt.Sprintf("the server at RCSHOOK_URL is not the function: it responds to an event with HTTP %d", r.Status), "Set the address of the function: "+e.Service.update()+" --update-env-vars=RCSHOOK_URL=URL_OF_THE_FUNCTION")
		return
	case r.Status != http.StatusOK:
		e.add(Error, Webhook, name, strings.TrimSpace(fmt.Sprintf("the function responds to an event with HTTP %d %s", r.Status, r.Code))+", expected 200", "Check RCSHOOK_URL, the log of the function, and that the service allows requests without an ID token: "+strings.Replace(e.Service.update(), "services update", "services add-iam-policy-binding", 1)+" --member=allUsers --role=roles/run.invoker")
		return
	case r.Agent == "":
		e.add(Error, Webhook, name, "the function ignores the events of this agent, because it has no agent with this ID", "Deploy the function with this agent, or wait some minutes after a change of the secret with its ID")
		return
	}
	key, _ := e.value(Webhook, name, e.cfg.Agents[name].Credentials) // the check of the credentials has succeeded
	client := webhook.NewClient(e.cfg, key, e.transport)
	var found *webhook.Integration
	resource, err := client.FindAgent(ctx, a.ID)
	if err == nil {
		found, err = client.Find(ctx, resource)
	}
	switch {
	case err != nil:
		e.add(Warning, Webhook, name, "the function accepts a signed event; not checked where the platform sends the events: "+err.Error(),
			"Allow the key of the agent to use the API: gcloud services enable businesscommunications.googleapis.com --project=PROJECT_OF_THE_SERVICE_ACCOUNT", "Or check the webhook in the RCS for Business console")
	case found == nil:
		e.add(Warning, Webhook, name, "the agent has no webhook of its own; its events go to the webhook of the partner account, if there is one", set)
	case found.Webhook.URL != to.URL:
		host := "another address"
		if u, err := url.Parse(found.Webhook.URL); err == nil && !strings.HasPrefix(found.Webhook.URL, e.cfg.URL+"/") {
			host = cmp.Or(u.Host, host)
		}
		e.add(Error, Webhook, name, "the platform sends the events to "+host+", and not to RCSHOOK_URL with /events", set+" -replace")
	case found.Status != webhook.Enabled:
		e.add(Error, Webhook, name, "the webhook is "+cmp.Or(found.Status, "without a status")+": the handshake of the platform has failed", set)
	default:
		e.add(OK, Webhook, name, "connected, and the function accepts a signed event")
	}
}
