package phone

import (
	"encoding/json"
	"path"
	"strings"
	"time"

	"github.com/rcshook/rcshook/internal/compose"
	"github.com/rcshook/rcshook/internal/googletest/tasks"
	"github.com/rcshook/rcshook/internal/queue"
	"github.com/rcshook/rcshook/internal/target"
)

// Note is an entry of the log of [rbmtest.Simulator.Note] that the page shows. One field is
// set.
//
// [rbmtest.Simulator.Note]: https://pkg.go.dev/github.com/rcshook/rcshook/rbm/rbmtest#Simulator.Note
type Note struct {
	Delivery *Delivery `json:"delivery,omitempty"`
	Request  *Request  `json:"request,omitempty"`
	Reload   *Reload   `json:"reload,omitempty"`
	Task     *Task     `json:"task,omitempty"`
}

// Delivery is one attempt to deliver an event to a target. Target is empty if the function
// has no targets. SMS is set for a message that its fallback gets.
type Delivery struct {
	Target  string          `json:"target"`
	Event   json.RawMessage `json:"event"`
	Outcome string          `json:"outcome"`
	Status  int             `json:"status,omitempty"`
	Error   string          `json:"error,omitempty"`
	SMS     *compose.SMS    `json:"sms,omitempty"`
}

// NewDelivery returns the note of an attempt to deliver an event to a target, which is a path
// in the file for a fallback.
func NewDelivery(name string, event json.RawMessage, result target.Result) Note {
	note := &Delivery{Target: name, Event: event, Outcome: string(result.Outcome), Status: result.Status}
	if result.Err != nil {
		note.Error = result.Err.Error()
	}
	if strings.HasSuffix(name, ".fallback") { // names of other targets have no dots
		var about struct{ Text string }
		_ = json.Unmarshal(event, &about) // the function encoded it
		note.SMS = compose.NewSMS(about.Text)
	}
	return Note{Delivery: note}
}

// Task is the state of a task for a message with a fallback: one that revokes the message if
// it is not delivered in time (watch), or one that gives it to the fallback (fallback).
type Task struct {
	Job queue.Job `json:"job"`
	queue.Message
	Reason string    `json:"reason"`
	Due    time.Time `json:"due,omitzero"` // the next attempt; zero when the task has ended
}

// NewTask returns the note of a task. It returns false for other tasks than those of messages
// with a fallback.
func NewTask(t tasks.Waiting, ended bool) (Note, bool) {
	note := &Task{Job: JobOf(t.Path), Due: t.ScheduleTime}
	if note.Job != queue.Watch && note.Job != queue.Fallback {
		return Note{}, false
	}
	var h queue.Handover
	_ = json.Unmarshal(t.Body, &h) // the function encoded it
	if note.Message, note.Reason = h.Message, h.Reason; ended {
		note.Due = time.Time{}
	}
	return Note{Task: note}, true
}

// JobOf returns the job of a task from its path, /tasks/JOB/ID.
func JobOf(taskPath string) queue.Job { return queue.Job(path.Base(path.Dir(taskPath))) }

// Request is a request to a target that was received in its place. ID is that of the event
// or, for a fallback, of the message.
type Request struct {
	ID   string `json:"id"`
	URL  string `json:"url"`
	Body string `json:"body"`
}

// Reload means that the file with the configuration changed. If it has problems, the
// earlier configuration stays in use.
type Reload struct {
	File     string   `json:"file"`
	Problems []string `json:"problems"`
}
