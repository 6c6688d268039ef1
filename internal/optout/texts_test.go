package optout

import (
	"regexp"
	"testing"
	"unicode/utf8"

	"github.com/nyaruka/phonenumbers"
	"golang.org/x/text/language"

	"github.com/rcshook/rcshook/internal/phonenumber"
)

// TestTexts checks the length of the default texts, and that the keywords that they name do
// as they claim, in their language.
func TestTexts(t *testing.T) {
	t.Parallel()
	word := regexp.MustCompile(`\p{Lu}{4,}`)
	phones := map[string]string{"en": british, "es": spanish, "pt": brazilian, "fr": french, "de": german}
	named := map[Kind][]Kind{Stop: {Start}, Start: {Stop}, Help: {Stop, Start}}
	seen := map[string]bool{}
	for language, phone := range phones {
		for kind, want := range named {
			text, chip := Texts(kind, language)
			if n := utf8.RuneCountInString(text); n < 20 || n >= 160 || seen[text] {
				t.Errorf("Texts(%s, %s) has %d characters, or the text of another: %q", kind, language, n, text)
			}
			seen[text] = true
			const maxChip = 25 // of RBM
			if n := utf8.RuneCountInString(chip); (kind == Stop) != (n > 0) || n > maxChip || n > 0 && seen[chip] {
				t.Errorf("Texts(%s, %s) has the chip %q", kind, language, chip)
			}
			seen[chip] = true
			words := word.FindAllString(text, -1)
			if len(words) != len(want) {
				t.Fatalf("Texts(%s, %s) names %q, want %d keywords", kind, language, words, len(want))
			}
			for i, word := range words {
				got, ok := Keywords{}.FromText(phone, word)
				if !ok || got.Kind != want[i] || got.Language != language {
					t.Errorf("Texts(%s, %s) names %s, which is %+v, want %s", kind, language, word, got, want[i])
				}
			}
		}
	}
	english, chip := Texts(Stop, "en")
	for _, language := range []string{"", "it", "EN", "de-AT"} {
		if text, c := Texts(Stop, language); text != english || c != chip {
			t.Errorf("Texts(%s, %q) = %q, %q, want English", Stop, language, text, c)
		}
	}
	if text, chip := Texts("reply", "en"); text != "" || chip != "" {
		t.Errorf("Texts(reply, en) = %q, %q, want none", text, chip)
	}
}

func TestLanguage(t *testing.T) {
	t.Parallel()
	for phone, want := range map[string]string{
		american: "en", jamaican: "en", british: "en", indian: "en", turkish: "en", "": "en", "12": "en",
		spanish: "es", mexican: "es", argentine: "es", dominican: "es", "+573001234567": "es", "+56912345678": "es", "+51912345678": "es", "+17872345678": "es",
		brazilian: "pt", portuguese: "pt", "+244912345678": "pt",
		french: "fr", "+262692123456": "fr", "+221701234567": "fr",
		german: "de", austrian: "de",
	} {
		if got := Language(phone); got != want {
			t.Errorf("Language(%s) = %s, want %s", phone, got, want)
		}
	}
}

// TestLanguage_CLDR compares the languages of all countries with the Unicode CLDR.
func TestLanguage_CLDR(t *testing.T) {
	t.Parallel()
	for region := range phonenumbers.GetSupportedRegions() {
		example := phonenumbers.GetExampleNumberForType(region, phonenumbers.MOBILE)
		if example == nil {
			continue
		}
		phone := phonenumbers.Format(example, phonenumbers.E164)
		base, _ := language.Make("und-" + phonenumber.CountryOf(phone)).Base()
		want := base.String()
		if _, ok := texts[want]; !ok {
			want = "en"
		}
		if got := Language(phone); got != want {
			t.Errorf("Language of %s = %s, want %s", region, got, want)
		}
	}
}
