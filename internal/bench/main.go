// Command bench measures the function as it is deployed: a process of its own, on one
// CPU, with its secrets from Secret Manager and its tokens by OAuth, both simulated.
//
// Messages go over HTTP/2 and TLS to a platform that is leaner than the simulator of
// package rbmtest, which checks and keeps every message and would be measured instead.
//
//	go run ./internal/bench -compare
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/term"
)

const usage = `Usage:

	go run ./internal/bench [-compare] [-json | -markdown] [FLAGS]

Measures the function as it is deployed: a process of its own, on one CPU, with its
secrets from Secret Manager and its tokens by OAuth, both simulated. Everything runs
on loopback. Each caller sends one request after the other, each with its own
idempotency key, and every request must be accepted.

	-compare
		also measure, in turns, a bare program that decodes the JSON, posts it
		with a static token and a message ID, and responds; and the start of an
		empty function with the same packages
	-concurrency 1,32,256
		the numbers of concurrent callers
	-rounds 5, -duration 2s
		the number of measurements of each kind, and the time of each
	-starts 15
		the number of cold starts
	-requests 100000
		the number of requests after which memory is measured
	-plain
		send the messages over plain HTTP, as to the simulator of rcshook dev,
		instead of HTTP/2 and TLS, as to Google; always so on macOS and Windows
	-payload FILE
		a JSON object to send, instead of a text with two buttons
	-cpuprofile FILE
		write a CPU profile of the function, for go tool pprof
	-json, -markdown
		print the report with all measurements as JSON, or as a Markdown table

The platform checks only the path and the token of a message, and does not keep it.
Run this on an idle machine; ratios are more reliable than absolute numbers. It takes
about a minute. Missed targets are marked; the exit code is 0 all the same.
`

func main() {
	if program := os.Getenv(envProgram); program != "" {
		if err := serve(program, os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	o, write, err := parseFlags(os.Args[1:])
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Print(usage)
		return
	case err != nil:
		fmt.Fprintf(os.Stderr, "bench: %v\n", err)
		os.Exit(2)
	}
	if term.IsTerminal(int(os.Stderr.Fd())) {
		o.progress = func(now string) { fmt.Fprintf(os.Stderr, "\r\x1b[K%s", now) }
	}
	report, err := run(ctx, o)
	o.progress("")
	if err == nil {
		err = write(report, os.Stdout)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "bench: %v\n", err)
		os.Exit(1)
	}
}

// parseFlags returns the options and the function that prints the report.
func parseFlags(args []string) (o options, write func(*report, io.Writer) error, err error) {
	o.concurrency = []int{1, 32, 256}
	o.payload = []byte(`{"to": "+12025550123", "text": "Your order 1042 has shipped", "buttons": ["Track|https://example.com/t/1042", "Thanks"]}`)
	o.progress = func(string) {}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.BoolVar(&o.compare, "compare", false, "")
	flags.Func("concurrency", "", func(text string) error {
		o.concurrency = nil
		for item := range strings.SplitSeq(text, ",") {
			n, err := strconv.Atoi(strings.TrimSpace(item))
			if err != nil || n < 1 || n > 1000 {
				return errors.New("expected a list of numbers from 1 to 1000, such as 1,32,256")
			}
			o.concurrency = append(o.concurrency, n)
		}
		return nil
	})
	flags.IntVar(&o.rounds, "rounds", 5, "")
	flags.DurationVar(&o.duration, "duration", 2*time.Second, "")
	flags.IntVar(&o.starts, "starts", 15, "")
	flags.IntVar(&o.requests, "requests", 100_000, "")
	flags.BoolVar(&o.plain, "plain", false, "")
	flags.StringVar(&o.profile, "cpuprofile", "", "")
	file := flags.String("payload", "", "")
	asJSON, asMarkdown := flags.Bool("json", false, ""), flags.Bool("markdown", false, "")
	if err := flags.Parse(args); err != nil {
		return o, nil, err
	}
	switch {
	case flags.NArg() > 0:
		return o, nil, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	case *asJSON && *asMarkdown:
		return o, nil, errors.New("-json and -markdown exclude each other")
	case o.rounds < 1 || o.rounds > 1000 || o.starts < 1 || o.starts > 1000:
		return o, nil, errors.New("-rounds and -starts: expected a number from 1 to 1000")
	case o.duration <= 0 || o.duration > time.Minute:
		return o, nil, errors.New("-duration: expected a positive duration of at most 1m")
	case o.requests < 1 || o.requests > 10_000_000:
		return o, nil, errors.New("-requests: expected a number from 1 to 10000000")
	}
	if *file != "" {
		data, err := os.ReadFile(*file)
		if err != nil {
			return o, nil, err
		}
		if o.payload = bytes.TrimSpace(data); !json.Valid(o.payload) || o.payload[0] != '{' {
			return o, nil, fmt.Errorf("%s: expected one JSON object", *file)
		}
	}
	switch {
	case *asJSON:
		return o, func(r *report, w io.Writer) error {
			e := json.NewEncoder(w)
			e.SetIndent("", "  ")
			return e.Encode(r)
		}, nil
	case *asMarkdown:
		return o, (*report).writeMarkdown, nil
	default:
		return o, (*report).writeText, nil
	}
}
