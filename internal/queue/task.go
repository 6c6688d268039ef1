package queue

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/rcshook/rcshook/rbm"
)

// version is the form of a [Task]. A function that is older than the task does not
// guess what it means.
const version = 1

// A Task is one message to one recipient, as it waits in the queue. It holds what is
// needed to send it, and nothing that is secret: the agent's credentials and the
// fallback are looked up by their names when it is sent.
type Task struct {
	Version int `json:"version"`

	// ID is the message ID. It is the name of the task and the end of the address
	// that the task is sent to, and does not stand in the body.
	ID string `json:"-"`

	// Agent is the name of the agent that sends, To the number in E.164.
	Agent string `json:"agent"`
	To    string `json:"to"`

	// Message is the AgentMessage as JSON.
	Message json.RawMessage `json:"message"`

	// NotAfter is when nobody wants the message any more; zero means never. A TTL
	// begins when the message was to be sent, not when its turn comes.
	NotAfter time.Time `json:"not_after,omitzero"`

	// Source is whose webhook it was, if it was one.
	Source string `json:"source,omitempty"`

	// Payload is what the sender asked for, where a fallback would get it.
	Payload []byte `json:"payload,omitempty"`
}

// NewTask returns the task for a message that is to be sent at a time.
func NewTask(m *rbm.AgentMessage, encoded []byte, at time.Time) Task {
	t := Task{Version: version, Message: encoded, NotAfter: m.ExpireTime}
	if m.TTL > 0 {
		t.NotAfter = at.Add(time.Duration(m.TTL))
	}
	return t
}

// encode returns the body of the task.
func (t *Task) encode() ([]byte, error) {
	var body bytes.Buffer
	e := json.NewEncoder(&body)
	e.SetEscapeHTML(false) // or a message of angle brackets would have six times its size
	if err := e.Encode(t); err != nil {
		return nil, err
	}
	return body.Bytes(), nil
}

// What can be wrong with a task.
var (
	// ErrTask means that a body is not that of a task.
	ErrTask = errors.New("this is not a task of rcshook")

	// ErrVersion means that a newer rcshook made the task.
	ErrVersion = errors.New("the task was made by a newer version of rcshook")

	// ErrExpired means that the message is not wanted any more.
	ErrExpired = errors.New("the message has expired while it waited in the queue")
)

// Decode reads the body of the task of the message with that ID. The error is
// [ErrTask] or [ErrVersion]; it holds nothing of the body.
func Decode(id string, body []byte) (*Task, error) {
	t := Task{ID: id}
	err := json.Unmarshal(body, &t)
	switch {
	case err == nil && t.Version > version:
		return nil, ErrVersion
	case err != nil || uuid.Validate(id) != nil || t.Version < 1 || t.Agent == "" || t.To == "" || len(t.Message) == 0:
		return nil, ErrTask
	}
	return &t, nil
}

// Open returns the message as it is to be sent now, and as JSON: what has passed of
// its TTL is taken off. The error is [ErrExpired] or [ErrTask].
func (t *Task) Open(now time.Time) (m *rbm.AgentMessage, encoded []byte, err error) {
	m = new(rbm.AgentMessage)
	if err := json.Unmarshal(t.Message, m); err != nil {
		return nil, nil, ErrTask
	}
	if t.NotAfter.IsZero() {
		return m, t.Message, nil
	}
	left := t.NotAfter.Sub(now).Truncate(time.Millisecond)
	switch {
	case left <= 0:
		return nil, nil, fmt.Errorf("%w, %s ago", ErrExpired, (-left).Round(time.Second))
	case m.TTL <= rbm.Duration(left):
		return m, t.Message, nil
	}
	m.TTL = rbm.Duration(left)
	if encoded, err = m.Encode(); err != nil {
		return nil, nil, ErrTask
	}
	return m, encoded, nil
}
