package rbm

// RichCard is exactly one of a standalone card and a carousel.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/phones.agentMessages#RichCard
type RichCard struct {
	StandaloneCard *StandaloneCard `json:"standaloneCard,omitempty"`
	CarouselCard   *CarouselCard   `json:"carouselCard,omitempty"`
}

// StandaloneCard is a single card.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/phones.agentMessages#StandaloneCard
type StandaloneCard struct {
	// CardOrientation is vertical for media above the text, horizontal for media
	// beside it.
	CardOrientation CardOrientation `json:"cardOrientation,omitempty"`

	// ThumbnailImageAlignment is the side of the media in a horizontal card. A
	// vertical card ignores it.
	ThumbnailImageAlignment ThumbnailImageAlignment `json:"thumbnailImageAlignment,omitempty"`

	CardContent *CardContent `json:"cardContent,omitempty"`
}

// CarouselCard is a row of [MinCarouselCards] to [MaxCarouselCards] vertical
// cards that the user scrolls sideways. All cards get the height of the tallest.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/phones.agentMessages#CarouselCard
type CarouselCard struct {
	CardWidth    CardWidth     `json:"cardWidth,omitempty"`
	CardContents []CardContent `json:"cardContents,omitempty"`
}

// CardContent is the content of a card: at least one of Title, Description and Media.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/phones.agentMessages#CardContent
type CardContent struct {
	// Title has at most [MaxCardTitle] characters.
	Title string `json:"title,omitempty"`

	// Description has at most [MaxCardDescription] characters.
	Description string `json:"description,omitempty"`

	// Media is an image, a GIF or a video; on networks in India also a PDF.
	Media *Media `json:"media,omitempty"`

	// Suggestions are the buttons of the card, at most [MaxCardSuggestions]. Unlike the
	// chips of a message they stay visible.
	Suggestions []Suggestion `json:"suggestions,omitempty"`
}

// Media is the image or video of a card: exactly one of FileName,
// UploadedRBMFile and ContentInfo.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/phones.agentMessages#Media
type Media struct {
	// Height is the height in a vertical card. A horizontal card ignores it.
	// [HeightTall] is not allowed in a carousel of [WidthSmall].
	Height MediaHeight `json:"height,omitempty"`

	// ContentDescription is the text for screen readers.
	ContentDescription string `json:"contentDescription,omitempty"`

	// FileName is the name of an uploaded file, files/{uid}.
	//
	// Deprecated: Google asks for UploadedRBMFile instead.
	FileName string `json:"fileName,omitempty"`

	UploadedRBMFile *UploadedRBMFile `json:"uploadedRbmFile,omitempty"`
	ContentInfo     *ContentInfo     `json:"contentInfo,omitempty"`
}

// CardOrientation is the layout of a standalone card.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/phones.agentMessages#CardOrientation
type CardOrientation string

// The orientations of a standalone card.
const (
	OrientationUnspecified CardOrientation = "CARD_ORIENTATION_UNSPECIFIED"
	OrientationHorizontal  CardOrientation = "HORIZONTAL"
	OrientationVertical    CardOrientation = "VERTICAL"
)

// ThumbnailImageAlignment is the side of the media in a horizontal card.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/phones.agentMessages#ThumbnailImageAlignment
type ThumbnailImageAlignment string

// The alignments of the media in a horizontal card.
const (
	AlignUnspecified ThumbnailImageAlignment = "THUMBNAIL_IMAGE_ALIGNMENT_UNSPECIFIED"
	AlignLeft        ThumbnailImageAlignment = "LEFT"
	AlignRight       ThumbnailImageAlignment = "RIGHT"
)

// CardWidth is the width of the cards of a carousel.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/phones.agentMessages#CardWidth
type CardWidth string

// The widths of the cards of a carousel.
const (
	WidthUnspecified CardWidth = "CARD_WIDTH_UNSPECIFIED"
	WidthSmall       CardWidth = "SMALL"
	WidthMedium      CardWidth = "MEDIUM"
)

// MediaHeight is the height of the media in a vertical card.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/phones.agentMessages#Height
type MediaHeight string

// The heights of the media: 112, 168 and 264 density-independent pixels.
const (
	HeightUnspecified MediaHeight = "HEIGHT_UNSPECIFIED"
	HeightShort       MediaHeight = "SHORT"
	HeightMedium      MediaHeight = "MEDIUM"
	HeightTall        MediaHeight = "TALL"
)
