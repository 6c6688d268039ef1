package rbm

// Region selects the host of the API. Google recommends the region nearest to
// the caller; users.batchGet needs the region of the phone numbers.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest
type Region string

// The regions of the API. The empty region is the global host.
const (
	RegionGlobal Region = ""
	RegionUS     Region = "us"
	RegionEurope Region = "europe"
	RegionAsia   Region = "asia"
)

// host returns the base URL of the region, or "" if there is no such region.
func (r Region) host() string {
	switch r {
	case RegionGlobal:
		return "https://rcsbusinessmessaging.googleapis.com"
	case RegionUS:
		return "https://us-rcsbusinessmessaging.googleapis.com"
	case RegionEurope:
		return "https://europe-rcsbusinessmessaging.googleapis.com"
	case RegionAsia:
		return "https://asia-rcsbusinessmessaging.googleapis.com"
	}
	return ""
}
