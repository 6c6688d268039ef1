package optout_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/internal/optout"
)

// brands opens one brand for each agent: plain has no store, bucket and lookup have that.
func brands(t *testing.T, o optout.Options) *optout.Directory {
	t.Helper()
	o.Brands = map[string]*config.Brand{
		"plain":  {Name: "plain", Agents: []string{"plain"}, OptOut: new(config.OptOut)},
		"bucket": {Name: "bucket", Agents: []string{"bucket"}, OptOut: &config.OptOut{Store: config.Store{Location: "gs://b-1"}, Key: "key-1"}},
		"lookup": {Name: "lookup", Agents: []string{"lookup"}, OptOut: &config.OptOut{Store: config.Store{Lookup: new(config.Target)}}},
	}
	d, err := optout.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestOpen_words(t *testing.T) {
	t.Parallel()
	settings := &config.OptOut{Keywords: config.Keywords{Stop: []string{"ENOUGH", strings.Repeat("a", 50)}}}
	_, err := optout.Open(optout.Options{Brands: map[string]*config.Brand{"plain": {Name: "plain", OptOut: settings}}})
	if err == nil || !strings.Contains(err.Error(), "word 2: ") {
		t.Errorf("Open = %v, want an error about word 2", err)
	}
}

// TestHandle_memory tests what a function without a store knows of earlier signals: which
// one is newer, and which is a repetition.
func TestHandle_memory(t *testing.T) {
	t.Parallel()
	const superseded = "superseded"
	start := time.Date(2026, 5, 4, 3, 2, 30, 0, time.UTC)
	type signal struct {
		kind  optout.Kind
		after time.Duration
	}
	for _, test := range []struct {
		signals []signal
		want    string // the ID of the last decision
	}{
		{[]signal{{optout.Stop, 0}}, "opted_out\n2026-05-04T03:02:00Z"},
		{[]signal{{optout.Stop, 0}, {optout.Stop, 59 * time.Second}}, "opted_out\n2026-05-04T03:02:00Z"},
		{[]signal{{optout.Stop, 0}, {optout.Stop, time.Minute}}, "opted_out\n2026-05-04T03:03:00Z"},
		{[]signal{{optout.Stop, 0}, {optout.Start, 10 * time.Second}}, "opted_in\n2026-05-04T03:02:40Z"},
		{[]signal{{optout.Stop, 0}, {optout.Start, time.Minute}}, "opted_in\n2026-05-04T03:03:00Z"},
		{[]signal{{optout.Stop, 10 * time.Second}, {optout.Start, 0}}, superseded},
		{[]signal{{optout.Stop, 0}, {optout.Start, 0}}, superseded},
		{[]signal{{optout.Start, 0}, {optout.Stop, 0}}, "opted_out\n2026-05-04T03:02:30Z"},
		{[]signal{{optout.Stop, time.Minute}, {optout.Stop, 0}}, "opted_out\n2026-05-04T03:02:00Z"},
		{[]signal{{optout.Stop, time.Minute}, {optout.Stop, 0}, {optout.Stop, 61 * time.Second}}, "opted_out\n2026-05-04T03:03:00Z"},
		{[]signal{{optout.Stop, 0}, {optout.Help, 0}}, "help\nevt_1"},
	} {
		d := brands(t, optout.Options{})
		var got string
		for _, s := range test.signals {
			decision, err := d.Handle(t.Context(), optout.Signal{Kind: s.kind}, optout.Record{Agent: "plain", Phone: phone, At: start.Add(s.after), EventID: "evt_1"})
			if err != nil {
				t.Fatal(err)
			}
			if got = decision.ID; decision.Superseded {
				got = superseded
			}
		}
		if got != test.want {
			t.Errorf("%v: %q, want %q", test.signals, got, test.want)
		}
	}
}

// TestHandle_unenforced tests that only an opt-out that blocks nothing is reported.
func TestHandle_unenforced(t *testing.T) {
	t.Parallel()
	d := brands(t, optout.Options{})
	for _, test := range []struct {
		kind  optout.Kind
		agent string
		want  bool
	}{{optout.Stop, "plain", true}, {optout.Start, "plain", false}, {optout.Stop, "lookup", false}, {optout.Stop, "unknown", false}} {
		got, err := d.Handle(t.Context(), optout.Signal{Kind: test.kind}, optout.Record{Agent: test.agent, Phone: phone, At: t0})
		if got.Unenforced != test.want || err != nil {
			t.Errorf("%s to %s: unenforced %t, %v, want %t", test.kind, test.agent, got.Unenforced, err, test.want)
		}
	}
}

func TestPrefetch(t *testing.T) {
	t.Parallel()
	var got []config.Secret
	d := brands(t, optout.Options{Prefetch: func(s config.Secret) { got = append(got, s) }})
	for _, agent := range []string{"plain", "bucket", "lookup", "unknown"} {
		d.Prefetch(agent)
	}
	if want := []config.Secret{"key-1"}; !slices.Equal(got, want) {
		t.Errorf("read %q, want %q", got, want)
	}
}
