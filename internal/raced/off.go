//go:build !race

// Package raced is for tests that measure memory: the race detector takes several
// times as much.
package raced

// Factor is what memory may be larger by.
const Factor = 1
