package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestRemoveStale(t *testing.T) {
	t.Parallel()
	parent, now := t.TempDir(), time.Now()
	for name, age := range map[string]time.Duration{"rcshook-dev-old": 25 * time.Hour, "rcshook-dev-new": time.Hour, "other-dev-old": 25 * time.Hour} {
		folder := filepath.Join(parent, name)
		if err := os.Mkdir(folder, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(folder, now, now.Add(-age)); err != nil {
			t.Fatal(err)
		}
	}
	removeStale(parent, now.Add(-24*time.Hour))
	left, err := filepath.Glob(filepath.Join(parent, "*"))
	if err != nil || len(left) != 2 || filepath.Base(left[0]) != "other-dev-old" || filepath.Base(left[1]) != "rcshook-dev-new" {
		t.Errorf("left %q, %v", left, err)
	}
}
