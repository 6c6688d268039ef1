package server_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/rcshook/rcshook/internal/code"
	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/payload"
	"github.com/rcshook/rcshook/internal/response"
)

// object is a JSON object.
type object = map[string]any

// describe returns the OpenAPI description.
func describe() object {
	return object{
		"openapi": "3.1.0",
		"info": object{
			"title":       "rcshook",
			"version":     "1",
			"summary":     "Webhooks in, RCS messages out",
			"description": "Sends RCS messages from a simple payload through Google's RCS Business Messaging.",
			"contact":     contact,
			"license":     object{"name": "Apache 2.0", "identifier": "Apache-2.0"},
		},
		"tags":     append(tags(), hooksTag, queueTag),
		"servers":  []any{object{"url": "/", "description": "this function"}},
		"security": []any{object{"bearer": []any{}}, object{"key": []any{}}, object{"basic": []any{}}, object{}},
		"paths": object{
			"/":                       object{"get": about(), "post": sendOperation()},
			"/hooks/{source}":         object{"get": challenge(), "post": hook(), "options": handshake()},
			"/hooks/{source}/{token}": object{"get": withToken(challenge()), "post": withToken(hook()), "options": withToken(handshake())},
			"/capabilities":           object{"get": lookUpOne(), "post": lookUp()},
			"/messages/{message_id}":  object{"delete": revoke()},
			"/events":                 object{"post": receive()},
			"/events/sample":          object{"get": sampleEvents()},
			"/tasks/{message_id}":     object{"post": task()},
			"/tasks/event/{task}":     object{"post": deliver()},
			"/openapi.json":           object{"get": description()},
		},
		"webhooks": webhooks(),
		"components": object{
			"schemas": object{
				"ReceivedEvent": inOrder(eventSchema(), eventNames...),
				"Payload":       payloadSchema(),
				"Form":          formSchema(),
				"Numbers":       numbersSchema(),
				"Card":          cardSchema(),
				"Button":        buttonSchema(),
				"Event":         inOrder(fieldsSchema(payload.OnEvent, "A calendar event."), fieldNames(payload.OnEvent)...),
				"Response":      inOrder(responseSchema(), resultNames...),
				"DryRun":        dryRunSchema(),
				"FallbackText":  fallbackTextSchema(),
				"Upstream":      upstreamSchema(),
				"Error":         errorSchema(),
			},
			"responses": statuses(),
			"parameters": object{
				"profile": object{
					"name": "profile", "in": "query",
					"description": "soft: failures that a retry cannot fix have status 200, for senders that would retry them for days; " +
						"all: the failure of one recipient is the status of the response, for tools that take 207 for a success",
					"schema": object{"type": "string", "enum": []any{"strict", "soft", "all"}, "default": "strict"},
				},
			},
			"headers": object{
				"RequestId":  object{"description": "Identifies the log line of the request.", "schema": object{"type": "string"}},
				"RetryAfter": object{"description": "The number of seconds to wait before a retry.", "schema": object{"type": "integer", "minimum": 1}},
			},
			"securitySchemes": object{
				"bearer": object{"type": "http", "scheme": "bearer"},
				"key":    object{"type": "apiKey", "in": "header", "name": "X-API-Key"},
				"basic":  object{"type": "http", "scheme": "basic", "description": "The key is the password; the user name does not matter."},
			},
		},
	}
}

// ordered is an object whose members are written in an order: those with a name in first,
// and then the others by name.
type ordered struct {
	object
	first []string
}

func (o ordered) MarshalJSON() ([]byte, error) {
	names := slices.Sorted(maps.Keys(o.object))
	rank := func(name string) int { return (slices.Index(o.first, name) + len(o.first) + 1) % (len(o.first) + 1) }
	slices.SortStableFunc(names, func(a, b string) int { return cmp.Compare(rank(a), rank(b)) })
	text := []byte("{")
	for i, name := range names {
		value, err := json.Marshal(o.object[name])
		if err != nil {
			return nil, err
		}
		if i > 0 {
			text = append(text, ',')
		}
		text = append(append(strconv.AppendQuote(text, name), ':'), value...)
	}
	return append(text, '}'), nil
}

// inOrder writes the properties of a schema in the order in which people read them.
func inOrder(s object, first ...string) object {
	s["properties"] = ordered{s["properties"].(object), first}
	return s
}

// fieldNames returns the names of the fields of the payload in their order.
func fieldNames(on payload.Level) (names []string) {
	for _, f := range payload.Fields(on) {
		names = append(names, f.Name)
	}
	return names
}

// resultNames and eventNames are the names that people read first in responses and events.
var (
	resultNames = strings.Fields("ok status code retry message title detail action cause errors warnings results message_id to agent name send_time")
	eventNames  = strings.Fields("id type time phone agent message_id reply_id status text postback button_type")
)

// contact is where to ask about the descriptions.
var contact = object{"name": "rcshook", "url": "https://github.com/rcshook/rcshook"}

// tags are the groups of operations in both descriptions.
func tags() []any {
	return []any{
		object{"name": "Messages", "description": "Send and revoke messages."},
		object{"name": "Numbers", "description": "Look up which numbers can get RCS."},
		object{"name": "Events", "description": "Replies, taps and receipts of users."},
		object{"name": "Function", "description": "The function itself."},
	}
}

var (
	hooksTag = object{"name": "Hooks", "description": "Webhooks of third parties, which a mapping turns into messages."}
	queueTag = object{"name": "Queue", "description": "Requests of Cloud Tasks, for messages and events that wait."}
)

func about() object {
	all := responses()
	all["200"] = object{
		"description": "The function is running; ready reports whether it can send. Callers with a key also get the agents.",
		"headers":     object{"X-Request-Id": ref("headers/RequestId")},
		"content": object{"application/json": object{"schema": object{
			"type": "object", "required": []any{"name", "version", "ready"}, "additionalProperties": false,
			"properties": object{
				"name": object{"const": "rcshook"}, "version": object{"type": "string"}, "ready": object{"type": "boolean"},
				"agents": object{"type": "array", "items": object{"type": "string"}},
			},
		}}},
	}
	return object{
		"operationId": "about",
		"summary":     "Name, version and readiness; with a key also the agents",
		"description": "A test of the connection: a wrong key is an error.",
		"tags":        []any{"Function"},
		"responses":   all,
	}
}

func description() object {
	return object{
		"operationId": "describe",
		"summary":     "This description",
		"tags":        []any{"Function"},
		"description": "With version=3.0 a narrow description from which generators make clients.",
		"security":    []any{},
		"parameters": []any{
			object{"name": "version", "in": "query", "description": "the version of OpenAPI", "schema": object{"type": "string", "enum": []any{"3.0", "3.1"}, "default": "3.1"}},
		},
		"responses": object{
			"200": object{
				"description": "OpenAPI",
				"content":     object{"application/json": object{"schema": object{"type": "object"}}},
			},
			"422": responses()["422"],
		},
	}
}

func sendOperation() object {
	return object{
		"operationId": "send",
		"summary":     "Send a message",
		"tags":        []any{"Messages"},
		"description": "The response is a flat object; with several recipients, results has one for each. " +
			"A request with an idempotency key can be retried: the message arrives once.",
		"parameters": []any{
			ref("parameters/profile"),
			object{
				"name": "Idempotency-Key", "in": "header", "schema": object{"type": "string"},
				"description": "The same as the field idempotency_key, which takes precedence.",
			},
		},
		"requestBody": object{"required": true, "content": object{
			"application/json":                  object{"schema": ref("schemas/Payload"), "examples": messageExamples()},
			"application/x-www-form-urlencoded": object{"schema": ref("schemas/Form")},
			"multipart/form-data":               object{"schema": ref("schemas/Form")},
		}},
		"responses": responses(),
	}
}

func hook() object {
	all := responses()
	success := statuses()["200"].(object)
	ok := success["content"].(object)
	ok["application/json"] = object{"schema": object{
		"description": "a response, or the content that the sender expects, such as a challenge",
		"anyOf":       []any{ref("schemas/Response"), object{"type": "object"}},
	}}
	for _, media := range []string{"text/plain", "text/xml", "application/xml"} {
		ok[media] = object{"schema": object{"type": "string"}}
	}
	success["description"] = success["description"].(string) + "; without a body for senders that would show it"
	all["200"] = success
	all["204"] = object{"description": "The same as 200, for senders that treat a body as a reply."}
	return object{
		"operationId": "hook",
		"summary":     "Receive the webhook of a third party",
		"tags":        []any{"Hooks"},
		"description": "The sender authenticates as the configuration of the source defines, and a mapping turns its event into " +
			"messages. Failures that a retry cannot fix have status 200 and ok false. The senders of some " +
			"presets, and of sources with respond, get a status and a body of their own instead.",
		"security":    []any{},
		"parameters":  []any{sourceParameter()},
		"requestBody": object{"content": object{"*/*": object{}}},
		"responses":   all,
	}
}

func task() object {
	return object{
		"operationId": "task",
		"summary":     "Send a message from the queue",
		"tags":        []any{"Queue"},
		"description": "For Cloud Tasks only, which authenticates with a Google ID token of the queue's service account. It retries " +
			"after every status except 2xx. Failures that a retry cannot fix therefore have status 200 and ok false.",
		"security": []any{object{"bearer": []any{}}},
		"parameters": []any{
			object{"name": "message_id", "in": "path", "required": true, "schema": object{"type": "string"}, "description": "the message ID, which is also the name of the task"},
		},
		"requestBody": object{"required": true, "content": object{"application/json": object{"schema": object{"type": "object"}}}},
		"responses":   responses(),
	}
}

func handshake() object {
	return object{
		"operationId": "handshake",
		"summary":     "The handshake of CloudEvents for abuse protection",
		"description": "The sender asks before its first event.",
		"tags":        []any{"Hooks"},
		"security":    []any{},
		"parameters":  []any{sourceParameter()},
		"responses": object{
			"200": object{
				"description": "Allowed; WebHook-Allowed-Origin is the allowed origin.",
				"content":     object{"application/json": object{"schema": object{"type": "object"}}},
			},
			"204": object{"description": "This source needs no handshake."},
		},
	}
}

func challenge() object {
	content := object{"application/problem+json": object{"schema": ref("schemas/Response")}}
	return object{
		"operationId": "challenge",
		"summary":     "The test of the address by a sender",
		"description": "Senders such as Meta and Onfleet expect a query parameter back before they send events.",
		"tags":        []any{"Hooks"},
		"security":    []any{},
		"parameters":  []any{sourceParameter()},
		"responses": object{
			"200": object{
				"description": "The query parameter that the sender expects.",
				"content":     object{"text/plain": object{"schema": object{"type": "string"}}},
			},
			"400": object{"description": "The request has no challenge.", "content": content},
			"401": object{"description": "The verify token is wrong.", "content": content},
			"405": object{"description": "This source has no challenge.", "content": content},
		},
	}
}

func sourceParameter() object {
	return object{"name": "source", "in": "path", "required": true, "schema": object{"type": "string"}, "description": "name of the source in the configuration"}
}

// withToken describes an operation on a source whose path has a token.
func withToken(operation object) object {
	operation["operationId"] = operation["operationId"].(string) + "WithToken"
	operation["summary"] = operation["summary"].(string) + ", with a token in the path"
	operation["parameters"] = []any{
		sourceParameter(),
		object{"name": "token", "in": "path", "required": true, "schema": object{"type": "string"}, "description": "the secret of a source whose scheme has the type path"},
	}
	return operation
}

func revoke() object {
	text := object{"type": "string"}
	return object{
		"operationId": "revoke",
		"summary":     "Revoke a message that is not delivered yet",
		"description": "The recipient is in the query or in the body. A message that waits in the queue is deleted from it.",
		"tags":        []any{"Messages"},
		"parameters": []any{
			object{"name": "message_id", "in": "path", "required": true, "schema": text, "description": "the message_id of the response to the send"},
			object{"name": "to", "in": "query", "schema": text, "description": "the recipient, with the plus sign written as %2B, if the body does not have it"},
			object{"name": "agent", "in": "query", "schema": text, "description": "the agent that sent the message, if it is not the default agent"},
			object{"name": "country", "in": "query", "schema": text, "description": "country of a national number"},
			ref("parameters/profile"),
		},
		"requestBody": numbersBody(false),
		"responses":   responses(),
	}
}

// lookUpOne describes GET /capabilities.
func lookUpOne() object {
	text := object{"type": "string"}
	return object{
		"operationId": "lookUpOne",
		"summary":     "Whether a number can get RCS, and what its device supports",
		"tags":        []any{"Numbers"},
		"description": "The number in the URL is in the request log of Cloud Run unless that log excludes it; POST has it in the body.",
		"parameters": []any{
			object{"name": "to", "in": "query", "required": true, "schema": text, "description": "the number, with the plus sign written as %2B"},
			object{"name": "agent", "in": "query", "schema": text, "description": "the agent, if it is not the default agent"},
			object{"name": "country", "in": "query", "schema": text, "description": "country of a national number"},
			ref("parameters/profile"),
		},
		"responses": responses(),
	}
}

// lookUp describes POST /capabilities.
func lookUp() object {
	return object{
		"operationId": "lookUp",
		"summary":     "Which numbers can get RCS",
		"tags":        []any{"Numbers"},
		"description": "For 1 to 100 or 500 to 10,000 numbers. One number also gets what its device supports.",
		"parameters":  []any{ref("parameters/profile")},
		"requestBody": numbersBody(true),
		"responses":   responses(),
	}
}

func numbersBody(required bool) object {
	content := object{}
	for _, media := range []string{"application/json", "application/x-www-form-urlencoded", "multipart/form-data"} {
		content[media] = object{"schema": ref("schemas/Numbers")}
	}
	return object{"required": required, "content": content}
}

// numbersSchema describes a body without a message, by the names of [payloadSchema].
func numbersSchema() object {
	s := object{"type": "object", "description": "Numbers to look up, or the recipient of a message to revoke.", "properties": object{}}
	for _, f := range payload.Fields(payload.OnMessage) {
		if slices.Contains([]string{"to", "agent", "country"}, f.Name) {
			s["properties"].(object)[f.Name] = fieldSchema(f)
		}
	}
	s["properties"].(object)["to"].(object)["description"] = "E.164, or national numbers together with country"
	s["examples"] = []any{object{"to": []any{"+12025550123", "+12025550104"}}}
	return object{"anyOf": []any{s, object{"type": "array", "items": s, "minItems": 1, "maxItems": 1}}}
}

// capabilitiesSchema adds the result of a look-up to the members of a response.
func capabilitiesSchema(properties object) object {
	for _, name := range []string{"reachable_numbers", "unreachable_numbers"} {
		properties[name] = object{"type": "array", "items": object{"type": "string"}, "description": "of a look-up"}
	}
	for _, name := range keysOf(response.Capabilities{}) {
		properties[name] = object{"type": "boolean", "description": "of a look-up of one number"}
	}
	properties["features"] = object{"type": "array", "items": object{"type": "string"}, "description": "as RCS Business Messaging names them"}
	properties["carrier"] = object{"type": "string", "description": "US numbers only"}
	return properties
}

// responses refers to the response of each status.
func responses() object {
	all := object{}
	for status := range statuses() {
		all[status] = ref("responses/" + status)
	}
	return all
}

// statuses has one entry for each status of [response.Codes], with an example for each code.
func statuses() object {
	byStatus := map[int][]string{}
	for _, c := range response.Codes() {
		if status := response.New(c).Status; c != code.Document {
			byStatus[status] = append(byStatus[status], string(c))
		}
	}
	byStatus[http.StatusInternalServerError] = append(byStatus[http.StatusInternalServerError], string(code.UnknownAgent)) // of a map
	all := object{}
	for status, codes := range byStatus {
		slices.Sort(codes)
		headers := object{"X-Request-Id": ref("headers/RequestId")}
		switch status {
		case http.StatusTooManyRequests, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
			headers["Retry-After"] = ref("headers/RetryAfter")
		}
		examples := object{}
		for _, c := range codes {
			r := response.New(code.Code(c))
			if code.Code(c) == code.Accepted {
				r = response.FromResult(&accepted)
			}
			if r.Status == status {
				examples[c] = object{"value": body(r)}
			}
		}
		// Clients that accept only application/json get it for all.
		media := object{"schema": ref("schemas/Response"), "examples": examples}
		content := object{"application/json": media}
		if status != http.StatusOK {
			content = object{"application/json": object{"schema": ref("schemas/Response")}, "application/problem+json": media}
		}
		all[strconv.Itoa(status)] = object{
			"description": "code " + strings.Join(codes, ", "),
			"headers":     headers,
			"content":     content,
		}
	}
	return all
}

// payloadSchema describes the fields by their names and aliases. The function ignores the
// case of names and the characters between words. JSON Schema cannot express that, so the
// schema allows unknown names and the function rejects them.
func payloadSchema() object {
	s := fieldsSchema(payload.OnMessage, "The simplified payload. Names can have any case, with _, - or nothing between words.")
	for _, f := range payload.Fields(payload.OnMessage) {
		for _, alias := range f.Aliases {
			s["properties"].(object)[alias] = aliasOf(f)
		}
	}
	// Zapier and others wrap the object in a list.
	s = inOrder(s, fieldNames(payload.OnMessage)...)
	return object{"anyOf": []any{s, object{"type": "array", "items": s, "minItems": 1, "maxItems": 1}}}
}

// messageExamples are payloads that are valid by both descriptions.
func messageExamples() ordered {
	example := func(summary, content string) object {
		value := object{}
		text := `{"to": ["+12025550123"], ` + content + `, "idempotency_key": "order-1042-shipped", "traffic": "transaction"}`
		if err := json.Unmarshal([]byte(text), &value); err != nil {
			panic(err)
		}
		return object{"summary": summary, "value": value}
	}
	return ordered{first: []string{"text"}, object: object{
		"text": example("A text with buttons", `"text": "Your order 1042 has shipped.",
			"buttons": [{"label": "Track", "url": "https://example.com/t/1042"}, {"label": "Call us", "phone": "+12025550199"}, {"label": "Thanks"}]`),
		"card": example("A card", `"card": {"title": "Your order 1042", "text": "It arrives on Friday.", "image": "https://example.com/parcel.jpg",
			"height": "medium", "buttons": [{"label": "Track", "url": "https://example.com/t/1042"}]}`),
		"carousel": example("A carousel", `"cards": [{"title": "Tea", "text": "10 dollars", "buttons": [{"label": "Buy tea", "postback": "BUY-TEA"}]},
			{"title": "Coffee", "text": "12 dollars", "buttons": [{"label": "Buy coffee", "postback": "BUY-COFFEE"}]}]`),
	}}
}

func aliasOf(f payload.Field) object {
	s := fieldSchema(f)
	s["description"] = "the same as " + f.Name
	return s
}

// formSchema describes the payload in a form. Every value is a string.
func formSchema() object {
	properties := object{}
	for _, f := range payload.Fields(payload.OnMessage) {
		properties[f.Name] = object{"type": "string", "description": f.Meaning}
	}
	return inOrder(object{
		"type":                 "object",
		"description":          "The payload as form fields: lists and objects as JSON, or flat as card1_title, button1 and so on.",
		"properties":           properties,
		"additionalProperties": true,
	}, fieldNames(payload.OnMessage)...)
}

func buttonSchema() object {
	return object{
		"description": "A button: a string such as \"Yes\", \"Yes|=POSTBACK\", \"Track|https://...\", \"Call|tel:+1...\", or an object.",
		"anyOf":       []any{object{"type": []any{"string", "number", "null"}}, inOrder(fieldsSchema(payload.OnButton, ""), fieldNames(payload.OnButton)...)},
	}
}

func fieldsSchema(on payload.Level, about string) object {
	properties := object{}
	for _, f := range payload.Fields(on) {
		properties[f.Name] = fieldSchema(f)
	}
	s := object{"type": "object", "properties": properties}
	if about != "" {
		s["description"] = about
	}
	return s
}

func cardSchema() object {
	return object{
		"description": "One card, or a string that contains it as JSON.",
		"anyOf":       []any{object{"type": []any{"string", "null"}}, inOrder(fieldsSchema(payload.OnCard, ""), fieldNames(payload.OnCard)...)},
	}
}

// fieldSchema describes the values of a field: its type, a string that contains it, or
// null, which is the same as a missing field.
func fieldSchema(f payload.Field) object {
	text, none := object{"type": "string"}, object{"type": "null"}
	list := func(of string) object {
		return object{"anyOf": []any{text, object{"type": "array", "items": ref("schemas/" + of)}, object{"type": "object"}, none}}
	}
	one := func(of string) object { return object{"anyOf": []any{text, ref("schemas/" + of), none}} }
	types := func(names ...any) object { return object{"type": append(names, "null")} }
	var s object
	switch f.Type {
	case payload.TypeBool:
		s = types("boolean", "string", "number")
	case payload.TypeNumber, payload.TypeDuration:
		s = types("number", "string")
	case payload.TypePhones:
		s = object{"anyOf": []any{types("number", "string"), object{"type": "array", "items": types("number", "string")}}}
	case payload.TypeWord:
		s = types("string", "number", "boolean")
		var words []string
		for _, synonyms := range f.Words {
			words = append(words, synonyms[0])
		}
		s["examples"] = words
	case payload.TypeButtons:
		s = list("Button")
		s["anyOf"] = append(s["anyOf"].([]any), object{"type": "number"})
	case payload.TypeCards:
		s = list("Card")
	case payload.TypeCard:
		s = one("Card")
	case payload.TypeEvent:
		s = one("Event")
	case payload.TypeRaw:
		s = types("object", "string")
	default:
		s = types("string", "number", "boolean")
	}
	s["description"] = f.Meaning
	if len(f.Aliases) > 0 {
		s["description"] = fmt.Sprintf("%s (also: %s)", f.Meaning, strings.Join(f.Aliases, ", "))
	}
	return s
}

func responseSchema() object {
	text := object{"type": "string"}
	return object{
		"type":                 "object",
		"description":          "Every response. A failure is a problem document of RFC 9457.",
		"required":             []any{"ok", "status", "code", "retry", "message"},
		"additionalProperties": false,
		"properties": capabilitiesSchema(object{
			"ok":          object{"type": "boolean"},
			"status":      object{"type": "integer"},
			"code":        object{"type": "string", "enum": slices.Sorted(maps.Keys(codes()))},
			"retry":       object{"type": "string", "enum": []any{"none", "never", "now", "later", "after_fix", "per_item"}},
			"message":     object{"type": "string", "description": "one sentence for people: the title, a colon, and the detail"},
			"type":        object{"type": "string", "format": "uri"},
			"title":       text,
			"detail":      text,
			"action":      object{"type": "string", "description": "the next step"},
			"cause":       object{"type": "string", "description": "for codes with several causes"},
			"errors":      object{"type": "array", "items": ref("schemas/Error")},
			"source":      object{"type": "string", "description": "the source of the webhook"},
			"caller":      object{"type": "string", "description": "the name of the caller in rcshook.yaml"},
			"message_id":  text,
			"to":          text,
			"agent":       text,
			"name":        object{"type": "string", "description": "the resource name of the message at the platform, or of the task of a queued message"},
			"send_time":   object{"type": "string", "format": "date-time"},
			"schedule_at": object{"type": "string", "format": "date-time", "description": "when the queue will send a scheduled message"},
			"fallback_at": object{"type": "string", "format": "date-time", "description": "when the message goes to its fallback unless it was delivered"},
			"event":       object{"type": "string", "description": "the id of the event that was received"},
			"event_type":  object{"type": "string", "enum": config.EventTypes},
			"target":      object{"type": "string", "description": "the target of the delivery"},
			"duplicate_risk": object{
				"type":        "boolean",
				"description": "the message may have been sent, with a random ID: retry with message_id to avoid a duplicate",
			},
			"upstream":   ref("schemas/Upstream"),
			"dry_run":    ref("schemas/DryRun"),
			"warnings":   object{"type": "array", "items": ref("schemas/Error")},
			"results":    object{"type": "array", "items": ref("schemas/Response")},
			"request_id": text,
		}),
	}
}

func dryRunSchema() object {
	text := object{"type": "string"}
	return object{
		"type":        "object",
		"description": "The request that was not sent. With several recipients, each result has its URL, and this has the message.",
		"properties": object{
			"method": text, "url": text, "bytes": object{"type": "integer"},
			"agent_message": object{"type": "object", "additionalProperties": true}, "billing": object{"type": "object", "additionalProperties": true},
			"fallback": ref("schemas/FallbackText"),
		},
	}
}

func fallbackTextSchema() object {
	return object{
		"type": "object", "additionalProperties": false, "required": []any{"text", "encoding", "segments"},
		"description": "The text for the fallback as an SMS, if the message has a fallback.",
		"properties": object{
			"text": object{"type": "string"}, "encoding": object{"type": "string", "enum": []any{"GSM-7", "UCS-2"}},
			"segments": object{"type": "integer", "description": "the parts that operators send and bill; 0 for an empty text"},
		},
	}
}

func upstreamSchema() object {
	text := object{"type": "string"}
	return object{
		"type": "object", "additionalProperties": false, "required": []any{"status"},
		"description": "The error of RCS Business Messaging.",
		"properties":  object{"status": object{"type": "integer"}, "reason": text, "message": text},
	}
}

func codes() map[string]bool {
	set := map[string]bool{}
	for _, code := range response.Codes() {
		set[string(code)] = true
	}
	return set
}

func errorSchema() object {
	return object{
		"type": "object", "required": []any{"detail"}, "additionalProperties": false,
		"properties": object{
			"pointer": object{"type": "string", "description": "JSON Pointer to the value in the request"},
			"detail":  object{"type": "string"},
			"limit":   object{"type": "integer"},
			"actual":  object{"type": "integer"},
		},
	}
}

func ref(to string) object { return object{"$ref": "#/components/" + to} }
