// Package agent turns settings into RCS agents that can send: their IDs and
// credentials come from Secret Manager, are kept, and follow what changes there.
package agent

import (
	"context"
	"crypto/sha256"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	secretmanager "cloud.google.com/go/secretmanager/apiv1"

	"github.com/rcshook/rcshook/internal/config"
)

// Options are what a [Directory] can do without being told.
type Options struct {
	// Transport carries all requests; nil means [http.DefaultTransport]. Only
	// what the metadata server is asked goes another way.
	Transport http.RoundTripper

	// Now is the clock; nil means [time.Now].
	Now func() time.Time

	// Refresh is how long a secret is used before it is read again, in the
	// background; zero means five minutes.
	Refresh time.Duration

	// Log hears of secrets that changed and of those that could not be read
	// again; nil means nobody does.
	Log *slog.Logger
}

const defaultRefresh = 5 * time.Minute

// Directory knows the configured agents. It may be used by several goroutines.
type Directory struct {
	transport http.RoundTripper
	now       func() time.Time
	refresh   time.Duration
	log       *slog.Logger
	local     bool // token endpoints on this machine are trusted
	life      *life

	byName map[string]*entry
	byID   map[string]*entry

	platform *cell[accessToken] // for Secret Manager itself
	manager  func() (*secretmanager.Client, error)

	mu      sync.RWMutex
	secrets map[config.Secret]*cell[[]byte]
}

// New returns the agents of cfg. It does no I/O: secrets are read when they are
// first needed.
func New(cfg config.Config, opts Options) *Directory {
	d := &Directory{
		transport: opts.Transport,
		refresh:   opts.Refresh,
		log:       opts.Log,
		local:     config.IsLoopback(cfg.RBMEndpoint) || config.IsLoopback(cfg.SecretManagerEndpoint),
		life:      newLife(),
		byName:    make(map[string]*entry),
		byID:      make(map[string]*entry),
		secrets:   make(map[config.Secret]*cell[[]byte]),
	}
	if d.transport == nil {
		d.transport = http.DefaultTransport
	}
	if d.refresh <= 0 {
		d.refresh = defaultRefresh
	}
	if d.log == nil {
		d.log = slog.New(slog.DiscardHandler)
	}
	now := opts.Now
	if now == nil {
		now = time.Now
	}
	// Without its monotonic reading a time is compared by the wall clock, which
	// goes on while the process is frozen.
	d.now = func() time.Time { return now().Round(0) }
	d.platform = newCell(d, tokenPatience, d.tokenKept, d.platformToken)
	d.manager = sync.OnceValues(func() (*secretmanager.Client, error) { return d.newManager(cfg.SecretManagerEndpoint) })
	d.enter(cfg)
	return d
}

func (d *Directory) enter(cfg config.Config) {
	accounts := make(map[config.Secret]*account) // one key may serve many agents
	for _, name := range slices.Sorted(maps.Keys(cfg.Agents)) {
		a := cfg.Agents[name]
		if accounts[a.Credentials] == nil {
			accounts[a.Credentials] = newAccount(d, a.Credentials)
		}
		e := &entry{name: name, region: a.Region, account: accounts[a.Credentials], renewals: newBudget()}
		if e.region == "" {
			e.region = cfg.Region
		}
		source := &source{directory: d, setting: a.ID, holds: anAgentID}
		e.id = newCell(d, secretPatience, source.kept, func(ctx context.Context) (string, lease, error) {
			payload, of, err := source.read(ctx)
			if err != nil {
				return "", lease{}, err
			}
			id, err := parseAgentID(source, payload)
			return id, of, err
		})
		d.byName[name] = e
		if id, err := config.ParseAgentID(a.ID.Literal()); err == nil {
			d.byID[id] = e
		}
	}
}

func newCell[T any](d *Directory, patience time.Duration, kept func(error, lease) lease, fetch func(context.Context) (T, lease, error)) *cell[T] {
	return &cell[T]{life: d.life, now: d.now, patience: patience, fetch: fetch, kept: kept}
}

// Names returns the names of the agents, sorted.
func (d *Directory) Names() []string { return slices.Sorted(maps.Keys(d.byName)) }

// Agent returns the agent of that name, or with that agent ID if the ID stands in
// the configuration; "" means the one called default. It waits until its secrets
// have been read; afterwards it is fast.
//
// The error is [ErrUnknownAgent], a [*SecretError], or that of ctx.
func (d *Directory) Agent(ctx context.Context, name string) (*Agent, error) {
	e, err := d.find(name)
	if err != nil {
		return nil, err
	}
	return e.agent(ctx)
}

// Has reports whether there is an agent of that name, as [Directory.Agent] takes it.
func (d *Directory) Has(name string) bool {
	_, err := d.find(name)
	return err == nil
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

// Secret returns the value of s: s itself, or what the secret holds that it
// names. The value must not be modified.
//
// The error is a [*SecretError], or that of ctx.
func (d *Directory) Secret(ctx context.Context, s config.Secret) ([]byte, error) {
	d.mu.RLock()
	c := d.secrets[s]
	d.mu.RUnlock()
	if c == nil {
		c = d.secretCell(s)
	}
	return c.get(ctx)
}

func (d *Directory) secretCell(s config.Secret) *cell[[]byte] {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.secrets[s] == nil {
		source := &source{directory: d, setting: s, holds: aValue}
		d.secrets[s] = newCell(d, secretPatience, source.kept, source.read)
	}
	return d.secrets[s]
}

// Close ends all work in the background and waits for its end. Afterwards the
// directory knows no more than it knew before.
func (d *Directory) Close() error {
	d.life.close()
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

// Token returns an access token for RCS Business Messaging. A token is fetched
// once, kept, and replaced in the background well before it ends. When the token
// endpoint does not accept the key any more, the secret is read again, and the
// token comes from the newest key.
//
// The error is a [*SecretError], [ErrTokenUnavailable], or that of ctx.
func (a *Agent) Token(ctx context.Context) (string, error) { return a.entry.account.token(ctx) }

// String returns the name: printing an agent shows no token.
func (a *Agent) String() string { return a.Name }

// LogValue is what package log/slog logs.
func (a *Agent) LogValue() slog.Value { return slog.StringValue(a.Name) }

// entry is one agent of the directory.
type entry struct {
	name, region string
	id           *cell[string]
	account      *account

	current atomic.Pointer[Agent] // replaced when anything of it changes

	mu       sync.Mutex
	renewal  *flight[struct{}]
	renewals *budget
}

func (e *entry) agent(ctx context.Context) (*Agent, error) {
	// At first use both secrets are fetched side by side.
	e.id.prime()
	e.account.key.prime()
	id, err := e.id.get(ctx)
	if err != nil {
		return nil, err
	}
	key, err := e.account.key.get(ctx)
	if err != nil {
		return nil, err
	}
	if a := e.current.Load(); a != nil && a.ID == id && a.key == key {
		return a, nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if a := e.current.Load(); a != nil && a.ID == id && a.key == key {
		return a, nil
	}
	a := &Agent{Name: e.name, ID: id, Region: e.region, entry: e, key: key}
	e.current.Store(a)
	return a, nil
}

// digest tells whether a payload has changed.
type digest [sha256.Size]byte
