package payload

import (
	"strings"

	"github.com/rcshook/rcshook/internal/typo"
)

// unknown reports a member that is no field, with the field that was probably
// meant: a typo must not send half a message.
func (r *reader) unknown(f *record, c *node, name string) {
	if len(r.faults) >= maxFaults {
		c.place().MarkInvalid()
		return
	}
	if home := homeOf(name, f.level); home != "" {
		r.fault(c, "unknown field here; it belongs to %s", home)
		return
	}
	if f.level == OnMessage && strings.HasPrefix(name, "raw") {
		f.meant[fRaw] = true
		r.fault(c, "a raw message has no flat form; send raw as one JSON object, or as a text that holds it")
		return
	}
	id, near := nearest(f.level, name)
	if near == "" {
		r.fault(c, "unknown field; the fields here are %s", listFields(f.level))
		return
	}
	f.meant[id] = true
	r.fault(c, "unknown field; did you mean %q?", inFull(c, near))
}

// homeOf returns what a field belongs to if it is none of the level.
func homeOf(name string, level Level) string {
	for _, home := range []struct {
		level Level
		what  string
	}{{OnMessage, "the message"}, {OnCard, "a card"}, {OnButton, "a button"}, {OnEvent, "the event of a button"}} {
		if _, ok := lookup(home.level, name); ok && home.level != level {
			return home.what
		}
	}
	return ""
}

// inFull completes a name that is the end of a flat key: title to card1_title.
func inFull(c *node, name string) string {
	if c.name == "" {
		return name
	}
	start := len(c.key)
	for left := len(c.name); left > 0 && start > 0; {
		if start--; !separates(c.key[start]) {
			left--
		}
	}
	if strings.HasSuffix(c.key, "]") {
		name += "]"
	}
	return c.key[:start] + name
}

// listFields returns the names of the fields of a level.
func listFields(level Level) string {
	var list []string
	for _, f := range Fields(level) {
		list = append(list, f.Name)
	}
	return strings.Join(list, ", ")
}

// nearest returns the field of a level whose name or alias differs from name by
// the fewest typos, as that name is documented; empty if none is near.
func nearest(level Level, name string) (fieldID, string) {
	if len(name) > typo.MaxLength {
		return 0, ""
	}
	var found fieldID
	near, fewest := "", max(1, len(name)/3)+1
	consider := func(id fieldID, candidate string) {
		if d := typo.Count(name, fold(candidate), fewest); d < fewest {
			found, near, fewest = id, candidate, d
		}
	}
	for id, f := range fields {
		if f.Level&level != 0 {
			consider(fieldID(id), f.Name)
			for _, alias := range f.Aliases {
				consider(fieldID(id), alias)
			}
		}
	}
	for _, stem := range stems[level] {
		if rest, ok := strings.CutPrefix(name, stem.text); ok && !stem.numbered && near == "" {
			if _, inner := nearest(stem.level, rest); inner != "" {
				return stem.id, stem.text + "_" + inner
			}
		}
	}
	return found, near
}
