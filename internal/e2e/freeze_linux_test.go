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

// frozen is how many requests wait for the function to wake up.
const frozen = 10

// TestFreeze stops the process of the function between requests, as a platform does
// that gives it no CPU then. Meanwhile the upstream closes the idle connections and
// requests queue. When the function goes on, each must get through. Over HTTP/1.1
// net/http sees to that, because requests are marked as replayable; over HTTP/2 a
// few need a second attempt of ours.
func TestFreeze(t *testing.T) {
	for _, test := range []struct {
		name   string
		begin  func(*httptest.Server)
		repeat string // a pattern of how many attempts a request may take
	}{
		{"HTTP/1.1", (*httptest.Server).Start, "1"},
		{"HTTP/2 over TLS", startHTTP2, "[12]"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newStage(t)
			s.sim.Now = nil // processes go by the real time
			upstream := httptest.NewUnstartedServer(s.sim)
			upstream.Config.ErrorLog = log.New(io.Discard, "", 0) // of connections that nobody needed in the end
			test.begin(upstream)
			t.Cleanup(func() { s.sim.Close(); upstream.Close() })
			s.move(t, upstream)
			p := s.process(t)

			s.sim.Fail(rbmtest.Failure{Method: "phones.agentMessages.create", Delay: 100 * time.Millisecond, Count: frozen}) // so that each has a connection
			var wg sync.WaitGroup
			for i := range frozen {
				wg.Go(func() { awake(t, begin(t, p, fmt.Sprintf("before %d", i))) })
			}
			wg.Wait()

			p.signal(t, syscall.SIGSTOP, "T")
			upstream.CloseClientConnections()
			p.log.reset()
			var callers []net.Conn
			for i := range frozen {
				callers = append(callers, begin(t, p, fmt.Sprintf("after %d", i)))
			}
			p.signal(t, syscall.SIGCONT, "")
			for _, caller := range callers {
				wg.Go(func() { awake(t, caller) })
			}
			wg.Wait()

			if n := len(s.sim.Messages()); n != 2*frozen {
				t.Errorf("%d messages arrived, want %d", n, 2*frozen)
			}
			attempts := regexp.MustCompile(`"attempts":(\d+)`)
			for range 1000 {
				if len(attempts.FindAllString(p.log.String(), -1)) >= frozen {
					break
				}
				<-time.After(10 * time.Millisecond) // the log is on its way
			}
			for _, found := range attempts.FindAllStringSubmatch(p.log.String(), -1) {
				if !regexp.MustCompile("^" + test.repeat + "$").MatchString(found[1]) {
					t.Errorf("a request took %s attempts, want %s", found[1], test.repeat)
				}
			}
		})
	}
}

// begin sends a request on a connection of its own. It returns when the kernel has
// it, whether or not the function runs.
func begin(t *testing.T, p *process, key string) net.Conn {
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

// awake reads the answer to a request.
func awake(t *testing.T, conn net.Conn) {
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
		t.Errorf("the answer is %s, %v\n%s", res.Status, err, body)
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
