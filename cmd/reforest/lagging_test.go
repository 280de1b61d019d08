package main

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"reforest/directory"
	"reforest/internal/lab/ldapd"
	"reforest/internal/lab/replica"
)

// A server of the source that does not learn that the source forwards is waited for, as
// often as it is looked. Nobody is disconnected meanwhile, and whoever has to look at it is
// told that new mail reaches the new mailbox already.
func TestSourceServerThatNeverForwards(t *testing.T) {
	t.Parallel()
	r := newRehearsal(t)
	r.write(t, demoBatch, anna+"\n")
	r.edit(t, "interval: 00:00:02", "interval: 00:00:00.1")
	r.edit(t, "drain: 00:00:01", "drain: 00:00:00.1")
	r.edit(t, "attempts: 20", "attempts: 4")
	d := r.Source.Directory
	view, err := replica.Start(t.Context(), replica.Config{
		Upstream: d.URL(), CAFile: filepath.Join(r.dir, "ca.pem"), BindDN: string(d.AdminDN()), Password: r.Source.Password,
		Authority: r.Authority, Poll: 20 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = view.Close() })
	r.editAfter(t, "source:", "directory:", "settle: []", fmt.Sprintf("settle: [%q]", view.URL()))
	d.OnWrite(func(w ldapd.Write, stage ldapd.Stage) error {
		for _, mod := range w.Mods {
			if stage == ldapd.BeforeWrite && mod.Attr == "targetAddress" {
				view.Freeze()
			}
		}
		return nil
	})
	r.reforest(t, "run", demoBatch, "--yes").wants(t, exitNeedsPerson, "targetAddress of", "does not show on ldaps://", "new mail reaches the new mailbox")
	if source := r.entryOf(t, directory.Source, anna); !source.Has("homeMDB") || !source.Has("targetAddress") {
		t.Errorf("the source is to forward, and not to be disconnected: %v", source.Attrs())
	}
	r.reforest(t, "status", anna).wants(t, exitDone, "new mail reaches the new mailbox")
	d.OnWrite(nil)
	view.Thaw()
	r.reforest(t, "run", demoBatch, "--yes").wants(t, exitDone)
	r.delivers(t, anna, directory.Target)
}
