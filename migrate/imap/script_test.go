package imap

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"reforest/internal/lab/imapd"
	"reforest/migrate"
	"reforest/migrate/imap/imaptest"
)

// An answer is what a scripted server says to a command. TAG stands for the
// command's tag.
type answer struct{ expect, say string }

// script starts a server that expects the commands in turn and answers as told,
// and returns a connection to it. After the last it hangs up.
func script(t *testing.T, answers ...answer) *Conn {
	t.Helper()
	client, server := loopback(t)
	done := make(chan error, 1)
	go func() {
		done <- play(server, answers)
		_ = server.Close()
	}()
	t.Cleanup(func() {
		_ = client.Close()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return newConn(client, 5*time.Second)
}

// loopback returns both ends of a connection. Unlike those of net.Pipe they buffer, as a
// client needs that sends a command while it is being answered.
func loopback(t *testing.T) (client, server net.Conn) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	if client, err = net.Dial("tcp", listener.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if server, err = listener.Accept(); err != nil {
		t.Fatal(err)
	}
	return client, server
}

func play(server net.Conn, answers []answer) error {
	r := bufio.NewReader(server)
	tag := ""
	for _, a := range answers {
		line, err := r.ReadString('\n')
		if err != nil && a.expect == "never sent" {
			return nil // the client hung up, as it should
		}
		if err != nil {
			return fmt.Errorf("script wants %q: %w", a.expect, err)
		}
		command := strings.TrimRight(line, "\r\n")
		if first, rest, found := strings.Cut(command, " "); found && strings.HasPrefix(first, "r") {
			tag, command = first, rest
		}
		if command != a.expect {
			return fmt.Errorf("script wants %q, got %q", a.expect, command)
		}
		if a.say == "" {
			continue
		}
		if _, err := io.WriteString(server, strings.ReplaceAll(a.say, "TAG", tag)); err != nil {
			return nil //nolint:nilerr // the client has gone, as it may
		}
	}
	return nil
}

// selectAnswer opens folder F with UIDVALIDITY 9.
func selectAnswer(exists, uidNext int) answer {
	say := "* %d EXISTS\r\n* OK [UIDVALIDITY 9] x\r\n* OK [UIDNEXT %d] x\r\nTAG OK [READ-ONLY] done\r\n"
	return answer{`EXAMINE "F"`, fmt.Sprintf(say, exists, uidNext)}
}

// scriptedSource reads with care; streamedSource does not begin to.
func scriptedSource(t *testing.T, answers ...answer) *Source {
	t.Helper()
	s := streamedSource(t, answers...)
	s.conn.bodyFirst = true
	return s
}

func streamedSource(t *testing.T, answers ...answer) *Source {
	t.Helper()
	config, err := Config{Address: "127.0.0.1:1", Mailbox: "u", Page: 2}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	return &Source{session: &session{config: config, conn: script(t, answers...)}}
}

// scriptedTarget writes to a server with UIDPLUS: one without is asked for more.
func scriptedTarget(t *testing.T, c *Conn) *Target {
	t.Helper()
	if c.caps == nil {
		c.caps = map[string]bool{}
	}
	c.caps["UIDPLUS"] = true
	return &Target{session: &session{conn: c}}
}

const describeItems = " (UID FLAGS INTERNALDATE RFC822.SIZE)"

// readAll reads items and writes down what became of each.
func readAll(t *testing.T, s *Source, items ...migrate.ItemID) []string {
	t.Helper()
	var got []string
	for item, err := range s.Read(t.Context(), "F", items, migrate.MIME) {
		switch {
		case item == nil:
			got = append(got, "end: "+err.Error())
		case err != nil:
			got = append(got, fmt.Sprintf("%s: %v", item.ID, err))
		default:
			body, err := io.ReadAll(item.Body)
			got = append(got, fmt.Sprintf("%s %q %d %v %v", item.ID, body, item.Size, item.Flags, err))
		}
	}
	return got
}

func TestDeltasDoNotTakeTheLastMessageForANewOne(t *testing.T) {
	t.Parallel()
	s := scriptedSource(t, selectAnswer(3, 0), answer{"UID FETCH 8:* (UID RFC822.SIZE)", "* 3 FETCH (UID 7 RFC822.SIZE 5)\r\nTAG OK done\r\n"})
	for d, err := range s.Deltas(t.Context(), "F", "9.7") {
		t.Errorf("got %+v, %v; want nothing", d, err)
	}
}

func TestDeltasEndEachPageWithACursor(t *testing.T) {
	t.Parallel()
	found := "* 1 FETCH (UID 3 RFC822.SIZE 30)\r\n* 3 FETCH (UID 9 RFC822.SIZE 90)\r\n* 2 FETCH (RFC822.SIZE 50 UID 5)\r\nTAG OK done\r\n"
	s := scriptedSource(t, selectAnswer(3, 10), answer{"UID FETCH 1:* (UID RFC822.SIZE)", found})
	var got []migrate.Delta
	for d, err := range s.Deltas(t.Context(), "F", "") {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, d)
	}
	want := []migrate.Delta{{Item: "9.3", Size: 30}, {Item: "9.5", Size: 50, Cursor: "9.5"}, {Item: "9.9", Size: 90, Cursor: "9.9"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("deltas (-want +got):\n%s", diff)
	}
}

func TestReadOfABodyThatComesBeforeItsUID(t *testing.T) {
	t.Parallel()
	body := "* 1 FETCH (BODY[] {5}\r\nhello UID 3)\r\n"
	s := scriptedSource(t, selectAnswer(2, 5),
		answer{"UID FETCH 3:4" + describeItems, "* 1 FETCH (RFC822.SIZE 5 UID 3 FLAGS (\\Recent $A))\r\n* 2 FETCH (RFC822.SIZE 5 UID 4)\r\nTAG OK done\r\n"},
		answer{"UID FETCH 3:4 (UID BODY.PEEK[])", body + "* 2 FETCH (BODY[] {5}\r\nworld UID 4)\r\nTAG OK done\r\n"},
		answer{"UID FETCH 3 (UID BODY.PEEK[])", body + "TAG OK done\r\n"},
		answer{"UID FETCH 4 (UID BODY.PEEK[])", "* 2 FETCH (UID 4 BODY[] {5}\r\nworld)\r\nTAG OK done\r\n"})
	want := []string{`9.3 "hello" 5 [$A] <nil>`, `9.4 "world" 5 [] <nil>`}
	if diff := cmp.Diff(want, readAll(t, s, "9.3", "9.4")); diff != "" {
		t.Errorf("read (-want +got):\n%s", diff)
	}
}

func TestReadGivesUpOneItemAndGoesOn(t *testing.T) {
	t.Parallel()
	s := scriptedSource(t, selectAnswer(3, 9),
		answer{"UID FETCH 3:5,8" + describeItems, "* 1 FETCH (UID 3 RFC822.SIZE 2)\r\n* 2 FETCH (UID 4 RFC822.SIZE 2)\r\n* 3 FETCH (UID 5 RFC822.SIZE 9)\r\nTAG OK done\r\n"},
		answer{"UID FETCH 3:5 (UID BODY.PEEK[])", "* 1 FETCH (UID 3 BODY[] NIL)\r\n* 2 FETCH (UID 4 BODY[] {2}\r\nok)\r\nTAG NO [SERVERBUG] broken\r\n"},
		answer{"UID FETCH 3 (UID BODY.PEEK[])", "TAG NO [SERVERBUG] broken\r\n"},
		answer{"UID FETCH 3 (UID BODY.PEEK[])", "TAG NO [SERVERBUG] broken\r\n"},
		answer{"UID FETCH 3 (UID)", "* 1 FETCH (UID 3)\r\nTAG OK done\r\n"},
		answer{"UID FETCH 4:5 (UID BODY.PEEK[])", "* 2 FETCH (UID 4 BODY[] {2}\r\nok)\r\n* 3 FETCH (UID 5 BODY[] {4}\r\nnope)\r\nTAG OK done\r\n"},
		answer{"UID FETCH 5 (UID BODY.PEEK[])", "* 3 FETCH (UID 5 BODY[] {3}\r\nnop)\r\nTAG OK done\r\n"},
		answer{"UID FETCH 5 (UID)", "* 3 FETCH (UID 5)\r\nTAG OK done\r\n"},
		answer{"UID FETCH 8" + describeItems, "TAG OK done\r\n"})
	want := []string{
		"9.3: imap.Fetch: NO [SERVERBUG] broken",
		`9.4 "ok" 2 [] <nil>`,
		"9.5: imap.Fetch: " + errShort.Error(),
		"9.8: " + migrate.ErrGone.Error(),
	}
	if diff := cmp.Diff(want, readAll(t, s, "9.3", "9.4", "9.5", "9.8")); diff != "" {
		t.Errorf("read (-want +got):\n%s", diff)
	}
}

func TestReadGivesUpAnItemWhoseAnswersAreMalformed(t *testing.T) {
	t.Parallel()
	bad := "* 1 FETCH (UID 3 FLAGS (\\Seen RFC822.SIZE 2\r\nTAG OK done\r\n"
	s := scriptedSource(t, selectAnswer(3, 9),
		answer{"UID FETCH 3:5" + describeItems, "* 2 FETCH (UID 4 RFC822.SIZE 2)\r\n* 3 FETCH (UID 5 RFC822.SIZE 2)\r\n" + bad},
		answer{"UID FETCH 3" + describeItems, bad},
		answer{"UID FETCH 4:5 (UID BODY.PEEK[])", "* 2 FETCH (UID 4 BODY[] huh?)\r\n* 3 FETCH (UID 5 BODY[]\r\nTAG OK done\r\n"},
		answer{"UID FETCH 4 (UID BODY.PEEK[])", "* 2 FETCH (UID 4 BODY[] {2}\r\nok)\r\nTAG OK done\r\n"},
		answer{"UID FETCH 5 (UID BODY.PEEK[])", "* 3 FETCH (UID 5 BODY[]\r\nTAG OK done\r\n"},
		answer{"UID FETCH 5 (UID BODY.PEEK[])", "* 3 FETCH (UID 5 BODY[]\r\nTAG OK done\r\n"},
		answer{"UID FETCH 5 (UID)", "* 3 FETCH (UID 5)\r\nTAG OK done\r\n"})
	got := readAll(t, s, "9.3", "9.4", "9.5")
	if len(got) != 3 || !strings.HasPrefix(got[0], "9.3: ") || got[1] != `9.4 "ok" 2 [] <nil>` || !strings.HasPrefix(got[2], "9.5: ") {
		t.Errorf("got %q, want the first and the last given up", got)
	}
}

func TestReadTakesABodyThatIsShorterThanEstimatedTwice(t *testing.T) {
	t.Parallel()
	short := "* 1 FETCH (UID 3 BODY[] {2}\r\nok)\r\nTAG OK done\r\n"
	s := scriptedSource(t, selectAnswer(1, 4),
		answer{"UID FETCH 3" + describeItems, "* 1 FETCH (UID 3 RFC822.SIZE 4)\r\nTAG OK done\r\n"},
		answer{"UID FETCH 3 (UID BODY.PEEK[])", short}, answer{"UID FETCH 3 (UID BODY.PEEK[])", short})
	if diff := cmp.Diff([]string{`9.3 "ok" 2 [] <nil>`}, readAll(t, s, "9.3")); diff != "" {
		t.Errorf("read (-want +got):\n%s", diff)
	}
}

func TestReadInTheOrderAskedFor(t *testing.T) {
	t.Parallel()
	one := func(uid string) []answer {
		return []answer{
			{"UID FETCH " + uid + describeItems, "* 1 FETCH (UID " + uid + " RFC822.SIZE 1)\r\nTAG OK done\r\n"},
			{"UID FETCH " + uid + " (UID BODY.PEEK[])", "* 1 FETCH (UID " + uid + " BODY[] \"" + uid + "\")\r\nTAG OK done\r\n"},
		}
	}
	s := scriptedSource(t, append(append([]answer{selectAnswer(2, 9)}, one("8")...), one("3")...)...)
	if diff := cmp.Diff([]string{`9.8 "8" 1 [] <nil>`, `9.3 "3" 1 [] <nil>`}, readAll(t, s, "9.8", "9.3")); diff != "" {
		t.Errorf("read (-want +got):\n%s", diff)
	}
}

func TestAReaderThatStopsEarlyLeavesTheConnectionUsable(t *testing.T) {
	t.Parallel()
	s := scriptedSource(t, selectAnswer(2, 9),
		answer{"UID FETCH 3:4" + describeItems, "* 1 FETCH (UID 3 RFC822.SIZE 2)\r\n* 2 FETCH (UID 4 RFC822.SIZE 2)\r\nTAG OK done\r\n"},
		answer{"UID FETCH 3:4 (UID BODY.PEEK[])", "* 1 FETCH (UID 3 BODY[] {2}\r\nab)\r\n* 2 FETCH (UID 4 BODY[] {2}\r\ncd)\r\nTAG OK done\r\n"},
		answer{"NOOP", "TAG OK done\r\n"})
	for item, err := range s.Read(t.Context(), "F", []migrate.ItemID{"9.3", "9.4"}, migrate.MIME) {
		if err != nil || item.ID != "9.3" {
			t.Errorf("first item %+v, %v; want 9.3", item, err)
		}
		break
	}
	if st, err := s.conn.do(t.Context(), "imap.Noop", nil, raw("NOOP")); err != nil || !st.ok() {
		t.Errorf("NOOP after an early stop: %v, %v", st, err)
	}
}

func TestAConnectionThatEndsInABodyIsAnErrorOfTheServer(t *testing.T) {
	t.Parallel()
	s := scriptedSource(t, selectAnswer(1, 4),
		answer{"UID FETCH 3" + describeItems, "* 1 FETCH (UID 3 RFC822.SIZE 9)\r\nTAG OK done\r\n"},
		answer{"UID FETCH 3 (UID BODY.PEEK[])", "* 1 FETCH (UID 3 BODY[] {9}\r\nhal"})
	var bodyErr, endErr error
	for item, err := range s.Read(t.Context(), "F", []migrate.ItemID{"9.3"}, migrate.MIME) {
		if err != nil {
			endErr = err
			continue
		}
		_, bodyErr = io.ReadAll(item.Body)
	}
	for _, err := range []error{bodyErr, endErr} {
		if e := migrate.AsError(err); e == nil || e.Reach != migrate.OneServer || e.Retry != migrate.Later {
			t.Errorf("got %#v, want an error of the server, to be tried later", err)
		}
	}
}

func TestAMalformedResponseCostsItsCommandOnly(t *testing.T) {
	t.Parallel()
	c := script(t,
		answer{`LIST "" "*"`, "* LIST (\\HasNoChildren \"/\" {3}\r\nabc\r\n* LIST () \"/\" ok\r\nTAG OK done\r\n"},
		answer{"NOOP", "* WEIRD {4}\r\n\r\n\r\n more\r\n* 4 NONSENSE (((\r\n* OK {3}\r\nTAG OK done\r\n"})
	if _, _, err := c.listCommand(t.Context(), "LIST", ""); migrate.AsError(err) == nil || migrate.AsError(err).Reach != migrate.OneMailbox {
		t.Errorf("malformed LIST: %v, want an error of one mailbox", err)
	}
	if s, err := c.do(t.Context(), "imap.Noop", nil, raw("NOOP")); err != nil || !s.ok() {
		t.Errorf("NOOP among nonsense: %v, %v", s, err)
	}
}

func TestAServerThatRefusesALiteralBeforeItComes(t *testing.T) {
	t.Parallel()
	c := script(t,
		answer{`APPEND "F" {5}`, "* OK still here\r\nTAG NO [TOOBIG] five is too many\r\n"},
		answer{"NOOP", "TAG OK done\r\n"})
	item := &migrate.Item{ID: "1.1", Size: 5, Body: strings.NewReader("hello")}
	done, err := scriptedTarget(t, c).Write(t.Context(), "F", []*migrate.Item{item})
	if err != nil || len(done) != 1 || done[0].Skip == nil || done[0].Skip.Kind != "too large" || done[0].Skip.Reason != "[TOOBIG] five is too many" {
		t.Errorf("got %+v, %v; want a skip that is too large", done, err)
	}
	if s, err := c.do(t.Context(), "imap.Noop", nil, raw("NOOP")); err != nil || !s.ok() {
		t.Errorf("NOOP afterwards: %v, %v", s, err)
	}
}

// multi is how many messages of one byte look in a command.
func multi(names string) []answer {
	first := `APPEND "F"`
	var lines []answer
	for _, name := range names {
		lines = append(lines, answer{first + " {1+}", ""})
		first = string(name)
	}
	return append(lines, answer{first, ""})
}

func TestMultiAppendFindsTheMessageThatIsRefused(t *testing.T) {
	t.Parallel()
	var answers []answer
	for _, send := range []struct{ names, say string }{
		{"abcde", "TAG NO one of them\r\n"},
		{"ab", "TAG OK [APPENDUID 9 7:8] done\r\n"},
		{"cde", "TAG NO one of them\r\n"},
		{"c", "TAG NO [CANNOT] keyword or not, never\r\n"},
		{"de", "TAG OK [APPENDUID 9 12,15] done\r\n"},
	} {
		lines := multi(send.names)
		lines[len(lines)-1].say = send.say
		answers = append(answers, lines...)
	}
	c := script(t, answers...)
	c.setCaps([]string{"MULTIAPPEND", "LITERAL+", "UIDPLUS"})
	var items []*migrate.Item
	for _, name := range "abcde" {
		items = append(items, &migrate.Item{ID: migrate.ItemID(name), Size: 1, Body: strings.NewReader(string(name))})
	}
	done, err := scriptedTarget(t, c).Write(t.Context(), "F", items)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, d := range done {
		got = append(got, fmt.Sprintf("%s at %s, skipped %t", d.Item, d.Ref, d.Skip != nil))
	}
	want := []string{"a at 9.7, skipped false", "b at 9.8, skipped false", "c at , skipped true", "d at 9.12, skipped false", "e at 9.15, skipped false"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("done (-want +got):\n%s", diff)
	}
}

func TestAppendUIDs(t *testing.T) {
	t.Parallel()
	for arg, want := range map[string][]migrate.ItemRef{
		"9 7:8,11": {"9.7", "9.8", "9.11"}, "9 7:8": nil, "9 8:7,9": nil, "0 1:3": nil, "9 1:4294967295": nil, "9": nil, "9 x": nil,
	} {
		if diff := cmp.Diff(want, appendUIDs(status{code: "APPENDUID", arg: arg}, 3)); diff != "" {
			t.Errorf("APPENDUID %s (-want +got):\n%s", arg, diff)
		}
	}
}

func TestByeCarriesTheServersReason(t *testing.T) {
	t.Parallel()
	c := script(t, answer{"NOOP", "* BYE going down for [maintenance]\r\n"})
	_, err := c.do(t.Context(), "imap.Noop", nil, raw("NOOP"))
	e := migrate.AsError(err)
	if e == nil || e.Reach != migrate.OneServer || e.Retry != migrate.Later || !strings.Contains(err.Error(), "going down") {
		t.Errorf("got %v, want the server's reason and a later retry", err)
	}
	if _, err := c.do(t.Context(), "imap.Noop", nil, raw("NOOP")); migrate.AsError(err) == nil {
		t.Errorf("a command after BYE: %v, want an error", err)
	}
}

// A server that takes too long to count is asked for the names alone.
func TestFoldersWithoutCounts(t *testing.T) {
	t.Parallel()
	cert := imaptest.NewCert(t)
	server, err := imapd.Start(t.Context(), imapd.Config{Certificate: cert.TLS, Users: map[string]string{"ann": "secret"}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = server.Close() }()
	config, err := Config{Address: server.Addr(), CAFile: cert.CertFile, Mailbox: "ann", Password: "secret"}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	slow := script(t, answer{`LIST "" "*" RETURN (SUBSCRIBED STATUS (MESSAGES SIZE))`, "* OK counting\r\n"}, answer{"never sent", ""})
	slow.setCaps([]string{"LIST-EXTENDED", "LIST-STATUS", "STATUS=SIZE"})
	slow.net.timeout = 50 * time.Millisecond
	s := &Source{session: &session{config: config, conn: slow}}
	got, err := s.Folders(t.Context())
	if err != nil || len(got) != 1 || got[0].ID != "INBOX" {
		t.Errorf("got %+v, %v; want the inbox", got, err)
	}
	_ = s.Close()
}

func TestSilenceEndsACommand(t *testing.T) {
	t.Parallel()
	client, server := net.Pipe()
	defer func() { _ = server.Close() }()
	go func() { _, _ = io.Copy(io.Discard, server) }()
	c := newConn(client, 50*time.Millisecond)
	_, err := c.do(t.Context(), "imap.Noop", nil, raw("NOOP"))
	if e := migrate.AsError(err); e == nil || e.Reach != migrate.OneServer || e.Retry != migrate.Later {
		t.Errorf("got %v, want an error of the server, to be tried later", err)
	}
}

func TestCancellationEndsACommandWithItsCause(t *testing.T) {
	t.Parallel()
	client, server := net.Pipe()
	defer func() { _ = server.Close() }()
	cause := errors.New("the window has closed")
	ctx, cancel := context.WithCancelCause(t.Context())
	go func() {
		_, _ = server.Read(make([]byte, 1))
		cancel(cause)
	}()
	c := newConn(client, time.Minute)
	if _, err := c.do(ctx, "imap.Noop", nil, raw("NOOP")); !errors.Is(err, cause) {
		t.Errorf("got %v, want %v", err, cause)
	}
}

func TestUIDSet(t *testing.T) {
	t.Parallel()
	for want, uids := range map[string][]uint32{"1": {1}, "1:3": {1, 2, 3}, "1,3:4,9": {1, 3, 4, 9}, strconv.FormatUint(1<<32-1, 10): {1<<32 - 1}} {
		if got := uidSet(uids); got != want {
			t.Errorf("uidSet(%v) = %q, want %q", uids, got, want)
		}
	}
}
