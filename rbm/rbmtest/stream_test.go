package rbmtest_test

import (
	"bufio"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/rcshook/rcshook/rbm/rbmtest"
)

// stream reads the events of /_sim/stream.
type stream struct {
	t *testing.T
	*bufio.Scanner
}

func (g *rig) stream(t *testing.T, query, lastEventID string) stream {
	t.Helper()
	req := g.request(t, "GET", "/_sim/stream"+query, "")
	if lastEventID != "" {
		req.Header.Set("Last-Event-ID", lastEventID)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	equal(t, "status", resp.StatusCode, 200)
	equal(t, "Content-Type", resp.Header.Get("Content-Type"), "text/event-stream")
	return stream{t, bufio.NewScanner(resp.Body)}
}

// next returns the next event, or the zero event at the end.
func (s stream) next() rbmtest.LogEntry {
	s.t.Helper()
	id := ""
	for s.Scan() {
		line := s.Text()
		if value, ok := strings.CutPrefix(line, "id: "); ok {
			id = value
		}
		if data, ok := strings.CutPrefix(line, "data: "); ok {
			var e rbmtest.LogEntry
			if err := json.Unmarshal([]byte(data), &e); err != nil {
				s.t.Fatalf("%v in %s", err, data)
			}
			var number json.Number
			if err := json.Unmarshal([]byte(id), &number); err != nil {
				s.t.Fatalf("event without an ID: %q", id)
			}
			if n, err := number.Int64(); err != nil || n != e.ID {
				s.t.Errorf("the id is %s, that of the event %d", id, e.ID)
			}
			return e
		}
	}
	return rbmtest.LogEntry{}
}

func TestStream(t *testing.T) {
	t.Parallel()
	g := start(t, new(rbmtest.Simulator))
	g.create(t, phone, "before", text)
	live := g.stream(t, "", "")
	all := g.stream(t, "?after=0", "")
	g.create(t, phone, "m1", text)

	var kinds []rbmtest.LogKind
	for range 4 {
		e := live.next()
		kinds = append(kinds, e.Kind)
		equal(t, "message of the event", e.MessageID, "m1")
		if e.Kind == rbmtest.LogMessage && e.Detail.Bytes != len(text) {
			t.Errorf("detail %+v, want %d bytes", e.Detail, len(text))
		}
	}
	equal(t, "kinds", kinds, []rbmtest.LogKind{rbmtest.LogMessage, rbmtest.LogMessage, rbmtest.LogUserEvent, rbmtest.LogRequest})
	for want := range int64(8) {
		equal(t, "ID", all.next().ID, want+1)
	}
	equal(t, "resumed", g.stream(t, "?after=0", "7").next().ID, int64(8))

	g.SetOnline(phone, false)
	e := live.next()
	equal(t, "switch", []any{e.Kind, e.Phone, e.Online}, []any{rbmtest.LogPhone, phone, false})
	g.SetOnline(phone, true)
	equal(t, "switch", live.next().Online, true)
	g.Reset()
	equal(t, "reset", live.next().Kind, rbmtest.LogReset)
	g.Close()
	equal(t, "the end", live.next(), rbmtest.LogEntry{})
	equal(t, "bad start", g.do(t, "GET", "/_sim/stream?after=x", "").status, 400)
}

func TestLog_limit(t *testing.T) {
	t.Parallel()
	g := start(t, new(rbmtest.Simulator))
	g.create(t, phone, "m1", text)
	for range 10_001 {
		if _, err := g.Act(rbmtest.UserAction{Action: "typing", Phone: phone}); err != nil {
			t.Fatal(err)
		}
	}
	events := g.Log()
	if n := len(events); n > 10_000 || n < 9_000 {
		t.Errorf("%d events are kept", n)
	}
	equal(t, "last", events[len(events)-1].ID, int64(10_005))
	// A stream from the start begins with the oldest entry.
	equal(t, "first", g.stream(t, "?after=0", "").next().ID, events[0].ID)
}

func TestSnapshot(t *testing.T) {
	t.Parallel()
	g := start(t, &rbmtest.Simulator{Numbers: map[string]rbmtest.Behavior{offline: {Offline: true}}})
	g.create(t, phone, "gone", text)
	g.Reset()
	g.create(t, phone, "m1", text)
	if _, err := g.UserSends(phone, "Hi"); err != nil {
		t.Fatal(err)
	}
	got := g.do(t, "GET", "/_sim/state", "").decoded(t)
	equal(t, "last event", got["last_event"], any(float64(g.Log()[len(g.Log())-1].ID)))
	messages, _ := got["messages"].([]any)
	if len(messages) != 1 {
		t.Fatalf("messages %v, want one", messages)
	}
	m, _ := messages[0].(map[string]any)
	detail, _ := m["detail"].(map[string]any)
	equal(t, "message", []any{m["message_id"], m["state"], detail["bytes"], detail["request"]}, []any{"m1", "delivered", float64(len(text)), 1.0})
	talk, _ := got["conversation"].([]any)
	equal(t, "conversation", len(talk), 2)
	equal(t, "numbers", got["numbers"], any(map[string]any{offline: map[string]any{"offline": true}}))
	equal(t, "waiting", got["waiting"], any(0.0))

	// Later entries are on the stream.
	last, _ := got["last_event"].(float64)
	s := g.stream(t, "?after="+string(mustJSON(t, last)), "")
	g.SetOnline(offline, true)
	equal(t, "next", s.next().Kind, rbmtest.LogPhone)
}

func mustJSON(t *testing.T, v any) []byte {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
