package rbmtest

import (
	"strconv"
	"strings"
	"time"

	"github.com/rcshook/rcshook/rbm"
)

func durationOf(d rbm.Duration) time.Duration { return time.Duration(d) }

// brokenRules words the rules that a message breaks. The message of the refusal is
// about the first, as the platform's checks stop there; the details list all.
//
// Assumption: the wording except for labels that are too long, the list in the
// details, and which rule comes first.
func brokenRules(broken []rbm.Violation) *apiError {
	faults := make([]fieldFault, len(broken))
	for i, v := range broken {
		faults[i] = fieldFault{protoPath("agent_message", v.Pointer), ruleText(v)}
	}
	return badRequest(faults[0].Description, faults)
}

func ruleText(v rbm.Violation) string {
	if v.Rule == rbm.RuleTooLong {
		for part, kind := range map[string]string{"/reply/text": "reply", "/action/text": "action"} {
			if strings.HasSuffix(v.Pointer, part) {
				return "Within suggested " + kind + ", the provided text exceeds the maximum allowed length."
			}
		}
	}
	return "Invalid value at '" + protoPath("agent_message", v.Pointer) + "': " + v.Detail
}

// protoPath turns a JSON Pointer with camel case names into the path of a proto
// field: /contentMessage/suggestions/0 is agent_message.content_message.suggestions[0].
func protoPath(root, pointer string) string {
	var b strings.Builder
	b.WriteString(root)
	for part := range strings.SplitSeq(strings.TrimPrefix(pointer, "/"), "/") {
		if _, err := strconv.Atoi(part); err == nil {
			b.WriteString("[" + part + "]")
			continue
		}
		if part == "" {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte('.')
		}
		for _, r := range part {
			if 'A' <= r && r <= 'Z' {
				b.WriteByte('_')
				r += 'a' - 'A'
			}
			b.WriteRune(r)
		}
	}
	return b.String()
}
