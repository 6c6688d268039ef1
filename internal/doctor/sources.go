package doctor

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/source"
	"github.com/rcshook/rcshook/internal/standardwebhook"
)

func (e *examination) sourceNames() []string { return slices.Sorted(maps.Keys(e.file.Sources)) }

// sources checks that each source compiles, and that its secrets are what its sender
// signs with.
func (e *examination) sources(ctx context.Context) {
	if e.cfg.File != "" && e.file.Sources == nil {
		e.skip(Source, "", File, "")
		return
	}
	for _, name := range e.sourceNames() {
		e.source(ctx, name)
	}
}

func (e *examination) source(ctx context.Context, name string) {
	c := e.file.Sources[name]
	agents := append(slices.Sorted(maps.Keys(e.file.Agents)), e.names...)
	opened, err := source.Open(map[string]config.Source{name: c}, source.Options{
		Secrets: e.agents.Secret, Agents: agents, GoogleEndpoint: e.cfg.OIDCEndpoint, Transport: e.watch,
	})
	for _, f := range faultsOf(err) {
		e.add(Fault, Source, name, f.String(), e.mendFile(e.fileName()))
	}
	if err != nil {
		return
	}
	s := opened.All()[0]
	for _, secret := range c.Secrets {
		value, ok := e.value(Source, name, secret)
		if !ok {
			return
		}
		if err := s.CheckSecret(value); err != nil {
			e.add(Fault, Source, name, fmt.Sprintf("the secret %s %v", secret, err), "Copy it from the settings of the sender, and store it: "+addVersion(secret.String())+" --data-file=FILE")
			return
		}
	}
	if s.UsesGoogleTokens() && !e.googleKeys(ctx, Source, name) {
		return
	}
	detail := "it compiles, and " + count(len(c.Secrets), "secret") + " can be used"
	if s.UsesGoogleTokens() {
		detail = "it compiles, and the tokens of Google can be checked"
	}
	if c.Preset != "" {
		detail = c.Preset + ": " + detail
	}
	e.add(OK, Source, name, detail)
}

func (e *examination) fileName() string {
	if e.cfg.File.IsResource() {
		return "rcshook.yaml"
	}
	return e.cfg.File.Literal()
}

// target is a fallback and whose it is.
type target struct {
	of string
	to *config.Fallback
}

func (e *examination) fallbackList() []target {
	var all []target
	for _, name := range e.agentNames() {
		if to := e.cfg.Agents[name].Fallback; to != nil {
			all = append(all, target{"agent " + name, to})
		}
	}
	for _, name := range e.sourceNames() {
		if to := e.file.Sources[name].Fallback; to != nil {
			all = append(all, target{"source " + name, to})
		}
	}
	return all
}

// fallbacks checks the secrets that requests to fallbacks are signed with. No
// fallback is called: it would take that for a message.
func (e *examination) fallbacks() {
	for _, f := range e.fallbackList() {
		value, ok := e.value(Fallback, f.of, f.to.Secret)
		if !ok {
			continue
		}
		if _, err := standardwebhook.DecodeSecret([]byte(config.Trim(string(value)))); err != nil {
			e.add(Fault, Fallback, f.of, fmt.Sprintf("its secret %v", err),
				`Make one and store it: echo "whsec_$(openssl rand -base64 32)" | `+addVersion(f.to.Secret.String())+" --data-file=-")
			continue
		}
		e.add(OK, Fallback, f.of, "its secret can be used; it was not called")
	}
}
