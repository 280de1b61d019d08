package directorytest

import (
	"context"
	"crypto/sha256"
	"maps"
	"slices"
	"testing"

	"reforest/directory"
	"reforest/migrate"
)

// attrs are the attributes of an entry to be planted.
type attrs map[string][]string

// with returns a copy with more of them, or others; no values take one away.
func (a attrs) with(more attrs) attrs {
	out := maps.Clone(a)
	for name, values := range more {
		out[name] = values
		if len(values) == 0 {
			delete(out, name)
		}
	}
	return out
}

// A world is two forests with what one case has made of them.
type world struct {
	Forests
	*directory.Directories
	tag     string // makes names unique that the whole forest shares
	journal *journal
	again   []func(t *testing.T) // plan once more what was carried out, and want nothing
	found   []string             // rules of the findings since the last told
}

// The prefixes of legacyExchangeDN.
const (
	sourcePrefix = "/o=Alpine/ou=First/cn=Recipients/cn="
	targetGroup  = "/o=Fabrikam/ou=Second"
	targetPrefix = targetGroup + "/cn=Recipients/cn="
)

func newWorld(t *testing.T, forests Forests) *world {
	t.Helper()
	w := &world{Forests: forests, tag: tag(t), journal: newJournal()}
	w.Directories = &directory.Directories{Source: forests.Source.Forest, Target: forests.Target.Forest}
	w.Rules = directory.Rules{
		SourceRouting: "mail." + w.sourceDNS(), TargetRouting: "mail." + w.targetDNS(),
		TargetOU: forests.Target.Base, LegacyPrefix: targetGroup, Database: string(forests.Target.Database),
		Adopt: directory.DefaultMatch(),
	}
	return w
}

func (w *world) sourceDNS() string { return w.Forests.Source.Forest.Info.Domains[0].DNS }
func (w *world) targetDNS() string { return w.Forests.Target.Forest.Info.Domains[0].DNS }

// at and to return addresses that no other case has.
func (w *world) at(name string) string { return name + w.tag + "@" + w.sourceDNS() }
func (w *world) to(name string) string { return name + w.tag + "@" + w.targetDNS() }

// routing returns the address that only the target delivers.
func (w *world) routing(name string) string { return name + w.tag + "@" + w.Rules.TargetRouting }

// mailbox returns what a source mailbox has. name has at most 12 characters.
func (w *world) mailbox(name string) attrs {
	id := name + w.tag
	guid := sha256.Sum256([]byte("mailbox of " + id))
	return attrs{
		"objectClass": {"user"}, "sAMAccountName": {id}, "userPrincipalName": {w.at(name)}, "displayName": {name},
		"userAccountControl": {"544"}, // enabled, and needs no password
		"mailNickname":       {id}, "mail": {w.at(name)}, "legacyExchangeDN": {sourcePrefix + id},
		"proxyAddresses":    {"SMTP:" + w.at(name), "smtp:" + id + "@" + w.Rules.SourceRouting},
		"msExchMailboxGuid": {string(guid[:16])}, "homeMDB": {string(w.Forests.Source.Database)},
		"msExchHomeServerName": {"/o=Alpine/cn=Servers/cn=EX1"}, "msExchRecipientTypeDetails": {"1"},
		"msExchRecipientDisplayType": {"1073741824"}, "msExchVersion": {"44220983382016"},
	}
}

// mailUser returns what a target user has who sends mail to an address of the source.
func (w *world) mailUser(name, sendsTo string) attrs {
	return w.account(name).with(attrs{
		"mailNickname": {name + w.tag}, "mail": {w.to(name)}, "legacyExchangeDN": {targetPrefix + name + w.tag},
		"proxyAddresses": {"SMTP:" + w.to(name), "smtp:" + sendsTo}, "targetAddress": {"SMTP:" + sendsTo},
		"msExchRecipientTypeDetails": {"128"}, "msExchRecipientDisplayType": {"6"}, "msExchVersion": {"44220983382016"},
	})
}

// account returns what a disabled user has without Exchange.
func (w *world) account(name string) attrs {
	return attrs{
		"objectClass": {"user"}, "sAMAccountName": {name + w.tag}, "userAccountControl": {"514"}, "displayName": {name},
	}
}

// plant adds an entry to a forest, over LDAP.
func (w *world) plant(t *testing.T, side directory.Side, cn string, a attrs) directory.DN {
	t.Helper()
	dn := w.home(side).Base.Child("CN", cn)
	w.plantAt(t, side, dn, a)
	return dn
}

func (w *world) plantAt(t *testing.T, side directory.Side, dn directory.DN, a attrs) {
	t.Helper()
	if err := w.home(side).Forest.Writer.Write(t.Context(), addition(side, dn, a)); err != nil {
		t.Fatalf("plant %q: %v", dn, err)
	}
}

func addition(side directory.Side, dn directory.DN, a attrs) directory.Change {
	change := directory.Change{Forest: side, Op: directory.Add, DN: dn, Why: "test"}
	for _, name := range slices.Sorted(maps.Keys(a)) {
		change.Mods = append(change.Mods, mod(directory.AddValues, name, a[name]...))
	}
	return change
}

func (w *world) home(side directory.Side) *Home {
	if side == directory.Source {
		return &w.Forests.Source
	}
	return &w.Forests.Target
}

// person plants a source mailbox, with some attributes other than mailbox says.
func (w *world) person(t *testing.T, name string, more attrs) directory.DN {
	t.Helper()
	return w.plant(t, directory.Source, name, w.mailbox(name).with(more))
}

// change modifies an entry behind the product's back.
func (w *world) change(t *testing.T, side directory.Side, dn directory.DN, mods ...directory.Mod) {
	t.Helper()
	c := directory.Change{Forest: side, Op: directory.Modify, DN: dn, Mods: mods, Why: "test"}
	if err := w.home(side).Forest.Writer.Write(t.Context(), c); err != nil {
		t.Fatalf("change %q: %v", dn, err)
	}
}

// remove deletes an entry.
func (w *world) remove(t *testing.T, side directory.Side, dn directory.DN) {
	t.Helper()
	if err := w.home(side).Forest.Writer.Write(t.Context(), directory.Change{Forest: side, Op: directory.Delete, DN: dn, Why: "test"}); err != nil {
		t.Fatalf("delete %q: %v", dn, err)
	}
}

// get reads an entry past whatever stands before the forest's reader.
func (w *world) get(t *testing.T, side directory.Side, dn directory.DN, names ...string) *directory.Entry {
	t.Helper()
	entry, err := w.home(side).Forest.Reader.Get(t.Context(), dn, names...)
	if err != nil {
		t.Fatalf("get %q: %v", dn, err)
	}
	return entry
}

// match returns the pair of a source object, as it is now.
func (w *world) match(t *testing.T, who directory.DN) directory.Pair {
	t.Helper()
	pair, err := w.tryMatch(t.Context(), t, who)
	if err != nil {
		t.Fatalf("match %q: %v", who, err)
	}
	return pair
}

func (w *world) tryMatch(ctx context.Context, t *testing.T, who directory.DN) (directory.Pair, error) {
	t.Helper()
	source, err := w.Resolve(ctx, string(who))
	if err != nil {
		t.Fatalf("resolve %q: %v", who, err)
	}
	return w.Match(ctx, source, migrate.GUID{})
}

// target returns the twin of a source object, as it is now.
func (w *world) target(t *testing.T, who directory.DN) *directory.Recipient {
	t.Helper()
	target := w.match(t, who).Target
	if target == nil {
		t.Fatalf("nothing stands for %q at the target", who)
	}
	return target
}

// told wants exactly these rules among what was found since the last call.
func (w *world) told(t *testing.T, rules ...string) {
	t.Helper()
	slices.Sort(w.found)
	slices.Sort(rules)
	if !slices.Equal(w.found, rules) {
		t.Errorf("got findings %q, want %q", w.found, rules)
	}
	w.found = nil
}

func (w *world) note(findings []migrate.Finding) {
	for _, f := range findings {
		w.found = append(w.found, f.Rule)
	}
}

// finish plans everything again that the case has carried out, and wants nothing left to
// do, in the directories and in the journal.
func (w *world) finish(t *testing.T) {
	t.Helper()
	w.told(t)
	for _, plan := range w.again {
		plan(t)
	}
	for _, open := range w.journal.open() {
		t.Errorf("the journal still has %s of %q open", open.Op, open.DN)
	}
}
