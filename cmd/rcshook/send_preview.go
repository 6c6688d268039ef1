package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"

	"github.com/cli/browser"

	"github.com/rcshook/rcshook"
	"github.com/rcshook/rcshook/internal/client"
	"github.com/rcshook/rcshook/internal/phone"
	"github.com/rcshook/rcshook/rbm/rbmtest"
)

// previewTo gets a message that is for nobody yet.
const previewTo = "+12025550123"

// preview shows the message on a phone: a function and a simulator that live as
// long as somebody looks at it, and that nothing outside this machine reaches.
func preview(ctx context.Context, o *sendOptions, ends streams) error {
	platform, err := listenAnywhere(ctx)
	if err != nil {
		return err
	}
	defer platform.Close()
	function, err := listenAnywhere(ctx)
	if err != nil {
		return err
	}
	defer function.Close()

	sim := new(rbmtest.Simulator)
	defer sim.Close()
	h, agentID, err := rehearsed(sim, address(platform))
	if err != nil {
		return err
	}
	defer h.Close()
	sim.Page = phone.New(phone.Options{FunctionURL: address(function) + "/", APIKey: devKey, Agents: []phone.Agent{phone.Demo(agentID)}})
	failed := make(chan error, 2)
	go func() { failed <- http.Serve(platform, sim) }() //nolint:gosec // of this machine
	go func() { failed <- http.Serve(function, h) }()   //nolint:gosec // of this machine

	o.message.Remove("agent") // there is one
	if !o.message.Has("to") {
		o.message.Remove("to")
		if err := o.message.Set("to", previewTo); err != nil {
			return err
		}
	}
	c := client.Client{URL: address(function), Key: devKey}
	answer, err := c.Send(ctx, o.message.JSON(), "application/json", "")
	if err != nil {
		return err
	}
	printer := sendPrinter{ends: ends, by: "a simulator on this machine"}
	if !answer.OK {
		return printer.answer(answer, "")
	}
	printer.warnings(ends.out, &answer.Answer)
	show(ends.out, address(platform)+"/")
	select {
	case <-ctx.Done():
		return nil
	case err := <-failed:
		return err
	}
}

// rehearsed is a function that sends to a simulator, with what the environment says
// about messages.
func rehearsed(sim *rbmtest.Simulator, baseURL string) (*rcshook.Handler, string, error) {
	agentID := sim.Provision(baseURL).AgentID
	environ := []string{
		"RCSHOOK_AGENT_ID=" + agentID,
		"RCSHOOK_CREDENTIALS=" + string(sim.KeyFile(baseURL)),
		"RCSHOOK_API_KEYS=" + devKey,
		"RCSHOOK_RBM_ENDPOINT=" + baseURL,
	}
	for _, name := range []string{"RCSHOOK_COUNTRY", "RCSHOOK_TRAFFIC", "RCSHOOK_TTL"} {
		environ = append(environ, name+"="+os.Getenv(name))
	}
	h, err := rcshook.New(environ, io.Discard)
	return h, agentID, err
}

// show opens a page, and says where it is in case that nothing opens.
func show(out io.Writer, address string) {
	browser.Stdout, browser.Stderr = io.Discard, io.Discard
	how := "It opens in your browser."
	if err := browser.OpenURL(address); err != nil {
		how = "Open it in a browser on this machine."
	}
	fmt.Fprintf(out, "This is how it looks: %s\n%s Nothing is sent. Ctrl-C ends it.\n", address, how)
}

func listenAnywhere(ctx context.Context) (net.Listener, error) {
	return new(net.ListenConfig).Listen(ctx, "tcp", net.JoinHostPort(host, "0"))
}

func address(l net.Listener) string {
	return "http://" + strings.Replace(l.Addr().String(), host, "localhost", 1)
}
