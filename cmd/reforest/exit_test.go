package main

import (
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
	if line := exitLine(exitFailure, errors.New("no hint")); len(line) != 3 {
		t.Errorf("without a hint: %v", line)
	}
}
