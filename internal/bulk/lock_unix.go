//go:build unix && !solaris && !aix

package bulk

import (
	"os"
	"syscall"
)

// lock reports whether no other process writes the file. The system lets go of it
// when the process ends, however it does.
func lock(f *os.File) bool {
	return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != syscall.EWOULDBLOCK //nolint:errorlint // an errno; file systems without locks do without
}
