package bulk

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/rcshook/rcshook/internal/compose"
	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/payload"
	"github.com/rcshook/rcshook/internal/prepare"
)

// Campaign is one message to all rows of a table.
type Campaign struct {
	// Name and the key of a row make the idempotency key of its message, so that each
	// row gets one message per campaign.
	Name string

	Table   *Table
	Message *Template

	// KeyColumn is the column with the key of a row. The default key is the number in
	// E.164 format.
	KeyColumn string

	// Country is the country of national numbers in rows that do not set one.
	Country string

	// AllowPremiumNumbers reports that the function sends to premium-rate numbers.
	AllowPremiumNumbers bool

	// Now is the clock; the default is [time.Now].
	Now func() time.Time

	key        int             // the column, or -1
	fields     []fieldColumn   // the columns that are fields of the payload
	known      map[string]bool // the fields of message and columns
	addCountry bool            // rows may need Country
}

// fieldColumn is a column that is a field of the payload.
type fieldColumn struct {
	index int
	field string
	name  []byte // as JSON
}

// ValidName matches valid campaign names, which are used in file names.
var ValidName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

const notUTF8 = `not UTF-8; save the sheet as "CSV UTF-8"`

// MatchColumns matches the columns with the message. It returns the names of the columns that are
// not used. The error is of type [Errors].
func (c *Campaign) MatchColumns() (unused []string, err error) {
	c.key, c.fields, c.known, c.addCountry = -1, nil, map[string]bool{}, c.Country != ""
	var errs Errors
	index := map[string][]int{} // of columns, by folded name
	for i, name := range c.Table.Columns {
		if folded := payload.FoldName(name); folded != "" {
			index[folded] = append(index[folded], i)
		}
	}
	find := func(name, what string) int {
		columns := index[payload.FoldName(cleanName(name))]
		if len(columns) == 0 {
			errs = append(errs, fmt.Sprintf("missing %s; the columns are: %s", what, c.columns()))
			return -1
		}
		if len(columns) > 1 {
			problem := fmt.Sprintf("duplicate columns %q and %q", c.Table.Columns[columns[0]], c.Table.Columns[columns[1]])
			if !slices.Contains(errs, problem) {
				errs = append(errs, problem)
			}
		}
		return columns[0]
	}
	inPlaceholder := map[int]bool{}
	for _, h := range c.Message.placeholders {
		h.column = find(h.name, "column for "+h.String())
		inPlaceholder[h.column] = true
	}
	if c.KeyColumn != "" {
		c.key = find(c.KeyColumn, fmt.Sprintf("key column %q", c.KeyColumn))
	}
	for _, m := range c.Message.members {
		c.known[m.field] = true
		c.addCountry = c.addCountry && m.field != "country"
	}
	for i, name := range c.Table.Columns {
		if name == "" || inPlaceholder[i] {
			continue
		}
		field, ok := payload.FieldName(name)
		if !ok {
			if i != c.key {
				unused = append(unused, name)
			}
			continue
		}
		c.fields = append(c.fields, fieldColumn{find(name, ""), field, quote(nil, name)})
		c.known[field] = true
	}
	if !c.known["to"] {
		errs = append(errs, `missing recipients: add a column named "to", or write "to": "{{column}}" in the message; the columns are: `+c.columns())
	}
	for _, reserved := range []string{
		"idempotency_key is derived from the campaign name and the row's key; choose the key column with -key-column",
		"message_id is derived from the campaign name and the row's key",
		"dry_run is set with -dry-run",
	} {
		if name, _, _ := strings.Cut(reserved, " "); c.known[name] {
			errs = append(errs, reserved)
		}
	}
	if len(errs) > 0 {
		return unused, errs
	}
	return unused, nil
}

// NamesAgent reports whether the message or a column sets the agent.
func (c *Campaign) NamesAgent() bool { return c.known["agent"] }

// columns lists the names of columns for an error.
func (c *Campaign) columns() string {
	names := slices.DeleteFunc(slices.Clone(c.Table.Columns), func(name string) bool { return name == "" })
	if more := len(names) - 20; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:20], ", "), more)
	}
	return strings.Join(names, ", ")
}

// Message is the message of one row.
type Message struct {
	Row     int
	Key, To string
	Body    []byte // the payload
	Done    bool   // it was sent before

	// Errors are the reasons why it cannot be sent. With errors, Key, To and Body may
	// be missing, and Composed is nil.
	Errors   []payload.Error
	Composed *compose.Composed
}

// messages returns the message of each row. The set done has the keys of rows that are done.
func (c *Campaign) messages(ctx context.Context, pass *Pass, done *Set) iter.Seq2[*Message, error] {
	return func(yield func(*Message, error) bool) {
		// The function may have a queue, and any agents.
		function := config.Config{Queue: "unknown", AllowPremiumNumbers: c.AllowPremiumNumbers}
		r := renderer{Campaign: c, function: function, now: time.Now(), done: done}
		if c.Now != nil {
			r.now = c.Now()
		}
		var err error
		if r.numbers, err = newSet(c.Table.lines); err == nil && c.key >= 0 {
			r.keys, err = newSet(c.Table.lines)
		}
		if err != nil {
			yield(nil, err)
			return
		}
		defer r.numbers.Close()
		defer r.keys.Close()
		for row, err := range c.Table.Rows(pass) {
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				yield(nil, err)
				return
			}
			if m, err := r.message(row); !yield(m, err) || err != nil {
				return
			}
		}
	}
}

// renderer makes messages from rows.
type renderer struct {
	*Campaign
	function config.Config
	now      time.Time
	done     *Set
	numbers  *Set
	keys     *Set // only with a key column
}

func (r *renderer) message(row Row) (*Message, error) {
	m := &Message{Row: row.Number}
	if r.key >= 0 {
		m.Key = row.Cells[r.key]
	}
	if r.render(m, row); len(m.Errors) > 0 {
		return m, nil
	}
	prepared, err := prepare.Message(prepare.Input{ContentType: "application/json", Body: m.Body}, &r.function, config.Source{}, r.now)
	var to []payload.Recipient
	if invalid, ok := errors.AsType[payload.Errors](err); ok {
		m.Errors = invalid
		if p, err := payload.Decode("application/json", m.Body, payload.Options{}); err == nil {
			to = p.To
		}
	} else if destination, ok := errors.AsType[*prepare.DestinationError](err); ok {
		m.Errors = destination.Errors
		return m, nil
	} else if err != nil {
		m.fail("", "%v", err)
		return m, nil
	} else {
		to = prepared.To
	}
	if len(to) > 1 {
		m.Errors = append([]payload.Error{{Pointer: to[1].Pointer, Detail: fmt.Sprintf("expected one number per row, got %d", len(to))}}, m.Errors...)
	}
	if len(m.Errors) > 0 {
		return m, nil
	}
	m.To = to[0].E164
	err = m.findDuplicate("number", r.numbers, m.To)
	if r.key < 0 {
		m.Key = m.To
		m.Body = r.addKey(m.Body, m.Key)
	} else if err == nil {
		err = m.findDuplicate(r.Table.Columns[r.key], r.keys, m.Key)
	}
	if len(m.Errors) > 0 || err != nil {
		return m, err
	}
	m.Composed = prepared.Message
	m.Done, err = r.done.Contains(m.Key)
	return m, err
}

// findDuplicate adds an error if an earlier row has the same value.
func (m *Message) findDuplicate(what string, seen *Set, value string) error {
	first, err := seen.add(value, m.Row)
	if err == nil && first != m.Row {
		m.fail("", "the %s is the same as in row %d", what, first)
	}
	return err
}

func (m *Message) fail(pointer, format string, args ...any) {
	m.Errors = append(m.Errors, payload.Error{Pointer: pointer, Detail: fmt.Sprintf(format, args...)})
}

// render writes the payload of a row. A cell replaces the same field of the message,
// unless it is empty.
func (r *renderer) render(m *Message, row Row) {
	if row.Excess {
		m.fail("", "more cells than columns: put a cell that contains %q in quotes", string(r.Table.comma))
	}
	if r.key >= 0 && m.Key == "" {
		m.fail("", "no key in column %s", r.Table.Columns[r.key])
	}
	if slices.ContainsFunc(row.Cells, func(cell string) bool { return !utf8.ValidString(cell) }) {
		m.fail("", notUTF8)
	}
	if len(m.Errors) > 0 {
		return
	}
	b := append(make([]byte, 0, 512), '{')
	for _, member := range r.Message.members {
		if member.field != "" && r.replaced(member.field, row) {
			continue
		}
		b = append(append(b, member.name...), ':')
		for _, p := range member.value {
			h := p.placeholder
			if h == nil {
				b = append(b, p.json...)
				continue
			}
			cell := cmp.Or(row.Cells[h.column], h.fallback)
			if cell == "" && !h.optional {
				m.fail("", "%s is empty: fill in the cell, or write {{%s|...}} with a default", h, h.name)
			}
			n := len(b)
			b = quote(b, cell)
			b = append(b[:n], b[n+1:len(b)-1]...) // without the quotes
		}
		b = append(b, ',')
	}
	for _, f := range r.fields {
		if cell := row.Cells[f.index]; cell != "" {
			b = append(quote(append(append(b, f.name...), ':'), cell), ',')
		}
	}
	if r.addCountry && !r.replaced("country", row) {
		b = append(quote(append(b, `"country":`...), r.Country), ',')
	}
	m.Body = append(bytes.TrimSuffix(b, []byte(",")), '}')
	if r.key >= 0 {
		m.Body = r.addKey(m.Body, m.Key)
	}
}

// replaced reports whether a cell sets a field.
func (r *renderer) replaced(field string, row Row) bool {
	return slices.ContainsFunc(r.fields, func(f fieldColumn) bool { return f.field == field && row.Cells[f.index] != "" })
}

// addKey adds the idempotency key to a payload.
func (r *renderer) addKey(body []byte, key string) []byte {
	body = append(bytes.TrimSuffix(body, []byte("}")), `,"idempotency_key":`...)
	return append(quote(body, r.Name+"/"+key), '}')
}

// quote adds a text, which is valid UTF-8, as JSON.
func quote(b []byte, text string) []byte {
	b, _ = jsontext.AppendQuote(b, text)
	return b
}
