package rbm

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

const (
	errUploadLost    complaint = "the platform has lost a part of the upload"
	errUploadAddress complaint = "the platform names no usable address for the upload"
)

// An uploadSession is a resumable upload: the chunk at hand, and how much of the
// file the platform has confirmed.
type uploadSession struct {
	client    *Client
	upload    *Upload
	address   string
	chunk     []byte
	start     int64 // of chunk in the file
	total     int64 // size of the file; -1 until its last chunk is there
	confirmed int64
	file      *File // when all of it was taken
}

// uploadChunks sends a file chunk by chunk.
func (c *Client) uploadChunks(ctx context.Context, u *Upload, chunks *chunkReader, chunk []byte) (*File, error) {
	address, err := c.beginUpload(ctx, u)
	if err != nil {
		return nil, err
	}
	s := &uploadSession{client: c, upload: u, address: address, chunk: chunk, total: -1}
	for last := false; ; {
		err := c.repeat(ctx, methodCreateFile, func(n int) error { return s.attempt(ctx, n) })
		switch {
		case err != nil:
			return nil, err
		case s.file != nil:
			return s.file, nil
		case last:
			return nil, &Error{Method: methodCreateFile, Attempts: 1, Err: errUploadLost}
		}
		s.start += int64(len(s.chunk))
		if s.chunk, last, err = chunks.next(); err != nil {
			return nil, err
		}
		if last {
			s.total = s.start + int64(len(s.chunk))
		}
	}
}

// beginUpload tells the platform about the file and returns the address that its
// chunks go to.
func (c *Client) beginUpload(ctx context.Context, u *Upload) (address string, err error) {
	metadata, err := u.metadata()
	if err != nil {
		return "", err
	}
	if metadata == nil {
		metadata = []byte("{}")
	}
	k := call{method: methodCreateFile, verb: http.MethodPost, url: c.uploadURL("resumable"), body: metadata}
	err = c.repeat(ctx, methodCreateFile, func(n int) error {
		ctx, cancel := context.WithTimeout(ctx, c.retry.AttemptTimeout)
		defer cancel()
		req, err := k.request(ctx)
		if err != nil {
			return err
		}
		req.Header.Set("X-Upload-Content-Type", u.ContentType)
		return c.roundTrip(req, methodCreateFile, n, func(resp *http.Response, body []byte) error {
			if resp.StatusCode != http.StatusOK {
				return errorOf(resp, body)
			}
			address, err = c.uploadAddress(resp)
			return err
		})
	})
	return address, err
}

// uploadAddress reads the address of an upload. The token goes along with every
// chunk, so it must be on the host of the API, or be Google's as that is.
func (c *Client) uploadAddress(resp *http.Response) (string, error) {
	base, err := url.Parse(c.base)
	if err != nil {
		return "", errUploadAddress
	}
	address, err := base.Parse(cmp.Or(resp.Header.Get("Location"), "?"))
	if err != nil || address.RawQuery == "" || address.User != nil || address.Scheme != base.Scheme {
		return "", errUploadAddress
	}
	const google = ".googleapis.com"
	if address.Host != base.Host && !(strings.HasSuffix(base.Host, google) && strings.HasSuffix(address.Host, google)) {
		return "", errUploadAddress
	}
	return address.String(), nil
}

// attempt sends what is not confirmed of the chunk. After a failure nobody knows
// what that is, so attempt asks first.
func (s *uploadSession) attempt(ctx context.Context, n int) error {
	if n > 1 {
		if err := s.put(ctx, n, nil, "bytes */"+s.size()); err != nil || s.file != nil {
			return err
		}
	}
	for s.confirmed < s.start+int64(len(s.chunk)) {
		before := s.confirmed
		rest := s.chunk[s.confirmed-s.start:]
		contentRange := fmt.Sprintf("bytes %d-%d/%s", s.confirmed, s.confirmed+int64(len(rest))-1, s.size())
		if err := s.put(ctx, n, rest, contentRange); err != nil || s.file != nil {
			return err
		}
		if s.confirmed == before {
			return &Error{Method: methodCreateFile, Attempts: n, Err: errUploadLost}
		}
	}
	return nil
}

func (s *uploadSession) size() string {
	if s.total < 0 {
		return "*"
	}
	return strconv.FormatInt(s.total, 10)
}

// put sends bytes, or none to ask how far the upload has come.
func (s *uploadSession) put(ctx context.Context, n int, data []byte, contentRange string) error {
	ctx, cancel := context.WithTimeout(ctx, s.client.retry.AttemptTimeout+uploadTime(len(data)))
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, s.address, bytes.NewReader(data))
	if err != nil {
		return &Error{Method: methodCreateFile, Attempts: n, Err: errUploadAddress}
	}
	req.Header.Set("Content-Range", contentRange)
	return s.client.roundTrip(req, methodCreateFile, n, s.accept)
}

// accept reads the answer to a put: the file, or 308 and how far it has come.
func (s *uploadSession) accept(resp *http.Response, body []byte) error {
	before := s.confirmed
	switch resp.StatusCode {
	case http.StatusOK, http.StatusCreated:
		file := new(File)
		if err := decodeResponse(body, file); err != nil {
			return err
		}
		s.file = file
		s.confirmed = s.start + int64(len(s.chunk))
	case http.StatusPermanentRedirect: // here it means that more is to come
		confirmed, ok := confirmedRange(resp.Header.Get("Range"))
		if !ok || confirmed < s.start || confirmed > s.start+int64(len(s.chunk)) {
			return errUploadLost
		}
		s.confirmed = confirmed
	default:
		return errorOf(resp, body)
	}
	if s.confirmed > before {
		s.upload.progress(s.confirmed)
	}
	return nil
}

// confirmedRange reads a header such as bytes=0-524287; none means no bytes.
func confirmedRange(header string) (int64, bool) {
	if header == "" {
		return 0, true
	}
	last, ok := strings.CutPrefix(header, "bytes=0-")
	n, err := strconv.ParseInt(last, 10, 64)
	return n + 1, ok && err == nil && n >= 0
}
