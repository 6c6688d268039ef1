package main

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/typo"
)

// casesOf is the folder with the cases of a source, in the file that lies in dir.
func casesOf(dir, name string, s config.Source) string {
	folder := cmp.Or(s.Cases, filepath.Join("cases", name))
	if filepath.IsAbs(folder) {
		return filepath.Clean(folder)
	}
	return filepath.Join(dir, folder)
}

// strays lists what lies in the folder cases beside the file and is nobody's: a case
// that is never run looks like one that is well. The cases of another file in that
// folder, such as that of a second deployment, are run with it.
func strays(dir string, sources map[string]config.Source) (faults []string) {
	cases := filepath.Join(dir, "cases")
	names := slices.Sorted(maps.Keys(sources))
	entries, _ := os.ReadDir(cases) // there need not be one
	var owned []string
	if len(entries) > 0 {
		owned = append(foldersOf(dir, sources), neighbours(dir)...)
	}
	for _, e := range entries {
		path := filepath.Join(cases, e.Name())
		inside := path + string(filepath.Separator)
		if slices.ContainsFunc(owned, func(o string) bool { return strings.HasPrefix(inside, o) || strings.HasPrefix(o, inside) }) {
			continue
		}
		switch near := typo.Nearest(e.Name(), names, 3); {
		case !e.IsDir() && (strings.HasSuffix(path, ".json") || strings.HasSuffix(path, ".http")):
			faults = append(faults, fmt.Sprintf("%s belongs to no source: it goes into %s", path, filepath.Join(cases, "SOURCE", e.Name())))
		case !e.IsDir():
		case near != "":
			faults = append(faults, fmt.Sprintf("%s belongs to no source; did you mean %s?", path, near))
		default:
			faults = append(faults, path+" belongs to no source")
		}
	}
	return faults
}

// foldersOf lists the folders with the cases of sources, each with a separator at its end.
func foldersOf(dir string, sources map[string]config.Source) (folders []string) {
	for name, s := range sources {
		folders = append(folders, casesOf(dir, name, s)+string(filepath.Separator))
	}
	return folders
}

// neighbours lists the folders with the cases of all files in dir, as far as they can be
// read: what is wrong with another file is told when that is checked.
func neighbours(dir string) (folders []string) {
	files, _ := os.ReadDir(dir)
	for _, f := range files {
		if kind := filepath.Ext(f.Name()); f.IsDir() || kind != ".yaml" && kind != ".yml" {
			continue
		}
		if data, err := os.ReadFile(filepath.Join(dir, f.Name())); err == nil {
			file, _ := config.ParseFile(f.Name(), data)
			folders = append(folders, foldersOf(dir, file.Sources)...)
		}
	}
	return folders
}
