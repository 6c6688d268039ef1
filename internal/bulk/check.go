package bulk

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/rcshook/rcshook/internal/compose"
	"github.com/rcshook/rcshook/internal/payload"
	"github.com/rcshook/rcshook/internal/send"
	"github.com/rcshook/rcshook/rbm"
)

// Summary is the result of a check of all rows.
type Summary struct {
	Rows    int // nonempty rows
	Valid   int
	Done    int // valid rows that were sent before
	Invalid int

	Errors, Warnings []Issue

	// Bytes is the size of all messages as JSON, and Largest the size of the largest message.
	Bytes, Largest int64

	// Billing counts the messages to +1 numbers by class, and Segments their segments.
	// NonUS counts all other messages.
	Billing  map[string]int
	Segments int
	NonUS    int

	// SMSSegments are those of all messages as SMS, if the message has fields of a fallback.
	SMSSegments int

	// TableHash is a hash of the table.
	TableHash string

	regions map[rbm.Region]int // the rows that are not done
}

// Issue is an error or a warning of several rows.
type Issue struct {
	Pointer string // a JSON Pointer, or empty
	Detail  string // of the first row
	Count   int
	Rows    []int // the first few
}

// Check checks all rows, and sends nothing. The set done has the keys of rows that were sent
// before. After every thousand rows, progress gets the number of bytes read. Both may be nil.
func (c *Campaign) Check(ctx context.Context, done *Set, progress func(read, size int64)) (*Summary, error) {
	s := &Summary{Billing: map[string]int{}, regions: map[rbm.Region]int{}}
	errs, warnings := issueGroups{}, issueGroups{}
	pass := new(Pass)
	for m, err := range c.messages(ctx, pass, done) {
		if err != nil {
			return nil, err
		}
		if s.Rows++; s.Rows%1000 == 0 && progress != nil {
			progress(pass.Read, pass.Size)
		}
		if len(m.Errors) > 0 {
			s.Invalid++
			for _, e := range m.Errors {
				errs.add(e, m.Row)
			}
			continue
		}
		s.Valid++
		if m.Done {
			s.Done++
		} else {
			s.regions[send.RegionOf(m.To)]++
		}
		n := int64(len(m.Composed.Encoded))
		s.Bytes += n
		s.Largest = max(s.Largest, n)
		if strings.HasPrefix(m.To, "+1") {
			s.Billing[string(m.Composed.Billing.Class)]++
			s.Segments += m.Composed.Billing.Segments
		} else {
			s.NonUS++
		}
		if c.known["fallback_after"] || c.known["fallback_text"] {
			s.SMSSegments += compose.NewSMS(m.Composed.FallbackText).Segments
		}
		for _, w := range m.Composed.Warnings {
			warnings.add(payload.Error{Pointer: w.Pointer, Detail: w.Detail}, m.Row)
		}
	}
	s.Errors, s.Warnings, s.TableHash = errs.sorted(), warnings.sorted(), pass.Hash
	return s, nil
}

// issueGroups groups errors that differ only in digits.
type issueGroups map[string]*Issue

func (all issueGroups) add(e payload.Error, row int) {
	const maxIssues, maxRows = 200, 5
	id := e.Pointer + "\n" + strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return -1
		}
		return r
	}, e.Detail)
	k, ok := all[id]
	if !ok && len(all) >= maxIssues {
		id, e = "", payload.Error{Detail: "other errors"}
		k, ok = all[id]
	}
	if !ok {
		k = &Issue{Pointer: e.Pointer, Detail: e.Detail}
		all[id] = k
	}
	if n := len(k.Rows); n > 0 && k.Rows[n-1] == row {
		return // count each row once
	}
	k.Count++
	if len(k.Rows) < maxRows {
		k.Rows = append(k.Rows, row)
	}
}

// sorted returns the issues, those of the most rows first.
func (all issueGroups) sorted() []Issue {
	var list []Issue
	for _, k := range all {
		list = append(list, *k)
	}
	slices.SortFunc(list, func(a, b Issue) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Rows[0], b.Rows[0]), cmp.Compare(a.Pointer+a.Detail, b.Pointer+b.Detail))
	})
	return list
}

// Reach asks the platform which numbers are reachable, in batches of similar size with
// numbers of one region, and returns the others. The summary is that of a check with the
// same rows done. After each batch, progress gets the number of checked ones; it may be nil.
func (c *Campaign) Reach(ctx context.Context, s *Summary, done *Set,
	ask func(ctx context.Context, phones []string) (reachable []string, err error), progress func(checked int),
) (unreachable *Set, err error) {
	if unreachable, err = newSet(int64(s.Valid - s.Done)); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			unreachable.Close()
		}
	}()
	checked, batches, left := 0, map[rbm.Region][]string{}, maps.Clone(s.regions)
	for m, err := range c.messages(ctx, new(Pass), done) {
		if err != nil {
			return unreachable, err
		}
		if len(m.Errors) > 0 || m.Done {
			continue
		}
		region := send.RegionOf(m.To)
		batch := append(batches[region], m.To)
		batches[region] = batch
		all := s.regions[region]
		n := (all-1)/rbm.MaxBatchUsers + 1
		if left[region]--; left[region] > 0 && len(batch) < (all+n-1)/n {
			continue
		}
		batches[region] = nil
		reachable, err := ask(ctx, slices.Clone(batch))
		if err != nil {
			return unreachable, err
		}
		slices.Sort(reachable)
		for _, to := range batch {
			if _, ok := slices.BinarySearch(reachable, to); ok {
				continue
			}
			if _, err := unreachable.add(to, m.Row); err != nil {
				return unreachable, err
			}
		}
		if checked += len(batch); progress != nil {
			progress(checked)
		}
	}
	return unreachable, nil
}
