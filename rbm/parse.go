package rbm

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
)

// ParseAgentMessage reads the body of an agentMessages.create request as the
// platform does: names in lower camel or snake case, null for an absent field,
// numbers as strings, enum words as their numbers, times with any offset, strings
// in single quotes.
//
// It reports everything that the platform's parser would refuse, in the order of
// the document and with the names as they were sent: unknown fields, values of
// the wrong type, unknown words, two members of a union, fields that only the
// platform may fill in, malformed or negative durations and malformed times. At
// most 100 violations are reported. The message then holds what could be read; it
// is nil if the document is no JSON object.
//
// The limits of what was read are the matter of [AgentMessage.Check];
// [CheckAgentMessage] does both.
//
// Assumption: a name given twice is refused, as by Google's other parsers, and so
// are fields that only the platform fills in, which the reference asks to leave out.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/phones.agentMessages
func ParseAgentMessage(data []byte) (*AgentMessage, []Violation) {
	m, d := parseAgentMessage(data)
	return m, d.faults
}

// CheckAgentMessage does the work of [ParseAgentMessage] and of
// [AgentMessage.Check] on what was read. All pointers have the names as they
// were sent. A rule that fails only because the parser refused a value, such as
// a text that is missing because a number was sent, is not reported.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/phones.agentMessages
func CheckAgentMessage(data []byte, now time.Time) (*AgentMessage, []Violation) {
	m, d := parseAgentMessage(data)
	if m == nil {
		return nil, d.faults
	}
	faults := d.faults
	for _, v := range m.Check(now) {
		v.Pointer = d.asSent(v.Pointer)
		if len(faults) < maxFaults && !consequence(v, d.faults) {
			faults = append(faults, v)
		}
	}
	return m, faults
}

func parseAgentMessage(data []byte) (*AgentMessage, *decoder) {
	d := new(decoder)
	v, offset, fault := scan(data)
	root := new(path)
	switch {
	case len(bytes.TrimSpace(data)) == 0:
		d.fault(root, RuleSyntax, "the document is empty")
	case fault != "":
		d.fault(root, RuleSyntax, "is not JSON: "+fault+position(data, offset))
	case v.kind != kindObject:
		d.mismatch(root, v, "an object")
	default:
		m := new(AgentMessage)
		d.object(root, v, reflect.ValueOf(m).Elem())
		return m, d
	}
	return nil, d
}

// position says where an offset is, for people.
func position(data []byte, offset int) string {
	before := data[:min(offset, len(data))]
	line := bytes.Count(before, []byte("\n")) + 1
	column := len([]rune(string(before[bytes.LastIndexByte(before, '\n')+1:]))) + 1
	return fmt.Sprintf(" (line %d, column %d)", line, column)
}

// asSent turns a canonical pointer into one with the names as they were sent.
func (d *decoder) asSent(pointer string) string {
	for end := len(pointer); end > 0 && len(d.sent) > 0; end = strings.LastIndexByte(pointer[:end], '/') {
		if sent, ok := d.sent[pointer[:end]]; ok {
			return sent + pointer[end:]
		}
	}
	return pointer
}

// consequence reports whether v follows from a fault of the parser: from one in
// the same place, or, if one of several members is missing, from one in a member.
func consequence(v Violation, faults []Violation) bool {
	return slices.ContainsFunc(faults, func(f Violation) bool {
		if f.Rule == RuleUnknown || f.Rule == RuleConflict {
			return false
		}
		member, inside := strings.CutPrefix(f.Pointer, v.Pointer+"/")
		return f.Pointer == v.Pointer || v.Rule == RuleRequired && inside && !strings.Contains(member, "/")
	})
}
