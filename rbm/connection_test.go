package rbm_test

import (
	"bufio"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rcshook/rcshook/rbm"
)

// Real connections that break in the middle of an answer, or before it.
func TestBrokenConnections(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, raw string }{
		{"closed without a word", ""},
		{"closed in the head", "HTTP/1.1 200 OK\r\nContent-"},
		{"closed in the body", "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{\"name\":"},
		{"closed in a chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n{"},
		{"not HTTP", "SSH-2.0-OpenSSH_9.9\r\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var requests atomic.Int32
			client := serve(t, rbm.Config{}, func(w http.ResponseWriter, r *http.Request) {
				io.Copy(io.Discard, r.Body)
				if requests.Add(1) > 3 {
					reply200(w, accepted)
					return
				}
				conn, _, err := http.NewResponseController(w).Hijack()
				if err != nil {
					t.Error(err)
					return
				}
				io.WriteString(conn, test.raw)
				conn.Close()
			})
			if _, err := client.SendMessage(t.Context(), phone, messageID, hello); err != nil {
				t.Errorf("error %v, want success in the end", err)
			}
		})
	}
}

func TestNobodyListens(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	client := newClient(t, rbm.Config{Endpoint: server.URL})
	_, err := client.SendMessage(t.Context(), phone, messageID, hello)
	const want = "rbm: phones.agentMessages.create: connection refused, after 4 attempts"
	if !errors.Is(err, rbm.ErrUnavailable) || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}

func TestUntrustedCertificate(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	client := newClient(t, rbm.Config{Endpoint: server.URL, HTTPClient: &http.Client{Transport: rbm.NewTransport()}, Retry: rbm.Retry{MaxAttempts: 1}})
	_, err := client.SendMessage(t.Context(), phone, messageID, hello)
	const want = "rbm: phones.agentMessages.create: the certificate of the host is not trusted"
	if !errors.Is(err, rbm.ErrUnavailable) || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}

// After a process was frozen its idle connections are dead. net/http itself must
// then use a new one, without an attempt of ours, but not without our notice.
func TestDeadIdleConnectionsCostNoAttempt(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go serveOnce(conn)
		}
	}()
	var resent []bool
	client := newClient(t, rbm.Config{
		Endpoint:   "http://" + listener.Addr().String(),
		HTTPClient: &http.Client{Transport: rbm.NewTransport()},
		Observe:    func(a rbm.Attempt) { resent = append(resent, a.Resent) },
	})
	for range 3 {
		if _, err := client.SendMessage(t.Context(), phone, messageID, hello); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]bool{false, true, true}, resent); diff != "" {
		t.Errorf("Resent of an attempt for each of 3 messages (-want +got):\n%s", diff)
	}
}

// serveOnce answers one request, keeps the connection, reads the next request and
// closes without an answer, as a peer does that has given the connection up.
func serveOnce(conn net.Conn) {
	defer conn.Close()
	r := bufio.NewReader(conn)
	for i := range 2 {
		req, err := http.ReadRequest(r)
		if err != nil {
			return
		}
		io.Copy(io.Discard, req.Body)
		if i == 0 {
			io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}")
		}
	}
}
