// Package rcshook turns webhooks into RCS messages: one HTTP function for Cloud
// Run functions.
//
// A request passes these stations, and [Handler.send] reads like the list:
//
//	internal/source   who calls, and may they?
//	internal/payload  the body becomes a payload, or a list of every fault in it
//	internal/compose  the payload becomes an AgentMessage within the platform's limits
//	internal/agent    the agent's ID and credentials, from Secret Manager
//	internal/deliver  the message goes to each recipient, once; rbm is the client for it
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

	"github.com/rcshook/rcshook/internal/agent"
	"github.com/rcshook/rcshook/internal/compose"
	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/deliver"
	"github.com/rcshook/rcshook/internal/openapi"
	"github.com/rcshook/rcshook/internal/outcome"
	"github.com/rcshook/rcshook/internal/payload"
	"github.com/rcshook/rcshook/internal/source"
	"github.com/rcshook/rcshook/rbm"
)

// maxBody is the largest body that is read: the platform takes messages of up to
// 250 KB, and nothing else in a payload is large.
const maxBody = 256 << 10

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
	sender *deliver.Sender
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
	h.agents = agent.New(h.cfg, agent.Options{Transport: transport, Log: h.log})
	h.sender = &deliver.Sender{
		Agents:    h.agents,
		HTTP:      &http.Client{Transport: transport},
		Endpoint:  h.cfg.RBMEndpoint,
		UserAgent: "rcshook/" + Version(),
	}
	return h, nil
}

// Close ends what the handler does in the background.
func (h *Handler) Close() error {
	if h.agents == nil {
		return nil
	}
	h.sender.HTTP.CloseIdleConnections()
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
	keys := source.ParseKeys(text)
	if keys.Empty() {
		return &outcome.Problem{Code: outcome.SecretInvalid, Detail: "the secret of the API keys holds no key"}
	}
	return keys.Verify(r.Header)
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
	return h.sender.Send(r.Context(), &deliver.Parcel{
		Agent:   a,
		Message: c,
		To:      p.To,
		ID:      p.MessageID,
		Key:     cmp.Or(p.IdempotencyKey, key),
		DryRun:  p.DryRun,
	}, trip), nil
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
	return h.sender.Revoke(r.Context(), a, to, id, trip), nil
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
