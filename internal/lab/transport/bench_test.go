package transport_test

import (
	"fmt"
	"testing"

	"reforest/internal/lab/real"
)

// BenchmarkDelivery brings messages from Pickup to mailboxes in this process.
func BenchmarkDelivery(b *testing.B) {
	measure(b, newSite(b, "source", "alpine.test"))
}

// BenchmarkDovecot brings messages from Pickup to a real server.
func BenchmarkDovecot(b *testing.B) {
	lab := real.Load(b)
	s := newSite(b, "source", "alpine.test")
	s.onDovecot(lab.SourceMail)
	measure(b, s)
}

func measure(b *testing.B, s *site) {
	b.Helper()
	for i := range 50 {
		s.addHome(b, fmt.Sprintf("bench%02d", i))
	}
	s.start(b)
	const batch = 500
	for b.Loop() {
		for i := range batch {
			s.inject(b, fmt.Sprintf("<%d.%d@bench>", b.N, i), s.address(fmt.Sprintf("bench%02d", i%50)))
		}
		drain(b, s)
	}
	b.ReportMetric(batch*float64(b.N)/b.Elapsed().Seconds(), "messages/s")
}
