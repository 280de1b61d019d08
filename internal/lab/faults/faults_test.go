package faults_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"reforest/internal/lab/faults"
	"reforest/migrate"
	"reforest/migrate/imap"
	"reforest/migrate/imap/imaptest"
	"reforest/migrate/migratetest"
)

func TestMain(m *testing.M) {
	flag.Parse()
	// These tests wait for servers that say nothing; more of them wait at once.
	_ = flag.Set("test.parallel", "8")
	goleak.VerifyTestMain(m)
}

// timeout is how long the mover bears a server's silence here.
const timeout = 1500 * time.Millisecond

// A world is a filled source mailbox on a server, of which everyone's target is another.
type world struct {
	server *imaptest.Dovecot
	cert   imaptest.Cert
	want   migratetest.Content
}

const sourceUser = "source"

func mailbox() []migratetest.Folder {
	var list []migratetest.Message
	for i := range 6 {
		list = append(list, migratetest.Message{
			Body:     fmt.Sprintf("Subject: %d\r\n\r\n%s", i, strings.Repeat("sixteen bytes.\r\n", 10+i*i*40)),
			Received: time.Date(2011, 2, 3, 4, 5, i, 0, time.UTC),
			Flags:    []string{`\Seen`, "$Forwarded"}[:i%3],
		})
	}
	return []migratetest.Folder{
		{Path: []string{"INBOX"}, Subscribed: true, Messages: list},
		{Path: []string{"Projekte", "Ärger"}, Subscribed: true, Messages: append(list[1:3:3], list[1])},
	}
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{server: imaptest.StartDovecot(t, "/"), cert: imaptest.NewCert(t)}
	w.account(sourceUser).Fill(t, mailbox())
	w.want = migratetest.ContentOf(w.account(sourceUser).Held(t))
	return w
}

func (w *world) account(user string) imaptest.Account {
	return imaptest.Account{Address: w.server.Address, CAFile: w.server.CAFile, User: user, Password: w.server.Password}
}

func (w *world) config(user string) imap.Config {
	return imap.Config{
		Address: w.server.Address, CAFile: w.server.CAFile, Mailbox: user, Admin: w.server.Admin, Password: w.server.AdminPassword,
		Timeout: timeout,
	}
}

// behind returns a proxy before the server.
func (w *world) behind(t *testing.T, fault faults.Fault) *faults.Proxy {
	t.Helper()
	pem, err := os.ReadFile(w.server.CAFile)
	if err != nil {
		t.Fatal(err)
	}
	trust := &tls.Config{RootCAs: x509.NewCertPool(), ServerName: "127.0.0.1", MinVersion: tls.VersionTLS12}
	trust.RootCAs.AppendCertsFromPEM(pem)
	p, err := faults.Start(faults.Config{Upstream: w.server.Address, Trust: trust, Certificate: w.cert.TLS, Fault: fault})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// pass makes one pass as a process does that has just started.
func pass(ctx context.Context, from, to imap.Config, journal migrate.Journal) (sum migrate.Summary, err error) {
	source, err := imap.OpenSource(ctx, from)
	if err != nil {
		return sum, err
	}
	defer func() { _ = source.Close() }() //nolint:contextcheck // it has its own short time
	target, err := imap.OpenTarget(ctx, to)
	if err != nil {
		return sum, err
	}
	defer func() { _ = target.Close() }() //nolint:contextcheck // it has its own short time
	return migrate.Copy(ctx, source, target, journal, migrate.Options{Grace: 300 * time.Millisecond})
}

// truthful complains of an error that nobody would try again.
func truthful(t *testing.T, err error) {
	t.Helper()
	if e := migrate.AsError(err); e == nil || e.Retry != migrate.Later || e.Reach == migrate.OneItem || e.Reach == migrate.WholeRun {
		t.Errorf("the pass ended with %v (%+v), want an error that is tried again later", err, e)
	}
}

// mostPasses is enough for any fault: it is committed once.
const mostPasses = 10

// untilQuiet makes passes until one brings nothing.
func untilQuiet(t *testing.T, from, to imap.Config) {
	t.Helper()
	journal := migratetest.NewJournal()
	for range mostPasses {
		sum, err := pass(t.Context(), from, to, journal)
		switch {
		case err != nil:
			t.Logf("waits: %v", err)
			truthful(t, err)
		case sum.Brought == 0:
			if sum.Skips != 0 {
				t.Errorf("%d items were skipped", sum.Skips)
			}
			return
		}
	}
	t.Errorf("%d passes, and it is not quiet", mostPasses)
}

// try commits the fault between the mover and one side, and compares what came of it.
func (w *world) try(t *testing.T, name, side string, fault faults.Fault) {
	t.Run(side+" "+name, func(t *testing.T) {
		t.Parallel()
		user := strings.NewReplacer(" ", "-", "/", "-", ",", "", "'", "").Replace(strings.ToLower(side + "-" + name))
		from, to := w.config(sourceUser), w.config(user)
		proxy := w.behind(t, fault)
		broken := &from
		if side == "target" {
			broken = &to
		}
		broken.Address, broken.CAFile = proxy.Addr(), w.cert.CertFile
		untilQuiet(t, from, to)
		if !proxy.Fired() {
			t.Error("the fault has not been committed")
		}
		if diff := cmp.Diff(w.want, migratetest.ContentOf(w.account(user).Held(t))); diff != "" {
			t.Errorf("target against source (-want +got):\n%s", diff)
		}
	})
}

// A spot is where a fault lies, and on which sides of the mover it can.
type spot struct {
	name  string
	sides string
	fault faults.Fault
}

var spots = []spot{
	{"in the greeting", "source target", faults.Fault{At: faults.Greeting}},
	{"in the login", "target", faults.Fault{From: faults.Client, Command: "LOGIN", At: faults.BetweenCRLF}},
	{"in the login's answer", "source target", faults.Fault{Command: "LOGIN", At: faults.InTag}},
	{"in a list", "source target", faults.Fault{Command: "LIST", At: faults.BetweenCRLF}},
	{"in a literal's header", "source", faults.Fault{Command: "FETCH", At: faults.InHeader}},
	{"behind a literal's first byte", "source", faults.Fault{Command: "FETCH", At: faults.LiteralFirst, Skip: 1}},
	{"in the middle of a literal", "source", faults.Fault{Command: "FETCH", At: faults.LiteralMiddle, Skip: 2}},
	{"before a literal's last byte", "source", faults.Fault{Command: "FETCH", At: faults.LiteralLast}},
	{"behind a literal", "source", faults.Fault{Command: "FETCH", At: faults.AfterLiteral, Skip: 1}},
	{"before the answer to FETCH", "source", faults.Fault{Command: "FETCH", At: faults.TagStart, Skip: 1}},
	{"in the answer to FETCH", "source", faults.Fault{Command: "FETCH", At: faults.InTag}},
	{"at the end of a FETCH", "source", faults.Fault{From: faults.Client, Command: "FETCH", At: faults.BetweenCRLF}},
	{"in the tag of APPEND", "target", faults.Fault{From: faults.Client, Command: "APPEND", At: faults.InHeader}},
	{"in the middle of an APPEND", "target", faults.Fault{From: faults.Client, Command: "APPEND", At: faults.LiteralMiddle, Skip: 3}},
	{"behind an APPEND's literal", "target", faults.Fault{From: faults.Client, Command: "APPEND", At: faults.AfterLiteral, Skip: 5}},
	{"at the end of an APPEND", "target", faults.Fault{From: faults.Client, Command: "APPEND", At: faults.BetweenCRLF, Skip: 6}},
	{"before the answer to APPEND", "target", faults.Fault{Command: "APPEND", At: faults.TagStart}},
	{"in the answer to APPEND", "target", faults.Fault{Command: "APPEND", At: faults.InTag}},
	{"before the second answer to APPEND", "target", faults.Fault{Command: "APPEND", At: faults.TagStart, Skip: 1}},
	{"before the answer to CREATE", "target", faults.Fault{Command: "CREATE", At: faults.TagStart}},
	{"in the logout", "source target", faults.Fault{Command: "LOGOUT", At: faults.LineStart}},
}

func (w *world) everywhere(t *testing.T, what string, do faults.Action, at func(spot) bool) {
	for _, s := range spots {
		for side := range strings.FieldsSeq(s.sides) {
			if at(s) {
				s.fault.Do = do
				w.try(t, what+" "+s.name, side, s.fault)
			}
		}
	}
}

func anywhere(spot) bool { return true }

// among chooses spots by their names.
func among(names ...string) func(spot) bool {
	return func(s spot) bool {
		for _, n := range names {
			if s.name == n {
				return true
			}
		}
		return false
	}
}

// Whatever goes wrong once, the target holds in the end what the source does, each once;
// until then the mover says that it has to be tried again.
func TestEveryFaultOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.everywhere(t, "reset", faults.Reset(), anywhere)
	w.everywhere(t, "silence", faults.HalfOpen(), among("in the greeting", "in the middle of a literal", "before the answer to APPEND", "in the middle of an APPEND", "in the logout"))
	w.everywhere(t, "long stall", faults.Stall(20*timeout), among("in the login's answer", "behind a literal's first byte", "at the end of an APPEND", "in the answer to APPEND"))
	w.everywhere(t, "short stall", faults.Stall(timeout/5), among("in the middle of a literal", "before the answer to APPEND"))
	w.everywhere(t, "slow", faults.Slow(3, 3000), among("in the greeting", "behind a literal's first byte", "in the tag of APPEND"))
	for name, text := range map[string]string{
		"random bytes": garbage(), "an unknown tag": "zz9 OK who am I\r\n", "half a tag": "r\r\n", "a huge line": "* " + strings.Repeat("x", 3<<20) + "\r\n",
		"an empty line": "\r\n", "NUL bytes": "* OK \x00\x00\x00\r\n", "a literal of nobody's": "* 1 STRANGE {7}\r\n)\r\nr1 O here\r\n", "no status": "* 3 FETCH\r\n",
	} {
		w.try(t, name, "source", faults.Fault{Command: "FETCH", At: faults.LineStart, Skip: 2, Do: faults.Insert(text)})
		w.try(t, name, "target", faults.Fault{Command: "APPEND", At: faults.LineStart, Do: faults.Insert(text)})
	}
	w.try(t, "a wrong tag", "source", faults.Fault{Command: "FETCH", At: faults.TagStart, Do: faults.Insert("x")})
	w.try(t, "a wrong tag", "target", faults.Fault{Command: "APPEND", At: faults.TagStart, Do: faults.Insert("x")})
	for _, n := range []int{1, 2, 3, 40} {
		fault := faults.Fault{Command: "FETCH", At: faults.LiteralMiddle, Do: faults.Drop(n)}
		w.try(t, fmt.Sprintf("a literal short of %d bytes", n), "source", fault)
	}
}

// garbage is a line of random bytes, the same each time.
func garbage() string {
	random := rand.New(rand.NewPCG(1, 2))
	line := make([]byte, 300)
	for i := range line {
		if line[i] = byte(random.Uint32()); line[i] == '\n' {
			line[i] = 0
		}
	}
	return string(line) + "\r\n"
}

// What a cancelled pass leaves behind ends as well, while the server says nothing.
func TestCancelledInTheSilence(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	proxy := w.behind(t, faults.Fault{Command: "FETCH", At: faults.LiteralMiddle, Do: faults.HalfOpen()})
	from, to := w.config(sourceUser), w.config("cancelled")
	from.Address, from.CAFile, from.Timeout = proxy.Addr(), w.cert.CertFile, time.Hour
	cause := errors.New("the window has closed")
	ctx, cancel := context.WithTimeoutCause(t.Context(), timeout, cause)
	defer cancel()
	if _, err := pass(ctx, from, to, migratetest.NewJournal()); !errors.Is(err, cause) {
		t.Errorf("got %v, want %v", err, cause)
	}
	if !proxy.Fired() {
		t.Error("the fault has not been committed")
	}
}
