package phonenumber

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/nyaruka/phonenumbers"
)

var update = flag.Bool("update", false, "write premium.txt")

// TestPremiumRanges checks premium.txt against the metadata of the library.
func TestPremiumRanges(t *testing.T) {
	t.Parallel()
	all, err := phonenumbers.MetadataCollection()
	if err != nil {
		t.Fatal(err)
	}
	patterns := make(map[int32][]string)
	for _, m := range all.GetMetadata() {
		for _, d := range []*phonenumbers.PhoneNumberDesc{m.GetPremiumRate(), m.GetSharedCost()} {
			if p := d.GetNationalNumberPattern(); p != "" && p != "NA" && !slices.Contains(patterns[m.GetCountryCode()], p) {
				patterns[m.GetCountryCode()] = append(patterns[m.GetCountryCode()], p)
			}
		}
	}
	var want strings.Builder
	for _, code := range slices.Sorted(maps.Keys(patterns)) {
		fmt.Fprintf(&want, "%d %s\n", code, strings.Join(patterns[code], "|"))
	}
	if *update {
		if err := os.WriteFile("premium.txt", []byte(want.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile("premium.txt")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want.String(), string(got)); diff != "" {
		t.Errorf("premium.txt (-want +got); -update writes it:\n%s", diff)
	}
}

// TestIsPremium_types checks the example of each type of number of each country.
func TestIsPremium_types(t *testing.T) {
	t.Parallel()
	premium := 0
	for country := range phonenumbers.GetSupportedRegions() {
		for kind := phonenumbers.FIXED_LINE; kind <= phonenumbers.VOICEMAIL; kind++ {
			n := phonenumbers.GetExampleNumberForType(country, kind)
			if n == nil {
				continue
			}
			want := kind == phonenumbers.PREMIUM_RATE || kind == phonenumbers.SHARED_COST
			if e164 := phonenumbers.Format(n, phonenumbers.E164); IsPremium(e164) != want {
				t.Errorf("%s of type %d: IsPremium(%s) is %t", country, kind, e164, !want)
			}
			if want {
				premium++
			}
		}
	}
	if premium < 200 {
		t.Errorf("%d premium numbers, want at least 200", premium)
	}
}

func TestIsPremium(t *testing.T) {
	t.Parallel()
	for number, want := range map[string]bool{
		"+19005550123":   true,
		"+449098790123":  true,
		"+448712345678":  true, // shared cost
		"+33891234567":   true,
		"+81990123456":   true,
		"+979123456789":  true, // of no country
		"+12025550123":   false,
		"+18005550123":   false, // toll-free
		"+447700900123":  false,
		"+4915112345678": false,
		"+390899123456":  false, // a fixed line in Italy
		"+8812345678901": false,
		"":               false,
	} {
		if got := IsPremium(number); got != want {
			t.Errorf("IsPremium(%q) = %t", number, got)
		}
	}
}
