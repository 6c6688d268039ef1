package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

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

// A platform serves tokens and secrets, by the simulator, and takes messages.
type platform struct {
	simulated.Environment
	simulator, lean *httptest.Server
	messages        atomic.Int64
	credentials     string // file with Application Default Credentials
	roots           string // file with the certificates to trust; empty with plain HTTP
	token           string // valid for messages
}

// startPlatform starts a platform and writes its files to a folder.
func startPlatform(plain bool, dir string) (*platform, error) {
	sim := simulated.New(new(rbmtest.Simulator))
	p := &platform{simulator: httptest.NewServer(sim), credentials: filepath.Join(dir, "credentials.json")}
	p.Environment = sim.Provision(p.simulator.URL)
	sim.Secrets.AddVersion(apiKeys, []byte(apiKey))
	p.token = sim.Token()
	handler := &leanPlatform{tokens: sim.Tokens, messages: &p.messages, version: 1}
	p.lean = httptest.NewUnstartedServer(handler)
	p.lean.Config.ErrorLog = log.New(new(bytes.Buffer), "", 0) // processes stop with connections open
	err := os.WriteFile(p.credentials, p.Credentials, 0o600)
	if plain {
		p.lean.Start()
		return p, err
	}
	certificate, err2 := newCertificate()
	if err = errors.Join(err, err2); err != nil {
		return p, err
	}
	handler.version = 2
	p.lean.EnableHTTP2 = true
	p.lean.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS13}
	p.lean.StartTLS()
	// A deployed function reads the roots of the system too.
	roots, err := os.ReadFile("/etc/ssl/certs/ca-certificates.crt")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return p, err
	}
	p.roots = filepath.Join(dir, "roots.pem")
	own := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Certificate[0]})
	return p, os.WriteFile(p.roots, append(roots, own...), 0o600)
}

func (p *platform) close() {
	p.simulator.CloseClientConnections()
	p.simulator.Close()
	if p.lean.Listener != nil {
		p.lean.CloseClientConnections()
		p.lean.Close()
	}
}

// newCertificate returns a certificate of the kind that Google's servers have, which is
// cheaper than the RSA certificate of httptest.
func newCertificate() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(24 * time.Hour),
		IPAddresses:  []net.IP{net.ParseIP(loopback)},
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}

// leanPlatform takes messages as RBM does, and drops them. It checks the token, the path
// and the parameters of each, and returns the message as RBM does, without looking into it.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/phones.agentMessages/create
type leanPlatform struct {
	tokens   *token.Server
	messages *atomic.Int64
	version  int          // of HTTP; a request of another version is an error
	checked  atomic.Value // the latest valid Authorization header, a string
}

func (p *leanPlatform) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var body, response bytes.Buffer
	_, err := body.ReadFrom(r.Body)
	if err == nil {
		err = p.create(r, body.Bytes(), &response)
	}
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	if err == nil {
		p.messages.Add(1)
	} else {
		text, _ := json.Marshal(map[string]any{"error": map[string]any{ // strings and numbers always encode
			"code": http.StatusBadRequest, "status": "INVALID_ARGUMENT", "message": err.Error(),
		}})
		response.Reset()
		response.Write(text)
		w.WriteHeader(http.StatusBadRequest)
	}
	_, _ = w.Write(response.Bytes()) // the client may be gone
}

// create writes the response to a valid request.
func (p *leanPlatform) create(req *http.Request, body []byte, response *bytes.Buffer) error {
	if authorization := req.Header.Get("Authorization"); authorization != p.checked.Load() {
		token, _ := strings.CutPrefix(authorization, "Bearer ")
		if _, err := p.tokens.Check(token, rbm.Scope); err != nil {
			return fmt.Errorf("invalid token: %w", err)
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
		return fmt.Errorf("expected HTTP/%d, got %s", p.version, req.Proto)
	case req.Method != http.MethodPost || !ok || !isMessage:
		return fmt.Errorf("unknown method or path: %s %s", req.Method, req.URL.Path)
	case id == "" || query.Get("agentId") == "":
		return errors.New("messageId or agentId is missing")
	case !isObject:
		return errors.New("the body is not a JSON object")
	}
	response.WriteString(`{"name":"phones/` + phone + `/agentMessages/` + id + `","sendTime":"`)
	response.Write(time.Now().UTC().AppendFormat(response.AvailableBuffer(), "2006-01-02T15:04:05.000000Z"))
	response.WriteString(`",`)
	response.Write(rest)
	return nil
}
