package rbmtest

import (
	"bytes"
	"cmp"
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
	name   string     // in the reference
	rpc    string     // in the protocol buffers
	scope  string     // of its tokens; empty: rbm.Scope
	verb   string     // HTTP method
	id     string     // query parameter of an ID, if any
	needID bool       // the ID is required
	query  string     // another query parameter, in camel case
	field  string     // of the protocol buffers that holds the body; empty: the request itself
	body   func() any // makes the value that the body is decoded into; nil: there is none
	result any        // type of the response
	handle func(*Simulator, *call) (any, *apiError)
}

const (
	createName       = "phones.agentMessages.create"
	capabilitiesName = "phones.getCapabilities"
)

func body[T any]() any { return new(T) }

// The methods of the API, by their paths after the version, with * for parameters.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest
var methods = map[string]*method{
	"phones/*/agentMessages": {
		name: createName, rpc: "CreateAgentMessage", verb: http.MethodPost, id: "messageId", needID: true,
		field: "agent_message", body: body[rbm.AgentMessage], result: rbm.AgentMessage{}, handle: (*Simulator).createMessage,
	},
	"phones/*/agentMessages/*": {
		name: "phones.agentMessages.delete", rpc: "DeleteAgentMessage", verb: http.MethodDelete,
		result: struct{}{}, handle: (*Simulator).deleteMessage,
	},
	"phones/*/agentEvents": {
		name: "phones.agentEvents.create", rpc: "CreateAgentEvent", verb: http.MethodPost, id: "eventId",
		field: "agent_event", body: body[rbm.AgentEvent], result: rbm.AgentEvent{}, handle: (*Simulator).createEvent,
	},
	"phones/*/capabilities": {
		name: capabilitiesName, rpc: "GetCapabilities", verb: http.MethodGet, id: "requestId",
		result: rbm.Capabilities{}, handle: (*Simulator).getCapabilities,
	},
	"phones/*/testers": {
		name: "phones.testers.create", rpc: "CreateTester", verb: http.MethodPost,
		field: "tester", body: body[rbm.Tester], result: rbm.Tester{}, handle: (*Simulator).createTester,
	},
	"phones/*/dialogflowMessages": {
		name: "phones.dialogflowMessages.create", rpc: "CreateDialogflowEvent", verb: http.MethodPost, query: "messageIdPrefix",
		field: "dialogflow_message", body: body[rbm.DialogflowEvent], result: rbm.DialogflowEvent{}, handle: (*Simulator).createDialogflowEvent,
	},
	"users:batchGet": {
		name: "users.batchGet", rpc: "BatchGetUsers", verb: http.MethodPost,
		body: body[batchGetUsersRequest], result: rbm.BatchGetUsersResponse{}, handle: (*Simulator).batchGet,
	},
	"files": {
		name: "files.create", rpc: "CreateFile", verb: http.MethodPost,
		body: body[createFileRequest], result: rbm.File{}, handle: (*Simulator).createFile,
	},
}

// call is one request.
type call struct {
	*method
	request *http.Request
	query   url.Values // the parameters of the method, with their names in camel case
	phone   string
	agentID string
	agent   *AgentConfig
	id      string            // from the query, or the message name in the path
	raw     []byte            // the body as it was sent
	body    any               // the decoded body, from method.body
	content *rbm.AgentMessage // a message to send
	failure *Failure          // happens to the response, if the number has one
}

// idKey is the name space of message and event IDs: one per agent.
type idKey struct{ agent, id string }

func (c *call) key() idKey { return idKey{agentName(c.agentID), c.id} }

// maxBody limits a JSON request.
//
// Assumption: this is the usual limit of Google's front end.
const maxBody = 10 << 20

// serveAPI serves a request for the RBM API. The checks run in this order:
//
//  1. path and HTTP method: 404
//  2. access token: 401, and its scope: 403
//  3. failures arranged with Fail
//  4. query parameters, and the fields and types of the body: 400, all at once
//  5. agent: 403
//  6. phone number, ID, rules of the message, traffic type: 400
//  7. ID used before: 200 with the first response, or 409
//  8. behavior of the number: its failure, then its refusal
//
// Assumption: the order.
func (s *Simulator) serveAPI(w http.ResponseWriter, r *http.Request) {
	c := route(r)
	if c == nil {
		errUnknownPath.write(w, r)
		return
	}
	s.serveCall(w, r, c, func(w http.ResponseWriter, r *http.Request, c *call) {
		result, refusal := s.perform(w, c)
		if refusal != nil {
			refusal.write(w, r)
			return
		}
		s.respond(w, r, c.failure, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			writeAPI(w, r, http.StatusOK, result)
		}))
	})
}

// serveCall performs steps 2 and 3 and leaves the rest to next. Failures with Page come
// first, as from a proxy in front of the platform.
func (s *Simulator) serveCall(w http.ResponseWriter, r *http.Request, c *call, next func(http.ResponseWriter, *http.Request, *call)) {
	sw := &statusWriter{ResponseWriter: w, record: func(status int) { s.record(c, status) }}
	defer sw.end()
	if f := s.takeFailure(c.name, c.phone, c.key(), c.scope == "", true); f != nil {
		s.serveFailure(sw, r, f, nil)
		return
	}
	if refusal := s.authorize(c); refusal != nil && !s.hasUpload(r) {
		refusal.write(sw, r)
		return
	}
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { next(w, r, c) })
	if f := s.takeFailure(c.name, c.phone, c.key(), c.scope == "", false); f != nil {
		s.serveFailure(sw, r, f, h)
		return
	}
	h.ServeHTTP(sw, r)
}

// perform does steps 4 to 8. The texts of its errors are an Assumption.
func (s *Simulator) perform(w http.ResponseWriter, c *call) (any, *apiError) {
	raw, refusal := readBody(w, c.request, maxBody, errBodySize)
	if refusal == nil {
		refusal = c.checkQuery()
	}
	if refusal == nil && c.method.body != nil {
		c.raw, c.body = raw, c.method.body()
		refusal = s.parseBody(c.field, raw, c.body)
	}
	if refusal != nil {
		return nil, refusal
	}
	if refusal := s.findAgent(c); refusal != nil {
		return nil, refusal
	}
	if c.phone != "" && !e164.MatchString(c.phone) {
		return nil, invalidArgument("The phone number in the resource name is not in E.164 format.")
	}
	switch {
	case c.method.id == "":
	case c.id == "" && c.needID && !s.Assume.AllowMissingID:
		return nil, invalidArgument("The %s is missing. It must be a UUID.", c.method.id)
	case c.id != "" && s.Assume.RequireUUID && uuid.Validate(c.id) != nil:
		return nil, invalidArgument("The %s is not a valid UUID.", c.method.id)
	case c.id == "":
		c.id = uuid.NewString()
	}
	return c.handle(s, c)
}

// findAgent looks up the agent of a call, which the query or the body names.
func (s *Simulator) findAgent(c *call) *apiError {
	if c.agentID == "" {
		switch body := c.body.(type) {
		case *batchGetUsersRequest:
			c.agentID = body.AgentID
		case *createFileRequest:
			c.agentID = body.AgentID
		}
	}
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

// route returns the call of a request, or nil if the API has no such method.
func route(r *http.Request) *call {
	c := &call{request: r}
	parts, ok := pathParts(r.URL)
	if !ok || len(parts) < 2 || parts[0] != "v1" {
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
	c.readQuery()
	return c
}

// pathParts splits a path before decoding it, so that an encoded slash does not separate
// parts.
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

// readQuery collects the query parameters of the method.
func (c *call) readQuery() {
	c.query = url.Values{}
	for name, values := range c.request.URL.Query() {
		if known := c.parameter(name); known != "" {
			c.query[known] = values
		}
	}
	c.agentID = c.query.Get("agentId")
	if c.method.id != "" {
		c.id = c.query.Get(c.method.id)
	}
}

// parameter returns the name in camel case of a query parameter of the method, or "".
func (c *call) parameter(name string) string {
	name = camelCase(name)
	if name != "" && (name == "agentId" || name == c.method.id || name == c.method.query) {
		return name
	}
	return ""
}

// standardParameters are accepted by every method. The simulator acts on access_token,
// oauth_token, prettyPrint and $.xgafv only.
var standardParameters = []string{
	"$.xgafv", "access_token", "alt", "callback", "fields", "key", "oauth_token", "prettyPrint",
	"quotaUser", "uploadType", "upload_protocol", "$alt", "$callback", "$fields", "$key", "$prettyPrint",
}

func (c *call) checkQuery() *apiError {
	var violations []fieldViolation
	for _, name := range slices.Sorted(maps.Keys(c.request.URL.Query())) {
		if c.parameter(name) == "" && !slices.Contains(standardParameters, name) {
			violations = append(violations, fieldViolation{"", invalidPayload + `Unknown name "` + name +
				`": Cannot bind query parameter. Field '` + name + `' could not be found in request message.`})
		}
	}
	return badRequest(violations)
}

// authorize checks the access token.
func (s *Simulator) authorize(c *call) *apiError {
	bearer := googletest.BearerToken(c.request)
	for _, name := range []string{"access_token", "oauth_token"} {
		if bearer == "" {
			bearer = c.request.URL.Query().Get(name)
		}
	}
	switch {
	case bearer != "":
	case c.request.Header.Get("Authorization") != "":
		return errBadToken
	default:
		return errNoToken
	}
	service, rpc := "rcsbusinessmessaging", "rcsbusinessmessaging.v1.RcsBusinessMessagingService."+c.rpc
	if c.scope != "" {
		service, rpc = "businesscommunications", "businesscommunications.v1."+c.name
	}
	switch _, err := s.tokens.Check(bearer, cmp.Or(c.scope, rbm.Scope)); {
	case errors.Is(err, token.ErrScope):
		e := googletest.InsufficientScope(service+".googleapis.com", "google.communications."+rpc)
		return &apiError{status: e.Code, message: e.Message, details: e.Details}
	case err != nil:
		return errBadToken
	}
	return nil
}

var errBodySize = invalidArgument("Request payload size exceeds the limit: %d bytes.", maxBody)

// readBody reads a body, whose size must not exceed limit.
func readBody(w http.ResponseWriter, r *http.Request, limit int64, tooLarge *apiError) ([]byte, *apiError) {
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, tooLarge
	} else if err != nil {
		return nil, invalidArgument("The request body cannot be read.")
	}
	return raw, nil
}

// parseBody parses a body into dst. An empty body is an empty object.
func (s *Simulator) parseBody(field string, raw []byte, dst any) *apiError {
	if len(bytes.TrimSpace(raw)) == 0 {
		return nil
	}
	if s.Assume.StrictJSON && !json.Valid(raw) {
		return invalidArgument("%s", invalidPayload+"Expected strict JSON.")
	}
	violations := rbm.ParseRequest(raw, dst)
	if s.Assume.OutputFieldsIgnored {
		violations = slices.DeleteFunc(violations, func(v rbm.Violation) bool { return v.Rule == rbm.RuleReadOnly })
	}
	if len(violations) == 0 {
		return nil
	}
	return violationsError(field, violations)
}

// camelCase turns snake case into lower camel case.
func camelCase(name string) string {
	head, rest, _ := strings.Cut(name, "_")
	for rest != "" {
		var word string
		word, rest, _ = strings.Cut(rest, "_")
		if word != "" {
			head += strings.ToUpper(word[:1]) + word[1:]
		}
	}
	return head
}

// protoPath turns a JSON Pointer in a field into the path of the protocol buffers:
// /contentMessage/suggestions/0 in agent_message is
// agent_message.content_message.suggestions[0].
func protoPath(field, pointer string) string {
	var b strings.Builder
	b.WriteString(field)
	for part := range strings.SplitSeq(strings.TrimPrefix(pointer, "/"), "/") {
		if _, err := strconv.Atoi(part); err == nil {
			b.WriteString("[" + part + "]")
			continue
		}
		if part != "" && b.Len() > 0 {
			b.WriteByte('.')
		}
		for _, r := range part {
			if 'A' <= r && r <= 'Z' {
				b.WriteByte('_')
				r += 'a' - 'A'
			}
			b.WriteRune(r)
		}
	}
	return b.String()
}

// encodeJSON encodes a value that always encodes.
func encodeJSON(v any) json.RawMessage {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic("rbmtest: encode: " + err.Error())
	}
	return bytes.TrimSpace(buf.Bytes())
}

// writeAPI sends a response of the API, indented unless the request asks otherwise.
func writeAPI(w http.ResponseWriter, r *http.Request, status int, body any) {
	var buf bytes.Buffer
	query := r.URL.Query()
	if pretty := query.Get("prettyPrint") + query.Get("$prettyPrint"); pretty == "false" || pretty == "0" {
		buf.Write(encodeJSON(body))
	} else if err := json.Indent(&buf, encodeJSON(body), "", "  "); err != nil {
		panic("rbmtest: indent: " + err.Error())
	}
	buf.WriteByte('\n')
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	w.Header().Set("Cache-Control", "private")
	w.Header().Set("Content-Length", strconv.Itoa(buf.Len()))
	w.WriteHeader(status)
	_, _ = w.Write(buf.Bytes()) // the client may have disconnected
}

// statusWriter records the status of a response.
type statusWriter struct {
	http.ResponseWriter
	status int
	record func(status int)
}

func (w *statusWriter) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
		w.record(status)
	}
	w.ResponseWriter.WriteHeader(status)
}

// end records a request that ends without a response.
func (w *statusWriter) end() {
	if w.status == 0 {
		w.record(0)
	}
}

// Unwrap is for [http.ResponseController].
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
