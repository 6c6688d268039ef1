package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/rcshook/rcshook/internal/agent"
	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/google"
	"github.com/rcshook/rcshook/internal/response"
	"github.com/rcshook/rcshook/internal/webhook"
	"github.com/rcshook/rcshook/rbm"
)

var webhookCommand = command{
	name:    "webhook",
	summary: "connect an agent's webhook to the function",
	help: `Usage:

	rcshook webhook set|show|remove [-agent NAME] [-url URL] [-token SECRET] [-replace]
		[-env FILE] [-config rcshook.yaml] [-timeout 30s]

Makes RCS Business Messaging send the events of an agent to the function: receipts,
replies, and what users tap. It sends no message.

set creates the client token if its secret is empty or missing, checks that the function
accepts it, connects the webhook, and waits for the handshake of the platform. Run it
again after a change of the token: the function accepts all of its tokens, and the
platform then uses the first. show prints the webhook of the agent. remove
disconnects it. They use the agent's own credentials, with the scope
businesscommunications.

	-agent NAME
		the agent; the default is the agent called default
	-url URL
		the address of the webhook; the default is that of the function,
		RCSHOOK_URL with /events
	-token SECRET
		the client token, or the secret with it, instead of the agent's webhook_token
		or RCSHOOK_WEBHOOK_TOKEN
	-replace
		replace or remove a webhook with another address
	-env FILE, -config rcshook.yaml
		the settings, as for rcshook doctor
	-timeout 30s
		how long to wait for the function and the handshake
`,
	run: runWebhook,
}

// webhookRun is one run of the command.
type webhookRun struct {
	settingsFlags
	agentName, address, token string
	replace                   bool
	timeout                   time.Duration

	std       stdio
	account   string // service account of the function, if it is known
	cfg       config.Config
	transport http.RoundTripper
	agents    *agent.Directory
	client    *webhook.Client
	agentID   string
	name      string               // brands/*/agents/*
	old       *webhook.Integration // nil: there is none
}

func runWebhook(ctx context.Context, args []string, std stdio) error {
	w := &webhookRun{std: std}
	flags := newFlags("webhook")
	w.flags(flags)
	flags.StringVar(&w.agentName, "agent", config.DefaultAgent, "")
	flags.StringVar(&w.address, "url", "", "")
	flags.StringVar(&w.token, "token", "", "")
	flags.BoolVar(&w.replace, "replace", false, "")
	flags.DurationVar(&w.timeout, "timeout", 30*time.Second, "")
	rest, err := parseInterspersed(flags, args)
	if err != nil {
		return err
	}
	actions := map[string]func(context.Context) error{"set": w.set, "show": w.show, "remove": w.remove}
	if len(rest) != 1 || actions[rest[0]] == nil {
		return usageError("expected set, show or remove")
	}
	if w.timeout <= 0 {
		return usageError("-timeout must be positive")
	}
	transport := rbm.NewTransport()
	defer transport.CloseIdleConnections()
	w.transport = transport
	if err := w.openAgent(ctx); err != nil {
		return withAdvice(err)
	}
	defer w.agents.Close()
	if err := w.find(ctx); err != nil {
		return withAdvice(err)
	}
	return withAdvice(actions[rest[0]](ctx))
}

// asCommand changes advice for a function to advice for a command, which a person runs.
var asCommand = strings.NewReplacer("the service account of the function", "the account that runs this command", "serviceAccount:SERVICE_ACCOUNT", "user:YOUR_EMAIL")

// withAdvice adds the next step to an error of a secret or of the API.
func withAdvice(err error) error {
	if rejected, ok := errors.AsType[*google.SecretError](err); ok {
		return fmt.Errorf("%w; %s", err, asCommand.Replace(response.SecretAdvice(rejected)))
	}
	if e, ok := errors.AsType[*google.APIError](err); ok && e.HasReason(google.ReasonDisabled) {
		return fmt.Errorf("%w; enable it: gcloud services enable businesscommunications.googleapis.com --project=PROJECT_OF_THE_SERVICE_ACCOUNT", err)
	}
	return err
}

// hasSettings reports whether the environment has the settings of a function. Other
// commands read some of them too, but not these.
func hasSettings() bool { return os.Getenv("RCSHOOK_AGENT_ID")+os.Getenv("RCSHOOK_CONFIG") != "" }

// load reads the settings of a function, and its file.
func (f *settingsFlags) load(ctx context.Context, std stdio, transport http.RoundTripper) (cfg config.Config, account string, err error) {
	if f.env == "" && f.config == "" && !hasSettings() {
		return cfg, "", errors.New("no settings: set -env to those of the function, or to " + devSettings + " for rcshook dev")
	}
	environ, service, err := f.environ(ctx, std.in)
	if err != nil {
		return cfg, "", err
	}
	if cfg, err = config.FromEnviron(environ); err != nil || cfg.File == "" {
		return cfg, service.Account, err
	}
	name, data, err := agent.ReadFile(ctx, cfg, agent.Options{Transport: transport})
	if err != nil {
		return cfg, "", err
	}
	file, err := config.ParseFile(name, data)
	if err == nil {
		cfg, err = cfg.With(name, file)
	}
	return cfg, service.Account, err
}

// openAgent reads the settings and the ID of the agent.
func (w *webhookRun) openAgent(ctx context.Context) (err error) {
	if w.cfg, w.account, err = w.load(ctx, w.std, w.transport); err != nil {
		return err
	}
	name, ok := w.cfg.FindAgent(w.agentName)
	if !ok {
		return fmt.Errorf("agent %q is not configured; the agents are %s", w.agentName, strings.Join(slices.Sorted(maps.Keys(w.cfg.Agents)), ", "))
	}
	w.agentName = name
	if w.address == "" && w.cfg.URL != "" {
		w.address = w.cfg.URL + "/events"
	}
	if w.address != "" {
		if problem := config.CheckURL(w.address); problem != "" {
			return errors.New("the address of the webhook " + problem)
		}
	}
	w.agents = agent.New(w.cfg, agent.Options{Transport: w.transport})
	a, err := w.agents.Agent(ctx, name)
	if err != nil {
		w.agents.Close()
		return err
	}
	w.agentID = a.ID
	return nil
}

// find looks for the agent and its webhook.
func (w *webhookRun) find(ctx context.Context) (err error) {
	var key []byte
	if setting := w.cfg.Agents[w.agentName].Credentials; setting != "" {
		if key, err = w.agents.Secret(ctx, setting); err != nil {
			return err
		}
	}
	w.client = webhook.NewClient(w.cfg, key, w.transport)
	if w.name, err = w.client.FindAgent(ctx, w.agentID); err != nil {
		return err
	}
	w.old, err = w.client.Find(ctx, w.name)
	return err
}

func (w *webhookRun) show(context.Context) error {
	if w.old == nil {
		fmt.Fprintf(w.std.out, "agent %s has no webhook of its own; its events go to the webhook of the partner account, if there is one\n", w.agentName)
		return nil
	}
	whose := "the webhook of these settings"
	if w.old.Webhook.URL != w.address {
		whose = "not the webhook of these settings, " + cmp.Or(w.address, "which have no RCSHOOK_URL")
	}
	fmt.Fprintf(w.std.out, "agent %s: %s, %s\n  %s\n", w.agentName, w.old.Webhook.URL, w.old.Status, whose)
	return nil
}

var errNoAddress = errors.New("the address of the function is unknown; set RCSHOOK_URL to it, or -url to the address of the webhook")

// checkOld reports an error if there is a webhook with another address, unless it may be
// replaced.
func (w *webhookRun) checkOld() error {
	if w.address == "" {
		return errNoAddress
	}
	if w.old == nil || w.old.Webhook.URL == w.address {
		return nil
	}
	if !w.replace {
		return fmt.Errorf("agent %s has another webhook, %s; add -replace to replace or remove it", w.agentName, w.old.Webhook.URL)
	}
	fmt.Fprintf(w.std.out, `The old webhook of agent %[1]s was %[2]s. To restore it, store its client
token, which the platform does not show, in a secret, and run:

  rcshook webhook set -agent %[1]s -url '%[2]s' -token projects/PROJECT/secrets/SECRET -replace

`, w.agentName, strings.ReplaceAll(w.old.Webhook.URL, "'", `'\''`))
	return nil
}

func (w *webhookRun) remove(ctx context.Context) error {
	if w.old == nil {
		return w.show(ctx)
	}
	if err := w.checkOld(); err != nil {
		return err
	}
	if err := w.client.Delete(ctx, *w.old); err != nil {
		return fmt.Errorf("remove the webhook: %w", err)
	}
	fmt.Fprintf(w.std.out, "removed the webhook of agent %s: %s\n", w.agentName, w.old.Webhook.URL)
	return nil
}

func (w *webhookRun) set(ctx context.Context) error {
	if err := w.checkOld(); err != nil {
		return err
	}
	to := webhook.Address{URL: w.address}
	setting, err := w.readToken(ctx, &to, true)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, w.timeout)
	defer cancel()
	if err := retry(ctx, func() error { return webhook.Handshake(ctx, w.transport, to) }); err != nil {
		next := ""
		if name, _, _ := strings.Cut(setting.String(), "/versions/"); setting.IsResource() && errors.Is(err, webhook.ErrToken) {
			parts := strings.Split(name, "/")
			next = fmt.Sprintf("; grant the function access: gcloud secrets add-iam-policy-binding %s --project=%s --member=serviceAccount:%s --role=roles/secretmanager.secretAccessor",
				parts[3], parts[1], cmp.Or(w.account, "SERVICE_ACCOUNT"))
		}
		return fmt.Errorf("%s: %w%s", w.address, err, next)
	}
	fmt.Fprintf(w.std.out, "the function accepts the client token at %s\n", w.address)
	connected, err := w.client.Connect(ctx, w.name, w.old, to)
	if err != nil {
		return fmt.Errorf("connect the webhook: %w", err)
	}
	err = retry(ctx, func() error {
		if connected.Status == webhook.Enabled {
			return nil
		}
		found, err := w.client.Find(ctx, w.name)
		if err == nil && found != nil {
			connected = *found
		}
		if connected.Status != webhook.Enabled {
			err = fmt.Errorf("the webhook is %s: the handshake of the platform has failed; run the command again", cmp.Or(connected.Status, "without a status"))
		}
		return err
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(w.std.out, "the webhook of agent %s is %s\n", w.agentName, connected.Status)
	if w.old == nil {
		fmt.Fprintln(w.std.out, "If the partner account has a webhook, it no longer gets the events of this agent.")
	}
	return nil
}

// retry calls f until it succeeds, or until ctx ends. It returns the last error that is
// not the end of ctx.
func retry(ctx context.Context, f func() error) error {
	var last error
	for {
		err := f()
		if err == nil {
			return nil
		}
		if last == nil || ctx.Err() == nil {
			last = err
		}
		select {
		case <-ctx.Done():
			return last
		case <-time.After(2 * time.Second):
		}
	}
}

// readToken reads the client token. If its secret is missing, it can create it.
func (w *webhookRun) readToken(ctx context.Context, to *webhook.Address, create bool) (setting config.Secret, err error) {
	setting = config.Secret(config.Trim(w.token))
	if tokens := w.cfg.Agents[w.agentName].WebhookTokens; setting == "" && len(tokens) > 0 {
		setting = tokens[0]
	}
	if err := setting.Check(); err != nil {
		return "", fmt.Errorf("-token %w", err)
	}
	if setting = cmp.Or(setting, w.cfg.WebhookToken); setting == "" {
		return "", errors.New("RCSHOOK_WEBHOOK_TOKEN is missing; set it in the function and here to a secret, projects/PROJECT/secrets/SECRET, which rcshook webhook set creates")
	}
	if create {
		if _, err := createSecret(ctx, w.agents, setting, rand.Text(), "the client token", w.std.out); err != nil {
			return "", err
		}
	}
	found, err := w.agents.Inspect(ctx, setting)
	to.Token = webhook.FirstToken(found.Value)
	return setting, err
}

// createSecret stores a value as the first version of a secret if it has none, and reports
// whether it did. It does nothing for the number of a version.
func createSecret(ctx context.Context, agents *agent.Directory, setting config.Secret, value, what string, out io.Writer) (created bool, err error) {
	_, err = agents.Inspect(ctx, setting)
	rejected, _ := errors.AsType[*google.SecretError](err)
	if rejected == nil || rejected.Reason != "not_found" || strings.Contains(setting.String(), "/versions/") {
		return false, err
	}
	if err := webhook.CreateSecret(ctx, agents.Platform(), setting.String(), value); err != nil {
		parts := strings.Split(setting.String(), "/")
		return false, fmt.Errorf("create the secret of %s: %w; create it: openssl rand -hex 32 | gcloud secrets create %s --project=%s --data-file=-", what, err, parts[3], parts[1])
	}
	fmt.Fprintf(out, "created %s in %s\n", what, setting)
	return true, nil
}
