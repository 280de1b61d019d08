package imap_test

import (
	"crypto/sha256"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"reforest/batch"
	"reforest/batch/store"
	"reforest/migrate"
	"reforest/migrate/imap"
	"reforest/migrate/imap/imaptest"
	"reforest/migrate/migratetest"
)

// The mailbox of BenchmarkAgainstMbsync: 2,000 messages, 30 MB.
const (
	benchFolders = 10
	benchEach    = 200
	benchBytes   = 15_000 // on average
)

// BenchmarkAgainstMbsync copies one mailbox from a Dovecot to another with this
// package and with mbsync by turns, over TLS, each with its journal on disk, into
// a new mailbox every time. What does not arrive exactly ends the benchmark.
func BenchmarkAgainstMbsync(b *testing.B) {
	mbsync, err := exec.LookPath("mbsync")
	if err != nil {
		b.Skip("mbsync is not installed: apt-get install isync")
	}
	d := duel{b: b, mbsync: mbsync, source: imaptest.StartDovecot(b, "/"), target: imaptest.StartDovecot(b, "/"), user: newUser()}
	account(d.source, d.user).Fill(b, benchMail())
	d.want = fingerprints(account(d.source, d.user).Held(b))
	if len(d.want) != benchFolders*benchEach {
		b.Fatalf("the source holds %d messages, want %d", len(d.want), benchFolders*benchEach)
	}
	var ours, theirs, ratios []float64
	for b.Loop() {
		first, second := d.reforest, d.isync
		if len(ours)%2 == 1 {
			first, second = second, first
		}
		mine, other := first(), second()
		if len(ours)%2 == 1 {
			mine, other = other, mine
		}
		ours, theirs, ratios = append(ours, mine), append(theirs, other), append(ratios, mine/other)
	}
	b.ReportMetric(median(ours), "items/s")
	b.ReportMetric(median(theirs), "mbsync-items/s")
	b.ReportMetric(median(ratios), "ratio")
}

// A duel is two movers over the same mailbox.
type duel struct {
	b              *testing.B
	mbsync         string
	source, target *imaptest.Dovecot
	user           string
	want           []string // the source's messages
}

// reforest returns how many messages per second this package copies.
func (d duel) reforest() float64 {
	user := newUser()
	journal := d.journal()
	began := time.Now()
	source, err := imap.OpenSource(d.b.Context(), dovecotConfig(d.source, d.user))
	if err != nil {
		d.b.Fatal(err)
	}
	defer func() { _ = source.Close() }()
	target, err := imap.OpenTarget(d.b.Context(), dovecotConfig(d.target, user))
	if err != nil {
		d.b.Fatal(err)
	}
	defer func() { _ = target.Close() }()
	if _, err := migrate.Copy(d.b.Context(), source, target, journal, migrate.Options{}); err != nil {
		d.b.Fatal(err)
	}
	return d.score("reforest", user, time.Since(began))
}

// journal is that of a move in a store of its own.
func (d duel) journal() migrate.Journal {
	s, err := store.Open(d.b.Context(), store.Config{Path: filepath.Join(d.b.TempDir(), "reforest.db")})
	if err != nil {
		d.b.Fatal(err)
	}
	d.b.Cleanup(func() { _ = s.Close() })
	if err := s.Plan(d.b.Context(), batch.Batch{ID: "b", Name: "b"}, []batch.Move{{ID: "m", Batch: "b"}}); err != nil {
		d.b.Fatal(err)
	}
	claim, found, err := s.Claim(d.b.Context(), batch.Want{Run: "r", Batch: "b", Now: time.Now()})
	if err != nil || !found {
		d.b.Fatalf("claim: %v, %v", found, err)
	}
	journal := s.Journals(claim).Content
	return journal
}

// isync returns how many messages per second mbsync copies.
func (d duel) isync() float64 {
	user, dir := newUser(), d.b.TempDir()
	config := d.side("source", d.source, d.user) + d.side("target", d.target, user) + `
Channel move
Far :source:
Near :target:
Patterns *
Sync Pull
Create Near
CopyArrivalDate yes
SyncState ` + dir + `/
`
	file := filepath.Join(dir, "mbsyncrc")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		d.b.Fatal(err)
	}
	began := time.Now()
	if out, err := exec.CommandContext(d.b.Context(), d.mbsync, "-q", "-c", file, "move").CombinedOutput(); err != nil {
		d.b.Fatalf("mbsync: %v\n%s", err, out)
	}
	return d.score("mbsync", user, time.Since(began))
}

func (d duel) side(name string, server *imaptest.Dovecot, user string) string {
	_, port, err := net.SplitHostPort(server.Address)
	if err != nil {
		d.b.Fatal(err)
	}
	// mbsync compares names and no addresses with the certificate.
	return fmt.Sprintf("IMAPAccount %[1]s\nHost localhost\nPort %[2]s\nUser %[3]s\nPass %[4]s\nSSLType IMAPS\nCertificateFile %[5]s\n\nIMAPStore %[1]s\nAccount %[1]s\n\n",
		name, port, user, server.Password, server.CAFile)
}

// score checks that everything has arrived.
func (d duel) score(mover, user string, took time.Duration) float64 {
	if diff := cmp.Diff(d.want, fingerprints(account(d.target, user).Held(d.b))); diff != "" {
		d.b.Fatalf("%s is not exact (-source +target):\n%s", mover, diff)
	}
	return float64(len(d.want)) / took.Seconds()
}

// fingerprints describes each message by folder, date, flags and bytes, in some
// order. The header by which mbsync finds its own messages again is passed over.
func fingerprints(folders []migratetest.Folder) []string {
	var list []string
	for _, f := range folders {
		for _, m := range f.Messages {
			flags := slices.DeleteFunc(slices.Clone(m.Flags), func(f string) bool { return f == `\Recent` })
			slices.Sort(flags)
			sum := sha256.Sum256([]byte(withoutTUID(m.Body)))
			list = append(list, fmt.Sprintf("%q %d %v %x", f.Path, m.Received.Unix(), flags, sum))
		}
	}
	slices.Sort(list)
	return list
}

func withoutTUID(body string) string {
	before, rest, found := strings.Cut(body, "X-TUID: ")
	if !found {
		return body
	}
	_, after, _ := strings.Cut(rest, "\r\n")
	return before + after
}

// benchMail is the mailbox to be copied: most messages are small, and one in twenty
// is ten times as large. mbsync knows no keywords.
func benchMail() []migratetest.Folder {
	var folders []migratetest.Folder
	for f := range benchFolders {
		folder := migratetest.Folder{Path: []string{fmt.Sprint("Folder ", f)}, Subscribed: true}
		for i := range benchEach {
			size := benchBytes / 15 * (1 + i%20)
			if i%20 == 19 {
				size = benchBytes / 15 * 110 // with the 190 of the other nineteen, 15 on average
			}
			line := fmt.Sprintf("line of message %d in folder %d\r\n", i, f)
			folder.Messages = append(folder.Messages, migratetest.Message{
				Body:     fmt.Sprintf("Subject: %d\r\nMessage-ID: <%d.%d@alpine.test>\r\n\r\n", i, f, i) + strings.Repeat(line, size/len(line)),
				Received: time.Date(2009, 1, 1+f, 0, 0, i, 0, time.UTC),
				Flags:    [][]string{nil, {`\Seen`}, {`\Seen`, `\Answered`}, {`\Flagged`}}[i%4],
			})
		}
		folders = append(folders, folder)
	}
	return folders
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return (sorted[len(sorted)/2] + sorted[(len(sorted)-1)/2]) / 2
}
