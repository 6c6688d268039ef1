//go:build !linux && !js

package limit

import "time"

var start = time.Now()

// cpuTime returns the time since the program started, where the system cannot tell the
// time of a thread.
func cpuTime() time.Duration { return time.Since(start) }
