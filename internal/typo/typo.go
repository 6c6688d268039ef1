// Package typo finds the word that was probably meant by a misspelled one.
package typo

import "strings"

// MaxLength is the length in bytes of the longest words that are compared. It limits
// the work on hostile input.
const MaxLength = 40

// Count returns the number of insertions, deletions, substitutions and swaps of
// adjacent bytes that turn a into b. It returns limit if there are limit or more, or if
// a word is longer than [MaxLength].
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
// every one differs by limit or more. A limit of 0 allows typos in a third of the
// word, which must not be empty. Case, hyphens, underscores and spaces do not count.
func Nearest(word string, candidates []string, limit int) string {
	word = fold(word)
	if limit == 0 {
		limit = max(1, len(word)/3) + 1
	}
	best := ""
	if word == "" {
		return best
	}
	for _, candidate := range candidates {
		if n := Count(word, fold(candidate), limit); n < limit {
			best, limit = candidate, n
		}
	}
	return best
}

var separators = strings.NewReplacer("_", "", "-", "", " ", "")

func fold(word string) string { return strings.ToLower(separators.Replace(word)) }
