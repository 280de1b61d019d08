package migrate

import (
	"fmt"
	"strings"
	"testing"
)

func TestLostFlagsAreNamed(t *testing.T) {
	t.Parallel()
	var s Summary
	for n := range 3 {
		s.count(Planned{Flags: []string{`\Seen`, `\Recent`, "Projekt", fmt.Sprint("k", n%2)}}, Done{Flags: []string{`\SEEN`}})
	}
	s.count(Planned{Flags: []string{"projekt"}}, Done{Flags: []string{"Projekt"}})
	if s.Reflagged != 3 || s.Lost != "Projekt k0 k1" {
		t.Errorf("%d items lost %q, want 3 and Projekt k0 k1", s.Reflagged, s.Lost)
	}
	for n := range 100 {
		s.count(Planned{Flags: []string{fmt.Sprint("more", n)}}, Done{})
	}
	if names := strings.Fields(s.Lost); len(names) != lostMost+1 || names[lostMost] != "…" {
		t.Errorf("%q, want %d names and that there are more", s.Lost, lostMost)
	}
}
