package imaptest

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"
	"unicode/utf16"
)

// What one MULTIAPPEND of a Pour holds at most.
const (
	pourMessages = 500
	pourBytes    = 4 << 20
)

// A Pour fills a mailbox with much mail in little time: it sends the messages of a
// folder as few commands (RFC 3502, RFC 7888), which Account.Fill does not. It shares
// no code with the movers.
type Pour struct {
	t      testing.TB
	conn   net.Conn
	in     *bufio.Reader
	out    *bufio.Writer
	folder string
	many   int // messages in the open command
	bytes  int // and what they have
}

// NewPour logs in to the mailbox, as its owner.
func NewPour(t testing.TB, a Account) *Pour {
	t.Helper()
	pem, err := os.ReadFile(a.CAFile)
	must(t, err)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	conn, err := tls.Dial("tcp", a.Address, &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12})
	must(t, err)
	p := &Pour{t: t, conn: conn, in: bufio.NewReader(conn), out: bufio.NewWriterSize(conn, 64<<10)}
	if line := p.line(); !strings.HasPrefix(line, "* OK") {
		t.Fatalf("greeting: %q", line)
	}
	p.do("LOGIN " + literal(a.User) + " " + literal(a.Password))
	return p
}

// Folder makes the folder, unless it is the inbox, and pours into it from now on. The
// server's hierarchy separator has to be "/".
func (p *Pour) Folder(path []string, subscribed bool) {
	p.flush()
	p.folder = literal(modifiedUTF7(strings.Join(path, "/")))
	if len(path) > 1 || path[0] != "INBOX" {
		p.do("CREATE " + p.folder)
	}
	if subscribed {
		p.do("SUBSCRIBE " + p.folder)
	}
}

// Add appends a message to the folder.
func (p *Pour) Add(body []byte, received time.Time, flags []string) {
	if p.many == pourMessages || p.many > 0 && p.bytes+len(body) > pourBytes {
		p.flush()
	}
	if p.many == 0 {
		p.send("p APPEND " + p.folder)
	}
	p.send(fmt.Sprintf(" (%s) \"%s\" {%d+}\r\n", strings.Join(flags, " "), received.Format("_2-Jan-2006 15:04:05 -0700"), len(body)))
	_, err := p.out.Write(body)
	must(p.t, err)
	p.many++
	p.bytes += len(body)
}

// Close appends what is left and logs out.
func (p *Pour) Close() {
	p.flush()
	p.do("LOGOUT")
	must(p.t, p.conn.Close())
}

func (p *Pour) flush() {
	if p.many == 0 {
		return
	}
	p.many, p.bytes = 0, 0
	p.send("\r\n")
	p.answer("APPEND " + p.folder)
}

func (p *Pour) do(command string) {
	p.send("p " + command + "\r\n")
	p.answer(command)
}

func (p *Pour) send(text string) {
	_, err := p.out.WriteString(text)
	must(p.t, err)
}

func (p *Pour) answer(command string) {
	must(p.t, p.out.Flush())
	for {
		line := p.line()
		if strings.HasPrefix(line, "p OK") {
			return
		}
		if !strings.HasPrefix(line, "* ") {
			command, _, _ = strings.Cut(command, "\r\n")
			p.t.Fatalf("%s: %s", command, line)
		}
	}
}

func (p *Pour) line() string {
	must(p.t, p.conn.SetDeadline(time.Now().Add(2*time.Minute)))
	line, err := p.in.ReadString('\n')
	must(p.t, err)
	return line
}

func literal(s string) string { return fmt.Sprintf("{%d+}\r\n%s", len(s), s) }

// modifiedUTF7 is RFC 3501 5.1.3.
func modifiedUTF7(name string) string {
	encoding := base64.NewEncoding("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,").WithPadding(base64.NoPadding)
	var out strings.Builder
	var shifted []byte
	shiftBack := func() {
		if len(shifted) > 0 {
			out.WriteString("&" + encoding.EncodeToString(shifted) + "-")
			shifted = shifted[:0]
		}
	}
	for _, r := range name {
		if r >= ' ' && r <= '~' {
			shiftBack()
			out.WriteString(strings.ReplaceAll(string(r), "&", "&-"))
			continue
		}
		for _, unit := range utf16.AppendRune(nil, r) {
			shifted = append(shifted, byte(unit>>8), byte(unit))
		}
	}
	shiftBack()
	return out.String()
}
