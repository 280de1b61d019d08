package imap_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"reforest/internal/lab/imapd"
	"reforest/migrate"
	"reforest/migrate/imap"
	"reforest/migrate/imap/imaptest"
	"reforest/migrate/migratetest"
)

func withCause(t *testing.T) (context.Context, context.CancelCauseFunc) {
	t.Helper()
	ctx, cancel := context.WithCancelCause(t.Context())
	t.Cleanup(func() { cancel(nil) })
	return ctx, cancel
}

func openTarget(t *testing.T, config imap.Config) *imap.Target {
	t.Helper()
	target, err := imap.OpenTarget(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = target.Close() })
	return target
}

func openSource(t *testing.T, config imap.Config) *imap.Source {
	t.Helper()
	source, err := imap.OpenSource(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = source.Close() })
	return source
}

// item makes a message with a body, as migrate.Copy hands it to a target.
func item(id, body string, flags ...string) *migrate.Item {
	d := migrate.NewDigester(migrate.MIME)
	_, _ = d.Write([]byte(body))
	received := time.Date(2011, 2, 3, 4, 5, 6, 0, time.FixedZone("", 3*3600+1800))
	return &migrate.Item{
		ID: migrate.ItemID(id), Format: migrate.MIME, Received: received, Flags: flags,
		Size: int64(len(body)), Digest: d.Digest(), Body: strings.NewReader(body),
	}
}

// intent announces items.
func intent(t *testing.T, target migrate.Target, ref migrate.Ref, items ...*migrate.Item) migrate.Intent {
	t.Helper()
	mark, err := target.Mark(t.Context(), ref)
	if err != nil {
		t.Fatal(err)
	}
	in := migrate.Intent{Ref: ref, Mark: mark}
	for _, i := range items {
		in.Items = append(in.Items, migrate.Planned{Item: i.ID, Size: i.Size, Digest: i.Digest, Received: i.Received, Flags: i.Flags})
	}
	return in
}

// landed returns the ids of what landed.
func landed(t *testing.T, target migrate.Target, in migrate.Intent) []migrate.ItemID {
	t.Helper()
	done, err := target.Landed(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	return ids(done)
}

func ids(done []migrate.Done) []migrate.ItemID {
	var all []migrate.ItemID
	for _, d := range done {
		all = append(all, d.Item)
	}
	return all
}

func mail(n int) string { return fmt.Sprintf("Subject: %d\r\n\r\nbody %d\r\n", n, n) }

func TestConnectionLostWithinAChunk(t *testing.T) {
	t.Parallel()
	for _, drop := range []imapd.Drop{imapd.DropBefore, imapd.DropAfter} {
		w := newLabWorld(t, imapd.Config{}, imapd.Config{})
		target := openTarget(t, w.config(w.target))
		items := []*migrate.Item{item("1.1", mail(1)), item("1.2", mail(2)), item("1.3", mail(3))}
		in := intent(t, target, "INBOX", items...)
		w.target.Plan(imapd.Fault{Op: imapd.Append, Marker: "body 2", Times: 1, Drop: drop})
		done, err := target.Write(t.Context(), "INBOX", items)
		if e := migrate.AsError(err); e == nil || e.Reach != migrate.OneServer || e.Retry != migrate.Later {
			t.Errorf("dropped %s: Write: %v, want an error of the server, to be tried later", drop, err)
		}
		// What the server said of the first may be lost with the connection.
		if known := ids(done); len(known) > 1 || len(known) == 1 && known[0] != "1.1" {
			t.Errorf("dropped %s: %v are said to be written, want the first at most", drop, known)
		}
		// Somebody's mail and a message of the same size come in between.
		w.Deliver(t, []string{"INBOX"}, migratetest.Message{Body: mail(9), Received: items[0].Received})
		want := []migrate.ItemID{"1.1"}
		if drop == imapd.DropAfter {
			want = append(want, "1.2")
		}
		if diff := cmp.Diff(want, landed(t, target, in)); diff != "" {
			t.Errorf("dropped %s: landed (-want +got):\n%s", drop, diff)
		}
	}
}

func TestLandedMatchesInOrder(t *testing.T) {
	t.Parallel()
	w := newLabWorld(t, imapd.Config{}, imapd.Config{})
	target := openTarget(t, w.config(w.target))
	same := mail(5)
	items := []*migrate.Item{item("1.1", mail(1)), item("1.2", same), item("1.3", mail(3)), item("1.4", same)}
	in := intent(t, target, "INBOX", items...)
	// A copy of the last planned item, delivered by somebody, comes first.
	w.Deliver(t, []string{"INBOX"}, migratetest.Message{Body: mail(3), Received: items[0].Received})
	if _, err := target.Write(t.Context(), "INBOX", items[:3]); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]migrate.ItemID{"1.1", "1.2", "1.3"}, landed(t, target, in)); diff != "" {
		t.Errorf("landed (-want +got):\n%s", diff)
	}
	if err := w.target.Renumber(w.user, "INBOX"); err != nil {
		t.Fatal(err)
	}
	_, err := target.Landed(t.Context(), in)
	if e := migrate.AsError(err); e == nil || e.Reach != migrate.OneMailbox || e.Retry != migrate.Never || e.Hint == "" {
		t.Errorf("Landed after UIDVALIDITY has changed: %v, want an error for a person", err)
	}
}

func TestPushbackEndsAChunk(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]migrate.Error{
		"UNAVAILABLE": {Reach: migrate.OneServer, Retry: migrate.Later},
		"INUSE":       {Reach: migrate.OneServer, Retry: migrate.Later},
		"LIMIT":       {Reach: migrate.OneServer, Retry: migrate.Later},
		"OVERQUOTA":   {Reach: migrate.OneMailbox, Retry: migrate.Later},
		"SERVERBUG":   {Reach: migrate.OneMailbox, Retry: migrate.Later},
		"NOPERM":      {Reach: migrate.OneMailbox, Retry: migrate.Never},
	} {
		w := newLabWorld(t, imapd.Config{}, imapd.Config{})
		target := openTarget(t, w.config(w.target))
		w.target.Plan(imapd.Fault{User: w.user, Op: imapd.Append, Pass: 1, Times: 1, Code: code, Text: "slow down"})
		items := []*migrate.Item{item("1.1", mail(1), "kept"), item("1.2", mail(2), "kept"), item("1.3", mail(3), "kept")}
		done, err := target.Write(t.Context(), "INBOX", items)
		got := migrate.AsError(err)
		if got == nil || got.Reach != want.Reach || got.Retry != want.Retry || !strings.Contains(err.Error(), "slow down") {
			t.Errorf("%s: got %v, want reach %v, retry %v and the server's words", code, err, want.Reach, want.Retry)
		}
		// The third was on its way already, and is known to be there.
		if diff := cmp.Diff([]migrate.ItemID{"1.1", "1.3"}, ids(done)); diff != "" || len(w.target.Snapshot(w.user)[0].Messages) != 2 {
			t.Errorf("%s: written (-want +got):\n%s", code, diff)
		}
	}
	w := newLabWorld(t, imapd.Config{}, imapd.Config{})
	_, err := openTarget(t, w.config(w.target)).Write(t.Context(), "gone", []*migrate.Item{item("1.1", mail(1))})
	if e := migrate.AsError(err); e == nil || e.Reach != migrate.OneMailbox || e.Retry != migrate.Later {
		t.Errorf("missing folder: %v, want an error of the mailbox, to be tried later", err)
	}
}

// refusals are messages that strict servers do not take.
func refusals() []*migrate.Item {
	return []*migrate.Item{
		item("1.1", mail(1), `\Seen`, "$Forwarded"),
		item("1.2", ""),
		item("1.3", mail(3), `\Flagged`, "short", strings.Repeat("k", 61), `\Weird`, "not an atom"),
		item("1.4", "Subject: 8-bit \xe4\r\n\r\nbare\nLF\r\n", `\Answered`),
	}
}

func checkRefusals(t *testing.T, target migrate.Target) {
	t.Helper()
	done, err := target.Write(t.Context(), "INBOX", refusals())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]migrate.ItemID{"1.1", "1.2", "1.3", "1.4"}, ids(done)); diff != "" {
		t.Fatalf("done (-want +got):\n%s", diff)
	}
	if s := done[1].Skip; s == nil || s.Kind != "refused" || s.Reason == "" || s.Item != "1.2" || s.Received.IsZero() {
		t.Errorf("empty message: %+v, want a skip with the server's words", s)
	}
	for i, want := range [][]string{{`\Seen`, "$Forwarded"}, nil, {`\Flagged`, "short"}, {`\Answered`}} {
		if diff := cmp.Diff(want, done[i].Flags); diff != "" || i != 1 && done[i].Skip != nil {
			t.Errorf("item %s, skip %v, flags (-want +got):\n%s", done[i].Item, done[i].Skip, diff)
		}
		if i != 1 && done[i].Ref == "" {
			t.Errorf("item %s has no reference, in spite of UIDPLUS", done[i].Item)
		}
	}
	if n, err := target.(migrate.Counter).Count(t.Context(), "INBOX"); n != 3 || err != nil {
		t.Errorf("the folder holds %d messages, %v; want 3", n, err)
	}
}

func TestRefusedMessages(t *testing.T) {
	t.Parallel()
	w := newLabWorld(t, imapd.Config{}, imapd.Config{})
	checkRefusals(t, openTarget(t, w.config(w.target)))
	w.target.Plan(imapd.Fault{Op: imapd.Append, Marker: "body 7", Text: "Message contains invalid header"})
	done, err := openTarget(t, w.config(w.target)).Write(t.Context(), "INBOX", []*migrate.Item{item("1.7", mail(7)), item("1.8", mail(8))})
	if err != nil || len(done) != 2 || done[0].Skip == nil || done[0].Skip.Reason != "Message contains invalid header" || done[1].Skip != nil {
		t.Errorf("got %+v, %v; want the first skipped with the server's words", done, err)
	}
}

func TestRefusedMessagesOnDovecot(t *testing.T) {
	t.Parallel()
	d := imaptest.StartDovecot(t, "/")
	user := newUser()
	target := openTarget(t, dovecotConfig(d, user))
	in := intent(t, target, "INBOX", refusals()...)
	checkRefusals(t, target)
	if diff := cmp.Diff([]migrate.ItemID{"1.1", "1.3", "1.4"}, landed(t, target, in)); diff != "" {
		t.Errorf("landed (-want +got):\n%s", diff)
	}
}

// hardNames are folder names that movers stumble over.
func hardNames() [][]string {
	return [][]string{
		{"INBOX"},
		{"INBOX", "below"},
		{"Projekte"},
		{"Projekte", "Ärger & Öl"},
		{"日本語", "受信", "フォルダ"},
		{"🎄"},
		{" leading"},
		{"two  spaces"},
		{"100% sure"},
		{"100% sure", "~deep"},
		{"wild*card"},
		{`Quote"d`},
		{`back\slash`},
		{"semi;colon"},
		{"{5}"},
		{"[brackets]"},
		{"dots.in.name"},
		{strings.Repeat("long", 40)},
		{strings.Repeat("ü", 200)},
		{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"},
		{"~tilde"},
		{"~tilde", "child"},
		{"..", "x"},
		{"sl/ash"},
		{"=7Etilde"},
		{"&amp"},
		{"tab\there"},
	}
}

// checkNames places the names, twice, and checks that none is lost or merged.
func checkNames(t *testing.T, target *imap.Target, again func() *imap.Target, refused map[string]string) {
	t.Helper()
	at := map[migrate.Ref]string{}
	refs := map[string]migrate.Ref{}
	for _, path := range hardNames() {
		key := strings.Join(path, "→")
		placed, err := target.PutFolder(t.Context(), migrate.Folder{Path: path, Subscribed: true}, "")
		if err != nil {
			t.Errorf("place %q: %v", key, err)
			continue
		}
		if other, taken := at[placed.Ref]; taken {
			t.Errorf("%q and %q both lie at %q", key, other, placed.Ref)
		}
		at[placed.Ref], refs[key] = key, placed.Ref
		why, mapped := refused[key]
		if mapped != (placed.Mapped != "") || !strings.Contains(placed.Mapped, why) {
			t.Errorf("place %q at %q: mapped %q, want %q", key, placed.Ref, placed.Mapped, why)
		}
		if _, err := target.Mark(t.Context(), placed.Ref); err != nil {
			t.Errorf("mark %q: %v", placed.Ref, err)
		}
	}
	second := again()
	for _, path := range hardNames() {
		key := strings.Join(path, "→")
		for _, have := range []migrate.Ref{"", refs[key]} {
			placed, err := second.PutFolder(t.Context(), migrate.Folder{Path: path}, have)
			if err != nil || placed.Ref != refs[key] {
				t.Errorf("place %q again: %q, %v; want %q", key, placed.Ref, err, refs[key])
			}
		}
	}
}

func TestFolderNames(t *testing.T) {
	t.Parallel()
	for _, delim := range []rune{'/', '.'} {
		w := newLabWorld(t, imapd.Config{}, imapd.Config{Delimiter: delim})
		again := func() *imap.Target { return openTarget(t, w.config(w.target)) }
		refused := map[string]string{
			"~tilde": "Begins with '~'", "~tilde→child": "Begins with '~'", "100% sure→~deep": "Begins with '~'",
			strings.Repeat("ü", 200): "too long", "tab\there": "characters", "..→x": "",
			"=7Etilde": "already placed",
		}
		if delim == '/' {
			refused["sl/ash"], refused["..→x"] = "separates folders", ".."
		} else {
			refused["dots.in.name"], refused["..→x"] = "separates folders", "separates folders"
		}
		checkNames(t, again(), again, refused)
		for _, f := range w.target.Snapshot(w.user) {
			if slices.Contains(f.Path, "") {
				t.Errorf("folder %q has an empty component", f.Path)
			}
		}
	}
}

func TestFolderNamesOnDovecot(t *testing.T) {
	t.Parallel()
	d := imaptest.StartDovecot(t, "/")
	user := newUser()
	again := func() *imap.Target { return openTarget(t, dovecotConfig(d, user)) }
	checkNames(t, again(), again, map[string]string{
		"~tilde": "Begins with '~'", "~tilde→child": "Begins with '~'", "..→x": "", strings.Repeat("ü", 200): "too long",
		"sl/ash": "separates folders", "tab\there": "characters", "=7Etilde": "already placed",
	})
}

func TestContainers(t *testing.T) {
	t.Parallel()
	d := imaptest.StartDovecot(t, "/")
	user := newUser()
	target := openTarget(t, dovecotConfig(d, user))
	for _, f := range []migrate.Folder{
		{Path: []string{"only"}, Container: true},
		{Path: []string{"only", "child"}},
		{Path: []string{"~none"}, Container: true},
		{Path: []string{"~none", "child"}},
	} {
		if _, err := target.PutFolder(t.Context(), f, ""); err != nil {
			t.Errorf("place %q: %v", f.Path, err)
		}
	}
	folders, err := openSource(t, dovecotConfig(d, user)).Folders(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]bool{}
	for _, f := range folders {
		got[strings.Join(f.Path, "→")] = f.Container
	}
	want := map[string]bool{"INBOX": false, "only": true, "only→child": false, "=7Enone": true, "=7Enone→child": false}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("folders and whether they are containers (-want +got):\n%s", diff)
	}
}

func TestSpecialUse(t *testing.T) {
	t.Parallel()
	w := newLabWorld(t, imapd.Config{}, imapd.Config{})
	target := openTarget(t, w.config(w.target))
	for _, name := range []string{"Gesendet", "Sent", "Archiv"} {
		use := `\Sent`
		if name == "Archiv" {
			use = `\Archive`
		}
		if _, err := target.PutFolder(t.Context(), migrate.Folder{Path: []string{name}, SpecialUse: use}, ""); err != nil {
			t.Errorf("place %q: %v", name, err)
		}
	}
	got := map[string]string{}
	for _, f := range w.target.Snapshot(w.user) {
		got[f.Path[0]] = f.SpecialUse
	}
	want := map[string]string{"INBOX": "", "Archiv": `\Archive`, "Gesendet": `\Sent`, "Sent": ""}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("special uses (-want +got):\n%s", diff)
	}
}
