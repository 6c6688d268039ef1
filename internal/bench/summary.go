package bench

import (
	"fmt"
	"slices"
)

// The limits that the function is built for. Those of throughput and CPU hold at
// targetCallers.
const (
	targetCallers = 32
	minThroughput = 0.75 // of the bare program
	maxCPU        = 1.5  // times the bare program
	maxStart      = 1.5  // times an empty function with the same packages

	manyCallers   = 256
	maxMemoryWarm = 40 // MB, after warmRequests
	maxMemory     = 64 // MB, at manyCallers and at the end
)

// summarize makes the rows from what was measured.
func (r *Report) summarize() {
	r.Rows = nil
	r.addStarts()
	var all []int
	for _, s := range r.Samples {
		if !slices.Contains(all, s.Callers) {
			all = append(all, s.Callers)
		}
	}
	for _, callers := range all {
		r.addLoad(callers)
	}
	r.addMemory()
}

// add adds a row, with what it is to be compared with, of the same rounds.
func (r *Report) add(row Row, of, beside []float64, t *Target) {
	row.Function, row.Beside = figure(of), figure(beside)
	row.Ratio = ratio(of, beside)
	row.Target = t.judge(row)
	r.Rows = append(r.Rows, row)
}

// figure is the median of values, unless they are not known.
func figure(values []float64) []float64 {
	if m := median(values); m != 0 {
		return []float64{m}
	}
	return nil
}

// judge says whether the target holds for a row; without a figure there is no target.
func (t *Target) judge(row Row) *Target {
	if t == nil {
		return nil
	}
	figure := row.Ratio
	if t.Absolute {
		figure = median(row.Function)
	}
	if figure == 0 {
		return nil
	}
	t.Holds = figure >= t.AtLeast && (t.AtMost == 0 || figure <= t.AtMost)
	return t
}

func (r *Report) addStarts() {
	times := func(of role) (all []float64) {
		for _, s := range r.Starts {
			if s.Of == of {
				all = append(all, s.Milliseconds)
			}
		}
		return all
	}
	row := Row{Name: "start to first answer, ms", Digits: 1}
	if r.Compared {
		row.Name, row.With = "start to first answer, ms (beside: empty function)", empty
	}
	r.add(row, times(function), times(empty), &Target{AtMost: maxStart})
}

func (r *Report) addLoad(callers int) {
	figures := func(of role, value func(Sample) float64) (all []float64) {
		for _, s := range r.Samples {
			if s.Of == of && s.Callers == callers {
				all = append(all, value(s))
			}
		}
		return all
	}
	latencies := func(of role) []float64 {
		return slices.Concat(
			figure(figures(of, func(s Sample) float64 { return s.P50 })),
			figure(figures(of, func(s Sample) float64 { return s.P99 })))
	}
	rate, cpu := func(s Sample) float64 { return s.Rate }, func(s Sample) float64 { return s.CPU }
	var throughput, effort *Target
	if callers == targetCallers && !r.Plain {
		throughput, effort = &Target{AtLeast: minThroughput}, &Target{AtMost: maxCPU}
	}
	row := Row{Callers: callers, Name: "requests per second", With: r.bare()}
	r.add(row, figures(function, rate), figures(bare, rate), throughput)
	row.Name, row.Digits = "p50 / p99 latency, ms", 2
	row.Function, row.Beside = latencies(function), latencies(bare)
	r.Rows = append(r.Rows, row)
	row.Name, row.Digits = "CPU per 1,000 requests, ms", 1
	r.add(row, figures(function, cpu), figures(bare, cpu), effort)
}

// bare is whose figures stand beside those of the function.
func (r *Report) bare() role {
	if r.Compared {
		return bare
	}
	return ""
}

// addMemory adds memory as it was after so many requests, and as it was at most with the
// most callers, in units of 1,000,000 bytes.
func (r *Report) addMemory() {
	after := func(of role, requests int) (all []float64) {
		for _, m := range r.Memory {
			if m.Of == of && m.After == requests {
				all = append(all, float64(m.Bytes)/1e6)
			}
		}
		return all
	}
	most := func(of role) []float64 {
		var bytes int64
		for _, s := range r.Samples {
			if s.Of == of && s.Callers == manyCallers {
				bytes = max(bytes, s.Bytes)
			}
		}
		return []float64{float64(bytes) / 1e6}
	}
	row := Row{Digits: 1, With: r.bare()}
	if r.Requests > warmRequests {
		row.Name = "memory after " + number(float64(warmRequests), 0) + " requests, MB"
		r.add(row, after(function, warmRequests), after(bare, warmRequests), &Target{AtMost: maxMemoryWarm, Absolute: true})
	}
	if slices.ContainsFunc(r.Samples, func(s Sample) bool { return s.Callers == manyCallers }) {
		row.Name = fmt.Sprintf("memory with %d at once, MB", manyCallers)
		r.add(row, most(function), most(bare), &Target{AtMost: maxMemory, Absolute: true})
	}
	row.Name = "memory after " + number(float64(r.Requests), 0) + " requests, MB"
	r.add(row, after(function, r.Requests), after(bare, r.Requests), &Target{AtMost: maxMemory, Absolute: true})
}
