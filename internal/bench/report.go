package main

import (
	"fmt"
	"io"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
)

// startRow is the name of the row of cold starts. With -compare they are compared with the
// start of an empty function.
const startRow = "start to first response, ms"

// targets are the targets of the function. A ratio is that to the bare program, and for the
// start that to the empty function, over TLS.
var targets = map[string]string{
	startRow:                                 "ratio at most 1.3",
	"32 at once: requests per second":        "ratio at least 0.75",
	"32 at once: CPU for 1,000 requests, ms": "ratio at most 1.5",
	"memory after 1000 requests, MB":         "at most 40",
	"256 at once: memory, MB":                "at most 64",
	"memory after 100000 requests, MB":       "at most 64",
	slowRow:                                  "at most 1000",
}

// peerTargets are the targets of the function beside that for Node.
var peerTargets = map[string]string{"32 at once: CPU for 1,000 requests, ms": "ratio at most 0.15"}

// A report has all measurements. A value of 0 is unknown.
type report struct {
	options
	names  []string                // of the rows, in the order of their first measurement
	values map[string][2][]float64 // of the function, and of the program beside it
}

// add adds a measurement of the function (column 0) or of the program beside it (1).
func (r *report) add(name string, column int, value float64) {
	values, found := r.values[name]
	if !found {
		r.names = append(r.names, name)
	}
	values[column] = append(values[column], value)
	r.values[name] = values
}

// write writes the report as text or as Markdown.
func (r *report) write(w io.Writer, markdown bool) error {
	protocol := "HTTP/2 over TLS"
	if r.plain {
		protocol = "plain HTTP"
	}
	conditions := fmt.Sprintf(`%s/%s, %s, %d CPUs. A measured process uses one of them (GOMAXPROCS=1). The platform
is on loopback, reached by %s, and responds at once. Values are medians of %d rounds of %v, in
turns; a ratio is the median of the ratios of all rounds. All requests were accepted.
`, runtime.GOOS, runtime.GOARCH, runtime.Version(), runtime.NumCPU(), protocol, r.rounds, r.duration)
	var out strings.Builder
	if markdown {
		for i, line := range r.table() {
			fmt.Fprintf(&out, "| %s |\n", strings.Join(line, " | "))
			if i == 0 {
				fmt.Fprintf(&out, "| ---%s | --- |\n", strings.Repeat(" | ---:", len(line)-2))
			}
		}
		out.WriteString("\n" + conditions)
	} else {
		out.WriteString(conditions + "\n")
		t := tabwriter.NewWriter(&out, 0, 0, 3, ' ', 0)
		for _, line := range r.table() {
			fmt.Fprintln(t, strings.Join(line, "\t"))
		}
		t.Flush()
	}
	_, err := io.WriteString(w, out.String())
	return err
}

// table returns the rows as text, after a header.
func (r *report) table() [][]string {
	header := []string{"", "function"}
	switch {
	case r.against != "":
		header = append(header, "other build", "ratio")
	case r.compare:
		header = append(header, bare, "ratio")
	case r.peers:
		header = append(header, node, "ratio")
	case r.jobs:
		header = []string{"", "request", "message", "ratio"}
	}
	lines := [][]string{append(header, "target")}
	for _, name := range r.names {
		values := r.values[name]
		line := []string{name, format(median(values[0]), 1)}
		if len(header) > 2 {
			line = append(line, format(median(values[1]), 1), format(medianRatio(values[0], values[1]), 2))
			if name == startRow && r.compare {
				line[0] += " (beside: " + empty + ")"
			}
		}
		target := targets[name]
		switch {
		case r.peers:
			target = peerTargets[name]
		case strings.HasPrefix(target, "ratio") && !r.compare:
			target = ""
		}
		lines = append(lines, append(line, target))
	}
	return lines
}

func format(value float64, digits int) string {
	switch {
	case value == 0:
		return "unknown"
	case value >= 100:
		digits = 0
	}
	return strconv.FormatFloat(value, 'f', digits, 64)
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

// medianRatio returns the median of the quotients of values that were measured one after
// the other, which cancels disturbances of both. It is 0 if there are none.
func medianRatio(values, by []float64) float64 {
	var all []float64
	for i := range min(len(values), len(by)) {
		if by[i] != 0 {
			all = append(all, values[i]/by[i])
		}
	}
	return median(all)
}
