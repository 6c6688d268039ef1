package main

import (
	_ "embed"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const (
	numbers  = "github.com/nyaruka/phonenumbers"
	protobuf = "google.golang.org/protobuf"
)

//go:embed proto/proto.go
var proto []byte

// smallerNumbers returns a copy of go.mod for the engine, in which the library for phone
// numbers has less:
//
//   - no names of places, carriers and time zones. The function does not use them, but their
//     tables, with those of all languages, are a sixth of the engine.
//   - no builder of its metadata, which needs XML.
//   - messages without reflection for protocol buffers, a tenth of the engine.
func smallerNumbers(dir string) (modfile string, err error) {
	root, err := moduleRoot()
	if err != nil {
		return "", err
	}
	original, err := run(nil, "list", "-m", "-f", "{{.Dir}}", numbers)
	if err != nil {
		return "", err
	}
	library := filepath.Join(dir, "phonenumbers")
	if err := os.CopyFS(library, os.DirFS(original)); err != nil {
		return "", err
	}
	for _, name := range []string{"geocoding.go", "carrier.go", "timezone.go", "builder.go"} {
		if err := os.Remove(filepath.Join(library, name)); err != nil {
			return "", err
		}
	}
	for _, name := range []string{"phonemetadata.pb.go", "phonenumber.pb.go"} {
		if err := plainMessages(filepath.Join(library, name)); err != nil {
			return "", err
		}
	}
	files := map[string][]byte{
		"protobuf/go.mod":         []byte("module " + protobuf + "\n\ngo 1.26\n"),
		"protobuf/proto/proto.go": proto,
	}
	for _, name := range []string{"go.mod", "go.sum"} {
		if files[name], err = os.ReadFile(filepath.Join(root, name)); err != nil {
			return "", err
		}
	}
	if err := os.MkdirAll(filepath.Join(dir, "protobuf", "proto"), 0o700); err != nil {
		return "", err
	}
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(dir, filepath.FromSlash(name)), data, 0o600); err != nil {
			return "", err
		}
	}
	modfile = filepath.Join(dir, "go.mod")
	_, err = run(nil, "mod", "edit", "-replace", numbers+"="+library, "-replace", protobuf+"="+filepath.Join(dir, "protobuf"), modfile)
	return modfile, err
}

// plainMessages rewrites a file that protoc-gen-go generated. It keeps the types, with their
// exported fields, and the methods Get and Enum.
func plainMessages(file string) error {
	positions := token.NewFileSet()
	tree, err := parser.ParseFile(positions, file, nil, 0)
	if err != nil {
		return err
	}
	tree.Imports = nil
	tree.Decls = slices.DeleteFunc(tree.Decls, func(d ast.Decl) bool {
		switch d := d.(type) {
		case *ast.FuncDecl:
			return d.Recv == nil || !strings.HasPrefix(d.Name.Name, "Get") && d.Name.Name != "Enum"
		case *ast.GenDecl:
			return d.Tok != token.TYPE && (d.Tok != token.CONST || !isExported(d))
		}
		return false
	})
	ast.Inspect(tree, func(n ast.Node) bool {
		if s, ok := n.(*ast.StructType); ok {
			s.Fields.List = slices.DeleteFunc(s.Fields.List, func(f *ast.Field) bool { return !f.Names[0].IsExported() })
		}
		return true
	})
	out, err := os.OpenFile(file, os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		return err
	}
	if err := format.Node(out, positions, tree); err != nil {
		out.Close()
		return err
	}
	return out.Close()
}

// isExported reports whether the first constant of a declaration is exported.
func isExported(d *ast.GenDecl) bool {
	return d.Specs[0].(*ast.ValueSpec).Names[0].IsExported()
}
