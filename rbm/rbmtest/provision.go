package rbmtest

import (
	"encoding/json"
	"errors"
	"maps"
	"strings"
)

// Where a rehearsal finds its secrets, and whose they are.
const (
	projectID     = "rcshook-dev"
	agentIDSecret = "projects/" + projectID + "/secrets/rcs-agent-id"
	keySecret     = "projects/" + projectID + "/secrets/rcs-key"

	// demoAgentID is the agent of a simulator that knows none by name.
	demoAgentID = "rcshook_demo_k3x9a1bc_agent"
)

// Environment is what a program needs to know to work against a [Simulator] as it
// does against Google.
type Environment struct {
	// AgentID is the agent, also found in the secret AgentIDSecret.
	AgentID string

	// AgentIDSecret and KeySecret are the resource names of the secrets that
	// hold the agent ID and the RBM service account's key file.
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

	// MetadataHost is a value for the environment variable GCE_METADATA_HOST.
	// The service account it hands out may read the secrets too.
	MetadataHost string
}

// Provision arranges a complete rehearsal environment: a secret with the agent ID,
// which is that of the first of Agents if there are any, a secret with a key
// file, and credentials that may read both. baseURL is where the simulator is
// reached, such as the URL of an [net/http/httptest.Server]. Called again it adds
// new versions of the secrets with the same content.
func (s *Simulator) Provision(baseURL string) Environment {
	s.init()
	baseURL = strings.TrimRight(baseURL, "/")
	id := demoAgentID
	if len(s.Agents) > 0 {
		id = agentName(s.Agents[0].ID)
	}
	s.secrets.AddVersion(agentIDSecret, []byte(id))
	s.secrets.AddVersion(keySecret, s.KeyFile(baseURL))
	s.keyMu.Lock()
	s.provisioned = baseURL + "/token"
	s.keyMu.Unlock()
	_, host, _ := strings.Cut(baseURL, "://")
	return Environment{
		AgentID:       id,
		AgentIDSecret: agentIDSecret,
		KeySecret:     keySecret,
		Credentials: s.tokens.KeyFile(KeyOptions{
			ProjectID:   projectID,
			ClientEmail: "rcshook-run@" + projectID + ".iam.gserviceaccount.com",
			TokenURI:    baseURL + "/token",
		}),
		RBMEndpoint:           baseURL,
		SecretManagerEndpoint: baseURL,
		TokenURL:              baseURL + "/token",
		MetadataHost:          host,
	}
}

// KeyFile returns the RBM service account's key file of the moment, for clients
// that reach the simulator at baseURL. The same one is returned until
// [Simulator.Rotate].
func (s *Simulator) KeyFile(baseURL string) []byte {
	s.init()
	s.keyMu.Lock()
	defer s.keyMu.Unlock()
	tokenURI := strings.TrimRight(baseURL, "/") + "/token"
	if key, ok := s.keys[tokenURI]; ok {
		return append([]byte(nil), key...)
	}
	return append([]byte(nil), s.newKey(tokenURI)...)
}

// newKey makes the key of the moment. s.keyMu is held.
func (s *Simulator) newKey(tokenURI string) []byte {
	key := s.tokens.KeyFile(KeyOptions{
		ProjectID:   projectID,
		ClientEmail: "rbm-partner@" + projectID + ".iam.gserviceaccount.com",
		TokenURI:    tokenURI,
	})
	if s.keys == nil {
		s.keys = map[string][]byte{}
	}
	s.keys[tokenURI] = key
	return key
}

// errNoKey is the answer to a rotation before there is anything to rotate.
var errNoKey = errors.New("rbmtest: there is no key yet to rotate: ask for KeyFile or Provision first")

// Rotate makes a new key for the RBM service account, and a new version of the
// secret that [Simulator.Provision] filled with the old one. With
// revoke the old key stops working, and the tokens that were given for it;
// without, both keys are good. The key of Application Default Credentials stays
// as it is.
func (s *Simulator) Rotate(revoke bool) error {
	s.init()
	s.keyMu.Lock()
	defer s.keyMu.Unlock()
	if len(s.keys) == 0 {
		return errNoKey
	}
	for tokenURI, old := range s.keys {
		key := s.newKey(tokenURI)
		if tokenURI == s.provisioned {
			s.secrets.AddVersion(keySecret, key)
		}
		if revoke {
			s.tokens.RevokeKey(keyID(old))
			s.revokeTokensOf(keyID(old))
		}
	}
	return nil
}

// revokeTokensOf makes the tokens unknown that were given for a key.
func (s *Simulator) revokeTokensOf(keyID string) {
	s.tokens.mu.Lock()
	defer s.tokens.mu.Unlock()
	maps.DeleteFunc(s.tokens.tokens, func(_ string, g Grant) bool { return g.KeyID == keyID })
}

func keyID(key []byte) string {
	var file keyFile
	// The file is our own, so it decodes.
	_ = json.Unmarshal(key, &file)
	return file.PrivateKeyID
}
