package payload

import (
	"bytes"
	"fmt"
	"mime"
	"strings"
)

// Options configure how a payload is read.
type Options struct {
	// Country is the default country of national numbers, ISO 3166 alpha-2. The country
	// of the payload takes precedence.
	Country string

	// Query reports that a phone number comes from the query of a URL, where an unescaped
	// plus sign has become a space.
	Query bool
}

// Accepted lists the content types that Decode reads.
const Accepted = "application/json, application/x-www-form-urlencoded, multipart/form-data"

// Decode reads one body. It returns a [*BodyError] if the body cannot be parsed, and an
// error that is a [*ContentTypeError] if the content type is not supported.
//
// Errors in the fields are not returned but collected in [Payload.Errors], so that the
// caller can add its own and report all of them together.
func Decode(contentType string, body []byte, o Options) (*Payload, error) {
	t := new(tree)
	root, err := t.parse(contentType, body)
	if err != nil {
		return nil, err
	}
	if root.kind == kindList { // some no-code tools send a list of one object
		if n := len(root.children); n != 1 {
			return nil, unreadable("expected one object, got a list of %d; send one object per request", n)
		}
		root = root.children[0]
	}
	if root.kind != kindObject {
		return nil, unreadable("expected an object with fields such as to and text, got %s", kindNames[root.kind])
	}
	root.isPayload = true
	r := reader{tree: t, options: o}
	return r.payload(root), nil
}

// parse selects the parser by the content type. It accepts two common mistakes: JSON with
// the content type that curl -d sends by default, and JSON without a content type.
func (t *tree) parse(contentType string, body []byte) (*node, error) {
	body = bytes.TrimPrefix(body, []byte("\xef\xbb\xbf"))
	media, params, err := parseContentType(contentType)
	if err != nil {
		return nil, err
	}
	start := bytes.TrimLeft(body, " \t\r\n")
	if len(start) == 0 {
		return nil, unreadable("it is empty")
	}
	looksLikeJSON := start[0] == '{' || start[0] == '['
	switch {
	case media == "application/json", media == "text/json",
		strings.HasPrefix(media, "application/") && strings.HasSuffix(media, "+json"),
		looksLikeJSON && (media == "" || media == "application/x-www-form-urlencoded"):
		return t.parseJSON(body)
	case media == "application/x-www-form-urlencoded":
		return t.parseForm(body)
	case media == "multipart/form-data":
		if params["boundary"] == "" {
			return nil, unreadable("invalid multipart form: the Content-Type has no boundary")
		}
		return t.parseMultipart(body, params["boundary"])
	case media == "":
		return nil, &ContentTypeError{fmt.Sprintf("none was sent; send Content-Type: application/json (also accepted: %s)", Accepted)}
	case looksLikeJSON:
		return nil, &ContentTypeError{fmt.Sprintf("%s; this body looks like JSON: send Content-Type: application/json", media)}
	default:
		return nil, &ContentTypeError{fmt.Sprintf("%s; send one of %s", media, Accepted)}
	}
}

func parseContentType(contentType string) (media string, params map[string]string, err error) {
	if contentType == "" || contentType == "application/json" { // the common case is free
		return contentType, nil, nil
	}
	media, params, err = mime.ParseMediaType(contentType)
	if err != nil || len(media) > 100 {
		return "", nil, &ContentTypeError{fmt.Sprintf("expected the form type/subtype; send one of %s", Accepted)}
	}
	switch strings.ToLower(params["charset"]) {
	case "", "utf-8", "utf8", "us-ascii":
		return media, params, nil
	default:
		return "", nil, &ContentTypeError{"the charset must be utf-8"}
	}
}
