package rbm

import (
	"net/url"
	"strings"
)

// file checks the three ways to name a file; which of them are set is up to the union.
func (c *checker) file(p *path, name string, uploaded *UploadedRBMFile, info *ContentInfo) {
	c.fileName(p.at("fileName"), name)
	if uploaded != nil {
		at := p.at("uploadedRbmFile")
		if uploaded.FileName == "" {
			c.fault(at.at("fileName"), RuleRequired, "is missing")
		}
		c.fileName(at.at("fileName"), uploaded.FileName)
		c.fileName(at.at("thumbnailName"), uploaded.ThumbnailName)
	}
	if info != nil {
		at := p.at("contentInfo")
		c.needURL(at.at("fileUrl"), info.FileURL)
		c.webURL(at.at("thumbnailUrl"), info.ThumbnailURL, 0)
	}
}

// fileName checks the name of an uploaded file, if there is one.
func (c *checker) fileName(p *path, name string) {
	uid, ok := strings.CutPrefix(name, "files/")
	if name != "" && (!ok || uid == "" || strings.ContainsAny(uid, "/ \t\r\n")) {
		c.fault(p, RuleFormat, "must be the name of an upload, files/ and its ID")
	}
}

func (c *checker) needURL(p *path, s string) {
	if s == "" {
		c.fault(p, RuleRequired, "is missing")
		return
	}
	c.webURL(p, s, 0)
}

// webURL checks a URL for http or https with a host, if there is one.
func (c *checker) webURL(p *path, s string, limit int) {
	u := c.uri(p, s, limit)
	if u == nil {
		return
	}
	switch scheme := strings.ToLower(u.Scheme); {
	case scheme != "http" && scheme != "https":
		c.fault(p, RuleFormat, "must begin with https:// or http://")
	case u.Hostname() == "":
		c.fault(p, RuleFormat, "must name a host, as https://example.com/ does")
	}
}

// uri checks an absolute URI, if there is one, and returns it if it is sound.
//
// Assumption: letters outside ASCII are let through, although RFC 3986, which
// the reference names, wants them percent-encoded.
func (c *checker) uri(p *path, s string, limit int) *url.URL {
	if s == "" {
		return nil
	}
	before := len(c.faults)
	c.text(p, s, limit)
	if len(c.faults) > before {
		return nil
	}
	if strings.ContainsFunc(s, notInURI) {
		c.fault(p, RuleFormat, "must be a URL: blanks and other such characters have to be percent-encoded")
		return nil
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme == "" {
		c.fault(p, RuleFormat, "must be a whole URL, such as https://example.com/")
		return nil
	}
	return u
}

// notInURI reports the ASCII characters that RFC 3986 has no place for.
func notInURI(r rune) bool {
	return r <= ' ' || r == 0x7f || strings.ContainsRune("\"<>\\^`{|}", r)
}
