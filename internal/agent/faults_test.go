package agent_test

import (
	"strings"
	"testing"

	"github.com/rcshook/rcshook/internal/agent"
	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/rbm/rbmtest"
)

// marker stands in payloads that must not show.
const marker = "hunter2-marker"

// edit replaces in a key file.
func edit(file []byte, old, new string) []byte {
	edited := strings.ReplaceAll(string(file), old, new)
	if edited == string(file) {
		panic("nothing to replace: " + old)
	}
	return []byte(edited)
}

func TestSecretError(t *testing.T) {
	t.Parallel()
	const add = "gcloud secrets versions add key --project=p-1 --data-file=KEY.json"
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
		spoil  func(w *world) // a world in which all is well
		is     error
		reason string
		action string // in the action
	}{
		{"no secret", func(w *world) { w.secrets = rbmtest.SecretManager{} }, agent.ErrSecretNotFound, "not_found", "gcloud secrets create agent-id --project=p-1 --data-file=FILE"},
		{"denied", func(w *world) { w.secrets.Deny(keySecret) }, agent.ErrSecretDenied, "permission_denied", "gcloud secrets add-iam-policy-binding key --project=p-1 --member=serviceAccount:SERVICE_ACCOUNT --role=roles/secretmanager.secretAccessor"},
		{"token not accepted", func(w *world) { w.secrets.Authorize = func(string) error { return rbmtest.ErrTokenUnknown } }, agent.ErrSecretDenied, "unauthenticated", "gcloud auth application-default login"},
		{"scope", func(w *world) { w.secrets.Authorize = func(string) error { return rbmtest.ErrTokenScope } }, agent.ErrSecretDenied, "scope", "cloud-platform"},
		{"disabled", func(w *world) { w.secrets.Disable(keySecret + "/versions/latest") }, agent.ErrSecretInvalid, "version_disabled", "gcloud secrets versions enable 1 --secret=key --project=p-1"},
		{"destroyed", func(w *world) { w.secrets.Destroy(keySecret + "/versions/1") }, agent.ErrSecretInvalid, "version_destroyed", "gcloud secrets versions add key --project=p-1"},
		{"away", func(w *world) { w.secrets.Away(true) }, agent.ErrSecretUnavailable, "unavailable", "later"},
		{"broken", func(w *world) { w.secrets.Fail(500, -1) }, agent.ErrSecretUnavailable, "unavailable", "later"},
		{"quota", func(w *world) { w.secrets.Fail(429, -1) }, agent.ErrSecretUnavailable, "rate_limited", "quota"},
		{"damaged", func(w *world) { w.secrets.Corrupt(keySecret, true) }, agent.ErrSecretUnavailable, "checksum", "later"},

		{"empty ID", id(""), agent.ErrSecretInvalid, "empty", "printf %s AGENT_ID | gcloud secrets versions add agent-id --project=p-1 --data-file=-"},
		{"blank ID", id(" \n"), agent.ErrSecretInvalid, "empty", "AGENT_ID"},
		{"words for an ID", id(marker + " two"), agent.ErrSecretInvalid, "not_agent_id", "swapped"},
		{"key for an ID", id(`{"type": "` + marker + `"}`), agent.ErrSecretInvalid, "not_agent_id", "swapped"},

		{"empty key", payload(""), agent.ErrSecretInvalid, "empty", add},
		{"ID for a key", payload(marker), agent.ErrSecretInvalid, "not_json", "swapped"},
		{"broken JSON", payload(`{"type": "` + marker), agent.ErrSecretInvalid, "not_json", add},
		{"a list", payload(`["` + marker + `"]`), agent.ErrSecretInvalid, "not_json", add},
		{"null", payload(`null`), agent.ErrSecretInvalid, "missing_field", add},
		{"base64", payload("eyJ0eXBlIjogImh1bnRlcjItbWFya2VyIn0="), agent.ErrSecretInvalid, "not_json", add},
		{"external account", payload(`{"type": "external_account", "token_url": "https://` + marker + `"}`), agent.ErrSecretInvalid, "wrong_key_type", "Application Default Credentials"},
		{"authorized user", payload(`{"type": "authorized_user", "refresh_token": "` + marker + `"}`), agent.ErrSecretInvalid, "wrong_key_type", add},
		{"impersonated", payload(`{"type": "impersonated_service_account"}`), agent.ErrSecretInvalid, "wrong_key_type", add},
		{"other type", payload(`{"type": "` + marker + `"}`), agent.ErrSecretInvalid, "wrong_key_type", add},
		{"no type", payload(`{"client_email": "` + marker + `"}`), agent.ErrSecretInvalid, "missing_field", add},
		{"no email", storeKey(func(f []byte) []byte { return edit(f, `"client_email"`, `"x"`) }), agent.ErrSecretInvalid, "missing_field", add},
		{"no key", storeKey(func(f []byte) []byte { return edit(f, `"private_key"`, `"x"`) }), agent.ErrSecretInvalid, "missing_field", add},
		{"cut key", storeKey(func(f []byte) []byte { return edit(f, `-----END PRIVATE KEY-----`, marker) }), agent.ErrSecretInvalid, "bad_private_key", add},
		{"damaged key", storeKey(func(f []byte) []byte {
			return edit(f, `-----BEGIN PRIVATE KEY-----\nMII`, `-----BEGIN PRIVATE KEY-----\nMIX`)
		}), agent.ErrSecretInvalid, "bad_private_key", add},
		{"foreign token_uri", func(w *world) {
			w.secrets.AddVersion(keySecret, w.tokens.KeyFile(rbmtest.KeyOptions{TokenURI: "https://" + marker + ".example.com/token", PrivateKey: firstKey()}))
		}, agent.ErrSecretInvalid, "bad_token_uri", "https://oauth2.googleapis.com/token"},
		{"deleted key", func(w *world) { w.tokens.RevokeAll() }, agent.ErrSecretInvalid, "invalid_grant", "Make a new key"},
		{"client refused", func(w *world) { w.tokens.Fail(401, -1) }, agent.ErrSecretInvalid, "internal_failure", add},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := loopback(t)
			w.store()
			tt.spoil(w)
			d := w.open(t, w.config(), agent.Options{})
			_, token, err := send(t.Context(), d)
			e := wantSecretError(t, err, tt.is, tt.reason)
			if token != "" {
				t.Errorf("Token = %q beside an error", token)
			}
			if !strings.Contains(e.Action, tt.action) {
				t.Errorf("action %q, want it to have %q", e.Action, tt.action)
			}
			if e.Resource != idSecret+"/versions/latest" && e.Resource != keySecret+"/versions/latest" {
				t.Errorf("resource %q, want the name of the secret", e.Resource)
			}
			for _, secret := range []string{marker, "MII", "BEGIN", "ya29"} {
				if text := err.Error() + e.Action + w.logged(); strings.Contains(text, secret) {
					t.Errorf("error, action or log shows %q: %s", secret, text)
				}
			}
		})
	}
}

// Without an override, only Google's token endpoint is trusted, and no other
// server is asked.
func TestSecretError_tokenURI(t *testing.T) {
	t.Parallel()
	w := loopback(t)
	for _, uri := range []string{
		w.url + "/token", "http://oauth2.googleapis.com/token", "https://oauth2.googleapis.com/token/../x",
		"https://oauth2.googleapis.com.example.com/token", "https://oauth2.googleapis.com@example.com/token", "file:///token", "/token",
	} {
		key := w.tokens.KeyFile(rbmtest.KeyOptions{TokenURI: uri, PrivateKey: firstKey()})
		d := w.open(t, config.Config{
			Agents: map[string]config.Agent{"default": {ID: "brand_agent", Credentials: config.Secret(key)}},
		}, agent.Options{})
		_, _, err := send(t.Context(), d)
		wantSecretError(t, err, agent.ErrSecretInvalid, "bad_token_uri")
	}
	if got := w.tokens.Requests(); got != 0 {
		t.Errorf("%d token requests, want none", got)
	}
}
