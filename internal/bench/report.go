package bench

import (
	"fmt"
	"runtime"
	"time"
)

// A Report is what was measured.
type Report struct {
	System   string   `json:"system"` // and how the Go program was built
	CPUs     int      `json:"cpus"`   // of the machine; each process that is measured has one
	Rounds   int      `json:"rounds"`
	Requests int      `json:"requests"` // after which memory was looked at
	Seconds  float64  `json:"seconds"`  // that a measurement took
	Compared bool     `json:"compared"`
	Plain    bool     `json:"plain"` // the messages went over plain HTTP
	Rows     []Row    `json:"rows"`
	Starts   []Start  `json:"starts"`
	Samples  []Sample `json:"samples"`
	Memory   []Memory `json:"memory"`
}

// A Start is one cold start.
type Start struct {
	Of           role    `json:"of"`
	Milliseconds float64 `json:"ms"` // from the start of the process to its first answer
}

// A Sample is one measurement.
type Sample struct {
	Of       role    `json:"of"`
	Round    int     `json:"round"`
	Callers  int     `json:"callers"`
	Requests int     `json:"requests"`
	Rate     float64 `json:"requests_per_second"`
	P50      float64 `json:"p50_ms"`
	P99      float64 `json:"p99_ms"`
	CPU      float64 `json:"cpu_ms_per_1000"` // 0 if it is not known
	Busy     float64 `json:"busy"`            // the part of one CPU
	Bytes    int64   `json:"memory_bytes"`    // resident, at the end; 0 if it is not known
}

func newSample(of role, callers int, res result, cpu time.Duration, memory int64) Sample {
	n := float64(max(1, len(res.latencies)))
	return Sample{
		Of:       of,
		Callers:  callers,
		Requests: len(res.latencies),
		Rate:     n / res.elapsed.Seconds(),
		P50:      milliseconds(percentile(res.latencies, 50)),
		P99:      milliseconds(percentile(res.latencies, 99)),
		CPU:      milliseconds(cpu) * 1000 / n,
		Busy:     cpu.Seconds() / res.elapsed.Seconds(),
		Bytes:    memory,
	}
}

// Memory is what a process needs after a number of requests.
type Memory struct {
	Of       role  `json:"of"`
	After    int   `json:"after"`    // requests, at least
	Requests int   `json:"requests"` // as many it was in fact
	Bytes    int64 `json:"bytes"`    // resident; 0 if it is not known
}

func newReport(o Options) *Report {
	return &Report{
		System:   fmt.Sprintf("%s/%s, %s", runtime.GOOS, runtime.GOARCH, runtime.Version()),
		CPUs:     runtime.NumCPU(),
		Rounds:   o.Rounds,
		Requests: o.Requests,
		Seconds:  o.Duration.Seconds(),
		Compared: o.Compare,
		Plain:    o.Plain,
	}
}

// A Row is one figure, or two that belong together: of the function, and of what it is
// compared with.
type Row struct {
	Name     string    `json:"name"`
	Callers  int       `json:"callers,omitempty"` // how many there were at once
	Function []float64 `json:"function"`          // medians; none if it is not known
	With     role      `json:"with,omitempty"`    // what it is compared with
	Beside   []float64 `json:"beside,omitempty"`  // the figures of that
	Ratio    float64   `json:"ratio,omitempty"`   // the median of those of the rounds
	Target   *Target   `json:"target,omitempty"`
	Digits   int       `json:"-"` // after the point
}

// A Target is a limit, and whether it holds.
type Target struct {
	AtLeast  float64 `json:"at_least,omitempty"`
	AtMost   float64 `json:"at_most,omitempty"`
	Absolute bool    `json:"absolute,omitempty"` // a limit of the figure, not of the ratio
	Holds    bool    `json:"holds"`
}
