// Package server is the HTTP interface of rcshook. [Server.ServeHTTP] gives each request
// one response and one log line; the handlers in handlers.go read like the path of a
// request: authenticate, prepare, send or queue, respond.
package server

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"log"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/sync/semaphore"

	"github.com/rcshook/rcshook/internal/agent"
	"github.com/rcshook/rcshook/internal/code"
	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/events"
	"github.com/rcshook/rcshook/internal/optout"
	"github.com/rcshook/rcshook/internal/phonenumber"
	"github.com/rcshook/rcshook/internal/queue"
	"github.com/rcshook/rcshook/internal/response"
	"github.com/rcshook/rcshook/internal/send"
	"github.com/rcshook/rcshook/internal/source"
	"github.com/rcshook/rcshook/internal/target"
	"github.com/rcshook/rcshook/internal/trace"
	"github.com/rcshook/rcshook/rbm"
)

// Options configure a [Server]. Only Environ is required.
type Options struct {
	// Environ contains the settings as NAME=value, such as [os.Environ] returns.
	Environ []string

	// File is the content of rcshook.yaml; nil means that RCSHOOK_CONFIG names it.
	File []byte

	// Log receives the log lines; nil means [io.Discard].
	Log io.Writer

	// Now is the clock; nil means [time.Now].
	Now func() time.Time

	// Retry configures the retries of requests to RBM; the zero value means the
	// defaults.
	Retry rbm.Retry

	// DefaultCredentials are Application Default Credentials as JSON. Nil means that
	// they are found in the environment.
	DefaultCredentials []byte

	// MaxStrangers is the number of bodies that are read at once of callers that are not
	// authenticated yet, such as senders of webhooks; zero means [DefaultStrangers].
	MaxStrangers int

	// Transport makes all requests; nil means a transport for RBM.
	Transport http.RoundTripper

	// OptOutTimeout limits the check of opt-outs before a message; zero means
	// [optout.CheckTimeout].
	OptOutTimeout time.Duration

	// Delivered is called after each attempt to deliver an event to a target or a
	// fallback, and for an event that no target gets. Nil means that nothing observes them.
	Delivered func(Delivery)

	// Outcome is called with our own response to each verified webhook, as JSON, and the ID of
	// the request. The sender may get another one. Nil means that nothing observes it.
	Outcome func(requestID string, outcome []byte)
}

// DefaultStrangers is half of the requests that Cloud Run sends to an instance at once,
// unless --concurrency changes that.
const DefaultStrangers = 40

// Server serves the HTTP interface of rcshook. It is safe for concurrent use.
type Server struct {
	cfg       config.Config
	router    http.Handler
	agents    *agent.Directory
	sources   *source.Directory
	callers   []*caller            // the first is that of the environment
	idTokens  *source.GoogleTokens // checks the ID tokens of callers; nil if none are accepted
	tasks     *source.GoogleTokens // checks the ID tokens of our own tasks; nil without a queue
	queue     *queue.Client
	sender    *send.Sender
	limits    map[string]*send.RateLimiter // by agent
	preparing *semaphore.Weighted
	memory    *semaphore.Weighted // bytes of the messages in flight
	strangers strangers
	transport http.RoundTripper
	receiver  *events.Receiver
	targets   *target.Directory
	optOuts   *optout.Directory

	optOutTimeout time.Duration
	delivered     *lru.Cache[string, code.Code] // by target and event, without a queue; see deliverNow
	foreign       sync.Map                      // the IDs of agents that are not configured
	// unenforced holds the brands without a store of which a user opted out.
	unenforced sync.Map
	warnDenied sync.Once // that the function may not delete tasks
	replies    replyLimiter
	observe    func(Delivery)
	outcome    func(requestID string, outcome []byte)
	log        *slog.Logger
	now        func() time.Time
}

// New returns a server. Of all secrets it reads only the one that contains
// rcshook.yaml, if RCSHOOK_CONFIG names one; the others are read when they are needed.
//
// The error is a [*config.Error] with every problem of the settings, or a
// [*google.SecretError] if rcshook.yaml cannot be read.
func New(ctx context.Context, o Options) (*Server, error) {
	if o.Log == nil {
		o.Log = io.Discard
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Delivered == nil {
		o.Delivered = func(Delivery) {}
	}
	if o.Outcome == nil {
		o.Outcome = func(string, []byte) {}
	}
	s := &Server{
		preparing: semaphore.NewWeighted(int64(runtime.GOMAXPROCS(0))),
		memory:    semaphore.NewWeighted(maxMemory),
		strangers: strangers{max: cmp.Or(o.MaxStrangers, DefaultStrangers)},
		transport: o.Transport,
		log:       response.NewLogger(o.Log),
		observe:   o.Delivered,
		outcome:   o.Outcome,
		now:       o.Now,
	}
	filterLog()
	var err error
	if s.delivered, err = lru.New[string, code.Code](maxDelivered); err != nil {
		return nil, err
	}
	if s.cfg, err = config.FromEnviron(o.Environ); err != nil {
		return nil, err
	}
	if s.transport == nil {
		s.transport = newTransport(&s.cfg)
	}
	s.optOutTimeout = o.OptOutTimeout
	if err := s.readFile(ctx, o); err != nil {
		return nil, err
	}
	s.agents = agent.New(s.cfg, s.agentOptions(o))
	s.receiver = events.NewReceiver(events.Options{
		Agents: s.cfg.Agents, Token: s.cfg.WebhookToken, AgentID: s.agents.ID, Secret: s.agents.Secret, Reread: s.agents.Reread,
		Prefetch: func(agent string, tokens []config.Secret) {
			s.agents.PrefetchID(agent)
			for _, token := range tokens {
				s.agents.PrefetchSecret(token)
			}
		},
	})
	s.callers = newCallers(&s.cfg)
	emails := slices.Clone(s.cfg.Emails)
	for _, c := range s.callers {
		emails = append(emails, c.Emails...)
	}
	if len(emails) > 0 {
		s.idTokens = source.NewGoogleTokens(s.cfg.OIDCEndpoint, s.transport, s.cfg.TokenAudience(), emails)
	}
	if s.cfg.QueueAccount != "" {
		s.tasks = source.NewGoogleTokens(s.cfg.OIDCEndpoint, s.transport, []string{s.cfg.URL}, []string{s.cfg.QueueAccount})
	}
	s.queue = queue.New(queue.Options{
		API: s.agents.Platform(), Endpoint: s.cfg.TasksEndpoint,
		URL: s.cfg.URL, Account: s.cfg.QueueAccount, Timeout: s.cfg.Timeout,
	})
	s.limits = make(map[string]*send.RateLimiter)
	for name, a := range s.cfg.Agents {
		s.limits[name] = send.NewRateLimiter(a.MessagesPerSecond)
	}
	s.sender = send.New(send.Options{
		Transport: trace.Transport{Base: s.transport},
		Endpoint:  s.cfg.RBMEndpoint,
		UserAgent: "rcshook/" + Version(),
		Retry:     o.Retry,
		Now:       s.now,
		Allow:     s.allow,
		Enqueue:   s.enqueue,
		Fallback:  s.fallBack,
		Observe:   countAttempt,
	})
	s.router = newRouter(s.handler)
	return s, nil
}

// filterLog filters the log of net/http, which has no other destination.
var filterLog = sync.OnceFunc(func() { log.SetOutput(logFilter{log.Writer()}) })

// logFilter removes what a server sent after its response, such as the body of a 204: it
// may be a secret, a number or a text.
type logFilter struct{ io.Writer }

func (f logFilter) Write(line []byte) (int, error) {
	if before, _, found := bytes.Cut(line, []byte(" starting with ")); found {
		_, err := fmt.Fprintf(f.Writer, "%s\n", before)
		return len(line), err
	}
	return f.Writer.Write(line)
}

func (s *Server) agentOptions(o Options) agent.Options {
	return agent.Options{Transport: s.transport, Log: s.log, DefaultCredentials: o.DefaultCredentials}
}

// readFile adds rcshook.yaml to the settings. The error has every problem of the file,
// or it is a [*google.SecretError].
func (s *Server) readFile(ctx context.Context, o Options) (err error) {
	name, data := "rcshook.yaml", o.File
	switch {
	case data != nil:
	case s.cfg.File == "":
		s.sources = new(source.Directory)
		return config.Join(s.openTargets(config.File{}), s.openOptOuts())
	default:
		if name, data, err = agent.ReadFile(ctx, s.cfg, s.agentOptions(o)); err != nil {
			return err
		}
	}
	parsed, parseErr := config.ParseFile(name, data)
	var mergeErr, sourceErr error
	s.cfg, mergeErr = s.cfg.With(name, parsed)
	var agents []string
	for name := range s.cfg.Agents {
		agents = append(agents, name)
	}
	s.sources, sourceErr = source.Open(parsed.Sources, source.Options{
		Secrets:        func(ctx context.Context, secret config.Secret) ([]byte, error) { return s.agents.Secret(ctx, secret) },
		Agents:         agents,
		Phone:          phonenumber.Options{Country: s.cfg.Country, Countries: s.cfg.AllCountries()},
		GoogleEndpoint: s.cfg.OIDCEndpoint,
		Transport:      s.transport,
	})
	return config.Join(parseErr, mergeErr, sourceErr, s.openTargets(parsed), s.openOptOuts())
}

// openTargets compiles the targets of events, the fallbacks and the targets that know who opted out. The error is a
// [*config.Error].
func (s *Server) openTargets(file config.File) (err error) {
	all := make(map[string]*config.Target)
	maps.Copy(all, s.cfg.Events)
	maps.Copy(all, file.Events)
	s.targets, err = target.Open(all, file.Fallbacks(), s.cfg.Lookups(), target.Options{
		Secret:    func(ctx context.Context, secret config.Secret) ([]byte, error) { return s.agents.Secret(ctx, secret) },
		API:       platformAPI{s},
		Transport: s.transport,
		PubSub:    s.cfg.PubSubEndpoint,
		UserAgent: "rcshook/" + Version(),
		Now:       s.now,
		Phone:     phonenumber.Options{Country: s.cfg.Country, Countries: s.cfg.AllCountries()},
	})
	return err
}

// platformAPI calls Google's APIs as the function. The targets are compiled before the
// agents are known.
type platformAPI struct{ s *Server }

func (a platformAPI) Ready(ctx context.Context) error { return a.s.agents.Platform().Ready(ctx) }

func (a platformAPI) Call(ctx context.Context, method, url string, in, out any) error {
	return a.s.agents.Platform().Call(ctx, method, url, in, out)
}

// Sources returns the sources of the file, sorted by name.
func (s *Server) Sources() []*source.Source { return s.sources.All() }

// Close stops the background work of the server.
func (s *Server) Close() error {
	trace.Transport{Base: s.transport}.CloseIdleConnections()
	s.targets.Close()
	return s.agents.Close()
}

// call is one request on its way to its response.
type call struct {
	*http.Request
	w       http.ResponseWriter
	log     *response.Log
	profile response.Profile
	source  *source.Source // of a webhook; nil for other requests
	caller  *caller        // nil until it is known

	strangers *strangers // nil after the caller is authenticated

	// respond gives a response the form that the sender of a webhook expects; nil before
	// the sender is verified.
	respond func(*response.Response)
}

// ServeHTTP serves one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.router.ServeHTTP(w, r) }

// handler returns the handler of a route.
func (s *Server) handler(to route) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		c, timeout := s.newCall(w, r)
		serve(c, s.log, s.cfg.Project, timeout, func() (*response.Response, error) {
			if to.key {
				var err error
				if c.caller, err = s.authenticate(c.Request); err != nil {
					return nil, err
				}
				c.strangers = nil
				if err := c.caller.allow(to.action); err != nil {
					return nil, err
				}
				if err := c.readQuery(to.query); err != nil {
					return nil, err
				}
			}
			return to.serve(s, c)
		})
	}
}

// newCall returns the call of a request, and its timeout. Senders of webhooks have
// timeouts and profiles of their own.
func (s *Server) newCall(w http.ResponseWriter, r *http.Request) (*call, time.Duration) {
	c, timeout := &call{Request: r, w: w, profile: response.Strict, strangers: &s.strangers}, s.cfg.Timeout
	switch {
	case r.URL.Path == eventsPath:
		timeout = min(timeout, eventTimeout)
	case strings.HasPrefix(r.URL.Path, queue.Path):
		c.profile = response.Soft // Cloud Tasks retries everything that is not acknowledged
	case strings.HasPrefix(r.URL.Path, hooksPath):
		c.profile = response.Soft
		name, _, hasToken := strings.Cut(strings.TrimPrefix(r.URL.Path, hooksPath), "/")
		if from, err := s.sources.Find(name); err == nil {
			timeout = min(timeout, from.Timeout)
			if !hasToken && !from.HasToken() {
				c.setSource(from)
			}
		}
	}
	return c, timeout
}

// setSource sets the source of a webhook, and the profile of its responses.
func (c *call) setSource(from *source.Source) {
	c.source = from
	if from.Profile != "" {
		c.profile = response.Profile(from.Profile)
	}
}

// serve writes the response of f to a call, and the log line. Panics become responses.
func serve(c *call, log *slog.Logger, project string, timeout time.Duration, f func() (*response.Response, error)) {
	c.log = response.NewLog(c.Request)
	c.log.Project = project
	ctx, cancel := context.WithTimeout(c.Context(), beforeDeadline(c.Context(), timeout))
	defer cancel()
	ctx = context.WithValue(trace.NewContext(ctx, c.log.Trace), logKey{}, c.log)
	c.Request = c.Request.WithContext(ctx)
	body := watchBody(c.Request)
	res, err := safely(f)
	if err != nil {
		res = response.FromError(err)
	}
	res.SetProfile(c.profile)
	if c.source != nil {
		res.SetSource(c.source.Name, c.source.Status, c.source.Empty, c.source.AuthScheme())
		res.Lost = res.Code == code.Ignored && c.source.Group() == "sign-in"
	}
	if c.caller != nil {
		res.Caller = c.caller.Name
	}
	res.RequestID = c.log.ID
	if c.respond != nil {
		c.respond(res)
	}
	body.limitRest(c.w)
	c.log.Write(ctx, log, res, res.Write(c.w, c.Request))
}

// safely calls f and returns a panic as an error.
func safely(f func() (*response.Response, error)) (res *response.Response, err error) {
	defer func() {
		if v := recover(); v != nil {
			res, err = nil, code.PanicError(v)
		}
	}()
	return f()
}

type logKey struct{}

// countAttempt counts a request to RBM in the log line of the request that ctx belongs to.
func countAttempt(ctx context.Context, a rbm.Attempt) {
	if l, ok := ctx.Value(logKey{}).(*response.Log); ok {
		l.Attempt(a)
	}
}

// responseTime is reserved for writing the response before the request deadline of the
// platform.
const responseTime = 500 * time.Millisecond

// beforeDeadline shortens a timeout to the deadline of ctx. The functions framework sets
// that deadline to the request timeout of Cloud Run.
func beforeDeadline(ctx context.Context, timeout time.Duration) time.Duration {
	deadline, ok := ctx.Deadline()
	if !ok {
		return timeout
	}
	left := time.Until(deadline)
	return min(timeout, left-min(responseTime, left/2))
}

// readQuery reads the query parameter profile and refuses unknown parameters, which
// would have no effect.
func (c *call) readQuery(known []string) error {
	query := c.URL.Query()
	var problems []string
	switch profile := response.Profile(query.Get("profile")); profile {
	case response.Strict, response.Soft, response.All:
		c.profile = profile
	case "":
	default:
		problems = append(problems, "query parameter profile: expected strict, soft or all")
	}
	for name := range query {
		if !slices.Contains(known, name) {
			problems = append(problems, fmt.Sprintf("unknown query parameter; expected %s; send the fields of the payload in the body", strings.Join(known, ", ")))
			break
		}
	}
	return invalidRequest(problems...)
}

// hasKey reports whether a request has credentials, valid or not.
func hasKey(r *http.Request) bool {
	return r.Header.Get("Authorization") != "" || r.Header.Get("X-Api-Key") != "" || keyInQuery(r)
}

// keyNames are the query parameters that may be a key, in lower case and without separators.
var keyNames = []string{"key", "apikey", "xapikey", "token", "accesstoken", "auth", "authorization", "secret", "password"}

var nameSeparators = strings.NewReplacer("-", "", "_", "")

// keyInQuery reports whether a request has a query parameter that may be a key. Anyone can
// send thousands of parameters, so they are not parsed into a map.
func keyInQuery(r *http.Request) bool {
	for pair := range strings.SplitSeq(r.URL.RawQuery, "&") {
		name, _, _ := strings.Cut(pair, "=")
		if plain, err := url.QueryUnescape(name); err == nil && slices.Contains(keyNames, strings.ToLower(nameSeparators.Replace(plain))) {
			return true
		}
	}
	return false
}
