package imap

import (
	"bytes"
	"net"
	"runtime"
	"testing"
)

// A counted connection counts calls.
type counted struct {
	net.Conn
	reads, writes int
}

func (c *counted) Read(b []byte) (int, error) {
	c.reads++
	return c.Conn.Read(b)
}

func (c *counted) Write(b []byte) (int, error) {
	c.writes++
	return c.Conn.Write(b)
}

// What is held travels in one piece, in its order, and what comes together is read together.
func TestAWireGathersRecords(t *testing.T) {
	t.Parallel()
	near, far := tcpPair(t)
	sending, reading := &counted{Conn: near}, &counted{Conn: far}
	out, in := newWire(sending), newWire(reading)
	var want []byte
	for round := range 3 {
		out.hold()
		for record := range 4 {
			part := bytes.Repeat([]byte{byte('a' + 4*round + record)}, 10_000)
			want = append(want, part...)
			if n, err := out.Write(part); n != len(part) || err != nil {
				t.Fatalf("write: %d, %v", n, err)
			}
		}
		if sending.writes != round {
			t.Errorf("%d writes before release, want %d", sending.writes, round)
		}
		if err := out.release(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := out.Write([]byte("!")); err != nil || sending.writes != 4 {
		t.Errorf("%d writes, %v; want that of what is not held at once", sending.writes, err)
	}
	got := make([]byte, len(want)+1)
	part := got
	for len(part) > 0 {
		n, err := in.Read(part[:min(len(part), 5)])
		if err != nil {
			t.Fatal(err)
		}
		part = part[n:]
	}
	if !bytes.Equal(got, append(want, '!')) {
		t.Error("what was read is not what was written")
	}
	if reading.reads > 20 {
		t.Errorf("%d reads of 120,000 bytes, 5 at a time", reading.reads)
	}
}

// Whoever closes a connection on which a write is stuck says good-bye first, as TLS does,
// and does not wait for the write to do so.
func TestAStuckWireIsClosedAtOnce(t *testing.T) {
	t.Parallel()
	near, _ := tcpPair(t)
	w := newWire(near)
	w.hold()
	if _, err := w.Write(make([]byte, 64<<20)); err != nil {
		t.Fatal(err)
	}
	stuck := make(chan error, 1)
	go func() { stuck <- w.release() }()
	for !w.flushes() {
		runtime.Gosched()
	}
	if _, err := w.Write([]byte("good-bye")); err != nil {
		t.Error(err)
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	if err := <-stuck; err == nil {
		t.Error("64 MB were written that nobody has read")
	}
}

// flushes reports whether a release is under way.
func (w *wire) flushes() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.flushing
}

func tcpPair(t *testing.T) (near, far net.Conn) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	if near, err = net.Dial("tcp", listener.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if far, err = listener.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = near.Close(), far.Close() })
	return near, far
}
