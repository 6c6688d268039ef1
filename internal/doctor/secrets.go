package doctor

import (
	"bytes"
	"context"
	"errors"
	"sync"

	"github.com/rcshook/rcshook/internal/agent"
	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/google"
)

// wanted is a secret of Secret Manager that some setting names.
type wanted struct {
	secret config.Secret
	read   func(context.Context, config.Secret) (agent.Inspection, error)
	holds  string

	found agent.Inspection
	err   error
}

// wanted lists the secrets that the settings name, each once.
func (e *examination) wanted() []*wanted {
	var all []*wanted
	seen := make(map[config.Secret]bool)
	add := func(s config.Secret, holds string, read func(context.Context, config.Secret) (agent.Inspection, error)) {
		if s.IsResource() && !seen[s] {
			seen[s] = true
			all = append(all, &wanted{secret: s, read: read, holds: holds})
		}
	}
	for _, name := range e.agentNames() {
		a := e.cfg.Agents[name]
		add(a.ID, "an agent ID", e.agents.InspectAgentID)
		add(a.Credentials, "the key of ", e.agents.InspectKey)
	}
	add(e.cfg.APIKeys, "", e.agents.Inspect)
	for _, s := range e.sourceNames() {
		for _, secret := range e.file.Sources[s].Secrets {
			add(secret, "", e.agents.Inspect)
		}
	}
	for _, f := range e.fallbackList() {
		add(f.to.Secret, "", e.agents.Inspect)
	}
	return all
}

// readSecrets reads all secrets side by side. What has nothing to do with any of
// them is told once: as whom they are read, and whether Secret Manager answers.
func (e *examination) readSecrets(ctx context.Context) {
	all := e.wanted()
	if len(all) > 0 || e.anyDefault() {
		e.identify(ctx)
	}
	if len(all) == 0 {
		return
	}
	if e.failed(Identity, "") {
		for _, w := range all {
			e.skip(Secret, w.secret.String(), Identity, "")
		}
		return
	}
	bound, cancel := e.bound(ctx)
	defer cancel()
	var readers sync.WaitGroup
	for _, w := range all {
		readers.Go(func() { w.found, w.err = w.read(bound, w.secret) })
	}
	readers.Wait()
	e.manager(all)
	for _, w := range all {
		e.secret(ctx, w)
	}
}

// anyDefault reports whether an agent has no credentials of its own.
func (e *examination) anyDefault() bool {
	for _, a := range e.cfg.Agents {
		if a.Credentials == "" {
			return true
		}
	}
	return false
}

// manager tells what is the matter with Secret Manager itself.
func (e *examination) manager(all []*wanted) {
	for _, w := range all {
		if refused := (*google.SecretError)(nil); errors.As(w.err, &refused) && refused.IsPlatform() {
			e.add(Fault, SecretManager, "", e.explain(refused, ""), e.advise(refused)...)
			return
		}
	}
	e.add(OK, SecretManager, "", "it answers")
}

func (e *examination) secret(ctx context.Context, w *wanted) {
	subject := w.secret.String()
	version := "version " + w.found.Version
	refused := (*google.SecretError)(nil)
	switch {
	case w.err == nil:
		e.secrets[w.secret] = w.found
		if w.holds != "" {
			version += ", " + w.holds + w.found.Account
		}
		e.add(OK, Secret, subject, version)
	case !errors.As(w.err, &refused) || refused.IsPlatform():
		e.skip(Secret, subject, SecretManager, "")
	default:
		detail := e.explain(refused, "")
		if w.found.Version != "" {
			detail = version + ": " + detail
		}
		if refused.Reason == "not_json" && bytes.HasPrefix(bytes.TrimSpace(w.found.Value), []byte("{")) {
			detail += ": it begins as one and is broken or cut off"
		}
		next := e.advise(refused)
		bound, cancel := e.bound(ctx)
		defer cancel()
		if newest := e.agents.Newest(bound, w.secret, refused); newest != "" {
			detail += ", and version " + newest + " can be read"
		}
		e.add(Fault, Secret, subject, detail, next...)
	}
}

// value returns what a setting holds, if it could be read. Else it enters a check
// that is skipped.
func (e *examination) value(name, subject string, s config.Secret) ([]byte, bool) {
	if !s.IsResource() {
		return []byte(s.Literal()), true
	}
	if e.skip(name, subject, Secret, s.String()) {
		return nil, false
	}
	return e.secrets[s].Value, true
}
