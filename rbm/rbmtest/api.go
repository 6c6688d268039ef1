package rbmtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"github.com/rcshook/rcshook/internal/googletest"
	"github.com/rcshook/rcshook/internal/googletest/token"
	"github.com/rcshook/rcshook/rbm"
)

// method is one method of the API.
type method struct {
	name   string      // in the reference
	rpc    string      // in the protocol buffers
	verb   string      // HTTP method
	id     string      // query parameter that holds an ID, if any
	needID bool        // the ID must be there
	query  string      // further query parameter, in snake_case
	body   *descriptor // nil: takes no body
	root   string      // field that the body stands for; empty: the whole request
	handle func(*Simulator, *call) (*node, *apiError)
}

// The methods of the API, by the part of their path after the phone number, or
// else after the version.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest
var methods = map[string]*method{
	"phones/*/agentMessages": {
		name: createName, rpc: "CreateAgentMessage", verb: http.MethodPost,
		id: "message_id", needID: true, body: agentMessageSchema, root: "agent_message",
		handle: (*Simulator).createMessage,
	},
	"phones/*/agentMessages/*": {
		name: "phones.agentMessages.delete", rpc: "DeleteAgentMessage", verb: http.MethodDelete,
		handle: (*Simulator).deleteMessage,
	},
	"phones/*/agentEvents": {
		name: "phones.agentEvents.create", rpc: "CreateAgentEvent", verb: http.MethodPost,
		id: "event_id", body: agentEventSchema, root: "agent_event",
		handle: (*Simulator).createEvent,
	},
	"phones/*/capabilities": {
		name: capabilitiesName, rpc: "GetCapabilities", verb: http.MethodGet,
		id:     "request_id",
		handle: (*Simulator).getCapabilities,
	},
	"phones/*/testers": {
		name: "phones.testers.create", rpc: "CreateTester", verb: http.MethodPost,
		body: testerSchema, root: "tester",
		handle: (*Simulator).createTester,
	},
	"phones/*/dialogflowMessages": {
		name: "phones.dialogflowMessages.create", rpc: "CreateDialogflowEvent", verb: http.MethodPost,
		query: "message_id_prefix", body: dialogflowSchema, root: "dialogflow_message",
		handle: (*Simulator).createDialogflowEvent,
	},
	"users:batchGet": {
		name: "users.batchGet", rpc: "BatchGetUsers", verb: http.MethodPost,
		body:   batchGetSchema,
		handle: (*Simulator).batchGet,
	},
	"files": {
		name: "files.create", rpc: "CreateFile", verb: http.MethodPost,
		body:   fileSchema,
		handle: (*Simulator).createFile,
	},
}

const capabilitiesName = "phones.getCapabilities"

const createName = "phones.agentMessages.create"

// call is one request, as far as it has been understood.
type call struct {
	*method
	request *http.Request
	query   url.Values // by the parameters' names in snake_case
	phone   string
	agentID string
	agent   *AgentConfig
	id      string   // from the query, or the name of a message in the path
	raw     []byte   // body as it was sent
	sent    *node    // body as it was sent, parsed
	body    *node    // body with every name and value in its usual form
	ending  *Failure // what happens to the answer, if the number does that
}

// key identifies the call for duplicates and for faults that count per ID.
func (c *call) key() idKey {
	return idKey{agentName(c.agentID), c.id}
}

// serveAPI answers a request for the RBM API. The checks run in this order, of
// which no document speaks:
//
//  1. path and HTTP method: 404
//  2. access token: 401, and its scope: 403
//  3. faults arranged with Fail
//  4. query parameters and body against their schema: 400, all misfits at once
//  5. agent: 403
//  6. phone number, ID, rules of the message, traffic type: 400
//  7. ID used before: 200 with the first answer, or 409
//  8. behavior of the number: its fault, then its refusal
//
// Assumption: the order.
func (s *Simulator) serveAPI(w http.ResponseWriter, r *http.Request) {
	c := route(r)
	if c == nil {
		errUnknownPath.write(w, r)
		return
	}
	s.serveAs(w, r, c, s.serveCall)
}

// serveAs does steps 2 and 3 and leaves the rest to next. The page of a proxy comes
// before them.
func (s *Simulator) serveAs(w http.ResponseWriter, r *http.Request, c *call, next func(http.ResponseWriter, *http.Request, *call)) {
	answer := &statusWriter{ResponseWriter: w}
	defer func() { s.record(c, answer.status) }()
	if f := s.takeFault(c.name, c.phone, c.key(), true, true); f != nil {
		s.suffer(answer, r, f, nil)
		return
	}
	if refusal := s.authorize(c); refusal != nil && !s.hasUpload(r) {
		refusal.write(answer, r)
		return
	}
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { next(w, r, c) })
	if f := s.takeFault(c.name, c.phone, c.key(), true, false); f != nil {
		s.suffer(answer, r, f, h)
		return
	}
	h.ServeHTTP(answer, r)
}

// serveCall does steps 4 to 8.
func (s *Simulator) serveCall(w http.ResponseWriter, r *http.Request, c *call) {
	result, refusal := s.carryOut(w, c)
	if refusal != nil {
		refusal.write(w, r)
		return
	}
	s.end(w, r, c.ending, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		writeAPI(w, r, http.StatusOK, result)
	}))
}

func (s *Simulator) carryOut(w http.ResponseWriter, c *call) (*node, *apiError) {
	if refusal := c.read(w); refusal != nil {
		return nil, refusal
	}
	if c.agentID == "" && c.body != nil {
		c.agentID = c.body.str("agentId")
	}
	if refusal := s.findAgent(c); refusal != nil {
		return nil, refusal
	}
	if c.phone != "" && !e164.MatchString(c.phone) {
		// Assumption: the wording.
		return nil, invalidArgument("The phone number in the resource name is not in E.164 format.")
	}
	if refusal := s.checkID(c); refusal != nil {
		return nil, refusal
	}
	return c.handle(s, c)
}

// findAgent looks up the agent of a call.
func (s *Simulator) findAgent(c *call) *apiError {
	if c.agentID == "" {
		return unknownAgent("null")
	}
	if c.agent = s.agent(c.agentID); c.agent == nil {
		return unknownAgent(agentName(c.agentID))
	}
	return nil
}

// e164 is the form of a phone number: a plus sign and 7 to 15 digits.
var e164 = regexp.MustCompile(`^\+[1-9][0-9]{6,14}$`)

// checkID checks the ID in the query, or makes one up.
//
// Assumption: the wording of the refusals.
func (s *Simulator) checkID(c *call) *apiError {
	if c.method.id == "" {
		return nil
	}
	name := (&field{name: c.method.id}).json()
	switch {
	case c.id == "" && c.needID && !s.Assume.AllowMissingID:
		return invalidArgument("The %s is missing. It must be a UUID.", name)
	case c.id != "" && s.Assume.RequireUUID && uuid.Validate(c.id) != nil:
		return invalidArgument("The %s is not a valid UUID.", name)
	case c.id == "":
		c.id = uuid.NewString()
	}
	return nil
}

// route finds the method that a request calls, or returns nil.
func route(r *http.Request) *call {
	c := &call{request: r, query: url.Values{}}
	parts, ok := pathParts(r.URL)
	if !ok || parts[0] != "v1" {
		return nil
	}
	parts = parts[1:]
	if parts[0] == "phones" && len(parts) >= 3 {
		c.phone, parts[1] = parts[1], "*"
		if len(parts) == 4 {
			c.id, parts[3] = parts[3], "*"
		}
	}
	c.method = methods[strings.Join(parts, "/")]
	if c.method == nil || c.verb != r.Method {
		return nil
	}
	c.takeQuery()
	return c
}

// takeQuery sorts the query into what belongs to the method.
func (c *call) takeQuery() {
	for name, values := range c.request.URL.Query() {
		if known := c.parameter(name); known != "" {
			c.query[known] = values
		}
	}
	c.agentID = c.query.Get("agent_id")
	if c.method.id != "" {
		c.id = c.query.Get(c.method.id)
	}
}

// pathParts splits a path before decoding it, so that an encoded slash stays
// inside its part.
func pathParts(u *url.URL) ([]string, bool) {
	parts := strings.Split(strings.TrimPrefix(u.EscapedPath(), "/"), "/")
	for i, part := range parts {
		decoded, err := url.PathUnescape(part)
		if err != nil || decoded == "" {
			return nil, false
		}
		parts[i] = decoded
	}
	return parts, true
}

// parameter returns the name in snake_case of a query parameter of the method
// itself, or "".
func (c *call) parameter(name string) string {
	for _, known := range []string{"agent_id", c.method.id, c.method.query} {
		if known != "" && (name == known || name == (&field{name: known}).json()) {
			return known
		}
	}
	return ""
}

// standardParameters may be added to every call. Of these the simulator heeds
// access_token, oauth_token, prettyPrint and $.xgafv.
var standardParameters = []string{
	"$.xgafv", "access_token", "alt", "callback", "fields", "key", "oauth_token", "prettyPrint",
	"quotaUser", "uploadType", "upload_protocol", "$alt", "$callback", "$fields", "$key", "$prettyPrint",
}

// authorize checks the access token.
func (s *Simulator) authorize(c *call) *apiError {
	shown := googletest.BearerToken(c.request)
	for _, name := range []string{"access_token", "oauth_token"} {
		if shown == "" {
			shown = c.request.URL.Query().Get(name)
		}
	}
	if shown == "" {
		if c.request.Header.Get("Authorization") != "" {
			return errBadToken
		}
		return errNoToken
	}
	switch _, err := s.tokens.Check(shown, rbm.Scope); {
	case errors.Is(err, token.ErrScope):
		return insufficientScope(strings.TrimPrefix(protoV1, "type.googleapis.com/") + "RcsBusinessMessagingService." + c.rpc)
	case err != nil:
		return errBadToken
	default:
		return nil
	}
}

// read takes in query and body.
func (c *call) read(w http.ResponseWriter) *apiError {
	raw, err := io.ReadAll(http.MaxBytesReader(w, c.request.Body, maxBody))
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return invalidArgument("Request payload size exceeds the limit: %d bytes.", tooLarge.Limit)
	}
	if err != nil {
		return trouble(http.StatusInternalServerError, "", 0)
	}
	if refusal := c.checkQuery(); refusal != nil {
		return refusal
	}
	c.raw = raw
	if c.method.body == nil {
		// A body where none belongs is not looked at; official samples send a
		// JSON content type with GET.
		return nil
	}
	c.sent = &node{kind: objectNode}
	if len(bytes.TrimSpace(raw)) > 0 {
		var refusal *apiError
		if c.sent, refusal = parseLenient(raw); refusal != nil {
			return refusal
		}
	}
	var refusal *apiError
	c.body, refusal = bind(c.method.body, c.sent, c.root)
	return refusal
}

func (c *call) checkQuery() *apiError {
	var faults []fieldFault
	var words []string
	query := c.request.URL.Query()
	for _, name := range slices.Sorted(maps.Keys(query)) {
		if c.parameter(name) != "" || slices.Contains(standardParameters, name) {
			continue
		}
		description := invalidPayload + `Unknown name "` + name + `": Cannot bind query parameter. Field '` + name + `' could not be found in request message.`
		faults = append(faults, fieldFault{"", description})
		words = append(words, description)
	}
	if len(faults) == 0 {
		return nil
	}
	return badRequest(strings.Join(words, "\n"), faults)
}

// writeAPI writes an answer of the API, indented unless the request asks
// otherwise.
func writeAPI(w http.ResponseWriter, r *http.Request, status int, body any) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	query := r.URL.Query()
	pretty := query.Get("prettyPrint") + query.Get("$prettyPrint")
	if pretty != "false" && pretty != "0" {
		enc.SetIndent("", "  ")
	}
	if err := enc.Encode(body); err != nil {
		panic("rbmtest: encode answer: " + err.Error())
	}
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	w.Header().Set("Cache-Control", "private")
	w.Header().Set("Content-Length", strconv.Itoa(buf.Len()))
	w.WriteHeader(status)
	// A client that has gone is no concern of the server's.
	_, _ = w.Write(buf.Bytes())
}

// statusWriter remembers the status that was sent.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap gives [http.ResponseController] the writer underneath.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
