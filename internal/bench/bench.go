// Package bench measures the function as it is deployed, in a process of its own,
// and beside it what cannot be spared: a bare program that does the same job, and an
// empty function with the same packages.
//
// [Run] starts the processes and is the load; [Serve] is what each of them does. The
// function gets its secrets, its tokens and everything else over HTTP on loopback,
// from the simulator of package rbmtest. Only the messages go to a platform that is
// leaner (see platform.go), over HTTP/2 and TLS as to Google: the simulator checks and
// keeps each of them, and that would be what is measured.
package bench

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"time"
)

// Options say what is measured.
type Options struct {
	Compare     bool          // measure the bare program and the empty function too
	Concurrency []int         // how many callers there are at once
	Rounds      int           // how often each is measured
	Duration    time.Duration // of one measurement
	Requests    int           // after how many requests memory is looked at
	Starts      int           // how many cold starts
	Payload     []byte        // what is sent, a JSON object
	Profile     string        // file for a CPU profile of the function, if any

	// Plain has the messages go over plain HTTP, as to a simulator, and not over
	// HTTP/2 and TLS, as to Google. On macOS and Windows they always do.
	Plain bool

	// Command makes the command that runs this program as [Serve] with a role.
	Command func(role string) *exec.Cmd

	// Progress is told what happens now.
	Progress func(now string)
}

// warmRequests is how many requests a process gets before it is measured.
const warmRequests = 1000

// A runner is one run.
type runner struct {
	Options
	dir      string
	platform *platformProcess
	report   *Report
}

// Run measures. Any answer that is not what it should be makes it fail, as does the end
// of ctx; no process outlives it.
func Run(ctx context.Context, o Options) (*Report, error) {
	// There, the environment does not tell a process whom to trust.
	o.Plain = o.Plain || runtime.GOOS == "darwin" || runtime.GOOS == "windows"
	dir, err := os.MkdirTemp("", "rcshook-bench-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	r := &runner{Options: o, dir: dir, report: newReport(o)}
	r.Progress("starting the platform")
	if r.platform, err = r.startPlatform(); err != nil {
		return nil, err
	}
	defer r.platform.stop()
	err = r.measureStarts(ctx)
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

// measureStarts starts processes and ends them after their first answer.
func (r *runner) measureStarts(ctx context.Context) error {
	roles := []role{function}
	if r.Compare {
		roles = append(roles, empty)
	}
	for i := range r.Starts {
		for j := range roles {
			of := roles[(i+j)%len(roles)] // who was before is different each time
			r.Progress(fmt.Sprintf("start %d of %d: %s", i+1, r.Starts, of))
			p, took, err := r.start(ctx, of, "")
			if err != nil {
				return err
			}
			p.stop()
			r.report.Starts = append(r.report.Starts, Start{Of: of, Milliseconds: milliseconds(took)})
		}
	}
	return nil
}

// measureLoad keeps the processes for all rounds, and measures one at a time.
func (r *runner) measureLoad(ctx context.Context) error {
	var processes []*process
	defer func() {
		for _, p := range processes {
			p.stop()
		}
	}()
	roles := []role{function}
	if r.Compare {
		roles = append(roles, bare)
	}
	for _, of := range roles {
		r.Progress("warming up: " + string(of))
		p, _, err := r.start(ctx, of, r.Profile)
		if err != nil {
			return err
		}
		processes = append(processes, p)
		if err := r.fill(ctx, p, min(warmRequests, r.Requests)); err != nil {
			return err
		}
	}
	for round := range r.Rounds {
		for _, callers := range r.Concurrency {
			for i := range processes {
				p := processes[(round+i)%len(processes)]
				r.Progress(fmt.Sprintf("round %d of %d, %d at once: %s", round+1, r.Rounds, callers, p.role))
				if err := r.measure(ctx, p, round, callers); err != nil {
					return err
				}
			}
		}
	}
	for _, p := range processes {
		r.Progress(fmt.Sprintf("memory after %d requests: %s", r.Requests, p.role))
		if err := r.fill(ctx, p, r.Requests); err != nil {
			return err
		}
	}
	return nil
}

// measure is one measurement.
func (r *runner) measure(ctx context.Context, p *process, round, callers int) error {
	s, err := r.drive(ctx, p, load{callers: callers, duration: r.Duration})
	if err != nil {
		return err
	}
	s.Round = round + 1
	r.report.Samples = append(r.report.Samples, s)
	return nil
}

// fillCallers is how many callers there are while nothing but memory is measured.
const fillCallers = 32

// fill makes requests until the process had that many, and notes its memory.
func (r *runner) fill(ctx context.Context, p *process, requests int) error {
	if missing := requests - p.requests; missing > 0 {
		if _, err := r.drive(ctx, p, load{callers: min(fillCallers, missing), requests: missing}); err != nil {
			return err
		}
	}
	u, err := p.usage()
	if err != nil {
		return err
	}
	r.report.Memory = append(r.report.Memory, Memory{Of: p.role, After: requests, Requests: p.requests, Bytes: u.Memory})
	return nil
}

// drive runs a load against a process, and holds what it was told against what the
// platform got.
func (r *runner) drive(ctx context.Context, p *process, l load) (Sample, error) {
	atFirst, err := r.platform.usage()
	if err != nil {
		return Sample{}, err
	}
	var before usage
	l.began = func() (err error) { before, err = p.usage(); return err }
	res, err := l.run(ctx, p.target)
	if err != nil {
		return Sample{}, fmt.Errorf("%s, %d at once: %w", p.role, l.callers, err)
	}
	after, err := p.usage()
	if err != nil {
		return Sample{}, err
	}
	atLast, err := r.platform.usage()
	if err != nil {
		return Sample{}, err
	}
	if got := atLast.Messages - atFirst.Messages; got != res.answers {
		return Sample{}, fmt.Errorf("%s, %d at once: %d requests were accepted, and the platform got %d messages", p.role, l.callers, res.answers, got)
	}
	p.requests += res.answers
	return newSample(p.role, l.callers, res, after.CPU-before.CPU, after.Memory), nil
}
