// Package prepare turns a payload into a message that is ready to send: decoded,
// composed, with the settings of its source and its agent, and checked against all
// rules. The server and the commands that check payloads without a server use it, so
// that they never disagree. It reads no secrets and makes no requests.
package prepare

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rcshook/rcshook/internal/compose"
	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/payload"
	"github.com/rcshook/rcshook/internal/phonenumber"
	"github.com/rcshook/rcshook/internal/queue"
	"github.com/rcshook/rcshook/internal/send"
	"github.com/rcshook/rcshook/internal/typo"
	"github.com/rcshook/rcshook/rbm"
)

// Input is a payload as a caller sent it, or as the mapping of a source made it.
type Input struct {
	ContentType string
	Body        []byte

	// Key is an idempotency key for payloads that have none; it may be empty.
	Key string

	// Warnings are those of the mapping.
	Warnings []compose.Warning

	// Agents are the agents that the caller may use, whose names an error may list. Nil
	// means all that are configured.
	Agents []string

	// OwnKeys means that the idempotency keys of the caller have a name space.
	OwnKeys bool
}

// UnknownAgentError is the error of a payload whose agent is not configured.
type UnknownAgentError struct {
	// Name is the name that is not configured.
	Name string

	// Pointer is the JSON Pointer to the name in the payload. It is empty if the name
	// is in the configuration of the source, or if the default agent is missing.
	Pointer string

	// Configured reports that the map of the source or its entry in the file named the
	// agent, and not the caller.
	Configured bool

	// Names are the agents that the caller may use.
	Names []string
}

func (e *UnknownAgentError) Error() string {
	expected := "the agent "
	if len(e.Names) != 1 {
		expected = "one of the agents "
	}
	text := fmt.Sprintf("expected %s%s, got %q", expected, strings.Join(e.Names, ", "), shorten(cmp.Or(e.Name, config.DefaultAgent)))
	if near := typo.Nearest(e.Name, e.Names, 0); near != "" {
		text += "; did you mean " + near + "?"
	}
	return text
}

// shorten cuts a name of the caller to the length of the longest word that anyone needs
// to see.
func shorten(name string) string {
	if len(name) > typo.MaxLength {
		return strings.ToValidUTF8(name[:typo.MaxLength], "") + "..."
	}
	return name
}

// DestinationError is the error of a payload with recipients in countries that the
// source or the agent may not send to, or with premium-rate numbers.
type DestinationError struct {
	Errors payload.Errors
}

func (e *DestinationError) Error() string { return e.Errors.Error() }

// Message prepares the message of one payload. The agent of the message is still to be
// set, and the limits of the caller are still to be checked. The zero [config.Source] is for direct calls. If cfg.Agents is nil, the agents are
// unknown, and every name is valid.
//
// The error is a [*payload.BodyError], a [*payload.ContentTypeError], [payload.Errors] with
// every problem of the payload, an [*UnknownAgentError], or a [*DestinationError].
func Message(in Input, cfg *config.Config, from config.Source, now time.Time) (*send.Message, error) {
	if len(from.Recipients) > 0 && in.ContentType == "application/json" {
		in.Body = addressed(in.Body, from.Recipients)
	}
	p, err := payload.Decode(in.ContentType, in.Body, payload.Options{
		Country: cmp.Or(from.Country, cfg.Country), Countries: cfg.AllCountries(), OwnKeys: in.OwnKeys || from.Name != "",
	})
	if err != nil {
		return nil, err
	}
	name, known := cfg.FindAgent(cmp.Or(p.Agent, from.Agent))
	known = known || cfg.Agents == nil
	agent := cfg.Agents[name]
	m := &send.Message{
		AgentName: name,
		To:        p.To,
		ID:        p.MessageID,
		Key:       cmp.Or(from.Key(p.IdempotencyKey), in.Key),
		Queue:     cmp.Or(from.Queue, cfg.Queue),
		DryRun:    p.DryRun,
		Source:    from.Name,
	}
	defaults := compose.Defaults{Traffic: rbm.TrafficType(cmp.Or(from.Traffic, agent.Traffic, cfg.Traffic)), TTL: cmp.Or(agent.TTL, cfg.TTL)}
	if m.Queue == config.NoQueue {
		m.Queue = ""
	}
	if m.Queue != "" {
		defaults.MaxDelay = queue.MaxDelay
	}
	fallback := cmp.Or(from.Fallback, agent.Fallback)
	switch {
	case !known || cfg.Agents == nil:
		defaults.Fallback = &compose.Fallback{MaxDelay: queue.MaxDelay} // the agent may have one
	case fallback != nil:
		defaults.Fallback = &compose.Fallback{After: fallback.After.Duration, Auto: fallback.After.Auto}
		if cfg.Queue != "" {
			defaults.Fallback.MaxDelay = queue.MaxDelay
		}
	}
	m.Message, err = compose.Message(p, defaults, now)
	var unknown *UnknownAgentError
	if !known {
		unknown = &UnknownAgentError{
			Name:       cmp.Or(p.Agent, from.Agent),
			Pointer:    p.AgentPointer,
			Configured: from.Name != "" && (p.Agent == "" || from.Map.Text != ""),
			Names:      in.Agents,
		}
	}
	if unknown != nil && unknown.Names == nil {
		unknown.Names = slices.Sorted(maps.Keys(cfg.Agents))
	}
	switch invalid, ok := errors.AsType[payload.Errors](err); {
	case ok && !known:
		return nil, append(invalid, payload.Error{Pointer: p.AgentPointer, Detail: unknown.Error()})
	case err != nil:
		return nil, err
	case !known:
		return nil, unknown
	}
	m.Message.Warnings = append(m.Message.Warnings, in.Warnings...)
	if !m.Message.FallbackAt.IsZero() {
		m.Queue = cfg.Queue // which keeps the message until then, also for a source without a queue
	}
	if in.Agents != nil && !slices.Contains(in.Agents, name) {
		return m, nil // the caller gets another error, without the countries of this agent
	}
	if err := CheckDestinations(p.To, cfg, from, agent); err != nil {
		return nil, err
	}
	if m.Fallback = fallback; m.Fallback != nil {
		m.Payload = in.Body
	}
	return m, nil
}

// CheckDestinations checks recipients against the numbers and countries that the source and
// the agent may send to, and refuses premium-rate numbers. The error is a [*DestinationError].
func CheckDestinations(to []payload.Recipient, cfg *config.Config, from config.Source, agent config.Agent) error {
	var others payload.Errors
	for _, r := range to {
		if len(from.Recipients) > 0 && !slices.Contains(from.Recipients, r.E164) {
			others = append(others, payload.Error{Pointer: r.Pointer, Detail: "not one of the recipients of this source; remove to, or list the number in recipients of rcshook.yaml"})
		}
	}
	if len(others) > 0 {
		return &DestinationError{others}
	}
	for _, countries := range [][]string{from.Countries, agent.Countries} {
		if len(countries) == 0 {
			continue // all countries are allowed, so the numbers are not looked up
		}
		if outside := payload.OutsideCountries(to, countries); len(outside) > 0 {
			return &DestinationError{outside}
		}
	}
	if cfg.AllowPremiumNumbers {
		return nil
	}
	var premium payload.Errors
	for _, r := range to {
		if phonenumber.IsPremium(r.E164) {
			premium = append(premium, payload.Error{
				Pointer: r.Pointer,
				Detail: "premium-rate or shared-cost number, which no mobile phone has; " +
					"send to a mobile number, or set RCSHOOK_ALLOW_PREMIUM_NUMBERS=true",
			})
		}
	}
	if len(premium) > 0 {
		return &DestinationError{premium}
	}
	return nil
}

// Reply returns the input for a payload that a target with send made of an event, and the
// settings that it has in place of those of a source. The message goes to the user unless
// the payload names a recipient. Its ID is derived from the target, the event and number,
// the position of the payload.
func Reply(data []byte, target, agent, phone, eventID string, number int) (Input, config.Source) {
	in := Input{ContentType: "application/json", Body: data, Key: "event\n" + target + "\n" + eventID + "\n" + strconv.Itoa(number)}
	from := config.Source{Name: "events/" + target, Agent: agent, Traffic: string(rbm.TrafficServiceRequest)}
	in.Body = addressed(data, phone)
	return in, from
}

// addressed returns a payload that goes to a number, or to several, unless it names its
// recipients. The decoder of payloads reports other values than objects.
func addressed(data []byte, phone any) []byte {
	var object map[string]json.RawMessage
	if json.Unmarshal(data, &object) != nil || object == nil {
		return data
	}
	for key := range object {
		if field, _, ok := payload.FindField(key); ok && field.Name == "to" {
			return data
		}
	}
	to, err := json.Marshal(phone)
	if err != nil {
		return data
	}
	object["to"] = to
	if changed, err := json.Marshal(object); err == nil {
		return changed
	}
	return data
}
