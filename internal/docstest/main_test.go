package docstest

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// exampleTime is the time at which the examples of the documents are composed.
var exampleTime = time.Date(2026, 12, 1, 9, 0, 0, 0, time.UTC)

// TestMain runs the tests in the root folder, so that paths read like links.
func TestMain(m *testing.M) {
	if err := os.Chdir(filepath.Join("..", "..")); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}
