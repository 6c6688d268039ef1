package rbmtest

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// upload is a resumable upload that has begun.
type upload struct {
	contentType string
	total       int64 // -1: not known yet
	data        []byte
	done        *node // the answer, once it is complete
}

// maxUploads bounds the uploads that are begun and not finished. Finished ones are
// forgotten to make room.
const maxUploads = 16

var uploadMethod = &method{
	name: "files.create", rpc: "CreateFile", verb: http.MethodPost,
	query: "upload_id", body: fileSchema,
}

// serveUpload is files.create with the bytes of the file, in the three forms of
// all Google APIs: the bytes alone, multipart/related with a JSON part in front,
// and resumable. The query parameter uploadType (or upload_protocol) names the
// form; without it the bytes come alone.
//
// Assumption: the wording of the refusals. That the forms other than the first
// work is known from the generated clients.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/files/create
func (s *Simulator) serveUpload(w http.ResponseWriter, r *http.Request) {
	parts, ok := pathParts(r.URL)
	if !ok || strings.Join(parts, "/") != "upload/v1/files" || r.Method != http.MethodPost && !s.hasUpload(r) {
		errUnknownPath.write(w, r)
		return
	}
	c := &call{method: uploadMethod, request: r, query: url.Values{}}
	c.takeQuery()
	s.serveAs(w, r, c, func(w http.ResponseWriter, r *http.Request, c *call) {
		if refusal := s.takeUpload(w, r, c); refusal != nil {
			refusal.write(w, r)
		}
	})
}

// hasUpload reports whether a request goes on with an upload. The address of an
// upload is as good as a token.
func (s *Simulator) hasUpload(r *http.Request) bool {
	id := r.URL.Query().Get("upload_id")
	if r.Method != http.MethodPut || id == "" {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.uploads[id] != nil
}

func (s *Simulator) takeUpload(w http.ResponseWriter, r *http.Request, c *call) *apiError {
	if refusal := c.checkQuery(); refusal != nil {
		return refusal
	}
	if id := c.query.Get("upload_id"); id != "" {
		return s.resume(w, r, id)
	}
	data, refusal := readUpload(w, r)
	if refusal != nil {
		return refusal
	}
	contentType := r.Header.Get("Content-Type")
	query := r.URL.Query()
	form := query.Get("uploadType") + query.Get("upload_protocol")
	var meta *node
	switch form {
	case "multipart":
		meta, contentType, data, refusal = splitMultipart(contentType, data)
	case "resumable":
		meta, refusal = metadata(data)
		contentType = r.Header.Get("X-Upload-Content-Type")
	}
	if refusal != nil {
		return refusal
	}
	if c.agentID == "" {
		c.agentID = meta.str("agentId")
	}
	if refusal := s.findAgent(c); refusal != nil {
		return refusal
	}
	if meta.str("fileUrl") != "" {
		return invalidArgument("The file_url must be left out of an upload.")
	}
	if form == "resumable" {
		return s.beginUpload(w, r, contentType)
	}
	if refusal := checkFile(contentType, data); refusal != nil {
		return refusal
	}
	s.mu.Lock()
	stored := s.storeFile(&file{contentType: contentType, size: int64(len(data)), data: data})
	s.mu.Unlock()
	writeAPI(w, r, http.StatusOK, stored)
	return nil
}

func readUpload(w http.ResponseWriter, r *http.Request) ([]byte, *apiError) {
	// The head of a multipart body may come on top of the file.
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxFile+64<<10))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, fileTooLarge()
	case err != nil:
		return nil, trouble(http.StatusInternalServerError, "", 0)
	default:
		return data, nil
	}
}

func fileTooLarge() *apiError {
	return invalidArgument("The file is larger than the limit of %d bytes.", maxFile)
}

func checkFileType(contentType string) *apiError {
	base, _, err := mime.ParseMediaType(contentType)
	if err != nil || !slices.Contains(fileTypes, base) {
		return invalidArgument("The content type of the file is not supported.")
	}
	return nil
}

// metadata reads the JSON that may come with an upload.
func metadata(data []byte) (*node, *apiError) {
	if len(bytes.TrimSpace(data)) == 0 {
		return nil, nil
	}
	if len(data) > maxBody {
		return nil, invalidArgument("Request payload size exceeds the limit: %d bytes.", maxBody)
	}
	sent, refusal := parseLenient(data)
	if refusal != nil {
		return nil, refusal
	}
	return bind(fileSchema, sent, "")
}

// splitMultipart takes a body apart that has a JSON part and then the file.
func splitMultipart(contentType string, data []byte) (meta *node, fileType string, file []byte, refusal *apiError) {
	base, params, err := mime.ParseMediaType(contentType)
	if err != nil || base != "multipart/related" || params["boundary"] == "" {
		return nil, "", nil, invalidArgument("A multipart upload must have the content type multipart/related and a boundary.")
	}
	reader := multipart.NewReader(bytes.NewReader(data), params["boundary"])
	var bodies [][]byte
	for len(bodies) < 3 {
		part, err := reader.NextRawPart()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, "", nil, invalidArgument("The multipart body is malformed.")
		}
		body, err := io.ReadAll(part)
		if err != nil {
			return nil, "", nil, invalidArgument("The multipart body is malformed.")
		}
		bodies, fileType = append(bodies, body), part.Header.Get("Content-Type")
	}
	if len(bodies) != 2 {
		return nil, "", nil, invalidArgument("A multipart upload must have exactly two parts.")
	}
	meta, refusal = metadata(bodies[0])
	return meta, fileType, bodies[1], refusal
}

// beginUpload answers with the address to which the bytes are to be put.
func (s *Simulator) beginUpload(w http.ResponseWriter, r *http.Request, contentType string) *apiError {
	// The type may be told with the bytes.
	if contentType != "" {
		if refusal := checkFileType(contentType); refusal != nil {
			return refusal
		}
	}
	total := int64(-1)
	if length := r.Header.Get("X-Upload-Content-Length"); length != "" {
		n, err := strconv.ParseInt(length, 10, 64)
		if err != nil || n < 0 {
			return invalidArgument("The header X-Upload-Content-Length is malformed.")
		}
		if n > maxFile {
			return fileTooLarge()
		}
		total = n
	}
	id := rand.Text()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.uploads) >= maxUploads {
		maps.DeleteFunc(s.uploads, func(_ string, u *upload) bool { return u.done != nil })
	}
	if len(s.uploads) >= maxUploads {
		return trouble(http.StatusTooManyRequests, "", 0)
	}
	s.uploads[id] = &upload{contentType: contentType, total: total}
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	w.Header().Set("Location", scheme+"://"+r.Host+"/upload/v1/files?uploadType=resumable&upload_id="+id)
	w.Header().Set("X-GUploader-UploadID", id)
	w.WriteHeader(http.StatusOK)
	return nil
}

// contentRange is the header of a part: bytes 0-9/20, bytes 0-9/*, bytes */20.
var contentRange = regexp.MustCompile(`^bytes (?:(\d{1,12})-(\d{1,12})|\*)/(\d{1,12}|\*)$`)

// resume takes the next bytes of an upload, or tells how far it has come.
func (s *Simulator) resume(w http.ResponseWriter, r *http.Request, id string) *apiError {
	data, refusal := readUpload(w, r)
	if refusal != nil {
		return refusal
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.uploads[id]
	if u == nil {
		return errEntityNotFound
	}
	complete, refusal := u.add(r.Header, data)
	switch {
	case refusal != nil:
		return refusal
	case !complete:
		if len(u.data) > 0 {
			w.Header().Set("Range", fmt.Sprintf("bytes=0-%d", len(u.data)-1))
		}
		w.WriteHeader(http.StatusPermanentRedirect) // 308: resume incomplete
		return nil
	case u.done == nil:
		if refusal := checkFile(u.contentType, u.data); refusal != nil {
			return refusal
		}
		u.done, u.data = s.storeFile(&file{contentType: u.contentType, size: int64(len(u.data)), data: u.data}), nil
	}
	writeAPI(w, r, http.StatusOK, u.done)
	return nil
}

// checkFile checks a file that is complete.
func checkFile(contentType string, data []byte) *apiError {
	switch {
	case len(data) == 0:
		return invalidArgument("The file is empty.")
	case len(data) > maxFile:
		return fileTooLarge()
	default:
		return checkFileType(contentType)
	}
}

// add takes in a part and reports whether the upload is complete.
func (u *upload) add(header http.Header, data []byte) (complete bool, refusal *apiError) {
	if u.done != nil {
		return true, nil
	}
	if t := header.Get("Content-Type"); t != "" && u.contentType == "" {
		u.contentType = t
	}
	from, to, total := int64(0), int64(len(data))-1, int64(len(data))
	query := false
	if value := header.Get("Content-Range"); value != "" {
		m := contentRange.FindStringSubmatch(value)
		if m == nil {
			return false, invalidArgument("The header Content-Range is malformed.")
		}
		// The pattern allows digits only, and few enough.
		from, _ = strconv.ParseInt(m[1], 10, 64)
		to, _ = strconv.ParseInt(m[2], 10, 64)
		total = -1
		if m[3] != "*" {
			total, _ = strconv.ParseInt(m[3], 10, 64)
		}
		query = m[1] == ""
	}
	switch {
	case u.total >= 0 && total >= 0 && u.total != total, total > maxFile:
		return false, invalidArgument("The size of the file does not agree with what was said before, or is over the limit.")
	case query:
		return total >= 0 && int64(len(u.data)) == total, nil
	case from != int64(len(u.data)) || to-from+1 != int64(len(data)) || to >= maxFile:
		return false, invalidArgument("The bytes do not follow those that were sent before.")
	}
	if total >= 0 {
		u.total = total
	}
	u.data = append(u.data, data...)
	return u.total == int64(len(u.data)), nil
}
