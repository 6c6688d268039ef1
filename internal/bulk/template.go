package bulk

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/rcshook/rcshook/internal/charset"
	"github.com/rcshook/rcshook/internal/payload"
)

// Template is a message with placeholders in its texts: {{name}} is replaced by the cell of
// the column, and {{name|there}} by the cell or a default. Cells are inserted after the
// JSON is parsed, so that a cell cannot add JSON.
type Template struct {
	// Hash is a hash of the message.
	Hash string

	members      []member
	placeholders []*placeholder // in the order of the message
}

// member is a member of the top-level object.
type member struct {
	field string // the name of the payload field
	name  []byte // as JSON
	value []piece
}

// piece is a placeholder in a JSON string, or the JSON between two.
type piece struct {
	json        string
	placeholder *placeholder
}

type placeholder struct {
	name     string
	fallback string // for an empty cell
	optional bool   // has a fallback, which may be empty
	column   int
}

func (h *placeholder) String() string { return "{{" + h.name + "}}" }

// Errors are the errors of a campaign, in the message or the columns.
type Errors []string

func (e Errors) Error() string { return strings.Join(e, "\n") }

// ParseTemplate parses a message: a payload in JSON. The error is of type [Errors].
func ParseTemplate(data []byte) (*Template, error) {
	data, err := charset.FromUTF16(data)
	if err != nil {
		return nil, Errors{fmt.Sprintf("the message is %v; save it as UTF-8", err)}
	}
	// Its errors are more helpful than those of the decoder below.
	if _, err := payload.Decode("application/json", data, payload.Options{}); err != nil {
		if body, ok := errors.AsType[*payload.BodyError](err); ok {
			return nil, Errors{"invalid message: " + body.Detail}
		}
		return nil, err
	}
	sum := sha256.Sum256(bytes.TrimSpace(data))
	t := &Template{Hash: hex.EncodeToString(sum[:8])}
	dec := jsontext.NewDecoder(bytes.NewReader(data), jsontext.AllowDuplicateNames(true))
	if first, err := dec.ReadToken(); err != nil || first.Kind() != '{' {
		return nil, Errors{"the message must be one JSON object"}
	}
	var errs Errors
	for dec.PeekKind() != '}' {
		name, err := dec.ReadValue()
		if err != nil {
			return nil, err
		}
		plain, err := jsontext.AppendUnquote(nil, name)
		if err != nil {
			return nil, err
		}
		m := member{name: bytes.Clone(name)} // the decoder reuses it
		m.field, _ = payload.FieldName(string(plain))
		value, err := dec.ReadValue()
		if err != nil {
			return nil, err
		}
		if m.value, err = t.parse(value.Clone(), &errs); err != nil {
			return nil, err
		}
		t.members = append(t.members, m)
	}
	if len(errs) > 0 {
		return nil, errs
	}
	return t, nil
}

// parse splits a value at the placeholders in its strings, except in names.
func (t *Template) parse(value jsontext.Value, errs *Errors) (pieces []piece, err error) {
	if err := value.Compact(); err != nil {
		return nil, err
	}
	dec := jsontext.NewDecoder(bytes.NewReader(value), jsontext.AllowDuplicateNames(true))
	start := 0 // of the JSON that is not in pieces
	for {
		parent, n := dec.StackIndex(dec.StackDepth())
		if isName := parent == '{' && n%2 == 0; isName || dec.PeekKind() != '"' {
			if _, err := dec.ReadToken(); errors.Is(err, io.EOF) {
				return append(pieces, piece{json: string(value[start:])}), nil
			} else if err != nil {
				return nil, err
			}
			continue
		}
		quoted, err := dec.ReadValue()
		if err != nil {
			return nil, err
		}
		plain, err := jsontext.AppendUnquote(nil, quoted)
		if err != nil {
			return nil, err
		}
		text, err := t.parseText(string(plain))
		if err != nil {
			*errs = append(*errs, err.Error())
		}
		if text != nil {
			end := int(dec.InputOffset())
			pieces = append(append(pieces, piece{json: string(value[start : end-len(quoted)])}), text...)
			start = end
		}
	}
}

// parseText returns a text with placeholders as a JSON string, or nil if it has none.
func (t *Template) parseText(text string) ([]piece, error) {
	if !strings.Contains(text, "{{") {
		return nil, nil
	}
	pieces, plain := []piece{{json: `"`}}, "" // plain has a number for each placeholder
	for {
		before, rest, found := strings.Cut(text, "{{")
		quoted := quote(nil, before)
		pieces = append(pieces, piece{json: string(quoted[1 : len(quoted)-1])})
		plain += before
		if !found {
			break
		}
		inside, after, closed := strings.Cut(rest, "}}")
		name, fallback, optional := strings.Cut(inside, "|")
		name = strings.TrimSpace(name)
		if !closed || name == "" || strings.ContainsAny(inside, "{}\n") {
			return nil, errors.New("{{ does not start a placeholder such as {{name}} or {{name|there}}")
		}
		h := &placeholder{name: name, fallback: strings.TrimSpace(fallback), optional: optional}
		pieces, t.placeholders = append(pieces, piece{placeholder: h}), append(t.placeholders, h)
		plain += "0"
		text = after
	}
	// The payload accepts JSON in a text in place of a list or an object.
	if plain = strings.TrimSpace(plain); (strings.HasPrefix(plain, "[") || strings.HasPrefix(plain, "{")) && json.Valid([]byte(plain)) {
		return nil, fmt.Errorf("%s is in a text that contains JSON, which a cell could change: write the JSON without quotes around it", pieces[2].placeholder)
	}
	return append(pieces, piece{json: `"`}), nil
}
