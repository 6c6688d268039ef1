package server_test

import (
	"strings"

	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/payload"
	"github.com/rcshook/rcshook/internal/server"
	"github.com/rcshook/rcshook/rbm"
)

// describeNarrow returns an OpenAPI 3.0 description for generators of clients: only the
// documented names of fields, each with one type.
func describeNarrow() object {
	return object{
		"openapi": "3.0.3",
		"info": object{
			"title": "rcshook", "version": "1", "license": object{"name": "Apache 2.0"},
			"description": "Sends RCS messages from a simple payload. This description is for generators of clients; /openapi.json describes everything that the function accepts.",
		},
		"servers":  []any{object{"url": server.ServerPlaceholder}},
		"security": []any{object{"bearer": []any{}}},
		"tags":     []any{object{"name": "rcshook"}},
		"paths": object{
			"/": object{
				"get": narrowOperation("about", "Name, version and readiness; with a key also the agents", "About"),
				"post": with(narrowOperation("sendMessage", "Send a message", "Response"), object{
					"parameters": []any{
						object{"name": "profile", "in": "query", "schema": object{"type": "string", "enum": []any{"strict", "soft", "all"}}},
						object{"name": "Idempotency-Key", "in": "header", "schema": object{"type": "string"}},
					},
					"requestBody": object{"required": true, "content": object{"application/json": object{"schema": ref("schemas/Message")}}},
				}),
			},
			"/events/sample": object{
				"get": with(narrowOperation("sampleEvent", "A sample of an event, as targets get it", "ReceivedEvent"), object{
					"parameters": []any{object{"name": "type", "in": "query", "required": true, "schema": object{"type": "string", "enum": config.EventTypes}}},
				}),
			},
			"/capabilities": object{
				"post": with(narrowOperation("lookUpNumbers", "Which numbers can get RCS, and what the device of one number supports", "Response"), object{
					"requestBody": object{"required": true, "content": object{"application/json": object{"schema": ref("schemas/Numbers")}}},
				}),
			},
			"/messages/{message_id}": object{
				"delete": with(narrowOperation("revokeMessage", "Revoke a message that is not delivered yet", "Response"), object{
					"parameters": []any{
						object{"name": "message_id", "in": "path", "required": true, "schema": object{"type": "string"}},
						object{"name": "to", "in": "query", "required": true, "schema": object{"type": "string", "example": "+12025550123"}},
						object{"name": "agent", "in": "query", "schema": object{"type": "string"}},
					},
				}),
			},
		},
		"components": object{
			"securitySchemes": object{"bearer": object{"type": "http", "scheme": "bearer"}},
			"schemas": object{
				"Message": with(narrowSchema(payload.OnMessage), object{
					"required": []any{"to"},
					"example":  object{"to": []any{"+12025550123"}, "text": "Your order 1042 has shipped", "idempotency_key": "order-1042-shipped"},
				}),
				"Card":     narrowSchema(payload.OnCard),
				"Button":   with(narrowSchema(payload.OnButton), object{"example": object{"label": "Track", "url": "https://example.com/t/1042"}}),
				"Event":    narrowSchema(payload.OnEvent),
				"Response": narrowResponse(),
				"Numbers": object{
					"type": "object", "required": []any{"to"},
					"properties": object{
						"to":    object{"type": "array", "items": object{"type": "string"}, "minItems": 1, "maxItems": rbm.MaxBatchUsers, "example": []any{"+12025550123"}},
						"agent": object{"type": "string"}, "country": object{"type": "string"},
					},
				},
				"Error": object{
					"type": "object", "required": []any{"detail"},
					"properties": object{"pointer": object{"type": "string"}, "detail": object{"type": "string"}, "limit": object{"type": "integer"}, "actual": object{"type": "integer"}},
				},
				"ReceivedEvent": narrowEvent(),
				"About": object{
					"type": "object", "required": []any{"name", "version", "ready"},
					"properties": object{
						"name": object{"type": "string"}, "version": object{"type": "string"}, "ready": object{"type": "boolean"},
						"agents": object{"type": "array", "items": object{"type": "string"}},
					},
				},
			},
		},
	}
}

// narrowEvent describes an event. In OpenAPI 3.0 a type has no null.
func narrowEvent() object {
	properties := object{}
	event := eventSchema()
	for name, s := range event["properties"].(object) {
		narrow := object{"type": "string"}
		switch name {
		case "file_size":
			narrow = object{"type": "integer", "format": "int64", "nullable": true}
		case "latitude", "longitude":
			narrow = object{"type": "number", "nullable": true}
		case "time":
			narrow["format"] = "date-time"
		case "type":
			narrow["enum"] = config.EventTypes
		case "payload":
			narrow = object{}
		}
		if about, ok := s.(object)["description"]; ok {
			narrow["description"] = about
		}
		properties[name] = narrow
	}
	return object{"type": "object", "required": event["required"], "properties": properties}
}

// with adds members to an object.
func with(o, more object) object {
	for name, v := range more {
		o[name] = v
	}
	return o
}

func narrowOperation(id, summary, result string) object {
	return object{
		"operationId": id, "summary": summary, "tags": []any{"rcshook"},
		"responses": object{
			"200":     object{"description": "success", "content": object{"application/json": object{"schema": ref("schemas/" + result)}}},
			"default": object{"description": "failure, or several results", "content": object{"application/problem+json": object{"schema": ref("schemas/Response")}}},
		},
	}
}

func narrowSchema(on payload.Level) object {
	properties := object{}
	for _, f := range payload.Fields(on) {
		properties[f.Name] = narrowField(f)
	}
	return object{"type": "object", "properties": properties}
}

func narrowField(f payload.Field) object {
	s := object{"type": "string"}
	switch f.Type {
	case payload.TypeBool:
		s = object{"type": "boolean"}
	case payload.TypeNumber:
		s = object{"type": "number"}
	case payload.TypePhones:
		s = object{"type": "array", "items": object{"type": "string"}}
	case payload.TypeWord:
		var words []any
		for _, synonyms := range f.Words {
			words = append(words, synonyms[0])
		}
		s["enum"] = words
	case payload.TypeDuration:
		s["example"] = "10m"
	case payload.TypeTime:
		s["example"] = "2026-12-05T19:00:00+01:00"
	case payload.TypeButtons:
		s = object{"type": "array", "items": ref("schemas/Button")}
	case payload.TypeCards:
		s = object{"type": "array", "items": ref("schemas/Card")}
	case payload.TypeCard:
		return ref("schemas/Card")
	case payload.TypeEvent:
		return ref("schemas/Event")
	case payload.TypeRaw:
		s = object{"type": "object", "additionalProperties": true}
	}
	s["description"] = f.Meaning
	return s
}

// narrowResponse describes the members of the response of which clients make use.
func narrowResponse() object {
	properties := capabilitiesSchema(object{})
	for _, name := range strings.Fields("code message title detail action cause source message_id to agent name request_id type") {
		properties[name] = object{"type": "string"}
	}
	properties["code"] = object{"type": "string", "description": "stable; later versions may add codes"}
	properties["ok"] = object{"type": "boolean"}
	properties["status"] = object{"type": "integer"}
	properties["retry"] = object{"type": "string", "enum": []any{"none", "never", "now", "later", "after_fix", "per_item"}}
	properties["duplicate_risk"] = object{"type": "boolean"}
	for _, name := range []string{"send_time", "schedule_at", "fallback_at"} {
		properties[name] = object{"type": "string", "format": "date-time"}
	}
	for name, of := range map[string]string{"errors": "Error", "warnings": "Error", "results": "Response"} {
		properties[name] = object{"type": "array", "items": ref("schemas/" + of)}
	}
	return object{"type": "object", "required": []any{"ok", "status", "code", "retry", "message"}, "properties": properties}
}
