package rbmtest_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"testing"

	"golang.org/x/oauth2/google"

	"github.com/rcshook/rcshook/rbm"
	"github.com/rcshook/rcshook/rbm/rbmtest"
)

// accessAs reads a secret as the official client's REST transport does.
func accessAs(t *testing.T, client *http.Client, env rbmtest.Environment, secret string) string {
	t.Helper()
	resp, err := client.Get(env.SecretManagerEndpoint + "/v1/" + secret + "/versions/latest:access")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var body struct{ Payload struct{ Data string } }
	if err := json.NewDecoder(resp.Body).Decode(&body); err != nil || resp.StatusCode != 200 {
		t.Fatalf("access: status %d, %v", resp.StatusCode, err)
	}
	data, err := base64.StdEncoding.DecodeString(body.Payload.Data)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// TestRehearsal walks the whole way with Google's own OAuth library: default
// credentials, secrets, the RBM key, a message, and a rotation.
func TestRehearsal(t *testing.T) {
	t.Parallel()
	g := start(t, new(rbmtest.Simulator))
	env := g.Provision(g.url)

	adc, err := google.JWTConfigFromJSON(env.Credentials, "https://www.googleapis.com/auth/cloud-platform")
	if err != nil {
		t.Fatal(err)
	}
	secrets := adc.Client(t.Context())
	equal(t, "agent ID", accessAs(t, secrets, env, env.AgentIDSecret), env.AgentID)
	key := accessAs(t, secrets, env, env.KeySecret)
	equal(t, "key", key, string(g.KeyFile(g.url)))

	send := func(key, id string) answer {
		t.Helper()
		conf, err := google.JWTConfigFromJSON([]byte(key), rbm.Scope)
		if err != nil {
			t.Fatal(err)
		}
		token, err := conf.TokenSource(t.Context()).Token()
		if err != nil {
			t.Fatal(err)
		}
		g.token = token.AccessToken
		return g.create(t, phone, id, text)
	}
	equal(t, "send", send(key, "1").status, 200)

	if err := g.Rotate(true); err != nil {
		t.Fatal(err)
	}
	equal(t, "old token", g.create(t, phone, "2", text).status, 401)
	if _, err := adc.TokenSource(t.Context()).Token(); err != nil {
		t.Errorf("rotation broke the default credentials: %v", err)
	}
	fresh := accessAs(t, secrets, env, env.KeySecret)
	if fresh == key {
		t.Error("the secret still holds the old key")
	}
	equal(t, "send with the new key", send(fresh, "2").status, 200)
	conf, err := google.JWTConfigFromJSON([]byte(key), rbm.Scope)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conf.TokenSource(t.Context()).Token(); err == nil {
		t.Error("the revoked key still gets tokens")
	}

	if err := g.Rotate(false); err != nil {
		t.Fatal(err)
	}
	equal(t, "send with the key before", send(fresh, "3").status, 200)
}
