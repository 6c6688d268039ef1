package doctor

import (
	"context"
	"errors"
	"fmt"

	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/google"
	"github.com/rcshook/rcshook/rbm"
)

// Google's reasons for a 403 that is about the credentials rather than the agent.
const (
	reasonScope    = "ACCESS_TOKEN_SCOPE_INSUFFICIENT"
	reasonDisabled = "SERVICE_DISABLED"
)

// credentials trades the key of each agent for a token, and shows that to the platform
// with a call that sends nothing. What the platform says of the agent is kept.
func (e *examination) credentials(ctx context.Context) {
	if len(e.cfg.Agents) == 0 {
		e.skip(Credentials, "", File, "")
		return
	}
	for _, name := range e.agentNames() {
		e.called[name] = new(call)
		e.credential(ctx, name)
	}
}

func (e *examination) credential(ctx context.Context, name string) {
	setting := e.cfg.Agents[name].Credentials
	if setting == "" && e.skip(Credentials, name, Identity, "") || setting.IsResource() && e.skip(Credentials, name, Secret, setting.String()) {
		return
	}
	account := e.account(ctx, setting)
	bound, cancel := e.bound(ctx)
	defer cancel()
	if _, err := e.agents.Token(bound, name); err != nil {
		e.noToken(name, account, err)
		return
	}
	e.knock(ctx, name)
	said := e.called[name]
	remote := (*rbm.Error)(nil)
	if !said.made || !errors.As(said.err, &remote) {
		detail := "a token of " + account
		if said.made {
			detail += ", which the platform accepts"
		}
		e.add(OK, Credentials, name, detail)
		return
	}
	detail, next := e.refusedToken(ctx, remote, setting, account)
	if detail == "" {
		if remote.StatusCode != 0 && !errors.Is(remote, rbm.ErrUnavailable) {
			detail = ", which the platform accepts"
		}
		e.add(OK, Credentials, name, "a token of "+account+detail)
		return
	}
	e.add(Fault, Credentials, name, detail, next...)
}

// account names whose credentials a setting is.
func (e *examination) account(ctx context.Context, setting config.Secret) string {
	switch {
	case setting == "":
		return e.reader()
	case setting.IsResource():
		return e.secrets[setting].Account
	}
	found, err := e.agents.InspectKey(ctx, setting)
	if err != nil {
		return "the account" // and the token tells what is wrong
	}
	return found.Account
}

func (e *examination) noToken(name, account string, err error) {
	refused := (*google.SecretError)(nil)
	if errors.As(err, &refused) {
		if e.blameClock(Credentials, name, refused) {
			return
		}
		e.add(Fault, Credentials, name, e.explain(refused, account), e.advise(refused)...)
		return
	}
	e.add(Fault, Credentials, name, "the token endpoint does not answer as it should",
		"Let the network reach oauth2.googleapis.com at port 443, and try again later: curl -sS https://oauth2.googleapis.com/token")
}

// knock makes the call, unless the platform or the ID is not to be had.
func (e *examination) knock(ctx context.Context, name string) {
	if e.failed(Platform, e.host(e.region(name))) {
		return
	}
	bound, cancel := e.bound(ctx)
	defer cancel()
	a, err := e.agents.Agent(bound, name)
	if err != nil {
		return // its secret has said why
	}
	said := e.called[name]
	client, err := e.client(a.ID, name, a.Region)
	if err == nil {
		_, err = client.Capabilities(bound, fiction)
	}
	said.made, said.err = true, err
}

// refusedToken tells what is wrong with the credentials by a refusal that is about
// them; "" means that it is not.
func (e *examination) refusedToken(ctx context.Context, remote *rbm.Error, setting config.Secret, account string) (detail string, next []string) {
	switch {
	case errors.Is(remote, rbm.ErrUnauthenticated):
		detail = "the platform does not accept the token of " + account + " (HTTP 401)"
		next = []string{"Make a new key for the service account in the RCS for Business console" + e.storeKey(setting)}
	case remote.Reason == reasonScope:
		detail = "the token of " + account + " lacks the scope " + rbm.Scope
		next = []string{"Set RCSHOOK_CREDENTIALS to the secret with the key of the RCS for Business console, whose tokens have the scope: " + e.Service.update() + " --update-env-vars=RCSHOOK_CREDENTIALS=projects/PROJECT/secrets/SECRET"}
		if setting == "" {
			next = append(next, "Or, with your own account: gcloud auth application-default login --scopes=https://www.googleapis.com/auth/cloud-platform,"+rbm.Scope)
		} else {
			next = []string{"Make a new key for the service account in the RCS for Business console" + e.storeKey(setting)}
		}
	case remote.Reason == reasonDisabled:
		detail = "the API of RCS Business Messaging is not enabled in the project of " + account
		next = []string{"Enable it: gcloud services enable rcsbusinessmessaging.googleapis.com --project=" + e.project(ctx, setting)}
	}
	return detail, next
}

// storeKey is how a new key gets to where the old one is.
func (e *examination) storeKey(setting config.Secret) string {
	if !setting.IsResource() {
		return ", and store it in Secret Manager"
	}
	return fmt.Sprintf(", and store it: %s --data-file=KEY.json", addVersion(setting.String()))
}

// project is that of the credentials.
func (e *examination) project(ctx context.Context, setting config.Secret) string {
	found := e.secrets[setting]
	if setting != "" && !setting.IsResource() {
		found, _ = e.agents.InspectKey(ctx, setting) //nolint:errcheck // without a name there is one in capitals
	}
	if found.Project == "" {
		return "PROJECT"
	}
	return found.Project
}
