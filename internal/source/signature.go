package source

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"hash"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/standardwebhook"
)

// signature is a signature in a header over a content that is made of the request:
// what most senders do, each in its own spelling.
type signature struct {
	headers   []string // the first that is there counts
	prefix    string   // of a signature; others are passed over
	separator string   // between several signatures; empty for one
	decode    func(string) ([]byte, error)
	encode    func([]byte) string
	algorithm algorithm
	content   []string // texts, and names of parts in braces
	address   string   // public

	timestampHeader string
	timestampPrefix string // of a timestamp among the signatures
	unit            time.Duration
	tolerance       time.Duration // zero: no timestamp
}

// parts are what a content may be made of.
var parts = []string{"{body}", "{timestamp}", "{url}", "{method}"}

// newSignature reads the fields of a signature scheme:
//
//	header            where the signature is; of several names the first that is there
//	algorithm         sha256 (default), sha1 or sha512 for HMAC; ecdsa-p256 or ed25519 for a public key as the secret
//	encoding          hex (default) or base64
//	prefix            of the signature, such as "sha256="
//	separator         between several signatures in one header, such as ","
//	key               text (default), or base64 if the secret is to be decoded, after a "whsec_" before it
//	content           what is signed: {body} (default) with {timestamp}, {url} and {method}, such as "{timestamp}.{body}"
//	timestamp_header  where the timestamp is
//	timestamp_prefix  of a timestamp in the header of the signatures, such as "t="
//	timestamp_unit    s (default) or ms
//	tolerance         how far the timestamp may be from now; 5m by default
func newSignature(s config.Scheme, address string) (scheme, []config.Problem) {
	g := &signature{
		headers: s.Header, prefix: s.Prefix, separator: s.Separator, address: address,
		timestampHeader: s.TimestampHeader, timestampPrefix: s.TimestampPrefix, unit: time.Second,
	}
	var faults []config.Problem
	fault := func(field, format string, args ...any) {
		faults = append(faults, s.At.Of(field).Problemf(format, args...))
	}
	if len(s.Header) == 0 {
		fault("header", "is missing: name the header with the signature")
	}
	switch s.Encoding {
	case "", "hex":
		g.decode, g.encode = hex.DecodeString, hex.EncodeToString
	case "base64":
		g.decode, g.encode = base64.StdEncoding.Strict().DecodeString, base64.StdEncoding.Strict().EncodeToString
	default:
		fault("encoding", "must be hex or base64")
	}
	switch s.TimestampUnit {
	case "", "s":
	case "ms":
		g.unit = time.Millisecond
	default:
		fault("timestamp_unit", "must be s or ms")
	}
	if g.content = splitParts(s.Content); !slices.Contains(g.content, "{body}") {
		fault("content", "must have {body} in it: what is not signed is not checked")
	}
	stamped := s.TimestampHeader != "" || s.TimestampPrefix != ""
	if stamped != slices.Contains(g.content, "{timestamp}") {
		fault("content", "must have {timestamp} in it if there is a timestamp_header or a timestamp_prefix, and only then")
	}
	if stamped {
		g.tolerance = within(s)
	}
	if slices.Contains(g.content, "{url}") && address == "" {
		fault("url", "is missing: this sender signs the public address of the source, so the source must know it")
	}
	var ok bool
	if g.algorithm, ok = newAlgorithm(s.Algorithm, s.Key == "base64"); !ok {
		fault("algorithm", "must be sha256, sha1, sha512, ecdsa-p256 or ed25519")
	}
	if !slices.Contains([]string{"", "text", "base64"}, s.Key) {
		fault("key", "must be text or base64")
	}
	return g, faults
}

// splitParts splits a content into texts and parts.
func splitParts(content string) []string {
	if content == "" {
		return []string{"{body}"}
	}
	var list []string
	for content != "" {
		at, part := len(content), ""
		for _, p := range parts {
			if i := strings.Index(content, p); i >= 0 && i < at {
				at, part = i, p
			}
		}
		if at > 0 {
			list = append(list, content[:at])
		}
		if part != "" {
			list = append(list, part)
		}
		content = content[at+len(part):]
	}
	return list
}

func (g *signature) verify(_ context.Context, r *Request, secrets [][]byte, now time.Time) error {
	candidates, timestamp, err := g.read(r)
	if err != nil {
		return err
	}
	addresses := []string{""}
	if g.address != "" {
		addresses = r.addresses(g.address)
	}
	good := false
	for _, address := range addresses {
		content := g.assemble(r, timestamp, address)
		for _, secret := range secrets {
			for _, candidate := range candidates {
				good = g.algorithm.verify(secret, content, candidate) || good
			}
		}
	}
	if !good {
		return standardwebhook.Errorf(ErrSignature, "the signature in the header %s does not fit the body and the secret of this source", firstOf(r.Header, g.headers))
	}
	if g.tolerance == 0 {
		return nil
	}
	at, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil {
		return standardwebhook.Errorf(ErrSignature, "the timestamp is not a number")
	}
	return standardwebhook.CheckTime(instant(at, g.unit), now, g.tolerance)
}

// instant is a time in units since 1970, which may be absurd.
func instant(at int64, unit time.Duration) time.Time {
	if unit == time.Millisecond {
		return time.UnixMilli(at)
	}
	return time.Unix(at, 0)
}

// read returns the signatures in their header, and the timestamp.
func (g *signature) read(r *Request) (candidates [][]byte, timestamp string, err error) {
	name := firstOf(r.Header, g.headers)
	value, err := standardwebhook.Header(r.Header, name)
	if err != nil {
		return nil, "", err
	}
	if g.timestampHeader != "" {
		if timestamp, err = standardwebhook.Header(r.Header, g.timestampHeader); err != nil {
			return nil, "", err
		}
	}
	items := []string{value}
	if g.separator != "" {
		items = strings.Split(value, g.separator)
	}
	for _, item := range items {
		item = strings.TrimSpace(item)
		if text, ok := strings.CutPrefix(item, g.timestampPrefix); ok && g.timestampPrefix != "" && timestamp == "" {
			timestamp = text
			continue
		}
		text, ok := strings.CutPrefix(item, g.prefix)
		if !ok || len(candidates) == standardwebhook.MaxSignatures {
			continue
		}
		if candidate, err := g.decode(text); err == nil && len(candidate) > 0 {
			candidates = append(candidates, candidate)
		}
	}
	if len(candidates) == 0 {
		return nil, "", standardwebhook.Errorf(ErrSignature, "the header %s holds no signature in the form of this sender", name)
	}
	if g.tolerance > 0 && timestamp == "" {
		return nil, "", standardwebhook.Errorf(ErrSignature, "the header %s holds no timestamp", name)
	}
	return candidates, timestamp, nil
}

// assemble makes what is signed.
func (g *signature) assemble(r *Request, timestamp, address string) []byte {
	content := make([]byte, 0, len(r.Body)+len(timestamp)+len(address)+16)
	for _, part := range g.content {
		switch part {
		case "{body}":
			content = append(content, r.Body...)
		case "{timestamp}":
			content = append(content, timestamp...)
		case "{url}":
			content = append(content, address...)
		case "{method}":
			content = append(content, r.Method...)
		default:
			content = append(content, part...)
		}
	}
	return content
}

func (g *signature) sign(r *Request, secret []byte, now time.Time) error {
	timestamp, address := "", ""
	if g.tolerance > 0 {
		timestamp = strconv.FormatInt(now.UnixNano()/int64(g.unit), 10)
	}
	if g.address != "" {
		address = r.addresses(g.address)[0]
	}
	made, err := g.algorithm.sign(secret, g.assemble(r, timestamp, address))
	if err != nil {
		return err
	}
	value := g.prefix + g.encode(made)
	if g.timestampPrefix != "" {
		value = g.timestampPrefix + timestamp + g.separator + value
	}
	r.Header.Set(g.headers[0], value)
	if g.timestampHeader != "" {
		r.Header.Set(g.timestampHeader, timestamp)
	}
	return nil
}

func (g *signature) pair() (receiver, sender []byte) { return g.algorithm.pair() }
func (g *signature) usable(secret []byte) error      { return g.algorithm.usable(secret) }

// An algorithm makes and checks signatures.
type algorithm interface {
	verify(secret, content, signature []byte) bool
	sign(secret, content []byte) ([]byte, error)
	pair() (receiver, sender []byte)
	usable(secret []byte) error
}

func newAlgorithm(name string, decoded bool) (algorithm, bool) {
	switch name {
	case "", "sha256":
		return mac{sha256.New, decoded}, true
	case "sha1": // weak for certificates, and still sound in an HMAC
		return mac{sha1.New, decoded}, true
	case "sha512":
		return mac{sha512.New, decoded}, true
	case "ecdsa-p256":
		return ecdsaP256{}, true
	case "ed25519":
		return edwards{}, true
	}
	return nil, false
}

// mac is HMAC with a hash.
type mac struct {
	hash    func() hash.Hash
	decoded bool // the secret is base64 of the key
}

func (m mac) key(secret []byte) ([]byte, error) {
	if !m.decoded {
		return secret, nil
	}
	return standardwebhook.DecodeSecret(secret)
}

func (m mac) verify(secret, content, signature []byte) bool {
	made, err := m.sign(secret, content)
	return err == nil && hmac.Equal(made, signature)
}

func (m mac) sign(secret, content []byte) ([]byte, error) {
	key, err := m.key(secret)
	if err != nil {
		return nil, err
	}
	h := hmac.New(m.hash, key)
	h.Write(content)
	return h.Sum(nil), nil
}

func (m mac) pair() (receiver, sender []byte) {
	if m.decoded {
		return same(string(standardwebhook.NewSecret()))
	}
	return same(rand.Text())
}

func (m mac) usable(secret []byte) error {
	_, err := m.key(secret)
	return err
}

// ecdsaP256 is ECDSA over P-256 with SHA-256 and signatures in ASN.1. The secret is
// the public key, as base64 of DER or as PEM.
type ecdsaP256 struct{}

var errNotP256 = errors.New("must be a public key for P-256, as base64 or PEM")

func (ecdsaP256) public(secret []byte) (*ecdsa.PublicKey, error) {
	data, err := standardwebhook.DecodeKey(secret)
	if err != nil {
		return nil, errNotP256
	}
	key, err := x509.ParsePKIXPublicKey(data)
	if public, ok := key.(*ecdsa.PublicKey); err == nil && ok && public.Curve == elliptic.P256() {
		return public, nil
	}
	return nil, errNotP256
}

func (e ecdsaP256) verify(secret, content, signature []byte) bool {
	key, err := e.public(secret)
	digest := sha256.Sum256(content)
	return err == nil && ecdsa.VerifyASN1(key, digest[:], signature)
}

func (ecdsaP256) sign(secret, content []byte) ([]byte, error) {
	data, err := standardwebhook.DecodeKey(secret)
	if err != nil {
		return nil, errNotP256
	}
	key, err := x509.ParsePKCS8PrivateKey(data)
	private, ok := key.(*ecdsa.PrivateKey)
	if err != nil || !ok {
		return nil, errNotP256
	}
	digest := sha256.Sum256(content)
	return ecdsa.SignASN1(rand.Reader, private, digest[:])
}

func (ecdsaP256) pair() (receiver, sender []byte) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic("source: " + err.Error()) // the random generator of the system has failed
	}
	return encodeKeys(key.Public(), key)
}

func (e ecdsaP256) usable(secret []byte) error {
	_, err := e.public(secret)
	return err
}

func encodeKeys(public, private any) (receiver, sender []byte) {
	p, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		panic("source: " + err.Error()) // the kinds of keys are known
	}
	q, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		panic("source: " + err.Error())
	}
	encode := base64.StdEncoding.EncodeToString
	return []byte(encode(p)), []byte(encode(q))
}

// edwards is Ed25519. The secret is the public key of 32 bytes, as hex or base64,
// as whpk_ of Standard Webhooks, or as PEM.
type edwards struct{}

func (edwards) verify(secret, content, signature []byte) bool {
	key, err := standardwebhook.ParsePublicKey(secret)
	return err == nil && ed25519.Verify(key, content, signature)
}

// sign takes the private key as base64 of its 64 bytes, or of the 32 of its seed.
func (edwards) sign(secret, content []byte) ([]byte, error) {
	key, err := standardwebhook.ParsePrivateKey(secret)
	if err != nil {
		return nil, err
	}
	return ed25519.Sign(key, content), nil
}

func (edwards) pair() (receiver, sender []byte) { return standardwebhook.NewKeys() }

func (edwards) usable(secret []byte) error {
	_, err := standardwebhook.ParsePublicKey(secret)
	return err
}
