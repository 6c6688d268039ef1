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
	Count    string   // URL with the number of messages that the platform has taken
}

// startPlatform starts the servers of the platform: the simulator, for secrets and tokens,
// and the lean platform, for messages. It writes files to dir, and the stage to out.
func startPlatform(dir string, plain bool, out io.Writer) error {
	sim := simulated.New(new(rbmtest.Simulator))
	env := sim.Provision(httptest.NewServer(sim).URL)
	sim.Secrets.AddVersion(apiKeys, []byte(apiKey))
	credentials := filepath.Join(dir, "credentials.json")
	if err := os.WriteFile(credentials, env.Credentials, 0o600); err != nil {
		return err
	}
	handler := &leanPlatform{tokens: sim.Tokens, version: 1}
	lean := httptest.NewUnstartedServer(handler)
	var trust []string
	if plain {
		lean.Start()
	} else {
		handler.version, lean.EnableHTTP2 = 2, true
		lean.StartTLS()
		roots, _ := os.ReadFile("/etc/ssl/certs/ca-certificates.crt") // a deployed function reads them too; missing on other systems
		roots = append(roots, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: lean.Certificate().Raw})...)
		file := filepath.Join(dir, "roots.pem")
		if err := os.WriteFile(file, roots, 0o600); err != nil {
			return err
		}
		trust = []string{"SSL_CERT_FILE=" + file, "SSL_CERT_DIR=/nonexistent"}
	}
	count := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, handler.messages.Load()) }))
	return json.NewEncoder(out).Encode(stage{
		Trust: trust,
		Function: []string{
			"GOOGLE_APPLICATION_CREDENTIALS=" + credentials,
			"RCSHOOK_AGENT_ID=" + env.AgentIDSecret,
			"RCSHOOK_CREDENTIALS=" + env.KeySecret,
			"RCSHOOK_API_KEYS=" + apiKeys,
			"RCSHOOK_SECRETMANAGER_ENDPOINT=" + env.SecretManagerEndpoint,
			"RCSHOOK_RBM_ENDPOINT=" + lean.URL,
		},
		Bare:  []string{envMessages + "=" + lean.URL, envAgent + "=" + env.AgentID, envToken + "=" + sim.Token()},
		Count: count.URL,
	})
}

// leanPlatform takes messages as RBM does, and drops them. It checks the token, the path
// and the parameters of each, and returns the message as RBM does, without looking into it.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/phones.agentMessages/create
type leanPlatform struct {
	tokens   *token.Server
	version  int // of HTTP; a request of another version is an error
	messages atomic.Int64
	checked  atomic.Value // the latest valid Authorization header, a string
}

func (p *leanPlatform) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err == nil {
		err = p.check(r, body)
	}
	if err != nil {
		(&googletest.Error{Code: http.StatusBadRequest, Status: "INVALID_ARGUMENT", Message: err.Error()}).Write(w)
		return
	}
	p.messages.Add(1)
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
	case r.ProtoMajor != p.version:
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
