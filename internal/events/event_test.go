package events_test

import (
	"encoding/json"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/events"
)

var noon = time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC)

// TestNew_id tests that an ID is that of one event: kind, agent, phone and the ID that RBM
// gave it.
func TestNew_id(t *testing.T) {
	t.Parallel()
	const first = `{"senderPhoneNumber": "+12025550123", "agentId": "a_agent@rbm.goog", "eventType": "DELIVERED", "eventId": "E1", "messageId": "m"}`
	id := events.New([]byte(first), noon).ID
	if !regexp.MustCompile(`^evt_[0-9a-f]{32}$`).MatchString(id) {
		t.Errorf("ID = %q, want evt_ and 32 hex digits", id)
	}
	for _, test := range []struct {
		name, data string
		same       bool
	}{
		{"repeated later", first, true},
		{"other order of the members", `{"eventId": "E1", "eventType": "DELIVERED", "agentId": "a_agent", "messageId": "m", "senderPhoneNumber": "+12025550123"}`, true},
		{"other kind", `{"senderPhoneNumber": "+12025550123", "agentId": "a_agent", "eventType": "READ", "eventId": "E1", "messageId": "m"}`, false},
		{"other phone", `{"senderPhoneNumber": "+12025550124", "agentId": "a_agent", "eventType": "DELIVERED", "eventId": "E1", "messageId": "m"}`, false},
		{"other agent", `{"senderPhoneNumber": "+12025550123", "agentId": "b_agent", "eventType": "DELIVERED", "eventId": "E1", "messageId": "m"}`, false},
		{"other ID", `{"senderPhoneNumber": "+12025550123", "agentId": "a_agent", "eventType": "DELIVERED", "eventId": "E2", "messageId": "m"}`, false},
		{"no ID", `{"senderPhoneNumber": "+12025550123", "agentId": "a_agent", "eventType": "DELIVERED", "messageId": "m"}`, false},
	} {
		if got := events.New([]byte(test.data), noon.Add(time.Hour)).ID; (got == id) != test.same {
			t.Errorf("%s: ID = %s, that of the first event is %s; want the same: %t", test.name, got, id, test.same)
		}
	}
	a := events.New([]byte(`{"text": "Hi", "agentId": "a"}`), noon).ID
	if b := events.New([]byte(`{"text": "Ho", "agentId": "a"}`), noon).ID; a == b {
		t.Error("two events without IDs have the same ID")
	}
}

// TestNew_incomplete tests messages of users with content that is missing, or that has
// another type than the documents say.
func TestNew_incomplete(t *testing.T) {
	t.Parallel()
	for content, want := range map[string]string{
		`"text": "Hi"`:                 "reply",
		`"text": ["Hi"]`:               "other",
		`"suggestionResponse": "x"`:    "other",
		`"userFile": {"payload": "x"}`: "file",
	} {
		data := `{"senderPhoneNumber": "+12025550123", "agentId": "a_agent", "messageId": "m", ` + content + `}`
		e := events.New([]byte(data), noon)
		if e.Type != want || e.FileSize != nil || (e.Raw == data) != (want == "other") {
			t.Errorf("%s: type %s with raw %q, want %s", content, e.Type, e.Raw, want)
		}
	}
	e := events.New([]byte(`{"agentId": "a_agent", "messageId": "m", "userFile": {"payload": {"fileUri": "https://files.example/a"}}}`), noon)
	if e.Type != "file" || e.FileURL == "" || e.FileSize != nil {
		t.Errorf("a file without a size: %+v, want no size", e)
	}
}

// TestNew_unknown tests that an event of an unknown kind keeps what it has in common with
// the known ones: its person, and an ID.
func TestNew_unknown(t *testing.T) {
	t.Parallel()
	const (
		event   = `{"x": 1, "eventId": "E1"}`
		message = `{"x": 1, "messageId": "E1"}`
	)
	for data, phone := range map[string]string{
		`{"x": 1}`:                                         "",
		`{"x": 1, "senderPhoneNumber": "+1"}`:              "+1",
		`{"x": 1, "phoneNumber": "+2"}`:                    "+2",
		`{"senderPhoneNumber": "+1", "phoneNumber": "+2"}`: "+1",
	} {
		if e := events.New([]byte(data), noon); e.Type != "other" || e.Phone != phone || e.Raw != data {
			t.Errorf("%s: type %s, phone %q, raw %s, want %q", data, e.Type, e.Phone, e.Raw, phone)
		}
	}
	want := events.New([]byte(event), noon).ID
	for data, same := range map[string]bool{
		message: true,
		`{"y": 2, "eventId": "E1", "messageId": "other"}`: true,
		`{"x": 1, "eventId": "E2", "messageId": "E1"}`:    false,
		`{"x": 1}`: false,
	} {
		if got := events.New([]byte(data), noon).ID; (got == want) != same {
			t.Errorf("%s: ID %s, that of %s is %s; want the same: %t", data, got, event, want, same)
		}
	}
}

// TestSamples tests that there is a sample of each type, and that each has every key. The
// documentation and GET /events/sample show them.
func TestSamples(t *testing.T) {
	t.Parallel()
	var types []string
	var keys []string
	for _, e := range events.Samples("default", "a_agent", "sample", noon) {
		types = append(types, e.Type)
		data, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		var object map[string]any
		if err := json.Unmarshal(data, &object); err != nil {
			t.Fatal(err)
		}
		delete(object, "payload")
		var got []string
		for key, value := range object {
			got = append(got, key)
			_, number := map[string]bool{"file_size": true, "latitude": true, "longitude": true}[key]
			if _, isText := value.(string); !isText && !number {
				t.Errorf("%s: %s is %v, want a string", e.Type, key, value)
			}
		}
		slices.Sort(got)
		if keys == nil {
			keys = got
		}
		if diff := cmp.Diff(keys, got); diff != "" {
			t.Errorf("%s: keys (-%s +%[1]s):\n%[3]s", e.Type, types[0], diff)
		}
		if e.ID == "" || e.Agent != "default" || e.AgentID != "a_agent" || !e.Time.Equal(noon) || e.Type != "launch" && e.Phone == "" {
			t.Errorf("%s: incomplete: %s", e.Type, data)
		}
	}
	if diff := cmp.Diff(config.EventTypes, types); diff != "" {
		t.Errorf("types (-want +got):\n%s", diff)
	}
}

func TestIsOld(t *testing.T) {
	t.Parallel()
	for age, want := range map[time.Duration]bool{0: false, 8 * 24 * time.Hour: false, 8*24*time.Hour + time.Second: true} {
		e := events.Event{Time: noon.Add(-age)}
		if got := e.IsOld(noon); got != want {
			t.Errorf("IsOld after %v = %t, want %t", age, got, want)
		}
	}
}
