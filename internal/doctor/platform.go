package doctor

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/google"
	"github.com/rcshook/rcshook/internal/response"
	"github.com/rcshook/rcshook/rbm"
)

// fictional is a number that is not in service: +1 202 555 0100 to 0199 are reserved for
// fiction. The platform checks the credentials and the agent before the number.
//
// Assumption: that order of checks, which is not documented.
const fictional = "+12025550100"

const (
	retryPlatform = "Try again later: the platform is unavailable. If it persists, see status.cloud.google.com"
	// setCredentials follows the command that updates the service.
	setCredentials = " --update-env-vars=RCSHOOK_CREDENTIALS=projects/PROJECT/secrets/SECRET"

	rateLimited = "not checked: a rate limit of the platform is exceeded (HTTP 429)"
)

// platforms checks the connection to each host of the platform. Without a token, the API
// responds with an error of its own.
func (e *run) platforms(ctx context.Context) {
	if len(e.cfg.Agents) == 0 {
		e.skip(Platform, "", File, "")
		return
	}
	seen := make(map[string]bool)
	for _, name := range e.agentNames() {
		host := e.host(name)
		if seen[host] {
			continue
		}
		seen[host] = true
		_, err := e.capabilities(ctx, "doctor", "", e.region(name), fictional)
		e.platform(host, err)
	}
}

func (e *run) platform(host string, err error) {
	remote, ok := errors.AsType[*rbm.Error](err)
	switch {
	case !ok:
		e.add(Warning, Platform, host, "accepted a request without a token, so this is not the API of RCS Business Messaging", "Check RCSHOOK_RBM_ENDPOINT")
	case remote.StatusCode != 0 && (remote.NotFromAPI || remote.Err != nil):
		e.add(Error, Platform, host, fmt.Sprintf("HTTP %d from a different server: this is not the API", remote.StatusCode), e.fixProxy()...)
	case remote.Err != nil:
		e.add(Error, Platform, host, summary(remote), e.fixNetwork(remote.Err, host)...)
	case errors.Is(err, rbm.ErrUnauthenticated), remote.StatusCode < 500 && remote.StatusCode != 429:
		e.add(OK, Platform, host, "responds")
	default:
		e.add(Error, Platform, host, summary(remote), retryPlatform)
	}
}

// capabilities asks the platform about a number, as an agent or, without its name,
// without a token.
func (e *run) capabilities(ctx context.Context, id, agent, region, number string) (*rbm.Capabilities, error) {
	client, err := e.client(id, agent, region)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, e.Timeout)
	defer cancel()
	return client.Capabilities(ctx, number)
}

func (e *run) region(agent string) string { return cmp.Or(e.cfg.Agents[agent].Region, e.cfg.Region) }

// host returns the host of an agent's region, or of the configured endpoint.
func (e *run) host(agent string) string {
	client, err := e.client("doctor", "", e.region(agent))
	if err != nil {
		return ""
	}
	u, err := url.Parse(client.MessageURL(fictional, "doctor"))
	if err != nil {
		return ""
	}
	return u.Host
}

// summary returns the error without the names of the package and the method.
func summary(e *rbm.Error) string { return strings.TrimPrefix(e.Error(), "rbm: "+e.Method+": ") }

func (e *run) fixProxy() []string {
	if e.cfg.RBMEndpoint != "" {
		return []string{
			"Fix RCSHOOK_RBM_ENDPOINT, or remove it to use Google's host: " + e.Service.update() + " --remove-env-vars=RCSHOOK_RBM_ENDPOINT",
			"Or configure the proxy (HTTPS_PROXY) to pass requests to this host unchanged",
		}
	}
	return []string{"Configure the proxy (HTTPS_PROXY, or one of the network) to pass requests to this host unchanged"}
}

func (e *run) fixNetwork(err error, host string) []string {
	test := "Test it from this machine: curl -sS https://" + host + "/"
	if config.IsLoopback(e.cfg.RBMEndpoint) {
		return []string{"Start the server at " + e.cfg.RBMEndpoint + ", such as rcshook dev, or remove RCSHOOK_RBM_ENDPOINT to use Google's host"}
	}
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return []string{"Check the DNS of this machine or network: nslookup " + host}
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return []string{"A proxy intercepts the connection, or the root certificates of this machine are outdated: trust the proxy's certificate (SSL_CERT_FILE), or exclude this host from the proxy", test}
	}
	return []string{"Allow connections to this host on port 443: a firewall, a VPC connector without internet access, or HTTPS_PROXY blocks them", test}
}

const (
	// maxSkew is the limit of a clock's error: beyond it signatures of webhooks count
	// as expired, and the token endpoint rejects a key's assertion.
	//
	// Assumption: that the endpoint allows as much as the schemes of webhooks do;
	// Google does not document a number.
	maxSkew = 5 * time.Minute

	// largeSkew is more than the error of a synchronized clock, plus the second by
	// which the header Date is inexact.
	largeSkew = 30 * time.Second
)

// clockSkewTransport is a transport that compares the clock of the first server with this machine's.
type clockSkewTransport struct {
	base http.RoundTripper

	mu   sync.Mutex
	host string
	skew time.Duration // positive: this machine's clock is ahead
}

// RoundTrip uses the middle of the exchange as the time of the response.
func (w *clockSkewTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	start := time.Now()
	res, err := w.base.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	ours := start.Add(time.Since(start) / 2)
	if theirs, err := http.ParseTime(res.Header.Get("Date")); err == nil {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.host == "" {
			w.host, w.skew = r.URL.Host, ours.Sub(theirs.Add(500*time.Millisecond))
		}
	}
	return res, nil
}

// clock checks the clock of this machine, once.
func (e *run) clock() {
	if slices.ContainsFunc(e.checks, func(c Check) bool { return c.Name == Clock }) {
		return
	}
	e.transport.mu.Lock()
	host, skew := e.transport.host, e.transport.skew
	e.transport.mu.Unlock()
	if host == "" {
		e.skip(Clock, "", Platform, "")
		return
	}
	if skew.Abs() <= largeSkew {
		e.add(OK, Clock, "", "agrees with "+host)
		return
	}
	state, direction := Warning, "ahead of"
	if skew.Abs() > maxSkew {
		state = Error
	}
	if skew < 0 {
		direction = "behind"
	}
	minutes := max(1, int((skew.Abs()+30*time.Second)/time.Minute))
	e.add(state, Clock, "", fmt.Sprintf("about %s %s %s: with more than 5 minutes, tokens and signatures are rejected", Count(minutes, "minute"), direction, host),
		"Set the clock of this machine: sudo timedatectl set-ntp true; a virtual machine that was suspended may need a restart")
}

// skipForClock adds a skipped check if the token endpoint rejected a key while the clock
// is wrong: its error is the same as for a deleted key.
func (e *run) skipForClock(name, subject string, rejected *google.SecretError) bool {
	e.transport.mu.Lock()
	skew := e.transport.skew
	e.transport.mu.Unlock()
	if skew.Abs() <= maxSkew || rejected.Reason != "invalid_grant" {
		return false
	}
	e.clock()
	return e.skip(name, subject, Clock, "")
}

// credentials gets a token for each agent and shows it to the platform, with a request
// that sends nothing. The response is kept for checkAgents.
func (e *run) credentials(ctx context.Context) {
	if len(e.cfg.Agents) == 0 {
		e.skip(Credentials, "", File, "")
		return
	}
	for _, name := range e.agentNames() {
		e.credential(ctx, name)
	}
}

func (e *run) credential(ctx context.Context, name string) {
	setting := e.cfg.Agents[name].Credentials
	if setting == "" && e.skip(Credentials, name, Identity, "") || setting.IsResource() && e.skip(Credentials, name, Secret, setting.String()) {
		return
	}
	account, project := e.accountName(), "PROJECT"
	if setting != "" {
		found := e.secrets[setting]
		if !setting.IsResource() {
			found, _ = e.agents.InspectKey(ctx, setting) // the token request reports the error
		}
		if account = found.Account; account == "" {
			account = "the account"
		}
		if found.Project != "" {
			project = found.Project
		}
	}
	bound, cancel := context.WithTimeout(ctx, e.Timeout)
	defer cancel()
	if _, err := e.agents.Token(bound, name); err != nil {
		rejected, ok := errors.AsType[*google.SecretError](err)
		switch {
		case !ok:
			e.add(Error, Credentials, name, "invalid response of the token endpoint",
				"Allow connections to oauth2.googleapis.com on port 443, and try again later: curl -sS https://oauth2.googleapis.com/token")
		case !e.skipForClock(Credentials, name, rejected):
			e.add(Error, Credentials, name, e.explain(rejected, account), e.advise(rejected)...)
		}
		return
	}
	// The platform or the agent's ID may be unavailable, which has a check of its own.
	if a, err := e.agents.Agent(bound, name); err == nil && !e.failed(Platform, e.host(name)) {
		_, e.responses[name] = e.capabilities(ctx, a.ID, name, a.Region, fictional)
	}
	err, received := e.responses[name]
	remote, ok := errors.AsType[*rbm.Error](err)
	newKey := "Make a new key for the service account in the RCS for Business console, and store it"
	if setting.IsResource() {
		newKey += ": " + addVersion(setting.String()) + " --data-file=KEY.json"
	} else {
		newKey += " in Secret Manager"
	}
	switch {
	case ok && errors.Is(remote, rbm.ErrUnauthenticated):
		e.add(Error, Credentials, name, "the platform rejects the token of "+account+" (HTTP 401)", newKey)
	case ok && remote.Reason == "ACCESS_TOKEN_SCOPE_INSUFFICIENT" && setting == "":
		e.add(Error, Credentials, name, "the token of "+account+" lacks the scope "+rbm.Scope,
			"Set RCSHOOK_CREDENTIALS to the secret with the key from the RCS for Business console, whose tokens have the scope: "+e.Service.update()+setCredentials,
			"Or use your own account: gcloud auth application-default login --scopes=https://www.googleapis.com/auth/cloud-platform,"+rbm.Scope)
	case ok && remote.Reason == "ACCESS_TOKEN_SCOPE_INSUFFICIENT":
		e.add(Error, Credentials, name, "the token of "+account+" lacks the scope "+rbm.Scope, newKey)
	case ok && remote.Reason == "SERVICE_DISABLED":
		e.add(Error, Credentials, name, "the API of RCS Business Messaging is not enabled in the project of "+account,
			"Enable it: gcloud services enable rcsbusinessmessaging.googleapis.com --project="+project)
	case received && (!ok || remote.StatusCode != 0 && !errors.Is(remote, rbm.ErrUnavailable)):
		e.add(OK, Credentials, name, "the platform accepts the token of "+account)
	default:
		e.add(OK, Credentials, name, "obtained a token for "+account)
	}
}

// checkAgents checks whether the platform knows each agent.
func (e *run) checkAgents() {
	if len(e.cfg.Agents) == 0 {
		if e.Agent == "" {
			e.skip(Agent, "", File, "")
		}
		return
	}
	for _, name := range e.agentNames() {
		id := e.cfg.Agents[name].ID
		err, received := e.responses[name]
		switch {
		case id.IsResource() && e.skip(Agent, name, Secret, id.String()),
			e.skip(Agent, name, Credentials, name),
			e.skip(Agent, name, Platform, e.host(name)):
		case !received:
			e.add(Error, Agent, name, "timeout while reading its ID", "Try again with a longer -timeout")
		default:
			e.agent(name, err)
		}
	}
}

// agent checks the response for a fictional number. Any error about the number means
// that the agent exists.
func (e *run) agent(name string, err error) {
	remote, ok := errors.AsType[*rbm.Error](err)
	switch {
	case err == nil, errors.Is(err, rbm.ErrUnreachable), errors.Is(err, rbm.ErrFeatureUnsupported):
		e.add(OK, Agent, name, "known to the platform")
	case errors.Is(err, rbm.ErrNotTester), errors.Is(err, rbm.ErrNotLaunched):
		e.add(Warning, Agent, name, "known to the platform, but not launched: it reaches only its testers",
			"Launch it in the RCS for Business console, or invite testers there and accept on their phones")
	case ok && remote.UnknownAgent():
		e.add(Error, Agent, name, "the platform does not recognize this agent with these credentials (HTTP 403)", e.unknownAgent(name)...)
	case errors.Is(err, rbm.ErrPermissionDenied):
		reason := ""
		if ok && remote.Reason != "" {
			reason = " " + remote.Reason
		}
		e.add(Error, Agent, name, "the platform denies the credentials access to it (HTTP 403"+reason+")", e.unknownAgent(name)...)
	case errors.Is(err, rbm.ErrRateLimited):
		e.add(Warning, Agent, name, rateLimited, "Try again in a minute")
	case ok:
		e.add(Error, Agent, name, summary(remote), retryPlatform)
	default:
		e.add(Error, Agent, name, "its ID is invalid", "Store the agent's ID from the RCS for Business console")
	}
}

// unknownAgent returns the possible causes of the platform's 403, most likely first.
func (e *run) unknownAgent(name string) []string {
	a := e.cfg.Agents[name]
	where, value := "in the configuration", a.ID.Literal()
	if a.ID.IsResource() {
		where, value = "in "+a.ID.String()+", version "+e.secrets[a.ID].Version, string(e.secrets[a.ID].Value)
	}
	id := "the agent ID is wrong: compare the ID " + where + " with that in the RCS for Business console"
	if value, err := config.ParseAgentID(value); err == nil && !strings.HasSuffix(value, "_agent") {
		id += "; IDs end in _agent, but this one does not"
	}
	deleted := "the agent was created a moment ago, or deleted: wait a few minutes, and look for it in the console"
	if a.Credentials == "" {
		return causes("RBM is called as "+e.accountName()+", but only the service account of the RCS for Business console may send: store its key and set RCSHOOK_CREDENTIALS to the secret: "+e.Service.update()+setCredentials, id, deleted)
	}
	account := e.secrets[a.Credentials].Account
	if account == "" {
		account = "the service account of the key"
	}
	partner := "the key belongs to another partner account: check in the account settings of the RCS for Business console whether its service account is " + account
	for _, other := range e.agentNames() {
		err, received := e.responses[other]
		if other != name && received && e.cfg.Agents[other].Credentials == a.Credentials && (err == nil || errors.Is(err, rbm.ErrUnreachable)) {
			partner = "the agent belongs to another partner account than agent " + other + ", for which the same credentials work"
			break
		}
	}
	return causes(id, partner, deleted)
}

// causes returns the causes of one response, most likely first.
func causes(first string, others ...string) []string {
	all := []string{"Most likely " + first}
	for _, other := range others {
		all = append(all, "Or "+other)
	}
	return append(all, "The platform's response is the same in all of these cases")
}

// number checks whether each agent reaches the number. Nothing is sent to the phone.
func (e *run) number(ctx context.Context) {
	if e.To == "" {
		return
	}
	for _, name := range e.agentNames() {
		subject := response.Mask(e.To) + " from " + name
		if e.skip(Number, subject, Agent, name) {
			continue
		}
		var can *rbm.Capabilities
		a, err := e.agents.Agent(ctx, name) // which the earlier checks have read
		if err == nil {
			can, err = e.capabilities(ctx, a.ID, name, a.Region, e.To)
		}
		e.reachable(Number, subject, can, err)
	}
}

// reachable adds the result of a request for a number, or of a message to it.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/phones/getCapabilities
func (e *run) reachable(check, subject string, can *rbm.Capabilities, err error) {
	remote, ok := errors.AsType[*rbm.Error](err)
	switch {
	case err == nil:
		detail := "reachable, with " + Count(len(can.Features), "feature")
		if len(can.Features) == 0 {
			detail = "reachable, with text and files only"
		}
		if can.Carrier != "" {
			detail += "; carrier " + can.Carrier
		}
		e.add(OK, check, subject, detail)
	case errors.Is(err, rbm.ErrNotTester):
		e.add(Error, check, subject, "the agent is not launched, and the number is not one of its testers (HTTP 403)", "Invite the number as a tester in the RCS for Business console, and accept on the phone; or launch the agent")
	case errors.Is(err, rbm.ErrNotLaunched):
		e.add(Error, check, subject, "the agent is not launched (HTTP 403)", "Launch the agent in the RCS for Business console")
	case errors.Is(err, rbm.ErrUnreachable):
		e.add(Error, check, subject, "not reachable (HTTP 404)", causes(
			"the phone does not have RCS, has it turned off, or was not online for 31 days: open Google Messages, Settings, RCS chats",
			"the agent is not launched, and the number is not a tester that has accepted: invite the number as a tester in the RCS for Business console, and accept on the phone; or launch the agent",
			"the agent is not launched on the network of this number: check its launches in the RCS for Business console")...)
	case errors.Is(err, rbm.ErrRateLimited):
		e.add(Warning, check, subject, rateLimited, "Try again in a minute")
	case ok:
		e.add(Error, check, subject, summary(remote), retryPlatform)
	default:
		e.add(Error, check, subject, "invalid number", "Write it in E.164 format, such as +12025550123")
	}
}
