package platform_test

import (
	"errors"
	"hash/crc32"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	gce "cloud.google.com/go/compute/metadata"
	secretmanager "cloud.google.com/go/secretmanager/apiv1"
	"cloud.google.com/go/secretmanager/apiv1/secretmanagerpb"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/google"
	"google.golang.org/api/googleapi"
	"google.golang.org/api/option"

	"github.com/rcshook/rcshook/internal/googletest/metadata"
	"github.com/rcshook/rcshook/internal/googletest/secrets"
	"github.com/rcshook/rcshook/internal/googletest/token"
	"github.com/rcshook/rcshook/rbm"
)

// Google's own libraries against the three servers.

const cloudPlatform = "https://www.googleapis.com/auth/cloud-platform"

func listen(t *testing.T, h http.Handler) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server
}

func TestTokens_oauth2(t *testing.T) {
	t.Parallel()
	var tokens token.Server
	server := listen(t, &tokens)
	file := tokens.KeyFile(token.KeyOptions{TokenURI: server.URL})
	cfg, err := google.JWTConfigFromJSON(file, rbm.Scope)
	if err != nil {
		t.Fatalf("JWTConfigFromJSON: %v", err)
	}
	token, err := cfg.TokenSource(t.Context()).Token()
	if err != nil {
		t.Fatalf("Token: %v", err)
	}
	if !token.Valid() || token.TokenType != "Bearer" {
		t.Errorf("token of type %q until %v, want a valid Bearer token", token.TokenType, token.Expiry)
	}
	grant, err := tokens.Check(token.AccessToken, rbm.Scope)
	if err != nil || grant.Email != cfg.Email || grant.KeyID != cfg.PrivateKeyID {
		t.Errorf("Check = %+v, %v, want a grant to %s", grant, err, cfg.Email)
	}

	tokens.RevokeKey(cfg.PrivateKeyID)
	_, err = cfg.TokenSource(t.Context()).Token()
	refused := (*oauth2.RetrieveError)(nil)
	if !errors.As(err, &refused) || refused.Response.StatusCode != 400 || !strings.Contains(string(refused.Body), `"invalid_grant"`) {
		t.Errorf("Token with a revoked key: %v, want a RetrieveError with invalid_grant", err)
	}
}

func TestSecrets_officialClient(t *testing.T) {
	t.Parallel()
	var tokens token.Server
	store := secrets.Server{Authorize: func(token string) error {
		_, err := tokens.Check(token, cloudPlatform)
		return err
	}}
	server := listen(t, &store)
	tokenServer := listen(t, &tokens)
	credentials := tokens.KeyFile(token.KeyOptions{TokenURI: tokenServer.URL})
	client, err := secretmanager.NewRESTClient(t.Context(), option.WithEndpoint(server.URL),
		option.WithAuthCredentialsJSON(option.ServiceAccount, credentials))
	if err != nil {
		t.Fatalf("NewRESTClient: %v", err)
	}
	defer client.Close()
	client.CallOptions.AccessSecretVersion = nil // no retries
	read := func(name string) (*secretmanagerpb.AccessSecretVersionResponse, error) {
		return client.AccessSecretVersion(t.Context(), &secretmanagerpb.AccessSecretVersionRequest{Name: name})
	}

	const secret = "projects/p-1/secrets/s"
	version := store.AddVersion(secret, []byte("payload"))
	got, err := read(secret + "/versions/latest")
	if err != nil {
		t.Fatalf("AccessSecretVersion: %v", err)
	}
	sum := int64(crc32.Checksum([]byte("payload"), crc32.MakeTable(crc32.Castagnoli)))
	if got.GetName() != version || string(got.GetPayload().GetData()) != "payload" || got.GetPayload().GetDataCrc32C() != sum {
		t.Errorf("AccessSecretVersion = %v, want the payload of %s with checksum %d", got, version, sum)
	}

	for _, tt := range []struct {
		name    string
		arrange func()
		code    int
		status  string
	}{
		{"disabled", func() { store.Disable(version) }, 400, "FAILED_PRECONDITION"},
		{"denied", func() { store.Deny(secret) }, 403, "PERMISSION_DENIED"},
		{"away", func() { store.Away(true) }, 503, "UNAVAILABLE"},
		{"gone", func() { store = secrets.Server{Authorize: store.Authorize} }, 404, "NOT_FOUND"},
		{"unauthorised", func() { store.Authorize = func(string) error { return token.ErrExpired } }, 401, "UNAUTHENTICATED"},
	} {
		tt.arrange()
		_, err := read(secret + "/versions/latest")
		refused := (*googleapi.Error)(nil)
		if !errors.As(err, &refused) || refused.Code != tt.code || !strings.Contains(refused.Body, `"status": "`+tt.status+`"`) {
			t.Errorf("%s: %v, want %d %s", tt.name, err, tt.code, tt.status)
		}
	}
}

// The library remembers for the life of the process that it is on Google Cloud, so
// this test is the only one here that has it look.
func TestMetadata_defaultCredentials(t *testing.T) {
	var tokens token.Server
	server := listen(t, &metadata.Server{Tokens: &tokens, ProjectID: "p-1"})
	t.Setenv("GCE_METADATA_HOST", strings.TrimPrefix(server.URL, "http://"))
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", "")
	t.Setenv("HOME", t.TempDir())
	t.Setenv("APPDATA", t.TempDir())

	credentials, err := google.FindDefaultCredentials(t.Context(), rbm.Scope)
	if err != nil {
		t.Fatalf("FindDefaultCredentials: %v", err)
	}
	if credentials.ProjectID != "p-1" {
		t.Errorf("ProjectID = %q, want p-1", credentials.ProjectID)
	}
	if domain, err := credentials.GetUniverseDomain(); domain != "googleapis.com" || err != nil {
		t.Errorf("GetUniverseDomain = %q, %v, want googleapis.com", domain, err)
	}
	token, err := credentials.TokenSource.Token()
	if err != nil {
		t.Fatalf("Token: %v", err)
	}
	if grant, err := tokens.Check(token.AccessToken, rbm.Scope); err != nil || grant.Email != "rcshook-run@p-1.iam.gserviceaccount.com" {
		t.Errorf("Check = %+v, %v, want a grant to the account of the machine", grant, err)
	}
	if email, err := gce.EmailWithContext(t.Context(), ""); email != "rcshook-run@p-1.iam.gserviceaccount.com" || err != nil {
		t.Errorf("Email = %q, %v, want that of the machine", email, err)
	}
	if scopes, err := gce.ScopesWithContext(t.Context(), ""); len(scopes) != 1 || scopes[0] != cloudPlatform || err != nil {
		t.Errorf("Scopes = %q, %v, want cloud-platform", scopes, err)
	}
}

// A key file is all that a program needs which finds its credentials by itself.
func TestTokens_defaultCredentials(t *testing.T) {
	var tokens token.Server
	server := listen(t, &tokens)
	file := filepath.Join(t.TempDir(), "key.json")
	if err := os.WriteFile(file, tokens.KeyFile(token.KeyOptions{TokenURI: server.URL}), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", file)
	credentials, err := google.FindDefaultCredentials(t.Context(), rbm.Scope)
	if err != nil {
		t.Fatalf("FindDefaultCredentials: %v", err)
	}
	token, err := credentials.TokenSource.Token()
	if err != nil {
		t.Fatalf("Token: %v", err)
	}
	if _, err := tokens.Check(token.AccessToken, rbm.Scope); err != nil {
		t.Errorf("Check: %v", err)
	}
}
