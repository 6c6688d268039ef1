package bulk

import (
	"encoding/csv"
	"errors"
	"fmt"
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
	OptedOut    State = "opted_out"   // not sent: the person opted out of such messages
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
	Message  string // [Template.Hash]
	Table    string // [Summary.TableHash]
	Function string // [client.Client.Origin]
}

// journalColumns are the first row of a journal.
var journalColumns = []string{"row", "key", "to", "state", "code", "message_id", "time", "detail"}

// Journal is a CSV file with the results of all runs. Written entries survive a crash; an
// incomplete last line is removed.
type Journal struct {
	// Done has the keys of the rows that are done. The caller closes it.
	Done *Set

	path string
	head Head
	file *os.File // after the start of a run
	size int64    // of the complete lines
	seen int64    // of the file when it was read

	mu    sync.Mutex // for the following
	lines *csv.Writer
	dirty bool // some lines are not synced
	err   error
}

// errorf returns why the file cannot be continued.
func (j *Journal) errorf(format string, args ...any) error {
	return fmt.Errorf("%s "+format, append([]any{j.path}, args...)...)
}

// ReadJournal reads the file, if it exists. [Journal.Start] is the first to change it.
func ReadJournal(path string) (*Journal, error) {
	j := &Journal{path: path}
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return j, nil
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular(): // a link could lead to a file of another program
		return nil, j.errorf("is not a regular file: choose another with -results")
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if err := j.read(f); err != nil {
		j.Done.Close()
		return nil, err
	}
	return j, nil
}

func (j *Journal) read(f *os.File) error {
	info, err := f.Stat()
	if err != nil || info.Size() == 0 {
		return err
	}
	j.seen = info.Size()
	lines, err := countLines(f)
	if err != nil {
		return err
	}
	if j.Done, err = newSet(lines); err != nil {
		return err
	}
	var last [1]byte
	if _, err := f.ReadAt(last[:], j.seen-1); err != nil {
		return err
	}
	r := csv.NewReader(io.LimitReader(f, j.seen))
	r.ReuseRecord = true
	r.FieldsPerRecord = len(journalColumns)
	for line := 1; ; line++ {
		record, err := r.Read()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case r.InputOffset() == j.seen && (err != nil || last[0] != '\n') && (line > 1 || startsJournal(f, j.seen)):
			return nil // an incomplete line; its row will be sent again
		case line == 1 && (err != nil || !slices.Equal(record, journalColumns)):
			return j.errorf("is not a results file of this command, or was saved by another program: choose another with -results")
		}
		done := ""
		if err == nil && line > 1 {
			done, err = j.readEntry(record)
		}
		if err != nil {
			return j.errorf("is damaged at line %d: %w", line, err)
		}
		if done != "" {
			if _, err := j.Done.add(done, line); err != nil {
				return err
			}
		}
		j.size = r.InputOffset()
	}
}

// startsJournal reports whether a file without a complete line is the start of a journal,
// which a crash of the machine may have filled up with zero bytes.
func startsJournal(f *os.File, size int64) bool {
	const maxBlock = 1 << 16
	text := make([]byte, min(size, maxBlock))
	n, err := f.ReadAt(text, 0)
	return err == nil && int64(n) == size && strings.HasPrefix(strings.Join(journalColumns, ","), strings.TrimRight(string(text), "\x00"))
}

// readEntry returns the key of a row that is done, or "".
func (j *Journal) readEntry(record []string) (done string, err error) {
	key, state, detail := strings.TrimPrefix(record[1], "'"), State(record[3]), record[7]
	switch state {
	case started:
		j.head = Head{Campaign: strings.Clone(key)} // without the rest of the line
		n, err := fmt.Sscanf(detail, headFormat, &j.head.Message, &j.head.Table, &j.head.Function)
		if n < 2 { // old files lack the function
			return "", fmt.Errorf("the hash of the message is missing: %w", err)
		}
	case Sent, Queued, Refused, Unreachable, OptedOut:
		return key, nil
	case Open, Invalid:
	default:
		return "", fmt.Errorf("unknown state %q", state)
	}
	return "", nil
}

// headFormat is the format of the detail of a start.
const headFormat = "message %s recipients %s function %s"

// Match reports why the journal cannot be continued, or nil.
func (j *Journal) Match(h Head) error {
	switch {
	case j.head == Head{}:
		return nil
	case j.head.Campaign != h.Campaign:
		return j.errorf("belongs to the campaign %s: choose another file with -results", j.head.Campaign)
	case j.head.Function != h.Function && j.head.Function != "":
		return j.errorf("has the results of the function %s, not of %s: its rows would not be sent. Choose another file with -results; "+
			"if both are the same function, continue with -force", j.head.Function, h.Function)
	case j.head.Message != h.Message:
		return j.errorf("was started with another message: recipients of that message do not get another one in this campaign. " +
			"Start a campaign with another name, or send the new message to the remaining rows with -force")
	case j.head.Table != h.Table:
		return j.errorf("was started with another table: continue with -force if rows were added or fixed, " +
			"or start a campaign with another name for other recipients")
	}
	return nil
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
		return j.errorf("is in use by another run: wait until it ends")
	}
	info, err := j.file.Stat()
	if err != nil {
		return err
	}
	if err := j.file.Chmod(0o600); err != nil { // it may have been there
		return err
	}
	if info.Size() != j.seen {
		return j.errorf("was changed by another run: run the same command again when that has ended")
	}
	if err := j.file.Truncate(j.size); err != nil {
		return err
	}
	if _, err := j.file.Seek(j.size, io.SeekStart); err != nil {
		return err
	}
	j.lines = csv.NewWriter(j.file)
	if j.size == 0 {
		_ = j.lines.Write(journalColumns) // Flush reports errors
	}
	_ = j.lines.Write(Entry{Key: h.Campaign, State: started, Time: now, Detail: fmt.Sprintf(headFormat, h.Message, h.Table, h.Function)}.record())
	j.lines.Flush()
	if err := j.lines.Error(); err != nil {
		return err
	}
	return j.file.Sync()
}

// Add writes an entry, after which a crash of the process cannot lose it. It is synced
// within a second, which is the most that a crash of the machine can lose. After an
// error, which all later calls return too, the run should stop.
func (j *Journal) Add(e Entry) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	_ = j.lines.Write(e.record()) // Flush reports errors
	j.lines.Flush()
	if err := j.lines.Error(); err != nil {
		j.err = fmt.Errorf("write results: %w", err)
	}
	if !j.dirty {
		j.dirty = true
		time.AfterFunc(time.Second, j.sync)
	}
	return j.err
}

func (j *Journal) sync() {
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.file.Sync(); err != nil && j.dirty && j.err == nil {
		j.err = fmt.Errorf("write results: %w", err)
	}
	j.dirty = false
}

// Close syncs and closes the file. Nothing may be added after it.
func (j *Journal) Close() error {
	if j.file == nil {
		return nil
	}
	j.sync()
	return errors.Join(j.err, j.file.Close())
}

func (e Entry) record() []string {
	row := ""
	if e.Row > 0 {
		row = strconv.Itoa(e.Row)
	}
	return []string{row, NoFormula(e.Key), e.To, string(e.State), e.Code, e.MessageID, e.Time.UTC().Format(time.RFC3339), NoFormula(e.Detail)}
}

// NoFormula puts an apostrophe before text that a spreadsheet would run as a formula, and
// before one that starts with an apostrophe. A phone number is harmless.
func NoFormula(s string) string {
	if s == "" || !strings.Contains("=+-@'\t\r", s[:1]) || s[0] == '+' && strings.Trim(s[1:], "0123456789") == "" {
		return s
	}
	return "'" + s
}
