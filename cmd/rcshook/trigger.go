package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/rcshook/rcshook/internal/agent"
	"github.com/rcshook/rcshook/internal/code"
	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/events"
	"github.com/rcshook/rcshook/internal/server"
	targets "github.com/rcshook/rcshook/internal/target"
	"github.com/rcshook/rcshook/internal/webhook"
	"github.com/rcshook/rcshook/rbm"
)

var triggerCommand = command{
	name:    "trigger",
	summary: "send a sample event to the function or to a target",
	help: `Usage:

	rcshook trigger TYPE [-n 3] [-agent NAME] [-url URL] [-env FILE] [-config rcshook.yaml]
	rcshook trigger TYPE -to URL [-n 3]

Posts a sample event to the function, as RCS Business Messaging does: the function passes
it on to its targets. With -to, posts the event to any URL, as the function does. The
phone number of samples is fictional. TYPE is one of

	` + strings.Join(config.EventTypes[:8], ", ") + `,
	` + strings.Join(config.EventTypes[8:], ", ") + `

	-to URL
		post the event there, signed with RCSHOOK_EVENTS_SECRET if it is set
	-n 3
		the number of events
	-agent NAME
		the agent of the event; the default is the agent called default
	-url URL
		the address of the webhook; the default is that of the function,
		RCSHOOK_URL with /events
	-env FILE, -config rcshook.yaml
		the settings, as for rcshook doctor; without settings, those of rcshook dev
		on this machine
`,
	run: runTrigger,
}

// devSettings is the address of the settings of dev.
const devSettings = "http://localhost:8081" + envPath

func runTrigger(ctx context.Context, args []string, std stdio) error {
	var w webhookRun
	flags := newFlags("trigger")
	w.flags(flags)
	flags.StringVar(&w.agentName, "agent", config.DefaultAgent, "")
	flags.StringVar(&w.address, "url", "", "")
	to := flags.String("to", "", "")
	n := flags.Int("n", 1, "")
	rest, err := parseInterspersed(flags, args)
	if err != nil {
		return err
	}
	switch {
	case len(rest) != 1:
		return usageError(fmt.Sprintf("expected one type of event, got %d", len(rest)))
	case !slices.Contains(config.EventTypes, rest[0]):
		fix := "the types are " + strings.Join(config.EventTypes, ", ")
		if near := config.Closest(rest[0], config.EventTypes); near != "" {
			fix = "did you mean " + near + "?"
		}
		return usageError(fmt.Sprintf("unknown event type %q; %s", rest[0], fix))
	case *n < 1:
		return usageError("-n must be positive")
	}
	transport := rbm.NewTransport()
	defer transport.CloseIdleConnections()
	w.transport, w.std = transport, std
	var post func(eventType, id string) (string, error)
	if *to != "" {
		post, err = triggerTarget(ctx, *to, w.agentName, transport)
	} else {
		if w.env == "" && !hasSettings() {
			w.env = devSettings
		}
		post, err = w.triggerFunction(ctx)
	}
	for i := 0; i < *n && err == nil; i++ {
		var result string
		if result, err = post(rest[0], strings.ToLower(rand.Text()[:16])); err == nil {
			fmt.Fprintf(std.out, "%s: %s\n", rest[0], result)
		}
	}
	if err == nil && *to == "" {
		fmt.Fprintln(std.err, "The log of the function shows each target that rejected the event.")
	}
	return withAdvice(err)
}

// triggerTarget returns a function that delivers an event to a URL.
func triggerTarget(ctx context.Context, to, name string, transport *http.Transport) (func(eventType, id string) (string, error), error) {
	if problem := config.CheckURL(to); problem != "" {
		return nil, usageError("-to " + problem)
	}
	secret := config.Secret(config.Trim(os.Getenv("RCSHOOK_EVENTS_SECRET")))
	secrets := agent.New(config.Config{SecretManagerEndpoint: os.Getenv("RCSHOOK_SECRETMANAGER_ENDPOINT")}, agent.Options{Transport: transport})
	defer secrets.Close()
	if err := secret.Check(); err != nil {
		return nil, fmt.Errorf("RCSHOOK_EVENTS_SECRET %w", err)
	}
	if secret != "" {
		value, err := secrets.Secret(ctx, secret)
		if err != nil {
			return nil, err
		}
		secret = config.Secret(value)
	}
	t, invalid := targets.New(&config.Target{Name: "of -to", URL: config.Secret(to), Secret: secret}, targets.Options{
		Transport: transport, UserAgent: "rcshook/" + server.Version(), Now: time.Now,
		Secret: func(_ context.Context, s config.Secret) ([]byte, error) { return []byte(s.Literal()), nil },
	})
	if len(invalid) > 0 {
		return nil, errors.New("RCSHOOK_EVENTS_SECRET " + invalid[0].Detail)
	}
	return func(eventType, id string) (string, error) {
		e := events.Sample(eventType, name, "rcshook_demo_agent", id, time.Now())
		body, err := json.Marshal(e)
		if err != nil {
			return "", err
		}
		result := t.Deliver(ctx, e.ID, body)
		return fmt.Sprintf("HTTP %d", result.Status), result.Err
	}, nil
}

// triggerFunction returns a function that posts an event to the function.
func (w *webhookRun) triggerFunction(ctx context.Context) (func(eventType, id string) (string, error), error) {
	if err := w.openAgent(ctx); err != nil {
		return nil, err
	}
	defer w.agents.Close()
	to := webhook.Address{URL: w.address}
	if to.URL == "" {
		return nil, errNoAddress
	}
	if _, err := w.readToken(ctx, &to, false); err != nil {
		return nil, err
	}
	return func(eventType, id string) (string, error) {
		data, ok := events.SampleData(eventType, w.agentID, id, time.Now())
		if !ok {
			return "", fmt.Errorf("RCS Business Messaging sends no event %s; it comes from the function itself, so use -to", eventType)
		}
		response, err := webhook.PostEvent(ctx, w.transport, to, data)
		if err != nil {
			return "", fmt.Errorf("%s: %w", to.URL, err)
		}
		result := strings.TrimSpace(fmt.Sprintf("HTTP %d %s", response.Status, response.Code))
		if response.Code == code.TargetUnavailable {
			response.Message += "; read the cause in the log of the function"
		}
		if response.Code == code.Ignored && response.Agent == "" {
			return "", fmt.Errorf("%s: the function has no agent with the ID of agent %s; deploy it with these settings", result, w.agentName)
		}
		if response.Status != http.StatusOK || response.Code == "" {
			return "", fmt.Errorf("%s: %s", result, cmp.Or(response.Message, "expected a response of the function; is this its address?"))
		}
		return result, nil
	}, nil
}
