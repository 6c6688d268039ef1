package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// asRole tells the test binary to be one of the processes.
const asRole = "TEST_AS_ROLE"

func TestMain(m *testing.M) {
	switch name := os.Getenv(asRole); name {
	case "":
		os.Exit(m.Run())
	case liar:
		lie()
	default:
		if err := Serve(name, os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}

// liar is a program that accepts what it does not send.
const liar = "liar"

func lie() {
	go http.ListenAndServe(loopback+":"+os.Getenv("PORT"), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { //nolint:errcheck,gosec // the test sees it
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, `{"code":"accepted"}`)
	}))
	_ = answerUsage(os.Stdin, os.Stdout, new(atomic.Int64)) // until the test ends
}

// small are options that measure next to nothing, with roles replaced by others.
func small(t *testing.T, replaced map[role]role) Options {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return Options{
		Compare: true, Concurrency: []int{1, targetCallers}, Rounds: 2, Duration: 20 * time.Millisecond, Requests: 1500, Starts: 1,
		Payload: []byte(`{"to": "+12025550123", "text": "measured"}`),
		Command: func(name string) *exec.Cmd {
			if other, ok := replaced[role(name)]; ok {
				name = string(other)
			}
			return exec.Command("env", asRole+"="+name, self) //nolint:gosec // this very program
		},
		Progress: func(string) {},
	}
}

func TestRun(t *testing.T) {
	t.Parallel()
	report, err := Run(t.Context(), small(t, nil))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := len(report.Samples), 2*2*2; got != want {
		t.Errorf("%d samples, want %d", got, want)
	}
	for i, s := range report.Samples {
		if s.Requests == 0 || s.Rate <= 0 || s.P50 <= 0 || s.P99 < s.P50 || s.CPU <= 0 || s.Busy <= 0 {
			t.Errorf("sample %d is %+v", i, s)
		}
	}
	turns := ""
	for _, s := range report.Samples {
		turns += fmt.Sprintf("%d %d %s\n", s.Round, s.Callers, s.Of)
	}
	const want = "1 1 function\n1 1 bare\n1 32 function\n1 32 bare\n2 1 bare\n2 1 function\n2 32 bare\n2 32 function\n"
	if turns != want {
		t.Errorf("measured in the order\n%swant\n%s", turns, want)
	}
	for _, m := range report.Memory {
		if m.Requests < m.After {
			t.Errorf("memory was looked at too early: %+v", m)
		}
	}
	targets := 0
	for _, row := range report.Rows {
		if row.Target != nil {
			targets++
		}
	}
	if targets != 5 {
		t.Errorf("%d targets, want those of start, throughput, CPU and memory twice", targets)
	}
}

// TestRun_plain sees that a platform with plain HTTP gets the messages too.
func TestRun_plain(t *testing.T) {
	t.Parallel()
	o := small(t, nil)
	o.Plain, o.Rounds, o.Concurrency, o.Requests = true, 1, []int{1}, 1
	report, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(report.conditions(), "reached by\nplain HTTP, and answers") {
		t.Errorf("the report says %q, want that it was over plain HTTP", report.conditions())
	}
}

// TestRun_nothing sees that a run that cannot be trusted fails.
func TestRun_nothing(t *testing.T) {
	t.Parallel()
	ended, end := context.WithCancel(t.Context())
	end()
	for _, test := range []struct {
		name     string
		ctx      context.Context
		replaced map[role]role
		payload  string
		want     string
	}{
		{"a payload that is refused", t.Context(), nil, `{"to": "+12025550123"}`, `1 of 1 requests were not accepted; the first answer was 422: {`},
		{"a number that is refused", t.Context(), nil, `{"to": "1", "text": "a"}`, `not accepted; the first answer was 422: {`},
		{"another program", t.Context(), map[role]role{bare: empty}, "", `not accepted; the first answer was 404: 404 page not found`},
		{"a program that accepts and sends nothing", t.Context(), map[role]role{function: liar}, "", `function, 32 at once: 999 requests were accepted, and the platform got 0 messages`},
		{"a process that ends", t.Context(), map[role]role{function: "nobody"}, "", `the process function does not answer: it has ended` + "\n" + `bench: no role is named "nobody"`},
		{"a platform that ends", t.Context(), map[role]role{platform: "nobody"}, "", `the process platform does not answer: EOF`},
		{"the end", ended, nil, "", context.Canceled.Error()},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			o := small(t, test.replaced)
			if test.payload != "" {
				o.Payload = []byte(test.payload)
			}
			report, err := Run(test.ctx, o)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %+v, %v, want an error with %q", report, err, test.want)
			}
		})
	}
}

// TestRun_interrupted sees that no process outlives a run that is stopped in the middle.
func TestRun_interrupted(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	o := small(t, nil)
	o.Duration = time.Minute
	var started []*exec.Cmd
	command := o.Command
	o.Command = func(name string) *exec.Cmd {
		cmd := command(name)
		started = append(started, cmd)
		return cmd
	}
	o.Progress = func(now string) {
		if strings.HasPrefix(now, "round 1") {
			stop()
		}
	}
	if _, err := Run(ctx, o); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
	if len(started) < 5 {
		t.Errorf("%d processes were started, want more", len(started))
	}
	for _, cmd := range started {
		if cmd.ProcessState == nil {
			t.Errorf("%v is still there", cmd.Args)
		}
	}
}
