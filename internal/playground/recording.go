package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/rcshook/rcshook/internal/phone"
	"github.com/rcshook/rcshook/internal/playground/demo"
)

// A recording is what the page shows before its engine is ready.
type recording struct {
	// Engine is the size of the compressed engine.
	Engine int64 `json:"engine"`

	Setup    map[string]any  `json:"setup"`
	Numbers  json.RawMessage `json:"numbers"`
	Examples []recorded      `json:"examples"`
}

// recorded is what becomes of an example.
type recorded struct {
	Payload json.RawMessage `json:"payload"`

	// Check and Send are the responses of /_dev/send with and without dry_run.
	Check json.RawMessage `json:"check"`
	Send  json.RawMessage `json:"send"`

	// ID is the ID of the message; empty if none was sent.
	ID string `json:"id,omitempty"`

	// Events are those of the stream, and Read those after the user has read the message.
	Events []json.RawMessage `json:"events"`
	Read   []json.RawMessage `json:"read"`
}

// recordingTime is the clock of the recording. The page replaces it.
var recordingTime = time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC)

// What the page shows for the address and the key of a function of the user.
const (
	yourURL = "https://YOUR-FUNCTION-URL"
	yourKey = "YOUR_KEY"
)

// addRecording runs the examples of the phone page on a function, and writes the results.
func (s *site) addRecording() error {
	data, err := fs.ReadFile(phone.Files(), "examples.json")
	if err != nil {
		return err
	}
	var examples []struct {
		Name    string
		Payload json.RawMessage
	}
	if err := json.Unmarshal(data, &examples); err != nil {
		return err
	}
	r := recording{Engine: s.engine}
	for _, e := range examples {
		one, err := r.record(e.Payload)
		if err != nil {
			return fmt.Errorf("example %s: %w", e.Name, err)
		}
		r.Examples = append(r.Examples, one)
	}
	r.Setup["function"], r.Setup["key"] = yourURL, yourKey
	if data, err = json.Marshal(r); err != nil {
		return err
	}
	return s.write("playground/recorded.json", data)
}

// record runs an example on a new function, and records the setup of that.
func (r *recording) record(payload json.RawMessage) (recorded, error) {
	one := recorded{Payload: payload, Events: []json.RawMessage{}, Read: []json.RawMessage{}}
	f, err := demo.New(demo.Options{Now: func() time.Time { return recordingTime }})
	if err != nil {
		return one, err
	}
	defer f.Close()
	if err := request(f, "/_dev/setup", nil, &r.Setup); err != nil {
		return one, err
	}
	var numbers struct{ Numbers json.RawMessage }
	if err := request(f, "/_sim/numbers", nil, &numbers); err != nil {
		return one, err
	}
	r.Numbers = numbers.Numbers
	check := append([]byte(`{"dry_run":true,`), bytes.TrimLeft(payload, "{")...)
	if err := request(f, "/_dev/send", check, &one.Check); err != nil {
		return one, err
	}
	before, err := events(f)
	if err != nil {
		return one, err
	}
	if err := request(f, "/_dev/send", payload, &one.Send); err != nil {
		return one, err
	}
	sent, err := events(f)
	if err != nil {
		return one, err
	}
	one.Events = append(one.Events, sent[len(before):]...)
	var message struct {
		ID      string `json:"message_id"`
		Phone   string `json:"phone"`
		Agent   string `json:"agent_id"`
		Message struct{ State string }
	}
	for _, e := range one.Events {
		if err := json.Unmarshal(e, &message); err != nil {
			return one, err
		}
		if message.ID != "" {
			one.ID = message.ID
		}
	}
	if message.Message.State != "delivered" && message.Message.State != "" || one.ID == "" {
		return one, nil
	}
	read, err := json.Marshal(map[string]string{"action": "read", "phone": message.Phone, "agent_id": message.Agent, "message_id": one.ID})
	if err != nil {
		return one, err
	}
	if err := request(f, "/_sim/user", read, nil); err != nil {
		return one, err
	}
	all, err := events(f)
	if err != nil {
		return one, err
	}
	one.Read = append(one.Read, all[len(sent):]...)
	return one, nil
}

// events returns the events of the simulator, when nothing waits for delivery.
func events(f *demo.Function) ([]json.RawMessage, error) {
	if err := f.Flush(); err != nil {
		return nil, err
	}
	var log struct{ Events []json.RawMessage }
	return log.Events, request(f, "/_sim/events", nil, &log)
}

// request makes a request and decodes the response, which must have status 200.
func request(h http.Handler, path string, body []byte, response any) error {
	method, reader := http.MethodGet, io.Reader(nil)
	if body != nil {
		method, reader = http.MethodPost, bytes.NewReader(body)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(method, "http://localhost"+path, reader))
	if w.Code != http.StatusOK {
		return fmt.Errorf("%s: status %d: %s", path, w.Code, w.Body)
	}
	if response == nil {
		return nil
	}
	return json.Unmarshal(w.Body.Bytes(), response)
}
