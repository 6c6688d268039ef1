package secrets_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/rcshook/rcshook/internal/googletest/secrets"
	"github.com/rcshook/rcshook/internal/googletest/token"
)

type accessResponse struct {
	Status  int
	Name    string `json:"name"`
	Payload struct {
		Data   string `json:"data"`
		CRC32C string `json:"dataCrc32c"`
	} `json:"payload"`
	Error struct {
		Code    int    `json:"code"`
		Status  string `json:"status"`
		Message string `json:"message"`
	} `json:"error"`
}

func access(t *testing.T, m *secrets.Server, name, token string) accessResponse {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), "GET", "/v1/"+name+":access", nil)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	w := httptest.NewRecorder()
	m.ServeHTTP(w, r)
	response := accessResponse{Status: w.Code}
	if err := json.Unmarshal(w.Body.Bytes(), &response); err != nil {
		t.Fatalf("access of %s is not JSON: %v: %s", name, err, w.Body)
	}
	return response
}

func wantPayload(t *testing.T, got accessResponse, name, payload string) {
	t.Helper()
	sum := fmt.Sprint(crc32.Checksum([]byte(payload), crc32.MakeTable(crc32.Castagnoli)))
	data := base64.StdEncoding.EncodeToString([]byte(payload))
	if got.Status != 200 || got.Name != name || got.Payload.Data != data || got.Payload.CRC32C != sum {
		t.Errorf("access = %+v, want %q as %s with checksum %s", got, payload, name, sum)
	}
}

func wantRefusal(t *testing.T, got accessResponse, code int, status, message string) {
	t.Helper()
	if got.Status != code || got.Error.Code != code || got.Error.Status != status || !strings.Contains(got.Error.Message, message) {
		t.Errorf("access = %+v, want %d %s with %q", got, code, status, message)
	}
}

func TestServer(t *testing.T) {
	t.Parallel()
	var m secrets.Server
	const secret = "projects/p-1/secrets/s"
	wantRefusal(t, access(t, &m, secret+"/versions/latest", ""), 404, "NOT_FOUND", "not found or has no versions.")

	one := m.AddVersion(secret, []byte("one"))
	two := m.AddVersion(secret, []byte("two"))
	if form := regexp.MustCompile(`^projects/[0-9]{12}/secrets/s/versions/1$`); !form.MatchString(one) {
		t.Errorf("AddVersion = %q, want the form %s", one, form)
	}
	wantPayload(t, access(t, &m, secret+"/versions/latest", ""), two, "two")
	wantPayload(t, access(t, &m, secret+"/versions/1", ""), one, "one")
	wantPayload(t, access(t, &m, one, ""), one, "one")
	wantRefusal(t, access(t, &m, secret+"/versions/3", ""), 404, "NOT_FOUND", "Secret Version [")
	wantRefusal(t, access(t, &m, secret+"/versions/stable", ""), 404, "NOT_FOUND", "Secret Version [")

	m.Disable(two)
	wantRefusal(t, access(t, &m, secret+"/versions/latest", ""), 400, "FAILED_PRECONDITION", "is in DISABLED state.")
	wantPayload(t, access(t, &m, secret+"/versions/1", ""), one, "one")
	m.Enable(secret + "/versions/latest")
	wantPayload(t, access(t, &m, secret+"/versions/2", ""), two, "two")
	m.Destroy(two)
	wantRefusal(t, access(t, &m, secret+"/versions/latest", ""), 400, "FAILED_PRECONDITION", "is in DESTROYED state.")

	m.Deny(secret)
	wantRefusal(t, access(t, &m, secret+"/versions/1", ""), 403, "PERMISSION_DENIED",
		"Permission 'secretmanager.versions.access' denied for resource 'projects/p-1/secrets/s/versions/1' (or it may not exist).")
	m.Allow(secret)
	wantPayload(t, access(t, &m, secret+"/versions/1", ""), one, "one")

	m.Corrupt(secret, true)
	if got := access(t, &m, secret+"/versions/1", ""); got.Status != 200 || got.Payload.CRC32C == fmt.Sprint(crc32.Checksum([]byte("one"), crc32.MakeTable(crc32.Castagnoli))) {
		t.Errorf("corrupt access = %+v, want a wrong checksum", got)
	}
	m.Corrupt(secret, false)
	wantPayload(t, access(t, &m, secret+"/versions/1", ""), one, "one")

	if got := m.Accesses(secret); got != 14 {
		t.Errorf("Accesses = %d, want 14", got)
	}
	if got := m.Accesses("projects/p-1/secrets/other"); got != 0 {
		t.Errorf("Accesses of another secret = %d, want 0", got)
	}
	empty := m.AddVersion("projects/7/secrets/e", nil)
	if empty != "projects/7/secrets/e/versions/1" {
		t.Errorf("AddVersion = %q, want the number kept", empty)
	}
	wantPayload(t, access(t, &m, empty, ""), empty, "")
}

func TestServer_outage(t *testing.T) {
	t.Parallel()
	var m secrets.Server
	name := m.AddVersion("projects/p/secrets/s", []byte("x"))
	m.Fail(500, 1)
	wantRefusal(t, access(t, &m, name, ""), 500, "INTERNAL", "Internal error")
	wantPayload(t, access(t, &m, name, ""), name, "x")
	m.Fail(429, 1)
	wantRefusal(t, access(t, &m, name, ""), 429, "RESOURCE_EXHAUSTED", "Quota")
	m.Away(true)
	for range 3 {
		wantRefusal(t, access(t, &m, name, ""), 503, "UNAVAILABLE", "unavailable")
	}
	m.Away(false)
	wantPayload(t, access(t, &m, name, ""), name, "x")
}

func TestServer_authorize(t *testing.T) {
	t.Parallel()
	var tokens token.Server
	m := secrets.Server{Authorize: func(token string) error {
		_, err := tokens.Check(token, "cloud-platform")
		return err
	}}
	name := m.AddVersion("projects/p/secrets/s", []byte("x"))
	wantRefusal(t, access(t, &m, name, ""), 401, "UNAUTHENTICATED", "missing required authentication")
	wantRefusal(t, access(t, &m, name, "stranger"), 401, "UNAUTHENTICATED", "invalid authentication")
	wantRefusal(t, access(t, &m, name, tokens.Issue("other")), 403, "PERMISSION_DENIED", "insufficient authentication scopes")
	wantPayload(t, access(t, &m, name, tokens.Issue("cloud-platform")), name, "x")
}

func TestServer_paths(t *testing.T) {
	t.Parallel()
	var m secrets.Server
	m.AddVersion("projects/p/secrets/s", []byte("x"))
	for path, want := range map[string]int{
		"GET /v1/projects/p/secrets/s/versions/latest":          404,
		"GET /v1/projects/p/secrets/s:access":                   404,
		"GET /v2/projects/p/secrets/s/versions/1:access":        404,
		"GET /projects/p/secrets/s/versions/1:access":           404,
		"GET /v1/projects/p/x/secrets/s/versions/1:access":      404,
		"POST /v1/projects/p/secrets/s/versions/1:access":       405,
		"GET /v1/projects/p/secrets/s/versions/1:access?$alt=x": 200,
	} {
		method, target, _ := strings.Cut(path, " ")
		w := httptest.NewRecorder()
		m.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, target, nil))
		if w.Code != want {
			t.Errorf("%s = %d, want %d", path, w.Code, want)
		}
	}
}

func TestServer_misuse(t *testing.T) {
	t.Parallel()
	var m secrets.Server
	m.AddVersion("projects/p/secrets/s", []byte("x"))
	m.AddVersion("projects/p/secrets/"+strings.Repeat("s", 255), []byte("x"))
	for name, misuse := range map[string]func(){
		"AddVersion of a version":   func() { m.AddVersion("projects/p/secrets/s/versions/1", nil) },
		"AddVersion of no name":     func() { m.AddVersion("s", nil) },
		"AddVersion of a long name": func() { m.AddVersion("projects/p/secrets/"+strings.Repeat("s", 256), nil) },
		"AddVersion of too much":    func() { m.AddVersion("projects/p/secrets/s", make([]byte, 64<<10+1)) },
		"Disable of a secret":       func() { m.Disable("projects/p/secrets/s") },
		"Disable of no version":     func() { m.Disable("projects/p/secrets/s/versions/2") },
		"Enable of no such secret":  func() { m.Enable("projects/p/secrets/t/versions/1") },
	} {
		func() {
			defer func() {
				if got, _ := recover().(string); !strings.HasPrefix(got, "secrets: ") {
					t.Errorf("%s: panic %q, want the prefix secrets:", name, got)
				}
			}()
			misuse()
		}()
	}
}

func TestServer_create(t *testing.T) {
	t.Parallel()
	var m secrets.Server
	m.Deny("projects/p-1/secrets/denied")
	const create, add = "/v1/projects/p-1/secrets?secretId=s", "/v1/projects/p-1/secrets/s:addVersion"
	const automatic, payload = `{"replication": {"automatic": {}}}`, `{"payload": {"data": "b25l"}}`
	for _, step := range []struct {
		path, body string
		status     int
		want       string
	}{
		{add, payload, 404, "NOT_FOUND"},
		{create, payload, 400, "INVALID_ARGUMENT"},
		{create, automatic, 200, "/secrets/s"},
		{create, automatic, 409, "ALREADY_EXISTS"},
		{add, automatic, 400, "INVALID_ARGUMENT"},
		{add, payload, 200, "/secrets/s/versions/1"},
		{create, automatic, 409, "ALREADY_EXISTS"},
		{"/v1/projects/p-1/secrets?secretId=denied", automatic, 403, "PERMISSION_DENIED"},
		{"/v1/projects/p-1/secrets/denied:addVersion", payload, 403, "PERMISSION_DENIED"},
		{"/v1/projects/p-1/secrets", automatic, 404, ""},
		{"/v1/projects/p-1/secrets/s:destroy", "{}", 404, ""},
	} {
		w := httptest.NewRecorder()
		m.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "POST", step.path, strings.NewReader(step.body)))
		if w.Code != step.status || !strings.Contains(w.Body.String(), step.want) {
			t.Errorf("POST %s %s: %d %s, want %d with %s", step.path, step.body, w.Code, w.Body, step.status, step.want)
		}
	}
	if got := access(t, &m, "projects/p-1/secrets/s/versions/latest", ""); got.Status != 200 || got.Payload.Data != "b25l" {
		t.Errorf("access = %+v, want the payload", got)
	}
}
