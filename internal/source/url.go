package source

import (
	"fmt"
	"net/url"
	"strings"
)

// Some senders sign the URL of the source, but with other escapes than they send. The
// functions below return the forms that a sender may have signed. All forms of a URL have
// the same parameters, so that no signature is valid for two different queries.

// url returns the public URL of the source, which the operator gave to the sender, with
// the query of r. The host of r is not used, because a proxy or an attacker may have set it.
func (r *Request) url(public string) string {
	if public == "" || r.Query == "" {
		return public
	}
	base, _, _ := strings.Cut(public, "?")
	return base + "?" + r.Query
}

// decodedURLs returns the URL as it is, and as HubSpot signs it: with these characters
// unescaped.
//
// HubSpot docs: https://developers.hubspot.com/docs/apps/developer-platform/build-apps/authentication/request-validation
func (r *Request) decodedURLs(public string) []string {
	received := r.url(public)
	return []string{received, hubSpotEscapes.Replace(received)}
}

var hubSpotEscapes = func() *strings.Replacer {
	var pairs []string
	for _, c := range ":/?@!$'()*,;" {
		pairs = append(pairs, fmt.Sprintf("%%%02X", c), string(c), fmt.Sprintf("%%%02x", c), string(c))
	}
	return strings.NewReplacer(pairs...)
}()

// twilioURLs returns the forms that Twilio's libraries try: as received, with the escapes
// of a browser, and escaped again by Node's querystring. Each is with and without a port.
func (r *Request) twilioURLs(public string) []string {
	base, query, hasQuery := strings.Cut(r.url(public), "?")
	queries := []string{""}
	if hasQuery {
		queries = []string{"?" + query, "?" + browserEscapes.Replace(query), "?" + escapeQuery(query)}
	}
	bases := []string{base}
	if u, err := url.Parse(base); err == nil {
		without := strings.Replace(base, "://"+u.Host, "://"+strings.TrimSuffix(u.Host, ":"+u.Port()), 1)
		bases = append(bases, without)
		if u.Port() == "" {
			port := map[string]string{"https": ":443", "http": ":80"}[u.Scheme]
			bases = append(bases, strings.Replace(base, "://"+u.Host, "://"+u.Host+port, 1))
		}
	}
	var urls []string
	for _, base := range bases {
		for _, query := range queries {
			urls = append(urls, base+query)
		}
	}
	return urls
}

var (
	browserEscapes = strings.NewReplacer(`"`, "%22", "'", "%27", "<", "%3C", ">", "%3E")
	nodeEscapes    = strings.NewReplacer("+", "%20", "%21", "!", "%27", "'", "%28", "(", "%29", ")", "%2A", "*")
)

// escapeQuery escapes a query again, with the values of each name together.
func escapeQuery(query string) string {
	var names []string
	values := make(map[string][]string)
	for name, value := range parameters(query) {
		if values[name] == nil {
			names = append(names, name)
		}
		values[name] = append(values[name], value)
	}
	var pairs []string
	for _, name := range names {
		for _, value := range values[name] {
			pairs = append(pairs, nodeEscapes.Replace(url.QueryEscape(name))+"="+nodeEscapes.Replace(url.QueryEscape(value)))
		}
	}
	return strings.Join(pairs, "&")
}

// parameters returns the valid parameters of a query. A semicolon separates nothing.
func parameters(query string) func(yield func(name, value string) bool) {
	return func(yield func(name, value string) bool) {
		for pair := range strings.SplitSeq(query, "&") {
			name, value, _ := strings.Cut(pair, "=")
			name, err1 := url.QueryUnescape(name)
			value, err2 := url.QueryUnescape(value)
			if pair != "" && err1 == nil && err2 == nil && !yield(name, value) {
				return
			}
		}
	}
}
