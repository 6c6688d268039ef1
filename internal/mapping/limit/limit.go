// Package limit keeps a jq program from using up the memory of an instance.
//
// A step of gojq cannot be interrupted, and one step can make gigabytes. So [Rewrite]
// puts checks into a parsed program. Delete this package once gojq limits allocations
// itself: https://github.com/itchyny/gojq/issues/298 and
// https://github.com/itchyny/gojq/pull/299.
package limit

import (
	"fmt"
	"strings"

	"github.com/itchyny/gojq"
)

// The limits are far above the size of a message, and above the size of a request body.
const (
	maxText  = 1 << 20  // bytes of one string
	maxList  = 1 << 18  // items of one array
	maxTotal = 64 << 20 // bytes of everything that the operators of one run make

	itemSize = 16 // bytes of an item of an array
)

// Error names the limit that a program exceeds.
type Error string

func (e Error) Error() string { return string(e) }

var (
	errText  = Error(fmt.Sprintf("makes a string of more than %d MiB", maxText>>20))
	errList  = Error(fmt.Sprintf("makes an array of more than %d items", maxList))
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

// The functions that [Rewrite] puts into programs.
const (
	funcSum     = "__sum__"     // the input, unless it is too large
	funcFactor  = "__factor__"  // the argument, unless the input times it is too large
	funcText    = "__text__"    // the arguments as one string
	funcSmall   = "__small__"   // the input, unless its JSON is too long
	funcWritten = "__written__" // the input, whose null is recorded, because it becomes text
	funcJoin    = "__join__"    // the input, unless joining it with the argument makes a too long string
	funcGrid    = "__grid__"    // the input, unless it has too many rows and columns
	funcIndex   = "__index__"   // the input, unless it is an index above the limit of arrays

	maxParts = 29 // of a string; functions of gojq have at most 30 arguments
)

// Functions returns the compiler options that a rewritten program needs, besides
// [Variable].
func Functions() []gojq.CompilerOption {
	return []gojq.CompilerOption{
		gojq.WithFunction(funcSum, 1, 1, checkSum),
		gojq.WithFunction(funcFactor, 2, 2, checkFactor),
		gojq.WithFunction(funcText, 2, maxParts+1, joinText),
		gojq.WithFunction(funcSmall, 0, 0, func(v any, _ []any) any { return check(Size(v, maxText) <= maxText, errText, v) }),
		gojq.WithFunction(funcWritten, 1, 1, func(v any, args []any) any {
			b := args[0].(*Budget)
			b.Null = b.Null || v == nil
			return v
		}),
		gojq.WithFunction(funcJoin, 1, 1, checkJoin),
		gojq.WithFunction(funcGrid, 0, 0, checkGrid),
		gojq.WithFunction(funcIndex, 0, 0, checkIndex),
	}
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
	}
	return v
}

// Size returns a lower bound of the length of v as JSON. It stops counting above limit.
// A value may occur many times in another, so a small value can have long JSON.
func Size(v any, limit int) int {
	n := 1
	switch v := v.(type) {
	case string:
		n = len(v)
	case []any:
		for _, item := range v {
			if n += Size(item, limit-n); n > limit {
				break
			}
		}
	case map[string]any:
		for key, value := range v {
			if n += len(key) + Size(value, limit-n); n > limit {
				break
			}
		}
	}
	return n
}
