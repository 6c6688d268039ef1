package demo_test

import (
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rcshook/rcshook/internal/playground/demo"
)

// TestEngine tests requests that do not end well: each gets a response, and so does the next one.
func TestEngine(t *testing.T) {
	t.Parallel()
	waiting := make(chan struct{})
	mux := http.NewServeMux()
	mux.HandleFunc("/fine", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	mux.HandleFunc("/panic", func(w http.ResponseWriter, _ *http.Request) {
		w.Write([]byte("half of a response"))
		panic("a bug")
	})
	mux.HandleFunc("/wait", func(w http.ResponseWriter, r *http.Request) {
		close(waiting)
		<-r.Context().Done()
		w.WriteHeader(http.StatusTeapot)
	})
	mux.HandleFunc("/stream", func(w http.ResponseWriter, _ *http.Request) {
		for _, part := range []string{"one", "two"} {
			w.Write([]byte(part))
			w.(http.Flusher).Flush()
		}
	})
	posts := make(chan map[string]any, 10)
	e := demo.NewEngine(mux, func(m map[string]any) { posts <- m })
	for i, test := range []struct {
		path  string
		after func()
		want  []map[string]any
	}{
		{path: "/panic", want: []map[string]any{
			{"status": http.StatusInternalServerError, "body": `{"error": "the playground has a bug and did not finish this request; reload the page if it happens again"}`},
		}},
		{path: "/wait", after: func() { <-waiting; e.Cancel(2) }, want: []map[string]any{{"status": http.StatusTeapot, "body": ""}}},
		{path: "/stream", want: []map[string]any{{"chunk": "one"}, {"chunk": "two"}, {"done": true}}},
		{path: "/%", want: []map[string]any{{"status": http.StatusBadRequest, "body": `parse "http://localhost/%": invalid URL escape "%"`}}},
		{path: "/fine", after: func() { e.Cancel(99) }, want: []map[string]any{{"status": http.StatusNoContent, "body": ""}}},
	} {
		e.Request(i+1, http.MethodGet, test.path, "")
		if test.after != nil {
			test.after()
		}
		for _, want := range test.want {
			want["id"] = i + 1
			if diff := cmp.Diff(want, <-posts); diff != "" {
				t.Errorf("%s (-want +got):\n%s", test.path, diff)
			}
		}
	}
}
