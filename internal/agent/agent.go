// Package agent resolves the agents of the configuration: it reads their IDs and
// credentials from Secret Manager, caches them, and follows their changes.
package agent

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/google"
	"github.com/rcshook/rcshook/internal/google/platform"
)

// ErrUnknownAgent means that the configuration has no agent of that name.
var ErrUnknownAgent = errors.New("agent: unknown agent")

// Options configure a [Directory]. The zero value is ready to use.
type Options struct {
	// Transport carries all requests except those to the metadata server; nil
	// means [http.DefaultTransport].
	Transport http.RoundTripper

	// DefaultCredentials are Application Default Credentials as JSON. Nil means that
	// they are found in the environment.
	DefaultCredentials []byte

	// Now is the clock; nil means [time.Now].
	Now func() time.Time

	// Refresh is the age at which a secret is read again, in the background; zero
	// means five minutes.
	Refresh time.Duration

	// Log gets a line for each new version of a secret, and for each secret or
	// token that cannot be renewed; nil discards them.
	Log *slog.Logger
}

const defaultRefresh = 5 * time.Minute

// Directory holds the agents of a configuration. It is safe for concurrent use.
type Directory struct {
	now        func() time.Time
	interval   time.Duration // between two reads of a secret
	log        *slog.Logger
	local      bool // token endpoints on this machine are trusted
	background *google.Background
	platform   *platform.Client

	byName map[string]*entry
	byID   map[string]*entry

	mu      sync.RWMutex
	secrets map[config.Secret]*google.Cached[[]byte]
}

// New returns the agents of cfg. It does no I/O: secrets are read on first use.
func New(cfg config.Config, opts Options) *Directory {
	d := &Directory{
		interval:   opts.Refresh,
		log:        opts.Log,
		local:      config.IsLoopback(cfg.RBMEndpoint) || config.IsLoopback(cfg.SecretManagerEndpoint),
		background: google.NewBackground(),
		byName:     make(map[string]*entry),
		byID:       make(map[string]*entry),
		secrets:    make(map[config.Secret]*google.Cached[[]byte]),
	}
	if d.interval <= 0 {
		d.interval = defaultRefresh
	}
	if d.log == nil {
		d.log = slog.New(slog.DiscardHandler)
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	// Without their monotonic readings, times are compared by the wall clock, which
	// continues while the process is frozen.
	d.now = func() time.Time { return opts.Now().Round(0) }
	d.platform = platform.New(platform.Options{
		Transport: opts.Transport, Now: d.now, Background: d.background, Log: d.log, SecretManager: cfg.SecretManagerEndpoint,
		Credentials: opts.DefaultCredentials,
	})
	accounts := make(map[config.Secret]*account) // agents with the same key share an account
	for name, a := range cfg.Agents {
		if accounts[a.Credentials] == nil {
			accounts[a.Credentials] = newAccount(d, a.Credentials)
		}
		e := &entry{name: name, region: a.Region, account: accounts[a.Credentials], renewals: newRereadLimiter()}
		if e.region == "" {
			e.region = cfg.Region
		}
		id := &secret{directory: d, setting: a.ID, content: google.AgentID}
		e.id = newCached(d, secretTimeout, id.onError, func(ctx context.Context) (string, google.Lease, error) {
			payload, lease, err := id.read(ctx)
			if err != nil {
				return "", google.Lease{}, err
			}
			parsed, err := id.parseAgentID(payload)
			return parsed, lease, err
		})
		d.byName[name] = e
		if id, err := config.ParseAgentID(a.ID.Literal()); err == nil {
			d.byID[id] = e
		}
	}
	return d
}

func newCached[T any](d *Directory, timeout time.Duration, onError func(error, google.Lease) google.Lease, fetch func(context.Context) (T, google.Lease, error)) *google.Cached[T] {
	return &google.Cached[T]{Background: d.background, Now: d.now, Timeout: timeout, Fetch: fetch, OnError: onError}
}

// Names returns the names of the agents, sorted.
func (d *Directory) Names() []string { return slices.Sorted(maps.Keys(d.byName)) }

// Agent returns the agent with that name, or with that agent ID if the configuration
// contains the ID itself; "" means the agent called default. On first use, it blocks
// until the agent's secrets are read.
//
// The error is [ErrUnknownAgent], a [*google.SecretError], or that of ctx.
func (d *Directory) Agent(ctx context.Context, name string) (*Agent, error) {
	e, err := d.find(name)
	if err != nil {
		return nil, err
	}
	return e.agent(ctx)
}

func (d *Directory) find(name string) (*entry, error) {
	if name == "" {
		name = config.DefaultAgent
	}
	if e := d.byName[name]; e != nil {
		return e, nil
	}
	if id, err := config.ParseAgentID(name); err == nil && d.byID[id] != nil {
		return d.byID[id], nil
	}
	return nil, ErrUnknownAgent
}

// ID returns the agent ID of the agent of that name, even if its credentials cannot be
// read. The error is that of [Directory.Agent].
func (d *Directory) ID(ctx context.Context, name string) (string, error) {
	e, err := d.find(name)
	if err != nil {
		return "", err
	}
	return e.id.Get(ctx)
}

// PrefetchID starts to read the ID of the agent of that name unless it is cached.
func (d *Directory) PrefetchID(name string) {
	if e, err := d.find(name); err == nil {
		e.id.Prefetch()
	}
}

// Token returns an access token of the agent of that name, even if its ID cannot be
// read. The error is [ErrUnknownAgent], or that of [Agent.Token].
func (d *Directory) Token(ctx context.Context, name string) (string, error) {
	e, err := d.find(name)
	if err != nil {
		return "", err
	}
	return e.account.token(ctx)
}

// Platform returns the client that reads the secrets.
func (d *Directory) Platform() *platform.Client { return d.platform }

// Close cancels all work in the background and waits for its end. Afterwards the
// directory returns cached values only.
func (d *Directory) Close() error {
	d.background.Close()
	return nil
}

// Agent is an RCS agent that can send.
type Agent struct {
	Name   string // in the configuration
	ID     string // agent ID, without "@rbm.goog"
	Region string // us, europe, asia, or "" for the global host

	entry *entry
	key   *key
}

// Token returns an access token for RCS Business Messaging. Tokens are cached and
// renewed in the background long before they expire. If the token endpoint rejects
// the key, the secret is read again, and the token is fetched with the newest key.
//
// The error is a [*google.SecretError], [google.ErrTokenUnavailable], or that of ctx.
func (a *Agent) Token(ctx context.Context) (string, error) { return a.entry.account.token(ctx) }

// String returns the name, so that a printed agent shows no token.
func (a *Agent) String() string { return a.Name }

// LogValue implements [slog.LogValuer].
func (a *Agent) LogValue() slog.Value { return slog.StringValue(a.Name) }

// entry is one agent of the directory.
type entry struct {
	name, region string
	id           *google.Cached[string]
	account      *account

	mu       sync.Mutex
	current  *Agent        // replaced when the ID or the key changes, and by Renew
	renewal  chan struct{} // closed when the renewal in flight has ended; nil if there is none
	renewals *rate.Limiter
}

func (e *entry) agent(ctx context.Context) (*Agent, error) {
	// On first use both secrets are read in parallel.
	e.id.Prefetch()
	e.account.key.Prefetch()
	id, err := e.id.Get(ctx)
	if err != nil {
		return nil, err
	}
	key, err := e.account.key.Get(ctx)
	if err != nil {
		return nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if a := e.current; a != nil && a.ID == id && a.key == key {
		return a, nil
	}
	a := &Agent{Name: e.name, ID: id, Region: e.region, entry: e, key: key}
	e.current = a
	return a, nil
}

// newRereadLimiter limits how often secrets are read again because a token or a key was
// rejected: 5 times at once, then every 2 seconds.
func newRereadLimiter() *rate.Limiter { return rate.NewLimiter(rate.Every(2*time.Second), 5) }

// Renew is called after RCS Business Messaging has rejected a's token with 401. It
// reads a's agent ID and credentials again, drops the token, and returns the agent as
// it is now. Concurrent calls for the same a share one renewal. If Renew is called too
// often, it returns the agent unchanged.
//
// If a secret cannot be read, its cached value stays in use. The error is that of ctx,
// or a [*google.SecretError] without a cached value.
func (d *Directory) Renew(ctx context.Context, a *Agent) (*Agent, error) {
	e := a.entry
	if done := e.renew(d, a); done != nil {
		select {
		case <-done:
		case <-ctx.Done():
			return nil, google.WaitError(ctx)
		}
	}
	return e.agent(ctx)
}

// renew starts or joins the renewal of a. It returns nil if a was renewed already, or
// too many times.
func (e *entry) renew(d *Directory, a *Agent) <-chan struct{} {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.current != a {
		return nil
	}
	if e.renewal == nil && e.renewals.AllowN(d.now(), 1) {
		done := make(chan struct{})
		if d.background.Go(func(ctx context.Context) { e.reloadSecrets(ctx, a, done) }) {
			e.renewal = done
		}
	}
	return e.renewal
}

func (e *entry) reloadSecrets(ctx context.Context, old *Agent, done chan struct{}) {
	// Failures are logged, and the old values stay.
	var reads sync.WaitGroup
	reads.Go(func() { _ = e.id.Renew(ctx) })
	reads.Go(func() { _ = e.account.key.Renew(ctx) })
	reads.Wait()

	e.mu.Lock()
	defer e.mu.Unlock()
	if key, _ := e.account.key.Current(); key == old.key {
		old.key.tokens.Reset() // a new key has a new token
	}
	// A new pointer marks the renewal: later calls with the old agent are ignored.
	renewed := *e.current
	e.current = &renewed
	e.renewal = nil
	close(done)
}
