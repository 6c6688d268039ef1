//go:build !playground

package token

import (
	"cmp"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rcshook/rcshook/internal/googletest"
)

const (
	maxSkew          = 5 * time.Minute // how far the signer's clock may be ahead
	maxAssertionLife = time.Hour       // between iat and exp
)

// KeyOptions are the contents of a key file. The zero value fits a server that is not
// reached through a network.
type KeyOptions struct {
	// ProjectID is the project of the service account; empty means "rcshook-test".
	ProjectID string

	// ClientEmail is the service account; empty means rbm@PROJECT.iam.gserviceaccount.com.
	ClientEmail string

	// TokenURI is the URL of the [Server]. Empty means Google's,
	// https://oauth2.googleapis.com/token.
	TokenURI string

	// PrivateKey is the key; nil means one of 2048 bits that is new to this server.
	PrivateKey *rsa.PrivateKey
}

// serviceKey is the server's half of a key file.
type serviceKey struct {
	public   *rsa.PublicKey
	email    string
	audience string
}

// keyFile is a service account key as the Google Cloud console downloads it.
type keyFile struct {
	Type                string `json:"type"`
	ProjectID           string `json:"project_id"`
	PrivateKeyID        string `json:"private_key_id"`
	PrivateKey          string `json:"private_key"`
	ClientEmail         string `json:"client_email"`
	ClientID            string `json:"client_id"`
	AuthURI             string `json:"auth_uri"`
	TokenURI            string `json:"token_uri"`
	AuthProviderCertURL string `json:"auth_provider_x509_cert_url"`
	ClientCertURL       string `json:"client_x509_cert_url"`
	UniverseDomain      string `json:"universe_domain"`
}

// KeyFile creates a service account key and returns it as the JSON file that the Google
// Cloud console would offer for download. From then on the server accepts the key.
func (s *Server) KeyFile(opts KeyOptions) []byte {
	opts.ProjectID = cmp.Or(opts.ProjectID, "rcshook-test")
	opts.ClientEmail = cmp.Or(opts.ClientEmail, "rbm@"+opts.ProjectID+".iam.gserviceaccount.com")
	opts.TokenURI = cmp.Or(opts.TokenURI, googleAudiences[0])
	private := opts.PrivateKey
	if private == nil {
		s.mu.Lock()
		private = generated.key(s.generated)
		s.generated++
		s.mu.Unlock()
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		panic("token: encode key: " + err.Error())
	}
	fingerprint := sha1.Sum(x509.MarshalPKCS1PublicKey(&private.PublicKey))
	file := keyFile{
		Type:                "service_account",
		ProjectID:           opts.ProjectID,
		PrivateKeyID:        hex.EncodeToString(fingerprint[:]),
		PrivateKey:          string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
		ClientEmail:         opts.ClientEmail,
		ClientID:            googletest.DecimalID("client", opts.ClientEmail, 21),
		AuthURI:             "https://accounts.google.com/o/oauth2/auth",
		TokenURI:            opts.TokenURI,
		AuthProviderCertURL: "https://www.googleapis.com/oauth2/v1/certs",
		ClientCertURL:       "https://www.googleapis.com/robot/v1/metadata/x509/" + strings.ReplaceAll(opts.ClientEmail, "@", "%40"),
		UniverseDomain:      "googleapis.com",
	}
	encoded, err := json.MarshalIndent(file, "", "  ")
	if err != nil {
		panic("token: encode key file: " + err.Error())
	}

	s.mu.Lock()
	defer s.mu.Unlock()
	if s.keys == nil {
		s.keys = make(map[string]*serviceKey)
	}
	s.keys[file.PrivateKeyID] = &serviceKey{&private.PublicKey, file.ClientEmail, file.TokenURI}
	return append(encoded, '\n')
}

// generated holds the keys of all servers in this process. Generating a key takes longer
// than most tests, so the n-th key of every server is the same.
var generated keyPool

type keyPool struct {
	mu   sync.Mutex
	keys []*rsa.PrivateKey
}

// key returns the n-th key.
func (p *keyPool) key(n int) *rsa.PrivateKey {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.keys) <= n {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			panic("token: generate key: " + err.Error())
		}
		p.keys = append(p.keys, key)
	}
	return p.keys[n]
}

// KeyID returns the private_key_id of a key file of [Server.KeyFile].
func KeyID(file []byte) string {
	var key keyFile
	if err := json.Unmarshal(file, &key); err != nil {
		panic("token: decode key file: " + err.Error())
	}
	return key.PrivateKeyID
}

// RevokeKey makes the server reject a key, given by the private_key_id of its file, as
// deleting it in the console does. Access tokens issued for it stay valid until they
// expire; see [Server.RevokeTokensOf].
func (s *Server) RevokeKey(keyID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.keys, keyID)
}

// verify checks a signed assertion, whose audience may be that of its key or one of
// audiences. The texts of the errors follow Google's.
func (s *Server) verify(assertion string, audiences []string) (Grant, *tokenError) {
	var header struct {
		Algorithm string `json:"alg"`
		Type      string `json:"typ"`
		KeyID     string `json:"kid"`
	}
	var claims struct {
		Issuer   string `json:"iss"`
		Subject  string `json:"sub"`
		Audience string `json:"aud"`
		Scope    string `json:"scope"`
		IssuedAt int64  `json:"iat"`
		Expires  int64  `json:"exp"`
	}
	parts := strings.Split(assertion, ".")
	if len(parts) != 3 || decodePart(parts[0], &header) != nil || decodePart(parts[1], &claims) != nil {
		return Grant{}, invalidGrant("Bad Request")
	}
	signature, err := decodeBase64(parts[2])
	if err != nil {
		return Grant{}, invalidGrant("Bad Request")
	}
	if header.Algorithm != "RS256" || (header.Type != "" && header.Type != "JWT") {
		return Grant{}, invalidGrant("Invalid JWT: unsupported algorithm or type")
	}
	id, key := s.signer(header.KeyID, claims.Issuer, parts[0]+"."+parts[1], signature)
	now, issued, expires := s.now(), time.Unix(claims.IssuedAt, 0), time.Unix(claims.Expires, 0)
	switch {
	case key == nil:
		return Grant{}, invalidGrant("Invalid JWT Signature.")
	case claims.Issuer != key.email:
		return Grant{}, invalidGrant("Invalid grant: account not found")
	case claims.Subject != "" && claims.Subject != claims.Issuer:
		return Grant{}, &tokenError{401, "unauthorized_client", "Client is unauthorized to retrieve access tokens using this method, or client not authorized for any of the scopes requested."}
	case claims.Audience != key.audience && !slices.Contains(audiences, claims.Audience):
		return Grant{}, invalidGrant("Invalid JWT: Failed audience check. The right audience is %s", key.audience)
	case !expires.After(issued), expires.Sub(issued) > maxAssertionLife, issued.After(now.Add(maxSkew)), !expires.After(now):
		return Grant{}, invalidGrant("Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. Check your iat and exp values in the JWT claim.")
	}
	scopes := strings.Fields(claims.Scope)
	if len(scopes) == 0 {
		return Grant{}, &tokenError{400, "invalid_scope", "Invalid OAuth scope or ID token audience provided."}
	}
	return Grant{Email: key.email, KeyID: id, Scopes: scopes}, nil
}

func decodePart(part string, v any) error {
	data, err := decodeBase64(part)
	if err != nil {
		return err
	}
	return json.Unmarshal(data, v)
}

// decodeBase64 decodes base64url with or without padding. RFC 7515 has none, but older
// versions of Google's Python library pad.
func decodeBase64(s string) ([]byte, error) {
	return base64.RawURLEncoding.DecodeString(strings.TrimRight(s, "="))
}

// signer finds the key that signed an assertion: the one that its header names, or any
// key of the issuer if the header names none.
//
// Assumption: an assertion need not name its key. Google's own library for Node never
// does.
func (s *Server) signer(id, issuer, signed string, signature []byte) (string, *serviceKey) {
	digest := sha256.Sum256([]byte(signed))
	s.mu.Lock()
	defer s.mu.Unlock()
	for keyID, key := range s.keys {
		if (keyID == id || id == "" && key.email == issuer) && rsa.VerifyPKCS1v15(key.public, crypto.SHA256, digest[:], signature) == nil {
			return keyID, key
		}
	}
	return "", nil
}
