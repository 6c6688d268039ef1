// Package bulk sends one message to every row of a table.
//
// A [Table] is a CSV file, and a [Template] is a message with placeholders for its
// columns. A [Campaign] combines them and checks every row. A [Runner] then sends the
// messages through the function and records the result of each row in a [Journal], with
// which a later run continues.
//
// The table is read once for the check and once for the run. Memory grows only by a hash
// of each number and key, which find duplicates and rows that are done.
package bulk

import (
	"bufio"
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

// The limits of a table. Without maxRow, a quote that is not closed would make one cell of
// the rest of the file.
const (
	maxRow     = 1 << 20
	maxColumns = 1000
)

// Table is a CSV file whose first row names the columns. It is in UTF-8, or in UTF-16 with
// a byte order mark, with commas, semicolons or tabs between the cells.
type Table struct {
	// Columns are the names in the first row. Columns without a name are not used.
	Columns []string

	path  string
	comma rune
	size  int64
	mtime time.Time
}

// Row is a row of a table.
type Row struct {
	// Number is the number in a spreadsheet: the row with the names is 1.
	Number int

	// Cells has one cell per column, without surrounding spaces. It is valid until the
	// next row is read.
	Cells []string

	// Excess means that the row has more cells than columns.
	Excess bool
}

// A TableError reports where a table is unreadable.
type TableError struct {
	Path   string
	Row    int // 0 for the whole file
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
		return nil, &TableError{Path: path, Detail: "is not a regular file, which is necessary because it is read twice"}
	}
	t := &Table{path: path, size: info.Size(), mtime: info.ModTime()}
	text := decode(f, t.size)
	head, err := text.Peek(text.Size()) // or less
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	t.comma = separator(head)
	names, err := t.reader(text).Read()
	if errors.Is(err, io.EOF) {
		return nil, &TableError{Path: path, Detail: "is empty; the first row must name the columns, such as to"}
	}
	if err != nil {
		return nil, t.rowError(1, err)
	}
	for _, name := range names {
		t.Columns = append(t.Columns, strings.TrimSpace(name))
	}
	if len(names) > maxColumns {
		return nil, &TableError{Path: path, Row: 1, Detail: fmt.Sprintf("expected at most %d columns, got %d", maxColumns, len(names))}
	}
	return t, nil
}

// decode returns a reader of UTF-8 text. The file may also be in UTF-16 with a byte order
// mark, as the "Unicode text" of spreadsheets is, which grows by at most half. The buffer
// has room for the longest row.
func decode(r io.Reader, size int64) *bufio.Reader {
	return bufio.NewReaderSize(transform.NewReader(r, unicode.BOMOverride(transform.Nop)), int(min(2*size, maxRow)))
}

// separator returns the separator of cells: the most frequent one in the first line,
// outside of quotes, and in case of a tie the one that is rarer in names.
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
	c.FieldsPerRecord = -1 // spreadsheets omit empty cells at the end of a row
	return c
}

// rowError explains an error of a row.
func (t *Table) rowError(row int, err error) error {
	e := &TableError{Path: t.path, Row: row, Detail: err.Error(), Err: err}
	if parse, ok := errors.AsType[*csv.ParseError](err); ok {
		e.Detail = fmt.Sprintf("invalid quote at line %d, column %d: double a quote inside a cell, and put the cell in quotes", parse.Line, parse.Column)
	}
	if errors.Is(err, errLongRow) {
		e.Detail = "longer than 1 MiB: probably a quote is not closed"
	}
	return e
}

var errLongRow = errors.New("row too long")

// limitedReader fails after some bytes. [io.LimitedReader] would report the end of the
// file.
type limitedReader struct {
	io.Reader
	left int
}

func (r *limitedReader) Read(p []byte) (int, error) {
	if r.left <= 0 {
		return 0, errLongRow
	}
	n, err := r.Reader.Read(p[:min(len(p), r.left)])
	r.left -= n
	return n, err
}

// Pass is one reading of a table.
type Pass struct {
	// Hash is a hash of the file, after it was read completely.
	Hash string

	// Read is the number of bytes read, of Size.
	Read, Size int64
}

// Write counts the bytes read.
func (p *Pass) Write(b []byte) (int, error) {
	p.Read += int64(len(b))
	return len(b), nil
}

// Rows returns the rows below the names, except empty ones, and updates pass. It ends with
// the first error, which is a [*TableError] or an error of the file.
func (t *Table) Rows(pass *Pass) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		if err := t.read(pass, yield); err != nil {
			yield(Row{}, err)
		}
	}
}

func (t *Table) read(pass *Pass, yield func(Row, error) bool) error {
	f, err := os.Open(t.path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if info.Size() != t.size || !info.ModTime().Equal(t.mtime) {
		return &TableError{Path: t.path, Detail: "has changed since the check; run the command again"}
	}
	pass.Size = info.Size()
	sum := sha256.New()
	limited := &limitedReader{Reader: decode(io.TeeReader(f, io.MultiWriter(sum, pass)), t.size)}
	r := t.reader(limited)
	r.ReuseRecord = true
	row := Row{Cells: make([]string, len(t.Columns))}
	for next := 1; ; {
		limited.left = maxRow
		cells, err := r.Read()
		if errors.Is(err, io.EOF) {
			pass.Hash = hex.EncodeToString(sum.Sum(nil)[:8])
			return nil
		}
		if err != nil {
			return t.rowError(row.Number+1, err)
		}
		// The reader skips empty lines, which are rows of a spreadsheet.
		line, _ := r.FieldPos(0)
		row.Number += 1 + line - next
		next = line + 1
		for _, cell := range cells {
			next += strings.Count(cell, "\n")
		}
		empty := true
		row.Excess = false
		clear(row.Cells)
		for i, cell := range cells {
			if cell = strings.TrimSpace(cell); cell == "" {
				continue
			}
			empty = false
			if i < len(row.Cells) {
				row.Cells[i] = cell
			} else {
				row.Excess = true
			}
		}
		if row.Number > 1 && !empty && !yield(row, nil) {
			return nil
		}
	}
}
