package rbmtest

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/rcshook/rcshook/internal/googletest/token"
	"github.com/rcshook/rcshook/rbm"
)

// Simulator is the whole platform on one [http.Handler]:
//
//	/v1, /upload/v1       the RBM API
//	/token                the token endpoint for key files
//	/_sim/                what people and tests ask and arrange, see the package comment
//	/                     a page that says so, or the handler Page
//
// The zero value is ready. The fields are set before the first request and not
// changed after it; everything else may be used by several goroutines at any time.
type Simulator struct {
	// Agents are the agents that exist. Nil means that every agent ID exists, as
	// a launched agent with a single use case. A missing agent ID is refused
	// either way.
	Agents []AgentConfig

	// Numbers says which phone numbers behave differently from the start. Nil
	// means [TestNumbers]; an empty map means that all numbers are alike.
	Numbers map[string]Behavior

	// Now is the clock; nil means [time.Now]. With a clock of its own, which the
	// header Date of all answers shows too, a test calls [Simulator.Tick] after
	// moving it. Access tokens are not subject to
	// it, because the clients that ask for them read the real time.
	Now func() time.Time

	// Assume decides what no document does.
	Assume Assumptions

	// RegionOf tells the region of a phone number in E.164 form, which
	// users.batchGet goes by. Nil means by the first digit: 1 and 5 are "us", 6, 8
	// and 9 "asia", all others "europe". The real table is not published.
	RegionOf func(phone string) rbm.Region

	// AutoRead makes users read each message as soon as it is delivered, so that
	// a READ event follows every DELIVERED. Without it messages are read by
	// [Simulator.Read] only.
	AutoRead bool

	// Page serves the front page and every path that nothing else does. Nil
	// means a short page of links. It is guarded as the admin paths are.
	Page http.Handler

	// AdminHosts are further host names, without port, under which the admin
	// paths and Page may be asked for, besides localhost and the addresses of the
	// loopback interface. Any page that a browser on such a host shows can then
	// read and change everything, keys included.
	AdminHosts []string

	tokens token.Server

	once  sync.Once
	admin http.Handler
	life  context.Context // until Close
	kill  context.CancelFunc

	mu        sync.Mutex
	closed    bool
	ids       map[idKey]*taken
	messages  []*message
	expiring  []*message        // those that may still expire
	lastAgent map[string]string // with whom a phone number talked last
	behaviors map[string]Behavior
	failures  map[failureKey]int // refused so far, for faults that count per ID
	faults    []*Failure
	requests  requestLog
	testers   map[testerKey]rbm.InviteStatus
	log       eventLog
	timer     *time.Timer // for what is due next on the real clock
	hooks     map[string]WebhookConfig
	pushes    []*push
	pushing   chan struct{} // closed when the goroutine that pushes ends; nil: there is none
	files     map[string]*file
	fileNames []string // oldest first
	fileBytes int64
	uploads   map[string]*upload
	invited   map[string][]time.Time // by agent
	batches   []time.Time            // of the last minute

	keyMu sync.Mutex
	keys  map[string][]byte // key files by token URI
}

// AgentConfig is an agent that the simulator knows.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/guides/build/agents
type AgentConfig struct {
	// ID is the agent's ID; "@rbm.goog" at its end makes no difference.
	ID string

	// Unlaunched agents reach only users who have agreed to be their testers.
	Unlaunched bool

	// UseCase decides which traffic types the agent may send, and whether a
	// message must name one. Empty means that all are allowed and none is needed.
	UseCase UseCase

	// Dialogflow are the texts with which the Dialogflow agent that is
	// connected answers each event, by the event's name. Nil means that none is
	// connected.
	Dialogflow map[string][]string
}

// UseCase is what an agent was registered for.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/guides/learn/agent-use-cases
type UseCase string

// The use cases.
const (
	UseCaseOTP           UseCase = "OTP"
	UseCaseTransactional UseCase = "TRANSACTIONAL"
	UseCasePromotional   UseCase = "PROMOTIONAL"
	UseCaseMultiUse      UseCase = "MULTI_USE"
)

// idKey is the name space of message and event IDs: one per agent.
type idKey struct{ agent, id string }

// maxBody bounds a JSON request.
//
// Assumption: the front end's usual limit.
const maxBody = 10 << 20

func (s *Simulator) init() {
	s.once.Do(func() {
		s.life, s.kill = context.WithCancel(context.Background())
		s.admin = s.adminHandler()
		s.mu.Lock()
		defer s.mu.Unlock()
		s.hooks = map[string]WebhookConfig{}
		s.reset()
	})
}

// reset forgets everything that happened and what was arranged for it. Keys,
// tokens and secrets stay. s.mu is held.
func (s *Simulator) reset() {
	s.ids = map[idKey]*taken{}
	s.messages, s.expiring = nil, nil
	s.lastAgent = map[string]string{}
	s.failures = map[failureKey]int{}
	s.faults = nil
	s.testers = map[testerKey]rbm.InviteStatus{}
	s.files = map[string]*file{}
	s.fileNames, s.fileBytes = nil, 0
	s.uploads = map[string]*upload{}
	s.invited = map[string][]time.Time{}
	s.batches = nil
	s.pushes = nil
	s.requests = requestLog{attempts: map[idKey]int{}}
	s.behaviors = map[string]Behavior{}
	numbers := s.Numbers
	if numbers == nil {
		numbers = TestNumbers()
	}
	for phone, b := range numbers {
		s.behaviors[phone] = b
	}
}

// Reset forgets all messages, events, files and testers, and takes back what was
// arranged with [Simulator.Fail], [Simulator.SetBehavior] and
// [Simulator.SetOnline]. Keys, tokens, secrets and webhooks stay.
func (s *Simulator) Reset() {
	s.init()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reset()
	s.log.events = nil
	s.emit(LogEntry{Kind: LogReset})
}

// Close ends requests that hang or stream, and stops all pushing. Call it before
// closing the server, which otherwise waits for them. A closed simulator still
// answers quick requests. Close may be called more than once.
func (s *Simulator) Close() {
	s.init()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.closed = true
		s.kill()
		if s.timer != nil {
			s.timer.Stop()
		}
	}
}

// Tokens returns the token endpoint, which is mounted at /token, for use at other paths.
func (s *Simulator) Tokens() http.Handler { return &s.tokens }

// Token returns a new access token that the simulator accepts for an hour.
func (s *Simulator) Token() string { return s.tokens.Issue(rbm.Scope) }

func (s *Simulator) now() time.Time {
	if s.Now != nil {
		return s.Now()
	}
	return time.Now()
}

// ServeHTTP answers a request for any of the services.
func (s *Simulator) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.init()
	if s.Now != nil {
		w.Header().Set("Date", s.Now().UTC().Format(http.TimeFormat))
	}
	path := r.URL.Path
	under := func(prefix string) bool { return strings.HasPrefix(path, prefix) }
	switch {
	case under("/v1/"):
		s.serveAPI(w, r)
	case under("/upload/v1/"):
		s.serveUpload(w, r)
	case path == "/token":
		s.WithFailures("token", &s.tokens).ServeHTTP(w, r)
	case under("/_sim/"):
		s.LocalOnly(s.admin).ServeHTTP(w, r)
	default:
		s.LocalOnly(http.HandlerFunc(s.servePage)).ServeHTTP(w, r)
	}
}

// agentName is an agent ID without its domain.
func agentName(id string) string { return strings.TrimSuffix(id, rbm.AgentDomain) }

// agent looks an agent up; nil means that there is none.
func (s *Simulator) agent(id string) *AgentConfig {
	if id = agentName(id); id == "" {
		return nil
	}
	if s.Agents == nil {
		return &AgentConfig{ID: id}
	}
	for i := range s.Agents {
		if a := &s.Agents[i]; agentName(a.ID) == id {
			return a
		}
	}
	return nil
}

// allows reports whether an agent of this use case may send t.
func (u UseCase) allows(t rbm.TrafficType) bool {
	if u == "" || t == rbm.TrafficServiceRequest || t == rbm.TrafficAcknowledgement {
		return true
	}
	switch t {
	case rbm.TrafficAuthentication:
		return u == UseCaseOTP
	case rbm.TrafficTransaction:
		return u == UseCaseTransactional || u == UseCaseMultiUse
	default:
		return u == UseCasePromotional || u == UseCaseMultiUse
	}
}
