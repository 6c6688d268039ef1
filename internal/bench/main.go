// Command bench measures the function as it is deployed: a process of its own, on one
// CPU, with its secrets from Secret Manager and its tokens by OAuth. Both are simulated,
// in another process.
//
// Messages go over HTTP/2 and TLS to a platform that is leaner than the simulator of
// package rbmtest, which checks and keeps every message.
//
//	go run ./internal/bench -compare
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/term"
)

const usage = `Usage:

	go run ./internal/bench [-compare | -against FILE | -peers | -jobs] [FLAGS]

Measures the function as it is deployed: a process of its own, on one CPU, with its
secrets from Secret Manager and its tokens by OAuth, both simulated. Everything runs
on loopback. Each caller sends one request after the other, each with its own
idempotency key, and every request must be accepted.

	-compare
		also measure, in turns, a bare program that decodes the JSON, posts it
		with a static token and a message ID, and responds; and the start of an
		empty function with the same packages
	-against FILE
		also measure, in turns, the function of another build of this command,
		such as of an older commit
	-peers
		also measure, in turns, a function for Node with Google's libraries, which
		npm installs into a temporary folder; it uses several CPUs
	-jobs
		measure, in turns, other requests beside a message: promotions with opt-outs,
		events, and messages with a fallback through a queue
	-concurrency 1,32,256
		the numbers of concurrent callers; by default 1,32 with -peers, and always with
		-jobs
	-rounds 5, -duration 2s
		the number of measurements of each kind, and the time of each
	-starts 15
		the number of cold starts
	-requests 100000
		the number of requests after which memory is measured
	-plain
		send the messages over plain HTTP, as to the simulator of rcshook dev,
		instead of HTTP/2 and TLS, as to Google; always so on macOS and Windows
	-cpuprofile FILE
		write a CPU profile of the function, for go tool pprof
	-markdown
		print the report as Markdown

CPU and memory are known on Linux only. Run this on an idle machine; ratios are more
reliable than absolute numbers. It takes about a minute.
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
	o, markdown, err := parseFlags(os.Args[1:])
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
		err = report.write(os.Stdout, markdown)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "bench: %v\n", err)
		os.Exit(1)
	}
}

// parseFlags returns the options, and whether to print the report as Markdown.
func parseFlags(args []string) (o options, markdown bool, err error) {
	o = options{
		function: function,
		payload:  `{"to": "+12025550123", "text": "Your order 1042 has shipped", "buttons": ["Track|https://example.com/t/1042", "Thanks"]}`,
		progress: func(string) {},
	}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.BoolVar(&o.compare, "compare", false, "")
	flags.StringVar(&o.against, "against", "", "")
	flags.BoolVar(&o.peers, "peers", false, "")
	flags.BoolVar(&o.jobs, "jobs", false, "")
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
	flags.BoolVar(&markdown, "markdown", false, "")
	if err := flags.Parse(args); err != nil {
		return o, false, err
	}
	if o.concurrency == nil && o.peers {
		o.concurrency = []int{1, 32} // Node closes connections that wait for 256 others
	} else if o.concurrency == nil {
		o.concurrency = []int{1, 32, 256}
	}
	switch {
	case flags.NArg() > 0:
		err = fmt.Errorf("unexpected argument %q", flags.Arg(0))
	case len(slices.DeleteFunc([]bool{o.compare, o.against != "", o.peers, o.jobs}, func(set bool) bool { return !set })) > 1:
		err = errors.New("-compare, -against, -peers and -jobs exclude each other")
	case o.rounds < 1 || o.starts < 1 || o.requests < 1 || o.duration <= 0:
		err = errors.New("-rounds, -starts, -requests, -duration: expected a positive value")
	}
	return o, markdown, err
}
