// Command rcshook runs the function on this machine, with a simulator of RCS Business
// Messaging, and helps to set it up and use it.
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

	"golang.org/x/term"

	"github.com/rcshook/rcshook/internal/server"
	"github.com/rcshook/rcshook/internal/typo"
)

// A command is selected by the first argument.
type command struct {
	name    string
	summary string // one line for the overview
	help    string // the text of "rcshook help NAME"
	run     func(ctx context.Context, args []string, std stdio) error
}

// stdio has the standard streams.
type stdio struct {
	in       io.Reader
	out, err io.Writer
}

// commands are listed in the order in which a new user needs them. The first is the default.
var commands = []command{devCommand, sendCommand, bulkCommand, checkCommand, doctorCommand, serveCommand}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal kills the program
	os.Exit(run(ctx, os.Args[1:], stdio{os.Stdin, os.Stdout, os.Stderr}))
}

// run returns the exit code: 0 for success, 1 for a failure, 2 for wrong usage, or the
// code of an [exitError].
func run(ctx context.Context, args []string, std stdio) int {
	name, args := splitCommand(args)
	help := overview()
	var err error
	c, known := findCommand(name)
	switch {
	case known:
		help = c.help
		err = c.run(ctx, args, std)
	case name == "version":
		_, err = fmt.Fprintln(std.out, "rcshook", server.Version())
	case name == "help" && len(args) > 0:
		if c, known = findCommand(args[0]); known {
			_, err = fmt.Fprint(std.out, c.help)
		} else {
			err = unknownCommand(args[0])
		}
	case name == "help":
		_, err = fmt.Fprint(std.out, help)
	default:
		err = unknownCommand(name)
	}
	if err == nil {
		return 0
	}
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprint(std.out, help)
		return 0
	}
	if wrong, ok := errors.AsType[usageError](err); ok {
		fmt.Fprintf(std.err, "rcshook: %s\n", wrong)
		if known { // the full usage would hide the error
			fmt.Fprintf(std.err, "Run rcshook help %s for usage.\n", name)
		} else {
			fmt.Fprintf(std.err, "\n%s", help)
		}
		return 2
	}
	if exit, ok := errors.AsType[exitError](err); ok {
		return int(exit)
	}
	fmt.Fprintf(std.err, "rcshook: %v\n", err)
	return 1
}

// splitCommand splits the name of the command from its arguments. Flags without a command
// belong to the first one, except -help and -version.
func splitCommand(args []string) (name string, rest []string) {
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

func findCommand(name string) (command, bool) {
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
	text := fmt.Sprintf("unknown command %q", name)
	if near := typo.Nearest(name, known, 3); near != "" {
		text += fmt.Sprintf("; did you mean %s?", near)
	}
	return usageError(text)
}

// overview lists the commands.
func overview() string {
	var b strings.Builder
	b.WriteString("rcshook turns webhooks into RCS messages.\n\nUsage:\n\n\trcshook [COMMAND] [FLAGS]\n\nCommands:\n\n")
	for _, c := range append(commands[:len(commands):len(commands)], command{name: "version", summary: "print the version"}) {
		fmt.Fprintf(&b, "\t%-10s%s\n", c.name, c.summary)
	}
	b.WriteString("\nThe default is dev. Run rcshook help COMMAND for details.\n")
	return b.String()
}

// newFlags returns the flag set of a command. [run] prints its errors.
func newFlags(name string) *flag.FlagSet {
	flags := flag.NewFlagSet("rcshook "+name, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	return flags
}

// parse parses flags up to the first argument, and suggests a flag for an unknown one.
func parse(flags *flag.FlagSet, args []string) error {
	err := flags.Parse(args)
	if err == nil || errors.Is(err, flag.ErrHelp) {
		return err
	}
	// The flag that parsing stopped at is the last one that it consumed.
	name, _, _ := strings.Cut(strings.TrimLeft(args[len(args)-flags.NArg()-1], "-"), "=")
	if flags.Lookup(name) == nil {
		var names []string
		flags.VisitAll(func(f *flag.Flag) { names = append(names, f.Name) })
		if near := typo.Nearest(name, names, max(1, len(name)/3)+1); near != "" {
			return usageError(fmt.Sprintf("%v; did you mean -%s?", err, near))
		}
	}
	return usageError(err.Error())
}

// parseInterspersed parses flags before, between and after the arguments, which it returns.
func parseInterspersed(flags *flag.FlagSet, args []string) (rest []string, err error) {
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

// usageError is an error in the command line.
type usageError string

func (e usageError) Error() string { return string(e) }

// exitError ends the program with an exit code, after the command has printed its errors.
type exitError int

func (e exitError) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// isTerminal reports whether a stream is a terminal.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
