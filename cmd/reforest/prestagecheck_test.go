package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"

	"reforest/internal/lab/real"
)

// backLinks are what a server shows at the other end of links.
var backLinks = []string{
	"memberOf", "directReports", "managedObjects", "publicDelegatesBL", "altRecipientBL", "msExchDelegateListBL", "authOrigBL",
	"unauthOrigBL", "dLMemSubmitPermsBL",
}

// A judge compares what staging made with what it ought to be, which it computes from
// what was planted.
type judge struct {
	*prestage
	before, after forests
	byName        map[string][]real.Entry // the target's, by proxy addresses in lower case
	twins         map[*real.Object]real.Entry
}

// check looks at every object that was planted, and at all that is new.
func (p *prestage) check(t *testing.T, before, after forests, staged result) {
	t.Helper()
	j := &judge{prestage: p, before: before, after: after, twins: map[*real.Object]real.Entry{}}
	j.byName = byProxy(slices.Collect(maps.Values(after.target)))
	made, refused := j.findTwins(t)
	staged.wants(t, exitNeedsPerson)
	counts := map[string]int{"added": made, "refused": refused, "failed": 0}
	for name, want := range counts {
		if got := staged.sum(t, name); got != want {
			t.Errorf("%d %s, want %d\n%s", got, name, want, staged.stderr)
		}
	}
	if got := len(after.target) - len(before.target); got != made {
		t.Errorf("%d new objects in the target, want %d", got, made)
	}
	for _, o := range p.company.Everyone() {
		if j.twins[o] != nil && !stands(o) {
			j.checkOne(t, o)
		}
	}
	j.checkNatives(t)
	j.checkUnique(t)
}

// stands reports whether the object is a contact that leads to one of FABRIKAM's own.
func stands(o *real.Object) bool {
	return o.Joined != nil && o.Attrs["objectClass"][0] == "contact"
}

// findTwins finds what stands for everyone, and counts whom staging had to make and
// whom it had to leave to a person.
func (j *judge) findTwins(t *testing.T) (made, refused int) {
	t.Helper()
	for _, o := range j.company.Everyone() {
		switch {
		case o.Refused != "":
			refused++
			if found := j.byName[strings.ToLower("X500:"+o.LegacyDN())]; len(found) > 0 {
				t.Errorf("%s is staged as %s, want it refused: %s", o.DN, found[0]["dn"], o.Refused)
			}
		case o.Joined != nil:
			j.twins[o] = j.after.target[real.DNKey(o.Joined.DN)]
		default:
			made++
			if twin, err := j.twin(o); err != nil {
				t.Errorf("the twin of %s: %v", o.DN, err)
			} else {
				j.twins[o] = twin
			}
		}
	}
	return made, refused
}

// twin returns the only target object with the source object's legacyExchangeDN, or,
// where it has none, its address.
func (j *judge) twin(o *real.Object) (real.Entry, error) {
	name := "X500:" + o.LegacyDN()
	if o.LegacyDN() == "" {
		name = "smtp:" + o.Mail()
	}
	found := j.byName[strings.ToLower(name)]
	if len(found) != 1 {
		return nil, fmt.Errorf("%d objects have %s, want one", len(found), name)
	}
	if !strings.HasSuffix(real.DNKey(found[0]["dn"][0]), ","+real.DNKey(j.lab.Target.OU("Migrated"))) {
		return nil, errors.New("it lies elsewhere: " + found[0]["dn"][0])
	}
	return found[0], nil
}

func (j *judge) checkOne(t *testing.T, o *real.Object) {
	t.Helper()
	source, target := j.after.source[real.DNKey(o.DN)], j.twins[o]
	sets := map[string][2][]string{
		"addresses at the target": {j.targetNames(o, target), target["proxyAddresses"]},
		"addresses at the source": {j.sourceNames(o, target), source["proxyAddresses"]},
	}
	for attr := range linkAttrs {
		sets[attr] = [2][]string{j.wantedLinks(o, attr), keys(target[attr])}
	}
	for what, set := range sets {
		if diff := cmp.Diff(lowered(set[0]), lowered(set[1])); diff != "" {
			t.Errorf("%s: %s (-want +got):\n%s", o.DN, what, diff)
		}
	}
	for attr, want := range j.wantedValues(o) {
		if diff := cmp.Diff(want, target[attr]); diff != "" {
			t.Errorf("%s: %s at the target (-want +got):\n%s", o.DN, attr, diff)
		}
	}
	j.checkPrimary(t, o, target)
	if diff := cmp.Diff(comparableSource(j.before.source[real.DNKey(o.DN)]), comparableSource(source)); diff != "" {
		t.Errorf("%s has changed in more than its addresses:\n%s", o.DN, diff)
	}
}

// comparableSource returns what of a source object staging has no business with.
func comparableSource(e real.Entry) map[string][]string {
	kept := steadily(e, "")
	delete(kept, "proxyAddresses")
	return kept
}

// linkAttrs are the attributes that link objects of one forest.
var linkAttrs = map[string]bool{
	"manager": true, "publicDelegates": true, "altRecipient": true, "msExchDelegateListLink": true, "authOrig": true,
	"unauthOrig": true, "dLMemSubmitPerms": true, "member": true, "managedBy": true,
}

// targetNames returns every address that the twin has to have: all of the source's, its
// legacyExchangeDN, the address that only the target delivers, and what it had before.
func (j *judge) targetNames(o *real.Object, twin real.Entry) []string {
	names := slices.Clone(o.Attrs["proxyAddresses"])
	if o.LegacyDN() != "" {
		names = append(names, "X500:"+o.LegacyDN())
	}
	if o.Kind != "" {
		names = append(names, "smtp:"+j.routing(o))
	}
	if o.Joined != nil {
		names = append(names, o.Joined.Attrs["proxyAddresses"]...)
	}
	own := strings.ToLower("x500:" + twin["legacyExchangeDN"][0])
	return slices.DeleteFunc(names, func(n string) bool { return strings.ToLower(n) == own })
}

// sourceNames returns every address that the source has to have then: its own, and every
// X500 name of its twin.
func (j *judge) sourceNames(o *real.Object, twin real.Entry) []string {
	names := append(slices.Clone(o.Attrs["proxyAddresses"]), "X500:"+twin["legacyExchangeDN"][0])
	if o.Kind != "" {
		names = append(names, "smtp:"+j.routing(o))
	}
	if o.Joined != nil {
		for _, v := range o.Joined.Attrs["proxyAddresses"] {
			if strings.HasPrefix(v, "X500:") && v != "X500:"+o.LegacyDN() {
				names = append(names, v)
			}
		}
	}
	return names
}

func (j *judge) routing(o *real.Object) string { return o.Alias() + "@" + j.lab.Target.Domain }

// wantedLinks returns the keys of the twins of those that the source links to. Mail that
// the source redirects is not redirected a second time, and what the twin had stays.
func (j *judge) wantedLinks(o *real.Object, attr string) []string {
	if attr == "altRecipient" {
		return nil
	}
	if o.Joined != nil && attr == "manager" && len(o.Joined.Links[attr]) > 0 {
		return []string{real.DNKey(o.Joined.Links[attr][0].DN)}
	}
	var want []string
	for _, end := range o.Links[attr] {
		if twin := j.twins[end]; twin != nil {
			want = append(want, real.DNKey(twin["dn"][0]))
		}
	}
	return want
}

// wantedValues returns what else the twin has to have.
func (j *judge) wantedValues(o *real.Object) map[string][]string {
	values := map[string][]string{"deliverAndRedirect": nil, "homeMDB": nil, "msExchMailboxGuid": nil}
	if o.Joined == nil {
		values["displayName"], values["mail"], values["mailNickname"] = o.Attrs["displayName"], o.Attrs["mail"], o.Attrs["mailNickname"]
		values["title"] = o.Attrs["title"]
	} else {
		values["title"] = o.Joined.Attrs["title"]
	}
	switch {
	case o.Kind != "":
		values["targetAddress"] = []string{"SMTP:" + o.Mail()}
		values["msExchRecipientTypeDetails"] = []string{"128"}
		values["msExchRecipientDisplayType"] = []string{preparedAs[o.Kind]}
		values["userAccountControl"] = map[bool][]string{true: {"514"}, false: {"546"}}[o.Joined == nil]
	case o.Attrs["objectClass"][0] == "group":
		security := strings.HasPrefix(o.Attrs["groupType"][0], "-")
		values["groupType"] = []string{map[bool]string{true: "-2147483640", false: "8"}[security]}
		values["targetAddress"] = nil
	default:
		values["targetAddress"] = o.Attrs["targetAddress"]
	}
	return values
}

// preparedAs is msExchRecipientDisplayType of a mail user that is to become a mailbox
// of the kind.
var preparedAs = map[real.Kind]string{
	real.User: "-2147483642", real.Shared: "-2147483642", real.Linked: "-1073741818",
	real.Room: "-2147481850", real.Equipment: "-2147481594",
}

// checkPrimary: one primary address, the source's unless the twin had its own.
func (j *judge) checkPrimary(t *testing.T, o *real.Object, twin real.Entry) {
	t.Helper()
	want := []string{"SMTP:" + o.Mail()}
	if o.Joined != nil {
		if own := primaries(o.Joined.Attrs["proxyAddresses"]); len(own) > 0 {
			want = own
		}
	}
	if diff := cmp.Diff(want, primaries(twin["proxyAddresses"])); diff != "" {
		t.Errorf("%s: primary address at the target (-want +got):\n%s", o.DN, diff)
	}
}

func primaries(proxies []string) (found []string) {
	for _, v := range proxies {
		if strings.HasPrefix(v, "SMTP:") {
			found = append(found, v)
		}
	}
	return found
}

// checkNatives: nobody of FABRIKAM who stands for nobody has changed, but for the links
// of others that lead there.
func (j *judge) checkNatives(t *testing.T) {
	t.Helper()
	joined := map[*real.Object]bool{}
	for _, o := range j.company.Mailboxes {
		joined[o.Joined] = true
	}
	for _, n := range j.company.Natives {
		if joined[n] {
			continue
		}
		want, got := steadily(j.before.target[real.DNKey(n.DN)], ""), steadily(j.after.target[real.DNKey(n.DN)], "")
		for _, back := range backLinks {
			delete(want, back)
			delete(got, back)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s has changed:\n%s", n.DN, diff)
		}
	}
}

// checkUnique: no two of the target's objects share a name that has to be unique, and no
// account name is too long.
func (j *judge) checkUnique(t *testing.T) {
	t.Helper()
	seen := map[string]string{}
	for dn, e := range j.after.target {
		for _, attr := range []string{"sAMAccountName", "userPrincipalName", "legacyExchangeDN", "proxyAddresses"} {
			for _, v := range e[attr] {
				key := attr + " " + strings.ToLower(v)
				if other := seen[key]; other != "" {
					t.Errorf("%s and %s both have %s", other, dn, key)
				}
				seen[key] = dn
			}
		}
		if sam := e["sAMAccountName"]; sam != nil && j.before.target[dn] == nil && len(utf16.Encode([]rune(sam[0]))) > 20 {
			t.Errorf("%s: %q is longer than 20", dn, sam[0])
		}
	}
}

func keys(dns []string) (out []string) {
	for _, dn := range dns {
		out = append(out, real.DNKey(dn))
	}
	return out
}

// lowered returns the values in lower case, sorted, each once.
func lowered(values []string) []string {
	var out []string
	for _, v := range values {
		out = append(out, strings.ToLower(v))
	}
	slices.Sort(out)
	return slices.Compact(out)
}
