package rbm

// UploadedRBMFile names a file that was uploaded to the platform with
// files.create. Uploads are kept for 60 days.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/phones.agentMessages#UploadedRbmFile
type UploadedRBMFile struct {
	// FileName is the name that the upload returned, files/{uid}.
	FileName string `json:"fileName,omitempty"`

	// ThumbnailName is the name of an uploaded thumbnail. Without it a
	// thumbnail that was given with the upload is shown.
	ThumbnailName string `json:"thumbnailName,omitempty"`
}

// ContentInfo is a file that the platform fetches from a public URL. The server
// must answer without a redirect and with the right Content-Type.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/phones.agentMessages#ContentInfo
type ContentInfo struct {
	// FileURL is the public URL of the file, of at most 100 MiB.
	FileURL string `json:"fileUrl,omitempty"`

	// ThumbnailURL is the public URL of an image of at most 100 kB. Without it
	// a blank placeholder is shown until the device has loaded the file.
	ThumbnailURL string `json:"thumbnailUrl,omitempty"`

	// ForceRefresh makes the platform fetch the file again although it has the
	// URL in its cache.
	ForceRefresh bool `json:"forceRefresh,omitempty"`
}
