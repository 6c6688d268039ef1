package source

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net/http"
	"strings"
	"time"
)

// Issuer is a stand-in for Google: it signs ID tokens, and serves the public key under
// the path of Google's keys. A function accepts its tokens only if it is configured to.
type Issuer struct {
	key *rsa.PrivateKey
	id  string
}

// NewIssuer returns an issuer with a key of its own.
func NewIssuer() (*Issuer, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	return &Issuer{key, strings.ToLower(rand.Text())}, nil
}

// Path is where the keys are served, below the endpoint.
func (*Issuer) Path() string { return googlePath }

// ServeHTTP serves the public key as a JSON Web Key Set.
func (i *Issuer) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	encode := base64.RawURLEncoding.EncodeToString
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(map[string]any{"keys": []any{map[string]string{
		"kty": "RSA", "alg": "RS256", "use": "sig", "kid": i.id,
		"n": encode(i.key.N.Bytes()), "e": encode(big.NewInt(int64(i.key.E)).Bytes()),
	}}})
}

// Claims are the claims of a token.
type Claims struct {
	Issuer    string `json:"iss"`
	Subject   string `json:"sub"`
	Audience  string `json:"aud"`
	Email     string `json:"email"`
	Verified  bool   `json:"email_verified"`
	IssuedAt  int64  `json:"iat"`
	Expiry    int64  `json:"exp"`
	NotBefore int64  `json:"nbf,omitempty"`
}

// Token returns a token as Google would make it for a service account, good for an
// hour.
func (i *Issuer) Token(audience, email string, now time.Time) string {
	return i.Sign(Claims{
		Issuer: googleIssuer, Subject: "100000000000000000001", Audience: audience,
		Email: email, Verified: true, IssuedAt: now.Unix(), Expiry: now.Add(time.Hour).Unix(),
	})
}

// Sign returns a token with any claims.
func (i *Issuer) Sign(c Claims) string {
	segment := func(v any) string {
		data, err := json.Marshal(v)
		if err != nil {
			panic("source: " + err.Error()) // plain structs
		}
		return base64.RawURLEncoding.EncodeToString(data)
	}
	text := segment(map[string]string{"alg": "RS256", "typ": "JWT", "kid": i.id}) + "." + segment(c)
	digest := sha256.Sum256([]byte(text))
	made, err := rsa.SignPKCS1v15(rand.Reader, i.key, crypto.SHA256, digest[:])
	if err != nil {
		panic("source: " + err.Error()) // the key is of our making
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(made)
}
