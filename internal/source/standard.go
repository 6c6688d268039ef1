package source

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
)

// standard is Standard Webhooks: the secret is whsec_ and base64 for v1, or whpk_
// and base64 of a public key for v1a.
//
// Specification: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
type standard struct{ tolerance time.Duration }

// brands are the two sets of headers. A request has all of one.
var brands = []struct{ id, timestamp, signature string }{
	{"Webhook-Id", "Webhook-Timestamp", "Webhook-Signature"},
	{"Svix-Id", "Svix-Timestamp", "Svix-Signature"},
}

// versions are the known signatures and how they are checked.
var versions = map[string]algorithm{"v1": standardMAC, "v1a": edwards{}}

var standardMAC, _ = newAlgorithm("sha256", true)

func (s standard) verify(_ context.Context, r *Request, secrets [][]byte, now time.Time) error {
	names := brands[0]
	if r.Header.Get(names.signature) == "" && r.Header.Get(brands[1].signature) != "" {
		names = brands[1]
	}
	var values [3]string
	for i, name := range []string{names.id, names.timestamp, names.signature} {
		var err error
		if values[i], err = one(r.Header, name); err != nil {
			return err
		}
	}
	id, timestamp := values[0], values[1]
	content := standardContent(id, timestamp, r.Body)
	good, tried := false, 0
	for item := range strings.FieldsSeq(values[2]) {
		version, text, _ := strings.Cut(item, ",")
		made, err := strictBase64.DecodeString(text)
		if tried++; versions[version] == nil || err != nil || tried > maxSignatures {
			continue
		}
		for _, secret := range secrets {
			good = asymmetric(secret) == (version == "v1a") && versions[version].verify(secret, content, made) || good
		}
	}
	if !good {
		return refuse(ErrSignature, "no signature in the header %s fits the body and the secret of this source", names.signature)
	}
	at, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil {
		return refuse(ErrSignature, "the header %s is not a number", names.timestamp)
	}
	return timely(time.Unix(at, 0), now, s.tolerance)
}

func standardContent(id, timestamp string, body []byte) []byte {
	content := make([]byte, 0, len(id)+len(timestamp)+len(body)+2)
	content = append(content, id...)
	content = append(content, '.')
	content = append(content, timestamp...)
	content = append(content, '.')
	return append(content, body...)
}

func asymmetric(secret []byte) bool {
	return strings.HasPrefix(string(secret), publicPrefix) || strings.HasPrefix(string(secret), privatePrefix)
}

// sign keeps the ID that r has already, and gives it one otherwise.
func (standard) sign(r *Request, secret []byte, now time.Time) error {
	names, version := brands[0], "v1"
	if asymmetric(secret) {
		version = "v1a"
	}
	id := r.Header.Get(names.id)
	if id == "" {
		id = "msg_" + uuid.NewString()
	}
	timestamp := strconv.FormatInt(now.Unix(), 10)
	made, err := versions[version].sign(secret, standardContent(id, timestamp, r.Body))
	if err != nil {
		return err
	}
	r.Header.Set(names.id, id)
	r.Header.Set(names.timestamp, timestamp)
	r.Header.Set(names.signature, version+","+base64.StdEncoding.EncodeToString(made))
	return nil
}

func (standard) pair() (receiver, sender []byte) {
	key := make([]byte, 32)
	rand.Read(key) // never fails
	return same(secretPrefix + base64.StdEncoding.EncodeToString(key))
}

func (standard) usable(secret []byte) error {
	if strings.HasPrefix(string(secret), publicPrefix) {
		return edwards{}.usable(secret)
	}
	return standardMAC.usable(secret)
}

// CheckStandardSecret tells what is wrong with a secret that requests are to be
// signed with by Standard Webhooks.
func CheckStandardSecret(secret []byte) error { return standardMAC.usable(secret) }

// SignStandard signs a request by Standard Webhooks, with an ID in the header
// Webhook-Id or a new one.
func SignStandard(r *Request, secret []byte, now time.Time) error {
	return standard{}.sign(r, secret, now)
}
