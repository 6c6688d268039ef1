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
	file := filepath.Join(dir, "engine.wasm")
	cmd := exec.Command("go", "build", "-trimpath", "-tags", "playground", "-ldflags", "-s -w", "-gcflags", "all=-l",
		"-o", file, "github.com/rcshook/rcshook/internal/playground/engine")
	cmd.Env = append(os.Environ(), "GOOS=js", "GOARCH=wasm")
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build the engine: %w\n%s", err, out)
	}
	return os.ReadFile(file)
}

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
