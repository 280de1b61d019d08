package batch_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"reforest/batch"
	"reforest/directory"
)

// A slowServer knows nobody, takes a second for each answer and counts how many
// questions it has at once.
type slowServer struct {
	mu        sync.Mutex
	now, most int
	fails     error
}

func (s *slowServer) answer(ctx context.Context) error {
	s.mu.Lock()
	s.now++
	s.most = max(s.most, s.now)
	s.mu.Unlock()
	select {
	case <-time.After(time.Second):
	case <-ctx.Done():
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now--
	return errors.Join(context.Cause(ctx), s.fails)
}

func (s *slowServer) Get(ctx context.Context, dn directory.DN, _ ...string) (*directory.Entry, error) {
	return nil, errors.Join(s.answer(ctx), fmt.Errorf("get %q: %w", dn, directory.ErrNotFound))
}

func (s *slowServer) Find(ctx context.Context, _ directory.Query) iter.Seq2[*directory.Entry, error] {
	return func(yield func(*directory.Entry, error) bool) {
		if err := s.answer(ctx); err != nil {
			yield(nil, err)
		}
	}
}

func preflightOf(server *slowServer, n int) (*batch.Preflight, []batch.Move) {
	d := &directory.Directories{Source: directory.Forest{Side: directory.Source, Reader: server}, Target: directory.Forest{Side: directory.Target, Reader: server}}
	var moves []batch.Move
	for i := range n {
		moves = append(moves, batch.Move{Identity: fmt.Sprintf("p%02d@alpine.test", i), Seq: i})
	}
	return &batch.Preflight{Directories: d}, moves
}

// Four people are looked at side by side, never more, and told of in their order.
func TestPreflightSideBySide(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := &slowServer{}
		p, moves := preflightOf(server, 40)
		var told []int
		p.Look = func(move batch.Move, _ directory.Pair) { told = append(told, move.Seq) }
		began := time.Now()
		findings, err := p.Run(t.Context(), moves)
		if err != nil || len(findings) != 40 || len(told) != 40 {
			t.Fatalf("%d findings, %d told, %v", len(findings), len(told), err)
		}
		for i := range moves {
			if told[i] != i || findings[i].Whom != moves[i].Identity || findings[i].Rule != "match.source" {
				t.Errorf("in place %d: told of %d, found %v", i, told[i], findings[i])
			}
		}
		if took := time.Since(began); server.most != 4 || took != 10*time.Second {
			t.Errorf("at most %d at once in %v, want 4 in 10 s", server.most, took)
		}
	})
}

// A preflight that could not look at everybody says so, and leaves nobody looking.
func TestPreflightEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		down := errors.New("server is down")
		p, moves := preflightOf(&slowServer{fails: down}, 40)
		if _, err := p.Run(t.Context(), moves); !errors.Is(err, down) {
			t.Errorf("got %v", err)
		}
		stopped := errors.New("stopped")
		ctx, cancel := context.WithCancelCause(t.Context())
		p, moves = preflightOf(&slowServer{}, 40)
		p.Look = func(move batch.Move, _ directory.Pair) {
			if move.Seq == 7 {
				cancel(stopped)
			}
		}
		if _, err := p.Run(ctx, moves); !errors.Is(err, stopped) {
			t.Errorf("got %v", err)
		}
	})
}
