package replica_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"

	"reforest/directory"
	"reforest/internal/lab/ldapd"
	"reforest/internal/lab/replica"
)

// TestSettlesAfterTheLag: a change settles when the lag is over, and not before.
func TestSettlesAfterTheLag(t *testing.T) {
	t.Parallel()
	const lag = 2 * time.Second
	server, upstream := forest(t, ldapd.Config{})
	l := follow(t, upstream, replica.Config{Lag: lag})
	change := modify(staff(server.BaseDN(), "ada"), "targetAddress", "SMTP:ada@fabrikam.test")
	begun := time.Now()
	l.write(t, change)
	if missing := l.settled(t, change); !strings.Contains(missing, "targetAddress of "+string(change.DN)+" does not show on "+l.replica.URL()) {
		t.Errorf("got %q", missing)
	}
	if took := l.untilSettled(t, change, begun); took < lag {
		t.Errorf("it settled after %v, want about %v", took, lag)
	}
	l.replica.SetLag(0)
	change = modify(change.DN, "targetAddress")
	begun = time.Now()
	l.write(t, change)
	l.untilSettled(t, change, begun)
	l.sameBelow(t, l.base)
}

// TestLagKeepsTheOrder: what waits comes before what is newer, whatever the lag becomes.
func TestLagKeepsTheOrder(t *testing.T) {
	t.Parallel()
	server, upstream := forest(t, ldapd.Config{})
	l := follow(t, upstream, replica.Config{Lag: time.Hour})
	ada, bea := staff(server.BaseDN(), "ada"), staff(server.BaseDN(), "bea")
	l.write(t, modify(ada, "title", "first"))
	l.notYet(t)
	l.write(t, modify(ada, "title", "second"))
	l.notYet(t)
	l.write(t, modify(bea, "title", "third"))
	l.notYet(t)
	for _, dn := range []directory.DN{ada, bea} {
		if entry, err := l.conn.Get(t.Context(), dn, "title"); err != nil || entry.Has("title") {
			t.Errorf("%s: got %v, %v before the hour is over", dn, entry, err)
		}
	}
	l.replica.SetLag(0)
	l.catchUp(t)
	if entry, err := l.conn.Get(t.Context(), ada, "title"); err != nil || entry.First("title") != "second" {
		t.Errorf("got %v, %v", entry, err)
	}
	l.sameBelow(t, l.base)
}

// notYet makes sure that the replica has seen all and shows not all of it.
func (l *lab) notYet(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if err := l.replica.CaughtUp(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("got %v, want it to wait", err)
	}
}

// TestFrozenNeverSettles: a frozen replica shows nothing new until it is thawed.
func TestFrozenNeverSettles(t *testing.T) {
	t.Parallel()
	server, upstream := forest(t, ldapd.Config{})
	l := follow(t, upstream, replica.Config{})
	ada := staff(server.BaseDN(), "ada")
	l.replica.Freeze()
	change := modify(ada, "title", "switched")
	l.write(t, change)
	l.notYet(t)
	if l.settled(t, change) == "" {
		t.Error("it has settled")
	}
	l.replica.Thaw()
	l.untilSettled(t, change, time.Now())
	l.catchUp(t)
}

// TestGlobalCatalog: it shows the partial attribute set alone, and the product waits for no
// more.
func TestGlobalCatalog(t *testing.T) {
	t.Parallel()
	server, upstream := forest(t, ldapd.Config{})
	config := replica.Config{Catalog: true}
	if runtime.GOOS == "linux" { // elsewhere the loopback interface has one address
		config.Address = "127.0.0.37:0"
	}
	l := follow(t, upstream, config)
	ada := staff(server.BaseDN(), "ada")
	l.write(t, modify(ada, "targetAddress", "SMTP:ada@fabrikam.test"))
	l.write(t, modify(ada, "adminDescription", "moved"))
	l.catchUp(t)
	entry, err := l.conn.Get(t.Context(), ada)
	if err != nil || !entry.Has("targetAddress") || !entry.Has("proxyAddresses") || entry.Has("adminDescription") || entry.Has("pwdLastSet") {
		t.Errorf("got %v, %v", entry, err)
	}
	if got := names(t, l.conn, "", directory.Eq("mail", "ada@alpine.test")); got != "ada" {
		t.Errorf("search of the whole forest: got %q", got)
	}
	l.replica.Freeze()
	hidden, shown := modify(ada, "adminDescription", "again"), modify(ada, "title", "again")
	l.write(t, hidden)
	l.write(t, shown)
	if missing := l.settled(t, hidden); missing != "" {
		t.Errorf("it waits for what a catalog never shows: %s", missing)
	}
	if l.settled(t, shown) == "" {
		t.Error("it does not wait for what a catalog shows")
	}
}
