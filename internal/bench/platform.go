package bench

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/rcshook/rcshook/rbm"
	"github.com/rcshook/rcshook/rbm/rbmtest"
)

// apiKeys is the secret that holds the key of the callers.
const apiKeys = "projects/rcshook-dev/secrets/rcs-callers"

// apiKey is that key.
const apiKey = "bench"

// stage is what the other processes have to know of the platform.
type stage struct {
	Environment rbmtest.Environment
	Messages    string // base URL of the lean platform
	Token       string // good for it
}

// servePlatform serves the simulator, for tokens and secrets, and the lean platform,
// each on a port of its own, and writes a [stage] to out.
func servePlatform(out io.Writer, messages *atomic.Int64, failed chan<- error) error {
	simulator, err := net.Listen("tcp", net.JoinHostPort(loopback, "0"))
	if err != nil {
		return err
	}
	lean, err := net.Listen("tcp", net.JoinHostPort(loopback, "0"))
	if err != nil {
		return err
	}
	sim := new(rbmtest.Simulator)
	go func() { failed <- http.Serve(simulator, sim) }() //nolint:gosec // on loopback, for our own
	p := &leanPlatform{tokens: sim.Tokens(), messages: messages}
	go func() { failed <- p.serve(lean) }()
	s := stage{Environment: sim.Provision("http://" + simulator.Addr().String()), Messages: "http://" + lean.Addr().String()}
	sim.Secrets().AddVersion(apiKeys, []byte(apiKey))
	s.Token = sim.Tokens().Issue(rbm.Scope)
	return json.NewEncoder(out).Encode(s)
}

// leanPlatform takes messages as RBM does, and forgets them. It sees that each comes
// with a good token, to a path and with the parameters that RBM knows, and answers as
// RBM does, with the message; what is in the message it does not look at.
//
// It is no [http.Handler], because net/http would take about twice the time for a
// request, which on a machine with few CPUs is taken from the process that is measured.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/phones.agentMessages/create
type leanPlatform struct {
	tokens   *rbmtest.TokenServer
	messages *atomic.Int64
}

func (p *leanPlatform) serve(l net.Listener) error {
	for {
		conn, err := l.Accept()
		if err != nil {
			return err
		}
		go p.serveConn(conn)
	}
}

func (p *leanPlatform) serveConn(conn net.Conn) {
	defer conn.Close()
	r := bufio.NewReader(conn)
	var checked string // the Authorization that was good
	var body, answer bytes.Buffer
	for {
		req, err := http.ReadRequest(r)
		if err != nil {
			return // the client is gone
		}
		body.Reset()
		if _, err := body.ReadFrom(req.Body); err != nil {
			return
		}
		answer.Reset()
		if err := p.take(req, &checked, body.Bytes(), &answer); err != nil {
			refuse(conn, err)
			return
		}
		p.messages.Add(1)
		if err := respond(conn, "200 OK", answer.Bytes()); err != nil {
			return
		}
	}
}

// take writes the answer to a request, or says what is wrong with it.
func (p *leanPlatform) take(req *http.Request, checked *string, body []byte, answer *bytes.Buffer) error {
	if authorization := req.Header.Get("Authorization"); authorization != *checked {
		token, _ := strings.CutPrefix(authorization, "Bearer ")
		if _, err := p.tokens.Check(token, rbm.Scope); err != nil {
			return fmt.Errorf("the token is no good: %w", err)
		}
		*checked = authorization
	}
	phone, ok := strings.CutPrefix(req.URL.Path, "/v1/phones/")
	phone, isMessage := strings.CutSuffix(phone, "/agentMessages")
	query := req.URL.Query()
	id := query.Get("messageId")
	rest, isObject := bytes.CutPrefix(body, []byte("{"))
	switch {
	case req.Method != http.MethodPost || !ok || !isMessage:
		return fmt.Errorf("there is no %s %s", req.Method, req.URL.Path)
	case id == "" || query.Get("agentId") == "":
		return errors.New("messageId or agentId is missing")
	case !isObject:
		return errors.New("the body is no JSON object")
	}
	answer.WriteString(`{"name":"phones/` + phone + `/agentMessages/` + id + `","sendTime":"`)
	answer.Write(time.Now().UTC().AppendFormat(answer.AvailableBuffer(), "2006-01-02T15:04:05.000000Z"))
	answer.WriteString(`",`)
	answer.Write(rest)
	return nil
}

// refuse tells what is wrong with a request, as Google's APIs do, and ends the
// connection.
func refuse(w io.Writer, err error) {
	text, _ := json.Marshal(map[string]any{"error": map[string]any{ // strings and numbers always encode
		"code": http.StatusBadRequest, "status": "INVALID_ARGUMENT", "message": err.Error(),
	}})
	_ = respond(w, "400 Bad Request\r\nConnection: close", text) // nobody may be there to read it
}

func respond(w io.Writer, status string, body []byte) error {
	head := fmt.Appendf(make([]byte, 0, 128+len(body)), "HTTP/1.1 %s\r\nContent-Type: application/json; charset=UTF-8\r\nContent-Length: %d\r\n\r\n", status, len(body))
	_, err := w.Write(append(head, body...))
	return err
}
