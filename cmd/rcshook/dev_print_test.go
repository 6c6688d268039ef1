package main

import (
	"strings"
	"testing"
)

// TestPrinter_mask checks what dev -listen prints of values that strangers or their users
// send.
func TestPrinter_mask(t *testing.T) {
	t.Parallel()
	const hexDigest = "5257a869e7ecebeda32affa62cdca3fa51cad7e77a0e56ff536d0ce8e108d8bd"
	for _, test := range []struct{ name, value, want string }{
		{"phone", "+12025550123", "+*********23"},
		{"phone", "+1 (202) 555-0123", "+* (***) ***-**23"},
		{"phone", "202.555.0123", "***.***.**23"},
		{"text", "719204 is your code", "****04 is your code"},
		{"id", "820982911946154508", "****************08"},
		{"uuid", "0b9c7c1e-5a0f-4a59-9d0e-2f6f8f1f0001", "0b9c7c1e-5a0f-4a59-9d0e-2f6f8f1f0001"},
		{"token_id", "0b9c7c1e-5a0f-4a59-9d0e-2f6f8f1f0001", "[36 characters]"},
		{"X-Acme-Time", "1796115598", "[10 digits: unix seconds]"},
		{"created_at", "1796115598000", "[13 digits: unix milliseconds]"},
		{"phone_at", "12025550123", "*********23"},
		{"total", "199.90", "199.90"},
		{"at", "2026-12-01T08:59:58Z", "2026-12-01T08:59:58Z"},
		{"email", "ada@example.com", "***@example.com"},
		{"url", "https://example.com/reset/" + hexDigest + "?key=abc&page=2", "https://example.com/reset/[64 hex digits]?key=***&page=***"},
		{"note", strings.Repeat("long ", 20), "long long long long long long long long ... [100 characters]"},
		{"Authorization", "Bearer s3cret", "Bearer [6 characters]"},
		{"Authorization", "Basic aG9vazpwYXNz", "Basic [12 characters]"},
		{"X-Hub-Signature-256", "sha256=" + hexDigest, "sha256=[64 hex digits]"},
		{"Stripe-Signature", "t=1492774577,v1=" + hexDigest, "t=[10 digits],v1=[64 hex digits]"},
		{"Webhook-Signature", "v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4=", "v1,[44 characters of base64]"},
		{"X-Gitlab-Token", "hush", "[4 characters]"},
		{"api_key", "a b", "[1 characters] [1 characters]"},
		{"Idempotency-Key", "5a0c2f4e-6a3d", "[13 characters]"},
		{"design", "blue", "blue"},
		{"assignee", "Ada", "Ada"},
	} {
		p := &printer{limit: maxShown}
		if got := p.mask(test.name, test.value); got != test.want {
			t.Errorf("%s: %s is shown as %q, want %q", test.name, test.value, got, test.want)
		}
		p.unmasked = true
		if got := p.mask(test.name, test.value); got != test.value {
			t.Errorf("unmasked %s: %s is shown as %q", test.name, test.value, got)
		}
	}
}

// TestPrinter_body checks that all of a credential is masked, that a long body is cut, and that a
// terminal gets no control characters.
func TestPrinter_body(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, contentType, body, want string }{
		{
			"nested credential", "application/json", `{"tokens": [{"id": "abc"}, "def"], "+12025550123": {"a": null, "b": true, "c": 1234567}}`,
			"  {\n    \"+*********23\": {\n      \"a\": null,\n      \"b\": true,\n      \"c\": \"*****67\"\n    },\n    \"tokens\": [\n      {\n        \"id\": \"[3 characters]\"\n      },\n      \"[3 characters]\"\n    ]\n  }\n",
		},
		{"form", "application/x-www-form-urlencoded", "a=1&password=x+y", "  {\n    \"a\": \"1\",\n    \"password\": \"[1 characters] [1 characters]\"\n  }\n"},
		{"broken JSON", "application/json", "{\"to\": \"+12025550123\"\x1b[2J\u202e", "  {\"to\": \"+*********23\"\ufffd[2J\ufffd\n"},
		{"binary", "application/octet-stream", "\xff\xfe\x00", "  [3 bytes]\n"},
		{"lines", "text/plain", strings.Repeat("a\n", 100), strings.Repeat("  a\n", 80) + "  ... and 21 more lines\n"},
	} {
		p := &printer{limit: maxShown}
		p.body(test.contentType, []byte(test.body))
		if got := p.String(); got != test.want {
			t.Errorf("%s: got %q, want %q", test.name, got, test.want)
		}
	}
}
