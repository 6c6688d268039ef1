package doctor

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/rcshook/rcshook/internal/agent"
	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/google"
)

// readFile checks rcshook.yaml, if there is one. Where it has faults the agent of the
// environment is examined all the same, and so are the sources.
func (e *examination) readFile(ctx context.Context) {
	if e.cfg.File == "" {
		return
	}
	if e.cfg.File.IsResource() {
		e.agents = agent.New(e.cfg, agent.Options{Transport: e.watch})
		defer e.agents.Close()
		if !e.identify(ctx) {
			e.skip(File, "", Identity, "")
			return
		}
	}
	bound, cancel := e.bound(ctx)
	defer cancel()
	name, data, err := agent.ReadFile(bound, e.cfg, agent.Options{Transport: e.watch})
	if refused := (*google.SecretError)(nil); errors.As(err, &refused) {
		e.add(Fault, File, e.cfg.File.String(), e.explain(refused, ""), e.advise(refused)...)
		return
	}
	for _, f := range faultsOf(err) {
		e.add(Fault, File, f.Position.String(), f.String(), "Name the file with -config, or correct RCSHOOK_CONFIG: "+e.Service.update()+" --update-env-vars=RCSHOOK_CONFIG=rcshook.yaml")
	}
	if err != nil {
		return
	}
	parsed, err := config.ParseFile(name, data)
	whole, wrong := e.cfg.With(name, parsed)
	for _, f := range faultsOf(config.Join(err, wrong)) {
		e.add(Fault, File, f.Position.String(), f.String(), e.mendFile(name))
	}
	e.file = parsed
	if !e.failed(File, "") {
		e.cfg = whole
		e.add(OK, File, name, fmt.Sprintf("%s, %s", count(len(parsed.Agents), "agent"), count(len(parsed.Sources), "source")))
	}
}

// mendFile says how a corrected file gets to the function.
func (e *examination) mendFile(name string) string {
	if resource, ok := e.cfg.File.Resource(); ok {
		parts := strings.Split(resource, "/")
		return "Correct it, see it well with rcshook check, and store it: gcloud secrets versions add " + parts[3] + " --project=" + parts[1] + " --data-file=rcshook.yaml"
	}
	return "Correct it, see it well with rcshook check " + name + ", and deploy again"
}

// choose leaves only the agent that was asked for.
func (e *examination) choose() {
	if e.names = e.agentNames(); e.Agent == "" {
		return
	}
	chosen, ok := e.cfg.Agents[e.Agent]
	if !ok {
		known := "none is, as long as the file has faults"
		if len(e.cfg.Agents) > 0 {
			known = "the agents are " + strings.Join(e.names, ", ")
		}
		e.add(Fault, Agent, e.Agent, "no agent of this name is configured", "Use -agent with another name: "+known)
		e.cfg.Agents = nil
		return
	}
	e.cfg.Agents = map[string]config.Agent{e.Agent: chosen}
}

// agentNames are the agents to look at, sorted.
func (e *examination) agentNames() []string { return slices.Sorted(maps.Keys(e.cfg.Agents)) }

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
