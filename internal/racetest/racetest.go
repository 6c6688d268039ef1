// Package racetest is for tests of one goroutine, in which the race detector finds nothing.
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

// Skip skips a long test that starts no goroutine, if the race detector watches it. Without
// it, the test is many times faster.
func Skip(t testing.TB) {
	t.Helper()
	if Enabled() {
		t.Skip("has one goroutine")
	}
}
