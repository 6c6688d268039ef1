package main

import (
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// A meter shows progress: on one changing line of a terminal, elsewhere as a new line
// every 10 seconds.
type meter struct {
	out         io.Writer
	what, noun  string
	terminal    bool
	total, done atomic.Int64
	start       time.Time
	mu          sync.Mutex // for out
	stop        chan struct{}
	stopped     sync.WaitGroup
}

func newMeter(out io.Writer, what, noun string) *meter {
	m := &meter{out: out, what: what, noun: noun, terminal: isTerminal(out), start: time.Now(), stop: make(chan struct{})}
	m.stopped.Go(func() {
		interval := 10 * time.Second
		if m.terminal {
			interval = 200 * time.Millisecond
		}
		tick := time.NewTicker(interval)
		defer tick.Stop()
		for {
			select {
			case <-m.stop:
				return
			case <-tick.C:
				m.show(time.Since(m.start))
			}
		}
	})
	return m
}

// set sets the amount of work done, and of all work.
func (m *meter) set(done, total int64) {
	m.total.Store(total)
	m.done.Store(done)
}

func (m *meter) add() { m.done.Add(1) }

// show writes the progress after a time.
func (m *meter) show(took time.Duration) {
	done, total := m.done.Load(), m.total.Load()
	if done == 0 || total == 0 {
		return
	}
	left := time.Duration(float64(took) * float64(total-done) / float64(done))
	text := fmt.Sprintf("%s: %d of %d %s (%d%%), %.0f per second, %v left",
		m.what, done, total, m.noun, 100*done/total, float64(done)/took.Seconds(), left.Round(time.Second))
	m.mu.Lock()
	defer m.mu.Unlock()
	control(m.out, clearLine)
	fmt.Fprint(m.out, text)
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

// close stops the meter and clears its line.
func (m *meter) close() {
	close(m.stop)
	m.stopped.Wait()
	control(m.out, clearLine)
}
