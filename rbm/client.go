package rbm

import (
	"cmp"
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

// Config says who sends, with which credentials, and how patiently. Only AgentID
// is required.
type Config struct {
	// AgentID is the agent that sends, with or without "@rbm.goog" at the end.
	AgentID string

	// Token returns an access token with [Scope]. It is asked before every
	// attempt, so it should keep the token until shortly before it expires.
	// Nil means that HTTPClient authorises its requests by itself, as the
	// clients of golang.org/x/oauth2 do.
	Token func(ctx context.Context) (string, error)

	// HTTPClient makes the requests; nil means [http.DefaultClient]. Its Timeout
	// limits one attempt. [New] refuses a client with CheckRedirect or Jar: the
	// API uses neither redirects nor cookies, and following a redirect could send
	// the token to another host.
	HTTPClient *http.Client

	// Region selects the host; empty means the global one.
	Region Region

	// Endpoint is the base URL of another server, such as a simulator,
	// and overrides the host of Region.
	Endpoint string

	// Retry says how failed calls are repeated.
	Retry Retry

	// UserAgent is the User-Agent header; empty means rcshook-rbm and the version
	// of this module.
	UserAgent string

	// Wait is called before each attempt of each call, with the context of the
	// call, and holds the attempt back until it returns: to keep below a rate, for
	// example. If it fails before the first attempt, the call ends with its error,
	// wrapped, and nothing was sent; before a repetition, the call ends with the
	// failure that it has. Nil means that nothing holds attempts back.
	Wait func(ctx context.Context) error

	// Observe is called after each attempt of each call, from the goroutine of
	// the call. Nil means nobody watches.
	Observe func(Attempt)
}

// Retry says how a call is repeated after a failure that may pass: 408, 429, 500,
// 502, 503 and 504, a broken connection, an answer that cannot be read, an attempt
// that took too long; and once after the 403 that says of itself that it may be
// transient. No repetition is begun that the deadline of the context leaves no time
// for: the call then ends at once with the failure that it has. The zero value
// means the defaults.
//
// Which codes are worth a repetition is the usual reading; Google's own list is not
// published.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/guides/learn/best-practices
type Retry struct {
	// MaxAttempts counts the first attempt too; 0 means 4, 1 means no repetition.
	MaxAttempts int

	// BaseDelay bounds the pause before the second attempt; 0 means 250 ms. Each
	// further bound is twice the one before. The pause is a random part of its
	// bound, so that many clients do not come back at the same moment.
	BaseDelay time.Duration

	// MaxDelay is the largest bound; 0 means 4 s. What the platform asks for with
	// Retry-After comes on top. If that is more than a minute and the context has
	// no deadline, the call is not repeated.
	MaxDelay time.Duration

	// AttemptTimeout bounds one attempt, with asking for the token; 0 means 10 s.
	AttemptTimeout time.Duration
}

// Attempt is one try of a call, as [Config.Observe] sees it.
type Attempt struct {
	Method     string        // name in the reference, such as phones.agentMessages.create
	Number     int           // 1 for the first
	StatusCode int           // 0 if no answer came
	Err        error         // nil if the attempt succeeded
	Duration   time.Duration // from asking for the token to the end of the answer

	// Resent says that net/http sent the request more than once, because a
	// connection broke: an earlier copy may have arrived, whatever the answer to
	// the last one.
	Resent bool

	// Unsent says that no copy of the request left: there was no token, or no
	// connection. Nothing can have arrived.
	Unsent bool
}

// Client calls the API for one agent. It is safe for concurrent use.
type Client struct {
	agentID   string
	base      string
	regional  bool
	userAgent string
	token     func(context.Context) (string, error)
	transport http.RoundTripper
	retry     Retry
	wait      func(context.Context) error
	observe   func(Attempt)
}

// New returns a client for c. It does no I/O and is cheap enough to be called for
// every message.
func New(c Config) (*Client, error) {
	agent, err := checkAgentID(c.AgentID)
	if err != nil {
		return nil, err
	}
	base := c.Region.host()
	if base == "" {
		return nil, fmt.Errorf("rbm: unknown region %q: use us, europe, asia or leave it empty", c.Region)
	}
	if c.Endpoint != "" {
		if base, err = checkEndpoint(c.Endpoint); err != nil {
			return nil, err
		}
	}
	client := &Client{
		agentID:   agent,
		base:      base,
		regional:  c.Region != RegionGlobal || c.Endpoint != "",
		userAgent: c.UserAgent,
		token:     c.Token,
		retry:     c.Retry.withDefaults(),
		wait:      c.Wait,
		observe:   c.Observe,
	}
	if client.userAgent == "" {
		client.userAgent = defaultUserAgent()
	}
	h := cmp.Or(c.HTTPClient, http.DefaultClient)
	if c.HTTPClient != nil && (h.CheckRedirect != nil || h.Jar != nil) {
		return nil, errors.New("rbm: HTTPClient: CheckRedirect and Jar are not supported; remove them")
	}
	if client.transport = h.Transport; client.transport == nil {
		client.transport = http.DefaultTransport
	}
	if h.Timeout > 0 {
		client.retry.AttemptTimeout = min(client.retry.AttemptTimeout, h.Timeout)
	}
	return client, nil
}

// defaultUserAgent returns the name of this package with the version of its module.
var defaultUserAgent = sync.OnceValue(func() string {
	const module = "github.com/rcshook/rcshook"
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range append(info.Deps, &info.Main) {
			if m.Path == module && strings.HasPrefix(m.Version, "v") {
				return "rcshook-rbm/" + strings.TrimPrefix(m.Version, "v")
			}
		}
	}
	return "rcshook-rbm/devel"
})

// maxAgentID bounds what is taken for an agent ID. The platform makes the IDs, so
// this is no rule of its own.
const maxAgentID = 200

func checkAgentID(id string) (string, error) {
	id = strings.TrimSuffix(id, AgentDomain)
	if id == "" {
		return "", errors.New("rbm: the agent ID is missing")
	}
	if len(id) > maxAgentID || strings.ContainsFunc(id, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "", errors.New("rbm: the agent ID is malformed: it is a word such as my_brand_k3x9a1bc_agent")
	}
	return id, nil
}

func checkEndpoint(endpoint string) (string, error) {
	u, err := url.Parse(endpoint)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.RawQuery != "" || u.Fragment != "" {
		return "", errors.New("rbm: the endpoint is not a base URL such as http://localhost:8081")
	}
	return strings.TrimRight(endpoint, "/"), nil
}
