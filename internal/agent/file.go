package agent

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/rcshook/rcshook/internal/config"
)

// sourceFolder is where the build of a function puts the files that it is
// deployed with.
const sourceFolder = "serverless_function_source_code"

// ReadFile reads rcshook.yaml, which cfg names: a file, or a secret of Secret
// Manager. Name is how faults call it.
//
// The error is a [*config.Error], or that of [Directory.Secret].
func ReadFile(ctx context.Context, cfg config.Config, opts Options) (name string, data []byte, err error) {
	if !cfg.File.IsResource() {
		name = cfg.File.Literal()
		data, err = os.ReadFile(name)
		if errors.Is(err, os.ErrNotExist) && !filepath.IsAbs(name) {
			data, err = os.ReadFile(filepath.Join(sourceFolder, name))
		}
		if err != nil {
			reason := "it cannot be read"
			if errors.Is(err, os.ErrNotExist) {
				reason = "there is no such file; if it is in the folder that was deployed, look for it in .gcloudignore"
			}
			return name, nil, &config.Error{Problems: []config.Problem{config.Position{Path: "RCSHOOK_CONFIG"}.Problemf("names a file, and %s", reason)}}
		}
		return filepath.Base(name), data, nil
	}
	// The agents are in the file, so this directory knows none yet.
	directory := New(cfg, opts)
	defer directory.Close()
	ctx, cancel := context.WithTimeout(ctx, config.DefaultTimeout)
	defer cancel()
	data, err = directory.Secret(ctx, cfg.File)
	if err != nil {
		return "", nil, fmt.Errorf("read rcshook.yaml: %w", err)
	}
	return cfg.File.String(), data, nil
}
