package main

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestPercentile(t *testing.T) {
	t.Parallel()
	hundred := make([]time.Duration, 100)
	for i := range hundred {
		hundred[i] = time.Duration(i + 1)
	}
	for _, test := range []struct {
		sorted []time.Duration
		p      float64
		want   time.Duration
	}{
		{nil, 50, 0},
		{[]time.Duration{7}, 50, 7},
		{[]time.Duration{7}, 99, 7},
		{[]time.Duration{1, 2}, 50, 1},
		{[]time.Duration{1, 2, 3}, 50, 2},
		{hundred, 50, 50},
		{hundred, 99, 99},
		{hundred, 99.5, 100},
		{hundred, 100, 100},
		{hundred, 0, 1},
	} {
		if got := percentile(test.sorted, test.p); got != test.want {
			t.Errorf("percentile(%v, %v) = %d, want %d", test.sorted, test.p, got, test.want)
		}
	}
}

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

func TestRatio(t *testing.T) {
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
		if got := ratio(test.values, test.by); got != test.want {
			t.Errorf("ratio(%v, %v) = %v, want %v", test.values, test.by, got, test.want)
		}
	}
}

// newSample returns a report of two rounds that is easy to compute by hand.
func newSample(compared bool) *report {
	r := &report{
		System: "plan9/mips, go1.26", CPUs: 2, Rounds: 2, Seconds: 0.5, Requests: 100000, Compared: compared,
		Starts: []start{{function, 20}, {function, 10}},
		Samples: []sample{
			{Of: function, Callers: 1, Rate: 1000, P50: 0.5, P99: 2, CPU: 100, Busy: 0.1},
			{Of: function, Callers: 32, Rate: 20000, P50: 1.5, P99: 4, CPU: 40, Busy: 0.75},
			{Of: function, Callers: 32, Rate: 10000, P50: 1.6, P99: 6, CPU: 20, Busy: 0.75},
			{Of: function, Callers: 256, Rate: 9000, P50: 20, P99: 40, CPU: 50, Busy: 1, Bytes: 70e6},
			{Of: function, Callers: 256, Rate: 9000, P50: 20, P99: 40, CPU: 50, Busy: 1, Bytes: 60e6},
		},
		Memory: []memory{{function, 1000, 1000, 30e6}, {function, 100000, 123456, 50e6}},
	}
	if compared {
		r.Starts = append(r.Starts, start{empty, 10}, start{empty, 5})
		r.Samples = append(r.Samples,
			sample{Of: bare, Callers: 1, Rate: 1250, P50: 0.25, P99: 1, CPU: 80, Busy: 0.1},
			sample{Of: bare, Callers: 32, Rate: 40000, P50: 1, P99: 3, CPU: 25, Busy: 0.97},
			sample{Of: bare, Callers: 32, Rate: 20000, P50: 1, P99: 3, CPU: 12.5, Busy: 0.97},
			sample{Of: bare, Callers: 256, Rate: 18000, P50: 10, P99: 20, CPU: 40, Busy: 1, Bytes: 35e6},
			sample{Of: bare, Callers: 256, Rate: 18000, P50: 10, P99: 20, CPU: 40, Busy: 1})
	}
	r.summarize()
	return r
}

func TestReport_writeText(t *testing.T) {
	t.Parallel()
	const want = `plan9/mips, go1.26, 2 CPUs; a measured process uses one of them (GOMAXPROCS=1). The platform is on loopback, reached by
HTTP/2 over TLS, and responds at once. Medians of 2 rounds of 0.5 s each. All requests were accepted.

                                             function        target

start to first response, ms                  15.0

1 concurrent: requests per second            1,000
1 concurrent: p50 / p99 latency, ms          0.50 / 2.00
1 concurrent: CPU per 1,000 requests, ms     100.0

32 concurrent: requests per second           15,000
32 concurrent: p50 / p99 latency, ms         1.55 / 5.00
32 concurrent: CPU per 1,000 requests, ms    30.0

256 concurrent: requests per second          9,000
256 concurrent: p50 / p99 latency, ms        20.00 / 40.00
256 concurrent: CPU per 1,000 requests, ms   50.0

memory after 1,000 requests, MB              30.0            at most 40: met
memory with 256 concurrent, MB               70.0            at most 64: missed
memory after 100,000 requests, MB            50.0            at most 64: met

With 32 concurrent callers the function was busy for 75 % of the time: other work of this
machine, such as the callers, limits the throughput. The CPU per request is the better measure.
`
	var got strings.Builder
	if err := newSample(false).writeText(&got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got.String()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestReport_writeMarkdown(t *testing.T) {
	t.Parallel()
	const want = `|  | function | bare program | ratio | target |
| --- | ---: | ---: | ---: | --- |
| start to first response, ms (beside: empty function) | 15.0 | 7.5 | 2.00 | at most 1.5: missed |
| 1 concurrent: requests per second | 1,000 | 1,250 | 0.80 |  |
| 1 concurrent: p50 / p99 latency, ms | 0.50 / 2.00 | 0.25 / 1.00 |  |  |
| 1 concurrent: CPU per 1,000 requests, ms | 100.0 | 80.0 | 1.25 |  |
| 32 concurrent: requests per second | 15,000 | 30,000 | 0.50 | at least 0.75: missed |
| 32 concurrent: p50 / p99 latency, ms | 1.55 / 5.00 | 1.00 / 3.00 |  |  |
| 32 concurrent: CPU per 1,000 requests, ms | 30.0 | 18.8 | 1.60 | at most 1.5: missed |
| 256 concurrent: requests per second | 9,000 | 18,000 | 0.50 |  |
| 256 concurrent: p50 / p99 latency, ms | 20.00 / 40.00 | 10.00 / 20.00 |  |  |
| 256 concurrent: CPU per 1,000 requests, ms | 50.0 | 40.0 | 1.25 |  |
| memory after 1,000 requests, MB | 30.0 | unknown |  | at most 40: met |
| memory with 256 concurrent, MB | 70.0 | 35.0 | 2.00 | at most 64: missed |
| memory after 100,000 requests, MB | 50.0 | unknown |  | at most 64: met |

plan9/mips, go1.26, 2 CPUs; a measured process uses one of them (GOMAXPROCS=1). The platform is on loopback, reached by
HTTP/2 over TLS, and responds at once. Medians of 2 rounds of 0.5 s each, in turns; a ratio is the median of the ratios of all rounds. All requests were accepted.

With 32 concurrent callers the function was busy for 75 % of the time: other work of this
machine, such as the callers, limits the throughput. The CPU per request is the better measure.
`
	var got strings.Builder
	if err := newSample(true).writeMarkdown(&got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got.String()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// TestReport_plain checks that a run over plain HTTP has no targets for throughput and CPU.
func TestReport_plain(t *testing.T) {
	for _, plain := range []bool{false, true} {
		r := newSample(true)
		r.Rows, r.Plain = nil, plain
		r.summarize()
		for _, row := range r.Rows {
			if aimed := row.Target != nil; row.Callers == targetCallers && !strings.HasPrefix(row.Name, "p50") && aimed == plain {
				t.Errorf("plain: %t: %s has a target: %t", plain, row.Name, aimed)
			}
		}
	}
}

func TestNumber(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		v      float64
		digits int
		want   string
	}{
		{0, 0, "0"},
		{999.5, 0, "1,000"},
		{123456, 0, "123,456"},
		{1234567.891, 2, "1,234,567.89"},
		{0.126, 2, "0.13"},
	} {
		if got := number(test.v, test.digits); got != test.want {
			t.Errorf("number(%v, %d) = %q, want %q", test.v, test.digits, got, test.want)
		}
	}
}
