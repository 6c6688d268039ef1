//go:build unix

package main

import (
	"bytes"
	"os"
	"strconv"
	"syscall"
	"time"
)

// resourcesNow returns the resources that this process has used. Its memory is known on
// Linux only.
//
// Linux: https://man7.org/linux/man-pages/man5/proc_pid_statm.5.html
func resourcesNow() (used resources) {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err == nil {
		used.CPU = time.Duration(r.Utime.Nano() + r.Stime.Nano())
	}
	text, _ := os.ReadFile("/proc/self/statm") // missing on other systems
	if fields := bytes.Fields(text); len(fields) > 1 {
		pages, _ := strconv.ParseInt(string(fields[1]), 10, 64) // 0 if it is not a number
		used.Memory = pages * int64(os.Getpagesize())
	}
	return used
}
