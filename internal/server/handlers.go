package server

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/rcshook/rcshook/internal/agent"
	"github.com/rcshook/rcshook/internal/code"
	"github.com/rcshook/rcshook/internal/compose"
	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/events"
	"github.com/rcshook/rcshook/internal/payload"
	"github.com/rcshook/rcshook/internal/prepare"
	"github.com/rcshook/rcshook/internal/queue"
	"github.com/rcshook/rcshook/internal/response"
	"github.com/rcshook/rcshook/internal/send"
	"github.com/rcshook/rcshook/internal/source"
	"github.com/rcshook/rcshook/internal/trace"
	"github.com/rcshook/rcshook/rbm"
)

// ServerPlaceholder stands for the URL of the function in [OpenAPINarrow]: generators
// need an absolute one.
const ServerPlaceholder = "https://rcshook.invalid"

// send serves POST /: one payload of a caller.
func (s *Server) send(c *call) (*response.Response, error) {
	body, err := c.readBody(maxBody)
	if err != nil {
		return nil, err
	}
	key, err := source.IdempotencyKey(c.Header)
	if err != nil {
		return nil, err
	}
	release, err := s.reserve(c.Context(), len(body))
	if err != nil {
		return nil, err
	}
	defer release()
	m, err := s.prepare(c.Context(), prepare.Input{ContentType: source.ContentType(c.Header), Body: body, Key: key}, config.Source{}, c.caller)
	if err != nil {
		return nil, err
	}
	return response.FromResults(s.sender.Send(c.Context(), m), nil), nil
}

// findSource finds the source of a webhook by the token in its path, unless newCall found
// it by its name. It does so before it reads the body: the response to a wrong token should
// not depend on the source.
func (s *Server) findSource(c *call) error {
	if c.source != nil {
		return nil
	}
	from, err := s.sources.FindByToken(c.Context(), c.PathValue("source"), c.PathValue("token"))
	if errors.Is(err, source.ErrUnknown) {
		return errNoSource
	}
	if err != nil {
		return redactSecret(err)
	}
	c.setSource(from)
	return nil
}

// redactSecret hides the error of a secret from the sender of a webhook.
func redactSecret(err error) error {
	if _, ok := errors.AsType[*source.SecretError](err); ok {
		return response.Redact(err, "the secret of this source is invalid")
	}
	return err
}

// hook serves POST /hooks/{source} and POST /hooks/{source}/{token}: the webhook of a third
// party. A webhook can become several messages; an error of one does not stop the others.
func (s *Server) hook(c *call) (*response.Response, error) {
	if err := s.findSource(c); err != nil {
		return nil, err
	}
	body, err := c.readBody(maxBody)
	if err != nil {
		return nil, err
	}
	request := &source.Request{Method: c.Method, Token: c.PathValue("token"), Query: c.URL.RawQuery, Header: c.Header, Body: body}
	received, err := c.source.Receive(c.Context(), request, s.now())
	if received.Verified {
		c.respond = func(res *response.Response) { s.respond(c, request, res) }
	}
	switch {
	case err != nil:
		return nil, redactSecret(err)
	case received.Reply != nil:
		return response.Document(json.RawMessage(received.Reply)), nil
	case len(received.Messages) == 0:
		return response.New(code.Ignored), nil
	}
	size := 0
	for _, mapped := range received.Messages {
		size += len(mapped.Body)
	}
	// A webhook does not wait: it may already use many times the memory of its body.
	if !s.memory.TryAcquire(reservation(size)) {
		return nil, errMemory
	}
	defer s.memory.Release(reservation(size))
	var messages []*send.Message
	var failed []*response.Response
	for _, mapped := range received.Messages {
		in := prepare.Input{ContentType: mapped.ContentType, Body: mapped.Body, Key: mapped.Key, Warnings: mapped.Warnings}
		m, err := s.prepare(c.Context(), in, c.source.Config, s.callers[0])
		if err != nil {
			failed = append(failed, response.FromError(err))
			continue
		}
		messages = append(messages, m)
	}
	return response.FromResults(s.sender.Send(c.Context(), messages...), failed), nil
}

// respond gives the response to a verified webhook the form that its sender expects. An
// error leaves our response, because the messages are already sent.
func (s *Server) respond(c *call, request *source.Request, res *response.Response) {
	outcome, ok := res.Outcome()
	if !ok {
		return
	}
	s.outcome(res.RequestID, outcome)
	_, err := safely(func() (*response.Response, error) {
		custom, err := c.source.Respond(c.Context(), request, outcome, s.now())
		if err == nil && custom != nil {
			res.Replace(custom.Status, custom.ContentType, custom.Body)
		}
		return nil, err
	})
	if err != nil {
		res.Err = errors.Join(res.Err, err)
	}
}

// challenge serves GET of the paths of sources: the test of the address by senders that
// make one before they send events. No event is in it, so nothing is sent.
func (s *Server) challenge(c *call) (*response.Response, error) {
	if err := s.findSource(c); errors.Is(err, errNoSource) {
		return nil, errHookMethod()
	} else if err != nil {
		return nil, err
	}
	text, err := c.source.Challenge(c.Context(), c.URL.RawQuery)
	if _, ok := errors.AsType[*source.SecretError](err); ok {
		return nil, response.Redact(err, "the verify token of this source is invalid")
	}
	if invalid, ok := errors.AsType[*source.ChallengeError](err); ok {
		return nil, &response.Problem{Code: code.InvalidBody, Title: "The request is invalid", Detail: invalid.Error(), Action: "Send events with POST."}
	}
	switch {
	case errors.Is(err, source.ErrNoChallenge):
		return nil, errHookMethod()
	case err != nil:
		return nil, err
	}
	return response.Text(text), nil
}

// handshake serves OPTIONS of the paths of sources: the abuse protection of CloudEvents.
// The sender may send at any rate, because each event has to be signed.
func (s *Server) handshake(c *call) (*response.Response, error) {
	if s == nil || s.findSource(c) != nil || !c.source.Handshake() || c.Header.Get("WebHook-Request-Origin") == "" {
		return nil, &response.Problem{Code: code.Document, Allow: "POST, OPTIONS"}
	}
	res := response.Document(struct{}{})
	res.Header = map[string]string{"WebHook-Allowed-Origin": "*", "WebHook-Allowed-Rate": "*"}
	return res, nil
}

// readTask verifies a request of Cloud Tasks and reads its body.
func (s *Server) readTask(c *call) ([]byte, error) {
	if s.tasks == nil {
		return nil, &response.Problem{Code: code.NotFound, Detail: "this function has no queue"}
	}
	// With AllowUnauthenticated, Cloud Run has checked this token.
	if !s.cfg.AllowUnauthenticated {
		if err := s.tasks.Verify(c.Context(), c.Header, s.now()); err != nil {
			return nil, err
		}
	}
	c.strangers = nil
	return c.readBody(queue.MaxBody)
}

// maxTaskPause limits the pause that is requested of Cloud Tasks, which applies to the whole
// queue: after a long one, its tasks would be too old. Queues that rcshook creates have the
// same maximum.
const maxTaskPause = 5 * time.Minute

// task serves POST /tasks/send/{id}: a message that waited in the queue. Cloud Tasks retries
// a task until the status is 2xx, so only errors that can pass have another status.
func (s *Server) task(c *call) (*response.Response, error) {
	body, err := s.readTask(c)
	if err != nil {
		return nil, err
	}
	release, err := s.reserve(c.Context(), len(body))
	if err != nil {
		return nil, err
	}
	defer release()
	t, err := queue.Decode(c.PathValue("id"), body)
	if err != nil {
		return nil, err
	}
	res, err := s.sendTask(c, t)
	if err != nil {
		res = response.FromError(err)
	}
	switch res.SetProfile(response.Soft); {
	case res.OK:
		return res, nil
	case res.Status >= http.StatusMultipleChoices:
		// RBM is overloaded or fails, so the whole queue should slow down, unless it contains
		// tasks that have to be in time.
		slow := res.Code == code.RateLimited || res.Code == code.UpstreamUnavailable
		if res.RetryAfter = min(res.RetryAfter, maxTaskPause); !slow || len(s.targets.Fallbacks) > 0 {
			res.Repeat(http.StatusInternalServerError)
		}
		return res, nil
	}
	// The queue drops the task, so the targets of events learn that it failed.
	if t.AgentID == "" { // of version 1
		t.AgentID, _ = s.agents.ID(c.Context(), t.Agent) // empty if the agent is not configured
	}
	return s.giveUp(c.Context(), t.Message, t.Agent, res), nil
}

// giveUp passes the event failed for the message of a task to the targets. The response
// removes the task from the queue, unless the event has to wait.
func (s *Server) giveUp(ctx context.Context, m queue.Message, agent string, res *response.Response) *response.Response {
	about := events.Event{Phone: m.To, Agent: agent, AgentID: m.AgentID, MessageID: m.ID}
	if err := s.passOn(ctx, events.Failed(about, "", string(res.Code), s.now()), ""); err != nil {
		res = response.FromError(err)
		res.Repeat(http.StatusInternalServerError)
	}
	return res
}

// sendTask sends the message of a task.
func (s *Server) sendTask(c *call, t *queue.Task) (*response.Response, error) {
	message, encoded, expired := t.Open(s.now())
	if message == nil {
		return nil, expired
	}
	if c.caller = s.findCaller(t.Caller); c.caller == nil {
		c.caller = &caller{Caller: config.Caller{Name: t.Caller}}
		return dropTask(c.caller.forbidden("was removed from the configuration"))
	}
	id := ""
	if !t.FallbackAt.IsZero() {
		id = t.AgentID
	}
	a, err := s.taskAgent(c.Context(), t.Agent, id)
	if err != nil {
		return nil, err
	}
	m := &send.Message{
		AgentName: a.Name,
		Agent:     a,
		Message:   &compose.Composed{Message: message, Encoded: encoded, FallbackAt: t.FallbackAt, FallbackText: t.FallbackText},
		To:        []payload.Recipient{{E164: t.To}},
		ID:        t.ID,
		Payload:   t.Payload,
		Source:    t.Source,
		Caller:    t.Caller,
	}
	if err := c.caller.allowMessage(m); err != nil {
		return dropTask(err)
	}
	from, settings := s.cfg.Sources[t.Source], s.cfg.Agents[a.Name]
	m.Fallback = cmp.Or(from.Fallback, settings.Fallback)
	if err := prepare.CheckDestinations(m.To, &s.cfg, from, settings); err != nil {
		return nil, err // the configuration may have changed
	}
	if res := s.sendLate(c.Context(), m, t, expired); res != nil {
		res.Agent, res.Source, res.To, res.MessageID = t.Agent, t.Source, t.To, t.ID
		return res, nil
	}
	if expired != nil {
		return nil, expired
	}
	ctx := c.Context()
	if !t.FallbackAt.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, t.FallbackAt.Sub(s.now())+sendTime)
		defer cancel()
	}
	return response.FromResults(s.sender.Send(ctx, m), nil), nil
}

// taskAgent returns the agent of a task. With an ID, it keeps that ID although the secret
// with it may have changed: RBM revokes a message under no other.
func (s *Server) taskAgent(ctx context.Context, name, id string) (*send.Agent, error) {
	a, err := s.agent(ctx, name)
	if errors.Is(err, agent.ErrUnknownAgent) {
		err = &response.Problem{Code: code.Misconfigured, Detail: "the agent of this queued message was removed from the configuration"}
	}
	if err != nil || id == "" {
		return a, err
	}
	renew := a.Renew
	a.ID, a.Renew = id, func(ctx context.Context) (*send.Agent, error) {
		renewed, err := renew(ctx)
		if err == nil {
			renewed.ID = id
		}
		return renewed, err
	}
	return a, nil
}

// dropTask returns the response to a task of a caller that may no longer send the message,
// with a status that removes the task from the queue.
func dropTask(err error) (*response.Response, error) {
	res := response.FromError(err)
	res.Status = http.StatusOK
	return res, nil
}

// revoke serves DELETE /messages/{id}: it revokes a message that is not delivered yet. The
// recipient is in the query or in the body.
func (s *Server) revoke(c *call) (*response.Response, error) {
	id := strings.ToLower(c.PathValue("id"))
	if !payload.IsMessageID(id) {
		return nil, invalidRequest("message ID in the path: expected the UUID in message_id of the response to the send")
	}
	to, name, err := s.readNumbers(c, 1)
	if err != nil {
		return nil, err
	}
	if err := c.caller.allowDestination(name, to); err != nil {
		return nil, err
	}
	a, err := s.agent(c.Context(), name)
	if err != nil {
		return nil, err
	}
	removed, err := s.deleteTasks(c.Context(), queue.Message{ID: id, AgentID: a.ID, To: to[0].E164})
	if err != nil {
		return nil, err
	}
	result := s.sender.Revoke(c.Context(), a, to[0].E164, id)
	if errors.Is(result.Err, rbm.ErrAlreadyDelivered) {
		switch removed {
		case queue.Removed:
			result.Err = nil // RBM does not have it yet, or not any more
		case queue.Unsure:
			result.MaybeSent = true
		}
	}
	return response.FromResult(&result), nil
}

// readyTimeout limits the readiness check of GET /.
const readyTimeout = 5 * time.Second

// aboutPage is the response to GET /.
type aboutPage struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	Ready   bool   `json:"ready"`

	// Agents are the names of the agents, for callers with a key.
	Agents []string `json:"agents,omitempty"`
}

// about serves GET /: name, version and readiness. It needs no key, so the reason for
// not being ready is only logged. Tools test a connection with it, so a wrong key is an
// error.
func (s *Server) about(c *call) (*response.Response, error) {
	if s.cfg.AllowUnauthenticated {
		c.caller = s.callers[0]
	}
	// Cloud Run has checked an ID token if this function accepts none, but not the key beside it.
	checked := source.IsIDToken(c.Header) && s.idTokens == nil && c.Header.Get("X-Api-Key") == "" && !keyInQuery(c.Request)
	if hasKey(c.Request) && !checked {
		var err error
		if c.caller, err = s.authenticate(c.Request); err != nil {
			return nil, err
		}
	}
	if err := c.checkAbout(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(c.Context(), readyTimeout)
	defer cancel()
	err := s.ready(ctx)
	page := aboutPage{Name: "rcshook", Version: Version(), Ready: err == nil}
	if c.caller != nil {
		page.Agents = c.caller.agentNames(s.agents.Names())
	}
	res := response.Document(page)
	res.Err = err
	return res, nil
}

// checkAbout rejects a GET or HEAD request that was probably meant to send a message.
func (c *call) checkAbout() error {
	if c.URL.RawQuery == "" && c.ContentLength == 0 {
		return nil
	}
	return &response.Problem{
		Code:   code.MethodNotAllowed,
		Detail: "the request has a query or a body, but only POST sends a message",
		Action: "Send it as POST, with the payload as the JSON body.",
		Allow:  "POST, OPTIONS",
	}
}

// ready reads the secrets and tokens that sending needs, which caches them.
func (s *Server) ready(ctx context.Context) error {
	if err := s.checkKeys(ctx); err != nil {
		return err
	}
	for _, name := range s.agents.Names() {
		a, err := s.agents.Agent(ctx, name)
		if err == nil {
			_, err = a.Token(ctx)
		}
		if err != nil {
			return fmt.Errorf("agent %s: %w", name, err)
		}
	}
	return nil
}

// describe serves GET /openapi.json.
func (s *Server) describe(c *call) (*response.Response, error) {
	switch c.URL.Query().Get("version") {
	case "", "3.1":
		return response.Document(json.RawMessage(OpenAPI)), nil
	case "3.0":
		own := url.URL{Scheme: "http", Host: c.Host}
		if c.TLS != nil || c.Header.Get("X-Forwarded-Proto") == "https" {
			own.Scheme = "https"
		}
		text, err := json.Marshal(own.String())
		if err != nil {
			return nil, err
		}
		placeholder := strconv.AppendQuote(nil, ServerPlaceholder)
		return response.Document(json.RawMessage(bytes.Replace(OpenAPINarrow, placeholder, text, 1))), nil
	default:
		return nil, invalidRequest("query parameter version: expected 3.0 or 3.1")
	}
}

// decoding calls f, which decodes a body, for as many bodies at a time as there are
// processors: a large one needs many times its size in memory while it is decoded, and more
// parallel work would not be faster.
func (s *Server) decoding(ctx context.Context, f func() error) error {
	if err := s.preparing.Acquire(ctx, 1); err != nil {
		return &response.Problem{Code: code.Overloaded, Detail: "timed out waiting to process the body: too many requests in progress", Err: err}
	}
	defer s.preparing.Release(1)
	return f()
}

// prepare prepares the message of a payload.
func (s *Server) prepare(ctx context.Context, in prepare.Input, from config.Source, c *caller) (*send.Message, error) {
	in.Agents, in.OwnKeys = c.agentNames(nil), c.Name != ""
	var m *send.Message
	err := s.decoding(ctx, func() (err error) {
		m, err = prepare.Message(in, &s.cfg, from, s.now())
		return err
	})
	if err == nil {
		err = c.allowMessage(m)
	}
	if err != nil {
		return nil, err
	}
	s.optOuts.Prefetch(m.AgentName)
	m.Key, m.Caller, m.Limit = c.Key(m.Key), c.Name, c.limit
	m.Agent, err = s.agent(ctx, m.AgentName)
	return m, err
}

// maxMemory limits the memory of all messages in flight, in bytes.
const maxMemory = 64 << 20

// errMemory is the error of a request that would use more.
var errMemory = &response.Problem{Code: code.Overloaded, Detail: "too many large messages in progress"}

// reservation returns the memory to reserve for a payload of that size: it is kept as it
// was sent, decoded, and as it is sent to RBM.
func reservation(size int) int64 { return min(3*int64(max(size, 0)), maxMemory) }

// reserve waits for the memory of a payload.
func (s *Server) reserve(ctx context.Context, size int) (release func(), err error) {
	n := reservation(size)
	if s.memory.Acquire(ctx, n) != nil {
		return nil, errMemory
	}
	return func() { s.memory.Release(n) }, nil
}

// agent returns a configured agent, with its credentials.
func (s *Server) agent(ctx context.Context, name string) (*send.Agent, error) {
	a, err := s.agents.Agent(ctx, name)
	if err != nil {
		return nil, err
	}
	return s.sendAs(a), nil
}

func (s *Server) sendAs(a *agent.Agent) *send.Agent {
	return &send.Agent{
		Name: a.Name, ID: a.ID, Region: rbm.Region(a.Region), Limit: s.limits[a.Name], Token: a.Token,
		Renew: func(ctx context.Context) (*send.Agent, error) {
			renewed, err := s.agents.Renew(ctx, a)
			if err != nil {
				return nil, err
			}
			return s.sendAs(renewed), nil
		},
	}
}

// enqueue adds a message for one recipient to its queue, and its watch if it has one.
func (s *Server) enqueue(ctx context.Context, m *send.Message, to, id string) (*send.Task, error) {
	at := m.Message.At
	from := at
	if from.IsZero() {
		from = s.now()
	}
	t := queue.NewTask(m.Message.Message, m.Message.Encoded, from)
	t.Message = queue.Message{ID: id, AgentID: m.Agent.ID, To: to}
	t.Agent, t.Source, t.Caller = m.AgentName, m.Source, m.Caller
	if m.Fallback != nil {
		t.Payload, t.FallbackText, t.FallbackAt = m.Payload, m.Message.FallbackText, m.Message.FallbackAt
	}
	place := queue.Place{Queue: m.Queue, At: at, Header: trace.FromContext(ctx).Header()}
	name, duplicate, err := s.queue.Add(ctx, t, place)
	if !t.FallbackAt.IsZero() {
		err = s.watch(ctx, m, &t, place, err)
	}
	if err != nil {
		return nil, err
	}
	return &send.Task{Name: name, At: at, FallbackAt: t.FallbackAt, Duplicate: duplicate}, nil
}

// invalidRequest returns an error for problems in the path or the query; nil if there
// are none.
func invalidRequest(problems ...string) error {
	if len(problems) == 0 {
		return nil
	}
	invalid := &response.Problem{
		Code:   code.InvalidPayload,
		Title:  "The request is invalid",
		Action: "Fix the URL and send the request again.",
	}
	for _, p := range problems {
		invalid.Errors = append(invalid.Errors, payload.Error{Detail: p})
	}
	return invalid
}

var _ http.Handler = (*Server)(nil)
