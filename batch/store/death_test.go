package store_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"reforest/batch"
	"reforest/batch/store"
)

// The test binary starts itself as a process that writes to a store until it dies;
// these variables of its environment tell it which and what for.
const (
	childStore = "REFOREST_TEST_STORE"
	childUntil = "REFOREST_TEST_UNTIL" // "error", or "death"
)

func TestMain(m *testing.M) {
	if path := os.Getenv(childStore); path != "" {
		os.Exit(child(path, os.Getenv(childUntil)))
	}
	os.Exit(m.Run())
}

// child commits numbered events from 8 goroutines and prints each number once the
// commit has returned. It ends with the first error, which it prints to stderr.
func child(path, until string) int {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	s, err := store.Open(ctx, store.Config{Path: path})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	claims, err := childClaims(ctx, s, 8)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	var wg sync.WaitGroup
	for i, claim := range claims {
		wg.Go(func() {
			for n := i; ; n += len(claims) {
				event := batch.Event{Kind: batch.EventStep, Text: strconv.Itoa(n)}
				if err := s.Commit(ctx, claim, claim.Move, event); err != nil {
					fmt.Fprintln(os.Stderr, err)
					return
				}
				fmt.Printf("%d\n", n)
			}
		})
	}
	wg.Wait()
	if until == "death" {
		return 1 // nothing but SIGKILL ends this one
	}
	if err := s.Close(); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	return 3
}

func childClaims(ctx context.Context, s *store.Store, n int) ([]batch.Claim, error) {
	var moves []batch.Move
	for i := range n {
		moves = append(moves, batch.Move{ID: batch.MoveID(strconv.Itoa(i)), Batch: "b", Seq: i, State: batch.Planned})
	}
	if err := s.Plan(ctx, batch.Batch{ID: "b", Name: "b"}, moves); err != nil {
		return nil, err
	}
	var claims []batch.Claim
	var not []batch.MoveID
	for range n {
		claim, _, err := s.Claim(ctx, batch.Want{Run: "r", Batch: "b", Now: time.Now(), Not: not})
		if err != nil {
			return nil, err
		}
		claims, not = append(claims, claim), append(not, claim.Move.ID)
	}
	return claims, nil
}

// stored returns the numbers of all events in the store, with how often each is
// there.
func stored(t *testing.T, path string) map[string]int {
	t.Helper()
	s := open(t, path)
	numbers := map[string]int{}
	for move, err := range s.Moves(t.Context(), batch.Query{}) {
		if err != nil {
			t.Fatal(err)
		}
		record, err := s.Record(t.Context(), move.ID)
		if err != nil {
			t.Fatal(err)
		}
		for _, event := range record.Events {
			numbers[event.Text]++
		}
	}
	return numbers
}

// TestKilled kills a process that is writing, at random, and looks for everything
// that it had said was durable.
func TestKilled(t *testing.T) {
	t.Parallel()
	for round := range 5 {
		path := filepath.Join(t.TempDir(), "reforest.db")
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), childStore+"="+path, childUntil+"=death")
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		stdout, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		printed := killAfter(t, cmd, stdout, 1+rand.IntN(400))
		if stderr.Len() > 0 {
			t.Errorf("the process said %s", stderr.String())
		}
		got := stored(t, path)
		for _, number := range printed {
			if got[number] != 1 {
				t.Errorf("round %d: event %s was durable and is there %d times", round, number, got[number])
			}
		}
		t.Logf("round %d: killed after %d events, %d are there", round, len(printed), len(got))
	}
}

// TestKilledWhileOpening kills a process that creates the store, at random: the
// next one must find a store or make it.
func TestKilledWhileOpening(t *testing.T) {
	t.Parallel()
	for range 15 {
		path := filepath.Join(t.TempDir(), "reforest.db")
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), childStore+"="+path, childUntil+"=death")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		// Nothing can be waited for: the instant is the point.
		time.Sleep(time.Duration(rand.IntN(60)) * time.Millisecond)
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		var exit *exec.ExitError
		if err := cmd.Wait(); !errors.As(err, &exit) {
			t.Fatalf("the process ended with %v", err)
		}
		s := open(t, path)
		if err := s.Begin(t.Context(), batch.Run{ID: "r", Batch: "b"}); err != nil {
			t.Error(err)
		}
	}
}

// killAfter kills the process when it has printed n numbers and returns all that it
// printed, without a number that was cut off.
func killAfter(t *testing.T, cmd *exec.Cmd, stdout io.Reader, n int) []string {
	t.Helper()
	var printed []string
	lines := bufio.NewReader(stdout)
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			break
		}
		printed = append(printed, strings.TrimSpace(line))
		if len(printed) == n {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) {
		t.Fatalf("the process ended with %v", err)
	}
	if len(printed) < n {
		t.Fatalf("the process ended after %d events", len(printed))
	}
	return printed
}
