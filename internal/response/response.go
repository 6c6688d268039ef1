package response

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"strconv"
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

	Type   string          `json:"type,omitempty"`
	Title  string          `json:"title,omitempty"`
	Detail string          `json:"detail,omitempty"`
	Action string          `json:"action,omitempty"`
	Reason string          `json:"reason,omitempty"` // the cause, for codes with several causes
	Errors []payload.Error `json:"errors,omitempty"`

	Source    string     `json:"source,omitempty"` // the source whose webhook it was
	MessageID string     `json:"message_id,omitempty"`
	To        string     `json:"to,omitempty"`
	Agent     string     `json:"agent,omitempty"`
	Name      string     `json:"name,omitempty"`
	SendTime  *time.Time `json:"send_time,omitempty"`

	// ScheduleAt is the time at which the queue will send the message, if the caller set one.
	ScheduleAt *time.Time `json:"schedule_at,omitempty"`

	// DuplicateRisk warns that the message may have been sent despite the error, under a
	// random ID. Only a retry with MessageID cannot send it twice.
	DuplicateRisk bool `json:"duplicate_risk,omitempty"`

	Upstream *Upstream         `json:"upstream,omitempty"`
	DryRun   *Preview          `json:"dry_run,omitempty"`
	Warnings []compose.Warning `json:"warnings,omitempty"`
	Results  []*Response       `json:"results,omitempty"`

	RequestID string `json:"request_id,omitempty"`

	// The other fields are for the headers and the log.

	RetryAfter time.Duration     `json:"-"`
	Allow      string            `json:"-"` // the allowed methods of the path
	Header     map[string]string `json:"-"`
	Cause      error             `json:"-"`

	page   any    // the body, instead of this object
	random bool   // the message ID is random
	advice string // the part of Action that remains true when the retry needs a message ID
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
	// whole response contains it.
	AgentMessage json.RawMessage `json:"agent_message,omitempty"`
	Bytes        int             `json:"bytes,omitempty"`

	// Billing is the billing category of US numbers; nil for other numbers.
	Billing *rbm.Billing `json:"billing,omitempty"`
}

// New returns a response with the given code and its texts from the table.
func New(c code.Code) *Response {
	r := table[c]
	a := &Response{OK: r.strict < http.StatusMultipleChoices && c != code.Mixed, Status: r.strict, Code: c, Retry: r.retry}
	if !a.OK {
		a.Type, a.Title = docs+string(c), r.title
		a.setAction(r.action, r.advice)
	}
	return a
}

// setAction sets the next step, and the advice that follows it.
func (a *Response) setAction(action, advice string) {
	a.Action, a.advice = action, advice
	if advice != "" {
		a.Action += " " + advice
	}
}

// SetProfile sets the status for a profile. With [Soft], a mixed result is a 200 only if
// no recipient is worth a retry: a sender that ignores the results would lose the
// message otherwise, and a retry does not send the delivered ones again.
func (a *Response) SetProfile(p Profile) {
	if r := table[a.Code]; p == Soft && r.soft != 0 {
		a.Status = r.soft
	}
	for _, result := range a.Results {
		if result.SetProfile(p); p == Soft && a.Code == code.Mixed && result.Status >= http.StatusTooManyRequests {
			a.Status = max(a.Status, result.Status)
		}
	}
}

// SetSource sets the source of the webhook, and replaces the statuses that its sender
// would misunderstand.
func (a *Response) SetSource(name string, statuses map[int]int) {
	a.Source = name
	if a.Code == code.Unauthorized {
		a.Title = "The webhook has no valid credentials"
		a.Action = "Set the secret of this source at the sender, in the way that its preset expects."
	}
	if status, ok := statuses[a.Status]; ok {
		a.Status = status
	}
}

// Write writes the response.
func (a *Response) Write(w http.ResponseWriter) error {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	if a.RequestID != "" {
		h.Set("X-Request-Id", a.RequestID)
	}
	if a.RetryAfter > 0 {
		// Senders disagree about fractions, so this is rounded up to whole seconds.
		h.Set("Retry-After", strconv.Itoa(int((a.RetryAfter+time.Second-1)/time.Second)))
	}
	if a.Allow != "" {
		h.Set("Allow", a.Allow)
	}
	if a.Code == code.Unauthorized {
		h.Set("WWW-Authenticate", `Bearer realm="rcshook"`)
	}
	for name, value := range a.Header {
		h.Set(name, value)
	}
	if a.Code == code.Served && a.page == nil || a.Status == http.StatusNoContent {
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	h.Set("Content-Type", "application/json")
	if !a.OK {
		h.Set("Content-Type", "application/problem+json")
	}
	body, err := a.encode()
	h.Set("Content-Length", strconv.Itoa(len(body))) // lets net/http send it immediately
	w.WriteHeader(a.Status)
	if _, failed := w.Write(body); failed != nil {
		return failed
	}
	return err
}

func (a *Response) encode() ([]byte, error) {
	var v any = a
	if a.page != nil {
		v = a.page
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return b.Bytes(), err
}

// level returns the log level: an error needs an operator, a warning is a message that
// was not sent.
func (a *Response) level() slog.Level {
	switch {
	case a.OK:
		return slog.LevelInfo
	case a.Retry == code.RetryAfterFix && table[a.Code].strict >= http.StatusInternalServerError, a.Code == code.Internal:
		return slog.LevelError
	default:
		return slog.LevelWarn
	}
}

// appendAttrs appends the attributes of the log line. It leaves out texts and secrets,
// and masks the phone number. Code, source and agent are also labels of Cloud Logging,
// which are indexed.
func (a *Response) appendAttrs(attrs []slog.Attr) []slog.Attr {
	attrs = append(attrs,
		slog.Int("status", a.Status),
		slog.String("code", string(a.Code)),
		slog.String("retry", string(a.Retry)),
	)
	add := func(key, value string) {
		if value != "" {
			attrs = append(attrs, slog.String(key, value))
		}
	}
	add("source", a.Source)
	add("agent", a.Agent)
	attrs = append(attrs, a.labels())
	add("to", Mask(a.To))
	add("message_id", a.MessageID)
	add("reason", a.Reason)
	if a.Upstream != nil {
		attrs = append(attrs, slog.Int("upstream_status", a.Upstream.Status))
		add("upstream_reason", a.Upstream.Reason)
	}
	if len(a.Errors) > 0 {
		attrs = append(attrs, slog.Int("errors", len(a.Errors)))
	}
	if len(a.Results) > 0 {
		attrs = append(attrs, slog.Int("recipients", len(a.Results)))
	}
	if a.Cause != nil {
		add("cause", a.Cause.Error())
	}
	return attrs
}

func (a *Response) labels() slog.Attr {
	labels := append(make([]slog.Attr, 0, 3), slog.String("code", string(a.Code)))
	if a.Source != "" {
		labels = append(labels, slog.String("source", a.Source))
	}
	if a.Agent != "" {
		labels = append(labels, slog.String("agent", a.Agent))
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
