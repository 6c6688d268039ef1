package config

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// DefaultBrand is the name of the brand of all agents that are in no other one.
const DefaultBrand = "default"

// Brand is a group of agents whose opt-outs count together.
type Brand struct {
	// Agents are the names of its agents.
	Agents []string `yaml:"agents"`

	// OptOut may be nil.
	OptOut *OptOut `yaml:"opt_out"`

	// Name is the key of the brand in the file, or [DefaultBrand].
	Name string

	// At holds the position of each field.
	At Positions
}

// OptOut is how people of a brand opt out.
type OptOut struct {
	// Reply, WelcomeBack and Help are the texts after STOP, START and HELP. Nil means the
	// default, and an empty text that nothing is sent.
	Reply       *string `yaml:"reply"`
	WelcomeBack *string `yaml:"welcome_back"`
	Help        *string `yaml:"help"`

	// Keywords are words in addition to the built-in ones.
	Keywords Keywords `yaml:"keywords"`

	// Store keeps who opted out. Key is the secret whose value names the objects in a
	// bucket without numbers.
	Store Store  `yaml:"store"`
	Key   Secret `yaml:"key"`

	// Block are the traffic types, as the API spells them, that people who opted out do
	// not get. It is never empty after the file is read.
	Block []string `yaml:"block"`

	// At holds the position of each field.
	At Positions
}

// Keywords are the words of an operator for opting out and in, and for help.
type Keywords struct {
	Stop  []string `yaml:"stop"`
	Start []string `yaml:"start"`
	Help  []string `yaml:"help"`

	At Positions
}

// Store is a place that knows who opted out: a bucket, a target that is asked, or neither.
type Store struct {
	// Location is gs://BUCKET/PREFIX.
	Location string

	// Lookup is asked before each message.
	Lookup *Target
}

// IsSet reports whether there is a store.
func (s Store) IsSet() bool { return s.Location != "" || s.Lookup != nil }

// defaultBlock are the blocked traffic types if the file sets none. A message without a
// type counts as promotion.
var defaultBlock = []string{"PROMOTION"}

// BrandOf returns the brand of an agent.
func (c *Config) BrandOf(agent string) *Brand {
	for _, b := range c.Brands {
		if slices.Contains(b.Agents, agent) {
			return b
		}
	}
	return c.Brands[DefaultBrand]
}

// Lookups returns the targets that know who opted out.
func (c *Config) Lookups() (all []*Target) {
	for _, name := range slices.Sorted(maps.Keys(c.Brands)) {
		if t := c.Brands[name].OptOut.Store.Lookup; t != nil {
			all = append(all, t)
		}
	}
	return all
}

// storeForm matches the location of a store in a bucket. Cloud Storage rejects long names.
//
// Google docs: https://docs.cloud.google.com/storage/docs/buckets#naming
var storeForm = regexp.MustCompile(`^gs://[a-z0-9][a-z0-9._-]*[a-z0-9](/[A-Za-z0-9._-]+)*$`)

// optOutPrefix is the default prefix of the objects in the bucket.
const optOutPrefix = "/rcs-opt-outs"

// readLocation returns the location of a store in a bucket, and the problem with it.
func readLocation(text string) (location, problem string) {
	location = strings.TrimRight(text, "/")
	if !storeForm.MatchString(location) {
		return "", "must be a Cloud Storage bucket, with or without a prefix, such as gs://BUCKET/rcs-opt-outs"
	}
	if strings.Count(location, "/") == 2 { // of gs://
		location += optOutPrefix
	}
	return location, ""
}

// optOut reads the store that the environment describes, for all brands without one.
func (r *reader) optOut() *OptOut {
	o := &OptOut{Key: r.secret(envOptOutKey), Block: defaultBlock, At: Positions{
		"": {Path: envOptOutStore}, "store": {Path: envOptOutStore}, "key": {Path: envOptOutKey},
	}}
	switch {
	case r.has(envOptOutStore):
		var problem string
		if o.Store.Location, problem = readLocation(r.values[envOptOutStore]); problem != "" {
			r.problem(envOptOutStore, problem)
		}
		if problem = checkOptOutKey(o.Key); problem != "" {
			r.problem(envOptOutKey, problem)
		} else if o.Key == "" {
			r.missing(envOptOutKey, optOutKeyFix)
		}
	case o.Key != "":
		r.problem(envOptOutKey, "is set without "+envOptOutStore+"; set both, or remove it")
	}
	return o
}

// MinOptOutKey is the length of the shortest key of a store in a bucket, in bytes.
const MinOptOutKey = 32

const optOutKeyFix = "set it to the secret with the key of the store, projects/PROJECT/secrets/SECRET; rcshook optouts init makes one"

// checkOptOutKey returns the problem with a key that is written in place of the name of a secret.
func checkOptOutKey(key Secret) string {
	if n := len(key.Literal()); n > 0 && n < MinOptOutKey {
		return fmt.Sprintf("must have at least %d bytes, got %d; %s", MinOptOutKey, n, optOutKeyFix)
	}
	return ""
}

// optOut checks the opt-out settings of a brand.
func (r *fileReader) optOut(o *OptOut) *OptOut {
	if o == nil {
		return nil
	}
	if _, written := o.At["store"]; written && !o.Store.IsSet() {
		r.problem(o.At.Of("store"), "is empty; set it to gs://BUCKET/rcs-opt-outs, or remove it")
	}
	switch location := o.Store.Location; {
	case location != "":
		var problem string
		if o.Store.Location, problem = readLocation(location); problem != "" {
			r.problem(o.At.Of("store"), "%s", problem)
		}
		if problem = checkOptOutKey(o.Key); problem != "" {
			r.problem(o.At.Of("key"), "%s", problem)
		} else if o.Key == "" {
			r.problem(o.At.Of("key"), "is missing; %s", optOutKeyFix)
		}
	case o.Key != "":
		r.problem(o.At.Of("key"), "is for a store in a bucket; set store to gs://BUCKET/rcs-opt-outs, or remove it")
	}
	if t := o.Store.Lookup; t != nil {
		r.target(t, false)
		for _, field := range []string{"topic", "send", "map", "ok", "form", "only", "agents"} {
			if _, written := t.At[field]; written {
				r.problem(t.At.Of(field), "is not for a store, which gets the phone and the brand as JSON; remove it")
			}
		}
	}
	if o.Block != nil && len(o.Block) == 0 {
		r.problem(o.At.Of("block"), "is empty; list the traffic types that people who opted out do not get, or remove it to block promotion")
	}
	var block []string
	for _, name := range o.Block {
		traffic := r.trafficType(name, o.At.Of("block"))
		if traffic == trafficTypes["acknowledgement"] {
			r.problem(o.At.Of("block"), "contains acknowledgement, the type of the confirmation of an opt-out; remove it")
		}
		block = append(block, traffic)
	}
	if o.Block = block; len(block) == 0 {
		o.Block = defaultBlock
	} else if !slices.Contains(block, "PROMOTION") && !slices.Contains(block, "") {
		r.problem(o.At.Of("block"), "must contain promotion, which people opt out of")
	}
	return o
}

// brands checks the brands of the file. Package optout checks the keywords.
func (r *fileReader) brands(brands map[string]*Brand) {
	owners := make(map[string]string) // of agents
	for _, name := range slices.Sorted(maps.Keys(brands)) {
		b := brands[name]
		r.name(name, b.At[""], "")
		if name == DefaultBrand {
			r.problem(b.At[""], "is the name of the brand of all other agents; set opt_out at the top of the file for it")
		}
		if len(b.Agents) == 0 {
			r.problem(b.At.Of("agents"), "is missing; list the agents of the brand")
		}
		for i, agent := range b.Agents {
			if owner, ok := owners[agent]; ok {
				r.problem(b.At.Of("agents"), "contains an agent of brand %s (value %d); an agent has one brand", owner, i+1)
			}
			owners[agent] = name
		}
		b.OptOut = r.optOut(b.OptOut)
	}
}

// SetBrands sets the brands of c, whose agents are known, from its environment and a file.
// The error is an [*Error].
func (c *Config) SetBrands(f File) error {
	var r fileReader
	all := map[string]*Brand{DefaultBrand: {Name: DefaultBrand, OptOut: f.OptOut}}
	maps.Copy(all, f.Brands)
	rest := maps.Clone(c.Agents)
	byStore := make(map[string]*Brand)
	env := new(OptOut)
	if b := c.Brands[DefaultBrand]; b != nil {
		env = b.OptOut
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		b := all[name]
		r.agents(b.At.Of("agents"), b.Agents, slices.Sorted(maps.Keys(c.Agents)))
		for _, agent := range b.Agents {
			delete(rest, agent)
		}
		o := OptOut{Block: defaultBlock, At: b.At}
		if b.OptOut != nil {
			o = *b.OptOut
		}
		switch {
		case o.Store.IsSet() && env.Store.IsSet() && name == DefaultBrand:
			r.problem(o.At.Of("store"), "is also described by %s; remove one of the two", envOptOutStore)
		case !o.Store.IsSet():
			o.Store, o.Key = env.Store, env.Key
		}
		copied := *b
		copied.OptOut = &o
		all[name] = &copied
		if other := byStore[o.Store.Location]; other != nil && o.Store.Location != "" && other.OptOut.Key != o.Key {
			r.problem(o.At.Of("key"), "is not the key of brand %s, whose opt-outs are in the same store; use one key, or another prefix", other.Name)
		}
		byStore[o.Store.Location] = &copied
	}
	all[DefaultBrand].Agents = slices.Sorted(maps.Keys(rest))
	if len(f.Brands) > 1 || len(f.Brands) == 1 && len(rest) > 0 {
		const missing = "is missing; the file has several brands, so list the agents whose events the target gets"
		for _, name := range slices.Sorted(maps.Keys(f.Events)) {
			if t := f.Events[name]; len(t.Agents) == 0 {
				r.problem(t.At.Of("agents"), missing)
			}
		}
		for _, name := range slices.Sorted(maps.Keys(c.Events)) {
			r.problem(c.Events[name].At.Of("url"), "gets the events of all brands; remove it, and write a target with agents into the file")
		}
	}
	if c.Brands = all; len(r.problems) > 0 {
		return &Error{r.problems}
	}
	return nil
}
