package transport

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestTornLog reads a log whose last line was being written when the process died, and
// goes on with it.
func TestTornLog(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := openSpool(dir)
	if err != nil {
		t.Fatal(err)
	}
	r := Record{Site: "source", Entry: "1", Event: Delivered, MessageID: "<1@x>", Recipient: "a@b", Mailbox: "a@b", Hops: 2}
	for range 2 { // recorded twice: the process died before it noted that it had
		if err := s.log.appendJSON(r); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.log.file.WriteString(`{"site":"source","ev`); err != nil {
		t.Fatal(err)
	}
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
	want := Summary{Messages: map[string]*Outcome{"<1@x>": {Delivered: []Record{r}, Hops: 2}}, Deferred: map[string]int{}, MaxHops: 2, Torn: 1}
	compare(t, want, dir)
	if s, err = openSpool(dir); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.close() }()
	r2 := Record{Entry: "2", Event: Bounced, MessageID: "<2@x>", Text: "550"}
	if err := s.log.appendJSON(r2); err != nil {
		t.Fatal(err)
	}
	want.Messages["<2@x>"], want.Bounces, want.Torn = &Outcome{Bounced: []Record{r2}}, []Record{r2}, 0
	compare(t, want, dir)
}

func compare(t *testing.T, want Summary, dir string) {
	t.Helper()
	got, err := ReadLog(dir)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("summary (-want +got):\n%s", diff)
	}
}

// TestHalfAnEntry: what a process that died left half written is nothing, and what it
// left half removed is gone.
func TestHalfAnEntry(t *testing.T) {
	t.Parallel()
	s, err := openSpool(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.close() }()
	for _, name := range []string{".half", "removed.state", "whole", "whole.state"} {
		if err := os.WriteFile(s.path("queue", name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ids, err := s.queued()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"whole"}, ids); diff != "" {
		t.Errorf("queue (-want +got):\n%s", diff)
	}
	left, err := filepath.Glob(s.path("queue", "*"))
	if err != nil || len(left) != 2 {
		t.Errorf("left %q, %v, want the whole entry and its state", left, err)
	}
}

// TestTransferIsRemembered: the note survives the process.
func TestTransferIsRemembered(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, want := range []bool{false, true} {
		s, err := openSpool(dir)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.wasTaken("source/1/0"); got != want {
			t.Errorf("taken: got %v, want %v", got, want)
		}
		if err := s.noteTaken("source/1/0"); err != nil {
			t.Fatal(err)
		}
		if err := s.close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestStamp: what is repeated is repeated to the byte, and earlier transfers leave no
// trace.
func TestStamp(t *testing.T) {
	t.Parallel()
	s := stamp{host: "a.test", entry: "7", origin: "source", from: "x@y", transfer: "source/7/0"}
	first := s.stamped([]byte("Subject: a\nX-Rehearsal-Transfer: target/1/\n\t0\nReceived: by b.test " + mark + "\n\tid 1\nReceived: from c\n\nbody\n"))
	want := "X-Rehearsal-Transfer: source/7/0\r\nReceived: by a.test (reforest rehearsal)\r\n\tid 7 (envelope-from <x@y>); Mon, 01 Jan 0001 00:00:00 +0000\r\n" +
		"X-Rehearsal-Origin: source\r\nMessage-ID: <7@a.test>\r\nSubject: a\nReceived: by b.test (reforest rehearsal)\n\tid 1\nReceived: from c\n\nbody\n"
	if diff := cmp.Diff(want, string(first)); diff != "" {
		t.Errorf("stamped (-want +got):\n%s", diff)
	}
	if all, sites := hopsOf(first); all != 3 || sites != 2 {
		t.Errorf("%d hops, %d sites; want 3, 2", all, sites)
	}
}

// TestTally finds what is lost, doubled and strange.
func TestTally(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "pickup"), 0o700); err != nil {
		t.Fatal(err)
	}
	n := StartNumbers(t.Context(), NumbersConfig{People: []string{"a@x.test", "b@x.test", "c@x.test"}, Origins: []Origin{{Label: "source", Send: FromPickup(dir)}}})
	sent, err := n.Stop()
	if err != nil || len(sent) < 3 {
		t.Fatalf("sent %d, %v, want 3 at least", len(sent), err)
	}
	if files, err := filepath.Glob(filepath.Join(dir, "pickup", "*.eml")); err != nil || len(files) != len(sent) {
		t.Errorf("%d files in Pickup, %v, want %d", len(files), err, len(sent))
	}
	a, b := sent[0].ID, sent[1].ID
	if got := n.Tally("a@x.test", []string{a, "<other@mail>", ""}); !got.Exact() || got.Sent != 1 {
		t.Errorf("all is there: got %s", got)
	}
	got := n.Tally("a@x.test", []string{b})
	if diff := cmp.Diff(Tally{Sent: 1, Lost: []string{a}, Strange: []string{b}}, got); diff != "" {
		t.Errorf("another's mail (-want +got):\n%s", diff)
	}
	got = n.Tally("a@x.test", []string{a, a, a})
	if diff := cmp.Diff(Tally{Sent: 1, Doubled: []string{a, a}}, got); diff != "" {
		t.Errorf("three copies (-want +got):\n%s", diff)
	}
}
