package main

import (
	"fmt"
	"io"
	"math"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// The targets of the function. Those of throughput and CPU apply at targetCallers.
const (
	targetCallers = 32
	minThroughput = 0.75 // of the bare program
	maxCPU        = 1.5  // times the bare program
	maxStart      = 1.5  // times an empty function with the same packages

	manyCallers   = 256
	maxMemoryWarm = 40 // MB, after warmRequests
	maxMemory     = 64 // MB, at manyCallers and at the end
)

// A report has all measurements and a summary. Zero means unknown in all of them.
type report struct {
	System   string   `json:"system"` // and the Go version
	CPUs     int      `json:"cpus"`   // of the machine; a measured process has one
	Rounds   int      `json:"rounds"`
	Requests int      `json:"requests"` // after which memory was measured
	Seconds  float64  `json:"seconds"`  // of one measurement
	Compared bool     `json:"compared"`
	Plain    bool     `json:"plain"` // messages went over plain HTTP
	Rows     []row    `json:"rows"`
	Starts   []start  `json:"starts"`
	Samples  []sample `json:"samples"`
	Memory   []memory `json:"memory"`
}

// A start is one cold start.
type start struct {
	Of           string  `json:"of"`
	Milliseconds float64 `json:"ms"` // from the start of the process to its first response
}

// A sample is one measurement under load.
type sample struct {
	Of       string  `json:"of"`
	Round    int     `json:"round"`
	Callers  int     `json:"callers"`
	Requests int     `json:"requests"`
	Rate     float64 `json:"requests_per_second"`
	P50      float64 `json:"p50_ms"`
	P99      float64 `json:"p99_ms"`
	CPU      float64 `json:"cpu_ms_per_1000"`
	Busy     float64 `json:"busy"`         // the part of one CPU
	Bytes    int64   `json:"memory_bytes"` // resident, at the end
}

// memory is the resident memory of a process after a number of requests.
type memory struct {
	Of       string `json:"of"`
	After    int    `json:"after"`    // the planned number of requests
	Requests int    `json:"requests"` // the actual number
	Bytes    int64  `json:"bytes"`
}

// A row is one or two figures of the function, beside those of another program.
type row struct {
	Name     string    `json:"name"`
	Callers  int       `json:"callers,omitempty"`
	Function []float64 `json:"function"` // medians
	With     string    `json:"with,omitempty"`
	Beside   []float64 `json:"beside,omitempty"`
	Ratio    float64   `json:"ratio,omitempty"` // the median of the ratios of all rounds
	Target   *limit    `json:"target,omitempty"`
	Digits   int       `json:"-"` // after the decimal point
}

// A limit is a target, and whether it is met.
type limit struct {
	AtLeast  float64 `json:"at_least,omitempty"`
	AtMost   float64 `json:"at_most,omitempty"`
	Absolute bool    `json:"absolute,omitempty"` // a limit of the figure, not of the ratio
	Holds    bool    `json:"holds"`
}

func newReport(o options) *report {
	return &report{
		System: fmt.Sprintf("%s/%s, %s", runtime.GOOS, runtime.GOARCH, runtime.Version()), CPUs: runtime.NumCPU(),
		Rounds: o.rounds, Requests: o.requests, Seconds: o.duration.Seconds(), Compared: o.compare, Plain: o.plain,
	}
}

// summarize makes the rows from the measurements.
func (r *report) summarize() {
	r.Rows = nil
	with := ""
	if r.Compared {
		with = bare
	}
	times := func(of string) (all []float64) {
		for _, s := range r.Starts {
			if s.Of == of {
				all = append(all, s.Milliseconds)
			}
		}
		return all
	}
	first := row{Name: "start to first response, ms", Digits: 1}
	if r.Compared {
		first.Name, first.With = "start to first response, ms (beside: empty function)", empty
	}
	r.add(first, times(function), times(empty), &limit{AtMost: maxStart})

	var callers []int
	for _, s := range r.Samples {
		if !slices.Contains(callers, s.Callers) {
			callers = append(callers, s.Callers)
		}
	}
	for _, n := range callers {
		figures := func(of string, value func(sample) float64) (all []float64) {
			for _, s := range r.Samples {
				if s.Of == of && s.Callers == n {
					all = append(all, value(s))
				}
			}
			return all
		}
		var throughput, cpuTime *limit
		if n == targetCallers && !r.Plain {
			throughput, cpuTime = &limit{AtLeast: minThroughput}, &limit{AtMost: maxCPU}
		}
		rate, cpu := func(s sample) float64 { return s.Rate }, func(s sample) float64 { return s.CPU }
		p50, p99 := func(s sample) float64 { return s.P50 }, func(s sample) float64 { return s.P99 }
		r.add(row{Callers: n, Name: "requests per second", With: with}, figures(function, rate), figures(bare, rate), throughput)
		r.Rows = append(r.Rows, row{
			Callers: n, Name: "p50 / p99 latency, ms", With: with, Digits: 2,
			Function: slices.Concat(known(figures(function, p50)), known(figures(function, p99))),
			Beside:   slices.Concat(known(figures(bare, p50)), known(figures(bare, p99))),
		})
		r.add(row{Callers: n, Name: "CPU per 1,000 requests, ms", With: with, Digits: 1}, figures(function, cpu), figures(bare, cpu), cpuTime)
	}

	after := func(of string, requests int) (all []float64) {
		for _, m := range r.Memory {
			if m.Of == of && m.After == requests {
				all = append(all, float64(m.Bytes)/1e6)
			}
		}
		return all
	}
	most := func(of string) []float64 {
		var bytes int64
		for _, s := range r.Samples {
			if s.Of == of && s.Callers == manyCallers {
				bytes = max(bytes, s.Bytes)
			}
		}
		return []float64{float64(bytes) / 1e6}
	}
	last := row{Digits: 1, With: with}
	if r.Requests > warmRequests {
		last.Name = "memory after " + number(warmRequests, 0) + " requests, MB"
		r.add(last, after(function, warmRequests), after(bare, warmRequests), &limit{AtMost: maxMemoryWarm, Absolute: true})
	}
	if slices.Contains(callers, manyCallers) {
		last.Name = fmt.Sprintf("memory with %d concurrent, MB", manyCallers)
		r.add(last, most(function), most(bare), &limit{AtMost: maxMemory, Absolute: true})
	}
	last.Name = "memory after " + number(float64(r.Requests), 0) + " requests, MB"
	r.add(last, after(function, r.Requests), after(bare, r.Requests), &limit{AtMost: maxMemory, Absolute: true})
}

// add adds a row with the figures of the same rounds. An unknown figure has no target.
func (r *report) add(w row, of, beside []float64, target *limit) {
	w.Function, w.Beside, w.Ratio = known(of), known(beside), ratio(of, beside)
	if target != nil {
		figure := w.Ratio
		if target.Absolute {
			figure = median(w.Function)
		}
		if figure != 0 {
			target.Holds = figure >= target.AtLeast && (target.AtMost == 0 || figure <= target.AtMost)
			w.Target = target
		}
	}
	r.Rows = append(r.Rows, w)
}

// known returns the median, or nil if it is unknown.
func known(values []float64) []float64 {
	if m := median(values); m != 0 {
		return []float64{m}
	}
	return nil
}

// writeText writes the report for a terminal.
func (r *report) writeText(w io.Writer) error {
	var text, table strings.Builder
	text.WriteString(r.conditions() + "\n\n")
	t := tabwriter.NewWriter(&table, 0, 0, 3, ' ', 0)
	for i, line := range r.table() {
		if i > 0 && (i == 1 || r.Rows[i-1].Callers != r.Rows[i-2].Callers) {
			fmt.Fprintln(t, strings.Repeat("\t", len(line)-1)) // all cells, or the columns would end here
		}
		fmt.Fprintln(t, strings.Join(line, "\t"))
	}
	t.Flush()
	for line := range strings.Lines(table.String()) {
		text.WriteString(strings.TrimRight(line, " \n") + "\n")
	}
	if note := r.note(); note != "" {
		text.WriteString("\n" + note + "\n")
	}
	_, err := io.WriteString(w, text.String())
	return err
}

// writeMarkdown writes the report for a document.
func (r *report) writeMarkdown(w io.Writer) error {
	var b strings.Builder
	for i, line := range r.table() {
		b.WriteString("| " + strings.Join(line, " | ") + " |\n")
		if i == 0 {
			b.WriteString("| ---" + strings.Repeat(" | ---:", len(line)-2) + " | --- |\n")
		}
	}
	b.WriteString("\n" + r.conditions() + "\n")
	if note := r.note(); note != "" {
		b.WriteString("\n" + note + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// conditions describes the machine and the method.
func (r *report) conditions() string {
	protocol := "HTTP/2 over TLS"
	if r.Plain {
		protocol = "plain HTTP"
	}
	text := fmt.Sprintf("%s, %d CPUs; a measured process uses one of them (GOMAXPROCS=1). The platform is on loopback, reached by\n"+
		"%s, and responds at once. Medians of %d rounds of %g s each", r.System, r.CPUs, protocol, r.Rounds, r.Seconds)
	if r.Compared {
		text += ", in turns; a ratio is the median of the ratios of all rounds"
	}
	return text + ". All requests were accepted."
}

// note is a warning, or empty: a process that was not busy did not limit the throughput.
func (r *report) note() string {
	var idle []string
	for _, of := range []string{function, bare} {
		var busy []float64
		for _, s := range r.Samples {
			if s.Of == of && s.Callers == targetCallers {
				busy = append(busy, s.Busy)
			}
		}
		if b := median(busy); b > 0 && b < 0.9 {
			idle = append(idle, fmt.Sprintf("the %s was busy for %.0f %% of the time", strings.Replace(of, bare, "bare program", 1), 100*b))
		}
	}
	if len(idle) == 0 {
		return ""
	}
	return fmt.Sprintf("With %d concurrent callers %s: other work of this\nmachine, such as the callers, limits the throughput. The CPU per request is the better measure.",
		targetCallers, strings.Join(idle, ", "))
}

// table returns the rows as text, after a header.
func (r *report) table() [][]string {
	lines := [][]string{{"", "function", "target"}}
	if r.Compared {
		lines[0] = []string{"", "function", "bare program", "ratio", "target"}
	}
	for _, w := range r.Rows {
		name, target := w.Name, ""
		if w.Callers > 0 {
			name = fmt.Sprintf("%d concurrent: %s", w.Callers, name)
		}
		line := []string{name, w.figures(w.Function)}
		if r.Compared {
			times := ""
			if w.Ratio != 0 {
				times = strconv.FormatFloat(w.Ratio, 'f', 2, 64)
			}
			line = append(line, w.figures(w.Beside), times)
		}
		if t := w.Target; t != nil {
			target = fmt.Sprintf("at most %g: ", t.AtMost)
			if t.AtMost == 0 {
				target = fmt.Sprintf("at least %g: ", t.AtLeast)
			}
			if t.Holds {
				target += "met"
			} else {
				target += "missed"
			}
		}
		lines = append(lines, append(line, target))
	}
	return lines
}

func (w *row) figures(values []float64) string {
	if len(values) == 0 {
		return "unknown"
	}
	var all []string
	for _, v := range values {
		all = append(all, number(v, w.Digits))
	}
	return strings.Join(all, " / ")
}

// number formats a number with a comma between thousands.
func number(v float64, digits int) string {
	text := strconv.FormatFloat(v, 'f', digits, 64)
	whole, fraction, _ := strings.Cut(text, ".")
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if fraction != "" {
		fraction = "." + fraction
	}
	return whole + fraction
}

// percentile returns the smallest sorted value that at least p percent do not exceed.
func percentile(sorted []time.Duration, p float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	rank := int(math.Ceil(p / 100 * float64(len(sorted))))
	return sorted[min(max(rank, 1), len(sorted))-1]
}

// median returns 0 without values.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	half := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[half]
	}
	return (sorted[half-1] + sorted[half]) / 2
}

// ratio returns the median of the quotients of values that were measured one after the
// other, which cancels disturbances of both. It is 0 if there are none.
func ratio(values, by []float64) float64 {
	var all []float64
	for i := range min(len(values), len(by)) {
		if by[i] != 0 {
			all = append(all, values[i]/by[i])
		}
	}
	return median(all)
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
