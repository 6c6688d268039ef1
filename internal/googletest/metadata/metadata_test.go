package metadata_test

import (
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/rcshook/rcshook/internal/googletest/metadata"
	"github.com/rcshook/rcshook/internal/googletest/token"
)

func TestServer(t *testing.T) {
	t.Parallel()
	var tokens token.Server
	full := &metadata.Server{Tokens: &tokens, ProjectID: "p-1", Email: "run@p-1"}
	bare := new(metadata.Server)
	flavor := map[string]string{"Metadata-Flavor": "Google"}
	const account = "/computeMetadata/v1/instance/service-accounts/"

	tests := []struct {
		name   string
		server *metadata.Server
		target string
		header map[string]string
		status int
		want   string
	}{
		{"root", full, "GET /", nil, 200, "computeMetadata/\n"},
		{"project", full, "GET /computeMetadata/v1/project/project-id", flavor, 200, "p-1"},
		{"universe", full, "GET /computeMetadata/v1/universe/universe-domain", flavor, 200, "googleapis.com"},
		{"email", full, "GET " + account + "default/email", flavor, 200, "run@p-1"},
		{"by email", full, "GET " + account + "run@p-1/email", flavor, 200, "run@p-1"},
		{"scopes", full, "GET " + account + "default/scopes", flavor, 200, "https://www.googleapis.com/auth/cloud-platform\n"},
		{"other account", full, "GET " + account + "x@y/email", flavor, 404, "404 page not found\n"},
		{"no header", full, "GET /computeMetadata/v1/project/project-id", nil, 403, "Missing required header Metadata-Flavor: Google, or forwarded request.\n"},
		{"forwarded", full, "GET /computeMetadata/v1/project/project-id", map[string]string{"Metadata-Flavor": "Google", "X-Forwarded-For": "1.2.3.4"}, 403, "Missing required header Metadata-Flavor: Google, or forwarded request.\n"},
		{"post", full, "POST /computeMetadata/v1/project/project-id", flavor, 405, "metadata requires GET\n"},
		{"unknown", full, "GET /computeMetadata/v1/project/nothing", flavor, 404, "404 page not found\n"},
		{"outside", full, "GET /v1/x", flavor, 404, "404 page not found\n"},
		{"bare project", bare, "GET /computeMetadata/v1/project/project-id", flavor, 200, "rcshook-test"},
		{"bare account", bare, "GET " + account + "default/token", flavor, 404, "404 page not found\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := askMetadata(t, tt.server, tt.target, tt.header)
			if got.Code != tt.status || got.Body.String() != tt.want {
				t.Errorf("%s = %d %q, want %d %q", tt.target, got.Code, got.Body, tt.status, tt.want)
			}
			if got := got.Header().Get("Metadata-Flavor"); got != "Google" {
				t.Errorf("Metadata-Flavor = %q, want Google", got)
			}
		})
	}
}

func askMetadata(t *testing.T, server *metadata.Server, target string, header map[string]string) *httptest.ResponseRecorder {
	t.Helper()
	method, target, _ := strings.Cut(target, " ")
	r := httptest.NewRequestWithContext(t.Context(), method, target, nil)
	for name, value := range header {
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	server.ServeHTTP(w, r)
	return w
}

func TestServer_token(t *testing.T) {
	t.Parallel()
	var tokens token.Server
	server := &metadata.Server{Tokens: &tokens}
	flavor := map[string]string{"Metadata-Flavor": "Google"}
	const target = "GET /computeMetadata/v1/instance/service-accounts/default/token"
	for query, want := range map[string]string{
		"":          "https://www.googleapis.com/auth/cloud-platform",
		"?scopes=a": "a",
		"?scopes=" + "https://www.googleapis.com/auth/rcsbusinessmessaging": "https://www.googleapis.com/auth/rcsbusinessmessaging",
		"?scopes=a,b": "a b",
	} {
		var response struct {
			AccessToken string `json:"access_token"`
		}
		if err := json.Unmarshal(askMetadata(t, server, target+query, flavor).Body.Bytes(), &response); err != nil {
			t.Fatalf("%s: %v", query, err)
		}
		grant, err := tokens.Check(response.AccessToken)
		if err != nil {
			t.Fatalf("Check of the token for %q: %v", query, err)
		}
		if got := strings.Join(grant.Scopes, " "); got != want || grant.Email != "rcshook-run@rcshook-test.iam.gserviceaccount.com" {
			t.Errorf("token for %q: scopes %q of %q, want %q", query, got, grant.Email, want)
		}
	}
	tokens.Fail(503, 1)
	if got := askMetadata(t, server, target, flavor); got.Code != 503 {
		t.Errorf("token in an outage = %d, want 503", got.Code)
	}
	if got := tokens.Requests(); got != 5 {
		t.Errorf("Requests() = %d, want 5", got)
	}
}
