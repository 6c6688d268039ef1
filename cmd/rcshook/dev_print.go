package main

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/rcshook/rcshook/internal/check"
	"github.com/rcshook/rcshook/internal/payload"
)

// printer collects the lines about a request. Everything in them comes from strangers.
type printer struct {
	strings.Builder
	unmasked bool
	limit    int      // characters of a value
	secrets  []string // the fields of bodies that may be secrets
}

// line adds a line without characters that a terminal would interpret.
func (p *printer) line(indent, format string, args ...any) {
	text := strings.Map(func(r rune) rune {
		if r != '\n' && !unicode.IsPrint(r) {
			return utf8.RuneError
		}
		return r
	}, fmt.Sprintf(format, args...))
	p.WriteString(strings.TrimRight(indent+strings.ReplaceAll(text, "\n", "\n"+indent), " ") + "\n")
}

// wrapped matches the text of a line beside the label.
var wrapped = regexp.MustCompile(`(.{1,66})(?: +|\n|$)`)

// item adds a label and text, in lines of at most 80 characters.
func (p *printer) item(label, format string, args ...any) {
	text := wrapped.ReplaceAllString(fmt.Sprintf(format, args...), "$1\n")
	for line := range strings.SplitSeq(strings.TrimRight(text, "\n"), "\n") {
		p.line("  ", "%-10s %s", label, line)
		label = ""
	}
}

const (
	maxShown = 60   // characters of a value
	maxText  = 4000 // characters of a body that is neither JSON nor a form
	maxLines = 80   // of a body
)

// body prints JSON and forms as masked JSON, and the start of other text.
func (p *printer) body(contentType string, data []byte) {
	text := fmt.Sprintf("[%d bytes]", len(data))
	if utf8.Valid(data) {
		text = (&printer{unmasked: p.unmasked, limit: maxText}).mask("", string(data))
	}
	if body, err := payload.ParseBody(contentType, data); err == nil {
		var v any
		d := json.NewDecoder(bytes.NewReader(body.Text))
		d.UseNumber()
		if body.IsForm && !body.IsJSON {
			fields := make(map[string]any)
			for _, f := range body.Fields {
				fields[f.Name] = f.Value
			}
			v = fields
		} else if d.Decode(&v) != nil {
			v = nil
		}
		if encoded, err := json.Marshal(p.maskJSON("", v)); v != nil && err == nil {
			text = strings.TrimSpace(string(check.Indent(encoded)))
		}
	}
	lines := strings.Split(text, "\n")
	if more := len(lines) - maxLines; more > 0 && !p.unmasked {
		lines = append(lines[:maxLines], fmt.Sprintf("... and %d more lines", more))
	}
	p.line("  ", "%s", strings.Join(lines, "\n"))
}

// maskJSON masks the values of a JSON value. Name is that of the field that has it.
func (p *printer) maskJSON(name string, v any) any {
	switch v := v.(type) {
	case map[string]any:
		masked := make(map[string]any)
		for key, value := range v {
			field := key
			if credential.MatchString(name) {
				field = name // all of a credential is one
			}
			masked[p.mask("", key)] = p.maskJSON(field, value)
		}
		return masked
	case []any:
		for i, value := range v {
			v[i] = p.maskJSON(name, value)
		}
	case string:
		if credential.MatchString(name) {
			p.secrets = append(p.secrets, name)
		}
		return p.mask(name, v)
	case json.Number:
		if masked := p.mask(name, v.String()); masked != v.String() {
			return masked
		}
	}
	return v
}

var (
	// hopHeader matches headers that the connection, a proxy or a tunnel adds.
	hopHeader = regexp.MustCompile(`(?i)^(accept|accept-encoding|connection|content-length|forwarded|via|x-forwarded-.*|x-real-ip|cf-.*|cdn-loop|ngrok-.*|traceparent|tracestate|x-cloud-trace-context)$`)

	// credential matches the names of headers and fields with signatures and secrets.
	credential = regexp.MustCompile(`(?i)signature|token|secret|authori[sz]|auth$|cookie|passw|passcode|hmac|digest|session|credential|jwt|otp|api.?key|(^|[-_.])(key|sign?|pin|hash|mac)$`)

	credentialPart = regexp.MustCompile(`[^\s,;]+`)
	credentialName = regexp.MustCompile(`^([A-Za-z0-9_]{1,9}=)(.{8,})$`)
	publicPart     = regexp.MustCompile(`^(Bearer|Basic|v\d[a-z]?)$`)

	// random matches text that is longer than most IDs, such as a key in a URL.
	random = regexp.MustCompile(`[0-9a-fA-F]{32,}|[A-Za-z0-9+_-]{40,}={0,2}`)

	digits = regexp.MustCompile(`\+?\d{5,}|\+?\d(?:[ ()./-]{0,2}\d){6,}`)
	// identifier matches a UUID, which is not a phone number.
	identifier = regexp.MustCompile(`(?i)^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

	unixTime  = regexp.MustCompile(`^1\d{9}(?:\d{3})?$`)
	timeName  = regexp.MustCompile(`(?i)time|date|(^|[-_.])(ts|at)$`)
	date      = regexp.MustCompile(`^\d{4}-\d\d-\d\d`)
	address   = regexp.MustCompile(`[^\s"@<>]+(@[^\s"@<>]+)`)
	parameter = regexp.MustCompile(`([?&][\w.-]+=)[^&\s"]+`)
)

// mask hides numbers, addresses, credentials and long values, and keeps their form.
func (p *printer) mask(name, value string) string {
	if p.unmasked {
		return value
	}
	if credential.MatchString(name) {
		return credentialPart.ReplaceAllStringFunc(value, func(part string) string {
			if publicPart.MatchString(part) {
				return part
			}
			if m := credentialName.FindStringSubmatch(part); m != nil {
				return m[1] + form(m[2])
			}
			return form(part)
		})
	}
	if timeName.MatchString(name) && unixTime.MatchString(value) {
		unit := map[int]string{10: "seconds", 13: "milliseconds"}[len(value)]
		return fmt.Sprintf("[%d digits: unix %s]", len(value), unit)
	}
	if identifier.MatchString(value) {
		return value
	}
	value = random.ReplaceAllStringFunc(value, form)
	value = address.ReplaceAllString(value, "***$1")
	value = parameter.ReplaceAllString(value, "$1***")
	value = digits.ReplaceAllStringFunc(value, func(number string) string {
		if date.MatchString(number) {
			return number
		}
		hide := len(number) - 2
		return strings.Map(func(r rune) rune {
			if hide--; hide >= 0 && r >= '0' && r <= '9' {
				return '*'
			}
			return r
		}, number)
	})
	if runes := []rune(value); len(runes) > p.limit {
		return fmt.Sprintf("%s... [%d characters]", string(runes[:p.limit-20]), len(runes))
	}
	return value
}

// form describes a value without a part of it.
func form(value string) string {
	_, notHex := hex.DecodeString(value)
	_, notBase64 := base64.StdEncoding.DecodeString(value)
	switch n := utf8.RuneCountInString(value); {
	case strings.Trim(value, "0123456789") == "":
		return fmt.Sprintf("[%d digits]", n)
	case notHex == nil:
		return fmt.Sprintf("[%d hex digits]", n)
	case notBase64 == nil && n >= 20:
		return fmt.Sprintf("[%d characters of base64]", n)
	default:
		return fmt.Sprintf("[%d characters]", n)
	}
}
