// Package gcloudtest replaces gcloud in the tests of deploy.sh. It records commands and
// stores the resources that they create. It imports little, because a test starts it
// dozens of times.
package gcloudtest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Project is the state of the replacement.
type Project struct {
	Accounts []string
	Secrets  map[string][]string // versions
	Labels   map[string]string   // NAME=VALUE, of secrets
	Access   []string            // sorted
	Public   []string            // the public members that may call the function
	Service  string
	Env      []string // NAME=VALUE, of the service
	Regions  []string // of other services with its name
	Queues   []string
	Buckets  []string // gs://NAME
	Topics   []string

	// Exclusions of the sink _Default are name=NAME,filter=FILTER.
	Exclusions []string

	Failed int
}

// Load reads the state in dir.
func Load(dir string) (Project, error) {
	p := Project{Secrets: map[string][]string{}, Labels: map[string]string{}}
	data, err := os.ReadFile(filepath.Join(dir, "project.json"))
	if errors.Is(err, os.ErrNotExist) {
		return p, nil
	}
	if err != nil {
		return p, err
	}
	return p, json.Unmarshal(data, &p)
}

// Run executes a command, as far as the script needs it, on the project in dir, and appends
// it to the file calls there. The environment variable FAIL has a line "COMMAND: ERROR" for
// each command that fails. FAIL_BINDINGS is the number of bindings that fail at first.
func Run(dir string, args []string) error {
	log, err := os.OpenFile(filepath.Join(dir, "calls"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	fmt.Fprintln(log, strings.Join(args, " "))
	for failure := range strings.Lines(os.Getenv("FAIL")) {
		if command, text, _ := strings.Cut(strings.TrimSpace(failure), ": "); strings.HasPrefix(strings.Join(args, " "), command) {
			return errors.New(text)
		}
	}
	p, err := Load(dir)
	if err != nil {
		return err
	}
	if err := p.do(dir, args); err != nil {
		return err
	}
	data, err := json.Marshal(p)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "project.json"), data, 0o600)
}

var errNotFound = errors.New("NOT_FOUND")

func (p *Project) do(dir string, args []string) error {
	words, flags := parse(args)
	command, subject := strings.Join(words[:len(words)-1], " "), words[len(words)-1]
	switch command {
	case "config get-value":
		if subject == "project" {
			fmt.Println("my-project")
		}
		return nil
	case "iam service-accounts describe":
		name, _, _ := strings.Cut(subject, "@")
		if !slices.Contains(p.Accounts, name) {
			return errNotFound
		}
		return nil
	case "iam service-accounts create":
		if slices.Contains(p.Accounts, subject) {
			return errors.New("ALREADY_EXISTS")
		}
		p.Accounts = append(p.Accounts, subject)
		return nil
	case "iam service-accounts delete":
		name, _, _ := strings.Cut(subject, "@")
		return remove(&p.Accounts, name)
	case "secrets describe", "secrets create", "secrets delete", "secrets versions list", "secrets versions add":
		return p.secret(command, subject, flags)
	case "secrets versions access": // latest
		return p.secret(command, flags["--secret"], flags)
	case "secrets": // list
		for name := range p.Secrets {
			if flags["--filter"] == "labels."+p.Labels[name] {
				fmt.Println(name)
			}
		}
		return nil
	case "pubsub topics describe":
		if !slices.Contains(p.Topics, subject) {
			return errNotFound
		}
		return nil
	case "tasks queues describe":
		if !slices.Contains(p.Queues, subject) {
			return errNotFound
		}
		return nil
	case "tasks queues create":
		if slices.Contains(p.Queues, subject) {
			return errors.New("ALREADY_EXISTS")
		}
		p.Queues = append(p.Queues, subject)
		return nil
	case "tasks queues delete":
		return remove(&p.Queues, subject)
	case "storage buckets describe":
		if !slices.Contains(p.Buckets, subject) {
			return errNotFound
		}
		return nil
	case "storage rm":
		return remove(&p.Buckets, subject)
	case "storage buckets": // list, with the filter name=NAME
		if name := strings.TrimPrefix(flags["--filter"], "name="); slices.Contains(p.Buckets, "gs://"+name) {
			fmt.Println(name)
		}
		return nil
	case "storage buckets create":
		if slices.Contains(p.Buckets, subject) {
			return errors.New("HTTPError 409")
		}
		p.Buckets = append(p.Buckets, subject)
		return nil
	case "logging sinks describe": // the names of the exclusions, and their filters
		var names, filters []string
		for _, exclusion := range p.Exclusions {
			name, filter, _ := strings.Cut(strings.TrimPrefix(exclusion, "name="), ",filter=")
			names, filters = append(names, name), append(filters, filter)
		}
		fmt.Print(strings.Join(names, ";"))
		if strings.Contains(flags["--format"], "filter") {
			fmt.Print("\t" + strings.Join(filters, ";"))
		}
		fmt.Println()
		return nil
	case "logging sinks update":
		if removed := flags["--remove-exclusions"]; removed != "" {
			p.Exclusions = slices.DeleteFunc(p.Exclusions, func(e string) bool { return strings.HasPrefix(e, "name="+removed+",") })
			return nil
		}
		if changed := flags["--update-exclusion"]; changed != "" {
			name, _, _ := strings.Cut(changed, ",")
			i := slices.IndexFunc(p.Exclusions, func(e string) bool { return strings.HasPrefix(e, name+",") })
			if i < 0 {
				return errNotFound
			}
			p.Exclusions[i] = changed
			return nil
		}
		p.Exclusions = append(p.Exclusions, flags["--add-exclusion"])
		return nil
	case "projects describe":
		fmt.Println("123456789012")
		return nil
	case "projects add-iam-policy-binding", "secrets add-iam-policy-binding", "run services add-iam-policy-binding",
		"tasks queues add-iam-policy-binding", "pubsub topics add-iam-policy-binding", "storage buckets add-iam-policy-binding", "iam service-accounts add-iam-policy-binding":
		return p.bind(dir, subject, flags)
	case "projects remove-iam-policy-binding":
		return remove(&p.Access, binding(subject, flags))
	case "run services get-iam-policy":
		return json.NewEncoder(os.Stdout).Encode(map[string]any{
			"bindings": []any{map[string]any{"members": p.Public, "role": "roles/run.invoker"}},
		})
	case "run services remove-iam-policy-binding":
		return remove(&p.Public, flags["--member"])
	case "run deploy":
		if _, ok := flags["--allow-unauthenticated"]; ok && !slices.Contains(p.Public, "allUsers") {
			p.Public = append(p.Public, "allUsers")
		}
		p.Service, p.Env = subject, strings.Split(flags["--set-env-vars"], ",")
		return nil
	case "run services delete":
		if p.Service != subject {
			return errNotFound
		}
		p.Service, p.Public, p.Env = "", nil, nil
		return nil
	case "run services": // list, by the name
		for _, region := range p.Regions {
			fmt.Println(region)
		}
		return nil
	case "run services describe":
		if p.Service != subject {
			return errNotFound
		}
		if flags["--format"] == "json" {
			return json.NewEncoder(os.Stdout).Encode(p.describe())
		}
		fmt.Println("https://" + subject + ".example")
		return nil
	}
	if len(words) > 2 && words[0] == "services" && words[1] == "enable" {
		return nil
	}
	return fmt.Errorf("unknown command %q", words)
}

// describe returns the part of the service that has its settings.
func (p *Project) describe() any {
	env := []map[string]string{}
	for _, setting := range p.Env {
		name, value, _ := strings.Cut(setting, "=")
		env = append(env, map[string]string{"name": name, "value": value})
	}
	spec := map[string]any{"containers": []any{map[string]any{"env": env}}}
	return map[string]any{"spec": map[string]any{"template": map[string]any{"spec": spec}}}
}

func (p *Project) secret(command, name string, flags map[string]string) error {
	versions, ok := p.Secrets[name]
	switch {
	case command == "secrets create":
		if ok {
			return errors.New("ALREADY_EXISTS")
		}
		p.Secrets[name], p.Labels[name] = []string{}, flags["--labels"]
		return nil
	case !ok:
		return errNotFound
	case command == "secrets delete":
		delete(p.Secrets, name)
		delete(p.Labels, name)
	case command == "secrets versions access" && len(versions) == 0:
		return errNotFound
	case command == "secrets versions access":
		fmt.Print(versions[len(versions)-1])
	case command == "secrets versions list" && len(versions) > 0:
		fmt.Println(len(versions))
	case command == "secrets versions add":
		from := os.Stdin
		if file := flags["--data-file"]; file != "-" {
			var err error
			if from, err = os.Open(file); err != nil {
				return err
			}
			defer from.Close()
		}
		value, err := io.ReadAll(from)
		if err != nil {
			return err
		}
		p.Secrets[name] = append(versions, string(value))
	}
	return nil
}

// binding describes the access that the flags of a command give.
func binding(on string, flags map[string]string) string {
	return fmt.Sprintf("%s on %s for %s", flags["--role"], on, flags["--member"])
}

// remove removes a name from a list.
func remove(list *[]string, name string) error {
	i := slices.Index(*list, name)
	if i < 0 {
		return errNotFound
	}
	*list = slices.Delete(*list, i, i+1)
	return nil
}

func (p *Project) bind(dir, on string, flags map[string]string) error {
	if fmt.Sprint(p.Failed) < os.Getenv("FAIL_BINDINGS") {
		p.Failed++
		return p.fail(dir)
	}
	line := binding(on, flags)
	if !slices.Contains(p.Access, line) {
		p.Access = append(p.Access, line)
		slices.Sort(p.Access)
	}
	return nil
}

// fail stores the count of failures; a failed command changes nothing else.
func (p *Project) fail(dir string) error {
	data, err := json.Marshal(p)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "project.json"), data, 0o600)
	}
	return errors.Join(err, errors.New("INVALID_ARGUMENT: the service account does not exist"))
}

// parse separates the flags of a command line from the other arguments.
func parse(args []string) (words []string, flags map[string]string) {
	flags = map[string]string{}
	for _, arg := range args {
		if !strings.HasPrefix(arg, "--") {
			words = append(words, arg)
			continue
		}
		name, value, _ := strings.Cut(arg, "=")
		flags[name] = value
	}
	return words, flags
}
