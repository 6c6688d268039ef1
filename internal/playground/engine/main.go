//go:build js

// The engine is the function and the simulator of the playground in WebAssembly, in a
// worker of the page. It gets requests as messages
//
//	{id, method, path, body}
//
// and posts each response as {id, status, headers, body}, with lower-case names of headers.
// A stream is posted as {id, chunk} for each flush, and {id, done: true} at its end.
// {id, cancel: true} ends a request early. The engine is ready when it posts {ready: true}.
// While requests are in flight it posts {alive: true} every second: a request may wait, as
// for a number that does not respond, but a busy engine posts nothing.
package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"syscall/js"
	"time"

	"github.com/rcshook/rcshook/internal/playground/demo"
)

func main() {
	function, err := demo.New(demo.Options{})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	e := &engine{handler: function, cancel: make(map[int]context.CancelFunc)}
	js.Global().Set("onmessage", js.FuncOf(func(_ js.Value, args []js.Value) any {
		e.receive(args[0].Get("data"))
		return nil
	}))
	post(map[string]any{"ready": true})
	for range time.Tick(time.Second) {
		e.mu.Lock()
		if len(e.cancel) > 0 {
			post(map[string]any{"alive": true})
		}
		e.mu.Unlock()
	}
}

// engine serves the requests of the page.
type engine struct {
	handler http.Handler

	mu     sync.Mutex
	cancel map[int]context.CancelFunc // of the requests in flight
}

// receive starts or cancels a request. It must not block, because it runs in the event loop.
func (e *engine) receive(message js.Value) {
	id := message.Get("id").Int()
	e.mu.Lock()
	defer e.mu.Unlock()
	if message.Get("cancel").Truthy() {
		if cancel := e.cancel[id]; cancel != nil {
			cancel()
		}
		return
	}
	body := ""
	if b := message.Get("body"); b.Type() == js.TypeString {
		body = b.String()
	}
	ctx, cancel := context.WithCancel(context.Background())
	r, err := http.NewRequestWithContext(ctx, message.Get("method").String(), "http://localhost"+message.Get("path").String(), strings.NewReader(body))
	if err != nil {
		cancel()
		post(map[string]any{"id": id, "status": http.StatusBadRequest, "headers": map[string]any{}, "body": err.Error()})
		return
	}
	if headers := message.Get("headers"); headers.Type() == js.TypeObject {
		for _, name := range keys(headers) {
			r.Header.Set(name, headers.Get(name).String())
		}
	}
	e.cancel[id] = cancel
	go e.serve(id, r)
}

// keys returns the names of the members of an object.
func keys(object js.Value) []string {
	list := js.Global().Get("Object").Call("keys", object)
	all := make([]string, list.Length())
	for i := range all {
		all[i] = list.Index(i).String()
	}
	return all
}

// serve serves a request. A panic becomes a response.
func (e *engine) serve(id int, r *http.Request) {
	w := &writer{id: id, header: make(http.Header), status: http.StatusOK}
	defer func() {
		if v := recover(); v != nil {
			w.body.Reset()
			w.status = http.StatusInternalServerError
			fmt.Fprintf(&w.body, `{"error": "the playground failed; reload the page"}`)
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
	header    http.Header
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
		post(map[string]any{"id": w.id, "chunk": w.body.String()})
		w.body.Reset()
	}
}

// end posts the rest of the response.
func (w *writer) end() {
	if w.streaming {
		w.Flush()
		post(map[string]any{"id": w.id, "done": true})
		return
	}
	headers := make(map[string]any)
	for name, values := range w.header {
		headers[strings.ToLower(name)] = strings.Join(values, ", ")
	}
	post(map[string]any{"id": w.id, "status": w.status, "headers": headers, "body": w.body.String()})
}

// post posts a message to the page.
func post(message map[string]any) { js.Global().Call("postMessage", message) }
