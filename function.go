// Package rcshook turns webhooks into RCS messages: one HTTP function for Cloud
// Run functions.
//
// A request passes these stations, and [Handler.send] and [Handler.hook] read like
// the list:
//
//	internal/source   who calls, and may they? what do their events mean?
//	internal/payload  the body becomes a payload, or a list of every fault in it
//	internal/compose  the payload becomes an AgentMessage within the platform's limits
//	internal/agent    the agent's ID and credentials, from Secret Manager
//	internal/queue    where there is a queue, the message waits there; [Handler.task] goes on with it
//	internal/deliver  the message goes to each recipient, once; rbm is the client for it
//	internal/outcome  what happened becomes a status, a code and advice
//
// No station knows the next one. Settings come from the environment and from
// rcshook.yaml (internal/config); importing the package only registers the function.
package rcshook

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/GoogleCloudPlatform/functions-framework-go/functions"

	"github.com/rcshook/rcshook/internal/agent"
	"github.com/rcshook/rcshook/internal/code"
	"github.com/rcshook/rcshook/internal/compose"
	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/google"
	"github.com/rcshook/rcshook/internal/openapi"
	"github.com/rcshook/rcshook/internal/payload"
	"github.com/rcshook/rcshook/internal/queue"
	"github.com/rcshook/rcshook/internal/response"
	"github.com/rcshook/rcshook/internal/send"
	"github.com/rcshook/rcshook/internal/slots"
	"github.com/rcshook/rcshook/internal/source"
	"github.com/rcshook/rcshook/internal/trace"
	"github.com/rcshook/rcshook/rbm"
)

func init() {
	functions.HTTP("Send", Send)
}

// Send is the entry point of the deployed function. On Cloud Run, SIGTERM ends the
// process only once what is in flight is answered, within the time that there is.
func Send(w http.ResponseWriter, r *http.Request) {
	adapt()
	inFlight.Serve(w, r, func(w http.ResponseWriter, r *http.Request) { fromEnvironment(r).ServeHTTP(w, r) })
}

// Handler serves the HTTP interface of rcshook.
type Handler struct {
	cfg     config.Config
	fault   error // why nothing can be served
	agents  *agent.Directory
	sources *source.Directory
	tokens  *source.GoogleTokens // of callers; nil if none are taken
	tasks   *source.GoogleTokens // of our own tasks; nil if there are none
	sender  *send.Sender
	reading slots.Slots
	log     *slog.Logger
	now     func() time.Time
}

// ServeHTTP answers one request and writes one log line about it.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	trip := response.Begin(r)
	trip.Project = h.cfg.Project
	caller := h.callerOf(r)
	ctx, cancel := context.WithTimeout(r.Context(), within(r.Context(), caller.budget))
	defer cancel()
	r, body := watch(r.WithContext(trace.NewContext(ctx, trip.Trace)))
	answer := h.answer(w, r, trip, &caller)
	answer.RequestID = trip.ID
	body.leave(w)
	trip.End(ctx, h.log, answer, answer.Write(w))
}

// answerTime is what is left for the answer of the time that the platform gives a
// request: after that nobody would hear it.
const answerTime = 500 * time.Millisecond

// within shortens a budget to the deadline of ctx, which the functions framework
// sets to the request timeout of Cloud Run.
func within(ctx context.Context, budget time.Duration) time.Duration {
	deadline, ok := ctx.Deadline()
	if !ok {
		return budget
	}
	left := time.Until(deadline)
	return min(budget, left-min(answerTime, left/2))
}

// A caller is what an answer has to suit.
type caller struct {
	budget  time.Duration
	profile response.Profile
	source  *source.Source // nil unless a third party calls
}

// callerOf tells from the path who calls, or says to.
func (h *Handler) callerOf(r *http.Request) caller {
	c := caller{budget: cmp.Or(h.cfg.Timeout, config.DefaultTimeout), profile: response.Strict}
	if strings.HasPrefix(r.URL.Path, queue.Path) {
		c.profile = response.Soft // the queue repeats whatever is not acknowledged
	}
	if name, ok := strings.CutPrefix(r.URL.Path, hooksPath); ok {
		c.profile = response.Soft
		if s, err := h.sources.Find(name); err == nil {
			c.source = s
			c.budget = min(c.budget, s.Timeout)
			c.profile = cmp.Or(response.Profile(s.Config.Profile), response.Soft)
		}
	}
	return c
}

// answer always has one: whatever goes wrong, a bug included, becomes an answer.
func (h *Handler) answer(w http.ResponseWriter, r *http.Request, trip *response.Trip, c *caller) (answer *response.Answer) {
	defer func() {
		if v := recover(); v != nil {
			answer = response.Of(response.Bug(v))
		}
		answer.Apply(c.profile)
		if c.source != nil {
			answer.From(c.source.Name)
			answer.Restate(c.source.Status)
		}
	}()
	to, err := find(r)
	if err != nil {
		return response.Of(err)
	}
	if to.keyed {
		if err := h.authenticate(r); err != nil {
			return response.Of(err)
		}
		if c.profile, err = response.ProfileOf(r.URL.Query(), to.query); err != nil {
			return response.Of(err)
		}
	}
	if answer, err = to.serve(h, w, r, trip); err != nil {
		return response.Of(err)
	}
	return answer
}

// route is one line of the HTTP interface.
type route struct {
	method string
	path   string // the path, or one level below it, if it ends in a slash
	keyed  bool   // only for callers with a key
	query  string // the parameters that are read, with a blank between
	serve  func(*Handler, http.ResponseWriter, *http.Request, *response.Trip) (*response.Answer, error)
}

var routes = []route{
	{http.MethodGet, "/", false, "", (*Handler).about},
	{http.MethodHead, "/", false, "", (*Handler).about},
	{http.MethodGet, "/openapi.json", false, "", (*Handler).describe},
	{http.MethodPost, "/", true, "profile", (*Handler).send},
	{http.MethodPost, hooksPath, false, "", (*Handler).hook},
	{http.MethodOptions, hooksPath, false, "", (*Handler).handshake},
	{http.MethodPost, queue.Path, false, "", (*Handler).task},
	{http.MethodDelete, "/messages/", true, "to agent country profile", (*Handler).revoke},
}

// hooksPath is above the addresses of the sources.
const hooksPath = "/hooks/"

func find(r *http.Request) (route, error) {
	var allow []string
	for _, to := range routes {
		below, ok := strings.CutPrefix(r.URL.Path, to.path)
		exact := to.path == "/" || !strings.HasSuffix(to.path, "/")
		if !ok || exact != (below == "") || strings.Contains(below, "/") {
			continue
		}
		if to.method == r.Method {
			return to, nil
		}
		allow = append(allow, to.method)
	}
	if allow == nil && strings.HasPrefix(r.URL.Path+"/", hooksPath) {
		return route{}, response.NoSource()
	}
	return route{}, response.NotServed(r.Method, allow)
}

// readyTime is how long a look at the secrets may take that nobody is waiting for.
const readyTime = 5 * time.Second

// about tells who is here and whether a message could be sent now. What is in the
// way is for the log: anybody may ask.
func (h *Handler) about(_ http.ResponseWriter, r *http.Request, _ *response.Trip) (*response.Answer, error) {
	ctx, cancel := context.WithTimeout(r.Context(), readyTime)
	defer cancel()
	err := h.ready(ctx)
	answer := response.Page(struct {
		Name    string `json:"name"`
		Version string `json:"version"`
		Ready   bool   `json:"ready"`
	}{"rcshook", Version(), err == nil})
	answer.Cause = err
	return answer, nil
}

// ready reads what a request would need, which is kept for it.
func (h *Handler) ready(ctx context.Context) error {
	if h.fault != nil {
		return h.fault
	}
	if h.cfg.APIKeys != "" {
		if _, err := h.agents.Secret(ctx, h.cfg.APIKeys); err != nil {
			return err
		}
	}
	for _, name := range h.agents.Names() {
		a, err := h.agents.Agent(ctx, name)
		if err == nil {
			_, err = a.Token(ctx)
		}
		if err != nil {
			return fmt.Errorf("agent %s: %w", name, err)
		}
	}
	return nil
}

// describe serves the OpenAPI description of all this.
func (h *Handler) describe(http.ResponseWriter, *http.Request, *response.Trip) (*response.Answer, error) {
	return response.Page(json.RawMessage(openapi.Document)), nil
}

// authenticate lets those through who carry a key, or a token of Google.
func (h *Handler) authenticate(r *http.Request) error {
	switch secret := (*google.SecretError)(nil); {
	case errors.As(h.fault, &secret):
		return response.Hidden(h.fault, "rcshook.yaml cannot be read")
	case h.fault != nil || h.cfg.AllowUnauthenticated:
		return h.fault
	}
	if h.tokens != nil && (h.cfg.APIKeys == "" || source.IsIDToken(r.Header)) {
		return h.tokens.Verify(r.Context(), r.Header, h.now())
	}
	text, err := h.agents.Secret(r.Context(), h.cfg.APIKeys)
	if err != nil {
		return response.Hidden(err, "the API keys of this function cannot be read")
	}
	keys := source.ParseKeys(text)
	if keys.Empty() {
		return &response.Problem{Code: code.SecretInvalid, Detail: "the secret of the API keys holds no key"}
	}
	return keys.Verify(r.Header)
}

// send takes one request through the stations.
func (h *Handler) send(w http.ResponseWriter, r *http.Request, trip *response.Trip) (*response.Answer, error) {
	body, err := readBody(w, r)
	if err != nil {
		return nil, err
	}
	key, err := source.IdempotencyKey(r.Header)
	if err != nil {
		return nil, err
	}
	p, err := h.pack(r.Context(), source.Message{ContentType: r.Header.Get("Content-Type"), Body: body, Key: key}, config.Source{})
	if err != nil {
		return nil, err
	}
	return h.sender.Send(r.Context(), p, trip), nil
}

// hook takes the webhook of a third party through the stations. It may become
// several messages; what is wrong with one does not stop the others.
func (h *Handler) hook(w http.ResponseWriter, r *http.Request, trip *response.Trip) (*response.Answer, error) {
	if h.fault != nil {
		return nil, h.fault
	}
	from, err := h.sources.Find(strings.TrimPrefix(r.URL.Path, hooksPath))
	if err != nil {
		return nil, response.NoSource()
	}
	body, err := readBody(w, r)
	if err != nil {
		return nil, err
	}
	request := &source.Request{Method: r.Method, Query: r.URL.RawQuery, Header: r.Header, Body: body}
	received, err := from.Receive(r.Context(), request, h.now())
	switch secret := (*source.SecretError)(nil); {
	case errors.As(err, &secret):
		return nil, response.Hidden(err, "the secret of this source cannot be used")
	case err != nil:
		return nil, err
	case received.Reply != nil:
		return response.Page(json.RawMessage(received.Reply)), nil
	case len(received.Messages) == 0:
		return response.New(code.Ignored), nil
	}
	var parcels []*send.Parcel
	var faults []*response.Answer
	for _, m := range received.Messages {
		p, err := h.pack(r.Context(), m, from.Config)
		if err != nil {
			faults = append(faults, response.Of(err))
			continue
		}
		parcels = append(parcels, p)
	}
	return h.sender.SendAll(r.Context(), parcels, faults, trip), nil
}

// handshake lets those senders begin that ask first, by the abuse protection of
// CloudEvents.
func (h *Handler) handshake(_ http.ResponseWriter, r *http.Request, _ *response.Trip) (*response.Answer, error) {
	from, err := h.sources.Find(strings.TrimPrefix(r.URL.Path, hooksPath))
	if err != nil || !from.Handshake() || r.Header.Get("WebHook-Request-Origin") == "" {
		return nil, response.NotServed(http.MethodOptions, []string{http.MethodPost})
	}
	return response.Handshake(), nil
}

// pack makes a parcel of a payload: decoded, composed, and with its agent.
func (h *Handler) pack(ctx context.Context, m source.Message, from config.Source) (*send.Parcel, error) {
	parcel, as, err := h.read(ctx, m, from)
	if err != nil {
		return nil, err
	}
	a, err := h.agent(ctx, as.name, as.pointer)
	if err != nil {
		return nil, err
	}
	if err := h.allowed(parcel.To, from, a); err != nil {
		return nil, err
	}
	parcel.Agent = a
	if parcel.Fallback = h.fallbackOf(from, a); parcel.Fallback != nil {
		parcel.Payload = m.Body
	}
	return parcel, nil
}

// reference is the name of an agent, and where the payload has it.
type reference struct{ name, pointer string }

// read decodes and composes a payload. That is done for as many at once as there are
// processors, and what it takes is not kept: large bodies may come in a burst, and each
// becomes many times as large while it is read.
func (h *Handler) read(ctx context.Context, m source.Message, from config.Source) (*send.Parcel, reference, error) {
	if err := h.reading.Take(ctx); err != nil {
		return nil, reference{}, &response.Problem{Code: code.Overloaded, Detail: "the body was not looked at in the time of the request", Err: err}
	}
	defer h.reading.Free()
	p, err := payload.Decode(m.ContentType, m.Body, payload.Options{Country: cmp.Or(from.Country, h.cfg.Country)})
	if err != nil {
		return nil, reference{}, err
	}
	as := reference{cmp.Or(p.Agent, from.Agent), p.AgentPointer}
	defaults, line := h.defaults(as.name), h.queueOf(from)
	if line != "" {
		defaults.MaxDelay = queue.MaxDelay
	}
	c, err := compose.Message(p, defaults, h.now())
	if faults := payload.Errors(nil); errors.As(err, &faults) && !h.agents.Has(as.name) {
		err = append(faults, payload.Error{Pointer: as.pointer, Detail: "no agent has this name"})
	}
	if err != nil {
		return nil, reference{}, err
	}
	return &send.Parcel{
		Message: c,
		To:      p.To,
		ID:      p.MessageID,
		Key:     cmp.Or(p.IdempotencyKey, m.Key),
		Queue:   line,
		DryRun:  p.DryRun,
		Source:  from.Name,
	}, as, nil
}

// allowed holds the numbers against the countries that the source and the agent may
// send to.
func (h *Handler) allowed(to []payload.Recipient, from config.Source, a *agent.Agent) error {
	for _, countries := range [][]string{from.Countries, h.cfg.Agents[a.Name].Countries} {
		if len(countries) == 0 {
			continue // and no number is looked up
		}
		if faults := payload.OutsideCountries(to, countries); len(faults) > 0 {
			return &response.Problem{Code: code.ForbiddenDestination, Errors: faults}
		}
	}
	return nil
}

// agent finds the agent that is named at pointer.
func (h *Handler) agent(ctx context.Context, name, pointer string) (*agent.Agent, error) {
	a, err := h.agents.Agent(ctx, name)
	if errors.Is(err, agent.ErrUnknownAgent) {
		return nil, response.UnknownAgentAt(pointer, h.agents.Names())
	}
	return a, err
}

// defaults are the settings that hold for messages of the named agent.
func (h *Handler) defaults(agent string) compose.Defaults {
	a := h.cfg.Agents[cmp.Or(agent, config.DefaultAgent)]
	return compose.Defaults{
		Traffic: rbm.TrafficType(cmp.Or(a.Traffic, h.cfg.Traffic)),
		TTL:     cmp.Or(a.TTL, h.cfg.TTL),
	}
}

// revoke takes back a message that is not delivered yet.
func (h *Handler) revoke(_ http.ResponseWriter, r *http.Request, trip *response.Trip) (*response.Answer, error) {
	query := r.URL.Query()
	if query.Get("to") == "" {
		return nil, payload.Errors{{Detail: "the query parameter to is missing, the number that the message was sent to: /messages/ID?to=%2B12025550123"}}
	}
	to, err := payload.ParsePhone(query.Get("to"), payload.Options{Country: cmp.Or(query.Get("country"), h.cfg.Country), Query: true})
	if err != nil {
		return nil, err
	}
	a, err := h.agent(r.Context(), query.Get("agent"), "")
	if err != nil {
		return nil, err
	}
	id := strings.TrimPrefix(r.URL.Path, "/messages/")
	if !payload.IsMessageID(id) {
		return nil, payload.Errors{{Detail: "the message ID in the path is not a UUID; take it from the answer to the send"}}
	}
	return h.sender.Revoke(r.Context(), a, to, id, trip), nil
}

// release is the version that a build was given, with -ldflags "-X
// github.com/rcshook/rcshook.release=v1.2.3": what is uploaded to be built in the
// cloud has no tags in it.
var release string

// Version is the version that the build was given, or that of the module as it was
// built, or "devel".
var Version = sync.OnceValue(func() string {
	version := "devel"
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "(devel)" {
		version = cmp.Or(info.Main.Version, version)
	}
	return cmp.Or(release, version)
})
