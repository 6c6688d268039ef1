package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// engineFile is the compressed engine. Browsers decompress it, so that hosts need not.
const engineFile = "playground/engine.wasm.gz"

const enginePackage = "github.com/rcshook/rcshook/internal/playground/engine"

// addEngine compiles the engine and writes it compressed.
func (s *site) addEngine() error {
	engine, err := buildEngine()
	if err != nil {
		return err
	}
	compressed, err := compress(engine)
	if err != nil {
		return err
	}
	s.engine = int64(len(compressed))
	return s.write(engineFile, compressed)
}

// buildEngine compiles the engine. The tag leaves out packages that it does not need, and
// without inlining it is smaller.
func buildEngine() ([]byte, error) {
	dir, err := os.MkdirTemp("", "playground")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	modules, err := smallerNumbers(dir)
	if err != nil {
		return nil, fmt.Errorf("prepare the modules of the engine: %w", err)
	}
	file := filepath.Join(dir, "engine.wasm")
	_, err = run([]string{"GOOS=js", "GOARCH=wasm"}, "build", "-modfile", modules, "-trimpath", "-tags", "playground",
		"-ldflags", "-s -w", "-gcflags", "all=-l", "-o", file, enginePackage)
	if err != nil {
		return nil, fmt.Errorf("build the engine: %w", err)
	}
	return os.ReadFile(file)
}

// run runs the go command without a workspace, which allows no -modfile, and returns its output.
func run(environ []string, args ...string) (string, error) {
	cmd := exec.Command("go", args...)
	cmd.Env = append(append(os.Environ(), "GOWORK=off"), environ...)
	var failure bytes.Buffer
	cmd.Stderr = &failure
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("go %s: %w\n%s", args[0], err, &failure)
	}
	return strings.TrimSpace(string(out)), nil
}

// moduleRoot returns the folder of this repository.
func moduleRoot() (string, error) { return run(nil, "list", "-m", "-f", "{{.Dir}}") }

// compress compresses data with gzip.
func compress(data []byte) ([]byte, error) {
	var compressed bytes.Buffer
	w, err := gzip.NewWriterLevel(&compressed, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(data); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return compressed.Bytes(), nil
}
