//go:build unix && !solaris && !aix

package bulk

import (
	"os"
	"syscall"
)

// lock reports whether no other process has locked the file. The lock ends with the
// process. A file system without locks counts as unlocked.
func lock(f *os.File) bool {
	return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != syscall.EWOULDBLOCK
}
