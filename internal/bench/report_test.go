package bench

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

// sample is a report of two rounds that is easy to compute by hand.
func sample(compared bool) *Report {
	r := &Report{
		System: "plan9/mips, go1.26", CPUs: 2, Rounds: 2, Seconds: 0.5, Requests: 100000, Compared: compared,
		Starts: []Start{{function, 20}, {function, 10}},
		Samples: []Sample{
			{Of: function, Callers: 1, Rate: 1000, P50: 0.5, P99: 2, CPU: 100, Busy: 0.1},
			{Of: function, Callers: 32, Rate: 20000, P50: 1.5, P99: 4, CPU: 40, Busy: 0.75},
			{Of: function, Callers: 32, Rate: 10000, P50: 1.6, P99: 6, CPU: 20, Busy: 0.75},
			{Of: function, Callers: 256, Rate: 9000, P50: 20, P99: 40, CPU: 50, Busy: 1, Bytes: 70e6},
			{Of: function, Callers: 256, Rate: 9000, P50: 20, P99: 40, CPU: 50, Busy: 1, Bytes: 60e6},
		},
		Memory: []Memory{{function, 1000, 1000, 30e6}, {function, 100000, 123456, 50e6}},
	}
	if compared {
		r.Starts = append(r.Starts, Start{empty, 10}, Start{empty, 5})
		r.Samples = append(r.Samples,
			Sample{Of: bare, Callers: 1, Rate: 1250, P50: 0.25, P99: 1, CPU: 80, Busy: 0.1},
			Sample{Of: bare, Callers: 32, Rate: 40000, P50: 1, P99: 3, CPU: 25, Busy: 0.97},
			Sample{Of: bare, Callers: 32, Rate: 20000, P50: 1, P99: 3, CPU: 12.5, Busy: 0.97},
			Sample{Of: bare, Callers: 256, Rate: 18000, P50: 10, P99: 20, CPU: 40, Busy: 1, Bytes: 35e6},
			Sample{Of: bare, Callers: 256, Rate: 18000, P50: 10, P99: 20, CPU: 40, Busy: 1})
	}
	r.summarize()
	return r
}

func TestReport_WriteText(t *testing.T) {
	t.Parallel()
	const want = `plan9/mips, go1.26, 2 CPUs, of which a measured process uses one (GOMAXPROCS=1). The platform is on loopback, reached by
HTTP/2 over TLS, and answers at once. Medians of 2 rounds of 0.5 s each. All requests were accepted.

                                          function        target

start to first answer, ms                 15.0

1 at once: requests per second            1,000
1 at once: p50 / p99 latency, ms          0.50 / 2.00
1 at once: CPU per 1,000 requests, ms     100.0

32 at once: requests per second           15,000
32 at once: p50 / p99 latency, ms         1.55 / 5.00
32 at once: CPU per 1,000 requests, ms    30.0

256 at once: requests per second          9,000
256 at once: p50 / p99 latency, ms        20.00 / 40.00
256 at once: CPU per 1,000 requests, ms   50.0

memory after 1,000 requests, MB           30.0            at most 40: holds
memory with 256 at once, MB               70.0            at most 64: missed
memory after 100,000 requests, MB         50.0            at most 64: holds

With 32 at once the function was busy for 75 % of the time: what else this
machine did, the requests themselves included, limits the throughput. The CPU per request is the better measure.
`
	var got strings.Builder
	if err := sample(false).WriteText(&got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got.String()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestReport_WriteMarkdown(t *testing.T) {
	t.Parallel()
	const want = `|  | function | bare program | ratio | target |
| --- | ---: | ---: | ---: | --- |
| start to first answer, ms (beside: empty function) | 15.0 | 7.5 | 2.00 | at most 1.5: missed |
| 1 at once: requests per second | 1,000 | 1,250 | 0.80 |  |
| 1 at once: p50 / p99 latency, ms | 0.50 / 2.00 | 0.25 / 1.00 |  |  |
| 1 at once: CPU per 1,000 requests, ms | 100.0 | 80.0 | 1.25 |  |
| 32 at once: requests per second | 15,000 | 30,000 | 0.50 | at least 0.75: missed |
| 32 at once: p50 / p99 latency, ms | 1.55 / 5.00 | 1.00 / 3.00 |  |  |
| 32 at once: CPU per 1,000 requests, ms | 30.0 | 18.8 | 1.60 | at most 1.5: missed |
| 256 at once: requests per second | 9,000 | 18,000 | 0.50 |  |
| 256 at once: p50 / p99 latency, ms | 20.00 / 40.00 | 10.00 / 20.00 |  |  |
| 256 at once: CPU per 1,000 requests, ms | 50.0 | 40.0 | 1.25 |  |
| memory after 1,000 requests, MB | 30.0 | not known |  | at most 40: holds |
| memory with 256 at once, MB | 70.0 | 35.0 | 2.00 | at most 64: missed |
| memory after 100,000 requests, MB | 50.0 | not known |  | at most 64: holds |

plan9/mips, go1.26, 2 CPUs, of which a measured process uses one (GOMAXPROCS=1). The platform is on loopback, reached by
HTTP/2 over TLS, and answers at once. Medians of 2 rounds of 0.5 s each, in turns; a ratio is the median of those of the rounds. All requests were accepted.

With 32 at once the function was busy for 75 % of the time: what else this
machine did, the requests themselves included, limits the throughput. The CPU per request is the better measure.
`
	var got strings.Builder
	if err := sample(true).WriteMarkdown(&got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got.String()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// TestReport_plain sees that what the messages go over decides what is aimed at: the targets
// are those of HTTP/2.
func TestReport_plain(t *testing.T) {
	for _, plain := range []bool{false, true} {
		r := sample(true)
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
