package imap

import (
	"bufio"
	"net"
	"sync"
)

// A wire lies between TLS and the network. TLS makes records of at most 16 KB (RFC 8446
// 5.1), and a call to the system, with the wake-up of the server that comes of it, for each
// of them: the wire reads as much as there is and writes as much at once as it is told to.
type wire struct {
	net.Conn
	in *bufio.Reader // of what comes; used by one goroutine at a time, as TLS sees to

	mu       sync.Mutex
	out      []byte
	held     bool // what is written waits for release
	flushing bool // release is writing: what comes meanwhile is written next
}

func newWire(raw net.Conn) *wire {
	return &wire{Conn: raw, in: bufio.NewReaderSize(raw, ioBuffer)}
}

// Read returns what has come, and waits only if there is nothing.
func (w *wire) Read(b []byte) (int, error) { return w.in.Read(b) }

// Write leaves what it is given to release, if that is to come or under way. So it never
// waits for a release that is stuck: TLS says good-bye before it closes the connection, and
// that is what ends it.
func (w *wire) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.held && !w.flushing {
		return w.Conn.Write(b)
	}
	w.out = append(w.out, b...)
	return len(b), nil
}

// hold keeps back what is written from now on.
func (w *wire) hold() {
	if w == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.held = true
}

// release writes what was held. What cannot be written is lost, and the connection with it:
// TLS takes it for sent.
func (w *wire) release() error {
	if w == nil {
		return nil
	}
	var written []byte
	for {
		next := w.next(written)
		if len(next) == 0 {
			return nil
		}
		if _, err := w.Conn.Write(next); err != nil {
			return err
		}
		written = next
	}
}

// next returns what is to be written next, and ends the flushing if there is nothing. The
// memory of what was written is used again.
func (w *wire) next(written []byte) []byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	next := w.out
	w.held, w.flushing, w.out = false, len(next) > 0, written[:0]
	if !w.flushing && cap(next) > cap(w.out) {
		w.out = next
	}
	return next
}
