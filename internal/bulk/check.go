package bulk

import (
	"cmp"
	"context"
	"hash/maphash"
	"slices"
	"strconv"
	"strings"

	"github.com/rcshook/rcshook/internal/payload"
	"github.com/rcshook/rcshook/rbm"
)

// Summary is the result of a check of all rows.
type Summary struct {
	Rows    int // that are not empty
	Valid   int
	Done    int // valid ones that are done, by the journal
	Invalid int

	Errors, Warnings []Kind

	// Bytes is the size of all messages as JSON, Largest that of the largest.
	Bytes, Largest int64

	// Billing counts the messages to US numbers by class, and Segments their
	// segments. Abroad counts all others.
	Billing  map[string]int
	Segments int
	Abroad   int

	// Sum is a hash of the table.
	Sum string

	phones []uint64 // to send to; only if Campaign.KeepPhones is set
}

// Kind is an error or a warning of several rows.
type Kind struct {
	Pointer string // a JSON Pointer, or empty
	Detail  string // of the first row
	Count   int
	Rows    []int // the first few
}

// Check checks all rows, and sends nothing. The function done reports whether the row of
// a key is done. After every thousand rows, progress gets the number of bytes read. Both
// may be nil.
func (c *Campaign) Check(ctx context.Context, done func(key string) bool, progress func(read, size int64)) (*Summary, error) {
	s := &Summary{Billing: map[string]int{}}
	errs, warnings := kinds{}, kinds{}
	pass := new(Pass)
	for m, err := range c.messages(ctx, pass) {
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
		if done != nil && done(m.Key) {
			s.Done++
		} else if c.KeepPhones {
			phone, _ := strconv.ParseUint(m.To[1:], 10, 64) // E.164 has at most 15 digits
			s.phones = append(s.phones, phone)
		}
		n := int64(len(m.Composed.Encoded))
		s.Bytes += n
		s.Largest = max(s.Largest, n)
		if strings.HasPrefix(m.To, "+1") {
			s.Billing[string(m.Composed.Billing.Class)]++
			s.Segments += m.Composed.Billing.Segments
		} else {
			s.Abroad++
		}
		for _, w := range m.Composed.Warnings {
			warnings.add(payload.Error{Pointer: w.Pointer, Detail: w.Detail}, m.Row)
		}
	}
	s.Errors, s.Warnings, s.Sum = errs.sorted(), warnings.sorted(), pass.Sum
	return s, nil
}

// kinds groups errors that differ only in digits.
type kinds map[string]*Kind

func (all kinds) add(e payload.Error, row int) {
	const maxKinds, maxRows = 200, 5
	id := e.Pointer + "\n" + strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return -1
		}
		return r
	}, e.Detail)
	k, ok := all[id]
	if !ok && len(all) >= maxKinds {
		id, e = "", payload.Error{Detail: "other errors"}
		k, ok = all[id]
	}
	if !ok {
		k = &Kind{Pointer: e.Pointer, Detail: e.Detail}
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

// sorted returns the kinds by the number of rows.
func (all kinds) sorted() []Kind {
	var list []Kind
	for _, k := range all {
		list = append(list, *k)
	}
	slices.SortFunc(list, func(a, b Kind) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Rows[0], b.Rows[0]), cmp.Compare(a.Pointer+a.Detail, b.Pointer+b.Detail))
	})
	return list
}

// Reachability contains the unreachable numbers of a table, as hashes.
type Reachability struct {
	Checked int

	seed   maphash.Seed
	hashes map[uint64]struct{}
}

// Count returns the number of unreachable numbers.
func (u *Reachability) Count() int { return len(u.hashes) }

// Unreachable reports whether a number is unreachable.
func (u *Reachability) Unreachable(to string) bool {
	_, ok := u.hashes[maphash.String(u.seed, to)]
	return ok
}

// Reach asks the platform which numbers of a check are reachable, in batches of similar
// size. After each, progress gets the number of checked ones; it may be nil.
func (s *Summary) Reach(ctx context.Context, ask func(ctx context.Context, phones []string) (reachable []string, err error), progress func(checked int)) (*Reachability, error) {
	u := &Reachability{seed: maphash.MakeSeed(), hashes: map[uint64]struct{}{}}
	if len(s.phones) == 0 {
		return u, nil
	}
	batches := (len(s.phones) + rbm.MaxBatchUsers - 1) / rbm.MaxBatchUsers
	for part := range slices.Chunk(s.phones, (len(s.phones)+batches-1)/batches) {
		batch := make([]string, len(part))
		for i, phone := range part {
			batch[i] = "+" + strconv.FormatUint(phone, 10)
		}
		found, err := ask(ctx, batch)
		if err != nil {
			return nil, err
		}
		reachable := make(map[string]bool, len(found))
		for _, to := range found {
			reachable[to] = true
		}
		for _, to := range batch {
			if !reachable[to] {
				u.hashes[maphash.String(u.seed, to)] = struct{}{}
			}
		}
		if u.Checked += len(batch); progress != nil {
			progress(u.Checked)
		}
	}
	return u, nil
}
