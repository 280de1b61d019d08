package imap_test

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"reforest/migrate"
	"reforest/migrate/imap"
	"reforest/migrate/imap/imaptest"
)

// chunksOf15K are 5,000 messages of 15 KB, in chunks as migrate.Copy makes them.
func chunksOf15K() (chunks [][]*migrate.Item, total int64) {
	body := append([]byte("Subject: benchmark\r\n\r\n"), bytes.Repeat([]byte("sixteen bytes.\r\n"), 15_000/16)...)
	perChunk := migrate.DefaultChunkBytes / len(body)
	for i := range 5000 {
		if i%perChunk == 0 {
			chunks = append(chunks, nil)
		}
		last := &chunks[len(chunks)-1]
		*last = append(*last, &migrate.Item{
			ID: migrate.ItemID(fmt.Sprint(i)), Received: time.Date(2011, 2, 3, 4, 5, i, 0, time.UTC), Flags: []string{`\Seen`, "$Forwarded"},
			Size: int64(len(body)), Body: bytes.NewReader(body),
		})
		total += int64(len(body))
	}
	return chunks, total
}

// BenchmarkAppend writes 5,000 messages of 15 KB to a Dovecot over TLS: a chunk at a time,
// and with two of them on their way.
func BenchmarkAppend(b *testing.B) {
	d := imaptest.StartDovecot(b, "/")
	for name, write := range map[string]func(*testing.B, *imap.Target, [][]*migrate.Item){"Write": writeChunks, "Begin": beginChunks} {
		b.Run(name, func(b *testing.B) {
			chunks, total := chunksOf15K()
			b.SetBytes(total)
			b.ReportAllocs()
			for b.Loop() {
				b.StopTimer()
				target, err := imap.OpenTarget(b.Context(), dovecotConfig(d, newUser()))
				if err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
				write(b, target, chunks)
				b.StopTimer()
				if n, err := target.Count(b.Context(), "INBOX"); n != 5000 || err != nil {
					b.Fatalf("%d messages, %v", n, err)
				}
				_ = target.Close()
				b.StartTimer()
			}
		})
	}
}

func writeChunks(b *testing.B, target *imap.Target, chunks [][]*migrate.Item) {
	for _, chunk := range chunks {
		if _, err := target.Write(b.Context(), "INBOX", chunk); err != nil {
			b.Fatal(err)
		}
	}
}

func beginChunks(b *testing.B, target *imap.Target, chunks [][]*migrate.Item) {
	var before migrate.Writing
	for _, chunk := range chunks {
		next, err := target.Begin(b.Context(), "INBOX", chunk)
		if err == nil && before != nil {
			_, err = before.Wait(b.Context())
		}
		if err != nil {
			b.Fatal(err)
		}
		before = next
	}
	if _, err := before.Wait(b.Context()); err != nil {
		b.Fatal(err)
	}
}
