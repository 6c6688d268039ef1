// Package racetest is for long tests in which the race detector finds nothing: of one goroutine,
// or of one large request after the other.
package racetest

import (
	"runtime/debug"
	"slices"
	"testing"
)

// Enabled reports whether the race detector watches the test.
func Enabled() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}

// Skip skips such a test if the race detector watches it. Without the detector, the test is
// many times faster.
func Skip(t testing.TB) {
	t.Helper()
	if Enabled() {
		t.Skip("nothing in it is concurrent")
	}
}
