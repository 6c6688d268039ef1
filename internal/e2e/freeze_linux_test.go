package e2e

import (
	"bufio"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rcshook/rcshook/rbm/rbmtest"
)

// frozenRequests is the number of requests that wait for the stopped process.
const frozenRequests = 10

// TestFreeze stops the process of the function between requests, like Cloud Run without
// CPU allocation. Meanwhile the upstream closes idle connections and requests queue up.
// After the process continues, every request must succeed. Over HTTP/1.1, net/http
// replays them; over HTTP/2, the function retries a few.
func TestFreeze(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name     string
		start    func(*httptest.Server)
		attempts string // a pattern of the attempts per request
	}{
		{"HTTP/1.1", (*httptest.Server).Start, "1"},
		{"HTTP/2 over TLS", startHTTP2, "[12]"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			s.sim.Now = nil // processes use the real time
			upstream := httptest.NewUnstartedServer(s.sim)
			upstream.Config.ErrorLog = log.New(io.Discard, "", 0) // unused connections would be logged
			test.start(upstream)
			t.Cleanup(func() { s.sim.Close(); upstream.Close() })
			s.setPlatform(t, upstream)
			p := s.process(t)

			s.sim.Fail(rbmtest.Failure{Method: "phones.agentMessages.create", Delay: 100 * time.Millisecond, Count: frozenRequests}) // so that each request has its own connection
			var wg sync.WaitGroup
			for i := range frozenRequests {
				wg.Go(func() { readResponse(t, startRequest(t, p, fmt.Sprintf("before %d", i))) })
			}
			wg.Wait()

			p.signal(t, syscall.SIGSTOP, "T")
			upstream.CloseClientConnections()
			p.log.reset()
			var callers []net.Conn
			for i := range frozenRequests {
				callers = append(callers, startRequest(t, p, fmt.Sprintf("after %d", i)))
			}
			p.signal(t, syscall.SIGCONT, "")
			for _, caller := range callers {
				wg.Go(func() { readResponse(t, caller) })
			}
			wg.Wait()

			if n := len(s.sim.Messages()); n != 2*frozenRequests {
				t.Errorf("%d messages arrived, want %d", n, 2*frozenRequests)
			}
			attempts := regexp.MustCompile(`"attempts":(\d+)`)
			for range 1000 {
				if len(attempts.FindAllString(p.log.String(), -1)) >= frozenRequests {
					break
				}
				<-time.After(10 * time.Millisecond) // the log arrives asynchronously
			}
			for _, found := range attempts.FindAllStringSubmatch(p.log.String(), -1) {
				if !regexp.MustCompile("^" + test.attempts + "$").MatchString(found[1]) {
					t.Errorf("a request took %s attempts, want %s", found[1], test.attempts)
				}
			}
		})
	}
}

// startRequest sends a request on a new connection. It returns when the kernel has the
// request, even if the function is stopped.
func startRequest(t *testing.T, p *process, key string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(p.url, "http://"))
	if err != nil {
		t.Error(err)
		return nil
	}
	t.Cleanup(func() { conn.Close() })
	body := fmt.Sprintf(`{"to": "+12025550123", "text": "Hello", "idempotency_key": %q}`, key)
	if _, err := fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer dev\r\n"+
		"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body); err != nil {
		t.Error(err)
	}
	return conn
}

// readResponse reads and checks a response.
func readResponse(t *testing.T, conn net.Conn) {
	t.Helper()
	if conn == nil {
		return
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Error(err)
		return
	}
	defer res.Body.Close()
	if body, err := io.ReadAll(res.Body); err != nil || res.StatusCode != http.StatusOK {
		t.Errorf("response %s, %v\n%s", res.Status, err, body)
	}
}

// signal sends a signal to the process and waits until the kernel reports the state.
func (p *process) signal(t *testing.T, s os.Signal, state string) {
	t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
	for state != "" {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
		if err != nil {
			t.Fatal(err)
		}
		if _, after, _ := strings.Cut(string(stat), ") "); strings.HasPrefix(after, state) {
			return
		}
	}
}
