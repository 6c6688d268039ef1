package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/rcshook/rcshook/internal/bench"
)

var benchCommand = command{
	name:  "bench",
	brief: "measure what the function costs, beside a bare program",
	usage: `Usage:

	rcshook bench [-compare] [-json | -markdown] [FLAGS]

Measures the function as it is deployed: a process of its own, on one CPU, with its
secrets from Secret Manager and its tokens by OAuth, both simulated. Everything is on
loopback. Callers make one request after the other, each with a key of its own, and
every answer must be accepted.

	-compare
		measure in turns with it a bare program, which decodes the JSON, posts it
		with a static token and a message ID and answers, and an empty function
		with the same packages
	-concurrency 1,32,256
		how many callers there are at once
	-rounds 5, -duration 2s
		how often each is measured, and for how long
	-starts 15
		how many cold starts are measured
	-requests 100000
		after how many requests memory is looked at
	-plain
		have the messages go over plain HTTP, as to the simulator of rcshook dev,
		and not over HTTP/2 and TLS, as to Google; on macOS and Windows they
		always do
	-payload FILE
		a JSON object to send, instead of a text with two buttons
	-cpuprofile FILE
		write a profile of the function, for go tool pprof
	-json, -markdown
		print the report with all measurements as JSON, or as a Markdown table

The simulator has the secrets and the tokens. The messages go to a leaner platform,
which sees that token and path are good and forgets the message: what it does takes
CPU from what is measured. Put the machine at rest, and trust ratios more than figures.
It takes about a minute. What misses its target is marked; the exit code is 0 all the same.
`,
	run: benchmark,
}

// benchmark measures and prints; or it is one of the processes that are measured.
func benchmark(ctx context.Context, args []string, ends streams) error {
	if len(args) == 1 && bench.IsRole(args[0]) {
		return bench.Serve(args[0], ends.in, ends.out) // ends with the process that has started it
	}
	o, write, err := benchFlags(args)
	if err != nil {
		return err
	}
	o.Progress = progress(ends.err)
	if o.Command, err = ownCommand("bench"); err != nil {
		return err
	}
	report, err := bench.Run(ctx, o)
	o.Progress("")
	switch {
	case errors.Is(err, context.Canceled):
		return errors.New("stopped before all was measured")
	case err != nil:
		return err
	}
	return write(report, ends.out)
}

func benchFlags(args []string) (o bench.Options, write func(*bench.Report, io.Writer) error, err error) {
	var asJSON, asMarkdown bool
	var payload string
	o.Concurrency = []int{1, 32, 256}
	flags := newFlags("bench")
	flags.BoolVar(&o.Compare, "compare", false, "measure a bare program and an empty function too")
	flags.Func("concurrency", "`numbers` of callers at once", func(text string) (err error) {
		o.Concurrency, err = parseNumbers(text)
		return err
	})
	flags.IntVar(&o.Rounds, "rounds", 5, "how `often` each is measured")
	flags.DurationVar(&o.Duration, "duration", 2*time.Second, "of one measurement")
	flags.IntVar(&o.Starts, "starts", 15, "`number` of cold starts")
	flags.IntVar(&o.Requests, "requests", 100_000, "`number` of requests after which memory is looked at")
	flags.BoolVar(&o.Plain, "plain", false, "have the messages go over plain HTTP")
	flags.StringVar(&payload, "payload", "", "`file` with a JSON object to send")
	flags.StringVar(&o.Profile, "cpuprofile", "", "`file` for a profile of the function")
	flags.BoolVar(&asJSON, "json", false, "print JSON")
	flags.BoolVar(&asMarkdown, "markdown", false, "print Markdown")
	if err := parse(flags, args); err != nil {
		return o, nil, err
	}
	switch {
	case flags.NArg() > 0:
		err = usageError(fmt.Sprintf("bench takes no argument, and there is %q", flags.Arg(0)))
	case asJSON && asMarkdown:
		err = usageError("-json and -markdown are two forms of the same; choose one")
	case o.Rounds < 1 || o.Rounds > 1000 || o.Starts < 1 || o.Starts > 1000:
		err = usageError("-rounds and -starts are numbers from 1 to 1000")
	case o.Duration <= 0 || o.Duration > time.Minute:
		err = usageError("-duration is more than nothing and at most 1m")
	case o.Requests < 1 || o.Requests > 10_000_000:
		err = usageError("-requests is a number from 1 to 10000000")
	}
	if err != nil {
		return o, nil, err
	}
	switch {
	case asJSON:
		write = writeJSON
	case asMarkdown:
		write = (*bench.Report).WriteMarkdown
	default:
		write = (*bench.Report).WriteText
	}
	o.Payload, err = readPayload(payload)
	return o, write, err
}

// parseNumbers reads how many callers there are at once.
func parseNumbers(text string) (all []int, err error) {
	for item := range strings.SplitSeq(text, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(item))
		if err != nil || n < 1 || n > 1000 {
			return nil, errors.New("not a list of numbers from 1 to 1000, such as 1,32,256")
		}
		all = append(all, n)
	}
	return all, nil
}

const benchPayload = `{"to": "+12025550123", "text": "Your order 1042 has shipped", "buttons": ["Track|https://example.com/t/1042", "Thanks"]}`

func readPayload(file string) ([]byte, error) {
	if file == "" {
		return []byte(benchPayload), nil
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	if data = bytes.TrimSpace(data); !json.Valid(data) || data[0] != '{' {
		return nil, fmt.Errorf("%s holds no JSON object", file)
	}
	return data, nil
}

func writeJSON(r *bench.Report, w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// ownCommand returns what makes a command that runs this program again.
func ownCommand(name string) (func(argument string) *exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return func(argument string) *exec.Cmd {
		cmd := exec.Command(self, name, argument) //nolint:gosec // this very program
		cmd.Args[0] = os.Args[0]                  // as it was called itself
		return cmd
	}, nil
}

// progress returns what shows on one line of a terminal what is going on. Elsewhere it
// shows nothing.
func progress(w io.Writer) func(now string) {
	f, ok := w.(*os.File)
	if ok {
		info, err := f.Stat()
		ok = err == nil && info.Mode()&os.ModeCharDevice != 0
	}
	if !ok {
		return func(string) {}
	}
	return func(now string) { fmt.Fprintf(w, "\r\x1b[K%s", now) }
}
