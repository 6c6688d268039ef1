package main

import (
	"context"
	"embed"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"time"
)

// options are the flags.
type options struct {
	compare     bool          // also measure the bare program and the empty function
	against     string        // file of another build of this command, whose function is measured beside
	peers       bool          // also measure the function for Node
	jobs        bool          // measure other requests beside a message
	concurrency []int         // numbers of concurrent callers
	rounds      int           // measurements of each kind
	duration    time.Duration // of one measurement
	requests    int           // after which memory is measured
	starts      int           // cold starts
	profile     string        // file for a CPU profile of the function, if any
	plain       bool          // send messages over plain HTTP

	function string // the program to measure
	payload  string // a JSON object
	progress func(now string)
	onLaunch func(*process) // may be nil
}

const (
	// warmRequests is the number of requests to a process before it is measured.
	warmRequests = 1000
	// compileRequests is the number of further requests, after which Node has compiled a
	// function.
	compileRequests = 5000
	// fillCallers is the number of callers while only memory is measured.
	fillCallers = 32
)

type runner struct {
	options
	dir    string
	self   string // file of this command
	node   string // file of Node
	stage  stage
	report *report
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
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	r := &runner{options: o, dir: dir, self: self, report: &report{options: o, values: map[string][2][]float64{}}}
	p, err := r.startPlatform(ctx)
	if err != nil {
		return nil, err
	}
	defer p.stop()
	if r.peers {
		err = r.installPeer(ctx)
	}
	if err == nil {
		err = r.measure(ctx)
	}
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return r.report, err
}

func (r *runner) measure(ctx context.Context) error {
	if r.jobs {
		return r.measureJobs(ctx)
	}
	if err := r.measureStarts(ctx); err != nil {
		return err
	}
	return r.measureLoad(ctx)
}

//go:embed node
var peerFiles embed.FS

// installPeer copies the function for Node to the folder of the run, and installs its
// libraries there.
func (r *runner) installPeer(ctx context.Context) (err error) {
	if r.node, err = exec.LookPath("node"); err != nil {
		return fmt.Errorf("-peers: %w; install Node and npm", err)
	}
	if err := os.CopyFS(r.dir, peerFiles); err != nil {
		return err
	}
	r.progress("npm install")
	npm := exec.CommandContext(ctx, "npm", "install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts")
	npm.Dir = filepath.Join(r.dir, "node")
	if out, err := npm.CombinedOutput(); err != nil {
		return fmt.Errorf("-peers: npm install: %w; check the connection to the registry of npm\n%s", err, out)
	}
	return nil
}

// startPlatform starts the process of the platform.
func (r *runner) startPlatform(ctx context.Context) (*process, error) {
	in, out, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer in.Close()
	version := "2"
	switch {
	case r.plain:
		version = "1"
	case r.peers:
		version = "0"
	}
	p, err := r.launch(ctx, subject{program: platform, file: r.self}, out, envDir+"="+r.dir, envVersion+"="+version)
	out.Close()
	if err != nil {
		return nil, err
	}
	if err := json.NewDecoder(in).Decode(&r.stage); err != nil {
		return nil, p.failure(err)
	}
	return p, nil
}

// subjects returns the function and the program that it is compared with, if any.
func (r *runner) subjects(with string) []subject {
	all := []subject{{program: r.function, file: r.self}}
	switch {
	case r.against != "":
		all = append(all, subject{column: 1, program: function, file: r.against})
	case r.compare:
		all = append(all, subject{column: 1, program: with, file: r.self})
	case r.peers:
		framework := filepath.Join(r.dir, "node/node_modules/@google-cloud/functions-framework/build/src/main.js")
		all = append(all, subject{column: 1, program: node, file: r.node, args: []string{framework, "--source=" + filepath.Join(r.dir, "node")}})
	}
	return all
}

// measureStarts starts processes and stops them after their first response.
func (r *runner) measureStarts(ctx context.Context) error {
	subjects := r.subjects(empty)
	for i := range r.starts {
		for j := range subjects {
			s := subjects[(i+j)%len(subjects)] // the order alternates
			r.progress(fmt.Sprintf("start %d of %d: %s", i+1, r.starts, s.program))
			p, took, err := r.start(ctx, s, "")
			if err != nil {
				return err
			}
			p.stop()
			r.report.add(startRow, s.column, took.Seconds()*1000)
		}
	}
	return nil
}

// measureLoad starts the processes for all rounds and measures one at a time.
func (r *runner) measureLoad(ctx context.Context) error {
	var processes []*process
	for _, s := range r.subjects(bare) {
		r.progress("warming up: " + s.program)
		profile := ""
		if s.column == 0 {
			profile = r.profile
		}
		p, _, err := r.start(ctx, s, profile)
		if err != nil {
			return err
		}
		defer p.stop()
		processes = append(processes, p)
		if err := r.measureMemory(ctx, p, min(warmRequests, r.requests)); err != nil {
			return err
		}
		if r.peers {
			if _, err := r.drive(ctx, p, p.target, load{callers: fillCallers, requests: min(compileRequests, r.requests)}); err != nil {
				return err
			}
		}
	}
	for round := range r.rounds {
		for _, callers := range r.concurrency {
			for i := range processes {
				p := processes[(round+i)%len(processes)]
				r.progress(fmt.Sprintf("round %d of %d, %d at once: %s", round+1, r.rounds, callers, p.program))
				if err := r.measureRound(ctx, p, callers); err != nil {
					return err
				}
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

// measureRound measures the rate and the resources of a process under load.
func (r *runner) measureRound(ctx context.Context, p *process, callers int) error {
	got, err := r.sample(ctx, p, p.target, callers)
	if err != nil {
		return err
	}
	at := fmt.Sprintf("%d at once: ", callers)
	r.report.add(at+"requests per second", p.column, got.rate)
	r.report.add(at+"CPU for 1,000 requests, ms", p.column, got.cpu)
	r.report.add(at+"CPU in use, %", p.column, got.cpu*got.rate/1e4)
	r.report.add(at+"memory, MB", p.column, got.memory)
	return nil
}

// A sample is one measurement of a process under load.
type sample struct {
	rate   float64 // requests per second
	cpu    float64 // for 1,000 requests, in ms
	memory float64 // in MB
}

func (r *runner) sample(ctx context.Context, p *process, t target, callers int) (sample, error) {
	var before time.Duration
	res, err := r.drive(ctx, p, t, load{callers: callers, duration: r.duration, onStart: func() { before, _ = p.resources() }})
	if err != nil {
		return sample{}, err
	}
	after, memory := p.resources()
	return sample{float64(res.requests) / res.elapsed.Seconds(), (after - before).Seconds() * 1e6 / float64(max(1, res.requests)), memory}, nil
}

// measureMemory sends requests until the process has had the given number, and records its
// memory.
func (r *runner) measureMemory(ctx context.Context, p *process, requests int) error {
	if missing := requests - p.requests; missing > 0 {
		if _, err := r.drive(ctx, p, p.target, load{callers: min(fillCallers, missing), requests: missing}); err != nil {
			return err
		}
	}
	_, memory := p.resources()
	r.report.add(fmt.Sprintf("memory after %d requests, MB", requests), p.column, memory)
	return nil
}

// drive runs a load against a process. It checks that the platform got as many requests as
// the accepted ones cause.
func (r *runner) drive(ctx context.Context, p *process, t target, l load) (result, error) {
	before, err := r.arrivals(ctx)
	if err != nil {
		return result{}, err
	}
	res, err := l.run(ctx, t)
	if err != nil {
		return res, fmt.Errorf("%s, %d at once: %w", p.program, l.callers, err)
	}
	after, err := r.arrivals(ctx)
	if sent := l.callers + res.requests; err == nil && after-before != sent*t.arrivals {
		err = fmt.Errorf("%s, %d at once: %d requests were accepted, but the platform got %d in place of %d", p.program, l.callers, sent, after-before, sent*t.arrivals)
	}
	p.requests += l.callers + res.requests
	return res, err
}

// arrivals returns the number of requests that the platform has taken.
func (r *runner) arrivals(ctx context.Context) (n int, err error) {
	return n, r.ask(ctx, "", &n)
}

// ask decodes a response of the platform about what it has taken.
func (r *runner) ask(ctx context.Context, path string, out any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.stage.Taken+path, nil)
	if err != nil {
		return err
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	return json.NewDecoder(res.Body).Decode(out)
}
