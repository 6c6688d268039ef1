package demo

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
)

// Engine serves requests that arrive as messages. For each it posts {id, status, body}. A
// stream is posted as {id, chunk} for each flush, and {id, done: true} at its end.
type Engine struct {
	handler http.Handler
	post    func(map[string]any)

	mu     sync.Mutex
	cancel map[int]context.CancelFunc // of the requests in flight
}

// NewEngine returns an engine, which calls post from several goroutines.
func NewEngine(handler http.Handler, post func(map[string]any)) *Engine {
	return &Engine{handler: handler, post: post, cancel: make(map[int]context.CancelFunc)}
}

// Request starts a request. It does not block.
func (e *Engine) Request(id int, method, path, body string) {
	ctx, cancel := context.WithCancel(context.Background())
	r, err := http.NewRequestWithContext(ctx, method, "http://localhost"+path, strings.NewReader(body))
	if err != nil {
		cancel()
		e.post(map[string]any{"id": id, "status": http.StatusBadRequest, "body": err.Error()})
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.cancel[id] = cancel
	go e.serve(id, r)
}

// Cancel cancels the context of a request, unless it has ended.
func (e *Engine) Cancel(id int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if cancel := e.cancel[id]; cancel != nil {
		cancel()
	}
}

// serve serves a request. A panic becomes a response.
func (e *Engine) serve(id int, r *http.Request) {
	w := &writer{id: id, post: e.post, header: make(http.Header), status: http.StatusOK}
	defer func() {
		if v := recover(); v != nil {
			w.body.Reset()
			w.status = http.StatusInternalServerError
			w.body.WriteString(`{"error": "the playground has a bug and did not finish this request; reload the page if it happens again"}`)
			fmt.Fprintln(os.Stderr, "panic:", v)
		}
		w.end()
		e.mu.Lock()
		defer e.mu.Unlock()
		e.cancel[id]()
		delete(e.cancel, id)
	}()
	e.handler.ServeHTTP(w, r)
}

// writer posts a response.
type writer struct {
	id        int
	post      func(map[string]any)
	header    http.Header // not posted
	status    int
	written   bool
	streaming bool
	body      bytes.Buffer
}

func (w *writer) Header() http.Header { return w.header }

func (w *writer) WriteHeader(status int) {
	if !w.written {
		w.status, w.written = status, true
	}
}

func (w *writer) Write(p []byte) (int, error) {
	w.written = true
	return w.body.Write(p)
}

// Flush posts the part that is written. The response is a stream from now on.
func (w *writer) Flush() {
	w.streaming = true
	if w.body.Len() > 0 {
		w.post(map[string]any{"id": w.id, "chunk": w.body.String()})
		w.body.Reset()
	}
}

// end posts the rest of the response.
func (w *writer) end() {
	if w.streaming {
		w.Flush()
		w.post(map[string]any{"id": w.id, "done": true})
		return
	}
	w.post(map[string]any{"id": w.id, "status": w.status, "body": w.body.String()})
}
