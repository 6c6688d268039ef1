package payload

import (
	"bytes"
	"errors"
	"io"
	"mime/multipart"
	"net/url"
	"strings"
	"unicode/utf8"
)

// parseForm parses an urlencoded form into an object of texts, in the order of the form.
func (t *tree) parseForm(body []byte) (*node, error) {
	t.form, t.plus = true, true
	root := t.newNode(kindObject, nil)
	offset := 0
	for pair := range strings.SplitSeq(string(body), "&") {
		if pair != "" {
			key, value, _ := strings.Cut(pair, "=")
			key, err1 := url.QueryUnescape(key)
			value, err2 := url.QueryUnescape(value)
			if err1 != nil || err2 != nil {
				return nil, unreadable("invalid percent-encoding in the field that starts at byte %d", offset+1)
			}
			if err := t.addField(root, kindString, key, value); err != nil {
				return nil, err
			}
		}
		offset += len(pair) + 1
	}
	return root, nil
}

// parseMultipart parses a multipart form into the same tree.
func (t *tree) parseMultipart(body []byte, boundary string) (*node, error) {
	t.form = true
	root := t.newNode(kindObject, nil)
	parts := multipart.NewReader(bytes.NewReader(body), boundary)
	for {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) && len(root.children) > 0 {
			return root, nil
		}
		if err != nil {
			return nil, unreadable("invalid multipart form: it is empty or truncated, or its boundary differs from the Content-Type")
		}
		value, err := io.ReadAll(part) // limited by the size of the body
		if err != nil {
			return nil, unreadable("invalid multipart form: it is truncated inside a field")
		}
		if part.FormName() == "" {
			return nil, unreadable("invalid multipart form: a part has no name")
		}
		k := kindString
		if part.FileName() != "" {
			k, value = kindFile, nil
		}
		if err := t.addField(root, k, part.FormName(), string(value)); err != nil {
			return nil, err
		}
	}
}

func (t *tree) addField(root *node, k kind, key, value string) error {
	switch {
	case t.count >= maxNodes:
		return unreadable("more than %d fields", maxNodes)
	case len(key) > maxKeyLength:
		return unreadable("a field name is longer than %d bytes", maxKeyLength)
	case !utf8.ValidString(key) || !utf8.ValidString(value):
		return unreadable("form field %d is not valid UTF-8", len(root.children)+1)
	}
	n := t.newNode(k, root)
	n.key, n.text = key, value
	root.children = append(root.children, n)
	return nil
}
