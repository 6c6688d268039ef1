package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/rcshook/rcshook/internal/bulk"
	"github.com/rcshook/rcshook/internal/google"
	"github.com/rcshook/rcshook/internal/optout"
	"github.com/rcshook/rcshook/internal/payload"
)

// The names of columns, as [payload.FoldName] returns them. A column of a lower rank is
// only used without one of a higher rank.
var (
	// From is the person in a log of messages, whose column to is the sender.
	numberColumns = [][]string{{
		"to", "from", "phone", "phonenumber", "number", "recipient", "msisdn", "mobile", "mobilenumber", "mobilephone", "mobilephonenumber",
		"cell", "cellphone", "telephone", "telephonenumber", "tel", "contact", "contactnumber", "destination", "subscriber",
	}}
	dateColumns = [][]string{
		{"optedoutat", "optoutat", "optoutdate", "optedoutdate", "optouttime", "unsubscribedat", "unsubscribeddate", "unsubscribedate", "unsubtime", "blockedat"},
		{"at", "since", "date", "timestamp", "time", "datetime"},
	}
	// A column that is named like a state holds true or false, or a date, or a state.
	outColumns   = []string{"optedout", "optout", "unsubscribed", "blocked", "stopped", "suppressed"}
	inColumns    = []string{"optedin", "optin", "subscribed"}
	stateColumns = [][]string{append(append([]string{"state", "status", "subscriptionstatus", "optoutstatus", "subscriptionstate"}, outColumns...), inColumns...)}
)

// The words for states, as [payload.FoldName] returns them.
var (
	outWords = append([]string{"unsubscribe", "stop", "stopall", "block", "blacklisted", "blacklist", "blocklisted", "blocklist", "out"}, outColumns...)
	inWords  = append([]string{"subscribe", "start", "unstop", "unblocked", "in"}, inColumns...)
)

// truths are the values of a column that is named like a state.
var truths = map[string]bool{"true": true, "yes": true, "1": true, "y": true, "t": true, "false": false, "no": false, "0": false, "n": false, "f": false}

// importer reads the rows of a file.
type importer struct {
	*optoutsRun
	table *bulk.Table
	now   time.Time

	number, date, state, brandColumn int   // columns, or -1
	own                              []int // the columns of an export, or nil
}

// importedRow is the content of a row.
type importedRow struct {
	store *optoutStore
	optout.Record
}

// find returns the column with one of the names, or -1.
func (m *importer) find(ranks [][]string, what, next string) (int, error) {
	for _, names := range ranks {
		found := -1
		for i, column := range m.table.Columns {
			switch {
			case !slices.Contains(names, payload.FoldName(column)):
			case found >= 0:
				return -1, fmt.Errorf("the columns %q and %q may both be the %s; %s", m.table.Columns[found], column, what, next)
			default:
				found = i
			}
		}
		if found >= 0 {
			return found, nil
		}
	}
	return -1, nil
}

// columns finds the columns of the table, and returns all problems with them.
func (m *importer) columns() (problems []string) {
	add := func(err error) {
		if err != nil {
			problems = append(problems, err.Error())
		}
	}
	find := func(ranks [][]string, what, next string) int {
		i, err := m.find(ranks, what, next)
		add(err)
		return i
	}
	for _, name := range exportColumns {
		if i := slices.Index(m.table.Columns, name); i >= 0 {
			m.own = append(m.own, i)
		}
	}
	if len(m.own) < len(exportColumns) {
		m.own = nil
	}
	if m.column != "" {
		m.number = slices.IndexFunc(m.table.Columns, func(name string) bool { return payload.FoldName(name) == payload.FoldName(m.column) })
		if m.number < 0 {
			add(fmt.Errorf("-column: the table has no such column; the columns are %s", m.names()))
		}
	} else if m.number = find(numberColumns, "number", "choose one with -column"); m.number < 0 && len(problems) == 0 {
		add(fmt.Errorf("no column is named phone, number or the like; choose one with -column; the columns are %s", m.names()))
	}
	if m.date = -1; m.own == nil {
		m.date = find(dateColumns, "date", "rename the other one")
	}
	m.state = find(stateColumns, "state", "rename the other one")
	if m.brandColumn = -1; m.brand == "" {
		m.brandColumn = find([][]string{{"brand"}}, "brand", "rename the other one")
	}
	if m.brandColumn < 0 {
		_, _, err := m.target(m.brand)
		add(err)
	}
	return problems
}

// names lists the columns for an error.
func (m *importer) names() string {
	const most = 20
	names := slices.DeleteFunc(slices.Clone(m.table.Columns), func(name string) bool { return name == "" })
	if more := len(names) - most; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), more)
	}
	return strings.Join(names, ", ")
}

// read reads a row. Its problems contain no part of it.
func (m *importer) read(row bulk.Row) (s importedRow, problems []string) {
	problem := func(column int, err error) {
		if err != nil {
			problems = append(problems, fmt.Sprintf("%s: %v", m.table.Columns[column], err))
		}
	}
	cell := func(column int) string {
		if column < 0 {
			return ""
		}
		return strings.TrimPrefix(row.Cells[column], "'") // before text that looks like a formula
	}
	if row.Excess {
		problems = append(problems, "more cells than columns")
	}
	var err error
	s.Phone, err = m.readNumber(cell(m.number))
	if err != nil {
		problem(m.number, errors.New(countryFlag.Replace(err.Error())))
	}
	brand := m.brand
	if m.brandColumn >= 0 {
		brand = cell(m.brandColumn)
	}
	if s.store, s.Brand, err = m.target(brand); err != nil {
		problem(m.brandColumn, err)
	}
	if s.State = optout.OptedOut; m.state >= 0 {
		s.State, err = readState(m.table.Columns[m.state], cell(m.state))
		problem(m.state, err)
	}
	s.Via = "import"
	if m.own != nil {
		s.Since, err = readTime(cell(m.own[3]), s.State, m.now)
		problem(m.own[3], err)
		s.At, err = readTime(cell(m.own[4]), s.State, m.now)
		problem(m.own[4], err)
		s.Via, s.Keyword, s.Agent, s.EventID = cell(m.own[5]), cell(m.own[6]), cell(m.own[7]), cell(m.own[8])
		return s, problems
	}
	s.At, err = readTime(cell(m.date), s.State, m.now)
	problem(m.date, err)
	s.Since = s.At
	return s, problems
}

// readState returns the state that a cell of a column names.
func readState(column, cell string) (optout.State, error) {
	column, word := payload.FoldName(column), payload.FoldName(cell)
	value, isTruth := truths[word]
	isOut, isIn := slices.Contains(outColumns, column), slices.Contains(inColumns, column)
	switch {
	case isTruth && (isOut && value || isIn && !value), slices.Contains(outWords, word):
		return optout.OptedOut, nil
	case isTruth && (isOut || isIn), slices.Contains(inWords, word):
		return optout.OptedIn, nil
	}
	return "", errors.New("expected a state such as opted_out, unsubscribed, STOP or blocked, or opted_in, subscribed or START; if the column is something else, rename it")
}

// dateLayouts are the layouts of dates. A text that several of them read differently is
// ambiguous.
var dateLayouts = []string{
	"2006-01-02", "2006/01/02", "2006.01.02", "20060102", "1/2/2006", "2/1/2006", "1-2-2006", "2-1-2006", "2.1.2006",
	"Jan 2, 2006", "January 2, 2006", "2 Jan 2006", "2 January 2006", "2-Jan-2006", "Mon, 2 Jan 2006", "Mon, Jan 2, 2006",
}

// clock matches a time of day after a date: the date, the time, the seconds, AM or PM, and
// the zone.
var clock = regexp.MustCompile(`(?i)^(.+?)(?:,? +|T)(\d{1,2}:\d\d)(:\d\d(?:\.\d+)?)?(?: ?([AP]M))?(?: ?(Z|UTC|GMT|[+-]\d\d:?\d\d))?$`)

// readTime returns the time in a cell, or now for an empty one. A time without a zone is
// in UTC. A day without a time counts until its end if the person opted out, because an
// opt-out must not lose against an earlier signal of the day.
func readTime(cell string, state optout.State, now time.Time) (time.Time, error) {
	if cell == "" {
		return now, nil
	}
	at, day, err := parseTime(cell)
	if day && state == optout.OptedOut {
		at = at.Add(24*time.Hour - time.Microsecond)
	}
	switch {
	case err != nil:
		return time.Time{}, err
	case !at.After(now):
		return at, nil
	case at.Sub(now) > 24*time.Hour: // more than the difference of zones
		return time.Time{}, errors.New("the date is in the future")
	}
	return now, nil
}

// parseTime returns the time in a text, and whether it is a day without a time.
func parseTime(text string) (at time.Time, day bool, err error) {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil && n > 0 {
		switch len(text) {
		case 10:
			return time.Unix(n, 0), false, nil
		case 13:
			return time.UnixMilli(n), false, nil
		}
	}
	layout, value := " 15:04:05 -0700", " 00:00:00 +0000"
	m := clock.FindStringSubmatch(text)
	if day = m == nil; !day {
		zone := strings.ReplaceAll(strings.ToUpper(m[5]), ":", "")
		if zone == "" || zone == "Z" || zone == "UTC" || zone == "GMT" {
			zone = "+0000"
		}
		text, value = m[1], " "+m[2]+cmp.Or(m[3], ":00")+" "+zone
		if m[4] != "" {
			layout, value = " 3:04:05 -0700 PM", value+" "+strings.ToUpper(m[4])
		}
	}
	for _, date := range dateLayouts {
		found, err := time.Parse(date+layout, text+value)
		switch {
		case err != nil:
		case !at.IsZero() && !found.Equal(at):
			return at, day, errors.New("the date is ambiguous: the month and the day may be in either order; write it as 2026-12-31")
		default:
			at = found
		}
	}
	if at.IsZero() {
		err = errors.New("expected a date such as 2026-12-31 or 2026-12-31T23:59:59Z")
	}
	return at, day, err
}

// importFile stores the signals in a file.
func (o *optoutsRun) importFile(ctx context.Context) error {
	name, path := o.args[0], o.args[0]
	if name == "-" { // a table is read twice
		dir, err := os.MkdirTemp("", "rcshook-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		name, path = "standard input", filepath.Join(dir, "standard input")
		if err := saveInput(path, o.std.in); err != nil {
			return err
		}
	}
	err := o.importTable(ctx, name, path)
	if err != nil && name != path {
		err = errors.New(strings.ReplaceAll(err.Error(), path, name))
	}
	return err
}

// saveInput writes a stream to a file, which only the user can read.
func saveInput(path string, in io.Reader) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, in)
	return errors.Join(err, f.Close())
}

func (o *optoutsRun) importTable(ctx context.Context, name, path string) error {
	table, err := bulk.OpenTable(path)
	if err != nil {
		return err
	}
	m := &importer{optoutsRun: o, table: table, now: time.Now()}
	if problems := m.columns(); len(problems) > 0 {
		return fmt.Errorf("%s:\n  %s", name, strings.Join(problems, "\n  "))
	}
	rows, duplicates, err := m.check(ctx, name)
	if err != nil || o.dryRun {
		if err == nil {
			fmt.Fprintln(o.std.out, "Nothing was stored.")
		}
		return err
	}
	return m.store(ctx, rows, duplicates)
}

// maxProblems limits how many problems of a file are printed.
const maxProblems = 100

// check reads all rows, and returns how many there are, and how many are of a person of
// another row.
func (m *importer) check(ctx context.Context, name string) (rows, duplicates int, err error) {
	seed, seen, counts := maphash.MakeSeed(), map[uint64]struct{}{}, map[optout.State]int{}
	var problems []string
	invalid := 0
	progress := newMeter(m.std.err, "checking", "bytes")
	defer progress.close()
	pass := new(bulk.Pass)
	for row, err := range m.table.Rows(pass) {
		if err = errors.Join(err, ctx.Err()); err != nil {
			return 0, 0, err
		}
		s, found := m.read(row)
		if rows++; rows%1000 == 0 {
			progress.set(pass.Read, pass.Size)
		}
		if len(found) > 0 {
			invalid++
		}
		for _, p := range found {
			if len(problems) < maxProblems {
				problems = append(problems, fmt.Sprintf("row %d: %s", row.Number, p))
			}
		}
		id := maphash.String(seed, s.Brand+"\n"+s.Phone)
		if _, ok := seen[id]; ok && len(found) == 0 {
			duplicates++
		}
		seen[id] = struct{}{}
		counts[s.State]++
	}
	progress.close()
	switch {
	case rows == 0:
		return 0, 0, fmt.Errorf("%s has no rows below the column names", name)
	case len(problems) == maxProblems:
		problems = append(problems, "and maybe more")
		fallthrough
	case len(problems) > 0:
		return 0, 0, fmt.Errorf("nothing was stored, because %s has errors in %s; fix them and run the command again:\n  %s", name, count(invalid, "row"), strings.Join(problems, "\n  "))
	}
	fmt.Fprintf(m.std.out, "%s: %s, %d opted out, %d opted in\n", name, count(rows, "row"), counts[optout.OptedOut], counts[optout.OptedIn])
	return rows, duplicates, nil
}

// importParallel is the number of rows that are stored at once.
const importParallel = 16

// store stores the rows, which were checked.
func (m *importer) store(ctx context.Context, rows, duplicates int) error {
	progress := newMeter(m.std.err, "storing", "rows")
	var stored, newer atomic.Int64
	group, bound := errgroup.WithContext(ctx)
	group.SetLimit(importParallel)
	var readErr error
	for row, err := range m.table.Rows(new(bulk.Pass)) {
		if readErr = err; err != nil || bound.Err() != nil {
			break
		}
		s, problems := m.read(row)
		if len(problems) > 0 {
			readErr = fmt.Errorf("row %d has changed since the check; run the command again", row.Number)
			break
		}
		group.Go(func() error {
			newest, err := m.apply(bound, s)
			switch {
			case err != nil:
				return m.advise(s.store, err)
			case newest:
				stored.Add(1)
			default:
				newer.Add(1)
			}
			progress.set(stored.Load()+newer.Load(), int64(rows))
			return nil
		})
	}
	err := errors.Join(group.Wait(), readErr)
	progress.close()
	done := stored.Load() + newer.Load()
	if err != nil || ctx.Err() != nil {
		if ctx.Err() != nil {
			err = errors.New("interrupted")
		}
		return fmt.Errorf("%w; %d of %s are stored, and the same command continues", err, done, count(rows, "row"))
	}
	fmt.Fprintf(m.std.out, "%d stored, %d skipped because the store has a newer signal, %s in the file\n", stored.Load(), newer.Load(), count(duplicates, "duplicate"))
	return nil
}

// apply stores a signal, with retries for up to 30 s, and reports whether it is the newest
// one of the person.
func (m *importer) apply(ctx context.Context, s importedRow) (newest bool, err error) {
	bound, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	var final error
	err = retry(bound, func() error {
		final = nil
		record := s.Record
		for _, record.At = range slices.Compact([]time.Time{s.Since, s.At}) { // the first sets Since
			stored, err := s.store.Apply(bound, record)
			if err != nil {
				rejected, ok := errors.AsType[*google.APIError](err)
				_, secret := errors.AsType[*google.SecretError](err)
				permanent := secret || ok && rejected.Code < 500 && rejected.Code != http.StatusTooManyRequests
				if permanent || errors.Is(err, optout.ErrKey) || errors.Is(err, optout.ErrNoKey) || errors.Is(err, optout.ErrBrand) || errors.Is(err, optout.ErrRekeying) {
					final = err
					return nil
				}
				return err
			}
			newest = stored.State == s.State && stored.At.Equal(record.At.Truncate(time.Microsecond))
		}
		return nil
	})
	return newest, cmp.Or(final, err)
}
