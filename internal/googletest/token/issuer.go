package token

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net/http"
	"strings"
	"time"
)

// Issuer signs ID tokens in place of Google, and serves its public key under the path
// of Google's keys. A function accepts the tokens only if its settings point to the
// issuer.
type Issuer struct {
	key *rsa.PrivateKey
	id  string
}

// NewIssuer returns an issuer with a new key.
func NewIssuer() (*Issuer, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	return &Issuer{key, strings.ToLower(rand.Text())}, nil
}

// Path returns the path of the public keys, below the endpoint.
func (*Issuer) Path() string { return "/oauth2/v3/certs" }

// ServeHTTP serves the public key as a JSON Web Key Set.
func (i *Issuer) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	encode := base64.RawURLEncoding.EncodeToString
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(map[string]any{"keys": []any{map[string]string{
		"kty": "RSA", "alg": "RS256", "use": "sig", "kid": i.id,
		"n": encode(i.key.N.Bytes()), "e": encode(big.NewInt(int64(i.key.E)).Bytes()),
	}}})
}

// Claims are the claims of an ID token.
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

// Token returns an ID token for a service account that is valid for an hour.
func (i *Issuer) Token(audience, email string, now time.Time) string {
	return i.Sign(Claims{
		Issuer: "https://accounts.google.com", Subject: "100000000000000000001", Audience: audience,
		Email: email, Verified: true, IssuedAt: now.Unix(), Expiry: now.Add(time.Hour).Unix(),
	})
}

// Sign returns a token with the given claims.
func (i *Issuer) Sign(c Claims) string {
	header, err := json.Marshal(map[string]string{"alg": "RS256", "typ": "JWT", "kid": i.id})
	if err != nil {
		panic("token: " + err.Error())
	}
	claims, err := json.Marshal(c)
	if err != nil {
		panic("token: " + err.Error())
	}
	return i.SignText(string(header), string(claims))
}

// SignText signs any header and claims, which need not be JSON.
func (i *Issuer) SignText(header, claims string) string {
	encode := base64.RawURLEncoding.EncodeToString
	signed := encode([]byte(header)) + "." + encode([]byte(claims))
	digest := sha256.Sum256([]byte(signed))
	signature, err := rsa.SignPKCS1v15(nil, i.key, crypto.SHA256, digest[:])
	if err != nil {
		panic("token: " + err.Error())
	}
	return signed + "." + encode(signature)
}

// PublicKey returns the public key in PEM and its ID.
func (i *Issuer) PublicKey() (text []byte, id string) {
	der, err := x509.MarshalPKIXPublicKey(&i.key.PublicKey)
	if err != nil {
		panic("token: " + err.Error())
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), i.id
}
