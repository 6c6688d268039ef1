package agent_test

import (
	"strings"
	"testing"

	"github.com/rcshook/rcshook/internal/agent"
	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/google"
	"github.com/rcshook/rcshook/internal/googletest/secrets"
	"github.com/rcshook/rcshook/internal/googletest/token"
)

// marker is in payloads that errors and logs must not contain.
const marker = "hunter2-marker"

// edit replaces old in a key file.
func edit(file []byte, old, new string) []byte {
	edited := strings.ReplaceAll(string(file), old, new)
	if edited == string(file) {
		panic("nothing to replace: " + old)
	}
	return []byte(edited)
}

func TestSecretError(t *testing.T) {
	t.Parallel()
	storeKey := func(change func(file []byte) []byte) func(w *world) {
		return func(w *world) { w.secrets.AddVersion(keySecret, change(w.keyFile())) }
	}
	payload := func(text string) func(w *world) {
		return func(w *world) { w.secrets.AddVersion(keySecret, []byte(text)) }
	}
	id := func(text string) func(w *world) {
		return func(w *world) { w.secrets.AddVersion(idSecret, []byte(text)) }
	}
	tests := []struct {
		name   string
		change func(w *world) // a world without errors
		is     error
		reason string
	}{
		{"no secret", func(w *world) { w.secrets = secrets.Server{} }, google.ErrSecretNotFound, "not_found"},
		{"denied", func(w *world) { w.secrets.Deny(keySecret) }, google.ErrSecretDenied, "permission_denied"},
		{"token rejected", func(w *world) { w.secrets.Authorize = func(string) error { return token.ErrUnknown } }, google.ErrSecretDenied, "unauthenticated"},
		{"scope", func(w *world) { w.secrets.Authorize = func(string) error { return token.ErrScope } }, google.ErrSecretDenied, "scope"},
		{"disabled", func(w *world) { w.secrets.Disable(keySecret + "/versions/latest") }, google.ErrSecretInvalid, "version_disabled"},
		{"destroyed", func(w *world) { w.secrets.Destroy(keySecret + "/versions/1") }, google.ErrSecretInvalid, "version_destroyed"},
		{"unavailable", func(w *world) { w.secrets.Away(true) }, google.ErrSecretUnavailable, "unavailable"},
		{"internal error", func(w *world) { w.secrets.Fail(500, -1) }, google.ErrSecretUnavailable, "unavailable"},
		{"quota", func(w *world) { w.secrets.Fail(429, -1) }, google.ErrSecretUnavailable, "rate_limited"},
		{"checksum", func(w *world) { w.secrets.Corrupt(keySecret, true) }, google.ErrSecretUnavailable, "checksum"},

		{"empty ID", id(""), google.ErrSecretInvalid, "empty"},
		{"spaces for an ID", id(" \n"), google.ErrSecretInvalid, "empty"},
		{"words for an ID", id(marker + " two"), google.ErrSecretInvalid, "not_agent_id"},
		{"key for an ID", id(`{"type": "` + marker + `"}`), google.ErrSecretInvalid, "not_agent_id"},

		{"empty key", payload(""), google.ErrSecretInvalid, "empty"},
		{"ID for a key", payload(marker), google.ErrSecretInvalid, "not_json"},
		{"broken JSON", payload(`{"type": "` + marker), google.ErrSecretInvalid, "not_json"},
		{"a list", payload(`["` + marker + `"]`), google.ErrSecretInvalid, "not_json"},
		{"null", payload(`null`), google.ErrSecretInvalid, "missing_field"},
		{"base64", payload("eyJ0eXBlIjogImh1bnRlcjItbWFya2VyIn0="), google.ErrSecretInvalid, "not_json"},
		{"external account", payload(`{"type": "external_account", "token_url": "https://` + marker + `"}`), google.ErrSecretInvalid, "wrong_key_type"},
		{"authorized user", payload(`{"type": "authorized_user", "refresh_token": "` + marker + `"}`), google.ErrSecretInvalid, "wrong_key_type"},
		{"impersonated", payload(`{"type": "impersonated_service_account"}`), google.ErrSecretInvalid, "wrong_key_type"},
		{"other type", payload(`{"type": "` + marker + `"}`), google.ErrSecretInvalid, "wrong_key_type"},
		{"no type", payload(`{"client_email": "` + marker + `"}`), google.ErrSecretInvalid, "missing_field"},
		{"no email", storeKey(func(f []byte) []byte { return edit(f, `"client_email"`, `"x"`) }), google.ErrSecretInvalid, "missing_field"},
		{"no key", storeKey(func(f []byte) []byte { return edit(f, `"private_key"`, `"x"`) }), google.ErrSecretInvalid, "missing_field"},
		{"cut key", storeKey(func(f []byte) []byte { return edit(f, `-----END PRIVATE KEY-----`, marker) }), google.ErrSecretInvalid, "bad_private_key"},
		{"damaged key", storeKey(func(f []byte) []byte {
			return edit(f, `-----BEGIN PRIVATE KEY-----\nMII`, `-----BEGIN PRIVATE KEY-----\nMIX`)
		}), google.ErrSecretInvalid, "bad_private_key"},
		{"foreign token_uri", func(w *world) {
			w.secrets.AddVersion(keySecret, w.tokens.KeyFile(token.KeyOptions{TokenURI: "https://" + marker + ".example.com/token", PrivateKey: firstKey()}))
		}, google.ErrSecretInvalid, "bad_token_uri"},
		{"deleted key", func(w *world) { w.tokens.RevokeAll() }, google.ErrSecretInvalid, "invalid_grant"},
		{"client rejected", func(w *world) { w.tokens.Fail(401, -1) }, google.ErrSecretInvalid, "internal_failure"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := loopback(t)
			w.store()
			tt.change(w)
			d := w.open(t, w.config(), agent.Options{})
			_, token, err := send(t.Context(), d)
			e := wantSecretError(t, err, tt.is, tt.reason)
			if token != "" {
				t.Errorf("Token = %q beside an error", token)
			}
			if e.Resource != idSecret+"/versions/latest" && e.Resource != keySecret+"/versions/latest" {
				t.Errorf("resource %q, want the name of the secret", e.Resource)
			}
			for _, secret := range []string{marker, "MII", "BEGIN", "ya29"} {
				if text := err.Error() + w.logged(); strings.Contains(text, secret) {
					t.Errorf("error or log contains %q: %s", secret, text)
				}
			}
		})
	}
}

// Without an override, keys are sent to Google's token endpoint only.
func TestSecretError_tokenURI(t *testing.T) {
	t.Parallel()
	w := loopback(t)
	for _, uri := range []string{
		w.url + "/token", "http://oauth2.googleapis.com/token", "https://oauth2.googleapis.com/token/../x",
		"https://oauth2.googleapis.com.example.com/token", "https://oauth2.googleapis.com@example.com/token", "file:///token", "/token",
	} {
		key := w.tokens.KeyFile(token.KeyOptions{TokenURI: uri, PrivateKey: firstKey()})
		d := w.open(t, config.Config{
			Agents: map[string]config.Agent{"default": {ID: "brand_agent", Credentials: config.Secret(key)}},
		}, agent.Options{})
		_, _, err := send(t.Context(), d)
		wantSecretError(t, err, google.ErrSecretInvalid, "bad_token_uri")
	}
	if got := w.tokens.Requests(); got != 0 {
		t.Errorf("%d token requests, want none", got)
	}
}
