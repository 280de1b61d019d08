package migratetest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"testing"

	"reforest/migrate"
)

// A trip is a mailbox that goes forth and back, over and over.
type trip struct {
	World
	forth, back *Journal
	able        bool // the target can move and delete single messages
}

func newTrip(w World) trip {
	forth, back := NewJournals()
	return trip{World: w, forth: forth, back: back, able: true}
}

func following() migrate.Options {
	o := smallChunks()
	o.Follow = true
	return o
}

// goForth and goBack make a whole pass and check how many items it brings.
func (r trip) goForth(t *testing.T, what string, brings int64) migrate.Summary {
	t.Helper()
	sum, err := copyOver(t, r.Open, r.forth, smallChunks())
	if err != nil || sum.Brought != brings {
		t.Fatalf("forth, %s: brought %d, want %d: %v", what, sum.Brought, brings, err)
	}
	return sum
}

func (r trip) goBack(t *testing.T, what string, brings int64) migrate.Summary {
	t.Helper()
	sum, err := copyOver(t, r.OpenBack, r.back, following())
	if err != nil || sum.Brought != brings {
		t.Fatalf("back, %s: brought %d, want %d: %v", what, sum.Brought, brings, err)
	}
	return sum
}

// settled checks that neither direction finds anything more and that both sides agree.
func (r trip) settled(t *testing.T, what string) {
	t.Helper()
	if sum := r.goBack(t, what, 0); !sum.Quiet() {
		t.Errorf("back, %s: a second pass did %+v", what, sum)
	}
	r.goForth(t, what, 0)
	checkEqual(t, r)
	if t.Failed() {
		t.FailNow()
	}
}

func (r trip) deliver(t *testing.T, path []string, list []Message) {
	t.Helper()
	for _, m := range list {
		r.Deliver(t, path, m)
	}
}

// wayBack goes forth and back several times, with new mail on either side in between.
func wayBack(t *testing.T, w World) {
	r, corpus := newTrip(w), Corpus()
	w.Fill(t, corpus)
	r.goForth(t, "at first", count(corpus))
	r.goBack(t, "nothing new", 0)
	for n := range 2 {
		r.deliver(t, []string{"INBOX"}, messages(fmt.Sprint("there", n), 4))
		r.Owner().Move(t, []string{"INBOX"}, 10, []string{"Ablage", fmt.Sprint("Jahr ", n)}) // new mail in a new folder
		r.goBack(t, "mail arrived", 4)
		r.settled(t, "mail arrived at the target")
		w.Fill(t, []Folder{
			{Path: []string{"INBOX"}, Subscribed: true, Messages: messages(fmt.Sprint("here", n), 4)},
			{Path: []string{"Daheim"}, Subscribed: true, Messages: messages(fmt.Sprint("home", n), 2)},
		})
		r.goForth(t, "forward again", 6)
		r.settled(t, "mail arrived at the source")
	}
}

// moved has been copied whole, and since then mail arrived at the target.
func moved(t *testing.T, w World) trip {
	r := newTrip(w)
	w.Fill(t, smallCorpus())
	r.goForth(t, "at first", count(smallCorpus()))
	r.deliver(t, []string{"INBOX"}, messages("there", 5))
	r.deliver(t, []string{"Später"}, messages("more", 1))
	return r
}

// backKilledAtEveryWrite kills a way back that brings, moves and flags before and after
// each of its journal writes, resumes, and compares.
func backKilledAtEveryWrite(t *testing.T, newWorld func(t *testing.T) World) {
	writes := 0
	for n := 1; ; n++ {
		outlived := false
		for _, after := range []bool{false, true} {
			r := moved(t, newWorld(t))
			r.Owner().Flag(t, []string{"INBOX"}, 0, []string{`\Flagged`, "$Label1"}, nil)
			for _, n := range []int{6, 3, 1} { // against the order that they have at the source; 1 has an equal
				r.Owner().Move(t, []string{"INBOX"}, n, []string{"Später"})
			}
			outlived = dying(t, r.OpenBack, r.back, following(), atWrite(n, after)) == nil
			resumeBack(t, r, fmt.Sprintf("write %d, after %v", n, after))
		}
		if outlived {
			break
		}
		writes = n
	}
	if writes < 12 {
		t.Errorf("the way back wrote its journal only %d times: the test shows too little", writes)
	}
}

// backKilledInsideChunks kills a way back while the source mailbox has taken a part of a
// chunk.
func backKilledInsideChunks(t *testing.T, newWorld func(t *testing.T) World) {
	for _, items := range []int{1, 2} {
		r, deaths := moved(t, newWorld(t)), 0
		for dying(t, r.OpenBack, r.back, following(), afterItems(items)) != nil {
			if deaths++; deaths > 1000 {
				t.Fatal("the pass does not get on")
			}
		}
		if deaths < 3 {
			t.Errorf("died in only %d chunks: the test shows too little", deaths)
		}
		resumeBack(t, r, fmt.Sprintf("%d items of each chunk", items))
	}
}

func resumeBack(t *testing.T, r trip, how string) {
	t.Helper()
	if _, err := copyOver(t, r.OpenBack, r.back, following()); err != nil {
		t.Fatalf("killed at %s: resumed: %v", how, err)
	}
	r.settled(t, "killed at "+how)
}

// unresolved checks that a pass is refused while what was sent the other way is not
// confirmed, and that Resolve confirms it.
func unresolved(t *testing.T, w World) {
	r := moved(t, w)
	if err := dying(t, r.OpenBack, r.back, following(), afterItems(2)); err == nil {
		t.Fatal("the pass was meant to die")
	}
	if _, err := copyOver(t, r.Open, r.forth, smallChunks()); !errors.Is(err, migrate.ErrUnresolved) {
		t.Fatalf("forth with an open intent of the way back: %v, want %v", err, migrate.ErrUnresolved)
	}
	_, target, done := r.OpenBack(t)
	defer done()
	sum, err := migrate.Resolve(t.Context(), target, r.back, smallChunks())
	if err != nil || sum.Brought == 0 {
		t.Fatalf("resolve: %+v, %v; want what had landed", sum, err)
	}
	r.goForth(t, "after resolving", 0)
	r.goBack(t, "the rest", 6-sum.Brought)
	r.settled(t, "resolved")
}

// followed checks what becomes of items that the owner has moved, flagged and deleted.
func followed(t *testing.T, w World) {
	r := moved(t, w)
	inbox, later, archive := []string{"INBOX"}, []string{"Später"}, []string{"Archiv", "2014"}
	owner := r.Owner()
	owner.Move(t, inbox, 4, archive) // equal to 5, which stays
	owner.Move(t, inbox, 0, later)
	owner.Flag(t, later, 0, []string{`\Answered`, "$Label2"}, nil)
	sum := r.goBack(t, "moved", 6)
	if sum.Moved != 2 || sum.Edited != 1 || sum.Elsewhere != 0 || sum.Kept != 0 || sum.Deleted != 0 {
		t.Errorf("summary %+v, want 2 moved and 1 with other flags", sum)
	}
	r.settled(t, "moved and flagged")

	owner.Flag(t, later, 0, nil, []string{"$Label2"})
	owner.Flag(t, archive, 0, []string{`\Flagged`, `\Deleted`}, nil) // what was moved is still known
	if sum := r.goBack(t, "flags again", 0); sum.Edited != 2 || sum.Moved != 0 {
		t.Errorf("summary %+v, want 2 with other flags", sum)
	}
	owner.Flag(t, archive, 0, nil, []string{`\Deleted`}) // which was not brought
	r.settled(t, "flagged again")

	owner.Move(t, archive, 0, inbox)
	if sum := r.goBack(t, "moved once more", 0); sum.Moved != 1 || sum.Deleted != 0 {
		t.Errorf("summary %+v, want 1 moved", sum)
	}
	r.settled(t, "moved once more")

	expunged(t, r, later)
}

// expunged checks that what the owner deletes at the target stays at the source, and
// does not come again.
func expunged(t *testing.T, r trip, folder []string) {
	t.Helper()
	source, _ := r.Held(t)
	r.Owner().Expunge(t, folder, 0)
	for range 2 {
		if sum := r.goBack(t, "deleted", 0); sum.Deleted != 1 || sum.Moved != 0 || !sum.Quiet() {
			t.Errorf("summary %+v, want 1 deleted", sum)
		}
	}
	if after, _ := r.Held(t); count(after) != count(source) {
		t.Errorf("the source holds %d messages, want all %d", count(after), count(source))
	}
	r.goForth(t, "what was deleted does not come again", 0)
}

// A restless source is one whose owner is at work when a pass looks for what is new.
type restless struct {
	migrate.Source
	migrate.Looker
	migrate.Changer
	act func()
}

func (s *restless) Deltas(ctx context.Context, folder migrate.FolderID, since migrate.Cursor) iter.Seq2[migrate.Delta, error] {
	s.act()
	return s.Source.Deltas(ctx, folder, since)
}

// movedMeanwhile moves a message after the pass has seen it in its place, and copies
// another, which stays two.
func movedMeanwhile(t *testing.T, w World) {
	r := moved(t, w)
	source, target, done := r.OpenBack(t)
	defer done()
	acted := false
	act := func() {
		if !acted {
			acted = true
			r.Owner().Move(t, []string{"INBOX"}, 0, []string{"Später"})
			r.Deliver(t, []string{"Später"}, smallCorpus()[0].Messages[3])
		}
	}
	sum, err := migrate.Copy(t.Context(), &restless{source, source.(migrate.Looker), source.(migrate.Changer), act}, target, r.back, following())
	if err != nil || sum.Brought != 7 || sum.Moved != 1 || sum.Deleted != 0 {
		t.Errorf("%+v, %v; want 7 brought and 1 moved", sum, err)
	}
	r.settled(t, "moved meanwhile")
}
