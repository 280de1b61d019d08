package imap

import (
	"bufio"
	"compress/flate"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

func TestTheServerIsToldWhoIsThere(t *testing.T) {
	t.Parallel()
	c := script(t,
		answer{`ID ("name" "reforest" "version" "1.2")`, "* ID (\"name\" \"Cyrus\x1b\" \"support-url\" NIL \"version\" \"3.6\")\r\nTAG OK done\r\n"},
		answer{"NOOP", "TAG OK done\r\n"})
	c.setCaps([]string{"ID"})
	config := Config{Version: "1.2", Compress: true}
	if err := c.settle(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	if s, err := c.unanswered[0].wait(t.Context()); err != nil || !s.ok() {
		t.Fatalf("ID: %v, %v", s, err)
	}
	if s, err := c.do(t.Context(), "imap.Noop", nil, raw("NOOP")); err != nil || !s.ok() {
		t.Errorf("NOOP: %v, %v", s, err)
	}
	if got, want := c.Identity(), "Cyrus? 3.6"; got != want {
		t.Errorf("the server is %q, want %q", got, want)
	}
}

// deflated serves one command after another with its number, and everything that it says
// after COMPRESS is compressed, with the first words of it in one piece with what follows.
func deflated(server net.Conn, commands int) error {
	in := bufio.NewReader(server)
	if _, err := in.ReadString('\n'); err != nil {
		return err
	}
	if _, err := io.WriteString(server, "r1 OK from here on\r\n"); err != nil {
		return err
	}
	inflate := bufio.NewReader(flate.NewReader(in))
	out, err := flate.NewWriter(server, flate.BestSpeed)
	if err != nil {
		return err
	}
	for range commands {
		line, err := inflate.ReadString('\n')
		if err != nil {
			return err
		}
		tag, command, _ := strings.Cut(strings.TrimSpace(line), " ")
		if _, err := fmt.Fprintf(out, "* 1 GOT {%d}\r\n%s\r\n%s OK done\r\n", len(command), command, tag); err != nil {
			return err
		}
		if err := out.Flush(); err != nil {
			return err
		}
	}
	return nil
}

func TestCommandsOnTheirWayTogetherTravelCompressed(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() {
		server, err := listener.Accept()
		if err == nil {
			err = deflated(server, 20)
			_ = server.Close()
		}
		served <- err
	}()
	client, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	c := newConn(client, 5*time.Second)
	c.setCaps([]string{"COMPRESS=DEFLATE"})
	if err := c.settle(t.Context(), Config{Compress: true}); err != nil {
		t.Fatal(err)
	}
	var got []string
	handle := func(r reply) error {
		v, err := r.lex.value()
		got = append(got, v.text)
		return err
	}
	var all []*sent
	for i := range 20 {
		s, err := c.send(t.Context(), "imap.Test", handle, raw(fmt.Sprintf("COMMAND %d", i)))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
	}
	for _, s := range all {
		if st, err := s.wait(t.Context()); err != nil || !st.ok() {
			t.Fatalf("%v, %v", st, err)
		}
	}
	if len(got) != 20 || got[0] != "COMMAND 0" || got[19] != "COMMAND 19" {
		t.Errorf("the server has read %q", got)
	}
	c.abandon()
	if err := <-served; err != nil {
		t.Error(err)
	}
	_ = listener.Close()
}

func TestCompressionIsDeclined(t *testing.T) {
	t.Parallel()
	c := script(t, answer{"COMPRESS DEFLATE", "TAG NO [COMPRESSIONACTIVE] TLS does it\r\n"}, answer{"NOOP", "TAG OK done\r\n"})
	c.setCaps([]string{"COMPRESS=DEFLATE"})
	if err := c.settle(t.Context(), Config{Compress: true}); err != nil {
		t.Fatal(err)
	}
	if s, err := c.do(t.Context(), "imap.Noop", nil, raw("NOOP")); err != nil || !s.ok() {
		t.Errorf("NOOP: %v, %v", s, err)
	}
}
