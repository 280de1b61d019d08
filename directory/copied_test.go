package directory_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"reforest/directory"
)

// putSchema gives the target a schema: of every attribute that is copied, and of others,
// as one text of any length, but for those of which rows says otherwise.
func (l *lab) putSchema(t testing.TB, m *memory, without []string, rows map[string]map[string][]string) {
	t.Helper()
	root := "CN=Schema,CN=Configuration,DC=baltic,DC=test"
	if m == l.source {
		root = "CN=Schema,CN=Configuration,DC=alpine,DC=test"
	}
	m.put(t, directory.DN(root), map[string][]string{"objectClass": {"dMD"}})
	for _, a := range directory.Copied() {
		if slices.Contains(without, a.Name) {
			continue
		}
		row := map[string][]string{"objectClass": {"attributeSchema"}, "lDAPDisplayName": {a.Name}, "attributeSyntax": {"2.5.5.12"}, "isSingleValued": {"FALSE"}}
		maps.Copy(row, rows[a.Name])
		m.put(t, directory.DN(root).Child("CN", a.Name), row)
	}
}

// TestCopied: every attribute that is read and written by rule is in the table once, and
// is read of a recipient.
func TestCopied(t *testing.T) {
	t.Parallel()
	seen := map[string]directory.Attribute{}
	count := map[directory.AttributeSet]int{}
	for _, a := range directory.Copied() {
		if _, twice := seen[strings.ToLower(a.Name)]; twice {
			t.Errorf("%s is in the table twice", a.Name)
		}
		seen[strings.ToLower(a.Name)] = a
		count[a.Set]++
		if !slices.Contains(directory.RecipientAttrs, a.Name) {
			t.Errorf("%s is not read", a.Name)
		}
	}
	if lowered := slices.Sorted(lower(directory.RecipientAttrs)); len(slices.Compact(slices.Clone(lowered))) != len(lowered) {
		t.Errorf("an attribute is read twice: %v", lowered)
	}
	if count[directory.SetGAL] != 25 || count[directory.SetResource] != 4 || count[directory.SetAdditional] < 65 {
		t.Errorf("got %v", count)
	}
	for name, want := range map[string]directory.Policy{
		"title": directory.Keep, "otherTelephone": directory.Merge, "extensionAttribute15": directory.Keep, "userCertificate": directory.Merge,
		"thumbnailPhoto": directory.Keep, "msDS-PhoneticLastName": directory.Keep, "msExchELCMailboxFlags": directory.Keep, "description": directory.Keep,
	} {
		if got := seen[strings.ToLower(name)].Policy; got != want {
			t.Errorf("%s: got policy %q, want %q", name, got, want)
		}
	}
}

func TestCheckPolicy(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		attr   string
		policy directory.Policy
		want   string // part of the error; "" is none
	}{
		{"title", directory.Force, ""},
		{"TITLE", directory.Omit, ""},
		{"otherTelephone", directory.Merge, ""},
		{"manager", directory.Force, ""},
		{"publicDelegates", directory.Merge, ""},
		{"title", "frce", "no policy"},
		{"tittle", directory.Force, "not copied"},
		{"title", directory.Merge, "one value"},
		{"manager", directory.Merge, "one value"},
		{"mail", directory.Omit, "must not be missing"},
		{"msExchMailboxGuid", directory.Force, "whose"},
	} {
		err := directory.CheckPolicy(test.attr, test.policy)
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s %s: got %v, want %q", test.attr, test.policy, err, test.want)
		}
	}
}

// TestPolicies stages on a target user that has values of its own, by every policy.
func TestPolicies(t *testing.T) {
	t.Parallel()
	source := map[string][]string{
		"title": {"Head"}, "otherTelephone": {"11", "22"}, "extensionAttribute1": {"one"}, "thumbnailPhoto": {"\x89PNG"},
		"userCertificate": {"\x30A", "\x30a"},
	}
	target := map[string][]string{
		"objectClass": {"user"}, "proxyAddresses": {"smtp:b.schulz@alpine.test"}, "sAMAccountName": {"other"},
		"title": {"Clerk"}, "otherTelephone": {"22", "33"}, "pager": {"9"}, "userCertificate": {"\x30A"},
	}
	for name, test := range map[string]struct {
		policies map[string]directory.Policy
		want     map[string][]string
		origin   map[string]string
	}{
		"default": {
			want: map[string][]string{
				"title": {"Clerk"}, "otherTelephone": {"11", "22", "33"}, "pager": {"9"}, "extensionAttribute1": {"one"},
				"thumbnailPhoto": {"\x89PNG"}, "userCertificate": {"\x30A", "\x30a"},
			},
			origin: map[string]string{"otherTelephone": "source otherTelephone", "extensionAttribute1": "source extensionAttribute1", "msExchVersion": "constant"},
		},
		"force": {
			policies: map[string]directory.Policy{
				"title": directory.Force, "othertelephone": directory.Force, "pager": directory.Force, "usercertificate": directory.Force,
			},
			want: map[string][]string{
				"title": {"Head"}, "otherTelephone": {"11", "22"}, "extensionAttribute1": {"one"}, "thumbnailPhoto": {"\x89PNG"},
				"userCertificate": {"\x30A", "\x30a"},
			},
			origin: map[string]string{"title": "source title", "pager": "source pager"},
		},
		"keep several, omit": {
			policies: map[string]directory.Policy{
				"othertelephone": directory.Keep, "extensionattribute1": directory.Omit, "thumbnailphoto": directory.Omit, "usercertificate": directory.Keep,
			},
			want: map[string][]string{"title": {"Clerk"}, "otherTelephone": {"22", "33"}, "pager": {"9"}, "userCertificate": {"\x30A"}},
		},
	} {
		l := newLab(t)
		l.Rules.Attributes = test.policies
		l.target.put(t, staffDN("B"), target)
		before := l.putBirgit(t, source)
		plan, err := l.PlanStage(t.Context(), before)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(test.origin, origins(plan, test.origin)); diff != "" && test.origin != nil {
			t.Errorf("%s: origins: %s", name, diff)
		}
		pair := l.stage(t, before)
		attrs := []string{"title", "otherTelephone", "pager", "extensionAttribute1", "thumbnailPhoto", "userCertificate"}
		if diff := cmp.Diff(test.want, text(l.target.get(t, pair.Target.DN), attrs...)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		l.nothingLeft(t, name, pair, l.PlanStage)
	}
}

// origins returns the origin of those attributes of the plan's target that are in want.
func origins(plan directory.Plan, want map[string]string) map[string]string {
	out := map[string]string{}
	for _, change := range plan.Changes {
		for _, mod := range change.Mods {
			if _, asked := want[mod.Attr]; asked && change.Forest == directory.Target {
				out[mod.Attr] = mod.Origin
			}
		}
	}
	return out
}

// TestEveryModSaysWhereItComesFrom of all steps that make and open a target user.
func TestEveryModSaysWhereItComesFrom(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.target.put(t, staffDN("Taken"), map[string][]string{"objectClass": {"user"}, "sAMAccountName": {"BMeier"}, "userPrincipalName": {"birgit@group.test"}})
	pair := l.putBirgit(t, map[string][]string{"title": {"Head"}, "msExchUserCulture": {"de-AT"}})
	got := map[string]string{}
	for _, step := range l.steps()[:5] {
		plan := l.carryOut(t, pair, step.plan)
		for _, change := range plan.Changes {
			for _, mod := range change.Mods {
				if mod.Origin == "" {
					t.Errorf("%s: %s of %s comes from nowhere", step.name, mod.Attr, change.DN)
				}
				if step.name == "stage" && change.Forest == directory.Target {
					got[mod.Attr] = mod.Origin
				}
			}
		}
		pair = l.match(t, string(birgitDN))
	}
	for attr, want := range map[string]string{
		"sAMAccountName": "made unique: sAMAccountName bmeier is taken", "userPrincipalName": "made unique: userPrincipalName birgit@group.test is taken",
		"title": "source title", "msExchUserCulture": "source msExchUserCulture", "mail": "source mail", "userAccountControl": "constant",
		"proxyAddresses": "source proxyAddresses; source legacyExchangeDN as X500; routing address made of the alias",
	} {
		if got[attr] != want {
			t.Errorf("%s: got origin %q, want %q", attr, got[attr], want)
		}
	}
}

// TestForceEndsWithTheSwitch: once the target delivers it is primary, and what its people
// set stays.
func TestForceEndsWithTheSwitch(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.Rules.Attributes = map[string]directory.Policy{"title": directory.Force}
	pair := l.stage(t, l.putBirgit(t, map[string][]string{"title": {"Head"}}))
	l.carryOut(t, pair, on("", l.PlanOpen))
	attrs := l.target.entries[pair.Target.DN.Key()].attrs
	attrs["title"] = [][]byte{[]byte("Clerk")}
	l.carryOut(t, l.reload(t, pair), l.PlanStage)
	if got := text(l.target.get(t, pair.Target.DN), "title")["title"]; !slices.Equal(got, []string{"Head"}) {
		t.Errorf("before the switch: got %v", got)
	}
	l.carryOut(t, l.reload(t, pair), l.PlanDeliver)
	attrs = l.target.entries[pair.Target.DN.Key()].attrs
	attrs["title"] = [][]byte{[]byte("Queen")}
	l.nothingLeft(t, "after the switch", l.reload(t, pair), l.PlanStage)
}

// TestWhatTheTargetRefusesIsLeftOut: one attribute that does not fit stops nobody.
func TestWhatTheTargetRefusesIsLeftOut(t *testing.T) {
	t.Parallel()
	rows := map[string]map[string][]string{
		"title":                 {"rangeUpper": {"5"}, "isSingleValued": {"TRUE"}},
		"initials":              {"rangeUpper": {"6"}},
		"otherTelephone":        {"rangeUpper": {"3"}},
		"userCertificate":       {"attributeSyntax": {"2.5.5.10"}, "rangeUpper": {"4"}},
		"msExchELCMailboxFlags": {"attributeSyntax": {"2.5.5.9"}},
		"countryCode":           {"attributeSyntax": {"2.5.5.9"}, "rangeUpper": {"65535"}},
		"mAPIRecipient":         {"attributeSyntax": {"2.5.5.8"}},
		"url":                   {"isSingleValued": {"TRUE"}},
		"company":               {"rangeUpper": {"4"}},
	}
	l := newLab(t)
	l.putSchema(t, l.target, []string{"department"}, rows)
	l.survey(t)
	pair := l.putBirgit(t, map[string][]string{
		"title": {"Häuptling"}, "initials": {"ÄÖÜäöü"}, "otherTelephone": {"11", "4444"}, "userCertificate": {"ÄÖ", "ÄÖÜ"},
		"msExchELCMailboxFlags": {"4294967296"}, "countryCode": {"70000"}, "mAPIRecipient": {"yes"}, "url": {"a", "b"},
		"department": {"D"}, "company": {"😀😀"},
	})
	plan, err := l.PlanStage(t.Context(), pair)
	if err != nil || len(plan.Forbidden()) > 0 {
		t.Fatalf("got %v, %v", err, plan.Findings)
	}
	var what []string
	for _, f := range plan.Findings {
		what = append(what, f.Rule+": "+f.What)
	}
	slices.Sort(what)
	want := []string{
		"attribute.left-out: countryCode is not copied: 70000 is not among the numbers that the target takes.",
		`attribute.left-out: mAPIRecipient is not copied: "yes" is neither TRUE nor FALSE.`,
		`attribute.left-out: msExchELCMailboxFlags is not copied: "4294967296" is no number of 32 bits.`,
		"attribute.left-out: otherTelephone is not copied: it has 4 characters and the target takes 3 at most.",
		"attribute.left-out: title is not copied: it has 9 characters and the target takes 5 at most.",
		"attribute.left-out: url is not copied: the source has 2 values and the target takes one.",
		"attribute.left-out: userCertificate is not copied: it has 6 octets and the target takes 4 at most.",
	}
	if diff := cmp.Diff(want, what); diff != "" {
		t.Error(diff)
	}
	if err := l.Apply(t.Context(), newJournal(l.clock), plan); err != nil {
		t.Fatal(err)
	}
	got := text(l.target.get(t, l.match(t, string(birgitDN)).Target.DN), "title", "initials", "otherTelephone", "userCertificate", "department", "company")
	if diff := cmp.Diff(map[string][]string{"initials": {"ÄÖÜäöü"}, "otherTelephone": {"11"}, "userCertificate": {"ÄÖ"}, "company": {"😀😀"}}, got); diff != "" {
		t.Error(diff)
	}
}

// TestForceDoesNotClearWhatItCannotWrite: a value that the target refuses does not cost
// the one that is there.
func TestForceDoesNotClearWhatItCannotWrite(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.Rules.Attributes = map[string]directory.Policy{"title": directory.Force, "othertelephone": directory.Force}
	l.putSchema(t, l.target, nil, map[string]map[string][]string{"title": {"rangeUpper": {"5"}}, "otherTelephone": {"rangeUpper": {"3"}}})
	l.survey(t)
	l.target.put(t, staffDN("B"), map[string][]string{
		"objectClass": {"user"}, "proxyAddresses": {"smtp:b.schulz@alpine.test"}, "title": {"Clerk"}, "otherTelephone": {"9"},
	})
	pair := l.stage(t, l.putBirgit(t, map[string][]string{"title": {"Häuptling"}, "otherTelephone": {"11", "4444"}}))
	want := map[string][]string{"title": {"Clerk"}, "otherTelephone": {"9"}}
	if diff := cmp.Diff(want, text(l.target.get(t, pair.Target.DN), "title", "otherTelephone")); diff != "" {
		t.Error(diff)
	}
}

// TestUnknownAttributes are told once for the forest.
func TestUnknownAttributes(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.putSchema(t, l.source, []string{"photo"}, nil)
	l.putSchema(t, l.target, []string{"photo", "thumbnailPhoto", "info", "msExchMailboxGuid"}, nil)
	l.survey(t)
	for name, test := range map[string]struct {
		policies map[string]directory.Policy
		moves    bool
		want     string
	}{
		"default":  {nil, false, "info, thumbnailPhoto."},
		"exchange": {nil, true, "msExchMailboxGuid, info, thumbnailPhoto."},
		"omitted":  {map[string]directory.Policy{"info": directory.Omit}, false, "copied: thumbnailPhoto."},
	} {
		l.Rules.Attributes, l.Rules.ExchangeMoves = test.policies, test.moves
		findings, err := l.CheckForests(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		i := slices.Index(rules(findings), "schema.attributes")
		if i < 0 || !strings.HasSuffix(findings[i].What, test.want) {
			t.Errorf("%s: got %v, want one that ends in %q", name, findings, test.want)
		}
	}
}

// TestIdentityIsExchanges: GUIDs of mailboxes are copied where Exchange moves them, and
// nowhere else.
func TestIdentityIsExchanges(t *testing.T) {
	t.Parallel()
	archive := map[string][]string{"msExchArchiveGUID": {"0123456789abcdef"}, "msExchArchiveName": {"Archive"}}
	attrs := []string{"msExchMailboxGuid", "msExchArchiveGUID", "msExchArchiveName"}

	l := newLab(t)
	pair := l.stage(t, l.putBirgit(t, archive))
	if got := text(l.target.get(t, pair.Target.DN), attrs...); len(got) > 0 {
		t.Errorf("not moved by Exchange: got %q", got)
	}

	l = newLab(t)
	l.Rules.ExchangeMoves = true
	pair = l.stage(t, l.putBirgit(t, archive))
	want := with(archive, map[string][]string{"msExchMailboxGuid": birgit()["msExchMailboxGuid"]})
	if diff := cmp.Diff(want, text(l.target.get(t, pair.Target.DN), attrs...)); diff != "" {
		t.Errorf("moved by Exchange: %s", diff)
	}
	l.nothingLeft(t, "moved by Exchange", pair, l.PlanStage)
	l.forbidden(t, "opening is Exchange's", "exchange.owns-mailboxes", pair, on("", l.PlanOpen))

	// The operator thinks better of it: no two mailboxes get one GUID.
	l.Rules.ExchangeMoves = false
	l.carryOut(t, pair, on("", l.PlanOpen))
	pair = l.reload(t, pair)
	if pair.Target.MailboxGUID == pair.Source.MailboxGUID || pair.Target.MailboxGUID.IsZero() {
		t.Errorf("got mailbox GUID %s", pair.Target.MailboxGUID)
	}
	l.nothingLeft(t, "opened", pair, on("", l.PlanOpen))
}

// TestCountry: the 0 that every account has is no country.
func TestCountry(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ source, target, want map[string][]string }{
		"unset at the target":  {map[string][]string{"c": {"AT"}, "countryCode": {"40"}}, map[string][]string{"countryCode": {"0"}}, map[string][]string{"c": {"AT"}, "countryCode": {"40"}}},
		"unset at the source":  {map[string][]string{"countryCode": {"0"}}, map[string][]string{"countryCode": {"276"}, "c": {"DE"}}, map[string][]string{"c": {"DE"}, "countryCode": {"276"}}},
		"the target has its c": {map[string][]string{"c": {"AT"}, "countryCode": {"40"}}, map[string][]string{"countryCode": {"0"}, "c": {"DE"}}, map[string][]string{"c": {"DE"}, "countryCode": {"0"}}},
	} {
		l := newLab(t)
		l.target.put(t, staffDN("B"), with(test.target, map[string][]string{"objectClass": {"user"}, "proxyAddresses": {"smtp:b.schulz@alpine.test"}}))
		pair := l.stage(t, l.putBirgit(t, test.source))
		if diff := cmp.Diff(test.want, text(l.target.get(t, pair.Target.DN), "c", "countryCode")); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		l.nothingLeft(t, name, pair, l.PlanStage)
	}
}

// TestAddressPolicies: who is kept from address policies stays so; the GUIDs of the
// source's policies mean nothing at the target.
func TestAddressPolicies(t *testing.T) {
	t.Parallel()
	const none, one = "{26491cfc-9e50-4857-861b-0cb8df22b5d7}", "{11111111-9e50-4857-861b-0cb8df22b5d7}"
	for name, test := range map[string]struct{ source, want []string }{
		"kept from all": {[]string{none, one}, []string{none}},
		"kept from one": {[]string{one}, nil},
		"kept from no":  {nil, nil},
	} {
		l := newLab(t)
		pair := l.stage(t, l.putBirgit(t, map[string][]string{"msExchPoliciesExcluded": test.source}))
		if diff := cmp.Diff(test.want, l.target.get(t, pair.Target.DN).Values("msExchPoliciesExcluded")); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// TestMergeTakesAccentsForNothing, as Active Directory does: it would refuse the value.
func TestMergeTakesAccentsForNothing(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.target.put(t, staffDN("B"), map[string][]string{
		"objectClass": {"user"}, "proxyAddresses": {"smtp:b.schulz@alpine.test"}, "departmentNumber": {"Zurich"},
	})
	pair := l.stage(t, l.putBirgit(t, map[string][]string{"departmentNumber": {"ZÜRICH", "Genève"}}))
	if diff := cmp.Diff([]string{"Genève", "Zurich"}, text(l.target.get(t, pair.Target.DN), "departmentNumber")["departmentNumber"]); diff != "" {
		t.Error(diff)
	}
	l.nothingLeft(t, "merged", pair, l.PlanStage)
}
