package compose

import (
	"strings"

	"github.com/rcshook/rcshook/internal/payload"
	"github.com/rcshook/rcshook/rbm"
)

// source is where a file comes from: a public URL or an upload.
type source struct {
	info     *rbm.ContentInfo
	uploaded *rbm.UploadedRBMFile
}

const uploadPrefix = "files/"

func isUpload(t payload.Text) bool { return strings.HasPrefix(t.Value, uploadPrefix) }

// source composes a file and its thumbnail, which are of one kind.
func (c *composer) source(file, thumbnail payload.Text, refresh bool) source {
	if thumbnail.Sent() && isUpload(file) != isUpload(thumbnail) {
		c.fault(thumbnail.Position, "a file and its thumbnail are either both URLs or both uploads, files/...")
		thumbnail = payload.Text{}
	}
	if isUpload(file) {
		return source{uploaded: &rbm.UploadedRBMFile{FileName: file.Value, ThumbnailName: thumbnail.Value}}
	}
	return source{info: &rbm.ContentInfo{
		FileURL:      webURL(file.Value),
		ThumbnailURL: webURL(thumbnail.Value),
		ForceRefresh: refresh,
	}}
}

func (c *composer) media(card *payload.Card, file payload.Text) *rbm.Media {
	s := c.source(file, card.Thumbnail, card.ForceRefresh.Value)
	return &rbm.Media{
		ContentDescription: card.Alt.Value,
		UploadedRBMFile:    s.uploaded,
		ContentInfo:        s.info,
	}
}

// webURL percent-encodes the characters that no URL may hold, as browsers do:
// templates put names with blanks into links.
func webURL(s string) string {
	if !strings.ContainsAny(s, neverInURL) {
		return s
	}
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; strings.IndexByte(neverInURL, c) >= 0 {
			b.Write([]byte{'%', hex[c>>4], hex[c&15]})
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

const neverInURL = " \"<>\\^`{|}"
