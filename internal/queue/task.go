package queue

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/rcshook/rcshook/internal/payload"
	"github.com/rcshook/rcshook/rbm"
)

// version is the version of the format of a [Task]. A function does not read tasks of a
// newer version.
const version = 1

// Task is one message to one recipient in the queue. It contains no secrets: the
// credentials of the agent and the fallback are looked up by name when it is sent.
type Task struct {
	Version int `json:"version"`

	// ID is the message ID. It is in the URL of the task, not in its body. The name of
	// the task is derived from it.
	ID string `json:"-"`

	// Agent is the name of the sending agent, To the number in E.164 format.
	Agent string `json:"agent"`
	To    string `json:"to"`

	// Message is the AgentMessage as JSON.
	Message json.RawMessage `json:"message"`

	// NotAfter is the time at which the message expires; zero means never. A TTL
	// starts at the requested time, not at the time of the dispatch.
	NotAfter time.Time `json:"not_after,omitzero"`

	// Source is the name of the source whose webhook caused the message; may be empty.
	Source string `json:"source,omitempty"`

	// Caller is the name of the direct caller with limits that sent the message; may be empty.
	Caller string `json:"caller,omitempty"`

	// Payload is the payload of the request, if a fallback may need it.
	Payload []byte `json:"payload,omitempty"`
}

// NewTask returns the task for a message to be sent at the given time.
func NewTask(m *rbm.AgentMessage, encoded []byte, at time.Time) Task {
	t := Task{Version: version, Message: encoded, NotAfter: m.ExpireTime}
	if m.TTL > 0 {
		t.NotAfter = at.Add(time.Duration(m.TTL))
	}
	return t
}

// encode returns the body of a task.
func encode(v any) ([]byte, error) {
	var body bytes.Buffer
	e := json.NewEncoder(&body)
	e.SetEscapeHTML(false) // escaping could make a message six times as large
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return body.Bytes(), nil
}

// Errors of tasks.
var (
	// ErrTask means that a body is not a valid task.
	ErrTask = errors.New("not a task of rcshook")

	// ErrVersion means that a newer version of rcshook created the task.
	ErrVersion = errors.New("the task was created by a newer version of rcshook")

	// ErrExpired means that the message expired in the queue.
	ErrExpired = errors.New("the message expired in the queue")
)

// Decode parses the body of the task with that message ID. The error is [ErrTask] or
// [ErrVersion]; it contains no part of the body.
func Decode(id string, body []byte) (*Task, error) {
	t := Task{ID: id}
	err := json.Unmarshal(body, &t)
	switch {
	case err == nil && t.Version > version:
		return nil, ErrVersion
	case err != nil || !payload.IsMessageID(id) || t.Version < 1 || t.Agent == "" || t.To == "" || len(t.Message) == 0:
		return nil, ErrTask
	}
	return &t, nil
}

// Open returns the message to be sent now, also encoded, with the remaining part of its
// TTL. The error is [ErrExpired] or [ErrTask].
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
