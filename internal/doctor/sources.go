package doctor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/googletest/token"
	"github.com/rcshook/rcshook/internal/source"
	"github.com/rcshook/rcshook/internal/target"
	"github.com/rcshook/rcshook/rbm"
)

// callers checks the authentication of each caller.
func (e *run) callers(ctx context.Context) {
	if e.cfg.AllowUnauthenticated {
		steps, secret := e.createKey()
		next := []string{
			"Check that Cloud Run admits your callers only, and not allUsers: " + strings.Replace(e.Service.update(), "services update", "services get-iam-policy", 1),
			"Or require keys. " + steps[0],
		}
		next = append(next, steps[1:]...)
		next = append(next, "Set it: "+e.Service.update()+" --remove-env-vars=RCSHOOK_ALLOW_UNAUTHENTICATED --update-env-vars=RCSHOOK_API_KEYS="+secret)
		e.add(Warning, Callers, "", "rcshook requires no key (RCSHOOK_ALLOW_UNAUTHENTICATED): any client that reaches the function can send", next...)
		return
	}
	if e.skip(Callers, "", Environment, "") {
		return
	}
	all := []config.Caller{{Emails: e.cfg.Emails}}
	if e.cfg.APIKeys != "" {
		all[0].Keys = []config.Secret{e.cfg.APIKeys}
	}
	for _, name := range slices.Sorted(maps.Keys(e.file.Callers)) {
		all = append(all, e.file.Callers[name])
	}
	owners := make(map[string]source.Keys) // by the name of the caller
	for _, c := range all {
		if len(c.Keys)+len(c.Emails) > 0 {
			e.caller(ctx, c, owners)
		}
	}
}

// caller checks the keys and accounts of one caller, and adds the keys to those of the
// others. The caller of the environment has no name.
func (e *run) caller(ctx context.Context, c config.Caller, owners map[string]source.Keys) {
	var found, warnings, next []string
	var text []byte
	for _, secret := range c.Keys {
		value, ok := e.value(Callers, c.Name, secret)
		if !ok {
			return
		}
		store := "openssl rand -base64 32 | " + addVersion(secret.String()) + " --data-file=-"
		keys := source.ParseKeys(value)
		if keys.Empty() {
			e.add(Error, Callers, c.Name, "the secret of the API keys contains no key", "Store a key: "+store)
			return
		}
		for _, name := range slices.Sorted(maps.Keys(owners)) {
			if keys.Overlap(owners[name]) {
				e.add(Error, Callers, c.Name, "caller "+cmp.Or(name, config.DefaultCaller)+" has the same key", "Store a key of its own: "+store)
				return
			}
		}
		if weak := keys.Warnings(); len(weak) > 0 && (secret.IsResource() || !config.IsLoopback(e.cfg.RBMEndpoint)) { // a key of rcshook dev may be short
			warnings = append(warnings, weak...)
			next = []string{"Store long random keys, each on its own line: " + store}
		}
		text = append(append(text, value...), '\n')
	}
	if owners[c.Name] = source.ParseKeys(text); len(c.Keys) > 0 {
		found = append(found, Count(owners[c.Name].Len(), "API key"))
	}
	if len(c.Emails) > 0 {
		if !e.googleKeys(ctx, Callers, c.Name) {
			return
		}
		found = append(found, "ID tokens of "+Count(len(c.Emails), "account"))
	}
	state := OK
	if len(warnings) > 0 {
		state = Warning
	}
	e.add(state, Callers, c.Name, strings.Join(append([]string{strings.Join(append(found, c.Limits()...), ", ")}, warnings...), "; "), next...)
}

// createKey returns the steps that create the first API key in a secret, and the name of
// that secret.
func (e *run) createKey() (steps []string, secret string) {
	name := cmp.Or(e.Service.Name, "rcshook") + "-api-keys" // the name in deploy.sh
	project := cmp.Or(e.Service.Project, "PROJECT")
	return []string{
		"Create an API key, which is any long random text: openssl rand -base64 32 | gcloud secrets create " + name + " --project=" + project + " --data-file=-",
		"Grant the function access to it: gcloud secrets add-iam-policy-binding " + name + " --project=" + project +
			" --member=serviceAccount:" + cmp.Or(e.Service.Account, "SERVICE_ACCOUNT") + " --role=roles/secretmanager.secretAccessor",
	}, "projects/" + project + "/secrets/" + name
}

// googleKeys checks that ID tokens can be verified: Google's public keys must be
// available to reject a forged one. If they are not, googleKeys adds an error.
func (e *run) googleKeys(ctx context.Context, name, subject string) bool {
	const audience, email = "doctor", "doctor@example.com"
	issuer, err := token.NewIssuer()
	if err == nil {
		bound, cancel := context.WithTimeout(ctx, e.Timeout)
		defer cancel()
		now := time.Now()
		header := http.Header{"Authorization": {"Bearer " + issuer.Token(audience, email, now)}}
		tokens := source.NewGoogleTokens(e.cfg.OIDCEndpoint, e.transport, []string{audience}, []string{email})
		err = tokens.Verify(bound, header, now)
	}
	if errors.Is(err, source.ErrSignature) {
		return true
	}
	next := "Allow connections to www.googleapis.com on port 443: curl -sS https://www.googleapis.com/oauth2/v3/certs"
	if e.cfg.OIDCEndpoint != "" {
		next = "Remove RCSHOOK_OIDC_ENDPOINT to fetch them from Google: " + e.Service.update() + " --remove-env-vars=RCSHOOK_OIDC_ENDPOINT"
	}
	e.add(Error, name, subject, "ID tokens cannot be verified: "+source.ErrKeys.Error(), next)
	return false
}

func (e *run) sourceNames() []string { return slices.Sorted(maps.Keys(e.file.Sources)) }

// sources checks that each source compiles and that its secrets are valid.
func (e *run) sources(ctx context.Context) {
	if e.cfg.File != "" && e.file.Sources == nil {
		e.skip(Source, "", File, "")
		return
	}
	for _, name := range e.sourceNames() {
		e.source(ctx, name)
	}
}

func (e *run) source(ctx context.Context, name string) {
	c := e.file.Sources[name]
	agents := append(slices.Sorted(maps.Keys(e.file.Agents)), e.names...)
	opened, err := source.Open(map[string]config.Source{name: c}, source.Options{
		Secrets: e.agents.Secret, Agents: agents, GoogleEndpoint: e.cfg.OIDCEndpoint, Transport: e.transport,
	})
	if err != nil {
		file := "rcshook.yaml"
		if !e.cfg.File.IsResource() {
			file = e.cfg.File.Literal()
		}
		for _, p := range problems(err) {
			e.add(Error, Source, name, p.String(), e.fixFile(file))
		}
		return
	}
	s := opened.All()[0]
	for _, secret := range c.Secrets {
		value, ok := e.value(Source, name, secret)
		if !ok {
			return
		}
		if err := s.CheckSecret(value); err != nil {
			next := "Copy it from the settings of the sender, and store it: " + addVersion(secret.String()) + " --data-file=FILE"
			if s.HasToken() {
				next = "Store a random token, and give the sender the new URL: openssl rand -hex 32 | " + addVersion(secret.String()) + " --data-file=-"
			}
			e.add(Error, Source, name, fmt.Sprintf("the secret %s %v", secret, err), next)
			return
		}
	}
	if s.UsesGoogleTokens() && !e.googleKeys(ctx, Source, name) {
		return
	}
	detail := "valid, with " + Count(len(c.Secrets), "secret")
	if s.UsesGoogleTokens() {
		detail = "valid, with ID tokens of Google"
	}
	if len(c.Topics) > 0 {
		detail = "valid, with signatures of Amazon SNS"
	}
	if c.Preset != "" && c.Preset != c.Name {
		detail = c.Preset + ": " + detail
	}
	e.add(OK, Source, name, detail)
}

// allFallbacks returns the fallbacks by the names of their agents and sources.
func (e *run) allFallbacks() map[string]*config.Target {
	all := make(map[string]*config.Target)
	agents := e.cfg.Agents
	if e.failed(File, "") {
		agents = e.file.Agents
	}
	for name, a := range agents {
		all["agent "+name] = a.Fallback
	}
	for name, s := range e.file.Sources {
		all["source "+name] = s.Fallback
	}
	maps.DeleteFunc(all, func(_ string, f *config.Target) bool { return f == nil })
	return all
}

// targets checks the targets of events and the fallbacks. It does not call them, because
// they would take that for an event or a message. In a file with errors, it checks only
// their programs.
func (e *run) targets(ctx context.Context) {
	broken := e.failed(File, "")
	if broken && e.file.Events != nil {
		e.cfg.Events = e.file.Events
	}
	fallbacks := e.allFallbacks()
	for _, name := range slices.Sorted(maps.Keys(fallbacks)) {
		e.target(ctx, Fallback, name, fallbacks[name])
	}
	for _, name := range slices.Sorted(maps.Keys(e.cfg.Events)) {
		e.target(ctx, Target, name, e.cfg.Events[name])
	}
	if broken {
		return
	}
	ids := make(map[string]string)
	for _, name := range e.agentNames() {
		if e.failed(Agent, name) || len(e.cfg.Events) == 0 {
			continue
		}
		if a, err := e.agents.Agent(ctx, name); err == nil { // its secrets were read before
			ids[name] = a.ID
		}
	}
	for _, w := range e.cfg.EventWarnings(ids) {
		e.add(Warning, Target, "", w, "Change rcshook.yaml, run rcshook check, and deploy again")
	}
}

// openTarget returns a target with the secrets that were read.
func (e *run) openTarget(c *config.Target, fallback bool) (*target.Target, []config.Problem) {
	return target.New(c, target.Options{Transport: rbm.NewTransport(), Now: time.Now, Fallback: fallback, Secret: func(_ context.Context, s config.Secret) ([]byte, error) {
		if s.IsResource() {
			return e.secrets[s].Value, nil
		}
		return []byte(s.Literal()), nil
	}})
}

func (e *run) target(ctx context.Context, check, name string, c *config.Target) {
	var steps []string
	t, invalid := e.openTarget(c, check == Fallback)
	for _, p := range invalid {
		next := []string{e.fixFile(cmp.Or(e.cfg.File.Literal(), "rcshook.yaml"))}
		if p.File == "" {
			next = e.fixSettings([]config.Problem{p})
		}
		e.add(Error, check, name, p.String(), next...)
	}
	if len(invalid) > 0 || e.skip(check, name, File, "") {
		return
	}
	for _, s := range c.Secrets() {
		switch {
		case !s.IsResource():
			continue
		case e.skip(check, name, Secret, s.String()):
			return
		case s == c.Secret:
			steps = append(steps, `Create the key of the signature, if it is invalid: echo "whsec_$(openssl rand -base64 32)" | `+addVersion(s.String())+" --data-file=-")
		default:
			steps = append(steps, "Store another value, if it is invalid: "+addVersion(s.String())+" --data-file=-")
		}
	}
	err := t.Check(ctx)
	switch {
	case err != nil:
		e.add(Error, check, name, strings.ReplaceAll(errors.Unwrap(err).Error(), "\n", "; "), steps...) // without the name
	case c.Topic != "":
		e.topic(ctx, name, c.Topic)
	default:
		detail := "valid"
		if len(steps) > 0 {
			detail += ", with " + Count(len(steps), "secret")
		}
		e.add(OK, check, name, detail+"; not called")
	}
}

// missingPermissions returns the permissions that the account lacks on a resource with that
// URL; all after an error.
//
// Google docs: https://docs.cloud.google.com/pubsub/docs/reference/rest/v1/projects.topics/testIamPermissions
// Google docs: https://docs.cloud.google.com/tasks/docs/reference/rest/v2/projects.locations.queues/testIamPermissions
func (e *run) missingPermissions(ctx context.Context, resource string, permissions ...string) ([]string, error) {
	var granted struct {
		Permissions []string `json:"permissions"`
	}
	ctx, cancel := context.WithTimeout(ctx, e.Timeout)
	defer cancel()
	err := e.agents.Platform().Call(ctx, http.MethodPost, resource+":testIamPermissions", map[string]any{"permissions": permissions}, &granted)
	return slices.DeleteFunc(slices.Clone(permissions), func(p string) bool { return slices.Contains(granted.Permissions, p) }), err
}

// topic checks that the account may publish to a topic.
func (e *run) topic(ctx context.Context, name, topic string) {
	if e.skip(Target, name, Identity, "") {
		return
	}
	missing, err := e.missingPermissions(ctx, cmp.Or(e.cfg.PubSubEndpoint, "https://pubsub.googleapis.com")+"/v1/"+topic, "pubsub.topics.publish")
	project, id, _ := strings.Cut(strings.TrimPrefix(topic, "projects/"), "/topics/")
	switch {
	case err != nil:
		e.add(Error, Target, name, topic+": Pub/Sub: "+err.Error(), "Check that Pub/Sub is enabled, and try again later: gcloud services enable pubsub.googleapis.com --project="+project)
	case len(missing) > 0:
		e.add(Error, Target, name, topic+" is missing, or "+e.accountName()+" may not publish to it",
			"Create the topic, if it is missing: gcloud pubsub topics create "+id+" --project="+project,
			"Grant the function access: gcloud pubsub topics add-iam-policy-binding "+id+" --project="+project+" --member=serviceAccount:"+e.functionAccount()+" --role=roles/pubsub.publisher")
	default:
		e.add(OK, Target, name, topic+": "+e.accountName()+" may publish")
	}
}
