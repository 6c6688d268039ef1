package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

// maxEngine is the largest size of the compressed engine, in bytes.
const maxEngine = 4_000_000

// TestBuildEngine tests the size of the engine, and that it is not linked with TLS: its
// transports are handlers in the same process. It runs with the tests in a browser, because
// it compiles the standard library again.
func TestBuildEngine(t *testing.T) {
	t.Parallel()
	if os.Getenv("RCSHOOKTEST_BROWSER") == "" {
		t.Skip("RCSHOOKTEST_BROWSER is not set")
	}
	engine, err := buildEngine()
	if err != nil {
		t.Fatal(err)
	}
	compressed, err := compress(engine)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d bytes, compressed %d", len(engine), len(compressed))
	if len(compressed) > maxEngine {
		t.Errorf("the compressed engine has %d bytes, want at most %d", len(compressed), maxEngine)
	}
	for name, want := range map[string]bool{
		"net/http.(*ServeMux).ServeHTTP":     true, // the names of functions are in the engine
		"net/http.(*Transport).RoundTrip":    false,
		"crypto/tls.(*Conn).clientHandshake": false,
		"crypto/x509.ParsePKIXPublicKey":     false,
		"crypto/rsa.VerifyPKCS1v15":          false,
	} {
		if got := bytes.Contains(engine, []byte(name)); got != want {
			t.Errorf("the engine contains %s: %t, want %t", name, got, want)
		}
	}
}

// TestSmallerNumbers runs the tests of phone numbers with the library of the engine.
func TestSmallerNumbers(t *testing.T) {
	t.Parallel()
	if os.Getenv("RCSHOOKTEST_BROWSER") == "" {
		t.Skip("RCSHOOKTEST_BROWSER is not set")
	}
	modfile, err := smallerNumbers(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if out, err := run(nil, "test", "-modfile", modfile, "github.com/rcshook/rcshook/internal/phonenumber"); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestSmallerNumbers_workspace prepares the modules in a workspace, and lists a package with them.
func TestSmallerNumbers_workspace(t *testing.T) {
	root, err := moduleRoot()
	if err != nil {
		t.Fatal(err)
	}
	work := filepath.Join(t.TempDir(), "go.work")
	if err := os.WriteFile(work, []byte("go 1.26\n\nuse "+strconv.Quote(root)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("GOWORK", work)
	modfile, err := smallerNumbers(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := run(nil, "list", "-modfile", modfile, "-deps", "github.com/rcshook/rcshook/internal/phonenumber"); err != nil {
		t.Error(err)
	}
}
