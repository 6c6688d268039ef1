package queue

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rcshook/rcshook/rbm"
)

const id = "5a0c2f4e-6a3d-4d0e-9a50-0d7c1f7be001"

var noon = time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC)

func text(s string) *rbm.AgentMessage {
	return &rbm.AgentMessage{ContentMessage: &rbm.AgentContentMessage{Text: s}}
}

// newTask returns the task of a message to be sent at noon.
func newTask(t *testing.T, m *rbm.AgentMessage) Task {
	t.Helper()
	encoded, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	task := NewTask(m, encoded, noon)
	task.Version, task.Agent, task.Message = version, "default", Message{id, "agent", "+12025550123"}
	return task
}

// A message from the queue is unchanged, except for the elapsed part of its TTL.
func TestOpen(t *testing.T) {
	t.Parallel()
	with := func(change func(*rbm.AgentMessage)) *rbm.AgentMessage {
		m := text("Zwölf <Boxkämpfer> & \u2028")
		change(m)
		return m
	}
	for _, test := range []struct {
		name    string
		message *rbm.AgentMessage
		after   time.Duration
		want    *rbm.AgentMessage // nil: expired
		err     string
	}{
		{"no limit", text("Hello"), 31 * 24 * time.Hour, text("Hello"), ""},
		{"special characters", with(func(*rbm.AgentMessage) {}), 0, with(func(*rbm.AgentMessage) {}), ""},
		{
			"a part of the ttl has elapsed", with(func(m *rbm.AgentMessage) { m.TTL = rbm.Duration(10 * time.Minute) }), 4*time.Minute + time.Microsecond,
			with(func(m *rbm.AgentMessage) { m.TTL = rbm.Duration(6*time.Minute - time.Millisecond) }), "",
		},
		{
			"the clock of another instance is behind", with(func(m *rbm.AgentMessage) { m.TTL = rbm.Duration(rbm.MaxLifetime) }), -time.Second,
			with(func(m *rbm.AgentMessage) { m.TTL = rbm.Duration(rbm.MaxLifetime) }), "",
		},
		{
			"a one-time password that waited too long", with(func(m *rbm.AgentMessage) { m.TTL = rbm.Duration(10 * time.Minute) }), 20 * time.Minute, nil,
			"the message expired in the queue, 10m0s ago",
		},
		{
			"not expired yet", with(func(m *rbm.AgentMessage) { m.ExpireTime = noon.Add(time.Hour) }), time.Hour - time.Millisecond,
			with(func(m *rbm.AgentMessage) { m.ExpireTime = noon.Add(time.Hour) }), "",
		},
		{
			"expired", with(func(m *rbm.AgentMessage) { m.ExpireTime = noon.Add(time.Hour) }), time.Hour, nil,
			"the message expired in the queue, 0s ago",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			made := newTask(t, test.message)
			body, err := encode(&made)
			if err != nil {
				t.Fatal(err)
			}
			task, err := Decode(made.taskID(Send), body)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(made, *task); diff != "" {
				t.Errorf("the task changed (-want +got):\n%s", diff)
			}
			got, encoded, err := task.Open(noon.Add(test.after))
			if test.want == nil {
				if !errors.Is(err, ErrExpired) || err.Error() != test.err {
					t.Errorf("Open = %v, want %s", err, test.err)
				}
				return
			}
			if diff := cmp.Diff(test.want, got); diff != "" || err != nil {
				t.Errorf("Open: %v (-want +got):\n%s", err, diff)
			}
			if want, err := test.want.Encode(); err != nil || !bytes.Equal(want, bytes.TrimSpace(encoded)) {
				t.Errorf("Open encodes as %s, want %s", encoded, want)
			}
		})
	}
}

func TestDecode_invalid(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		body string
		want error
	}{
		{"", ErrTask},
		{"{}", ErrTask},
		{"[]", ErrTask},
		{`{"version": 1, "agent": "a", "to": "+1", "message": {}}`, nil},
		{`{"version": 1, "agent": "a", "to": "+1"}`, ErrTask},
		{`{"version": 1, "agent": "a", "message": {}}`, ErrTask},
		{`{"version": 1, "to": "+1", "message": {}}`, ErrTask},
		{`{"version": 0, "agent": "a", "to": "+1", "message": {}}`, ErrTask},
		{`{"version": 1, "agent": "a", "to": "+1", "message": {}, "not_after": "soon"}`, ErrTask},
		{`{"version": 2, "agent": "a", "to": "+1", "message_id": "` + id + `", "message": {}}`, ErrTask}, // of another message
		{`{"version": 3, "agent": "a", "to": "+1", "message": {}}`, ErrVersion},
		{`{"version": 3, "recipient": "+1"}`, ErrVersion},
	} {
		if _, err := Decode(id, []byte(test.body)); !errors.Is(err, test.want) {
			t.Errorf("Decode(%s) = %v, want %v", test.body, err, test.want)
		}
	}
	if _, err := Decode("order-1", []byte(`{"version": 1, "agent": "a", "to": "+1", "message": {}}`)); !errors.Is(err, ErrTask) {
		t.Errorf("Decode with an invalid ID = %v, want %v", err, ErrTask)
	}
	task := Task{Version: 1, Content: json.RawMessage(`{"ttl": "soon"}`)}
	if _, _, err := task.Open(noon); !errors.Is(err, ErrTask) {
		t.Errorf("Open of an invalid message = %v, want %v", err, ErrTask)
	}
}

// The largest message, with the largest payload for a fallback, fits into a task.
func TestLargest(t *testing.T) {
	t.Parallel()
	m := text(strings.Repeat("<", rbm.MaxMessageBytes-len(`{"contentMessage":{"text":""}}`)))
	task := newTask(t, m)
	task.Payload = []byte(strings.Repeat("\x01", 256<<10))
	body, err := encode(&task)
	if err != nil {
		t.Fatal(err)
	}
	if len(task.Content) < rbm.MaxMessageBytes-10 || len(body) > MaxBody*2/3 {
		t.Errorf("a message of %d bytes is a task of %d", len(task.Content), len(body))
	}
}

// FuzzDecode checks that any body gives a valid message or an error.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"version": 1, "agent": "default", "to": "+12025550123", "message": {"contentMessage": {"text": "x"}, "ttl": "600s"}, "not_after": "2026-12-01T12:10:00Z"}`))
	f.Add([]byte(`{"version": 3}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		task, err := Decode(id, body)
		if err != nil {
			if !errors.Is(err, ErrTask) && !errors.Is(err, ErrVersion) {
				t.Errorf("Decode = %v", err)
			}
			return
		}
		m, _, err := task.Open(noon)
		switch {
		case errors.Is(err, ErrTask), errors.Is(err, ErrExpired):
		case err != nil:
			t.Errorf("Open = %v", err)
		case m.TTL > 0 && !task.NotAfter.IsZero() && noon.Add(time.Duration(m.TTL)).After(task.NotAfter):
			t.Errorf("the remaining ttl is %v, and the message expires at %v", time.Duration(m.TTL), task.NotAfter)
		}
	})
}

// FuzzDecodeHandover checks that any body gives a message for its fallback, under its own
// name only, or an error.
func FuzzDecodeHandover(f *testing.F) {
	h := Handover{
		Version: version, Message: Message{id, "agent", "+12025550123"}, Agent: "default", Source: "shop", Traffic: "PROMOTION",
		Text: "Hello", Payload: []byte("{}"), Reason: "timeout", At: noon, NotAfter: noon.Add(time.Hour), Queue: "projects/p/locations/l/queues/q",
	}
	body, err := encode(&h)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(h.taskID(Watch), body)
	f.Add(h.taskID(Fallback), body)
	f.Add("", []byte(`{"version": 2, "agent": "default", "at": "2026-12-01T12:00:00Z"}`))
	f.Add(h.taskID(Watch), []byte(`{"version": 1, "agent": "default", "at": "2026-12-01T12:00:00Z"}`))
	f.Add(id, []byte(`{"version": 3}`))
	f.Add(id, []byte(`{"version": 2, "at": "soon"}`))
	f.Fuzz(func(t *testing.T, name string, body []byte) {
		for _, job := range []Job{Watch, Fallback} {
			h, err := DecodeHandover(job, name, body)
			if err != nil {
				if !errors.Is(err, ErrTask) && !errors.Is(err, ErrVersion) {
					t.Errorf("DecodeHandover = %v", err)
				}
				continue
			}
			encoded, err := encode(h)
			if err != nil {
				t.Fatal(err)
			}
			again, err := DecodeHandover(job, name, encoded)
			if diff := cmp.Diff(h, again); diff != "" || err != nil {
				t.Errorf("the message changed: %v (-want +got):\n%s", err, diff)
			}
			for _, other := range []Job{Send, Watch, Fallback} {
				if _, err := DecodeHandover(other, name, body); other != job && err == nil {
					t.Errorf("the name for the job %s is that for %s", job, other)
				}
			}
		}
	})
}

func TestDecodeHandover_invalid(t *testing.T) {
	t.Parallel()
	const start = `{"version": 2, "message_id": "` + id + `", "agent_id": "agent", "to": "+12025550123", "queue": "projects/p/locations/l/queues/q", `
	name := Message{id, "agent", "+12025550123"}.taskID(Watch)
	for _, test := range []struct {
		name, body string
		want       error
	}{
		{name, start + `"agent": "a", "at": "2026-12-01T12:00:00Z"}`, nil},
		{name, start + `"agent": "a"}`, ErrTask},
		{name, start + `"at": "2026-12-01T12:00:00Z"}`, ErrTask},
		{name, start + `"agent": "a", "at": "soon"}`, ErrTask},
		{name, start + `"agent": "a", "at": "2026-12-01T12:00:00Z", "to": "+12025550124"}`, ErrTask},
		{name, strings.Replace(start, "2", "1", 1) + `"agent": "a", "at": "2026-12-01T12:00:00Z"}`, ErrTask},
		{name, strings.Replace(start, "2", "3", 1) + `"agent": "a"}`, ErrVersion},
		{name, start + `"agent": "a", "at": "2026-12-01T12:00:00Z", "queue": ""}`, ErrTask},
		{name, start + `"agent": "a", "at": "2026-12-01T12:00:00Z", "queue": "projects/p/locations/l/queues/q?x="}`, ErrTask},
		{Message{"x", "agent", "+12025550123"}.taskID(Watch), start + `"agent": "a", "at": "2026-12-01T12:00:00Z", "message_id": "x"}`, ErrTask},
		{name, "[]", ErrTask},
		{name, "", ErrTask},
		{id, start + `"agent": "a", "at": "2026-12-01T12:00:00Z"}`, ErrTask},
	} {
		if _, err := DecodeHandover(Watch, test.name, []byte(test.body)); !errors.Is(err, test.want) {
			t.Errorf("DecodeHandover(%s) = %v, want %v", test.body, err, test.want)
		}
	}
	if _, err := DecodeHandover(Fallback, name, []byte(start+`"agent": "a", "at": "2026-12-01T12:00:00Z"}`)); !errors.Is(err, ErrTask) {
		t.Errorf("DecodeHandover of another job = %v, want %v", err, ErrTask)
	}
}

func TestDecodeDelivery_invalid(t *testing.T) {
	t.Parallel()
	const whole = `{"version": 1, "target": "hub", "event_id": "id-1", "event": {}}`
	name := (&Delivery{Target: "hub", EventID: "id-1"}).taskID()
	for _, test := range []struct {
		name, body string
		want       error
	}{
		{name, whole, nil},
		{name, strings.Replace(whole, "1", "2", 1), nil},
		{name, strings.Replace(whole, "1", "3", 1), ErrVersion},
		{name, `{"version": 3, "recipient": "+1"}`, ErrVersion},
		{name, `{"version": 3, "target": 1}`, ErrTask},
		{name, strings.Replace(whole, "1", "0", 1), ErrTask},
		{name, `{"version": 1, "target": "hub", "event_id": "id-1"}`, ErrTask},
		{(&Delivery{EventID: "id-1"}).taskID(), strings.Replace(whole, "hub", "", 1), ErrTask},
		{(&Delivery{Target: "hub"}).taskID(), strings.Replace(whole, "id-1", "", 1), ErrTask},
		{name, strings.Replace(whole, "hub", "crm", 1), ErrTask},
		{name, "[]", ErrTask},
	} {
		if _, err := DecodeDelivery(test.name, []byte(test.body)); !errors.Is(err, test.want) {
			t.Errorf("DecodeDelivery(%s) = %v, want %v", test.body, err, test.want)
		}
	}
}

// hangs is Cloud Tasks if it never responds.
type hangs struct{ attempts []time.Duration }

func (h *hangs) Ready(context.Context) error { return nil }

func (h *hangs) Call(ctx context.Context, _, _ string, _, _ any) error {
	start := time.Now()
	<-ctx.Done()
	h.attempts = append(h.attempts, time.Since(start))
	return ctx.Err()
}

// TestAdd_hangs tests that the attempts of a call share its time, also if the caller has less.
func TestAdd_hangs(t *testing.T) {
	t.Parallel()
	for caller, want := range map[time.Duration][]time.Duration{
		time.Minute: {2500 * time.Millisecond, 2450 * time.Millisecond},
		time.Second: {500 * time.Millisecond, 450 * time.Millisecond},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), caller)
			defer cancel()
			h := new(hangs)
			if _, _, err := New(Options{API: h}).Add(ctx, newTask(t, text("Hello")), Place{}); err == nil || !slices.Equal(h.attempts, want) {
				t.Errorf("a caller with %v: %v after attempts of %v, want %v", caller, err, h.attempts, want)
			}
		})
	}
}
