package rbmtest

import (
	"slices"
	"time"
)

// maxRequests is how many requests [Simulator.Requests] remembers.
const maxRequests = 10_000

// Request is a request for a method of the RBM API that has been answered, or whose
// connection has ended.
type Request struct {
	// Number counts the requests since the start or the last reset, from 1.
	Number int `json:"number"`

	// Method is the method by its name in the reference, such as
	// "phones.agentMessages.create".
	Method string `json:"method"`

	// Verb and URL are the request line; a token in the query is blotted out.
	Verb string `json:"verb"`
	URL  string `json:"url"`

	// UserAgent is the header of that name.
	UserAgent string `json:"user_agent,omitempty"`

	// Phone, AgentID and ID are what the request is about, as it had them; ID is
	// a message, event or request ID.
	Phone   string `json:"phone,omitempty"`
	AgentID string `json:"agent_id,omitempty"`
	ID      string `json:"id,omitempty"`

	// Status is what was answered; 0 if the connection ended without an answer.
	Status int `json:"status"`

	// Ended is when.
	Ended time.Time `json:"ended"`
}

type requestLog struct {
	total    int
	recent   []Request
	attempts map[idKey]int
}

// Requests returns the requests for the RBM API in the order in which they ended,
// refused ones included: the last 10,000 of them.
func (s *Simulator) Requests() []Request {
	s.init()
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests.recent)
}

// Attempts returns how many requests were made to send the message with an ID,
// by any agent, refused ones included.
func (s *Simulator) Attempts(messageID string) int {
	s.init()
	s.mu.Lock()
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
	url := *c.request.URL
	if query := url.Query(); query.Has("access_token") || query.Has("oauth_token") {
		query.Del("access_token")
		query.Del("oauth_token")
		url.RawQuery = query.Encode()
	}
	entry := Request{
		Number:    log.total,
		Method:    c.name,
		Verb:      c.verb,
		URL:       url.RequestURI(),
		UserAgent: c.request.UserAgent(),
		Phone:     c.phone,
		AgentID:   c.query.Get("agent_id"),
		ID:        c.id,
		Status:    status,
		Ended:     s.now(),
	}
	log.recent = append(log.recent, entry)
	if c.name == createName {
		log.attempts[c.key()]++
	}
	s.emit(LogEntry{Kind: LogRequest, Phone: c.phone, AgentID: agentName(entry.AgentID), MessageID: c.id, Request: &entry})
}
