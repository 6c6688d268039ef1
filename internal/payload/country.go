package payload

import (
	"slices"
	"strings"

	"github.com/nyaruka/phonenumbers"
)

// OutsideCountries finds the recipients whose numbers are of none of the countries, codes of
// ISO 3166 alpha-2. A number of no country, such as those of satellites, is outside
// of all.
func OutsideCountries(to []Recipient, countries []string) Errors {
	var faults Errors
	for _, r := range to {
		if !slices.Contains(countries, countryOf(r.E164)) {
			faults = append(faults, Error{
				Pointer: r.Pointer,
				Detail:  "numbers of this country are not sent to; allowed are " + strings.Join(countries, ", "),
			})
		}
	}
	return faults.Sorted()
}

// countryOf returns the country of a number in E.164, or "". Countries that share a
// calling code are told apart by the ranges of their numbers; a number in a range
// that nobody has is the main country's.
func countryOf(e164 string) string {
	number, err := phonenumbers.Parse(e164, "")
	if err != nil {
		return ""
	}
	if country := phonenumbers.GetRegionCodeForNumber(number); country != "" {
		return country
	}
	return phonenumbers.GetRegionCodeForCountryCode(int(number.GetCountryCode()))
}
