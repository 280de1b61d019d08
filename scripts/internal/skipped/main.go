// Command skipped reads the output of go test -json on standard input. It prints what
// failed, with its output, then the tests that were skipped, with their reasons, the
// figures that tests have logged ("figure NAME VALUE"), and a last line with the counts.
//
//	go test -json ./... | go run ./scripts/internal/skipped [-allow]
//
// Exit status: 0 all passed and none was skipped (or -allow); 1 a test or a package
// failed, or there was none; 3 tests were skipped and nothing failed.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
)

// An event is one line of go test -json (cmd/test2json).
type event struct {
	Action     string
	Package    string
	Test       string
	ImportPath string // of build output, which has no Package
	Output     string
	Elapsed    float64 // seconds
}

// A name is a test, or with an empty Test a package.
type name struct{ Package, Test string }

func (n name) String() string { return strings.TrimSuffix(n.Package+" "+n.Test, " ") }

// A result is what came out of all tests.
type result struct {
	passed  int // tests, not packages
	failed  []name
	skipped []name
	figures []string // what passed tests have logged: "NAME VALUE"
	output  map[name]*strings.Builder
	stray   strings.Builder // lines that are no events, and what the compiler says
}

func main() {
	allow := flag.Bool("allow", false, "tests may be skipped")
	flag.Parse()
	result, err := read(os.Stdin)
	if err != nil {
		fmt.Fprintln(os.Stderr, "skipped:", err)
		os.Exit(1)
	}
	result.print(os.Stdout)
	os.Exit(result.status(*allow))
}

// read collects the events; a line that is none is kept as stray output.
func read(r io.Reader) (*result, error) {
	res := &result{output: map[name]*strings.Builder{}}
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadBytes('\n')
		var e event
		if len(line) > 0 && json.Unmarshal(line, &e) == nil {
			res.add(e)
		} else {
			res.stray.Write(line)
		}
		if errors.Is(err, io.EOF) {
			return res, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read events: %w", err)
		}
	}
}

func (r *result) add(e event) {
	n := name{e.Package, e.Test}
	switch e.Action {
	case "output":
		if r.output[n] == nil {
			r.output[n] = &strings.Builder{}
		}
		r.output[n].WriteString(e.Output)
	case "build-output":
		r.stray.WriteString(e.Output)
	case "fail":
		r.failed = append(r.failed, n)
	case "skip":
		if e.Test != "" { // a package without tests is no skipped test
			r.skipped = append(r.skipped, n)
		}
	case "pass":
		if e.Test != "" {
			r.passed++
			r.keepFigures(n)
			delete(r.output, n)
		}
	}
}

// keepFigures keeps the figures of a test's output, which is then forgotten.
func (r *result) keepFigures(n name) {
	if r.output[n] == nil {
		return
	}
	for line := range strings.Lines(r.output[n].String()) {
		if _, figure, found := strings.Cut(line, ": figure "); found {
			r.figures = append(r.figures, strings.TrimSpace(figure))
		}
	}
}

func (r *result) print(w io.Writer) {
	var b strings.Builder
	b.WriteString(r.stray.String())
	for _, n := range r.failed {
		if out := r.output[n]; out != nil {
			b.WriteString(out.String())
		}
	}
	for _, n := range r.failed {
		fmt.Fprintf(&b, "FAILED   %s\n", n)
	}
	for _, n := range r.skipped {
		fmt.Fprintf(&b, "SKIPPED  %s: %s\n", n, r.reason(n))
	}
	for _, f := range r.figures {
		fmt.Fprintln(&b, f)
	}
	fmt.Fprintf(&b, "%d passed, %d failed, %d skipped\n", r.passed, len(r.failed), len(r.skipped))
	_, _ = io.WriteString(w, b.String())
}

// reason returns what a test said before it was skipped, without file and line.
func (r *result) reason(n name) string {
	out := r.output[n]
	if out == nil {
		return "no reason"
	}
	for line := range strings.Lines(out.String()) {
		line = strings.TrimSpace(line)
		if _, text, found := strings.Cut(line, ": "); found && !strings.HasPrefix(line, "---") {
			return text
		}
	}
	return "no reason"
}

func (r *result) status(allow bool) int {
	switch {
	case len(r.failed) > 0 || r.passed == 0:
		return 1
	case len(r.skipped) > 0 && !allow:
		return 3
	}
	return 0
}
