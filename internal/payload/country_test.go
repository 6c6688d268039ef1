package payload

import (
	"testing"

	"github.com/rcshook/rcshook/internal/phonenumber"
)

func TestOutside(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		number, country string
	}{
		{"+12025550123", "US"}, // fictional
		{"+14165550123", "CA"},
		{"+18765550123", "JM"}, // Jamaica shares +1
		{"+493012345678", "DE"},
		{"+447700900123", "GB"}, // fictional
		{"+79161234567", "RU"},
		{"+77011234567", "KZ"},
		{"+4779123456", "SJ"}, // Svalbard shares +47 with Norway
	} {
		to := []Recipient{{E164: test.number, Pointer: "/to"}}
		if errs := OutsideCountries(to, []string{"FR", test.country}); len(errs) != 0 {
			t.Errorf("%s is outside of %s: got country %q", test.number, test.country, phonenumber.CountryOf(test.number))
		}
		if errs := OutsideCountries(to, []string{"FR"}); len(errs) != 1 || errs[0].Pointer != "/to" {
			t.Errorf("%s is not outside of FR", test.number)
		}
	}
	if errs := OutsideCountries([]Recipient{{E164: "+881612345678"}}, []string{"US"}); len(errs) != 1 {
		t.Error("a satellite number is inside the US")
	}
}
