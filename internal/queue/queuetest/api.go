package queuetest

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// A Fault befalls requests to create a task.
type Fault struct {
	Status  string // of the API, such as PERMISSION_DENIED or UNAVAILABLE
	Message string
	Reason  string // in the details, such as SERVICE_DISABLED
	Count   int    // how many requests; negative means all that follow

	// After lets the task be created before the answer, Break cuts the
	// connection instead of answering.
	After, Break bool

	// Hang waits until the caller gives up.
	Hang bool
}

// Fail adds a fault. Faults happen one after the other.
func (s *Server) Fail(f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, f)
}

// nextFault returns the fault of a request, if it has one.
func (s *Server) nextFault() *Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.faults) == 0 {
		return nil
	}
	f := s.faults[0]
	if s.faults[0].Count--; s.faults[0].Count == 0 {
		s.faults = s.faults[1:]
	}
	return &f
}

// statuses are the codes of errors in HTTP.
//
// Google docs: https://docs.cloud.google.com/apis/design/errors
var statuses = map[string]int{
	"INVALID_ARGUMENT": 400, "FAILED_PRECONDITION": 400, "UNAUTHENTICATED": 401, "PERMISSION_DENIED": 403,
	"NOT_FOUND": 404, "ALREADY_EXISTS": 409, "RESOURCE_EXHAUSTED": 429, "INTERNAL": 500, "UNAVAILABLE": 503,
}

// apiError is how the API refuses.
type apiError struct{ status, message, reason string }

func (e *apiError) Error() string { return e.status + ": " + e.message }

func invalid(format string, args ...any) error {
	return &apiError{status: "INVALID_ARGUMENT", message: fmt.Sprintf(format, args...)}
}

func (e *apiError) write(w http.ResponseWriter) {
	details := []any{}
	if e.reason != "" {
		details = append(details, map[string]any{
			"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": e.reason, "domain": "googleapis.com",
		})
	}
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	w.WriteHeader(statuses[e.status])
	json.NewEncoder(w).Encode(map[string]any{"error": map[string]any{
		"code": statuses[e.status], "message": e.message, "status": e.status, "details": details,
	}})
}

var (
	ofQueue = regexp.MustCompile(`^/v2/(projects/[^/]+/locations/[^/]+/queues/[^/:]+)(/tasks|:pause|:resume)?$`)
	ofTask  = regexp.MustCompile(`^/v2/((projects/[^/]+/locations/[^/]+/queues/[^/:]+)/tasks/[^/:]+)(:run)?$`)
)

// ServeHTTP serves the REST API.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.start()
	s.mu.Unlock()
	answer, err := s.serve(w, r)
	if e, ok := err.(*apiError); ok { //nolint:errorlint // ours, not wrapped
		e.write(w)
		return
	}
	text, err := protojson.MarshalOptions{UseEnumNumbers: strings.Contains(r.URL.RawQuery, "enum-encoding")}.Marshal(answer)
	if err != nil {
		panic("queuetest: " + err.Error())
	}
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	_, _ = w.Write(text) // the caller may be gone
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) (proto.Message, error) {
	if s.Authorize != nil {
		token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if !ok || s.Authorize(token) != nil {
			return nil, &apiError{status: "UNAUTHENTICATED", message: "Request had invalid authentication credentials."}
		}
	}
	if m := ofTask.FindStringSubmatch(r.URL.Path); m != nil {
		return s.serveTask(r.Method+m[3], m[1])
	}
	m := ofQueue.FindStringSubmatch(r.URL.Path)
	if m == nil {
		return nil, &apiError{status: "NOT_FOUND", message: "Method not found."}
	}
	switch r.Method + m[2] {
	case "POST/tasks":
		return s.create(w, r, m[1])
	case "POST:pause", "POST:resume", "GET":
		return s.serveQueue(r.Method+m[2], m[1])
	}
	return nil, &apiError{status: "NOT_FOUND", message: "Method not found."}
}

func (s *Server) serveQueue(method, name string) (proto.Message, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.queues[name]
	if q == nil {
		return nil, &apiError{status: "NOT_FOUND", message: "Queue does not exist."}
	}
	switch paused := q.paused(); {
	case method == "POST:pause" && !paused:
		q.resumed = make(chan struct{})
	case method == "POST:resume" && paused:
		close(q.resumed)
	}
	state := cloudtaskspb.Queue_RUNNING
	if q.paused() {
		state = cloudtaskspb.Queue_PAUSED
	}
	return &cloudtaskspb.Queue{Name: name, State: state}, nil
}

func (q *queue) paused() bool {
	select {
	case <-q.resumed:
		return false
	default:
		return true
	}
}

func (s *Server) serveTask(method, name string) (proto.Message, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tasks[name]
	if t == nil {
		return nil, &apiError{status: "NOT_FOUND", message: "The task does not exist."}
	}
	switch method {
	case "GET":
		return basic(t.Task), nil
	case "POST:run":
		select {
		case <-t.forced:
		default:
			close(t.forced)
		}
		return basic(t.Task), nil
	case "DELETE":
		s.finish(t, false)
		close(t.gone)
		s.changed()
		return &cloudtaskspb.Task{}, nil
	}
	return nil, &apiError{status: "NOT_FOUND", message: "Method not found."}
}

// basic is a task without what may be large or private.
func basic(t *cloudtaskspb.Task) *cloudtaskspb.Task {
	shown := proto.Clone(t).(*cloudtaskspb.Task) //nolint:errcheck // of the same type
	shown.GetHttpRequest().Body = nil
	shown.View = cloudtaskspb.Task_BASIC
	return shown
}

// create takes a task, unless a fault befalls the request.
func (s *Server) create(w http.ResponseWriter, r *http.Request, parent string) (proto.Message, error) {
	f := s.nextFault()
	var answer proto.Message
	var err error
	if f == nil || f.After {
		answer, err = s.add(w, r, parent)
	}
	switch {
	case f == nil:
		return answer, err
	case f.Hang:
		_, _ = io.Copy(io.Discard, r.Body) // or the server would not notice that the caller leaves
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	case f.Break:
		panic(http.ErrAbortHandler)
	}
	return nil, &apiError{f.Status, f.Message, f.Reason}
}

func (s *Server) add(w http.ResponseWriter, r *http.Request, parent string) (proto.Message, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 4<<20))
	if err != nil {
		return nil, invalid("The request is too large.")
	}
	request := new(cloudtaskspb.CreateTaskRequest)
	if err := protojson.Unmarshal(body, request); err != nil {
		return nil, invalid("Invalid JSON payload received.")
	}
	made := request.GetTask()
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.queues[parent]
	if q == nil {
		return nil, &apiError{status: "NOT_FOUND", message: "Queue does not exist. If you just created the queue, wait at least a minute for the queue to initialize."}
	}
	if err := s.check(made, parent); err != nil {
		return nil, err
	}
	until, taken := s.names[made.GetName()]
	if s.tasks[made.GetName()] != nil || taken && s.now().Before(until) {
		return nil, &apiError{status: "ALREADY_EXISTS", message: "The task cannot be created because a task with this name existed too recently."}
	}
	if s.closed {
		return nil, &apiError{status: "UNAVAILABLE", message: "The service is currently unavailable."}
	}
	now := s.now()
	made.CreateTime = timestamppb.New(now)
	if at := made.GetScheduleTime(); at == nil || at.AsTime().Before(now) {
		made.ScheduleTime = made.CreateTime
	}
	if made.GetDispatchDeadline() == nil {
		made.DispatchDeadline = durationpb.New(10 * time.Minute)
	}
	t := &task{Task: made, queue: q, forced: make(chan struct{}), gone: make(chan struct{})}
	s.tasks[made.GetName()] = t
	s.work.Go(func() { s.run(t) })
	s.changed()
	return basic(made), nil
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

// maxTaskID is the length that is not written as a repetition: that would take 9 ms to
// compile at the start of every process.
const maxTaskID = 500

var taskID = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

// check refuses what the service does not take. s.mu is held.
func (s *Server) check(t *cloudtaskspb.Task, parent string) error {
	if t == nil {
		return invalid("Task must be set.")
	}
	id, ok := strings.CutPrefix(t.GetName(), parent+"/tasks/")
	h := t.GetHttpRequest()
	deadline := t.GetDispatchDeadline()
	switch {
	case !ok || len(id) > maxTaskID || !taskID.MatchString(id):
		// The real service makes names up; this one is for those who give them.
		return invalid("Task.name must be below the queue, with letters, digits, - and _.")
	case proto.Size(t) > maxTask:
		return invalid("Task size too large: %d bytes, at most %d.", proto.Size(t), maxTask)
	case t.GetScheduleTime() != nil && t.GetScheduleTime().AsTime().After(s.now().Add(maxAhead)):
		return invalid("The ScheduleTime is too far in the future.")
	case deadline != nil && (deadline.AsDuration() < 15*time.Second || deadline.AsDuration() > 30*time.Minute):
		return invalid("The dispatch_deadline must be between [15s, 30m].")
	case t.GetCreateTime() != nil || t.GetDispatchCount() != 0 || t.GetFirstAttempt() != nil:
		return invalid("A field of the task is output only.")
	case h == nil:
		return invalid("Only HTTP targets are known here.")
	case h.GetHttpMethod() != cloudtaskspb.HttpMethod_POST && h.GetHttpMethod() != cloudtaskspb.HttpMethod_HTTP_METHOD_UNSPECIFIED:
		return invalid("Only POST is known here.")
	}
	return s.checkTarget(h)
}

func (s *Server) checkTarget(h *cloudtaskspb.HttpRequest) error {
	u, err := url.Parse(h.GetUrl())
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || len(h.GetUrl()) > maxURL {
		return invalid("HttpRequest.url is invalid.")
	}
	size := 0
	for _, name := range slices.Sorted(maps.Keys(h.GetHeaders())) {
		size += len(name) + len(h.GetHeaders()[name])
		if lower := strings.ToLower(name); strings.HasPrefix(lower, "x-google-") || strings.HasPrefix(lower, "x-appengine-") || lower == "host" {
			return invalid("The header %s is for Google.", name)
		}
	}
	token := h.GetOidcToken()
	switch {
	case size > maxHeaders:
		return invalid("The headers are too large.")
	case h.GetOauthToken() != nil:
		return invalid("Only OIDC tokens are known here.")
	case token != nil && !strings.Contains(token.GetServiceAccountEmail(), "@"):
		return invalid("OidcToken.service_account_email is invalid.")
	case token != nil && s.Issuer == nil:
		return &apiError{status: "PERMISSION_DENIED", message: `The principal lacks IAM permission "iam.serviceAccounts.actAs" for the resource.`}
	}
	return nil
}
