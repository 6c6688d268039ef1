package doctor

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/rcshook/rcshook/internal/agent"
	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/google"
	"github.com/rcshook/rcshook/internal/google/platform"
	"github.com/rcshook/rcshook/internal/response"
)

// identify checks the account that reads secrets, once, and reports whether it works.
func (e *run) identify(ctx context.Context) bool {
	if e.identity != nil {
		return !e.failed(Identity, "")
	}
	ctx, cancel := context.WithTimeout(ctx, e.Timeout)
	defer cancel()
	id, err := e.agents.Platform().Identity(ctx)
	e.identity = &id
	rejected, ok := errors.AsType[*google.SecretError](err)
	switch {
	case ok && e.skipForClock(Identity, "", rejected):
	case ok:
		detail := e.explain(rejected, "")
		if id.Account != "" {
			detail = id.Account + ", from " + id.Origin + ": " + detail
		}
		e.add(Error, Identity, "", detail, e.advise(rejected)...)
	case err != nil:
		e.add(Error, Identity, "", "timeout while getting credentials", "Try again with a longer -timeout")
	case id.Person:
		e.add(Warning, Identity, "", "your own account, from "+id.Origin+"; not checked: whether the function may read its secrets", e.impersonate())
	case e.usesOtherAccount():
		e.add(Warning, Identity, "", id.Name()+", but the function runs as "+e.Service.Account+"; not checked: whether that account may read the secrets", e.impersonate())
	default:
		e.add(OK, Identity, "", id.Name()+", from "+id.Origin)
	}
	return err == nil
}

func (e *run) impersonate() string {
	return "To check as the function: gcloud auth application-default login --impersonate-service-account=" + cmp.Or(e.Service.Account, "SERVICE_ACCOUNT")
}

// usesOtherAccount reports whether the function reads its secrets with another account.
func (e *run) usesOtherAccount() bool {
	return e.identity.Person || e.Service.Account != "" && e.identity.Account != e.Service.Account
}

// accountName returns the name of the account that reads secrets.
func (e *run) accountName() string {
	switch {
	case e.identity == nil || *e.identity == (platform.Identity{}):
		return "the account"
	case e.identity.Person:
		return "your own account"
	default:
		return e.identity.Name()
	}
}

// advise returns the next steps after an error of a secret, with the names of accounts.
func (e *run) advise(rejected *google.SecretError) []string {
	action := response.SecretAdvice(rejected)
	switch id := e.identity; {
	case id == nil || *id == (platform.Identity{}):
		if e.Service.Account != "" {
			action = strings.ReplaceAll(action, "SERVICE_ACCOUNT", e.Service.Account)
		}
	case e.usesOtherAccount() && rejected.Reason == "permission_denied":
		member := "user:YOUR_EMAIL"
		if id.Account != "" {
			member = "serviceAccount:" + id.Account
		}
		own := strings.NewReplacer("the service account of the function", "the account that runs doctor", "serviceAccount:SERVICE_ACCOUNT", member)
		return []string{own.Replace(action), e.impersonate()}
	case id.Account != "":
		action = strings.ReplaceAll(action, "SERVICE_ACCOUNT", id.Account)
	}
	return []string{action}
}

// reasons describe a [google.SecretError] by its reason. ACCOUNT is the account whose
// credentials are used. If the text ends with a colon, the cause is appended.
var reasons = map[string]string{
	"not_found":         "missing, or without a version",
	"permission_denied": "ACCOUNT may not read it, or it is missing: Secret Manager returns the same error in both cases",
	"api_disabled":      "the API of Secret Manager is not enabled in the project",
	"scope":             "the credentials of ACCOUNT lack the scope cloud-platform",
	"unauthenticated":   "Secret Manager rejects the credentials of ACCOUNT",
	"no_adc":            "Application Default Credentials are missing",
	"bad_adc":           "the credentials file is invalid",
	"adc_unavailable":   "the server that issues the access token does not respond:",
	"version_disabled":  "version VERSION is disabled",
	"version_destroyed": "version VERSION is destroyed",
	"bad_name":          "Secret Manager rejects its name",
	"empty":             "empty",
	"not_text":          ":",
	"not_agent_id":      "expected an agent ID:",
	"not_json":          "expected a key, which is a JSON file:",
	"unavailable":       "Secret Manager is unavailable:",
	"rate_limited":      "the quota of Secret Manager is exhausted",
	"timeout":           "timeout of Secret Manager",
	"unreachable":       "cannot connect to Secret Manager:",
	"checksum":          "the checksum does not match the content",
	"wrong_key_type":    ":",
	"missing_field":     "the key is incomplete:",
	"bad_private_key":   "the key is damaged:",
	"bad_token_uri":     ":",
	"invalid_grant":     "the token endpoint rejects the key of ACCOUNT (invalid_grant)",
}

// explain describes an error. An empty account means the one that reads secrets.
func (e *run) explain(rejected *google.SecretError, account string) string {
	text, ok := reasons[rejected.Reason]
	if !ok {
		text = "the token endpoint rejects the credentials of ACCOUNT (" + rejected.Reason + ")"
	}
	text = strings.NewReplacer("ACCOUNT", cmp.Or(account, e.accountName()), "VERSION", cmp.Or(rejected.Version, "named in the setting")).Replace(text)
	if text, ok := strings.CutSuffix(text, ":"); ok {
		if rejected.Err == nil {
			return text
		}
		return strings.TrimPrefix(text+": "+rejected.Err.Error(), ": ")
	}
	return text
}

// secretCheck is a secret that some setting names.
type secretCheck struct {
	secret config.Secret
	read   func(context.Context, config.Secret) (agent.Inspection, error)
	suffix string

	// isStoreKey reports whether it names the objects of a store of opt-outs.
	isStoreKey bool

	found agent.Inspection
	err   error
}

// readSecrets checks all secrets concurrently. The account that reads them and Secret
// Manager itself are checked separately.
func (e *run) readSecrets(ctx context.Context) {
	var all []*secretCheck
	seen := make(map[config.Secret]bool)
	add := func(s config.Secret, content string, read func(context.Context, config.Secret) (agent.Inspection, error)) {
		if s.IsResource() && !seen[s] {
			seen[s] = true
			all = append(all, &secretCheck{secret: s, read: read, suffix: content})
		}
	}
	needIdentity := false
	for _, name := range e.agentNames() {
		a := e.cfg.Agents[name]
		add(a.ID, ", an agent ID", e.agents.InspectAgentID)
		add(a.Credentials, ", the key of ", e.agents.InspectKey)
		for _, token := range e.tokens(name) {
			add(token, "", e.agents.Inspect)
		}
		needIdentity = needIdentity || a.Credentials == ""
	}
	add(e.cfg.APIKeys, "", e.agents.Inspect)
	for _, name := range slices.Sorted(maps.Keys(e.file.Callers)) {
		for _, key := range e.file.Callers[name].Keys {
			add(key, "", e.agents.Inspect)
		}
	}
	for _, s := range e.sourceNames() {
		for _, secret := range e.file.Sources[s].Secrets {
			add(secret, "", e.agents.Inspect)
		}
	}
	var targets []*config.Target
	fallbacks := e.allFallbacks()
	for _, name := range slices.Sorted(maps.Keys(fallbacks)) {
		targets = append(targets, fallbacks[name])
	}
	for _, name := range slices.Sorted(maps.Keys(e.cfg.Events)) {
		targets = append(targets, e.cfg.Events[name])
		needIdentity = needIdentity || e.cfg.Events[name].Topic != ""
	}
	for _, b := range e.brands() {
		if n := len(all); b.OptOut.Key != "" {
			if add(b.OptOut.Key, "", e.agents.Inspect); len(all) > n {
				all[n].isStoreKey = true
			}
		}
		if b.OptOut.Store.Lookup != nil {
			targets = append(targets, b.OptOut.Store.Lookup)
		}
	}
	for _, t := range targets {
		for _, s := range t.Secrets() {
			add(s, "", e.agents.Inspect)
		}
	}
	if len(all) > 0 || needIdentity {
		e.identify(ctx)
	}
	if len(all) == 0 {
		return
	}
	if e.failed(Identity, "") {
		for _, s := range all {
			e.skip(Secret, s.secret.String(), Identity, "")
		}
		return
	}
	bound, cancel := context.WithTimeout(ctx, e.Timeout)
	defer cancel()
	var readers sync.WaitGroup
	for _, s := range all {
		readers.Go(func() { s.found, s.err = s.read(bound, s.secret) })
	}
	readers.Wait()
	e.secretManager(all)
	for _, s := range all {
		e.secret(ctx, s)
	}
}

// secretManager infers the state of Secret Manager from the errors of all secrets.
func (e *run) secretManager(all []*secretCheck) {
	for _, s := range all {
		if rejected, ok := errors.AsType[*google.SecretError](s.err); ok && rejected.IsPlatform() {
			e.add(Error, SecretManager, "", e.explain(rejected, ""), e.advise(rejected)...)
			return
		}
	}
	e.add(OK, SecretManager, "", "responds")
}

func (e *run) secret(ctx context.Context, s *secretCheck) {
	subject := s.secret.String()
	version := "version " + s.found.Version
	rejected, ok := errors.AsType[*google.SecretError](s.err)
	switch {
	case s.err == nil:
		e.secrets[s.secret] = s.found
		e.add(OK, Secret, subject, version+s.suffix+s.found.Account)
	case !ok || rejected.IsPlatform():
		e.skip(Secret, subject, SecretManager, "")
	default:
		detail := e.explain(rejected, "")
		if s.found.Version != "" {
			detail = version + ": " + detail
		}
		if rejected.Reason == "not_json" && bytes.HasPrefix(bytes.TrimSpace(s.found.Value), []byte("{")) {
			detail += ": the JSON is invalid or truncated"
		}
		bound, cancel := context.WithTimeout(ctx, e.Timeout)
		defer cancel()
		if newest := e.agents.Newest(bound, s.secret, rejected); newest != "" {
			detail += "; version " + newest + " is readable"
		}
		next := e.advise(rejected)
		if s.isStoreKey && rejected.Reason == "not_found" {
			next = []string{"Create it, with the same -env: rcshook optouts init"}
		}
		e.add(Error, Secret, subject, detail, next...)
	}
}

// value returns the value of a setting. If its secret could not be read, value adds a
// skipped check.
func (e *run) value(name, subject string, s config.Secret) ([]byte, bool) {
	if !s.IsResource() {
		return []byte(s.Literal()), true
	}
	if e.skip(name, subject, Secret, s.String()) {
		return nil, false
	}
	return e.secrets[s].Value, true
}
