package source

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"hash"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/standardwebhook"
)

// signature is the scheme of most senders: a header has the signature of a content that
// is built from the request.
type signature struct {
	config.Scheme
	decode    func(string) ([]byte, error)
	encode    func([]byte) string
	algorithm algorithm
	fields    []string      // the fields in the content, such as {.id}; nil if there are none
	url       string        // the public address of the source
	clock     clock         // the form of the timestamp
	tolerance time.Duration // zero without a timestamp
}

// A clock reads and writes timestamps.
type clock struct {
	parse  func(string) (time.Time, error)
	format func(time.Time) string
}

// clocks are the values of timestamp_unit. A timestamp may be next to the body in the
// signed content, so no timestamp within the tolerance continues another one.
var clocks = map[string]clock{
	"s":  unixClock(func(n int64) time.Time { return time.Unix(n, 0) }, time.Time.Unix),
	"ms": unixClock(time.UnixMilli, time.Time.UnixMilli),
	"rfc3339": {
		func(text string) (time.Time, error) {
			at, err := time.Parse(time.RFC3339, text)
			if err != nil || !strictRFC3339.MatchString(text) {
				err = standardwebhook.Errorf(ErrSignature, "the timestamp is not a time in the format of RFC 3339, such as 2026-12-01T09:00:00Z")
			}
			return at, err
		},
		func(at time.Time) string { return at.UTC().Format(time.RFC3339) },
	},
}

// strictRFC3339 rejects a comma and hours of one digit, which time.Parse accepts.
var strictRFC3339 = regexp.MustCompile(`^.{10}T\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$`)

func unixClock(parse func(int64) time.Time, format func(time.Time) int64) clock {
	return clock{
		func(text string) (time.Time, error) {
			n, err := strconv.ParseInt(text, 10, 64)
			if err != nil {
				err = standardwebhook.Errorf(ErrSignature, "the timestamp is not a number")
			}
			return parse(n), err
		},
		func(at time.Time) string { return strconv.FormatInt(format(at), 10) },
	}
}

// newSignature reads the fields of a signature scheme:
//
//	header            the header with the signature; the first one present if there are several names.
//	                  A name with a dot in front is that of a field: .signature.value
//	algorithm         sha256 (default), sha1 or sha512 for HMAC; ecdsa-p256 or ed25519 with a public key as the secret
//	encoding          hex (default) or base64
//	prefix            of the signature, such as "sha256="
//	separator         between several signatures in one header, such as ","
//	key               text (default), hex, or base64 if the secret is base64, optionally after "whsec_"
//	content           the signed content: {body} (default) with {timestamp}, {url} and {method}, such as "{timestamp}.{body}".
//	                  In place of {body}, fields of it, such as {.id}, which leaves the others unsigned
//	items             the objects of the body whose fields are signed one by one, such as .events
//	timestamp_header  the header or the field with the timestamp
//	timestamp_prefix  of a timestamp in the header of the signatures, such as "t="
//	timestamp_unit    s (default), ms, or rfc3339 for a time such as 2026-12-01T09:00:00Z
//	tolerance         the largest difference between the timestamp and now; 5m by default
func newSignature(s config.Scheme, url string, tolerance time.Duration) (scheme, []config.Problem) {
	s.Content = cmp.Or(s.Content, "{body}")
	g := &signature{Scheme: s, url: url, fields: signedField.FindAllString(s.Content, -1)}
	var problems []config.Problem
	problem := func(field, text string) { problems = append(problems, s.At.Of(field).Problemf("%s", text)) }
	if len(s.Header) == 0 {
		problem("header", "is required: the name of the header with the signature")
	}
	switch s.Encoding {
	case "", "hex":
		g.decode, g.encode = hex.DecodeString, hex.EncodeToString
	case "base64":
		strict := base64.StdEncoding.Strict() // a signature has only one encoding
		g.decode, g.encode = strict.DecodeString, strict.EncodeToString
	default:
		problem("encoding", "must be hex or base64")
	}
	var ok bool
	if g.clock, ok = clocks[cmp.Or(s.TimestampUnit, "s")]; !ok {
		problem("timestamp_unit", "must be s, ms or rfc3339")
	}
	if strings.Contains(s.Content, "{body}") == (g.fields != nil) {
		problem("content", "must contain either {body} or fields of the body, such as {.id}: otherwise the body is not verified")
	}
	if s.Items != "" && (g.fields == nil || !isField(s.Items)) {
		problem("items", "must be the path of objects in the body, such as .events, whose fields are in content")
	}
	hasTimestamp := s.TimestampHeader != "" || s.TimestampPrefix != ""
	if hasTimestamp != strings.Contains(s.Content, "{timestamp}") {
		problem("content", "must contain {timestamp} if, and only if, timestamp_header or timestamp_prefix is set")
	}
	if hasTimestamp {
		g.tolerance = tolerance
	}
	if g.algorithm, ok = newAlgorithm(s.Algorithm, s.Key); !ok {
		problem("algorithm", "must be sha256, sha1, sha512, ecdsa-p256 or ed25519")
	}
	if !slices.Contains([]string{"", "text", "base64", "hex"}, s.Key) {
		problem("key", "must be text, base64 or hex")
	}
	return g, problems
}

func (g *signature) verify(_ context.Context, r *Request, secrets [][]byte, now time.Time) error {
	parts, _, err := g.parts(r)
	for i := 0; err == nil && i < len(parts); i++ {
		err = g.verifyPart(parts[i], secrets, now)
	}
	return err
}

func (g *signature) verifyPart(p part, secrets [][]byte, now time.Time) error {
	signatures, timestamp, err := g.parse(p)
	if err != nil {
		return err
	}
	if err := g.checkQuery(p.request); err != nil {
		return err
	}
	urls := p.request.decodedURLs(g.url)
	match := false
	for _, secret := range secrets {
		verify, err := g.algorithm.verifier(secret)
		if err != nil {
			continue
		}
		for _, url := range urls {
			content, err := g.build(p, timestamp, url)
			if err != nil {
				return err
			}
			for _, signature := range signatures {
				match = verify(content, signature) || match
			}
		}
	}
	if !match {
		signed := "body"
		if g.fields != nil {
			signed = "signed fields"
		}
		hint := ""
		if _, notHex := hex.DecodeString(g.encode(signatures[0])); g.Encoding == "base64" && notHex == nil {
			hint = "; it looks like hex, but encoding is base64"
		}
		return standardwebhook.Errorf(ErrSignature, "the signature in the %s does not match the %s and the secret of this source%s", place(firstPresentHeader(p.request.Header, g.Header)), signed, hint)
	}
	if g.tolerance == 0 {
		return nil
	}
	return g.checkTime(timestamp, now)
}

// checkTime checks a timestamp. Its error names the unit in which it would be right.
func (g *signature) checkTime(timestamp string, now time.Time) error {
	check := func(c clock) error {
		at, err := c.parse(timestamp)
		if err != nil {
			return err
		}
		return standardwebhook.CheckTime(at, now, g.tolerance)
	}
	err := check(g.clock)
	for _, unit := range slices.Sorted(maps.Keys(clocks)) {
		if err != nil && check(clocks[unit]) == nil {
			kind := ErrSignature
			if errors.Is(err, ErrStale) {
				kind = ErrStale
			}
			return standardwebhook.Errorf(kind, "%v; the timestamp is right as %s: set timestamp_unit: %[2]s in the scheme", err, unit)
		}
	}
	return err
}

// checkQuery rejects a query that a sender would have escaped. A body may follow the URL
// without a separator, so the start of a body could be taken for a part of the query.
func (g *signature) checkQuery(r *Request) error {
	if strings.Contains(g.Content, "{url}") && strings.ContainsAny(r.Query, `{"<`) {
		return standardwebhook.Errorf(ErrSignature, "the query has characters that must be escaped in a URL")
	}
	return nil
}

// parse returns the signatures of a part, and the timestamp.
func (g *signature) parse(p part) (signatures [][]byte, timestamp string, err error) {
	name := firstPresentHeader(p.request.Header, g.Header)
	value, err := p.value(name)
	if err != nil {
		return nil, "", err
	}
	if g.TimestampHeader != "" {
		if timestamp, err = p.value(g.TimestampHeader); err != nil {
			return nil, "", err
		}
	}
	items := []string{value}
	if g.Separator != "" {
		items = strings.Split(value, g.Separator)
	}
	for _, item := range items {
		item = strings.TrimSpace(item)
		if text, ok := strings.CutPrefix(item, g.TimestampPrefix); ok && g.TimestampPrefix != "" && timestamp == "" {
			timestamp = text
			continue
		}
		text, ok := strings.CutPrefix(item, g.Prefix)
		if !ok || len(signatures) == standardwebhook.MaxSignatures {
			continue
		}
		signature, err := g.decode(text)
		if isField(name) && g.Prefix+g.encode(signature) != value {
			continue // a field may identify the event, so it has one form
		}
		if err == nil && len(signature) > 0 {
			signatures = append(signatures, signature)
		}
	}
	if len(signatures) == 0 {
		expected := "a signature in " + cmp.Or(g.Encoding, "hex")
		if g.Prefix != "" {
			expected += " after " + strconv.Quote(g.Prefix)
		}
		return nil, "", standardwebhook.Errorf(ErrSignature, "the %s has no signature in the format of this sender: expected %s", place(name), expected)
	}
	if g.tolerance > 0 && timestamp == "" {
		return nil, "", standardwebhook.Errorf(ErrSignature, "the %s has no timestamp", place(name))
	}
	return signatures, timestamp, nil
}

// build returns the signed content.
func (g *signature) build(p part, timestamp, url string) ([]byte, error) {
	values := []string{"{timestamp}", timestamp, "{url}", url, "{method}", p.request.Method}
	if g.fields == nil {
		values = append(values, "{body}", string(p.request.Body))
	}
	for _, field := range g.fields {
		text, err := p.text(strings.Trim(field, "{}"))
		if err != nil {
			return nil, err
		}
		values = append(values, field, text)
	}
	return []byte(strings.NewReplacer(values...).Replace(g.Content)), nil
}

func (g *signature) sign(r *Request, secret []byte, now time.Time) error {
	parts, body, err := g.parts(r)
	if err != nil {
		return err
	}
	if err := g.checkQuery(r); err != nil {
		return err
	}
	for _, p := range parts {
		timestamp := g.clock.format(now)
		content, err := g.build(p, timestamp, r.url(g.url))
		if err != nil {
			return err
		}
		signature, err := g.algorithm.sign(secret, content)
		if err != nil {
			return err
		}
		value := g.Prefix + g.encode(signature)
		if g.TimestampPrefix != "" {
			value = g.TimestampPrefix + timestamp + g.Separator + value
		}
		p.set(g.Header[0], value)
		if g.TimestampHeader != "" {
			p.set(g.TimestampHeader, timestamp)
		}
	}
	if body != nil {
		r.Body, err = json.Marshal(body)
	}
	return err
}

func (g *signature) hidden(http.Header) []string {
	return append(slices.Clip(g.Header), g.TimestampHeader)
}

func (g *signature) newKeys() (receiver, sender []byte) { return g.algorithm.newKeys() }

func (g *signature) checkSecret(secret []byte) error {
	_, err := g.algorithm.verifier(secret)
	return err
}

// An algorithm verifies and makes signatures.
type algorithm struct {
	// verifier parses the secret of a receiver and returns a function that verifies.
	verifier func(secret []byte) (verify func(content, signature []byte) bool, err error)

	sign    func(secret, content []byte) ([]byte, error)
	newKeys func() (receiver, sender []byte)
}

func newAlgorithm(name, key string) (algorithm, bool) {
	switch name {
	case "", "sha256":
		return newHMAC(sha256.New, key), true
	case "sha1": // too weak for certificates, but still secure in an HMAC
		return newHMAC(sha1.New, key), true
	case "sha512":
		return newHMAC(sha512.New, key), true
	case "ecdsa-p256":
		return ecdsaP256, true
	case "ed25519":
		return ed25519Algorithm, true
	}
	return algorithm{}, false
}

var errNotHex = errors.New("must be a key in hex, two digits for each byte; copy it as the sender shows it")

func newHMAC(newHash func() hash.Hash, key string) algorithm {
	a := algorithm{newKeys: newSharedSecret}
	parse := func(secret []byte) ([]byte, error) { return secret, standardwebhook.CheckShared(secret) }
	switch key {
	case "base64":
		parse, a.newKeys = standardwebhook.DecodeSecret, standardScheme{}.newKeys
	case "hex":
		parse = func(secret []byte) ([]byte, error) {
			key, err := hex.DecodeString(string(secret))
			if err != nil || len(key) == 0 {
				return nil, errNotHex
			}
			return key, nil
		}
		a.newKeys = func() (receiver, sender []byte) {
			secret := []byte(hex.EncodeToString([]byte(rand.Text())))
			return secret, secret
		}
	}
	sum := func(key, content []byte) []byte {
		h := hmac.New(newHash, key)
		h.Write(content)
		return h.Sum(nil)
	}
	a.verifier = func(secret []byte) (func(content, signature []byte) bool, error) {
		key, err := parse(secret)
		return func(content, signature []byte) bool { return hmac.Equal(sum(key, content), signature) }, err
	}
	a.sign = func(secret, content []byte) ([]byte, error) {
		key, err := parse(secret)
		return sum(key, content), err
	}
	return a
}

// ed25519Algorithm is Ed25519 with the keys of package standardwebhook.
var ed25519Algorithm = algorithm{
	verifier: func(secret []byte) (func(content, signature []byte) bool, error) {
		key, err := standardwebhook.ParsePublicKey(secret)
		if err != nil {
			return nil, err
		}
		return func(content, signature []byte) bool { return ed25519.Verify(key, content, signature) }, nil
	},
	sign: func(secret, content []byte) ([]byte, error) {
		key, err := standardwebhook.ParsePrivateKey(secret)
		if err != nil {
			return nil, err
		}
		return ed25519.Sign(key, content), nil
	},
	newKeys: standardwebhook.NewKeys,
}
