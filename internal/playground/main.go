// Command playground builds the site on which people try the function in a browser, with
// nothing installed: the phone page, and the function and the simulator as WebAssembly.
//
//	go run ./internal/playground OUT
//	go run ./internal/playground -serve 8000 OUT
//
// The site is a folder of files for any web server, and may be below a path of another site.
// -serve serves it on this machine, because browsers run no workers from files.
package main

import (
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/rcshook/rcshook/internal/phone"
	"github.com/rcshook/rcshook/internal/source"
)

func main() {
	port := flag.Int("serve", 0, "serve the site on this `PORT` of this machine")
	flag.Parse()
	if flag.NArg() != 1 {
		fmt.Fprintln(os.Stderr, "usage: go run ./internal/playground [-serve PORT] OUT")
		os.Exit(2)
	}
	out := flag.Arg(0)
	err := build(out)
	if err == nil && *port != 0 {
		address := fmt.Sprintf("127.0.0.1:%d", *port)
		fmt.Printf("http://%s/\n", address)
		err = http.ListenAndServe(address, http.FileServer(http.Dir(out)))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "playground:", err)
		os.Exit(1)
	}
}

// build writes the site into the folder out, which is new or was written before.
func build(out string) error {
	if err := clear(out); err != nil {
		return err
	}
	s := site{dir: out}
	for _, step := range []func() error{s.addPage, s.addPhone, s.addEngine, s.addRecording, s.addDocuments, s.addServiceWorker} {
		if err := step(); err != nil {
			return err
		}
	}
	files, total, err := s.files()
	if err != nil {
		return err
	}
	fmt.Printf("%s: %d files, %d bytes; the engine has %d bytes\n", out, len(files), total, s.engine)
	return nil
}

// clear removes a site that was built before. It removes no other folder.
func clear(out string) error {
	entries, err := os.ReadDir(out)
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(entries) == 0 {
		return nil
	}
	if err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(out, "playground", "worker.js")); err != nil {
		return fmt.Errorf("%s is not a folder of an earlier site; choose another, or empty it", out)
	}
	return os.RemoveAll(out)
}

//go:embed page
var pageFiles embed.FS

// A site is the folder that is built.
type site struct {
	dir    string
	engine int64 // size
}

func (s *site) write(name string, data []byte) error {
	file := filepath.Join(s.dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return os.WriteFile(file, data, 0o644)
}

// copy writes the files of a file system under the names that name returns.
func (s *site) copy(from fs.FS, name func(string) string) error {
	return fs.WalkDir(from, ".", func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(from, file)
		if err != nil {
			return err
		}
		return s.write(name(file), data)
	})
}

// policy is the Content-Security-Policy. The worker gets WebAssembly from this site, and
// scripts are made of fixed addresses only.
const policy = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' data:; " +
	"connect-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; " +
	"require-trusted-types-for 'script'; trusted-types playground"

// headers is a file for hosts that read it, such as Cloudflare Pages and Netlify.
const headers = `/*
  Content-Security-Policy: ` + policy + `; frame-ancestors 'none'
  X-Content-Type-Options: nosniff
  Referrer-Policy: no-referrer
  Cross-Origin-Opener-Policy: same-origin
  Permissions-Policy: camera=(), geolocation=(), microphone=()
`

// addPhone writes the phone page with the additions of the playground.
func (s *site) addPhone() error {
	if err := s.copy(phone.Files(), func(name string) string { return name }); err != nil {
		return err
	}
	transport, err := pageFiles.ReadFile("page/stream.js")
	if err != nil {
		return err
	}
	if err := s.write("js/stream.js", transport); err != nil {
		return err
	}
	index, err := fs.ReadFile(phone.Files(), "index.html")
	if err != nil {
		return err
	}
	text := string(index)
	for _, change := range [][2]string{
		{`<meta charset="utf-8">`, `<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="` + policy + `">
<meta name="referrer" content="no-referrer">
<meta name="description" content="Write a payload and see the RCS message that rcshook makes of it, in your browser.">`},
		{`<script type="module" src="js/app.js"></script>`, `<link rel="stylesheet" href="playground/playground.css">
<link rel="stylesheet" href="playground/maps.css">
<link rel="preload" href="playground/recorded.json" as="fetch" crossorigin>
<script type="module" src="playground/playground.js"></script>
<script type="module" src="js/app.js"></script>`},
		{"<title>rcshook phone</title>", "<title>rcshook playground</title>"},
		{`<p class="endpoint" id="endpoint"></p>`, `<p id="endpoint" hidden></p>
  <p class="about">rcshook turns webhooks into RCS messages. Try it: this page runs in your browser and sends nothing. <a href="docs/index.html">Docs</a></p>`},
		{`id="images"`, `id="images" hidden`},
		{`Without it, <a href="_sim/messages">/_sim/messages</a> lists the messages.`, `The <a href="docs/index.html">documents</a> need none.`},
	} {
		if strings.Count(text, change[0]) != 1 {
			return fmt.Errorf("index.html of the phone page: expected %q once, got %d times", change[0], strings.Count(text, change[0]))
		}
		text = strings.Replace(text, change[0], change[1], 1)
	}
	for name, data := range map[string]string{"index.html": text, "_headers": headers, ".nojekyll": ""} {
		if err := s.write(name, []byte(data)); err != nil {
			return err
		}
	}
	return nil
}

// addPage writes the files of the playground, and the support file of WebAssembly that
// belongs to the compiler.
func (s *site) addPage() error {
	own, err := fs.Sub(pageFiles, "page")
	if err != nil {
		return err
	}
	err = s.copy(own, func(name string) string {
		return "playground/" + name
	})
	if err != nil {
		return err
	}
	for _, name := range []string{"README.md", "stream.js", "sw.js"} { // for people, addPhone and addServiceWorker
		if err := os.Remove(filepath.Join(s.dir, "playground", name)); err != nil {
			return err
		}
	}
	// The engine would take long to decode the files of all presets.
	presets, err := json.Marshal(map[string]any{"groups": source.Groups, "presets": source.Describe()})
	if err != nil {
		return err
	}
	if err := s.write("playground/presets.json", presets); err != nil {
		return err
	}
	root, err := run(nil, "env", "GOROOT")
	if err != nil {
		return err
	}
	support, err := os.ReadFile(filepath.Join(root, "lib", "wasm", "wasm_exec.js"))
	if err != nil {
		return err
	}
	return s.write("playground/wasm_exec.js", support)
}

func (s *site) addDocuments() error { return writeDocuments(s.dir) }

// addServiceWorker writes the service worker with the list of all files and their hashes.
func (s *site) addServiceWorker() error {
	files, _, err := s.files()
	if err != nil {
		return err
	}
	version := sha256.New()
	var list [][2]string
	for _, name := range files {
		if path.Base(name) == "_headers" || strings.HasPrefix(name, ".") {
			continue
		}
		data, err := os.ReadFile(filepath.Join(s.dir, filepath.FromSlash(name)))
		if err != nil {
			return err
		}
		sum := sha256.Sum256(data)
		version.Write(sum[:])
		list = append(list, [2]string{name, "sha256-" + base64.StdEncoding.EncodeToString(sum[:])})
	}
	names, err := json.MarshalIndent(list, "", " ")
	if err != nil {
		return err
	}
	script, err := pageFiles.ReadFile("page/sw.js")
	if err != nil {
		return err
	}
	start := fmt.Sprintf("const version = %q;\nconst files = %s;\n\n", hex.EncodeToString(version.Sum(nil)[:8]), names)
	return s.write("sw.js", append([]byte(start), script...))
}

// files returns the files of the site, sorted, and their total size.
func (s *site) files() (names []string, total int64, err error) {
	err = fs.WalkDir(os.DirFS(s.dir), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		names, total = append(names, name), total+info.Size()
		return nil
	})
	slices.Sort(names)
	return names, total, err
}
