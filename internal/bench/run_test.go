package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

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
		_ = reportResources(os.Stdin, os.Stdout) // until the test ends
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

// small returns options for a short run, with some programs replaced by others.
func small(replaced map[string]string) options {
	return options{
		compare: true, concurrency: []int{1, targetCallers}, rounds: 2, duration: 20 * time.Millisecond, requests: 1500, starts: 1,
		payload:  []byte(`{"to": "+12025550123", "text": "measured"}`),
		progress: func(string) {},
		onLaunch: func(cmd *exec.Cmd) {
			for i, setting := range cmd.Env {
				program, _ := strings.CutPrefix(setting, envProgram+"=")
				if other, ok := replaced[program]; ok {
					cmd.Env[i] = envProgram + "=" + other
				}
			}
		},
	}
}

func TestRun(t *testing.T) {
	t.Parallel()
	report, err := run(t.Context(), small(nil))
	if err != nil {
		t.Fatal(err)
	}
	order := ""
	for i, s := range report.Samples {
		if s.Requests == 0 || s.Rate <= 0 || s.P50 <= 0 || s.P99 < s.P50 || s.CPU <= 0 || s.Busy <= 0 {
			t.Errorf("sample %d is %+v", i, s)
		}
		order += fmt.Sprintf("%d %d %s\n", s.Round, s.Callers, s.Of)
	}
	const want = "1 1 function\n1 1 bare\n1 32 function\n1 32 bare\n2 1 bare\n2 1 function\n2 32 bare\n2 32 function\n"
	if order != want {
		t.Errorf("measured in the order\n%swant\n%s", order, want)
	}
	for _, m := range report.Memory {
		if m.Requests < m.After {
			t.Errorf("memory was measured too early: %+v", m)
		}
	}
	targets := 0
	for _, row := range report.Rows {
		if row.Target != nil {
			targets++
		}
	}
	if targets != 5 {
		t.Errorf("%d targets, want 5: start, throughput, CPU, and memory twice", targets)
	}
}

func TestRun_plain(t *testing.T) {
	t.Parallel()
	o := small(nil)
	o.plain, o.rounds, o.concurrency, o.requests = true, 1, []int{1}, 1
	report, err := run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(report.conditions(), "reached by\nplain HTTP, and responds") {
		t.Errorf("the report has %q, want plain HTTP", report.conditions())
	}
}

// TestRun_errors checks that an invalid run fails.
func TestRun_errors(t *testing.T) {
	t.Parallel()
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	for _, test := range []struct {
		name     string
		ctx      context.Context
		replaced map[string]string
		payload  string
		want     string
	}{
		{"rejected payload", t.Context(), nil, `{"to": "+12025550123"}`, `1 of 1 requests were not accepted; the first response was 422: {`},
		{"rejected number", t.Context(), nil, `{"to": "1", "text": "a"}`, `not accepted; the first response was 422: {`},
		{"another program", t.Context(), map[string]string{bare: empty}, "", `not accepted; the first response was 404: 404 page not found`},
		{"accepted and not sent", t.Context(), map[string]string{function: liar}, "", `function, 32 concurrent: 999 requests were accepted, but the platform got 0 messages`},
		{"a process that exits", t.Context(), map[string]string{function: "unknown"}, "", `the process function does not respond: it exited` + "\n" + `unknown program "unknown"`},
		{"canceled", canceled, nil, "", context.Canceled.Error()},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			o := small(test.replaced)
			if test.payload != "" {
				o.payload = []byte(test.payload)
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
	o := small(nil)
	o.duration = time.Minute
	var started []*exec.Cmd
	o.onLaunch = func(cmd *exec.Cmd) { started = append(started, cmd) }
	o.progress = func(now string) {
		if strings.HasPrefix(now, "round 1") {
			stop()
		}
	}
	if _, err := run(ctx, o); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
	if len(started) < 4 {
		t.Errorf("%d processes were started, want at least 4", len(started))
	}
	for _, cmd := range started {
		if cmd.ProcessState == nil {
			t.Errorf("%v is still running", cmd.Args)
		}
	}
}
