package response

import (
	"fmt"
	"net/http"
	"os"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/rcshook/rcshook/internal/code"
)

// TestTable checks the columns of the table against each other.
func TestTable(t *testing.T) {
	t.Parallel()
	for c, r := range table {
		if r.title == "" {
			t.Errorf("%s has no title", c)
		}
		if r.retry != code.RetryNone && (r.detail == "" || r.action == "") {
			t.Errorf("%s is a failure without a detail or an action", c)
		}
		if r.soft != 0 && r.soft != http.StatusOK {
			t.Errorf("%s: soft is %d; it is 200 or the same as strict", c, r.soft)
		}
		if r.soft == http.StatusOK && r.strict >= http.StatusInternalServerError {
			t.Errorf("%s: a configuration error is acknowledged, so that the event is lost", c)
		}
		if done := r.strict < 300 && c != code.Mixed; done != (r.retry == code.RetryNone) {
			t.Errorf("%s: status %d with retry %q", c, r.strict, r.retry)
		}
		wait := r.strict == http.StatusTooManyRequests || r.strict == http.StatusServiceUnavailable || r.strict == http.StatusGatewayTimeout
		if wait != (r.wait >= time.Second && r.wait <= 30*time.Second) || !wait && r.wait != 0 {
			t.Errorf("%s: status %d with a wait of %v", c, r.strict, r.wait)
		}
		if r.strict == http.StatusGone || r.strict/100 == 3 {
			t.Errorf("%s: senders disable the webhook at status %d", c, r.strict)
		}
	}
}

// TestDocumented tests that each code has its heading and status in the documentation,
// and that the documentation has no other codes.
func TestDocumented(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/responses.md")
	if err != nil {
		t.Fatal(err)
	}
	var documented []code.Code
	for _, m := range regexp.MustCompile(`(?m)^### (\w+)\n\*\*(\d+)(, soft (\d+))?`).FindAllStringSubmatch(string(page), -1) {
		c := code.Code(m[1])
		documented = append(documented, c)
		r := table[c]
		want := fmt.Sprint(r.strict)
		if r.soft != 0 {
			want += fmt.Sprintf(", soft %d", r.soft)
		}
		if got := m[2] + m[3]; got != want {
			t.Errorf("%s is documented with status %q, want %q", c, got, want)
		}
	}
	codes := Codes()
	slices.Sort(documented)
	slices.Sort(codes)
	if !slices.Equal(documented, codes) {
		t.Errorf("documented are\n%v, want\n%v", documented, codes)
	}
}
