package source_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/source"
)

// A sender is a source with a function that signs as its sender.
type sender struct {
	name    string
	source  *source.Source
	sign    func(*source.Request, time.Time) error
	proof   string   // the header with the signature or the token
	headers []string // all that signing adds
	body    bool     // the body is signed
	query   bool     // the address is signed
	stamped bool     // the time is signed
}

// senders returns a sender of each preset, and some with schemes that no preset has.
func senders(t testing.TB) (all []sender) {
	t.Helper()
	add := func(name, like string, s *source.Source, sign func(*source.Request, time.Time) error) {
		plain, signed := s.Sample("0001"), s.Sample("0001")
		if err := sign(signed, now); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		snd := sender{name: name, source: s, sign: sign, proof: proofHeader(t, plain, signed), body: covers(like), query: signsQuery(like), stamped: stamps(like)}
		for _, header := range slices.Sorted(maps.Keys(signed.Header)) {
			if plain.Header.Get(header) == "" {
				snd.headers = append(snd.headers, header)
			}
		}
		all = append(all, snd)
	}
	for _, name := range source.Presets() {
		if proofInBody(name) {
			continue // see FuzzVerify_fields and FuzzSNS
		}
		c, err := source.Example(name, "p")
		if err != nil {
			t.Fatal(err)
		}
		s, sign := rehearse(t, c)
		if s.HasToken() {
			continue // TestFindByToken
		}
		if s.UsesGoogleTokens() { // one token for all: RSA is slow
			signed := http.Header{}
			if err := sign(&source.Request{Header: signed}, now); err != nil {
				t.Fatal(err)
			}
			sign = func(r *source.Request, _ time.Time) error {
				r.Header.Set("Authorization", signed.Get("Authorization"))
				return nil
			}
		}
		add(name, name, s, sign)
	}
	for name, scheme := range own {
		s, sign := rehearse(t, config.Source{Preset: "hmac", Scheme: scheme})
		like := "hmac"
		if strings.Contains(scheme.Content, "{timestamp}") || scheme.Type == "standard-webhooks" {
			like = "stripe"
		}
		add(name, like, s, sign)
	}
	slices.SortFunc(all, func(a, b sender) int { return strings.Compare(a.name, b.name) })
	return all
}

var own = map[string]config.Scheme{
	"own-rfc3339": {Encoding: "base64", Key: "hex", TimestampHeader: "X-Timestamp", TimestampUnit: "rfc3339", Content: "{timestamp}{body}"},
	"own-text":    {Type: "standard-webhooks", Key: "text"},
	"own-ed25519": {Algorithm: "ed25519", Separator: " "},
	"own-sha1":    {Algorithm: "sha1", Prefix: "sha1=", Header: []string{"X-New", "X-Old"}},
	"own-sha512": {
		Algorithm: "sha512", Encoding: "base64", Separator: ";", Prefix: "s=", TimestampPrefix: "at=", TimestampUnit: "ms", Content: "{method}\n{timestamp}\n{body}",
	},
}

// FuzzVerify checks, for every kind of sender, that signed requests are accepted, and
// that unsigned requests and requests changed after signing are rejected.
func FuzzVerify(f *testing.F) {
	const form = "application/x-www-form-urlencoded"
	all := senders(f)
	for i := range all {
		which := uint8(i) // about thirty
		f.Add(which, "t=1796115600,v1=00", "1796115600", "", "application/json", []byte("{}"), uint16(0))
		f.Add(which, "v1,AAAA v1a,AAAA", "1796115600", "", form, []byte("a=1&b=2&a=3"), uint16(3))
		f.Add(which, "at=1796115600000;s=AAAA;s=;;=", "-1", "a=b&c=%2B", "", []byte(""), uint16(1))
		f.Add(which, "", "", "", form, []byte(""), uint16(0))
		f.Add(which, "hMwz33Fu0LBZjwdDfJQGms43MDWHeKWSvWu9FCPREfM=", "2026-12-01T09:00:00Z", "", "", []byte("Z"), uint16(0))
		f.Add(which, "0", "0", `"{`, "", []byte("0"), uint16(3))
		f.Add(which, "Basic eDp5", "99999999999999999999", "%zz", form, []byte("a=%zz"), uint16(9))
	}
	f.Fuzz(func(t *testing.T, which uint8, proof, stamp, query, contentType string, body []byte, at uint16) {
		s := all[int(which)%len(all)]
		request := func() *source.Request {
			return &source.Request{Method: http.MethodPost, Query: query, Header: http.Header{"Content-Type": {contentType}}, Body: bytes.Clone(body)}
		}
		verify := func(r *source.Request) error { return source.Verify(t.Context(), s.source, r, now) }

		forged := request()
		for _, header := range s.headers {
			forged.Header.Set(header, stamp)
		}
		forged.Header.Set(s.proof, proof)
		err := verify(forged)
		if !errors.Is(err, source.ErrUnauthorized) && !errors.Is(err, source.ErrSignature) && !errors.Is(err, source.ErrStale) {
			t.Errorf("%s: %q, %q for %q: %v", s.name, proof, stamp, body, err)
		}
		if err != nil && len(err.Error()) > 200 {
			t.Errorf("%s: the error is too long: %v", s.name, err)
		}

		signed := request()
		if err := s.sign(signed, now); err != nil {
			return // Twilio cannot sign a body that is not a form, and a sender escapes a query
		}
		if err := verify(signed); err != nil {
			t.Fatalf("%s: a signed request is rejected: %v", s.name, err)
		}
		for name, r := range s.altered(signed, proof, at) {
			if err := verify(r); err == nil {
				t.Errorf("%s: %s: %q with query %q is accepted with the signature of %q with query %q", s.name, name, r.Body, r.Query, body, query)
			}
		}
		if s.stamped {
			for _, off := range []time.Duration{-time.Hour, time.Hour} {
				if err := source.Verify(t.Context(), s.source, signed, now.Add(off)); !errors.Is(err, source.ErrStale) {
					t.Errorf("%s: %v off: %v, want ErrStale", s.name, off, err)
				}
			}
		}
	})
}

// altered returns changed copies of a signed request. At is the offset of changes.
func (s sender) altered(signed *source.Request, proof string, at uint16) map[string]*source.Request {
	all := make(map[string]*source.Request)
	alter := func(name string, change func(*source.Request)) {
		r := &source.Request{Method: signed.Method, Query: signed.Query, Header: signed.Header.Clone(), Body: bytes.Clone(signed.Body)}
		change(r)
		all[name] = r
	}
	for _, header := range s.headers {
		if header != s.proof {
			alter("another "+header, func(r *source.Request) { r.Header.Set(header, r.Header.Get(header)+"0") })
		}
	}
	alter("two proofs", func(r *source.Request) { r.Header.Add(s.proof, proof) })
	alter("no proof", func(r *source.Request) { r.Header.Del(s.proof) })
	if signed.Query != "" && s.query {
		alter("another query", func(r *source.Request) { r.Query += "&zz=1" })
	}
	switch {
	case !s.body:
	case s.name == "twilio":
		alter("another field", func(r *source.Request) {
			if !hashed(r.Query) && len(r.Body) > 0 {
				r.Body = append(r.Body, '&')
			}
			r.Body = append(r.Body, "zz=1"...)
		})
		alter("a hash in the query", func(r *source.Request) {
			r.Body = []byte(`{"to":"+12025550123"}`)
			sum := sha256.Sum256(r.Body)
			r.Query = "bodySHA256=" + hex.EncodeToString(sum[:])
		})
	default:
		alter("a longer body", func(r *source.Request) { r.Body = append(r.Body, ' ') })
		if n := len(signed.Body); n > 0 {
			alter("another body", func(r *source.Request) { r.Body[int(at)%n] ^= 1 })
			alter("a shorter body", func(r *source.Request) { r.Body = r.Body[:int(at)%n] })
		}
	}
	return all
}

// hashed reports whether a query has the hash with which Twilio signs other bodies than forms.
func hashed(query string) bool {
	values, _ := url.ParseQuery(query)
	return values.Has("bodySHA256")
}
