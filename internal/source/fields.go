package source

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/rcshook/rcshook/internal/mapping"
	"github.com/rcshook/rcshook/internal/standardwebhook"
)

// Some senders sign a few fields of the body and not the body. Anyone who saw such a request
// can send it again with other values in the other fields, so the sources of these senders
// have a fixed list of recipients.

// A part is what one signature covers: the request, or fields of the body or of an item of
// the body.
type part struct {
	request *Request
	fields  map[string]any // nil if the request is covered
}

// signedField matches a field in the signed content.
var signedField = regexp.MustCompile(`\{\.[^{}]+\}`)

func isField(name string) bool { return strings.HasPrefix(name, ".") }

// place returns the name of a header or a field for errors.
func place(name string) string {
	if isField(name) {
		return "field " + name
	}
	return "header " + name
}

// parts returns the parts of r that are signed, and the decoded body if its fields are.
func (g *signature) parts(r *Request) (parts []part, body any, err error) {
	if g.fields == nil {
		return []part{{request: r}}, nil, nil
	}
	if body, err = decodeBody(ContentType(r.Header), r.Body); err != nil {
		return nil, nil, standardwebhook.Errorf(ErrSignature, "the body has no signed fields: expected JSON or a form")
	}
	items := []any{body}
	for name := range strings.SplitSeq(strings.TrimPrefix(g.Items, "."), ".") {
		if name == "" { // the body is the item
			break
		}
		var next []any
		for _, item := range items {
			object, _ := item.(map[string]any)
			if list, ok := object[name].([]any); ok {
				next = append(next, list...)
			} else {
				next = append(next, object[name])
			}
		}
		items = next
	}
	for _, item := range items {
		fields, ok := item.(map[string]any)
		if !ok {
			return nil, nil, standardwebhook.Errorf(ErrUnauthorized, "the body has no signed fields: expected an object at %s", "."+strings.TrimPrefix(g.Items, "."))
		}
		parts = append(parts, part{r, fields})
	}
	if len(parts) == 0 {
		return nil, nil, standardwebhook.Errorf(ErrUnauthorized, "the body has no signed fields: the list at %s is empty", g.Items)
	}
	return parts, body, nil
}

// value returns the value of a header or a field, which must be present.
func (p part) value(name string) (string, error) {
	if !isField(name) {
		return standardwebhook.Header(p.request.Header, name)
	}
	text, err := p.text(name)
	if err == nil && text == "" {
		err = standardwebhook.Errorf(ErrUnauthorized, "missing field %s", name)
	}
	return text, err
}

// text returns a field as a sender signs it. A missing field is empty.
func (p part) text(name string) (string, error) {
	var v any = p.fields
	for key := range strings.SplitSeq(name[1:], ".") {
		object, _ := v.(map[string]any)
		v = object[key]
	}
	switch v := v.(type) {
	case nil:
		return "", nil
	case bool:
		return strconv.FormatBool(v), nil
	}
	if text, ok := mapping.Text(v); ok {
		return text, nil
	}
	return "", standardwebhook.Errorf(ErrSignature, "the field %s is neither a text nor a number", name)
}

// set sets a header or a field.
func (p part) set(name, value string) {
	if !isField(name) {
		p.request.Header.Set(name, value)
		return
	}
	object, path := p.fields, strings.Split(name[1:], ".")
	for _, key := range path[:len(path)-1] {
		inner, ok := object[key].(map[string]any)
		if !ok {
			inner = make(map[string]any)
			object[key] = inner
		}
		object = inner
	}
	object[path[len(path)-1]] = value
}
