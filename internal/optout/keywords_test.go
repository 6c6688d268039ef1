package optout

import (
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/text/unicode/norm"
)

const (
	american   = "+12025550123"
	argentine  = "+5491123456789"
	austrian   = "+436641234567"
	brazilian  = "+5511912345678"
	british    = "+447400123456"
	dominican  = "+18092345678"
	french     = "+33612345678"
	german     = "+4915112345678"
	indian     = "+919812345678"
	jamaican   = "+18762101234"
	mexican    = "+525512345678"
	portuguese = "+351912345678"
	spanish    = "+34612345678"
	turkish    = "+905321234567"
)

// TestFromText_builtIn covers all built-in keywords, in the case in which they are listed
// and in others, for a number whose country has none of the languages but English.
func TestFromText_builtIn(t *testing.T) {
	t.Parallel()
	keywords := map[Kind]map[string][]string{
		Stop: {
			"en": {"STOP", "STOPALL", "STOP ALL", "UNSUBSCRIBE", "OPTOUT", "OPT OUT", "OPT-OUT"},
			"es": {"BAJA"},
			"pt": {"PARAR"},
			"fr": {"ARRET", "ARRÊT"},
		},
		Start: {
			"en": {"START", "UNSTOP", "SUBSCRIBE"},
			"es": {"ALTA"},
			"fr": {"DÉMARRER", "DEMARRER"},
			"pt": {"COMEÇAR", "COMECAR"},
		},
		Help: {
			"en": {"HELP", "INFO"},
			"es": {"AYUDA"},
			"fr": {"AIDE"},
			"pt": {"AJUDA"},
			"de": {"HILFE"},
		},
	}
	count := 0
	for kind, languages := range keywords {
		for language, words := range languages {
			for _, word := range words {
				count++
				want := Signal{Kind: kind, Keyword: word, Via: "text", Language: language}
				lower := strings.ToLower(word)
				for _, text := range []string{
					word, lower, strings.ToUpper(word[:1]) + lower[1:], norm.NFD.String(word), norm.NFD.String(lower),
					" " + lower + "\n", word + ".", word + "!", word + " !",
				} {
					for _, phone := range []string{british, american, indian} {
						if got, ok := (Keywords{}).FromText(phone, text); !ok || got != want {
							t.Errorf("FromText(%s, %q) = %+v, %t, want %+v", phone, text, got, ok, want)
						}
					}
				}
			}
		}
	}
	for _, b := range builtIn {
		if !b.northAmerica {
			count -= len(b.words)
		}
		for _, word := range b.words {
			if got := normalize(word); got != word {
				t.Errorf("the built-in word %q is not in the form of normalize, %q", word, got)
			}
		}
	}
	if count != 0 {
		t.Errorf("the test has %+d words compared to the program", count)
	}
}

// TestFromText_dottedI tests that an accent after the dot of an i belongs to the i.
func TestFromText_dottedI(t *testing.T) {
	t.Parallel()
	k := Keywords{Start: []string{"Sí"}}
	for _, text := range []string{"sí", "SÍ", "si\u0301", "si\u0307\u0301", "S\u0130\u0301", "s\u0131\u0307\u0301"} {
		if got, ok := k.FromText(american, text); !ok || got.Keyword != "SÍ" {
			t.Errorf("FromText(%+q) = %+v, want the keyword", text, got)
		}
	}
}

func TestFromText_variants(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, text, keyword string }{
		{"mixed case", "sToP", "STOP"},
		{"tab and line ends", "\t STOP\r\n\r\n", "STOP"},
		{"no-break space", "\u00a0STOP\u00a0", "STOP"},
		{"ideographic space", "\u3000STOP\u3000", "STOP"},
		{"byte order mark", "\ufeffSTOP", "STOP"},
		{"zero-width space", "STOP\u200b", "STOP"},
		{"joiners", "\u2060STOP\u200d", "STOP"},
		{"direction marks", "\u200eSTOP\u200f \u202c", "STOP"},
		{"isolates", "\u2068STOP\u2069", "STOP"},
		{"variation selector", "STOP\ufe0f", "STOP"},
		{"soft hyphen inside", "UNSUB\u00adSCRIBE", "UNSUBSCRIBE"},
		{"grapheme joiner", "STOP\u034f", "STOP"},
		{"control character", "STOP\x00", "STOP"},
		{"two spaces inside", "STOP  ALL", "STOP ALL"},
		{"no-break space inside", "opt\u00a0out", "OPT OUT"},
		{"narrow no-break space inside", "opt\u202fout", "OPT OUT"},
		{"thin space and tab inside", "opt\u2009\tout", "OPT OUT"},
		{"line end inside", "STOP\nALL", "STOP ALL"},
		{"line separator inside", "STOP\u2028ALL", "STOP ALL"},
		{"no-break hyphen", "opt\u2011out", "OPT-OUT"},
		{"en dash", "opt–out", "OPT-OUT"},
		{"period", "Stop.", "STOP"},
		{"exclamation mark", "Stop!", "STOP"},
		{"exclamation mark as in French", "Arrêt\u202f!", "ARRÊT"},
		{"space after the period", "stop. ", "STOP"},
		{"space before the period", "stop  .", "STOP"},
		{"invisible after the period", "stop.\u200b", "STOP"},
		{"full-width exclamation mark", "STOP！", "STOP"},
		{"full-width letters", "ＳＴＯＰ", "STOP"},
		{"small full-width letters", "ｓｔｏｐ", "STOP"},
		{"long s", "ſtop", "STOP"},
		{"bold letters", "𝐒𝐓𝐎𝐏", "STOP"},
		{"dotted capital i", "UNSUBSCRİBE", "UNSUBSCRIBE"},
		{"dotless i", "unsubscrıbe", "UNSUBSCRIBE"},
		{"capital i and a combining dot", "HI\u0307LFE", "HILFE"},
		{"dotted capital i and a combining dot", "\u0130\u0307NFO", "INFO"},
		{"i with two combining dots", "i\u0307\u0307nfo", "INFO"},
		{"composed", "d\u00e9marrer", "DÉMARRER"},
		{"decomposed", "DE\u0301MARRER", "DÉMARRER"},
		{"decomposed cedilla", "comec\u0327ar", "COMEÇAR"},
		{"decomposed circumflex", "ARRE\u0302T", "ARRÊT"},
		{"longest", "STOP" + strings.Repeat(" ", maxTyped-len("STOPALL")) + "ALL", "STOP ALL"},
		{"many invisible characters around", strings.Repeat("\u200b", 500) + "STOP" + strings.Repeat("\ufeff", 500), "STOP"},
		{"much space around", strings.Repeat(" ", 5000) + "STOP" + strings.Repeat("\n", 5000), "STOP"},
	}
	for _, test := range tests {
		got, ok := Keywords{}.FromText(german, test.text)
		if !ok || got.Keyword != test.keyword {
			t.Errorf("%s: FromText(%q) = %+v, %t, want %s", test.name, test.text, got, ok, test.keyword)
		}
	}
}

func TestFromText_replies(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", " ", ".", "!", "\u200b", "?",
		"STOP 12345", "STOP2", "please stop", "stop please", "stopp", "sto", "s t o p", "S.T.O.P.", "STOP IT", "STOP,", "STOP?",
		"STOP\nSTOP", "STOP STOP", "STOPSTOP", "START STOP", "STOP/START",
		"STOP!!", "STOP..", "STOP!.", "STOP.!", "STOP! !", "STOP...", "STOP…", "STOP‼", "STOP。", "!STOP", ".stop", "¡BAJA!", `"STOP"`, "'STOP'", "*STOP*", "#STOP", "/stop",
		"STOP🛑", "STOP 🛑", "🛑", "👍", "STOP❤️", "STOP\u20e3", "🛑STOP",
		"YES", "NO", "Y", "N", "OK", "no.", "JA", "NEIN", "OUI", "NON", "SI", "SÍ", "SIM", "NÃO",
		"STÓP", "PÁRAR", "ARRÈT", "HELPS", "INFOS", "INFO?", "BAJAR", "altar", "CΟMECAR", // a Greek letter
		"opt  -out", "opt--out", "opt_out", "opt - out", "unsub", "subscribe me", "un subscribe", "СТОП",
		"STOP" + strings.Repeat(" ", maxTyped-len("STOPALL")+1) + "ALL", strings.Repeat("STOP", 1000), "STOP\xff", "\xff\xfe",
	} {
		if got, ok := (Keywords{}).FromText(american, text); ok || got != (Signal{}) {
			t.Errorf("FromText(%q) = %+v, %t, want a reply", text, got, ok)
		}
	}
}

func TestFromText_northAmerica(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"CANCEL", "End", "quit.", " revoke "} {
		for _, phone := range []string{american, jamaican, dominican} {
			keyword := strings.ToUpper(strings.Trim(text, " ."))
			if got, ok := (Keywords{}).FromText(phone, text); !ok || got.Kind != Stop || got.Keyword != keyword {
				t.Errorf("FromText(%s, %q) = %+v, %t, want %s", phone, text, got, ok, keyword)
			}
		}
		for _, phone := range []string{german, british, mexican, "+77011234567", "", "12025550123"} {
			if got, ok := (Keywords{}).FromText(phone, text); ok {
				t.Errorf("FromText(%s, %q) = %+v, want a reply", phone, text, got)
			}
		}
	}
}

func TestFromText_language(t *testing.T) {
	t.Parallel()
	k := Keywords{Stop: []string{"enough"}}
	tests := []struct{ phone, text, language string }{
		{german, "STOP", "de"},
		{austrian, "UNSUBSCRIBE", "de"},
		{french, "STOP", "fr"},
		{french, "HELP", "fr"},
		{brazilian, "STOP", "pt"},
		{portuguese, "START", "pt"},
		{spanish, "STOP", "es"},
		{mexican, "INFO", "es"},
		{argentine, "START", "es"},
		{dominican, "CANCEL", "es"},
		{jamaican, "CANCEL", "en"},
		{american, "STOP", "en"},
		{turkish, "STOP", "en"},
		{indian, "STOP", "en"},
		{"+88312345678", "STOP", "en"}, // of no country
		{"", "STOP", "en"},

		{american, "BAJA", "es"},
		{german, "AIDE", "fr"},
		{french, "hilfe", "de"},
		{brazilian, "baja", "es"},
		{spanish, "começar", "pt"},
		{french, "PARAR", "pt"},
		{brazilian, "PARAR", "pt"},
		{spanish, "PARAR", "es"}, // also a Spanish word

		{german, "enough", "de"},
		{mexican, "ENOUGH", "es"},
		{british, "Enough!", "en"},
	}
	for _, test := range tests {
		got, ok := k.FromText(test.phone, test.text)
		if !ok || got.Language != test.language {
			t.Errorf("FromText(%s, %q) = %+v, %t, want language %s", test.phone, test.text, got, ok, test.language)
		}
	}
}

func TestFromText_configured(t *testing.T) {
	t.Parallel()
	k := Keywords{
		Stop:  []string{"Enough", "schließen", "no  more!", "cancel", "HỦY", "τέλος", "ΐσως", "停止", "STOP", ""},
		Start: []string{"JOIN", "Zurück"},
		Help:  []string{"contact us", "YES"},
	}
	tests := []struct {
		text    string
		kind    Kind
		keyword string
	}{
		{"ENOUGH", Stop, "ENOUGH"},
		{"enough.", Stop, "ENOUGH"},
		{"SCHLIESSEN", Stop, "SCHLIEßEN"},
		{"Schließen", Stop, "SCHLIEßEN"},
		{"SCHLIEẞEN", Stop, "SCHLIEßEN"},
		{"No more", Stop, "NO MORE!"},
		{"no\nmore !", Stop, "NO MORE!"},
		{"Cancel", Stop, "CANCEL"},
		{"hủy", Stop, "HỦY"},
		{norm.NFD.String("hủy"), Stop, "HỦY"},
		{"ΤΈΛΟΣ", Stop, "ΤΈΛΟΣ"},
		{"τέλοσ", Stop, "ΤΈΛΟΣ"},
		{"\u03aa\u0301ΣΩΣ", Stop, "ΐΣΩΣ"}, // folds to other characters than the composed letter
		{"停止", Stop, "停止"},
		{"Stop", Stop, "STOP"},
		{"Join", Start, "JOIN"},
		{"ZURU\u0308CK", Start, "ZURÜCK"},
		{"contact us!", Help, "CONTACT US"},
		{"yes", Help, "YES"},
		{"baja", Stop, "BAJA"}, // the built-in words still count
	}
	for _, test := range tests {
		got, ok := k.FromText(british, test.text)
		if !ok || got.Kind != test.kind || got.Keyword != test.keyword || got.Via != "text" {
			t.Errorf("FromText(%q) = %+v, %t, want %s %s", test.text, got, ok, test.kind, test.keyword)
		}
	}
	for _, text := range []string{"", "!", "enough enough", "huy", "joined", "contact", "quit"} {
		if got, ok := k.FromText(british, text); ok {
			t.Errorf("FromText(%q) = %+v, want a reply", text, got)
		}
	}
}

func TestFromPostback(t *testing.T) {
	t.Parallel()
	for postback, kind := range map[string]Kind{"STOP": Stop, "UNSUBSCRIBE": Stop, "START": Start} {
		want := Signal{Kind: kind, Keyword: postback, Via: "button"}
		if got, ok := FromPostback(postback); !ok || got != want {
			t.Errorf("FromPostback(%q) = %+v, %t, want %+v", postback, got, ok, want)
		}
	}
	for _, postback := range []string{
		"", "stop", "Stop", "STOP ", " STOP", "STOP\n", "STOP.", "STOP!", "\ufeffSTOP", "STOP\u200b", "ＳＴＯＰ", "start", "Start", "unsubscribe", "Unsubscribe", "UNSUBSCRİBE",
		"SUBSCRIBE", "Subscribe", "HELP", "INFO", "Info", "CANCEL", "Cancel", "END", "QUIT", "REVOKE", "STOPALL", "OPTOUT", "UNSTOP", "BAJA", "ALTA", "PARAR", "STOP_42", "order:STOP",
	} {
		if got, ok := FromPostback(postback); ok || got != (Signal{}) {
			t.Errorf("FromPostback(%q) = %+v, %t, want a reply", postback, got, ok)
		}
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	const (
		empty = "expected a word, got only spaces or punctuation"
		long  = "expected at most 32 characters, got 33"
	)
	conflict := func(list string) string {
		return "already a keyword of " + list + "; expected a word that is in one list only"
	}
	max32 := strings.Repeat("é", 32)
	tests := []struct {
		name string
		k    Keywords
		want []Problem
	}{
		{"none", Keywords{}, nil},
		{"valid", Keywords{Stop: []string{"ENOUGH", "Cancel"}, Start: []string{"JOIN"}, Help: []string{"CONTACT"}}, nil},
		{"same list", Keywords{Stop: []string{"STOP", "Enough", "enough!"}, Help: []string{"info"}}, nil},
		{"longest", Keywords{Stop: []string{max32, norm.NFD.String(max32[2:]) + "."}}, nil},
		{"empty", Keywords{Stop: []string{"ok", "", " \n"}, Start: []string{"."}, Help: []string{"\ufeff"}}, []Problem{
			{"stop", 1, empty}, {"stop", 2, empty}, {"start", 0, empty}, {"help", 0, empty},
		}},
		{"long", Keywords{Help: []string{max32 + "e"}}, []Problem{{"help", 0, long}}},
		{"built-in", Keywords{Stop: []string{"Help", "Alta!"}, Start: []string{"ARRE\u0302T", "info"}, Help: []string{"cancel", "Stop", "opt out"}}, []Problem{
			{"stop", 0, conflict("help")},
			{"stop", 1, conflict("start")},
			{"start", 0, conflict("stop")},
			{"start", 1, conflict("help")},
			{"help", 0, conflict("stop")},
			{"help", 1, conflict("stop")},
			{"help", 2, conflict("stop")},
		}},
		{"two lists", Keywords{Stop: []string{"Yes"}, Start: []string{"YES.", "Contact"}, Help: []string{"yes", "contact"}}, []Problem{
			{"start", 0, conflict("stop")},
			{"help", 0, conflict("stop")},
			{"help", 1, conflict("start")},
		}},
	}
	for _, test := range tests {
		if diff := cmp.Diff(test.want, test.k.Check()); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", test.name, diff)
		}
	}
}

// FuzzFromText checks that the result does not depend on case and on space around the text,
// that only whole texts are keywords, and that a keyword is recognized as itself.
func FuzzFromText(f *testing.F) {
	k := Keywords{Stop: []string{"Schließen", "ΤΈΛΟΣ", "HỦY", "no more"}, Start: []string{"Zurück", "Sí"}, Help: []string{"contact us"}}
	for _, text := range []string{
		"STOP", "Opt-out", "opt\u00a0 out!", "DE\u0301MARRER", "UNSUBSCRİBE", "unsubscrıbe", "SCHLIESSEN", "τέλος", "STOP 🛑", "\ufeffＳＴＯＰ", "\xff", "I\u0307NFO", "\u0130\u0307NFO", "Si\u0307\u0301", "hủy .", "ŉ", "cancel",
	} {
		f.Add(american, text)
		f.Add(german, text)
	}
	f.Fuzz(func(t *testing.T, phone, text string) {
		got, ok := k.FromText(phone, text)
		if !ok && got != (Signal{}) {
			t.Fatalf("a reply has %+v", got)
		}
		for _, same := range []string{
			strings.ToUpper(text), strings.ToLower(text), strings.ToTitle(text), " " + text, text + "\u00a0\n", "\ufeff\u3000" + text + "\u200b\t",
		} {
			if again, _ := k.FromText(phone, same); again != got {
				t.Errorf("FromText(%q) = %+v, but FromText(%q) = %+v", text, got, same, again)
			}
		}
		if !ok {
			return
		}
		if itself, _ := k.FromText(phone, got.Keyword); itself != got {
			t.Errorf("FromText(%q) = %+v, but FromText(%q) = %+v", text, got, got.Keyword, itself)
		}
		for _, longer := range []string{text + " 1", text + " please", "please " + text, text + "?", text + "🛑", text + "\n" + text, text + "!!"} {
			if again, ok := k.FromText(phone, longer); ok {
				t.Errorf("FromText(%q) = %+v, want a reply", longer, again)
			}
		}
		if !strings.ContainsFunc(text, unicode.IsLetter) {
			t.Errorf("FromText(%q) = %+v without a letter", text, got)
		}
	})
}
