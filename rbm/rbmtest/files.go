package rbmtest

import (
	"bytes"
	"crypto/rand"
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
	"time"

	"github.com/rcshook/rcshook/rbm"
)

// Rules of uploaded files.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/files/create
const (
	maxFile      = 100 << 20
	fileLifetime = 60 * 24 * time.Hour

	// maxFileBytes limits the content of all files. Beyond it the oldest lose their
	// content, but not their names.
	maxFileBytes = 256 << 20

	// maxUploads limits the resumable uploads that have not finished. Finished ones are
	// removed to make room.
	maxUploads = 16
)

// fileTypes are the media types of files and thumbnails.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/files/create
var fileTypes = []string{
	"image/jpeg", "image/jpg", "image/gif", "image/png",
	"video/h263", "video/m4v", "video/mp4", "video/mpeg", "video/mpeg4", "video/webm",
	"audio/aac", "audio/mp3", "audio/mpeg", "audio/mpg", "audio/mp4", "audio/mp4-latm", "audio/3gpp", "audio/ogg",
	"application/ogg", "application/pdf",
}

// file is an uploaded file, or one that the platform would fetch from a URL.
type file struct {
	contentType string
	size        int64
	data        []byte // nil if the file has a URL, or was dropped
	created     time.Time
}

type createFileRequest struct {
	FileURL            string `json:"fileUrl"`
	ThumbnailURL       string `json:"thumbnailUrl"`
	AgentID            string `json:"agentId"`
	ContentDescription string `json:"contentDescription"`
}

// createFile is files.create with a URL. The simulator does not fetch it, so the URL need
// not exist.
//
// Assumption: the texts of the errors.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/files/create
func (s *Simulator) createFile(c *call) (any, *apiError) {
	req := c.body.(*createFileRequest)
	if req.FileURL == "" {
		return nil, invalidArgument("The file_url is missing.")
	}
	for name, value := range map[string]string{"fileUrl": req.FileURL, "thumbnailUrl": req.ThumbnailURL} {
		if u, err := url.Parse(value); value != "" && (err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https") {
			return nil, invalidArgument("The %s is not a valid URL.", name)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.storeFile("", nil), nil
}

// storeFile stores a file and returns its resource. s.mu must be held.
func (s *Simulator) storeFile(contentType string, data []byte) *rbm.File {
	name := "files/" + rand.Text()[:24]
	s.files[name] = &file{contentType, int64(len(data)), data, s.now()}
	s.fileNames = append(s.fileNames, name)
	s.fileBytes += int64(len(data))
	for _, old := range s.fileNames {
		if s.fileBytes <= maxFileBytes {
			break
		}
		s.fileBytes -= int64(len(s.files[old].data))
		s.files[old].data = nil
	}
	return &rbm.File{Name: name}
}

// File returns a file that was uploaded under a name such as "files/abc". The content is
// nil for a file with a URL. ok is false if the file is unknown or its 60 days are over.
func (s *Simulator) File(name string) (contentType string, content []byte, ok bool) {
	s.lock()
	defer s.mu.Unlock()
	f := s.file(name)
	if f == nil {
		return "", nil, false
	}
	return f.contentType, slices.Clone(f.data), true
}

// file returns a file that has not expired, or nil. s.mu must be held.
func (s *Simulator) file(name string) *file {
	f := s.files[name]
	if f == nil || s.now().Sub(f.created) >= fileLifetime {
		return nil
	}
	return f
}

// fileNames returns the names of the uploaded files in a message.
func fileNames(content *rbm.AgentContentMessage) []string {
	var names []string
	add := func(name string, uploaded *rbm.UploadedRBMFile) {
		if uploaded != nil {
			names = append(names, uploaded.FileName)
			name = uploaded.ThumbnailName
		}
		if name != "" {
			names = append(names, name)
		}
	}
	//lint:ignore SA1019 the platform still accepts it, and so does the simulator
	add(content.FileName, content.UploadedRBMFile)
	for _, card := range cards(content) {
		if card.Media != nil {
			//lint:ignore SA1019 the platform still accepts it, and so does the simulator
			add(card.Media.FileName, card.Media.UploadedRBMFile)
		}
	}
	return names
}

// upload is a resumable upload.
type upload struct {
	contentType string
	total       int64 // -1: not known yet
	data        []byte
	done        *rbm.File // the response once it is complete
}

var uploadMethod = &method{name: "files.create", rpc: "CreateFile", verb: http.MethodPost, query: "uploadId"}

// serveUpload is files.create with the content of the file, in the three forms of all
// Google APIs: the content alone, multipart/related with a JSON part first, and resumable.
// The query parameter uploadType or upload_protocol names the form; without it the content
// comes alone.
//
// Assumption: the texts of the errors. That all three forms work is known from the
// generated clients.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/files/create
func (s *Simulator) serveUpload(w http.ResponseWriter, r *http.Request) {
	parts, ok := pathParts(r.URL)
	if !ok || strings.Join(parts, "/") != "upload/v1/files" || r.Method != http.MethodPost && !s.hasUpload(r) {
		errUnknownPath.write(w, r)
		return
	}
	c := &call{method: uploadMethod, request: r}
	c.readQuery()
	s.serveCall(w, r, c, func(w http.ResponseWriter, r *http.Request, c *call) {
		if refusal := s.upload(w, r, c); refusal != nil {
			refusal.write(w, r)
		}
	})
}

// hasUpload reports whether a request continues an upload, whose ID replaces the token.
func (s *Simulator) hasUpload(r *http.Request) bool {
	id := r.URL.Query().Get("upload_id")
	if r.Method != http.MethodPut || id == "" {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.uploads[id] != nil
}

func (s *Simulator) upload(w http.ResponseWriter, r *http.Request, c *call) *apiError {
	if refusal := c.checkQuery(); refusal != nil {
		return refusal
	}
	// The head of a multipart body comes in addition to the file.
	data, refusal := readBody(w, r, maxFile+64<<10, errFileSize)
	if refusal != nil {
		return refusal
	}
	if id := c.query.Get("uploadId"); id != "" {
		return s.resume(w, r, id, data)
	}
	contentType := r.Header.Get("Content-Type")
	query := r.URL.Query()
	form := query.Get("uploadType") + query.Get("upload_protocol")
	var metadata []byte
	switch form {
	case "multipart":
		metadata, contentType, data, refusal = splitMultipart(contentType, data)
	case "resumable":
		metadata, contentType = data, r.Header.Get("X-Upload-Content-Type")
	}
	req := new(createFileRequest)
	if refusal == nil && len(metadata) > maxBody {
		refusal = errBodySize
	}
	if refusal == nil {
		refusal = s.parseBody("", metadata, req)
	}
	if refusal != nil {
		return refusal
	}
	c.body = req
	if refusal := s.findAgent(c); refusal != nil {
		return refusal
	}
	if req.FileURL != "" {
		return invalidArgument("The file_url must be left out of an upload.")
	}
	if form == "resumable" {
		return s.startUpload(w, r, contentType)
	}
	if refusal := checkFile(contentType, data); refusal != nil {
		return refusal
	}
	s.mu.Lock()
	stored := s.storeFile(contentType, data)
	s.mu.Unlock()
	writeAPI(w, r, http.StatusOK, stored)
	return nil
}

var errFileSize = invalidArgument("The file is larger than the limit of %d bytes.", maxFile)

// checkFile checks a complete file.
func checkFile(contentType string, data []byte) *apiError {
	switch {
	case len(data) == 0:
		return invalidArgument("The file is empty.")
	case len(data) > maxFile:
		return errFileSize
	}
	return checkFileType(contentType)
}

func checkFileType(contentType string) *apiError {
	base, _, err := mime.ParseMediaType(contentType)
	if err != nil || !slices.Contains(fileTypes, base) {
		return invalidArgument("The content type of the file is not supported.")
	}
	return nil
}

// splitMultipart splits a body into its JSON part and the file.
func splitMultipart(contentType string, data []byte) (metadata []byte, fileType string, file []byte, refusal *apiError) {
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
		var body []byte
		if err == nil {
			body, err = io.ReadAll(part)
		}
		if err != nil {
			return nil, "", nil, invalidArgument("The multipart body is malformed.")
		}
		bodies, fileType = append(bodies, body), part.Header.Get("Content-Type")
	}
	if len(bodies) != 2 {
		return nil, "", nil, invalidArgument("A multipart upload must have exactly two parts.")
	}
	return bodies[0], fileType, bodies[1], nil
}

// startUpload responds with the URL to which the content is to be put.
func (s *Simulator) startUpload(w http.ResponseWriter, r *http.Request, contentType string) *apiError {
	if contentType != "" { // else the type comes with the content
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
			return errFileSize
		}
		total = n
	}
	id := rand.Text()
	if !s.addUpload(id, &upload{contentType: contentType, total: total}) {
		return platformError(http.StatusTooManyRequests, "", 0)
	}
	w.Header().Set("Location", origin(r)+"/upload/v1/files?uploadType=resumable&upload_id="+id)
	w.Header().Set("X-GUploader-UploadID", id)
	w.WriteHeader(http.StatusOK)
	return nil
}

// addUpload adds an upload, unless there are too many.
func (s *Simulator) addUpload(id string, u *upload) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.uploads) >= maxUploads {
		maps.DeleteFunc(s.uploads, func(_ string, u *upload) bool { return u.done != nil })
	}
	if len(s.uploads) >= maxUploads {
		return false
	}
	s.uploads[id] = u
	return true
}

// resume adds the next bytes to an upload, or reports its progress.
func (s *Simulator) resume(w http.ResponseWriter, r *http.Request, id string, data []byte) *apiError {
	done, received, refusal := s.addBytes(id, r.Header, data)
	switch {
	case refusal != nil:
		return refusal
	case done != nil:
		writeAPI(w, r, http.StatusOK, done)
		return nil
	}
	if received > 0 {
		w.Header().Set("Range", fmt.Sprintf("bytes=0-%d", received-1))
	}
	w.WriteHeader(http.StatusPermanentRedirect) // 308: resume incomplete
	return nil
}

// addBytes adds bytes to an upload, and returns its file if it is complete, or the number
// of bytes it has.
func (s *Simulator) addBytes(id string, header http.Header, data []byte) (done *rbm.File, received int, refusal *apiError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.uploads[id]
	if u == nil {
		return nil, 0, errEntityNotFound
	}
	complete, refusal := u.add(header, data)
	if refusal != nil || !complete {
		return nil, len(u.data), refusal
	}
	if u.done == nil {
		if refusal := checkFile(u.contentType, u.data); refusal != nil {
			return nil, 0, refusal
		}
		u.done, u.data = s.storeFile(u.contentType, u.data), nil
	}
	return u.done, 0, nil
}

// contentRange is the header of a part: bytes 0-9/20, bytes 0-9/*, bytes */20.
var contentRange = regexp.MustCompile(`^bytes (?:(\d{1,12})-(\d{1,12})|\*)/(\d{1,12}|\*)$`)

// add appends a part and reports whether the upload is complete.
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
		// The expression matches only numbers that fit.
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
		return false, invalidArgument("The size of the file differs from the size announced before, or exceeds the limit.")
	case query:
		return total >= 0 && int64(len(u.data)) == total, nil
	case from != int64(len(u.data)) || to-from+1 != int64(len(data)) || to >= maxFile:
		return false, invalidArgument("The bytes do not follow the bytes sent before.")
	}
	if total >= 0 {
		u.total = total
	}
	u.data = append(u.data, data...)
	return u.total == int64(len(u.data)), nil
}
