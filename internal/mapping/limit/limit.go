// Package limit bounds the time and the memory of jq programs.
//
// Gojq has no limits of its own, and one of its steps cannot be interrupted. So a
// [Meter] checks a program between steps, and [Rewrite] puts checks into a parsed program
// that keep each step short. Delete this package once gojq limits allocations itself:
// https://github.com/itchyny/gojq/issues/298 and
// https://github.com/itchyny/gojq/pull/299.
package limit

import (
	"encoding/json"
	"fmt"
	"math/big"
	"strings"

	"github.com/itchyny/gojq"
)

// The limits are far above the size of a message, and above the size of a request body.
const (
	maxText  = 1 << 20  // bytes of one string
	maxList  = 1 << 18  // items of one array
	maxTotal = 64 << 20 // bytes of everything that the operators of one run make

	itemSize = 16 // bytes of an item of an array

	maxPairs  = 4 << 20  // values that one operator compares with others
	maxPlaces = 16 << 20 // characters that one search in a text compares
	maxPart   = 64       // values of an array that is searched with .[array]
	maxBits   = 1 << 20  // bits of a product
	maxDepth  = 10_000   // of nested values, as in JSON
)

// Error names the limit that a program exceeds.
type Error string

func (e Error) Error() string { return string(e) }

var (
	errText  = Error(fmt.Sprintf("makes a string of more than %d MiB", maxText>>20))
	errList  = Error(fmt.Sprintf("makes an array of more than %d items", maxList))
	errLarge = Error("works on values that are too large")
	errBits  = Error("makes a number that is too large")
	errTotal = Error(fmt.Sprintf("makes more than %d MiB of strings and arrays", maxTotal>>20))
)

// Variable is the variable of a rewritten program that holds its [Budget].
const Variable = "$__budget__"

// Budget counts the bytes that one run of a program may still make.
type Budget struct {
	left int

	// Null reports that a null became the text "null" in a string.
	Null bool
}

// NewBudget returns the budget of one run.
func NewBudget() *Budget { return &Budget{left: maxTotal} }

// spend returns v, or an error if the budget is exceeded.
func (b *Budget) spend(v any, bytes int) any {
	b.left -= bytes
	return check(b.left >= 0, errTotal, v)
}

func check(ok bool, err Error, v any) any {
	if ok {
		return v
	}
	return err
}

// maxParts is the number of parts of a string; functions of gojq have at most 30 arguments.
const maxParts = 29

// Functions returns the compiler options that a rewritten program needs, besides
// [Variable]. A check returns its input or its first argument, or an [Error].
func Functions() []gojq.CompilerOption {
	return []gojq.CompilerOption{
		gojq.WithFunction("__sum__", 1, 1, checkSum),
		gojq.WithFunction("__factor__", 2, 2, checkFactor),
		gojq.WithFunction("__text__", 2, maxParts+1, joinText),
		gojq.WithFunction("__small__", 0, 0, checkSmall),
		gojq.WithFunction("__tree__", 0, 0, checkTree),
		gojq.WithFunction("__written__", 1, 1, checkWritten),
		gojq.WithFunction("__key__", 1, 1, checkKey),
		gojq.WithFunction("__list__", 0, 0, checkList),
		gojq.WithFunction("__joined__", 1, 1, checkJoin),
		gojq.WithFunction("__grid__", 0, 0, checkGrid),
		gojq.WithFunction("__index__", 0, 0, checkIndex),
		gojq.WithFunction("__lookup__", 0, 0, checkLookup),
		gojq.WithFunction("__compared__", 1, 1, checkCompared),
		gojq.WithFunction("__pairs__", 1, 1, checkPairs),
		gojq.WithFunction("__places__", 1, 1, checkPlaces),
		gojq.WithIterFunction("__match__", 3, 3, match),
		gojq.WithIterFunction("__assemble__", 1, 1, assemble),
	}
}

// checkSmall checks that the JSON of a value is not too long.
func checkSmall(v any, _ []any) any { return check(Size(v, maxText) <= maxText, errText, v) }

// checkTree checks a value of which one step looks at all parts.
func checkTree(v any, _ []any) any {
	return check(count(v, maxText, 64, 0) <= maxText, errLarge, v)
}

// checkWritten checks a value that becomes text.
func checkWritten(v any, args []any) any {
	b := args[0].(*Budget)
	b.Null = b.Null || v == nil
	return checkSmall(v, nil)
}

// checkKey checks a key by which values are sorted; keys can share their parts.
func checkKey(v any, args []any) any {
	size := count(v, maxText, 64, 0)
	return check(size <= maxText, errLarge, args[0].(*Budget).spend(v, itemSize*size))
}

func checkList(v any, _ []any) any {
	list, _ := v.([]any)
	return check(len(list) <= maxList, errList, v)
}

// checkSum checks the result of an addition. Its operands were within the limits, so
// making it first is harmless.
func checkSum(v any, args []any) any {
	b := args[0].(*Budget)
	switch sum := v.(type) {
	case string:
		return check(len(sum) <= maxText, errText, b.spend(v, len(sum)))
	case []any:
		return check(len(sum) <= maxList, errList, b.spend(v, itemSize*len(sum)))
	}
	return v
}

// checkFactor checks a repetition such as "x" * 1e9 before it is made.
func checkFactor(v any, args []any) any {
	text, times := v, args[0]
	if bits(text)+bits(times) > maxBits {
		return errBits
	}
	if _, ok := times.(map[string]any); ok { // objects are merged at all depths
		return checkTree(times, nil)
	}
	if _, ok := times.(string); ok {
		text, times = times, text
	}
	s, ok := text.(string)
	n, number := gojq.ToFloat64(times)
	switch {
	case !ok || !number || !(n >= 1) || s == "": // also if n is NaN
		return args[0]
	case n > maxText/float64(len(s)):
		return errText
	}
	return args[1].(*Budget).spend(args[0], len(s)*int(n))
}

// bits returns the length of a number that is longer than a machine word.
func bits(v any) int {
	switch v := v.(type) {
	case *big.Int:
		return v.BitLen()
	case json.Number:
		return 3 * len(v)
	}
	return 0
}

// joinText makes one string of the arguments, as string interpolation does.
func joinText(_ any, args []any) any {
	parts, budget := args[:len(args)-1], args[len(args)-1].(*Budget)
	var b strings.Builder
	for _, v := range parts {
		budget.Null = budget.Null || v == nil
		if s, ok := v.(string); ok {
			b.WriteString(s)
		} else if Size(v, maxText) > maxText {
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
	return budget.spend(b.String(), b.Len())
}

// checkJoin checks the input of join.
func checkJoin(v any, args []any) any {
	separator, _ := args[0].(string)
	left := maxText
	switch list := v.(type) {
	case []any:
		left -= len(list) * len(separator)
	case map[string]any:
		left -= len(list) * len(separator)
	}
	return check(left >= 0 && Size(v, left) <= left, errText, v)
}

// checkGrid checks the input of transpose.
func checkGrid(v any, _ []any) any {
	rows, _ := v.([]any)
	columns := 0
	for _, row := range rows {
		row, _ := row.([]any)
		columns = max(columns, len(row))
	}
	return check(len(rows)*columns <= maxList, errList, v)
}

// checkIndex checks an index, or the indexes of a path.
func checkIndex(v any, _ []any) any {
	path, ok := v.([]any)
	if !ok {
		path = []any{v}
	}
	for _, step := range path {
		if n, ok := gojq.ToFloat64(step); ok && n >= maxList {
			return errList
		}
		if err, ok := checkLookup(step, nil).(error); ok {
			return err
		}
	}
	return v
}

// checkLookup checks an index. An array is not an index: jq searches for its items.
func checkLookup(v any, _ []any) any {
	part, _ := v.([]any)
	return check(count(part, maxPart, 64, 0) <= maxPart, errLarge, v)
}

// checkCompared checks the operands of a comparison, which ends with the smaller one.
func checkCompared(v any, args []any) any {
	return check(count(v, maxText, 64, 0) <= maxText || count(args[0], maxText, 64, 0) <= maxText, errLarge, args[0])
}

// checkPairs checks an operator that compares each part of one value with each of another.
func checkPairs(v any, args []any) any {
	_, text := v.(string)
	return check(text || count(v, maxPairs, 64, 0)*count(args[0], maxPairs, 64, 0) <= maxPairs, errLarge, args[0])
}

// checkPlaces checks a search that compares at each place of the input.
func checkPlaces(v any, args []any) any {
	text, isText := v.(string)
	part, _ := args[0].(string)
	if isText {
		return check(len(text)*len(part) <= maxPlaces, errLarge, args[0])
	}
	return checkPairs(v, args)
}

// Size returns a lower bound of the length of v as JSON. It stops counting above limit.
// A value may occur many times in another, so a small value can have long JSON.
func Size(v any, limit int) int { return count(v, limit, 1, 0) }

// count returns the number of values in v, where some bytes of a text count as one value.
// It stops counting above limit, and counts more than limit if values are nested too
// deeply.
func count(v any, limit, bytes, depth int) int {
	if depth > maxDepth {
		return limit + 1
	}
	n := 1
	switch v := v.(type) {
	case string:
		n += len(v) / bytes
	case json.Number:
		n = max(1, len(v)/min(bytes, 16))
	case *big.Int:
		n = max(1, v.BitLen()/64)
	case []any:
		for _, item := range v {
			if n += count(item, limit-n, bytes, depth+1); n > limit {
				break
			}
		}
	case map[string]any:
		for key, value := range v {
			if n += len(key)/bytes + count(value, limit-n, bytes, depth+1); n > limit {
				break
			}
		}
	}
	return n
}
