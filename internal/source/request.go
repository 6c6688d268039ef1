package source

import (
	"net/http"
	"net/url"
	"strings"
)

// Request is a webhook as it arrived. Signatures are over its very bytes, so
// nothing is parsed before they are checked.
type Request struct {
	Method string
	Query  string // the raw query, without the question mark
	Header http.Header
	Body   []byte
}

// addresses are the forms in which a sender may have signed the address of the
// source: public is what the sender was told, the query is what it added. The
// request itself is not asked where it was sent, since a proxy, or anybody, may
// have written that.
func (r *Request) addresses(public string) []string {
	address := public
	if r.Query != "" {
		base, _, _ := strings.Cut(public, "?")
		address = base + "?" + r.Query
	}
	forms := []string{address}
	for _, form := range []string{public, unescaped(address)} {
		if form != "" && form != address {
			forms = append(forms, form)
		}
	}
	return forms
}

// unescaped decodes the percent-encoding of an address, as HubSpot does before it
// signs. The question mark stays where it is.
func unescaped(address string) string {
	text, err := url.PathUnescape(address)
	if err != nil {
		return ""
	}
	return text
}

// secretHeaders are kept from mapping programs: what they hold could end up in a
// message.
var secretHeaders = map[string]bool{"Authorization": true, "Cookie": true, "X-Api-Key": true, "Proxy-Authorization": true}

// headers are what programs see as $headers: names in lower case, and the values
// of a repeated one joined.
func (r *Request) headers() map[string]any {
	all := make(map[string]any, len(r.Header))
	for name, values := range r.Header {
		if !secretHeaders[name] {
			all[strings.ToLower(name)] = strings.Join(values, ", ")
		}
	}
	return all
}

// query is what programs see as $query: the first value of each name.
func (r *Request) query() map[string]any {
	all := make(map[string]any)
	values, _ := url.ParseQuery(r.Query) // what could be read
	for name, v := range values {
		all[name] = v[0]
	}
	return all
}
