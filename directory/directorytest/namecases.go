package directorytest

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"reforest/directory"
)

// nameCases are about names and values that are hard to write.
func nameCases() []decision {
	return []decision{
		{name: "hostile names", run: testHostilePeople},
		{name: "common name is taken", run: testNameTaken},
		{name: "values longer than the target takes", run: testLongValues},
		{name: "photograph of 100 kB", run: testPhotograph},
	}
}

// testHostilePeople stages people whose names break careless DNs and filters, each the
// manager of the next.
func testHostilePeople(t *testing.T, w *world) {
	var before directory.DN
	people := map[string]directory.DN{}
	for i, name := range hostileNames() {
		a := w.mailbox(fmt.Sprintf("p%02d", i)).with(attrs{"displayName": {name}, "sn": {name}})
		if before != "" {
			a["manager"] = []string{string(before)}
		}
		before = w.plant(t, directory.Source, name, a)
		people[name] = before
	}
	w.everyone(t, directory.Selection{})
	boss := ""
	for i, name := range hostileNames() {
		target := w.target(t, people[name])
		same(t, "common name", target.DN.Name(), strings.TrimRight(name, " "))
		same(t, "displayName", target.DisplayName, name)
		same(t, "alias", target.Alias, fmt.Sprintf("p%02d%s", i, w.tag))
		manager := directory.DN(w.get(t, directory.Target, target.DN, "manager").First("manager"))
		same(t, "manager of "+name, manager.Name(), strings.TrimRight(boss, " "))
		boss = name
	}
	w.carry(t, people[hostileNames()[0]], wholeMove()...)
	w.verified(t, people[hostileNames()[0]])
}

// testNameTaken: a number comes after it, and fits into 64 characters.
func testNameTaken(t *testing.T, w *world) {
	long := strings.Repeat("ä", 64)
	ada := w.plant(t, directory.Source, long, w.mailbox("ada"))
	bea := w.person(t, "Bea", nil)
	for _, cn := range []string{long, "BEA", "bea 2"} {
		w.plant(t, directory.Target, cn, attrs{"objectClass": {"contact"}})
	}
	w.carry(t, ada, stage)
	w.carry(t, bea, stage)
	same(t, "name of 64", w.target(t, ada).DN.Name(), strings.Repeat("ä", 62)+" 2")
	same(t, "short name", w.target(t, bea).DN.Name(), "Bea 3")
}

// testLongValues: a laxer source holds what the target's schema does not take. It is left
// out and told, and takes nothing else's place; the rest is copied.
func testLongValues(t *testing.T, w *world) {
	w.Rules.Attributes = map[string]directory.Policy{"employeeid": directory.Force}
	w.plant(t, directory.Target, "joined", w.mailUser("joined", w.at("ada")).with(attrs{"employeeID": {"4711"}}))
	who := w.person(t, "ada", attrs{"title": {"smith"}})
	w.Directories.Source.Reader = retold{w.Directories.Source.Reader, func(e *directory.Entry) *directory.Entry {
		if !e.DN.Equal(who) || !e.Has("mailNickname") {
			return e
		}
		e = withValues(e, "department", strings.Repeat("d", 65))
		e = withValues(e, "employeeID", strings.Repeat("4", 17))
		return withValues(e, "countryCode", "4294967296")
	}}
	w.carry(t, who, stage)
	w.told(t, slices.Repeat([]string{"attribute.left-out"}, 3)...)
	target := w.target(t, who).Entry
	same(t, "department", target.First("department"), "")
	same(t, "employeeID", target.First("employeeID"), "4711")
	same(t, "title", target.First("title"), "smith")
}

// testPhotograph carries as many octets as thumbnailPhoto may have (MS-ADA3 2.297).
func testPhotograph(t *testing.T, w *world) {
	photo := strings.Repeat("\xff\xd8\x00\x01", 102400/4)
	who := w.person(t, "ada", attrs{"thumbnailPhoto": {photo}})
	w.carry(t, who, stage)
	if got := w.target(t, who).Entry.First("thumbnailPhoto"); got != photo {
		t.Errorf("got %d octets, want the %d of the source", len(got), len(photo))
	}
}
