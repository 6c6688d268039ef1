// Command rcshook runs the function on this machine, against a simulator of RCS
// Business Messaging.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/rcshook/rcshook"
)

const usage = `rcshook turns webhooks into RCS messages.

Usage:

	rcshook [dev] [-port 8080] [-sim-port 8081] [-config rcshook.yaml]
		run the function on this machine, with a simulator of RCS Business
		Messaging beside it and a phone to look at in a browser; needs no
		account and no network

		-config rcshook.yaml
			serve the sources of the file too, with secrets made up for the
			rehearsal; the phone can send a sample event of each
		-agent-name NAME, -agent-color #RRGGBB
			how the phone shows the agent
		-images
			let the phone load the images in messages from where they are
		-webhook URL, -webhook-token TOKEN
			push what is done on the phone to an agent's webhook
	rcshook check [-update] [rcshook.yaml]
		find every fault in the file, and run the cases of its sources: events in
		cases/SOURCE/NAME.json, or with headers in NAME.http, and the messages that
		they become in NAME.want.json; -update writes those
	rcshook serve [-listen :8080] [-max-requests 250]
		run the function as a plain server, as in a container, with the settings
		in the environment; SIGTERM ends it once what is in flight is finished.
		The environment variable PORT sets the port too
	rcshook version
		print the version
	rcshook help
		print this
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run returns the exit code: 0 for success, 1 for a failure, 2 for wrong usage.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	name := "dev"
	if len(args) > 0 && args[0] != "" && args[0][0] != '-' {
		name, args = args[0], args[1:]
	}
	var err error
	switch name {
	case "dev":
		err = dev(ctx, args, stdout)
	case "check":
		err = check(ctx, args, stdout)
	case "serve":
		err = serve(ctx, args, stderr)
	case "version":
		_, err = fmt.Fprintln(stdout, "rcshook", rcshook.Version())
	case "help":
		_, err = fmt.Fprint(stdout, usage)
	default:
		err = usageError(fmt.Sprintf("there is no command %q", name))
	}
	switch wrong := usageError(""); {
	case err == nil:
		return 0
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(stdout, usage)
		return 0
	case errors.As(err, &wrong):
		fmt.Fprintf(stderr, "rcshook: %s\n\n%s", wrong, usage)
		return 2
	default:
		fmt.Fprintf(stderr, "rcshook: %v\n", err)
		return 1
	}
}

// usageError is a mistake in the command line.
type usageError string

func (e usageError) Error() string { return string(e) }
