package imap

import (
	"bufio"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func lexerOf(wire string) *lexer {
	return &lexer{r: bufio.NewReaderSize(strings.NewReader(wire), 16)}
}

func TestValue(t *testing.T) {
	t.Parallel()
	x := lexerOf("(a \"q\\\"x\\\\\" (b NIL) {5}\r\nl\r\nit tail) 7\r\n* next\r\n")
	if err := x.start(); err != nil {
		t.Fatal(err)
	}
	got, err := x.value()
	if err != nil {
		t.Fatal(err)
	}
	want := value{kind: listKind, list: []value{
		{text: "a"},
		{kind: stringKind, text: `q"x\`},
		{kind: listKind, list: []value{{text: "b"}, {text: "NIL"}}},
		{kind: stringKind, text: "l\r\nit"},
		{text: "tail"},
	}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(value{})); diff != "" {
		t.Errorf("value (-want +got):\n%s", diff)
	}
	if n, err := x.number(); n != 7 || err != nil {
		t.Errorf("number = %d, %v; want 7", n, err)
	}
	if err := x.skip(); err != nil {
		t.Fatal(err)
	}
	if err := x.start(); err != nil || x.word() != "*" || x.word() != "next" {
		t.Errorf("the next response is not where it belongs: %v", err)
	}
}

func TestMalformedResponsesEndAtTheirLine(t *testing.T) {
	t.Parallel()
	for _, wire := range []string{
		"(a b", `"no end`, ")", "", "(a {3}\r\nxyz", strings.Repeat("(", maxDepth+2) + strings.Repeat(")", maxDepth+2),
		"(" + strings.Repeat("a ", maxLine/64+1) + ")", "{2000000}\r\n" + strings.Repeat("x", 2000000),
	} {
		x := lexerOf(wire + "\r\nnext\r\n")
		if err := x.start(); err != nil {
			t.Fatal(err)
		}
		if _, err := x.value(); !errors.Is(err, errSyntax) {
			t.Errorf("value of %.20q: %v, want a syntax error", wire, err)
		}
		if err := x.skip(); err != nil {
			t.Errorf("skip %.20q: %v", wire, err)
		}
		if err := x.start(); err != nil || x.word() != "next" {
			t.Errorf("after %.20q the next response is lost: %v", wire, err)
		}
	}
}

func TestLineOfMoreThanOneMegabyteIsRefused(t *testing.T) {
	t.Parallel()
	x := lexerOf(strings.Repeat("x", maxLine+1) + "\r\n")
	if err := x.start(); !errors.Is(err, errTooLong) {
		t.Errorf("start = %v, want %v", err, errTooLong)
	}
}

func TestParseStatus(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		rest string
		want status
	}{
		{"done", status{text: "done"}},
		{"[APPENDUID 38505 3955] APPEND completed", status{code: "APPENDUID", arg: "38505 3955", text: "APPEND completed"}},
		{`[badcharset ("a]b" c)] no`, status{code: "BADCHARSET", arg: `("a]b" c)`, text: "no"}},
		{"[ALERT no end", status{text: "[ALERT no end"}},
		{"", status{}},
	} {
		test.want.kind = "NO"
		if diff := cmp.Diff(test.want, parseStatus("NO", test.rest), cmp.AllowUnexported(status{})); diff != "" {
			t.Errorf("parse %q (-want +got):\n%s", test.rest, diff)
		}
	}
	if got := (status{kind: "NO", text: "a\x1b[31mb"}).Error(); got != "NO a?[31mb" {
		t.Errorf("escape sequences reach the terminal: %q", got)
	}
}

func TestFetchInAnyOrderAndForm(t *testing.T) {
	t.Parallel()
	date := time.Date(2009, 7, 2, 3, 4, 5, 0, time.FixedZone("", -7*3600))
	want := fetched{uid: 7, flags: []string{`\Seen`, "$Fwd"}, received: date, size: 5, flagged: true, dated: true}
	for _, wire := range []string{
		"(UID 7 FLAGS (\\Seen $Fwd) INTERNALDATE \" 2-Jul-2009 03:04:05 -0700\" RFC822.SIZE 5 BODY[] {5}\r\nhello)",
		"(BODY[] {5}\r\nhello UID 7 RFC822.SIZE 5 MODSEQ (12) X-GM-LABELS (\"a b\" {1}\r\nc) FLAGS (\\Seen $Fwd) INTERNALDATE \"02-Jul-2009 03:04:05 -0700\")",
		"(FLAGS (\\Seen $Fwd) BODY[HEADER.FIELDS (DATE \"A]B\")] {3}\r\nabc BODY[] \"hello\" RFC822.SIZE 5 UID 7 INTERNALDATE \"2-Jul-2009 03:04:05 -0700\")",
		"(UID 7 FLAGS (\\Seen $Fwd) RFC822.SIZE 5 BODY[] ~{5}\r\nhello INTERNALDATE {26}\r\n02-Jul-2009 03:04:05 -0700)",
	} {
		x := lexerOf(wire + "\r\n")
		if err := x.start(); err != nil {
			t.Fatal(err)
		}
		var body string
		got, err := x.fetch(func(_ fetched, c content) error {
			b, err := io.ReadAll(c.r)
			body = string(b)
			return err
		})
		if err != nil || body != "hello" {
			t.Errorf("fetch %q: body %q, %v", wire, body, err)
		}
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(fetched{})); diff != "" {
			t.Errorf("fetch %q (-want +got):\n%s", wire, diff)
		}
	}
}

func FuzzResponse(f *testing.F) {
	for _, seed := range []string{
		"* 1 FETCH (UID 7 FLAGS (\\Seen) BODY[] {5}\r\nhello)\r\n", "* LIST (\\Noselect) \"/\" \"a b\"\r\n", "* OK [UIDNEXT 4] x\r\n",
		"* STATUS x (MESSAGES 1 SIZE 2)\r\n", "* NAMESPACE ((\"\" \"/\")) NIL NIL\r\n", "* LIST () NIL {3}\r\nabc\r\n", "+ go\r\n",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, wire string) {
		c := &Conn{lex: lexerOf(wire)}
		c.unanswered = []*sent{{conn: c, tag: "r1", handle: readAny}, {conn: c, tag: "r2"}}
		for range strings.Count(wire, "\n") + 1 {
			if _, _, err := c.next(); err != nil {
				return // the end of what there is to read
			}
		}
		if rest, err := c.lex.r.Peek(1); err == nil {
			t.Errorf("%q is left of %q after as many responses as lines", rest, wire)
		}
	})
}

// readAny reads what the mover reads of each response, and of bodies the half.
func readAny(r reply) (err error) {
	switch r.name {
	case "FETCH":
		_, err = r.lex.fetch(func(_ fetched, c content) error {
			if c.r == nil {
				return nil
			}
			_, err := io.CopyN(io.Discard, c.r, c.size/2)
			return err
		})
	case "LIST":
		_, err = r.lex.listLine()
	case "STATUS":
		_, _, err = r.lex.statusLine()
	}
	return err
}
