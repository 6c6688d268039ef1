package rbm

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Check reports every rule of the platform that m breaks, in the order of the
// reference, with pointers in the names of the reference; nil means that m breaks
// none. now is what ExpireTime is compared with. At most 100 violations are reported.
//
// Check knows m and nothing else. Whether the agent may send this kind of traffic,
// whether the device has a feature, whether a URL leads to a file of the right kind
// and size: only the platform can tell.
//
// Assumption: an unset card orientation or card width, an event that ends before
// it starts and a lifetime that is over already are refused here, although the
// reference does not say what the platform does. A location with both
// coordinates and a query is allowed for the same reason.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/phones.agentMessages
func (m *AgentMessage) Check(now time.Time) []Violation {
	encoded, err := m.Encode()
	return m.check(now, len(encoded), err)
}

// CheckEncoded is [AgentMessage.Check] for those who have the result of
// [AgentMessage.Encode] already: most of the work of Check is to find out how long
// that is.
func (m *AgentMessage) CheckEncoded(now time.Time, encoded []byte) []Violation {
	return m.check(now, len(encoded), nil)
}

func (m *AgentMessage) check(now time.Time, size int, encoding error) []Violation {
	c := new(checker)
	root := new(path)
	if m.ContentMessage == nil {
		c.fault(root.at("contentMessage"), RuleRequired, "is missing")
	} else {
		c.content(root.at("contentMessage"), m.ContentMessage)
	}
	checkWord(c, root.at("messageTrafficType"), m.MessageTrafficType)
	c.expiration(root, m, now)
	c.readOnly(root, m)
	c.size(root, size, encoding)
	return c.faults
}

type checker struct {
	faults []Violation
}

func (c *checker) fault(p *path, rule Rule, detail string) {
	c.number(p, rule, 0, 0, detail)
}

func (c *checker) number(p *path, rule Rule, limit, actual int, detail string) {
	if len(c.faults) < maxFaults {
		c.faults = append(c.faults, Violation{Pointer: p.pointer(), Rule: rule, Limit: limit, Actual: actual, Detail: detail})
	}
}

func (c *checker) content(p *path, m *AgentContentMessage) {
	c.union(p, []field{
		{"text", m.Text != ""},
		{"fileName", m.FileName != ""},
		{"uploadedRbmFile", m.UploadedRBMFile != nil},
		{"richCard", m.RichCard != nil},
		{"contentInfo", m.ContentInfo != nil},
	})
	c.text(p.at("text"), m.Text, MaxText)
	c.file(p, m.FileName, m.UploadedRBMFile, m.ContentInfo)
	if m.RichCard != nil {
		c.richCard(p.at("richCard"), m.RichCard)
	}
	c.suggestions(p.at("suggestions"), m.Suggestions, MaxSuggestions)
}

func (c *checker) expiration(root *path, m *AgentMessage, now time.Time) {
	switch ttl := root.at("ttl"); {
	case m.TTL < 0:
		c.fault(ttl, RuleRange, "must be more than 0s")
	case time.Duration(m.TTL) > MaxLifetime:
		c.number(ttl, RuleRange, int(MaxLifetime.Seconds()), int(time.Duration(m.TTL).Seconds()), "must be at most 15 days, 1296000s")
	}
	if m.ExpireTime.IsZero() {
		return
	}
	expire := root.at("expireTime")
	if m.TTL != 0 {
		c.fault(expire, RuleUnion, "ttl is given already: only one of ttl, expireTime is possible")
	}
	switch left := m.ExpireTime.Sub(now); {
	case left <= 0:
		c.fault(expire, RuleRange, "must be in the future")
	case left > MaxLifetime:
		c.number(expire, RuleRange, int(MaxLifetime.Seconds()), int(left.Seconds()), "must be at most 15 days ahead")
	}
}

func (c *checker) readOnly(root *path, m *AgentMessage) {
	for _, f := range []field{
		{"name", m.Name != ""},
		{"sendTime", !m.SendTime.IsZero()},
		{"richMessageClassification", m.RichMessageClassification != nil},
		{"totalPayloadSizeBytes", m.TotalPayloadSizeBytes != 0},
		{"carrier", m.Carrier != ""},
	} {
		if f.set {
			c.fault(root.at(f.name), RuleReadOnly, "only the platform fills this field in")
		}
	}
}

func (c *checker) size(root *path, size int, encoding error) {
	switch {
	case encoding != nil && len(c.faults) == 0: // else the cause is among them
		c.fault(root, RuleFormat, "cannot be written as JSON")
	case size > MaxMessageBytes:
		c.number(root, RuleTooLong, MaxMessageBytes, size,
			fmt.Sprintf("must be at most %d bytes of JSON in all", MaxMessageBytes))
	}
}

// A field is a member of an object and whether it is set.
type field struct {
	name string
	set  bool
}

// union asks for exactly one of the fields.
func (c *checker) union(p *path, fields []field) {
	first := ""
	for _, f := range fields {
		switch {
		case !f.set:
		case first == "":
			first = f.name
		default:
			c.fault(p.at(f.name), RuleUnion, first+" is given already: only one of "+fieldNames(fields)+" is possible")
		}
	}
	if first == "" {
		c.fault(p, RuleRequired, "needs one of "+fieldNames(fields))
	}
}

func fieldNames(fields []field) string {
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.name
	}
	return strings.Join(names, ", ")
}

// text checks a text of at most limit characters; 0 means that none is known.
func (c *checker) text(p *path, s string, limit int) {
	switch {
	case !utf8.ValidString(s):
		c.fault(p, RuleFormat, "must be UTF-8")
	case limit > 0 && len(s) > limit: // bytes: a cheap bound of the characters
		if n := utf8.RuneCountInString(s); n > limit {
			c.number(p, RuleTooLong, limit, n, fmt.Sprintf("must be at most %d characters", limit))
		}
	}
}

// needText is text for a field that must not be empty.
func (c *checker) needText(p *path, s string, limit int) {
	if s == "" {
		c.fault(p, RuleRequired, "is missing")
		return
	}
	c.text(p, s, limit)
}

// checkWord checks that word is in its enum, or not set.
func checkWord[T ~string](c *checker, p *path, word T) {
	if word == "" {
		return
	}
	if known := words[reflect.TypeFor[T]()]; !slices.Contains(known, string(word)) {
		c.fault(p, RuleEnum, enumDetail(string(word), known))
	}
}

// needWord checks that word is in its enum and says something.
func needWord[T ~string](c *checker, p *path, word, unspecified T) {
	if word == "" || word == unspecified {
		c.fault(p, RuleRequired, "must be one of "+strings.Join(words[reflect.TypeFor[T]()][1:], ", "))
		return
	}
	checkWord(c, p, word)
}

// list checks the length of a list.
func (c *checker) list(p *path, least, most, actual int, what string) {
	switch {
	case actual > most:
		c.number(p, RuleTooMany, most, actual, fmt.Sprintf("must be at most %d %s", most, what))
	case actual < least:
		c.number(p, RuleTooFew, least, actual, fmt.Sprintf("must be at least %d %s", least, what))
	}
}
