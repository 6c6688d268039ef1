package rbm

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"runtime/debug"
	"strings"
	"sync"
	"time"
)

// Scope is the OAuth 2.0 scope of every method of the API.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/phones.agentMessages/create#authorization-scopes
const Scope = "https://www.googleapis.com/auth/rcsbusinessmessaging"

// AgentDomain is the suffix of agent IDs in the console and in webhooks. The methods
// of the API take the part before it.
const AgentDomain = "@rbm.goog"

// Config configures a [Client]. Only AgentID is required.
type Config struct {
	// AgentID is the agent that sends, with or without [AgentDomain].
	AgentID string

	// Token returns an access token with [Scope]. The client calls it before every
	// attempt, so it should cache the token until shortly before it expires. If
	// Token is nil, HTTPClient must authorize the requests, as the clients of
	// golang.org/x/oauth2 do.
	Token func(ctx context.Context) (string, error)

	// HTTPClient makes the requests; nil means [http.DefaultClient]. Its Timeout
	// limits one attempt. [New] refuses a client with CheckRedirect or Jar: the
	// API uses neither redirects nor cookies, and following a redirect could send
	// the token to another host.
	HTTPClient *http.Client

	// Region selects the host of the API; empty means the global host.
	Region Region

	// Endpoint is the base URL of another server, such as a simulator. It overrides
	// Region.
	Endpoint string

	// Retry configures how failed calls are retried.
	Retry Retry

	// UserAgent is the User-Agent header; empty means rcshook-rbm and the version
	// of this module.
	UserAgent string

	// SkipCheck makes [Client.SendMessage] send messages without checking them, for
	// messages that were checked before, or that use something that Google added
	// after this version of the package.
	SkipCheck bool

	// Wait, if not nil, is called before each attempt with the context of the call,
	// and delays the attempt until it returns: to limit the rate, for example. If it
	// fails before the first attempt, nothing is sent and the call returns its error,
	// wrapped. If it fails before a retry, the call returns the error of the last attempt.
	Wait func(ctx context.Context) error

	// Observe, if not nil, is called after each attempt, in the goroutine of the call.
	Observe func(Attempt)
}

// Retry configures how a call is retried. The client retries after 408, 429, 500, 502,
// 503 and 504, ABORTED and CANCELLED, a broken connection, an unreadable response and a
// timeout, and once after a 403 whose message includes that it may be transient. It does
// not start an attempt for which the deadline of the context leaves no time. The zero
// value means the defaults.
//
// Assumption: Google does not publish which errors to retry; this is the usual list.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/guides/learn/best-practices
type Retry struct {
	// MaxAttempts includes the first attempt; 0 means 4, 1 means no retries.
	MaxAttempts int

	// BaseDelay is the longest pause before the second attempt; 0 means 250 ms. It
	// doubles with each attempt. The pause is a random part of it, so that many
	// clients do not retry at the same moment.
	BaseDelay time.Duration

	// MaxDelay limits the doubling; 0 means 4 s. The delay that the platform
	// requests by Retry-After is added to the pause. If it is over a minute and the
	// context has no deadline, the call is not retried.
	MaxDelay time.Duration

	// AttemptTimeout limits one attempt, including the call of Token; 0 means 10 s.
	AttemptTimeout time.Duration
}

// Attempt is one attempt of a call, as passed to [Config.Observe].
type Attempt struct {
	Method     string        // name in the reference, such as phones.agentMessages.create
	Number     int           // 1 for the first
	StatusCode int           // 0 without a response
	Err        error         // nil if the attempt succeeded
	Duration   time.Duration // from the call of Token to the end of the response

	// Resent reports that net/http sent the request more than once, because a
	// connection broke. An earlier copy may have arrived, even if the last one failed.
	Resent bool

	// Unsent reports that the request was never sent, because the token or the
	// connection failed. It cannot have arrived.
	Unsent bool
}

// Client calls the API for one agent. It is safe for concurrent use.
type Client struct {
	agentID   string
	base      string
	regional  bool
	userAgent string
	skipCheck bool
	token     func(context.Context) (string, error)
	transport http.RoundTripper
	retry     Retry
	wait      func(context.Context) error
	observe   func(Attempt)
}

// New returns a client. It does no I/O and is cheap enough to be called for every
// message.
func New(c Config) (*Client, error) {
	agent := strings.TrimSuffix(c.AgentID, AgentDomain)
	if agent == "" {
		return nil, errors.New("rbm: the agent ID is missing")
	}
	// The platform makes the IDs and does not document their length.
	if len(agent) > 200 || strings.ContainsFunc(agent, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, errors.New("rbm: invalid agent ID: expected a word such as my_brand_k3x9a1bc_agent")
	}
	base, known := hosts[c.Region]
	if !known {
		return nil, fmt.Errorf("rbm: unknown region %q: expected us, europe, asia or none", c.Region)
	}
	if c.Endpoint != "" {
		u, err := url.Parse(c.Endpoint)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.RawQuery != "" || u.Fragment != "" {
			return nil, errors.New("rbm: invalid endpoint: expected a base URL such as http://localhost:8081")
		}
		base = strings.TrimRight(c.Endpoint, "/")
	}
	h := c.HTTPClient
	if h == nil {
		h = http.DefaultClient
	}
	if c.HTTPClient != nil && (h.CheckRedirect != nil || h.Jar != nil) {
		return nil, errors.New("rbm: HTTPClient: CheckRedirect and Jar are not supported; remove them")
	}
	client := &Client{
		agentID:   agent,
		base:      base,
		regional:  c.Region != RegionGlobal || c.Endpoint != "",
		userAgent: c.UserAgent,
		skipCheck: c.SkipCheck,
		token:     c.Token,
		transport: h.Transport,
		retry: Retry{
			MaxAttempts:    positiveOr(c.Retry.MaxAttempts, 4),
			BaseDelay:      positiveOr(c.Retry.BaseDelay, 250*time.Millisecond),
			MaxDelay:       positiveOr(c.Retry.MaxDelay, 4*time.Second),
			AttemptTimeout: positiveOr(c.Retry.AttemptTimeout, 10*time.Second),
		},
		wait:    c.Wait,
		observe: c.Observe,
	}
	if client.transport == nil {
		client.transport = defaultTransport()
	}
	if h.Timeout > 0 {
		client.retry.AttemptTimeout = min(client.retry.AttemptTimeout, h.Timeout)
	}
	if client.userAgent == "" {
		client.userAgent = defaultUserAgent()
	}
	return client, nil
}

func positiveOr[T int | time.Duration](n, otherwise T) T {
	if n > 0 {
		return n
	}
	return otherwise
}

// defaultUserAgent returns the name of this package with the version of its module.
var defaultUserAgent = sync.OnceValue(func() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = new(debug.BuildInfo)
	}
	return userAgentOf(info)
})

func userAgentOf(info *debug.BuildInfo) string {
	for _, m := range append(info.Deps, &info.Main) {
		if version, ok := strings.CutPrefix(m.Version, "v"); ok && m.Path == "github.com/rcshook/rcshook" {
			return "rcshook-rbm/" + version
		}
	}
	return "rcshook-rbm/devel"
}

// Region selects the host of the API. Google recommends the region nearest to the
// caller; users.batchGet needs the region of the phone numbers.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest
type Region string

// The regions of the API.
const (
	RegionGlobal Region = ""
	RegionUS     Region = "us"
	RegionEurope Region = "europe"
	RegionAsia   Region = "asia"
)

var hosts = map[Region]string{
	RegionGlobal: "https://rcsbusinessmessaging.googleapis.com",
	RegionUS:     "https://us-rcsbusinessmessaging.googleapis.com",
	RegionEurope: "https://europe-rcsbusinessmessaging.googleapis.com",
	RegionAsia:   "https://asia-rcsbusinessmessaging.googleapis.com",
}
