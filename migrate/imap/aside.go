package imap

import (
	"errors"
	"net"
	"sync"
	"time"
)

const (
	patience = 100 * time.Millisecond // how long a write may be stuck before the server is listened to
	maxHeard = 4 << 20                // bytes that a server may say while it is written to
)

var errTalks = errors.New("the server said more than 4 MB while a command was being sent to it")

// An aside is what a server said while a command was being written to it. A server that
// cannot get rid of what it has to say may stop reading until it is heard; if nobody
// listened then, both sides would wait for each other.
type aside struct {
	heard []byte // not taken yet
}

// take reads what was heard, and reports whether there was any.
func (a *aside) take(b []byte) (n int, some bool) {
	if len(a.heard) == 0 {
		return 0, false
	}
	n = copy(b, a.heard)
	if a.heard = a.heard[n:]; len(a.heard) == 0 {
		a.heard = nil
	}
	return n, true
}

// listen keeps what the server says from now on if the write that follows is stuck. The
// returned function ends that and returns the error of the write, or a better one.
func (a *aside) listen(conn net.Conn) func(error) error {
	l := &listening{conn: conn, heard: a.heard, done: make(chan struct{})}
	timer := time.AfterFunc(patience, l.run)
	return func(err error) error {
		if timer.Stop() {
			return err
		}
		l.stop()
		a.heard = l.heard
		if err != nil && len(a.heard) > maxHeard {
			return errTalks
		}
		return err
	}
}

// A listening reads beside a write.
type listening struct {
	conn  net.Conn
	heard []byte        // of run until done is closed
	done  chan struct{} // closed when run has returned

	mu   sync.Mutex
	over bool
}

func (l *listening) run() {
	defer close(l.done)
	if !l.begin() {
		return
	}
	part := make([]byte, 16<<10)
	for {
		n, err := l.conn.Read(part)
		l.heard = append(l.heard, part[:n]...)
		if len(l.heard) > maxHeard {
			_ = l.conn.Close()
			return
		}
		if err != nil {
			return // that of a connection which is gone comes again with the next read
		}
	}
}

// begin lifts the deadline of the read before, unless the write is over already.
func (l *listening) begin() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.over && l.conn.SetReadDeadline(time.Time{}) == nil
}

// stop interrupts the reading, which leaves a TLS connection as it was, and waits for its
// end.
func (l *listening) stop() {
	l.mu.Lock()
	l.over = true
	_ = l.conn.SetReadDeadline(time.Unix(1, 0))
	l.mu.Unlock()
	<-l.done
	_ = l.conn.SetReadDeadline(time.Time{})
}
