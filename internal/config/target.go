package config

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
)

// EventTypes are the types of the events that targets get; docs/events.md describes
// them. Failed is not an event of RBM: the function gave up a message or a delivery.
var EventTypes = []string{
	"delivered", "read", "expired", "expiry_unsure", "fallback", "reply", "button", "location", "file", "typing",
	"unsubscribed", "subscribed", "help", "launch", "failed", "other",
}

// replyTypes are the events that a message can reply to. Receipts are not among
// them: each message has one, so a message for each receipt would be a loop.
var replyTypes = []string{"reply", "button", "location", "file"}

// MaxTargetTimeout is the longest timeout of a request to a target.
const MaxTargetTimeout = time.Minute

// Target is a place that gets events, or messages that RCS cannot deliver: exactly one of
// a URL, a Pub/Sub topic, and a message to the user.
type Target struct {
	// URL is the address for requests, or the secret that contains it.
	URL Secret `yaml:"url"`

	// Topic is a Pub/Sub topic, projects/*/topics/*.
	Topic string `yaml:"topic"`

	// Send is a jq program that turns an event into payloads for the user.
	Send Program `yaml:"send"`

	// Secret signs the requests with Standard Webhooks: whsec_ and base64.
	Secret Secret `yaml:"secret"`

	// Basic is USER:PASSWORD, Bearer a token, and Headers are other headers.
	Basic   Secret            `yaml:"basic"`
	Bearer  Secret            `yaml:"bearer"`
	Headers map[string]Secret `yaml:"headers"`

	// Form posts a form in place of JSON.
	Form bool `yaml:"form"`

	// Map is a jq program that returns the value to post. OK is one that classifies the
	// response; see package target.
	Map Program `yaml:"map"`
	OK  Program `yaml:"ok"`

	// Only are the event types that the target gets; empty means all except typing.
	// Agents are the agents whose events it gets; empty means all.
	Only   []string `yaml:"only"`
	Agents []string `yaml:"agents"`

	// Timeout is the time for one request. Zero means the default.
	Timeout time.Duration `yaml:"timeout"`

	// After is how long RCS may take to deliver a message before it goes to this fallback.
	// The zero value means that only messages that RCS cannot deliver go there.
	After After `yaml:"after"`

	// Name is the key of the target in the file; empty for a fallback.
	Name string

	// At holds the position of each field.
	At Positions
}

// After is a duration, or auto: a duration that depends on the traffic type.
type After struct {
	Duration time.Duration
	Auto     bool
}

// String returns the name only, so that printing a target shows no secret.
func (t Target) String() string { return "target " + t.Name }

// Secrets returns the settings of the target that may name secrets.
func (t *Target) Secrets() []Secret {
	if t == nil {
		return nil
	}
	all := []Secret{t.URL, t.Secret, t.Basic, t.Bearer}
	for _, name := range slices.Sorted(maps.Keys(t.Headers)) {
		all = append(all, t.Headers[name])
	}
	return all
}

// Wants reports whether the target gets events of a type from an agent.
func (t *Target) Wants(eventType, agent string) bool {
	if len(t.Agents) > 0 && !slices.Contains(t.Agents, agent) {
		return false
	}
	switch {
	case len(t.Only) > 0:
		return slices.Contains(t.Only, eventType)
	case t.Send.Text != "":
		return slices.Contains(replyTypes, eventType)
	default:
		return eventType != "typing"
	}
}

// EventWarnings returns the probable mistakes in the settings of events: types that need
// attention and reach no target, and agents with the same ID. ids has the known agent IDs
// by name.
func (c *Config) EventWarnings(ids map[string]string) (warnings []string) {
	names := slices.Sorted(maps.Keys(c.Agents))
	gets := func(agent string, types ...string) bool {
		for _, t := range c.Events {
			if slices.ContainsFunc(types, func(eventType string) bool { return t.Wants(eventType, agent) }) {
				return true
			}
		}
		return false
	}
	for _, eventType := range []string{"unsubscribed", "failed"} {
		without := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return !gets(name, EventTypes...) || gets(name, eventType) })
		if len(without) > 0 {
			warnings = append(warnings, "no target gets "+eventType+" events of "+strings.Join(without, ", ")+"; add "+eventType+" to `only` of a target")
		}
	}
	for _, name := range names {
		b, hasEvents := c.BrandOf(name), c.WebhookToken != "" || len(c.Agents[name].WebhookTokens) > 0
		if hasEvents && b != nil && b.OptOut.Store.Lookup != nil && !(gets(name, "unsubscribed") && gets(name, "subscribed")) {
			warnings = append(warnings, "the store of brand "+b.Name+" is asked who opted out, but no target gets the unsubscribed and subscribed events of "+name+"; add a target that updates the store")
		}
	}
	owners := make(map[string]string) // by ID
	if _, ok := ids[DefaultAgent]; ok {
		names = slices.Insert(names, 0, DefaultAgent)
	}
	for _, name := range names {
		id := ids[name]
		if owner := owners[id]; id != "" && owner != "" && owner != name && len(c.Events) > 0 {
			warnings = append(warnings, "agent "+name+" has the same ID as "+owner+", to which their events belong")
		} else if id != "" {
			owners[id] = name
		}
	}
	return warnings
}

// topicForm matches the names of topics. Pub/Sub rejects long names.
var topicForm = regexp.MustCompile(`^projects/[a-z0-9][a-z0-9.:-]*/topics/[A-Za-z][A-Za-z0-9._~%+-]*$`)

// headerForm matches the names of headers.
var headerForm = regexp.MustCompile("^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")

// reserved reports whether the function sets a header itself, so that a target cannot.
func reserved(header string) bool {
	switch header = http.CanonicalHeaderKey(header); header {
	case "Host", "Transfer-Encoding", "Connection", "Idempotency-Key":
		return true
	}
	return strings.HasPrefix(header, "Content-") || strings.HasPrefix(header, "Webhook-")
}

// target checks a target.
func (r *fileReader) target(t *Target, isFallback bool) {
	isSet := map[string]bool{
		"url": t.URL != "", "topic": t.Topic != "", "send": t.Send.Text != "", "secret": t.Secret != "", "basic": t.Basic != "",
		"bearer": t.Bearer != "", "headers": len(t.Headers) > 0, "form": t.Form, "map": t.Map.Text != "", "ok": t.OK.Text != "", "timeout": t.Timeout > 0,
	}
	var places []string
	for _, place := range []string{"url", "topic", "send"} {
		if isSet[place] {
			places = append(places, place)
		}
	}
	switch len(places) {
	case 1:
	case 0:
		r.problem(t.At.Of("url"), "is missing; set it to the address that gets the requests, or set topic or send")
	default:
		r.problem(t.At.Of(places[1]), "excludes %s; make two targets", places[0])
	}
	if detail := checkURL(t.URL.Literal()); t.URL.Literal() != "" && detail != "" {
		r.problem(t.At.Of("url"), "%s", detail)
	}
	if isSet["topic"] && !topicForm.MatchString(t.Topic) {
		r.problem(t.At.Of("topic"), "must be the full name of a topic, projects/PROJECT/topics/TOPIC")
	}
	if len(places) == 1 && places[0] != "url" {
		for _, field := range []string{"secret", "basic", "bearer", "headers", "form", "ok", "timeout", "map"} {
			if isSet[field] && (field != "map" || places[0] == "send") {
				r.problem(t.At.Of(field), "is for targets with a url; remove it")
			}
		}
	}
	for _, field := range []string{"secret", "basic", "bearer"} {
		// Without it, requests would not be signed, or would have no credentials.
		if _, written := t.At[field]; written && !isSet[field] {
			r.problem(t.At.Of(field), "is empty; set it, or remove it")
		}
	}
	if isSet["basic"] && isSet["bearer"] {
		r.problem(t.At.Of("bearer"), "excludes basic; remove one of the two")
	}
	if value := t.Basic.Literal(); value != "" && !strings.Contains(value, ":") {
		r.problem(t.At.Of("basic"), "must be USER:PASSWORD")
	}
	if strings.ContainsFunc(t.Bearer.Literal(), unicode.IsControl) {
		r.problem(t.At.Of("bearer"), "contains a line break or a control character")
	}
	seen := make(map[string]bool)
	for _, name := range slices.Sorted(maps.Keys(t.Headers)) {
		at := t.At.Of("headers")
		switch canonical := http.CanonicalHeaderKey(name); {
		case !headerForm.MatchString(name):
			r.problem(at, "contains a name that is not a header")
		case reserved(name):
			r.problem(at, "must not contain %s, which the function sets", canonical)
		case canonical == "Authorization" && (isSet["basic"] || isSet["bearer"]):
			r.problem(at, "must not contain Authorization beside basic or bearer; remove one of the two")
		case t.Headers[name] == "":
			r.problem(at, "contains %s without a value", canonical)
		case seen[canonical]:
			r.problem(at, "contains %s twice", canonical)
		case strings.ContainsFunc(t.Headers[name].Literal(), unicode.IsControl):
			r.problem(at, "contains %s with a line break or a control character in its value", canonical)
		}
		seen[http.CanonicalHeaderKey(name)] = true
	}
	if t.Agents != nil && len(t.Agents) == 0 {
		r.problem(t.At.Of("agents"), "is empty; list the agents, or remove it to get the events of all")
	}
	if t.Only != nil && len(t.Only) == 0 {
		r.problem(t.At.Of("only"), "is empty; list the event types, or remove it")
	}
	for i, eventType := range t.Only {
		switch {
		case !slices.Contains(EventTypes, eventType):
			r.problems = append(r.problems, unknown(t.At.Of("only"), Closest(eventType, EventTypes), fmt.Sprintf("contains an unknown event type (value %d)", i+1), "the types are "+strings.Join(EventTypes, ", ")))
		case isSet["send"] && !slices.Contains(replyTypes, eventType):
			r.problem(t.At.Of("only"), "contains %s; a target that sends gets only %s, because a message for each receipt would be a loop", eventType, strings.Join(replyTypes, ", "))
		}
	}
	if t.Timeout > MaxTargetTimeout {
		r.problem(t.At.Of("timeout"), "must be at most %s", MaxTargetTimeout)
	}
	if _, written := t.At["after"]; written && !isFallback {
		r.problem(t.At.Of("after"), "is for fallbacks; remove it")
	}
}

// fallback checks the target for messages that RCS cannot deliver.
func (r *fileReader) fallback(t *Target, outer Positions) *Target {
	if t == nil {
		if at, written := outer["fallback"]; written { // messages would have no fallback
			at.unset = true // if its keys are at the wrong level, that is the cause
			r.problem(at, "is empty; indent the lines below it further, or remove it")
		}
		return nil
	}
	r.target(t, true)
	if t.Send.Text != "" {
		r.problem(t.At.Of("send"), "is not for a fallback, because RCS cannot deliver the message; set url")
	}
	if t.Form && t.Map.Text == "" {
		r.problem(t.At.Of("form"), "needs a map that returns a flat object, such as {To: .phone, Body: .text}")
	}
	for _, field := range []string{"only", "agents"} {
		if _, ok := t.At[field]; ok {
			r.problem(t.At.Of(field), "is for the targets below events; remove it")
		}
	}
	return t
}

// checkURL returns the problem with an address of requests, or "".
func checkURL(text string) string {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https":
		return "must be a URL such as https://example.com/path"
	case u.User != nil || u.Fragment != "":
		return "must be a URL without a user or fragment"
	case u.Scheme == "http" && !IsLoopback(text):
		return "must start with https:// unless it is on this machine (localhost)"
	}
	return ""
}

// CheckURL returns the problem with the content of a secret that a target has as its
// address, or "".
func CheckURL(text string) string { return checkURL(text) }
