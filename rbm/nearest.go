package rbm

import "strings"

// nearest returns the candidate that a typing error is least likely to have
// made of word, and whether the two are so close that it probably did.
func nearest(word string, candidates []string) (best string, close bool) {
	const longest = 64 // no field is as long; distance takes the square of it
	folded := fold(word)
	if len(folded) > longest {
		return "", false
	}
	least := longest + 1
	for _, candidate := range candidates {
		if d := distance(folded, fold(candidate)); d < least {
			best, least = candidate, d
		}
	}
	return best, least <= max(1, len(folded)/3)
}

// fold drops what only a spelling differs in.
func fold(word string) string {
	return strings.ToLower(strings.NewReplacer("_", "", "-", "", " ", "").Replace(word))
}

// distance counts the insertions, deletions, substitutions and swaps of
// neighbours that turn a into b.
func distance(a, b string) int {
	before, row, next := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		next[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			next[j+1] = min(row[j+1]+1, next[j]+1, row[j]+cost)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				next[j+1] = min(next[j+1], before[j-1]+1)
			}
		}
		before, row, next = row, next, before
	}
	return row[len(b)]
}
