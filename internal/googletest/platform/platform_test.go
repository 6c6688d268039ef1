package platform_test

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/oauth2/google"

	"github.com/rcshook/rcshook/internal/googletest/platform"
	"github.com/rcshook/rcshook/internal/googletest/tasks"
	"github.com/rcshook/rcshook/rbm"
	"github.com/rcshook/rcshook/rbm/rbmtest"
)

const (
	agent = "harborline_ferries_k3x9a1bc_agent"
	phone = "+12025550123"
)

// start serves a platform on loopback.
func start(t *testing.T, sim *rbmtest.Simulator) (p *platform.Platform, url string) {
	t.Helper()
	p = platform.New(sim)
	server := httptest.NewServer(p)
	t.Cleanup(func() {
		p.Close()
		server.Close()
	})
	return p, server.URL
}

// do sends a request with a token and returns the status and the body.
func do(t *testing.T, method, url, body, token string) (status int, response string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	if strings.Contains(url, "/computeMetadata/") {
		req.Header.Set("Metadata-Flavor", "Google")
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// equal fails the test unless got equals want.
func equal[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func TestPlatform_provision(t *testing.T) {
	t.Parallel()
	p, url := start(t, &rbmtest.Simulator{Agents: []rbmtest.AgentConfig{{ID: "first@rbm.goog"}, {ID: "second"}}})
	env := p.Provision(url + "/")
	env.Credentials = nil
	equal(t, "environment", env, platform.Environment{
		AgentID: "first", AgentIDSecret: "projects/rcshook-dev/secrets/rcs-agent-id", KeySecret: "projects/rcshook-dev/secrets/rcs-key",
		RBMEndpoint: url, SecretManagerEndpoint: url, TokenURL: url + "/token", MetadataHost: strings.TrimPrefix(url, "http://"),
	})
	// Reading a secret requires a token with the right scope.
	path := url + "/v1/" + env.AgentIDSecret + "/versions/latest:access"
	status, _ := do(t, "GET", path, "", p.Token())
	equal(t, "token for RBM", status, 403)
	status, _ = do(t, "GET", path, "", "")
	equal(t, "no token", status, 401)
	_, body := do(t, "GET", url+"/computeMetadata/v1/instance/service-accounts/default/token", "", "")
	var issued struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.Unmarshal([]byte(body), &issued); err != nil {
		t.Fatal(err)
	}
	status, _ = do(t, "GET", path, "", issued.AccessToken)
	equal(t, "token of the metadata server", status, 200)
	equal(t, "accesses", p.Secrets.Accesses(env.AgentIDSecret), 3)
}

func TestPlatform_metadataProbe(t *testing.T) {
	t.Parallel()
	p := platform.New(new(rbmtest.Simulator))
	defer p.Close()
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Metadata-Flavor", "Google")
	w := httptest.NewRecorder()
	p.ServeHTTP(w, r)
	equal(t, "flavor", w.Header().Get("Metadata-Flavor"), "Google")
}

func TestPlatform_failures(t *testing.T) {
	t.Parallel()
	p, url := start(t, new(rbmtest.Simulator))
	for method, path := range map[string]string{"secrets": "/v1/projects/p/secrets/s/versions/1:access", "metadata": "/computeMetadata/v1/project/project-id", "token": "/token"} {
		p.Fail(rbmtest.Failure{Method: method, Status: 503, Count: 1})
		if status, body := do(t, "GET", url+path, "", ""); status != 503 {
			t.Errorf("%s: %d %s, want 503", method, status, body)
		}
	}
}

func TestPlatform_admin(t *testing.T) {
	t.Parallel()
	p, url := start(t, new(rbmtest.Simulator))
	for _, tt := range []struct {
		method, path, body string
		status             int
		want               string
	}{
		{"POST", "rotate", `{}`, 400, "no key to rotate"},
		{"POST", "rotate", `{"revoke":"yes"}`, 400, "cannot unmarshal"},
		{"POST", "secrets", `{"name":"projects/p/secrets/s/versions/1","value":"x"}`, 400, "projects/*/secrets/*"},
		{"POST", "secrets", `{"name":5}`, 400, "cannot unmarshal"},
		{"POST", "secrets", `{"name":"projects/p/secrets/s","value":"` + strings.Repeat("x", 64<<10+1) + `"}`, 400, "64 KiB"},
		{"POST", "secrets", strings.Repeat(" ", 1<<20+1), 400, "too large"},
		{"POST", "secrets", `{"name":"projects/123/secrets/s","value":"v"}`, 200, `"version": "projects/123/secrets/s/versions/1"`},
		{"GET", "secrets", "", 200, `"name": "projects/123/secrets/s",
      "versions": 1,
      "accesses": 0`},
		{"PUT", "secrets", "", 405, ""},
	} {
		status, body := do(t, tt.method, url+"/_sim/"+tt.path, tt.body, "")
		if status != tt.status || !strings.Contains(body, tt.want) {
			t.Errorf("%s %s %.60s: %d %s, want %d with %q", tt.method, tt.path, tt.body, status, body, tt.status, tt.want)
		}
	}
	key := string(p.KeyFile(url))
	if status, body := do(t, "POST", url+"/_sim/rotate", `{"revoke":true}`, ""); status != 200 || string(p.KeyFile(url)) == key {
		t.Errorf("rotate: %d %s, want a new key", status, body)
	}
	r := httptest.NewRequest("GET", "http://evil.example/_sim/secrets", nil)
	w := httptest.NewRecorder()
	p.ServeHTTP(w, r)
	equal(t, "foreign host", w.Code, 403)
}

// TestPlatform_gzip sends compressed bodies to the services besides RBM.
func TestPlatform_gzip(t *testing.T) {
	t.Parallel()
	p, url := start(t, new(rbmtest.Simulator))
	queues := new(tasks.Server)
	const queue = "projects/p/locations/l/queues/q"
	queues.AddQueue(queue, tasks.Settings{})
	t.Cleanup(queues.Close)
	queueURL := listen(t, queues).URL
	for _, tt := range []struct{ url, body, want string }{
		{url + "/_sim/secrets", `{"name":"projects/123/secrets/s","value":"v"}`, `"version": "projects/123/secrets/s/versions/1"`},
		{queueURL + "/v2/" + queue + "/tasks", `{"task":{"name":"` + queue + `/tasks/1","scheduleTime":"` + time.Now().Add(time.Hour).Format(time.RFC3339) + `","httpRequest":{"url":"http://example.com/"}}}`, `"view":"BASIC"`},
		{queueURL + "/v2/" + queue + "/tasks", strings.Repeat(" ", 8<<20) + "{}", "The request is too large."},
	} {
		var body bytes.Buffer
		w := gzip.NewWriter(&body)
		if _, err := io.WriteString(w, tt.body); err != nil || w.Close() != nil {
			t.Fatal(err)
		}
		req, err := http.NewRequestWithContext(t.Context(), "POST", tt.url, &body)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Encoding", "gzip")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		response, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || !strings.Contains(string(response), tt.want) {
			t.Errorf("%s: %d %s, want %q", tt.url, resp.StatusCode, response, tt.want)
		}
	}
	equal(t, "secrets", len(p.Secrets.List()), 1)
}

// accessAs reads a secret as the official client's REST transport does.
func accessAs(t *testing.T, client *http.Client, env platform.Environment, secret string) string {
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

// TestPlatform_rotate uses Google's own OAuth library for the whole way: default
// credentials, secrets, the RBM key, a message, and a rotation.
func TestPlatform_rotate(t *testing.T) {
	t.Parallel()
	p, url := start(t, new(rbmtest.Simulator))
	env := p.Provision(url)
	adc, err := google.JWTConfigFromJSON(env.Credentials, "https://www.googleapis.com/auth/cloud-platform")
	if err != nil {
		t.Fatal(err)
	}
	secrets := adc.Client(t.Context())
	equal(t, "agent ID", accessAs(t, secrets, env, env.AgentIDSecret), env.AgentID)
	key := accessAs(t, secrets, env, env.KeySecret)
	equal(t, "key", key, string(p.KeyFile(url)))

	token := ""
	create := func(id string) int {
		t.Helper()
		status, _ := do(t, "POST", url+"/v1/phones/"+phone+"/agentMessages?agentId="+agent+"&messageId="+id, `{"contentMessage":{"text":"Boarding starts now."}}`, token)
		return status
	}
	send := func(key, id string) int {
		t.Helper()
		conf, err := google.JWTConfigFromJSON([]byte(key), rbm.Scope)
		if err != nil {
			t.Fatal(err)
		}
		issued, err := conf.TokenSource(t.Context()).Token()
		if err != nil {
			t.Fatal(err)
		}
		token = issued.AccessToken
		return create(id)
	}
	equal(t, "send", send(key, "1"), 200)

	if err := p.Rotate(true); err != nil {
		t.Fatal(err)
	}
	equal(t, "old token", create("2"), 401)
	if _, err := adc.TokenSource(t.Context()).Token(); err != nil {
		t.Errorf("rotation broke the default credentials: %v", err)
	}
	fresh := accessAs(t, secrets, env, env.KeySecret)
	if fresh == key {
		t.Error("the secret still holds the old key")
	}
	equal(t, "send with the new key", send(fresh, "2"), 200)
	conf, err := google.JWTConfigFromJSON([]byte(key), rbm.Scope)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conf.TokenSource(t.Context()).Token(); err == nil {
		t.Error("the revoked key still gets tokens")
	}

	if err := p.Rotate(false); err != nil {
		t.Fatal(err)
	}
	equal(t, "send with the previous key", send(fresh, "3"), 200)
}

// TestGoogleAuthLibrary runs Google's own libraries for Node against the platform: the
// tokens, and a client that is built from the discovery document. GOOGLE_AUTH_LIBRARY_DIR
// names the folder where "npm install google-auth-library googleapis-common" ran.
func TestGoogleAuthLibrary(t *testing.T) {
	t.Parallel()
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("NOT RUN with Node: it is not installed")
	}
	dir := os.Getenv("GOOGLE_AUTH_LIBRARY_DIR")
	if _, err := os.Stat(filepath.Join(dir, "node_modules", "googleapis-common")); dir == "" || err != nil {
		t.Skip("NOT RUN with Google's libraries for Node: run npm install google-auth-library googleapis-common and set GOOGLE_AUTH_LIBRARY_DIR to the folder")
	}
	script, err := filepath.Abs("testdata/node-client.cjs")
	if err != nil {
		t.Fatal(err)
	}
	for _, source := range []string{"metadata", "key"} {
		t.Run(source, func(t *testing.T) {
			t.Parallel()
			p, url := start(t, new(rbmtest.Simulator))
			from := source
			if source == "key" {
				from = filepath.Join(t.TempDir(), "key.json")
				if err := os.WriteFile(from, p.KeyFile(url), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			cmd := exec.CommandContext(t.Context(), node, script, from, url, agent, phone)
			cmd.Dir = dir
			cmd.Env = append(os.Environ(), "GCE_METADATA_HOST="+strings.TrimPrefix(url, "http://"))
			var stderr strings.Builder
			cmd.Stderr = &stderr
			out, err := cmd.Output()
			if err != nil {
				t.Fatalf("node: %v\n%s%s", err, out, stderr.String())
			}
			var got map[string]any
			if err := json.Unmarshal(out, &got); err != nil {
				t.Fatalf("%v in %s", err, out)
			}
			equal(t, "results of Node", got, map[string]any{
				"sent": "phones/" + phone + "/agentMessages/node-1", "features": true, "repeated": true,
				"reachable": []any{phone}, "event": "IS_TYPING", "files": []any{"files", "files"}, "revoked": 200.0,
				"unreachable": []any{404.0, "The specified phone number cannot be reached by RBM at this time."},
			})
			var states []string
			for _, m := range p.Messages() {
				states = append(states, fmt.Sprint(m.MessageID, " ", m.State))
			}
			equal(t, "messages", states, []string{"node-1 delivered", "node-3 revoked"})
		})
	}
}
