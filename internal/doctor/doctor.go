// Package doctor checks a setup with the code that serves: settings, secrets,
// credentials, the platform, agents, webhooks, sources and targets. It sends no message, except
// to [Options.Number].
//
// A check that depends on a failed one is skipped and names it, so that each problem is
// reported once, at its cause.
package doctor

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/rcshook/rcshook/internal/agent"
	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/google/platform"
	"github.com/rcshook/rcshook/rbm"
)

// State is the result of a check.
type State string

// The states.
const (
	OK      State = "ok"
	Warning State = "warning" // it works, but needs attention
	Error   State = "error"
	Skipped State = "skipped" // it depends on a failed check
)

// The names of checks, in the order of the report.
const (
	Environment   = "environment"    // the variables
	Platform      = "platform"       // each host of RCS Business Messaging
	Clock         = "clock"          // of this machine
	Identity      = "identity"       // the account that reads secrets
	File          = "file"           // rcshook.yaml
	SecretManager = "secret_manager" // Secret Manager itself
	Secret        = "secret"         // each secret
	Callers       = "callers"        // API keys and ID tokens
	Credentials   = "credentials"    // each agent's key and token
	Agent         = "agent"          // each agent, as known to the platform
	Number        = "number"         // whether each agent reaches the number
	Queue         = "queue"          // each queue
	Webhook       = "webhook"        // of each agent
	OptOut        = "opt_out"        // each store of opt-outs
	Source        = "source"         // each source
	Fallback      = "fallback"       // each fallback
	Target        = "target"         // each target of events
	Revocation    = "revocation"     // of a delivered message
)

// Names are the names of checks, in the order of the report.
var Names = []string{
	Environment, Platform, Clock, Identity, File, SecretManager, Secret, Callers, Credentials, Agent, Number, Queue, Webhook, OptOut, Source, Fallback, Target, Revocation,
}

// Check is one check with its result. It contains nothing secret.
type Check struct {
	// Name is one of [Names].
	Name string `json:"name"`

	// Subject is the variable, secret, agent or source. It is empty if there is
	// only one check of the name.
	Subject string `json:"subject,omitempty"`

	State State `json:"state"`

	// Detail describes the result.
	Detail string `json:"detail"`

	// Next are the next steps after a warning or an error, the most likely first.
	Next []string `json:"next,omitempty"`

	// Needs is the failed check, by name and subject, that a skipped one depends on.
	Needs string `json:"needs,omitempty"`
}

// Summary counts the checks by state.
type Summary struct {
	OK      int `json:"ok"`
	Warning int `json:"warning"`
	Error   int `json:"error"`
	Skipped int `json:"skipped"`
}

// Report is the result of [Examine].
type Report struct {
	OK      bool    `json:"ok"` // no check failed
	Checks  []Check `json:"checks"`
	Summary Summary `json:"summary"`
}

// Options are the setup to check.
type Options struct {
	// Environ are the settings, a list of NAME=value.
	Environ []string

	// Service is the deployment with these settings, as far as it is known.
	Service Service

	// Agent is the name of the only agent to check; empty means all.
	Agent string

	// To is a phone number in E.164 format whose reachability is checked, if any.
	To string

	// Number is a phone number in E.164 format that gets a message, if any. Arrived is called
	// once the platform has the message, and returns when it should be on the phone. It
	// reports whether a person has seen it there.
	Number  string
	Arrived func(ctx context.Context, subject string) (seen bool)

	// Timeout limits each exchange.
	Timeout time.Duration

	// UserAgent is sent to the platform.
	UserAgent string
}

// run is one run.
type run struct {
	Options
	checks    []Check
	transport *clockSkewTransport // carries all requests

	cfg       config.Config
	file      config.File
	names     []string // of all agents, including those that Options.Agent excludes
	agents    *agent.Directory
	identity  *platform.Identity // nil until it is known
	secrets   map[config.Secret]agent.Inspection
	responses map[string]error // of the platform to a request for each agent; nil for success
}

// Examine makes all checks. It takes a few seconds at most if all succeed.
func Examine(ctx context.Context, o Options) Report {
	transport := rbm.NewTransport()
	transport.MaxConnsPerHost = 0 // a simulator serves HTTP/1
	defer transport.CloseIdleConnections()
	e := &run{
		Options: o, transport: &clockSkewTransport{base: transport},
		secrets: make(map[config.Secret]agent.Inspection), responses: make(map[string]error),
	}
	if e.environment() {
		// The order is that of dependencies.
		e.readFile(ctx)
		e.selectAgent()
		e.agents = agent.New(e.cfg, agent.Options{Transport: e.transport})
		defer e.agents.Close()
		e.platforms(ctx)
		e.readSecrets(ctx)
		e.clock()
		e.callers(ctx)
		e.credentials(ctx)
		e.checkAgents()
		e.number(ctx)
		e.queues(ctx)
		e.webhooks(ctx)
		e.optOuts(ctx)
		e.sources(ctx)
		e.targets(ctx)
		e.revocation(ctx)
	}
	slices.SortStableFunc(e.checks, func(a, b Check) int {
		return cmp.Compare(slices.Index(Names, a.Name), slices.Index(Names, b.Name))
	})
	count := make(map[State]int)
	for _, c := range e.checks {
		count[c.State]++
	}
	return Report{count[Error] == 0, e.checks, Summary{count[OK], count[Warning], count[Error], count[Skipped]}}
}

// add adds a check.
func (e *run) add(state State, name, subject, detail string, next ...string) {
	e.checks = append(e.checks, Check{Name: name, Subject: subject, State: state, Detail: detail, Next: next})
}

// skip adds a skipped check if the one that it needs has failed, and reports whether it
// has. An empty neededSubject means any. If the needed check was skipped itself, its
// cause is named instead.
func (e *run) skip(name, subject, needed, neededSubject string) bool {
	i := e.failure(needed, neededSubject)
	if i < 0 {
		return false
	}
	needs := e.checks[i].Needs
	if needs == "" {
		needs = strings.TrimSpace(needed + " " + neededSubject)
	}
	e.checks = append(e.checks, Check{Name: name, Subject: subject, State: Skipped, Detail: "skipped: it needs " + needs, Needs: needs})
	return true
}

// failed reports whether a check failed or was skipped. An empty subject means any.
func (e *run) failed(name, subject string) bool { return e.failure(name, subject) >= 0 }

func (e *run) failure(name, subject string) int {
	return slices.IndexFunc(e.checks, func(c Check) bool {
		return c.Name == name && (c.Subject == subject || subject == "") && (c.State == Error || c.State == Skipped)
	})
}

// client returns a client of the platform with the settings of the function. Without
// an agent's name it sends no token.
func (e *run) client(id, name, region string) (*rbm.Client, error) {
	var token func(context.Context) (string, error)
	if name != "" {
		token = func(ctx context.Context) (string, error) { return e.agents.Token(ctx, name) }
	}
	return rbm.New(rbm.Config{
		AgentID:    id,
		Token:      token,
		HTTPClient: &http.Client{Transport: e.transport},
		Region:     rbm.Region(region),
		Endpoint:   e.cfg.RBMEndpoint,
		Retry:      rbm.Retry{MaxAttempts: 2, AttemptTimeout: e.Timeout / 2},
		UserAgent:  e.UserAgent,
	})
}

// Count returns a number with a noun, such as "2 agents".
func Count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// Contents describes what a file contains, such as "1 agent, 2 sources".
func Contents(f config.File) string {
	var parts []string
	add := func(n int, noun string) {
		if n > 0 {
			parts = append(parts, Count(n, noun))
		}
	}
	add(len(f.Agents), "agent")
	add(len(f.Sources), "source")
	add(len(f.Events), "target")
	add(len(f.Callers), "caller")
	return cmp.Or(strings.Join(parts, ", "), "empty")
}
