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

// Profile is how faults that no retry can cure are answered.
type Profile string

// The profiles.
const (
	// Strict answers such faults with a 4xx, for callers that read the answer.
	Strict Profile = "strict"

	// Soft acknowledges them with 200 and ok false, for senders that would
	// retry for days or switch the webhook off.
	Soft Profile = "soft"
)

// docs is where each code is explained, at a heading of its own.
const docs = "https://github.com/rcshook/rcshook/blob/main/docs/responses.md#"

// Answer is the body of every answer, one flat JSON object. A failure is also a
// problem document of RFC 9457.
type Answer struct {
	OK     bool       `json:"ok"`
	Status int        `json:"status"`
	Code   code.Code  `json:"code"`
	Retry  code.Retry `json:"retry"`

	Type   string          `json:"type,omitempty"`
	Title  string          `json:"title,omitempty"`
	Detail string          `json:"detail,omitempty"`
	Action string          `json:"action,omitempty"`
	Reason string          `json:"reason,omitempty"` // which of the causes behind a code
	Errors []payload.Error `json:"errors,omitempty"`

	Source    string     `json:"source,omitempty"` // whose webhook it was
	MessageID string     `json:"message_id,omitempty"`
	To        string     `json:"to,omitempty"`
	Agent     string     `json:"agent,omitempty"`
	Name      string     `json:"name,omitempty"`
	SendTime  *time.Time `json:"send_time,omitempty"`

	// ScheduleAt is when the queue will have the message sent, if that was asked.
	ScheduleAt *time.Time `json:"schedule_at,omitempty"`

	// DuplicateRisk warns that the message may have got through although this
	// says otherwise, and that it has a random ID: only a retry with MessageID
	// cannot send it twice.
	DuplicateRisk bool `json:"duplicate_risk,omitempty"`

	Upstream *Upstream         `json:"upstream,omitempty"`
	DryRun   *Preview          `json:"dry_run,omitempty"`
	Warnings []compose.Warning `json:"warnings,omitempty"`
	Results  []*Answer         `json:"results,omitempty"`

	RequestID string `json:"request_id,omitempty"`

	// The rest is for the header and the log.

	RetryAfter time.Duration     `json:"-"`
	Allow      string            `json:"-"` // the methods of the path
	Header     map[string]string `json:"-"`
	Cause      error             `json:"-"`

	page   any  // stands in the place of the answer
	random bool // the message ID is one
}

// Upstream is what RCS Business Messaging said.
type Upstream struct {
	Status  int    `json:"status"`
	Reason  string `json:"reason,omitempty"`
	Message string `json:"message,omitempty"`
}

// Preview is the request that a dry run did not send.
type Preview struct {
	Method string `json:"method,omitempty"`
	URL    string `json:"url,omitempty"`

	// AgentMessage stands once for all recipients that would get the same.
	AgentMessage json.RawMessage `json:"agent_message,omitempty"`
	Bytes        int             `json:"bytes,omitempty"`

	// Billing is how the message is billed in the US; nil for other numbers.
	Billing *rbm.Billing `json:"billing,omitempty"`
}

// New returns an answer of the given code, with the words of the table.
func New(c code.Code) *Answer {
	a := &Answer{}
	a.become(c)
	return a
}

// become gives a the status, advice and words of code.
func (a *Answer) become(c code.Code) {
	r := table[c]
	a.OK, a.Status, a.Code, a.Retry = r.strict < http.StatusMultipleChoices, r.strict, c, r.retry
	if c == code.Mixed {
		a.OK = false
	}
	if !a.OK {
		a.Type, a.Title, a.Action = docs+string(c), r.title, r.action
	}
}

// Apply turns the status into the one of the profile. Soft acknowledges a mixed
// result only if nothing in it is worth a retry: who does not read results would
// lose a message otherwise, and what has arrived does not arrive again.
func (a *Answer) Apply(p Profile) {
	if r := table[a.Code]; p == Soft && r.soft != 0 {
		a.Status = r.soft
	}
	for _, result := range a.Results {
		if result.Apply(p); p == Soft && a.Code == code.Mixed && result.Status >= http.StatusTooManyRequests {
			a.Status = max(a.Status, result.Status)
		}
	}
}

// From names the source that the request was for.
func (a *Answer) From(source string) {
	a.Source = source
	if a.Code == code.Unauthorized {
		a.Title = "The webhook does not prove who sent it"
		a.Action = "Set the secret of this source at the sender, in the way that its preset expects."
	}
}

// Restate replaces statuses that the sender would take the wrong way.
func (a *Answer) Restate(statuses map[int]int) {
	if status, ok := statuses[a.Status]; ok {
		a.Status = status
	}
}

// Write sends the answer.
func (a *Answer) Write(w http.ResponseWriter) error {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	if a.RequestID != "" {
		h.Set("X-Request-Id", a.RequestID)
	}
	if a.RetryAfter > 0 {
		// Whole seconds, rounded up: senders differ on anything else.
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
	h.Set("Content-Length", strconv.Itoa(len(body))) // so that it can be sent at once
	w.WriteHeader(a.Status)
	if _, failed := w.Write(body); failed != nil {
		return failed
	}
	return err
}

func (a *Answer) encode() ([]byte, error) {
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

// Level is how loud the answer is in the log: an error is something an operator
// can mend, a warning something that did not arrive.
func (a *Answer) Level() slog.Level {
	switch {
	case a.OK:
		return slog.LevelInfo
	case a.Retry == code.RetryAfterFix && table[a.Code].strict >= http.StatusInternalServerError, a.Code == code.Internal:
		return slog.LevelError
	default:
		return slog.LevelWarn
	}
}

// appendAttrs adds what the log may know of the answer: neither texts nor secrets, and
// the number masked. What lines are counted by are labels of Cloud Logging too,
// which are indexed.
func (a *Answer) appendAttrs(attrs []slog.Attr) []slog.Attr {
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
		attrs = append(attrs, slog.Int("faults", len(a.Errors)))
	}
	if len(a.Results) > 0 {
		attrs = append(attrs, slog.Int("recipients", len(a.Results)))
	}
	if a.Cause != nil {
		add("cause", a.Cause.Error())
	}
	return attrs
}

func (a *Answer) labels() slog.Attr {
	labels := append(make([]slog.Attr, 0, 3), slog.String("code", string(a.Code)))
	if a.Source != "" {
		labels = append(labels, slog.String("source", a.Source))
	}
	if a.Agent != "" {
		labels = append(labels, slog.String("agent", a.Agent))
	}
	return slog.Attr{Key: "logging.googleapis.com/labels", Value: slog.GroupValue(labels...)}
}

// Mask hides a phone number but for its first two digits and its last two.
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
