package limit

import (
	"syscall"
	"time"
)

// cpuTime returns the time that this thread has spent on a processor.
func cpuTime() time.Duration {
	const thread = 1 // RUSAGE_THREAD
	var usage syscall.Rusage
	if err := syscall.Getrusage(thread, &usage); err != nil {
		return time.Since(start)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

var start = time.Now()
