package bulk

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"
)

// file writes a file and returns its path.
func file(t testing.TB, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// read returns the columns and rows of a table as text, and the error at its end.
func read(path string) (rows []string, err error) {
	table, err := OpenTable(path)
	if err != nil {
		return nil, err
	}
	rows = []string{fmt.Sprintf("%q", table.Columns)}
	pass := new(Pass)
	for row, err := range table.Rows(pass) {
		if err != nil {
			return rows, err
		}
		text := fmt.Sprintf("%d %q", row.Number, row.Cells)
		if row.Excess {
			text += " and more"
		}
		rows = append(rows, text)
	}
	if pass.Hash == "" || pass.Read != pass.Size {
		return rows, fmt.Errorf("%d of %d bytes, with the hash %q", pass.Read, pass.Size, pass.Hash)
	}
	return rows, nil
}

func utf16LE(text string) string {
	b := []byte{0xff, 0xfe}
	for _, u := range utf16.Encode([]rune(text)) {
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	return string(b)
}

func TestTable(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, text string
		want       []string
		err        string
	}{
		{"plain", "to,name\n1,Ada\n2,Bob", []string{`["to" "name"]`, `2 ["1" "Ada"]`, `3 ["2" "Bob"]`}, ""},
		{"a European spreadsheet", "\xef\xbb\xbfto;name\r\n1;\"Ada;\r\nthe \"\"first\"\"\"\r\n2;Zoë\r\n", []string{`["to" "name"]`, `2 ["1" "Ada;\nthe \"first\""]`, `3 ["2" "Zoë"]`}, ""},
		{"tabs", "to\tname, all\n1\tA,B\n", []string{`["to" "name, all"]`, `2 ["1" "A,B"]`}, ""},
		{"Unicode text", utf16LE("to\tname\r\n1\tZoë\r\n"), []string{`["to" "name"]`, `2 ["1" "Zoë"]`}, ""},
		{"one column", "to\n1\n", []string{`["to"]`, `2 ["1"]`}, ""},
		{"a separator in quotes", "\"a;b;c\",to\n1,2\n", []string{`["a;b;c" "to"]`, `2 ["1" "2"]`}, ""},
		{"empty rows count and are skipped", "to,name\n\n1,\"a\nb\"\n , \n\n\n2,\n", []string{`["to" "name"]`, `3 ["1" "a\nb"]`, `7 ["2" ""]`}, ""},
		{"short and long rows", "to,name\n1\n2,b,,\n3,c,d\n", []string{`["to" "name"]`, `2 ["1" ""]`, `3 ["2" "b"]`, `4 ["3" "c"] and more`}, ""},
		{"surrounding spaces", " to , name \n 1 ,\" b \"\n", []string{`["to" "name"]`, `2 ["1" "b"]`}, ""},
		{"numbers as text", "to,no,note\n'+12025550110,'1042,'tis\n\"=\"\"0042\"\"\",\u200b7\ufeff,'90s\n", []string{`["to" "no" "note"]`, `2 ["+12025550110" "1042" "'tis"]`, `3 ["0042" "7" "'90s"]`}, ""},
		{"empty lines above the names", "\n ; ;\nto;a,b\n1;2\n", []string{`["to" "a,b"]`, `4 ["1" "2"]`}, ""},
		{"a first column without a name", "\n;to\n1;2\n", []string{`["" "to"]`, `3 ["1" "2"]`}, ""},
		{"a line for Excel", "\xef\xbb\xbfsep=;\r\nto;a,b,c\r\n1;2\r\n", []string{`["to" "a,b,c"]`, `2 ["1" "2"]`}, ""},
		{"a quoted line for Excel", "\"SEP=|\"\nto|a,b\n1|2\n", []string{`["to" "a,b"]`, `2 ["1" "2"]`}, ""},
		{"a separator in UTF-16", utf16LE("sep=\t\r\nto\ta,b\r\n1\t2\r\n"), []string{`["to" "a,b"]`, `2 ["1" "2"]`}, ""},
		{"a column named sep", "sep=,to\n1,2\n", []string{`["sep=" "to"]`, `2 ["1" "2"]`}, ""},
		{"carriage returns", "to,name\r1,\"a\rb\"\r\r2,c\r", []string{`["to" "name"]`, `2 ["1" "a\nb"]`, `4 ["2" "c"]`}, ""},
		{"invisible characters in names", "\u200bto,First\u00a0name\ufeff\n1,Ada\n", []string{`["to" "First name"]`, `2 ["1" "Ada"]`}, ""},
		{"names in Windows-1252", "to,Gr\xf6\xdfe\n1,2\n", nil, `row 1: not UTF-8; save the sheet as "CSV UTF-8"`},
		{"a workbook", "PK\x03\x04\x14\x00\x08\x00[Content_Types].xml", nil, `is an Excel workbook or another zip archive; save the sheet as "CSV UTF-8"`},
		{"an old workbook", "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\x00", nil, `is an Excel workbook; save the sheet as "CSV UTF-8"`},
		{"another spreadsheet", "PK\x03\x04\x14\x00mimetypeapplication/vnd.oasis.opendocument.spreadsheet", nil, `is an Excel workbook or another zip archive; save the sheet as "CSV UTF-8"`},
		{"gzip", "\x1f\x8b\x08\x00", nil, "is compressed with gzip; decompress it with gunzip"},
		{"PDF", "%PDF-1.7\n", nil, `is a PDF document; save the sheet as "CSV UTF-8"`},
		{"a web page", "\n<!DOCTYPE html><html>", nil, `is HTML; save the sheet as "CSV UTF-8"`},
		{"an image", "\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", nil, `is not text, or is UTF-16 without a byte order mark; save the sheet as "CSV UTF-8"`},
		{"UTF-16 without a byte order mark", "t\x00o\x00\n\x00", nil, `is not text, or is UTF-16 without a byte order mark; save the sheet as "CSV UTF-8"`},
		{"no rows", "to\n", []string{`["to"]`}, ""},
		{"without names", "Ada,(202) 555-0123\nGrace,+12025550124\n", nil, "row 1: contains a phone number; insert a row above it that names the columns, such as to"},
		{"empty", "", nil, "is empty; the first row must name the columns, such as to"},
		{
			"a quote in a cell", "to,name\n1,5\" pipe\n",
			[]string{`["to" "name"]`},
			"row 2: invalid quote at line 2, column 4: double a quote inside a cell, and put the cell in quotes",
		},
		{
			"an open quote", "to,name\n1,b\n2,\"x" + strings.Repeat("\n1,b", 600_000),
			[]string{`["to" "name"]`, `2 ["1" "b"]`},
			"row 3: longer than 1 MiB: probably a quote is not closed",
		},
		{"many columns", strings.Repeat("a,", 1000) + "to\n", nil, "row 1: expected at most 1000 columns, got 1001"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := file(t, "r.csv", tt.text)
			got, err := read(path)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("rows (-want +got):\n%s", diff)
			}
			want := ""
			if tt.err != "" {
				want = path + ": " + tt.err
			}
			if err == nil && want != "" || err != nil && err.Error() != want {
				t.Errorf("error %v, want %q", err, want)
			}
		})
	}
}

func TestTable_changed(t *testing.T) {
	t.Parallel()
	path := file(t, "r.csv", "to\n1\n")
	table, err := OpenTable(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("to\n12\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, err := range table.Rows(new(Pass)) {
		if want := path + ": has changed since the check; run the command again"; err == nil || err.Error() != want {
			t.Errorf("error %v, want %s", err, want)
		}
	}
	if _, err := OpenTable(t.TempDir()); err == nil {
		t.Error("a folder was opened")
	}
}

func FuzzTable(f *testing.F) {
	for _, text := range []string{"to,name\n1,b\n", "to;a\r\n1;\"\"\"\n;\"\r\n\r\n2", "\xff\xfet\x00o\x00", "\"", "a\tb\n\n\n1"} {
		f.Add([]byte(text))
	}
	path := filepath.Join(f.TempDir(), "r.csv")
	written, err := os.Create(path) // stays open: closing is slow on some file systems
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { written.Close() })
	f.Fuzz(func(t *testing.T, data []byte) {
		_, err := written.WriteAt(data, 0)
		if err = errors.Join(err, written.Truncate(int64(len(data)))); err != nil {
			t.Fatal(err)
		}
		table, err := OpenTable(path)
		if err != nil {
			return
		}
		last := 1
		for row, err := range table.Rows(new(Pass)) {
			if err != nil {
				return
			}
			if row.Number <= last || len(row.Cells) != len(table.Columns) {
				t.Fatalf("row %d after %d with %d of %d cells", row.Number, last, len(row.Cells), len(table.Columns))
			}
			last = row.Number
		}
	})
}
