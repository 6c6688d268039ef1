package response

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rcshook/rcshook/internal/code"
	"github.com/rcshook/rcshook/internal/compose"
	"github.com/rcshook/rcshook/internal/payload"
	"github.com/rcshook/rcshook/rbm"
)

// Profile selects the status of errors that no retry can fix.
type Profile string

// The profiles.
const (
	// Strict responds to such errors with 4xx, for callers that read the response.
	Strict Profile = "strict"

	// Soft responds to such errors with 200 and "ok": false, for senders that would
	// retry for days or disable the webhook.
	Soft Profile = "soft"

	// All is [Strict], and responds to several results with the status of one that
	// failed instead of 207, which many tools take for a success.
	All Profile = "all"
)

// docs is the page that documents each code under a heading of its own.
const docs = "https://github.com/rcshook/rcshook/blob/main/docs/responses.md#"

// Response is the body of every response, one flat JSON object. If it is an error, it
// is also a problem document of RFC 9457.
type Response struct {
	OK     bool       `json:"ok"`
	Status int        `json:"status"`
	Code   code.Code  `json:"code"`
	Retry  code.Retry `json:"retry"`

	// Message is one sentence for people: the title, a colon, and the detail. Many tools
	// show only this member, or the first characters of the body.
	Message string `json:"message"`

	Title  string          `json:"title,omitempty"`
	Detail string          `json:"detail,omitempty"`
	Action string          `json:"action,omitempty"`
	Cause  string          `json:"cause,omitempty"` // for codes with several causes
	Errors []payload.Error `json:"errors,omitempty"`

	Source    string     `json:"source,omitempty"` // the source whose webhook it was
	Caller    string     `json:"caller,omitempty"` // the caller, if it has a name
	MessageID string     `json:"message_id,omitempty"`
	To        string     `json:"to,omitempty"`
	Agent     string     `json:"agent,omitempty"`
	Name      string     `json:"name,omitempty"`
	SendTime  *time.Time `json:"send_time,omitempty"`

	// ScheduleAt is the time at which the queue will send the message, if the caller set one.
	ScheduleAt *time.Time `json:"schedule_at,omitempty"`

	// FallbackAt is the time at which the message goes to its fallback unless it was delivered.
	FallbackAt *time.Time `json:"fallback_at,omitempty"`

	// DuplicateRisk warns that the message may have been sent despite the error, under a
	// random ID. Only a retry with MessageID cannot send it twice.
	DuplicateRisk bool `json:"duplicate_risk,omitempty"`

	// Event and EventType are of a received event, and Target is the target of a delivery.
	Event     string `json:"event,omitempty"`
	EventType string `json:"event_type,omitempty"`
	Target    string `json:"target,omitempty"`

	*Reach // of a look-up

	Upstream *Upstream         `json:"upstream,omitempty"`
	DryRun   *Preview          `json:"dry_run,omitempty"`
	Warnings []compose.Warning `json:"warnings,omitempty"`
	Results  []*Response       `json:"results,omitempty"`

	RequestID string `json:"request_id,omitempty"`
	Type      string `json:"type,omitempty"`

	// The other fields are for the headers and the log.

	RetryAfter time.Duration     `json:"-"`
	Allow      string            `json:"-"` // the allowed methods of the path
	Header     map[string]string `json:"-"`
	EventAge   time.Duration     `json:"-"` // time since the event happened
	Lost       bool              `json:"-"` // the user waits for the message of an ignored event
	Err        error             `json:"-"` // the cause, for the log only

	document  any    // the body, instead of this object
	raw       *raw   // the body as it is, instead of this object
	random    bool   // the message ID is random
	advice    string // the part of Action that remains true when the retry needs a message ID
	empty     bool   // a 200 has no body
	challenge string // the only one of a 401, if the response is to a source

	repeat bool // Status makes Cloud Tasks repeat a task
	final  bool // a retry is useless, although the code usually advises one

	// misconfigured means that an operator must fix the configuration, although the code
	// is usually an error of the caller.
	misconfigured bool
}

// raw is a body with its content type.
type raw struct {
	contentType string
	body        []byte
}

// Upstream is the error response of RBM.
type Upstream struct {
	Status  int    `json:"status"`
	Reason  string `json:"reason,omitempty"`
	Message string `json:"message,omitempty"`
}

// Preview is the request that a dry run did not send.
type Preview struct {
	Method string `json:"method,omitempty"`
	URL    string `json:"url,omitempty"`

	// AgentMessage is the message. If all recipients get the same message, only the
	// whole response contains it, and Fallback.
	AgentMessage json.RawMessage `json:"agent_message,omitempty"`
	Bytes        int             `json:"bytes,omitempty"`

	// Billing is the billing category of US numbers; nil for other numbers.
	Billing *rbm.Billing `json:"billing,omitempty"`

	// Fallback is the text for the fallback as an SMS; nil without a fallback.
	Fallback *compose.SMS `json:"fallback,omitempty"`
}

// New returns a response with the given code and its texts from the table.
func New(c code.Code) *Response {
	r := table[c]
	resp := &Response{OK: r.strict < http.StatusMultipleChoices && c != code.Mixed, Status: r.strict, Code: c, Retry: r.retry}
	if !resp.OK {
		resp.Type, resp.Title = docs+string(c), r.title
		resp.setAction(r.action, r.advice)
	}
	return resp
}

// setAction sets the next step, and the advice that follows it.
func (resp *Response) setAction(action, advice string) {
	resp.Action, resp.advice = action, advice
	if advice != "" {
		resp.Action += " " + advice
	}
}

// SetProfile sets the status for a profile. With [Soft], a mixed result is a 200 only if
// no recipient is worth a retry: a sender that ignores the results would lose the
// message otherwise, and a retry does not send the delivered ones again.
func (resp *Response) SetProfile(p Profile) {
	if r := table[resp.Code]; p == Soft && r.soft != 0 && !resp.misconfigured && !resp.repeat {
		resp.Status = r.soft
	} else if p == Soft && resp.final {
		resp.Status = http.StatusOK
	}
	least := http.StatusTooManyRequests
	if p == All {
		least = http.StatusBadRequest
	}
	for _, result := range resp.Results {
		if result.SetProfile(p); p != Strict && resp.Code == code.Mixed && result.Status >= least {
			resp.Status = max(resp.Status, result.Status)
		}
	}
}

// Repeat makes Cloud Tasks repeat only this task, with any status but 2xx, 429 and 503: for
// those and for Retry-After, it would slow down the whole queue.
//
// Google docs: https://docs.cloud.google.com/tasks/docs/creating-http-target-tasks
func (resp *Response) Repeat(status int) {
	resp.Status, resp.RetryAfter, resp.repeat = status, 0, true
}

// SetSource sets the source of the webhook, and replaces the statuses that its sender
// would misunderstand. With empty, a 200 has no body: the sender would show it. Senders do
// not read the results of 207, so a message that is worth a retry decides the status. A 401
// asks only for the challenge, Basic or Bearer, if any: senders that make their first request
// without credentials may read no more than the first one.
func (resp *Response) SetSource(name string, statuses map[int]int, empty bool, challenge string) {
	resp.Source, resp.empty, resp.challenge = name, empty, challenge
	for _, r := range append(slices.Clip(resp.Results), resp) {
		if i := slices.Index(r.Warnings, otherContent); i >= 0 {
			r.Warnings[i] = otherEvent
		}
	}
	for _, result := range resp.Results {
		if resp.Code == code.Mixed && result.Status >= http.StatusTooManyRequests {
			resp.Status = max(resp.Status, result.Status)
		}
	}
	if resp.Code == code.Unauthorized {
		resp.Title = "The webhook has no valid credentials"
		resp.Action = "Set the secret of this source at the sender, in the way that its preset expects."
	}
	if resp.Code == code.InvalidBody && resp.Action == table[resp.Code].action {
		resp.Action = "Send JSON, a form or text, as the map of this source expects it."
	}
	if status, ok := statuses[resp.Status]; ok {
		resp.Status = status
	}
}

// Outcome returns the object that describes the response, as JSON. It reports false for
// a document.
func (resp *Response) Outcome() (outcome []byte, ok bool) {
	if resp.document != nil || resp.raw != nil {
		return nil, false
	}
	outcome, err := resp.encode()
	return outcome, err == nil
}

// Replace replaces the status unless it is 0, and the body unless it is nil. The log keeps
// the code. A 204 has no body, so a body makes it a 200.
func (resp *Response) Replace(status int, contentType string, body []byte) {
	resp.Status = cmp.Or(status, resp.Status)
	if body == nil {
		return
	}
	resp.raw = &raw{contentType, body}
	if resp.Status == http.StatusNoContent {
		resp.Status = http.StatusOK
	}
}

// always are the headers of every response.
var always = http.Header{"Cache-Control": {"no-store"}, "X-Content-Type-Options": {"nosniff"}}

// Write writes the response to a request.
func (resp *Response) Write(w http.ResponseWriter, r *http.Request) error {
	h := w.Header()
	maps.Copy(h, always)
	if resp.RequestID != "" {
		h.Set("X-Request-Id", resp.RequestID)
	}
	if resp.RetryAfter > 0 {
		// Senders disagree about fractions, so this is rounded up to whole seconds.
		h.Set("Retry-After", strconv.Itoa(int((resp.RetryAfter+time.Second-1)/time.Second)))
	}
	if resp.Allow != "" {
		h.Set("Allow", resp.Allow)
	}
	if resp.Code == code.Unauthorized {
		for _, challenge := range []string{`Bearer realm="rcshook"`, `Basic realm="rcshook", charset="UTF-8"`} {
			if scheme, _, _ := strings.Cut(challenge, " "); resp.Source == "" || scheme == resp.challenge {
				h.Add("Www-Authenticate", challenge)
			}
		}
	}
	for name, value := range resp.Header {
		h.Set(name, value)
	}
	if resp.Code == code.Document && resp.document == nil && resp.raw == nil || resp.Status == http.StatusNoContent {
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	if resp.raw != nil {
		h.Set("Content-Type", resp.raw.contentType)
		w.WriteHeader(resp.Status)
		_, err := w.Write(resp.raw.body)
		return err
	}
	if resp.empty && resp.Status == http.StatusOK && resp.document == nil {
		w.WriteHeader(http.StatusOK)
		return nil
	}
	h.Set("Content-Type", "application/json")
	if !resp.OK && resp.Status != http.StatusOK && !acceptsOnlyJSON(r.Header) {
		h.Set("Content-Type", "application/problem+json")
	}
	body, err := resp.encode()
	h.Set("Content-Length", strconv.Itoa(len(body))) // lets net/http send it immediately
	w.WriteHeader(resp.Status)
	if _, failed := w.Write(body); failed != nil {
		return failed
	}
	return err
}

// acceptsOnlyJSON reports whether a client names application/json in Accept, but not
// application/problem+json. Such clients may parse only what they asked for.
func acceptsOnlyJSON(h http.Header) bool {
	plain := false
	for item := range strings.SplitSeq(strings.Join(h["Accept"], ","), ",") {
		media, params, err := mime.ParseMediaType(item)
		if q, invalid := strconv.ParseFloat(params["q"], 64); err != nil || invalid == nil && q == 0 {
			continue
		}
		if media == "application/problem+json" {
			return false
		}
		plain = plain || media == "application/json"
	}
	return plain
}

// addTexts adds the message, and the detail of a failure that has none: its first error
// or failed result, or that of the table.
func (resp *Response) addTexts() {
	failed := 0
	for _, result := range resp.Results {
		if result.addTexts(); !result.OK {
			failed++
		}
	}
	text := cmp.Or(resp.Title, table[resp.Code].title)
	switch {
	case resp.OK || resp.Detail != "":
	case len(resp.Errors) > 0:
		resp.Detail = resp.Errors[0].Detail
		if first := resp.Errors[0]; first.Pointer != "" {
			resp.Detail = first.Pointer + ": " + first.Detail
		}
		if more := len(resp.Errors) - 1; more > 0 {
			resp.Detail += fmt.Sprintf(" (and %d more)", more)
		}
	case failed > 0:
		first := resp.Results[slices.IndexFunc(resp.Results, func(r *Response) bool { return !r.OK })]
		resp.Detail = fmt.Sprintf("%d of %d results failed, the first with %s (%s)", failed, len(resp.Results), first.Code, first.Detail)
	default:
		resp.Detail = table[resp.Code].detail
	}
	resp.Message = text
	if resp.Detail != "" {
		resp.Message += ": " + resp.Detail
	}
}

func (resp *Response) encode() ([]byte, error) {
	resp.addTexts()
	var v any = resp
	if resp.document != nil {
		v = resp.document
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return b.Bytes(), err
}

// level returns the log level: an error needs an operator, a warning is a message that was
// not sent, or a response in a form that the sender does not expect.
func (resp *Response) level() slog.Level {
	switch {
	case resp.OK && !resp.Lost && (resp.Err == nil || resp.Code == code.Document):
		return slog.LevelInfo
	case resp.Retry == code.RetryAfterFix && table[resp.Code].strict >= http.StatusInternalServerError, resp.misconfigured,
		resp.Code == code.Internal, resp.Code == code.TargetRejected, resp.Code == code.OptOutUnavailable:
		return slog.LevelError
	default:
		return slog.LevelWarn
	}
}

// appendAttrs appends the attributes of the log line. It leaves out texts and secrets,
// and masks the phone number. Code, source, caller and agent are also labels of Cloud
// Logging, which are indexed.
func (resp *Response) appendAttrs(attrs []slog.Attr) []slog.Attr {
	attrs = append(attrs,
		slog.Int("status", resp.Status),
		slog.String("code", string(resp.Code)),
		slog.String("retry", string(resp.Retry)),
	)
	add := func(key, value string) {
		if value != "" {
			attrs = append(attrs, slog.String(key, value))
		}
	}
	add("source", resp.Source)
	add("caller", resp.Caller)
	add("agent", resp.Agent)
	attrs = append(attrs, resp.labels())
	add("to", Mask(resp.To))
	add("message_id", resp.MessageID)
	add("event", resp.Event)
	add("event_type", resp.EventType)
	add("target", resp.Target)
	if resp.Code == code.TargetUnavailable {
		attrs = append(attrs, slog.Int64("event_age_s", int64(resp.EventAge.Seconds())))
	}
	add("reason", resp.Cause)
	if resp.Upstream != nil {
		attrs = append(attrs, slog.Int("upstream_status", resp.Upstream.Status))
		add("upstream_reason", resp.Upstream.Reason)
	}
	if len(resp.Errors) > 0 {
		attrs = append(attrs, slog.Int("errors", len(resp.Errors)))
	}
	if len(resp.Warnings) > 0 {
		pointers := make([]string, len(resp.Warnings))
		for i, w := range resp.Warnings {
			pointers[i] = w.Pointer
		}
		attrs = append(attrs, slog.Any("warnings", pointers))
	}
	if len(resp.Results) > 0 {
		attrs = append(attrs, slog.Int("recipients", len(resp.Results)))
	}
	if resp.Err != nil {
		add("cause", resp.Err.Error())
	}
	return attrs
}

func (resp *Response) labels() slog.Attr {
	labels := append(make([]slog.Attr, 0, 4), slog.String("code", string(resp.Code)))
	if resp.Source != "" {
		labels = append(labels, slog.String("source", resp.Source))
	}
	if resp.Caller != "" {
		labels = append(labels, slog.String("caller", resp.Caller))
	}
	if resp.Agent != "" {
		labels = append(labels, slog.String("agent", resp.Agent))
	}
	if resp.Target != "" {
		labels = append(labels, slog.String("target", resp.Target))
	}
	return slog.Attr{Key: "logging.googleapis.com/labels", Value: slog.GroupValue(labels...)}
}

// Mask replaces all digits of a phone number but the first two and the last two.
func Mask(phone string) string {
	const head, tail = len("+12"), len("34")
	if len(phone) <= head+tail {
		return ""
	}
	masked := []byte(phone)
	for i := head; i < len(masked)-tail; i++ {
		masked[i] = '*'
	}
	return string(masked)
}
