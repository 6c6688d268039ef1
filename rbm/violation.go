package rbm

import "strconv"

// A Violation is one rule of the platform that a message breaks.
type Violation struct {
	// Pointer is the JSON Pointer (RFC 6901) of the offending value in the
	// message, such as /contentMessage/suggestions/0/reply/text. [ParseAgentMessage]
	// uses the names as they were sent, [AgentMessage.Check] those of the reference.
	Pointer string

	// Rule is the kind of rule.
	Rule Rule

	// Limit and Actual are set where the rule is about a number: characters,
	// bytes, items, seconds.
	Limit, Actual int

	// Detail says what is wrong and what would be right, in a sentence
	// fragment that quotes neither texts nor numbers of the message.
	Detail string
}

// String returns the pointer and what is wrong there.
func (v Violation) String() string {
	text := v.Detail
	if v.Pointer != "" {
		text = v.Pointer + ": " + text
	}
	if v.Actual != 0 {
		text += ", not " + strconv.Itoa(v.Actual)
	}
	return text
}

// Rule is the kind of a [Violation].
type Rule string

// The kinds of rules.
const (
	RuleSyntax   Rule = "syntax"    // not JSON
	RuleUnknown  Rule = "unknown"   // the field does not exist
	RuleType     Rule = "type"      // a value of the wrong JSON type
	RuleEnum     Rule = "enum"      // a word that the enum does not have
	RuleUnion    Rule = "union"     // two members of a union
	RuleRequired Rule = "required"  // something is missing
	RuleTooLong  Rule = "too_long"  // more characters or bytes than allowed
	RuleTooMany  Rule = "too_many"  // more items than allowed
	RuleTooFew   Rule = "too_few"   // fewer items than needed
	RuleFormat   Rule = "format"    // not in the form that is needed
	RuleRange    Rule = "range"     // a number or time out of bounds
	RuleConflict Rule = "conflict"  // two settings that exclude each other
	RuleReadOnly Rule = "read_only" // a field that only the platform fills in
)
