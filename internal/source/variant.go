package source

import (
	"bytes"
	"encoding/json"
	"iter"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/rcshook/rcshook/internal/payload"
)

// Variant is an event without the value of one of its fields.
type Variant struct {
	Field  string // a JSON Pointer
	Change string // missing, null or empty
	Body   []byte
}

var escapePointer = strings.NewReplacer("~", "~0", "/", "~1")

// Variants returns the variants of an event in JSON or in an urlencoded form: each field
// missing, empty, and in JSON null. An empty string replaces neither objects nor arrays. A
// field that several items of an array have varies in the first of them only, because a
// long event would have too many variants. Other events have none.
func Variants(contentType string, event []byte) iter.Seq[Variant] {
	return func(yield func(Variant) bool) {
		body, err := payload.ParseBody(contentType, event)
		switch {
		case err != nil:
		case body.IsForm && body.IsURLEncoded && !body.IsJSON:
			formVariants(string(body.Text), yield)
		case body.IsJSON || body.LooksLikeJSON():
			jsonVariants(body.Text, yield)
		}
	}
}

func formVariants(text string, yield func(Variant) bool) {
	form, _ := url.ParseQuery(text) // returns the valid part
	for _, name := range slices.Sorted(maps.Keys(form)) {
		without := maps.Clone(form)
		delete(without, name)
		if !yield(Variant{"/" + escapePointer.Replace(name), "missing", []byte(without.Encode())}) {
			return
		}
		without.Set(name, "")
		if !yield(Variant{"/" + escapePointer.Replace(name), "empty", []byte(without.Encode())}) {
			return
		}
	}
}

func jsonVariants(text []byte, yield func(Variant) bool) {
	var root any
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if d.Decode(&root) != nil {
		return
	}
	save := func(field, change string) bool {
		var body bytes.Buffer
		return json.NewEncoder(&body).Encode(root) == nil && yield(Variant{field, change, body.Bytes()})
	}
	seen := make(map[string]bool) // fields, with - in place of the indexes
	var walk func(pointer, kind string, v any) bool
	walk = func(pointer, kind string, v any) bool {
		switch v := v.(type) {
		case map[string]any:
			for _, name := range slices.Sorted(maps.Keys(v)) {
				field, kind, value := pointer+"/"+escapePointer.Replace(name), kind+"/"+escapePointer.Replace(name), v[name]
				if !seen[kind] {
					seen[kind] = true
					delete(v, name)
					ok := save(field, "missing")
					v[name] = nil
					ok = ok && save(field, "null")
					switch value.(type) {
					case map[string]any, []any:
					default:
						v[name] = ""
						ok = ok && save(field, "empty")
					}
					if v[name] = value; !ok {
						return false
					}
				}
				if !walk(field, kind, value) {
					return false
				}
			}
		case []any:
			for i, item := range v {
				field, kind := pointer+"/"+strconv.Itoa(i), kind+"/-"
				if !seen[kind] {
					seen[kind] = true
					v[i] = nil
					ok := save(field, "null")
					if v[i] = item; !ok {
						return false
					}
				}
				if !walk(field, kind, item) {
					return false
				}
			}
		}
		return true
	}
	walk("", "", root)
}
