package rbm

import (
	"cmp"
	"context"
	"net"
	"runtime"
	"sync"
	"time"
)

const (
	// maxGathered is about how many bytes wait before who writes more waits too.
	maxGathered = 64 << 10

	// lastRead is how long a connection that takes no more writes is read from.
	lastRead = 2 * time.Second

	// lastWrite is how long a connection that is closed is written to.
	lastWrite = 100 * time.Millisecond
)

// A gatheringConn is what a TLS connection writes to. It writes together what comes in
// the same moment: HTTP/2 writes the headers of a request and its body one after the
// other, and the requests of a burst share a connection, so that each of these writes
// would be a system call and a packet. Nothing waits for a clock. On a busy processor a
// write waits until those had their turn who were ready before it: that is how the
// writes of a burst come together.
//
// As with the buffers of the system, a write that succeeds is one that may arrive. If it
// fails, those who write later are told, and those who read, once what had arrived is
// read. A write deadline only counts while it is set.
//
// Without TLS it changes nothing: net/http repeats a request of HTTP/1 if the connection
// that it chose took none of it, and must hear of that.
type gatheringConn struct {
	net.Conn

	mu      sync.Mutex
	begun   bool      // the first write has told whether it is plain
	plain   bool      // it is not TLS
	waiting []byte    // to be written
	writing bool      // there is a goroutine that writes
	busy    bool      // it is at it
	err     error     // why nothing is written any more
	room    sync.Cond // there is room, or an error, or nobody is at it
}

type dialer = func(ctx context.Context, network, address string) (net.Conn, error)

// gathering makes the connections of dial gather what is written.
func gathering(dial dialer) dialer {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := dial(ctx, network, address)
		if err != nil || c == nil {
			return c, err
		}
		return gather(c), nil
	}
}

func gather(c net.Conn) *gatheringConn {
	g := &gatheringConn{Conn: c}
	g.room.L = &g.mu
	return g
}

// Write implements [net.Conn].
func (g *gatheringConn) Write(p []byte) (int, error) {
	switch gathered, err := g.add(p); {
	case err != nil:
		return 0, err
	case gathered:
		return len(p), nil
	default:
		return g.Conn.Write(p)
	}
}

// add lets p wait to be written, unless the connection is a plain one.
func (g *gatheringConn) add(p []byte) (gathered bool, err error) {
	const handshake = 22 // the type of the record that TLS begins with: https://www.rfc-editor.org/rfc/rfc8446#section-5.1
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.begun && len(p) > 0 {
		g.begun, g.plain = true, p[0] != handshake
	}
	for !g.plain && g.err == nil && len(g.waiting) >= maxGathered {
		g.room.Wait()
	}
	if g.plain || g.err != nil {
		return false, g.err
	}
	g.waiting = append(g.waiting, p...)
	if !g.writing {
		g.writing = true
		go g.write()
	}
	return true, nil
}

// write writes until nothing is waiting.
func (g *gatheringConn) write() {
	var p []byte
	for {
		runtime.Gosched() // to those who are about to write
		if p = g.take(p); p == nil {
			return
		}
		if _, err := g.Conn.Write(p); err != nil {
			_ = g.Conn.SetReadDeadline(time.Now().Add(lastRead)) // without it the reader finds out later
			g.fail(err)
			return
		}
	}
}

// take returns what is to be written now, nil if there is nothing, and uses the room of
// what is written for what comes next.
func (g *gatheringConn) take(room []byte) []byte {
	g.mu.Lock()
	defer g.mu.Unlock()
	p := g.waiting
	g.busy = g.err == nil && len(p) > 0
	g.room.Broadcast()
	if !g.busy {
		g.writing = false
		return nil
	}
	g.waiting = room[:0]
	return p
}

// fail lets nothing more be written.
func (g *gatheringConn) fail(why error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.busy, g.waiting, g.err = false, nil, cmp.Or(g.err, why)
	g.room.Broadcast()
}

// Read implements [net.Conn].
func (g *gatheringConn) Read(p []byte) (int, error) {
	n, err := g.Conn.Read(p)
	if err != nil {
		g.mu.Lock()
		defer g.mu.Unlock()
		err = cmp.Or(g.err, err) // the reason, and not that it is over
	}
	return n, err
}

// Close implements [net.Conn].
func (g *gatheringConn) Close() error {
	_ = g.Conn.SetWriteDeadline(time.Now().Add(lastWrite)) // without it the close may be slow
	if last := g.end(); len(last) > 0 {
		_, _ = g.Conn.Write(last) // nobody waits for it
	}
	return g.Conn.Close()
}

// end lets nothing more be written, and returns what still is to be, such as an alert of
// TLS, which tells the other side why.
func (g *gatheringConn) end() (last []byte) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.err != nil {
		return nil
	}
	g.err = net.ErrClosed
	g.room.Broadcast()
	for g.busy {
		g.room.Wait()
	}
	return g.waiting
}
