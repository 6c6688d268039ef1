package payload

// Level is where a field may stand.
type Level uint8

// The levels. A field may stand on several.
const (
	OnMessage Level = 1 << iota
	OnCard
	OnButton
	OnEvent
)

var levels = [...]Level{OnMessage, OnCard, OnButton, OnEvent}

// Type is what a field holds.
type Type string

// The types of fields. Wherever a list or an object may stand, so may a text
// that holds it as JSON; numbers and booleans may be written as text.
const (
	TypePhones   Type = "phones"   // one phone number, several in one text, or a list
	TypeText     Type = "text"     //
	TypeURL      Type = "url"      // https URL, or files/... where an upload will do
	TypeWord     Type = "word"     // one of Words
	TypeBool     Type = "bool"     //
	TypeNumber   Type = "number"   //
	TypeDuration Type = "duration" // seconds, or as in 1h30m
	TypeTime     Type = "time"     // RFC 3339
	TypeButtons  Type = "buttons"  // a list of buttons, or all in one text
	TypeCard     Type = "card"     // object
	TypeCards    Type = "cards"    // list of objects
	TypeEvent    Type = "event"    // object
	TypeRaw      Type = "raw"      // object
)

// Field is one field of the payload.
type Field struct {
	// Name is how the documentation writes it. Case, hyphens, blanks and
	// underscores do not matter.
	Name string

	// Aliases are other names for it.
	Aliases []string

	// Numbered are the stems of its flat form: card for card1_title.
	Numbered []string

	Type    Type
	Level   Level
	Content bool // it is a part of what the user sees

	// Words are the words of a TypeWord, each with its synonyms after it.
	Words [][]string

	// Meaning is a short description.
	Meaning string
}

// Fields returns the fields that may stand on a level, in the order of the
// documentation.
func Fields(on Level) []Field {
	var list []Field
	for _, f := range fields {
		if f.Level&on != 0 {
			list = append(list, f)
		}
	}
	return list
}

// FindField returns the field of the message that a key is about, in any spelling.
// Part is which part of it, for a flat key such as card1_title, and empty if the key
// is about the whole field.
func FindField(key string) (f Field, part string, ok bool) {
	if id, ok := lookup(OnMessage, key); ok {
		return fields[id], "", true
	}
	name := fold(key)
	if flat, ok := unflatten(OnMessage, name); ok {
		return fields[flat.id], name, true
	}
	return Field{}, "", false
}

// lookup finds a field by its level and name in any spelling.
func lookup(level Level, name string) (fieldID, bool) {
	var buffer [maxKeyLength]byte
	id, ok := names[level][string(appendFolded(buffer[:0], name))]
	return id, ok
}

// names are the fields of each level by their folded names.
var names = func() (byLevel [OnEvent + 1]map[string]fieldID) {
	for _, level := range levels {
		byLevel[level] = map[string]fieldID{}
		for id, f := range fields {
			if f.Level&level == 0 {
				continue
			}
			byLevel[level][fold(f.Name)] = fieldID(id)
			for _, alias := range f.Aliases {
				byLevel[level][fold(alias)] = fieldID(id)
			}
		}
	}
	return byLevel
}()

// fold brings the spellings of a name together: case and everything that people
// put between words are dropped, so that Card Width, card-width, cardWidth,
// card[width] and card_width are one.
func fold(name string) string {
	return string(appendFolded(make([]byte, 0, len(name)), name))
}

func appendFolded(b []byte, name string) []byte {
	for i := range len(name) {
		switch c := name[i]; {
		case separates(c):
		case c >= 'A' && c <= 'Z':
			b = append(b, c|0x20)
		default:
			b = append(b, c)
		}
	}
	return b
}

func separates(c byte) bool {
	switch c {
	case '_', '-', '.', ' ', '[', ']', '\t':
		return true
	}
	return false
}
