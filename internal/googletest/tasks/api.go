package tasks

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rcshook/rcshook/internal/googletest"
)

// A Failure makes requests to create or to delete a task fail.
type Failure struct {
	// Method is create or delete; empty means create.
	Method string

	Status  string // of the error, such as PERMISSION_DENIED or UNAVAILABLE
	Message string // of the error
	Reason  string // in the details of the error, such as SERVICE_DISABLED
	Count   int    // number of requests; negative means all that follow

	// After creates or deletes the task before the failure. Break ends the connection
	// without a response.
	After, Break bool

	// Hang waits until the client disconnects.
	Hang bool
}

// Fail adds a failure. The failures of a method happen in the order in which they were
// added.
func (s *Server) Fail(f Failure) {
	f.Method = cmp.Or(f.Method, "create")
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failures = append(s.failures, f)
}

func invalid(format string, args ...any) error {
	return &googletest.Error{Code: http.StatusBadRequest, Message: fmt.Sprintf(format, args...)}
}

func notFound(message string) error {
	return &googletest.Error{Code: http.StatusNotFound, Message: message}
}

var errMethod = notFound("Method not found.")

var (
	queuePath = regexp.MustCompile(`^/v2/(projects/[^/]+/locations/[^/]+/queues/[^/:]+)(/tasks|:pause|:resume|:testIamPermissions)?$`)
	taskPath  = regexp.MustCompile(`^/v2/((projects/[^/]+/locations/[^/]+/queues/[^/:]+)/tasks/[^/:]+)(:run)?$`)
)

// ServeHTTP serves the REST API.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	googletest.Decompress(r)
	s.mu.Lock()
	s.init()
	s.mu.Unlock()
	response, err := s.serve(w, r)
	if e, ok := errors.AsType[*googletest.Error](err); ok {
		e.Write(w)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	_ = json.NewEncoder(w).Encode(response) // the client may have disconnected
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) (any, error) {
	if s.Authorize != nil {
		if s.Authorize(googletest.BearerToken(r)) != nil {
			return nil, &googletest.Error{Code: http.StatusUnauthorized, Message: googletest.InvalidToken}
		}
	}
	if m := taskPath.FindStringSubmatch(r.URL.Path); m != nil {
		switch method := r.Method + m[3]; method {
		case "GET":
			return s.serveTask("get", m[1])
		case "POST:run":
			return s.serveTask("run", m[1])
		case "DELETE":
			return s.attempt(r, "delete", func() (any, error) { return s.serveTask("delete", m[1]) })
		}
		return nil, errMethod
	}
	m := queuePath.FindStringSubmatch(r.URL.Path)
	if m == nil {
		return nil, errMethod
	}
	switch r.Method + m[2] {
	case "POST/tasks":
		return s.attempt(r, "create", func() (any, error) { return s.add(w, r, m[1]) })
	case "POST:pause", "POST:resume", "GET":
		return s.serveQueue(r.Method+m[2], m[1])
	case "POST:testIamPermissions":
		return s.testPermissions(r, m[1])
	}
	return nil, errMethod
}

func (s *Server) serveQueue(method, name string) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.queues[name]
	if q == nil {
		return nil, notFound("Queue does not exist.")
	}
	if method == "GET" {
		if err := s.allow("cloudtasks.queues.get"); err != nil {
			return nil, err
		}
	}
	paused := !isClosed(q.resumed)
	switch {
	case method == "POST:pause" && !paused:
		q.resumed, paused = make(chan struct{}), true
	case method == "POST:resume" && paused:
		close(q.resumed)
		paused = false
	}
	state := "RUNNING"
	if paused {
		state = "PAUSED"
	}
	retry := map[string]any{"maxAttempts": q.settings.Attempts, "maxBackoff": seconds(q.settings.MaxBackoff), "maxDoublings": q.settings.Doublings}
	if q.settings.MaxDuration > 0 {
		retry["maxRetryDuration"] = seconds(q.settings.MaxDuration)
	}
	return map[string]any{"name": name, "state": state, "retryConfig": retry}, nil
}

func seconds(d time.Duration) string { return strconv.FormatFloat(d.Seconds(), 'f', -1, 64) + "s" }

// testPermissions returns the requested permissions that are not denied. For a missing queue
// there are none.
//
// Google docs: https://docs.cloud.google.com/tasks/docs/reference/rest/v2/projects.locations.queues/testIamPermissions
func (s *Server) testPermissions(r *http.Request, name string) (any, error) {
	var permissions struct {
		Permissions []string `json:"permissions,omitempty"`
	}
	if json.NewDecoder(r.Body).Decode(&permissions) != nil {
		return nil, invalid("Invalid JSON payload received.")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	permissions.Permissions = slices.DeleteFunc(permissions.Permissions, func(p string) bool {
		return s.queues[name] == nil || slices.Contains(s.Denied, p)
	})
	return permissions, nil
}

// allow returns an error if callers lack a permission.
func (s *Server) allow(permission string) error {
	if !slices.Contains(s.Denied, permission) {
		return nil
	}
	return &googletest.Error{Code: http.StatusForbidden, Message: fmt.Sprintf("The principal lacks IAM permission %q for the resource.", permission)}
}

// serveTask gets, runs or deletes a task. An attempt in flight goes on after the task is
// deleted, as the last one.
//
// Google docs: https://docs.cloud.google.com/tasks/docs/reference/rest/v2/projects.locations.queues.tasks/delete
func (s *Server) serveTask(method, name string) (any, error) {
	if err := s.allow("cloudtasks.tasks." + method); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tasks[name]
	switch {
	case t == nil && s.now().Before(s.names[name]):
		return nil, notFound("The task no longer exists, though a task with this name existed recently. The task either successfully completed or was deleted.")
	case t == nil:
		return nil, notFound("Requested entity was not found.")
	case method == "run" && !isClosed(t.forced):
		close(t.forced)
	case method == "delete":
		s.finish(t, Ended{Deleted: true})
		close(t.deleted)
		s.changed()
		return struct{}{}, nil
	}
	return t.basicView(), nil
}

// basicView returns a task without the fields that may be large or private.
func (t apiTask) basicView() apiTask {
	h := *t.HTTPRequest
	h.Body = nil
	t.HTTPRequest, t.View = &h, "BASIC"
	return t
}

// apiTask is a task in requests and responses.
//
// Google docs: https://docs.cloud.google.com/tasks/docs/reference/rest/v2/projects.locations.queues.tasks#Task
type apiTask struct {
	Name             string          `json:"name"`
	HTTPRequest      *httpRequest    `json:"httpRequest,omitempty"`
	ScheduleTime     time.Time       `json:"scheduleTime,omitzero"`
	CreateTime       time.Time       `json:"createTime,omitzero"`
	DispatchDeadline string          `json:"dispatchDeadline,omitempty"`
	DispatchCount    int             `json:"dispatchCount,omitempty"`
	ResponseCount    int             `json:"responseCount,omitempty"`
	FirstAttempt     json.RawMessage `json:"firstAttempt,omitempty"`
	LastAttempt      json.RawMessage `json:"lastAttempt,omitempty"`
	View             string          `json:"view,omitempty"`
	AppEngine        json.RawMessage `json:"appEngineHttpRequest,omitempty"`
}

type httpRequest struct {
	URL        string            `json:"url"`
	HTTPMethod string            `json:"httpMethod,omitempty"`
	Headers    map[string]string `json:"headers,omitempty"`
	Body       []byte            `json:"body,omitempty"`
	OIDCToken  *oidcToken        `json:"oidcToken,omitempty"`
	OAuthToken json.RawMessage   `json:"oauthToken,omitempty"`
}

type oidcToken struct {
	ServiceAccountEmail string `json:"serviceAccountEmail"`
	Audience            string `json:"audience,omitempty"`
}

// deadline returns the time limit of one dispatch; false if it is malformed.
func (t apiTask) deadline() (time.Duration, bool) {
	if t.DispatchDeadline == "" {
		return defaultDeadline, true
	}
	seconds, err := strconv.ParseFloat(strings.TrimSuffix(t.DispatchDeadline, "s"), 64)
	return time.Duration(seconds * float64(time.Second)), err == nil && strings.HasSuffix(t.DispatchDeadline, "s")
}

const defaultDeadline = 10 * time.Minute

// attempt serves a request by f, unless the request must fail.
func (s *Server) attempt(r *http.Request, method string, f func() (any, error)) (any, error) {
	s.mu.Lock()
	i := slices.IndexFunc(s.failures, func(f Failure) bool { return f.Method == method })
	var failure Failure
	if i >= 0 {
		failure = s.failures[i]
		if s.failures[i].Count--; s.failures[i].Count == 0 {
			s.failures = slices.Delete(s.failures, i, i+1)
		}
	}
	s.mu.Unlock()
	if i < 0 {
		return f()
	}
	if failure.After {
		_, _ = f() // the failure replaces its result
	}
	switch {
	case failure.Hang:
		_, _ = io.Copy(io.Discard, r.Body) // lets the server notice when the client disconnects
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	case failure.Break:
		panic(http.ErrAbortHandler)
	}
	e := &googletest.Error{Code: googletest.StatusCode(failure.Status), Status: failure.Status, Message: failure.Message}
	if failure.Reason != "" {
		e.Details = []any{googletest.ErrorInfo(failure.Reason, nil)}
	}
	return nil, e
}

func (s *Server) add(w http.ResponseWriter, r *http.Request, parent string) (any, error) {
	if err := s.allow("cloudtasks.tasks.create"); err != nil {
		return nil, err
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 4<<20))
	if err != nil {
		return nil, invalid("The request is too large.")
	}
	var request struct {
		Parent string   `json:"parent"`
		Task   *apiTask `json:"task"`
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	if decoder.Decode(&request) != nil {
		return nil, invalid("Invalid JSON payload received.")
	}
	added := request.Task
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.queues[parent]
	if q == nil {
		return nil, notFound("Queue does not exist. If you just created the queue, wait at least a minute for the queue to initialize.")
	}
	if err := s.check(added, parent); err != nil {
		return nil, err
	}
	if s.tasks[added.Name] != nil || s.now().Before(s.names[added.Name]) {
		return nil, &googletest.Error{Code: http.StatusConflict, Message: "The task cannot be created because a task with this name existed too recently."}
	}
	if s.closed {
		return nil, &googletest.Error{Code: http.StatusServiceUnavailable, Message: "The service is currently unavailable."}
	}
	now := s.now()
	added.CreateTime = now
	if added.ScheduleTime.Before(now) {
		added.ScheduleTime = now
	}
	t := &task{apiTask: *added, queue: q, forced: make(chan struct{}), deleted: make(chan struct{})}
	s.tasks[added.Name] = t
	s.observe(t, nil)
	s.work.Go(func() { s.run(t) })
	s.changed()
	return added.basicView(), nil
}

// Limits of a task.
//
// Google docs: https://docs.cloud.google.com/tasks/docs/quotas
// Google docs: https://docs.cloud.google.com/tasks/docs/reference/rest/v2/projects.locations.queues.tasks#HttpRequest
const (
	maxTask    = 1 << 20
	maxAhead   = 30 * 24 * time.Hour
	maxURL     = 2083
	maxHeaders = 80 << 10
)

// maxTaskID is checked apart from taskID: as a repetition it would take 9 ms to compile
// at the start of every process.
const maxTaskID = 500

var taskID = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

// check rejects tasks that the service would reject. s.mu must be held.
func (s *Server) check(t *apiTask, parent string) error {
	if t == nil {
		return invalid("Task must be set.")
	}
	id, ok := strings.CutPrefix(t.Name, parent+"/tasks/")
	h := t.HTTPRequest
	deadline, wellFormed := t.deadline()
	switch {
	case !ok || len(id) > maxTaskID || !taskID.MatchString(id):
		// The real service accepts tasks without a name; this one does not.
		return invalid("Task.name must be below the queue, with letters, digits, - and _.")
	case t.ScheduleTime.After(s.now().Add(maxAhead)):
		return invalid("The ScheduleTime is too far in the future.")
	case !wellFormed || deadline < 15*time.Second || deadline > 30*time.Minute:
		return invalid("The dispatch_deadline must be between [15s, 30m].")
	case !t.CreateTime.IsZero() || t.DispatchCount != 0 || t.ResponseCount != 0 || t.FirstAttempt != nil || t.LastAttempt != nil:
		return invalid("A field of the task is output only.")
	case h == nil || t.AppEngine != nil:
		return invalid("This stand-in supports HTTP targets only.")
	case h.HTTPMethod != "POST" && h.HTTPMethod != "":
		return invalid("This stand-in supports POST only.")
	}
	u, err := url.Parse(h.URL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || len(h.URL) > maxURL {
		return invalid("HttpRequest.url is invalid.")
	}
	size := 0
	for _, name := range slices.Sorted(maps.Keys(h.Headers)) {
		size += len(name) + len(h.Headers[name])
		if lower := strings.ToLower(name); strings.HasPrefix(lower, "x-google-") || strings.HasPrefix(lower, "x-appengine-") || lower == "host" {
			return invalid("The header %s is reserved.", name)
		}
	}
	total := len(t.Name) + len(h.URL) + len(h.Body) + size
	token := h.OIDCToken
	switch {
	case total > maxTask:
		return invalid("Task size too large: %d bytes, at most %d.", total, maxTask)
	case size > maxHeaders:
		return invalid("The headers are too large.")
	case h.OAuthToken != nil:
		return invalid("This stand-in supports OIDC tokens only.")
	case token != nil && !strings.Contains(token.ServiceAccountEmail, "@"):
		return invalid("OidcToken.service_account_email is invalid.")
	case token != nil && s.Issuer == nil:
		return &googletest.Error{Code: http.StatusForbidden, Message: `The principal lacks IAM permission "iam.serviceAccounts.actAs" for the resource.`}
	}
	return nil
}
