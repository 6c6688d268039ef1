//go:build !unix || solaris || aix

package bulk

import "os"

// lock lets everybody write: what was written meanwhile shows in the size.
func lock(*os.File) bool { return true }
