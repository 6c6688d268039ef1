package rcshook

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
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

// TestCallerReturns sees that a request ends when its caller hangs up while the
// platform has it, and that the caller who comes back with the same key is told the
// truth: there is one message, whether or not the first attempt got through.
func TestCallerReturns(t *testing.T) {
	for _, taken := range []bool{true, false} {
		t.Run(fmt.Sprintf("taken %t", taken), func(t *testing.T) {
			s := newStage(t)
			var first sync.Once
			begun := make(chan struct{})
			platform := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if strings.HasSuffix(r.URL.Path, "/agentMessages") {
					first.Do(func() {
						if taken {
							s.sim.ServeHTTP(httptest.NewRecorder(), r)
						}
						_, _ = io.Copy(io.Discard, r.Body) // or the server would not notice that the function leaves
						close(begun)
						<-r.Context().Done()
						panic(http.ErrAbortHandler)
					})
				}
				s.sim.ServeHTTP(w, r)
			}))
			defer platform.Close()
			s.move(t, platform)
			h, log := s.handler(t, nil)
			ended := make(chan struct{}, 2)
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				h.ServeHTTP(w, r)
				ended <- struct{}{}
			}))
			defer server.Close()

			ctx, hangUp := context.WithCancel(t.Context())
			go func() { <-begun; hangUp() }()
			if code, err := s.call(ctx, server.URL); err == nil {
				t.Fatalf("the caller who hung up was told %s", code)
			}
			<-ended
			if line := log.String(); !strings.Contains(line, `"code":"upstream_timeout"`) {
				t.Errorf("the log says\n%s", line)
			}
			if code, err := s.call(t.Context(), server.URL); err != nil || code != "accepted" && code != "duplicate" {
				t.Errorf("the caller who came back was told %q, %v", code, err)
			}
			if n := len(s.sim.Messages()); n != 1 {
				t.Errorf("%d messages arrived, want 1", n)
			}
		})
	}
}

// call sends a message with a key and returns the code of the answer.
func (s *stage) call(ctx context.Context, url string) (code string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(`{"to": "+12025550123", "text": "Hello", "idempotency_key": "k"}`))
	if err != nil {
		return "", err
	}
	req.Header = http.Header{"Content-Type": {"application/json"}, "Authorization": {"Bearer dev"}}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	var answer struct{ Code string }
	err = json.NewDecoder(res.Body).Decode(&answer)
	return answer.Code, err
}

// TestWithin sees that the deadline of the platform leaves time for an answer.
func TestWithin(t *testing.T) {
	t.Parallel()
	const budget = 20 * time.Second
	for _, test := range []struct{ left, want time.Duration }{
		{0, budget}, // there is none
		{time.Minute, budget},
		{budget, budget - answerTime},
		{10 * time.Second, 10*time.Second - answerTime},
		{500 * time.Millisecond, 250 * time.Millisecond},
		{-time.Second, -500 * time.Millisecond},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx := t.Context()
			if test.left != 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, test.left)
				defer cancel()
			}
			if got := within(ctx, budget); got != test.want {
				t.Errorf("with %v left: %v, want %v", test.left, got, test.want)
			}
		})
	}
}
