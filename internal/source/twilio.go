package source

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"maps"
	"mime"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/rcshook/rcshook/internal/standardwebhook"
)

// twilio is the signature of Twilio: over the public address and, sorted, the
// fields of the form. Another body is covered by its hash in the query.
type twilio struct{ address string }

const (
	twilioHeader = "X-Twilio-Signature"
	twilioHash   = "bodySHA256"
)

func (t twilio) verify(_ context.Context, r *Request, secrets [][]byte, _ time.Time) error {
	value, err := standardwebhook.Header(r.Header, twilioHeader)
	if err != nil {
		return err
	}
	presented, err := base64.StdEncoding.Strict().DecodeString(value)
	if err != nil {
		return standardwebhook.Errorf(ErrSignature, "the header %s is not base64", twilioHeader)
	}
	forms, hashed, err := twilioFields(r)
	if err != nil {
		return err
	}
	addresses := r.addresses(t.address)
	if hashed { // or the signature of an empty form would be good for any body with its hash in the query
		addresses = addresses[:1]
	}
	good := false
	for _, address := range withAndWithoutPort(addresses) {
		for _, fields := range forms {
			for _, secret := range secrets {
				good = hmac.Equal(twilioMAC(secret, address+fields), presented) || good
			}
		}
	}
	if !good {
		return standardwebhook.Errorf(ErrSignature, "the signature in the header %s does not fit the address, the body and the token of this source", twilioHeader)
	}
	return nil
}

func twilioMAC(secret []byte, content string) []byte {
	h := hmac.New(sha1.New, secret)
	h.Write([]byte(content))
	return h.Sum(nil)
}

// twilioFields returns what the signature covers beside the address: nothing if
// the hash of the body is in the query, else the fields of the form. Where a field
// is repeated, Twilio's own libraries differ, so there are two forms.
func twilioFields(r *Request) (forms []string, hashed bool, err error) {
	query, err := url.ParseQuery(r.Query)
	if err != nil {
		return nil, false, standardwebhook.Errorf(ErrSignature, "the query cannot be read")
	}
	if query.Has(twilioHash) {
		sum := sha256.Sum256(r.Body)
		if !strings.EqualFold(query.Get(twilioHash), hex.EncodeToString(sum[:])) {
			return nil, false, standardwebhook.Errorf(ErrSignature, "the body does not fit its hash in the query")
		}
		return []string{""}, true, nil
	}
	media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if len(r.Body) > 0 && media != "application/x-www-form-urlencoded" {
		return nil, false, standardwebhook.Errorf(ErrSignature, "the body is no form, and the query has no %s that would cover it", twilioHash)
	}
	form, err := url.ParseQuery(string(r.Body))
	if err != nil {
		return nil, false, standardwebhook.Errorf(ErrSignature, "the form cannot be read")
	}
	var first, all strings.Builder
	repeated := false
	for _, name := range slices.Sorted(maps.Keys(form)) {
		values := form[name]
		first.WriteString(name + values[0])
		values = slices.Compact(slices.Sorted(slices.Values(values)))
		repeated = repeated || len(values) > 1
		for _, value := range values {
			all.WriteString(name + value)
		}
	}
	if repeated {
		return []string{first.String(), all.String()}, false, nil
	}
	return []string{first.String()}, false, nil
}

// withAndWithoutPort adds to each address the one with the usual port written out,
// or without it: Twilio signs either.
func withAndWithoutPort(addresses []string) []string {
	all := slices.Clone(addresses)
	for _, address := range addresses {
		scheme, rest, ok := strings.Cut(address, "://")
		if !ok {
			continue
		}
		end := strings.IndexAny(rest, "/?")
		if end < 0 {
			end = len(rest)
		}
		host, path := rest[:end], rest[end:]
		usual := map[string]string{"https": ":443", "http": ":80"}[scheme]
		if bare, ok := strings.CutSuffix(host, usual); ok && usual != "" {
			all = append(all, scheme+"://"+bare+path)
		} else if !strings.Contains(host, ":") {
			all = append(all, scheme+"://"+host+usual+path)
		}
	}
	return all
}

func (t twilio) sign(r *Request, secret []byte, _ time.Time) error {
	forms, _, err := twilioFields(r)
	if err != nil {
		return err
	}
	made := twilioMAC(secret, r.addresses(t.address)[0]+forms[0])
	r.Header.Set(twilioHeader, base64.StdEncoding.EncodeToString(made))
	return nil
}

func (twilio) pair() (receiver, sender []byte) { return same(rand.Text()) }
func (twilio) usable([]byte) error             { return nil }
