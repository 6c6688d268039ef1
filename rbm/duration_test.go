package rbm_test

import (
	"encoding/json"
	"math"
	"testing"
	"time"

	"github.com/rcshook/rcshook/rbm"
)

func TestDuration(t *testing.T) {
	t.Parallel()
	tests := []struct {
		d    rbm.Duration
		want string
	}{
		{0, "0s"},
		{1, "0.000000001s"},
		{rbm.Duration(90 * time.Second), "90s"},
		{rbm.Duration(3500 * time.Millisecond), "3.5s"},
		{rbm.Duration(-3500 * time.Millisecond), "-3.5s"},
		{rbm.Duration(rbm.MaxLifetime), "1296000s"},
		{math.MaxInt64, "9223372036.854775807s"},
		{math.MinInt64, "-9223372036.854775808s"},
	}
	for _, test := range tests {
		if got := test.d.String(); got != test.want {
			t.Errorf("String of %d = %s, want %s", test.d, got, test.want)
		}
		data, err := json.Marshal(test.d)
		if err != nil || string(data) != `"`+test.want+`"` {
			t.Errorf("Marshal of %d = %s, %v; want %s", test.d, data, err, test.want)
		}
		var back rbm.Duration
		if err := json.Unmarshal(data, &back); err != nil {
			t.Errorf("Unmarshal(%s): %v", data, err)
		}
		// Near the ends of the range the nanoseconds do not matter.
		if back != test.d && (back.String() != test.d.String() && math.Abs(float64(test.d)) < math.MaxInt64/2) {
			t.Errorf("Unmarshal(%s) = %d, want %d", data, back, test.d)
		}
	}
	const want = "must be a number of seconds with the suffix s, such as 600s"
	for _, bad := range []string{`600`, `"600"`, `{}`, `"1m"`} {
		var d rbm.Duration
		if err := json.Unmarshal([]byte(bad), &d); err == nil || err.Error() != want {
			t.Errorf("Unmarshal(%s) = %s, %v; want the error %s", bad, d, err, want)
		}
	}
	for text, want := range map[string]rbm.Duration{"9223372035.9s": 9223372035_900000000, "9223372036.9s": math.MaxInt64, "999999999999.5s": math.MaxInt64} {
		if got, err := rbm.ParseDuration(text); err != nil || got != want {
			t.Errorf("ParseDuration(%s) = %d, %v, want %d", text, got, err, want)
		}
	}
}
