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

// State is the result of a row.
type State string

// The states of rows. If a row has several entries, the last one counts.
const (
	Sent        State = "sent"        // accepted, now or before
	Queued      State = "queued"      // accepted by the function's queue
	Refused     State = "refused"     // would be rejected again
	Unreachable State = "unreachable" // not sent: the number cannot be reached
	Open        State = "open"        // to be sent again
	Invalid     State = "faulty"      // not sent: the row has errors

	started State = "begun" // the start of a run
)

// accepted reports whether the function accepted the message.
func (s State) accepted() bool { return s == Sent || s == Queued }

// Entry is a line of a [Journal].
type Entry struct {
	Row       int
	Key, To   string
	State     State
	Code      string // of the response
	MessageID string
	Time      time.Time
	Detail    string
}

// Head identifies the campaign of a journal.
type Head struct {
	Campaign string
	Message  string // [Template.Sum]
	Table    string // [Summary.Sum]
}

// journalColumns are the first row of a journal.
var journalColumns = []string{"row", "key", "to", "state", "code", "message_id", "time", "detail"}

// Journal is a CSV file with the results of all runs. Written entries survive a crash; an
// incomplete last line is removed. In memory it keeps a hash of the key of each done row.
type Journal struct {
	// Runs is the number of earlier runs, and Counts are their results.
	Runs   int
	Counts map[State]int

	path string
	head Head
	file *os.File // after the start of a run
	size int64    // of the complete lines
	seen int64    // of the file when it was read
	seed maphash.Seed
	done map[uint64]struct{}

	entries chan Entry
	ended   chan struct{}
	mu      sync.Mutex
	err     error
}

// A JournalError reports why a file cannot be continued.
type JournalError struct {
	Path, Detail string
}

func (e *JournalError) Error() string { return e.Path + " " + e.Detail }

// ReadJournal reads the file, if it exists. [Journal.Start] is the first to change it.
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
		var last [1]byte
		_, unread := f.ReadAt(last[:], r.InputOffset()-1)
		complete := err == nil && unread == nil && last[0] == '\n'
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case !complete && r.InputOffset() >= info.Size():
			return nil // an incomplete line; its row will be sent again
		case line == 1 && (err != nil || !slices.Equal(record, journalColumns)):
			return &JournalError{j.path, "is not a results file of this command, or was saved by another program: choose another with -results"}
		case err == nil && line > 1:
			err = j.readEntry(record)
		}
		if err != nil {
			return &JournalError{j.path, fmt.Sprintf("is damaged at line %d: %v", line, err)}
		}
		j.size = r.InputOffset()
	}
}

func (j *Journal) readEntry(record []string) error {
	key, state, detail := record[1], State(record[3]), record[7]
	switch state {
	case started:
		j.Runs++
		j.head.Campaign = strings.Clone(key) // without the rest of the line
		if n, err := fmt.Sscanf(detail, headFormat, &j.head.Message, &j.head.Table); n != 2 {
			return fmt.Errorf("the hash of the message is missing: %w", err)
		}
	case Sent, Queued, Refused, Unreachable:
		if !j.Done(key) {
			j.done[maphash.String(j.seed, key)] = struct{}{}
			j.Counts[state]++
		}
	case Open, Invalid:
	default:
		return fmt.Errorf("unknown state %q", state)
	}
	return nil
}

// headFormat is the format of the detail of a start.
const headFormat = "message %s recipients %s"

// Match reports why the journal cannot be continued, or nil.
func (j *Journal) Match(h Head) error {
	switch {
	case j.Runs == 0 || j.head == h:
		return nil
	case j.head.Campaign != h.Campaign:
		return &JournalError{j.path, fmt.Sprintf("belongs to the campaign %s: choose another file with -results", j.head.Campaign)}
	case j.head.Message != h.Message:
		return &JournalError{j.path, "was started with another message: recipients of that message do not get another one in this campaign. " +
			"Start a campaign with another name, or send the new message to the remaining rows with -force"}
	default:
		return &JournalError{j.path, "was started with another table: continue with -force if rows were added or fixed, " +
			"or start a campaign with another name for other recipients"}
	}
}

// Done reports whether the row of a key is done.
func (j *Journal) Done(key string) bool {
	_, ok := j.done[maphash.String(j.seed, key)]
	return ok
}

// Start starts a run. It fails if another run writes, or has written, to the file.
func (j *Journal) Start(h Head, now time.Time) (err error) {
	if j.file, err = os.OpenFile(j.path, os.O_WRONLY|os.O_CREATE, 0o600); err != nil { // it contains numbers
		return err
	}
	defer func() {
		if err != nil {
			j.file.Close()
		}
	}()
	if !lock(j.file) {
		return &JournalError{j.path, "is in use by another run: wait until it ends"}
	}
	info, err := j.file.Stat()
	if err != nil {
		return err
	}
	if info.Size() != j.seen {
		return &JournalError{j.path, "was changed by another run: run the same command again when that has ended"}
	}
	if err := j.file.Truncate(j.size); err != nil {
		return err
	}
	if _, err := j.file.Seek(j.size, io.SeekStart); err != nil {
		return err
	}
	w := csv.NewWriter(j.file)
	if j.size == 0 {
		_ = w.Write(journalColumns) // Flush reports errors
	}
	_ = w.Write(Entry{Key: h.Campaign, State: started, Time: now, Detail: fmt.Sprintf(headFormat, h.Message, h.Table)}.record())
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

// Add writes an entry. The error is that of an earlier entry that could not be written,
// after which the run should stop.
func (j *Journal) Add(e Entry) error {
	j.entries <- e
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.err
}

// Close writes the remaining entries. Nothing may be added after it.
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

// write writes all waiting entries at once, in complete lines. It syncs once per second,
// which is the most that a crash of the machine, not of the process, can lose.
func (j *Journal) write() {
	defer close(j.ended)
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	var lines bytes.Buffer
	w := csv.NewWriter(&lines)
	dirty := false
	for {
		select {
		case e, ok := <-j.entries:
			if !ok {
				j.keepError(j.file.Sync())
				return
			}
			lines.Reset()
			_ = w.Write(e.record()) // a buffer does not fail
			for range len(j.entries) {
				_ = w.Write((<-j.entries).record())
			}
			w.Flush()
			_, err := j.file.Write(lines.Bytes())
			j.keepError(err)
			dirty = true
		case <-tick.C:
			if dirty {
				j.keepError(j.file.Sync())
			}
			dirty = false
		}
	}
}

// keepError keeps the first error.
func (j *Journal) keepError(err error) {
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
