package payload

import (
	"slices"
	"strconv"
	"strings"

	"github.com/rcshook/rcshook/internal/typo"
)

// Level is a kind of object that has fields.
type Level uint8

// The levels. A field may exist on several.
const (
	OnMessage Level = 1 << iota
	OnCard
	OnButton
	OnEvent
)

var levels = [...]Level{OnMessage, OnCard, OnButton, OnEvent}

// Type is the type of a field.
type Type string

// The types of fields. A list or an object may also be sent as a text that holds it as
// JSON; numbers and booleans may be sent as text.
const (
	TypePhones   Type = "phones"   // one phone number, several in one text, or a list
	TypeText     Type = "text"     //
	TypeURL      Type = "url"      // https URL, or files/... where an upload is allowed
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

// inside returns the level of the objects in a field of the type.
func (t Type) inside() Level {
	switch t {
	case TypeCard, TypeCards:
		return OnCard
	case TypeButtons:
		return OnButton
	case TypeEvent:
		return OnEvent
	default:
		return 0
	}
}

// Field is one field of the payload.
type Field struct {
	// Name is the documented name. Case, hyphens, spaces and underscores do not matter.
	Name string

	// Aliases are other names of the field.
	Aliases []string

	// Numbered lists the stems of its flat form: card for card1_title.
	Numbered []string

	Type    Type
	Level   Level
	Content bool // the user sees it

	// Words are the words of a TypeWord, each followed by its synonyms.
	Words [][]string

	// Meaning is a short description.
	Meaning string
}

// Fields returns the fields of a level in the order of the documentation.
func Fields(on Level) []Field {
	return slices.DeleteFunc(slices.Clone(fields[:]), func(f Field) bool { return f.Level&on == 0 })
}

// FindField returns the field of the message that a key sets, in any spelling. Part is the
// part of the field that a flat key sets, in one spelling: 1title for Card 1 Title. It is
// empty if the key sets the whole field.
func FindField(key string) (f Field, part string, ok bool) {
	if len(key) > maxKeyLength {
		return Field{}, "", false
	}
	if id, ok := lookup(OnMessage, key); ok {
		return fields[id], "", true
	}
	flat, ok := parseFlatKey(OnMessage, FoldName(key))
	if !ok {
		return Field{}, "", false
	}
	if flat.index >= 0 {
		part = strconv.Itoa(flat.index)
	}
	return fields[flat.id], part + flat.rest, true
}

// FieldName returns the name of the field of the message that a key sets, followed by the
// part of it: text for Body, cards1title for Card 1 Title. The part may be unknown.
func FieldName(key string) (field string, ok bool) {
	f, part, ok := FindField(key)
	return f.Name + part, ok
}

// NearestField returns the name of the field of the message that is most similar to an
// unknown name, or "".
func NearestField(name string) string {
	_, near := nearest(OnMessage, FoldName(name))
	return near
}

// FoldName returns the common form of the spellings of a name. It ignores case and
// separators, so that Card Width, card-width, cardWidth, card[width] and card_width are
// equal.
func FoldName(name string) string {
	return string(appendFolded(make([]byte, 0, len(name)), name))
}

func appendFolded(b []byte, name string) []byte {
	for i := range len(name) {
		switch c := name[i]; {
		case isSeparator(c):
		case c >= 'A' && c <= 'Z':
			b = append(b, c|0x20)
		default:
			b = append(b, c)
		}
	}
	return b
}

func isSeparator(c byte) bool { return strings.IndexByte("_-. []\t", c) >= 0 }

// lookup finds a field by its level and its name in any spelling.
func lookup(level Level, name string) (fieldID, bool) {
	var buffer [maxKeyLength]byte
	known, ok := names[level][string(appendFolded(buffer[:0], name))]
	return known.id, ok
}

// knownName is a name or alias of a field as it is documented.
type knownName struct {
	id   fieldID
	name string
}

// names maps the folded names of the fields of each level, and foldedNames lists them in
// the order of the fields.
var names, foldedNames = func() (byName [OnEvent + 1]map[string]knownName, folded [OnEvent + 1][]string) {
	for _, level := range levels {
		byName[level] = map[string]knownName{}
		for id, f := range fields {
			if f.Level&level == 0 {
				continue
			}
			for _, name := range append([]string{f.Name}, f.Aliases...) {
				byName[level][FoldName(name)] = knownName{fieldID(id), name}
				folded[level] = append(folded[level], FoldName(name))
			}
		}
	}
	return byName, folded
}()

// nearest returns the field of a level whose name or alias is most similar to a folded
// name, as that name is documented. It returns "" if none is similar.
func nearest(level Level, name string) (fieldID, string) {
	if near := typo.Nearest(name, foldedNames[level], maxTypos(name)); near != "" {
		known := names[level][near]
		return known.id, known.name
	}
	for _, stem := range stems[level] {
		if rest, ok := strings.CutPrefix(name, stem.text); ok && !stem.numbered {
			if _, inner := nearest(stem.level, rest); inner != "" {
				return stem.id, stem.text + "_" + inner
			}
		}
	}
	return 0, ""
}

// maxTypos returns the number of typos from which a suggestion for a word is too far off.
func maxTypos(word string) int { return max(1, len(word)/3) + 1 }

// flatKey is a key such as card2_title, taken apart.
type flatKey struct {
	id    fieldID // the list or object: cards
	index int     // the number: 2; -1 for an object
	rest  string  // the rest of the name: title; empty for a whole item
}

// maxNumber limits the number in a flat key.
const maxNumber = 999

func parseFlatKey(level Level, name string) (flatKey, bool) {
	for _, stem := range stems[level] {
		after, ok := strings.CutPrefix(name, stem.text)
		if !ok {
			continue
		}
		if !stem.numbered {
			// A name that only starts like a flat key, such as cardholder, is unknown.
			_, isField := lookup(stem.level, after)
			_, isFlat := parseFlatKey(stem.level, after)
			if isField || isFlat {
				return flatKey{stem.id, -1, after}, true
			}
			continue
		}
		rest := strings.TrimLeft(after, "0123456789")
		index, err := strconv.Atoi(after[:len(after)-len(rest)])
		if err != nil || index > maxNumber || rest != "" && stem.level == 0 {
			continue
		}
		return flatKey{stem.id, index, rest}, true
	}
	return flatKey{}, false
}

// stem is the start of a flat key.
type stem struct {
	text     string
	id       fieldID
	numbered bool
	level    Level // of the rest; zero if the field has no parts
}

// stems lists the stems of flat keys on each level.
var stems = func() (byLevel [OnEvent + 1][]stem) {
	for _, level := range levels {
		for id, f := range fields {
			if f.Level&level == 0 {
				continue
			}
			for _, text := range f.Numbered {
				byLevel[level] = append(byLevel[level], stem{FoldName(text), fieldID(id), true, f.Type.inside()})
			}
			if f.Type != TypeCard && f.Type != TypeEvent {
				continue
			}
			for _, text := range append([]string{f.Name}, f.Aliases...) {
				byLevel[level] = append(byLevel[level], stem{FoldName(text), fieldID(id), false, f.Type.inside()})
			}
		}
	}
	return byLevel
}()
