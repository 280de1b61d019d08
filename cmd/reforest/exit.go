package main

import (
	"context"
	"errors"

	"reforest/batch"
	"reforest/directory"
	"reforest/migrate"
)

// The exit codes, which are a contract (reforest help exit-codes). Code 2 is left to
// Go's own panic.
const (
	exitDone        = 0
	exitFailure     = 1
	exitNeedsPerson = 3
	exitForbidden   = 4
	exitUsage       = 10
	exitLocked      = 11
	exitCredentials = 12
	exitInterrupted = 130
)

// An exitError carries the code to exit with.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }

func (e *exitError) Unwrap() error { return e.err }

// usage marks an error as one of usage or configuration.
func usage(err error) error { return &exitError{exitUsage, err} }

// errNeedsPerson ends a run in which something is left for a person to do. What it
// is has been printed.
var errNeedsPerson = &exitError{exitNeedsPerson, errors.New("some mailboxes or items need a person; see the report")}

// codeOf is the one place where an error becomes an exit code.
func codeOf(err error) int {
	var withCode *exitError
	var file *batch.FileError
	var decision *directory.DecisionError
	e := migrate.AsError(err)
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &withCode):
		return withCode.code
	case errors.As(err, &file), errors.As(err, &decision), errors.Is(err, batch.ErrBatchChanged):
		return exitUsage
	case errors.Is(err, errInterrupted), errors.Is(err, context.Canceled):
		return exitInterrupted
	case e != nil && e.Auth:
		return exitCredentials
	}
	return exitFailure
}

// errInterrupted is the cause of a context that the operator has ended.
var errInterrupted = errors.New("interrupted; run the same command again to go on")
