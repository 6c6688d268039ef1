package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"

	"github.com/rcshook/rcshook/internal/client"
	"github.com/rcshook/rcshook/internal/googletest/platform"
	"github.com/rcshook/rcshook/internal/phone"
	"github.com/rcshook/rcshook/internal/server"
	"github.com/rcshook/rcshook/rbm/rbmtest"
)

// previewTo gets a message that is for nobody yet.
const previewTo = "+12025550123"

// preview shows the message on a phone: a function and a simulator that live as
// long as somebody looks at it, and that nothing outside this machine reaches.
func preview(ctx context.Context, o *sendOptions, ends streams) error {
	listener, err := listenAnywhere(ctx)
	if err != nil {
		return err
	}
	defer listener.Close()
	function, err := listenAnywhere(ctx)
	if err != nil {
		return err
	}
	defer function.Close()

	sim := platform.New(new(rbmtest.Simulator))
	defer sim.Close()
	h, agentID, err := rehearsed(ctx, sim, address(listener))
	if err != nil {
		return err
	}
	defer h.Close()
	sim.Page = phone.New(phone.Options{FunctionURL: address(function) + "/", APIKey: devKey, Agents: []phone.Agent{phone.Demo(agentID)}})
	failed := make(chan error, 2)
	go func() { failed <- http.Serve(listener, sim) }() //nolint:gosec // of this machine
	go func() { failed <- http.Serve(function, h) }()   //nolint:gosec // of this machine

	o.message.remove("agent") // there is one
	if !o.message.has("to") {
		o.message.remove("to")
		if err := o.message.set("to", previewTo); err != nil {
			return err
		}
	}
	c := client.Client{URL: address(function), Key: devKey}
	answer, err := c.Send(ctx, o.message.json(), "application/json", "")
	if err != nil {
		return err
	}
	printer := sendPrinter{ends: ends, by: "a simulator on this machine"}
	if !answer.OK {
		return printer.answer(answer, "")
	}
	printer.warnings(ends.out, &answer.Response)
	fmt.Fprintf(ends.out, "Open %s/ in a browser on this machine to see the message.\nNothing is sent. Ctrl-C stops the preview.\n", address(listener))
	select {
	case <-ctx.Done():
		return nil
	case err := <-failed:
		return err
	}
}

// rehearsed is a function that sends to a simulator, with what the environment says
// about messages.
func rehearsed(ctx context.Context, sim *platform.Platform, baseURL string) (*server.Server, string, error) {
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
	h, err := server.New(ctx, server.Options{Environ: environ, Log: io.Discard})
	return h, agentID, err
}

func listenAnywhere(ctx context.Context) (net.Listener, error) {
	return new(net.ListenConfig).Listen(ctx, "tcp", net.JoinHostPort(host, "0"))
}

func address(l net.Listener) string {
	return "http://" + strings.Replace(l.Addr().String(), host, "localhost", 1)
}
