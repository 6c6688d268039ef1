//go:build unix

package bench

import (
	"bytes"
	"os"
	"strconv"
	"syscall"
	"time"
)

// usageNow is what this process has used. Its memory is known on Linux only.
func usageNow() (u usage) {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err == nil {
		u.CPU = time.Duration(r.Utime.Nano() + r.Stime.Nano())
	}
	u.Memory = resident()
	return u
}

// resident is the resident memory of this process in bytes, or 0.
//
// Linux: https://man7.org/linux/man-pages/man5/proc_pid_statm.5.html
func resident() int64 {
	text, _ := os.ReadFile("/proc/self/statm") // on other systems there is none
	fields := bytes.Fields(text)
	if len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.ParseInt(string(fields[1]), 10, 64) // 0 if it is no number
	return pages * int64(os.Getpagesize())
}
