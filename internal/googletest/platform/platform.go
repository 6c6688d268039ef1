// Package platform puts a simulator of RBM and stand-ins for Secret Manager and the
// metadata server on one port, as rcshook dev and most tests need them.
package platform

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"

	"github.com/rcshook/rcshook/internal/googletest"
	"github.com/rcshook/rcshook/internal/googletest/metadata"
	"github.com/rcshook/rcshook/internal/googletest/secrets"
	"github.com/rcshook/rcshook/internal/googletest/storage"
	"github.com/rcshook/rcshook/internal/googletest/token"
	"github.com/rcshook/rcshook/rbm/rbmtest"
)

// The project of the platform, and the names of its secrets.
const (
	ProjectID     = "rcshook-dev"
	AgentIDSecret = "projects/" + ProjectID + "/secrets/rcs-agent-id"
	KeySecret     = "projects/" + ProjectID + "/secrets/rcs-key"

	// demoAgentID is the agent of a simulator without Agents.
	demoAgentID = "rcshook_demo_k3x9a1bc_agent"
)

// Platform is a [rbmtest.Simulator] that also serves:
//
//	/v1/projects/...      Secrets
//	/computeMetadata/     Metadata
//	/storage/v1/...       Storage, also below /upload
//	GET  /_sim/secrets    names: {"secrets": [{"name", "versions", "accesses"}]}
//	POST /_sim/secrets    AddVersion: {"name": "projects/*/secrets/*", "value": "..."}
//	POST /_sim/rotate     Rotate: {"revoke": true}
//
// A [rbmtest.Failure] may name the methods "secrets", "metadata" and "storage".
type Platform struct {
	*rbmtest.Simulator

	// Tokens is the token endpoint of the simulator, mounted at /token.
	Tokens *token.Server

	// Secrets requires a token with the scope cloud-platform from Tokens or Metadata.
	Secrets secrets.Server

	Metadata metadata.Server

	// Storage requires such a token too. It has no buckets at first.
	Storage storage.Server

	secrets, metadata, storage, admin http.Handler

	mu       sync.Mutex
	tokenURI string // of the key in KeySecret
}

// New returns a platform around sim.
func New(sim *rbmtest.Simulator) *Platform {
	p := &Platform{Simulator: sim, Tokens: sim.Tokens().(*token.Server)}
	p.Secrets.Authorize = func(bearer string) error {
		_, err := p.Tokens.Check(bearer, googletest.CloudPlatform)
		return err
	}
	p.Storage.Authorize = p.Secrets.Authorize
	p.Metadata.Tokens, p.Metadata.ProjectID = p.Tokens, ProjectID
	p.secrets = sim.WithFailures("secrets", &p.Secrets)
	p.metadata = sim.WithFailures("metadata", &p.Metadata)
	p.storage = sim.WithFailures("storage", &p.Storage)
	admin := http.NewServeMux()
	admin.Handle("GET /_sim/secrets", googletest.JSONHandler(func(context.Context, *struct{}) (any, error) {
		return map[string]any{"secrets": p.Secrets.List()}, nil
	}))
	admin.Handle("POST /_sim/secrets", googletest.JSONHandler(p.addSecret))
	admin.Handle("POST /_sim/rotate", googletest.JSONHandler(func(_ context.Context, req *struct{ Revoke bool }) (any, error) {
		return nil, p.Rotate(req.Revoke)
	}))
	p.admin = sim.LocalOnly(admin)
	return p
}

// ServeHTTP serves a request for any of the services.
func (p *Platform) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch path := r.URL.Path; {
	case strings.HasPrefix(path, "/v1/projects/"):
		p.secrets.ServeHTTP(w, r)
	case strings.HasPrefix(path, "/computeMetadata/"), path == "/" && r.Header.Get(metadata.Header) == metadata.Flavor:
		p.metadata.ServeHTTP(w, r)
	case strings.HasPrefix(path, "/storage/v1/"), strings.HasPrefix(path, "/upload/storage/v1/"):
		p.storage.ServeHTTP(w, r)
	case path == "/_sim/secrets", path == "/_sim/rotate":
		p.admin.ServeHTTP(w, r)
	default:
		p.Simulator.ServeHTTP(w, r)
	}
}

func (p *Platform) addSecret(_ context.Context, req *struct{ Name, Value string }) (any, error) {
	if !secrets.ValidName(req.Name) {
		return nil, errors.New("name: expected projects/*/secrets/*")
	}
	if len(req.Value) > secrets.MaxBytes {
		return nil, errors.New("value exceeds 64 KiB, the limit of a secret")
	}
	return map[string]string{"version": p.Secrets.AddVersion(req.Name, []byte(req.Value))}, nil
}

// Environment is the configuration that a program needs to run against a [Platform] as
// it does against Google.
type Environment struct {
	// AgentID is the agent, also found in the secret AgentIDSecret.
	AgentID string

	// AgentIDSecret and KeySecret are the resource names of the secrets that hold the
	// agent ID and the RBM service account's key file.
	AgentIDSecret string
	KeySecret     string

	// Credentials is a key file for Application Default Credentials: the service
	// account that the program runs as, which may read the secrets.
	Credentials []byte

	// RBMEndpoint and SecretManagerEndpoint are the base URLs of those services;
	// TokenURL is the token endpoint, also named in the key files.
	RBMEndpoint           string
	SecretManagerEndpoint string
	TokenURL              string

	// MetadataHost is a value for the environment variable GCE_METADATA_HOST. Its
	// service account may read the secrets too.
	MetadataHost string
}

// Provision creates a secret with the agent ID, which is that of the first of Agents if
// there are any, a secret with a key file, and credentials that may read both. baseURL
// is the URL of the server of p. Every call adds new versions of the secrets with the
// same content.
func (p *Platform) Provision(baseURL string) Environment {
	baseURL = strings.TrimRight(baseURL, "/")
	id := demoAgentID
	if len(p.Agents) > 0 {
		id = strings.TrimSuffix(p.Agents[0].ID, "@rbm.goog")
	}
	p.Secrets.AddVersion(AgentIDSecret, []byte(id))
	p.Secrets.AddVersion(KeySecret, p.KeyFile(baseURL))
	p.mu.Lock()
	p.tokenURI = baseURL + "/token"
	p.mu.Unlock()
	_, host, _ := strings.Cut(baseURL, "://")
	return Environment{
		AgentID:       id,
		AgentIDSecret: AgentIDSecret,
		KeySecret:     KeySecret,
		Credentials: p.Tokens.KeyFile(token.KeyOptions{
			ProjectID:   ProjectID,
			ClientEmail: "rcshook-run@" + ProjectID + ".iam.gserviceaccount.com",
			TokenURI:    baseURL + "/token",
		}),
		RBMEndpoint:           baseURL,
		SecretManagerEndpoint: baseURL,
		TokenURL:              baseURL + "/token",
		MetadataHost:          host,
	}
}

// Rotate replaces the key of the RBM service account, as [rbmtest.Simulator.Rotate]
// does, and adds the new key to the secret that [Platform.Provision] filled.
func (p *Platform) Rotate(revoke bool) error {
	if err := p.Simulator.Rotate(revoke); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if baseURL, ok := strings.CutSuffix(p.tokenURI, "/token"); ok {
		p.Secrets.AddVersion(KeySecret, p.KeyFile(baseURL))
	}
	return nil
}
