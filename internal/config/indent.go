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
	programForm = regexp.MustCompile(`^(map|event_id):(\s|$)`)
	noSpaceForm = regexp.MustCompile(`^[a-z_]+:[^\s/:]`)
)

// level is a mapping that is open at a line.
type level struct {
	indent, line int
	open         bool // its last key has no value yet
}

// explainSyntax looks for the usual cause of a syntax error in the lines up to the one
// where the parser stopped, which is often some lines later. It returns false if it finds
// none.
func explainSyntax(lines [][]byte, stopped int) (line, column int, text string, ok bool) {
	var levels []level
	block, blockIndent, blockLine, depth := -1, 0, 0, 0
	for i, data := range lines[:min(stopped, len(lines))] {
		number, content := i+1, strings.TrimRight(strings.TrimLeft(string(data), " "), " \r")
		indent := len(data) - len(bytes.TrimLeft(data, " "))
		found := func(format string, args ...any) (int, int, string, bool) {
			return number, indent + 1, fmt.Sprintf(format, args...), true
		}
		if content == "" {
			continue
		}
		if block >= 0 {
			switch {
			case blockIndent == 0 && indent > block:
				blockIndent, blockLine = indent, number
			case blockIndent == 0:
				return found("expected more than %d spaces at the start of the text below |, got %d", block, indent)
			case indent < blockIndent && (indent > block || !keyForm.MatchString(content)):
				return found("expected at least %d spaces at the start of the line, as in line %d, got %d", blockIndent, blockLine, indent)
			}
			if indent > block {
				continue
			}
			block = -1
		}
		if content[0] == '\t' {
			return found("expected spaces at the start of the line, got a tab")
		}
		isKey := keyForm.MatchString(content)
		if inside := depth > 0; inside || content[0] == '#' || !isKey && !strings.HasPrefix(content, "- ") {
			if !inside && number >= stopped-1 && noSpaceForm.MatchString(content) {
				return found("expected a space after the colon")
			}
			depth += brackets(content)
			continue
		}
		for len(levels) > 1 && levels[len(levels)-1].indent > indent && levels[len(levels)-2].indent >= indent {
			levels = levels[:len(levels)-1]
		}
		if len(levels) == 0 || indent > levels[len(levels)-1].indent && levels[len(levels)-1].open {
			levels = append(levels, level{indent: indent})
		}
		top := &levels[len(levels)-1]
		switch {
		case indent > top.indent:
			return found("expected %d spaces at the start of the line, as in line %d, got %d", top.indent, top.line, indent)
		case indent < top.indent && len(levels) > 1:
			return found("expected %d or %d spaces at the start of the line, got %d", levels[len(levels)-2].indent, top.indent, indent)
		case indent < top.indent:
			return found("expected %d spaces at the start of the line, as in line %d, got %d", top.indent, top.line, indent)
		}
		if programForm.MatchString(content) && !blockForm.MatchString(content) {
			name, _, _ := strings.Cut(content, ":")
			next := slices.IndexFunc(lines[number:], func(line []byte) bool { return len(bytes.Trim(line, " \r")) > 0 })
			if number == stopped || openForm.MatchString(content) && next >= 0 && !keyForm.Match(bytes.TrimLeft(lines[number+next], " ")) {
				return found("expected %s: | and the program in the lines below, indented further", name)
			}
		}
		top.line, top.open = number, openForm.MatchString(content)
		depth += brackets(content)
		if blockForm.MatchString(content) {
			block, blockIndent = indent, 0
		}
	}
	return 0, 0, "", false
}

// brackets returns how many brackets a line leaves open.
func brackets(line string) int {
	return strings.Count(line, "{") + strings.Count(line, "[") - strings.Count(line, "}") - strings.Count(line, "]")
}
