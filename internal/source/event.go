package source

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/rcshook/rcshook/internal/compose"
	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/mapping"
	"github.com/rcshook/rcshook/internal/payload"
	"github.com/rcshook/rcshook/internal/phonenumber"
)

const (
	// maxMessages limits the messages of one webhook.
	maxMessages = 100

	// maxPing limits the bytes of an unsigned ping: matching a long body takes long.
	maxPing = 2 << 10

	// maxPayload limits the bytes of one payload that a mapping returns.
	maxPayload = 256 << 10
)

// Request is a webhook as it arrived. Signatures cover its exact bytes, so they are
// checked before anything is parsed.
type Request struct {
	Method string
	Token  string // the part of the path after the name of the source
	Query  string // the raw query, without the question mark
	Header http.Header
	Body   []byte
}

// Received is the result of a webhook.
type Received struct {
	// Messages are the payloads to send. There may be none.
	Messages []Message

	// Reply is the body that the sender expects, as JSON; nil if it accepts any.
	Reply []byte

	// Verified is false for a ping, which has no signature.
	Verified bool
}

// Message is one payload.
type Message struct {
	ContentType string
	Body        []byte

	// Key derives the message ID. It is the same when the event is delivered again, and
	// empty if nothing identifies the event.
	Key string

	// Warnings are the texts in which the mapping wrote null.
	Warnings []compose.Warning
}

// MappingError means that a program of a source failed on an event.
type MappingError struct {
	Source string
	Detail string // quotes nothing of the event
	Name   string // of the program, such as map; empty if none failed
	Err    error  // the error of jq if Detail is a part of it. It may quote the event; not for logs

	// At is the position in the file, if a program of the file failed.
	At config.Position
}

func (e *MappingError) Error() string { return fmt.Sprintf("source %s: %s", e.Source, e.Detail) }

// Unredacted returns the detail with the whole error of jq. It may quote the event; not for
// logs.
func (e *MappingError) Unredacted() string {
	if e.Err == nil {
		return e.Detail
	}
	return fmt.Sprintf("the %s fails: %v", e.Name, e.Err)
}

// input is what the programs of a source get besides the event.
type input struct {
	now       time.Time
	variables []any
	secret    func() any // the [mapping.Key] of the sender
}

// Receive verifies r and turns it into payloads. If the error is not nil, the result has
// only Verified.
//
// The error is a [*SecretError], [ErrUnauthorized], [ErrSignature], [ErrStale],
// [ErrKeys], [ErrAmazon], a [*payload.BodyError], [ErrIdempotencyKey], a [*MappingError], [ErrBusy],
// [ErrMemory], or [ErrOverdue].
func (s *Source) Receive(ctx context.Context, r *Request, now time.Time) (*Received, error) {
	if reply, ok := s.replyToPing(r.Body); ok {
		return &Received{Reply: reply}, nil
	}
	secrets, err := s.readSecrets(ctx)
	if err == nil {
		err = s.verify(ctx, r, secrets, now)
	}
	if sns, ok := s.scheme.(snsScheme); ok && err == nil {
		err = sns.confirm(ctx, r)
	}
	if err != nil {
		return new(Received), err
	}
	key := func() any {
		for _, secret := range secrets {
			if s.scheme.verify(ctx, r, [][]byte{secret}, now) == nil {
				return &mapping.Key{Secret: secret}
			}
		}
		return nil
	}
	received, err := s.mapRequest(ctx, r, now, key)
	if err != nil {
		received = new(Received)
	}
	received.Verified = true
	return received, err
}

// replyToPing returns the reply to an unsigned body that tests the address; nil if its
// sender accepts any.
func (s *Source) replyToPing(body []byte) (reply []byte, ok bool) {
	if s.ping == nil || len(body) > maxPing {
		return nil, false
	}
	found := s.ping.FindSubmatch(body)
	if found == nil {
		return nil, false
	}
	members := make(map[string]string)
	for i, name := range s.ping.SubexpNames() {
		if name != "" {
			members[name] = string(found[i])
		}
	}
	if len(members) == 0 {
		return nil, true
	}
	reply, err := json.Marshal(members)
	return reply, err == nil
}

// Map turns a request that is already verified into payloads.
func (s *Source) Map(ctx context.Context, r *Request, now time.Time) (*Received, error) {
	return s.mapRequest(ctx, r, now, func() any { return nil })
}

func (s *Source) mapRequest(ctx context.Context, r *Request, now time.Time, secret func() any) (*Received, error) {
	header := s.Visible(r.Header)
	requestKey, err := IdempotencyKey(header)
	if err != nil {
		return nil, err
	}
	if s.mapper == nil && s.eventID == nil {
		return &Received{Messages: []Message{{ContentType(r.Header), r.Body, s.key(requestKey, -1), nil}}}, nil
	}
	return s.slots.run(ctx, func(ctx context.Context) (*Received, error) {
		in := r.input(header, now)
		in.secret = secret
		return s.mapBody(ctx, r, requestKey, in)
	})
}

func (s *Source) mapBody(ctx context.Context, r *Request, requestKey string, in *input) (*Received, error) {
	contentType := ContentType(r.Header)
	body, err := decodeBody(contentType, r.Body)
	if err != nil {
		return nil, err
	}
	if replies, err := s.run(ctx, "reply", s.reply, body, in, in.secret); err != nil {
		return nil, err
	} else if len(replies.Values) > 0 {
		reply, err := mapping.Encode(replies.Values[0], maxPayload)
		if err != nil {
			return nil, &MappingError{Source: s.Name, Detail: fmt.Sprintf("the reply is longer than %d KiB", maxPayload>>10)}
		}
		return &Received{Reply: reply}, nil
	}
	if s.mapper == nil {
		id, err := s.identify(ctx, body, requestKey, in)
		return &Received{Messages: []Message{{contentType, r.Body, s.key(id, -1), nil}}}, err
	}
	events := []any{body}
	if s.events != nil {
		found, err := s.run(ctx, "events", s.events, body, in)
		if err != nil {
			return nil, err
		}
		events = found.Values
	}
	received := new(Received)
	for i, event := range events {
		eventKey := requestKey
		if eventKey != "" && len(events) > 1 {
			eventKey += "\n" + strconv.Itoa(i)
		}
		messages, err := s.mapEvent(ctx, event, eventKey, in)
		if err != nil {
			return nil, err
		}
		received.Messages = append(received.Messages, messages...)
		if len(received.Messages) > maxMessages {
			return nil, &MappingError{Source: s.Name, Detail: fmt.Sprintf("the webhook results in more than %d messages", maxMessages)}
		}
	}
	return received, nil
}

// mapEvent returns the messages of one event. If the map returns several payloads or an
// array, each message has its number in its key, even if there is only one.
func (s *Source) mapEvent(ctx context.Context, event any, requestKey string, in *input) ([]Message, error) {
	id, err := s.identify(ctx, event, requestKey, in)
	if err != nil {
		return nil, err
	}
	results, err := s.run(ctx, "map", s.mapper, event, in)
	if err != nil {
		return nil, err
	}
	numbered := len(results.Values) > 1
	var payloads []any
	for _, v := range results.Values {
		items, ok := v.([]any)
		if !ok {
			payloads = append(payloads, v)
			continue
		}
		numbered = true
		payloads = append(payloads, slices.DeleteFunc(slices.Clone(items), func(v any) bool { return v == nil })...)
	}
	var messages []Message
	for i, p := range payloads[:min(len(payloads), maxMessages+1)] {
		body, err := mapping.Encode(p, maxPayload)
		if err != nil {
			return nil, &MappingError{Source: s.Name, Detail: fmt.Sprintf("the map returns a payload of more than %d KiB", maxPayload>>10)}
		}
		if !numbered {
			i = -1
		}
		m := Message{"application/json", body, s.key(id, i), nil}
		if results.Null {
			m.Warnings = nullTexts(m.Warnings, "", p)
		}
		messages = append(messages, m)
	}
	return messages, nil
}

// nullWord is null as a text shows it if a mapping inserted a missing value. It is compiled
// on first use, because the tables of letters take time at a start.
var nullWord = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`(^|[^\pL\pN_])null($|[^\pL\pN_])`) })

// nullTexts appends a warning for each text of a payload that contains the word null.
func nullTexts(warnings []compose.Warning, pointer string, v any) []compose.Warning {
	switch v := v.(type) {
	case string:
		if nullWord().MatchString(v) {
			warnings = append(warnings, compose.Warning{Pointer: pointer, Detail: "contains null: the mapping inserted a value that this event does not have; " +
				`write another value for it, as in \(.name | present // "there")`})
		}
	case []any:
		for i, item := range v {
			warnings = nullTexts(warnings, pointer+"/"+strconv.Itoa(i), item)
		}
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			escaped := strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
			warnings = nullTexts(warnings, pointer+"/"+escaped, v[name])
		}
	}
	return warnings
}

// identify returns an ID that is the same when the event is delivered again: the result
// of event_id, or else the idempotency key of the request.
func (s *Source) identify(ctx context.Context, event any, requestKey string, in *input) (string, error) {
	ids, err := s.run(ctx, "event_id", s.eventID, event, in)
	if err != nil || len(ids.Values) == 0 || ids.Null { // with null, two events could have the same ID
		return requestKey, err
	}
	id, ok := mapping.Text(ids.Values[0])
	if !ok {
		return "", &MappingError{Source: s.Name, Detail: "the event_id is neither a string nor a number"}
	}
	if id == "" {
		return requestKey, nil
	}
	if !payload.IsKey(id) {
		id = strconv.Quote(id) // it could be the key of another message, with its number
	}
	return id, nil
}

// key returns the key of a message.
func (s *Source) key(id string, number int) string {
	switch {
	case id == "":
		return ""
	case number < 0:
		return s.Config.Key(id)
	default:
		return s.Config.Key(id + "\n" + strconv.Itoa(number))
	}
}

// run runs a program, with the values of further variables; a nil program has no results.
func (s *Source) run(ctx context.Context, name string, p *mapping.Program, event any, in *input, values ...any) (mapping.Results, error) {
	if p == nil {
		return mapping.Results{}, nil
	}
	results, err := p.Run(ctx, in.now, event, append(slices.Clip(in.variables), values...)...)
	if failed, ok := errors.AsType[*mapping.Error](err); ok {
		return results, &MappingError{Source: s.Name, Detail: fmt.Sprintf("the %s %s", name, failed.Detail), Name: name, Err: failed.Err, At: failed.At}
	}
	if err != nil && err != ErrMemory {
		err = fmt.Errorf("%w: %w", ErrBusy, err)
	}
	return results, err
}

// ContentType returns the content type of a request. Several headers become a list, as a
// proxy would join them.
func ContentType(h http.Header) string { return strings.Join(h.Values("Content-Type"), ", ") }

// Visible returns the headers that programs see: not the credentials, which they could put
// into a message, and not those that the scheme hides.
func (s *Source) Visible(h http.Header) http.Header {
	h = h.Clone()
	for _, name := range append(s.scheme.hidden(h), "Authorization", "Cookie", "X-Api-Key", "Proxy-Authorization") {
		h.Del(name)
	}
	return h
}

// input returns the variables of programs. $headers has lower-case names and joins
// duplicate headers, $query has the first value of each name, and $digest is the SHA-256
// of the body in hex.
func (r *Request) input(header http.Header, now time.Time) *input {
	headers, query := make(map[string]any, len(header)), make(map[string]any)
	for name, values := range header {
		headers[strings.ToLower(name)] = strings.Join(values, ", ")
	}
	for name, value := range parameters(r.Query) {
		if _, ok := query[name]; !ok {
			query[name] = phonenumber.RestorePlus(value)
		}
	}
	digest := sync.OnceValue(func() any {
		sum := sha256.Sum256(r.Body)
		return hex.EncodeToString(sum[:])
	})
	return &input{now: now, variables: []any{headers, query, digest}}
}

// decodeBody returns the input of programs: JSON as it is, a form as an object of
// strings (arrays for duplicate fields), other text as a string, and null for an empty
// body. A body that looks like JSON is JSON, because a signature rarely covers the content
// type. The error is a [*payload.BodyError] or a [*payload.ContentTypeError].
func decodeBody(contentType string, data []byte) (any, error) {
	body, err := payload.ParseBody(contentType, data)
	if err != nil {
		return nil, err
	}
	switch {
	case body.IsEmpty():
		return nil, nil
	case body.IsJSON || body.LooksLikeJSON():
		return decodeJSON(body.Text)
	case body.IsForm:
		return formObject(body), nil
	case !utf8.Valid(body.Text):
		return nil, &payload.BodyError{Detail: "expected JSON, a form, or text in UTF-8"}
	}
	return string(body.Text), nil
}

// decodeJSON decodes one JSON value. Numbers keep their digits, because a float would
// change identifiers above 2^53 and prices such as 19.90. It accepts a lone surrogate,
// which senders make when they cut a string.
func decodeJSON(body []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var v any
	err := d.Decode(&v)
	if err == nil && utf8.Valid(body) {
		if _, end := d.Token(); errors.Is(end, io.EOF) {
			return v, nil
		}
	}
	if err := payload.CheckSyntax(body); err != nil {
		return nil, err
	}
	return nil, &payload.BodyError{Detail: "invalid JSON"} // unreachable: both decoders reject the same bodies
}

// formObject returns the fields of a form without its files. It restores the plus signs of
// phone numbers that the sender did not escape.
func formObject(body *payload.Body) map[string]any {
	object := make(map[string]any, len(body.Fields))
	for _, f := range body.Fields {
		if f.IsFile {
			continue
		}
		if body.IsURLEncoded {
			f.Value = phonenumber.RestorePlus(f.Value)
		}
		switch previous := object[f.Name].(type) {
		case nil:
			object[f.Name] = f.Value
		case []any:
			object[f.Name] = append(previous, f.Value)
		default:
			object[f.Name] = []any{previous, f.Value}
		}
	}
	return object
}
