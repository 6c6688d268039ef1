package payload

import (
	"fmt"
	"slices"
)

// Options configure how a payload is read.
type Options struct {
	// Country is the default country of national numbers, ISO 3166 alpha-2. The country
	// of the payload takes precedence.
	Country string

	// Countries are the other countries that the configuration names. They make digits
	// ambiguous that would be a number of another country; see [phonenumber.Options].
	Countries []string

	// OwnKeys means that the idempotency keys have a name space. A message ID that could be
	// that of a key in another one is an error.
	OwnKeys bool

	// MaxNumbers is the maximum number of phone numbers that [DecodeNumbers] reads.
	MaxNumbers int
}

// Accepted lists the content types that Decode reads.
const Accepted = "application/json, application/x-www-form-urlencoded, multipart/form-data"

// Decode reads one body. It returns a [*BodyError] if the body cannot be parsed, and an
// error that is a [*ContentTypeError] if the content type is not supported.
//
// Errors in the fields are not returned but collected in [Payload.Errors], so that the
// caller can add its own and report all of them together.
func Decode(contentType string, body []byte, o Options) (*Payload, error) {
	r, root, err := newReader(contentType, body, o)
	if err != nil {
		return nil, err
	}
	return r.payload(root), nil
}

// DecodeNumbers reads a body that has only phone numbers, an agent and a country. Its
// errors are those of [Decode]. Errors in the fields are returned as [Errors].
func DecodeNumbers(contentType string, body []byte, o Options) (to []Recipient, agent string, err error) {
	r, root, err := newReader(contentType, body, o)
	if err != nil {
		return nil, "", err
	}
	f := r.fold(root, OnMessage)
	r.readCountry(f.get(fCountry))
	to, agent = r.recipients(&f, o.MaxNumbers), r.line(f.get(fAgent)).Value
	for id, n := range f.at {
		if n != nil && !slices.Contains([]fieldID{fTo, fAgent, fCountry}, fieldID(id)) {
			r.errorf(n, "is a field of messages; expected only to, agent and country")
		}
	}
	if len(r.errors) > 0 {
		return nil, "", r.errors.Sorted()
	}
	return to, agent, nil
}

// newReader parses a body. It returns the object in it, and a reader for the fields.
func newReader(contentType string, body []byte, o Options) (*reader, *node, error) {
	t := &tree{numbers: o.MaxNumbers}
	root, err := t.parse(contentType, body)
	if err != nil {
		return nil, nil, err
	}
	if root.kind == kindList { // some no-code tools send a list of one object
		if n := len(root.children); n != 1 {
			return nil, nil, unreadable("expected one object, got a list of %d; send one object per request", n)
		}
		root = root.children[0]
	}
	if root.kind != kindObject {
		return nil, nil, unreadable("expected an object with fields such as to and text, got %s", kindNames[root.kind])
	}
	root.isPayload = true
	return &reader{tree: t, options: o}, root, nil
}

// parse parses a body into the tree.
func (t *tree) parse(contentType string, data []byte) (*node, error) {
	b, err := ParseBody(contentType, data)
	switch {
	case err != nil:
		return nil, err
	case b.invalid != nil:
		return nil, b.invalid
	case b.IsEmpty():
		return nil, unreadable("it is empty")
	case b.IsJSON && len(b.Fields) < 2: // with other files, the form has errors to report
		return t.parseJSON(b.Text)
	case b.IsForm:
		return t.addFields(b)
	case b.media == "":
		return nil, &ContentTypeError{fmt.Sprintf("none was sent; send Content-Type: application/json (also accepted: %s)", Accepted)}
	case b.LooksLikeJSON():
		return nil, &ContentTypeError{fmt.Sprintf("%s; this body looks like JSON: send Content-Type: application/json", b.media)}
	default:
		return nil, &ContentTypeError{fmt.Sprintf("%s; send one of %s", b.media, Accepted)}
	}
}

// addFields converts the fields of a form to an object of texts, in their order.
func (t *tree) addFields(b *Body) (*node, error) {
	t.form, t.plus = true, b.IsURLEncoded
	root := t.newNode(kindObject, nil)
	for _, f := range b.Fields {
		k := kindString
		switch {
		case len(f.Name) > maxKeyLength:
			return nil, unreadable("a field name is longer than %d bytes", maxKeyLength)
		case f.Name == "" && !b.IsURLEncoded:
			return nil, unreadable("invalid multipart form: a part has no name")
		case f.IsFile:
			k = kindFile
		}
		n := t.newNode(k, root)
		n.key, n.text = f.Name, f.Value
		root.children = append(root.children, n)
	}
	return root, nil
}
