package bulk

import (
	"cmp"
	"context"
	"slices"
	"strconv"
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

	phones []uint64 // to send to; only if Campaign.KeepPhones is set
}

// Issue is an error or a warning of several rows.
type Issue struct {
	Pointer string // a JSON Pointer, or empty
	Detail  string // of the first row
	Count   int
	Rows    []int // the first few
}

// Check checks all rows, and sends nothing. The function done reports whether the row with
// the given key was already sent. After every thousand rows, progress gets the number of
// bytes read. Both may be nil.
func (c *Campaign) Check(ctx context.Context, done func(key string) bool, progress func(read, size int64)) (*Summary, error) {
	s := &Summary{Billing: map[string]int{}}
	errs, warnings := issueGroups{}, issueGroups{}
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
			s.phones = append(s.phones, phoneNumber(m.To))
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

// UnreachableSet contains unreachable numbers.
type UnreachableSet map[uint64]struct{}

// Contains reports whether a number in E.164 format is unreachable.
func (u UnreachableSet) Contains(to string) bool {
	_, ok := u[phoneNumber(to)]
	return ok
}

// phoneNumber returns a number in E.164 format, which has at most 15 digits.
func phoneNumber(to string) uint64 {
	n, _ := strconv.ParseUint(strings.TrimPrefix(to, "+"), 10, 64)
	return n
}

// Reach asks the platform which numbers of a check are reachable, in batches of similar
// size with numbers of one region. After each, progress gets the number of checked ones; it
// may be nil.
func (s *Summary) Reach(ctx context.Context, ask func(ctx context.Context, phones []string) (reachable []string, err error), progress func(checked int)) (UnreachableSet, error) {
	u := UnreachableSet{}
	regions := make(map[rbm.Region][]uint64)
	for _, phone := range s.phones {
		region := send.RegionOf(formatPhone(phone))
		regions[region] = append(regions[region], phone)
	}
	checked := 0
	for _, phones := range regions {
		batches := (len(phones) + rbm.MaxBatchUsers - 1) / rbm.MaxBatchUsers
		for part := range slices.Chunk(phones, (len(phones)+batches-1)/batches) {
			batch := make([]string, len(part))
			for i, phone := range part {
				u[phone] = struct{}{}
				batch[i] = formatPhone(phone)
			}
			reachable, err := ask(ctx, batch)
			if err != nil {
				return nil, err
			}
			for _, to := range reachable {
				delete(u, phoneNumber(to))
			}
			if checked += len(batch); progress != nil {
				progress(checked)
			}
		}
	}
	return u, nil
}

// formatPhone is the inverse of phoneNumber.
func formatPhone(phone uint64) string { return "+" + strconv.FormatUint(phone, 10) }
