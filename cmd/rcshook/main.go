// Command rcshook runs the function on this machine, with a simulator of RCS Business
// Messaging, and helps to set it up and use it.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"unicode"
	"unicode/utf8"

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
var commands = []command{devCommand, sendCommand, bulkCommand, initCommand, checkCommand, doctorCommand, webhookCommand, optoutsCommand, triggerCommand, serveCommand}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal kills the program
	os.Exit(run(ctx, os.Args[1:], stdio{os.Stdin, os.Stdout, os.Stderr}))
}

// run returns the exit code: 0 for success, 1 for a failure, 2 for a usage error, or the
// code of an [exitError].
func run(ctx context.Context, args []string, std stdio) int {
	std.out, std.err = output{std.out}, output{std.err}
	name, args := splitCommand(args)
	c, err := findCommand(name)
	if err == nil {
		err = c.run(ctx, args, std)
	}
	if err == nil {
		return 0
	}
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprint(std.out, c.help)
		return 0
	}
	if wrong, ok := errors.AsType[usageError](err); ok {
		fmt.Fprintf(std.err, "rcshook: %s\n", wrong)
		if c.name != "" && c.name != "help" { // the full usage would hide the error
			fmt.Fprintf(std.err, "Run rcshook help %s for usage.\n", name)
		} else {
			fmt.Fprintf(std.err, "\n%s", overview())
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

// findCommand returns the command with a name. Its error suggests a similar one.
func findCommand(name string) (command, error) {
	var known []string
	for _, c := range append(commands[:len(commands):len(commands)], versionCommand, helpCommand()) {
		if c.name == name {
			return c, nil
		}
		known = append(known, c.name)
	}
	text := fmt.Sprintf("unknown command %q", name)
	if near := typo.Nearest(name, known, 3); near != "" {
		text += fmt.Sprintf("; did you mean %s?", near)
	}
	return command{}, usageError(text)
}

var versionCommand = command{
	name:    "version",
	summary: "print the version",
	help:    "Usage:\n\n\trcshook version\n\nPrints the version of the command.\n",
	run: func(_ context.Context, _ []string, std stdio) error {
		_, err := fmt.Fprintln(std.out, "rcshook", server.Version())
		return err
	},
}

// helpCommand prints the help of a command, or the overview.
func helpCommand() command {
	return command{name: "help", help: overview(), run: func(_ context.Context, args []string, std stdio) error {
		c := helpCommand()
		if len(args) > 0 {
			var err error
			if c, err = findCommand(args[0]); err != nil {
				return err
			}
		}
		_, err := fmt.Fprint(std.out, c.help)
		return err
	}}
}

// overview lists the commands.
func overview() string {
	var b strings.Builder
	b.WriteString("rcshook turns webhooks into RCS messages.\n\nUsage:\n\n\trcshook [COMMAND] [FLAGS]\n\nCommands:\n\n")
	for _, c := range append(commands[:len(commands):len(commands)], versionCommand) {
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

// output is standard output or standard error. It escapes control characters: a text from
// a file or a server must not control the terminal.
type output struct{ io.Writer }

func (o output) Write(p []byte) (int, error) {
	isControl := func(r rune) bool {
		return unicode.IsControl(r) && r != '\n' && r != '\t' ||
			r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 // directions of text
	}
	text := p
	if !utf8.Valid(p) || bytes.ContainsFunc(p, isControl) {
		text = nil
		for rest := p; len(rest) > 0; {
			r, size := utf8.DecodeRune(rest)
			switch {
			case r == utf8.RuneError && size == 1:
				text = fmt.Appendf(text, `\x%02x`, rest[0])
			case isControl(r):
				text = fmt.Appendf(text, `\u%04x`, r) // as in JSON
			default:
				text = append(text, rest[:size]...)
			}
			rest = rest[size:]
		}
	}
	_, err := o.Writer.Write(text)
	return len(p), err
}

// control writes a control sequence to a terminal.
func control(out io.Writer, sequence string) {
	if o, ok := out.(output); ok && isTerminal(o) {
		_, _ = io.WriteString(o.Writer, sequence) // the text that follows has the same error
	}
}

// isTerminal reports whether a stream is a terminal.
func isTerminal(stream any) bool {
	if o, ok := stream.(output); ok {
		stream = o.Writer
	}
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// maxFile limits the files that commands read as a whole, in bytes.
const maxFile = 16 << 20

// readFile is [os.ReadFile] for a file that may be endless, such as a device.
func readFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := readAll(f)
	if err != nil {
		return nil, &os.PathError{Op: "read", Path: name, Err: err}
	}
	return data, nil
}

func readAll(r io.Reader) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = fmt.Errorf("is larger than %d MiB", maxFile>>20)
	}
	return data, err
}

// replaceFile writes a file in place of another, which may be a link, at once. It keeps the
// permissions.
func replaceFile(name string, data []byte) error {
	mode := os.FileMode(0o644)
	if old, err := os.Stat(name); err == nil {
		mode = old.Mode().Perm()
	}
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+"-*")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Chmod(mode), f.Close()); err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}
