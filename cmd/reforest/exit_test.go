package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"reforest/migrate"
)

// As JSON an error has the hint that its words have on a terminal.
func TestErrorsAsJSON(t *testing.T) {
	t.Parallel()
	refused := &migrate.Error{Op: "ldap.Bind", Err: errors.New("no"), Auth: true, Hint: "check the password"}
	err := fmt.Errorf("connect: %w", refused)
	want := map[string]any{"message_type": "exit_error", "code": exitCredentials, "message": err.Error(), "hint": "check the password"}
	if diff := cmp.Diff(want, exitLine(codeOf(err), err)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	broken := fmt.Errorf("read the changes: %w", context.Canceled)
	if line := exitLine(codeOf(broken), broken); line["message"] != errInterrupted.Error() {
		t.Errorf("broken off: %v", line)
	}
	if line := exitLine(exitFailure, errors.New("no hint")); len(line) != 3 {
		t.Errorf("without a hint: %v", line)
	}
}

// Whatever was broken off by Ctrl-C, that is what is said.
func TestInterruptedInWords(t *testing.T) {
	t.Parallel()
	var said bytes.Buffer
	env := &environment{stderr: &said}
	err := fmt.Errorf("read the changes: %w", context.Canceled)
	printError(env, newRootCommand(env), codeOf(err), err)
	if want := "Interrupted; run the same command again to go on.\n"; said.String() != want {
		t.Errorf("got %q, want %q", said.String(), want)
	}
}
