package typo

import (
	"strings"
	"testing"
)

func TestCount(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		a, b        string
		limit, want int
	}{
		{"", "", 5, 0},
		{"text", "text", 5, 0},
		{"txt", "text", 5, 1},
		{"texxt", "text", 5, 1},
		{"tezt", "text", 5, 1},
		{"tetx", "text", 5, 1},
		{"send", "bulk", 5, 4},
		{"send", "bulk", 2, 2},
		{"", "text", 9, 4},
		{"text", "a_much_longer_name", 3, 3},
		{strings.Repeat("a", MaxLength), strings.Repeat("a", MaxLength), 3, 0},
		{strings.Repeat("a", MaxLength+1), strings.Repeat("a", MaxLength+1), 3, 3},
	} {
		if got := Count(test.a, test.b, test.limit); got != test.want {
			t.Errorf("Count(%q, %q, %d) = %d, want %d", test.a, test.b, test.limit, got, test.want)
		}
		if got := Count(test.b, test.a, test.limit); got != test.want {
			t.Errorf("Count(%q, %q, %d) = %d, want %d; the other order gives that", test.b, test.a, test.limit, got, test.want)
		}
	}
}

func TestNearest(t *testing.T) {
	t.Parallel()
	commands := []string{"dev", "send", "bulk"}
	for word, want := range map[string]string{"SERVICE_REQUEST": "SERVICEREQUEST", "message_traffic_typ": "messageTrafficType", "txt": "", "": ""} {
		if got := Nearest(word, []string{"SERVICEREQUEST", "messageTrafficType", "a"}, 0); got != want {
			t.Errorf("Nearest(%q) without a limit = %q, want %q", word, got, want)
		}
	}
	for word, want := range map[string]string{"sned": "send", "dve": "dev", "bukl": "bulk", "devour": "", "": ""} {
		if got := Nearest(word, commands, 3); got != want {
			t.Errorf("Nearest(%q) = %q, want %q", word, got, want)
		}
	}
}
