package rbm

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"
)

// Duration is a length of time that travels as a decimal number of seconds with
// the suffix s, such as "3.5s", as protocol buffers write it in JSON.
//
// RBM docs: https://developers.google.com/business-communications/rcs-business-messaging/reference/rest/v1/phones.agentMessages
type Duration time.Duration

var errDuration = errors.New(`not a number of seconds with the suffix s, such as "600s"`)

var durationForm = regexp.MustCompile(`^-?[0-9]{1,10}(\.[0-9]{1,9})?s$`)

// ParseDuration reads the form that [Duration.String] writes.
func ParseDuration(s string) (Duration, error) {
	if !durationForm.MatchString(s) {
		return 0, errDuration
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		return 0, errDuration
	}
	return Duration(d), nil
}

// String returns seconds with up to nine decimals and the suffix s.
func (d Duration) String() string {
	sign, n := "", int64(d)
	if n < 0 {
		sign, n = "-", -n
	}
	seconds, nanos := n/int64(time.Second), n%int64(time.Second)
	if nanos == 0 {
		return fmt.Sprintf("%s%ds", sign, seconds)
	}
	fraction := strings.TrimRight(fmt.Sprintf("%09d", nanos), "0")
	return fmt.Sprintf("%s%d.%ss", sign, seconds, fraction)
}

// MarshalJSON writes the string form.
func (d Duration) MarshalJSON() ([]byte, error) {
	return json.Marshal(d.String())
}

// UnmarshalJSON reads the string form.
func (d *Duration) UnmarshalJSON(data []byte) error {
	var s string
	if err := json.Unmarshal(data, &s); err != nil {
		return errDuration
	}
	parsed, err := ParseDuration(s)
	*d = parsed
	return err
}
