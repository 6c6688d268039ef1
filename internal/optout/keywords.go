package optout

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Kind is the request of a user. Its values are types of events.
type Kind string

// The kinds.
const (
	Stop  Kind = "unsubscribed"
	Start Kind = "subscribed"
	Help  Kind = "help"
)

// Signal is a request that a user typed or tapped.
type Signal struct {
	Kind     Kind
	Keyword  string // as [Keywords] or the documentation lists it, in upper case
	Via      string // text or button
	Language string // of [Texts]; empty for a button
}

// Keywords are words that the operator adds to the built-in ones. They count for the
// numbers of all countries.
type Keywords struct{ Stop, Start, Help []string }

const (
	// maxWord is the maximum length of a configured word in characters.
	maxWord = 32

	// maxTyped is the maximum length of a typed keyword. A letter with accents can
	// arrive as four characters.
	maxTyped = 4 * maxWord
)

// builtIn are the built-in words, as normalize returns them. Google's clients send STOP,
// BAJA or PARAR when a user taps Unsubscribe, and START, ALTA, DÉMARRER or COMEÇAR when the
// user subscribes again, by the country of the number:
// https://developers.google.com/business-communications/rcs-business-messaging/guides/build/events/receive-events
// The others are common in text messaging. The words of the second row are ordinary
// replies outside North America.
var builtIn = []struct {
	kind         Kind
	languages    []string // the first one is the default; empty means all
	northAmerica bool     // only for numbers that start with +1
	words        []string
}{
	{Stop, nil, false, []string{"stop", "stopall", "stop all", "unsubscribe", "optout", "opt out", "opt-out"}},
	{Stop, nil, true, []string{"cancel", "end", "quit", "revoke"}},
	{Stop, []string{"es"}, false, []string{"baja"}},
	{Stop, []string{"pt", "es"}, false, []string{"parar"}},
	{Stop, []string{"fr"}, false, []string{"arret", "arrêt"}},
	{Start, nil, false, []string{"start", "unstop", "subscribe"}},
	{Start, []string{"es"}, false, []string{"alta"}},
	{Start, []string{"fr"}, false, []string{"démarrer", "demarrer"}},
	{Start, []string{"pt"}, false, []string{"começar", "comecar"}},
	{Help, nil, false, []string{"help", "info"}},
	{Help, []string{"es"}, false, []string{"ayuda"}},
	{Help, []string{"fr"}, false, []string{"aide"}},
	{Help, []string{"pt"}, false, []string{"ajuda"}},
	{Help, []string{"de"}, false, []string{"hilfe"}},
}

// FromText returns the request of a text that a user typed, if the whole text is a keyword.
// Case, space around and between words, invisible characters and one final period or
// exclamation mark do not matter. The number is in E.164. The language is that of the
// keyword, or that of the country if the keyword is used in several languages.
func (k Keywords) FromText(phone, text string) (Signal, bool) {
	text = strings.TrimFunc(text, func(r rune) bool { return unicode.IsSpace(r) || isInvisible(r) })
	if utf8.RuneCountInString(text) > maxTyped {
		return Signal{}, false
	}
	typed := normalize(text)
	if typed == "" {
		return Signal{}, false
	}
	for _, b := range builtIn {
		if !slices.Contains(b.words, typed) || b.northAmerica && !strings.HasPrefix(phone, "+1") {
			continue
		}
		language := Language(phone)
		if len(b.languages) > 0 && !slices.Contains(b.languages, language) {
			language = b.languages[0]
		}
		return Signal{Kind: b.kind, Keyword: strings.ToUpper(typed), Via: "text", Language: language}, true
	}
	for _, l := range k.lists() {
		for _, word := range l.words {
			if normalize(word) == typed {
				keyword := strings.ToUpper(strings.Join(strings.Fields(word), " "))
				return Signal{Kind: l.kind, Keyword: keyword, Via: "text", Language: Language(phone)}, true
			}
		}
	}
	return Signal{}, false
}

// FromPostback returns the request of a tap on a suggestion. Only the exact postbacks STOP,
// UNSUBSCRIBE and START are requests, because labels such as Cancel or Info are common in
// conversations. The signal has no language; see [Language].
func FromPostback(postback string) (Signal, bool) {
	switch postback {
	case "STOP", "UNSUBSCRIBE":
		return Signal{Kind: Stop, Keyword: postback, Via: "button"}, true
	case "START":
		return Signal{Kind: Start, Keyword: postback, Via: "button"}, true
	}
	return Signal{}, false
}

// Problem is a problem of a configured word.
type Problem struct {
	List   string // stop, start or help
	Index  int    // in the list
	Detail string // does not contain the word
}

// Check returns the problems of the configured words.
func (k Keywords) Check() []Problem {
	var problems []Problem
	lists := map[string]string{} // from normalized words
	for _, l := range k.lists() {
		for _, b := range builtIn {
			if b.kind == l.kind {
				for _, word := range b.words {
					lists[word] = l.name
				}
			}
		}
	}
	for _, l := range k.lists() {
		for i, word := range l.words {
			normalized := normalize(word)
			other, listed := lists[normalized]
			detail := ""
			switch {
			case normalized == "":
				detail = "expected a word, got only spaces or punctuation"
			case utf8.RuneCountInString(normalized) > maxWord:
				detail = fmt.Sprintf("expected at most %d characters, got %d", maxWord, utf8.RuneCountInString(normalized))
			case !listed:
				lists[normalized] = l.name
			case other != l.name:
				detail = fmt.Sprintf("already a keyword of %s; expected a word that is in one list only", other)
			}
			if detail != "" {
				problems = append(problems, Problem{l.name, i, detail})
			}
		}
	}
	return problems
}

type list struct {
	name  string // in the configuration
	kind  Kind
	words []string
}

func (k Keywords) lists() []list {
	return []list{{"stop", Stop, k.Stop}, {"start", Start, k.Start}, {"help", Help, k.Help}}
}

// dottedI is the letter i of Turkish keyboards, which can have further combining dots. It is
// the i of the keywords.
var dottedI = regexp.MustCompile("i\u0307+")

// normalize returns a text in the form in which keywords are compared: in one
// case, with one form of accents, letter widths and hyphens, single spaces, and without
// invisible characters and one final period or exclamation mark.
func normalize(text string) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case isInvisible(r):
			return -1
		case unicode.Is(unicode.Pd, r):
			return '-'
		}
		return r
	}, text)
	text = norm.NFKC.String(strings.ToLower(strings.ToUpper(norm.NFKC.String(text))))
	text = norm.NFKC.String(dottedI.ReplaceAllString(text, "i")) // another accent of the i now belongs to it
	text = strings.ReplaceAll(text, "ß", "ss")
	text = strings.Join(strings.Fields(text), " ")
	if n := len(text); n > 0 && (text[n-1] == '.' || text[n-1] == '!') {
		text = strings.TrimSuffix(text[:n-1], " ")
	}
	return text
}

// isInvisible reports whether a character is not seen: a byte order mark, a zero-width
// space, a direction mark, a variation selector, or a control character.
func isInvisible(r rune) bool {
	return unicode.In(r, unicode.Cf, unicode.Cc, unicode.Variation_Selector, unicode.Other_Default_Ignorable_Code_Point)
}
