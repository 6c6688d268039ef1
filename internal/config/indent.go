package config

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

var (
	keyForm     = regexp.MustCompile(`^["']?[A-Za-z0-9_-]+["']?:(\s|$)`)
	blockForm   = regexp.MustCompile(`:\s+[|>][-+0-9]*\s*(#.*)?$`)
	openForm    = regexp.MustCompile(`:\s*(#.*)?$`)
	programForm = regexp.MustCompile(`^(map|event_id|send|ok):(\s|$)`)
	noSpaceForm = regexp.MustCompile(`^[a-z_]+:[^\s/:]`)
)

// level is a mapping or a list that is open at a line.
type level struct {
	indent      int
	first, line int  // of the first and the last key
	list        bool // its lines start with a dash
	open        bool // the last key has no value yet
	skipped     bool // the key before the last one has no value
}

// explainSyntax looks for the usual cause of a syntax error in the lines up to the one
// where the parser stopped, which is often some lines later than the cause. It parsed a
// construct from the line context on. The result is false if it finds none.
func explainSyntax(lines [][]byte, context, stopped int) (line, column int, text string, ok bool) {
	var levels, closed []level // closed are those that the last key ended
	block, blockIndent, blockLine, depth := -1, 0, 0, 0
	width := func(line []byte) int { return len(line) - len(bytes.TrimLeft(line, " ")) }
	found := func(line int, format string, args ...any) (int, int, string, bool) {
		return line, width(lines[line-1]) + 1, fmt.Sprintf(format, args...), true
	}
	expected := func(line, indent, like int) (int, int, string, bool) {
		return found(line, "expected %s at the start of the line, as in line %d, got %d", spaces(indent), like, width(lines[line-1]))
	}
	for i, data := range lines[:min(stopped, len(lines))] {
		number, content := i+1, strings.TrimRight(strings.TrimLeft(string(data), " "), " ")
		indent := width(data)
		if content == "" {
			continue
		}
		if content[0] == '\t' && indent <= block || content[0] == '\t' && block < 0 {
			return found(number, "expected spaces at the start of the line, got a tab")
		}
		// The parser stopped in the value of this line if all lines from here are deeper.
		isCause := func() bool {
			return !slices.ContainsFunc(lines[number:min(stopped, len(lines))], func(line []byte) bool {
				return len(bytes.TrimSpace(line)) > 0 && width(line) <= indent
			})
		}
		isKey := keyForm.MatchString(content)
		isClosed := slices.IndexFunc(closed, func(l level) bool { return l.indent == indent })
		if block >= 0 {
			switch {
			case blockIndent == 0 && indent > block:
				blockIndent, blockLine = indent, number
			case blockIndent == 0:
				return found(number, "expected more than %s at the start of the text below |, got %d", spaces(block), indent)
			case indent < blockIndent && indent > block && isKey && isClosed >= 0:
				return expected(levels[len(levels)-1].line, indent, closed[isClosed].line)
			case indent < blockIndent && (indent > block || !isKey):
				return found(number, "expected at least %s at the start of the line, as in line %d, got %d", spaces(blockIndent), blockLine, indent)
			}
			if indent > block {
				continue
			}
			block = -1
		}
		isItem := strings.HasPrefix(content, "- ")
		if inside := depth > 0; inside || content[0] == '#' || !isKey && !isItem {
			if !inside && (number >= min(context, stopped-1) || isCause()) && noSpaceForm.MatchString(content) {
				return found(number, "expected a space after the colon")
			}
			depth += brackets(content)
			continue
		}
		before := levels
		for len(levels) > 1 && levels[len(levels)-1].indent > indent && levels[len(levels)-2].indent >= indent {
			levels = levels[:len(levels)-1]
		}
		ended := slices.Clone(before[len(levels):])
		if len(levels) == 0 || indent > levels[len(levels)-1].indent && levels[len(levels)-1].open {
			levels = append(levels, level{indent: indent, first: number, list: isItem})
		}
		top := &levels[len(levels)-1]
		outer, step := level{indent: -1}, 2
		if len(levels) > 1 {
			outer = levels[len(levels)-2]
		}
		if len(levels) > 2 {
			step = levels[1].indent - levels[0].indent
		}
		// The first key of a level is the likelier mistake if this line is indented as usual.
		firstIsWrong := top.first == top.line && indent-outer.indent == step
		switch {
		case indent > top.indent && isClosed >= 0:
			return expected(top.line, indent, closed[isClosed].line)
		case indent > top.indent && (top.skipped || firstIsWrong), indent < top.indent && len(levels) > 1 && firstIsWrong:
			return expected(top.line, indent, number)
		case indent > top.indent:
			return expected(number, top.indent, top.line)
		case indent < top.indent && len(levels) > 1:
			return found(number, "expected %d or %s at the start of the line, got %d", outer.indent, spaces(top.indent), indent)
		case indent < top.indent:
			return expected(top.first, indent, number)
		case top.list && !isItem:
			return expected(number, outer.indent, outer.line)
		}
		if programForm.MatchString(content) && !blockForm.MatchString(content) {
			name, _, _ := strings.Cut(content, ":")
			next := slices.IndexFunc(lines[number:], func(line []byte) bool { return len(bytes.Trim(line, " ")) > 0 })
			if isCause() || openForm.MatchString(content) && next >= 0 && !keyForm.Match(bytes.TrimLeft(lines[number+next], " ")) {
				return found(number, "expected %s: | and the program in the lines below, indented further", name)
			}
		}
		closed, top.line, top.open, top.skipped = ended, number, openForm.MatchString(content), top.open
		depth += brackets(content)
		if blockForm.MatchString(content) {
			block, blockIndent = indent, 0
		}
	}
	return 0, 0, "", false
}

func spaces(n int) string {
	if n == 1 {
		return "1 space"
	}
	return fmt.Sprintf("%d spaces", n)
}

// brackets returns how many brackets a line leaves open.
func brackets(line string) int {
	return strings.Count(line, "{") + strings.Count(line, "[") - strings.Count(line, "}") - strings.Count(line, "]")
}
