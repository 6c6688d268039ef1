package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	_ "embed" // the template
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"text/template"

	"go.yaml.in/yaml/v4"

	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/source"
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

// exampleProject stands for the ID of a project in the files of init.
const exampleProject = "my-project"

// initOptions are the flags of init.
type initOptions struct {
	preset, caller, replies            string
	project, country, agentID, dirName string
	token                              string // of the source; set by render
	path                               bool   // the token is in the path; set by render
}

func runInit(ctx context.Context, args []string, std stdio) error {
	var o initOptions
	flags := newFlags("init")
	flags.StringVar(&o.caller, "caller", "", "")
	flags.StringVar(&o.replies, "replies", "", "")
	flags.StringVar(&o.project, "project", "", "")
	flags.StringVar(&o.country, "country", "", "")
	flags.StringVar(&o.agentID, "agent-id", "", "")
	flags.StringVar(&o.dirName, "dir", ".", "")
	rest, err := parseInterspersed(flags, args)
	if err != nil {
		return err
	}
	if len(rest) > 1 {
		return usageError(fmt.Sprintf("expected one preset, got %d", len(rest)))
	}
	o.preset = strings.Join(rest, "")
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
	text, caseName, event, err := o.render()
	if err != nil {
		return err
	}
	folder := filepath.Join(o.dirName, "cases", o.preset)
	if o.preset != "" {
		if err := mustNotExist(folder); err != nil {
			return err
		}
		if err := createFile(filepath.Join(folder, caseName), event, 0o644); err != nil {
			return err
		}
	}
	if err := createFile(name, text, 0o644); err != nil {
		return err
	}
	var out bytes.Buffer
	if err := runCheck(ctx, []string{"-update", name}, stdio{out: &out, err: &out}); err != nil {
		return fmt.Errorf("rcshook check: %w\n%s", err, bytes.TrimSpace(out.Bytes()))
	}
	fmt.Fprintf(std.out, "Wrote %s", name)
	if o.preset != "" {
		fmt.Fprintf(std.out, ", and the folder %s with a first case", folder)
	}
	fmt.Fprintf(std.out, ".\n\n%s\n%s", &out, o.next(name))
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
func (o *initOptions) chosen() bool { return o.preset != "" || o.caller != "" || o.replies != "" }

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
		{"Which service sends webhooks? A preset, or Enter for none:", &o.preset, o.chosen()},
		{"A name for a program or a no-code tool that posts messages, such as zapier, or Enter for none:", &o.caller, o.chosen()},
		{"The address that gets replies, or the secret that contains it, or Enter for none:", &o.replies, o.chosen()},
		{"The ID of your Google Cloud project, or Enter to write it later:", &o.project, o.project != ""},
		{"The country of phone numbers without a country code, such as US, or Enter for none:", &o.country, o.country != ""},
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
	if o.preset != "" && !slices.Contains(source.Presets(), o.preset) {
		fix := "rcshook init lists them; for another sender of webhooks, use hmac, bearer, basic or url-token, and see docs/new-sender.md; for a program that sends our payloads, use -caller NAME"
		if near := config.Closest(o.preset, source.Presets()); near != "" {
			fix = "did you mean " + near + "?"
		}
		problems = append(problems, fmt.Sprintf("unknown preset %q; %s", o.preset, fix))
	}
	if o.project != "" && !projectForm.MatchString(o.project) {
		problems = append(problems, "-project must be the ID of a Google Cloud project, such as my-project-1")
	}
	if o.caller != "" && !callerForm.MatchString(o.caller) {
		problems = append(problems, "-caller must be at most 64 letters, digits, - and _")
	}
	if hookForm.MatchString(o.replies) {
		problems = append(problems, "-replies is an address that works like a password; store it in Secret Manager, and write projects/PROJECT/secrets/SECRET")
	}
	if len(problems) > 0 {
		return problems
	}
	text, _, _, err := o.render()
	if err == nil {
		_, err = config.ParseFile("rcshook.yaml", text)
	}
	invalid, ok := errors.AsType[*config.Error](err)
	if !ok && err != nil {
		return []string{err.Error()}
	}
	for i := 0; ok && i < len(invalid.Problems); i++ {
		p := invalid.Problems[i]
		flag := cmp.Or(map[string]string{
			"id": "-agent-id", "country": "-country", "countries": "-country", "url": "-replies", o.caller: "-caller",
		}[p.Name()], "-project")
		if text := flag + " " + p.Detail; !slices.Contains(problems, text) {
			problems = append(problems, text)
		}
	}
	return problems
}

// initText is the template of rcshook.yaml.
//
//go:embed init.tmpl
var initText string

var initFile = template.Must(template.New("").Funcs(template.FuncMap{
	"scalar": func(value string) (string, error) {
		text, err := yaml.Marshal(value)
		return strings.TrimSpace(string(text)), err
	},
	"indent": func(text string) string { return strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n      ") },
}).Parse(initText))

// presetTraffic has the traffic types of the presets, and of groups of presets, whose maps do
// more than report an order, an account or an alert.
var presetTraffic = map[string]string{
	"sign-in": "otp", "form": "service",
	"intercom": "service", "pipedrive": "service", "twilio": "service",
	"hubspot": "promotion", "square": "promotion", "telegram": "promotion",
}

// render returns rcshook.yaml, and the name and the content of the case of the preset, if
// any.
func (o *initOptions) render() (text []byte, name string, event []byte, err error) {
	view := struct {
		Project, Country, AgentID, Caller, Replies, About, Docs, Secret, Traffic string
		Source                                                                   *config.Source
		Fixed                                                                    bool // the number in the map
	}{Project: cmp.Or(o.project, exampleProject), Country: o.country, AgentID: o.agentID, Caller: o.caller, Replies: o.replies}
	if o.preset != "" {
		c, err := source.Example(o.preset, view.Project)
		if err != nil {
			return nil, "", nil, err
		}
		sources, err := source.Open(map[string]config.Source{c.Name: c}, source.Options{})
		if err != nil {
			return nil, "", nil, err
		}
		s := sources.All()[0]
		view.Source, view.Docs, view.Fixed = &c, s.Docs(), strings.Contains(c.Map.Text, `"+12025550123"`)
		o.path = s.HasToken()
		if o.path || s.SchemeType() == "token" {
			o.token = rand.Text()
		}
		view.About, _, _ = strings.Cut(s.Description(), ";")
		kind := ""
		view.Secret = s.SchemeType()
		view.Traffic = cmp.Or(presetTraffic[o.preset], presetTraffic[s.Group()], "transaction")
		event, kind = sampleText(s.Sample("0001"))
		name = "sample." + kind
	}
	var b bytes.Buffer
	err = initFile.Execute(&b, view)
	return b.Bytes(), name, event, err
}

// sampleText returns a sample event in the form of a case, and the extension of its file.
func sampleText(sample *source.Request) (text []byte, kind string) {
	if sample == nil {
		return nil, ""
	}
	if len(sample.Header) == 1 && sample.Header.Get("Content-Type") == "application/json" {
		return sample.Body, "json"
	}
	for _, header := range slices.Sorted(maps.Keys(sample.Header)) {
		text = fmt.Appendf(text, "%s: %s\n", header, sample.Header.Get(header))
	}
	text = append(text, '\n')
	return append(text, sample.Body...), "http"
}

// next returns the next commands.
func (o *initOptions) next(name string) string {
	if strings.Contains(name, " ") {
		name = `"` + name + `"`
	}
	commands := [][2]string{{"rcshook dev -config " + name, "runs it on this machine, with a phone at http://localhost:8081/"}}
	deploy := "deploy/deploy.sh --project " + cmp.Or(o.project, exampleProject)
	if o.preset != "" {
		if o.preset != "sns" { // only Amazon can sign its messages
			commands[0][1] += " that sends the sample"
		}
		commands = append(commands, [2]string{"rcshook check " + name, "tests the map after a change; -update accepts the new message"})
	}
	if o.caller != "" {
		commands = append(commands, [2]string{`rcshook send -to +12025550123 -text "Hello"`, "while dev runs, in a second terminal"})
		deploy += " --caller " + o.caller
	}
	if o.replies != "" {
		commands = append(commands, [2]string{"rcshook trigger reply", "while dev runs, in a second terminal"})
		deploy += " --events"
	}
	text := "Next:\n"
	for _, c := range append(commands, [2]string{deploy, "with rcshook.yaml in the folder of go.mod; on Windows, in Cloud Shell or WSL"}) {
		text += fmt.Sprintf("\n  %s\n      %s\n", c[0], c[1])
	}
	text += "\nThe script creates the secrets of the file, and prints how to fill them."
	if o.project == "" {
		text += "\nBefore you run it, replace my-project in the file by the ID of your Google Cloud project."
	}
	if project := cmp.Or(o.project, exampleProject); o.token != "" {
		shown := "Here is a random token for the sender, which init stores nowhere:\n\n  " + o.token
		if o.path {
			shown = fmt.Sprintf("The URL for the sender ends with a token. Here is a random one, which init stores nowhere:\n\n  https://HOST/hooks/%s/%s", o.preset, o.token)
		}
		text += fmt.Sprintf("\n\n%s\n\nBefore you deploy, store it:\n\n"+
			"  printf %%s %s | gcloud secrets create %s-hook --project=%s --data-file=-", shown, o.token, o.preset, project)
	}
	return text + "\n"
}
