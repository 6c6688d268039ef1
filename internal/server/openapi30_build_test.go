package server_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/rcshook/rcshook/internal/code"
	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/events"
	"github.com/rcshook/rcshook/internal/payload"
	"github.com/rcshook/rcshook/internal/response"
	"github.com/rcshook/rcshook/internal/send"
	"github.com/rcshook/rcshook/internal/server"
	"github.com/rcshook/rcshook/rbm"
)

// describeNarrow returns an OpenAPI 3.0 description for generators of clients: only the
// documented names of fields, each with one type. No name of a schema is that of a global of
// TypeScript, such as Response. Each enum is a schema, so that it is one type with one name.
func describeNarrow() object {
	schemas := object{
		"Message":       with(narrowSchema(payload.OnMessage, "A message for one or more recipients."), object{"required": []any{"to"}}),
		"Card":          narrowSchema(payload.OnCard, "A card, alone or in a carousel."),
		"Button":        narrowSchema(payload.OnButton, "A button. Without an action, it is a reply."),
		"CalendarEvent": narrowSchema(payload.OnEvent, "An event that a button adds to the calendar."),
		"Numbers": inOrder(object{
			"type": "object", "description": "Numbers to look up: 1 to 100, or 500 to 10,000.", "required": []any{"to"},
			"properties": object{
				"to":      object{"type": "array", "items": object{"type": "string"}, "minItems": 1, "maxItems": rbm.MaxBatchUsers, "description": "in E.164, or national numbers together with country"},
				"agent":   object{"type": "string", "description": "the agent, if it is not the default agent"},
				"country": object{"type": "string", "description": "country of national numbers"},
			},
		}, "to"),
		"Result":        inOrder(narrowResult(), resultNames...),
		"FieldError":    with(errorSchema(), object{"description": "An error or a warning about a value of the request."}),
		"DryRun":        narrow(dryRunSchema()),
		"FallbackText":  narrow(fallbackTextSchema()),
		"Upstream":      narrow(upstreamSchema()),
		"ReceivedEvent": inOrder(narrowEvent(), eventNames...),
		"About": object{
			"type": "object", "description": "The function, and whether it can send.", "required": []any{"name", "version", "ready"},
			"properties": object{
				"name": object{"type": "string"}, "version": object{"type": "string"}, "ready": object{"type": "boolean"},
				"agents": object{"type": "array", "items": object{"type": "string"}, "description": "the names of the configured agents"},
			},
		},
		"Retry":     enum("What to do after the response.", responseSchema()["properties"].(object)["retry"].(object)["enum"]),
		"EventType": enum("The type of an event.", config.EventTypes),
		"Profile":   enum("The status of failures. With all, the failure of one recipient is the status of the whole response.", []any{"strict", "soft", "all"}),
	}
	for _, level := range []payload.Level{payload.OnMessage, payload.OnCard, payload.OnButton} {
		for _, f := range payload.Fields(level) {
			if f.Type != payload.TypeWord {
				continue
			}
			var words []any
			for _, synonyms := range f.Words {
				words = append(words, synonyms[0])
			}
			schemas[typeName(f.Name)] = enum(meaning(f), words)
		}
	}
	return object{
		"openapi": "3.0.3",
		"info": object{
			"title": "rcshook", "version": "1", "contact": contact,
			"license":     object{"name": "Apache 2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
			"description": "Sends RCS messages from a simple payload. This description is for generators of clients; /openapi.json describes everything that the function accepts.",
		},
		"servers":  []any{object{"url": server.ServerPlaceholder}},
		"security": []any{object{"bearer": []any{}}},
		"tags":     tags(),
		"paths": object{
			"/": object{
				"get": narrowOperation("Function", "about", "Name, version and readiness; with a key also the agents",
					"A test of the connection: a wrong key is an error.",
					code.Unauthorized, "About", object{"name": "rcshook", "version": "v1.0.0", "ready": true, "agents": []any{"default"}}),
				"post": with(narrowOperation("Messages", "sendMessage", "Send a message",
					"With several recipients, results has one entry for each. A request with an idempotency key can be retried: the message arrives once.",
					code.InvalidPhone, "Result", body(response.FromResult(&accepted))), object{
					"parameters":  []any{object{"name": "profile", "in": "query", "schema": ref("schemas/Profile"), "description": "the status of failures; default strict"}},
					"requestBody": object{"required": true, "content": object{"application/json": object{"schema": ref("schemas/Message"), "examples": messageExamples()}}},
				}),
			},
			"/events/sample": object{
				"get": with(narrowOperation("Events", "sampleEvent", "A sample of an event, as targets get it",
					"It has all keys of an event.", code.Unauthorized, "ReceivedEvent", events.Sample("reply", "default", "example_agent", "sample", accepted.Receipt.SendTime)), object{
					"parameters": []any{object{"name": "type", "in": "query", "required": true, "schema": ref("schemas/EventType"), "description": "the type of the event"}},
				}),
			},
			"/capabilities": object{
				"post": with(narrowOperation("Numbers", "lookUpNumbers", "Which numbers can get RCS",
					"One number also gets what its device supports.",
					code.InvalidPhone, "Result", body(response.FromNumber("default", accepted.To, &rbm.Capabilities{Features: []rbm.Feature{"RICHCARD_STANDALONE", "ACTION_OPEN_URL"}}, nil))), object{
					"requestBody": object{"required": true, "content": object{"application/json": object{
						"schema": ref("schemas/Numbers"), "example": object{"to": []any{accepted.To}},
					}}},
				}),
			},
			"/messages/{message_id}": object{
				"delete": with(narrowOperation("Messages", "revokeMessage", "Revoke a message that is not delivered yet",
					"A message that waits in the queue is deleted from it.",
					code.AlreadyDelivered, "Result", body(response.FromResult(&send.Result{Agent: accepted.Agent, To: accepted.To, MessageID: accepted.MessageID}))), object{
					"parameters": []any{
						object{"name": "message_id", "in": "path", "required": true, "schema": object{"type": "string"}, "description": "the message_id of the response to the send"},
						object{"name": "to", "in": "query", "required": true, "schema": object{"type": "string"}, "description": "the recipient, in E.164", "example": accepted.To},
						object{"name": "agent", "in": "query", "schema": object{"type": "string"}, "description": "the agent that sent the message, if it is not the default agent"},
					},
				}),
			},
		},
		"components": object{
			"securitySchemes": object{"bearer": object{"type": "http", "scheme": "bearer", "description": "An API key of the function."}},
			"schemas":         schemas,
		},
	}
}

// accepted is the result of an example.
var accepted = send.Result{
	Agent: "default", To: "+12025550123", MessageID: "5fb86188-edfa-5ea1-9031-97b27015e45d",
	Receipt: &rbm.Receipt{Name: "phones/+12025550123/agentMessages/5fb86188-edfa-5ea1-9031-97b27015e45d", SendTime: time.Date(2026, 12, 1, 9, 0, 0, 0, time.UTC)},
}

// narrowEvent describes an event. In OpenAPI 3.0 a type has no null.
func narrowEvent() object {
	s := narrow(eventSchema())
	for name, p := range s["properties"].(object) {
		property := p.(object)
		switch name {
		case "file_size":
			property = with(property, object{"type": "integer", "format": "int64", "nullable": true, goPointer: false})
		case "latitude", "longitude":
			property = with(property, object{"type": "number", "format": "double", "nullable": true, goPointer: false})
		case "time":
			property = with(property, object{"format": "date-time"})
		case "type":
			property = ref("schemas/EventType")
		}
		s["properties"].(object)[name] = property
	}
	return s
}

// goPointer is an option of oapi-codegen: with false, the field is a pointer even if the
// user wants values. A zero of these fields is not the same as a missing value.
const goPointer = "x-go-type-skip-optional-pointer"

// narrow removes the members of a schema that OpenAPI 3.0 does not have, and allows members
// that a later version may add.
func narrow(s object) object {
	delete(s, "additionalProperties")
	delete(s, "examples")
	return s
}

// with adds members to an object.
func with(o, more object) object {
	for name, v := range more {
		o[name] = v
	}
	return o
}

func enum(about string, words any) object {
	return object{"type": "string", "description": about, "enum": words}
}

// typeName returns the name of the type of a field, such as CardWidth for card_width.
func typeName(field string) string {
	var name strings.Builder
	for word := range strings.SplitSeq(field, "_") {
		name.WriteString(strings.ToUpper(word[:1]) + word[1:])
	}
	return name.String()
}

// meaning returns the meaning of a field, without the other types that it can have.
func meaning(f payload.Field) string {
	for _, other := range []string{"; true ", "; flat "} {
		if i := strings.Index(f.Meaning, other); i > 0 {
			return f.Meaning[:i]
		}
	}
	return f.Meaning
}

// narrowOperation describes an operation. All responses except 200 are its default, because
// generators would make a type of each status.
func narrowOperation(tag, id, summary, about string, failure code.Code, result string, example any) object {
	return object{
		"operationId": id, "summary": summary, "description": about, "tags": []any{tag},
		"responses": object{
			"200": object{"description": "success", "content": object{"application/json": object{"schema": ref("schemas/" + result), "example": example}}},
			"default": object{"description": "every other status: a failure, or different results for several recipients", "content": object{"application/problem+json": object{
				"schema": ref("schemas/Result"), "example": body(response.New(failure)),
			}}},
		},
	}
}

// body returns the body of a response.
func body(r *response.Response) json.RawMessage {
	w := httptest.NewRecorder()
	if err := r.Write(w, httptest.NewRequest(http.MethodPost, "/", nil)); err != nil {
		panic(err)
	}
	return w.Body.Bytes()
}

func narrowSchema(on payload.Level, about string) object {
	properties := object{}
	for _, f := range payload.Fields(on) {
		properties[f.Name] = narrowField(f)
	}
	return inOrder(object{"type": "object", "description": about, "properties": properties}, fieldNames(on)...)
}

func narrowField(f payload.Field) object {
	s := object{"type": "string"}
	switch f.Type {
	case payload.TypeBool:
		s = object{"type": "boolean"}
	case payload.TypeNumber:
		s = object{"type": "number", "format": "double", goPointer: false}
	case payload.TypePhones:
		s = object{"type": "array", "items": object{"type": "string"}, "minItems": 1}
	case payload.TypeWord:
		return ref("schemas/" + typeName(f.Name))
	case payload.TypeDuration:
		s["example"] = "10m"
	case payload.TypeTime:
		s["format"] = "date-time"
	case payload.TypeButtons:
		s = object{"type": "array", "items": ref("schemas/Button")}
	case payload.TypeCards:
		s = object{"type": "array", "items": ref("schemas/Card")}
	case payload.TypeCard:
		return ref("schemas/Card")
	case payload.TypeEvent:
		return ref("schemas/CalendarEvent")
	case payload.TypeRaw:
		s = object{"type": "object", "additionalProperties": true}
	}
	s["description"] = meaning(f)
	return s
}

// narrowResult describes the members of a response of which clients make use.
func narrowResult() object {
	s := narrow(responseSchema())
	properties := s["properties"].(object)
	for _, name := range []string{"event", "event_type", "target"} { // of events
		delete(properties, name)
	}
	properties["code"] = object{"type": "string", "description": "the stable name of the result; later versions may add codes"}
	properties["retry"] = ref("schemas/Retry")
	properties["type"] = object{"type": "string", "description": "a link to the description of the code"}
	for name, of := range map[string]string{"errors": "FieldError", "warnings": "FieldError", "results": "Result"} {
		properties[name] = object{"type": "array", "items": ref("schemas/" + of)}
	}
	return s
}
