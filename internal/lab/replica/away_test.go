package replica_test

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"reforest/directory"
	"reforest/internal/lab/ldapd"
	"reforest/internal/lab/replica"
)

// TestUpstreamGoesAway: the replica answers on with what it has, and brings itself up to
// date when the upstream is back, also if that has been put back to an earlier state.
func TestUpstreamGoesAway(t *testing.T) {
	t.Parallel()
	authority, err := ldapd.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	server, upstream := forest(t, ldapd.Config{Authority: authority})
	before := server.Snapshot()
	ada, dan := staff(server.BaseDN(), "ada"), staff(server.BaseDN(), "dan")
	l := follow(t, upstream, replica.Config{})
	l.write(t, modify(ada, "title", "lost"))
	seed(t, server, dan, person("dan"))
	l.catchUp(t)
	l.sameBelow(t, l.base)

	if err := server.Close(); err != nil {
		t.Fatal(err)
	}
	if entry, err := l.conn.Get(t.Context(), ada, "title"); err != nil || entry.First("title") != "lost" {
		t.Errorf("without the upstream: got %v, %v", entry, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	if err := l.replica.CaughtUp(ctx); err == nil || !strings.Contains(err.Error(), "connect") {
		t.Errorf("without the upstream: got %v, want the reason", err)
	}
	address, err := url.Parse(upstream.URL)
	if err != nil {
		t.Fatal(err)
	}
	again, err := ldapd.Start(t.Context(), ldapd.Config{Domain: "alpine.test", AdminPassword: password, Authority: authority, Address: address.Host})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = again.Close() })
	if err := again.Restore(before); err != nil {
		t.Fatal(err)
	}
	l.main = dial(t, upstream)
	l.catchUp(t)
	l.same(t)
	if _, err := l.conn.Get(t.Context(), dan); !errors.Is(err, directory.ErrNotFound) {
		t.Errorf("got %v, want no such entry", err)
	}
}

// TestUpstreamIsPutBack: the server is put back to an earlier state while the replica is
// connected.
func TestUpstreamIsPutBack(t *testing.T) {
	t.Parallel()
	server, upstream := forest(t, ldapd.Config{})
	before := server.Snapshot()
	l := follow(t, upstream, replica.Config{})
	l.write(t, modify(staff(server.BaseDN(), "ada"), "title", "lost"))
	if err := server.SeedDelete(staff(server.BaseDN(), "bea")); err != nil {
		t.Fatal(err)
	}
	l.catchUp(t)
	if err := server.Restore(before); err != nil {
		t.Fatal(err)
	}
	l.catchUp(t)
	l.same(t)
}
