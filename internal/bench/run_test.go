package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	switch os.Getenv(envProgram) {
	case "":
		testscript.Main(m, map[string]func(){"bench": main})
	case liar:
		go http.ListenAndServe(loopback+":"+os.Getenv("PORT"), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			_, _ = io.WriteString(w, `{"code":"accepted"}`)
		}))
		_, _ = io.Copy(io.Discard, os.Stdin) // until the test ends
	default:
		main()
	}
}

// liar is a program that accepts messages and does not send them.
const liar = "liar"

func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{Dir: "testdata", RequireExplicitExec: true})
}

// small returns options for a short run.
func small() options {
	return options{
		compare: true, concurrency: []int{1, 32}, rounds: 2, duration: 20 * time.Millisecond, requests: 1500, starts: 1,
		function: function, payload: `{"to": "+12025550123", "text": "measured"}`,
		progress: func(string) {},
	}
}

// TestRun checks that all programs are measured, and that two builds take turns.
func TestRun(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, against := range []string{"", self} {
		o := small()
		if against != "" {
			o.compare, o.against = false, against
		}
		turns := ""
		o.progress = func(now string) {
			if strings.HasPrefix(now, "round ") {
				turns += now + "\n"
			}
		}
		report, err := run(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		want := []string{
			startRow, "memory after 1000 requests, MB",
			"1 at once: requests per second", "1 at once: CPU for 1,000 requests, ms", "1 at once: CPU in use, %", "1 at once: memory, MB",
			"32 at once: requests per second", "32 at once: CPU for 1,000 requests, ms", "32 at once: CPU in use, %", "32 at once: memory, MB",
			"memory after 1500 requests, MB",
		}
		if diff := cmp.Diff(want, report.names); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
		for name, values := range report.values {
			for column, values := range values {
				count := 1
				if strings.Contains(name, "at once") {
					count = o.rounds
				}
				known := runtime.GOOS == "linux" && !strings.Contains(name, "CPU") || strings.Contains(name, "second") // 20 ms of CPU are too few ticks
				if len(values) != count || known && slices.Min(values) <= 0 {
					t.Errorf("%s, column %d: %v", name, column, values)
				}
			}
		}
		const order = "round 1 of 2, 1 at once: function\nround 1 of 2, 1 at once: bare program\n" +
			"round 1 of 2, 32 at once: function\nround 1 of 2, 32 at once: bare program\n" +
			"round 2 of 2, 1 at once: bare program\nround 2 of 2, 1 at once: function\n" +
			"round 2 of 2, 32 at once: bare program\nround 2 of 2, 32 at once: function\n"
		if against == "" && turns != order {
			t.Errorf("measured in the order\n%swant\n%s", turns, order)
		}
	}
}

func TestRun_plain(t *testing.T) {
	t.Parallel()
	o := small()
	o.plain, o.rounds, o.concurrency, o.requests = true, 1, []int{1}, 1
	report, err := run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	if err := report.write(&text, false); err != nil || !strings.Contains(text.String(), "reached by plain HTTP, and responds") {
		t.Errorf("got %v and %s, want plain HTTP", err, text.String())
	}
}

// TestRun_jobs checks that each job is measured beside a message, and that slow targets do
// not delay the response to their event.
func TestRun_jobs(t *testing.T) {
	t.Parallel()
	o := small()
	o.compare, o.jobs, o.requests = false, true, 50
	report, err := run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if len(report.names) != 7*3+1 || report.names[len(report.names)-1] != slowRow {
		t.Errorf("measured %q", report.names)
	}
	for name, values := range report.values {
		if len(values[0]) != len(values[1]) || !strings.Contains(name, "CPU") && slices.Min(values[0]) <= 0 {
			t.Errorf("%s: %v", name, values)
		}
	}
	if took := report.values[slowRow][0][0]; took >= 1000*slowTime.Seconds() {
		t.Errorf("the response to an event took %v ms", took)
	}
}

// TestRun_peers installs the function for Node, and measures it.
func TestRun_peers(t *testing.T) {
	t.Parallel()
	if os.Getenv("RCSHOOKTEST_NETWORK") == "" {
		t.Skip("needs npm and the network, and RCSHOOKTEST_NETWORK is not set")
	}
	o := small()
	o.compare, o.peers, o.rounds, o.requests = false, true, 1, 50
	o.payload = `{"to": "+12025550123", "title": "Order shipped", "text": "measured", "image": "https://example.com/box.jpg", "buttons": ["Track|https://example.com/t", "Thanks"]}`
	report, err := run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if rate := report.values["32 at once: requests per second"]; len(rate[0]) != 1 || len(rate[1]) != 1 || slices.Min(rate[1]) <= 0 {
		t.Errorf("measured %v", rate)
	}
}

// TestRun_errors checks that an invalid run fails.
func TestRun_errors(t *testing.T) {
	t.Parallel()
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	for _, test := range []struct {
		name    string
		ctx     context.Context
		program string
		payload string
		want    string
	}{
		{"rejected payload", t.Context(), function, `{"to": "+12025550123"}`, `not accepted; the response was 422: {`},
		{"rejected number", t.Context(), function, `{"to": "1", "text": "a"}`, `not accepted; the response was 422: {`},
		{"accepted and not sent", t.Context(), liar, "", `liar, 32 at once: 999 requests were accepted, but the platform got 0 in place of 999`},
		{"a process that exits", t.Context(), "unknown", "", "the unknown does not respond: it exited\n" + `unknown program "unknown"`},
		{"canceled", canceled, function, "", context.Canceled.Error()},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			o := small()
			o.function = test.program
			if test.payload != "" {
				o.payload = test.payload
			}
			report, err := run(test.ctx, o)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %+v, %v, want an error with %q", report, err, test.want)
			}
		})
	}
}

// TestRun_interrupted checks that no process outlives a run that is canceled.
func TestRun_interrupted(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	o := small()
	o.duration = time.Minute
	var started []*process
	o.onLaunch = func(p *process) { started = append(started, p) }
	o.progress = func(now string) {
		if strings.HasPrefix(now, "round 1") {
			stop()
		}
	}
	if _, err := run(ctx, o); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
	if len(started) != 5 {
		t.Errorf("%d processes were started, want the platform and two of each kind", len(started))
	}
	for _, p := range started {
		select {
		case <-p.ended:
		default:
			t.Errorf("%v is still running", p.cmd.Args)
		}
	}
}
