package bulk

import (
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/rcshook/rcshook/internal/racetest"
)

func newTestSet(t testing.TB, texts ...string) *Set {
	t.Helper()
	s, err := newSet(int64(len(texts)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	for i, text := range texts {
		if _, err := s.add(text, i+1); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// TestSet adds so many texts that most are in the file only, some of them twice.
func TestSet(t *testing.T) {
	t.Parallel()
	const size = 3*maxRecent + 50
	s, err := newSet(size)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for i := range size {
		if first, err := s.add(fmt.Sprint("+", i), i+1); first != i+1 || err != nil {
			t.Fatalf("add %d: %d, %v", i, first, err)
		}
		if first, err := s.add(fmt.Sprint("+", i/2), i+2); first != i/2+1 || err != nil {
			t.Fatalf("add %d again: %d, %v", i/2, first, err)
		}
		if i%100 == 0 {
			if ok, err := s.Contains(fmt.Sprint("-", i)); ok || err != nil {
				t.Fatalf("%d was not added: %v, %v", i, ok, err)
			}
		}
	}
	if s.Len() != size {
		t.Errorf("%d texts, want %d", s.Len(), size)
	}
	const want = "the file grows while it is read: run the command again"
	if _, err := s.add("more", 1); err == nil || err.Error() != want {
		t.Errorf("one text more: %v, want %s", err, want)
	}
}

// TestSet_fullPages fills pages, so that texts go to the next page, and from the last page to
// the first.
func TestSet_fullPages(t *testing.T) {
	t.Parallel()
	const pages = 3
	size := pages*pageSize/entrySize - 1
	s, err := newSet(int64(size))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	s.pages = pages
	for i := range size {
		if _, err := s.add(fmt.Sprint("+", i), i+1); err != nil {
			t.Fatal(err)
		}
		if i%50 == 0 || i == size-1 {
			if err := s.flush(); err != nil {
				t.Fatal(err)
			}
		}
	}
	for i := range 2 * size {
		if ok, err := s.Contains(fmt.Sprint("+", i)); ok != (i < size) || err != nil {
			t.Errorf("%d: %v, %v", i, ok, err)
		}
	}
}

func BenchmarkSet(b *testing.B) {
	s, err := newSet(int64(b.N))
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	for i := range b.N {
		s.add(fmt.Sprint("+", i), i+1)
	}
}

// TestSet_noSpace checks the error without a directory for the file.
func TestSet_noSpace(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing")
	for _, name := range []string{"TMPDIR", "TMP"} {
		t.Setenv(name, missing)
	}
	c, _, err := start(t, "to\n+12025550110\n", `{"text": "x"}`)
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Check(t.Context(), nil, nil)
	if err == nil || !strings.HasPrefix(err.Error(), "temporary file: ") || !strings.HasSuffix(err.Error(), "; set TMPDIR, or TMP on Windows, to a directory with free space") {
		t.Errorf("Check = %v", err)
	}
}

// TestCheck_memory checks a table whose rows are done, and measures the memory that is in use
// at its last row. It is not parallel, so that other tests do not count.
func TestCheck_memory(t *testing.T) {
	racetest.Skip(t)
	const rows, maxBytes = 100_000, 5 << 20
	c, path := doneCampaign(t, rows)
	inUse := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := inUse()
	j, err := ReadJournal(path)
	if err != nil {
		t.Fatal(err)
	}
	defer j.Done.Close()
	checked, grown := 0, int64(0)
	s, err := c.Check(t.Context(), j.Done, func(int64, int64) {
		if checked += 1000; checked == rows {
			grown = inUse() - before
		}
	})
	if err != nil || s.Valid != rows || s.Done != rows {
		t.Fatalf("%+v, %v", s, err)
	}
	if grown == 0 || grown > maxBytes {
		t.Errorf("%d bytes in use after %d rows, want at most %d", grown, rows, maxBytes)
	}
}

// doneCampaign returns a campaign with a key column, and a journal in which all rows are done.
func doneCampaign(t *testing.T, rows int) (c *Campaign, journalPath string) {
	t.Helper()
	var table, journal strings.Builder
	table.WriteString("to,id\n")
	journal.WriteString(strings.Join(strings.SplitAfter(testJournal, "\n")[:2], ""))
	for i := range rows {
		fmt.Fprintf(&table, "+1303%07d,key %d\n", 2_000_000+i, i)
		fmt.Fprintf(&journal, "%d,key %d,+1303%07d,sent,accepted,id,2026-01-02T03:04:05Z,\n", i+2, i, 2_000_000+i)
	}
	c, _, err := start(t, table.String(), `{"text": "x"}`)
	if err != nil {
		t.Fatal(err)
	}
	c.KeyColumn = "id"
	if _, err := c.MatchColumns(); err != nil {
		t.Fatal(err)
	}
	return c, file(t, "results.csv", journal.String())
}
