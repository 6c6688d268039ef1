//go:build !playground

package source

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"

	"github.com/rcshook/rcshook/internal/standardwebhook"
)

var errNotP256 = errors.New("must be a P-256 public key, as base64 or PEM")

// ecdsaP256 is ECDSA over P-256 with SHA-256 and signatures in ASN.1. The secret is the
// public key in PKIX form, as base64 or PEM.
var ecdsaP256 = algorithm{
	verifier: func(secret []byte) (func(content, signature []byte) bool, error) {
		der, err := standardwebhook.DecodeKey(secret)
		if err != nil {
			return nil, errNotP256
		}
		key, err := x509.ParsePKIXPublicKey(der)
		public, ok := key.(*ecdsa.PublicKey)
		if err != nil || !ok || public.Curve != elliptic.P256() {
			return nil, errNotP256
		}
		return func(content, signature []byte) bool {
			digest := sha256.Sum256(content)
			return ecdsa.VerifyASN1(public, digest[:], signature)
		}, nil
	},
	sign: func(secret, content []byte) ([]byte, error) {
		der, err := standardwebhook.DecodeKey(secret)
		if err != nil {
			return nil, err
		}
		key, err := x509.ParsePKCS8PrivateKey(der)
		private, ok := key.(*ecdsa.PrivateKey)
		if err != nil || !ok {
			return nil, errors.New("must be a P-256 private key in PKCS #8 form, as base64 or PEM")
		}
		digest := sha256.Sum256(content)
		return ecdsa.SignASN1(rand.Reader, private, digest[:])
	},
	newKeys: func() (receiver, sender []byte) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			panic("source: " + err.Error()) // the system's random generator never fails
		}
		public, err := x509.MarshalPKIXPublicKey(key.Public())
		if err != nil {
			panic("source: " + err.Error()) // P-256 is supported
		}
		private, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			panic("source: " + err.Error()) // P-256 is supported
		}
		encode := base64.StdEncoding.EncodeToString
		return []byte(encode(public)), []byte(encode(private))
	},
}
