package doctor

import (
	"context"
	"errors"
	"strings"

	"github.com/rcshook/rcshook/internal/google"
	"github.com/rcshook/rcshook/internal/google/platform"
	"github.com/rcshook/rcshook/internal/response"
)

// identify finds out as whom secrets are read, once, and reports whether they can be.
func (e *examination) identify(ctx context.Context) bool {
	if e.who != nil {
		return !e.failed(Identity, "")
	}
	ctx, cancel := e.bound(ctx)
	defer cancel()
	who, err := e.agents.Platform().Identity(ctx)
	e.who = &who
	refused := (*google.SecretError)(nil)
	switch {
	case errors.As(err, &refused) && e.blameClock(Identity, "", refused):
	case errors.As(err, &refused):
		detail := e.explain(refused, "")
		if who.Account != "" {
			detail = who.Account + ", from " + who.Origin + ": " + detail
		}
		e.add(Fault, Identity, "", detail, e.advise(refused)...)
	case err != nil:
		e.add(Fault, Identity, "", "no answer in time", "Try again with a longer -timeout")
	case who.Person:
		e.add(Warning, Identity, "", "your own account, from "+who.Origin+": whether the function may read its secrets is not seen", e.impersonate()...)
	case e.foreign():
		e.add(Warning, Identity, "", who.Name()+", while the function runs as "+e.Service.Account+": whether that one may read its secrets is not seen", e.impersonate()...)
	default:
		e.add(OK, Identity, "", who.Name()+", from "+who.Origin)
	}
	return refused == nil && err == nil
}

func (e *examination) impersonate() []string {
	account := e.Service.Account
	if account == "" {
		account = "SERVICE_ACCOUNT"
	}
	return []string{"To look as the function does: gcloud auth application-default login --impersonate-service-account=" + account}
}

// reader names who reads secrets.
func (e *examination) reader() string {
	switch {
	case e.who == nil || *e.who == (platform.Identity{}):
		return "the account"
	case e.who.Person:
		return "your own account"
	default:
		return e.who.Name()
	}
}

// advise is the next step after a secret could not be used, with names filled in
// where they are known.
func (e *examination) advise(refused *google.SecretError) []string {
	action := response.SecretAdvice(refused)
	switch who := e.who; {
	case who == nil || *who == (platform.Identity{}):
		if e.Service.Account != "" {
			action = strings.ReplaceAll(action, "SERVICE_ACCOUNT", e.Service.Account)
		}
	case e.foreign() && refused.Reason == "permission_denied":
		member := "user:YOUR_EMAIL"
		if who.Account != "" {
			member = "serviceAccount:" + who.Account
		}
		own := strings.NewReplacer("the service account of the function", "the account that looks here", "serviceAccount:SERVICE_ACCOUNT", member)
		return append([]string{own.Replace(action)}, e.impersonate()...)
	case who.Account != "":
		action = strings.ReplaceAll(action, "SERVICE_ACCOUNT", who.Account)
	}
	return []string{action}
}

// foreign reports whether the secrets are read as somebody else than the function.
func (e *examination) foreign() bool {
	return e.who.Person || e.Service.Account != "" && e.who.Account != e.Service.Account
}
