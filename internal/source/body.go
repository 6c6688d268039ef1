package source

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/rcshook/rcshook/internal/payload"
)

// decodeBody returns what programs see as their input: JSON as it is, a form as an
// object of texts (of lists, where a field is repeated), anything else as one text,
// and nothing as null. Numbers keep their digits. The error is a [*payload.BodyError].
func decodeBody(contentType string, body []byte) (any, error) {
	body = bytes.TrimPrefix(body, []byte("\xef\xbb\xbf"))
	start := bytes.TrimLeft(body, " \t\r\n")
	if len(start) == 0 {
		return nil, nil
	}
	media, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		media = ""
	}
	switch {
	case media == "application/x-www-form-urlencoded":
		form, err := url.ParseQuery(string(body))
		if err != nil {
			return nil, &payload.BodyError{Detail: "a broken form: it is not percent-encoded"}
		}
		return formValue(form), nil
	case media == "multipart/form-data":
		return decodeMultipart(body, params["boundary"])
	case media == "application/json", media == "text/json", strings.HasSuffix(media, "+json"),
		start[0] == '{', start[0] == '[':
		return decodeJSON(body)
	case !utf8.Valid(body):
		return nil, &payload.BodyError{Detail: "neither JSON nor a form nor text in UTF-8"}
	}
	return string(body), nil
}

// decodeJSON reads one JSON value. Numbers stay as they were written: identifiers
// above 2^53 and prices such as 19.90 are not what a float would make of them. Half a
// surrogate, which a sender makes where it cuts a text, is let through.
func decodeJSON(body []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var v any
	err := d.Decode(&v)
	if err == nil && utf8.Valid(body) {
		if _, end := d.Token(); errors.Is(end, io.EOF) {
			return v, nil
		}
	}
	if err := payload.CheckSyntax(body); err != nil {
		return nil, err
	}
	return nil, &payload.BodyError{Detail: "broken JSON"} // never seen: both decoders refuse the same, but for halves of surrogates
}

func formValue(form map[string][]string) any {
	object := make(map[string]any, len(form))
	for name, values := range form {
		if len(values) == 1 {
			object[name] = values[0]
			continue
		}
		list := make([]any, len(values))
		for i, v := range values {
			list[i] = v
		}
		object[name] = list
	}
	return object
}

// decodeMultipart reads the fields of a form and passes its files over.
func decodeMultipart(body []byte, boundary string) (any, error) {
	form := make(map[string][]string)
	r := multipart.NewReader(bytes.NewReader(body), boundary)
	for {
		part, err := r.NextPart()
		if err == io.EOF { //nolint:errorlint // one that is wrapped means that the body breaks off
			return formValue(form), nil
		}
		if err != nil {
			return nil, &payload.BodyError{Detail: "a broken multipart form"}
		}
		if part.FileName() != "" {
			continue
		}
		text, err := io.ReadAll(part)
		if err != nil || !utf8.Valid(text) {
			return nil, &payload.BodyError{Detail: "a broken multipart form"}
		}
		form[part.FormName()] = append(form[part.FormName()], string(text))
	}
}
