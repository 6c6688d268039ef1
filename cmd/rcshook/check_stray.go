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
// that is never run looks like one that is well.
func strays(dir string, sources map[string]config.Source) (faults []string) {
	cases := filepath.Join(dir, "cases")
	names := slices.Sorted(maps.Keys(sources))
	var owned []string
	for _, name := range names {
		owned = append(owned, casesOf(dir, name, sources[name])+string(filepath.Separator))
	}
	entries, _ := os.ReadDir(cases) // there need not be one
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
