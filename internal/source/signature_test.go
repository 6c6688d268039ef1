package source_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/source"
)

var (
	zendesk = config.Scheme{
		Type: "signature", Header: []string{"X-Zendesk-Webhook-Signature"}, Encoding: "base64",
		TimestampHeader: "X-Zendesk-Webhook-Signature-Timestamp", TimestampUnit: "rfc3339", Content: "{timestamp}{body}",
	}
	onfleet       = config.Scheme{Type: "signature", Header: []string{"X-Onfleet-Signature"}, Algorithm: "sha512", Key: "hex"}
	adyenPlatform = config.Scheme{Type: "signature", Header: []string{"HmacSignature"}, Encoding: "base64", Key: "hex"}
	bigCommerce   = config.Scheme{Type: "standard-webhooks", Key: "text"}
)

// TestVerify_rules checks requests that were computed from the rules of senders.
func TestVerify_rules(t *testing.T) {
	t.Parallel()
	const (
		body, hexKey = `{"hello":"world"}`, "00112233445566778899aabbccddeeff"

		zendeskStamp, zendeskSum = "X-Zendesk-Webhook-Signature-Timestamp", "hiUCVCKB35fLmKOWn+1mJhV+uCIdWD97Nyp19rRsUTQ="
		onfleetSum               = "146ae90236e44e3a58f4ecaf583cfe8226460eacb34680121def3eab14a9f2a20ba955f2ace60b749a1363a8ffdd4ceae0a6fbb443f31e29c85ebe696e33d8a3"
		bigCommerceSum           = "v1,Jtfh+ujIZo1dC+FcqtRIKU9cs9f03mxxH/m+Q4btP5Q="

		notRFC3339 = "the timestamp is not a time in the format of RFC 3339, such as 2026-12-01T09:00:00Z"
		noMatch    = "the signature in the header X-Zendesk-Webhook-Signature does not match the body and the secret of this source"
	)
	at := time.Unix(1_700_000_000, 0)
	zendeskAt := func(timestamp string) http.Header {
		return header("X-Zendesk-Webhook-Signature", zendeskSum, zendeskStamp, timestamp)
	}
	for _, test := range []struct {
		name   string
		scheme config.Scheme
		secret config.Secret
		header http.Header
		body   string
		at     time.Time
		want   string
	}{
		{"ISO 8601", zendesk, "test-secret", zendeskAt("2023-11-14T22:13:20Z"), body, at, ""},
		{"ISO 8601, at the end of the tolerance", zendesk, "test-secret", zendeskAt("2023-11-14T22:13:20Z"), body, at.Add(5 * time.Minute), ""},
		{"ISO 8601, expired", zendesk, "test-secret", zendeskAt("2023-11-14T22:13:20Z"), body, at.Add(5*time.Minute + time.Second), "the signature is 5m1s old: expected at most 5m0s"},
		{"ISO 8601, from the future", zendesk, "test-secret", zendeskAt("2023-11-14T22:13:20Z"), body, at.Add(-time.Hour), "the signature is from 1h0m0s in the future: expected at most 5m0s"},
		{"the same time in another form", zendesk, "test-secret", zendeskAt("2023-11-14T22:13:20+00:00"), body, at, noMatch},
		{"the start of the body in the timestamp", zendesk, "test-secret", zendeskAt(`2023-11-14T22:13:20Z{"hello"`), `:"world"}`, at, notRFC3339},
		{"the end of the timestamp in the body", zendesk, "test-secret", zendeskAt("2023-11-14T22:13:20"), "Z" + body, at, notRFC3339},
		{"hex key", onfleet, hexKey, header("X-Onfleet-Signature", onfleetSum), body, at, ""},
		{"hex key in upper case", onfleet, "00112233445566778899AABBCCDDEEFF", header("X-Onfleet-Signature", onfleetSum), body, at, ""},
		{"hex key, base64 signature", adyenPlatform, hexKey, header("HmacSignature", "p+Bumww7xxaEF7bx01Bc+64ExLCXlQc2GrQ68NTtm2w="), body, at, ""},
		{"Standard Webhooks with a key that is text", bigCommerce, "test-secret", header("Webhook-Id", "msg_test", "Webhook-Timestamp", "1700000000", "Webhook-Signature", bigCommerceSum), body, at, ""},
		{"prefix without a token", config.Scheme{Type: "token", Header: []string{"X-T"}, Prefix: "t="}, "s", header("X-T", "t="), body, at, "the token in the header X-T is not the token of this source"},
		{
			"Standard Webhooks with a key that is base64",
			config.Scheme{Type: "standard-webhooks"},
			"test-secret==",
			header("Webhook-Id", "msg_test", "Webhook-Timestamp", "1700000000", "Webhook-Signature", bigCommerceSum), body, at,
			"the secret of source it: must be base64, optionally after whsec_ or v1,whsec_",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := open(t, config.Source{Preset: "hmac", Secrets: []config.Secret{"projects/p/secrets/s"}, Scheme: test.scheme}, nil)
			if test.secret != "" {
				s.Config.Secrets = []config.Secret{test.secret}
			}
			r := &source.Request{Method: http.MethodPost, Header: test.header, Body: []byte(test.body)}
			err := source.Verify(t.Context(), s, r, test.at)
			if test.want == "" && err != nil || test.want != "" && (err == nil || err.Error() != test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

// TestVerify_timestamps checks that a signed timestamp has one strict format.
func TestVerify_timestamps(t *testing.T) {
	t.Parallel()
	plain := zendesk
	plain.TimestampHeader, plain.TimestampUnit, plain.Content = "", "", "{body}"
	signer := open(t, config.Source{Preset: "hmac", Secrets: []config.Secret{"s"}, Scheme: plain}, nil)
	s := open(t, config.Source{Preset: "hmac", Secrets: []config.Secret{"s"}, Scheme: zendesk}, nil)
	for timestamp, want := range map[string]error{
		"2026-12-01T09:00:00Z":           nil,
		"2026-12-01T10:00:00+01:00":      nil,
		"2026-12-01T09:00:00.123456789Z": nil,
		"2026-12-01T09:00:00":            source.ErrSignature,
		"2026-12-01T09:00:00,5Z":         source.ErrSignature,
		"2026-12-01T9:00:00Z":            source.ErrSignature,
		"2026-12-01 09:00:00Z":           source.ErrSignature,
		"2026-12-01t09:00:00z":           source.ErrSignature,
		"2026-12-01T09:00:00+25:00":      source.ErrSignature,
		"2026-12-01T09:00:60Z":           source.ErrSignature,
		"1796115600":                     source.ErrSignature,
		"2026-12-01T08:00:00Z":           source.ErrStale,
	} {
		r := &source.Request{Method: http.MethodPost, Header: http.Header{}, Body: []byte(timestamp + "{}")}
		if err := signer.Sign(r, []byte("s"), now); err != nil {
			t.Fatal(err)
		}
		r.Header.Set(zendesk.TimestampHeader, timestamp)
		r.Body = []byte("{}")
		if err := source.Verify(t.Context(), s, r, now); !errors.Is(err, want) || want == nil && err != nil {
			t.Errorf("%s: %v, want %v", timestamp, err, want)
		}
	}
}

// TestVerify_hints checks the errors for a timestamp in another unit and for another encoding.
func TestVerify_hints(t *testing.T) {
	t.Parallel()
	timed := func(unit string) config.Scheme {
		return config.Scheme{Type: "signature", Header: []string{"X-Sign"}, TimestampHeader: "X-Time", Content: "{timestamp}.{body}", TimestampUnit: unit}
	}
	for _, test := range []struct{ signer, receiver, want string }{
		{"ms", "", "; the timestamp is right as ms: set timestamp_unit: ms in the scheme"},
		{"s", "ms", "; the timestamp is right as s: set timestamp_unit: s in the scheme"},
		{"rfc3339", "s", "the timestamp is not a number; the timestamp is right as rfc3339: set timestamp_unit: rfc3339 in the scheme"},
	} {
		signer := open(t, config.Source{Preset: "hmac", Secrets: []config.Secret{"s"}, Scheme: timed(test.signer)}, nil)
		receiver := open(t, config.Source{Preset: "hmac", Secrets: []config.Secret{"s"}, Scheme: timed(test.receiver)}, nil)
		r := &source.Request{Method: http.MethodPost, Header: http.Header{}, Body: []byte("{}")}
		if err := signer.Sign(r, []byte("s"), now); err != nil {
			t.Fatal(err)
		}
		if err := source.Verify(t.Context(), receiver, r, now); err == nil || !strings.HasSuffix(err.Error(), test.want) {
			t.Errorf("%s in place of %q: %v, want %s", test.signer, test.receiver, err, test.want)
		}
	}
	signer := open(t, config.Source{Preset: "hmac", Secrets: []config.Secret{"s"}}, nil)
	receiver := open(t, config.Source{Preset: "hmac", Secrets: []config.Secret{"s"}, Scheme: config.Scheme{Encoding: "base64"}}, nil)
	r := &source.Request{Method: http.MethodPost, Header: http.Header{}, Body: []byte("{}")}
	if err := signer.Sign(r, []byte("s"), now); err != nil {
		t.Fatal(err)
	}
	const want = "the signature in the header X-Signature does not match the body and the secret of this source; it looks like hex, but encoding is base64"
	if err := source.Verify(t.Context(), receiver, r, now); err == nil || err.Error() != want {
		t.Errorf("hex in place of base64: %v, want %s", err, want)
	}
}

// TestReceive_unstableID checks that the event ID of a sender wins over a Webhook-Id, which
// Supabase renews for every attempt. It does so whether or not the signature covers the header.
func TestReceive_unstableID(t *testing.T) {
	t.Parallel()
	for _, preset := range []string{"standard-webhooks", "svix", "hmac"} {
		s, sign := rehearse(t, config.Source{Preset: preset, EventID: config.Program{Text: ".metadata.uuid"}, Map: config.Program{Text: "{to: .phone}"}})
		for body, want := range map[string][2]string{
			`{"metadata":{"uuid":"u1"}}`: {"hook\nit\nu1", "hook\nit\nu1"},
			`{"metadata":{}}`:            {"hook\nit\nmsg_1", "hook\nit\nmsg_2"},
		} {
			for i, id := range []string{"msg_1", "msg_2"} {
				r := &source.Request{Method: http.MethodPost, Header: header("Content-Type", "application/json", "Webhook-Id", id), Body: []byte(body)}
				if err := sign(r, now); err != nil {
					t.Fatal(err)
				}
				received, err := s.Receive(t.Context(), r, now)
				if err != nil || len(received.Messages) != 1 || received.Messages[0].Key != want[i] {
					t.Errorf("%s, %s with %s: %+v, %v; want the key %q", preset, body, id, received, err, want[i])
				}
			}
		}
	}
}

// TestVerify_manySignatures checks that a header with any number of signatures costs no more
// than a few of them.
func TestVerify_manySignatures(t *testing.T) {
	t.Parallel()
	s, sign := rehearsal(t, "stripe")
	for wrong, want := range map[int]error{15: nil, 16: source.ErrSignature} {
		r := s.Sample("0001")
		sign(r, now)
		timestamp, signature, _ := strings.Cut(r.Header.Get("Stripe-Signature"), ",")
		r.Header.Set("Stripe-Signature", timestamp+strings.Repeat(",v1=00", wrong)+","+signature)
		if err := source.Verify(t.Context(), s, r, now); !errors.Is(err, want) || want == nil && err != nil {
			t.Errorf("after %d other signatures: %v, want %v", wrong, err, want)
		}
	}
}

// TestVerify_busy tests that few requests of a source are verified at once, and that other
// sources do not wait for them.
func TestVerify_busy(t *testing.T) {
	t.Parallel()
	d, err := source.Open(map[string]config.Source{
		"a": {Name: "a", Preset: "github", Secrets: []config.Secret{"s"}, Map: config.Program{Text: "."}},
		"b": {Name: "b", Preset: "github", Secrets: []config.Secret{"s"}, Map: config.Program{Text: "."}},
	}, source.Options{Secrets: literal})
	if err != nil {
		t.Fatal(err)
	}
	flooded, _ := d.Find("a")
	other, _ := d.Find("b")
	r := &source.Request{Method: http.MethodPost, Header: http.Header{}, Body: []byte("{}")}
	empty := source.FillVerifying(flooded)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := source.Verify(ctx, flooded, r, now); !errors.Is(err, source.ErrBusy) {
		t.Errorf("flooded source: %v, want ErrBusy", err)
	}
	if err := source.Verify(t.Context(), other, r, now); !errors.Is(err, source.ErrUnauthorized) {
		t.Errorf("other source: %v, want ErrUnauthorized", err)
	}
	empty()
	if err := source.Verify(t.Context(), flooded, r, now); !errors.Is(err, source.ErrUnauthorized) {
		t.Errorf("after the flood: %v, want ErrUnauthorized", err)
	}
}

// A public key is not a shared secret: strangers have it too.
func TestCheckSecret_publicKey(t *testing.T) {
	t.Parallel()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	public := []byte(base64.StdEncoding.EncodeToString(der))
	text := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	for algorithm, valid := range map[string]bool{"": false, "sha1": false, "ecdsa-p256": true} {
		s := open(t, config.Source{Preset: "hmac", Secrets: []config.Secret{"projects/p/secrets/s"}, Scheme: config.Scheme{Algorithm: algorithm}}, nil)
		for _, key := range [][]byte{public, text} {
			if err := s.CheckSecret(key); (err == nil) != valid {
				t.Errorf("a public key with the algorithm %q: %v, want valid: %t", algorithm, err, valid)
			}
		}
	}
}
