package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"

	"github.com/rcshook/rcshook/internal/googletest"
)

// A subject is a program in the file of a command.
type subject struct {
	column        int // of its values in the report
	program, file string
	args          []string
	settings      []string // of the function, besides those of all
	accepted      string   // part of a good response to a message; empty for that of a sent one
}

// A process runs a program.
type process struct {
	subject
	target   target
	requests int // that it has received

	cmd   *exec.Cmd
	log   *os.File           // its standard error
	end   context.CancelFunc // stops the process
	ended chan struct{}
}

// launch starts a program with settings as its whole environment. The process ends with
// ctx.
func (r *runner) launch(ctx context.Context, s subject, out io.Writer, settings ...string) (*process, error) {
	// A file costs the process as much as a real log does.
	log, err := os.CreateTemp(r.dir, "*.log")
	if err != nil {
		return nil, err
	}
	ctx, end := context.WithCancel(ctx)
	p := &process{subject: s, cmd: exec.CommandContext(ctx, s.file, s.args...), log: log, end: end, ended: make(chan struct{})}
	p.cmd.Env = append(settings, envProgram+"="+s.program)
	p.cmd.Stdout, p.cmd.Stderr = out, log
	stdin, err := p.cmd.StdinPipe()
	if err == nil {
		p.cmd.Cancel = stdin.Close // lets the process finish its profile
		p.cmd.WaitDelay = 5 * time.Second
		err = p.cmd.Start()
	}
	if err != nil {
		end()
		log.Close()
		return nil, err
	}
	go func() {
		_ = p.cmd.Wait() // the log has the reason
		close(p.ended)
	}()
	if r.onLaunch != nil {
		r.onLaunch(p)
	}
	return p, nil
}

// stop stops the process and waits until it has ended.
func (p *process) stop() {
	p.end()
	<-p.ended
	p.log.Close()
}

// failure stops the process and returns an error with the end of its log.
func (p *process) failure(err error) error {
	p.end()
	<-p.ended
	text, _ := os.ReadFile(p.log.Name()) // without it the error is less helpful
	return fmt.Errorf("the %s does not respond: %w\n%s", p.program, err, bytes.TrimSpace(text[max(0, len(text)-4<<10):]))
}

// start starts a program that is measured, on one CPU. It returns the time until the first
// good response.
func (r *runner) start(ctx context.Context, s subject, profile string) (*process, time.Duration, error) {
	port := googletest.FreePort() // the framework listens by itself
	settings := append([]string{"GOMAXPROCS=1", "PORT=" + port}, r.stage.Trust...)
	t := target{address: net.JoinHostPort(loopback, port), request: message(r.payload), arrivals: 1}
	switch s.program {
	case empty:
		settings = append(settings, "FUNCTION_TARGET=Empty")
	case bare:
		settings = append(settings, r.stage.Bare...)
		t.accepted = `"name":"phones/`
	case node:
		settings = append(append(settings, r.stage.Node...), "FUNCTION_TARGET=send", "NODE_ENV=production")
		t.accepted = `"code":"accepted"`
	default:
		settings = append(append(settings, r.stage.Function...), "FUNCTION_TARGET=Send", envProfile+"="+profile)
		if s.settings != nil {
			settings = append(append(settings, s.settings...), "RCSHOOK_URL=http://"+t.address)
		}
		t.accepted = cmp.Or(s.accepted, `"code":"accepted"`)
	}
	begin := time.Now()
	p, err := r.launch(ctx, s, nil, settings...)
	if err != nil {
		return nil, 0, err
	}
	p.target, p.requests = t, 1
	if err := p.awaitResponse(ctx); err != nil {
		p.stop()
		return nil, 0, err
	}
	return p, time.Since(begin), nil
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

// resources returns the CPU time that the process has used, and its resident memory in MB.
// They are known on Linux only, and 0 elsewhere.
//
// Linux: https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html
func (p *process) resources() (cpu time.Duration, memory float64) {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid)) // missing on other systems
	const state, utime, stime, rss = 3, 14, 15, 24                          // the name before state may contain spaces
	fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
	number := func(field int) int64 {
		if len(fields) <= field-state {
			return 0
		}
		n, _ := strconv.ParseInt(string(fields[field-state]), 10, 64) // 0 if it is not a number
		return n
	}
	const tick = 10 * time.Millisecond
	return time.Duration(number(utime)+number(stime)) * tick, float64(number(rss)) * float64(os.Getpagesize()) / 1e6
}
