package doctor

import (
	"errors"
	"fmt"
	"strings"

	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/rbm"
)

// known checks whether the platform knows each agent for its credentials.
func (e *examination) known() {
	if e.Agent != "" && len(e.cfg.Agents) == 0 {
		return // which is a fault already
	}
	if len(e.cfg.Agents) == 0 {
		e.skip(Agent, "", File, "")
		return
	}
	for _, name := range e.agentNames() {
		e.agent(name)
	}
}

func (e *examination) agent(name string) {
	id := e.cfg.Agents[name].ID
	switch said := e.called[name]; {
	case id.IsResource() && e.skip(Agent, name, Secret, id.String()),
		e.skip(Agent, name, Credentials, name),
		e.skip(Agent, name, Platform, e.host(e.region(name))):
	case !said.made:
		e.add(Fault, Agent, name, "its ID could not be read in time", "Try again with a longer -timeout")
	default:
		e.judge(name, said.err)
	}
}

// judge reads the answer to the question what a phone can do that does not exist.
// Whatever is said of the phone is said after the agent was found.
func (e *examination) judge(name string, err error) {
	remote := (*rbm.Error)(nil)
	switch {
	case err == nil, errors.Is(err, rbm.ErrUnreachable), errors.Is(err, rbm.ErrFeatureUnsupported):
		e.add(OK, Agent, name, "the platform knows it")
	case errors.Is(err, rbm.ErrNotTester), errors.Is(err, rbm.ErrNotLaunched):
		e.add(Warning, Agent, name, "the platform knows it, and it is not launched: it reaches its testers only",
			"Launch it in the RCS for Business console, or invite testers there and accept on their phones")
	case errors.As(err, &remote) && remote.UnknownAgent():
		e.add(Fault, Agent, name, "the platform finds no such agent for the credentials (HTTP 403)", e.suspects(name)...)
	case errors.Is(err, rbm.ErrPermissionDenied):
		e.add(Fault, Agent, name, fmt.Sprintf("the platform does not let the credentials act for it (HTTP 403%s)", because(remote)), e.suspects(name)...)
	case errors.Is(err, rbm.ErrRateLimited):
		e.add(Warning, Agent, name, "a limit of the platform is reached (HTTP 429), so it was not judged", "Try again in a minute")
	case errors.As(err, &remote):
		e.add(Fault, Agent, name, wording(remote), "Try again later: the platform is in trouble. If it lasts, see status.cloud.google.com")
	default:
		e.add(Fault, Agent, name, "its ID cannot be used", "Store the agent's ID from the RCS for Business console")
	}
}

func because(e *rbm.Error) string {
	if e == nil || e.Reason == "" {
		return ""
	}
	return " " + e.Reason
}

// suspects are the causes of the 403 for which the platform has one text, the
// likeliest first. What is known of this set-up changes the order.
func (e *examination) suspects(name string) []string {
	a := e.cfg.Agents[name]
	where := "in the configuration"
	if a.ID.IsResource() {
		where = "in " + a.ID.String() + ", version " + e.secrets[a.ID].Version
	}
	id := "the agent ID is wrong: compare what stands " + where + " with the ID of the agent in the RCS for Business console"
	if value, err := config.ParseAgentID(e.idOf(a.ID)); err == nil && !strings.HasSuffix(value, "_agent") {
		id += "; IDs end in _agent, and this one does not"
	}
	account := e.reader()
	if a.Credentials != "" {
		account = e.secrets[a.Credentials].Account
		if account == "" {
			account = "the service account of the key"
		}
	}
	partner := "the key is of another partner account: see in the account settings of the RCS for Business console whether its service account is " + account
	gone := "the agent was made a moment ago, or deleted: wait some minutes, and look for it in the console"
	if other := e.sibling(name); other != "" {
		partner = "the agent is of another partner account than agent " + other + ", for which the same credentials are good"
	}
	if a.Credentials == "" {
		partner = "RBM is called as " + account + ", and only the service account of the RCS for Business console may send: store its key and set RCSHOOK_CREDENTIALS to the secret: " +
			e.Service.update() + " --update-env-vars=RCSHOOK_CREDENTIALS=projects/PROJECT/secrets/SECRET"
		return candidates(partner, id, gone)
	}
	return candidates(id, partner, gone)
}

// candidates are causes that cannot be told apart, in the order of likelihood.
func candidates(first string, others ...string) []string {
	all := []string{"Most likely " + first}
	for _, other := range others {
		all = append(all, "Or "+other)
	}
	return append(all, "The platform says the same of all of these")
}

func (e *examination) idOf(s config.Secret) string {
	if s.IsResource() {
		return string(e.secrets[s].Value)
	}
	return s.Literal()
}

// sibling is another agent with the same credentials that the platform knows.
func (e *examination) sibling(name string) string {
	for _, other := range e.agentNames() {
		said := e.called[other]
		if other == name || said == nil || !said.made || e.cfg.Agents[other].Credentials != e.cfg.Agents[name].Credentials {
			continue
		}
		if said.err == nil || errors.Is(said.err, rbm.ErrUnreachable) {
			return other
		}
	}
	return ""
}
