package imapd

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/emersion/go-imap/v2"
)

// quotaUnit is what STORAGE counts in, in octets (RFC 9208 5.1).
const quotaUnit = 1024

// SetQuota bounds what the user's mailbox may hold, in bytes; 0 is any number.
func (s *Server) SetQuota(user string, bytes int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if bytes == 0 {
		delete(s.quotas, user)
		return
	}
	s.quotas[user] = bytes
}

// used returns how many bytes the mailbox holds.
func (b *box) used() (n int64) {
	for _, f := range b.folders {
		for _, m := range f.messages {
			n += int64(len(m.body))
		}
	}
	return n
}

// overQuota refuses what would not fit into the user's mailbox. The caller holds the
// mutex.
func (s *session) overQuota(more int64) error {
	limit, limited := s.server.quotas[s.user]
	if limited && s.box.used()+more > limit {
		return refusal("OVERQUOTA", "Quota exceeded (mailbox for user is full)")
	}
	return nil
}

// offersQuota reports whether connections understand QUOTA: those that begin with TLS.
func (s *Server) offersQuota() bool {
	return !s.config.StartTLS && !slices.Contains(s.config.Without, imap.CapQuota)
}

// A quotaListener adds QUOTA (RFC 9208) and ACL (RFC 4314) to what the IMAP library
// understands, which has no place for further commands.
type quotaListener struct {
	net.Listener
	server *Server
}

// Accept waits for the next connection.
func (l quotaListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &quotaConn{Conn: conn, server: l.server, in: bufio.NewReader(conn)}, nil
}

// A quotaConn answers GETQUOTAROOT and the commands of ACL itself and passes on everything else. The library
// reads a command only when it has answered the one before, so that the answers do not
// mix.
type quotaConn struct {
	net.Conn
	server  *Server
	user    atomic.Pointer[string] // nil before the login
	in      *bufio.Reader
	line    []byte // what is left of a line
	literal int64  // what is left of a literal
	within  bool   // the next line goes on with a command
}

var (
	getQuotaRoot = regexp.MustCompile(`(?i)^(\S+) GETQUOTAROOT `)
	literalEnd   = regexp.MustCompile(`\{(\d+)\+?\}\r?\n$`)
	saysCaps     = regexp.MustCompile(`^(\* CAPABILITY|\S+ OK \[CAPABILITY) IMAP4rev1`)
)

// Read reads what is not for the quotaConn itself.
func (c *quotaConn) Read(p []byte) (int, error) {
	for len(c.line) == 0 {
		if c.literal > 0 {
			n, err := c.in.Read(p[:min(int64(len(p)), c.literal)])
			c.literal -= int64(n)
			return n, err
		}
		if err := c.nextLine(); err != nil {
			return 0, err
		}
	}
	n := copy(p, c.line)
	c.line = c.line[n:]
	return n, nil
}

// nextLine reads a line, or answers it.
func (c *quotaConn) nextLine() error {
	line, err := c.in.ReadBytes('\n')
	if err != nil && len(line) == 0 {
		return err
	}
	command := !c.within
	c.within = false
	if command && c.user.Load() != nil {
		if m := getQuotaRoot.FindSubmatch(line); m != nil && c.server.offersQuota() {
			return c.answer(string(m[1]))
		}
		if m := aclCommand.FindSubmatch(line); m != nil && c.server.offersACL() {
			return c.answerACL(string(m[1]), strings.ToUpper(string(m[2])), line)
		}
	}
	if m := literalEnd.FindSubmatch(line); m != nil {
		c.literal, _ = strconv.ParseInt(string(m[1]), 10, 63)
		c.within = true
	}
	c.line = line
	return nil
}

// answer tells the one quota root of the mailbox (RFC 9208 4.1.2), whichever folder is
// named.
func (c *quotaConn) answer(tag string) error {
	c.server.mu.Lock()
	user := *c.user.Load()
	limit, limited := c.server.quotas[user]
	used := c.server.boxes[user].used()
	c.server.mu.Unlock()
	roots := "* QUOTAROOT INBOX\r\n"
	if limited {
		kilo := (used + quotaUnit - 1) / quotaUnit
		roots = fmt.Sprintf("* QUOTAROOT INBOX \"User quota\"\r\n* QUOTA \"User quota\" (STORAGE %d %d)\r\n", kilo, limit/quotaUnit)
	}
	_, err := io.WriteString(c.Conn, roots+tag+" OK Getquotaroot completed\r\n")
	return err
}

// moreCaps names what the library does not know of.
func (s *Server) moreCaps() (caps string) {
	if s.offersQuota() {
		caps += " QUOTA"
	}
	if s.offersACL() {
		caps += " ACL RIGHTS=texk"
	}
	return caps
}

// Write adds QUOTA and ACL to the capabilities that are told after the login.
func (c *quotaConn) Write(p []byte) (int, error) {
	if c.user.Load() == nil || !saysCaps.Match(p) {
		return c.Conn.Write(p)
	}
	told := bytes.Replace(p, []byte("IMAP4rev1"), []byte("IMAP4rev1"+c.server.moreCaps()), 1)
	if _, err := c.Conn.Write(told); err != nil {
		return 0, err
	}
	return len(p), nil
}

// knows tells the connection who has logged in.
func knows(conn net.Conn, user string) {
	if c, ok := conn.(*quotaConn); ok {
		c.user.Store(&user)
	}
}
