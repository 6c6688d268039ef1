// Package racetest is for long tests whose concurrency, if they have any, shorter tests cover.
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
		t.Skip("it is slow with the race detector, and shorter tests cover its concurrency")
	}
}
