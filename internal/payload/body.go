package payload

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/url"
	"path"
	"strings"
	"unicode/utf8"

	"github.com/rcshook/rcshook/internal/charset"
)

// Body is the body of a request, as far as its content type describes it. It serves
// payloads and the events of webhooks alike.
type Body struct {
	// Text is the body in UTF-8 and without a byte order mark. Of a form with one JSON
	// file, it is that file.
	Text []byte

	// IsJSON and IsForm report the kind of body. A form with one JSON file is both.
	IsJSON, IsForm bool

	// Fields are the fields of a form, in their order.
	Fields []FormField

	// IsURLEncoded reports that it is a form in which a space may be an unescaped plus sign.
	IsURLEncoded bool

	media   string
	invalid error // the content type cannot be read
}

// FormField is a field of a form.
type FormField struct {
	Name, Value string

	// IsFile reports that the field is an upload, whose content is dropped. A JSON file is
	// a field with a value instead.
	IsFile bool

	isJSON bool // the value was a JSON file
}

const (
	mediaForm      = "application/x-www-form-urlencoded"
	mediaMultipart = "multipart/form-data"
)

// ParseBody parses a body. Text of an unknown or invalid content type is not an error. The
// error is a [*BodyError] or, if the charset cannot be used, a [*ContentTypeError].
//
// It accepts common mistakes: JSON with the content type of a form, which curl sends by
// default, and JSON without a content type.
func ParseBody(contentType string, data []byte) (*Body, error) {
	media, params, invalid := parseContentType(contentType)
	b := &Body{media: media, IsURLEncoded: media == mediaForm, IsForm: media == mediaForm || media == mediaMultipart, invalid: invalid}
	var err error
	if b.Text, err = charset.FromUTF16(data); err != nil {
		return nil, unreadable("it is %s; send UTF-8", err)
	}
	b.IsJSON = isJSON(media)
	if b.LooksLikeJSON() && (media == "" || b.IsForm) {
		b.IsJSON, b.IsForm = true, false
	}
	named := charset.Find(params["charset"])
	switch {
	case b.IsEmpty():
		b.IsForm, b.IsJSON = false, false
	case b.IsJSON, !b.IsForm && b.LooksLikeJSON(): // webhooks read it as JSON, whatever its type
		err = b.decodeJSON(named)
	case b.IsURLEncoded:
		b.Fields, err = parseForm(string(b.Text), named)
	case b.IsForm:
		err = b.parseMultipart(params["boundary"], named)
	default:
		if text, ok := named.Decode(string(b.Text)); ok {
			b.Text = []byte(text)
		}
	}
	return b, err
}

// IsEmpty reports whether the body has no text.
func (b *Body) IsEmpty() bool { return len(bytes.TrimLeft(b.Text, " \t\r\n")) == 0 }

// LooksLikeJSON reports whether the text starts like an object or a list in JSON.
func (b *Body) LooksLikeJSON() bool {
	start := bytes.TrimLeft(b.Text, " \t\r\n")
	return len(start) > 0 && (start[0] == '{' || start[0] == '[')
}

// decodeJSON converts JSON that is not in UTF-8, although it should be. A charset that
// gives other meanings to quotes and braces could change the structure, so it is refused.
func (b *Body) decodeJSON(named charset.Charset) error {
	if utf8.Valid(b.Text) {
		return nil
	}
	if !named.KeepsASCII() {
		return &ContentTypeError{"the charset of JSON must be utf-8"}
	}
	if text, ok := named.Decode(string(b.Text)); ok {
		b.Text = []byte(text)
	}
	return nil // the parser reports the place of invalid text
}

func isJSON(media string) bool {
	return media == "application/json" || media == "text/json" || strings.HasSuffix(media, "+json")
}

// parseForm parses an urlencoded form or the query of a URL. A semicolon separates nothing.
func parseForm(text string, named charset.Charset) (fields []FormField, err error) {
	offset := 0
	for pair := range strings.SplitSeq(text, "&") {
		if pair != "" {
			name, value, _ := strings.Cut(pair, "=")
			name, err1 := url.QueryUnescape(name)
			value, err2 := url.QueryUnescape(value)
			if err1 != nil || err2 != nil {
				return nil, unreadable("invalid percent-encoding in the field that starts at byte %d", offset+1)
			}
			if fields, err = appendField(fields, FormField{Name: name, Value: value}, named); err != nil {
				return nil, err
			}
		}
		offset += len(pair) + 1
	}
	return fields, nil
}

func appendField(fields []FormField, f FormField, named charset.Charset) ([]FormField, error) {
	var ok1, ok2 bool
	f.Name, ok1 = named.Decode(f.Name)
	f.Value, ok2 = named.Decode(f.Value)
	switch {
	case len(fields) == maxNodes:
		return nil, unreadable("more than %d fields", maxNodes)
	case !ok1 || !ok2:
		return nil, unreadable("form field %d is not valid %s; send UTF-8, or name its charset in the Content-Type", len(fields)+1, named)
	}
	return append(fields, f), nil
}

// parseMultipart parses a multipart form.
func (b *Body) parseMultipart(boundary string, named charset.Charset) error {
	if boundary == "" {
		return unreadable("invalid multipart form: the Content-Type has no boundary")
	}
	values, file := 0, FormField{}
	for parts := multipart.NewReader(bytes.NewReader(b.Text), boundary); ; {
		part, err := parts.NextPart()
		if err == io.EOF && len(b.Fields) > 0 { // a truncated body wraps it
			break
		}
		if err != nil {
			return unreadable("invalid multipart form: it is empty or truncated, or its boundary differs from the Content-Type")
		}
		f, charsetOfPart, err := readPart(part)
		if err != nil {
			return err
		}
		named := cmp.Or(charsetOfPart, named)
		if f.isJSON && utf8.ValidString(f.Value) { // as in decodeJSON
			named = charset.Charset{}
		}
		if b.Fields, err = appendField(b.Fields, f, named); err != nil {
			return err
		}
		if !f.IsFile {
			values, file = values+1, b.Fields[len(b.Fields)-1]
		}
	}
	if values == 1 && file.isJSON {
		b.IsJSON, b.Text = true, []byte(file.Value)
	}
	return nil
}

// readPart reads one field of a multipart form.
func readPart(part *multipart.Part) (f FormField, named charset.Charset, err error) {
	f.Name = part.FormName()
	media, params, _ := parseContentType(part.Header.Get("Content-Type"))
	named = charset.Find(params["charset"])
	if part.FileName() != "" {
		unspecific := media == "" || media == "application/octet-stream" // as curl sends it
		f.isJSON = isJSON(media) || unspecific && strings.EqualFold(path.Ext(part.FileName()), ".json")
		if f.IsFile = !f.isJSON; f.IsFile {
			return f, named, nil
		}
	}
	value, err := io.ReadAll(part) // limited by the size of the body; quoted-printable is decoded
	if err != nil {
		return f, named, unreadable("invalid multipart form: it is truncated inside a field")
	}
	switch encoding := part.Header.Get("Content-Transfer-Encoding"); strings.ToLower(strings.TrimSpace(encoding)) {
	case "", "7bit", "8bit", "binary":
	case "base64":
		value, err = base64.RawStdEncoding.DecodeString(strings.TrimRight(string(value), "=\r\n"))
		if err != nil {
			return f, named, unreadable("invalid multipart form: a field is not in base64, which its Content-Transfer-Encoding names")
		}
	default:
		return f, named, unreadable("invalid multipart form: unknown Content-Transfer-Encoding of a field")
	}
	if f.isJSON { // the text of a field may contain zeros
		if value, err = charset.FromUTF16(value); err != nil {
			return f, named, unreadable("a file of the form is %s; send UTF-8", err)
		}
	}
	f.Value = string(value)
	return f, named, nil
}

// maxMedia limits the media types that errors quote.
const maxMedia = 100

// parseContentType reads a content type, as loosely as senders write it: twice, because a
// proxy joined two headers, or with the name of a charset in place of a parameter.
func parseContentType(header string) (media string, params map[string]string, err error) {
	if header == "" || header == "application/json" { // the common case is free
		return header, nil, nil
	}
	isValid := func(media string, err error) bool {
		return err == nil && strings.Contains(media, "/") && len(media) <= maxMedia
	}
	if media, params, err = mime.ParseMediaType(header); isValid(media, err) {
		return media, params, nil
	}
	media, params = "", make(map[string]string)
	for item := range strings.SplitSeq(header, ",") {
		first, rest, _ := strings.Cut(item, ";")
		parsed, _, err := mime.ParseMediaType(first)
		if !isValid(parsed, err) {
			return "", nil, &ContentTypeError{fmt.Sprintf("expected the form type/subtype; send one of %s", Accepted)}
		}
		if media != "" && media != parsed {
			return "", nil, &ContentTypeError{fmt.Sprintf("expected one content type, got two; send one of %s", Accepted)}
		}
		media = parsed
		for parameter := range strings.SplitSeq(rest, ";") {
			name, value, found := strings.Cut(strings.TrimSpace(parameter), "=")
			if !found && charset.IsKnown(name) {
				name, value = "charset", name
			}
			if name = strings.ToLower(strings.TrimSpace(name)); params[name] == "" {
				params[name] = strings.Trim(value, ` "'`)
			}
		}
	}
	return media, params, nil
}
