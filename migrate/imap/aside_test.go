package imap

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"reforest/migrate"
	"reforest/migrate/imap/imaptest"
)

// A talker is a server that reads a line only after it has got rid of what it has to say.
type talker struct {
	net.Conn
	says int // bytes
}

// serve reads APPENDs of one message each and says OK to them.
func (s talker) serve() error {
	defer func() { _ = s.Close() }()
	r := bufio.NewReader(s)
	noise := strings.Repeat("* 1 EXISTS\r\n", s.says/12)
	for n := 1; ; n++ {
		if _, err := io.WriteString(s, noise); err != nil {
			return err
		}
		line, err := r.ReadString('\n')
		if err != nil {
			return err
		}
		tag, rest, _ := strings.Cut(line, " ")
		var size int
		if _, err := fmt.Sscanf(rest, `APPEND "F" {%d+}`, &size); err != nil {
			return err
		}
		if _, err := r.Discard(size + 2); err != nil {
			return err
		}
		if _, err := fmt.Fprintf(s, "%s OK [APPENDUID 9 %d] done\r\n", tag, n); err != nil {
			return err
		}
	}
}

// talk connects to a talker.
func talk(t *testing.T, says int, wrap func(net.Conn) (net.Conn, net.Conn)) *Conn {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	raw, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	accepted, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	for _, end := range []net.Conn{raw, accepted} {
		_ = end.(*net.TCPConn).SetReadBuffer(64 << 10)
		_ = end.(*net.TCPConn).SetWriteBuffer(64 << 10)
	}
	client, _ := wrap(raw)
	_, server := wrap(accepted)
	var running sync.WaitGroup
	running.Go(func() { _ = talker{server, says}.serve() })
	t.Cleanup(func() {
		_ = client.Close()
		running.Wait()
	})
	c := newConn(client, 5*time.Second)
	c.setCaps([]string{"UIDPLUS", "LITERAL+"})
	return c
}

func megabytes(n, each int) (items []*migrate.Item) {
	for i := range n {
		text := strings.Repeat("sixteen bytes.\r\n", each<<16)
		items = append(items, &migrate.Item{ID: migrate.ItemID(fmt.Sprint(i)), Size: int64(len(text)), Body: strings.NewReader(text)})
	}
	return items
}

// Neither side would go on if nobody listened while a command is written: what the server
// says, and the message, are each more than the connection holds.
func TestAServerThatTalksWhileItIsWrittenTo(t *testing.T) {
	t.Parallel()
	cert := imaptest.NewCert(t)
	secure := func(raw net.Conn) (net.Conn, net.Conn) {
		return tls.Client(raw, &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: true}),
			tls.Server(raw, &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{cert.TLS}})
	}
	plain := func(raw net.Conn) (net.Conn, net.Conn) { return raw, raw }
	for name, wrap := range map[string]func(net.Conn) (net.Conn, net.Conn){"TLS": secure, "in the clear": plain} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			target := &Target{session: &session{conn: talk(t, 2<<20, wrap)}, stands: map[migrate.Ref]place{"F": {9, 1}}}
			items := megabytes(5, 8)
			w, err := target.Begin(t.Context(), "F", items)
			if err != nil {
				t.Fatal(err)
			}
			done, err := w.Wait(t.Context())
			if err != nil || len(done) != len(items) || done[4].Ref != "9.5" {
				t.Errorf("got %+v, %v; want all written", done, err)
			}
		})
	}
}

func TestAServerThatTalksTooMuch(t *testing.T) {
	t.Parallel()
	c := talk(t, 64<<20, func(raw net.Conn) (net.Conn, net.Conn) { return raw, raw })
	c.net.timeout = time.Minute
	done, err := (&Target{session: &session{conn: c}}).Write(t.Context(), "F", megabytes(2, 32))
	if e := migrate.AsError(err); e == nil || e.Reach != migrate.OneServer || !errors.Is(err, errTalks) || len(done) > 0 {
		t.Errorf("got %v, %v; want an error of the server", done, err)
	}
}
