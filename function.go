// Package rcshook turns webhooks into RCS messages: one HTTP function for Cloud
// Run functions.
//
// A request passes these stations, and [Handler.send] reads like the list:
//
//	internal/source   who calls, and may they?
//	internal/payload  the body becomes a payload, or a list of every fault in it
//	internal/compose  the payload becomes an AgentMessage within the platform's limits
//	internal/agent    the agent's ID and credentials, from Secret Manager
//	rbm               the message goes to RCS Business Messaging, once
//	internal/outcome  what happened becomes a status, a code and advice
//
// No station knows the next one. Settings come from the environment
// (internal/config); importing the package only registers the function.
package rcshook

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/GoogleCloudPlatform/functions-framework-go/functions"
	"github.com/google/uuid"

	"github.com/rcshook/rcshook/internal/agent"
	"github.com/rcshook/rcshook/internal/compose"
	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/openapi"
	"github.com/rcshook/rcshook/internal/outcome"
	"github.com/rcshook/rcshook/internal/payload"
	"github.com/rcshook/rcshook/internal/source"
	"github.com/rcshook/rcshook/rbm"
)

const (
	// maxBody is the largest body that is read: the platform takes messages of
	// up to 250 KB, and nothing else in a payload is large.
	maxBody = 256 << 10

	// maxParallel is how many recipients of one request are sent to at a time.
	maxParallel = 10
)

func init() {
	functions.HTTP("Send", Send)
}

// Send is the entry point of the deployed function.
func Send(w http.ResponseWriter, r *http.Request) {
	fromEnvironment().ServeHTTP(w, r)
}

// fromEnvironment builds the handler on the first request, so that importing the
// package has no effects.
var fromEnvironment = sync.OnceValue(func() *Handler {
	h, err := New(os.Environ(), os.Stderr)
	if err != nil {
		h.log.Error("rcshook is not set up", slog.Any("cause", err))
	}
	return h
})

// Handler serves the HTTP interface of rcshook.
type Handler struct {
	cfg    config.Config
	fault  error // why nothing can be served
	agents *agent.Directory
	http   *http.Client
	retry  rbm.Retry
	log    *slog.Logger
	now    func() time.Time
}

// New returns a handler with the settings in environ, a list of NAME=value such as
// [os.Environ] returns, that logs to w. It does no I/O: secrets are read when
// they are first needed.
//
// If settings are missing or malformed, the error names all of them, and the
// handler answers every request with it.
func New(environ []string, w io.Writer) (*Handler, error) {
	h := &Handler{log: outcome.NewLogger(w), now: time.Now}
	if h.cfg, h.fault = config.FromEnviron(environ); h.fault != nil {
		return h, h.fault
	}
	transport := rbm.NewTransport()
	if strings.HasPrefix(h.cfg.RBMEndpoint, "http://") {
		transport.MaxConnsPerHost = 0 // a simulator, over HTTP/1
	}
	h.http = &http.Client{Transport: transport}
	h.agents = agent.New(h.cfg, agent.Options{Transport: transport, Log: h.log})
	return h, nil
}

// Close ends what the handler does in the background.
func (h *Handler) Close() error {
	if h.agents == nil {
		return nil
	}
	h.http.CloseIdleConnections()
	return h.agents.Close()
}

// ServeHTTP answers one request and writes one log line about it.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	trip := outcome.Begin(r)
	ctx, cancel := context.WithTimeout(r.Context(), cmp.Or(h.cfg.Timeout, config.DefaultTimeout))
	defer cancel()
	answer := h.answer(w, r.WithContext(ctx), trip)
	answer.RequestID = trip.ID
	trip.End(ctx, h.log, answer, answer.Write(w))
}

// answer always has one: whatever goes wrong, a bug included, becomes an answer.
func (h *Handler) answer(w http.ResponseWriter, r *http.Request, trip *outcome.Trip) (answer *outcome.Answer) {
	profile := outcome.Strict
	defer func() {
		if v := recover(); v != nil {
			answer = outcome.Of(outcome.Bug(v))
		}
		answer.Apply(profile)
	}()
	to, err := find(r)
	if err != nil {
		return outcome.Of(err)
	}
	if to.keyed {
		if err := h.authenticate(r); err != nil {
			return outcome.Of(err)
		}
		if profile, err = outcome.ProfileOf(r.URL.Query()); err != nil {
			return outcome.Of(err)
		}
	}
	if answer, err = to.serve(h, w, r, trip); err != nil {
		return outcome.Of(err)
	}
	return answer
}

// route is one line of the HTTP interface.
type route struct {
	method string
	path   string // the path, or one level below it, if it ends in a slash
	keyed  bool   // only for callers with a key
	serve  func(*Handler, http.ResponseWriter, *http.Request, *outcome.Trip) (*outcome.Answer, error)
}

var routes = []route{
	{http.MethodGet, "/", false, (*Handler).about},
	{http.MethodHead, "/", false, (*Handler).about},
	{http.MethodGet, "/openapi.json", false, (*Handler).describe},
	{http.MethodPost, "/", true, (*Handler).send},
	{http.MethodDelete, "/messages/", true, (*Handler).revoke},
}

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
	return route{}, outcome.NotServed(r.Method, allow)
}

// about tells who is here, without a secret and without reading one.
func (h *Handler) about(http.ResponseWriter, *http.Request, *outcome.Trip) (*outcome.Answer, error) {
	return outcome.Page(struct {
		Name    string `json:"name"`
		Version string `json:"version"`
		Ready   bool   `json:"ready"`
	}{"rcshook", Version(), h.fault == nil}), nil
}

// describe serves the OpenAPI description of all this.
func (h *Handler) describe(http.ResponseWriter, *http.Request, *outcome.Trip) (*outcome.Answer, error) {
	return outcome.Page(json.RawMessage(openapi.Document)), nil
}

// authenticate lets those through who carry a key.
func (h *Handler) authenticate(r *http.Request) error {
	if h.fault != nil || h.cfg.AllowUnauthenticated {
		return h.fault
	}
	text, err := h.agents.Secret(r.Context(), h.cfg.APIKeys)
	if err != nil {
		return outcome.Hidden(err, "the API keys of this function cannot be read")
	}
	return source.ParseKeys(text).Verify(r.Header)
}

// send takes one request through the stations.
func (h *Handler) send(w http.ResponseWriter, r *http.Request, trip *outcome.Trip) (*outcome.Answer, error) {
	body, err := readBody(w, r)
	if err != nil {
		return nil, err
	}
	key, err := source.IdempotencyKey(r.Header)
	if err != nil {
		return nil, err
	}
	p, err := payload.Decode(r.Header.Get("Content-Type"), body, payload.Options{Country: h.cfg.Country})
	if err != nil {
		return nil, err
	}
	c, err := compose.Message(p, h.defaults(p.Agent), h.now())
	if err != nil {
		return nil, err
	}
	a, err := h.agent(r.Context(), p.Agent, p.AgentPointer)
	if err != nil {
		return nil, err
	}
	key = cmp.Or(p.IdempotencyKey, key)
	d := delivery{h, a, c, trip, p.DryRun, p.MessageID, key}
	return d.toAll(r.Context(), p.To), nil
}

// agent finds the agent that is named at pointer.
func (h *Handler) agent(ctx context.Context, name, pointer string) (*agent.Agent, error) {
	a, err := h.agents.Agent(ctx, name)
	if errors.Is(err, agent.ErrUnknownAgent) {
		return nil, outcome.UnknownAgentAt(pointer, h.agents.Names())
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

// A delivery is one message on its way to the recipients of one request.
type delivery struct {
	*Handler
	agent   *agent.Agent
	message *compose.Composed
	trip    *outcome.Trip
	dryRun  bool
	id      string // chosen by the caller
	key     string // what the message IDs derive from
}

func (d *delivery) toAll(ctx context.Context, to []payload.Recipient) *outcome.Answer {
	if len(to) == 1 {
		return d.to(ctx, to[0].E164)
	}
	results := make([]*outcome.Answer, len(to))
	slots := make(chan struct{}, maxParallel)
	var wg sync.WaitGroup
	for i := range to {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			results[i] = d.to(ctx, to[i].E164)
		})
	}
	wg.Wait()
	return outcome.All(results)
}

// to sends the message to one number, with an ID under which it arrives once
// however often it is sent.
func (d *delivery) to(ctx context.Context, phone string) (answer *outcome.Answer) {
	id, random := d.id, false
	switch {
	case id != "":
	case d.key != "":
		id = rbm.MessageID(d.agent.ID, phone, d.key)
	default:
		id, random = uuid.NewString(), true
	}
	defer func() {
		if v := recover(); v != nil { // a bug must not take the other recipients along
			answer = outcome.Of(outcome.Bug(v))
		}
		answer.Agent, answer.To, answer.MessageID = d.agent.Name, phone, id
		answer.Warnings = d.message.Warnings
		if random {
			answer.Random()
		}
	}()
	err := d.call(ctx, d.agent, d.trip, func(c *rbm.Client) (err error) {
		if d.dryRun {
			answer = outcome.OfDryRun(c.MessageURL(phone, id), phone, d.message)
			return nil
		}
		sent, err := c.SendMessage(ctx, phone, id, d.message.Message)
		if err == nil {
			answer = outcome.OfSent(sent)
		}
		return err
	})
	if err != nil {
		return outcome.Of(err)
	}
	return answer
}

// revoke takes back a message that is not delivered yet.
func (h *Handler) revoke(_ http.ResponseWriter, r *http.Request, trip *outcome.Trip) (*outcome.Answer, error) {
	query := r.URL.Query()
	to, err := payload.ParsePhone(query.Get("to"), payload.Options{Country: cmp.Or(query.Get("country"), h.cfg.Country)})
	if err != nil {
		return nil, err
	}
	a, err := h.agent(r.Context(), query.Get("agent"), "")
	if err != nil {
		return nil, err
	}
	id := strings.TrimPrefix(r.URL.Path, "/messages/")
	err = h.call(r.Context(), a, trip, func(c *rbm.Client) error { return c.RevokeMessage(r.Context(), to, id) })
	answer := outcome.New(outcome.Revoked)
	if err != nil {
		answer = outcome.Of(err)
	}
	answer.Agent, answer.To, answer.MessageID = a.Name, to, id
	return answer, nil
}

// call runs f with a client of the agent, and once more with the secrets read anew
// where the platform does not accept the credentials: they may have been replaced.
func (h *Handler) call(ctx context.Context, a *agent.Agent, trip *outcome.Trip, f func(*rbm.Client) error) error {
	for renewed := false; ; renewed = true {
		client, err := rbm.New(rbm.Config{
			AgentID:    a.ID,
			Token:      a.Token,
			HTTPClient: h.http,
			Region:     rbm.Region(a.Region),
			Endpoint:   h.cfg.RBMEndpoint,
			Retry:      h.retry,
			UserAgent:  "rcshook/" + Version(),
			Observe:    trip.Attempt,
		})
		if err == nil {
			err = f(client)
		}
		if renewed || !errors.Is(err, rbm.ErrUnauthenticated) {
			return err
		}
		if a, err = h.agents.Renew(ctx, a); err != nil {
			return err
		}
	}
}

// readBody reads all of a body that is not too large, within the budget of the
// request: the framework sets no time limit.
func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if e := r.Header.Get("Content-Encoding"); e != "" && !strings.EqualFold(e, "identity") {
		return nil, &outcome.Problem{Code: outcome.UnsupportedMediaType, Detail: "the body is compressed"}
	}
	control := http.NewResponseController(w)
	if deadline, ok := r.Context().Deadline(); ok && control.SetReadDeadline(deadline) == nil {
		defer control.SetReadDeadline(time.Time{})
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return nil, &outcome.Problem{Code: outcome.PayloadTooLarge, Detail: "the body has more than 256 KiB"}
	}
	if err != nil {
		return nil, &outcome.Problem{Code: outcome.InvalidBody, Detail: "the body did not arrive in full", Err: err}
	}
	return body, nil
}

// Version is the version of the module as it was built, or "devel".
var Version = sync.OnceValue(func() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" || info.Main.Version == "(devel)" {
		return "devel"
	}
	return info.Main.Version
})
