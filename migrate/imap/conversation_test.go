package imap

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"reforest/migrate"
)

// A tape is a server that says what it has to say, whatever it hears.
type tape struct {
	net.Conn
	says *bytes.Reader
}

func (t tape) Read(p []byte) (int, error)     { return t.says.Read(p) }
func (tape) Write(p []byte) (int, error)      { return len(p), nil }
func (tape) Close() error                     { return nil }
func (tape) SetReadDeadline(time.Time) error  { return nil }
func (tape) SetWriteDeadline(time.Time) error { return nil }

// A step is one thing that a mover asks of a server.
type step func(ctx context.Context, c *Conn) error

// steps are a conversation from the greeting to the farewell.
func steps(t *testing.T) []step {
	item := &migrate.Item{ID: "1.1", Size: 5, Body: strings.NewReader("hello"), Flags: []string{`\Seen`, "$Label"}}
	target := func(c *Conn) *Target { return &Target{session: &session{conn: c}} }
	return []step{
		func(ctx context.Context, c *Conn) error { return c.greeting(ctx, "OK") },
		func(ctx context.Context, c *Conn) error {
			return c.login(ctx, Config{Address: "a:1", Mailbox: "ann", Login: XOAuth2, Token: tokens("tok1", "tok2")})
		},
		func(ctx context.Context, c *Conn) error { return c.settle(ctx, Config{Version: "1", Compress: true}) },
		func(ctx context.Context, c *Conn) error { _, _, err := c.own(ctx, true); return err },
		func(ctx context.Context, c *Conn) error { _, err := c.examine(ctx, "INBOX"); return err },
		func(ctx context.Context, c *Conn) error {
			onBody := func(_ fetched, body content) error {
				if body.r == nil {
					return nil
				}
				n, err := io.Copy(io.Discard, body.r)
				if err == nil && n != body.size {
					t.Errorf("a body of %d bytes where %d were announced", n, body.size)
				}
				return err
			}
			_, err := c.uidFetch(ctx, "1:*", "UID BODY.PEEK[]", nil, onBody)
			return err
		},
		func(ctx context.Context, c *Conn) error { _, err := target(c).Mark(ctx, "INBOX"); return err },
		func(ctx context.Context, c *Conn) error {
			_, err := target(c).write(ctx, "INBOX", []*migrate.Item{item})
			return err
		},
		func(ctx context.Context, c *Conn) error { _, _, err := target(c).Room(ctx); return err },
	}
}

// FuzzConversation lets a server say anything from the first byte on. Whatever it is, each
// command comes to an end, and what is wrong is an error that says whether to try again.
func FuzzConversation(f *testing.F) {
	greeting := "* OK [CAPABILITY IMAP4rev1 SASL-IR] hi\r\n"
	in := "r1 OK [CAPABILITY IMAP4rev1 LITERAL+ UIDPLUS ID QUOTA NAMESPACE LIST-EXTENDED LIST-STATUS] in\r\n"
	for _, seed := range []string{
		greeting + in + "* ID (\"name\" \"x\")\r\nr2 OK\r\n* LIST () \"/\" INBOX\r\n* STATUS INBOX (MESSAGES 1)\r\nr3 OK\r\n* NAMESPACE ((\"\" \"/\")) NIL NIL\r\nr4 OK\r\n" +
			"* 1 EXISTS\r\n* OK [UIDVALIDITY 3] x\r\nr5 OK\r\n* 1 FETCH (UID 1 BODY[] {5}\r\nhello)\r\nr6 OK\r\nr7 OK\r\n* STATUS INBOX (UIDVALIDITY 3 UIDNEXT 2)\r\nr8 OK\r\nr9 OK [APPENDUID 3 2] x\r\n",
		greeting + "+ eyJzdGF0dXMiOiI0MDEifQ==\r\nr1 NO no\r\n+ x\r\nr2 NO [AUTHENTICATIONFAILED] no\r\n",
		greeting + "r1 OK [CAPABILITY IMAP4rev1 COMPRESS=DEFLATE] in\r\nr2 OK go\r\n\x4a\x04\x00\x00\x00\xff\xff",
		greeting + in + "r2 WHAT\r\n* BYE try again in 5 minutes\r\n", "* PREAUTH\r\n", "* BYE Too many connections\r\n",
		greeting + in + "* 1 FETCH (UID 1 BODY[] {3}\r\nhello)\r\nr3 OK {5}\r\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, says []byte) {
		c := newConn(tape{says: bytes.NewReader(says)}, time.Second)
		for i, step := range steps(t) {
			err := step(t.Context(), c)
			if e := migrate.AsError(err); err != nil && e == nil {
				t.Errorf("step %d: %v is no *migrate.Error", i, err)
			}
			if err != nil && strings.Contains(err.Error(), "tok1") {
				t.Errorf("step %d shows the token: %v", i, err)
			}
			if err != nil && i < 3 {
				return // not logged in
			}
		}
	})
}

func TestAResponseThatIsTooLongCostsItsCommandOnly(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", maxLine+5)
	c := script(t,
		answer{"NOOP", "* " + long + "\r\nTAG OK done\r\n"},
		answer{"NOOP", "* LIST () \"/\" " + long + "{4}\r\nr9\r\n more\r\nTAG OK done\r\n"},
		answer{"NOOP", "TAG NO [LIMIT] " + long + "{4}\r\n"},
		answer{"NOOP", "* 3 FETCH (X {1}\r\n) " + long + " {1}\r\n) Y)\r\nTAG OK done\r\n"},
		answer{"NOOP", "TAG OK done\r\n"})
	for i, want := range []string{"malformed", "malformed", "", "", ""} {
		s, err := c.do(t.Context(), "imap.Noop", nil, raw("NOOP"))
		if want == "" && err != nil || want != "" && (!errors.Is(err, errSyntax) || migrate.AsError(err).Reach != migrate.OneMailbox) {
			t.Fatalf("command %d: %v, want it to fail alone: %t", i+1, err, want != "")
		}
		if i == 2 && s.code != "LIMIT" {
			t.Errorf("the beginning of a long answer is %.40q", s.Error())
		}
	}
}

func TestALineWithoutAnEndIsGivenUp(t *testing.T) {
	t.Parallel()
	x := lexerOf(strings.Repeat("x", maxLine+maxPast+100))
	if err := x.start(); !errors.Is(err, errEndless) || errors.Is(err, errSyntax) {
		t.Errorf("got %v, want %v", err, errEndless)
	}
}

func TestAnAnswerThatIsNoStatus(t *testing.T) {
	t.Parallel()
	c := script(t, answer{"NOOP", "TAG HELLO there\r\n"}, answer{"NOOP", "rubbish\r\n\r\n+ huh {5}\r\nTAG OK done\r\n"})
	if _, err := c.do(t.Context(), "imap.Noop", nil, raw("NOOP")); !errors.Is(err, errSyntax) {
		t.Errorf("answered with HELLO: %v, want a malformed response", err)
	}
	if s, err := c.do(t.Context(), "imap.Noop", nil, raw("NOOP")); err != nil || !s.ok() {
		t.Errorf("among rubbish: %v, %v", s, err)
	}
}

// A literal that is shorter than announced is told from one that is whole, though as many
// bytes come.
func TestALiteralThatLacksBytes(t *testing.T) {
	t.Parallel()
	for wire, whole := range map[string]bool{
		"(BODY[] {5}\r\nhello)": true, "(BODY[] {5}\r\nhello UID 7)": true, "(BODY[] {5}\r\nhello FLAGS ())": true, "(BODY[] {5}\r\nhell 7 FLAGS ())": false,
		"((BODY[] {5}\r\nhello) (X))": false, "(BODY[] {5}\r\nhel)\r\nr7 OK done": false,
		"(BODY[] {5}\r\nhell)\r\nr7 OK done": false, "(BODY[] {5}\r\nhello": false,
	} {
		x := lexerOf("* 1 FETCH " + wire + "\r\n")
		if err := x.start(); err != nil {
			t.Fatal(err)
		}
		x.pos = x.end
		b, err := io.ReadAll(x.openLiteral())
		if whole != (err == nil) || whole && string(b) != "hello" {
			t.Errorf("%q: read %q, %v; is it whole: %t", wire, b, err, whole)
		}
	}
}
