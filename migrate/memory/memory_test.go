package memory_test

import (
	"testing"

	"reforest/migrate"
	"reforest/migrate/memory"
	"reforest/migrate/migratetest"
)

type world struct {
	source, target *memory.Mailbox
	normalise      bool
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
	return &memory.Source{Mailbox: w.source, Page: 4}, &memory.Target{Mailbox: w.target, Normalise: w.normalise}, func() {}
}

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
	for _, normalise := range []bool{false, true} {
		migratetest.Run(t, func(*testing.T) migratetest.World {
			return &world{memory.NewMailbox(), memory.NewMailbox(), normalise}
		})
	}
}
