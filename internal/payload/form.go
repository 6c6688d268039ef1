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

// parseForm makes a tree of an urlencoded form: an object whose members are
// texts, in the order of the form.
func (t *tree) parseForm(body []byte) (*node, error) {
	t.form, t.plus = true, true
	root := t.make(kindObject)
	offset := 0
	for pair := range strings.SplitSeq(string(body), "&") {
		if pair != "" {
			key, value, _ := strings.Cut(pair, "=")
			key, err := url.QueryUnescape(key)
			if err != nil {
				return nil, unreadable("a broken %%-escape in the field that begins at byte %d", offset+1)
			}
			if value, err = url.QueryUnescape(value); err != nil {
				return nil, unreadable("a broken %%-escape in the field that begins at byte %d", offset+1)
			}
			if err := t.field(root, kindString, key, value); err != nil {
				return nil, err
			}
		}
		offset += len(pair) + 1
	}
	return root, nil
}

// parseMultipart makes the same tree of the fields of a multipart form.
func (t *tree) parseMultipart(body []byte, boundary string) (*node, error) {
	t.form = true
	root := t.make(kindObject)
	parts := multipart.NewReader(bytes.NewReader(body), boundary)
	for {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) && root.count > 0 {
			return root, nil
		}
		if err != nil {
			return nil, unreadable("broken multipart form: it breaks off or is empty, or its boundary is not the one of the Content-Type")
		}
		value, err := io.ReadAll(part) // bounded by the body
		if err != nil {
			return nil, unreadable("broken multipart form: it breaks off in a field")
		}
		if part.FormName() == "" {
			return nil, unreadable("broken multipart form: a part without a name")
		}
		k := kindString
		if part.FileName() != "" {
			k, value = kindFile, nil
		}
		if err := t.field(root, k, part.FormName(), string(value)); err != nil {
			return nil, err
		}
	}
}

// field adds one field of a form.
func (t *tree) field(root *node, k kind, key, value string) error {
	switch {
	case t.count >= maxNodes:
		return unreadable("more than %d fields", maxNodes)
	case len(key) > maxKeyLength:
		return unreadable("the name of a field is longer than %d bytes", maxKeyLength)
	case !utf8.ValidString(key) || !utf8.ValidString(value):
		return unreadable("field %d of the form is not UTF-8", root.count+1)
	}
	n := t.make(k)
	n.home, n.key, n.text, n.index = root, key, value, root.count
	root.add(n)
	return nil
}
