package rbmtest

import (
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
	"fmt"
	"math/big"
	"strings"
	"time"
)

// assertionSkew is how far the clock of the signer may be ahead.
const assertionSkew = 5 * time.Minute

// maxAssertionLife is the longest time between iat and exp.
const maxAssertionLife = time.Hour

// KeyOptions says what stands in a key file. The zero value is good for a
// server that nobody reaches by network.
type KeyOptions struct {
	// ProjectID is the project of the service account; empty means "rcshook-test".
	ProjectID string

	// ClientEmail is the service account; empty means rbm@PROJECT.iam.gserviceaccount.com.
	ClientEmail string

	// TokenURI is where the key is to be used: the URL that the [TokenServer]
	// is mounted on. Empty means Google's, https://oauth2.googleapis.com/token.
	TokenURI string

	// PrivateKey is the key itself; nil means a fresh one of 2048 bits. Making
	// one takes about a tenth of a second, which many tests need not spend.
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

// KeyFile makes a service account key that the server will accept from now on, and
// returns it as the JSON file that the Google Cloud console would let you download.
// The file is a secret, as a real one is, but good only for this server.
func (s *TokenServer) KeyFile(opts KeyOptions) []byte {
	if opts.ProjectID == "" {
		opts.ProjectID = "rcshook-test"
	}
	if opts.ClientEmail == "" {
		opts.ClientEmail = "rbm@" + opts.ProjectID + ".iam.gserviceaccount.com"
	}
	if opts.TokenURI == "" {
		opts.TokenURI = "https://oauth2.googleapis.com/token"
	}
	private := opts.PrivateKey
	if private == nil {
		var err error
		if private, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
			panic("rbmtest: generate key: " + err.Error())
		}
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		panic("rbmtest: encode key: " + err.Error())
	}
	fingerprint := sha1.Sum(x509.MarshalPKCS1PublicKey(&private.PublicKey))
	file := keyFile{
		Type:                "service_account",
		ProjectID:           opts.ProjectID,
		PrivateKeyID:        hex.EncodeToString(fingerprint[:]),
		PrivateKey:          string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
		ClientEmail:         opts.ClientEmail,
		ClientID:            decimalID("client", opts.ClientEmail, 21),
		AuthURI:             "https://accounts.google.com/o/oauth2/auth",
		TokenURI:            opts.TokenURI,
		AuthProviderCertURL: "https://www.googleapis.com/oauth2/v1/certs",
		ClientCertURL:       "https://www.googleapis.com/robot/v1/metadata/x509/" + strings.ReplaceAll(opts.ClientEmail, "@", "%40"),
		UniverseDomain:      "googleapis.com",
	}
	encoded, err := json.MarshalIndent(file, "", "  ")
	if err != nil {
		panic("rbmtest: encode key file: " + err.Error())
	}

	s.mu.Lock()
	defer s.mu.Unlock()
	if s.keys == nil {
		s.keys = make(map[string]*serviceKey)
	}
	s.keys[file.PrivateKeyID] = &serviceKey{&private.PublicKey, file.ClientEmail, file.TokenURI}
	return append(encoded, '\n')
}

// RevokeKey makes the server refuse a key, given by the private_key_id of its
// file, as deleting it in the console does. Tokens that it was traded for stay
// good until they expire; see [TokenServer.RevokeTokens].
func (s *TokenServer) RevokeKey(keyID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.keys, keyID)
}

// verify checks a signed assertion. The wording of a refusal follows Google's.
func (s *TokenServer) verify(assertion string) (Grant, *tokenRefusal) {
	head, body, signature, ok := splitAssertion(assertion)
	if !ok {
		return Grant{}, refuseGrant("Bad Request")
	}
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
	if decodePart(head, &header) != nil || decodePart(body, &claims) != nil {
		return Grant{}, refuseGrant("Bad Request")
	}

	if header.Algorithm != "RS256" || (header.Type != "" && header.Type != "JWT") {
		return Grant{}, refuseGrant("Invalid JWT: unsupported algorithm or type")
	}
	id, key := s.signer(header.KeyID, claims.Issuer, head+"."+body, signature)
	switch {
	case key == nil:
		return Grant{}, refuseGrant("Invalid JWT Signature.")
	case claims.Issuer != key.email:
		return Grant{}, refuseGrant("Invalid grant: account not found")
	case claims.Subject != "" && claims.Subject != claims.Issuer:
		return Grant{}, &tokenRefusal{401, "unauthorized_client", "Client is unauthorized to retrieve access tokens using this method, or client not authorized for any of the scopes requested."}
	case claims.Audience != key.audience:
		return Grant{}, refuseGrant("Invalid JWT: Failed audience check. The right audience is %s", key.audience)
	case !timely(s.now(), claims.IssuedAt, claims.Expires):
		return Grant{}, refuseGrant("Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. Check your iat and exp values in the JWT claim.")
	}
	scopes := strings.Fields(claims.Scope)
	if len(scopes) == 0 {
		return Grant{}, refuse("invalid_scope", "Invalid OAuth scope or ID token audience provided.")
	}
	return Grant{Email: key.email, KeyID: id, Scopes: scopes}, nil
}

// signer finds the key that signed an assertion: the one that its header names, or
// any of the issuer's if it names none.
//
// Assumption: an assertion need not name its key, since Google's own library for
// Node never does.
func (s *TokenServer) signer(id, issuer, signed string, signature []byte) (string, *serviceKey) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if id != "" {
		if key := s.keys[id]; key != nil && key.signed(signed, signature) {
			return id, key
		}
		return "", nil
	}
	for id, key := range s.keys {
		if key.email == issuer && key.signed(signed, signature) {
			return id, key
		}
	}
	return "", nil
}

// splitAssertion returns the encoded header and claims, and the decoded
// signature, of a compact JWS.
func splitAssertion(assertion string) (head, body string, signature []byte, ok bool) {
	parts := strings.Split(assertion, ".")
	if len(parts) != 3 {
		return "", "", nil, false
	}
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	return parts[0], parts[1], signature, err == nil
}

func decodePart(part string, v any) error {
	data, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		return err
	}
	return json.Unmarshal(data, v)
}

func (k *serviceKey) signed(signed string, signature []byte) bool {
	digest := sha256.Sum256([]byte(signed))
	return rsa.VerifyPKCS1v15(k.public, crypto.SHA256, digest[:], signature) == nil
}

// timely reports whether an assertion of at most an hour is in force.
func timely(now time.Time, issuedAt, expires int64) bool {
	iat, exp := time.Unix(issuedAt, 0), time.Unix(expires, 0)
	return exp.After(iat) && exp.Sub(iat) <= maxAssertionLife &&
		!iat.After(now.Add(assertionSkew)) && exp.After(now)
}

// decimalID derives a number with a fixed count of digits, as Google gives to
// projects and accounts, from a name.
func decimalID(kind, name string, digits int) string {
	sum := sha256.Sum256([]byte(kind + "\n" + name))
	n := new(big.Int).SetBytes(sum[:])
	limit := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(digits-1)), nil)
	return fmt.Sprintf("1%0*d", digits-1, n.Mod(n, limit))
}
