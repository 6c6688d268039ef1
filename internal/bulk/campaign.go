package bulk

import (
	"fmt"
	"hash/maphash"
	"regexp"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

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
	country bool            // Country is for rows that name none
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
	c.key, c.fields, c.known, c.country = -1, nil, map[string]bool{}, c.Country != ""
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
	for _, m := range c.Message.members {
		c.known[m.field] = true
		c.country = c.country && m.field != "country"
	}
	unused, more := c.bindFields(variable)
	if faults = append(append(faults, more...), missing(c.known)...); len(faults) > 0 {
		return unused, faults
	}
	return unused, nil
}

// bindFields finds the columns that are fields, and those that are nothing.
func (c *Campaign) bindFields(variable map[int]bool) (unused []string, faults Faults) {
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
	return unused, faults
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
