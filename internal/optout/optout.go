package optout

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"

	"github.com/rcshook/rcshook/internal/config"
)

// CheckTimeout is the default time of the check before a message.
const CheckTimeout = time.Second

// rereadPause is the time between two reads of a key because it is the wrong one.
const rereadPause = 10 * time.Second

// repeatWindow is the time in which a second signal for the same state is a repetition of
// the first one: a tap on Unsubscribe sends both a text and an event.
const repeatWindow = time.Minute

// ErrOptedOut means that the recipient opted out of the messages of the brand.
var ErrOptedOut = errors.New("the recipient opted out of messages of this type")

// Options configure a [Directory].
type Options struct {
	Brands map[string]*config.Brand

	// API calls Cloud Storage. Endpoint is a base URL to use instead of Google's; may be empty.
	API      API
	Endpoint string

	// Secret reads a setting that may name a secret, Reread reads it again, and Prefetch
	// starts to read it.
	Secret   func(context.Context, config.Secret) ([]byte, error)
	Reread   func(context.Context, config.Secret) error
	Prefetch func(config.Secret)

	// Ask asks the target of a store whether a person opted out. Its error contains no number.
	Ask func(ctx context.Context, t *config.Target, phone, brand string) (optedOut bool, err error)

	Now func() time.Time

	// CheckTimeout limits the check before a message; zero means [CheckTimeout].
	CheckTimeout time.Duration
}

// Directory knows the brands of a configuration. It is safe for concurrent use.
type Directory struct {
	options Options
	brands  []*brand
}

// brand is a brand with its store.
type brand struct {
	*config.Brand
	words  Keywords
	bucket *Bucket // nil without a store in a bucket

	// recent holds the last signal of each person, without a bucket.
	mu     sync.Mutex
	recent *lru.Cache[string, repetition]
}

// repetition is a signal of a person, and the time that identifies it and its repetitions.
type repetition struct {
	kind      Kind
	at, since time.Time
}

// maxRecent is the number of people whose last signals are remembered.
const maxRecent = 4096

// Open returns the brands of a configuration. It does no I/O. The error is a
// [*config.Error].
func Open(o Options) (*Directory, error) {
	d := &Directory{options: o}
	var problems []config.Problem
	for _, name := range slices.Sorted(maps.Keys(o.Brands)) {
		settings := o.Brands[name].OptOut
		b := &brand{Brand: o.Brands[name], words: Keywords{settings.Keywords.Stop, settings.Keywords.Start, settings.Keywords.Help}}
		for _, p := range b.words.Check() {
			problems = append(problems, settings.Keywords.At.Of(p.List).Problemf("word %d: %s", p.Index+1, p.Detail))
		}
		if settings.Store.Location != "" {
			rereads := rate.NewLimiter(rate.Every(rereadPause), 1) // messages must not cause more
			b.bucket = NewBucket(BucketOptions{
				API: o.API, Endpoint: o.Endpoint, Location: settings.Store.Location, Now: o.Now,
				Key: func(ctx context.Context) ([]byte, error) { return o.Secret(ctx, settings.Key) },
				RereadKey: func(ctx context.Context) error {
					if !rereads.Allow() {
						return nil
					}
					return o.Reread(ctx, settings.Key)
				},
			})
		}
		var err error
		if b.recent, err = lru.New[string, repetition](maxRecent); err != nil {
			return nil, err
		}
		d.brands = append(d.brands, b)
	}
	if len(problems) > 0 {
		return nil, &config.Error{Problems: problems}
	}
	return d, nil
}

// of returns the brand of an agent; nil if the agent is not configured.
func (d *Directory) of(agent string) *brand {
	for _, b := range d.brands {
		if slices.Contains(b.Agents, agent) {
			return b
		}
	}
	return nil
}

// Prefetch starts to read the key of the store that [Directory.Allow] asks.
func (d *Directory) Prefetch(agent string) {
	if b := d.of(agent); b != nil && b.bucket != nil {
		d.options.Prefetch(b.OptOut.Key)
	}
}

// Allow reports whether an agent may send a message of that traffic type, as the API
// spells it, to a person. A message without a known type counts as promotion. The error is
// [ErrOptedOut], or an [*Unavailable] if the store cannot tell.
func (d *Directory) Allow(ctx context.Context, agent, phone, traffic string) error {
	b := d.of(agent)
	switch traffic {
	case "AUTHENTICATION", "TRANSACTION", "SERVICEREQUEST", "ACKNOWLEDGEMENT":
	default: // a raw message may contain MESSAGE_TRAFFIC_TYPE_UNSPECIFIED
		traffic = "PROMOTION"
	}
	if b == nil || !b.OptOut.Store.IsSet() || !slices.Contains(b.OptOut.Block, traffic) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(d.options.CheckTimeout, CheckTimeout))
	defer cancel()
	optedOut := false
	if b.bucket != nil {
		r, err := b.bucket.Find(ctx, b.Name, phone)
		if err != nil {
			return err
		}
		optedOut = r != nil && r.State == OptedOut
	} else {
		var err error
		if optedOut, err = d.options.Ask(ctx, b.OptOut.Store.Lookup, phone, b.Name); err != nil {
			return &Unavailable{err, "opt-outs: " + err.Error()}
		}
	}
	if optedOut {
		return ErrOptedOut
	}
	return nil
}

// Action is what a user did: an event of the platform, a text, or a tap on a suggestion.
type Action struct {
	Agent string // its name in the configuration
	Phone string // in E.164
	Kind  Kind   // of an event of the platform; otherwise empty
	Text  string // that the user typed

	// Postback is that of the suggestion.
	Postback string
}

// Recognize returns the request of an action, and false if it is none.
func (d *Directory) Recognize(a Action) (s Signal, ok bool) {
	b := d.of(a.Agent)
	switch {
	case b == nil, a.Phone == "":
		return Signal{}, false
	case a.Kind != "":
		s, ok = Signal{Kind: a.Kind, Via: "menu"}, true
	case a.Postback != "":
		s, ok = FromPostback(a.Postback)
	default:
		s, ok = b.words.FromText(a.Phone, a.Text)
	}
	if ok && s.Language == "" {
		s.Language = Language(a.Phone)
	}
	return s, ok
}

// Decision is the result of a signal.
type Decision struct {
	// ID identifies the change of the state. All signals of one change have the same.
	ID string

	// Text is the confirmation, and Chip the label of its suggestion with the postback
	// START. Both may be empty.
	Text, Chip string

	// Superseded means that a newer signal for the other state is known, so that this
	// one changes nothing.
	Superseded bool

	// Unenforced means that the brand has no store, so that no message is blocked.
	Unenforced bool
}

// Handle stores a signal. Agent, Phone, At and EventID of the record are set. The newest
// signal of a person decides: an older one changes nothing and gets no confirmation.
//
// The error is an [*Unavailable], and the signal has to be handled again.
func (d *Directory) Handle(ctx context.Context, s Signal, r Record) (Decision, error) {
	b := d.of(r.Agent)
	if b == nil {
		return Decision{}, nil
	}
	decision := Decision{Unenforced: s.Kind == Stop && !b.OptOut.Store.IsSet()}
	written := map[Kind]*string{Stop: b.OptOut.Reply, Start: b.OptOut.WelcomeBack, Help: b.OptOut.Help}[s.Kind]
	if text, chip := Texts(s.Kind, s.Language); written != nil {
		decision.Text, decision.Chip = *written, chip
	} else if b.OptOut.Store.IsSet() {
		decision.Text, decision.Chip = text, chip
	}
	if s.Kind == Help {
		decision.ID = strings.Join([]string{string(Help), r.EventID}, "\n")
		return decision, nil
	}
	r.Brand, r.Via, r.Keyword, r.State = b.Name, s.Via, s.Keyword, OptedIn
	if s.Kind == Stop {
		r.State = OptedOut
	}
	var since time.Time
	if b.bucket != nil {
		stored, err := b.bucket.Apply(ctx, r)
		switch {
		case err != nil:
			return Decision{}, err
		case stored.State == r.State:
			since = stored.Since
		default:
			return Decision{Superseded: true}, nil
		}
	} else {
		var current bool
		if since, current = b.since(s.Kind, r.Phone, r.At); !current {
			return Decision{Superseded: true}, nil
		}
	}
	decision.ID = string(r.State) + "\n" + since.UTC().Format(time.RFC3339Nano)
	return decision, nil
}

// since returns the time that identifies a signal and its repetitions, without a bucket,
// and false if a newer signal for the other state is known. Other instances find the same
// time, except for repetitions in another minute.
func (b *brand) since(kind Kind, phone string, at time.Time) (since time.Time, current bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	last, ok := b.recent.Get(phone)
	if ok && kind != last.kind && (at.Before(last.at) || at.Equal(last.at) && kind == Start) {
		return time.Time{}, false
	}
	r := repetition{kind, at, at.Truncate(repeatWindow)}
	switch {
	case !ok || at.Sub(last.at).Abs() >= repeatWindow:
	case last.kind == kind:
		r.since = last.since
	default:
		r.since = at // the state changed twice in a minute
	}
	if !ok || !at.Before(last.at) {
		b.recent.Add(phone, r)
	}
	return r.since, true
}

// Ask asks a store that is a program of the operator whether a person opted out. Exchange
// posts the question and returns the response. The error contains no part of either.
func Ask(ctx context.Context, exchange func(ctx context.Context, id string, question []byte) ([]byte, error), phone, brand string, now time.Time) (optedOut bool, err error) {
	question, err := json.Marshal(map[string]string{"phone": phone, "brand": brand})
	if err != nil {
		return false, err
	}
	id := sha256.Sum256(append(question, now.String()...))
	content, err := exchange(ctx, "ask_"+hex.EncodeToString(id[:16]), question)
	if err != nil {
		return false, err
	}
	var answer struct {
		OptedOut *bool `json:"opted_out"`
	}
	if json.Unmarshal(content, &answer) != nil || answer.OptedOut == nil {
		return false, errors.New(`expected {"opted_out": true} or {"opted_out": false} as the response of the store`)
	}
	return *answer.OptedOut, nil
}
