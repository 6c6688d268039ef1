package bench

import (
	"bytes"
	"crypto/tls"
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
	Certificate []byte // that of the lean platform, in DER; nil over plain HTTP
	Token       string // good for it
}

// servePlatform serves the simulator, for tokens and secrets, and the lean platform,
// each on a port of its own, and writes a [stage] to out.
func servePlatform(plain bool, out io.Writer, messages *atomic.Int64, failed chan<- error) error {
	simulator, err := net.Listen("tcp", net.JoinHostPort(loopback, "0"))
	if err != nil {
		return err
	}
	lean, err := net.Listen("tcp", net.JoinHostPort(loopback, "0"))
	if err != nil {
		return err
	}
	sim := new(rbmtest.Simulator)
	s := stage{Environment: sim.Provision("http://" + simulator.Addr().String()), Messages: "http://" + lean.Addr().String()}
	p := &leanPlatform{tokens: sim.Tokens(), messages: messages, version: 2}
	if plain {
		p.version = 1
	}
	server := &http.Server{Handler: p} //nolint:gosec // on loopback, for our own
	serve := server.Serve
	if !plain {
		certificate, err := newCertificate()
		if err != nil {
			return err
		}
		server.TLSConfig = &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS13}
		serve = func(l net.Listener) error { return server.ServeTLS(l, "", "") }
		s.Messages, s.Certificate = "https://"+lean.Addr().String(), certificate.Certificate[0]
	}
	go func() { failed <- http.Serve(simulator, sim) }() //nolint:gosec // on loopback, for our own
	go func() { failed <- serve(lean) }()
	sim.Secrets().AddVersion(apiKeys, []byte(apiKey))
	s.Token = sim.Tokens().Issue(rbm.Scope)
	return json.NewEncoder(out).Encode(s)
}

// leanPlatform takes messages as RBM does, and forgets them. It sees that each comes
// with a good token, to a path and with the parameters that RBM knows, and answers as
// RBM does, with the message; what is in the message it does not look at.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/phones.agentMessages/create
type leanPlatform struct {
	tokens   *rbmtest.TokenServer
	messages *atomic.Int64
	version  int          // of HTTP: another one is not what is to be measured
	checked  atomic.Value // the Authorization that was good, a string
}

func (p *leanPlatform) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var body, answer bytes.Buffer
	_, err := body.ReadFrom(r.Body)
	if err == nil {
		err = p.take(r, body.Bytes(), &answer)
	}
	status := http.StatusOK
	if err == nil {
		p.messages.Add(1)
	} else {
		status = http.StatusBadRequest
		refuse(&answer, err)
	}
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	w.WriteHeader(status)
	_, _ = w.Write(answer.Bytes()) // nobody may be there to read it
}

// take writes the answer to a request, or says what is wrong with it.
func (p *leanPlatform) take(req *http.Request, body []byte, answer *bytes.Buffer) error {
	if authorization := req.Header.Get("Authorization"); authorization != p.checked.Load() {
		token, _ := strings.CutPrefix(authorization, "Bearer ")
		if _, err := p.tokens.Check(token, rbm.Scope); err != nil {
			return fmt.Errorf("the token is no good: %w", err)
		}
		p.checked.Store(authorization)
	}
	phone, ok := strings.CutPrefix(req.URL.Path, "/v1/phones/")
	phone, isMessage := strings.CutSuffix(phone, "/agentMessages")
	query := req.URL.Query()
	id := query.Get("messageId")
	rest, isObject := bytes.CutPrefix(body, []byte("{"))
	switch {
	case req.ProtoMajor != p.version:
		return fmt.Errorf("the request came by %s, want HTTP/%d", req.Proto, p.version)
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

// refuse tells what is wrong with a request, as Google's APIs do.
func refuse(answer *bytes.Buffer, err error) {
	text, _ := json.Marshal(map[string]any{"error": map[string]any{ // strings and numbers always encode
		"code": http.StatusBadRequest, "status": "INVALID_ARGUMENT", "message": err.Error(),
	}})
	answer.Reset()
	answer.Write(text)
}
