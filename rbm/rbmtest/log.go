package rbmtest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/rcshook/rcshook/internal/googletest"
)

// LogKind is the kind of a [LogEntry].
type LogKind string

// The kinds of log entries.
const (
	// LogMessage is an accepted message or a change of its state; Message and Detail are
	// set.
	LogMessage LogKind = "message"

	// LogAgentEvent is an event that an agent sent with agentEvents.create; Payload is
	// the AgentEvent.
	LogAgentEvent LogKind = "agent_event"

	// LogUserMessage is a message or a tap of a user; Payload is the UserMessage as it is
	// pushed.
	LogUserMessage LogKind = "user_message"

	// LogUserEvent is a receipt or a typing notice of a user; Payload is the UserEvent as
	// it is pushed.
	LogUserEvent LogKind = "user_event"

	// LogServerEvent is an expiry; Payload is the ServerEvent as it is pushed.
	LogServerEvent LogKind = "server_event"

	// LogPush is an attempt to push an event to a webhook, or an event that was dropped from
	// the queue; Push is set.
	LogPush LogKind = "push"

	// LogRequest is a finished request for the API; Request is set.
	LogRequest LogKind = "request"

	// LogTester is an invitation; Payload is the Tester.
	LogTester LogKind = "tester"

	// LogPhone is a change in the behavior of a number; Online is set.
	LogPhone LogKind = "phone"

	// LogNote is an entry of another program; Payload is what [Simulator.Note] got.
	LogNote LogKind = "note"

	// LogReset means that the simulator was reset.
	LogReset LogKind = "reset"
)

// LogEntry is an entry of [Simulator.Log], /_sim/events and /_sim/stream.
type LogEntry struct {
	// ID counts the entries from 1; a reset does not start over.
	ID int64 `json:"id"`

	Time time.Time `json:"time"`
	Kind LogKind   `json:"kind"`

	// Phone, AgentID (without "@rbm.goog") and MessageID are set if they apply.
	Phone     string `json:"phone,omitempty"`
	AgentID   string `json:"agent_id,omitempty"`
	MessageID string `json:"message_id,omitempty"`

	// Kind decides which of these are set.
	Message *Message        `json:"message,omitempty"`
	Detail  *Detail         `json:"detail,omitempty"`
	Payload json.RawMessage `json:"payload,omitempty"`
	Push    *Push           `json:"push,omitempty"`
	Request *Request        `json:"request,omitempty"`
	Online  bool            `json:"online,omitempty"`

	// NoWebhook means that this event is not pushed, because its agent has no webhook.
	NoWebhook bool `json:"no_webhook,omitempty"`
}

// Push is one attempt to push an event to a webhook.
type Push struct {
	// URL is the webhook, without its query. It is empty for a dropped event.
	URL string `json:"url"`

	// Attempt counts from 1.
	Attempt int `json:"attempt"`

	// Status is the status of the response; 0 if there was none.
	Status int `json:"status"`

	// Error is the reason for a missing response, or for a dropped event.
	Error string `json:"error,omitempty"`

	// Again is the time of the next attempt; zero after success or the last attempt.
	Again time.Time `json:"again,omitzero"`

	// Event is the ID of the log entry of the pushed event.
	Event int64 `json:"event"`
}

// maxEntries is how many entries the log keeps.
const maxEntries = 10_000

type eventLog struct {
	last int64
	list []LogEntry
	news chan struct{} // closed at the next entry; nil if no stream waits
}

// log adds an entry and returns its ID. s.mu must be held.
func (s *Simulator) log(e LogEntry) int64 {
	log := &s.entries
	log.last++
	e.ID, e.Time = log.last, s.now()
	if len(log.list) >= maxEntries {
		log.list = slices.Delete(log.list, 0, maxEntries/10)
	}
	log.list = append(log.list, e)
	if log.news != nil {
		close(log.news)
		log.news = nil
	}
	return e.ID
}

// logMessage logs the state of a message. s.mu must be held.
func (s *Simulator) logMessage(m *message) {
	out := m.copy()
	s.log(LogEntry{Kind: LogMessage, Phone: m.To, AgentID: m.AgentID, MessageID: m.MessageID, Message: &out, Detail: &out.Detail})
}

// Note adds an entry for people and programs that follow the log, such as the page. Its
// payload is encoded as JSON.
func (s *Simulator) Note(payload any) {
	s.lock()
	defer s.mu.Unlock()
	s.log(LogEntry{Kind: LogNote, Payload: encodeJSON(payload)})
}

// Log returns the last 10,000 entries of the log, oldest first.
func (s *Simulator) Log() []LogEntry {
	s.lock()
	defer s.mu.Unlock()
	s.advance()
	return slices.Clone(s.entries.list)
}

// entriesAfter returns the entries after the one with an ID, and a channel that is closed
// when there are more.
func (s *Simulator) entriesAfter(id int64) ([]LogEntry, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	log := &s.entries
	i, _ := slices.BinarySearchFunc(log.list, id+1, func(e LogEntry, id int64) int { return cmp.Compare(e.ID, id) })
	if log.news == nil {
		log.news = make(chan struct{})
	}
	return slices.Clone(log.list[i:]), log.news
}

// keepAlive is the pause after which a silent stream sends a comment.
const keepAlive = 15 * time.Second

// serveStream sends log entries as server-sent events. The id is that of the [LogEntry],
// the data is its JSON, without an event type, so that onmessage receives them all. A
// stream starts with the next entry, or after the entry that the query parameter after or
// the header Last-Event-ID names; after=0 starts with the oldest entry. It ends with
// [Simulator.Close].
func (s *Simulator) serveStream(w http.ResponseWriter, r *http.Request) {
	after := cmp.Or(r.Header.Get("Last-Event-ID"), r.URL.Query().Get("after"))
	s.mu.Lock()
	last := s.entries.last
	s.mu.Unlock()
	if after != "" {
		var err error
		if last, err = strconv.ParseInt(after, 10, 64); err != nil {
			googletest.WriteJSON(w, http.StatusBadRequest, map[string]string{"error": "after: expected the ID of an event"})
			return
		}
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Accel-Buffering", "no")
	control := http.NewResponseController(w)
	if _, err := fmt.Fprint(w, "retry: 1000\n\n"); err != nil || control.Flush() != nil {
		return
	}
	alive := time.NewTicker(keepAlive)
	defer alive.Stop()
	for {
		entries, news := s.entriesAfter(last)
		for _, e := range entries {
			if _, err := fmt.Fprintf(w, "id: %d\ndata: %s\n\n", e.ID, encodeJSON(e)); err != nil {
				return
			}
			last = e.ID
		}
		if control.Flush() != nil {
			return
		}
		select {
		case <-news:
		case <-alive.C:
			if _, err := fmt.Fprint(w, ": alive\n\n"); err != nil {
				return
			}
		case <-r.Context().Done():
			return
		case <-s.life.Done():
			return
		}
	}
}

// Snapshot is the state that GET /_sim/state returns: enough for a page to start with, and
// to continue from with the stream.
type Snapshot struct {
	// LastEvent is the ID of the last log entry in the snapshot.
	// /_sim/stream?after=LastEvent sends all later ones.
	LastEvent int64 `json:"last_event"`

	// Messages are all messages in the order of arrival.
	Messages []SnapshotMessage `json:"messages"`

	// Conversation holds the events of users and agents that are not messages of agents.
	Conversation []LogEntry `json:"conversation"`

	// Numbers are the phone numbers with a behavior.
	Numbers map[string]Behavior `json:"numbers"`

	// Webhooks are the connected webhooks, and Waiting is the number of events that wait
	// to be pushed to them.
	Webhooks []SnapshotWebhook `json:"webhooks"`
	Waiting  int               `json:"waiting"`
}

// SnapshotMessage is a message with its details.
type SnapshotMessage struct {
	Message
	Detail Detail `json:"detail"`
}

// SnapshotWebhook is a webhook without its token.
type SnapshotWebhook struct {
	AgentID string `json:"agent_id"`
	URL     string `json:"url"`
}

// Snapshot returns the current state.
func (s *Simulator) Snapshot() Snapshot {
	s.lock()
	defer s.mu.Unlock()
	s.advance()
	out := Snapshot{
		LastEvent: s.entries.last, Messages: []SnapshotMessage{}, Conversation: []LogEntry{},
		Numbers: maps.Clone(s.behaviors), Webhooks: []SnapshotWebhook{}, Waiting: len(s.pushes),
	}
	for _, m := range s.messages {
		c := m.copy()
		out.Messages = append(out.Messages, SnapshotMessage{c, c.Detail})
	}
	for _, e := range s.entries.list {
		switch e.Kind {
		case LogUserMessage, LogUserEvent, LogServerEvent, LogAgentEvent, LogTester:
			out.Conversation = append(out.Conversation, e)
		}
	}
	for _, hook := range s.hooks {
		out.Webhooks = append(out.Webhooks, SnapshotWebhook{hook.AgentID, withoutQuery(hook.URL)})
	}
	slices.SortFunc(out.Webhooks, func(a, b SnapshotWebhook) int { return cmp.Compare(a.AgentID, b.AgentID) })
	return out
}

// maxRequests is how many requests [Simulator.Requests] keeps.
const maxRequests = 10_000

// Request is a finished request for a method of the RBM API.
type Request struct {
	// Number counts the requests since the start or the last reset, from 1.
	Number int `json:"number"`

	// Method is the method as the reference names it, such as
	// "phones.agentMessages.create".
	Method string `json:"method"`

	// Verb and URL are the request line, without a token in the query.
	Verb string `json:"verb"`
	URL  string `json:"url"`

	// UserAgent is the User-Agent header.
	UserAgent string `json:"user_agent,omitempty"`

	// Phone, AgentID and ID are as in the request; ID is a message, event or request ID.
	Phone   string `json:"phone,omitempty"`
	AgentID string `json:"agent_id,omitempty"`
	ID      string `json:"id,omitempty"`

	// Status is the status of the response; 0 if the connection ended without one.
	Status int `json:"status"`

	// Ended is when the response began, or the connection ended without one.
	Ended time.Time `json:"ended"`
}

type requestLog struct {
	total    int
	recent   []Request
	attempts map[idKey]int
}

// Requests returns the last 10,000 requests for the RBM API in the order of their
// responses, failed ones included. A request is in the list before its caller has the
// response.
func (s *Simulator) Requests() []Request {
	s.lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests.recent)
}

// Attempts returns the number of requests to send a message with an ID, by any agent,
// failed ones included.
func (s *Simulator) Attempts(messageID string) int {
	s.lock()
	defer s.mu.Unlock()
	n := 0
	for key, count := range s.requests.attempts {
		if key.id == messageID {
			n += count
		}
	}
	return n
}

func (s *Simulator) record(c *call, status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	log := &s.requests
	log.total++
	if len(log.recent) == maxRequests {
		log.recent = slices.Delete(log.recent, 0, maxRequests/10)
	}
	u := *c.request.URL
	if query := u.Query(); query.Has("access_token") || query.Has("oauth_token") {
		query.Del("access_token")
		query.Del("oauth_token")
		u.RawQuery = query.Encode()
	}
	entry := Request{
		Number: log.total, Method: c.name, Verb: c.verb, URL: u.RequestURI(), UserAgent: c.request.UserAgent(),
		Phone: c.phone, AgentID: c.query.Get("agentId"), ID: c.id, Status: status, Ended: s.now(),
	}
	log.recent = append(log.recent, entry)
	if c.name == createName {
		log.attempts[c.key()]++
	}
	s.log(LogEntry{Kind: LogRequest, Phone: c.phone, AgentID: agentName(entry.AgentID), MessageID: c.id, Request: &entry})
}
