package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/source"
	"github.com/rcshook/rcshook/internal/starter"
)

var initCommand = command{
	name:    "init",
	summary: "write a first rcshook.yaml",
	help: `Usage:

	rcshook init [PRESET] [-caller NAME] [-replies URL] [-project ID] [-country US] [-agent-id ID] [-dir FOLDER]

Writes rcshook.yaml and, for a service whose webhooks become messages, a first case: an
event of that service, and the message that it becomes. Prints the next commands. On a
terminal, init asks for missing settings. It writes no secrets, only their names, and
overwrites nothing.

PRESET is the service that sends webhooks, such as shopify or stripe. rcshook init without
arguments lists all of them.

	-caller NAME
		a program or a no-code tool that posts messages to the function, with a key
		and limits of its own
	-replies URL
		the address that gets replies, taps and opt-outs; or the secret that contains
		it, projects/PROJECT/secrets/SECRET, as for the addresses of Zapier and Slack
	-project ID
		the Google Cloud project that has the secrets; without it, the file has
		my-project, to be replaced before the deployment
	-country US
		the country of phone numbers without a country code
	-agent-id ID
		the agent of the file; without it, the agent is that of the deployment
	-dir FOLDER
		the folder for the files; the default is this one
`,
	run: runInit,
}

// initOptions are the flags of init.
type initOptions struct {
	starter.Options
	dirName string
}

func runInit(ctx context.Context, args []string, std stdio) error {
	var o initOptions
	flags := newFlags("init")
	flags.StringVar(&o.Caller, "caller", "", "")
	flags.StringVar(&o.Replies, "replies", "", "")
	flags.StringVar(&o.Project, "project", "", "")
	flags.StringVar(&o.Country, "country", "", "")
	flags.StringVar(&o.AgentID, "agent-id", "", "")
	flags.StringVar(&o.dirName, "dir", ".", "")
	rest, err := parseInterspersed(flags, args)
	if err != nil {
		return err
	}
	if len(rest) > 1 {
		return usageError(fmt.Sprintf("expected one preset, got %d", len(rest)))
	}
	o.Preset = strings.Join(rest, "")
	if problems := o.problems(); len(problems) > 0 {
		return usageError(strings.Join(problems, "\n"))
	}
	name := filepath.Join(o.dirName, "rcshook.yaml")
	if err := mustNotExist(name); err != nil {
		return err
	}
	if isTerminal(std.in) {
		if err := o.ask(ctx, std); err != nil {
			return err
		}
	}
	if !o.chosen() {
		if len(args) == 0 {
			fmt.Fprintf(std.out, "%s\nrcshook init PRESET writes a file for one of them. rcshook help init lists the other arguments.\n", presetList())
			return nil
		}
		return usageError("nothing to write: expected a preset, -caller NAME or -replies URL; the other flags are -project, -country, -agent-id and -dir\n\n" + presetList())
	}
	file, err := starter.New(o.Options)
	if err != nil {
		return err
	}
	folder := filepath.Join(o.dirName, "cases", o.Preset)
	if o.Preset != "" {
		if err := mustNotExist(folder); err != nil {
			return err
		}
		if err := createFile(filepath.Join(folder, file.CaseName), file.Event, 0o644); err != nil {
			return err
		}
	}
	if err := createFile(name, file.Text, 0o644); err != nil {
		return err
	}
	var out bytes.Buffer
	if err := runCheck(ctx, []string{"-update", name}, stdio{out: &out, err: &out}); err != nil {
		return fmt.Errorf("rcshook check: %w\n%s", err, bytes.TrimSpace(out.Bytes()))
	}
	fmt.Fprintf(std.out, "Wrote %s", name)
	if o.Preset != "" {
		fmt.Fprintf(std.out, ", and the folder %s with a first case", folder)
	}
	fmt.Fprintf(std.out, ".\n\n%s\n%s", &out, o.next(name, file.Opened))
	return nil
}

// presetList returns the presets by group.
func presetList() string {
	var list strings.Builder
	grouped := source.Grouped()
	list.WriteString("Presets:\n")
	for _, group := range source.Groups {
		fmt.Fprintf(&list, "  %-9s  %s\n", group, strings.Join(grouped[group], ", "))
	}
	return list.String()
}

// chosen reports whether there is anything to write.
func (o *initOptions) chosen() bool { return o.Preset != "" || o.Caller != "" || o.Replies != "" }

// mustNotExist returns an error if a file exists.
func mustNotExist(name string) error {
	if _, err := os.Lstat(name); err == nil {
		return fmt.Errorf("%s exists, and init overwrites nothing: edit it, or write to another folder with -dir FOLDER, and copy the entry that you need", name)
	}
	return nil
}

// createFile writes a file that does not exist, and its folder.
func createFile(name string, data []byte, mode os.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Close())
}

// ask asks for the options that have no value.
func (o *initOptions) ask(ctx context.Context, std stdio) error {
	lines, read := bufio.NewScanner(std.in), make(chan bool)
	if !o.chosen() {
		fmt.Fprintln(std.out, presetList())
	}
	for _, q := range []struct {
		text  string
		value *string
		skip  bool
	}{
		{"Which service sends webhooks? A preset, or Enter for none:", &o.Preset, o.chosen()},
		{"A name for a program or a no-code tool that posts messages, such as zapier, or Enter for none:", &o.Caller, o.chosen()},
		{"The address that gets replies, or the secret that contains it, or Enter for none:", &o.Replies, o.chosen()},
		{"The ID of your Google Cloud project, or Enter to write it later:", &o.Project, o.Project != ""},
		{"The country of phone numbers without a country code, such as US, or Enter for none:", &o.Country, o.Country != ""},
	} {
		for !q.skip {
			fmt.Fprint(std.out, q.text+" ")
			go func() { read <- lines.Scan() }()
			select {
			case <-ctx.Done():
				return errors.New("stopped; nothing is written")
			case ok := <-read:
				if !ok {
					return cmp.Or(lines.Err(), errors.New("the input ends before the last question; nothing is written"))
				}
			}
			*q.value = strings.TrimSpace(lines.Text())
			problems := o.problems()
			q.skip = len(problems) == 0
			for _, p := range problems {
				fmt.Fprintln(std.out, p)
			}
		}
	}
	return nil
}

var (
	projectForm = regexp.MustCompile(`^[a-z0-9][a-z0-9.:-]*$`)
	callerForm  = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$`)
	hookForm    = regexp.MustCompile(`^https://hooks?\.`) // Zapier, Make, Slack
)

// problems returns the problems with the options, by their flags.
func (o *initOptions) problems() (problems []string) {
	if o.Preset != "" && !slices.Contains(source.Presets(), o.Preset) {
		fix := "rcshook init lists them; for another sender of webhooks, use hmac, bearer, basic or url-token, and see docs/new-sender.md; for a program that sends our payloads, use -caller NAME"
		if near := config.Closest(o.Preset, source.Presets()); near != "" {
			fix = "did you mean " + near + "?"
		}
		problems = append(problems, fmt.Sprintf("unknown preset %q; %s", o.Preset, fix))
	}
	if o.Project != "" && !projectForm.MatchString(o.Project) {
		problems = append(problems, "-project must be the ID of a Google Cloud project, such as my-project-1")
	}
	if o.Caller != "" && !callerForm.MatchString(o.Caller) {
		problems = append(problems, "-caller must be at most 64 letters, digits, - and _")
	}
	if hookForm.MatchString(o.Replies) {
		problems = append(problems, "-replies is an address that works like a password; store it in Secret Manager, and write projects/PROJECT/secrets/SECRET")
	}
	if len(problems) > 0 {
		return problems
	}
	file, err := starter.New(o.Options)
	if err == nil {
		_, err = config.ParseFile("rcshook.yaml", file.Text)
	}
	invalid, ok := errors.AsType[*config.Error](err)
	if !ok && err != nil {
		return []string{err.Error()}
	}
	for i := 0; ok && i < len(invalid.Problems); i++ {
		p := invalid.Problems[i]
		flag := cmp.Or(map[string]string{
			"id": "-agent-id", "country": "-country", "countries": "-country", "url": "-replies", o.Caller: "-caller",
		}[p.Name()], "-project")
		if text := flag + " " + p.Detail; !slices.Contains(problems, text) {
			problems = append(problems, text)
		}
	}
	return problems
}

// next returns the next commands. The source is that of the preset, if any.
func (o *initOptions) next(name string, s *source.Source) string {
	if strings.Contains(name, " ") {
		name = `"` + name + `"`
	}
	commands := [][2]string{{"rcshook dev -config " + name, "runs it on this machine, with a phone at http://localhost:8081/"}}
	deploy := "deploy/deploy.sh --project " + cmp.Or(o.Project, starter.ExampleProject)
	if o.Preset != "" {
		if o.Preset != "sns" { // only Amazon can sign its messages
			commands[0][1] += " that sends the sample"
		}
		commands = append(commands, [2]string{"rcshook check " + name, "tests the map after a change; -update accepts the new message"})
	}
	if o.Caller != "" {
		commands = append(commands, [2]string{`rcshook send -to +12025550123 -text "Hello"`, "while dev runs, in a second terminal"})
		deploy += " --caller " + o.Caller
	}
	if o.Replies != "" {
		commands = append(commands, [2]string{"rcshook trigger reply", "while dev runs, in a second terminal"})
		deploy += " --events"
	}
	text := "Next:\n"
	for _, c := range append(commands, [2]string{deploy, "with rcshook.yaml in the folder of go.mod; on Windows, in Cloud Shell or WSL"}) {
		text += fmt.Sprintf("\n  %s\n      %s\n", c[0], c[1])
	}
	text += "\nThe script creates the secrets of the file, and prints how to fill them."
	if o.Project == "" {
		text += "\nBefore you run it, replace my-project in the file by the ID of your Google Cloud project."
	}
	if project, token := cmp.Or(o.Project, starter.ExampleProject), rand.Text(); s != nil && (s.HasToken() || s.SchemeType() == "token") {
		shown := "Here is a random token for the sender, which init stores nowhere:\n\n  " + token
		if s.HasToken() {
			shown = fmt.Sprintf("The URL for the sender ends with a token. Here is a random one, which init stores nowhere:\n\n  https://HOST/hooks/%s/%s", o.Preset, token)
		}
		text += fmt.Sprintf("\n\n%s\n\nBefore you deploy, store it:\n\n"+
			"  printf %%s %s | gcloud secrets create %s-hook --project=%s --data-file=-", shown, token, o.Preset, project)
	}
	return text + "\n"
}
