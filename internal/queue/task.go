package queue

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/payload"
	"github.com/rcshook/rcshook/rbm"
)

// version is the version of the format of tasks. A function does not read tasks of a newer
// version.
const version = 2

// Job is what the function does with a task. It is part of the path and of the name.
type Job string

// The jobs.
const (
	Send     Job = "send"     // send a message
	Watch    Job = "watch"    // revoke a message that is not delivered in time
	Fallback Job = "fallback" // give a message to its fallback
	deliver  Job = "event"    // deliver an event to a target
)

// taskID returns the ID of the task for a job. Cloud Tasks recommends hashes, because it is
// slower with IDs that have the same prefix.
//
// Google docs: https://docs.cloud.google.com/tasks/docs/reference/rest/v2/projects.locations.queues.tasks/create
func (j Job) taskID(parts ...string) string {
	sum := sha256.Sum256([]byte(string(j) + "\n" + strings.Join(parts, "\n")))
	return hex.EncodeToString(sum[:])
}

// Message identifies a message. Messages of two agents or to two numbers can have the same ID.
type Message struct {
	ID      string `json:"message_id"`
	AgentID string `json:"agent_id"` // of RBM, without "@rbm.goog"
	To      string `json:"to"`       // in E.164 format
}

func (m Message) taskID(j Job) string { return j.taskID(m.AgentID, m.To, m.ID) }

// Task is one message to one recipient in the queue. It contains no secrets: the
// credentials of the agent and the fallback are looked up by name when it is sent.
type Task struct {
	Version int `json:"version"`
	Message

	// Agent is the name of the sending agent in the configuration.
	Agent string `json:"agent"`

	// Content is the AgentMessage as JSON.
	Content json.RawMessage `json:"message"`

	// NotAfter is the time at which the message expires; zero means never. A TTL
	// starts at the requested time, not at the time of the dispatch.
	NotAfter time.Time `json:"not_after,omitzero"`

	// Source is the name of the source whose webhook caused the message; may be empty.
	Source string `json:"source,omitempty"`

	// Caller is the name of the direct caller with limits that sent the message; may be empty.
	Caller string `json:"caller,omitempty"`

	// Payload is the payload of the request, and FallbackText the text, if a fallback may
	// need them.
	Payload      []byte `json:"payload,omitempty"`
	FallbackText string `json:"fallback_text,omitempty"`

	// FallbackAt is when the fallback gets the message, unless it is delivered by then; zero
	// means that the fallback only gets a message that RCS cannot deliver.
	FallbackAt time.Time `json:"fallback_at,omitzero"`
}

// NewTask returns the task for a message to be sent at the given time.
func NewTask(m *rbm.AgentMessage, encoded []byte, at time.Time) Task {
	t := Task{Content: encoded, NotAfter: m.ExpireTime}
	if m.TTL > 0 {
		t.NotAfter = at.Add(time.Duration(m.TTL))
	}
	return t
}

// Handover is a message that its fallback gets: now, or if it is not delivered in time.
type Handover struct {
	Version int `json:"version"`
	Message

	Agent   string `json:"agent"`            // its name in the configuration
	Source  string `json:"source,omitempty"` // whose webhook caused the message; may be empty
	Traffic string `json:"traffic"`

	// Text is what the fallback sends. Payload is the payload of the request.
	Text    string `json:"text"`
	Payload []byte `json:"payload"`

	// Reason is why the fallback gets the message: timeout, expired, or the code of an error.
	Reason string `json:"reason"`

	// At is when the fallback gets the message. NotAfter is when the message expires; zero
	// means never.
	At       time.Time `json:"at"`
	NotAfter time.Time `json:"not_after,omitzero"`

	// Queue is the queue of the task that sends the message.
	Queue string `json:"queue"`
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

// Decode parses the body of the task with that ID, which is the message ID for tasks of
// version 1. The error is [ErrTask] or [ErrVersion]; it contains no part of the body.
func Decode(id string, body []byte) (*Task, error) {
	var t Task
	err := json.Unmarshal(body, &t)
	if t.Version == 1 {
		t.ID = id
	}
	switch {
	case err == nil && t.Version > version:
		return nil, ErrVersion
	case err != nil || !payload.IsMessageID(t.ID) || t.Version < 1 || t.Agent == "" || t.To == "" || len(t.Content) == 0,
		t.Version > 1 && id != t.taskID(Send):
		return nil, ErrTask
	}
	return &t, nil
}

// DecodeHandover parses the body of the task with that ID for [Watch] or [Fallback]. The
// error is [ErrTask] or [ErrVersion]; it contains no part of the body.
func DecodeHandover(job Job, id string, body []byte) (*Handover, error) {
	var h Handover
	err := json.Unmarshal(body, &h)
	switch {
	case err == nil && h.Version > version:
		return nil, ErrVersion
	case err != nil || h.Version < 2 || !payload.IsMessageID(h.ID) || h.Agent == "" || h.At.IsZero() || id != h.taskID(job),
		!config.IsQueue(h.Queue): // it becomes part of a URL
		return nil, ErrTask
	}
	return &h, nil
}

// Open returns the message to be sent now, also encoded, with the remaining part of its
// TTL. The error is [ErrTask], or [ErrExpired] together with the message.
func (t *Task) Open(now time.Time) (m *rbm.AgentMessage, encoded []byte, err error) {
	m = new(rbm.AgentMessage)
	if err := json.Unmarshal(t.Content, m); err != nil {
		return nil, nil, ErrTask
	}
	if t.NotAfter.IsZero() {
		return m, t.Content, nil
	}
	left := t.NotAfter.Sub(now).Truncate(time.Millisecond)
	switch {
	case left <= 0:
		return m, nil, fmt.Errorf("%w, %s ago", ErrExpired, (-left).Round(time.Second))
	case m.TTL <= rbm.Duration(left):
		return m, t.Content, nil
	}
	m.TTL = rbm.Duration(left)
	if encoded, err = m.Encode(); err != nil {
		return nil, nil, ErrTask
	}
	return m, encoded, nil
}
