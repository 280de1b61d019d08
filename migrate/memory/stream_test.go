package memory_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"reforest/migrate"
	"reforest/migrate/memory"
	"reforest/migrate/migratetest"
)

// A trial is one mailbox of many equal messages and its fate.
type trial struct {
	*rand.Rand
	source, target *memory.Mailbox
	journal        *migratetest.Journal
	written        int // messages that the target was asked to take
	refused        map[int]bool
	late           bool
}

func newTrial(seed uint64) *trial {
	r := &trial{
		Rand: rand.New(rand.NewPCG(seed, 0)), source: memory.NewMailbox(), target: memory.NewMailbox(),
		journal: migratetest.NewJournal(), refused: map[int]bool{},
	}
	for range 4 + r.IntN(16) {
		path := []string{[]string{"INBOX", "INBOX", "Archive"}[r.IntN(3)]}
		r.source.PutFolder(path, false)
		r.source.Add(path, memory.Message{Body: fmt.Append(nil, r.IntN(3)), Received: time.Unix(0, 0)})
	}
	for range r.IntN(4) {
		r.refused[r.IntN(20)] = true
	}
	r.late = r.IntN(2) == 0
	return r
}

// refuse refuses some messages for no reason of theirs: equal ones are taken.
func (r *trial) refuse([]byte) string {
	r.written++
	if r.refused[r.written] {
		return "not now"
	}
	return ""
}

// pass makes a pass in a process that dies at its nth step.
func (r *trial) pass(t *testing.T, n int) error {
	t.Helper()
	target := &memory.Stream{Target: &memory.Target{Mailbox: r.target, Refuse: r.refuse}, Late: r.late}
	dying, journal := migratetest.Mortal(target, r.journal, n, r.IntN(2) == 0)
	options := migrate.Options{ChunkItems: 1 + r.IntN(4), ChunkBytes: 1 + r.Int64N(4), QueueBytes: 1, Grace: -1, Limit: -1}
	_, err := migrate.Copy(t.Context(), &memory.Source{Mailbox: r.source, Page: 1 + r.IntN(5)}, dying, journal, options)
	if err != nil && !errors.Is(err, migratetest.ErrKilled) {
		t.Fatal(err)
	}
	return err
}

// bodies counts the equal messages of each folder.
func bodies(m *memory.Mailbox) map[string]int {
	counted := map[string]int{}
	for _, f := range m.Folders() {
		for _, msg := range f.Messages {
			counted[fmt.Sprint(f.Path, string(msg.Body))]++
		}
	}
	return counted
}

// However it dies, with two chunks on their way of which one may have been refused and the
// other stored, every message is at the target once or is a skip, and each that the ledger
// lists lies where it says.
func TestAStreamThatDiesLosesAndDoublesNothing(t *testing.T) {
	defer goleak.VerifyNone(t)
	together := 0 // passes that found several open intents of one folder
	for seed := range uint64(1000) {
		r := newTrial(seed)
		deaths := 0
		for r.pass(t, 1+r.IntN(25)) != nil {
			deaths++
			if state, err := r.journal.Folder(t.Context(), "INBOX"); err == nil && len(state.Open) > 1 {
				together++
			}
		}
		if err := r.pass(t, 0); err != nil {
			t.Fatal(err)
		}
		want := bodies(r.source)
		for _, skip := range r.journal.Skips() {
			for _, f := range r.source.Folders() {
				for _, m := range f.Messages {
					if fmt.Sprint(f.Path) == fmt.Sprint(skip.Folder) && fmt.Sprint(m.UID) == string(skip.Item) {
						want[fmt.Sprint(f.Path, string(m.Body))]--
					}
				}
			}
		}
		for body, n := range want {
			if n == 0 {
				delete(want, body)
			}
		}
		if d := cmp.Diff(want, bodies(r.target)); d != "" {
			t.Fatalf("seed %d, %d deaths, late %v (-want +got):\n%s", seed, deaths, r.late, d)
		}
		r.checkPlaces(t, seed)
	}
	if together < 50 {
		t.Errorf("only %d deaths left several intents of one folder: the test shows too little", together)
	}
}

// checkPlaces holds the ledger against both mailboxes.
func (r *trial) checkPlaces(t *testing.T, seed uint64) {
	t.Helper()
	at := map[string]string{}
	for side, m := range map[string]*memory.Mailbox{"source": r.source, "target": r.target} {
		for _, f := range m.Folders() {
			for _, msg := range f.Messages {
				at[fmt.Sprint(side, f.Path[0], msg.UID)] = string(msg.Body)
			}
		}
	}
	used := map[migrate.Place]bool{}
	for pair, err := range r.journal.Pairs(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		here, there := at[fmt.Sprint("source", pair.Folder, pair.Item)], at[fmt.Sprint("target", pair.There.Ref, pair.There.Item)]
		if here == "" || here != there || used[pair.There] {
			t.Errorf("seed %d: %+v is %q there and %q here, used before: %v", seed, pair, there, here, used[pair.There])
		}
		used[pair.There] = true
	}
}
