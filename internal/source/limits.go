package source

import (
	"fmt"
	"strings"

	"github.com/itchyny/gojq"
)

// Limits of what a program makes. They are far above what becomes of a message, and
// above what is in a body.
const (
	maxText = 1 << 20  // of one text, in bytes
	maxList = 1 << 18  // of one list, in items
	maxMade = 64 << 20 // of all that the operators of one run make, in bytes

	sizeOfItem = 16 // of a list, in bytes
)

// limitError says which limit a program exceeds.
type limitError string

func (e limitError) Error() string { return string(e) }

var (
	errText = limitError(fmt.Sprintf("makes a text of more than %d MiB", maxText>>20))
	errList = limitError(fmt.Sprintf("makes a list of more than %d items", maxList))
	errMade = limitError(fmt.Sprintf("makes more than %d MiB of texts and lists", maxMade>>20))
)

// The functions and variables that [bound] puts into programs.
const (
	funcMade   = "__made__"   // . if it is not too large, after the fact
	funcFactor = "__factor__" // the argument if . times that is not too large
	funcText   = "__text__"   // the arguments as one text
	funcSmall  = "__small__"  // . if all that is in it would make no too long text
	funcJoins  = "__joins__"  // . if it makes no too long text with the argument between
	funcGrid   = "__grid__"   // . if it has not too many rows and columns
	funcIndex  = "__index__"  // . if no list would become too long by it

	varRoom  = "$__room__"  // what is left of maxMade
	varRight = "$__right__" // of an operator

	maxParts = 29 // of a text; gojq has functions of 30 arguments
)

func limits() []gojq.CompilerOption {
	return []gojq.CompilerOption{
		gojq.WithFunction(funcMade, 1, 1, made),
		gojq.WithFunction(funcFactor, 2, 2, factor),
		gojq.WithFunction(funcText, 2, maxParts+1, text),
		gojq.WithFunction(funcSmall, 0, 0, func(v any, _ []any) any { return unless(size(v, maxText) > maxText, errText, v) }),
		gojq.WithFunction(funcJoins, 1, 1, joinable),
		gojq.WithFunction(funcGrid, 0, 0, grid),
		gojq.WithFunction(funcIndex, 0, 0, indexable),
	}
}

func unless(exceeded bool, err limitError, v any) any {
	if exceeded {
		return err
	}
	return v
}

// room is what is left of maxMade in one run, in bytes.
type room int

// take returns v, for which there has to be room.
func (r *room) take(v any, bytes int) any {
	*r -= room(bytes)
	return unless(*r < 0, errMade, v)
}

// made looks at a sum: what was added was not too large, so this is no disaster.
func made(v any, args []any) any {
	r := args[0].(*room)
	switch sum := v.(type) {
	case string:
		return unless(len(sum) > maxText, errText, r.take(v, len(sum)))
	case []any:
		return unless(len(sum) > maxList, errList, r.take(v, sizeOfItem*len(sum)))
	}
	return v
}

// factor looks at a product that is not made yet: "x" * 1e9.
func factor(v any, args []any) any {
	text, times := v, args[0]
	if _, ok := times.(string); ok {
		text, times = times, text
	}
	s, ok := text.(string)
	n, number := gojq.ToFloat64(times)
	switch {
	case !ok || !number || !(n >= 1) || s == "": // NaN is among them
		return args[0]
	case n > maxText/float64(len(s)):
		return errText
	}
	return args[1].(*room).take(args[0], len(s)*int(n))
}

// text makes one text of texts and other values, as the interpolation of jq does.
func text(_ any, args []any) any {
	parts, last := args[:len(args)-1], len(args)-1
	var b strings.Builder
	for _, v := range parts {
		if s, ok := v.(string); ok {
			b.WriteString(s)
		} else if size(v, maxText) > maxText {
			return errText
		} else if encoded, err := gojq.Marshal(v); err != nil {
			return err
		} else {
			b.Write(encoded)
		}
		if b.Len() > maxText {
			return errText
		}
	}
	return args[last].(*room).take(b.String(), b.Len())
}

func joinable(v any, args []any) any {
	between, _ := args[0].(string)
	most := maxText
	switch list := v.(type) {
	case []any:
		most -= len(list) * len(between)
	case map[string]any:
		most -= len(list) * len(between)
	}
	return unless(most < 0 || size(v, most) > most, errText, v)
}

func grid(v any, _ []any) any {
	rows, _ := v.([]any)
	columns := 0
	for _, row := range rows {
		row, _ := row.([]any)
		columns = max(columns, len(row))
	}
	return unless(len(rows)*columns > maxList, errList, v)
}

// indexable looks at an index, or at the indexes of a path.
func indexable(v any, _ []any) any {
	path, ok := v.([]any)
	if !ok {
		path = []any{v}
	}
	for _, step := range path {
		if n, ok := gojq.ToFloat64(step); ok && n >= maxList {
			return errList
		}
	}
	return v
}

// size is at least how many bytes v has as JSON, but for the quotation marks and the
// commas; it stops to count above most. A value may be many times in another, so that
// little memory makes a long text.
func size(v any, most int) int {
	n := 1
	switch v := v.(type) {
	case string:
		n = len(v)
	case []any:
		for _, item := range v {
			if n += size(item, most-n); n > most {
				break
			}
		}
	case map[string]any:
		for key, value := range v {
			if n += len(key) + size(value, most-n); n > most {
				break
			}
		}
	}
	return n
}
