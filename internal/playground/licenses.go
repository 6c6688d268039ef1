package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// writeLicenses writes the licenses and notices of Go and of the modules in the engine, which they
// require.
func writeLicenses(file string) error {
	version, err := run(nil, "env", "GOVERSION")
	if err != nil {
		return err
	}
	root, err := run(nil, "env", "GOROOT")
	if err != nil {
		return err
	}
	modules, err := run([]string{"GOOS=js", "GOARCH=wasm"}, "list", "-deps", "-tags", "playground",
		"-f", "{{with .Module}}{{.Path}} {{.Version}}\t{{.Dir}}{{end}}", enginePackage)
	if err != nil {
		return err
	}
	all := append(strings.Split(modules, "\n"), "Go "+version+"\t"+root)
	slices.Sort(all)
	text := bytes.NewBufferString("The engine of the playground contains parts of Go and of the modules below. The program in\n" +
		repository + "tree/main/internal/playground changes phonenumbers.\n")
	for _, module := range slices.Compact(all) {
		name, dir, _ := strings.Cut(module, "\t")
		found := false
		for _, pattern := range []string{"LICEN[CS]E*", "NOTICE*"} {
			files, err := filepath.Glob(filepath.Join(dir, pattern))
			if err != nil {
				return err
			}
			for _, file := range files {
				data, err := os.ReadFile(file)
				if err != nil {
					return err
				}
				fmt.Fprintf(text, "\n== %s: %s\n\n%s", name, filepath.Base(file), data)
				found = true
			}
		}
		if !found {
			return fmt.Errorf("%s has no license", name)
		}
	}
	return os.WriteFile(file, text.Bytes(), 0o644)
}
