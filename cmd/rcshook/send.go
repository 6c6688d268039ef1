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
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/rcshook/rcshook/internal/client"
	"github.com/rcshook/rcshook/internal/code"
	"github.com/rcshook/rcshook/internal/payload"
	"github.com/rcshook/rcshook/internal/response"
	"github.com/rcshook/rcshook/internal/server"
)

// The exit codes of send, by what to do next.
const (
	exitLost  = 1 // nobody knows
	exitNever = 3 // send something else
	exitRetry = 4 // send it again
	exitFix   = 5 // mend the set-up, and send it again
)

var sendCommand = command{
	name:  "send",
	brief: "send a message, through a function or without one",
	usage: `Usage:

	rcshook send [FLAGS] [message.json] [FIELD=VALUE ...]

Sends one message through a function, by default that of rcshook dev:

	rcshook send -to +12025550123 -text "Your order has shipped" -button "Track|https://example.com"
	rcshook send message.json -to +12025550123 -dry-run
	generate | rcshook send -to +12025550123 -

The message is the payload of the function, from a file or from standard input (-,
or a pipe where nothing else is given). Every field of the payload is a flag too:
-title, -image, -ttl, -expires-at and so on; -to, -button and -chip may be repeated.
Any field can also be written as FIELD=VALUE, such as card1_title=Shoe. Flags and
fields replace what the file says.

	-dry-run
		check everything, send nothing, show what would be sent
	-preview
		show the message on a phone in the browser; nothing leaves this machine
	-direct
		without a function: straight to RCS Business Messaging, with the
		settings that a function has, RCSHOOK_AGENT_ID, RCSHOOK_CREDENTIALS
		and so on, in the environment
	-json
		print the answer of the function, one JSON object
	-timeout 2m
		how long to wait for the answer
	-idempotency-key KEY
		repeat a message that may have been sent: it arrives once. Without
		one, send makes up a key and says it where a repetition makes sense
` + targetUsage + `
Exit codes: 0 it is done (accepted, a duplicate, a dry run), 1 no function answered
or the file cannot be read, 2 wrong usage, 3 it will never be sent like this, 4 send
it again later, 5 send it again when the set-up is mended. Of several recipients the
one counts that is most worth sending again: nobody gets a message twice.
`,
	run: send,
}

// sendOptions are the flags of send that are not fields of the payload.
type sendOptions struct {
	target
	direct, preview, json bool
	timeout               time.Duration
	message               *draft
	key                   string // made up, where the message has none
}

func send(ctx context.Context, args []string, ends streams) error {
	o, err := sendFlags(args, ends.in)
	if err != nil {
		return err
	}
	if o.preview {
		return preview(ctx, o, ends)
	}
	if !o.message.has("idempotency_key") && !o.message.has("message_id") {
		o.key = "send-" + strings.ToLower(rand.Text())
	}
	ctx, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	printer := sendPrinter{ends: ends, json: o.json, key: o.key}
	c, cause, err := o.connect(ctx, &printer)
	if err != nil {
		return err
	}
	answer, err := c.Send(ctx, o.message.json(), "application/json", o.key)
	if err != nil {
		return printer.lost(err)
	}
	return printer.answer(answer, cause())
}

// connect finds who sends. What cause returns is for the operator, who is the one
// sending only without a function.
func (o *sendOptions) connect(ctx context.Context, p *sendPrinter) (c *client.Client, cause func() string, err error) {
	if !o.direct {
		c, err = o.client()
		p.by = o.target.url
		return c, func() string { return "" }, err
	}
	var log bytes.Buffer
	h, err := server.New(ctx, server.Options{Environ: direct(os.Environ()), Log: &log})
	if err != nil {
		return nil, nil, err
	}
	p.by = "this machine, directly to RCS Business Messaging"
	c = &client.Client{URL: localURL, HTTP: client.Local(h)}
	return c, func() string { h.Close(); return lastCause(log.String()) }, nil
}

// direct are the settings of a function whose only caller is this process.
func direct(environ []string) []string {
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

// lastCause is why the last request failed, from the log of the function.
func lastCause(log string) string {
	lines := strings.Split(strings.TrimSpace(log), "\n")
	var line struct{ Cause string }
	if json.Unmarshal([]byte(lines[len(lines)-1]), &line) != nil {
		return ""
	}
	return line.Cause
}

func sendFlags(args []string, in io.Reader) (*sendOptions, error) {
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
	rest, err := parseAround(flags, args)
	if err != nil {
		return nil, err
	}
	for _, arg := range rest {
		if key, value, ok := strings.Cut(arg, "="); ok && fieldName.MatchString(key) {
			fields = append(fields, field{key, value})
			continue
		}
		if file != "" {
			return nil, usageError(fmt.Sprintf("send takes one file, and there are %q and %q; fields are written as text=Hello", file, arg))
		}
		file = arg
	}
	if file == "" && len(fields) == 0 {
		file = "-"
		if isTerminal(in) {
			return nil, usageError("there is no message: give its fields, such as -to and -text, or a file")
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
	return o, o.check(flags)
}

func (o *sendOptions) check(flags *flag.FlagSet) (err error) {
	flags.Visit(func(f *flag.Flag) {
		switch name := f.Name; {
		case o.preview && slices.Contains([]string{"direct", "json", "url", "key", "token", "dry-run"}, name):
			err = usageError("-preview sends nothing, so -" + name + " has no effect: leave one of them out")
		case o.direct && slices.Contains([]string{"url", "key", "token"}, name):
			err = usageError("-direct calls no function, so -" + name + " has no effect: leave one of them out")
		}
	})
	if o.timeout <= 0 {
		err = usageError("-timeout must be more than nothing")
	}
	return err
}

var fieldName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_.\-\[\]]*$`)

// field is one that the command line sets.
type field struct{ key, value string }

// addFields makes a flag of every field of the payload. A list has the flag of one
// of its items, which may be repeated.
func addFields(flags *flag.FlagSet, set func(field)) {
	for _, f := range payload.Fields(payload.OnMessage) {
		name := strings.ReplaceAll(f.Name, "_", "-")
		if f.Type == payload.TypeButtons {
			name = strings.TrimSuffix(name, "s")
		}
		take := func(value string) error {
			set(field{f.Name, value})
			return nil
		}
		if f.Type == payload.TypeBool {
			flags.BoolFunc(name, f.Meaning, func(value string) error {
				if _, err := strconv.ParseBool(value); err != nil {
					return errors.New("is neither true nor false")
				}
				return take(value)
			})
			continue
		}
		flags.Func(name, f.Meaning, take)
	}
}

// read takes the message from a file, or from standard input where it is called -.
func (o *sendOptions) read(file string, in io.Reader) (err error) {
	if file == "" {
		return nil
	}
	var text []byte
	name := file
	if file == "-" {
		name = "standard input"
		text, err = io.ReadAll(in)
	} else if text, err = os.ReadFile(file); errors.Is(err, os.ErrNotExist) {
		return usageError(fmt.Sprintf("there is no file %q; fields are written as text=Hello", file))
	}
	if err == nil {
		o.message, err = parseDraft(text)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// isTerminal reports whether a stream is a terminal.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// exitCode tells a script what to do next.
func exitCode(a *response.Response) error {
	if code := adviceCode(a); code != 0 {
		return &exitError{code}
	}
	return nil
}

// adviceCode is the exit code. Of several recipients the one counts that is most
// worth sending again: nobody gets the message twice.
func adviceCode(a *response.Response) int {
	switch {
	case a.OK:
		return 0
	case a.Retry == code.RetryLater || a.Retry == code.RetryNow:
		return exitRetry
	case a.Retry == code.RetryAfterFix:
		return exitFix
	case a.Retry != code.RetryPerItem:
		return exitNever
	}
	code := exitNever
	for _, r := range a.Results {
		switch c := adviceCode(r); {
		case c == exitRetry:
			return c
		case c == exitFix:
			code = c
		}
	}
	return code
}
