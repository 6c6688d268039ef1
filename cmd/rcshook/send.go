package main

import (
	"bufio"
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
		show this message on a phone in a browser, without an account, and then ask
		whether to send it. If the input is not a terminal, it is only shown, and nothing
		leaves this machine
	-yes
		with -preview: send without the question, and show the message until Ctrl-C
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
	yes                   bool // preview does not ask
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
		return preview(ctx, o, std, isTerminal(std.in))
	}
	return o.send(ctx, std)
}

// send sends the message and prints the result.
func (o *sendOptions) send(ctx context.Context, std stdio) error {
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
	flags.BoolVar(&o.yes, "yes", false, "")
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
		case o.preview && name == "dry-run":
			err = usageError("-preview sends nothing without asking, so -dry-run has no effect: remove one of them")
		case o.yes && !o.preview && name == "yes":
			err = usageError("-yes skips the question of -preview: add -preview, or remove -yes")
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
// reachable from this machine only. It sends the message too, with -yes or after a yes at
// a terminal; otherwise it shows the message until ctx ends.
func preview(ctx context.Context, o *sendOptions, std stdio, terminal bool) error {
	simulator, err := new(net.ListenConfig).Listen(ctx, "tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		return err
	}
	defer simulator.Close()
	address := "http://" + strings.Replace(simulator.Addr().String(), host, "localhost", 1)

	// Every number gets the message here.
	sim := platform.New(&rbmtest.Simulator{Numbers: map[string]rbmtest.Behavior{}})
	defer sim.Close()
	agent := phone.Demo(sim.Provision(address).AgentID)
	agent.Name, agent.Logo = "Your agent", ""
	environ := []string{
		"RCSHOOK_AGENT_ID=" + agent.ID,
		"RCSHOOK_CREDENTIALS=" + string(sim.KeyFile(address)),
		"RCSHOOK_API_KEYS=" + devKey,
		"RCSHOOK_RBM_ENDPOINT=" + address,
	}
	for _, name := range []string{"RCSHOOK_COUNTRY", "RCSHOOK_TRAFFIC", "RCSHOOK_TTL", envPremium} {
		environ = append(environ, name+"="+os.Getenv(name))
	}
	h, err := server.New(ctx, server.Options{Environ: environ})
	if err != nil {
		return err
	}
	defer h.Close()
	sim.Page = phone.New(phone.Options{Agents: []phone.Agent{agent}}) // it cannot send
	failed := make(chan error, 1)
	go func() { failed <- http.Serve(simulator, sim.LocalOnly(sim)) }()

	// The function that sends it may have other agents, a queue and fallbacks.
	shown := *o.message
	for _, field := range []string{"agent", "dry_run", "schedule_at", "fallback_after", "fallback_text"} {
		shown.remove(field)
	}
	if !shown.has("to") {
		shown.remove("to")
		if err := shown.set("to", "+12025550123"); err != nil {
			return err
		}
	}
	c := client.Client{URL: localURL, Key: devKey, HTTP: client.Local(h)}
	res, err := c.Send(ctx, shown.json(), "application/json", "")
	if err != nil {
		return err
	}
	printer := sendPrinter{stdio: std, by: "a simulator on this machine"}
	if !res.OK {
		return printer.response(res, "")
	}
	out := std.out
	if o.json {
		out = std.err
	}
	printer.warnings(out, &res.Response)
	fmt.Fprintf(out, "Open %s/ in a browser on this machine to see the message.\n", address)
	answer := make(chan bool, 1)
	switch {
	case o.yes:
		if err := o.send(ctx, std); err != nil {
			return err
		}
		fmt.Fprintln(out, "Ctrl-C stops the preview.")
	case terminal:
		fmt.Fprint(out, "Send it? yes or no: ")
		go func() {
			line, _ := bufio.NewReader(std.in).ReadString('\n') // the end of the input means no
			answer <- slices.Contains([]string{"y\n", "yes\n"}, strings.ToLower(strings.ReplaceAll(line, "\r", "")))
		}()
	default:
		fmt.Fprintln(out, "Nothing is sent. Ctrl-C stops the preview; -yes sends the message.")
	}
	select {
	case yes := <-answer:
		if !yes {
			fmt.Fprintln(out, "Not sent.")
			return nil
		}
		return o.send(ctx, std)
	case <-ctx.Done():
		return nil
	case err := <-failed:
		return err
	}
}
