// Package typo tells how far a word is from the one that was probably meant.
package typo

// MaxLength is the length in bytes of the longest words that are compared. It keeps
// the work on hostile input small.
const MaxLength = 40

// Count returns the number of letters that were added, left out, mistaken or swapped
// with their neighbour between a and b. A number of limit or more is returned as
// limit, and so is that of a word longer than [MaxLength].
func Count(a, b string, limit int) int {
	if len(a)-len(b) >= limit || len(b)-len(a) >= limit || len(a) > MaxLength || len(b) > MaxLength {
		return limit
	}
	var rows [3][MaxLength + 1]int // the last, the one before, and the next
	before, last, row := &rows[0], &rows[1], &rows[2]
	for j := range len(b) + 1 {
		last[j] = j
	}
	for i := range len(a) {
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(last[j+1]+1, row[j]+1, last[j]+cost)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last, row = last, row, before
	}
	return min(last[len(b)], limit)
}

// Nearest returns the candidate that differs from word by the fewest typos, or "" if
// none differs by fewer than limit.
func Nearest(word string, candidates []string, limit int) string {
	best := ""
	for _, candidate := range candidates {
		if n := Count(word, candidate, limit); n < limit {
			best, limit = candidate, n
		}
	}
	return best
}
