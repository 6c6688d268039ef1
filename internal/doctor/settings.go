package doctor

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/rcshook/rcshook/internal/agent"
	"github.com/rcshook/rcshook/internal/charset"
	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/google"
)

// environment checks the variables. With an invalid one the function does not serve, so
// that there is nothing more to check.
func (e *run) environment() bool {
	var names []string
	for _, entry := range e.Environ {
		name, value, _ := strings.Cut(entry, "=")
		if strings.HasPrefix(strings.ToUpper(name), "RCSHOOK_") && config.Trim(value) != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	var err error
	if e.cfg, err = config.FromEnviron(e.Environ); err == nil {
		e.add(OK, Environment, "", strings.Join(names, ", "))
		return true
	}
	next := e.fixSettings(problems(err))
	if len(names) == 0 {
		next = append(next,
			"Or let deploy/deploy.sh set all of them: deploy/deploy.sh --help",
			"Or check the settings of a deployment: rcshook doctor -env FILE; rcshook help doctor describes FILE",
			"Or try it without an account: rcshook dev prints the command that checks it")
	}
	for _, p := range problems(err) {
		e.add(Error, Environment, p.Path, p.String(), next...)
	}
	for _, name := range []string{Platform, Clock, Identity, Secret, Callers, Credentials, Agent, Source} {
		e.skip(name, "", Environment, "")
	}
	return false
}

// fixSettings returns the command that fixes all settings in one deployment.
func (e *run) fixSettings(all []config.Problem) (next []string) {
	var set, remove []string
	for _, p := range all {
		switch {
		case p.Unknown:
			remove = append(remove, p.Path)
			if p.Suggestion != "" {
				set = append(set, p.Suggestion+"=VALUE")
			}
		case p.Missing && p.Path == "RCSHOOK_API_KEYS":
			steps, secret := e.createKey()
			next = append(next, steps...)
			set = append(set, p.Path+"="+secret)
		default:
			set = append(set, p.Path+"=VALUE")
		}
	}
	title, flags := "Set it: ", ""
	if len(remove) > 0 {
		title, flags = "Remove it: ", " --remove-env-vars="+strings.Join(remove, ",")
	}
	if len(set) > 0 {
		flags += " --update-env-vars=" + strings.Join(set, ",")
	}
	if len(all) > 1 {
		title = "Fix the settings: "
	}
	return append(next, title+e.Service.update()+flags)
}

func problems(err error) []config.Problem {
	if e, ok := errors.AsType[*config.Error](err); ok {
		return e.Problems
	}
	return nil
}

// readFile checks rcshook.yaml, if there is one. The agent of the environment and the
// sources are checked even if the file has errors.
func (e *run) readFile(ctx context.Context) {
	if e.cfg.File == "" {
		return
	}
	if e.cfg.File.IsResource() {
		e.agents = agent.New(e.cfg, agent.Options{Transport: e.transport})
		defer e.agents.Close()
		if !e.identify(ctx) {
			e.skip(File, "", Identity, "")
			return
		}
	}
	ctx, cancel := context.WithTimeout(ctx, e.Timeout)
	defer cancel()
	name, data, err := agent.ReadFile(ctx, e.cfg, agent.Options{Transport: e.transport})
	if rejected, ok := errors.AsType[*google.SecretError](err); ok {
		e.add(Error, File, e.cfg.File.String(), e.explain(rejected, ""), e.advise(rejected)...)
		return
	}
	for _, p := range problems(err) {
		e.add(Error, File, p.Position.String(), p.String(), "Name the file with -config, or fix RCSHOOK_CONFIG: "+e.Service.update()+" --update-env-vars=RCSHOOK_CONFIG=rcshook.yaml")
	}
	if err != nil {
		return
	}
	parsed, err := config.ParseFile(name, data)
	whole, wrong := e.cfg.With(name, parsed)
	for _, p := range problems(config.Join(err, wrong)) {
		if p.File == "" { // neither the file nor the environment has the setting
			e.add(Error, Environment, p.Path, p.String(), e.fixSettings([]config.Problem{p})...)
			continue
		}
		e.add(Error, File, p.Position.String(), p.String(), e.fixFile(name))
	}
	e.file = parsed
	if !e.failed(File, "") {
		e.cfg = whole
		e.add(OK, File, name, Contents(parsed))
	}
}

// fixFile returns the step that brings a fixed file to the function.
func (e *run) fixFile(name string) string {
	if resource, ok := e.cfg.File.Resource(); ok {
		return "Fix it, run rcshook check, and store it: " + addVersion(resource) + " --data-file=rcshook.yaml"
	}
	return "Fix it, run rcshook check " + name + ", and deploy again"
}

// selectAgent removes all agents but the selected one.
func (e *run) selectAgent() {
	if e.names = e.agentNames(); e.Agent == "" {
		return
	}
	selected, ok := e.cfg.Agents[e.Agent]
	if !ok {
		known := "there are none while the file has errors"
		if len(e.cfg.Agents) > 0 {
			known = "the agents are " + strings.Join(e.names, ", ")
		}
		e.add(Error, Agent, e.Agent, "an agent of this name is not configured", "Use -agent with another name: "+known)
		e.cfg.Agents = nil
		return
	}
	e.cfg.Agents = map[string]config.Agent{e.Agent: selected}
}

func (e *run) agentNames() []string { return slices.Sorted(maps.Keys(e.cfg.Agents)) }

// Service is a deployment on Cloud Run. Unknown fields are empty.
type Service struct {
	Name, Project, Region string

	// Account is the service account that it runs as.
	Account string
}

// update returns the beginning of a command that changes the settings.
func (s Service) update() string {
	return "gcloud run services update " + cmp.Or(s.Name, "SERVICE") + " --project=" + cmp.Or(s.Project, "PROJECT") + " --region=" + cmp.Or(s.Region, "REGION")
}

// addVersion returns the beginning of a command that adds a version to a secret.
func addVersion(resource string) string {
	parts := strings.Split(resource, "/")
	if len(parts) < 4 {
		return "gcloud secrets versions add SECRET"
	}
	return "gcloud secrets versions add " + parts[3] + " --project=" + parts[1]
}

// ParseEnviron parses settings: lines NAME=value and comments after #, or the output of
// "gcloud run services describe --format=json", which describes the service too. A
// variable that Cloud Run reads from a secret becomes the name of that secret, which
// rcshook reads itself. An error does not quote the file.
func ParseEnviron(data []byte) ([]string, Service, error) {
	data, err := charset.ToUTF8(data)
	if err != nil {
		return nil, Service{}, fmt.Errorf("%w; save it as UTF-8", err)
	}
	text := strings.TrimSpace(string(data))
	if strings.HasPrefix(text, "{") {
		return parseService(text)
	}
	var environ []string
	number := 0
	for line := range strings.Lines(text) {
		number++
		line = strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(line), "export "))
		if line == "" || line[0] == '#' {
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		if !ok || name == "" || strings.ContainsAny(name, " \t\"':{") {
			return nil, Service{}, fmt.Errorf("line %d: expected NAME=value", number)
		}
		for _, q := range []string{`"`, `'`} {
			if len(value) >= 2 && strings.HasPrefix(value, q) && strings.HasSuffix(value, q) {
				value = value[1 : len(value)-1]
				break
			}
		}
		environ = append(environ, name+"="+value)
	}
	return environ, Service{}, nil
}

// Cloud Run docs: https://docs.cloud.google.com/run/docs/reference/rest/v1/namespaces.services
func parseService(text string) ([]string, Service, error) {
	var s struct {
		Kind     string `json:"kind"`
		Metadata struct {
			Name      string            `json:"name"`
			Namespace string            `json:"namespace"`
			Labels    map[string]string `json:"labels"`
		} `json:"metadata"`
		Spec struct {
			Template struct {
				Spec struct {
					Account    string `json:"serviceAccountName"`
					Containers []struct {
						Env []struct {
							Name  string `json:"name"`
							Value string `json:"value"`
							From  struct {
								Secret struct {
									Name    string `json:"name"`
									Version string `json:"key"`
								} `json:"secretKeyRef"`
							} `json:"valueFrom"`
						} `json:"env"`
					} `json:"containers"`
				} `json:"spec"`
			} `json:"template"`
		} `json:"spec"`
	}
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		return nil, Service{}, errors.New("invalid JSON")
	}
	if s.Kind != "Service" || len(s.Spec.Template.Spec.Containers) == 0 {
		return nil, Service{}, errors.New("expected the output of gcloud run services describe --format=json, got other JSON")
	}
	found := Service{
		Name: s.Metadata.Name, Project: s.Metadata.Namespace,
		Region: s.Metadata.Labels["cloud.googleapis.com/location"], Account: s.Spec.Template.Spec.Account,
	}
	var environ []string
	for _, container := range s.Spec.Template.Spec.Containers {
		for _, v := range container.Env {
			value := v.Value
			if from := v.From.Secret; from.Name != "" {
				value = "projects/" + found.Project + "/secrets/" + from.Name + "/versions/" + from.Version
			}
			if strings.HasPrefix(strings.ToUpper(v.Name), "RCSHOOK_") { // others, such as paths, belong to that machine
				environ = append(environ, v.Name+"="+value)
			}
		}
	}
	return environ, found, nil
}
