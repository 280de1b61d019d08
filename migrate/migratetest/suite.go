// Package migratetest is the conformance suite of movers: what every Source and
// Target must do for migrate.Copy to lose nothing and double nothing.
package migratetest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"reforest/migrate"
)

// A Message is one item of a test mailbox.
type Message struct {
	Body     string
	Received time.Time
	Flags    []string
}

// A Folder is one folder of a test mailbox.
type Folder struct {
	Path       []string
	Subscribed bool
	Messages   []Message
}

// A Content is what a mailbox holds, as sorted lines that compare as multisets.
type Content struct {
	Folders    []string // every folder's path, joined by U+2192
	Subscribed []string
	Messages   []string // folder, digest, date and flags of each message
}

// A World is one source and one target mailbox, made anew for each test.
type World interface {
	// Fill puts folders with messages into the source mailbox.
	Fill(t *testing.T, folders []Folder)
	// Deliver puts a message of somebody else into the target mailbox.
	Deliver(t *testing.T, path []string, message Message)
	// Open connects to both mailboxes, as a process does that has just started.
	// The test closes what it returns by calling done.
	Open(t *testing.T) (source migrate.Source, target migrate.Target, done func())
	// OpenBack does the same for the way back: the source reads the target mailbox, the
	// target writes the source mailbox.
	OpenBack(t *testing.T) (source migrate.Source, target migrate.Target, done func())
	// Owner works in the target mailbox, Home in the source mailbox.
	Owner() Owner
	Home() Owner
	// Held reads both mailboxes by other means than Source and Target.
	Held(t *testing.T) (source, target []Folder)
}

// An Owner works in a mailbox as people do, by other means than Source and Target.
// Messages are named by their place in the folder, from 0.
type Owner interface {
	// Move moves a message to a folder, which may be new.
	Move(t testing.TB, from []string, n int, to []string)
	// Flag adds flags to a message and takes others away.
	Flag(t testing.TB, path []string, n int, add, drop []string)
	// Expunge deletes a message for good.
	Expunge(t testing.TB, path []string, n int)
}

// ContentOf turns folders into comparable lines.
func ContentOf(folders []Folder) Content {
	var c Content
	for _, f := range folders {
		path := strings.Join(f.Path, "→")
		c.Folders = append(c.Folders, path)
		if f.Subscribed {
			c.Subscribed = append(c.Subscribed, path)
		}
		for _, m := range f.Messages {
			c.Messages = append(c.Messages, path+" "+line(m))
		}
	}
	slices.Sort(c.Folders)
	slices.Sort(c.Subscribed)
	slices.Sort(c.Messages)
	return c
}

func line(m Message) string {
	d := migrate.NewDigester(migrate.MIME)
	_, _ = d.Write([]byte(m.Body))
	flags := slices.Clone(m.Flags)
	flags = slices.DeleteFunc(flags, func(f string) bool { return strings.EqualFold(f, `\Recent`) })
	slices.Sort(flags)
	return fmt.Sprintf("%s %s %v", d.Digest(), m.Received.Format(time.RFC3339), flags)
}

// Run holds the movers that newWorld connects to against the contract.
func Run(t *testing.T, newWorld func(t *testing.T) World) {
	t.Run("whole", func(t *testing.T) { whole(t, newWorld(t)) })
	t.Run("later mail", func(t *testing.T) { laterMail(t, newWorld(t)) })
	t.Run("stopped between chunks", func(t *testing.T) { stopped(t, newWorld(t)) })
	t.Run("killed at every journal write", func(t *testing.T) { killAtEveryWrite(t, newWorld) })
	t.Run("killed with equal chunks on their way", func(t *testing.T) { killAtEveryStep(t, newWorld) })
	t.Run("killed inside every chunk", func(t *testing.T) { killInsideChunks(t, newWorld) })
	t.Run("others deliver meanwhile", func(t *testing.T) { others(t, newWorld(t)) })
	t.Run("way back", func(t *testing.T) { wayBack(t, newWorld(t)) })
	t.Run("way back killed at every journal write", func(t *testing.T) { backKilledAtEveryWrite(t, newWorld) })
	t.Run("way back killed inside every chunk", func(t *testing.T) { backKilledInsideChunks(t, newWorld) })
	t.Run("one way after the other was killed", func(t *testing.T) { unresolved(t, newWorld(t)) })
	t.Run("what the owner did", func(t *testing.T) { followed(t, newWorld(t)) })
	t.Run("what the owner does meanwhile", func(t *testing.T) { movedMeanwhile(t, newWorld(t)) })
	t.Run("what the owner did at the source", func(t *testing.T) { forward(t, newWorld(t)) })
	t.Run("forward killed at every journal write", func(t *testing.T) { forwardKilledAtEveryWrite(t, newWorld) })
	t.Run("compare", func(t *testing.T) { compare(t, newWorld(t)) })
}

// smallChunks makes several chunks, and a file spool, of the small corpus.
func smallChunks() migrate.Options {
	return migrate.Options{ChunkItems: 3, SpoolBytes: 2000, Grace: -1}
}

// An opener connects to both mailboxes in one direction.
type opener func(t *testing.T) (migrate.Source, migrate.Target, func())

func copyOnce(t *testing.T, w World, j migrate.Journal, o migrate.Options) (migrate.Summary, error) {
	t.Helper()
	return copyOver(t, w.Open, j, o)
}

func copyOver(t *testing.T, open opener, j migrate.Journal, o migrate.Options) (migrate.Summary, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	source, target, done := open(t)
	defer done()
	return migrate.Copy(ctx, source, target, j, o)
}

func mustCopy(t *testing.T, w World, j migrate.Journal) migrate.Summary {
	t.Helper()
	sum, err := copyOnce(t, w, j, smallChunks())
	if err != nil {
		t.Fatalf("Copy: %v", err)
	}
	return sum
}

// checkEqual compares both mailboxes whole; extra are messages of somebody else.
func checkEqual(t *testing.T, w World, extra ...Folder) {
	t.Helper()
	source, target := w.Held(t)
	want, got := ContentOf(source), ContentOf(target)
	want.Messages = append(want.Messages, ContentOf(extra).Messages...)
	slices.Sort(want.Messages)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("target against source (-want +got):\n%s", diff)
	}
}

func whole(t *testing.T, w World) {
	corpus := Corpus()
	w.Fill(t, corpus)
	j := NewJournal()
	sum := mustCopy(t, w, j)
	if want := count(corpus); sum.Brought != want || sum.Skipped != 0 || sum.Items != want || sum.TotalItems != want {
		t.Errorf("summary %+v, want %d items brought", sum, want)
	}
	checkEqual(t, w)
	if again := mustCopy(t, w, j); !again.Quiet() {
		t.Errorf("second pass brought something: %+v", again)
	}
	checkEqual(t, w)
}

func laterMail(t *testing.T, w World) {
	w.Fill(t, Corpus())
	j := NewJournal()
	mustCopy(t, w, j)
	w.Fill(t, []Folder{
		{Path: []string{"INBOX"}, Subscribed: true, Messages: messages("late", 4)},
		{Path: []string{"Neu"}, Subscribed: true, Messages: messages("new", 1)},
	})
	if sum := mustCopy(t, w, j); sum.Brought != 5 {
		t.Errorf("second pass brought %d, want 5", sum.Brought)
	}
	checkEqual(t, w)
}

func stopped(t *testing.T, w World) {
	w.Fill(t, Corpus())
	j := NewJournal()
	o := smallChunks()
	for range 1000 {
		chunks := 0
		o.Stop = func() bool { chunks++; return chunks > 1 }
		sum, err := copyOnce(t, w, j, o)
		if err != nil {
			t.Fatalf("Copy: %v", err)
		}
		if !sum.Stopped {
			break
		}
		if sum.Brought == 0 {
			mustCopy(t, w, j) // stopped between folders without a chunk: let it finish
			break
		}
	}
	checkEqual(t, w)
}

func others(t *testing.T, w World) {
	w.Fill(t, Corpus())
	j := NewJournal()
	mustCopy(t, w, j)
	foreign := Message{Body: "Subject: not ours\r\n\r\nx\r\n", Received: when(77)}
	w.Fill(t, []Folder{{Path: []string{"INBOX"}, Messages: messages("more", 5)}})
	// Die after a part of the first chunk, then somebody's mail comes in.
	if err := copyDying(t, w, j, afterItems(2)); err == nil {
		t.Fatal("the pass was meant to die")
	}
	w.Deliver(t, []string{"INBOX"}, foreign)
	mustCopy(t, w, j)
	checkEqual(t, w, Folder{Path: []string{"INBOX"}, Messages: []Message{foreign}})
}

func compare(t *testing.T, w World) {
	w.Fill(t, Corpus())
	j := NewJournal()
	mustCopy(t, w, j)
	findings := compareOnce(t, w, j)
	if len(findings) != 0 {
		t.Errorf("after a whole pass: %v", findings)
	}
	w.Fill(t, []Folder{{Path: []string{"INBOX"}, Messages: messages("unmoved", 1)}})
	findings = compareOnce(t, w, j)
	if len(findings) != 1 || findings[0].Rule != "content.missing" {
		t.Errorf("with one item left behind: %v, want one content.missing", findings)
	}
}

func compareOnce(t *testing.T, w World, j migrate.Journal) []migrate.Finding {
	t.Helper()
	source, target, done := w.Open(t)
	defer done()
	findings, err := migrate.Compare(t.Context(), source, target, j)
	if err != nil {
		t.Fatalf("Compare: %v", err)
	}
	return findings
}
