// Package doctor examines a set-up: it goes the way of a message with the code that
// serves, and says at each station what is well, what is not, and what to do next.
// It sends nothing.
//
// A station whose work depends on one that failed is skipped, and says on which. So
// a fault is told once, where its cause is.
package doctor

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/rcshook/rcshook/internal/agent"
	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/google/platform"
	"github.com/rcshook/rcshook/rbm"
)

// State is what came of a check.
type State string

// The states.
const (
	OK      State = "ok"
	Warning State = "warning" // it works, and somebody should look at it
	Fault   State = "fault"
	Skipped State = "skipped" // it could not be judged
)

// The stations, in the order of the report.
const (
	Environment   = "environment"    // the variables
	Platform      = "platform"       // the host of RCS Business Messaging
	Clock         = "clock"          // of this machine
	Identity      = "identity"       // as whom secrets are read
	File          = "file"           // rcshook.yaml
	SecretManager = "secret_manager" // whether it answers
	Secret        = "secret"         // one each
	Callers       = "callers"        // who may call
	Credentials   = "credentials"    // of an agent: key, token, whether the platform takes them
	Agent         = "agent"          // whether the platform knows it
	Number        = "number"         // whether the agent reaches it
	Source        = "source"         // one each
	Fallback      = "fallback"       // one each
)

// Stations are the names of checks, in the order of the report.
var Stations = []string{
	Environment, Platform, Clock, Identity, File, SecretManager, Secret, Callers, Credentials, Agent, Number, Source, Fallback,
}

// Check is what was looked at, and what came of it. Nothing in it is secret.
type Check struct {
	// Name is the station.
	Name string `json:"name"`

	// Subject tells the checks of a station apart: the name of the variable, the
	// secret, the agent or the source. Empty where there is only one.
	Subject string `json:"subject,omitempty"`

	State State `json:"state"`

	// Detail says what was found.
	Detail string `json:"detail"`

	// Next are the next steps, the likeliest first; none if all is well.
	Next []string `json:"next,omitempty"`

	// Needs is the check, by name and subject, that must be well before a skipped
	// one can be judged.
	Needs string `json:"needs,omitempty"`
}

// Summary counts the checks.
type Summary struct {
	OK      int `json:"ok"`
	Warning int `json:"warning"`
	Fault   int `json:"fault"`
	Skipped int `json:"skipped"`
}

// Report is the whole examination.
type Report struct {
	OK      bool    `json:"ok"` // no check is a fault
	Checks  []Check `json:"checks"`
	Summary Summary `json:"summary"`
}

// Options say what is examined.
type Options struct {
	// Environ are the settings, a list of NAME=value.
	Environ []string

	// Service is the deployment that they are of, as far as it is known.
	Service Service

	// Agent is the name of the only agent to look at; empty means all.
	Agent string

	// To is a number in E.164 form whose reach is looked at; empty means none.
	To string

	// Timeout is how long one exchange may take.
	Timeout time.Duration

	// UserAgent is what the platform gets to know about us.
	UserAgent string
}

// examination is one run.
type examination struct {
	Options
	checks []Check
	watch  *watch // carries all requests

	cfg     config.Config
	file    config.File
	names   []string // of all agents, whichever was asked for
	agents  *agent.Directory
	who     *platform.Identity // nil until somebody had to know
	secrets map[config.Secret]agent.Inspection
	called  map[string]*call // by agent
}

// Examine goes through all stations. It takes a few seconds at most if all is well.
func Examine(ctx context.Context, o Options) Report {
	transport := rbm.NewTransport()
	transport.MaxConnsPerHost = 0 // a simulator speaks HTTP/1
	defer transport.CloseIdleConnections()
	e := &examination{
		Options: o, watch: &watch{base: transport},
		secrets: make(map[config.Secret]agent.Inspection), called: make(map[string]*call),
	}
	if e.environment() {
		e.all(ctx)
	}
	slices.SortStableFunc(e.checks, func(a, b Check) int {
		return cmp.Compare(slices.Index(Stations, a.Name), slices.Index(Stations, b.Name))
	})
	return report(e.checks)
}

// all goes through the stations behind the first. The order is that in which each
// has what it needs.
func (e *examination) all(ctx context.Context) {
	e.readFile(ctx)
	e.choose()
	e.agents = agent.New(e.cfg, agent.Options{Transport: e.watch})
	defer e.agents.Close()
	e.platforms(ctx)
	e.readSecrets(ctx)
	e.clock()
	e.callers(ctx)
	e.credentials(ctx)
	e.known()
	e.number(ctx)
	e.sources(ctx)
	e.fallbacks()
}

func report(checks []Check) Report {
	r := Report{Checks: checks}
	for _, c := range checks {
		switch c.State {
		case OK:
			r.Summary.OK++
		case Warning:
			r.Summary.Warning++
		case Fault:
			r.Summary.Fault++
		case Skipped:
			r.Summary.Skipped++
		}
	}
	r.OK = r.Summary.Fault == 0
	return r
}

// add enters a check.
func (e *examination) add(state State, name, subject, detail string, next ...string) {
	e.checks = append(e.checks, Check{Name: name, Subject: subject, State: state, Detail: detail, Next: next})
}

// skip enters a check that cannot be made because of another, and reports whether
// that one failed. If it was skipped itself the cause is where it says.
func (e *examination) skip(name, subject, because, itsSubject string) bool {
	i := slices.IndexFunc(e.checks, func(c Check) bool {
		return c.Name == because && (c.Subject == itsSubject || itsSubject == "") && c.failed()
	})
	if i < 0 {
		return false
	}
	needs := e.checks[i].Needs
	if needs == "" {
		needs = strings.TrimSpace(because + " " + itsSubject)
	}
	e.checks = append(e.checks, Check{Name: name, Subject: subject, State: Skipped, Detail: "not judged: it needs " + needs, Needs: needs})
	return true
}

// failed reports whether a check is a fault, or was skipped itself. Without a subject
// any of the name is meant.
func (e *examination) failed(name, subject string) bool {
	return slices.ContainsFunc(e.checks, func(c Check) bool {
		return c.Name == name && (c.Subject == subject || subject == "") && c.failed()
	})
}

func (c *Check) failed() bool { return c.State == Fault || c.State == Skipped }

// bound is the context of one exchange.
func (e *examination) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, e.Timeout)
}

// call is what the platform said of an agent.
type call struct {
	made bool
	err  error
}

// client is one for the platform, with the settings of the function.
func (e *examination) client(id, name, region string) (*rbm.Client, error) {
	var token func(context.Context) (string, error)
	if name != "" {
		token = func(ctx context.Context) (string, error) { return e.agents.Token(ctx, name) }
	}
	return rbm.New(rbm.Config{
		AgentID:    id,
		Token:      token,
		HTTPClient: &http.Client{Transport: e.watch},
		Region:     rbm.Region(region),
		Endpoint:   e.cfg.RBMEndpoint,
		Retry:      rbm.Retry{MaxAttempts: 2, AttemptTimeout: e.Timeout / 2},
		UserAgent:  e.UserAgent,
	})
}
