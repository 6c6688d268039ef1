package agent_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	gce "cloud.google.com/go/compute/metadata"

	"github.com/rcshook/rcshook/internal/agent"
	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/google"
	"github.com/rcshook/rcshook/internal/googletest"
	"github.com/rcshook/rcshook/internal/googletest/metadata"
	"github.com/rcshook/rcshook/internal/googletest/token"
)

// Application Default Credentials come from the environment, and the library detects the
// metadata server once per process. So each of these tests runs this binary again, as a
// child process.

// childMode is the variable that turns this binary into such a child. Its value is the
// URL of the world.
const childMode = "AGENT_TEST_CHILD"

// childReport is the output of a child.
type childReport struct {
	ID, Token, Kind, Reason, Error string
	OwnCredentials                 bool // the error is about Application Default Credentials
	OnGoogle                       bool
}

func runChild() int {
	cfg := (&world{url: os.Getenv(childMode)}).config()
	cfg.Agents["default"] = config.Agent{
		ID:          config.Secret(os.Getenv("CHILD_ID")),
		Credentials: config.Secret(os.Getenv("CHILD_CREDENTIALS")),
	}
	d := agent.New(cfg, agent.Options{})
	defer d.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()

	var report childReport
	a, token, err := send(ctx, d)
	if a != nil {
		report.ID, report.Token = a.ID, token
	}
	if err != nil {
		report.Error = err.Error()
	}
	if e, ok := errors.AsType[*google.SecretError](err); ok {
		report.Kind, report.Reason, report.OwnCredentials = e.Kind.String(), e.Reason, e.Content == google.DefaultCredentials
	}
	report.OnGoogle = gce.OnGCE()
	if err := json.NewEncoder(os.Stdout).Encode(report); err != nil {
		return 1
	}
	return 0
}

// child runs an agent in a child process with these environment variables only.
func child(t *testing.T, environ ...string) childReport {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = append([]string{"HOME=" + home, "APPDATA=" + home}, environ...)
	cmd.Stderr = t.Output()
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("child process: %v\n%s", err, out)
	}
	var report childReport
	if err := json.Unmarshal(out, &report); err != nil {
		t.Fatalf("child process: %v\n%s", err, out)
	}
	return report
}

func TestApplicationDefault(t *testing.T) {
	t.Parallel()
	const runAccount = "run@p-1"
	w := loopback(t)
	rbmKeyID := w.store()
	var platform token.Server // of the function's account
	w.secrets.Authorize = func(token string) error {
		grant, err := platform.Check(token, ownScope)
		if err == nil && grant.Email != runAccount {
			t.Errorf("secrets are read by %s, want %s", grant.Email, runAccount)
		}
		return err
	}

	machine := httptest.NewServer(&metadata.Server{Tokens: &platform, ProjectID: "p-1", Email: runAccount})
	t.Cleanup(machine.Close)
	endpoint := httptest.NewServer(&platform)
	t.Cleanup(endpoint.Close)
	dir, key := t.TempDir(), platform.KeyFile(token.KeyOptions{ClientEmail: runAccount, TokenURI: endpoint.URL})
	for name, content := range map[string][]byte{"run.json": key, "utf-16.json": toUTF16(string(key))} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}

	for name, environ := range map[string]string{
		"key file":        "GOOGLE_APPLICATION_CREDENTIALS=" + dir + "/run.json",
		"key in UTF-16":   "GOOGLE_APPLICATION_CREDENTIALS=" + dir + "/utf-16.json",
		"metadata server": "GCE_METADATA_HOST=" + strings.TrimPrefix(machine.URL, "http://"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := child(t, childMode+"="+w.url, environ, "CHILD_ID="+idSecret, "CHILD_CREDENTIALS="+keySecret)
			grant, err := w.tokens.Check(got.Token, rbmScope)
			if got.Error != "" || got.ID != "brand_agent" || err != nil || grant.KeyID != rbmKeyID {
				t.Errorf("with a credentials secret: %+v, a token of %+v, %v, want one of the key in the secret", got, grant, err)
			}
		})
		t.Run(name+" alone", func(t *testing.T) {
			t.Parallel()
			got := child(t, childMode+"="+w.url, environ, "CHILD_ID="+idSecret)
			grant, err := platform.Check(got.Token, rbmScope)
			if got.Error != "" || got.ID != "brand_agent" || err != nil || grant.Email != runAccount {
				t.Errorf("without a credentials secret: %+v, a token of %+v, %v, want one of %s for %s", got, grant, err, runAccount, rbmScope)
			}
		})
	}
}

func TestApplicationDefault_errors(t *testing.T) {
	t.Parallel()
	w := loopback(t)
	w.store()
	var platform token.Server
	endpoint := httptest.NewServer(&platform)
	t.Cleanup(endpoint.Close)
	bare := httptest.NewServer(new(metadata.Server))
	t.Cleanup(bare.Close)
	forbidding := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, marker, http.StatusForbidden)
	}))
	t.Cleanup(forbidding.Close)

	dir := t.TempDir()
	write := func(name string, data []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return "GOOGLE_APPLICATION_CREDENTIALS=" + path
	}
	host := func(url string) string { return "GCE_METADATA_HOST=" + strings.TrimPrefix(url, "http://") }
	deleted := write("deleted.json", platform.KeyFile(token.KeyOptions{TokenURI: endpoint.URL}))
	platform.RevokeAll()
	lost := write("lost.json", platform.KeyFile(token.KeyOptions{TokenURI: googletest.ClosedURL}))

	tests := []struct {
		name    string
		environ string
		secret  bool // the ID comes from a secret
		kind    string
		reason  string
	}{
		{"nothing", "X=", true, "denied", "no_adc"},
		{"nothing for RBM", "X=", false, "invalid", "no_adc"},
		{"no such file", "GOOGLE_APPLICATION_CREDENTIALS=" + dir + "/none", true, "denied", "bad_adc"},
		{"broken file", write("broken.json", []byte(`{"`+marker)), true, "denied", "bad_adc"},
		{"unknown type", write("unknown.json", []byte(`{"type": "`+marker+`"}`)), false, "invalid", "bad_adc"},
		{"deleted key", deleted, true, "denied", "invalid_grant"},
		{"deleted key for RBM", deleted, false, "invalid", "invalid_grant"},
		{"token endpoint unavailable", lost, true, "unavailable", "adc_unavailable"},
		{"token endpoint unavailable for RBM", lost, false, "", ""},
		{"machine without an account", host(bare.URL), true, "denied", "no_adc"},
		{"machine without an account for RBM", host(bare.URL), false, "invalid", "no_adc"},
		{"metadata server denies", host(forbidding.URL), true, "denied", "token_refused"},
		{"metadata server unavailable", host(googletest.ClosedURL), true, "unavailable", "adc_unavailable"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			id := "brand_agent"
			if tt.secret {
				id = idSecret
			}
			got := child(t, childMode+"="+w.url, tt.environ, "CHILD_ID="+id)
			if tt.environ == "X=" && got.OnGoogle {
				t.Skip("this machine has a metadata server of Google Cloud and therefore credentials")
			}
			if got.Kind != tt.kind || got.Reason != tt.reason || got.OwnCredentials != (tt.kind != "") || got.Token != "" {
				t.Errorf("got %+v, want %s %s of the default credentials", got, tt.kind, tt.reason)
			}
			if tt.kind == "" && !strings.HasPrefix(got.Error, google.ErrTokenUnavailable.Error()+": ") {
				t.Errorf("error %q, want ErrTokenUnavailable", got.Error)
			}
			if strings.Contains(got.Error, marker) {
				t.Errorf("error contains %q: %+v", marker, got)
			}
		})
	}
}

// The credentials of a person contain the project that is billed.
func TestApplicationDefault_quotaProject(t *testing.T) {
	t.Parallel()
	w := loopback(t)
	w.store()
	var billed atomic.Value
	front := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/v1/") {
			billed.Store(r.Header.Get("X-Goog-User-Project"))
		}
		w.handler().ServeHTTP(rw, r)
	}))
	t.Cleanup(front.Close)
	file := filepath.Join(t.TempDir(), "own.json")
	if err := os.WriteFile(file, own.KeyFile(token.KeyOptions{TokenURI: front.URL + "/own/token"}), 0o600); err != nil {
		t.Fatal(err)
	}
	got := child(t, childMode+"="+front.URL, "GOOGLE_APPLICATION_CREDENTIALS="+file, "GOOGLE_CLOUD_QUOTA_PROJECT=p-pays", "CHILD_ID="+idSecret)
	if got.ID != "brand_agent" || billed.Load() != "p-pays" {
		t.Errorf("%+v, billed to %v, want p-pays", got, billed.Load())
	}
}
