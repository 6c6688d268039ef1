// Command rcshook runs the function on this machine, against a simulator of RCS
// Business Messaging, and helps to set it up and to use it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/rcshook/rcshook/internal/server"
	"github.com/rcshook/rcshook/internal/typo"
)

// A command is what the first argument names.
type command struct {
	name  string
	brief string // what it does, in one line
	usage string // the whole of "rcshook help NAME"
	run   func(ctx context.Context, args []string, ends streams) error
}

// streams are the ends that a command talks through.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

// commands in the order of a newcomer's way. The first is meant when none is named.
var commands = []command{devCommand, sendCommand, bulkCommand, checkCommand, doctorCommand, serveCommand}

const (
	greetingUsage = "rcshook turns webhooks into RCS messages.\n\nUsage:\n\n\trcshook [COMMAND] [FLAGS]\n\n"
	moreUsage     = "\nrcshook help COMMAND tells more about each. Without a command it is dev.\n"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	os.Exit(run(ctx, os.Args[1:], streams{os.Stdin, os.Stdout, os.Stderr}))
}

// run returns the exit code: 0 for success, 1 for a failure, 2 for wrong usage, or
// what an [exitError] says.
func run(ctx context.Context, args []string, ends streams) int {
	name, args := split(args)
	help := overview()
	var err error
	c, known := find(name)
	switch {
	case known:
		help = c.usage
		err = c.run(ctx, args, ends)
	case name == "version":
		_, err = fmt.Fprintln(ends.out, "rcshook", server.Version())
	case name == "help":
		err = helpWith(args, ends.out)
	default:
		err = unknownCommand(name)
	}
	exit := (*exitError)(nil)
	switch wrong := usageError(""); {
	case err == nil:
		return 0
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(ends.out, help)
		return 0
	case errors.As(err, &wrong):
		fmt.Fprintf(ends.err, "rcshook: %s\n", wrong)
		if known { // the whole help would push the mistake out of sight
			fmt.Fprintf(ends.err, "rcshook help %s tells how it is used.\n", name)
		} else {
			fmt.Fprintf(ends.err, "\n%s", help)
		}
		return 2
	case errors.As(err, &exit):
		return exit.code // all is said
	default:
		fmt.Fprintf(ends.err, "rcshook: %v\n", err)
		return 1
	}
}

// split takes the name of the command off. Where there is none, flags are those of the
// first command, but for the two that people try on every program.
func split(args []string) (name string, rest []string) {
	if len(args) == 0 || args[0] == "" {
		return commands[0].name, args
	}
	switch args[0] {
	case "-h", "-help", "--help":
		return "help", args[1:]
	case "-version", "--version":
		return "version", args[1:]
	}
	if args[0][0] == '-' {
		return commands[0].name, args
	}
	return args[0], args[1:]
}

func find(name string) (command, bool) {
	for _, c := range commands {
		if c.name == name {
			return c, true
		}
	}
	return command{}, false
}

func unknownCommand(name string) error {
	known := []string{"version", "help"}
	for _, c := range commands {
		known = append(known, c.name)
	}
	text := fmt.Sprintf("there is no command %q", name)
	if near := typo.Nearest(name, known, 3); near != "" {
		text += fmt.Sprintf("; did you mean %s?", near)
	}
	return usageError(text)
}

// overview lists the commands, a line each.
func overview() string {
	var b strings.Builder
	b.WriteString(greetingUsage)
	for _, c := range append(commands[:len(commands):len(commands)], command{name: "version", brief: "print the version"}) {
		fmt.Fprintf(&b, "\t%-10s%s\n", c.name, c.brief)
	}
	b.WriteString(moreUsage)
	return b.String()
}

func helpWith(args []string, out io.Writer) error {
	text := overview()
	if len(args) > 0 {
		c, ok := find(args[0])
		if !ok {
			return unknownCommand(args[0])
		}
		text = c.usage
	}
	_, err := fmt.Fprint(out, text)
	return err
}

// newFlags are the flags of a command. What is wrong with them is told by [run].
func newFlags(name string) *flag.FlagSet {
	flags := flag.NewFlagSet("rcshook "+name, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	return flags
}

// parse reads the flags; the arguments after them are flags.Args.
func parse(flags *flag.FlagSet, args []string) error {
	err := flags.Parse(args)
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		return usageError(err.Error() + meant(flags, err))
	}
	return err
}

// meant asks for the flag that is nearest to one that there is not.
func meant(flags *flag.FlagSet, err error) string {
	wrong, ok := strings.CutPrefix(err.Error(), "flag provided but not defined: -")
	if !ok {
		return ""
	}
	var names []string
	flags.VisitAll(func(f *flag.Flag) { names = append(names, f.Name) })
	if near := typo.Nearest(wrong, names, max(1, len(wrong)/3)+1); near != "" {
		return "; did you mean -" + near + "?"
	}
	return ""
}

// parseAround reads flags that stand before, between and after the arguments, and
// returns these.
func parseAround(flags *flag.FlagSet, args []string) (rest []string, err error) {
	for {
		if err := parse(flags, args); err != nil {
			return nil, err
		}
		if flags.NArg() == 0 {
			return rest, nil
		}
		rest = append(rest, flags.Arg(0))
		args = flags.Args()[1:]
	}
}

// usageError is a mistake in the command line.
type usageError string

func (e usageError) Error() string { return string(e) }

// exitError ends the program with a code of its own, after everything was said.
type exitError struct{ code int }

func (e *exitError) Error() string { return fmt.Sprintf("exit code %d", e.code) }
