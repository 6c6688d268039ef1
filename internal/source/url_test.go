package source_test

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"testing"

	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/source"
)

// HubSpot and Twilio sign the URL with other escapes than they send. The signature is
// valid for this URL with these escapes only.
func TestReceive_signedURL(t *testing.T) {
	t.Parallel()
	const address = "https://example.com/hooks/it"
	for _, test := range []struct {
		name, preset, public string
		signed, query        string
		valid                bool
	}{
		{"as received", "hubspot", address, address + "?a=b%20c", "a=b%20c", true},
		{"reserved characters unescaped", "hubspot", address, address + "?portal=My%20Shop&next=/thanks", "portal=My%20Shop&next=%2Fthanks", true},
		{"all reserved characters", "hubspot", address, address + "?a=:/?@!$'()*,;", "a=%3A%2f%3F%40%21%24%27%28%29%2A%2C%3b", true},
		{"separators stay escaped", "hubspot", address, address + "?a=b&to=c", "a=b%26to=c", false},
		{"spaces stay escaped", "hubspot", address, address + "?a=b c", "a=b%20c", false},
		{"a query in the configured URL", "hubspot", address + "?a=1", address + "?a=1", "a=1", true},
		{"another query than signed", "hubspot", address, address + "?a=1", "a=2", false},
		{"a query that is not signed", "hubspot", address, address, "a=2", false},

		{"as received", "twilio", address, address + "?To=sip:alice@example.com", "To=sip:alice@example.com", true},
		{"escaped", "twilio", address, address + "?To=sip%3Aalice%40example.com&a=", "To=sip:alice@example.com&a", true},
		{"escaped by a browser", "twilio", address, address + "?a=%27x%27%3Cy%3E%22", `a='x'<y>"`, true},
		{"names together", "twilio", address, address + "?a=1%20%2B!'()*~&a=2&b=3", "a=1+%2B%21'()*~&b=3&a=2", true},
		{"without the port", "twilio", "https://example.com:8443/hooks/it", address + "?a=1", "a=1", true},
		{"with the default port", "twilio", address, "https://example.com:443/hooks/it?a=1", "a=1", true},
		{"unescaped", "twilio", address, address + "?a=b&to=c", "a=b%26to=c", false},
		{"a query that is not signed", "twilio", address, address, "a=2", false},
		{"another query than signed", "twilio", address, address + "?a=1", "a=2", false},
	} {
		t.Run(test.preset+" "+test.name, func(t *testing.T) {
			t.Parallel()
			s := open(t, config.Source{Preset: test.preset, Secrets: []config.Secret{"s3cret"}, URL: test.public, Map: config.Program{Text: "empty"}}, nil)
			r := &source.Request{Method: http.MethodPost, Query: test.query, Header: http.Header{}}
			millis := fmt.Sprint(now.UnixMilli())
			if test.preset == "twilio" {
				sum := hmac.New(sha1.New, []byte("s3cret"))
				sum.Write([]byte(test.signed))
				r.Header.Set("X-Twilio-Signature", base64.StdEncoding.EncodeToString(sum.Sum(nil)))
			} else {
				sum := hmac.New(sha256.New, []byte("s3cret"))
				sum.Write([]byte("POST" + test.signed + millis))
				r.Header.Set("X-HubSpot-Signature-v3", base64.StdEncoding.EncodeToString(sum.Sum(nil)))
				r.Header.Set("X-HubSpot-Request-Timestamp", millis)
			}
			err := source.Verify(t.Context(), s, r, now)
			if valid := err == nil; valid != test.valid || !valid && !errors.Is(err, source.ErrSignature) {
				t.Errorf("%s for the signature of %s: %v, want valid: %v", test.query, test.signed, err, test.valid)
			}
		})
	}
}

// The URL and the body have no separator between them. No part of a signed body is valid as a part
// of the query.
func TestReceive_bodyInQuery(t *testing.T) {
	t.Parallel()
	const public = "https://example.com/hooks/it?a=1"
	other := []byte(`{"to":"+12025550166"}`)
	sum := sha256.Sum256(other)
	appended := "bodySHA256=" + hex.EncodeToString(sum[:])
	for _, test := range []struct{ name, preset, form, signed, query, body string }{
		{"JSON", "square", "", `{"note":"to=%2B12025550166&x="}`, `a=1{"note":"`, `to=%2B12025550166&x="}`},
		{"JSON with escapes", "hubspot", "", `[{"note":"?to=%2B12025550166&x="}]`, `a=1[{"note"%3A"%3f`, `to=%2B12025550166&x="}]`},
		{"XML", "square", "", `<a to="+12025550166"/>`, `a=1<a to="+12025550166"/>`, ""},
		{"a hash in a field", "twilio", "Body=x%26" + appended + "%26z%3D&To=%2B12025550123", "", "a=1Bodyx&" + appended + "&z=To+12025550123", string(other)},
	} {
		t.Run(test.preset+" "+test.name, func(t *testing.T) {
			t.Parallel()
			s := open(t, config.Source{Preset: test.preset, Secrets: []config.Secret{"s3cret"}, URL: public, Map: config.Program{Text: "empty"}}, nil)
			r := &source.Request{Method: http.MethodPost, Query: "a=1", Header: http.Header{}, Body: []byte(test.form + test.signed)}
			if test.form != "" {
				r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			}
			if err := s.Sign(r, []byte("s3cret"), now); err != nil {
				t.Fatal(err)
			}
			if err := source.Verify(t.Context(), s, r, now); err != nil {
				t.Fatalf("as signed: %v", err)
			}
			r.Query, r.Body = test.query, []byte(test.body)
			if err := source.Verify(t.Context(), s, r, now); !errors.Is(err, source.ErrSignature) {
				t.Errorf("with the query %s: %v, want ErrSignature", test.query, err)
			}
		})
	}
}

// A query that hides the hash of the body does not allow another body, or none.
func TestReceive_twilioHiddenHash(t *testing.T) {
	t.Parallel()
	body := []byte(`{"to":"+12025550123"}`)
	sum := sha256.Sum256(body)
	hash := hex.EncodeToString(sum[:])
	s := open(t, config.Source{Preset: "twilio", Secrets: []config.Secret{"s3cret"}, URL: "https://example.com/hooks/it", Map: config.Program{Text: "empty"}}, nil)
	r := &source.Request{Method: http.MethodPost, Query: "a=1&bodySHA256=" + hash, Header: http.Header{}, Body: body}
	if err := s.Sign(r, []byte("s3cret"), now); err != nil {
		t.Fatal(err)
	}
	if err := source.Verify(t.Context(), s, r, now); err != nil {
		t.Fatalf("as signed: %v", err)
	}
	r.Body = nil
	for _, query := range []string{r.Query, "a=1&%62odySHA256=" + hash, "a=1&bodySHA256=" + hash + "&%ZZ", "a=1&bodySHA256=" + hash + "&"} {
		r.Query = query
		if err := source.Verify(t.Context(), s, r, now); !errors.Is(err, source.ErrSignature) {
			t.Errorf("without a body, with the query %s: %v, want ErrSignature", query, err)
		}
	}
}

// A signature of the first value of a field is not valid for more values.
func TestReceive_twilioRepeatedField(t *testing.T) {
	t.Parallel()
	s := open(t, config.Source{Preset: "twilio", Secrets: []config.Secret{"s3cret"}, URL: "https://example.com/hooks/it", Map: config.Program{Text: "empty"}}, nil)
	r := &source.Request{Method: http.MethodPost, Header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}, Body: []byte("Body=HELP&From=%2B12025550123")}
	if err := s.Sign(r, []byte("s3cret"), now); err != nil {
		t.Fatal(err)
	}
	r.Body = append(r.Body, "&From=%2B12025550124"...)
	if err := source.Verify(t.Context(), s, r, now); !errors.Is(err, source.ErrSignature) {
		t.Errorf("with another number: %v, want ErrSignature", err)
	}
	if err := s.Sign(r, []byte("s3cret"), now); err != nil {
		t.Fatal(err)
	}
	if err := source.Verify(t.Context(), s, r, now); err != nil {
		t.Errorf("with two signed numbers: %v", err)
	}
}
