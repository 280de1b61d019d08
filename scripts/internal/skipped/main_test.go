package main

import (
	"strings"
	"testing"
)

const (
	pass = `{"Action":"pass","Package":"p","Test":"TestA"}` + "\n"
	skip = `{"Action":"output","Package":"p","Test":"TestB","Output":"=== RUN TestB\n"}
{"Action":"output","Package":"p","Test":"TestB","Output":"    b_test.go:7: no server: run it\n"}
{"Action":"skip","Package":"p","Test":"TestB"}
`
	fail = `{"Action":"output","Package":"p","Test":"TestC","Output":"c_test.go:1: wrong\n"}
{"Action":"fail","Package":"p","Test":"TestC"}
`
	broken = `{"ImportPath":"q","Action":"build-output","Output":"q.go:1: no such thing\n"}
{"Action":"fail","Package":"q"}
`
	figure = `{"Action":"output","Package":"p","Test":"TestD","Output":"    d_test.go:7: figure kills 20\n"}
{"Action":"output","Package":"p","Test":"TestD","Output":"    d_test.go:8: nobody needs this\n"}
{"Action":"pass","Package":"p","Test":"TestD"}
`
	withoutTests = `{"Action":"skip","Package":"empty"}` + "\n"
)

func TestStatus(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, events string
		allow        bool
		want         int
		printed      string
	}{
		{"all pass", pass + withoutTests, false, 0, "1 passed, 0 failed, 0 skipped"},
		{"figures", pass + figure, false, 0, "kills 20\n2 passed"},
		{"skipped", pass + skip, false, 3, "SKIPPED  p TestB: no server: run it"},
		{"skipped and allowed", pass + skip, true, 0, "SKIPPED  p TestB"},
		{"failed", pass + skip + fail, true, 1, "c_test.go:1: wrong"},
		{"does not build", pass + broken, false, 1, "q.go:1: no such thing"},
		{"nothing ran", "go: no such command\n", false, 1, "go: no such command"},
		{"cut off", pass + `{"Action":"pa`, false, 0, `{"Action":"pa`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			result, err := read(strings.NewReader(test.events))
			if err != nil {
				t.Fatal(err)
			}
			if got := result.status(test.allow); got != test.want {
				t.Errorf("status %d, want %d", got, test.want)
			}
			var printed strings.Builder
			result.print(&printed)
			if !strings.Contains(printed.String(), test.printed) {
				t.Errorf("printed %q, want %q in it", printed.String(), test.printed)
			}
		})
	}
}
