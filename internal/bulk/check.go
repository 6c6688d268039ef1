package bulk

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/rcshook/rcshook/internal/payload"
)

// Summary is what a check of all rows found.
type Summary struct {
	Rows   int // that are not blank
	Good   int
	Done   int // of the good ones, in the journal
	Faulty int

	Faults, Warnings []Kind

	// Bytes are of the messages as JSON, all and the largest.
	Bytes, Largest int64

	// Billing counts the messages to US numbers by their class, and Segments those
	// of the basic and rich ones; Abroad are all others.
	Billing  map[string]int
	Segments int
	Abroad   int

	// Sum identifies the content of the table.
	Sum string
}

// Kind is a fault or warning that several rows share.
type Kind struct {
	Where  string // a JSON Pointer, or empty
	Detail string // of the first row
	Count  int
	Rows   []int // the first few
}

// Bounds of what is kept of the faults.
const (
	maxKinds = 200
	firstFew = 5
)

// Check reads all rows and finds what is wrong with each. Nothing is sent. Done tells which keys
// are through; nil means none. Progress, if not nil, hears after every
// thousand rows how many bytes were read.
func (c *Campaign) Check(ctx context.Context, done func(key string) bool, progress func(read, size int64)) (*Summary, error) {
	s := &Summary{Billing: map[string]int{}}
	var faults, warnings tally
	pass := new(Pass)
	for l, err := range c.letters(ctx, pass) {
		if err != nil {
			return nil, err
		}
		if s.Rows++; s.Rows%1000 == 0 && progress != nil {
			progress(pass.Read, pass.Size)
		}
		if len(l.Faults) > 0 {
			s.Faulty++
			for _, f := range l.Faults {
				faults.add(f, l.Row)
			}
			continue
		}
		s.Good++
		if done != nil && done(l.Key) {
			s.Done++
		}
		s.size(l)
		for _, w := range l.Composed.Warnings {
			warnings.add(payload.Error{Pointer: w.Pointer, Detail: w.Detail}, l.Row)
		}
	}
	s.Faults, s.Warnings, s.Sum = faults.sorted(), warnings.sorted(), pass.Sum
	return s, nil
}

// size counts what a letter will cost.
func (s *Summary) size(l *Letter) {
	n := int64(len(l.Composed.Encoded))
	s.Bytes += n
	s.Largest = max(s.Largest, n)
	if !strings.HasPrefix(l.To, "+1") {
		s.Abroad++
		return
	}
	s.Billing[string(l.Composed.Billing.Class)]++
	s.Segments += l.Composed.Billing.Segments
}

// tally counts faults by their kind.
type tally struct {
	kinds map[string]*Kind
}

func (t *tally) add(f payload.Error, row int) {
	kind := f.Pointer + "\n" + strings.Map(withoutDigits, f.Detail)
	if t.kinds == nil {
		t.kinds = map[string]*Kind{}
	}
	k, ok := t.kinds[kind]
	if !ok && len(t.kinds) >= maxKinds {
		kind, f = "", payload.Error{Detail: "other faults"}
		k, ok = t.kinds[kind]
	}
	if !ok {
		k = &Kind{Where: f.Pointer, Detail: f.Detail}
		t.kinds[kind] = k
	}
	if n := len(k.Rows); n > 0 && k.Rows[n-1] == row {
		return // once for each row
	}
	k.Count++
	if len(k.Rows) < firstFew {
		k.Rows = append(k.Rows, row)
	}
}

// withoutDigits drops what differs from row to row.
func withoutDigits(r rune) rune {
	if r >= '0' && r <= '9' {
		return -1
	}
	return r
}

// sorted returns the kinds, those of most rows first.
func (t *tally) sorted() []Kind {
	var all []Kind
	for _, k := range t.kinds {
		all = append(all, *k)
	}
	slices.SortFunc(all, func(a, b Kind) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Rows[0], b.Rows[0]), cmp.Compare(a.Where+a.Detail, b.Where+b.Detail))
	})
	return all
}
