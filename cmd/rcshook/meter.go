package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// meter shows how far something has come: as a bar on a terminal, otherwise as
// a line every now and then.
type meter struct {
	bar *progressbar.ProgressBar // nil without a terminal

	out         io.Writer
	what, noun  string
	total, done atomic.Int64
	began       time.Time
	stop        chan struct{}
	stopped     sync.WaitGroup
}

// lineEvery is how often a line is written where there is no terminal.
const lineEvery = 10 * time.Second

func newMeter(out io.Writer, what, noun string) *meter {
	p := &meter{out: out, what: what, noun: noun, began: time.Now(), stop: make(chan struct{})}
	if f, ok := out.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		p.bar = progressbar.NewOptions64(
			1,
			progressbar.OptionSetWriter(out),
			progressbar.OptionSetDescription(what),
			progressbar.OptionSetItsString(noun),
			progressbar.OptionThrottle(200*time.Millisecond),
			progressbar.OptionSetWidth(30),
			progressbar.OptionShowIts(),
			progressbar.OptionShowCount(),
			progressbar.OptionSetPredictTime(true),
			progressbar.OptionClearOnFinish(),
		)
		return p
	}
	p.stopped.Go(p.lines)
	return p
}

// begin says how much there is to do.
func (p *meter) begin(total int) {
	p.total.Store(int64(total))
	if p.bar != nil {
		p.bar.ChangeMax(total)
	}
}

func (p *meter) add() {
	p.done.Add(1)
	if p.bar != nil {
		p.bar.Add(1) //nolint:errcheck // a picture only
	}
}

// part shows a part of a file that was read.
func (p *meter) part(read, size int64) {
	p.total.Store(size)
	p.done.Store(read)
	if p.bar != nil {
		p.bar.ChangeMax64(size)
		p.bar.Set64(read) //nolint:errcheck // a picture only
	}
}

// say writes a line between the others.
func (p *meter) say(text string) {
	if p.bar != nil {
		p.bar.Clear() //nolint:errcheck // a picture only
	}
	fmt.Fprintln(p.out, text)
}

func (p *meter) end() {
	close(p.stop)
	p.stopped.Wait()
	if p.bar != nil {
		p.bar.Clear() //nolint:errcheck // a picture only
	}
}

func (p *meter) lines() {
	tick := time.NewTicker(lineEvery)
	defer tick.Stop()
	for {
		select {
		case <-p.stop:
			return
		case <-tick.C:
			p.line(time.Since(p.began))
		}
	}
}

func (p *meter) line(took time.Duration) {
	done, total := p.done.Load(), p.total.Load()
	if done == 0 || total == 0 {
		return
	}
	left := time.Duration(float64(took) * float64(total-done) / float64(done))
	fmt.Fprintf(p.out, "%s: %d of %d %s (%d%%), %.0f a second, %v left\n",
		p.what, done, total, p.noun, 100*done/total, float64(done)/took.Seconds(), left.Round(time.Second))
}
