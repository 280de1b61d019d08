package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"reforest/directory"
	"reforest/internal/lab"
	"reforest/internal/lab/ldapd"
	"reforest/internal/lab/replica"
	"reforest/internal/lab/transport"
)

// A stop is one reason for which a switch cannot go on.
type stop struct {
	plan func(t *testing.T, r *rehearsal) (mend func())
	code int
	says []string
}

// TestSwitchStops: whatever keeps a switch from its end, mail reaches the old mailbox
// afterwards, what arrived at the target meanwhile too, nothing is half done, and once
// it is mended the next run comes to its end.
func TestSwitchStops(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]stop{
		"wrong target domain": {wrongDomain, exitForbidden, []string{"elsewhere.test"}},
		"a domain that the target's mail servers do not take": {wrongRoute, exitNeedsPerson, []string{"5.7.54 SMTP; Unable to relay"}},
		"a catalog that shows nothing new":                    {frozenBefore, exitNeedsPerson, []string{"does not show on ldaps://"}},
		"a catalog that settles no more":                      {frozenInside, exitNeedsPerson, []string{"stepped back", "does not show on ldaps://"}},
		"a source that cannot be written":                     {sourceRefuses, exitNeedsPerson, []string{"stepped back", "no rights today"}},
		"a target without room":                               {noRoom, exitNeedsPerson, []string{"has room for"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRehearsal(t)
			r.write(t, demoBatch, anna+"\nfinance@alpine.test\n")
			r.edit(t, "interval: 00:00:02", "interval: 00:00:00.1")
			r.edit(t, "drain: 00:00:01", "drain: 00:00:00.1")
			r.edit(t, "attempts: 20", "attempts: 4")
			mend := s.plan(t, r)
			r.reforest(t, "run", demoBatch, "--yes").wants(t, s.code, s.says...)
			r.stillAtSource(t)
			if t.Failed() {
				return
			}
			mend()
			r.reforest(t, "run", demoBatch, "--yes").wants(t, exitDone)
			for _, who := range []string{anna, "finance@alpine.test"} {
				r.delivers(t, who, directory.Target)
			}
		})
	}
}

// stillAtSource sends mail from both sides: it has to reach the old mailboxes.
func (r *rehearsal) stillAtSource(t *testing.T) {
	t.Helper()
	spools := r.carry(t)
	for i, who := range []string{anna, "finance@alpine.test"} {
		source := r.entryOf(t, directory.Source, who)
		if !source.Has("homeMDB") || source.Has("targetAddress") {
			t.Errorf("%s: the source does not deliver any more", who)
		}
		for j, spool := range spools {
			number := 100 + 10*i + j
			body := fmt.Sprintf("Message-ID: <%d@outside.test>\r\nSubject: number %d\r\n\r\nbody\r\n", number, number)
			if err := transport.Inject(spool, "outside", "sender@outside.test", []string{who}, []byte(body)); err != nil {
				t.Fatal(err)
			}
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := transport.Drain(ctx, spools...); err != nil {
		t.Fatal(err)
	}
	for i, who := range []string{anna, "finance@alpine.test"} {
		got := held(r.Source.Mail, who)
		for j := range spools {
			if n := got[fmt.Sprint(100+10*i+j)]; n != 1 {
				t.Errorf("%s: the message from side %d has arrived %d times", who, j, n)
			}
		}
	}
}

// carry starts the transports of both sides, and returns their spools.
func (r *rehearsal) carry(t *testing.T) []string {
	t.Helper()
	dir := t.TempDir()
	spools := []string{filepath.Join(dir, "source"), filepath.Join(dir, "target")}
	for i, side := range []lab.Side{r.Source, r.Target} {
		other := []string{lab.TargetDomain, lab.SourceDomain}[i]
		running, err := transport.Start(t.Context(), transport.Config{
			Site: filepath.Base(spools[i]), Dir: spools[i], View: r.view(side), Store: transport.InProcess{Server: side.Mail},
			Next: transport.Next{Domains: []string{other}, Spool: spools[1-i]}, Poll: 5 * time.Millisecond, RetryInterval: 20 * time.Millisecond,
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := running.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	return spools
}

func (r *rehearsal) view(side lab.Side) transport.View {
	return transport.View{
		URL: side.Directory.URL(), CAFile: filepath.Join(r.dir, "ca.pem"), BindDN: string(side.Directory.AdminDN()), Password: side.Password,
	}
}

// wrongDomain forwards to a domain that is not the target's.
func wrongDomain(t *testing.T, r *rehearsal) func() {
	r.edit(t, "domain: fabrikam.test", "domain: elsewhere.test")
	return func() { r.edit(t, "domain: elsewhere.test", "domain: fabrikam.test") }
}

// wrongRoute has a mail server at the target that does not take the domain.
func wrongRoute(t *testing.T, r *rehearsal) func() {
	running, err := transport.Start(t.Context(), transport.Config{
		Site: "target", Dir: filepath.Join(t.TempDir(), "spool"), View: r.view(r.Target), Store: transport.InProcess{Server: r.Target.Mail}, Domains: []string{"new.test"},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = running.Close() })
	now := fmt.Sprintf("smtp: %s", running.Addr())
	r.editAfter(t, "target:", "mail:", `smtp: ""`, now)
	return func() { r.edit(t, now, `smtp: ""`) }
}

// follow adds a server to the target's that has to show what is written.
func follow(t *testing.T, r *rehearsal) *replica.Replica {
	t.Helper()
	d := r.Target.Directory
	view, err := replica.Start(t.Context(), replica.Config{
		Upstream: d.URL(), CAFile: filepath.Join(r.dir, "ca.pem"), BindDN: string(d.AdminDN()), Password: r.Target.Password,
		Authority: r.Authority, Poll: 20 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = view.Close() })
	r.editAfter(t, "target:", "directory:", "settle: []", fmt.Sprintf("settle: [%q]", view.URL()))
	return view
}

func frozenBefore(t *testing.T, r *rehearsal) func() {
	view := follow(t, r)
	view.Freeze()
	return view.Thaw
}

// frozenInside freezes the further server at the moment in which the target begins to
// deliver, and has mail arrive there at once.
func frozenInside(t *testing.T, r *rehearsal) func() {
	view := follow(t, r)
	number := 0
	r.Target.Directory.OnWrite(func(w ldapd.Write, stage ldapd.Stage) error {
		if stage == ldapd.AfterWrite && clears(w, "targetAddress") {
			view.Freeze()
			number++
			deliver(t, r.Target.Mail, anna, number)
		}
		return nil
	})
	return func() {
		if got := held(r.Source.Mail, anna); got["1"] != 1 {
			t.Errorf("what arrived at the target has come to the source %d times", got["1"])
		}
		r.Target.Directory.OnWrite(nil)
		view.Thaw()
	}
}

// clears reports whether the write takes the attribute away.
func clears(w ldapd.Write, attr string) bool {
	for _, mod := range w.Mods {
		if strings.EqualFold(mod.Attr, attr) && len(mod.Values) == 0 {
			return true
		}
	}
	return false
}

// sourceRefuses takes the right to let the source forward, when the switch has begun.
func sourceRefuses(t *testing.T, r *rehearsal) func() {
	r.Source.Directory.OnWrite(func(w ldapd.Write, stage ldapd.Stage) error {
		for _, mod := range w.Mods {
			if stage == ldapd.BeforeWrite && strings.EqualFold(mod.Attr, "targetAddress") {
				return ldapd.RefusalError{Code: 50, Text: "no rights today"}
			}
		}
		return nil
	})
	return func() { r.Source.Directory.OnWrite(nil) }
}

// noRoom leaves the new mailboxes room for what is moved, and no more.
func noRoom(t *testing.T, r *rehearsal) func() {
	for _, who := range []string{anna, "finance@alpine.test"} {
		used := int64(0)
		for _, f := range r.Source.Mail.Snapshot(who) {
			for _, m := range f.Messages {
				used += int64(len(m.Body))
			}
		}
		r.Target.Mail.SetQuota(who, used+64<<10)
	}
	return func() {
		for _, who := range []string{anna, "finance@alpine.test"} {
			r.Target.Mail.SetQuota(who, 0)
		}
	}
}
