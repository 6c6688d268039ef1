package bulk

import (
	"context"
	"fmt"
	"hash/maphash"
	"iter"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/rcshook/rcshook/internal/compose"
	"github.com/rcshook/rcshook/internal/payload"
)

// Letter is what one row asks to be sent.
type Letter struct {
	Row     int
	Key, To string
	Body    []byte // the payload

	// Faults are why it cannot be sent. Key, To and Body may then be missing.
	Faults   []payload.Error
	Composed *compose.Composed // nil with faults
}

// letters makes a letter of each row.
func (c *Campaign) letters(ctx context.Context, pass *Pass) iter.Seq2[*Letter, error] {
	return func(yield func(*Letter, error) bool) {
		w := writer{Campaign: c, now: time.Now(), numbers: map[uint64]uint32{}, keys: map[uint64]uint32{}}
		if c.Now != nil {
			w.now = c.Now()
		}
		for row, err := range c.Table.Rows(pass) {
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				yield(nil, err)
				return
			}
			if !yield(w.letter(row), nil) {
				return
			}
		}
	}
}

// writer writes letters. Of the rows before it remembers a hash of each number and
// key: of a million rows two different ones are taken for the same once in some
// ten million campaigns.
type writer struct {
	*Campaign
	now     time.Time
	numbers map[uint64]uint32 // row by hash
	keys    map[uint64]uint32 // only if there is a column of keys
}

func (w *writer) letter(row Row) *Letter {
	l := &Letter{Row: row.Number}
	if w.key >= 0 {
		l.Key = row.Cells[w.key]
	}
	if l.Body, l.Faults = w.render(row, l.Key); len(l.Faults) > 0 {
		return l
	}
	p, err := payload.Decode("application/json", l.Body, payload.Options{})
	if err != nil {
		l.fault("", "it cannot be read: %v", err)
		return l
	}
	if len(p.To) == 1 {
		l.To = p.To[0].E164
	} else if len(p.To) > 1 {
		l.fault(p.To[1].Pointer, "%d numbers, and a row is for one", len(p.To))
	}
	composed, err := compose.Message(p, compose.Defaults{}, w.now)
	switch faults := err.(type) {
	case nil:
	case payload.Errors:
		l.Faults = append(l.Faults, faults...)
	default:
		l.fault("", "%v", err)
	}
	if len(l.Faults) == 0 {
		w.address(l)
	}
	if len(l.Faults) == 0 {
		l.Composed = composed
	}
	return l
}

// address sees that number and key are those of no row before, and completes the
// body with the key.
func (w *writer) address(l *Letter) {
	if first, ok := w.remember(w.numbers, l.To, l.Row); !ok {
		l.repeats("number", first)
	}
	if w.key < 0 {
		l.Key = l.To
		l.Body = append(w.member(l.Body[:len(l.Body)-1], l.Key), '}')
	} else if first, ok := w.remember(w.keys, l.Key, l.Row); !ok {
		l.repeats(w.Table.Columns[w.key], first)
	}
}

func (l *Letter) repeats(what string, first int) {
	l.fault("", "the same %s as in an earlier row: row %d as in row %d", what, l.Row, first)
}

func (w *writer) remember(seen map[uint64]uint32, text string, row int) (first int, ok bool) {
	hash := maphash.String(w.seed, text)
	if first, ok := seen[hash]; ok {
		return int(first), false
	}
	seen[hash] = uint32(row)
	return 0, true
}

func (l *Letter) fault(pointer, format string, args ...any) {
	l.Faults = append(l.Faults, payload.Error{Pointer: pointer, Detail: fmt.Sprintf(format, args...)})
}

// render writes the payload of a row. A cell that is not blank stands in the place
// of the same field in the message.
func (w *writer) render(row Row, key string) (body []byte, faults []payload.Error) {
	if faults = w.wrong(row, key); len(faults) > 0 {
		return nil, faults
	}
	b := append(make([]byte, 0, 512), '{')
	for _, m := range w.Message.members {
		if m.field != "" && w.overridden(m.field, row) {
			continue
		}
		b = append(append(comma(b), m.name...), ':')
		for _, p := range m.value {
			if p.text == nil {
				b = append(b, p.json...)
				continue
			}
			text, blank := fill(p.text, row)
			for _, h := range blank {
				faults = append(faults, payload.Error{
					Detail: fmt.Sprintf("%s is blank here: fill in the cell, or write {{%s|...}} with what stands there otherwise", h, h.name),
				})
			}
			b = quote(b, text)
		}
	}
	for _, f := range w.fields {
		if cell := row.Cells[f.index]; cell != "" {
			b = quote(append(append(comma(b), f.name...), ':'), cell)
		}
	}
	if w.country && !w.overridden("country", row) {
		b = quote(append(comma(b), `"country":`...), w.Country)
	}
	if w.key >= 0 {
		b = w.member(b, key)
	}
	return append(b, '}'), faults
}

// wrong finds faults of a row that has no payload.
func (w *writer) wrong(row Row, key string) (faults []payload.Error) {
	fault := func(format string, args ...any) {
		faults = append(faults, payload.Error{Detail: fmt.Sprintf(format, args...)})
	}
	if row.Excess {
		fault("more cells than columns: a cell with a %q in it must stand in quotes", string(w.Table.comma))
	}
	if w.key >= 0 && key == "" {
		fault("no key in column %s", w.Table.Columns[w.key])
	}
	if slices.ContainsFunc(row.Cells, func(cell string) bool { return !utf8.ValidString(cell) }) {
		fault("it is not UTF-8: %s", notUTF8)
	}
	return faults
}

// quote writes a text as JSON, which is valid UTF-8: [writer.wrong] has seen to it.
func quote(b []byte, text string) []byte {
	b, _ = jsontext.AppendQuote(b, text)
	return b
}

// member adds the idempotency key.
func (w *writer) member(b []byte, key string) []byte {
	return quote(append(comma(b), `"idempotency_key":`...), w.Name+"/"+key)
}

func comma(b []byte) []byte {
	if len(b) > 1 {
		b = append(b, ',')
	}
	return b
}

func (w *writer) overridden(field string, row Row) bool {
	for _, f := range w.fields {
		if f.field == field && row.Cells[f.index] != "" {
			return true
		}
	}
	return false
}

// fill puts cells into a text.
func fill(pieces []piece, row Row) (text string, blank []*hole) {
	var b strings.Builder
	for _, p := range pieces {
		switch {
		case p.hole == nil:
			b.WriteString(p.text)
		case row.Cells[p.hole.column] != "":
			b.WriteString(row.Cells[p.hole.column])
		case p.hole.optional:
			b.WriteString(p.hole.otherwise)
		default:
			blank = append(blank, p.hole)
		}
	}
	return b.String(), blank
}
