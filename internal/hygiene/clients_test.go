package hygiene

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
)

// followers are the HTTP clients that have no CheckRedirect of their own.
var followers = map[string]string{
	"internal/send/send.go":          "package rbm uses only its transport",
	"internal/doctor/doctor.go":      "package rbm uses only its transport",
	"internal/source/google_keys.go": "its transport returns the response of one request, without its headers",
	"internal/client/client.go":      "its transport is a handler in this process",
	"internal/bench/program.go":      "calls programs on this machine",
	"rbm/client.go":                  "uses only the transport of the default client",
}

// TestClients lists the HTTP clients of the module. Each one must refuse redirects, which
// can lead credentials and messages to another server, or be listed with a reason.
func TestClients(t *testing.T) {
	t.Parallel()
	root := filepath.Join("..", "..")
	unused := map[string]bool{}
	for file := range followers {
		unused[file] = true
	}
	clients := 0
	err := filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		name = filepath.ToSlash(name)
		files := token.NewFileSet()
		file, err := parser.ParseFile(files, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		report := func(n ast.Node, problem string) {
			clients++
			if delete(unused, name); followers[name] == "" {
				t.Errorf("%s:%d: %s", name, files.Position(n.Pos()).Line, problem)
			}
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CompositeLit:
				if isHTTP(n.Type, "Client") && !hasField(n, "CheckRedirect") {
					report(n, "an HTTP client that follows redirects: set CheckRedirect")
				} else if isHTTP(n.Type, "Client") {
					clients++
				}
			case *ast.SelectorExpr:
				for _, function := range []string{"DefaultClient", "Get", "Head", "Post", "PostForm"} {
					if isHTTP(n, function) {
						report(n, "http."+function+" follows redirects: use a client with CheckRedirect")
					}
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for file := range unused {
		t.Errorf("%s has no client that follows redirects: remove it from the list", file)
	}
	if clients < 10 {
		t.Errorf("found %d clients, want more", clients)
	}
}

// isHTTP reports whether e is http.NAME.
func isHTTP(e ast.Expr, name string) bool {
	selector, ok := e.(*ast.SelectorExpr)
	if !ok || selector.Sel.Name != name {
		return false
	}
	pkg, ok := selector.X.(*ast.Ident)
	return ok && pkg.Name == "http"
}

func hasField(literal *ast.CompositeLit, name string) bool {
	for _, e := range literal.Elts {
		if field, ok := e.(*ast.KeyValueExpr); ok {
			if key, ok := field.Key.(*ast.Ident); ok && key.Name == name {
				return true
			}
		}
	}
	return false
}
