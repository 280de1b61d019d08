package imaptest_test

import (
	"bytes"
	"crypto/sha256"
	"io"
	"math/rand/v2"
	"net"
	"testing"
	"time"

	"reforest/migrate/imap/imaptest"
)

// dialEcho connects through the proxy to a server that says what it hears.
func dialEcho(t *testing.T, oneWay time.Duration) *net.TCPConn {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_, _ = io.Copy(conn, conn)
			_ = conn.Close()
		}
	}()
	conn, err := net.Dial("tcp", imaptest.StartDelay(t, listener.Addr().String(), oneWay))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn.(*net.TCPConn)
}

func TestDelay(t *testing.T) {
	t.Parallel()
	const oneWay = 20 * time.Millisecond
	conn := dialEcho(t, oneWay)
	for range 3 {
		began, got := time.Now(), make([]byte, 2)
		if _, err := conn.Write([]byte("hi")); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(conn, got); err != nil || string(got) != "hi" {
			t.Fatalf("got %q, %v", got, err)
		}
		if took := time.Since(began); took < 2*oneWay {
			t.Errorf("a round trip took %s, want at least %s", took, 2*oneWay)
		}
	}
}

// What is many times the delay's worth of round trips goes through in order, in far
// less than one round trip for each piece.
func TestDelayKeepsOrderAndBandwidth(t *testing.T) {
	t.Parallel()
	const oneWay, size = 100 * time.Millisecond, 16 << 20
	conn := dialEcho(t, oneWay)
	sent := make([]byte, size)
	if _, err := rand.NewChaCha8([32]byte{1}).Read(sent); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	go func() {
		_, _ = io.Copy(conn, bytes.NewReader(sent))
		_ = conn.CloseWrite()
	}()
	got, err := io.ReadAll(conn)
	if err != nil || sha256.Sum256(got) != sha256.Sum256(sent) {
		t.Errorf("got %d bytes, %v; want the %d that were sent, in order", len(got), err, size)
	}
	if took := time.Since(began); took > size/delayedPiece*oneWay/2 {
		t.Errorf("took %s: the proxy holds bandwidth back", took)
	}
}

const delayedPiece = 64 << 10 // what one read of the proxy takes at most
