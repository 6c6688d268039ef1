package rbmtest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rcshook/rcshook/internal/googletest"
	"github.com/rcshook/rcshook/internal/googletest/token"
	"github.com/rcshook/rcshook/rbm"
)

// Simulator is the platform as an [http.Handler]:
//
//	/v1, /upload/v1       the RBM API
//	/v1/brands            the part of the Business Communications API for webhooks
//	/token                the token endpoint for key files, also at Google's older paths
//	/$discovery/rest      the discovery document, for clients that are built from it
//	/_sim/                the admin paths, see the package comment
//	/                     a page of links, or the handler Page
//
// The zero value is ready. Set the fields before the first request. The methods may be
// called from several goroutines.
type Simulator struct {
	// Agents are the known agents. Nil means that every agent ID exists, as a launched
	// agent with a single use case. A missing agent ID is an error either way. Later,
	// [Simulator.SetAgents] replaces them.
	Agents []AgentConfig

	// Numbers holds the initial behavior of phone numbers. Nil means [TestNumbers]; an
	// empty map means that all numbers are alike.
	Numbers map[string]Behavior

	// Now is the clock; nil means [time.Now]. The Date header of all responses follows
	// it. After changing its time, call [Simulator.Tick]. Access tokens ignore it,
	// because clients check their expiry by the real time.
	Now func() time.Time

	// Assume decides what the documents leave open.
	Assume Assumptions

	// RegionOf returns the region of a phone number in E.164 form for users.batchGet.
	// Nil means by the first digit: 1 and 5 are "us", 6, 8 and 9 "asia", all others
	// "europe". The real table is not published.
	RegionOf func(phone string) rbm.Region

	// AutoRead makes users read each message after its delivery, so that a READ event
	// follows every DELIVERED. Otherwise only [Simulator.Read] reads messages.
	AutoRead bool

	// Delay is the time from acceptance to delivery, and from delivery to AutoRead. Zero
	// means at once. With Now, [Simulator.Tick] delivers.
	Delay time.Duration

	// MaxMessages limits the messages that are kept. Beyond it the oldest tenth is forgotten,
	// with the IDs. Zero means no limit.
	MaxMessages int

	// Transport pushes events to webhooks; nil means a transport without idle connections.
	Transport http.RoundTripper

	// Page serves the front page and every other path. Nil means a short page of links.
	// It is protected like the admin paths.
	Page http.Handler

	// AdminHosts are host names in lower case, without port, under which the admin paths
	// and Page are served, besides localhost and the loopback addresses. Any page that a
	// browser shows from such a host can read and change everything, keys included.
	AdminHosts []string

	tokens token.Server

	once  sync.Once
	admin http.Handler
	brand http.Handler
	life  context.Context // until Close
	kill  context.CancelFunc

	mu        sync.Mutex
	closed    bool
	ids       map[idKey]*usedID
	messages  []*message
	changing  []*message        // messages whose state changes at a known time
	lastAgent map[string]string // latest agent by phone number
	behaviors map[string]Behavior
	failures  []*Failure
	failed    map[failedKey]int // by ID, for failures that count per ID
	requests  requestLog
	testers   map[testerKey]rbm.InviteStatus
	entries   eventLog
	timer     *time.Timer // for the next expiry or push, on the real clock
	hooks     map[string]WebhookConfig
	pushes    []*push
	pushing   chan struct{} // closed when the pushing goroutine ends; nil: it is not running
	files     map[string]*file
	fileNames []string // oldest first
	fileBytes int64
	uploads   map[string]*upload
	invited   map[string][]time.Time // by agent
	batches   []time.Time            // of the last minute

	unverified map[string]WebhookConfig // of integrations whose handshake failed

	keyMu sync.Mutex
	keys  map[string][]byte // key files by token URI
}

// AgentConfig is an agent that the simulator knows.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/guides/build/agents
type AgentConfig struct {
	// ID is the agent's ID, with or without "@rbm.goog".
	ID string

	// Unlaunched agents reach only users that have agreed to be their testers.
	Unlaunched bool

	// UseCase decides which traffic types the agent may send, and whether a message
	// needs one. Empty means that all are allowed and none is needed.
	UseCase UseCase

	// Dialogflow holds the texts with which the connected Dialogflow agent responds to
	// each event, by event name. Nil means that none is connected.
	Dialogflow map[string][]string
}

// UseCase is the registered use case of an agent.
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

// Server is a [Simulator] on a port of its own.
type Server struct {
	*httptest.Server
	*Simulator
}

// NewServer starts a server with a new simulator. Close it after use.
func NewServer() *Server {
	sim := new(Simulator)
	return &Server{httptest.NewServer(sim), sim}
}

// Client returns a client of the API for an agent, with an access token. Failed requests
// are retried without long pauses.
func (s *Server) Client(agentID string) *rbm.Client {
	accessToken := s.Token()
	client, err := rbm.New(rbm.Config{
		AgentID:    agentID,
		Endpoint:   s.URL,
		HTTPClient: s.Server.Client(),
		Token:      func(context.Context) (string, error) { return accessToken, nil },
		Retry:      rbm.Retry{BaseDelay: time.Millisecond, MaxDelay: 10 * time.Millisecond},
	})
	if err != nil {
		panic("rbmtest: " + err.Error())
	}
	return client
}

// Close stops the simulator and the server.
func (s *Server) Close() {
	s.Simulator.Close()
	s.Server.Close()
}

func (s *Simulator) init() {
	s.once.Do(func() {
		s.life, s.kill = context.WithCancel(context.Background())
		s.admin, s.brand = s.adminHandler(), s.managementAPI()
		s.mu.Lock()
		defer s.mu.Unlock()
		s.hooks, s.unverified = map[string]WebhookConfig{}, map[string]WebhookConfig{}
		s.reset()
	})
}

// lock locks s.mu of a simulator that is ready.
func (s *Simulator) lock() {
	s.init()
	s.mu.Lock()
}

// forgetMessages forgets the n oldest messages. s.mu must be held.
func (s *Simulator) forgetMessages(n int) {
	for _, m := range s.messages[:n] {
		key := idKey{m.AgentID, m.MessageID}
		delete(s.ids, key)
		delete(s.requests.attempts, key)
	}
	s.messages = slices.Delete(s.messages, 0, n)
}

// reset forgets everything except keys, tokens and webhooks. s.mu must be held.
func (s *Simulator) reset() {
	s.ids = map[idKey]*usedID{}
	s.messages, s.changing = nil, nil
	s.lastAgent = map[string]string{}
	s.failures, s.failed = nil, map[failedKey]int{}
	s.testers = map[testerKey]rbm.InviteStatus{}
	s.files, s.fileNames, s.fileBytes = map[string]*file{}, nil, 0
	s.uploads = map[string]*upload{}
	s.invited, s.batches = map[string][]time.Time{}, nil
	s.pushes = nil
	s.requests = requestLog{attempts: map[idKey]int{}}
	numbers := s.Numbers
	if numbers == nil {
		numbers = TestNumbers()
	}
	s.behaviors = map[string]Behavior{}
	maps.Copy(s.behaviors, numbers)
}

// Reset removes all messages, log entries, files and testers, and everything arranged with
// [Simulator.Fail], [Simulator.SetBehavior] and [Simulator.SetOnline]. Keys, tokens and
// webhooks stay.
func (s *Simulator) Reset() {
	s.lock()
	defer s.mu.Unlock()
	s.reset()
	s.entries.list = nil
	s.log(LogEntry{Kind: LogReset})
}

// Close ends hanging and streaming requests, and stops all pushing. Call it before
// closing the server, which otherwise waits for them. A closed simulator still responds
// to other requests. Close may be called more than once.
func (s *Simulator) Close() {
	s.lock()
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

// Token returns a new access token for the API. It is valid for an hour.
func (s *Simulator) Token() string { return s.tokens.Issue(rbm.Scope) }

func (s *Simulator) now() time.Time {
	if s.Now != nil {
		return s.Now()
	}
	return time.Now()
}

// timestamp returns the current time as the platform writes it, in milliseconds.
func (s *Simulator) timestamp() time.Time { return s.now().Truncate(time.Millisecond).UTC() }

// ServeHTTP serves a request for the API, the token endpoint, the admin paths or the page.
func (s *Simulator) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.init()
	googletest.Decompress(r)
	if s.Now != nil {
		w.Header().Set("Date", s.Now().UTC().Format(http.TimeFormat))
	}
	switch path := r.URL.Path; {
	case path == "/v1/brands", strings.HasPrefix(path, "/v1/brands/"):
		s.brand.ServeHTTP(w, r)
	case strings.HasPrefix(path, "/v1/"):
		s.serveAPI(w, r)
	case strings.HasPrefix(path, "/upload/v1/"):
		s.serveUpload(w, r)
	case path == "/$discovery/rest":
		s.serveDiscovery(w, r)
	case path == "/token", path == "/oauth2/v4/token", path == "/o/oauth2/token":
		s.WithFailures("token", &s.tokens).ServeHTTP(w, r)
	case strings.HasPrefix(path, "/_sim/"):
		s.LocalOnly(s.admin).ServeHTTP(w, r)
	default:
		s.LocalOnly(http.HandlerFunc(s.servePage)).ServeHTTP(w, r)
	}
}

// agentName is an agent ID without its domain.
func agentName(id string) string { return strings.TrimSuffix(id, rbm.AgentDomain) }

// SetAgents replaces the known agents.
func (s *Simulator) SetAgents(agents []AgentConfig) {
	s.lock()
	defer s.mu.Unlock()
	s.Agents = agents
}

// agent looks up an agent; nil means that it is unknown.
func (s *Simulator) agent(id string) *AgentConfig {
	if id = agentName(id); id == "" {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
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

const frontPage = `<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>RBM simulator</title>
<h1>RBM simulator</h1>
<p>This is not Google. It simulates the RCS Business Messaging API for tests and rehearsals. Nothing reaches a phone.
<ul>
<li><a href="/_sim/messages">Accepted messages</a>
<li><a href="/_sim/requests">Requests</a>
<li><a href="/_sim/events">Log of all events</a>
<li><a href="/_sim/key">Service account key file</a> for any client of the API
</ul>
`

func (s *Simulator) servePage(w http.ResponseWriter, r *http.Request) {
	switch {
	case s.Page != nil:
		s.Page.ServeHTTP(w, r)
	case r.URL.Path != "/":
		http.NotFound(w, r)
	default:
		w.Header().Set("Content-Security-Policy", "default-src 'none'")
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		io.WriteString(w, frontPage)
	}
}

// LocalOnly protects h against other machines and other sites. A request must name a
// loopback host, which a page that rebinds DNS cannot do, and must not come from the page
// of another site.
func (s *Simulator) LocalOnly(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !s.allows(r.Host) {
			http.Error(w, "the simulator's pages are only for this machine; use localhost or a loopback address, or allow the host of a forwarded port with rcshook dev -host", http.StatusForbidden)
			return
		}
		if !s.sameOrigin(r) {
			http.Error(w, "the simulator's pages are not available to other sites", http.StatusForbidden)
			return
		}
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cross-Origin-Resource-Policy", "same-origin")
		h.ServeHTTP(w, r)
	})
}

// allows reports whether the admin paths are served under a host, which may have a port.
func (s *Simulator) allows(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || slices.Contains(s.AdminHosts, host) || err == nil && addr.IsLoopback()
}

// sameOrigin reports whether a request comes from a page of this server or not from a
// page at all. Browsers set one header or the other.
func (s *Simulator) sameOrigin(r *http.Request) bool {
	site := r.Header.Get("Sec-Fetch-Site")
	if origin := r.Header.Get("Origin"); origin != "" && origin != "http://"+r.Host && origin != "https://"+r.Host {
		// Forwarders of ports, such as that of Codespaces, change the host or the origin.
		_, host, _ := strings.Cut(origin, "://")
		if len(s.AdminHosts) == 0 || site != "same-origin" || !s.allows(host) {
			return false
		}
	}
	switch site {
	case "", "none", "same-origin":
		return true
	}
	// Links to the front page work from anywhere.
	return r.Method == http.MethodGet && r.URL.Path == "/" && r.Header.Get("Sec-Fetch-Mode") == "navigate"
}

// projectID is the Google Cloud project of the RBM partner.
const projectID = "rcshook-dev"

// KeyFile returns the current key file of the RBM service account, for clients that reach
// the simulator at baseURL. It stays the same until [Simulator.Rotate].
func (s *Simulator) KeyFile(baseURL string) []byte {
	s.keyMu.Lock()
	defer s.keyMu.Unlock()
	tokenURI := strings.TrimRight(baseURL, "/") + "/token"
	if s.keys[tokenURI] == nil {
		s.newKey(tokenURI)
	}
	return bytes.Clone(s.keys[tokenURI])
}

// newKey makes a new current key. s.keyMu must be held.
func (s *Simulator) newKey(tokenURI string) {
	if s.keys == nil {
		s.keys = map[string][]byte{}
	}
	s.keys[tokenURI] = s.tokens.KeyFile(token.KeyOptions{
		ProjectID:   projectID,
		ClientEmail: "rbm-partner@" + projectID + ".iam.gserviceaccount.com",
		TokenURI:    tokenURI,
	})
}

// Rotate makes a new key for the RBM service account. With revoke, the old key and its
// access tokens stop working; without, both keys work. Without a key, it returns an error.
func (s *Simulator) Rotate(revoke bool) error {
	s.keyMu.Lock()
	defer s.keyMu.Unlock()
	if len(s.keys) == 0 {
		return errors.New("rbmtest: no key to rotate; call KeyFile first")
	}
	for tokenURI, old := range s.keys {
		s.newKey(tokenURI)
		if revoke {
			s.tokens.RevokeKey(token.KeyID(old))
			s.tokens.RevokeTokensOf(token.KeyID(old))
		}
	}
	return nil
}
