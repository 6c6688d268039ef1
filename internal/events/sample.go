package events

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/rcshook/rcshook/internal/config"
)

// samplePhone is a number that is reserved for fiction.
const samplePhone = "+12025550123"

// samples are the requests of RBM for the types of events; %[1]s is the agent ID, %[2]s
// the phone number, %[3]s a unique ID and %[4]s the time.
var samples = map[string]string{
	"delivered":     receipt("DELIVERED"),
	"read":          receipt("READ"),
	"typing":        userEvent("IS_TYPING"),
	"unsubscribed":  userEvent("UNSUBSCRIBE"),
	"subscribed":    userEvent("SUBSCRIBE"),
	"help":          message(`"text": "Help"`),
	"expired":       expiry("TTL_EXPIRATION_REVOKED"),
	"expiry_unsure": expiry("TTL_EXPIRATION_REVOKE_FAILED"),
	"reply":         message(`"text": "Can I come at 5 pm?"`),
	"button":        message(`"suggestionResponse": {"postbackData": "CONFIRM", "text": "Confirm", "type": "REPLY"}`),
	"location":      message(`"location": {"latitude": 47.6026, "longitude": -122.3393}`),
	"file": message(`"userFile": {"payload": {"mimeType": "image/jpeg", "fileSizeBytes": 204331, "fileName": "pier.jpg",
		"fileUri": "https://storage.googleapis.com/copper-rbm/pier.jpg"}, "thumbnail": {"mimeType": "image/jpeg", "fileSizeBytes": 8121,
		"fileName": "thumbnail.jpg", "fileUri": "https://storage.googleapis.com/copper-rbm/thumbnail.jpg"}}`),
	"launch": `{"eventId": "rbm-chatbot-id/%[3]s", "agentId": "%[1]s", "botDisplayName": "Harborline Ferries", "brandId": "c9",
		"brandDisplayName": "Harborline", "regionId": "/v1/regions/us-carrier", "oldLaunchState": "PENDING", "newLaunchState": "LAUNCHED",
		"actingParty": "rbm-support@google.com", "comment": "", "sendTime": "%[4]s"}`,
	"other": userEvent("WAVED"),
}

const sampleHead = `"senderPhoneNumber": "%[2]s", "agentId": "%[1]s", "sendTime": "%[4]s", `

func receipt(eventType string) string {
	return `{` + sampleHead + `"eventType": "` + eventType + `", "eventId": "Mx%[3]s", "messageId": "5a0c2f4e-6a3d-4d0e-9a50-0d7c1f7be001"}`
}

func userEvent(eventType string) string {
	return `{` + sampleHead + `"eventType": "` + eventType + `", "eventId": "Mx%[3]s"}`
}

func expiry(eventType string) string {
	return `{"phoneNumber": "%[2]s", "agentId": "%[1]s", "sendTime": "%[4]s", "eventType": "` + eventType +
		`", "eventId": "Mx%[3]s", "messageId": "5a0c2f4e-6a3d-4d0e-9a50-0d7c1f7be001"}`
}

func message(content string) string {
	return `{` + sampleHead + `"messageId": "Mx%[3]s", ` + content + `}`
}

// SampleData returns the data of a request of RBM with an event of a type, as
// [rbm.WebhookData] would return it. It reports false for types that RBM does not send.
// id makes the event unique.
func SampleData(eventType, agentID, id string, now time.Time) ([]byte, bool) {
	text, ok := samples[eventType]
	if !ok {
		return nil, false
	}
	return fmt.Appendf(nil, text, agentID+"@rbm.goog", samplePhone, id, now.UTC().Format(time.RFC3339Nano)), true
}

// Sample returns an event of a type; nil for unknown types.
func Sample(eventType, agent, agentID, id string, now time.Time) *Event {
	data, ok := SampleData(eventType, agentID, id, now)
	if ok {
		e := New(data, now)
		e.Agent = agent
		if eventType == "help" {
			e.SetType("help", e.ReplyID)
			e.Keyword, e.Via = "HELP", "text"
		}
		return e
	}
	about := *Sample("delivered", agent, agentID, id, now)
	switch eventType {
	case "failed":
		return Failed(about, "", "expired", now)
	case "fallback":
		return Fallback(about, "recipient_unreachable", "Your table is ready.", json.RawMessage(`{"to": "+12025550123", "text": "Your table is ready."}`), now)
	}
	return nil
}

// Samples returns an event of each type, in the order of [config.EventTypes].
func Samples(agent, agentID, id string, now time.Time) []*Event {
	var all []*Event
	for _, eventType := range config.EventTypes {
		all = append(all, Sample(eventType, agent, agentID, id, now))
	}
	return all
}
