package ldap_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"reforest/directory"
	"reforest/internal/lab/ldapd"
	"reforest/migrate"
)

// TestWritesShareAConnection: however many writes are under way at once, one connection
// carries them.
func TestWritesShareAConnection(t *testing.T) {
	t.Parallel()
	server, r, conn := throughRelay(t)
	users := server.BaseDN().Child("CN", "Users")
	var group sync.WaitGroup
	for writer := range 12 {
		group.Go(func() {
			for i := range 5 {
				if err := conn.Write(t.Context(), contact(users.Child("CN", fmt.Sprintf("writer %d, item %d", writer, i)))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	if r.connections() != 1 {
		t.Errorf("got %d connections, want 1", r.connections())
	}
}

// TestCancelledWriteLeavesTheOthers: whoever waits for a write no longer gets an answer at
// once, and those that use the same connection are not disturbed.
func TestCancelledWriteLeavesTheOthers(t *testing.T) {
	t.Parallel()
	server, r, conn := throughRelay(t)
	users := server.BaseDN().Child("CN", "Users")
	begun, let := make(chan struct{}), make(chan struct{})
	server.OnWrite(func(w ldapd.Write, stage ldapd.Stage) error {
		if w.Number == 1 && stage == ldapd.BeforeWrite {
			close(begun)
			<-let
		}
		return nil
	})
	ctx, cancel := context.WithCancelCause(t.Context())
	first, second := make(chan error, 1), make(chan error, 1)
	go func() { first <- conn.Write(ctx, contact(users.Child("CN", "First"))) }()
	<-begun
	go func() { second <- conn.Write(t.Context(), contact(users.Child("CN", "Second"))) }()
	stop := errors.New("enough")
	cancel(stop)
	if err := <-first; !errors.Is(err, stop) {
		t.Errorf("the first write: got %v, want the cause", err)
	}
	close(let)
	if err := <-second; err != nil {
		t.Errorf("the second write: %v", err)
	}
	for _, name := range []string{"First", "Second"} {
		if _, err := conn.Get(t.Context(), users.Child("CN", name)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if r.connections() > 2 { // the second may have come before the first was on its way
		t.Errorf("got %d connections", r.connections())
	}
}

// TestSharedConnectionIsLost: everyone whose write was under way is told, and the next
// write goes over a new connection.
func TestSharedConnectionIsLost(t *testing.T) {
	t.Parallel()
	server, r, conn := throughRelay(t)
	users := server.BaseDN().Child("CN", "Users")
	r.setMute(true)
	var group sync.WaitGroup
	for i := range 6 {
		group.Go(func() {
			err := conn.Write(t.Context(), contact(users.Child("CN", fmt.Sprint("lost ", i))))
			if e := migrate.AsError(err); e == nil || e.Reach != migrate.OneServer {
				t.Errorf("write %d: got %v", i, err)
			}
		})
	}
	group.Wait()
	r.setMute(false)
	if err := conn.Write(t.Context(), contact(users.Child("CN", "After"))); err != nil {
		t.Error(err)
	}
	if _, err := conn.Get(t.Context(), users.Child("CN", "After")); errors.Is(err, directory.ErrNotFound) {
		t.Error(err)
	}
}
