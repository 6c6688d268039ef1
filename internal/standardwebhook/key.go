package standardwebhook

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"strings"
)

// split returns the keys in a secret. Supabase writes the version before a key, and a bar
// between several: v1,whsec_AAAA|v1,whsec_BBBB.
func split(secret []byte) (keys [][]byte) {
	for key := range bytes.SplitSeq(secret, []byte("|")) {
		key = bytes.TrimPrefix(bytes.TrimSpace(key), []byte("v1,"))
		keys = append(keys, bytes.TrimPrefix(key, []byte("v1a,")))
	}
	return keys
}

const (
	secretPrefix  = "whsec_"
	publicPrefix  = "whpk_"
	privatePrefix = "whsk_"
)

var (
	errSecret = errors.New("must be base64, optionally after whsec_ or v1,whsec_")
	errShared = errors.New("is a public key, not a secret: set the algorithm of the sender, or with Standard Webhooks write whpk_ before the key")
	errKey    = errors.New("must be an Ed25519 public key: 32 bytes as base64 or hex, optionally after whpk_, or PEM")

	errPrivateToVerify = errors.New("is a private key, which signs: store the public key of the sender, which starts with whpk_")
	errPublicToSign    = errors.New("is a public key, which cannot sign: store the private key, which starts with whsk_")
	errPrivateKey      = errors.New("must be an Ed25519 private key: 32 or 64 bytes as base64 after whsk_")
)

func isAsymmetric(secret []byte) bool {
	return bytes.HasPrefix(secret, []byte(publicPrefix)) || bytes.HasPrefix(secret, []byte(privatePrefix))
}

// CheckSecret reports why a secret cannot verify signatures, without quoting it.
func CheckSecret(secret []byte) (err error) {
	for _, key := range split(secret) {
		switch {
		case err != nil:
		case bytes.HasPrefix(key, []byte(publicPrefix)):
			_, err = ParsePublicKey(key)
		case bytes.HasPrefix(key, []byte(privatePrefix)):
			err = errPrivateToVerify
		default:
			_, err = DecodeSecret(key)
		}
	}
	return err
}

// DecodeSecret returns the HMAC key of a secret: base64, optionally after whsec_.
func DecodeSecret(secret []byte) ([]byte, error) {
	key, err := decodeBase64(strings.TrimPrefix(string(secret), secretPrefix))
	if err != nil || len(key) == 0 {
		return nil, errSecret
	}
	return key, CheckShared(secret)
}

// CheckShared returns an error if a secret that both sides share is a public key, as base64
// or PEM. Strangers have it too.
func CheckShared(secret []byte) error {
	der, err := DecodeKey(secret)
	if err != nil {
		return nil
	}
	if _, err := parsePKIX(der); err != nil {
		return nil
	}
	return errShared
}

// decodeBase64 accepts base64 with and without padding.
func decodeBase64(text string) ([]byte, error) {
	return base64.RawStdEncoding.DecodeString(strings.TrimRight(text, "="))
}

// DecodeKey returns the DER form of a key that is written as PEM or as base64.
func DecodeKey(text []byte) ([]byte, error) {
	if block, _ := pem.Decode(text); block != nil {
		return block.Bytes, nil
	}
	return decodeBase64(string(text))
}

// ParsePublicKey reads an Ed25519 public key: its 32 bytes as hex or as base64, optionally
// after whpk_, or its PKIX form as base64 or PEM.
func ParsePublicKey(secret []byte) (ed25519.PublicKey, error) {
	text := bytes.TrimPrefix(secret, []byte(publicPrefix))
	if key, err := hex.DecodeString(string(text)); err == nil && len(key) == ed25519.PublicKeySize {
		return key, nil
	}
	data, err := DecodeKey(text)
	if err == nil && len(data) == ed25519.PublicKeySize {
		return data, nil
	}
	if key, err := parsePKIX(data); err == nil {
		if public, ok := key.(ed25519.PublicKey); ok {
			return public, nil
		}
	}
	return nil, errKey
}

// ParsePrivateKey reads an Ed25519 private key: base64 of its 64 bytes or of its seed,
// optionally after whsk_.
func ParsePrivateKey(secret []byte) (ed25519.PrivateKey, error) {
	if bytes.HasPrefix(secret, []byte(publicPrefix)) {
		return nil, errPublicToSign
	}
	key, err := decodeBase64(strings.TrimPrefix(string(secret), privatePrefix))
	switch {
	case err == nil && len(key) == ed25519.PrivateKeySize:
		return key, nil
	case err == nil && len(key) == ed25519.SeedSize:
		return ed25519.NewKeyFromSeed(key), nil
	}
	return nil, errPrivateKey
}

// NewSecret returns a random secret for signatures of version v1.
func NewSecret() []byte {
	key := make([]byte, 32)
	rand.Read(key) // never fails
	return []byte(secretPrefix + base64.StdEncoding.EncodeToString(key))
}

// NewKeys returns a random pair of keys for signatures of version v1a.
func NewKeys() (public, private []byte) {
	pub, priv, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		panic("standardwebhook: " + err.Error()) // the system's random generator never fails
	}
	encode := base64.StdEncoding.EncodeToString
	return []byte(publicPrefix + encode(pub)), []byte(privatePrefix + encode(priv))
}
