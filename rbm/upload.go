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
	"time"
)

// File is a file that the platform keeps, for 60 days.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/files
type File struct {
	// Name is files/{uid}, for [UploadedRBMFile].
	Name string `json:"name,omitempty"`
}

// FileSource is a file that the platform is to fetch.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/files/create
type FileSource struct {
	// FileURL is the public URL of the file. It may redirect once.
	FileURL string `json:"fileUrl,omitempty"`

	// ThumbnailURL is the public URL of an image; without it the platform makes
	// a thumbnail itself.
	ThumbnailURL string `json:"thumbnailUrl,omitempty"`

	// ContentDescription is read out by screen readers.
	//
	// Assumption: the generated clients have it, the reference page no longer does.
	ContentDescription string `json:"contentDescription,omitempty"`
}

// CreateFile makes the platform fetch a file and keep it for 60 days, to be sent
// under the name that is returned. Google asks not to submit many different URLs:
// one for each file, and not one for each user.
//
// An attempt that failed without an answer and is repeated may leave a second
// copy, which does no harm.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/files/create
func (c *Client) CreateFile(ctx context.Context, source *FileSource) (*File, error) {
	if source == nil || source.FileURL == "" {
		return nil, errors.New("rbm: there is no file to create")
	}
	body, err := encode(struct {
		FileSource
		AgentID string `json:"agentId"`
	}{*source, c.agentID})
	if err != nil {
		return nil, fmt.Errorf("rbm: encode file: %w", err)
	}
	file := new(File)
	if err := c.do(ctx, call{method: methodCreateFile, verb: http.MethodPost, url: c.base + "/v1/files", body: body}, file); err != nil {
		return nil, err
	}
	return file, nil
}

// Upload is a file that is sent to the platform.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/files/create
type Upload struct {
	// Content is the file, at most 100 MiB of it. It is read once, from where it
	// stands to its end.
	Content io.Reader

	// ContentType is the media type of the file, such as image/png.
	ContentType string

	// ThumbnailURL and ContentDescription are those of [FileSource].
	ThumbnailURL       string
	ContentDescription string

	// ChunkSize is how many bytes are sent at once, and about half of what is
	// held in memory; 0 means 8 MiB, others are rounded up to a multiple of 256 KiB.
	ChunkSize int

	// Progress is called whenever the platform has confirmed more of the file,
	// with the number of bytes that it has. Nil means nobody watches.
	Progress func(confirmed int64)
}

// Chunks of resumable uploads come in this unit, as everywhere in Google's APIs.
const chunkUnit = 256 << 10

func (u *Upload) chunkSize() int {
	size := (max(cmp.Or(u.ChunkSize, 8<<20), 1) + chunkUnit - 1) / chunkUnit * chunkUnit
	if known, ok := u.Content.(interface{ Len() int }); ok {
		return min(size, known.Len())
	}
	return size
}

func (u *Upload) progress(confirmed int64) {
	if u.Progress != nil {
		u.Progress(confirmed)
	}
}

// metadata is what else there is to say about the file, nil if nothing.
func (u *Upload) metadata() ([]byte, error) {
	if u.ThumbnailURL == "" && u.ContentDescription == "" {
		return nil, nil
	}
	data, err := encode(FileSource{ThumbnailURL: u.ThumbnailURL, ContentDescription: u.ContentDescription})
	if err != nil {
		return nil, fmt.Errorf("rbm: encode file: %w", err)
	}
	return data, nil
}

// UploadFile sends a file to the platform, which keeps it for 60 days, to be sent
// in messages under the name that is returned.
//
// A file of one chunk goes in one request. A larger one goes chunk by chunk in an
// upload that is resumed where it broke off. Failed attempts are repeated as
// everywhere; [Retry.AttemptTimeout] is extended by a second for each 128 KiB that
// an attempt sends. An error of Content is returned, wrapped.
//
// Assumption: the reference describes the upload in one request; that the other
// forms work is taken from the generated clients, and their details from Google's
// other APIs.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/files/create
func (c *Client) UploadFile(ctx context.Context, u *Upload) (*File, error) {
	if u == nil || u.Content == nil || u.ContentType == "" {
		return nil, errors.New("rbm: there is no file to upload, or it has no content type")
	}
	chunks := &chunkReader{source: bufio.NewReader(u.Content), size: u.chunkSize()}
	first, last, err := chunks.next()
	if err != nil {
		return nil, err
	}
	if !last {
		return c.uploadChunks(ctx, u, chunks, first)
	}
	file, err := c.uploadWhole(ctx, u, first)
	if err == nil {
		u.progress(int64(len(first)))
	}
	return file, err
}

// uploadWhole sends a file in one request: by itself, or after its metadata.
func (c *Client) uploadWhole(ctx context.Context, u *Upload, content []byte) (*File, error) {
	k := call{
		method: methodCreateFile, verb: http.MethodPost, url: c.uploadURL(""),
		body: content, media: u.ContentType, extra: uploadTime(len(content)),
	}
	metadata, err := u.metadata()
	if err != nil {
		return nil, err
	}
	if metadata != nil {
		k.url = c.uploadURL("multipart")
		k.body, k.media = related(metadata, u.ContentType, content)
	}
	file := new(File)
	if err := c.do(ctx, k, file); err != nil {
		return nil, err
	}
	return file, nil
}

func (c *Client) uploadURL(uploadType string) string {
	target := c.base + "/upload/v1/files?agentId=" + url.QueryEscape(c.agentID)
	if uploadType != "" {
		target += "&uploadType=" + uploadType
	}
	return target
}

// uploadTime is what it takes at most to send n bytes.
func uploadTime(n int) time.Duration {
	const perSecond = 128 << 10
	return time.Duration(n) * time.Second / perSecond
}

// related joins the metadata and the content of a file in one body.
func related(metadata []byte, contentType string, content []byte) (body []byte, media string) {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for _, part := range []struct {
		media string
		data  []byte
	}{{"application/json", metadata}, {contentType, content}} {
		p, _ := w.CreatePart(textproto.MIMEHeader{"Content-Type": {part.media}}) // a Buffer takes everything
		_, _ = p.Write(part.data)
	}
	_ = w.Close()
	return b.Bytes(), "multipart/related; boundary=" + w.Boundary()
}

// A chunkReader cuts a file into chunks and knows which is the last.
type chunkReader struct {
	source *bufio.Reader
	size   int
}

// next returns a chunk of its own: after an early answer net/http may still be
// reading the one before.
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
