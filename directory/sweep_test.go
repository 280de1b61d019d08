package directory_test

import (
	"context"
	"errors"
	"iter"
	"testing"

	"github.com/google/go-cmp/cmp"

	"reforest/directory"
	"reforest/migrate"
)

// all returns what a sequence of findings yields.
func all(t *testing.T, findings iter.Seq2[migrate.Finding, error]) []migrate.Finding {
	t.Helper()
	var got []migrate.Finding
	for f, err := range findings {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, f)
	}
	return got
}

func TestSweepMailboxes(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	one, two := "0123456789abcdef", "0123456789abcdeX"
	l.putAt(t, directory.Target, "A", map[string][]string{"msExchMailboxGuid": {one}, "homeMDB": {string(database1)}})
	l.putAt(t, directory.Target, "B", map[string][]string{"msExchMailboxGuid": {two}, "homeMDB": {string(database1)}})
	if got := all(t, l.Target.SweepMailboxes(t.Context(), nil)); len(got) > 0 {
		t.Errorf("found %v", got)
	}
	l.putAt(t, directory.Target, "C", map[string][]string{"msExchMailboxGuid": {one}, "homeMDB": {"CN=DB 2,DC=baltic,DC=test"}})
	l.putAt(t, directory.Source, "D", map[string][]string{"msExchMailboxGuid": {two}}) // another forest
	got := all(t, l.Target.SweepMailboxes(t.Context(), nil))
	f := found(t, got, "mailbox.split")
	proves(t, f, string(staffDN("A")), "msExchMailboxGuid 33323130-3534-3736-3839-616263646566", "DB 1", "DB 2")
	if f.Whom != string(staffDN("C")) || len(got) != 1 {
		t.Errorf("got %v", got)
	}
	l.Target.Reader = mute{l.target}
	for _, err := range l.Target.SweepMailboxes(t.Context(), nil) {
		if err == nil {
			t.Error("no error from a server that does not answer")
		}
	}
}

// A mute server answers no search.
type mute struct{ *memory }

func (mute) Find(context.Context, directory.Query) iter.Seq2[*directory.Entry, error] {
	return func(yield func(*directory.Entry, error) bool) { yield(nil, errors.New("server does not answer")) }
}

// A storeList is what mail servers hold.
type storeList []directory.StoredMailbox

func (s storeList) Mailboxes(context.Context) iter.Seq2[directory.StoredMailbox, error] {
	return func(yield func(directory.StoredMailbox, error) bool) {
		for _, m := range s {
			var err error
			if m.Database == "" {
				err = errors.New("server does not answer")
			}
			if !yield(m, err) {
				return
			}
		}
	}
}

func TestSweepStores(t *testing.T) {
	t.Parallel()
	guid := func(n byte) migrate.GUID { return migrate.GUID{n} }
	const anna, bert = "/o=A/cn=Recipients/cn=anna", "/o=A/cn=Recipients/cn=bert"
	for name, test := range map[string]struct {
		list storeList
		want []string
	}{
		"nobody": {},
		"one each": {storeList{
			{GUID: guid(1), Database: "DB 1", Owner: anna, Items: 5},
			{GUID: guid(2), Database: "DB 1", Owner: bert},
		}, nil},
		"empty beside full": {storeList{
			{GUID: guid(1), Database: "DB 1", Owner: anna},
			{GUID: guid(2), Database: "DB 2", Owner: "/O=A/cn=Recipients/cn=ANNA", Items: 812, Bytes: 9000, Disconnected: true},
		}, []string{"mailbox.empty-beside-full"}},
		"full beside an old one": {storeList{
			{GUID: guid(2), Database: "DB 2", Owner: anna, Items: 812, Disconnected: true},
			{GUID: guid(1), Database: "DB 1", Owner: anna, Items: 3},
		}, nil},
		"both disconnected": {storeList{
			{GUID: guid(1), Database: "DB 1", Owner: anna, Disconnected: true},
			{GUID: guid(2), Database: "DB 2", Owner: anna, Items: 812, Disconnected: true},
		}, nil},
		"owners unknown": {storeList{
			{GUID: guid(1), Database: "DB 1"}, {GUID: guid(2), Database: "DB 2", Items: 812, Disconnected: true},
		}, nil},
		"two databases": {storeList{
			{GUID: guid(1), Database: "DB 1", Owner: anna, Items: 3},
			{GUID: guid(1), Database: "DB 3", Owner: anna, Items: 3, Disconnected: true},
			{GUID: guid(1), Database: "DB 2", Owner: anna, Items: 4},
		}, []string{"mailbox.two-databases"}},
		"left behind by a move": {storeList{
			{GUID: guid(1), Database: "DB 1", Owner: anna, Items: 3, Disconnected: true},
			{GUID: guid(1), Database: "DB 2", Owner: anna, Items: 4},
		}, nil},
	} {
		got := all(t, directory.SweepStores(t.Context(), directory.Target, test.list))
		if diff := cmp.Diff(test.want, rules(got)); diff != "" {
			t.Errorf("%s: %s\n%v", name, diff, got)
		}
		for _, f := range got {
			proves(t, f, "DB 1", "DB 2", guid(1).String())
		}
	}
	failed := false
	for _, err := range directory.SweepStores(t.Context(), directory.Target, storeList{{GUID: guid(1)}}) {
		failed = err != nil
	}
	if !failed {
		t.Error("no error from a server that does not answer")
	}
	proves(t, directory.Unswept("target"))
}
