package server

import (
	"errors"
	"testing"

	"github.com/rcshook/rcshook/internal/code"
	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/response"
)

// TestAllow checks what each kind of caller may do at all.
func TestAllow(t *testing.T) {
	t.Parallel()
	const reads, rehearses, asks = "caller c may only read (read: true)", "caller c may only rehearse (dry_run: true)",
		"caller c needs capabilities: true to look up numbers"
	for _, test := range []struct {
		caller                     config.Caller
		read, lookUp, post, remove string
	}{
		{config.Caller{}, "", "", "", ""}, // that of the environment
		{config.Caller{Name: "c"}, "", asks, "", ""},
		{config.Caller{Name: "c", Capabilities: true}, "", "", "", ""},
		{config.Caller{Name: "c", Read: true}, "", asks, reads, reads},
		{config.Caller{Name: "c", Read: true, Capabilities: true}, "", "", reads, reads},
		{config.Caller{Name: "c", DryRun: true}, "", asks, "", rehearses},
		{config.Caller{Name: "c", DryRun: true, Capabilities: true}, "", "", "", rehearses},
	} {
		c := &caller{Caller: test.caller}
		for a, want := range map[action]string{read: test.read, lookUp: test.lookUp, post: test.post, remove: test.remove} {
			got := ""
			if err := c.allow(a); err != nil {
				p, ok := errors.AsType[*response.Problem](err)
				if !ok || p.Code != code.Forbidden {
					t.Fatalf("allow(%d) = %v", a, err)
				}
				got = p.Detail
			}
			if got != want {
				t.Errorf("%+v: allow(%d) = %q, want %q", test.caller, a, got, want)
			}
		}
	}
}
