package lab

import (
	"testing"

	"go.uber.org/goleak"
)

func TestWorldStartsFilledAndStops(t *testing.T) {
	defer goleak.VerifyNone(t)
	w, err := Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	}()
	if n := len(People()); n != 25 {
		t.Errorf("%d people, want 25", n)
	}
	for _, p := range People() {
		if e, err := w.Source.Directory.Lookup("mail", p.Mail()); err != nil || !e.Has("homeMDB") {
			t.Errorf("%s has no mailbox: %v", p.Name, err)
		}
		n := 0
		for _, f := range w.Source.Mail.Snapshot(p.Mail()) {
			n += len(f.Messages)
		}
		if n < 10 {
			t.Errorf("%s has %d messages", p.Name, n)
		}
	}
}
