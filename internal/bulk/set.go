package bulk

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/bits"
	"os"
	"slices"
	"sort"
)

// Set is a set of texts with a row for each, in a temporary file. A nil Set is empty.
//
// The file has 96 bits of the SHA-256 hash of each text and a secret, which say nothing
// about the text. The probability that two of ten million texts have the same is less than
// one in 10^15. Memory has a filter, so that a new text rarely needs a read, and the last
// texts, which are written together.
type Set struct {
	file   *os.File
	name   string // of the file, unless it is removed already
	pages  uint64
	size   int64 // the maximum of n
	n      int64
	filter []byte          // eight bits for each text, or fewer
	recent map[hash]uint32 // rows of texts that are not in the file yet
	text   []byte          // the secret and the text
	page   []byte
}

// hash is a part of the hash of a text.
type hash [12]byte

const (
	secretSize = 16
	entrySize  = len(hash{}) + 4 // with the row, which is not 0
	pageSize   = 4096
	maxFilter  = 4 << 20
	maxRecent  = 50_000
)

// newSet returns a set of at most size texts.
func newSet(size int64) (*Set, error) {
	f, err := os.CreateTemp("", "rcshook-bulk-*")
	if err != nil {
		return nil, temporaryError(err)
	}
	s := &Set{
		file:   f,
		pages:  uint64(size)*2*uint64(entrySize)/pageSize + 1, // half full
		size:   size,
		filter: make([]byte, min(size, maxFilter)+1),
		recent: map[hash]uint32{},
		text:   make([]byte, secretSize),
		page:   make([]byte, pageSize),
	}
	rand.Read(s.text)
	if os.Remove(f.Name()) != nil { // Windows removes only closed files
		s.name = f.Name()
	}
	if err := f.Truncate(int64(s.pages) * pageSize); err != nil {
		s.Close()
		return nil, temporaryError(err)
	}
	return s, nil
}

func temporaryError(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("temporary file: %w; set TMPDIR, or TMP on Windows, to a directory with free space", err)
}

// hash returns the hash of a text, and the byte and the bit of the filter.
func (s *Set) hash(text string) (h hash, i uint64, bit byte) {
	s.text = append(s.text[:secretSize], text...)
	sum := sha256.Sum256(s.text)
	n := binary.BigEndian.Uint64(sum[len(h):])
	return hash(sum[:len(h)]), n >> 3 % uint64(len(s.filter)), 1 << (n & 7)
}

// find returns the row of a hash, or 0.
func (s *Set) find(h hash) (row uint32, err error) {
	if row, ok := s.recent[h]; ok {
		return row, nil
	}
	for page := s.pageOf(h); ; page = (page + 1) % s.pages {
		if err := s.read(page); err != nil {
			return 0, err
		}
		for i := 0; i < len(s.page); i += entrySize {
			entry := s.page[i : i+entrySize]
			if row := binary.LittleEndian.Uint32(entry[len(h):]); row == 0 || hash(entry[:len(h)]) == h {
				return row, nil
			}
		}
	}
}

// pageOf returns the page of a hash, or the first if some are full. The pages are in the
// order of the hashes.
func (s *Set) pageOf(h hash) uint64 {
	page, _ := bits.Mul64(binary.BigEndian.Uint64(h[:]), s.pages)
	return page
}

// add adds a text, unless the set has it. It returns the row with which it was added first.
func (s *Set) add(text string, row int) (first int, err error) {
	h, i, bit := s.hash(text)
	if s.filter[i]&bit != 0 {
		if first, err := s.find(h); first != 0 || err != nil {
			return int(first), err
		}
	}
	if s.n++; s.n > s.size {
		return 0, errors.New("the file grows while it is read: run the command again")
	}
	s.filter[i] |= bit
	s.recent[h] = uint32(row)
	if len(s.recent) == maxRecent {
		err = s.flush()
	}
	return row, err
}

// flush writes the recent texts to the file, page by page.
func (s *Set) flush() error {
	hashes := slices.SortedFunc(maps.Keys(s.recent), func(a, b hash) int { return bytes.Compare(a[:], b[:]) })
	at, used := s.pages, 0 // the page in memory, and the bytes of its entries
	write := func() error {
		if at == s.pages {
			return nil
		}
		_, err := s.file.WriteAt(s.page, int64(at)*pageSize)
		return temporaryError(err)
	}
	for _, h := range hashes {
		for page := s.pageOf(h); page != at || used == pageSize; {
			if page == at {
				page = (page + 1) % s.pages
			}
			if err := cmp.Or(write(), s.read(page)); err != nil {
				return err
			}
			at, used = page, entrySize*sort.Search(pageSize/entrySize, func(i int) bool {
				return binary.LittleEndian.Uint32(s.page[(i+1)*entrySize-4:]) == 0
			})
		}
		entry := append(s.page[:used], h[:]...)
		binary.LittleEndian.AppendUint32(entry, s.recent[h])
		used += entrySize
	}
	clear(s.recent)
	return write()
}

// read reads a page.
func (s *Set) read(page uint64) error {
	_, err := s.file.ReadAt(s.page, int64(page)*pageSize)
	return temporaryError(err)
}

// Contains reports whether the set has a text.
func (s *Set) Contains(text string) (bool, error) {
	if s == nil {
		return false, nil
	}
	h, i, bit := s.hash(text)
	if s.filter[i]&bit == 0 {
		return false, nil
	}
	row, err := s.find(h)
	return row != 0, err
}

// Len returns the number of texts.
func (s *Set) Len() int {
	if s == nil {
		return 0
	}
	return int(s.n)
}

// Close removes the file.
func (s *Set) Close() {
	if s == nil {
		return
	}
	_ = s.file.Close()
	if s.name != "" {
		_ = os.Remove(s.name)
	}
}

// countLines returns the number of lines of a file, which then starts again.
func countLines(f *os.File) (n int64, err error) {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return 0, err
	}
	block := make([]byte, 1<<16)
	for n = 1; ; {
		size, err := f.Read(block)
		n += int64(max(bytes.Count(block[:size], []byte("\n")), bytes.Count(block[:size], []byte("\r"))))
		if errors.Is(err, io.EOF) {
			_, err = f.Seek(0, io.SeekStart)
			return n, err
		}
		if err != nil {
			return 0, err
		}
	}
}
