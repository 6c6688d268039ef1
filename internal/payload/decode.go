package payload

import (
	"bytes"
	"fmt"
	"mime"
	"strings"
)

// Options are what the configuration has to say about reading a payload.
type Options struct {
	// Country is the default country of national numbers, ISO 3166 alpha-2. A
	// payload's own country comes first.
	Country string

	// Query says that a phone number stood in the query of a URL, where a plus
	// sign that was not escaped has become a blank.
	Query bool
}

// Accepted lists the content types that Decode reads.
const Accepted = "application/json, application/x-www-form-urlencoded, multipart/form-data"

// Decode reads one body. The error is a [*BodyError] if the body cannot be read
// at all, or wraps [ErrContentType].
//
// What is wrong with the fields is no error yet: it waits in [Payload.Errors],
// so that whoever goes on can add what else is wrong and report all at once.
func Decode(contentType string, body []byte, o Options) (*Payload, error) {
	t := new(tree)
	root, err := t.parse(contentType, body)
	if err != nil {
		return nil, err
	}
	if root, err = soleObject(root); err != nil {
		return nil, err
	}
	r := reader{tree: t, options: o}
	return r.payload(root), nil
}

// parse chooses the encoding by the content type. Two common slips are put
// right: JSON under the content type that curl -d sets by itself, and JSON
// without any content type.
func (t *tree) parse(contentType string, body []byte) (*node, error) {
	body = bytes.TrimPrefix(body, []byte("\xef\xbb\xbf"))
	media, params, err := mediaType(contentType)
	if err != nil {
		return nil, err
	}
	start := bytes.TrimLeft(body, " \t\r\n")
	if len(start) == 0 {
		return nil, unreadable("nothing in it")
	}
	looksLikeJSON := start[0] == '{' || start[0] == '['
	switch {
	case media == "application/json", media == "text/json",
		strings.HasPrefix(media, "application/") && strings.HasSuffix(media, "+json"),
		media == "" && looksLikeJSON:
		return t.parseJSON(body)
	case media == "application/x-www-form-urlencoded":
		if looksLikeJSON {
			return t.parseJSON(body)
		}
		return t.parseForm(body)
	case media == "multipart/form-data":
		if params["boundary"] == "" {
			return nil, unreadable("broken multipart form: its Content-Type has no boundary")
		}
		return t.parseMultipart(body, params["boundary"])
	case media == "":
		return nil, fmt.Errorf("%w: none was sent; send Content-Type: application/json (also accepted: %s)", ErrContentType, Accepted)
	case looksLikeJSON:
		return nil, fmt.Errorf("%w: %s; this body looks like JSON: send Content-Type: application/json", ErrContentType, media)
	default:
		return nil, fmt.Errorf("%w: %s; accepted are %s", ErrContentType, media, Accepted)
	}
}

// mediaType splits a Content-Type. Every text is UTF-8, whatever it is for.
func mediaType(contentType string) (string, map[string]string, error) {
	switch contentType {
	case "", "application/json": // the common case costs nothing
		return contentType, nil, nil
	}
	media, params, err := mime.ParseMediaType(contentType)
	if err != nil || len(media) > 100 {
		return "", nil, fmt.Errorf("%w: it is not in the form type/subtype; accepted are %s", ErrContentType, Accepted)
	}
	switch strings.ToLower(params["charset"]) {
	case "", "utf-8", "utf8", "us-ascii":
		return media, params, nil
	default:
		return "", nil, fmt.Errorf("%w: the charset must be utf-8", ErrContentType)
	}
}

// soleObject returns the object that a body consists of, also if it is the only
// item of a list, as some no-code tools send it.
func soleObject(root *node) (*node, error) {
	if root.kind == kindList {
		if root.count != 1 {
			return nil, unreadable("a list of %d; send one object per request", root.count)
		}
		root = root.first
		root.up = nil
	}
	if root.kind != kindObject {
		return nil, unreadable("%s; send an object with fields such as to and text", kindNames[root.kind])
	}
	return root, nil
}
