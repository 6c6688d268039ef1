package phonenumber

import (
	_ "embed"
	"regexp"
	"strings"
	"sync"

	"github.com/nyaruka/phonenumbers"
)

// premiumRanges has a line for each calling code with premium-rate or shared-cost numbers:
// the code, a space, and a regular expression for the rest of them. It is generated from
// the metadata of phonenumbers, whose own test takes as long as sending a message.
//
//go:embed premium.txt
var premiumRanges string

// premium holds a *regexp.Regexp for each calling code that was looked up.
var premium sync.Map

// IsPremium reports whether calls to an E.164 number pay its owner: a premium-rate or
// shared-cost number. No mobile phone has one.
func IsPremium(e164 string) bool {
	code := callingCode(strings.TrimPrefix(e164, "+"))
	ranges, ok := premium.Load(code)
	if !ok {
		pattern := "$^" // matches nothing
		for line := range strings.Lines(premiumRanges) {
			if rest, ok := strings.CutPrefix(line, code+" "); ok {
				pattern = "^(?:" + strings.TrimSpace(rest) + ")$"
			}
		}
		ranges, _ = premium.LoadOrStore(code, regexp.MustCompile(pattern))
	}
	if code == "" || !ranges.(*regexp.Regexp).MatchString(e164[1+len(code):]) {
		return false
	}
	// Countries that share a calling code can use one range for different types.
	kind := phonenumbers.GetNumberType(parse(e164).PhoneNumber)
	return kind == phonenumbers.PREMIUM_RATE || kind == phonenumbers.SHARED_COST
}
