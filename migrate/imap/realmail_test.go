package imap_test

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"reforest/migrate/imap/imaptest"
	"reforest/migrate/migratetest"
)

// allRealMail returns messages written by strangers, a folder for each who collected them:
// of the directory mail in REFOREST_SHARED, or in shared beside the repository. Their line
// ends are those of a message on the wire. Each has a date of its own.
func allRealMail(t *testing.T) []migratetest.Folder {
	t.Helper()
	root := os.Getenv("REFOREST_SHARED")
	if root == "" {
		root = filepath.Join("..", "..", "..", "shared")
	}
	files, err := filepath.Glob(filepath.Join(root, "mail", "*", "*.eml"))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Logf("NO REAL MAIL in %s: set REFOREST_SHARED. A few messages of our own stand in for it", root)
		return dated([]migratetest.Folder{{Path: []string{"own"}, Subscribed: true, Messages: realMail(t, 0)}})
	}
	var folders []migratetest.Folder
	for _, file := range files {
		body, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		path := []string{filepath.Base(filepath.Dir(file))}
		if n := len(folders); n == 0 || folders[n-1].Path[0] != path[0] {
			folders = append(folders, migratetest.Folder{Path: path, Subscribed: n%2 == 0})
		}
		last := &folders[len(folders)-1]
		last.Messages = append(last.Messages, migratetest.Message{Body: string(body)})
	}
	return dated(folders)
}

// dated gives the messages line ends, dates in changing zones, and flags.
func dated(folders []migratetest.Folder) []migratetest.Folder {
	n := 0
	for f := range folders {
		for i := range folders[f].Messages {
			m := &folders[f].Messages[i]
			zone := time.FixedZone("", (n%27-12)*3600+n%4*900)
			m.Received = time.Date(2003, 2, 1, 0, 0, n*977, 0, zone)
			m.Flags = [][]string{nil, {`\Seen`}, {`\Seen`, `\Answered`}, {`\Flagged`, "$Forwarded"}, {"Projekt-7", `\Draft`}}[n%5]
			m.Body = strings.ReplaceAll(strings.ReplaceAll(m.Body, "\r\n", "\n"), "\n", "\r\n")
			n++
		}
	}
	return folders
}

// A refusal is what a report names a message by that could not be moved.
type refusal struct {
	folder string
	date   int64
	size   int64
	words  string
}

// fateOf offers the messages to a server, directly, and returns what it refuses, and how
// the others are to be listed.
func fateOf(t *testing.T, p peer, user string, folders []migratetest.Folder) (refusals []refusal, taken []string) {
	t.Helper()
	account := p.account(t, user)
	for _, f := range folders {
		words, made := account.Offer(t, f)
		if !made {
			t.Fatalf("folder %q is refused", f.Path)
		}
		for i, m := range f.Messages {
			if why, no := words[i]; no {
				refusals = append(refusals, refusal{f.Path[0], m.Received.Unix(), int64(len(m.Body)), why})
				continue
			}
			stored := p.stores(m.Body)
			taken = append(taken, entryLine(f.Path[0], imaptest.Entry{
				Received: m.Received.Unix(), Flags: slices.Sorted(slices.Values(m.Flags)), Size: int64(len(stored)), Sum: sha256.Sum256([]byte(stored)),
			}))
		}
	}
	return byDate(refusals), slices.Sorted(slices.Values(taken))
}

// inventoryLines lists a mailbox, message by message.
func inventoryLines(shelves []imaptest.Shelf) []string {
	var lines []string
	for _, s := range shelves {
		for _, e := range s.Entries {
			lines = append(lines, entryLine(s.Path, e))
		}
	}
	slices.Sort(lines)
	return lines
}

func entryLine(path string, e imaptest.Entry) string {
	return fmt.Sprintf("%s %d %q %d %x", path, e.Received, e.Flags, e.Size, e.Sum)
}

// without leaves out what the refusals are about, and returns the others as they are stored.
func without(folders []migratetest.Folder, refusals []refusal, stores func(string) string) []migratetest.Folder {
	var rest []migratetest.Folder
	for _, f := range folders {
		f.Messages = slices.DeleteFunc(slices.Clone(f.Messages), func(m migratetest.Message) bool {
			return slices.ContainsFunc(refusals, func(r refusal) bool { return r.date == m.Received.Unix() })
		})
		for i := range f.Messages {
			f.Messages[i].Body = stores(f.Messages[i].Body)
		}
		rest = append(rest, f)
	}
	return rest
}

// refusalsOf returns what a journal lists as skipped.
func refusalsOf(j *migratetest.Journal) []refusal {
	var all []refusal
	for _, s := range j.Skips() {
		all = append(all, refusal{strings.Join(s.Folder, "/"), s.Received.Unix(), s.Size, s.Reason})
	}
	return byDate(all)
}

func byDate(all []refusal) []refusal {
	slices.SortFunc(all, func(a, b refusal) int { return cmp.Compare(a.date, b.date) })
	return all
}

// Mail written by strangers moves between every two real servers. What is to arrive is
// told by the files, and what is to be refused by the target itself, which is offered the
// same messages by another client.
func TestAllRealMail(t *testing.T) {
	t.Parallel()
	source, target, cyrus := dovecotPeer(imaptest.StartDovecot(t, "/")), dovecotPeer(imaptest.StartDovecot(t, ".")), cyrusIfThere(t)
	for _, tt := range []struct {
		name           string
		source, target peer
	}{
		{"Dovecot to Dovecot", source, target},
		{"Dovecot to Cyrus", source, cyrus},
		{"Cyrus to Dovecot", cyrus, target},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			needs(t, tt.source, tt.target)
			checkRealMail(t, tt.source, tt.target, newUser())
		})
	}
}

func checkRealMail(t *testing.T, source, target peer, user string) {
	t.Helper()
	mail := allRealMail(t)
	unfit, held := fateOf(t, source, user, mail) // the source's own refusals: such mail is nowhere to be moved
	if diff := gocmp.Diff(held, inventoryLines(source.owner(user).Inventory(t, ""))); diff != "" {
		t.Fatalf("the source does not hold what it took (-want +got):\n%s", diff)
	}
	refusals, want := fateOf(t, target, user+"probe", without(mail, unfit, source.stores))
	target.account(t, user)
	j := migratetest.NewJournal()
	sum := passes(t, source.config(user), target.config(user), j)
	if diff := gocmp.Diff(refusals, refusalsOf(j), gocmp.AllowUnexported(refusal{})); diff != "" {
		t.Errorf("what is skipped (-want +got):\n%s", diff)
	}
	if diff := gocmp.Diff(want, inventoryLines(target.owner(user).Inventory(t, ""))); diff != "" {
		t.Errorf("target (-want +got):\n%s", diff)
	}
	if sum.Brought != int64(len(want)) || len(want) == 0 || sum.Reflagged != 0 {
		t.Errorf("brought %d, %d of them with fewer flags; want %d and none", sum.Brought, sum.Reflagged, len(want))
	}
	t.Logf("%d messages moved, %d refused by the target, %d were by the source", len(want), len(refusals), len(unfit))
}
