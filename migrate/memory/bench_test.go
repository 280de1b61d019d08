package memory_test

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"reforest/migrate"
	"reforest/migrate/memory"
	"reforest/migrate/migratetest"
)

// BenchmarkCopy is a whole pass over 5,000 messages of 1 to 32 kB in 5 folders,
// with a journal in memory: what Copy itself costs.
func BenchmarkCopy(b *testing.B) {
	const folders, each = 5, 1000
	source := memory.NewMailbox()
	for f := range folders {
		path := []string{fmt.Sprint("Folder ", f)}
		source.PutFolder(path, true)
		for i := range each {
			body := fmt.Appendf(nil, "Subject: %d of %d\r\n\r\n", i, f)
			body = append(body, bytes.Repeat([]byte("sixteen letters\r\n"), 60+i%32*60)...)
			source.Add(path, memory.Message{Body: body, Received: time.Unix(int64(i), 0), Flags: []string{`\Seen`}})
		}
	}
	for b.Loop() {
		target := &memory.Target{Mailbox: memory.NewMailbox()}
		sum, err := migrate.Copy(b.Context(), &memory.Source{Mailbox: source}, target, migratetest.NewJournal(), migrate.Options{})
		if err != nil || sum.Brought != folders*each {
			b.Fatalf("brought %d items, %v; want %d", sum.Brought, err, folders*each)
		}
	}
	b.ReportMetric(float64(b.N*folders*each)/b.Elapsed().Seconds(), "items/s")
}
