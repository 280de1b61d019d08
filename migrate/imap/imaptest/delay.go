package imaptest

import (
	"net"
	"sync"
	"testing"
	"time"
)

const (
	delayRead   = 64 << 10 // bytes that travel together
	delayFlight = 1024     // such pieces on their way at most: far more than a real line holds
)

// StartDelay starts a proxy to a server that makes the way longer, as a wide-area
// network does: every byte arrives the given time later, in order, and as many of them
// as fit through. It returns the proxy's address, and ends with the test.
func StartDelay(t testing.TB, server string, oneWay time.Duration) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	d := &delay{server: server, oneWay: oneWay, open: map[net.Conn]bool{}}
	d.wait.Go(func() { d.serve(listener) })
	t.Cleanup(func() {
		_ = listener.Close()
		d.close()
		d.wait.Wait()
	})
	return listener.Addr().String()
}

type delay struct {
	server string
	oneWay time.Duration
	wait   sync.WaitGroup

	mu     sync.Mutex
	closed bool
	open   map[net.Conn]bool
}

func (d *delay) serve(listener net.Listener) {
	for {
		client, err := listener.Accept()
		if err != nil {
			return
		}
		if !d.keep(client) {
			return
		}
		d.wait.Go(func() { d.join(client) })
	}
}

// join carries bytes both ways until either side ends.
func (d *delay) join(client net.Conn) {
	defer d.drop(client)
	server, err := net.Dial("tcp", d.server)
	if err != nil || !d.keep(server) {
		return
	}
	defer d.drop(server)
	var both sync.WaitGroup
	both.Go(func() { d.carry(client, server) })
	both.Go(func() { d.carry(server, client) })
	both.Wait()
}

// A piece is some bytes and when they arrive.
type piece struct {
	bytes []byte
	due   time.Time
}

// carry passes on what comes from one side until it ends, and then the end.
func (d *delay) carry(from, to net.Conn) {
	pieces := make(chan piece, delayFlight)
	go func() {
		defer close(pieces)
		for {
			p := piece{bytes: make([]byte, delayRead)}
			n, err := from.Read(p.bytes)
			p.bytes, p.due = p.bytes[:n], time.Now().Add(d.oneWay)
			pieces <- p // the last one may be empty: the end takes its time too
			if err != nil {
				return
			}
		}
	}()
	var err error
	for p := range pieces {
		time.Sleep(time.Until(p.due))
		if err == nil {
			_, err = to.Write(p.bytes)
		}
		if err != nil {
			_ = from.Close() // nobody listens any more
		}
	}
	if half, ok := to.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
}

// keep notes a connection, and closes it where the proxy has ended.
func (d *delay) keep(conn net.Conn) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		_ = conn.Close()
		return false
	}
	d.open[conn] = true
	return true
}

func (d *delay) drop(conn net.Conn) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.open, conn)
	_ = conn.Close()
}

func (d *delay) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	for conn := range d.open {
		_ = conn.Close()
	}
}
