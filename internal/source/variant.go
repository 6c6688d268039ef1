package source

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Variant is an event without the value of one of its fields.
type Variant struct {
	Field  string // a JSON Pointer
	Change string // missing, null or empty
	Body   []byte
}

// Variants returns the variants of an event in JSON: each field missing, null, and, if it
// is neither an object nor an array, an empty string. Other events have none.
func Variants(event []byte) (all []Variant) {
	var root any
	d := json.NewDecoder(bytes.NewReader(event))
	d.UseNumber()
	if d.Decode(&root) != nil {
		return nil
	}
	save := func(field, change string) {
		var body bytes.Buffer
		if json.NewEncoder(&body).Encode(root) == nil {
			all = append(all, Variant{field, change, body.Bytes()})
		}
	}
	escape := strings.NewReplacer("~", "~0", "/", "~1")
	var walk func(pointer string, v any)
	walk = func(pointer string, v any) {
		switch v := v.(type) {
		case map[string]any:
			for _, name := range slices.Sorted(maps.Keys(v)) {
				field, value := pointer+"/"+escape.Replace(name), v[name]
				delete(v, name)
				save(field, "missing")
				v[name] = nil
				save(field, "null")
				switch value.(type) {
				case map[string]any, []any:
				default:
					v[name] = ""
					save(field, "empty")
				}
				v[name] = value
				walk(field, value)
			}
		case []any:
			for i, item := range v {
				field := fmt.Sprintf("%s/%d", pointer, i)
				v[i] = nil
				save(field, "null")
				v[i] = item
				walk(field, item)
			}
		}
	}
	walk("", root)
	return all
}
