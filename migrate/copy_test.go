package migrate_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"reforest/migrate"
	"reforest/migrate/memory"
	"reforest/migrate/migratetest"
)

func mailboxWith(bodies ...string) *memory.Mailbox {
	m := memory.NewMailbox()
	for i, b := range bodies {
		m.Add([]string{"INBOX"}, memory.Message{Body: []byte(b), Received: time.Unix(int64(i), 0)})
	}
	return m
}

func TestSkipsAreListedAndLimited(t *testing.T) {
	t.Parallel()
	source := mailboxWith("a", "b", "c", "d")
	source.Add([]string{"INBOX"}, memory.Message{Body: []byte("torn"), Broken: "page checksum mismatch"})
	target := &memory.Target{Mailbox: memory.NewMailbox(), Refuse: func(b []byte) string {
		if string(b) == "c" {
			return "Message contains invalid header"
		}
		return ""
	}}
	j := migratetest.NewJournal()
	sum, err := migrate.Copy(t.Context(), &memory.Source{Mailbox: source}, target, j, migrate.Options{Limit: 2})
	if err != nil {
		t.Fatal(err)
	}
	if sum.Brought != 3 || sum.Skipped != 2 {
		t.Errorf("brought %d, skipped %d, want 3 and 2", sum.Brought, sum.Skipped)
	}
	reasons := map[string]string{}
	for _, s := range j.Skips() {
		reasons[string(s.Item)] = s.Kind + ": " + s.Reason
		if diff := cmp.Diff([]string{"INBOX"}, s.Folder); diff != "" {
			t.Errorf("skip of item %s: folder %s", s.Item, diff)
		}
	}
	want := map[string]string{"3": "refused: Message contains invalid header", "5": "unreadable: memory.Read: page checksum mismatch"}
	if diff := cmp.Diff(want, reasons); diff != "" {
		t.Error(diff)
	}
	again, err := migrate.Copy(t.Context(), &memory.Source{Mailbox: source}, target, j, migrate.Options{Limit: 2})
	if err != nil || !again.Quiet() {
		t.Errorf("second pass: %+v, %v; skipped items must not be tried again", again, err)
	}
	_, err = migrate.Copy(t.Context(), &memory.Source{Mailbox: source}, target, j, migrate.Options{Limit: 1})
	if e := migrate.AsError(err); e == nil || e.Reach != migrate.OneMailbox || e.Retry != migrate.Never || e.Hint == "" {
		t.Errorf("past the limit: %v, want an *Error that needs a person and says what to do", err)
	}
}

// vanishing loses item 2 between Deltas and Read.
type vanishing struct{ *memory.Source }

func (s vanishing) Read(ctx context.Context, f migrate.FolderID, items []migrate.ItemID, form migrate.Format) iter.Seq2[*migrate.Item, error] {
	return func(yield func(*migrate.Item, error) bool) {
		for item, err := range s.Source.Read(ctx, f, items, form) {
			if item.ID == "2" {
				err = fmt.Errorf("fetch: %w", migrate.ErrGone)
			}
			if !yield(item, err) {
				return
			}
		}
	}
}

func TestGoneItemIsNoSkip(t *testing.T) {
	t.Parallel()
	source := vanishing{&memory.Source{Mailbox: mailboxWith("a", "b", "c")}}
	target := memory.NewMailbox()
	sum, err := migrate.Copy(t.Context(), source, &memory.Target{Mailbox: target}, migratetest.NewJournal(), migrate.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if sum.Gone != 1 || sum.Skipped != 0 || sum.Brought != 2 {
		t.Errorf("%+v, want 1 gone, 2 brought", sum)
	}
}

// However old an open intent is, the process that noted it may have sent its last
// octet a moment ago: the server is given time from the beginning of the pass.
func TestOpenIntentWaitsForItsGrace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		j := migratetest.NewJournal()
		if _, err := j.Intend(t.Context(), migrate.Intent{Folder: "INBOX", Ref: "INBOX", Mark: "1"}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		began := time.Now()
		_, err := migrate.Copy(t.Context(), &memory.Source{Mailbox: mailboxWith("a")}, &memory.Target{Mailbox: memory.NewMailbox()}, j, migrate.Options{Grace: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		if waited := time.Since(began); waited != time.Minute {
			t.Errorf("waited %v, want a minute", waited)
		}
	})
}

// brokenBody fails after some bytes with the given error.
type brokenBody struct{ err error }

func (b brokenBody) Read([]byte) (int, error) { return 0, b.err }

type brokenSource struct {
	*memory.Source
	err error
}

func (s brokenSource) Read(ctx context.Context, f migrate.FolderID, items []migrate.ItemID, form migrate.Format) iter.Seq2[*migrate.Item, error] {
	return func(yield func(*migrate.Item, error) bool) {
		for item, err := range s.Source.Read(ctx, f, items, form) {
			if item.ID == "2" {
				item.Body = io.MultiReader(strings.NewReader("half"), brokenBody{s.err})
			}
			if !yield(item, err) {
				return
			}
		}
	}
}

func TestBodyThatBreaksOff(t *testing.T) {
	t.Parallel()
	source := &memory.Source{Mailbox: mailboxWith("a", "b", "c")}
	torn := &migrate.Error{Op: "test", Reach: migrate.OneItem, Err: errors.New("torn")}
	lost := &migrate.Error{Op: "test", Reach: migrate.OneServer, Retry: migrate.Later, Err: errors.New("connection lost")}

	target := memory.NewMailbox()
	sum, err := migrate.Copy(t.Context(), brokenSource{source, torn}, &memory.Target{Mailbox: target}, migratetest.NewJournal(), migrate.Options{Limit: -1})
	if err != nil || sum.Skipped != 1 || sum.Brought != 2 {
		t.Errorf("torn item: %+v, %v; want it skipped", sum, err)
	}
	_, err = migrate.Copy(t.Context(), brokenSource{source, lost}, &memory.Target{Mailbox: memory.NewMailbox()}, migratetest.NewJournal(), migrate.Options{Limit: -1})
	if !errors.Is(err, lost) {
		t.Errorf("lost connection: %v, want %v", err, lost)
	}
}

func TestSpoolFilesAreRemoved(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	source := &memory.Source{Mailbox: mailboxWith(strings.Repeat("x", 100))}
	sum, err := migrate.Copy(t.Context(), source, &memory.Target{Mailbox: memory.NewMailbox()}, migratetest.NewJournal(), migrate.Options{SpoolBytes: 10, TempDir: dir})
	if err != nil || sum.BroughtBytes != 100 {
		t.Errorf("brought %d bytes, %v; want 100", sum.BroughtBytes, err)
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// Without room for temporary files no mailbox can go on, and none is at fault.
func TestNoRoomToSpoolStopsTheRun(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "gone")
	source := &memory.Source{Mailbox: mailboxWith("small", strings.Repeat("x", 100))}
	sum, err := migrate.Copy(t.Context(), source, &memory.Target{Mailbox: memory.NewMailbox()}, migratetest.NewJournal(), migrate.Options{SpoolBytes: 10, TempDir: dir, Limit: -1})
	e := migrate.AsError(err)
	if e == nil || e.Reach != migrate.WholeRun || e.Retry != migrate.Later || !strings.Contains(e.Hint, dir) {
		t.Errorf("got %#v, want an error of the whole run that names the directory, to be tried later", err)
	}
	if sum.Skipped != 0 {
		t.Errorf("skipped %d items, want none", sum.Skipped)
	}
}

// hiding leaves item 2 out of what it finds until it is told to show it.
type hiding struct {
	*memory.Source
	hide bool
}

func (s *hiding) Deltas(ctx context.Context, f migrate.FolderID, since migrate.Cursor) iter.Seq2[migrate.Delta, error] {
	return func(yield func(migrate.Delta, error) bool) {
		for d, err := range s.Source.Deltas(ctx, f, since) {
			if d.Item == "2" && s.hide {
				continue
			}
			if !yield(d, err) {
				return
			}
		}
	}
}

// An item that shows late lies behind the cursor: only a whole pass finds it.
func TestWholePassFindsWhatShowsLate(t *testing.T) {
	t.Parallel()
	source := &hiding{&memory.Source{Mailbox: mailboxWith("a", "b", "c")}, true}
	target := &memory.Target{Mailbox: memory.NewMailbox()}
	j := migratetest.NewJournal()
	for i, want := range []int64{2, 0, 1, 0} {
		source.hide = i == 0
		sum, err := migrate.Copy(t.Context(), source, target, j, migrate.Options{Whole: i >= 2})
		if err != nil || sum.Brought != want {
			t.Errorf("pass %d brought %d, want %d: %v", i+1, sum.Brought, want, err)
		}
	}
}

// silent does not say where it has written.
type silent struct{ *memory.Target }

func (s silent) Write(ctx context.Context, ref migrate.Ref, items []*migrate.Item) ([]migrate.Done, error) {
	done, err := s.Target.Write(ctx, ref, items)
	for i := range done {
		done[i].Ref = ""
	}
	return done, err
}

// What a target wrote without saying where is known again by its digest, each of two equal
// items once, wherever its owner has put it.
func TestWayBackFindsWhatHasNoPlace(t *testing.T) {
	t.Parallel()
	here, there := mailboxWith("a", "b", "b", "c"), memory.NewMailbox()
	forth, back := migratetest.NewJournals()
	if _, err := migrate.Copy(t.Context(), &memory.Source{Mailbox: here}, silent{&memory.Target{Mailbox: there}}, forth, migrate.Options{}); err != nil {
		t.Fatal(err)
	}
	there.PutFolder([]string{"Archive"}, false)
	there.Add([]string{"INBOX"}, memory.Message{Body: []byte("b"), Received: time.Unix(2, 0)}, memory.Message{Body: []byte("new")})
	if done, err := (&memory.Target{Mailbox: there}).Edit(t.Context(), "INBOX", []migrate.Edit{{At: "4", To: "Archive"}}); err != nil || len(done) != 1 {
		t.Fatal(done, err)
	}
	for i, want := range []migrate.Summary{{Brought: 2, Moved: 1}, {}} {
		sum, err := migrate.Copy(t.Context(), &memory.Source{Mailbox: there}, &memory.Target{Mailbox: here}, back, migrate.Options{Follow: true})
		got := migrate.Summary{Brought: sum.Brought, Moved: sum.Moved, Elsewhere: sum.Elsewhere, Deleted: sum.Deleted}
		if d := cmp.Diff(want, got); err != nil || d != "" {
			t.Errorf("pass %d: %v (-want +got):\n%s", i+1, err, d)
		}
	}
	sum, err := migrate.Copy(t.Context(), &memory.Source{Mailbox: here}, &memory.Target{Mailbox: there}, forth, migrate.Options{})
	if err != nil || sum.Brought != 0 {
		t.Errorf("forward again: brought %d, %v; want nothing", sum.Brought, err)
	}
	for _, f := range here.Folders() {
		if want := map[string]int{"INBOX": 5, "Archive": 1}[f.Path[0]]; len(f.Messages) != want {
			t.Errorf("%s holds %d messages, want %d", f.Path[0], len(f.Messages), want)
		}
	}
}
