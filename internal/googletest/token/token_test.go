package token_test

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rcshook/rcshook/internal/googletest/token"
)

const (
	jwtBearer = "urn:ietf:params:oauth:grant-type:jwt-bearer"
	rbmScope  = "https://www.googleapis.com/auth/rcsbusinessmessaging"
)

// testKey is what a client reads out of a key file.
type testKey struct {
	Type         string `json:"type"`
	ProjectID    string `json:"project_id"`
	PrivateKeyID string `json:"private_key_id"`
	PrivateKey   string `json:"private_key"`
	ClientEmail  string `json:"client_email"`
	TokenURI     string `json:"token_uri"`
}

func parseKey(t *testing.T, file []byte) testKey {
	t.Helper()
	var key testKey
	if err := json.Unmarshal(file, &key); err != nil {
		t.Fatalf("key file is not JSON: %v", err)
	}
	return key
}

func (k testKey) private(t *testing.T) *rsa.PrivateKey {
	t.Helper()
	block, _ := pem.Decode([]byte(k.PrivateKey))
	if block == nil {
		t.Fatal("private_key is not PEM")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatalf("ParsePKCS8PrivateKey: %v", err)
	}
	return parsed.(*rsa.PrivateKey)
}

// sign makes an assertion out of any header and claims.
func sign(t *testing.T, private *rsa.PrivateKey, header, claims map[string]any, encoding *base64.Encoding) string {
	t.Helper()
	encode := func(v any) string {
		data, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return encoding.EncodeToString(data)
	}
	signed := encode(header) + "." + encode(claims)
	digest := sha256.Sum256([]byte(signed))
	signature, err := rsa.SignPKCS1v15(rand.Reader, private, crypto.SHA256, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	return signed + "." + encoding.EncodeToString(signature)
}

type tokenResponse struct {
	Status      int
	AccessToken string `json:"access_token"`
	ExpiresIn   int64  `json:"expires_in"`
	TokenType   string `json:"token_type"`
	Error       string `json:"error"`
	Description string `json:"error_description"`
}

func askToken(t *testing.T, h http.Handler, form url.Values) tokenResponse {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), "POST", "/token", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	response := tokenResponse{Status: w.Code}
	if err := json.Unmarshal(w.Body.Bytes(), &response); err != nil {
		t.Fatalf("token response is not JSON: %v: %s", err, w.Body)
	}
	return response
}

func grantForm(assertion string) url.Values {
	return url.Values{"grant_type": {jwtBearer}, "assertion": {assertion}}
}

func TestServer(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	server := &token.Server{Now: func() time.Time { return now }}
	key := parseKey(t, server.KeyFile(token.KeyOptions{TokenURI: "http://127.0.0.1:1/token"}))
	private := key.private(t)
	stranger, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}

	tests := []struct {
		name   string
		header map[string]any // changes of the good header; nil removes
		claims map[string]any // changes of the good claims; nil removes
		signer *rsa.PrivateKey
		pad    bool // base64url with padding
		form   func(url.Values)
		status int
		want   string // error code
		detail string // in the description
	}{
		{name: "good", status: 200},
		{name: "no typ", header: map[string]any{"typ": nil}, status: 200},
		{name: "sub is iss", claims: map[string]any{"sub": key.ClientEmail}, status: 200},
		{name: "a little early", claims: map[string]any{"iat": now.Unix() + 299, "exp": now.Unix() + 3600}, status: 200},
		{name: "last second", claims: map[string]any{"iat": now.Unix() - 3599, "exp": now.Unix() + 1}, status: 200},
		{name: "two scopes", claims: map[string]any{"scope": "a b"}, status: 200},
		{name: "no grant type", form: func(f url.Values) { f.Del("grant_type") }, status: 400, want: "invalid_request", detail: "grant_type"},
		{name: "other grant type", form: func(f url.Values) { f.Set("grant_type", "password") }, status: 400, want: "unsupported_grant_type", detail: "password"},
		{name: "no assertion", form: func(f url.Values) { f.Del("assertion") }, status: 400, want: "invalid_request", detail: "assertion"},
		{name: "two assertions", form: func(f url.Values) { f.Add("assertion", "x") }, status: 400, want: "invalid_request", detail: "more than once"},
		{name: "no JWT", form: func(f url.Values) { f.Set("assertion", "a.b") }, status: 400, want: "invalid_grant", detail: "Bad Request"},
		{name: "no JSON", form: func(f url.Values) { f.Set("assertion", "YQ.YQ.YQ") }, status: 400, want: "invalid_grant", detail: "Bad Request"},
		{name: "no base64", form: func(f url.Values) { f.Set("assertion", "!.!.!") }, status: 400, want: "invalid_grant", detail: "Bad Request"},
		{name: "alg none", header: map[string]any{"alg": "none"}, status: 400, want: "invalid_grant", detail: "algorithm"},
		{name: "alg HS256", header: map[string]any{"alg": "HS256"}, status: 400, want: "invalid_grant", detail: "algorithm"},
		{name: "no kid", header: map[string]any{"kid": nil}, status: 200},
		{name: "no kid, other signer", header: map[string]any{"kid": nil}, signer: stranger, status: 400, want: "invalid_grant", detail: "Signature"},
		{name: "no kid, other issuer", header: map[string]any{"kid": nil}, claims: map[string]any{"iss": "x@y"}, status: 400, want: "invalid_grant", detail: "Signature"},
		{name: "unknown kid", header: map[string]any{"kid": "x"}, status: 400, want: "invalid_grant", detail: "Signature"},
		{name: "other signer", signer: stranger, status: 400, want: "invalid_grant", detail: "Signature"},
		{name: "other issuer", claims: map[string]any{"iss": "x@y"}, status: 400, want: "invalid_grant", detail: "account not found"},
		{name: "other subject", claims: map[string]any{"sub": "x@y"}, status: 401, want: "unauthorized_client", detail: "unauthorized"},
		{name: "Google's audience", claims: map[string]any{"aud": "https://oauth2.googleapis.com/token"}, status: 200},
		{name: "an older audience", claims: map[string]any{"aud": "https://www.googleapis.com/oauth2/v4/token"}, status: 200},
		{name: "the oldest audience", claims: map[string]any{"aud": "https://accounts.google.com/o/oauth2/token"}, status: 200},
		{name: "URL of the request", claims: map[string]any{"aud": "http://example.com/token"}, status: 200},
		{name: "padded", pad: true, status: 200},
		{name: "padded, other signer", pad: true, signer: stranger, status: 400, want: "invalid_grant", detail: "Signature"},
		{name: "another path of Google's", claims: map[string]any{"aud": "https://oauth2.googleapis.com/revoke"}, status: 400, want: "invalid_grant", detail: "audience"},
		{name: "other audience", claims: map[string]any{"aud": "https://example.com/oauth"}, status: 400, want: "invalid_grant", detail: "audience"},
		{name: "too long", claims: map[string]any{"exp": now.Unix() + 3601}, status: 400, want: "invalid_grant", detail: "short-lived"},
		{name: "expired", claims: map[string]any{"iat": now.Unix() - 3600, "exp": now.Unix()}, status: 400, want: "invalid_grant", detail: "short-lived"},
		{name: "in the future", claims: map[string]any{"iat": now.Unix() + 301, "exp": now.Unix() + 3600}, status: 400, want: "invalid_grant", detail: "short-lived"},
		{name: "backwards", claims: map[string]any{"iat": now.Unix() + 10, "exp": now.Unix() + 5}, status: 400, want: "invalid_grant", detail: "short-lived"},
		{name: "no times", claims: map[string]any{"iat": nil, "exp": nil}, status: 400, want: "invalid_grant", detail: "short-lived"},
		{name: "no scope", claims: map[string]any{"scope": " "}, status: 400, want: "invalid_scope", detail: "scope"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			header := changed(map[string]any{"alg": "RS256", "typ": "JWT", "kid": key.PrivateKeyID}, tt.header)
			claims := changed(map[string]any{
				"iss": key.ClientEmail, "aud": key.TokenURI, "scope": rbmScope,
				"iat": now.Unix(), "exp": now.Unix() + 3600,
			}, tt.claims)
			signer := private
			if tt.signer != nil {
				signer = tt.signer
			}
			encoding := base64.RawURLEncoding
			if tt.pad {
				encoding = base64.URLEncoding
			}
			form := grantForm(sign(t, signer, header, claims, encoding))
			if tt.form != nil {
				tt.form(form)
			}

			got := askToken(t, server, form)
			if got.Status != tt.status || got.Error != tt.want || !strings.Contains(got.Description, tt.detail) {
				t.Fatalf("token request = %+v, want status %d, error %q, description with %q", got, tt.status, tt.want, tt.detail)
			}
			if tt.want != "" {
				return
			}
			if got.ExpiresIn != 3599 || got.TokenType != "Bearer" {
				t.Errorf("token request = %+v, want a Bearer token for 3599 s", got)
			}
			grant, err := server.Check(got.AccessToken)
			if err != nil {
				t.Fatalf("Check of a new token: %v", err)
			}
			if grant.Email != key.ClientEmail || grant.KeyID != key.PrivateKeyID {
				t.Errorf("Check = %+v, want the account and the key of the file", grant)
			}
			if want := claims["scope"]; strings.Join(grant.Scopes, " ") != want {
				t.Errorf("Check: scopes %q, want %q", grant.Scopes, want)
			}
		})
	}
}

func changed(base, changes map[string]any) map[string]any {
	for name, value := range changes {
		if value == nil {
			delete(base, name)
			continue
		}
		base[name] = value
	}
	return base
}

// goodForm is a token request that the server must grant.
func goodForm(t *testing.T, key testKey, now time.Time) url.Values {
	t.Helper()
	return grantForm(sign(t, key.private(t),
		map[string]any{"alg": "RS256", "typ": "JWT", "kid": key.PrivateKeyID},
		map[string]any{
			"iss": key.ClientEmail, "aud": key.TokenURI, "scope": rbmScope,
			"iat": now.Unix(), "exp": now.Unix() + 3600,
		}, base64.RawURLEncoding))
}

func TestServer_Check(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	server := &token.Server{
		Lifetime: 90*time.Second + 500*time.Millisecond,
		Now:      func() time.Time { return now },
	}
	bearer := server.Issue("a", "b")
	check := func(bearer string, want error, scopes ...string) {
		t.Helper()
		if _, err := server.Check(bearer, scopes...); !errors.Is(err, want) {
			t.Errorf("Check(%q) = %v, want %v", scopes, err, want)
		}
	}
	check(bearer, nil)
	check(bearer, nil, "b")
	check(bearer, nil, "c", "a")
	check(bearer, token.ErrScope, "c")
	check("", token.ErrUnknown)
	check(bearer+"x", token.ErrUnknown)

	now = now.Add(89 * time.Second)
	check(bearer, nil)
	now = now.Add(time.Second)
	check(bearer, token.ErrExpired, "a")

	bearer = server.Issue("a")
	server.RevokeTokens()
	check(bearer, token.ErrUnknown)
}

func TestServer_RevokeKey(t *testing.T) {
	t.Parallel()
	var server token.Server
	first := parseKey(t, server.KeyFile(token.KeyOptions{}))
	own, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	second := parseKey(t, server.KeyFile(token.KeyOptions{ProjectID: "p", ClientEmail: "e@p", PrivateKey: own}))
	if !second.private(t).Equal(own) {
		t.Error("the key file holds another key than it was given")
	}
	if first.PrivateKeyID == second.PrivateKeyID {
		t.Fatal("two keys have one ID")
	}
	if first.ClientEmail != "rbm@rcshook-test.iam.gserviceaccount.com" || first.TokenURI != "https://oauth2.googleapis.com/token" {
		t.Errorf("key file without options = %q at %q", first.ClientEmail, first.TokenURI)
	}
	if second.ClientEmail != "e@p" || second.ProjectID != "p" || second.Type != "service_account" {
		t.Errorf("key file = %q of %q, type %q, want what the options say", second.ClientEmail, second.ProjectID, second.Type)
	}

	before := askToken(t, &server, goodForm(t, first, time.Now()))
	server.RevokeKey(first.PrivateKeyID)
	if got := askToken(t, &server, goodForm(t, first, time.Now())); got.Error != "invalid_grant" {
		t.Errorf("with a revoked key: %+v, want invalid_grant", got)
	}
	if got := askToken(t, &server, goodForm(t, second, time.Now())); got.Status != 200 {
		t.Errorf("with the other key: %+v, want a token", got)
	}
	if _, err := server.Check(before.AccessToken); err != nil {
		t.Errorf("Check of a token of the revoked key: %v, want it to live on", err)
	}
	server.RevokeAll()
	if _, err := server.Check(before.AccessToken); !errors.Is(err, token.ErrUnknown) {
		t.Errorf("Check after RevokeAll: %v, want ErrTokenUnknown", err)
	}
	if got := askToken(t, &server, goodForm(t, second, time.Now())); got.Error != "invalid_grant" {
		t.Errorf("after RevokeAll: %+v, want invalid_grant", got)
	}
}

func TestServer_Fail(t *testing.T) {
	t.Parallel()
	var server token.Server
	key := parseKey(t, server.KeyFile(token.KeyOptions{}))
	ask := func(status int, code string) {
		t.Helper()
		if got := askToken(t, &server, goodForm(t, key, time.Now())); got.Status != status || got.Error != code {
			t.Errorf("token request = %+v, want status %d and error %q", got, status, code)
		}
	}
	server.Fail(503, 2)
	ask(503, "internal_failure")
	ask(503, "internal_failure")
	ask(200, "")
	server.Fail(400, -1)
	for range 5 {
		ask(400, "invalid_grant")
	}
	server.Fail(0, 0)
	ask(200, "")
	if got := server.Requests(); got != 9 {
		t.Errorf("Requests() = %d, want 9", got)
	}
}

func TestServer_Hang(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var server token.Server
		key := parseKey(t, server.KeyFile(token.KeyOptions{}))
		form := goodForm(t, key, time.Now())
		server.Hang(true)

		// The request of a client that disconnects ends.
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		r := httptest.NewRequestWithContext(ctx, "POST", "/token", strings.NewReader(form.Encode()))
		server.ServeHTTP(httptest.NewRecorder(), r)

		responses := make(chan tokenResponse, 3)
		for range cap(responses) {
			go func() { responses <- askToken(t, &server, form) }()
		}
		synctest.Wait()
		if got := len(responses); got != 0 {
			t.Fatalf("%d requests ended while the server hung", got)
		}
		server.Hang(false)
		for range cap(responses) {
			if got := <-responses; got.Status != 200 {
				t.Errorf("after hanging: %+v, want a token", got)
			}
		}
	})
}

func TestServer_method(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	new(token.Server).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", "/token", nil))
	if w.Code != 405 || w.Header().Get("Allow") != "POST" {
		t.Errorf("GET = %d, Allow %q, want 405 and POST", w.Code, w.Header().Get("Allow"))
	}
	w = httptest.NewRecorder()
	r := httptest.NewRequestWithContext(t.Context(), "POST", "/token", strings.NewReader("%zz"))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	new(token.Server).ServeHTTP(w, r)
	if body, _ := io.ReadAll(w.Body); w.Code != 400 || !strings.Contains(string(body), "invalid_request") {
		t.Errorf("broken form = %d %s, want 400 invalid_request", w.Code, body)
	}
}

// FuzzServer checks that only a signed assertion gets a token.
func FuzzServer(f *testing.F) {
	var server token.Server
	server.KeyFile(token.KeyOptions{})
	f.Add("grant_type=" + url.QueryEscape(jwtBearer) + "&assertion=YQ.YQ.YQ")
	f.Add("grant_type=" + url.QueryEscape(jwtBearer) + "&assertion=eyJhbGciOiJub25lIn0.e30.")
	f.Add("grant_type=password")
	f.Add("%zz")
	f.Fuzz(func(t *testing.T, body string) {
		r := httptest.NewRequestWithContext(t.Context(), "POST", "/token", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		w := httptest.NewRecorder()
		server.ServeHTTP(w, r)
		if w.Code != 400 || !json.Valid(w.Body.Bytes()) {
			t.Errorf("%q = %d %s, want a refusal", body, w.Code, w.Body)
		}
	})
}
