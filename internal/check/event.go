package check

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/payload"
	"github.com/rcshook/rcshook/internal/prepare"
	"github.com/rcshook/rcshook/internal/send"
	"github.com/rcshook/rcshook/internal/source"
)

// ParseEvent parses the event of a case. Its kind is the extension of its file: json, or http
// for headers, an empty line and a body of any type; empty for that of [KindOf].
func ParseEvent(event []byte, kind string) (*source.Request, error) {
	r := &source.Request{Method: http.MethodPost, Header: http.Header{"Content-Type": {"application/json"}}, Body: event}
	if cmp.Or(kind, KindOf(event)) == "json" {
		return r, nil
	}
	head, body, ok := strings.Cut(strings.ReplaceAll(string(event), "\r\n", "\n"), "\n\n")
	if !ok {
		return nil, errors.New("the empty line between headers and body is missing")
	}
	for line := range strings.SplitSeq(head, "\n") {
		name, value, ok := strings.Cut(line, ":")
		if !ok {
			return nil, fmt.Errorf("expected a header such as Content-Type: application/json, got %q", line)
		}
		r.Header.Set(strings.TrimSpace(name), strings.TrimSpace(value))
	}
	if strings.HasPrefix(source.ContentType(r.Header), "application/x-www-form-urlencoded") {
		body = strings.TrimRight(body, "\n") // editors end a file with a line break, senders do not end a form with it
	}
	r.Body = []byte(body)
	return r, nil
}

// OwnEvent returns the event that a user wrote in place of a sample, which may be nil. What it
// lacks is that of the sample. An empty text stands for the sample.
func OwnEvent(text string, sample *source.Request) (*source.Request, error) {
	if text == "" {
		return sample, nil
	}
	own, err := ParseEvent([]byte(text), "")
	if err == nil && sample != nil {
		own.Query = sample.Query
		maps.Copy(sample.Header, own.Header)
		own.Header = sample.Header
	}
	return own, err
}

// KindOf returns the kind of an event: json if it starts like an object or an array, else http.
func KindOf(event []byte) string {
	if start := bytes.TrimSpace(event); bytes.HasPrefix(start, []byte("{")) || bytes.HasPrefix(start, []byte("[")) {
		return "json"
	}
	return "http"
}

// FormatEvent returns the event of a case, and its kind; see [ParseEvent]. A nil request gives an
// empty event.
func FormatEvent(r *source.Request) (event []byte, kind string) {
	if r == nil {
		return nil, ""
	}
	if len(r.Header) == 1 && r.Header.Get("Content-Type") == "application/json" {
		return r.Body, "json"
	}
	for _, header := range slices.Sorted(maps.Keys(r.Header)) {
		event = fmt.Appendf(event, "%s: %s\n", header, r.Header.Get(header))
	}
	event = append(event, '\n')
	return append(event, r.Body...), "http"
}

// eventTime returns the time of a case, which does not change: that of its header Date, or the
// start of 2026.
func eventTime(r *source.Request) time.Time {
	if date, err := http.ParseTime(r.Header.Get("Date")); err == nil {
		return date
	}
	return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
}

// Messages returns the messages that the event of a case becomes, as the JSON of a
// NAME.want.json.
func (f *File) Messages(ctx context.Context, s *source.Source, event []byte, kind string) ([]byte, error) {
	r, err := ParseEvent(event, kind)
	if err != nil {
		return nil, err
	}
	return f.Map(ctx, s, r, event, eventTime(r))
}

// BelowHeaders returns the error of a body with its position in the event, which may have
// headers above the body.
func BelowHeaders(err *payload.BodyError, event, body []byte) *payload.BodyError {
	return err.Below(bytes.Count(event, []byte("\n")) - bytes.Count(body, []byte("\n")))
}

// message is a message in a NAME.want.json.
type message struct {
	To      []string        `json:"to"`
	Agent   string          `json:"agent,omitempty"`
	Message json.RawMessage `json:"message"`
}

// Map is [File.Messages] for a request. Event is the text that has its body, for positions in
// errors.
func (f *File) Map(ctx context.Context, s *source.Source, r *source.Request, event []byte, now time.Time) ([]byte, error) {
	received, err := s.Map(ctx, r, now)
	if body, ok := errors.AsType[*payload.BodyError](err); ok {
		return nil, errors.New("invalid event: " + BelowHeaders(body, event, r.Body).Detail)
	}
	if mapping, ok := errors.AsType[*source.MappingError](err); ok {
		detail := mapping.Unredacted()
		if mapping.At.File != "" {
			detail = fmt.Sprintf("%s:%d:%d: %s", mapping.At.File, mapping.At.Line, mapping.At.Column, detail)
		}
		return nil, errors.New(detail)
	}
	if err != nil {
		return nil, err
	}
	if received.Reply != nil {
		return Indent(received.Reply), nil
	}
	all := []message{}
	for _, m := range received.Messages {
		made, err := f.prepare(prepare.Input{ContentType: m.ContentType, Body: m.Body, Key: m.Key, Warnings: m.Warnings}, s.Config, now)
		if err != nil {
			return nil, err
		}
		all = append(all, made)
	}
	text, err := json.Marshal(all)
	return Indent(text), err
}

// Prepare is [prepare.Message] with the settings of the function.
func (f *File) Prepare(in prepare.Input, from config.Source, now time.Time) (*send.Message, error) {
	return prepare.Message(in, &f.config, from, now)
}

func (f *File) prepare(in prepare.Input, from config.Source, now time.Time) (message, error) {
	prepared, err := f.Prepare(in, from, now)
	if unknown, ok := errors.AsType[*prepare.UnknownAgentError](err); ok {
		return message{}, fmt.Errorf("%s: unknown agent: %w", cmp.Or(unknown.Pointer, "agent"), unknown)
	}
	invalid, ok := errors.AsType[payload.Errors](err)
	if destination, outside := errors.AsType[*prepare.DestinationError](err); outside {
		invalid, ok = destination.Errors, true
	}
	if ok {
		text := "invalid payload:"
		for _, e := range invalid {
			text += "\n  " + e.Pointer + ": " + e.Detail
			if e.Pointer == "/schedule_at" || e.Pointer == "/expires_at" {
				text += "; the time of this case is " + now.Format(time.RFC3339) + ", or that of the header Date in an .http file"
			}
		}
		return message{}, fmt.Errorf("%s\n%s", text, Indent(in.Body))
	}
	if err != nil {
		return message{}, err
	}
	made := message{Message: prepared.Message.Encoded}
	if prepared.AgentName != config.DefaultAgent {
		made.Agent = prepared.AgentName
	}
	for _, to := range prepared.To {
		made.To = append(made.To, to.E164)
	}
	return made, nil
}

// NullText is a text of a message in which the mapping writes null.
type NullText struct {
	Pointer string   `json:"pointer"` // of the text in the payload
	Without []string `json:"without"` // pointers to fields in the event without which it does so
}

// NullTexts maps an event without each of its fields, and returns the texts in which the
// mapping then writes null.
func NullTexts(ctx context.Context, s *source.Source, event []byte, kind string) (texts []NullText) {
	r, err := ParseEvent(event, kind)
	if err != nil {
		return nil // [File.Messages] reports it
	}
	fields := make(map[string][]string) // by the text
	try := func(v source.Variant) {
		variant := *r
		variant.Body = v.Body
		received, err := s.Map(ctx, &variant, eventTime(r))
		if err != nil {
			return // the mapping needs this field
		}
		for _, m := range received.Messages {
			for _, w := range m.Warnings {
				if !slices.Contains(fields[w.Pointer], v.Field) {
					fields[w.Pointer] = append(fields[w.Pointer], v.Field)
				}
			}
		}
	}
	try(source.Variant{Body: r.Body})
	for v := range source.Variants(source.ContentType(r.Header), r.Body) {
		if ctx.Err() != nil {
			break
		}
		try(v)
	}
	for _, text := range slices.Sorted(maps.Keys(fields)) {
		fields[text] = slices.DeleteFunc(fields[text], func(outer string) bool { // a field in it is enough
			return slices.ContainsFunc(fields[text], func(inner string) bool { return strings.HasPrefix(inner, outer+"/") })
		})
		texts = append(texts, NullText{text, fields[text]})
	}
	return texts
}

// Indent formats JSON for comparison. Other text is returned unchanged.
func Indent(text []byte) []byte {
	var v any
	d := json.NewDecoder(bytes.NewReader(text))
	if d.UseNumber(); d.Decode(&v) != nil {
		return text
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if e.Encode(v) != nil {
		return text
	}
	return b.Bytes()
}
