package config_test

import (
	"testing"

	"github.com/nyaruka/phonenumbers"

	"github.com/rcshook/rcshook/internal/config"
)

// Every country with phone numbers can be the default country.
func TestFromEnviron_country(t *testing.T) {
	t.Parallel()
	regions := phonenumbers.GetSupportedRegions()
	if len(regions) < 200 {
		t.Fatalf("phonenumbers knows %d regions, want more than 200", len(regions))
	}
	for region := range regions {
		got, err := config.FromEnviron(minimal("RCSHOOK_COUNTRY=" + region))
		if err != nil || got.Country != region {
			t.Errorf("RCSHOOK_COUNTRY=%s: %q, %v, want it as it is", region, got.Country, err)
		}
	}
}
