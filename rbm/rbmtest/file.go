package rbmtest

import (
	"time"

	"github.com/rcshook/rcshook/rbm"
)

// file is an uploaded file, or one that the platform was to fetch from a URL.
type file struct {
	contentType string
	size        int64
	data        []byte // nil if it was given by URL, or dropped
	uploaded    time.Time
}

// attachedBytes is the size of the uploaded files in a message. Files at a URL
// count nothing, because the simulator fetches nothing. s.mu is held.
func (s *Simulator) attachedBytes(m *rbm.AgentMessage) int64 {
	var total int64
	for _, name := range fileNames(m.ContentMessage) {
		if f := s.files[name]; f != nil {
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
	add(content.FileName, content.UploadedRBMFile)
	for _, card := range cards(content) {
		if card.Media != nil {
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
