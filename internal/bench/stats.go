package bench

import (
	"math"
	"slices"
	"time"
)

// percentile returns the smallest of the sorted values that at least p percent of them do
// not exceed, and 0 of none.
func percentile(sorted []time.Duration, p float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	rank := int(math.Ceil(p / 100 * float64(len(sorted))))
	return sorted[min(max(rank, 1), len(sorted))-1]
}

// median returns the value in the middle, or between the two in the middle, and 0 of
// none.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Clone(values)
	slices.Sort(sorted)
	half := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[half]
	}
	return (sorted[half-1] + sorted[half]) / 2
}

// ratio returns the median of the quotients of values that were measured one right
// after the other, so that what disturbs both disturbs it least. It is 0 if there is
// nothing to divide by.
func ratio(values, by []float64) float64 {
	var all []float64
	for i := range min(len(values), len(by)) {
		if by[i] != 0 {
			all = append(all, values[i]/by[i])
		}
	}
	return median(all)
}

func milliseconds(d time.Duration) float64 {
	return float64(d) / float64(time.Millisecond)
}
