package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rcshook/rcshook/internal/client"
	"github.com/rcshook/rcshook/internal/code"
	"github.com/rcshook/rcshook/internal/googletest/platform"
	"github.com/rcshook/rcshook/internal/payload"
	"github.com/rcshook/rcshook/internal/phone"
	"github.com/rcshook/rcshook/internal/server"
	"github.com/rcshook/rcshook/rbm/rbmtest"
)

// The exit codes of send, by the next step.
const (
	exitNoResponse = 1
	exitNever      = 3 // change the message
	exitRetry      = 4 // send it again
	exitFix        = 5 // fix the setup and send it again
)

var exitCodes = map[code.Retry]int{
	code.RetryNone: 0, code.RetryNever: exitNever, code.RetryNow: exitRetry, code.RetryLater: exitRetry, code.RetryAfterFix: exitFix,
}

var sendCommand = command{
	name:    "send",
	summary: "send a message, with or without a function",
	help: `Usage:

	rcshook send [FLAGS] [message.json] [FIELD=VALUE ...]

Sends one message through a function, by default that of rcshook dev:

	rcshook send -to +12025550123 -text "Your order has shipped" -button "Track|https://example.com"
	rcshook send message.json -to +12025550123 -dry-run
	generate | rcshook send -to +12025550123 -

The message is a payload, from a file or from standard input (-, or a pipe if nothing
else is given). Every field of the payload is a flag too: -title, -image, -ttl,
-expires-at and so on; -to, -button and -chip may be repeated. Any field can also be
written as FIELD=VALUE, such as card1_title=Shoe. Flags and fields replace those of
the file.

	-dry-run
		check everything, send nothing, and show the message
	-preview
		show the message on a phone in a browser; nothing leaves this machine
	-direct
		send without a function, straight to RCS Business Messaging, with the
		settings of a function in the environment: RCSHOOK_AGENT_ID,
		RCSHOOK_CREDENTIALS and so on
	-json
		print the response of the function, one JSON object
	-timeout 2m
		how long to wait for the response
	-idempotency-key KEY
		stands for one message: sent again with the same key, it arrives once,
		and another message with that key does not arrive. Name the message,
		such as order-1042-shipped. Without a key, send generates one, and
		prints it if sending again makes sense
` + targetUsage + `
Exit codes: 0 done (accepted, a duplicate, a dry run), 1 no response from a function,
or an unreadable file, 2 wrong usage, 3 this message can never be sent, 4 send it
again later, 5 send it again after fixing the setup. With several recipients, the code
that most recommends sending again wins: no recipient gets a message twice.
`,
	run: send,
}

// sendOptions are the flags of send that are not fields of the payload.
type sendOptions struct {
	target
	direct, preview, json bool
	timeout               time.Duration
	message               *draft
	key                   string // generated if the message has none
}

func send(ctx context.Context, args []string, std stdio) error {
	o, err := parseSendFlags(args, std.in)
	if err != nil {
		return err
	}
	if o.preview {
		return preview(ctx, o, std)
	}
	if !o.message.has("idempotency_key") && !o.message.has("message_id") {
		o.key = "send-" + strings.ToLower(rand.Text())
	}
	ctx, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	printer := sendPrinter{stdio: std, json: o.json, key: o.key}
	if o.direct {
		return sendDirect(ctx, o, &printer)
	}
	c, err := o.client()
	if err != nil {
		return err
	}
	printer.by = o.url
	res, err := c.Send(ctx, o.message.json(), "application/json", o.key)
	if err != nil {
		return printer.noResponse(err)
	}
	return printer.response(res, "")
}

// sendDirect sends with a function in this process, and prints the cause of a failure
// from its log, which a caller of a deployed function cannot see.
func sendDirect(ctx context.Context, o *sendOptions, printer *sendPrinter) error {
	var log bytes.Buffer
	h, err := server.New(ctx, server.Options{Environ: directSettings(os.Environ()), Log: &log})
	if err != nil {
		return err
	}
	printer.by = "this machine, directly to RCS Business Messaging"
	c := client.Client{URL: localURL, HTTP: client.Local(h)}
	res, err := c.Send(ctx, o.message.json(), "application/json", o.key)
	h.Close()
	if err != nil {
		return printer.noResponse(err)
	}
	lines := strings.Split(strings.TrimSpace(log.String()), "\n")
	var line struct{ Cause string }
	_ = json.Unmarshal([]byte(lines[len(lines)-1]), &line) // the cause is optional
	return printer.response(res, line.Cause)
}

// directSettings returns the settings of a function that is called by this process only.
func directSettings(environ []string) []string {
	environ = slices.DeleteFunc(slices.Clone(environ), func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		switch name {
		case "RCSHOOK_API_KEYS", "RCSHOOK_OIDC_AUDIENCE", "RCSHOOK_OIDC_EMAILS", "RCSHOOK_ALLOW_UNAUTHENTICATED":
			return true
		}
		return false
	})
	return append(environ, "RCSHOOK_ALLOW_UNAUTHENTICATED=true")
}

func parseSendFlags(args []string, in io.Reader) (*sendOptions, error) {
	o := &sendOptions{message: new(draft)}
	flags := newFlags("send")
	o.flags(flags)
	flags.BoolVar(&o.direct, "direct", false, "")
	flags.BoolVar(&o.preview, "preview", false, "")
	flags.BoolVar(&o.json, "json", false, "")
	flags.DurationVar(&o.timeout, "timeout", 2*time.Minute, "")
	var fields []field
	addFields(flags, func(f field) { fields = append(fields, f) })
	file := ""
	rest, err := parseInterspersed(flags, args)
	if err != nil {
		return nil, err
	}
	for _, arg := range rest {
		if key, value, ok := strings.Cut(arg, "="); ok && fieldName.MatchString(key) {
			fields = append(fields, field{key, value})
			continue
		}
		if file != "" {
			return nil, usageError(fmt.Sprintf("expected one file, got %q and %q; write a field as text=Hello", file, arg))
		}
		file = arg
	}
	if file == "" && len(fields) == 0 {
		file = "-"
		if isTerminal(in) {
			return nil, usageError("the message is missing: give its fields, such as -to and -text, or a file")
		}
	}
	if err := o.read(file, in); err != nil {
		return nil, err
	}
	for _, f := range fields {
		if err := o.message.set(f.key, f.value); err != nil {
			return nil, usageError(err.Error())
		}
	}
	flags.Visit(func(f *flag.Flag) {
		switch name := f.Name; {
		case o.preview && slices.Contains([]string{"direct", "json", "url", "key", "token", "dry-run"}, name):
			err = usageError("-preview sends nothing, so -" + name + " has no effect: remove one of them")
		case o.direct && slices.Contains([]string{"url", "key", "token"}, name):
			err = usageError("-direct calls no function, so -" + name + " has no effect: remove one of them")
		}
	})
	if o.timeout <= 0 {
		err = usageError("-timeout must be positive")
	}
	return o, err
}

var fieldName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_.\-\[\]]*$`)

// field is a field that the command line sets.
type field struct{ key, value string }

// addFields adds a flag for every field of the payload. The flag of a list sets one item,
// and may be repeated.
func addFields(flags *flag.FlagSet, set func(field)) {
	for _, f := range payload.Fields(payload.OnMessage) {
		name := strings.ReplaceAll(f.Name, "_", "-")
		if f.Type == payload.TypeButtons {
			name = strings.TrimSuffix(name, "s")
		}
		setFlag := func(value string) error {
			set(field{f.Name, value})
			return nil
		}
		if f.Type == payload.TypeBool {
			flags.BoolFunc(name, "", func(value string) error {
				if _, err := strconv.ParseBool(value); err != nil {
					return errors.New("expected true or false")
				}
				return setFlag(value)
			})
			continue
		}
		flags.Func(name, "", setFlag)
	}
}

// read reads the message from a file, or from standard input if the name is "-".
func (o *sendOptions) read(file string, in io.Reader) (err error) {
	if file == "" {
		return nil
	}
	var text []byte
	name := file
	if file == "-" {
		name = "standard input"
		text, err = readAll(in)
	} else if text, err = readFile(file); errors.Is(err, os.ErrNotExist) {
		return usageError(fmt.Sprintf("file %q does not exist; write a field as text=Hello", file))
	}
	if err == nil {
		o.message, err = parseDraft(text)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// preview shows the message on a phone, with a function and a simulator that are
// reachable from this machine only, until ctx ends.
func preview(ctx context.Context, o *sendOptions, std stdio) error {
	simulator, err := new(net.ListenConfig).Listen(ctx, "tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		return err
	}
	defer simulator.Close()
	function, err := new(net.ListenConfig).Listen(ctx, "tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		return err
	}
	defer function.Close()
	address := func(l net.Listener) string {
		return "http://" + strings.Replace(l.Addr().String(), host, "localhost", 1)
	}

	sim := platform.New(new(rbmtest.Simulator))
	defer sim.Close()
	agentID := sim.Provision(address(simulator)).AgentID
	environ := []string{
		"RCSHOOK_AGENT_ID=" + agentID,
		"RCSHOOK_CREDENTIALS=" + string(sim.KeyFile(address(simulator))),
		"RCSHOOK_API_KEYS=" + devKey,
		"RCSHOOK_RBM_ENDPOINT=" + address(simulator),
	}
	for _, name := range []string{"RCSHOOK_COUNTRY", "RCSHOOK_TRAFFIC", "RCSHOOK_TTL", envPremium} {
		environ = append(environ, name+"="+os.Getenv(name))
	}
	h, err := server.New(ctx, server.Options{Environ: environ})
	if err != nil {
		return err
	}
	defer h.Close()
	sim.Page = phone.New(phone.Options{FunctionURL: address(function) + "/", APIKey: devKey, Agents: []phone.Agent{phone.Demo(agentID)}})
	failed := make(chan error, 2)
	go func() { failed <- http.Serve(simulator, sim.LocalOnly(sim)) }()
	go func() { failed <- http.Serve(function, h) }()

	o.message.remove("agent") // the preview has one
	if !o.message.has("to") {
		o.message.remove("to")
		if err := o.message.set("to", "+12025550123"); err != nil {
			return err
		}
	}
	c := client.Client{URL: address(function), Key: devKey}
	res, err := c.Send(ctx, o.message.json(), "application/json", "")
	if err != nil {
		return err
	}
	printer := sendPrinter{stdio: std, by: "a simulator on this machine"}
	if !res.OK {
		return printer.response(res, "")
	}
	printer.warnings(std.out, &res.Response)
	fmt.Fprintf(std.out, "Open %s/ in a browser on this machine to see the message.\nNothing is sent. Ctrl-C stops the preview.\n", address(simulator))
	select {
	case <-ctx.Done():
		return nil
	case err := <-failed:
		return err
	}
}
