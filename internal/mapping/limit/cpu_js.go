package limit

import "time"

var start = time.Now()

// cpuTime returns half of the time since the program started. A browser cannot tell the time on
// a processor, which the page shares with others.
func cpuTime() time.Duration { return time.Since(start) / 2 }
