package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"reforest/directory"
	"reforest/internal/lab"
	"reforest/internal/lab/ldapd"
)

// made are attributes that a directory gives every new object anew.
var made = []string{"objectGUID", "objectSid", "nTSecurityDescriptor", "pwdLastSet"}

// A scene is a rehearsal that is set back to its beginning again and again.
type scene struct {
	*rehearsal
	source, target *ldapd.Snapshot
}

func newScene(t *testing.T) *scene {
	t.Helper()
	r := newRehearsal(t)
	plantSmall(t, r)
	plantContact(t, r)
	r.edit(t, "writers: 8", "writers: 1") // one write after the other, so that the nth is always the same
	r.edit(t, "under: []", `under: ["OU=Small,DC=alpine,DC=test"]`)
	return &scene{r, r.Source.Directory.Snapshot(), r.Target.Directory.Snapshot()}
}

// plantSmall puts one of every kind into an OU of the source, with links among them.
func plantSmall(t *testing.T, r *rehearsal) {
	t.Helper()
	d := r.Source.Directory
	ou := d.BaseDN().Child("OU", "Small")
	seed(t, r.Source, ou, ldapd.Attrs{"objectClass": {"organizationalUnit"}})
	database, err := d.Lookup("cn", lab.SourceDatabase)
	if err != nil {
		t.Fatal(err)
	}
	self := "\x01\x01\x00\x00\x00\x00\x00\x05\x0a\x00\x00\x00"
	for i, name := range []string{"Boss", "Clerk", "Clerk Two", "Box", "Room"} {
		attrs := ldapd.Attrs{
			"objectClass": {"user"}, "sAMAccountName": {"small-account-name-" + fmt.Sprint(i)}, "userPrincipalName": {fmt.Sprintf("small%d@alpine.test", i)},
			"displayName": {name}, "userAccountControl": {"544"}, "mail": {fmt.Sprintf("small%d@alpine.test", i)}, "mailNickname": {fmt.Sprintf("small%d", i)},
			"proxyAddresses":    {fmt.Sprintf("SMTP:small%d@alpine.test", i), fmt.Sprintf("X500:/o=Old/cn=small%d", i)},
			"legacyExchangeDN":  {fmt.Sprintf("/o=Alpine/ou=G/cn=Recipients/cn=small%d", i)},
			"msExchMailboxGuid": {fmt.Sprintf("small-mailbox-%02d", i)}, "homeMDB": {string(database.DN)},
			"msExchRecipientTypeDetails": {"1"}, "msExchRecipientDisplayType": {"1073741824"}, "title": {"one of the small"},
		}
		switch name {
		case "Box":
			attrs["msExchRecipientTypeDetails"], attrs["msExchMasterAccountSid"], attrs["userAccountControl"] = []string{"4"}, []string{self}, []string{"546"}
		case "Room":
			attrs["msExchRecipientTypeDetails"], attrs["msExchMasterAccountSid"], attrs["userAccountControl"] = []string{"16"}, []string{self}, []string{"546"}
			attrs["msExchRecipientDisplayType"] = []string{"7"}
		case "Clerk", "Clerk Two":
			attrs["manager"], attrs["publicDelegates"] = []string{string(ou.Child("CN", "Boss"))}, []string{string(ou.Child("CN", "Boss"))}
		}
		seed(t, r.Source, ou.Child("CN", name), attrs)
	}
	seed(t, r.Source, ou.Child("CN", "Partner"), ldapd.Attrs{
		"objectClass": {"contact"}, "displayName": {"Partner"}, "mail": {"partner@elsewhere.test"}, "mailNickname": {"partner"},
		"proxyAddresses": {"SMTP:partner@elsewhere.test"}, "targetAddress": {"SMTP:partner@elsewhere.test"}, "msExchRecipientTypeDetails": {"64"},
	})
	seed(t, r.Source, ou.Child("CN", "Team"), ldapd.Attrs{
		"objectClass": {"group"}, "sAMAccountName": {"small-team"}, "groupType": {"8"}, "displayName": {"Team"}, "mail": {"team@alpine.test"},
		"mailNickname": {"team"}, "proxyAddresses": {"SMTP:team@alpine.test"}, "legacyExchangeDN": {"/o=Alpine/ou=G/cn=Recipients/cn=team"},
		"member": {string(ou.Child("CN", "Boss")), string(ou.Child("CN", "Clerk")), string(ou.Child("CN", "Partner"))}, "msExchRecipientTypeDetails": {"256"},
	})
}

// plantContact puts a contact that stands for one of the small into the target, with an
// address of its own, in a group and as somebody's delegate.
func plantContact(t *testing.T, r *rehearsal) {
	t.Helper()
	base := r.Target.Directory.BaseDN()
	staff := base.Child("OU", "Staff")
	contact := staff.Child("CN", "Clerk Two of Alpine")
	seed(t, r.Target, contact, ldapd.Attrs{
		"objectClass": {"contact"}, "displayName": {"Clerk Two (Alpine)"}, "mail": {"small2@alpine.test"}, "mailNickname": {"clerk2"},
		"proxyAddresses": {"SMTP:small2@alpine.test", "smtp:clerk2@contacts.test", "X500:/o=Contacts/cn=clerk2"},
		"targetAddress":  {"SMTP:small2@alpine.test"}, "legacyExchangeDN": {"/o=Fabrikam/ou=G/cn=Recipients/cn=clerk2"},
		"msExchRecipientTypeDetails": {"64"}, "company": {"Alpine, as Fabrikam knows it"},
	})
	seed(t, r.Target, staff.Child("CN", "Friends of Alpine"), ldapd.Attrs{
		"objectClass": {"group"}, "sAMAccountName": {"friends"}, "groupType": {"8"}, "mail": {"friends@fabrikam.test"}, "mailNickname": {"friends"},
		"proxyAddresses": {"SMTP:friends@fabrikam.test"}, "member": {string(contact)},
	})
	seed(t, r.Target, staff.Child("CN", "Assistant"), ldapd.Attrs{
		"objectClass": {"user"}, "sAMAccountName": {"assistant"}, "userAccountControl": {"546"}, "publicDelegates": {string(contact)},
	})
}

// reset begins anew: both forests as they were, and no store.
func (s *scene) reset(t *testing.T) {
	t.Helper()
	for _, side := range []struct {
		server *ldapd.Server
		from   *ldapd.Snapshot
	}{{s.Source.Directory, s.source}, {s.Target.Directory, s.target}} {
		if err := side.server.Restore(side.from); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"reforest.db", "reforest.db-wal", "reforest.db-shm"} {
		if err := os.Remove(filepath.Join(s.dir, name)); err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
	}
}

// both is what two forests hold but for what is made up with every new object.
type both struct{ Source, Target string }

func (s *scene) dump() both {
	return both{s.Source.Directory.Dump(made...), s.Target.Directory.Dump(made...)}
}

// onWrites has the hook told of the writes to either forest, counted together.
func (s *scene) onWrites(hook func(n int64, stage ldapd.Stage) error) {
	var n atomic.Int64
	each := func(_ ldapd.Write, stage ldapd.Stage) error {
		if stage == ldapd.BeforeWrite {
			n.Add(1)
		}
		return hook(n.Load(), stage)
	}
	s.Source.Directory.OnWrite(each)
	s.Target.Directory.OnWrite(each)
}

func (s *scene) letWrites() {
	s.Source.Directory.OnWrite(nil)
	s.Target.Directory.OnWrite(nil)
}

// writes runs the command undisturbed and returns how many writes it made.
func (s *scene) writes(t *testing.T, args ...string) (count int64) {
	t.Helper()
	s.onWrites(func(n int64, stage ldapd.Stage) error {
		count = n
		if stage == ldapd.AfterWrite {
			s.contactIsOwned(t, n)
		}
		return nil
	})
	s.reforest(t, args...).wants(t, exitDone)
	s.letWrites()
	return count
}

// contactIsOwned checks that mail to the contact still finds somebody: at no instant may
// its addresses be nobody's.
func (s *scene) contactIsOwned(t *testing.T, n int64) {
	t.Helper()
	for _, address := range []string{"smtp:small2@alpine.test", "smtp:clerk2@contacts.test", "X500:/o=Contacts/cn=clerk2"} {
		if _, err := s.Target.Directory.Lookup("proxyAddresses", address); errors.Is(err, directory.ErrNotFound) {
			t.Errorf("after write %d nobody has %s", n, address)
		}
	}
}

// killedAt runs the command and kills it at the nth write: before it is carried out, or
// after that and before it is answered.
func (s *scene) killedAt(t *testing.T, at int64, stage ldapd.Stage, args ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "reforest", args...)
	started := make(chan struct{})
	run := func() error {
		err := cmd.Start()
		close(started)
		return errors.Join(err, cmd.Wait())
	}
	s.onWrites(func(n int64, now ldapd.Stage) error {
		if n < at || n == at && now < stage {
			return nil
		}
		<-started
		_ = cmd.Process.Kill() // a second one finds it dead
		return ldapd.ErrHangUp
	})
	got := ended(t, cmd, s.dir, run)
	s.letWrites()
	if got.code != -1 {
		t.Fatalf("killed at write %d: exit code %d, want death\n%s", at, got.code, got.stderr)
	}
}

// Staging, and taking it back, is killed at every write in turn, before it is carried
// out and before it is answered; the same command then ends as if nothing had happened.
func TestStageKilledAtEveryWrite(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	before := s.dump()
	stage, undo := []string{"stage", "--all", "--yes"}, []string{"stage", "--all", "--undo", "--yes"}
	staging := s.writes(t, stage...)
	staged := s.dump()
	undoing := s.writes(t, undo...)
	if diff := cmp.Diff(before, s.dump()); diff != "" {
		t.Fatalf("taken back (-before +after):\n%s", diff)
	}
	t.Logf("%d writes to stage, %d to take it back", staging, undoing)
	for _, when := range []ldapd.Stage{ldapd.BeforeWrite, ldapd.AfterWrite} {
		for n := range staging {
			s.reset(t)
			s.killedAt(t, n+1, when, stage...)
			s.reforest(t, stage...).wants(t, exitDone)
			s.same(t, fmt.Sprintf("killed at write %d of staging, %d", n+1, when), staged)
		}
		for n := range undoing {
			s.reset(t)
			s.reforest(t, stage...).wants(t, exitDone)
			s.killedAt(t, n+1, when, undo...)
			s.reforest(t, undo...).wants(t, exitDone)
			s.same(t, fmt.Sprintf("killed at write %d of taking back, %d", n+1, when), before)
		}
	}
}

func (s *scene) same(t *testing.T, what string, want both) {
	t.Helper()
	if diff := cmp.Diff(want, s.dump()); diff != "" {
		t.Fatalf("%s (-undisturbed +got):\n%s", what, diff)
	}
	s.writesNothing(t)
}

// writesNothing checks that a further staging finds nothing to change, where people are
// staged.
func (s *scene) writesNothing(t *testing.T) {
	t.Helper()
	if _, err := s.Target.Directory.Lookup("mailNickname", "small0"); err != nil {
		return
	}
	if got := s.reforest(t, "stage", "--all", "--yes", "--json").counts(t)["writes"].(float64); got != 0 {
		t.Errorf("a further staging wrote %v changes, want 0", got)
	}
}
