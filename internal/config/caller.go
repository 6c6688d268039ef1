package config

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// DefaultCaller is the name of the caller with the keys and the accounts of the
// environment. It has no limits.
const DefaultCaller = "default"

// Caller is a direct caller with a name, and what it may do.
type Caller struct {
	// Keys are its API keys: two while one replaces the other.
	Keys []Secret `yaml:"key"`

	// Emails are the service accounts whose Google ID tokens it may send in place of a key.
	Emails []string `yaml:"emails"`

	// Agents, Countries and Traffic are the names of the agents, the ISO 3166 alpha-2 codes
	// of the countries, and the traffic types, as the API spells them, of its messages. If
	// one is empty, all are allowed.
	Agents    []string `yaml:"agents"`
	Countries []string `yaml:"countries"`
	Traffic   []string `yaml:"traffic"`

	// Rate is MessagesPerSecond as it is written in the file.
	Rate string `yaml:"messages_per_second"`

	// DryRun allows dry runs only, and Read only requests that ask, such as for readiness.
	DryRun bool `yaml:"dry_run"`
	Read   bool `yaml:"read"`

	// Capabilities allows to ask whether a number can get RCS.
	Capabilities bool `yaml:"capabilities"`

	// MessagesPerSecond is the rate limit of one process. Zero means no limit.
	MessagesPerSecond float64

	// Name is the key of the caller in the file. It is empty for [DefaultCaller].
	Name string

	// At holds the position of each field.
	At Positions
}

// String returns the name only, so that printing a caller shows no key.
func (c Caller) String() string { return fmt.Sprintf("caller %s", c.Name) }

// Key returns the idempotency key of a message of this caller. It contains the name of the
// caller, so that equal keys of two callers give two messages.
func (c Caller) Key(id string) string {
	if c.Name == "" || id == "" {
		return id
	}
	return "caller\n" + c.Name + "\n" + id
}

// Limits describes what the caller may do, for people.
func (c Caller) Limits() (limits []string) {
	add := func(name string, list ...string) {
		if len(list) > 0 {
			limits = append(limits, name+" "+strings.Join(list, " "))
		}
	}
	add("agents", c.Agents...)
	add("countries", c.Countries...)
	add("traffic", strings.Fields(strings.ToLower(strings.Join(c.Traffic, " ")))...)
	add("messages_per_second", strings.Fields(c.Rate)...)
	if c.DryRun {
		add("dry_run", "only")
	}
	if c.Read {
		add("read", "only")
	}
	if c.Capabilities {
		add("capabilities", "allowed")
	}
	return limits
}

// maxCallerKeys is the number of keys of a caller: the old one and the new one.
const maxCallerKeys = 2

// callers checks the callers of the file. A key or an email may belong to one of them only.
func (r *fileReader) callers(callers map[string]Caller, agents []string) {
	owners := make(map[string]string) // by key or email
	own := func(c Caller, field, value string) {
		if owner, ok := owners[value]; ok {
			r.problem(c.At.Of(field), "is also one of caller %s; give each caller its own", owner)
		}
		owners[value] = c.Name
	}
	for _, name := range slices.Sorted(maps.Keys(callers)) {
		c := callers[name]
		r.name(name, c.At[""], "")
		if name == DefaultCaller {
			r.problem(c.At[""], "is the name of the caller with the keys in %s; use another", envAPIKeys)
		}
		switch {
		case len(c.Keys)+len(c.Emails) == 0:
			r.problem(c.At.Of("key"), "is missing; set it to a secret, projects/PROJECT/secrets/SECRET, or set emails to the service accounts of the caller")
		case len(c.Keys) > maxCallerKeys:
			r.problem(c.At.Of("key"), "has too many values: expected at most %d, the old key and the new one, got %d", maxCallerKeys, len(c.Keys))
		}
		for i, key := range c.Keys {
			if strings.Trim(string(key), ", \t\r\n") == "" {
				r.problem(c.At.Of("key"), "is empty (value %d)", i+1)
				continue
			}
			for _, k := range key.lines() {
				own(c, "key", k)
			}
		}
		for i, email := range c.Emails {
			if !strings.Contains(email, "@") {
				r.problem(c.At.Of("emails"), "is not the email of a service account, NAME@PROJECT.iam.gserviceaccount.com (value %d)", i+1)
				continue
			}
			own(c, "emails", email)
		}
		for i, agent := range c.Agents {
			if !slices.Contains(agents, agent) {
				hint := ""
				if near := Closest(agent, agents); near != "" {
					hint = "; did you mean " + near + "?"
				}
				r.problem(c.At.Of("agents"), "is not the name of an agent in this file or the environment (value %d)%s", i+1, hint)
			}
		}
		const empty = "is empty; list what the caller may use, or remove it to allow all"
		if c.Agents != nil && len(c.Agents) == 0 {
			r.problem(c.At.Of("agents"), empty)
		}
		if c.Traffic != nil && len(c.Traffic) == 0 {
			r.problem(c.At.Of("traffic"), empty)
		}
		if c.DryRun && c.Read {
			r.problem(c.At.Of("read"), "is true while dry_run is true; set read for a caller that may only ask, or dry_run for one that may only rehearse")
		}
		limits := map[string]bool{"countries": c.Countries != nil, "messages_per_second": c.Rate != "", "traffic": c.Traffic != nil}
		for _, limit := range slices.Sorted(maps.Keys(limits)) {
			switch {
			case !limits[limit]:
			case c.Read && (limit == "traffic" || !c.Capabilities):
				r.problem(c.At.Of(limit), "has no effect while read is true; remove one of the two")
			case c.DryRun && limit == "messages_per_second" && !c.Capabilities: // a dry run does not count
				r.problem(c.At.Of(limit), "has no effect while dry_run is true; remove one of the two")
			}
		}
		c.Countries = r.countries(c.Countries, c.At.Of("countries"))
		c.MessagesPerSecond = c.readRate(r)
		c.Traffic = c.readTraffic(r)
		callers[name] = c
	}
}

func (c Caller) readRate(r *fileReader) float64 {
	settings := reader{values: map[string]string{envRate: c.Rate}}
	rate := settings.rate()
	r.move(settings.problems, c.At.Of("messages_per_second"))
	return rate
}

func (c Caller) readTraffic(r *fileReader) (types []string) {
	for _, name := range c.Traffic {
		types = append(types, r.trafficType(name, c.At.Of("traffic")))
	}
	return types
}

// trafficType reads one item of a list of traffic types.
func (r *fileReader) trafficType(name string, at Position) string {
	settings := reader{values: map[string]string{envTraffic: cmp.Or(name, "-")}}
	traffic := settings.traffic()
	r.move(settings.problems, at)
	return traffic
}

// move adds problems of the environment at a position in the file.
func (r *fileReader) move(problems []Problem, at Position) {
	for _, p := range problems {
		p.Position = at
		r.problems = append(r.problems, p)
	}
}

// withCallers checks the callers of the file against the environment.
func (r *fileReader) withCallers(c *Config, callers map[string]Caller) {
	emails := false
	for _, name := range slices.Sorted(maps.Keys(callers)) {
		caller := callers[name]
		emails = emails || len(caller.Emails) > 0
		if c.AllowUnauthenticated {
			r.problem(caller.At[""], "has no effect while %s is true; remove one of the two", envAllowUnauthenticated)
		}
		repeats := func(field, setting string, own, all []string) {
			if slices.ContainsFunc(own, func(v string) bool { return slices.Contains(all, v) }) {
				r.problem(caller.At.Of(field), "is also one in %s, whose caller has no limits; give each caller its own", setting)
			}
		}
		for _, key := range caller.Keys {
			repeats("key", envAPIKeys, key.lines(), c.APIKeys.lines())
		}
		repeats("emails", envEmails, caller.Emails, c.Emails)
		if len(caller.Emails) > 0 && len(c.Audience) == 0 && c.URL == "" {
			r.problem(caller.At.Of("emails"), "needs %s, or %s: the audience of the tokens", envAudience, envURL)
		}
	}
	if len(c.Audience) > 0 && len(c.Emails) == 0 && !emails {
		r.problems = append(r.problems, missingEmails)
	}
	if !c.AllowUnauthenticated && c.APIKeys == "" && len(c.Audience) == 0 && len(callers) == 0 {
		r.problems = append(r.problems, missingKeys)
	}
}
