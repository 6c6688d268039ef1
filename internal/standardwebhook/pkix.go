//go:build !playground

package standardwebhook

import "crypto/x509"

// parsePKIX parses a public key in PKIX form.
func parsePKIX(der []byte) (any, error) { return x509.ParsePKIXPublicKey(der) }
