// Package bulk sends one message to many people: a row of a table for each of them.
//
// A [Table] is a CSV file, a [Template] the message with placeholders for its
// columns. A [Campaign] joins them: it checks every row before the first is sent
// (check.go), and sends them through the function (run.go, pace.go). What became of
// each row goes into a [Journal], which a later run goes on from.
//
// Rows are read again in each pass and never kept, so memory does not grow with
// them but for a hash of each number and key, to find those that stand twice and
// those that are done.
package bulk

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"strings"
	"time"

	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// Bounds of a table. A quote that is never closed would otherwise read all of the
// file as one cell.
const (
	maxRow     = 1 << 20
	maxColumns = 1000
)

// Table is a CSV file whose first row names the columns: UTF-8, or UTF-16 with a
// byte order mark, with commas, semicolons or tabs between the cells.
type Table struct {
	// Columns are the names in the first row. Those without a name are not used.
	Columns []string

	path  string
	comma rune
	size  int64
	mtime time.Time
}

// Row is a row of a table.
type Row struct {
	// Number counts rows as spreadsheets do: the one with the names is 1.
	Number int

	// Cells are as many as there are columns, without the blanks around them. They
	// are good until the next row is read.
	Cells []string

	// Excess says that there were more cells than columns.
	Excess bool
}

// A TableError is what makes a table unreadable from some place on.
type TableError struct {
	Path   string
	Row    int // zero: the file as a whole
	Detail string
	Err    error
}

func (e *TableError) Error() string {
	text := e.Path + ": "
	if e.Row > 0 {
		text += fmt.Sprintf("row %d: ", e.Row)
	}
	return text + e.Detail
}

func (e *TableError) Unwrap() error { return e.Err }

// OpenTable reads the first row of a file.
func OpenTable(path string) (*Table, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, &TableError{Path: path, Detail: "is not a file: the rows are read more than once"}
	}
	t := &Table{path: path, size: info.Size(), mtime: info.ModTime()}
	text := decoded(f, t.size)
	head, err := text.Peek(text.Size()) // or as much as there is
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	t.comma = separator(head)
	names, err := t.reader(text).Read()
	if errors.Is(err, io.EOF) {
		return nil, &TableError{Path: path, Detail: "is empty: the first row must name the columns, such as to"}
	}
	if err != nil {
		return nil, t.fault(1, err)
	}
	for _, name := range names {
		t.Columns = append(t.Columns, strings.TrimSpace(name))
	}
	if len(names) > maxColumns {
		return nil, &TableError{Path: path, Row: 1, Detail: fmt.Sprintf("%d columns, at most %d are read", len(names), maxColumns)}
	}
	return t, nil
}

// decoded reads UTF-8 with or without a byte order mark, and UTF-16 with one, as
// the "Unicode text" of spreadsheets is. The buffer holds a row, or a file of that size:
// UTF-16 grows by half at most.
func decoded(r io.Reader, size int64) *bufio.Reader {
	return bufio.NewReaderSize(transform.NewReader(r, unicode.BOMOverride(transform.Nop)), int(min(2*size, maxRow)))
}

// separator finds what stands between the cells of the first line: what stands
// there most often outside of quotes, and of two the one that fewer names have in
// them.
func separator(head []byte) rune {
	count := map[byte]int{}
	quoted := false
	for _, c := range head {
		if c == '"' {
			quoted = !quoted
		}
		if c == '\n' && !quoted {
			break
		}
		if !quoted {
			count[c]++
		}
	}
	best := byte(',')
	for _, c := range []byte{';', '\t'} {
		if count[c] > 0 && count[c] >= count[best] {
			best = c
		}
	}
	return rune(best)
}

func (t *Table) reader(r io.Reader) *csv.Reader {
	c := csv.NewReader(r)
	c.Comma = t.comma
	c.FieldsPerRecord = -1 // spreadsheets leave out empty cells at the end of a row
	return c
}

// fault explains an error of reading a row.
func (t *Table) fault(row int, err error) error {
	e := &TableError{Path: t.path, Row: row, Detail: err.Error(), Err: err}
	if parse := (*csv.ParseError)(nil); errors.As(err, &parse) {
		e.Detail = fmt.Sprintf("a quote is wrong at line %d, column %d: write a quote inside of a cell twice, and the cell in quotes", parse.Line, parse.Column)
	}
	if errors.Is(err, errLongRow) {
		e.Detail = "it has more than 1 MiB: a quote is opened and not closed, probably"
	}
	return e
}

var errLongRow = errors.New("bulk: row too long")

// allowance reads until it is used up.
type allowance struct {
	io.Reader
	left int
}

func (a *allowance) Read(p []byte) (int, error) {
	if a.left <= 0 {
		return 0, errLongRow
	}
	n, err := a.Reader.Read(p[:min(len(p), a.left)])
	a.left -= n
	return n, err
}

// Pass is one reading of a table.
type Pass struct {
	// Sum identifies the content of the file, once all of it was read.
	Sum string

	// Read is how many bytes of the file were read, out of Size.
	Read, Size int64
}

// Rows reads the rows below the names, but for those that are blank. The pass tells how far
// it has come. The iteration ends with the first error, a [*TableError] or
// one of the file.
func (t *Table) Rows(pass *Pass) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		f, err := os.Open(t.path)
		if err != nil {
			yield(Row{}, err)
			return
		}
		defer f.Close()
		info, err := f.Stat()
		if err == nil && (info.Size() != t.size || !info.ModTime().Equal(t.mtime)) {
			err = &TableError{Path: t.path, Detail: "has changed since it was checked; run the command again"}
		}
		if err != nil {
			yield(Row{}, err)
			return
		}
		pass.Size = info.Size()
		sum := sha256.New()
		source := io.TeeReader(f, io.MultiWriter(sum, counter{&pass.Read}))
		guard := &allowance{Reader: decoded(source, t.size), left: 2 * maxRow}
		if t.rows(guard, yield) {
			pass.Sum = hex.EncodeToString(sum.Sum(nil)[:8])
		}
	}
}

// rows reports whether all rows were read.
func (t *Table) rows(guard *allowance, yield func(Row, error) bool) bool {
	r := t.reader(guard)
	r.ReuseRecord = true
	row := Row{Cells: make([]string, len(t.Columns))}
	for number, next := 0, 1; ; {
		guard.left = maxRow
		cells, err := r.Read()
		if errors.Is(err, io.EOF) {
			return true
		}
		if err != nil {
			yield(Row{}, t.fault(number+1, err))
			return false
		}
		// Empty lines are rows of a spreadsheet, and are not read.
		line, _ := r.FieldPos(0)
		number += 1 + line - next
		next = line + 1
		for _, cell := range cells {
			next += strings.Count(cell, "\n")
		}
		if number == 1 || !row.fill(number, cells) {
			continue
		}
		if !yield(row, nil) {
			return false
		}
	}
}

// fill reports whether there is anything in the row.
func (r *Row) fill(number int, cells []string) bool {
	r.Number, r.Excess = number, false
	found := false
	clear(r.Cells)
	for i, cell := range cells {
		if cell = strings.TrimSpace(cell); cell == "" {
			continue
		}
		found = true
		if i < len(r.Cells) {
			r.Cells[i] = cell
		} else {
			r.Excess = true
		}
	}
	return found
}

type counter struct{ n *int64 }

func (c counter) Write(p []byte) (int, error) {
	*c.n += int64(len(p))
	return len(p), nil
}

// sumOf identifies a content.
func sumOf(data []byte) string {
	sum := sha256.Sum256(bytes.TrimSpace(data))
	return hex.EncodeToString(sum[:8])
}
