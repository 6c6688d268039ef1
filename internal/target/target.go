// Package target makes one outgoing call to a place that the user configures: an HTTP
// request, shaped by jq and signed, or a message to Pub/Sub. Retries are left to the caller.
package target

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"
	"unicode"

	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/mapping"
	"github.com/rcshook/rcshook/internal/phonenumber"
	"github.com/rcshook/rcshook/internal/standardwebhook"
	"github.com/rcshook/rcshook/internal/trace"
)

// DefaultTimeout is the timeout of one request if the file sets none.
const DefaultTimeout = 10 * time.Second

const (
	maxBody     = 1 << 20  // bytes of a request or a payload
	maxResponse = 64 << 10 // bytes of a response that are read
)

// API sends requests to Google's APIs as the account of the function.
type API interface {
	// Ready waits for an access token. Its error is a [*google.SecretError].
	Ready(ctx context.Context) error

	// Call sends a request with in as its JSON body, and decodes the JSON response
	// into out. An error response is a [*google.APIError].
	Call(ctx context.Context, method, url string, in, out any) error
}

// Options configure a [Target].
type Options struct {
	// Secret reads a setting that may name a secret, decoded by [config.DecodeSecret].
	Secret func(context.Context, config.Secret) ([]byte, error)

	// Transport makes the requests. An [http.Transport] is cloned, so that a slow target
	// takes no connections from others. Without one, the target cannot post.
	Transport http.RoundTripper

	// API publishes to topics. PubSub is a base URL to use instead of Google's; may be empty.
	API    API
	PubSub string

	UserAgent string
	Now       func() time.Time

	// Phone are the options of the functions for phone numbers.
	Phone phonenumber.Options

	// Fallback means that the target delivers messages, which must not be repeated if
	// one may have arrived.
	Fallback bool

	// Strict makes a null that becomes the word null in a text an error.
	Strict bool
}

// Outcome is the meaning of a response, or of its absence.
type Outcome string

// The outcomes.
const (
	OK      Outcome = "ok"      // the target has the event, or does not want it
	Retry   Outcome = "retry"   // the target does not have the event; a later attempt may succeed
	Never   Outcome = "never"   // another attempt is useless
	Unknown Outcome = "unknown" // the target may have the message; only for fallbacks
)

// Errors of fallbacks after which another attempt must not be made.
var (
	// ErrRejected means that the fallback will not send the message.
	ErrRejected = errors.New("rejected")

	// ErrUnsure means that the fallback may have sent a message that must not arrive twice.
	ErrUnsure = errors.New("the result is unknown")
)

// Result is the result of one delivery.
type Result struct {
	Outcome Outcome
	Status  int // of the response; 0 without one

	// Err explains every outcome but OK; with OK, it reports that the program ok failed. It
	// names the target, but contains no address, header, number or text.
	Err error
}

// Target is a place that gets events or messages. It is safe for concurrent use.
type Target struct {
	config    *config.Target
	options   Options
	transport http.RoundTripper

	// The jq programs; nil if there is none.
	mapper, ok, send *mapping.Program
}

// New compiles a target that package config has checked. It does no I/O.
func New(c *config.Target, o Options) (*Target, []config.Problem) {
	o.PubSub = cmp.Or(o.PubSub, "https://pubsub.googleapis.com")
	t := &Target{config: c, options: o}
	var problems []config.Problem
	compile := func(p config.Program) *mapping.Program {
		if p.Line == 0 && p.Text == "" {
			return nil
		}
		program, invalid := mapping.Compile(p, mapping.Options{Phone: o.Phone})
		problems = append(problems, invalid...)
		return program
	}
	t.mapper, t.ok, t.send = compile(c.Map), compile(c.OK), compile(c.Send)
	if key := c.Secret.Literal(); key != "" {
		if err := checkKey([]byte(key)); err != nil {
			problems = append(problems, c.At.Of("secret").Problemf("%v", err))
		}
	}
	if len(problems) > 0 {
		return nil, problems
	}
	t.transport = ownTransport(o)
	return t, nil
}

// Close closes the idle connections.
func (t *Target) Close() { trace.Transport{Base: t.transport}.CloseIdleConnections() }

// setting is a field that may name a secret. Name is that of the header in headers.
type setting struct {
	field, name string
	secret      config.Secret
}

// settings returns the fields that may name secrets, and that are set.
func (t *Target) settings() []setting {
	all := []setting{{"url", "", t.config.URL}, {"secret", "", t.config.Secret}, {"basic", "", t.config.Basic}, {"bearer", "", t.config.Bearer}}
	for _, name := range slices.Sorted(maps.Keys(t.config.Headers)) {
		all = append(all, setting{"headers", name, t.config.Headers[name]})
	}
	return slices.DeleteFunc(all, func(s setting) bool { return s.secret == "" })
}

// check returns the problem with the value of a setting, without quoting it.
func (s setting) check(value []byte) error {
	switch s.field {
	case "url":
		if detail := config.CheckURL(string(value)); detail != "" {
			return errors.New(detail)
		}
	case "basic":
		if !bytes.Contains(value, []byte(":")) {
			return errors.New("must be USER:PASSWORD")
		}
	default:
		if bytes.ContainsFunc(value, unicode.IsControl) {
			return errors.New("contains a line break or a control character")
		}
	}
	return nil
}

// checkKey returns the reason why a key cannot sign.
func checkKey(key []byte) error { return standardwebhook.Sign(http.Header{}, nil, key, time.Time{}) }

// Deliver posts an event, which is one JSON object. The ID becomes the headers Webhook-Id
// and Idempotency-Key, so that the target can drop repeated events.
func (t *Target) Deliver(ctx context.Context, id string, event []byte) Result {
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(t.config.Timeout, DefaultTimeout))
	defer cancel()
	var r Result
	body, err := t.Body(ctx, event)
	switch {
	case err != nil && (errors.Is(err, mapping.ErrMemory) || ctx.Err() != nil):
		r = Result{Outcome: Retry, Err: err}
	case err != nil:
		r = Result{Outcome: Never, Err: err}
	case body == nil:
		r = Result{Outcome: OK}
	case t.config.Topic != "":
		r = t.publish(ctx, id, event, body)
	default:
		r = t.post(ctx, id, body)
	}
	if r.Outcome == Unknown && !t.options.Fallback {
		r.Outcome = Retry
	}
	r.Err = t.wrap(r.Err)
	return r
}

// wrap adds the name of the target to an error. A fallback has only its path in the file.
func (t *Target) wrap(err error) error {
	switch {
	case err == nil:
		return nil
	case t.config.Name == "":
		return fmt.Errorf("%s: %w", cmp.Or(t.config.At.Of("").Path, "fallback"), err)
	default:
		return fmt.Errorf("%s: %w", t.config, err)
	}
}

// Body returns the body that [Target.Deliver] posts for an event; nil if the map returns
// nothing, which is an error of a fallback.
func (t *Target) Body(ctx context.Context, event []byte) (body []byte, err error) {
	if t.mapper == nil && !t.config.Form {
		return event, nil
	}
	results := []any{nil}
	if results[0], err = decodeJSON(event); err != nil {
		return nil, errors.New("the event is not JSON")
	}
	if t.mapper != nil {
		results, err = t.run(ctx, "map", t.mapper, results[0])
	}
	switch {
	case err != nil:
		return nil, err
	case len(results) == 0:
		if t.options.Fallback {
			return nil, errors.New("map: expected one result, got none or null; without one, the message is not sent")
		}
		return nil, nil
	case len(results) > 1:
		return nil, fmt.Errorf("map: expected one result, got %d; collect them in an array: [...]", len(results))
	case t.config.Form:
		body, err = encodeForm(results[0])
	default:
		body, err = mapping.Encode(results[0], maxBody)
	}
	if err == mapping.ErrTooLarge || len(body) > maxBody {
		return nil, fmt.Errorf("map: the result is longer than %d KiB", maxBody>>10)
	}
	return body, err
}

// encodeForm encodes a flat object. A member that is null is left out.
func encodeForm(value any) ([]byte, error) {
	object, ok := value.(map[string]any)
	if !ok {
		return nil, errors.New("form: expected an object of strings, numbers and booleans")
	}
	form := make(url.Values, len(object))
	for name, member := range object {
		text, ok := mapping.Text(member)
		if b, isBool := member.(bool); isBool {
			text, ok = strconv.FormatBool(b), true
		}
		if !ok && member != nil {
			return nil, errors.New("form: a member of the object is nested; expected a string, a number or a boolean")
		} else if ok {
			form.Set(name, text)
		}
	}
	return []byte(form.Encode()), nil
}

// run runs a program. Its error quotes nothing of the input.
func (t *Target) run(ctx context.Context, field string, p *mapping.Program, input any) ([]any, error) {
	results, err := p.Run(ctx, t.options.Now(), input)
	if failed, ok := errors.AsType[*mapping.Error](err); ok {
		return nil, fmt.Errorf("%v %w", failed.At, failed)
	} else if err != nil {
		return nil, fmt.Errorf("%s: %w", field, err)
	}
	if results.Null && t.options.Strict {
		return nil, fmt.Errorf("%s: a value that this event does not have becomes the word null; write another value for it, as in (.text | present // \"none\")", field)
	}
	return results.Values, nil
}

// decodeJSON decodes one JSON value. Numbers keep their digits.
func decodeJSON(data []byte) (value any, err error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if err = d.Decode(&value); err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("expected one JSON value")
	}
	return value, nil
}

// Payloads runs the program send on an event and returns the payloads for its user as JSON
// objects. The program may return several, or arrays of them. The caller adds the recipient.
func (t *Target) Payloads(ctx context.Context, event []byte) (payloads [][]byte, err error) {
	value, err := decodeJSON(event)
	if err != nil {
		return nil, t.wrap(errors.New("the event is not JSON"))
	}
	results, err := t.run(ctx, "send", t.send, value)
	if err != nil {
		return nil, t.wrap(err)
	}
	for _, result := range results {
		items, ok := result.([]any)
		if !ok {
			items = []any{result}
		}
		for _, item := range items {
			payload, err := mapping.Encode(item, maxBody)
			_, isObject := item.(map[string]any)
			switch {
			case item == nil:
			case !isObject:
				return nil, t.wrap(errors.New(`send: expected a payload, such as {text: "Thank you"}`))
			case err != nil:
				return nil, t.wrap(fmt.Errorf("send: a payload is longer than %d KiB", maxBody>>10))
			default:
				payloads = append(payloads, payload)
			}
		}
	}
	return payloads, nil
}
