package rbmtest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/rcshook/rcshook/internal/googletest"
)

// keepAlive is the pause after which a silent stream says that it is alive.
const keepAlive = 15 * time.Second

// serveStream sends events as they happen, as server-sent events: the id is that
// of the [LogEntry], the data its JSON form, and there is no event type, so that
// onmessage gets them all. A stream begins with what happens next, or after the
// event that the query parameter after or the header Last-Event-ID names: after=0
// sends everything that is remembered first. It ends with [Simulator.Close].
func (s *Simulator) serveStream(w http.ResponseWriter, r *http.Request) {
	last, err := s.streamStart(r)
	if err != nil {
		googletest.WriteJSON(w, http.StatusBadRequest, map[string]string{"error": "after must be the number of an event"})
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Accel-Buffering", "no")
	control := http.NewResponseController(w)
	// A browser comes back after a second.
	if _, err := fmt.Fprint(w, "retry: 1000\n\n"); err != nil || control.Flush() != nil {
		return
	}
	alive := time.NewTicker(keepAlive)
	defer alive.Stop()
	for {
		events, news := s.eventsAfter(last)
		for _, e := range events {
			data, err := json.Marshal(e)
			if err != nil {
				panic("rbmtest: encode event: " + err.Error())
			}
			if _, err := fmt.Fprintf(w, "id: %d\ndata: %s\n\n", e.ID, data); err != nil {
				return
			}
			last = e.ID
		}
		if control.Flush() != nil {
			return
		}
		select {
		case <-news:
		case <-alive.C:
			if _, err := fmt.Fprint(w, ": alive\n\n"); err != nil {
				return
			}
		case <-r.Context().Done():
			return
		case <-s.life.Done():
			return
		}
	}
}

func (s *Simulator) streamStart(r *http.Request) (int64, error) {
	after := r.Header.Get("Last-Event-ID")
	if after == "" {
		after = r.URL.Query().Get("after")
	}
	if after != "" {
		return strconv.ParseInt(after, 10, 64)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.last, nil
}
