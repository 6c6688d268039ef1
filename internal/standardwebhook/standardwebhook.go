// Package standardwebhook signs and verifies webhooks as Standard Webhooks specifies.
// The errors, the headers and the check of timestamps also serve other ways to sign.
//
// Specification: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
package standardwebhook

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
)

// The kinds of an [Error].
var (
	// ErrUnauthorized means that the request has no valid credentials.
	ErrUnauthorized = errors.New("unauthorized")

	// ErrSignature means that no signature matches the request and a secret.
	ErrSignature = errors.New("the signature does not match")

	// ErrStale means that the signature matches but its timestamp is too far from now.
	ErrStale = errors.New("the signature has expired")
)

// Error explains why a request was rejected. Its text is for the sender and quotes
// nothing of the request.
type Error struct {
	Kind   error
	Detail string
}

// Errorf returns an [*Error] of a kind.
func Errorf(kind error, format string, args ...any) error {
	return &Error{kind, fmt.Sprintf(format, args...)}
}

func (e *Error) Error() string { return e.Detail }
func (e *Error) Unwrap() error { return e.Kind }

// MaxSignatures limits the signatures of one request that are checked.
const MaxSignatures = 16

const (
	idHeader        = "Webhook-Id"
	timestampHeader = "Webhook-Timestamp"
	signatureHeader = "Webhook-Signature"
)

// The headers with the ID, the timestamp and the signatures.
var (
	standardNames = [3]string{idHeader, timestampHeader, signatureHeader}
	svixNames     = [3]string{"Svix-Id", "Svix-Timestamp", "Svix-Signature"}
)

func usesSvix(h http.Header) bool { return h.Get(signatureHeader) == "" && h.Get(svixNames[2]) != "" }

// Unproven returns the headers of a verified request that [Verify] did not prove, or that
// only serve as the proof. The ID of the other brand may be forged.
func Unproven(h http.Header) []string {
	proof := []string{timestampHeader, signatureHeader, svixNames[1], svixNames[2]}
	if usesSvix(h) {
		return append(proof, idHeader)
	}
	return append(proof, svixNames[0])
}

// Header returns the only value of a header. A duplicate header is an error, because
// its values are ambiguous.
func Header(h http.Header, name string) (string, error) {
	switch values := h.Values(name); {
	case len(values) == 0 || len(values) == 1 && strings.TrimSpace(values[0]) == "":
		return "", Errorf(ErrUnauthorized, "missing header %s", name)
	case len(values) > 1:
		return "", Errorf(ErrUnauthorized, "duplicate header %s: expected one, got %d", name, len(values))
	default:
		return strings.TrimSpace(values[0]), nil
	}
}

// CheckTime checks that a timestamp is at most tolerance away from now.
func CheckTime(at, now time.Time, tolerance time.Duration) error {
	switch age := now.Sub(at); {
	case age > tolerance:
		return Errorf(ErrStale, "the signature is %s old: expected at most %s", age.Round(time.Second), tolerance)
	case age < -tolerance:
		return Errorf(ErrStale, "the signature is from %s in the future: expected at most %s", (-age).Round(time.Second), tolerance)
	}
	return nil
}

// Sign adds the three headers to h, with a signature for each key in the secret. It keeps
// a Webhook-Id that h has, and adds a random one otherwise.
func Sign(h http.Header, body, secret []byte, now time.Time) error {
	id, timestamp := h.Get(idHeader), strconv.FormatInt(now.Unix(), 10)
	if id == "" {
		id = "msg_" + uuid.NewString()
	}
	content := signedContent(id, timestamp, body)
	var signatures []string
	for _, text := range split(secret) {
		var signature []byte
		version := "v1,"
		if isAsymmetric(text) {
			key, err := ParsePrivateKey(text)
			if err != nil {
				return err
			}
			version, signature = "v1a,", ed25519.Sign(key, content)
		} else {
			key, err := DecodeSecret(text)
			if err != nil {
				return err
			}
			signature = sum(key, content)
		}
		signatures = append(signatures, version+base64.StdEncoding.EncodeToString(signature))
	}
	h.Set(idHeader, id)
	h.Set(timestampHeader, timestamp)
	h.Set(signatureHeader, strings.Join(signatures, " "))
	return nil
}

// Verify checks that one of the secrets signed the body. A secret is whsec_ and base64
// for signatures of version v1, or whpk_ and a public key for v1a, or several of them as
// Supabase writes them. The headers may also have the names that Svix gives them. The
// error is an [*Error].
func Verify(h http.Header, body []byte, secrets [][]byte, now time.Time, tolerance time.Duration) error {
	names := standardNames
	if usesSvix(h) {
		names = svixNames
	}
	var values [3]string
	for i, name := range names {
		var err error
		if values[i], err = Header(h, name); err != nil {
			return err
		}
	}
	if strings.Contains(values[0], ".") { // it separates the ID from the timestamp and the body
		return Errorf(ErrSignature, "the header %s contains a dot", names[0])
	}
	content, match, tried := signedContent(values[0], values[1], body), false, 0
	for item := range strings.FieldsSeq(values[2]) {
		version, text, _ := strings.Cut(strings.TrimRight(item, ","), ",") // Supabase puts a comma before the space
		signature, err := base64.StdEncoding.Strict().DecodeString(text)
		if tried++; err != nil || tried > MaxSignatures {
			continue
		}
		for _, secret := range secrets {
			for _, key := range split(secret) {
				match = verify(version, key, content, signature) || match
			}
		}
	}
	if !match {
		return Errorf(ErrSignature, "no signature in the header %s matches the body and the secret of this source", names[2])
	}
	seconds, err := strconv.ParseInt(values[1], 10, 64)
	if err != nil {
		return Errorf(ErrSignature, "the header %s is not a number", names[1])
	}
	return CheckTime(time.Unix(seconds, 0), now, tolerance)
}

func verify(version string, secret, content, signature []byte) bool {
	switch {
	case version == "v1" && !isAsymmetric(secret):
		key, err := DecodeSecret(secret)
		return err == nil && hmac.Equal(sum(key, content), signature)
	case version == "v1a" && isAsymmetric(secret):
		key, err := ParsePublicKey(secret)
		return err == nil && ed25519.Verify(key, content, signature)
	}
	return false
}

func signedContent(id, timestamp string, body []byte) []byte {
	return append([]byte(id+"."+timestamp+"."), body...)
}

func sum(key, content []byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write(content)
	return h.Sum(nil)
}
