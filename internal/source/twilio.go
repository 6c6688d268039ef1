package source

import (
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/rcshook/rcshook/internal/payload"
	"github.com/rcshook/rcshook/internal/standardwebhook"
)

// twilio is the scheme of Twilio, which signs the public address and the sorted fields
// of the form. Other bodies have their hash in the query.
type twilio struct{ url string }

const (
	twilioHeader = "X-Twilio-Signature"
	twilioHash   = "bodySHA256"
)

func (t twilio) verify(_ context.Context, r *Request, secrets [][]byte, _ time.Time) error {
	value, err := standardwebhook.Header(r.Header, twilioHeader)
	if err != nil {
		return err
	}
	signature, err := base64.StdEncoding.Strict().DecodeString(value)
	if err != nil {
		return standardwebhook.Errorf(ErrSignature, "the header %s is not base64", twilioHeader)
	}
	forms, hashed, err := twilioForms(r)
	if err != nil {
		return err
	}
	addresses := r.addresses(t.url)
	if hashed { // without the query, the signature of an empty form would match any body
		addresses = addresses[:1]
	}
	match := false
	for _, address := range withAndWithoutPort(addresses) {
		for _, form := range forms {
			for _, secret := range secrets {
				match = hmac.Equal(twilioSum(secret, address+form), signature) || match
			}
		}
	}
	if !match {
		return standardwebhook.Errorf(ErrSignature, "the signature in the header %s does not match the address, the body and the secret of this source", twilioHeader)
	}
	return nil
}

func twilioSum(secret []byte, content string) []byte {
	h := hmac.New(sha1.New, secret)
	h.Write([]byte(content))
	return h.Sum(nil)
}

// twilioForms returns the signed forms of the body: empty if the query has the hash of
// the body, else the sorted fields. Twilio's libraries differ on duplicate fields, so
// there may be two forms.
func twilioForms(r *Request) (forms []string, hashed bool, err error) {
	query, err := url.ParseQuery(r.Query)
	if err != nil {
		return nil, false, standardwebhook.Errorf(ErrSignature, "the query is invalid")
	}
	if query.Has(twilioHash) {
		sum := sha256.Sum256(r.Body)
		if !strings.EqualFold(query.Get(twilioHash), hex.EncodeToString(sum[:])) {
			return nil, false, standardwebhook.Errorf(ErrSignature, "the body does not match its hash in the query")
		}
		return []string{""}, true, nil
	}
	body, err := payload.ParseBody(ContentType(r.Header), r.Body)
	if err != nil || len(r.Body) > 0 && (!body.IsForm || body.IsJSON) {
		return nil, false, standardwebhook.Errorf(ErrSignature, "the body is not signed: it is not a form, and the query has no %s", twilioHash)
	}
	fields := make(url.Values)
	for _, f := range body.Fields {
		if !f.IsFile {
			fields.Add(f.Name, f.Value)
		}
	}
	var first, all strings.Builder
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		values := fields[name]
		first.WriteString(name + values[0])
		for _, value := range slices.Compact(slices.Sorted(slices.Values(values))) {
			all.WriteString(name + value)
		}
	}
	return slices.Compact([]string{first.String(), all.String()}), false, nil
}

// withAndWithoutPort adds to each address the same one with or without its default port,
// because Twilio signs either.
func withAndWithoutPort(addresses []string) []string {
	all := slices.Clone(addresses)
	for _, address := range addresses {
		u, err := url.Parse(address)
		if err != nil {
			continue
		}
		host, port := u.Host, map[string]string{"https": ":443", "http": ":80"}[u.Scheme]
		if u.Port() == "" {
			host += port
		} else {
			host = strings.TrimSuffix(host, port)
		}
		all = append(all, strings.Replace(address, "://"+u.Host, "://"+host, 1))
	}
	return all
}

func (t twilio) sign(r *Request, secret []byte, _ time.Time) error {
	forms, _, err := twilioForms(r)
	if err != nil {
		return err
	}
	signature := twilioSum(secret, r.addresses(t.url)[0]+forms[0])
	r.Header.Set(twilioHeader, base64.StdEncoding.EncodeToString(signature))
	return nil
}

func (twilio) newKeys() (receiver, sender []byte) { return newText() }
func (twilio) checkSecret([]byte) error           { return nil }
