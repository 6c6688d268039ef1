//go:build !unix

package bench

// usageNow knows nothing on this system.
func usageNow() usage { return usage{} }
