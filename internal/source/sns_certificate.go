//go:build !playground

package source

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"time"

	"github.com/rcshook/rcshook/internal/standardwebhook"
)

// certificate is a certificate of Amazon SNS.
type certificate struct{ *x509.Certificate }

func parseCertificate(data []byte) (*certificate, error) {
	block, _ := pem.Decode(data)
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, errors.New("no certificate in PEM format")
	}
	parsed, err := x509.ParseCertificate(block.Bytes)
	return &certificate{parsed}, err
}

// verify verifies a signature of version 1 or 2.
func (c *certificate) verify(version string, content, signature []byte, now time.Time) error {
	key, ok := c.PublicKey.(*rsa.PublicKey)
	if !ok || now.Before(c.NotBefore) || now.After(c.NotAfter) {
		return standardwebhook.Errorf(ErrSignature, "the certificate of the message is not valid at this time")
	}
	sum := sha256.Sum256(content)
	hash, digest := crypto.SHA256, sum[:]
	if version == "1" {
		sum := sha1.Sum(content)
		hash, digest = crypto.SHA1, sum[:]
	}
	if rsa.VerifyPKCS1v15(key, hash, digest, signature) != nil {
		return standardwebhook.Errorf(ErrSignature, "the signature does not match the message")
	}
	return nil
}
