package directorytest

import (
	"fmt"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"

	"reforest/directory"
)

// linkCases are about objects that point to one another.
func linkCases() []decision {
	return []decision{
		{name: "group of more than 1,500 members", run: testLargeGroup},
		{name: "member of more than 1,500 groups", run: testManyGroups},
		{name: "end of a link is staged later", run: testLaterEnd},
		{name: "end of a link is never staged", run: testNoEnd},
	}
}

// crowd is more than Active Directory gives at a time of an attribute's values
// (MS-ADTS 3.1.1.3.4.6, MaxValRange).
const crowd = 1510

// plantCrowd adds entries to a forest, some at a time.
func (w *world) plantCrowd(t *testing.T, side directory.Side, entry func(i int) (cn string, a attrs)) []directory.DN {
	t.Helper()
	dns := make([]directory.DN, crowd)
	group, ctx := errgroup.WithContext(t.Context())
	group.SetLimit(4)
	for i := range crowd {
		cn, a := entry(i)
		dns[i] = w.home(side).Base.Child("CN", cn)
		group.Go(func() error { return w.home(side).Forest.Writer.Write(ctx, addition(side, dns[i], a)) })
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	return dns
}

// mailGroup returns what a distribution group of the source has.
func (w *world) mailGroup(name string, members ...directory.DN) attrs {
	a := attrs{
		"objectClass": {"group"}, "sAMAccountName": {name + w.tag}, "groupType": {"8"}, "displayName": {name},
		"mailNickname": {name + w.tag}, "mail": {w.at(name)}, "proxyAddresses": {"SMTP:" + w.at(name)},
		"legacyExchangeDN": {sourcePrefix + name + w.tag}, "msExchRecipientTypeDetails": {"256"},
	}
	for _, m := range members {
		a["member"] = append(a["member"], string(m))
	}
	return a
}

// testLargeGroup: every member's twin is in the twin of the group, and a second run reads
// all of them again.
func testLargeGroup(t *testing.T, w *world) {
	members := w.plantCrowd(t, directory.Source, func(i int) (string, attrs) {
		name := fmt.Sprintf("c%04d", i)
		return name, attrs{
			"objectClass": {"contact"}, "mailNickname": {name + w.tag}, "mail": {w.at(name)}, "displayName": {name},
			"proxyAddresses": {"SMTP:" + w.at(name)}, "targetAddress": {"SMTP:" + name + w.tag + "@elsewhere.test"},
		}
	})
	group := w.plant(t, directory.Source, "crew", w.mailGroup("crew", members...))
	w.everyone(t, directory.Selection{})
	var want []directory.DN
	for _, m := range members {
		want = append(want, w.Forests.Target.Base.Child("CN", m.Name()))
	}
	sameNames(t, "member", w.get(t, directory.Target, w.target(t, group).DN, "member").Values("member"), want...)
}

// testManyGroups: ada is staged last and alone. Of all the groups that she is in, three
// have twins, wherever those stand in the list.
func testManyGroups(t *testing.T, w *world) {
	who := w.person(t, "ada", nil)
	mailed := map[int]bool{0: true, crowd / 2: true, crowd - 1: true}
	groups := w.plantCrowd(t, directory.Source, func(i int) (string, attrs) {
		name := fmt.Sprintf("g%04d", i)
		if mailed[i] {
			return name, w.mailGroup(name, who)
		}
		return name, attrs{"objectClass": {"group"}, "sAMAccountName": {name + w.tag}, "groupType": {"8"}, "member": {string(who)}}
	})
	var named []string
	for i := range mailed {
		named = append(named, string(groups[i]))
	}
	w.everyone(t, directory.Selection{Who: named})
	w.told(t, "link.waiting", "link.waiting", "link.waiting")
	w.again = nil // ada is staged below
	w.everyone(t, directory.Selection{Who: []string{string(who)}})
	for i := range mailed {
		twin := w.target(t, groups[i])
		sameNames(t, "member of "+string(twin.DN), w.get(t, directory.Target, twin.DN, "member").Values("member"), w.target(t, who).DN)
	}
}

// testLaterEnd: a link is noted, and set as soon as its end is there.
func testLaterEnd(t *testing.T, w *world) {
	boss := w.person(t, "boss", nil)
	ada := w.person(t, "ada", attrs{"manager": {string(boss)}, "publicDelegates": {string(boss)}})
	group := w.plant(t, directory.Source, "crew", w.mailGroup("crew", boss, ada))
	w.everyone(t, directory.Selection{Who: []string{string(ada), string(group)}})
	w.told(t, "link.waiting", "link.waiting", "link.waiting")
	w.again = nil // boss is staged below
	twin := w.target(t, ada).DN
	if entry := w.get(t, directory.Target, twin, "manager", "publicDelegates"); len(entry.Attrs()) > 0 {
		t.Errorf("links to nobody: %q", lines(entry))
	}
	w.everyone(t, directory.Selection{Who: []string{string(boss)}})
	end := w.target(t, boss).DN
	entry := w.get(t, directory.Target, twin, "manager", "publicDelegates")
	sameNames(t, "manager", entry.Values("manager"), end)
	sameNames(t, "publicDelegates", entry.Values("publicDelegates"), end)
	sameNames(t, "member", w.get(t, directory.Target, w.target(t, group).DN, "member").Values("member"), end, twin)
	w.everyone(t, directory.Selection{})
}

// testNoEnd: somebody without mail is never staged, and a link to them is left out and
// told, the other links of the attribute being set. It is not taken for one that is gone,
// not even by force.
func testNoEnd(t *testing.T, w *world) {
	w.Rules.Attributes = map[string]directory.Policy{"publicdelegates": directory.Force}
	other := w.plant(t, directory.Target, "other", w.account("other"))
	w.plant(t, directory.Target, "joined", w.mailUser("joined", w.at("ada")).with(attrs{"publicDelegates": {string(other)}}))
	nobody := w.plant(t, directory.Source, "nobody", w.account("nobody"))
	bea := w.person(t, "bea", nil)
	ada := w.person(t, "ada", attrs{"manager": {string(nobody)}, "publicDelegates": {string(nobody), string(bea)}})
	w.everyone(t, directory.Selection{})
	w.told(t, "link.no-twin", "link.no-twin")
	entry := w.get(t, directory.Target, w.target(t, ada).DN, "manager", "publicDelegates")
	if entry.Has("manager") {
		t.Errorf("manager is %q", entry.Values("manager"))
	}
	sameNames(t, "publicDelegates", entry.Values("publicDelegates"), w.target(t, bea).DN, other)
	if found := w.owners(t, "smtp:"+w.at("nobody")); found > 0 || strings.Contains(fmt.Sprint(w.image(t)), "CN=nobody,"+string(w.Forests.Target.Base)) {
		t.Error("something was made for nobody")
	}
}
