package source

import (
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"runtime"
	"time"
)

// Verify authenticates r without mapping it.
func Verify(ctx context.Context, s *Source, r *Request, now time.Time) error {
	return s.verify(ctx, r, now)
}

// Fill keeps the programs of all sources from running until empty is called.
func Fill(s *Source) (empty func()) {
	n := int64(runtime.GOMAXPROCS(0))
	if !s.running.TryAcquire(n) {
		panic("a program is running")
	}
	return func() { s.running.Release(n) }
}

// SignText signs any header and claims, JSON or not, with the key of i.
func SignText(i *Issuer, header, claims string) string {
	encode := base64.RawURLEncoding.EncodeToString
	text := encode([]byte(header)) + "." + encode([]byte(claims))
	digest := sha256.Sum256([]byte(text))
	signature, err := rsa.SignPKCS1v15(nil, i.key, crypto.SHA256, digest[:])
	if err != nil {
		panic(err)
	}
	return text + "." + encode(signature)
}

// PublicKey returns the public key of i as PEM, and its ID.
func PublicKey(i *Issuer) (text []byte, id string) {
	der, err := x509.MarshalPKIXPublicKey(&i.key.PublicKey)
	if err != nil {
		panic(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), i.id
}
