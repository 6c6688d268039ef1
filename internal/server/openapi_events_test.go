package server_test

import (
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/events"
)

// receive describes POST /events.
func receive() object {
	all := only(responses(), "200", "400", "401", "404", "408", "413", "415", "500", "503", "504")
	all["200"] = statuses()["200"]
	all["200"].(object)["content"].(object)["text/plain"] = object{"schema": object{"type": "string", "description": "the secret of a handshake"}}
	return object{
		"operationId": "receive",
		"summary":     "Receive an event of RCS for Business",
		"tags":        []any{"Events"},
		"description": "The webhook of the agent, which signs with the client token in X-Goog-Signature. It sends an event again, for seven " +
			"days, until the status is 200: every target has the event then, or the queue delivers it.",
		"security":    []any{},
		"requestBody": object{"required": true, "content": object{"application/json": object{"schema": object{"type": "object"}}}},
		"responses":   all,
	}
}

// only keeps the responses with some statuses.
func only(all object, statuses ...string) object {
	maps.DeleteFunc(all, func(status string, _ any) bool { return !slices.Contains(statuses, status) })
	return all
}

// sampleEvents describes GET /events/sample.
func sampleEvents() object {
	all := only(responses(), "200", "401", "403", "422", "500", "503")
	all["200"] = object{
		"description": "An event of each type, or of the one in type.",
		"headers":     object{"X-Request-Id": ref("headers/RequestId")},
		"content": object{"application/json": object{"schema": object{"anyOf": []any{
			ref("schemas/ReceivedEvent"), object{"type": "array", "items": ref("schemas/ReceivedEvent")},
		}}}},
	}
	return object{
		"operationId": "sampleEvents",
		"summary":     "Sample events, for the test button of no-code tools",
		"description": "Every sample has all keys of an event.",
		"tags":        []any{"Events"},
		"parameters":  []any{object{"name": "type", "in": "query", "description": "the type of the event; without it, the response has one of each", "schema": object{"type": "string", "enum": config.EventTypes}}},
		"responses":   all,
	}
}

// deliver describes POST /tasks/event/{task}.
func deliver() object {
	all := responses()
	return object{
		"operationId": "deliver",
		"summary":     "Deliver an event from the queue to a target",
		"tags":        []any{"Queue"},
		"description": "For Cloud Tasks only, which authenticates with a Google ID token of the queue's service account.",
		"security":    []any{object{"bearer": []any{}}},
		"parameters":  []any{object{"name": "task", "in": "path", "required": true, "schema": object{"type": "string"}, "description": "the name of the task"}},
		"requestBody": object{"required": true, "content": object{"application/json": object{"schema": object{"type": "object"}}}},
		"responses":   all,
	}
}

// webhooks describes the requests to targets.
func webhooks() object {
	header := func(name, about string) object {
		return object{"name": name, "in": "header", "schema": object{"type": "string"}, "description": about}
	}
	return object{"event": object{"post": object{
		"operationId": "event",
		"summary":     "An event, as a target without a map gets it",
		"tags":        []any{"Events"},
		"description": "Any 2xx is a success. After 400, 410, 413, 415 and 422 the event is given up; after everything else it is sent again.",
		"parameters": []any{
			header("webhook-id", "the id of the event, the same at each repetition"),
			header("webhook-timestamp", "the time of the attempt, in seconds since 1970; only with a secret"),
			header("webhook-signature", "the signature of Standard Webhooks; only with a secret"),
		},
		"requestBody": object{"required": true, "content": object{"application/json": object{"schema": ref("schemas/ReceivedEvent")}}},
		"responses":   object{"2XX": object{"description": "The event is delivered."}},
	}}}
}

// eventSchema describes a flat event: every key is required. The examples are the samples.
func eventSchema() object {
	about := map[string]string{
		"id": "the same at each repetition", "time": "RFC 3339", "phone": "the user, in E.164", "agent": "the name of the agent in the configuration",
		"agent_id": "the ID of the agent at the platform", "message_id": "our message that the event is about", "reply_id": "the message of the user",
		"status": "the state of our message: delivered, read, expired, unknown or fallback", "text": "the message of the user, or the label of the button",
		"postback": "the postback of the button, byte for byte", "button_type": "reply or action", "file_size": "in bytes",
		"keyword": "the word of an opt-out", "via": "text, menu or button", "reason": "the code of a failure, or why a fallback was used",
		"platform_type": "of events of an unknown kind", "raw": "the JSON of events of an unknown kind", "billing": "US numbers only", "carrier": "US numbers only",
		"payload": "the body that the caller sent; only in events for a fallback",
	}
	properties, required := object{}, []any{}
	for _, name := range keysOf(events.Samples("default", "example_agent", "sample", time.Unix(0, 0))[0]) {
		s := object{"type": "string"}
		switch name {
		case "type":
			s = object{"type": "string", "enum": config.EventTypes}
		case "file_size", "latitude", "longitude":
			s = object{"type": []any{"number", "null"}}
		}
		if about[name] != "" {
			s["description"] = about[name]
		}
		properties[name] = s
		required = append(required, name)
	}
	properties["payload"] = object{"description": about["payload"]}
	return object{
		"type": "object", "description": "An event of RCS for Business, or of this function.",
		"required": required, "additionalProperties": false, "properties": properties,
		"examples": events.Samples("default", "example_agent", "sample", time.Date(2026, 12, 1, 9, 0, 0, 0, time.UTC)),
	}
}

// keysOf returns the keys of the JSON of a value, sorted.
func keysOf(v any) (keys []string) {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	var object map[string]json.RawMessage
	if err := json.Unmarshal(data, &object); err != nil {
		panic(err)
	}
	for key := range object {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
