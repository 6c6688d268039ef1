package rcshook

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestSlowBody sees that a sender who stops in the middle of the body is answered,
// and that the connection is given up.
func TestSlowBody(t *testing.T) {
	s := newStage(t)
	patience := "200ms"
	h, _ := s.handler(t, map[string]*string{"RCSHOOK_TIMEOUT": &patience})
	server := httptest.NewServer(h)
	defer server.Close()

	conn, err := net.Dial("tcp", strings.TrimPrefix(server.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "POST / HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer dev\r\n"+
		"Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"to\":")
	in := bufio.NewReader(conn)
	res, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatalf("no answer: %v", err)
	}
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusRequestTimeout || !strings.Contains(string(body), `"code":"body_timeout"`) {
		t.Errorf("the answer is %s, %v\n%s", res.Status, err, body)
	}
	if _, err := in.ReadByte(); err != io.EOF { //nolint:errorlint // the very error
		t.Errorf("the connection goes on: %v, want EOF", err)
	}
}

// TestCallerLeaves sees that a request ends when its caller has hung up.
func TestCallerLeaves(t *testing.T) {
	s := newStage(t)
	h, log := s.handler(t, nil)
	ended := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(w, r)
		close(ended)
	}))
	defer server.Close()

	conn, err := net.Dial("tcp", strings.TrimPrefix(server.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	body := `{"to": "+12025550154", "text": "Hello", "idempotency_key": "k"}` // does not answer for a minute
	fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer dev\r\n"+
		"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	for len(s.sim.Requests()) == 0 {
		if t.Context().Err() != nil {
			t.Fatal("nothing was sent")
		}
	}
	conn.Close()
	<-ended
	if line := log.String(); !strings.Contains(line, `"code":"upstream_timeout"`) {
		t.Errorf("the log says\n%s", line)
	}
}
