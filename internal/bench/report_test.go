package main

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestMedian(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		values []float64
		want   float64
	}{
		{nil, 0},
		{[]float64{3}, 3},
		{[]float64{3, 1}, 2},
		{[]float64{9, 1, 2}, 2},
		{[]float64{4, 9, 1, 2}, 3},
	} {
		if got := median(test.values); got != test.want {
			t.Errorf("median(%v) = %v, want %v", test.values, got, test.want)
		}
	}
}

func TestMedianRatio(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		values, by []float64
		want       float64
	}{
		{nil, nil, 0},
		{[]float64{3}, nil, 0},
		{[]float64{3}, []float64{0}, 0},
		{[]float64{3}, []float64{2}, 1.5},
		{[]float64{2, 40, 6}, []float64{1, 20, 2}, 2}, // the medians themselves are 6 and 2
	} {
		if got := medianRatio(test.values, test.by); got != test.want {
			t.Errorf("medianRatio(%v, %v) = %v, want %v", test.values, test.by, got, test.want)
		}
	}
}

// newSample returns a report of two rounds that is easy to compute by hand.
func newSample(o options) *report {
	o.rounds, o.duration = 2, 500*time.Millisecond
	r := &report{options: o, values: map[string][2][]float64{}}
	for _, row := range []struct {
		name             string
		function, beside []float64
	}{
		{startRow, []float64{20, 10}, []float64{10, 5}},
		{"memory after 1000 requests, MB", []float64{30}, nil},
		{"32 at once: requests per second", []float64{20000, 10000}, []float64{40000, 20000}},
		{"32 at once: CPU for 1,000 requests, ms", []float64{40, 20}, []float64{32, 16}},
		{"256 at once: memory, MB", []float64{70, 60}, []float64{35, 35}},
		{"memory after 100000 requests, MB", []float64{0}, []float64{0}},
	} {
		for _, v := range row.function {
			r.add(row.name, 0, v)
		}
		if o.compare || o.against != "" {
			for _, v := range row.beside {
				r.add(row.name, 1, v)
			}
		}
	}
	return r
}

func TestReport_write(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name     string
		options  options
		markdown bool
		want     string
	}{
		{"function alone", options{}, false, `                                         function   target
start to first response, ms              15.0
memory after 1000 requests, MB           30.0       at most 40
32 at once: requests per second          15000
32 at once: CPU for 1,000 requests, ms   30.0
256 at once: memory, MB                  65.0       at most 64
memory after 100000 requests, MB         unknown    at most 64
`},
		{"beside the bare program", options{compare: true}, true, `|  | function | bare program | ratio | target |
| --- | ---: | ---: | ---: | --- |
| start to first response, ms (beside: empty function) | 15.0 | 7.5 | 2.00 | ratio at most 1.3 |
| memory after 1000 requests, MB | 30.0 | unknown | unknown | at most 40 |
| 32 at once: requests per second | 15000 | 30000 | 0.50 | ratio at least 0.75 |
| 32 at once: CPU for 1,000 requests, ms | 30.0 | 24.0 | 1.25 | ratio at most 1.5 |
| 256 at once: memory, MB | 65.0 | 35.0 | 1.86 | at most 64 |
| memory after 100000 requests, MB | unknown | unknown | unknown | at most 64 |
`},
		{"another build", options{against: "old"}, false, `                                         function   other build   ratio     target
start to first response, ms              15.0       7.5           2.00
memory after 1000 requests, MB           30.0       unknown       unknown   at most 40
32 at once: requests per second          15000      30000         0.50
32 at once: CPU for 1,000 requests, ms   30.0       24.0          1.25
256 at once: memory, MB                  65.0       35.0          1.86      at most 64
memory after 100000 requests, MB         unknown    unknown       unknown   at most 64
`},
	} {
		var out strings.Builder
		if err := newSample(test.options).write(&out, test.markdown); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(out.String(), "medians of 2 rounds of 500ms") {
			t.Errorf("%s: the report lacks the conditions: %s", test.name, out.String())
		}
		var table strings.Builder
		for line := range strings.Lines(out.String()) {
			if strings.Contains(line, "|") || strings.Contains(line, "  ") {
				table.WriteString(strings.TrimRight(line, " \n") + "\n")
			}
		}
		if diff := cmp.Diff(test.want, table.String()); diff != "" {
			t.Errorf("%s (-want +got)\n%s", test.name, diff)
		}
	}
}
