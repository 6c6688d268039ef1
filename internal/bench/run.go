package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

// options are the flags.
type options struct {
	compare     bool          // also measure the bare program and the empty function
	concurrency []int         // numbers of concurrent callers
	rounds      int           // measurements of each kind
	duration    time.Duration // of one measurement
	requests    int           // after which memory is measured
	starts      int           // cold starts
	payload     []byte        // a JSON object
	profile     string        // file for a CPU profile of the function, if any
	plain       bool          // send messages over plain HTTP

	progress func(now string)
	onLaunch func(*exec.Cmd) // changes the command of a process; may be nil
}

const (
	// warmRequests is the number of requests to a process before it is measured.
	warmRequests = 1000
	// fillCallers is the number of callers while only memory is measured.
	fillCallers = 32
)

type runner struct {
	options
	dir      string
	platform *platform
	report   *report
}

// run measures. It fails on any response that is not a good one, and when ctx ends. No
// process outlives it.
func run(ctx context.Context, o options) (*report, error) {
	// On these systems a process does not take its trusted roots from the environment.
	o.plain = o.plain || runtime.GOOS == "darwin" || runtime.GOOS == "windows"
	dir, err := os.MkdirTemp("", "rcshook-bench-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	r := &runner{options: o, dir: dir, report: newReport(o)}
	r.platform, err = startPlatform(o.plain, dir)
	defer r.platform.close()
	if err == nil {
		err = r.measureStarts(ctx)
	}
	if err == nil {
		err = r.measureLoad(ctx)
	}
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		return nil, err
	}
	r.report.summarize()
	return r.report, nil
}

// measureStarts starts processes and stops them after their first response.
func (r *runner) measureStarts(ctx context.Context) error {
	programs := []string{function}
	if r.compare {
		programs = append(programs, empty)
	}
	for i := range r.starts {
		for j := range programs {
			program := programs[(i+j)%len(programs)] // the order alternates
			r.progress(fmt.Sprintf("start %d of %d: %s", i+1, r.starts, program))
			p, took, err := r.start(ctx, program, "")
			if err != nil {
				return err
			}
			p.stop()
			r.report.Starts = append(r.report.Starts, start{Of: program, Milliseconds: milliseconds(took)})
		}
	}
	return nil
}

// measureLoad starts the processes for all rounds and measures one at a time.
func (r *runner) measureLoad(ctx context.Context) error {
	var processes []*process
	defer func() {
		for _, p := range processes {
			p.stop()
		}
	}()
	programs := []string{function}
	if r.compare {
		programs = append(programs, bare)
	}
	for _, program := range programs {
		r.progress("warming up: " + program)
		p, _, err := r.start(ctx, program, r.profile)
		if err != nil {
			return err
		}
		processes = append(processes, p)
		if err := r.measureMemory(ctx, p, min(warmRequests, r.requests)); err != nil {
			return err
		}
	}
	for round := range r.rounds {
		for _, callers := range r.concurrency {
			for i := range processes {
				p := processes[(round+i)%len(processes)]
				r.progress(fmt.Sprintf("round %d of %d, %d concurrent: %s", round+1, r.rounds, callers, p.program))
				s, err := r.drive(ctx, p, load{callers: callers, duration: r.duration})
				if err != nil {
					return err
				}
				s.Round = round + 1
				r.report.Samples = append(r.report.Samples, s)
			}
		}
	}
	for _, p := range processes {
		r.progress(fmt.Sprintf("memory after %d requests: %s", r.requests, p.program))
		if err := r.measureMemory(ctx, p, r.requests); err != nil {
			return err
		}
	}
	return nil
}

// measureMemory sends requests until the process has had the given number, and records its
// memory.
func (r *runner) measureMemory(ctx context.Context, p *process, requests int) error {
	if missing := requests - p.requests; missing > 0 {
		if _, err := r.drive(ctx, p, load{callers: min(fillCallers, missing), requests: missing}); err != nil {
			return err
		}
	}
	used, err := p.resources()
	if err != nil {
		return err
	}
	r.report.Memory = append(r.report.Memory, memory{Of: p.program, After: requests, Requests: p.requests, Bytes: used.Memory})
	return nil
}

// drive runs a load against a process. It checks that the platform got one message for
// each accepted request.
func (r *runner) drive(ctx context.Context, p *process, l load) (sample, error) {
	sent := r.platform.messages.Load()
	var before resources
	l.onStart = func() (err error) { before, err = p.resources(); return err }
	res, err := l.run(ctx, p.target)
	if err != nil {
		return sample{}, fmt.Errorf("%s, %d concurrent: %w", p.program, l.callers, err)
	}
	after, err := p.resources()
	if err != nil {
		return sample{}, err
	}
	if got := r.platform.messages.Load() - sent; got != int64(res.responses) {
		return sample{}, fmt.Errorf("%s, %d concurrent: %d requests were accepted, but the platform got %d messages", p.program, l.callers, res.responses, got)
	}
	p.requests += res.responses
	cpu, n := after.CPU-before.CPU, float64(max(1, len(res.latencies)))
	return sample{
		Of: p.program, Callers: l.callers, Requests: len(res.latencies),
		Rate: n / res.elapsed.Seconds(),
		P50:  milliseconds(percentile(res.latencies, 50)),
		P99:  milliseconds(percentile(res.latencies, 99)),
		CPU:  milliseconds(cpu) * 1000 / n, Busy: cpu.Seconds() / res.elapsed.Seconds(),
		Bytes: after.Memory,
	}, nil
}

// A process runs one program.
type process struct {
	program  string
	target   target
	requests int // received so far

	cmd     *exec.Cmd
	log     bytes.Buffer // of standard error; complete once ended is closed
	stdin   io.WriteCloser
	stdout  io.Closer
	reports *json.Decoder // of stdout
	ended   chan struct{}
}

// start starts a program on one CPU. It returns the time until the first response.
func (r *runner) start(ctx context.Context, program, profile string) (*process, time.Duration, error) {
	// The framework listens by itself, so that it needs a free port.
	l, err := net.Listen("tcp", net.JoinHostPort(loopback, "0"))
	if err != nil {
		return nil, 0, err
	}
	address := l.Addr().String()
	l.Close()
	_, port, _ := net.SplitHostPort(address) // a listener's address has one
	settings := []string{envProgram + "=" + program, "GOMAXPROCS=1", "PORT=" + port}
	if r.platform.roots != "" {
		settings = append(settings, "SSL_CERT_FILE="+r.platform.roots, "SSL_CERT_DIR=/nonexistent") // as a deployed function
	}
	accepted := `"code":"accepted"`
	switch program {
	case function:
		settings = append(settings, "FUNCTION_TARGET=Send",
			"GOOGLE_APPLICATION_CREDENTIALS="+r.platform.credentials,
			"RCSHOOK_AGENT_ID="+r.platform.AgentIDSecret,
			"RCSHOOK_CREDENTIALS="+r.platform.KeySecret,
			"RCSHOOK_API_KEYS="+apiKeys,
			"RCSHOOK_SECRETMANAGER_ENDPOINT="+r.platform.SecretManagerEndpoint,
			"RCSHOOK_RBM_ENDPOINT="+r.platform.lean.URL,
			envProfile+"="+profile)
	case empty:
		settings = append(settings, "FUNCTION_TARGET=Empty")
		accepted = ""
	default:
		settings = append(settings, envMessages+"="+r.platform.lean.URL, envAgent+"="+r.platform.AgentID, envToken+"="+r.platform.token)
		accepted = `"name":"phones/`
	}
	begin := time.Now()
	p, err := r.launch(program, settings)
	if err != nil {
		return nil, 0, err
	}
	p.target = target{address: address, payload: r.payload, accepted: []byte(accepted)}
	if err := p.awaitResponse(ctx); err != nil {
		p.stop()
		return nil, 0, err
	}
	p.requests = 1
	return p, time.Since(begin), nil
}

// launch starts this program as another one, with settings in place of those in the
// environment.
func (r *runner) launch(program string, settings []string) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := &process{program: program, cmd: exec.Command(self), ended: make(chan struct{})}
	foreign := []string{"RCSHOOK_", "BENCH_", "FUNCTION_", "K_", "GOOGLE_", "GCE_", "PORT=", "SSL_CERT_", "GOMAXPROCS="}
	p.cmd.Env = append(slices.DeleteFunc(os.Environ(), func(setting string) bool {
		return slices.ContainsFunc(foreign, func(prefix string) bool { return strings.HasPrefix(setting, prefix) })
	}), settings...)
	// A file costs the process as much as a real log does.
	log, err := os.CreateTemp(r.dir, program+"-*.log")
	if err != nil {
		return nil, err
	}
	p.cmd.Stderr = log
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, in, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer in.Close()
	p.cmd.Stdout, p.stdout, p.reports = in, out, json.NewDecoder(out)
	if r.onLaunch != nil {
		r.onLaunch(p.cmd)
	}
	if err := p.cmd.Start(); err != nil {
		out.Close()
		log.Close()
		return nil, err
	}
	go func() {
		_ = p.cmd.Wait() // the log has the reason
		if _, err := log.Seek(0, io.SeekStart); err == nil {
			_, _ = io.Copy(&p.log, log) // without it the error is less helpful
		}
		log.Close()
		os.Remove(log.Name())
		close(p.ended)
	}()
	return p, nil
}

// awaitResponse returns after the first good response of the process.
func (p *process) awaitResponse(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		_, err := load{callers: 1}.run(ctx, p.target)
		switch {
		case err == nil:
			return nil
		case !errors.Is(err, syscall.ECONNREFUSED):
			return fmt.Errorf("%s: %w", p.program, err)
		}
		select {
		case <-p.ended:
			return p.failure(errors.New("it exited"))
		case <-ctx.Done():
			return p.failure(ctx.Err())
		case <-time.After(100 * time.Microsecond): // about a hundredth of the time of a start
		}
	}
}

// resources returns the resources that the process has used.
func (p *process) resources() (used resources, err error) {
	if _, err = io.WriteString(p.stdin, "\n"); err == nil {
		err = p.reports.Decode(&used)
	}
	if err != nil {
		return used, p.failure(err)
	}
	return used, nil
}

// failure stops the process and returns an error with the end of its log.
func (p *process) failure(err error) error {
	p.stop()
	text := p.log.Bytes()
	return fmt.Errorf("the process %s does not respond: %w\n%s", p.program, err, bytes.TrimSpace(text[max(0, len(text)-4<<10):]))
}

// stop stops the process and waits until it has ended.
func (p *process) stop() {
	p.stdin.Close() // lets the process finish its profile
	select {
	case <-p.ended:
	case <-time.After(5 * time.Second):
		_ = p.cmd.Process.Kill() // it may have ended
		<-p.ended
	}
	p.stdout.Close()
}
