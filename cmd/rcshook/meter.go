package main

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// A meter shows progress: on one changing line of a terminal, elsewhere as a new line
// every 10 seconds.
type meter struct {
	out        io.Writer
	what, noun string
	terminal   bool
	start      time.Time

	mu          sync.Mutex // for the following, and out
	done, total int64
	shown       time.Time
}

func newMeter(out io.Writer, what, noun string) *meter {
	return &meter{out: out, what: what, noun: noun, terminal: isTerminal(out), start: time.Now(), shown: time.Now()}
}

// set sets the amount of work done, and of all work.
func (m *meter) set(done, total int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.done, m.total = done, total
	interval := 10 * time.Second
	if m.terminal {
		interval = 200 * time.Millisecond
	}
	took := time.Since(m.start)
	if done == 0 || time.Since(m.shown) < interval {
		return
	}
	m.shown = time.Now()
	left := time.Duration(float64(took) * float64(total-done) / float64(done))
	control(m.out, clearLine)
	fmt.Fprintf(m.out, "%s: %d of %d %s (%d%%), %.0f per second, %v left",
		m.what, done, total, m.noun, 100*done/total, float64(done)/took.Seconds(), left.Round(time.Second))
	if !m.terminal {
		fmt.Fprintln(m.out)
	}
}

// clearLine clears the line of a terminal.
const clearLine = "\r\x1b[K"

// print writes a line of text.
func (m *meter) print(text string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	control(m.out, clearLine)
	fmt.Fprintln(m.out, text)
}

// close clears the line.
func (m *meter) close() { control(m.out, clearLine) }
