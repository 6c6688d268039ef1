package rbmtest

import (
	"crypto/rand"
	"net/url"
	"slices"
	"time"

	"github.com/rcshook/rcshook/rbm"
)

// Rules of uploaded files.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/files/create
const (
	maxFile  = 100 << 20
	keepFile = 60 * 24 * time.Hour

	// maxFileBytes is how much of all files is kept. Beyond it the oldest lose
	// their bytes, though not their names.
	maxFileBytes = 256 << 20
)

// fileTypes are the media types of files and thumbnails that can be uploaded.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/files/create
var fileTypes = []string{
	"image/jpeg", "image/jpg", "image/gif", "image/png",
	"video/h263", "video/m4v", "video/mp4", "video/mpeg", "video/mpeg4", "video/webm",
	"audio/aac", "audio/mp3", "audio/mpeg", "audio/mpg", "audio/mp4", "audio/mp4-latm", "audio/3gpp", "audio/ogg",
	"application/ogg", "application/pdf",
}

// file is an uploaded file, or one that the platform was to fetch from a URL.
type file struct {
	contentType string
	url         string // from where it was to be fetched; empty if it was uploaded
	size        int64
	data        []byte // nil if it has a URL, or was dropped
	created     time.Time
}

// createFile is files.create with a URL. The simulator never fetches it, so it
// takes a URL that leads nowhere.
//
// Assumption: the wording of the refusals.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/files/create
func (s *Simulator) createFile(c *call) (*node, *apiError) {
	fileURL := c.body.str("fileUrl")
	if fileURL == "" {
		return nil, invalidArgument("The file_url is missing.")
	}
	for _, name := range []string{"fileUrl", "thumbnailUrl"} {
		if value := c.body.str(name); value != "" && !isWebURL(value) {
			return nil, invalidArgument("The %s is not a valid URL.", name)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.storeFile(&file{url: fileURL}), nil
}

func isWebURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && u.Host != "" && (u.Scheme == "http" || u.Scheme == "https")
}

// storeFile keeps a file and returns its resource. s.mu is held.
func (s *Simulator) storeFile(f *file) *node {
	f.created = s.now()
	name := "files/" + rand.Text()[:24]
	s.files[name] = f
	s.fileNames = append(s.fileNames, name)
	s.fileBytes += int64(len(f.data))
	for _, old := range s.fileNames {
		if s.fileBytes <= maxFileBytes {
			break
		}
		s.fileBytes -= int64(len(s.files[old].data))
		s.files[old].data = nil
	}
	out := &node{kind: objectNode}
	out.set("name", stringOf(name))
	return out
}

// File returns a file that was uploaded under a name such as "files/abc". The
// content is nil for a file with a URL. ok is false if there is no such file or
// its 60 days are over.
func (s *Simulator) File(name string) (contentType string, content []byte, ok bool) {
	s.init()
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.file(name)
	if f == nil {
		return "", nil, false
	}
	return f.contentType, slices.Clone(f.data), true
}

// file returns a file that is still kept, or nil. s.mu is held.
func (s *Simulator) file(name string) *file {
	f := s.files[name]
	if f == nil || s.now().Sub(f.created) >= keepFile {
		return nil
	}
	return f
}

// checkFiles refuses names of files that are not there, if that is assumed.
//
// Assumption: the wording.
func (s *Simulator) checkFiles(m *rbm.AgentMessage) *apiError {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range fileNames(m.ContentMessage) {
		if s.file(name) == nil && s.Assume.RefuseUnknownFiles {
			return invalidArgument("The file %s does not exist.", name)
		}
	}
	return nil
}

// attachedBytes is the size of the uploaded files in a message. Files at a URL
// count nothing, because the simulator fetches nothing. s.mu is held.
func (s *Simulator) attachedBytes(m *rbm.AgentMessage) int64 {
	var total int64
	for _, name := range fileNames(m.ContentMessage) {
		if f := s.file(name); f != nil {
			total += f.size
		}
	}
	return total
}

// fileNames returns the names of the uploaded files that a message uses.
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
	//lint:ignore SA1019 the platform still takes it, and so does the simulator
	add(content.FileName, content.UploadedRBMFile)
	for _, card := range cards(content) {
		if card.Media != nil {
			//lint:ignore SA1019 the platform still takes it, and so does the simulator
			add(card.Media.FileName, card.Media.UploadedRBMFile)
		}
	}
	return names
}

// cards returns the cards of a message, if it has any.
func cards(content *rbm.AgentContentMessage) []rbm.CardContent {
	switch rich := content.RichCard; {
	case rich == nil:
		return nil
	case rich.CarouselCard != nil:
		return rich.CarouselCard.CardContents
	case rich.StandaloneCard != nil && rich.StandaloneCard.CardContent != nil:
		return []rbm.CardContent{*rich.StandaloneCard.CardContent}
	default:
		return nil
	}
}
