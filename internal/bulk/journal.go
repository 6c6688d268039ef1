package bulk

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// State is what became of a row.
type State string

// The states of rows. A row may have several entries; the last one counts.
const (
	Sent        State = "sent"        // accepted, or sent before
	Queued      State = "queued"      // given to the queue of the function, which sends it
	Refused     State = "refused"     // would be refused again
	Unreachable State = "unreachable" // was not sent: the number cannot be reached
	Open        State = "open"        // has to be sent again
	Faulty      State = "faulty"      // was not sent: the row has faults

	begun State = "begun" // not of a row: a run began
)

// taken reports whether the function took the message.
func (s State) taken() bool { return s == Sent || s == Queued }

// Entry is a line of a [Journal].
type Entry struct {
	Row       int
	Key, To   string
	State     State
	Code      string // of the answer
	MessageID string
	Time      time.Time
	Detail    string
}

// Head is what a journal belongs to.
type Head struct {
	Campaign string
	Message  string // [Template.Sum]
	Table    string // [Summary.Sum]
}

func (h Head) detail() string { return "message " + h.Message + " recipients " + h.Table }

// journalColumns are the first row of a journal.
var journalColumns = []string{"row", "key", "to", "state", "code", "message_id", "time", "detail"}

// Journal is a CSV file with what became of each row, to which runs add. What was
// written survives the end of the process at any moment; a last line that is broken
// off is dropped. Of the rows that are done it keeps a hash of the key in memory.
type Journal struct {
	// Runs is how many began before, and Counts what became of the rows by then.
	Runs   int
	Counts map[State]int

	path string
	head Head
	file *os.File // once a run began
	size int64    // of what is whole
	seen int64    // size of all when it was read
	seed maphash.Seed
	done map[uint64]struct{}

	entries chan Entry
	ended   chan struct{}
	mu      sync.Mutex
	err     error
}

// A JournalError is why a file cannot be gone on with.
type JournalError struct {
	Path, Detail string
}

func (e *JournalError) Error() string { return e.Path + " " + e.Detail }

// ReadJournal reads the file, if there is one. Nothing is changed until
// [Journal.Begin].
func ReadJournal(path string) (*Journal, error) {
	j := &Journal{Counts: map[State]int{}, path: path, seed: maphash.MakeSeed(), done: map[uint64]struct{}{}}
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return j, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return j, j.read(f)
}

func (j *Journal) read(f *os.File) error {
	info, err := f.Stat()
	if err != nil || info.Size() == 0 {
		return err
	}
	j.seen = info.Size()
	r := csv.NewReader(f)
	r.ReuseRecord = true
	r.FieldsPerRecord = len(journalColumns)
	for line := 1; ; line++ {
		record, err := r.Read()
		whole := err == nil && endsLine(f, r.InputOffset())
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case !whole && r.InputOffset() >= info.Size():
			return nil // broken off; it will be sent again
		case line == 1 && (err != nil || !slices.Equal(record, journalColumns)):
			return &JournalError{j.path, "is no results file of this command, or was saved by another program: choose another with -results"}
		case err == nil && line > 1:
			err = j.take(record)
		}
		if err != nil {
			return &JournalError{j.path, fmt.Sprintf("is damaged at line %d: %v", line, err)}
		}
		j.size = r.InputOffset()
	}
}

// endsLine reports whether a line ends before the offset.
func endsLine(f io.ReaderAt, offset int64) bool {
	var b [1]byte
	_, err := f.ReadAt(b[:], offset-1)
	return err == nil && b[0] == '\n'
}

// take keeps what a line says.
func (j *Journal) take(record []string) error {
	e := Entry{Key: record[1], State: State(record[3]), Detail: record[7]}
	switch e.State {
	case begun:
		j.Runs++
		j.head.Campaign = strings.Clone(e.Key) // and not the whole line
		if n, err := fmt.Sscanf(e.Detail, "message %s recipients %s", &j.head.Message, &j.head.Table); n != 2 {
			return fmt.Errorf("a run without its message: %w", err)
		}
	case Sent, Queued, Refused, Unreachable:
		if !j.Done(e.Key) {
			j.done[maphash.String(j.seed, e.Key)] = struct{}{}
			j.Counts[e.State]++
		}
	case Open, Faulty:
	default:
		return fmt.Errorf("%q is no state of a row", e.State)
	}
	return nil
}

// Match reports why the journal cannot be gone on with, or nil.
func (j *Journal) Match(h Head) error {
	switch {
	case j.Runs == 0 || j.head == h:
		return nil
	case j.head.Campaign != h.Campaign:
		return &JournalError{j.path, fmt.Sprintf("belongs to the campaign %s: choose another file with -results", j.head.Campaign)}
	case j.head.Message != h.Message:
		return &JournalError{j.path, "was begun with another message: those who have got that one get no other in this campaign. " +
			"Begin a campaign with another name, or go on with the new message for the rest with -force"}
	default:
		return &JournalError{j.path, "was begun with another table: go on with -force if rows were added or corrected, " +
			"and begin a campaign with another name if it is for others"}
	}
}

// Done reports whether the row of that key is through.
func (j *Journal) Done(key string) bool {
	_, ok := j.done[maphash.String(j.seed, key)]
	return ok
}

// own sees that no other run has written since the file was read, or will: its
// lines would be lost.
func (j *Journal) own() error {
	if !lock(j.file) {
		return &JournalError{j.path, "is in use by another run: wait for its end"}
	}
	info, err := j.file.Stat()
	if err == nil && info.Size() != j.seen {
		err = &JournalError{j.path, "was written by another run meanwhile: run the same command again when that has ended"}
	}
	return err
}

// Begin starts to write.
func (j *Journal) Begin(h Head, now time.Time) (err error) {
	if j.file, err = os.OpenFile(j.path, os.O_WRONLY|os.O_CREATE, 0o600); err != nil { // numbers are in it
		return err
	}
	defer func() {
		if err != nil {
			j.file.Close()
		}
	}()
	if err := j.own(); err != nil {
		return err
	}
	if err := j.file.Truncate(j.size); err != nil {
		return err
	}
	if _, err := j.file.Seek(j.size, io.SeekStart); err != nil {
		return err
	}
	w := csv.NewWriter(j.file)
	if j.size == 0 {
		_ = w.Write(journalColumns) // errors come with Flush
	}
	_ = w.Write(Entry{Key: h.Campaign, State: begun, Time: now, Detail: h.detail()}.record())
	w.Flush()
	if err := w.Error(); err != nil {
		return err
	}
	if err := j.file.Sync(); err != nil {
		return err
	}
	j.entries, j.ended = make(chan Entry, 256), make(chan struct{})
	go j.write()
	return nil
}

// Add writes an entry. The error is that of an earlier one that could not be
// written: it is better to stop then.
func (j *Journal) Add(e Entry) error {
	j.entries <- e
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.err
}

// Close writes what is left. Nothing may be added after it.
func (j *Journal) Close() error {
	if j.file == nil {
		return nil
	}
	if j.entries != nil {
		close(j.entries)
		<-j.ended
	}
	return errors.Join(j.err, j.file.Close())
}

// syncEvery is how much work the end of the machine, not of the process, may
// cost.
const syncEvery = time.Second

// write writes whole lines, as many at once as are waiting.
func (j *Journal) write() {
	defer close(j.ended)
	tick := time.NewTicker(syncEvery)
	defer tick.Stop()
	var lines bytes.Buffer
	w := csv.NewWriter(&lines)
	dirty := false
	for {
		select {
		case e, ok := <-j.entries:
			if !ok {
				j.fail(j.file.Sync())
				return
			}
			lines.Reset()
			_ = w.Write(e.record()) // a buffer takes everything
			for range len(j.entries) {
				_ = w.Write((<-j.entries).record())
			}
			w.Flush()
			_, err := j.file.Write(lines.Bytes())
			j.fail(err)
			dirty = true
		case <-tick.C:
			if dirty {
				j.fail(j.file.Sync())
			}
			dirty = false
		}
	}
}

// fail keeps the first error.
func (j *Journal) fail(err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.err == nil && err != nil {
		j.err = fmt.Errorf("write results: %w", err)
	}
}

func (e Entry) record() []string {
	row := ""
	if e.Row > 0 {
		row = strconv.Itoa(e.Row)
	}
	return []string{row, e.Key, e.To, string(e.State), e.Code, e.MessageID, e.Time.UTC().Format(time.RFC3339), e.Detail}
}
