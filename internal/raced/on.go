//go:build race

package raced

// Factor is what memory may be larger by.
const Factor = 3
