package bulk

import (
	"context"
	"fmt"
	"hash/maphash"
	"iter"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/rcshook/rcshook/internal/compose"
	"github.com/rcshook/rcshook/internal/payload"
)

// Campaign is one message to all rows of a table.
type Campaign struct {
	// Name makes, together with the key of a row, the idempotency key of its
	// message: in one campaign a row gets one message, however often it is sent.
	Name string

	Table   *Table
	Message *Template

	// KeyColumn is the column with the key of a row. Empty: the key is the number
	// in E.164.
	KeyColumn string

	// Country is that of national numbers, for rows that name none.
	Country string

	// Now is the clock; nil means [time.Now].
	Now func() time.Time

	key     int             // the column, or -1
	fields  []column        // those that are fields of the payload
	known   map[string]bool // the fields of message and columns
	country bool            // Country is to be added
	seed    maphash.Seed
}

// column is one that is a field.
type column struct {
	index int
	field string
	name  []byte // as JSON
}

// ValidName is what the name of a campaign must match: it becomes part of the name of a
// file.
var ValidName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// reserved are fields that the campaign itself decides.
var reserved = map[string]string{
	"idempotency_key": "is made of the campaign and the key of the row: choose the column of the key with -key-column",
	"message_id":      "is made from the campaign and the key of the row",
	"dry_run":         "is asked for with -dry-run",
}

// Bind joins columns and message. Unused are the columns that are neither. The error is of
// type [Faults], and has all of them.
func (c *Campaign) Bind() (unused []string, err error) {
	c.seed = maphash.MakeSeed()
	c.key, c.fields, c.known = -1, nil, map[string]bool{}
	index, faults := c.index()
	variable := map[int]bool{}
	for _, h := range c.Message.holes {
		i, ok := index[payload.FoldName(h.name)]
		if !ok {
			faults = append(faults, fmt.Sprintf("there is no column for %s; the columns are: %s", h, c.columns()))
			continue
		}
		h.column, variable[i] = i, true
	}
	if c.KeyColumn != "" {
		i, ok := index[payload.FoldName(c.KeyColumn)]
		if !ok {
			faults = append(faults, fmt.Sprintf("there is no column %q for the keys; the columns are: %s", c.KeyColumn, c.columns()))
		}
		c.key = i
	}
	for i, name := range c.Table.Columns {
		if name == "" || variable[i] {
			continue
		}
		field, ok := payload.FieldName(name)
		if !ok {
			if i != c.key {
				unused = append(unused, name)
			}
			continue
		}
		quoted, err := jsontext.AppendQuote(nil, name)
		if err != nil {
			faults = append(faults, "the first row is not UTF-8: "+notUTF8)
			continue
		}
		c.fields = append(c.fields, column{i, field, quoted})
		c.known[field] = true
	}
	for _, m := range c.Message.members {
		c.known[m.field] = true
	}
	faults = append(faults, missing(c.known)...)
	c.country = c.Country != "" && !c.known["country"]
	if len(faults) > 0 {
		return unused, faults
	}
	return unused, nil
}

// NamesAgent reports whether the message or a column says which agent sends.
func (c *Campaign) NamesAgent() bool { return c.known["agent"] }

const notUTF8 = `save the sheet as "CSV UTF-8"`

// missing are the faults in what columns and message have together.
func missing(known map[string]bool) (faults Faults) {
	if !known["to"] {
		faults = append(faults, `nothing says who gets the message: name a column to, or write "to": "{{column}}" in the message`)
	}
	for _, field := range []string{"idempotency_key", "message_id", "dry_run"} {
		if known[field] {
			faults = append(faults, field+" "+reserved[field])
		}
	}
	return faults
}

// index finds the columns by their names in one spelling.
func (c *Campaign) index() (map[string]int, Faults) {
	var faults Faults
	index := map[string]int{}
	for i, name := range c.Table.Columns {
		folded := payload.FoldName(name)
		if folded == "" {
			continue
		}
		if first, ok := index[folded]; ok {
			faults = append(faults, fmt.Sprintf("the columns %q and %q have the same name", c.Table.Columns[first], name))
			continue
		}
		index[folded] = i
	}
	return index, faults
}

func (c *Campaign) columns() string {
	var names []string
	for _, name := range c.Table.Columns {
		if name != "" {
			names = append(names, name)
		}
	}
	if more := len(names) - 20; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:20], ", "), more)
	}
	return strings.Join(names, ", ")
}

// Letter is what one row asks to be sent.
type Letter struct {
	Row     int
	Key, To string
	Body    []byte // the payload

	// Faults are why it cannot be sent. Key, To and Body may then be missing.
	Faults   []payload.Fault
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
	case payload.Faults:
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
	l.Faults = append(l.Faults, payload.Fault{Pointer: pointer, Detail: fmt.Sprintf(format, args...)})
}

// render writes the payload of a row. A cell that is not blank stands in the place
// of the same field in the message.
func (w *writer) render(row Row, key string) (body []byte, faults []payload.Fault) {
	b := make([]byte, 0, 512)
	fault := func(format string, args ...any) {
		faults = append(faults, payload.Fault{Detail: fmt.Sprintf(format, args...)})
	}
	if row.Excess {
		fault("more cells than columns: a cell with a %q in it must stand in quotes", string(w.Table.comma))
	}
	if w.key >= 0 && key == "" {
		fault("no key in column %s", w.Table.Columns[w.key])
	}
	for _, cell := range row.Cells {
		if !utf8.ValidString(cell) {
			fault("it is not UTF-8: %s", notUTF8)
			return nil, faults
		}
	}
	b = append(b, '{')
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
				fault("%s is blank here: fill in the cell, or write {{%s|...}} with what stands there otherwise", h, h.name)
			}
			b, _ = jsontext.AppendQuote(b, text) // valid UTF-8, as was seen
		}
	}
	for _, f := range w.fields {
		if cell := row.Cells[f.index]; cell != "" {
			b = append(append(comma(b), f.name...), ':')
			b, _ = jsontext.AppendQuote(b, cell)
		}
	}
	if w.country {
		b = append(comma(b), `"country":`...)
		b, _ = jsontext.AppendQuote(b, w.Country)
	}
	if w.key >= 0 {
		b = w.member(b, key)
	}
	return append(b, '}'), faults
}

// member adds the idempotency key.
func (w *writer) member(b []byte, key string) []byte {
	b = append(comma(b), `"idempotency_key":`...)
	b, _ = jsontext.AppendQuote(b, w.Name+"/"+key)
	return b
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
