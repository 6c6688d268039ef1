package rbm

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// File is a file that the platform keeps for 60 days.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/files
type File struct {
	// Name is files/{uid}, for [UploadedRBMFile].
	Name string `json:"name,omitempty"`
}

// FileSource describes a file for [Client.CreateFile] to fetch.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/files/create
type FileSource struct {
	// FileURL is the public URL of the file. It may redirect once.
	FileURL string `json:"fileUrl,omitempty"`

	// ThumbnailURL is the public URL of an image; if it is empty, the platform makes a
	// thumbnail.
	ThumbnailURL string `json:"thumbnailUrl,omitempty"`

	// ContentDescription is the text for screen readers.
	//
	// Assumption: the generated clients have it, the reference page no longer does.
	ContentDescription string `json:"contentDescription,omitempty"`
}

// CreateFile makes the platform fetch a file and keep it for 60 days. Use the returned
// name to send it. Google asks for one URL per file, not per user.
//
// A retry after a lost response may leave a second copy, which does no harm.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/files/create
func (c *Client) CreateFile(ctx context.Context, source *FileSource) (*File, error) {
	if source == nil || source.FileURL == "" {
		return nil, errors.New("rbm: CreateFile: the file URL is missing")
	}
	body, err := encode(struct {
		FileSource
		AgentID string `json:"agentId"`
	}{*source, c.agentID})
	if err != nil {
		return nil, fmt.Errorf("rbm: encode file: %w", err)
	}
	return do[File](ctx, c, call{method: methodCreateFile, verb: http.MethodPost, url: c.base + "/v1/files", body: body})
}

// Upload is a file for [Client.UploadFile].
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/files/create
type Upload struct {
	// Content is the file, at most 100 MiB. It is read once, to its end.
	Content io.Reader

	// ContentType is the media type of the file, such as image/png.
	ContentType string

	// ThumbnailURL and ContentDescription are those of [FileSource].
	ThumbnailURL       string
	ContentDescription string

	// ChunkSize is the number of bytes per request, and about half of the memory that
	// is used; 0 means 8 MiB, other values are rounded up to a multiple of 256
	// KiB.
	ChunkSize int

	// Progress, if not nil, is called with the number of bytes that the platform has
	// confirmed, whenever it grows.
	Progress func(confirmed int64)
}

// UploadFile sends a file to the platform, which keeps it for 60 days, to be sent in
// messages under the name that is returned.
//
// A file of one chunk takes one request. A larger one is sent chunk by chunk, and resumed
// after a failure. [Retry.AttemptTimeout] is extended by a second for each 128 KiB of an
// attempt. Errors from Content are wrapped and returned.
//
// Assumption: the reference describes the upload in one request. The other forms are
// those of the generated clients and of Google's other APIs.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/files/create
func (c *Client) UploadFile(ctx context.Context, u *Upload) (*File, error) {
	if u == nil || u.Content == nil || u.ContentType == "" {
		return nil, errors.New("rbm: UploadFile: the content or its type is missing")
	}
	var metadata []byte
	if u.ThumbnailURL != "" || u.ContentDescription != "" {
		var err error
		metadata, err = encode(FileSource{ThumbnailURL: u.ThumbnailURL, ContentDescription: u.ContentDescription})
		if err != nil {
			return nil, fmt.Errorf("rbm: encode file: %w", err)
		}
	}
	const unit = 256 << 10 // of the chunks of a resumable upload in Google's APIs
	size := (max(cmp.Or(u.ChunkSize, 8<<20), 1) + unit - 1) / unit * unit
	if known, ok := u.Content.(interface{ Len() int }); ok {
		size = min(size, known.Len())
	}
	chunks := &chunkReader{source: bufio.NewReader(u.Content), size: size}
	first, last, err := chunks.next()
	if err != nil {
		return nil, err
	}
	if !last {
		return c.uploadChunks(ctx, u, metadata, chunks, first)
	}
	k := call{
		method: methodCreateFile, verb: http.MethodPost, url: c.uploadURL(""),
		body: first, media: u.ContentType, extra: uploadTime(len(first)),
	}
	if metadata != nil {
		k.url = c.uploadURL("multipart")
		k.body, k.media = relatedBody(metadata, u.ContentType, first)
	}
	file, err := do[File](ctx, c, k)
	if err == nil && u.Progress != nil {
		u.Progress(int64(len(first)))
	}
	return file, err
}

func (c *Client) uploadURL(uploadType string) string {
	target := c.base + "/upload/v1/files?agentId=" + url.QueryEscape(c.agentID)
	if uploadType != "" {
		target += "&uploadType=" + uploadType
	}
	return target
}

// uploadTime returns the time allowed for sending n bytes.
func uploadTime(n int) time.Duration {
	const bytesPerSecond = 128 << 10
	return time.Duration(n) * time.Second / bytesPerSecond
}

// relatedBody returns a multipart/related body of the metadata and the content of a
// file.
func relatedBody(metadata []byte, contentType string, content []byte) (body []byte, media string) {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for _, part := range []struct {
		media string
		data  []byte
	}{{"application/json", metadata}, {contentType, content}} {
		p, _ := w.CreatePart(textproto.MIMEHeader{"Content-Type": {part.media}}) // writes to a Buffer do not fail
		_, _ = p.Write(part.data)
	}
	_ = w.Close()
	return b.Bytes(), "multipart/related; boundary=" + w.Boundary()
}

// chunkReader splits a file into chunks.
type chunkReader struct {
	source *bufio.Reader
	size   int
}

// next returns the next chunk and whether it is the last. Each chunk uses a separate
// buffer: after an early response net/http may still be reading the one before.
func (r *chunkReader) next() (chunk []byte, last bool, err error) {
	chunk = make([]byte, r.size)
	n, err := io.ReadFull(r.source, chunk)
	if err == nil {
		_, err = r.source.Peek(1)
	}
	switch {
	case err == nil:
		return chunk[:n], false, nil
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return chunk[:n], true, nil
	}
	return nil, false, fmt.Errorf("rbm: read file: %w", err)
}

const (
	errUploadLost    safeError = "the platform lost a part of the upload"
	errUploadAddress safeError = "the platform returned an invalid upload URL"
)

// uploadSession is a resumable upload.
type uploadSession struct {
	client    *Client
	upload    *Upload
	address   string
	chunk     []byte // the current one
	start     int64  // of chunk in the file
	total     int64  // size of the file; -1 until its last chunk was read
	confirmed int64  // bytes that the platform has
	file      *File  // set when the upload is complete
}

// uploadChunks sends a file chunk by chunk.
func (c *Client) uploadChunks(ctx context.Context, u *Upload, metadata []byte, chunks *chunkReader, chunk []byte) (*File, error) {
	address, err := c.startUpload(ctx, u, metadata)
	if err != nil {
		return nil, err
	}
	s := &uploadSession{client: c, upload: u, address: address, chunk: chunk, total: -1}
	for last := false; ; {
		err := c.retryCall(ctx, methodCreateFile, func(n int) error { return s.attempt(ctx, n) })
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

// startUpload announces the file and returns the URL for its chunks.
func (c *Client) startUpload(ctx context.Context, u *Upload, metadata []byte) (address string, err error) {
	if metadata == nil {
		metadata = []byte("{}")
	}
	k := call{method: methodCreateFile, verb: http.MethodPost, url: c.uploadURL("resumable"), body: metadata}
	err = c.retryCall(ctx, methodCreateFile, func(n int) error {
		ctx, cancel := context.WithTimeout(ctx, c.retry.AttemptTimeout)
		defer cancel()
		req, err := k.request(ctx)
		if err != nil {
			return err
		}
		req.Header.Set("X-Upload-Content-Type", u.ContentType)
		return c.roundTrip(req, methodCreateFile, n, func(resp *http.Response, body []byte) error {
			if resp.StatusCode != http.StatusOK {
				return errorFrom(resp, body)
			}
			address, err = c.uploadAddress(resp)
			return err
		})
	})
	return address, err
}

// uploadAddress returns the URL of an upload. Each chunk is sent with the token, so the
// URL must be on the host of the API, or both must be Google's.
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

// attempt sends the part of the chunk that is not confirmed. A retry first asks the
// platform which part that is.
func (s *uploadSession) attempt(ctx context.Context, n int) error {
	size := "*"
	if s.total >= 0 {
		size = strconv.FormatInt(s.total, 10)
	}
	if n > 1 {
		if err := s.put(ctx, n, nil, "bytes */"+size); err != nil || s.file != nil {
			return err
		}
	}
	for s.confirmed < s.start+int64(len(s.chunk)) {
		before := s.confirmed
		rest := s.chunk[s.confirmed-s.start:]
		contentRange := fmt.Sprintf("bytes %d-%d/%s", s.confirmed, s.confirmed+int64(len(rest))-1, size)
		if err := s.put(ctx, n, rest, contentRange); err != nil || s.file != nil {
			return err
		}
		if s.confirmed == before {
			return &Error{Method: methodCreateFile, Attempts: n, Err: errUploadLost}
		}
	}
	return nil
}

// put sends bytes, or none to ask how many are confirmed.
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

// accept reads the response to a put: the file, or 308 and the confirmed range.
func (s *uploadSession) accept(resp *http.Response, body []byte) error {
	before := s.confirmed
	switch resp.StatusCode {
	case http.StatusOK, http.StatusCreated:
		v, err := readResponse(body)
		if err != nil {
			return err
		}
		s.file = new(File)
		v.fill(s.file)
		s.confirmed = s.start + int64(len(s.chunk))
	case http.StatusPermanentRedirect: // here it means that the upload is incomplete
		confirmed, ok := confirmedRange(resp.Header.Get("Range"))
		if !ok || confirmed < s.start || confirmed > s.start+int64(len(s.chunk)) {
			return errUploadLost
		}
		s.confirmed = confirmed
	default:
		return errorFrom(resp, body)
	}
	if s.confirmed > before && s.upload.Progress != nil {
		s.upload.Progress(s.confirmed)
	}
	return nil
}

// confirmedRange parses a header such as bytes=0-524287; an empty one means no bytes.
func confirmedRange(header string) (int64, bool) {
	if header == "" {
		return 0, true
	}
	last, ok := strings.CutPrefix(header, "bytes=0-")
	n, err := strconv.ParseInt(last, 10, 64)
	return n + 1, ok && err == nil && n >= 0
}
