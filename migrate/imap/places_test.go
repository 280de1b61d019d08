package imap

import (
	"fmt"
	"net"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"reforest/internal/lab/imapd"
	"reforest/migrate"
	"reforest/migrate/imap/imaptest"
)

// oddNames are what the names of random folders are made of.
var oddNames = []string{
	"a", "b", "A", "Projekte", "Ärger & Öl", "日本語", "~tilde", "=7Etilde", "..", "sl/ash", "", "tab\t", "INBOX", "inbox",
	"100% sure", " lead", `Quote"d`, "dots.in.name", "Sent", strings.Repeat("long", 40), strings.Repeat("ü", 200),
}

// maxPlaces is how many random mailboxes one test places.
const maxPlaces = 25

// randomFolders are those of a mailbox: parents before children, some without parents,
// containers last.
func randomFolders(rt *rapid.T) (want []migrate.Wanted) {
	seen := map[string]bool{}
	for range rapid.IntRange(1, 14).Draw(rt, "folders") {
		var path []string
		if i := rapid.IntRange(-2, len(want)-1).Draw(rt, "below"); i >= 0 {
			path = slices.Clone(want[i].Path)
		}
		for range rapid.IntRange(1, 2).Draw(rt, "depth") {
			path = append(path, rapid.SampledFrom(oddNames).Draw(rt, "name"))
		}
		if seen[pathKey(path)] {
			continue
		}
		seen[pathKey(path)] = true
		want = append(want, migrate.Wanted{Folder: migrate.Folder{
			Path: path, Subscribed: rapid.Bool().Draw(rt, "subscribed"),
			Container:  rapid.IntRange(0, 4).Draw(rt, "container") == 0,
			SpecialUse: rapid.SampledFrom([]string{"", "", "", `\Sent`, `\Archive`}).Draw(rt, "use"),
		}})
	}
	slices.SortStableFunc(want, func(a, b migrate.Wanted) int {
		if a.Container == b.Container {
			return 0
		}
		if a.Container {
			return 1
		}
		return -1
	})
	return want
}

// oneByOne places the folders without bursts.
func oneByOne(rt *rapid.T, t *Target, want []migrate.Wanted) (puts []migrate.Put, _ error) {
	for _, w := range want {
		placed, err := t.PutFolder(rt.Context(), w.Folder, w.Have)
		if err != nil {
			return nil, err
		}
		put := migrate.Put{Placed: placed}
		if !w.Container {
			if put.Mark, err = t.Mark(rt.Context(), placed.Ref); err != nil {
				return nil, err
			}
		}
		puts = append(puts, put)
	}
	return puts, nil
}

// taken is how long Dovecot says that a command took.
var taken = regexp.MustCompile(`\([0-9.]+ \+ [0-9. +]*secs\)`)

// describe writes down where folders lie, and what the mailbox holds.
func describe(rt *rapid.T, t *Target, puts []migrate.Put, err error) (lines []string) {
	for _, p := range puts {
		_, next, marked := strings.Cut(string(p.Mark), ".")
		lines = append(lines, fmt.Sprintf("%q %q %t %s", p.Ref, taken.ReplaceAllString(p.Mapped, ""), marked, next))
	}
	if err != nil {
		lines = append(lines, taken.ReplaceAllString(err.Error(), ""))
		return lines // what comes after the first that cannot be placed may have been created ahead
	}
	c, err := t.ready(rt.Context())
	if err != nil {
		rt.Fatal(err)
	}
	all, err := c.list(rt.Context(), false)
	if err != nil {
		rt.Fatal(err)
	}
	var held []string
	for _, l := range all {
		held = append(held, fmt.Sprintf("%q container %t subscribed %t use %q", l.name, l.container(), l.subscribed, specialUse(l)))
	}
	slices.Sort(held)
	return append(lines, held...)
}

// checkPlaces places random folders in two mailboxes, once in bursts and once one by one;
// then more of them, with those that were placed before. Each check logs in twice, so that
// there are fewer than rapid makes.
func checkPlaces(t *testing.T, mailbox func() Config) {
	checks, failed := 0, false
	rapid.Check(t, func(rt *rapid.T) {
		if checks++; checks > maxPlaces && !failed {
			return
		}
		many, single := openRandom(rt, mailbox()), openRandom(rt, mailbox())
		defer func() { _, _ = many.Close(), single.Close() }()
		want := randomFolders(rt)
		first := rapid.IntRange(0, len(want)).Draw(rt, "first")
		compare := func(want []migrate.Wanted) []migrate.Put {
			got, gotErr := many.PutFolders(rt.Context(), want)
			exp, expErr := oneByOne(rt, single, want)
			if diff := cmp.Diff(describe(rt, single, exp, expErr), describe(rt, many, got, gotErr)); diff != "" {
				failed = true
				rt.Fatalf("%q (-one by one +together):\n%s", paths(want), diff)
			}
			if gotErr != nil {
				rt.SkipNow()
			}
			return got
		}
		for i, p := range compare(want[:first]) {
			want[i].Have = p.Ref
		}
		if rapid.Bool().Draw(rt, "another process") {
			many.names, single.names = nil, nil
		}
		compare(want)
	})
}

func paths(want []migrate.Wanted) (all [][]string) {
	for _, w := range want {
		all = append(all, w.Path)
	}
	return all
}

func openRandom(rt *rapid.T, config Config) *Target {
	target, err := OpenTarget(rt.Context(), config)
	if err != nil {
		rt.Fatal(err)
	}
	return target
}

func TestPlacesAreTheSameOneByOne(t *testing.T) {
	t.Parallel()
	for _, delim := range []rune{'/', '.'} {
		t.Run(string(delim), func(t *testing.T) {
			t.Parallel()
			cert := imaptest.NewCert(t)
			server, err := imapd.Start(t.Context(), imapd.Config{Certificate: cert.TLS, Delimiter: delim})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = server.Close() })
			n := 0
			checkPlaces(t, func() Config {
				n++
				user := fmt.Sprintf("u%d", n)
				server.SetUser(user, "own")
				return Config{Address: server.Addr(), CAFile: cert.CertFile, Mailbox: user, Password: "own"}
			})
		})
	}
}

func TestPlacesAreTheSameOneByOneOnDovecot(t *testing.T) {
	t.Parallel()
	d := imaptest.StartDovecot(t, "/")
	n := 0
	checkPlaces(t, func() Config {
		n++
		return Config{Address: d.Address, CAFile: d.CAFile, Mailbox: fmt.Sprintf("u%d", n), Admin: d.Admin, Password: d.AdminPassword}
	})
}

// A trips counts how often something is waited for after something was sent.
type trips struct {
	net.Conn
	sent bool
	n    int
}

func (c *trips) Write(b []byte) (int, error) {
	c.sent = true
	return c.Conn.Write(b)
}

func (c *trips) Read(b []byte) (int, error) {
	if c.sent {
		c.sent, c.n = false, c.n+1
	}
	return c.Conn.Read(b)
}

func TestPlacesInFewRoundTrips(t *testing.T) {
	t.Parallel()
	d := imaptest.StartDovecot(t, "/")
	target, err := OpenTarget(t.Context(), Config{Address: d.Address, CAFile: d.CAFile, Mailbox: "u", Admin: d.Admin, Password: d.AdminPassword})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = target.Close() }()
	want := []migrate.Wanted{{Folder: migrate.Folder{Path: []string{"INBOX"}, Subscribed: true}}}
	for i := range 24 {
		path := []string{"Projekte"}
		if i > 0 {
			path = append(path, "Ärger & Öl")
		}
		if i > 1 {
			path = append(path, fmt.Sprintf("%d %%", i))
		}
		want = append(want, migrate.Wanted{Folder: migrate.Folder{Path: path, Subscribed: true}})
	}
	for _, step := range []struct {
		name string
		most int
	}{{"fresh", 5}, {"placed", 1}} {
		name, most := step.name, step.most
		count := &trips{Conn: target.conn.net.Conn}
		target.conn.net.Conn = count
		puts, err := target.PutFolders(t.Context(), want)
		if err != nil {
			t.Fatal(err)
		}
		if count.n > most {
			t.Errorf("%s: %d round trips, want %d at most", name, count.n, most)
		}
		for i, p := range puts {
			if p.Ref == "" || p.Mark == "" || p.Mapped != "" {
				t.Errorf("%s: %q lies at %q, %q, mark %q", name, want[i].Path, p.Ref, p.Mapped, p.Mark)
			}
		}
	}
}
