package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"reforest/directory"
	"reforest/internal/lab/ldapd"
)

// nothingAdopted lists no rule under match.adopt: every match is a question.
func (r *rehearsal) nothingAdopted(t *testing.T) {
	t.Helper()
	r.edit(t, "  adopt:\n  - sid-history\n  - master-sid\n  - mailbox-guid\n  - x500\n  - smtp\n  - mail\n", "  adopt: []\n")
}

func (r *rehearsal) decisions(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(r.dir, "decisions.csv"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return string(text)
}

// An account that was at the target before is asked about, and left alone until somebody
// has answered; then the run goes through.
func TestQuestionIsAskedAndAnswered(t *testing.T) {
	t.Parallel()
	r := newRehearsal(t)
	r.nothingAdopted(t)
	r.write(t, demoBatch, anna+"\n"+bjorn+"\n")
	before := r.trace(t)
	r.reforest(t, "run", demoBatch, "--dry-run").wants(t, exitForbidden, "match.adopt")
	if text := r.decisions(t); text != "" {
		t.Errorf("a dry run has written %q", text)
	}
	for _, command := range [][]string{{"check", demoBatch}, {"run", demoBatch, "--yes"}} {
		r.reforest(t, command...).wants(t, exitForbidden, "match.adopt", "CN=Anna Berg,OU=Staff", "Open in decisions.csv: 1 question.")
	}
	text := r.decisions(t)
	if strings.Count(text, "\r\n") != 2 || !strings.Contains(text, anna) || !strings.HasSuffix(text, ",,\r\n") {
		t.Fatalf("got %q", text)
	}
	if diff := cmp.Diff(before, r.trace(t)); diff != "" {
		t.Errorf("something was changed: %s", diff)
	}

	answer := func(words string) { r.write(t, "decisions.csv", strings.TrimSuffix(text, ",,\r\n")+words+"\r\n") }
	answer(",adpot,")
	r.reforest(t, "run", demoBatch, "--yes").wants(t, exitUsage, "decisions.csv:2:", `"adpot" decides nothing`)
	answer(",adopt,CN=Nobody,OU=Staff")
	r.reforest(t, "run", demoBatch, "--yes").wants(t, exitUsage, "decisions.csv:2:", "fields under a header of 7")
	answer(`,adopt,"CN=Nobody,OU=Staff"`)
	r.reforest(t, "run", demoBatch, "--yes").wants(t, exitUsage, "decisions.csv:2:", "one of the candidates: CN=Anna Berg,OU=Staff")
	answer(",leave,")
	r.reforest(t, "run", demoBatch, "--yes").wants(t, exitForbidden, "match.left")
	if diff := cmp.Diff(before, r.trace(t)); diff != "" {
		t.Errorf("something was changed: %s", diff)
	}
	answer(`,Adopt,"cn=anna berg,ou=staff,dc=fabrikam,dc=test"`)
	mine := r.decisions(t)
	r.reforest(t, "run", demoBatch, "--yes").wants(t, exitDone)
	r.reforest(t, "run", demoBatch, "--yes").wants(t, exitDone)
	for _, who := range []string{anna, bjorn} {
		r.wantMessages(t, who)
	}
	if diff := cmp.Diff(mine, r.decisions(t)); diff != "" {
		t.Errorf("the answer was rewritten: %s", diff)
	}
}

// Staging asks as well, stages who is clear, and leaves out who was decided to be left
// out.
func TestStagingAsks(t *testing.T) {
	t.Parallel()
	r := newRehearsal(t)
	r.nothingAdopted(t)
	r.write(t, demoBatch, anna+"\n"+bjorn+"\n")
	r.reforest(t, "stage", demoBatch, "--yes").wants(t, exitNeedsPerson, "match.adopt", "Open in decisions.csv: 1 question.", "1 added")
	text := r.decisions(t)
	r.write(t, "decisions.csv", strings.TrimSuffix(text, ",,\r\n")+",leave,\r\n")
	r.reforest(t, "stage", demoBatch, "--yes").wants(t, exitDone, "0 added, 0 changed")
}

// A contact that stands for somebody is replaced when they are staged, over the wire.
func TestContactIsReplacedOnTheWire(t *testing.T) {
	t.Parallel()
	r := newRehearsal(t)
	r.write(t, demoBatch, bjorn+"\n")
	contact := r.TargetOU.Child("CN", "Björn (Alpine)")
	list := r.TargetOU.Child("CN", "Everyone")
	seed(t, r.Target, contact, ldapd.Attrs{
		"objectClass": {"contact"}, "displayName": {"Björn (Alpine)"}, "mail": {bjorn}, "mailNickname": {"bjorn-alpine"},
		"targetAddress": {"SMTP:" + bjorn}, "legacyExchangeDN": {"/o=Fabrikam/cn=contacts/cn=bjorn"},
		"proxyAddresses": {"SMTP:" + bjorn, "smtp:bjorn@fabrikam.test"}, "division": {"Keys"},
	})
	seed(t, r.Target, list, ldapd.Attrs{
		"objectClass": {"group"}, "sAMAccountName": {"everyone-list"}, "groupType": {"8"}, "member": {string(contact)},
	})
	r.reforest(t, "run", demoBatch, "--yes").wants(t, exitDone)
	r.wantMessages(t, bjorn)
	entry, err := r.Target.Directory.Entry(contact, "proxyAddresses", "mail", "targetAddress", "adminDescription", "displayName")
	if err != nil {
		t.Fatal(err)
	}
	if entry.Has("proxyAddresses") || entry.Has("mail") || entry.Has("targetAddress") || !strings.HasPrefix(entry.First("adminDescription"), "reforest:retired:") || !entry.Has("displayName") {
		t.Errorf("the contact has %v", entry.Attrs())
	}
	if entry, err = r.Target.Directory.Entry(list, "member"); err != nil {
		t.Fatal(err)
	}
	members := entry.Values("member")
	if len(members) != 1 || strings.Contains(members[0], "(Alpine)") {
		t.Fatalf("the list has %q", members)
	}
	conn := r.dial(t, r.Target)
	user, err := conn.Get(t.Context(), directory.DN(members[0]), "proxyAddresses", "division", "homeMDB")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"smtp:bjorn@fabrikam.test", "X500:/o=Fabrikam/cn=contacts/cn=bjorn"} {
		if !strings.Contains(strings.Join(user.Values("proxyAddresses"), "|"), want) {
			t.Errorf("the user lacks %s: %q", want, user.Values("proxyAddresses"))
		}
	}
	if user.First("division") != "Keys" || !user.Has("homeMDB") {
		t.Errorf("the user has division %q, database %q", user.First("division"), user.First("homeMDB"))
	}
}
