// Package pubsub is a stand-in for Pub/Sub: an [http.Handler] that accepts messages by its
// REST API and keeps the last ones. It has no subscriptions.
package pubsub

import (
	"encoding/json"
	"fmt"
	"net/http"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/rcshook/rcshook/internal/googletest"
)

// Server serves POST /v1/projects/*/topics/*:publish, and :testIamPermissions, which grants
// all permissions for existing topics. Its methods may be called from several goroutines.
//
// Google docs: https://docs.cloud.google.com/pubsub/docs/reference/rest/v1/projects.topics/publish
type Server struct {
	// Authorize, if set, checks the access token of each request. Set it before the
	// first request.
	Authorize func(token string) error

	// Outage makes requests fail or hang.
	googletest.Outage

	mu     sync.Mutex
	topics map[string][]Message
	count  int
}

// Message is a message in a topic.
type Message struct {
	Data       []byte            `json:"data"`
	Attributes map[string]string `json:"attributes"`
	ID         string            `json:"-"`
}

// AddTopic creates a topic, projects/*/topics/*.
func (s *Server) AddTopic(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.topics == nil {
		s.topics = make(map[string][]Message)
	}
	s.topics[name] = []Message{}
}

// Messages returns the last 10,000 messages of a topic in the order of their arrival.
func (s *Server) Messages(topic string) []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.topics[topic])
}

// ServeHTTP serves the REST API.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	googletest.Decompress(r)
	if topic, ok := strings.CutSuffix(r.URL.Path, ":testIamPermissions"); ok {
		s.testPermissions(w, r, strings.TrimPrefix(topic, "/v1/"))
		return
	}
	ids, err := s.publish(w, r)
	if err != nil {
		err.Write(w)
		return
	}
	googletest.WriteJSON(w, http.StatusOK, map[string]any{"messageIds": ids})
}

// testPermissions serves the requested permissions. For a missing topic there are none.
//
// Google docs: https://docs.cloud.google.com/pubsub/docs/reference/rest/v1/projects.topics/testIamPermissions
func (s *Server) testPermissions(w http.ResponseWriter, r *http.Request, topic string) {
	if s.Authorize != nil && s.Authorize(googletest.BearerToken(r)) != nil {
		(&googletest.Error{Code: http.StatusUnauthorized, Message: googletest.InvalidToken}).Write(w)
		return
	}
	var permissions struct {
		Permissions []string `json:"permissions,omitempty"`
	}
	if json.NewDecoder(http.MaxBytesReader(w, r.Body, maxRequest)).Decode(&permissions) != nil {
		(&googletest.Error{Code: http.StatusBadRequest, Message: "Payload isn't valid for request."}).Write(w)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.topics[topic] == nil {
		permissions.Permissions = nil
	}
	googletest.WriteJSON(w, http.StatusOK, permissions)
}

var publishPath = regexp.MustCompile(`^/v1/(projects/[^/]+/topics/[^/:]+):publish$`)

// Limits of a request and of the attributes of a message.
//
// Google docs: https://docs.cloud.google.com/pubsub/quotas#resource_limits
const (
	maxRequest    = 10_000_000
	maxMessages   = 1000
	maxAttributes = 100
	maxKey        = 256
	maxValue      = 1024
)

// maxKept is the number of messages that a topic keeps.
const maxKept = 10_000

func (s *Server) publish(w http.ResponseWriter, r *http.Request) ([]string, *googletest.Error) {
	m := publishPath.FindStringSubmatch(r.URL.Path)
	if m == nil || r.Method != http.MethodPost {
		return nil, &googletest.Error{Code: http.StatusNotFound, Message: "Method not found."}
	}
	if s.Authorize != nil && s.Authorize(googletest.BearerToken(r)) != nil {
		return nil, &googletest.Error{Code: http.StatusUnauthorized, Message: googletest.InvalidToken}
	}
	if status := s.Next(r.Context()); status != 0 {
		return nil, &googletest.Error{Code: status, Message: "The service failed on demand."}
	}
	invalid := func(message string) ([]string, *googletest.Error) {
		return nil, &googletest.Error{Code: http.StatusBadRequest, Message: message}
	}
	var request struct{ Messages []Message }
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxRequest))
	decoder.DisallowUnknownFields()
	if decoder.Decode(&request) != nil {
		return invalid("Payload isn't valid for request.")
	}
	if len(request.Messages) == 0 || len(request.Messages) > maxMessages {
		return invalid(fmt.Sprintf("A request must have 1 to %d messages.", maxMessages))
	}
	for _, message := range request.Messages {
		if len(message.Data)+len(message.Attributes) == 0 || len(message.Attributes) > maxAttributes {
			return invalid("A message is empty, or has too many attributes.")
		}
		for key, value := range message.Attributes {
			if strings.HasPrefix(key, "goog") || len(key) > maxKey || len(value) > maxValue {
				return invalid("An attribute of a message is invalid.")
			}
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.topics[m[1]] == nil {
		return nil, &googletest.Error{Code: http.StatusNotFound, Message: fmt.Sprintf("Resource not found (resource=%s).", path.Base(m[1]))}
	}
	var ids []string
	all := s.topics[m[1]]
	for _, message := range request.Messages {
		s.count++
		message.ID = strconv.Itoa(s.count)
		all, ids = append(all, message), append(ids, message.ID)
	}
	s.topics[m[1]] = slices.Delete(all, 0, max(0, len(all)-maxKept))
	return ids, nil
}
