package source

import (
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/rcshook/rcshook/internal/payload"
	"github.com/rcshook/rcshook/internal/standardwebhook"
)

// twilioScheme is the scheme of Twilio, which signs the public address and the sorted fields
// of the form. Other bodies have their hash in the query.
type twilioScheme struct{ url string }

const (
	twilioHeader = "X-Twilio-Signature"
	twilioHash   = "bodySHA256"
)

func (t twilioScheme) verify(_ context.Context, r *Request, secrets [][]byte, _ time.Time) error {
	value, err := standardwebhook.Header(r.Header, twilioHeader)
	if err != nil {
		return err
	}
	signature, err := base64.StdEncoding.Strict().DecodeString(value)
	if err != nil {
		return standardwebhook.Errorf(ErrSignature, "the header %s is not base64", twilioHeader)
	}
	form, err := twilioForm(r)
	if err != nil {
		return err
	}
	match := false
	for _, url := range r.twilioURLs(t.url) {
		for _, secret := range secrets {
			match = hmac.Equal(twilioSum(secret, url+form), signature) || match
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

// twilioForm returns the signed form of the body: empty if the query ends with the hash of
// the body, else the sorted fields with all their different values. Some of Twilio's libraries
// sign only the first value of a field, but then any could be added.
func twilioForm(r *Request) (string, error) {
	for name, value := range parameters(r.Query) {
		if name != twilioHash {
			continue
		}
		// Twilio appends the hash. Another place could be in a text of a signed form, which
		// follows the URL without a separator.
		if !strings.HasSuffix(r.Query, twilioHash+"="+value) {
			return "", standardwebhook.Errorf(ErrSignature, "the query does not end with its %s", twilioHash)
		}
		if sum := sha256.Sum256(r.Body); !strings.EqualFold(value, hex.EncodeToString(sum[:])) {
			return "", standardwebhook.Errorf(ErrSignature, "the body does not match its hash in the query")
		}
		return "", nil
	}
	body, err := payload.ParseBody(ContentType(r.Header), r.Body)
	if err != nil || len(r.Body) > 0 && (!body.IsForm || body.IsJSON) {
		return "", standardwebhook.Errorf(ErrSignature, "the body is not signed: it is not a form, and the query has no %s", twilioHash)
	}
	fields := make(url.Values)
	for _, f := range body.Fields {
		if !f.IsFile {
			fields.Add(f.Name, f.Value)
		}
	}
	var form strings.Builder
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		for _, value := range slices.Compact(slices.Sorted(slices.Values(fields[name]))) {
			form.WriteString(name + value)
		}
	}
	return form.String(), nil
}

func (t twilioScheme) sign(r *Request, secret []byte, _ time.Time) error {
	form, err := twilioForm(r)
	if err != nil {
		return err
	}
	signature := twilioSum(secret, r.url(t.url)+form)
	r.Header.Set(twilioHeader, base64.StdEncoding.EncodeToString(signature))
	return nil
}

func (twilioScheme) hidden(http.Header) []string { return []string{twilioHeader} }

func (twilioScheme) newKeys() (receiver, sender []byte) { return newSharedSecret() }
func (twilioScheme) checkSecret([]byte) error           { return nil }
