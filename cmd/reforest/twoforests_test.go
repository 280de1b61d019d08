package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"reforest/batch/store"
	"reforest/directory"
	"reforest/internal/lab/real"
	"reforest/migrate"
)

const (
	planted      = 20  // people
	perMailbox   = 100 // messages in each mailbox, half of them real where there is real mail
	kills        = 6   // unless $REFOREST_KILLS says otherwise: scripts/soak asks for more
	runTime      = 5 * time.Minute
	targetLegacy = "/o=Fabrikam/ou=Exchange Administrative Group (FYDIBOHF23SPDLT)"
)

// Twenty people move from one Samba forest to the other and from one Dovecot to the
// other, undisturbed and killed. What has become of them is read by other means than
// the product's own.
func TestTwoForests(t *testing.T) {
	lab := real.Load(t)
	w := &twoForests{lab: lab, before: map[string]real.Mailbox{}}
	w.fillSource(t)
	undisturbed := w.undisturbed(t)
	seed := uint64(time.Now().UnixNano())
	t.Logf("figure seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	kills := w.kills(t)
	for counted, tries := 0, 0; counted < kills && !t.Failed(); tries++ {
		if tries == 3*kills {
			t.Fatalf("of %d kills only %d came before the end", tries, counted)
		}
		n := 1 + random.Int64N(undisturbed.entries-1)
		t.Run(fmt.Sprintf("kill %d at entry %d", counted+1, n), func(t *testing.T) {
			w.plant(t)
			if !w.killAt(t, n) {
				return // a kill after the end shows nothing and does not count
			}
			counted++
			w.finish(t)
			if diff := cmp.Diff(undisturbed.end, w.end(t)); diff != "" {
				t.Errorf("the end differs from the undisturbed run's (-undisturbed +killed):\n%s", diff)
			}
		})
		w.figures.kills = counted
	}
	w.checkSourceMail(t)
	// Printed by scripts/test and scripts/soak.
	t.Logf("figure kills %d", w.figures.kills)
	t.Logf("figure lost %d", w.figures.lost)
	t.Logf("figure doubled %d", w.figures.doubled)
}

// kills is how many kills are asked for.
func (w *twoForests) kills(t *testing.T) int {
	asked := os.Getenv("REFOREST_KILLS")
	if asked == "" {
		return kills
	}
	n, err := strconv.Atoi(asked)
	if err != nil || n < 1 {
		t.Fatalf("REFOREST_KILLS=%q: want a number of kills", asked)
	}
	return n
}

type twoForests struct {
	lab    real.Lab
	people []real.Person
	before map[string]real.Mailbox // at the source, by mail address
	rights map[string][]real.ACE   // of the twins that were there, by DN
	dir    string                  // of configuration, batch file and store

	figures struct{ kills, lost, doubled int } // over all runs; lost and doubled messages
}

// An undisturbedRun is what killed ones are compared with.
type undisturbedRun struct {
	end     map[string]any
	entries int64
}

func (w *twoForests) undisturbed(t *testing.T) (u undisturbedRun) {
	w.plant(t)
	t.Run("undisturbed", func(t *testing.T) {
		w.finish(t)
		u.end = w.end(t)
		u.entries = w.entries(t)
		again, err := w.command(t.Context(), "run", "tonight.csv", "--yes").CombinedOutput()
		if err != nil {
			t.Errorf("run once more: %v\n%s", err, again)
		}
		if diff := cmp.Diff(u.end, w.end(t)); diff != "" {
			t.Errorf("running once more changed something:\n%s", diff)
		}
		w.checkStatus(t)
		w.checkReport(t)
	})
	if t.Failed() {
		t.FailNow()
	}
	return u
}

// fillSource fills the mailboxes of the people to be planted, which no run changes.
func (w *twoForests) fillSource(t *testing.T) {
	for i := range planted {
		mail := fmt.Sprintf("Person.%03d@%s", i, w.lab.Source.Domain)
		w.lab.SourceMail.Empty(t, mail)
		w.lab.SourceMail.FillFrom(t, mail, perMailbox, i*perMailbox/2)
		w.before[mail] = w.lab.SourceMail.Read(t, mail)
		if n := len(w.before[mail].Messages); n != perMailbox {
			t.Fatalf("%s has %d messages, want %d", mail, n, perMailbox)
		}
	}
	if have := real.CorpusSize(t); have > planted*perMailbox/2 {
		t.Errorf("%d real messages do not fit into %d mailboxes of %d", have, planted, perMailbox)
	}
}

// plant makes both forests and the target's mail as they are before a run.
func (w *twoForests) plant(t *testing.T) {
	t.Helper()
	w.people = w.lab.Plant(t, planted)
	w.rights = map[string][]real.ACE{}
	var rows strings.Builder
	rows.WriteString("EmailAddress;TargetDatabase;BadItemLimit\r\n")
	for _, p := range w.people {
		w.lab.TargetMail.Empty(t, p.Mail)
		w.lab.TargetMail.Empty(t, p.Alias+"@"+w.lab.Target.Domain) // where the twin has its own primary address
		if p.TwinDN != "" {
			w.rights[p.TwinDN] = w.lab.Target.DACL(t, p.TwinDN)
		}
		fmt.Fprintf(&rows, "%s;MBX-F1;0\r\n", p.Mail)
	}
	w.dir = t.TempDir()
	w.write(t, "tonight.csv", rows.String())
	w.write(t, "reforest.yaml", w.configuration())
}

func (w *twoForests) write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(w.dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (w *twoForests) configuration() string {
	side := func(f real.Forest, m real.MailServer, key, login string) string {
		return fmt.Sprintf(`
  directory: {url: %q, ca: %q, server_name: %q, bind: %q, password: "env:%s_PW"}
  mail: {imap: %q, ca: %q, server_name: %q, login: %s, admin: %q, password: "env:MAIL_PW"}
  domain: %s
`, f.URL, f.CA, f.ServerName, f.BindDN, key, m.Address, m.CA, m.ServerName, login, m.Admin, f.Domain)
	}
	l := w.lab
	return "source:" + side(l.Source, l.SourceMail, "SOURCE", "master") +
		"target:" + side(l.Target, l.TargetMail, "TARGET", "plain") +
		fmt.Sprintf("  ou: %q\n  legacy_dn: %q\n  database: MBX-F2\n", l.Target.OU("Migrated"), targetLegacy) +
		"match: {adopt: [sid-history, master-sid, mailbox-guid, x500, smtp, mail]}\n" +
		"retry: {interval: \"00:00:01\"}\nswitch: {drain: \"00:00:01\"}\n"
}

// command returns reforest's command line, to be run in a process of its own.
func (w *twoForests) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "reforest", args...)
	cmd.Dir = w.dir
	cmd.Env = append(os.Environ(), "SOURCE_PW="+w.lab.Source.Password, "TARGET_PW="+w.lab.Target.Password, "MAIL_PW="+w.lab.SourceMail.AdminPassword)
	return cmd
}

// finish runs the batch to its end.
func (w *twoForests) finish(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), runTime)
	defer cancel()
	out, err := w.command(ctx, "run", "tonight.csv", "--yes").CombinedOutput()
	if err != nil {
		t.Fatalf("run: %v\n%s", err, out)
	}
}

// killAt kills a run with SIGKILL as soon as its journal holds n entries, and reports
// whether the run was still going then.
func (w *twoForests) killAt(t *testing.T, n int64) bool {
	t.Helper()
	var out bytes.Buffer
	cmd := w.command(t.Context(), "run", "tonight.csv", "--yes")
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	ctx, cancel := context.WithTimeout(t.Context(), runTime)
	defer cancel()
	have, err := w.waitFor(ctx, n, ended)
	if errors.Is(err, errRunEnded) {
		t.Logf("the run ended with %d entries, before it could be killed: %v", have, err)
		return false
	}
	if err != nil {
		_ = cmd.Process.Kill()
		t.Fatalf("wait for %d entries: %v\n%s", n, err, out.String())
	}
	_ = cmd.Process.Kill() // it may have ended this very moment
	err = <-ended
	t.Logf("killed at %d entries: %v", have, err)
	return err != nil
}

// errRunEnded says that the run was over before it could be killed.
var errRunEnded = errors.New("the run has ended")

// waitFor waits until the journal holds n entries, and returns how many it then holds.
func (w *twoForests) waitFor(ctx context.Context, n int64, ended <-chan error) (have int64, err error) {
	var st *store.Store
	defer func() {
		if st != nil {
			err = errors.Join(err, st.Close())
		}
	}()
	for ; ; time.Sleep(time.Millisecond) {
		select {
		case err := <-ended:
			if err != nil {
				return have, fmt.Errorf("the run failed of itself: %w", err)
			}
			return have, errRunEnded
		case <-ctx.Done():
			return have, ctx.Err()
		default:
		}
		if st == nil {
			// Not there yet, or not yet brought up to date: look again.
			st, _ = store.OpenReadOnly(ctx, store.Config{Path: w.store()})
			continue
		}
		if have, err = st.Entries(ctx); err != nil || have >= n {
			return have, err
		}
	}
}

func (w *twoForests) store() string { return filepath.Join(w.dir, "reforest.db") }

func (w *twoForests) entries(t *testing.T) int64 {
	t.Helper()
	st, err := store.OpenReadOnly(t.Context(), store.Config{Path: w.store()})
	if err != nil {
		t.Fatal(err)
	}
	n, err := st.Entries(t.Context())
	if err := errors.Join(err, st.Close()); err != nil {
		t.Fatal(err)
	}
	if n < 10*planted {
		t.Fatalf("the journal holds %d entries: too few for kills to show anything", n)
	}
	return n
}

// end checks where everyone and everything has ended, and returns it for comparison.
func (w *twoForests) end(t *testing.T) map[string]any {
	t.Helper()
	all := map[string]any{}
	sids := map[string]string{} // binary SIDs of the people at the target, by the source's
	sources := byProxy(w.lab.Source.Search(t, w.lab.Source.OU(""), "(proxyAddresses=*)"))
	targets := byProxy(w.lab.Target.Search(t, w.lab.Target.Base, "(proxyAddresses=*)"))
	for _, p := range w.people {
		mail, legacy := strings.ToLower("smtp:"+p.Mail), strings.ToLower("X500:"+p.LegacyDN)
		if len(sources[mail]) != 1 || len(targets[legacy]) != 1 {
			t.Fatalf("%s: %d objects at the source, %d at the target, want 1 and 1", p.Name, len(sources[mail]), len(targets[legacy]))
		}
		source, target := sources[mail][0], targets[legacy][0]
		w.checkSource(t, p, source, target)
		w.checkTarget(t, p, target)
		sids[string(p.SID)] = target["objectSid"][0]
		all[p.Mail+" at the source"], all[p.Mail+" at the target"] = steady(source), steady(target)
		w.checkMail(t, p, target["mail"][0])
	}
	for _, p := range w.people {
		if p.TwinDN != "" {
			w.checkRights(t, p, sids)
		}
	}
	return all
}

// byProxy finds entries by each of their proxy addresses, in lower case.
func byProxy(entries []real.Entry) map[string][]real.Entry {
	by := map[string][]real.Entry{}
	for _, e := range entries {
		for _, v := range e["proxyAddresses"] {
			by[strings.ToLower(v)] = append(by[strings.ToLower(v)], e)
		}
	}
	return by
}

// checkSource: disconnected, forwarding, with every address it had and the target's
// X500.
func (w *twoForests) checkSource(t *testing.T, p real.Person, source, target real.Entry) {
	t.Helper()
	want := map[string][]string{
		"targetAddress": {"SMTP:" + p.Alias + "@" + w.lab.Target.Domain}, "homeMDB": nil, "msExchHomeServerName": nil,
		"legacyExchangeDN": {p.LegacyDN}, "mail": {p.Mail}, "msExchRecipientTypeDetails": {"128"}, "msExchMailboxGuid": {string(p.Mailbox)},
	}
	for attr, values := range want {
		if diff := cmp.Diff(values, source[attr]); diff != "" {
			t.Errorf("%s at the source: %s: %s", p.Name, attr, diff)
		}
	}
	addresses := append([]string{"X500:" + target["legacyExchangeDN"][0]}, p.Proxies...)
	if p.Twin == real.MailUser {
		addresses = append(addresses, "X500:/o=Fabrikam Old/cn=Recipients/cn="+p.Alias)
	}
	checkHolds(t, p.Name+" at the source", source["proxyAddresses"], addresses)
}

// checkTarget: a mailbox that delivers, with every address the source had.
func (w *twoForests) checkTarget(t *testing.T, p real.Person, target real.Entry) {
	t.Helper()
	details := map[real.Kind]string{real.User: "1", real.Shared: "4", real.Room: "16"}[p.Kind]
	for attr, values := range map[string][]string{
		"targetAddress": nil, "homeMDB": {w.lab.Target.DatabaseDN("MBX-F1")}, "msExchRecipientTypeDetails": {details}, "mailNickname": {p.Alias},
		"adminDescription": {directory.Mark(migrate.GUID(p.GUID))},
	} {
		if diff := cmp.Diff(values, target[attr]); diff != "" {
			t.Errorf("%s at the target: %s: %s", p.Name, attr, diff)
		}
	}
	if p.TwinDN != "" && !strings.EqualFold(target["dn"][0], p.TwinDN) && target["cn"][0] != p.Name {
		t.Errorf("%s: the twin is %s, want the one that was there, %s", p.Name, target["dn"][0], p.TwinDN)
	}
	if guid := target["msExchMailboxGuid"]; len(guid) != 1 || len(guid[0]) != 16 {
		t.Errorf("%s at the target: msExchMailboxGuid %q", p.Name, guid)
	}
	if legacy := target["legacyExchangeDN"]; len(legacy) != 1 || !strings.HasPrefix(legacy[0], targetLegacy+"/cn=Recipients/cn=") {
		t.Errorf("%s at the target: legacyExchangeDN %q", p.Name, legacy)
	}
	checkHolds(t, p.Name+" at the target", target["proxyAddresses"], append([]string{"X500:" + p.LegacyDN, "smtp:" + p.Alias + "@" + w.lab.Target.Domain}, p.Proxies...))
}

// checkHolds compares whole values without regard to case, and looks for doubled ones
// and for more than one primary address.
func checkHolds(t *testing.T, who string, have, want []string) {
	t.Helper()
	seen, primaries := map[string]int{}, 0
	for _, v := range have {
		seen[strings.ToLower(v)]++
		if strings.HasPrefix(v, "SMTP:") {
			primaries++
		}
	}
	for _, v := range want {
		if seen[strings.ToLower(v)] != 1 {
			t.Errorf("%s has %q %d times", who, v, seen[strings.ToLower(v)])
		}
	}
	if primaries != 1 {
		t.Errorf("%s has %d primary addresses: %q", who, primaries, have)
	}
}

// checkRights: every explicit entry of ALPINE is now its twin's, and nothing else has
// changed.
func (w *twoForests) checkRights(t *testing.T, p real.Person, sids map[string]string) {
	t.Helper()
	var want, got []string
	replaced := 0
	for _, ace := range w.rights[p.TwinDN] {
		raw := ace.Raw
		if twin, legacy := sids[ace.SID]; legacy && !ace.Inherited {
			raw = strings.Replace(raw, ace.SID, twin, 1)
			replaced++
		}
		want = append(want, raw)
	}
	for _, ace := range w.lab.Target.DACL(t, p.TwinDN) {
		got = append(got, ace.Raw)
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" || replaced != 3 {
		t.Errorf("%s: %d legacy entries to be replaced; permissions (-want +got):\n%s", p.TwinDN, replaced, diff)
	}
}

// checkMail: the target's mailbox is what the source's was. That the source's is
// untouched is checked at the very end: see checkSourceMail.
func (w *twoForests) checkMail(t *testing.T, p real.Person, mailbox string) {
	t.Helper()
	want := w.before[p.Mail]
	got := w.lab.TargetMail.Read(t, mailbox)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s: mail at the target (-source +target):\n%s", p.Name, diff)
	}
	w.figures.lost += surplus(want.Messages, got.Messages)
	w.figures.doubled += surplus(got.Messages, want.Messages)
}

// checkSourceMail: nothing at the source has changed in all the runs.
func (w *twoForests) checkSourceMail(t *testing.T) {
	t.Helper()
	for mail, want := range w.before {
		if diff := cmp.Diff(want, w.lab.SourceMail.Read(t, mail)); diff != "" {
			t.Errorf("%s: the source's mail has changed:\n%s", mail, diff)
		}
	}
}

// surplus counts the messages of a that b does not have as often.
func surplus(a, b []real.Message) (n int) {
	have := map[real.Message]int{}
	for _, m := range b {
		have[m]++
	}
	for _, m := range a {
		if have[m]--; have[m] < 0 {
			n++
		}
	}
	return n
}

// steady returns what of an entry is the same in every run: without what the server
// makes anew for a new object, and without rights and our mark, which name such things.
func steady(e real.Entry) real.Entry {
	kept := maps.Clone(e)
	for _, volatile := range []string{
		"objectGUID", "objectSid", "uSNCreated", "uSNChanged", "whenCreated", "whenChanged", "pwdLastSet",
		"nTSecurityDescriptor", "dSCorePropagationData", "lastLogon", "logonCount", "badPasswordTime", "badPwdCount",
		"adminDescription",
	} {
		delete(kept, volatile)
	}
	for attr, values := range kept {
		kept[attr] = slices.Sorted(slices.Values(values))
	}
	return kept
}

// checkStatus: the first line says where one person works.
func (w *twoForests) checkStatus(t *testing.T) {
	t.Helper()
	out, err := w.command(t.Context(), "status", w.people[0].Mail).Output()
	first, _, _ := strings.Cut(string(out), "\n")
	if err != nil || !strings.Contains(first, "has been moved") || !strings.Contains(first, fmt.Sprint(perMailbox)) {
		t.Errorf("status: %v, %q; want a first line that names the %d items", err, out, perMailbox)
	}
}

// checkReport: the report validates against its schema, and counts what was moved.
func (w *twoForests) checkReport(t *testing.T) {
	t.Helper()
	for format, name := range map[string]string{"xml": "run.xml", "xsd": "run.xsd"} {
		out, err := w.command(t.Context(), "report", "--format", format).Output()
		if err != nil {
			t.Fatalf("report --format %s: %v", format, err)
		}
		w.write(t, name, string(out))
	}
	lint := exec.CommandContext(t.Context(), "xmllint", "--nonet", "--noout", "--schema", "run.xsd", "run.xml")
	lint.Dir = w.dir
	if out, err := lint.CombinedOutput(); err != nil {
		t.Errorf("xmllint: %v\n%s", err, out)
	}
}
