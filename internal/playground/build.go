package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// engineFile is the compressed engine. Browsers decompress it, so that hosts need not.
const engineFile = "playground/engine.wasm.gz"

// addEngine compiles the engine and writes it compressed. The tag playground leaves out what
// a browser cannot use; without inlining, the engine is smaller.
func (s *site) addEngine() error {
	dir, err := os.MkdirTemp("", "playground")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "engine.wasm")
	cmd := exec.Command("go", "build", "-tags", "playground", "-trimpath", "-ldflags", "-s -w", "-gcflags", "all=-l",
		"-o", file, "github.com/rcshook/rcshook/internal/playground/engine")
	cmd.Env = append(os.Environ(), "GOOS=js", "GOARCH=wasm")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build the engine: %w\n%s", err, out)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var compressed bytes.Buffer
	w, err := gzip.NewWriterLevel(&compressed, gzip.BestCompression)
	if err != nil {
		return err
	}
	if _, err := w.Write(data); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	s.engine = int64(compressed.Len())
	return s.write(engineFile, compressed.Bytes())
}
