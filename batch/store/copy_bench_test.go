package store_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"reforest/migrate"
	"reforest/migrate/memory"
)

// A sink is a target that takes everything and keeps nothing.
type sink struct{ next int64 }

func (s *sink) Formats() []migrate.Format { return []migrate.Format{migrate.MIME} }

func (s *sink) PutFolder(_ context.Context, want migrate.Folder, _ migrate.Ref) (migrate.Placed, error) {
	return migrate.Placed{Ref: migrate.Ref(want.ID)}, nil
}

func (s *sink) Mark(context.Context, migrate.Ref) (migrate.Mark, error) {
	return migrate.Mark(fmt.Sprint(s.next)), nil
}

func (s *sink) Write(_ context.Context, _ migrate.Ref, items []*migrate.Item) ([]migrate.Done, error) {
	done := make([]migrate.Done, len(items))
	for i, item := range items {
		if n, err := io.Copy(io.Discard, item.Body); err != nil || n != item.Size {
			return nil, fmt.Errorf("body of %d bytes where %d were announced: %w", n, item.Size, err)
		}
		s.next++
		done[i] = migrate.Done{Item: item.ID, Ref: migrate.ItemRef(fmt.Sprint(s.next)), Flags: item.Flags}
	}
	return done, nil
}

// Begin streams.
func (s *sink) Begin(ctx context.Context, ref migrate.Ref, items []*migrate.Item) (migrate.Writing, error) {
	done, err := s.Write(ctx, ref, items)
	return sunk(done), err
}

type sunk []migrate.Done

func (s sunk) Wait(context.Context) ([]migrate.Done, error) { return s, nil }

func (s *sink) Landed(context.Context, migrate.Intent) ([]migrate.Done, error) { return nil, nil }

// corpus is a mailbox of 25 folders and 3,500 messages of 70 kB on average, most of them
// much smaller: a quarter of a gigabyte.
func corpus(b *testing.B) (m *memory.Mailbox, items, size int64) {
	b.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	text := bytes.Repeat([]byte("a line of a message that somebody has written to somebody else, and an end\r\n"), 120_000)
	m = memory.NewMailbox()
	for f := range 25 {
		path := []string{fmt.Sprint("Folder ", f)}
		m.PutFolder(path, true)
		for i := range 140 {
			n := 2000 + int(15_000*r.ExpFloat64()*r.ExpFloat64()*r.ExpFloat64()*4)
			body := text[:min(n, len(text))]
			m.Add(path, memory.Message{Body: body, Received: time.Unix(int64(i), 0), Flags: []string{`\Seen`, "$Forwarded"}})
			items, size = items+1, size+int64(len(body))
		}
	}
	return m, items, size
}

// BenchmarkCopy is a whole pass through a journal on disk: what Copy and the store cost.
func BenchmarkCopy(b *testing.B) {
	mailbox, items, size := corpus(b)
	b.SetBytes(size)
	b.ReportAllocs()
	for b.Loop() {
		s := planOne(b)
		sum, err := migrate.Copy(b.Context(), &memory.Source{Mailbox: mailbox}, &sink{}, journals(b, s).Content, migrate.Options{})
		if err != nil || sum.Brought != items {
			b.Fatalf("brought %d of %d items: %v", sum.Brought, items, err)
		}
	}
	b.ReportMetric(float64(items)*float64(b.N)/b.Elapsed().Seconds(), "items/s")
}

// BenchmarkJournal is a mailbox of 700 chunks of 100 small messages: the store alone.
func BenchmarkJournal(b *testing.B) {
	m := memory.NewMailbox()
	for i := range 70_000 {
		m.Add([]string{"INBOX"}, memory.Message{Body: fmt.Appendf(nil, "Subject: %d\r\n\r\n", i), Received: time.Unix(int64(i), 0)})
	}
	b.ReportAllocs()
	for b.Loop() {
		s := planOne(b)
		sum, err := migrate.Copy(b.Context(), &memory.Source{Mailbox: m}, &sink{}, journals(b, s).Content, migrate.Options{ChunkItems: 100})
		if err != nil || sum.Brought != 70_000 {
			b.Fatalf("brought %d items: %v", sum.Brought, err)
		}
	}
	b.ReportMetric(700*float64(b.N)/b.Elapsed().Seconds(), "chunks/s")
}
