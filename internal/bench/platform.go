package main

import (
	"bytes"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/rcshook/rcshook/internal/googletest"
	simulated "github.com/rcshook/rcshook/internal/googletest/platform"
	"github.com/rcshook/rcshook/internal/googletest/token"
	"github.com/rcshook/rcshook/rbm"
	"github.com/rcshook/rcshook/rbm/rbmtest"
)

// apiKeys is the secret with the API key of the callers, and apiKey that key.
const (
	apiKeys = "projects/rcshook-dev/secrets/rcs-callers"
	apiKey  = "bench"
)

// A stage is the part of the platform that the other processes depend on.
type stage struct {
	Trust    []string // settings of every process: the certificates to trust
	Function []string // settings of the function
	Bare     []string // settings of the bare program
	Node     []string // settings of the function for Node
	Direct   []string // more settings of the function: opt-outs, and a target of events
	Queued   []string // more settings of the function: queues and a fallback
	Agent    string   // ID of the agent
	Taken    string   // URL with the number of requests that the platform has taken
}

// startPlatform starts the servers of the platform: the simulator, for secrets and tokens,
// and the lean platform, for messages. It writes files to dir, and the stage to out.
func startPlatform(dir, version string, out io.Writer) error {
	sim := simulated.New(new(rbmtest.Simulator))
	env := sim.Provision(httptest.NewServer(sim).URL)
	sim.Secrets.AddVersion(apiKeys, []byte(apiKey))
	credentials := filepath.Join(dir, "credentials.json")
	if err := os.WriteFile(credentials, env.Credentials, 0o600); err != nil {
		return err
	}
	number, err := strconv.Atoi(version)
	if err != nil {
		return err
	}
	handler := &leanPlatform{tokens: sim.Tokens, version: number}
	lean := httptest.NewUnstartedServer(handler)
	var trust []string
	if handler.version == 1 {
		lean.Start()
	} else {
		lean.EnableHTTP2 = true
		lean.StartTLS()
		roots, _ := os.ReadFile("/etc/ssl/certs/ca-certificates.crt") // a deployed function reads them too; missing on other systems
		roots = append(roots, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: lean.Certificate().Raw})...)
		file := filepath.Join(dir, "roots.pem")
		if err := os.WriteFile(file, roots, 0o600); err != nil {
			return err
		}
		trust = []string{"SSL_CERT_FILE=" + file, "SSL_CERT_DIR=/nonexistent"}
	}
	key := filepath.Join(dir, "key.json")
	if err := os.WriteFile(key, sim.KeyFile(env.RBMEndpoint), 0o600); err != nil {
		return err
	}
	messages := []string{envMessages + "=" + lean.URL, envAgent + "=" + env.AgentID}
	s := stage{
		Trust: trust,
		Function: []string{
			"GOOGLE_APPLICATION_CREDENTIALS=" + credentials,
			"RCSHOOK_AGENT_ID=" + env.AgentIDSecret,
			"RCSHOOK_CREDENTIALS=" + env.KeySecret,
			"RCSHOOK_API_KEYS=" + apiKeys,
			"RCSHOOK_SECRETMANAGER_ENDPOINT=" + env.SecretManagerEndpoint,
			"RCSHOOK_RBM_ENDPOINT=" + lean.URL,
		},
		Bare: append(messages, envToken+"="+sim.Token()),
		Node: append(messages, envKey+"="+key, "NODE_EXTRA_CA_CERTS="+filepath.Join(dir, "roots.pem")),
	}
	if handler.services, err = newServices(dir, lean.URL, sim, env, &s); err != nil {
		return err
	}
	s.Taken = httptest.NewServer(handler.taken()).URL + "/"
	return json.NewEncoder(out).Encode(s)
}

// leanPlatform takes requests as Google does, and drops them. It checks the token, the path
// and the parameters of each message, and returns the message as RBM does, without looking
// into it.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/phones.agentMessages/create
type leanPlatform struct {
	tokens   *token.Server
	version  int // of HTTP, for messages; a request of another version is an error, unless it is 0
	arrivals atomic.Int64
	checked  atomic.Value // the latest valid Authorization header, a string
	services *services    // may be nil
}

func (p *leanPlatform) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if p.services != nil && p.services.serve(w, r) {
		if !strings.HasSuffix(r.URL.EscapedPath(), "_key") { // reread at times
			p.arrivals.Add(1)
		}
		return
	}
	body, err := io.ReadAll(r.Body)
	if err == nil {
		err = p.check(r, body)
	}
	if err != nil {
		(&googletest.Error{Code: http.StatusBadRequest, Status: "INVALID_ARGUMENT", Message: err.Error()}).Write(w)
		return
	}
	p.arrivals.Add(1)
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	_, _ = fmt.Fprintf(w, `{"name":"%s/%s","sendTime":"%s",%s`, strings.TrimPrefix(r.URL.Path, "/v1/"), r.URL.Query().Get("messageId"),
		time.Now().UTC().Format("2006-01-02T15:04:05.000000Z"), body[1:]) // the client may be gone
}

// check reports whether a request is valid.
func (p *leanPlatform) check(r *http.Request, body []byte) error {
	if authorization := r.Header.Get("Authorization"); authorization != p.checked.Load() {
		if _, err := p.tokens.Check(strings.TrimPrefix(authorization, "Bearer "), rbm.Scope); err != nil {
			return fmt.Errorf("invalid token: %w", err)
		}
		p.checked.Store(authorization)
	}
	query := r.URL.Query()
	switch path := r.URL.Path; {
	case p.version != 0 && r.ProtoMajor != p.version:
		return fmt.Errorf("expected HTTP/%d, got %s", p.version, r.Proto)
	case r.Method != http.MethodPost || !strings.HasPrefix(path, "/v1/phones/") || !strings.HasSuffix(path, "/agentMessages"):
		return fmt.Errorf("unknown method or path: %s %s", r.Method, path)
	case query.Get("messageId") == "" || query.Get("agentId") == "":
		return errors.New("messageId or agentId is missing")
	case !bytes.HasPrefix(body, []byte("{")):
		return errors.New("the body is not a JSON object")
	}
	return nil
}
