package rbm

import (
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"strings"
	"time"
)

// Duration is a length of time that JSON represents as a decimal number of seconds with
// the suffix s, such as "3.5s", as in protocol buffers.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/phones.agentMessages
type Duration time.Duration

var errDuration = errors.New("must be a number of seconds with the suffix s, such as 600s")

// ParseDuration parses the form of [Duration.String]: seconds with at most nine
// decimals and the suffix s. A length above the maximum of a Duration, about 292 years,
// becomes that maximum.
func ParseDuration(s string) (Duration, error) {
	number, ok := strings.CutSuffix(s, "s")
	number, negative := strings.CutPrefix(number, "-")
	whole, fraction, point := strings.Cut(number, ".")
	if !ok || !digits(whole, 12) || point && !digits(fraction, 9) {
		return 0, errDuration
	}
	seconds, _ := strconv.ParseInt(whole, 10, 64)
	nanos, _ := strconv.ParseInt((fraction + "000000000")[:9], 10, 64)
	d := Duration(math.MaxInt64)
	if seconds < math.MaxInt64/int64(time.Second) {
		d = Duration(seconds*int64(time.Second) + nanos)
	}
	if negative {
		return -d, nil
	}
	return d, nil
}

// digits reports whether s consists of one to most decimal digits.
func digits(s string, most int) bool {
	return s != "" && len(s) <= most && strings.Trim(s, "0123456789") == ""
}

// String returns seconds with up to nine decimals and the suffix s.
func (d Duration) String() string {
	sign, n := "", uint64(d)
	if d < 0 {
		sign, n = "-", -n
	}
	text := sign + strconv.FormatUint(n/uint64(time.Second), 10)
	if nanos := n % uint64(time.Second); nanos != 0 {
		fraction := strconv.FormatUint(nanos+uint64(time.Second), 10)[1:]
		text += "." + strings.TrimRight(fraction, "0")
	}
	return text + "s"
}

// MarshalJSON implements [json.Marshaler] with the form of [Duration.String].
func (d Duration) MarshalJSON() ([]byte, error) {
	return strconv.AppendQuote(nil, d.String()), nil
}

// UnmarshalJSON implements [json.Unmarshaler] with [ParseDuration].
func (d *Duration) UnmarshalJSON(data []byte) error {
	var s string
	if err := json.Unmarshal(data, &s); err != nil {
		return errDuration
	}
	parsed, err := ParseDuration(s)
	*d = parsed
	return err
}
