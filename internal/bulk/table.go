// Package bulk sends one message to every row of a table.
//
// A [Table] is a CSV file, and a [Template] is a message with placeholders for its
// columns. A [Campaign] combines them and checks every row. A [Runner] then sends the
// messages through the function and records the result of each row in a [Journal], with
// which a later run continues.
//
// The table is read once for the check and once for the run. A [Set] in a temporary file
// finds duplicates and rows that are done, so that memory does not grow with the table.
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
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	encoding "golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// The limits of a table. Without maxRow, a quote that is not closed would make one cell of
// the rest of the file.
const (
	maxRow     = 1 << 20
	maxColumns = 1000
)

// Table is a CSV file whose first row that is not empty names the columns. It is in UTF-8,
// or in UTF-16 with a byte order mark, with commas, semicolons or tabs between the cells.
type Table struct {
	// Columns are the names in the first row. Columns without a name are not used.
	Columns []string

	path  string
	size  int64
	mtime time.Time
	lines int64 // at least the number of rows

	comma           rune
	carriageReturns bool // instead of line feeds
	hidden          int  // rows that a spreadsheet does not show
	names           int  // the row with the names
}

// Row is a row of a table.
type Row struct {
	// Number is the number in a spreadsheet: the first row is 1.
	Number int

	// Cells has one cell per column, without surrounding spaces. It is valid until the
	// next row is read.
	Cells []string

	// Excess means that the row has more cells than columns.
	Excess bool
}

// OpenTable reads the names of the columns.
func OpenTable(path string) (*Table, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() { // opening a pipe would wait for its writer
		return nil, fmt.Errorf("%s: is not a regular file, which is necessary because it is read twice", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	t := &Table{path: path, size: info.Size(), mtime: info.ModTime()}
	text := bufio.NewReaderSize(decode(f), int(min(2*t.size, maxRow))) // UTF-16 grows by at most half
	head, err := text.Peek(text.Size())                                // or less
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if problem := notTable(head); problem != "" {
		return nil, fmt.Errorf("%s: %s", path, problem)
	}
	t.carriageReturns = bytes.Contains(head, []byte("\r")) && !bytes.Contains(head, []byte("\n"))
	if line := separatorLine.FindSubmatch(head); line != nil {
		t.comma, t.hidden = rune(line[1][0]), 1
	} else {
		t.comma = separator(head)
	}
	err = t.scan(text, func(number int, names []string) bool {
		t.names, t.Columns = number, slices.Clone(names)
		return false
	})
	switch {
	case err != nil:
		return nil, err
	case t.names == 0:
		return nil, fmt.Errorf("%s: is empty; the first row must name the columns, such as to", path)
	case slices.ContainsFunc(t.Columns, phoneForm.MatchString):
		return nil, t.rowError(t.names, errors.New("contains a phone number; insert a row above it that names the columns, such as to"))
	case len(t.Columns) > maxColumns:
		return nil, t.rowError(t.names, fmt.Errorf("expected at most %d columns, got %d", maxColumns, len(t.Columns)))
	case !utf8.ValidString(strings.Join(t.Columns, "")):
		return nil, t.rowError(t.names, errors.New(notUTF8))
	}
	for i, name := range t.Columns {
		t.Columns[i] = cleanName(name)
	}
	t.lines, err = countLines(f)
	return t, err
}

// phoneForm matches a phone number in place of the name of a column. A date is shorter.
var phoneForm = regexp.MustCompile(`^\s*'?[+(]?\d(?:[ ().-]*\d){9,14}\s*$`)

// formats are the problems of files of other formats, by media type.
var formats = map[string]string{
	"application/zip":    `is an Excel workbook or another zip archive; save the sheet as "CSV UTF-8"`,
	"application/x-gzip": "is compressed with gzip; decompress it with gunzip",
	"application/pdf":    `is a PDF document; save the sheet as "CSV UTF-8"`,
	"text/html":          `is HTML; save the sheet as "CSV UTF-8"`,
	"text/xml":           `is XML; save the sheet as "CSV UTF-8"`,
}

// notTable returns why the beginning of a file is not that of a table, or "".
func notTable(head []byte) string {
	media, _, _ := strings.Cut(http.DetectContentType(head), ";")
	switch problem := formats[media]; {
	case problem != "":
		return problem
	case bytes.HasPrefix(head, []byte("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")): // .xls
		return `is an Excel workbook; save the sheet as "CSV UTF-8"`
	case bytes.IndexByte(head, 0) >= 0:
		return `is not text, or is UTF-16 without a byte order mark; save the sheet as "CSV UTF-8"`
	default:
		return ""
	}
}

// decode returns a reader of UTF-8 text. The file may also be in UTF-16 with a byte order
// mark, as the "Unicode text" of spreadsheets is.
func decode(r io.Reader) io.Reader {
	return transform.NewReader(r, encoding.BOMOverride(transform.Nop))
}

// carriageReturnReader replaces carriage returns, with which old programs for the Mac end
// lines.
type carriageReturnReader struct{ io.Reader }

func (r carriageReturnReader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	for i, c := range p[:n] {
		if c == '\r' {
			p[i] = '\n'
		}
	}
	return n, err
}

// separatorLine is a line above the names that sets the separator in Excel, which does not
// show the line.
var separatorLine = regexp.MustCompile(`(?i)^"?sep=([,;\t|])"?[\r\n]`)

// emptyLines are lines above the names without text.
var emptyLines = regexp.MustCompile(`^(?:[ ,;\t]*[\r\n])*`)

// separator returns the separator of cells: the most frequent one in the line of names,
// outside of quotes, and in case of a tie the one that is rarer in names.
func separator(head []byte) rune {
	count := map[byte]int{}
	quoted := false
	for _, c := range head[len(emptyLines.Find(head)):] {
		if c == '"' {
			quoted = !quoted
		}
		if (c == '\n' || c == '\r') && !quoted {
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

// cleanName returns a name without invisible characters, and with ordinary spaces.
func cleanName(name string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.Is(unicode.Cf, r):
			return -1
		case unicode.IsSpace(r):
			return ' '
		}
		return r
	}, name)
}

// cleanCell returns a cell without surrounding spaces, and without what keeps a number as
// text in a spreadsheet: '1042 or ="1042".
func cleanCell(cell string) string {
	cell = strings.TrimFunc(cell, func(r rune) bool { return unicode.IsSpace(r) || r == 0x200b || r == 0x2060 || r == 0xfeff })
	number, ok := strings.CutPrefix(cell, "'")
	if !ok && strings.HasPrefix(cell, `="`) {
		number, ok = strings.CutSuffix(cell[2:], `"`)
	}
	if ok && strings.ContainsAny(number, "0123456789") && strings.Trim(number, "+0123456789 ().,/-") == "" {
		return number
	}
	return cell
}

// scan passes the rows that are not empty to yield, until it returns false. The first is
// the one with the names. The cells are valid until yield returns.
func (t *Table) scan(text io.Reader, yield func(number int, cells []string) bool) error {
	if t.carriageReturns {
		text = carriageReturnReader{text}
	}
	limited := &limitedReader{Reader: text}
	r := csv.NewReader(limited)
	r.Comma, r.ReuseRecord = t.comma, true
	r.FieldsPerRecord = -1 // spreadsheets omit empty cells at the end of a row
	number := -t.hidden
	for next := 1; ; {
		limited.left = maxRow
		cells, err := r.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return t.rowError(number+1, err)
		}
		// The reader skips empty lines, which are rows of a spreadsheet.
		line, _ := r.FieldPos(0)
		number += 1 + line - next
		next = line + 1
		empty := true
		for i, cell := range cells {
			next += strings.Count(cell, "\n")
			cells[i] = cleanCell(cell)
			empty = empty && cells[i] == ""
		}
		if !empty && number > 0 && !yield(number, cells) {
			return nil
		}
	}
}

// rowError returns an error of a row.
func (t *Table) rowError(row int, err error) error {
	if parse, ok := errors.AsType[*csv.ParseError](err); ok {
		err = fmt.Errorf("invalid quote at line %d, column %d: double a quote inside a cell, and put the cell in quotes", parse.Line, parse.Column)
	}
	return fmt.Errorf("%s: row %d: %w", t.path, row, err)
}

var errLongRow = errors.New("longer than 1 MiB: probably a quote is not closed")

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
// the first error.
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
		return fmt.Errorf("%s: has changed since the check; run the command again", t.path)
	}
	pass.Size = t.size
	sum, complete := sha256.New(), true
	row := Row{Cells: make([]string, len(t.Columns))}
	err = t.scan(decode(io.TeeReader(f, io.MultiWriter(sum, pass))), func(number int, cells []string) bool {
		if number == t.names {
			return true
		}
		row.Number = number
		clear(row.Cells[copy(row.Cells, cells):])
		row.Excess = strings.Join(cells[min(len(cells), len(row.Cells)):], "") != ""
		complete = yield(row, nil)
		return complete
	})
	if err == nil && complete {
		pass.Hash = hex.EncodeToString(sum.Sum(nil)[:8])
	}
	return err
}
