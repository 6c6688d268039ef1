package source

import (
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"time"

	"github.com/itchyny/gojq"

	"github.com/rcshook/rcshook/internal/config"
)

// Verify is the check of Receive alone.
func Verify(ctx context.Context, s *Source, r *Request, now time.Time) error {
	return s.verify(ctx, r, now)
}

// Fill takes every slot of the directory of s until empty is called.
func Fill(s *Source) (empty func()) {
	for range cap(s.slots) {
		s.slots <- struct{}{}
	}
	return func() {
		for range cap(s.slots) {
			s.slots.Free()
		}
	}
}

// Running is how the time of programs is counted.
var Running = running

// SignText signs any header and claims, JSON or not, with the key of i.
func SignText(i *Issuer, header, claims string) string {
	encode := base64.RawURLEncoding.EncodeToString
	text := encode([]byte(header)) + "." + encode([]byte(claims))
	digest := sha256.Sum256([]byte(text))
	made, err := rsa.SignPKCS1v15(nil, i.key, crypto.SHA256, digest[:])
	if err != nil {
		panic(err)
	}
	return text + "." + encode(made)
}

// PublicKey is the key of i as PEM, and its ID.
func PublicKey(i *Issuer) (text []byte, id string) {
	der, err := x509.MarshalPKIXPublicKey(&i.key.PublicKey)
	if err != nil {
		panic(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), i.id
}

// Native is what jq makes of a value without the limits of [Limited]. Errors are
// among the results as their texts.
func Native(text string, value any) []any {
	code, err := gojq.Compile(parsed(text))
	if err != nil {
		panic(err)
	}
	return resultsOf(code.Run(value))
}

// Limited is what a program of a source makes of it.
func Limited(text string, value any) []any {
	p, faults := compile(config.Program{Text: text}, "")
	if len(faults) > 0 {
		panic(faults[0].String())
	}
	left := room(maxMade)
	return resultsOf(p.code.Run(value, nil, nil, "", 0, &left))
}

func resultsOf(iter gojq.Iter) (results []any) {
	for v, ok := iter.Next(); ok; v, ok = iter.Next() {
		if err, wrong := v.(error); wrong {
			return append(results, "error: "+err.Error())
		}
		results = append(results, v)
	}
	return results
}
