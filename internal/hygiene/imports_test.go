package hygiene

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/rcshook/rcshook/"

// common are the packages of the module that every station may import: settings, codes,
// Google's errors, signatures, mappings, and the API client. payload and compose hold
// the types that the stations exchange.
var common = []string{
	"internal/code", "internal/config", "internal/google", "internal/mapping", "internal/phonenumber", "internal/standardwebhook", "internal/trace", "internal/typo",
	"internal/charset", "internal/payload", "internal/compose", "rbm",
}

// allowed are the packages of the module that a package may import. A package that is
// not listed may import any.
var allowed = map[string][]string{
	"internal/code":            nil,
	"internal/typo":            nil,
	"internal/charset":         nil,
	"internal/trace":           nil,
	"internal/phonenumber":     nil,
	"internal/google":          nil,
	"internal/standardwebhook": nil,
	"internal/config":          {"internal/charset", "internal/phonenumber", "internal/typo", "rbm"},
	"internal/mapping":         {"internal/mapping/limit", "internal/config", "internal/phonenumber", "internal/typo"},
	"internal/payload":         {"internal/charset", "internal/phonenumber", "internal/typo", "rbm"},
	"internal/compose":         {"internal/payload", "internal/typo", "rbm"},
	"internal/source":          common,
	"internal/agent":           append([]string{"internal/google/platform"}, common...),
	"internal/queue":           common,
	"internal/events":          common,
	"internal/send":            common,
	"internal/target":          {"internal/code", "internal/config", "internal/google", "internal/mapping", "internal/phonenumber", "internal/standardwebhook", "internal/trace"},
	"internal/optout":          {"internal/code", "internal/config", "internal/google", "internal/phonenumber"},
	"internal/prepare":         append([]string{"internal/queue", "internal/send"}, common...),
	"rbm":                      {"internal/typo"},
	"rbm/rbmtest":              {"rbm", "internal/googletest", "internal/googletest/token"},
}

// importers are the only packages that may import a package.
var importers = map[string][]string{
	"internal/server":   {"", "cmd/rcshook", "internal/bench", "internal/playground/demo"},
	"internal/response": {"internal/server", "internal/client", "internal/bulk", "internal/doctor", "internal/playground/demo", "cmd/rcshook"},
}

// listed is one package, as go list describes it.
type listed struct {
	ImportPath   string
	Imports      []string
	Deps         []string
	TestGoFiles  []string
	XTestGoFiles []string
}

func list(t *testing.T, environ []string, args ...string) []listed {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", append([]string{"list", "-json"}, args...)...)
	cmd.Dir = filepath.Join("..", "..")
	cmd.Env = append(os.Environ(), environ...)
	out, err := cmd.Output()
	if err != nil {
		exit, _ := errors.AsType[*exec.ExitError](err)
		t.Fatalf("go list: %v\n%s", err, exit.Stderr)
	}
	var all []listed
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

// short returns the path of a package below the module, and whether it is in the module.
func short(path string) (string, bool) {
	if path+"/" == module {
		return "", true
	}
	return strings.CutPrefix(path, module)
}

// TestImports tests that no station of the request path imports another.
func TestImports(t *testing.T) {
	t.Parallel()
	found := map[string]bool{}
	for _, p := range list(t, nil, "./...") {
		from, _ := short(p.ImportPath)
		found[from] = true
		allow, limited := allowed[from]
		for _, path := range p.Imports {
			to, ours := short(path)
			if !ours {
				if from != "internal/playground" && strings.HasPrefix(path, "github.com/yuin/goldmark") {
					t.Errorf("%s imports %s; only the documents of internal/playground are rendered", from, path)
				}
				if from == "rbm" && strings.Contains(path, ".") && path != "github.com/google/uuid" {
					t.Errorf("rbm imports %s; it may import the standard library and google/uuid", path)
				}
				continue
			}
			if limited && !slices.Contains(allow, to) {
				t.Errorf("%s imports %s", from, to)
			}
			if only, ok := importers[to]; ok && !slices.Contains(only, from) {
				t.Errorf("%s imports %s", from, to)
			}
		}
	}
	for name := range allowed {
		if !found[name] {
			t.Errorf("%s does not exist", name)
		}
	}
}

// TestImports_wasm tests that the path from a payload to a response compiles to
// WebAssembly without Google's client libraries.
func TestImports_wasm(t *testing.T) {
	t.Parallel()
	for _, p := range list(t, []string{"GOOS=js", "GOARCH=wasm"}, "./internal/payload", "./internal/compose", "./internal/prepare", "./internal/response", "./internal/check") {
		for _, path := range p.Deps {
			if strings.HasPrefix(path, "cloud.google.com/") || strings.HasPrefix(path, "google.golang.org/api") || strings.HasPrefix(path, "google.golang.org/grpc") {
				t.Errorf("%s depends on %s", p.ImportPath, path)
			}
		}
	}
}

// TestImports_engine tests that the engine of the playground needs no client libraries of
// Google, and no packages for public keys but those of the standard library.
func TestImports_engine(t *testing.T) {
	t.Parallel()
	all := list(t, []string{"GOOS=js", "GOARCH=wasm"}, "-tags", "playground", "./internal/playground/engine")
	if len(all) != 1 || len(all[0].Deps) == 0 {
		t.Fatalf("go list returned %d packages, want the engine", len(all))
	}
	for _, path := range all[0].Deps {
		for _, unwanted := range []string{"cloud.google.com/", "google.golang.org/api", "google.golang.org/grpc", "golang.org/x/oauth2", "github.com/coreos/go-oidc", "golang.org/x/text/encoding"} {
			if strings.HasPrefix(path, unwanted) {
				t.Errorf("the engine depends on %s", path)
			}
		}
	}
}

// TestImports_root tests that the root folder has one Go file: the function build needs
// all of them to be of one package, and readers need to find it.
func TestImports_root(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join("..", "..", "*.go"))
	if err != nil || len(files) != 1 || filepath.Base(files[0]) != "function.go" {
		t.Errorf("Go files in the root: %v, %v; want function.go", files, err)
	}
}
