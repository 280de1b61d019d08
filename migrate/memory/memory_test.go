package memory_test

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"reforest/migrate"
	"reforest/migrate/memory"
	"reforest/migrate/migratetest"
)

type world struct {
	source, target *memory.Mailbox
	normalise      bool
	stream, late   bool // the target streams
}

func (w *world) Fill(_ *testing.T, folders []migratetest.Folder) { fill(w.source, folders) }

func fill(m *memory.Mailbox, folders []migratetest.Folder) {
	for _, f := range folders {
		m.PutFolder(f.Path, f.Subscribed)
		for _, msg := range f.Messages {
			m.Add(f.Path, memory.Message{Body: []byte(msg.Body), Received: msg.Received, Flags: msg.Flags})
		}
	}
}

func (w *world) Deliver(_ *testing.T, path []string, m migratetest.Message) {
	fill(w.target, []migratetest.Folder{{Path: path, Messages: []migratetest.Message{m}}})
}

func (w *world) Open(*testing.T) (migrate.Source, migrate.Target, func()) {
	return &memory.Source{Mailbox: w.source, Page: 4}, w.writes(w.target, w.normalise), func() {}
}

func (w *world) OpenBack(*testing.T) (migrate.Source, migrate.Target, func()) {
	return &memory.Source{Mailbox: w.target, Page: 4}, w.writes(w.source, false), func() {}
}

func (w *world) writes(m *memory.Mailbox, normalise bool) migrate.Target {
	target := &memory.Target{Mailbox: m, Normalise: normalise}
	if w.stream {
		return &memory.Stream{Target: target, Late: w.late}
	}
	return target
}

func (w *world) Owner() migratetest.Owner { return owner{w.target} }

func (w *world) Home() migratetest.Owner { return owner{w.source} }

// An owner works in a mailbox in memory.
type owner struct{ *memory.Mailbox }

func (o owner) uid(t testing.TB, path []string, n int) int64 {
	t.Helper()
	for _, f := range o.Folders() {
		if slices.Equal(f.Path, path) {
			return f.Messages[n].UID
		}
	}
	t.Fatalf("no folder %q", path)
	return 0
}

func (o owner) edit(t testing.TB, path []string, e migrate.Edit) {
	t.Helper()
	done, err := (&memory.Target{Mailbox: o.Mailbox}).Edit(t.Context(), migrate.Ref(strings.Join(path, "\x00")), []migrate.Edit{e})
	if err != nil || len(done) != 1 {
		t.Fatalf("edit in %q: %v, %v", path, done, err)
	}
}

func (o owner) Move(t testing.TB, from []string, n int, to []string) {
	o.PutFolder(to, false)
	o.edit(t, from, migrate.Edit{At: migrate.ItemRef(strconv.FormatInt(o.uid(t, from, n), 10)), To: migrate.Ref(strings.Join(to, "\x00"))})
}

func (o owner) Flag(t testing.TB, path []string, n int, add, drop []string) {
	var base []string
	for _, f := range o.Folders() {
		if slices.Equal(f.Path, path) {
			base = f.Messages[n].Flags
		}
	}
	o.edit(t, path, migrate.Edit{At: migrate.ItemRef(strconv.FormatInt(o.uid(t, path, n), 10)), Base: base, Add: add, Drop: drop})
}

func (o owner) Expunge(t testing.TB, path []string, n int) { o.Remove(path, o.uid(t, path, n)) }

func (w *world) Held(*testing.T) (source, target []migratetest.Folder) {
	return held(w.source), held(w.target)
}

func held(m *memory.Mailbox) (list []migratetest.Folder) {
	for _, f := range m.Folders() {
		folder := migratetest.Folder{Path: f.Path, Subscribed: f.Subscribed}
		for _, msg := range f.Messages {
			folder.Messages = append(folder.Messages, migratetest.Message{Body: string(msg.Body), Received: msg.Received, Flags: msg.Flags})
		}
		list = append(list, folder)
	}
	return list
}

func TestConformance(t *testing.T) {
	t.Parallel()
	for name, w := range map[string]world{
		"as it is": {}, "normalised": {normalise: true}, "stream": {stream: true}, "late stream": {stream: true, late: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			migratetest.Run(t, func(*testing.T) migratetest.World {
				return &world{memory.NewMailbox(), memory.NewMailbox(), w.normalise, w.stream, w.late}
			})
		})
	}
}
