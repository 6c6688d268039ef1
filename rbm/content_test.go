package rbm

import (
	"runtime/debug"
	"testing"
)

// TestSameContent tests that only another content is another message, however the
// platform writes it.
func TestSameContent(t *testing.T) {
	t.Parallel()
	const event = `{"text":"Doors","suggestions":[{"action":{"text":"Save","postbackData":"s","createCalendarEventAction":{"startTime":"2026-12-05T19:00:00+01:00","endTime":"2026-12-05T20:00:00+01:00","title":"Doors"}}}]}`
	const place = `{"text":"Doors","suggestions":[{"action":{"text":"Go","viewLocationAction":{"latLong":{"latitude":51,"longitude":-0.5}}}}]}`
	for _, test := range []struct {
		name, sent, got string
		want            bool
	}{
		{"nothing returned", `{"text":"a"}`, ``, true},
		{"the same", `{"text":"a"}`, `{"text":"a"}`, true},
		{"pretty-printed", `{"text":"a b"}`, "{\n  \"text\": \"a b\"\n}", true},
		{"escaped", `{"text":"<7 & 8>"}`, `{"text": "\u003c7 \u0026 8\u003e"}`, true},
		{"zero values added", `{"text":"a"}`, `{"text":"a","fileName":"","suggestions":[]}`, true},
		{"members added by the platform", `{"text":"a"}`, `{"text":"a","language":"en"}`, true},
		{"times in UTC", event, `{"suggestions":[{"action":{"createCalendarEventAction":{"title":"Doors","startTime":"2026-12-05T18:00:00Z","endTime":"2026-12-05T19:00:00Z"},"text":"Save","postbackData":"s"}}],"text":"Doors"}`, true},
		{"place in another order", place, `{"suggestions":[{"action":{"viewLocationAction":{"latLong":{"longitude":-0.5,"latitude":51}},"text":"Go"}}],"text":"Doors"}`, true},
		{"another place", place, `{"suggestions":[{"action":{"viewLocationAction":{"latLong":{"longitude":-0.5,"latitude":52}},"text":"Go"}}],"text":"Doors"}`, false},
		{"not readable", `{"text":"a"}`, `{"text":7}`, true},
		{"another text", `{"text":"a"}`, `{"text":"b"}`, false},
		{"more space in it", `{"text":"a\\\" b"}`, `{"text":"a\\\"  b"}`, false},
		{"a longer text", `{"text":"a"}`, `{"text":"ab"}`, false},
		{"a part of it", `{"text":"a","suggestions":[{"reply":{"text":"Yes","postbackData":"y"}}]}`, `{"text":"a"}`, false},
		{"more than it", `{"text":"a"}`, `{"text":"a","suggestions":[{"reply":{"text":"Yes","postbackData":"y"}}]}`, false},
		{"another kind", `{"text":"a"}`, `{"fileName":"files/a"}`, false},
		{"another time", event, `{"suggestions":[{"action":{"createCalendarEventAction":{"title":"Doors","startTime":"2026-12-05T19:00:00Z","endTime":"2026-12-05T20:00:00Z"},"text":"Save","postbackData":"s"}}],"text":"Doors"}`, false},
	} {
		message := []byte(`{"contentMessage":` + test.sent + `,"ttl":"60s"}`)
		if got := sameContent(message, test.got); got != test.want {
			t.Errorf("%s: sameContent = %t, want %t", test.name, got, test.want)
		}
	}
}

// TestUserAgentOf tests that requests have the version of this module in any program.
func TestUserAgentOf(t *testing.T) {
	t.Parallel()
	const path = "github.com/rcshook/rcshook"
	for _, test := range []struct {
		main, dep debug.Module
		want      string
	}{
		{debug.Module{Path: path, Version: "v1.2.3"}, debug.Module{}, "rcshook-rbm/1.2.3"},
		{debug.Module{Path: "example.com/a", Version: "v4.0.0"}, debug.Module{Path: path, Version: "v1.2.3"}, "rcshook-rbm/1.2.3"},
		{debug.Module{Path: path, Version: "(devel)"}, debug.Module{Path: "example.com/a", Version: "v4.0.0"}, "rcshook-rbm/devel"},
	} {
		if got := userAgentOf(&debug.BuildInfo{Main: test.main, Deps: []*debug.Module{&test.dep}}); got != test.want {
			t.Errorf("the user agent of %+v with %+v is %s, want %s", test.main, test.dep, got, test.want)
		}
	}
}
