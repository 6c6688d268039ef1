package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strconv"

	"github.com/rcshook/rcshook/internal/googletest/platform"
	"github.com/rcshook/rcshook/internal/phone"
	"github.com/rcshook/rcshook/rbm/rbmtest"
)

// devOptions are the flags of dev.
type devOptions struct {
	port, simPort int

	agent  phone.Agent // how the phone shows the agent, but for its ID
	images bool

	config string // rcshook.yaml
	queue  bool

	webhook      string // where the simulator pushes what users do
	webhookToken string
}

func devFlags(args []string) (o devOptions, err error) {
	port := 8080
	if p := os.Getenv("PORT"); p != "" {
		if port, err = strconv.Atoi(p); err != nil {
			return o, usageError("the environment variable PORT is not a number")
		}
	}
	demo := phone.Demo("")
	flags := newFlags("dev")
	flags.IntVar(&o.port, "port", port, "`port` of the function; the environment variable PORT sets it too")
	flags.IntVar(&o.simPort, "sim-port", 8081, "`port` of the simulator")
	flags.StringVar(&o.agent.Name, "agent-name", demo.Name, "`name` of the agent on the phone")
	flags.StringVar(&o.agent.Color, "agent-color", demo.Color, "`color` of the agent on the phone, #rrggbb")
	flags.StringVar(&o.config, "config", "", "`file` with sources and agents, such as rcshook.yaml")
	flags.BoolVar(&o.queue, "queue", false, "let messages wait in a queue")
	flags.BoolVar(&o.images, "images", false, "let the phone load images from where they are")
	flags.StringVar(&o.webhook, "webhook", "", "`URL` of the agent's webhook, which gets what users do")
	flags.StringVar(&o.webhookToken, "webhook-token", "dev", "client `token` of the webhook")
	if err := parse(flags, args); err != nil {
		return o, err
	}
	switch {
	case flags.NArg() > 0:
		err = usageError(fmt.Sprintf("dev takes no argument, and there is %q", flags.Arg(0)))
	case o.port < 1 || o.port > 65535 || o.simPort < 1 || o.simPort > 65535:
		err = usageError("a port is a number from 1 to 65535")
	case o.port == o.simPort:
		err = usageError(fmt.Sprintf("the function and the simulator cannot both have port %d", o.port))
	case !hexColor.MatchString(o.agent.Color):
		err = usageError("-agent-color must be of the form #0b5c7a")
	}
	return o, err
}

var hexColor = regexp.MustCompile(`^#[0-9a-fA-F]{6}$`)

// page is the phone, on which one agent has a name.
func (o *devOptions) page(agentID string, sources []phone.Source) http.Handler {
	agent := o.agent
	agent.ID = agentID
	return phone.New(phone.Options{
		FunctionURL: fmt.Sprintf("http://localhost:%d/", o.port),
		APIKey:      devKey,
		Agents:      []phone.Agent{agent},
		Webhook:     o.webhook,
		Images:      o.images,
		Sources:     sources,
	})
}

// export tells how rcshook send and bulk find the function where they do not look by
// themselves.
func (o *devOptions) export() string {
	address := fmt.Sprintf("http://localhost:%d/", o.port)
	if address == localURL {
		return ""
	}
	return fmt.Sprintf("\nPoint rcshook send and bulk to it, in their terminal:\n\n  export %s=%s\n", envURL, address)
}

// connect begins to push to the webhook, if there is one.
func (o *devOptions) connect(ctx context.Context, sim *platform.Platform) error {
	if o.webhook == "" {
		return nil
	}
	if err := sim.Connect(ctx, rbmtest.WebhookConfig{URL: o.webhook, ClientToken: o.webhookToken}); err != nil {
		return fmt.Errorf("the webhook cannot be used: %w", err)
	}
	return nil
}
