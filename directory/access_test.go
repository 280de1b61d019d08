package directory_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"reforest/directory"
)

// mayDo lets the server say what our account may do to the entry.
func (m *memory) mayDo(dn directory.DN, write []string, rights string) {
	attrs := m.entries[dn.Key()].attrs
	attrs["allowedattributeseffective"] = nil
	for _, a := range write {
		attrs["allowedattributeseffective"] = append(attrs["allowedattributeseffective"], []byte(a))
	}
	attrs["sdrightseffective"] = [][]byte{[]byte(rights)}
}

// everything is what a move writes on either side.
var everything = []string{
	"proxyAddresses", "targetAddress", "msExchRecipientTypeDetails", "msExchRecipientDisplayType", "msExchPoliciesExcluded", "msExchVersion",
	"legacyExchangeDN", "mail", "mailNickname", "displayName", "msExchMailboxGuid", "homeMDB", "homeMTA", "msExchHomeServerName", "mDBUseDefaults",
	"mDBStorageQuota", "msExchMailboxSecurityDescriptor", "adminDescription",
}

func without(values []string, gone ...string) []string {
	var left []string
	for _, v := range values {
		if !strings.Contains(" "+strings.Join(gone, " ")+" ", " "+v+" ") {
			left = append(left, v)
		}
	}
	return left
}

func TestCheckAccess(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		source, target []string
		rights         string
		want           []string
		evidence       []string
	}{
		"all":      {source: everything, target: everything, rights: "7"},
		"DACL":     {source: everything, target: everything, rights: "4"},
		"any case": {source: lowered(everything), target: lowered(everything), rights: "4"},
		"two at the source": {
			source: without(everything, "targetAddress", "homeMTA"), target: everything, rights: "4",
			want: []string{"rights.write"},
			evidence: []string{
				`dsacls "OU=People,DC=alpine,DC=test" /I:S /G "mover@alpine.test:RPWP;targetAddress;user" "mover@alpine.test:RPWP;homeMTA;user"`,
				"may not write targetAddress, homeMTA of " + string(birgitDN), "allowedAttributesEffective",
			},
		},
		"what the source does not have": {source: without(everything, "msExchRBACPolicyLink"), target: everything, rights: "4"},
		"one at the target": {
			source: everything, target: without(everything, "homeMDB"), rights: "4",
			want:     []string{"rights.write"},
			evidence: []string{`dsacls "OU=Staff,DC=baltic,DC=test" /I:S /G "ACCOUNT:RPWP;homeMDB;user"`},
		},
		"no DACL": {
			source: everything, target: everything, rights: "3",
			want:     []string{"rights.permissions"},
			evidence: []string{`/I:S /G "ACCOUNT:RCWD;;user"`, "sDRightsEffective is 3"},
		},
		"nothing at all": {
			source: nil, target: nil, rights: "0",
			want:     []string{"rights.write", "rights.write", "rights.permissions"},
			evidence: []string{"ACCOUNT", "mover@alpine.test"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			pair := l.stage(t, l.putBirgit(t, nil))
			l.Source.Account = "mover@alpine.test"
			l.source.mayDo(birgitDN, test.source, "0")
			l.target.mayDo(pair.Target.DN, test.target, test.rights)
			findings, err := l.CheckAccess(t.Context(), []directory.Pair{pair, pair})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, rules(findings)); diff != "" {
				t.Fatalf("%s\n%v", diff, findings)
			}
			texts := ""
			for _, f := range findings {
				proves(t, f)
				texts += f.What + " " + f.Mend
			}
			for _, text := range test.evidence {
				if !strings.Contains(texts, text) {
					t.Errorf("%q is not in %q", text, texts)
				}
			}
		})
	}
}

func lowered(values []string) []string {
	return strings.Split(strings.ToLower(strings.Join(values, " ")), " ")
}

// TestAccessIsSampled: one object of each OU is asked about, and none that the directory
// protects; a server that does not tell is no reason to forbid anything.
func TestAccessIsSampled(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	var pairs []directory.Pair
	for _, person := range []struct {
		ou, name, admin string
		may             []string
	}{
		{"OU=A", "Boss", "1", nil},
		{"OU=A", "One", "", everything},
		{"OU=A", "Two", "", nil},
		{"OU=B", "Three", "", without(everything, "proxyAddresses")},
	} {
		dn := directory.DN("CN=" + person.name + "," + person.ou + ",DC=alpine,DC=test")
		attrs := map[string][]string{"objectClass": {"user"}}
		if person.admin != "" {
			attrs["adminCount"] = []string{person.admin}
		}
		l.source.put(t, dn, attrs)
		l.source.mayDo(dn, person.may, "0")
		source, err := l.Resolve(t.Context(), string(dn))
		if err != nil {
			t.Fatal(err)
		}
		pairs = append(pairs, directory.Pair{Source: source})
	}
	findings, err := l.CheckAccess(t.Context(), pairs)
	if err != nil {
		t.Fatal(err)
	}
	if f := found(t, findings, "rights.write"); f.Whom != "OU=B,DC=alpine,DC=test" || len(findings) != 1 {
		t.Errorf("found %v, want OU=B alone", findings)
	}
	pair := l.putBirgit(t, nil)
	findings, err = l.CheckAccess(t.Context(), []directory.Pair{pair})
	if err != nil || len(findings) != 1 {
		t.Fatalf("got %v, %v", findings, err)
	}
	proves(t, found(t, findings, "rights.untold"))
}

func TestCheckCreate(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.Target.Account = `BALTIC\mover`
	l.target.entries[staff.Key()].attrs["allowedchildclasseseffective"] = [][]byte{[]byte("Contact")}
	findings, err := l.CheckCreate(t.Context(), staff, directory.ClassUser, directory.ClassContact, directory.ClassGroup)
	if diff := cmp.Diff([]string{"rights.create-users", "rights.create"}, rules(findings)); err != nil || diff != "" {
		t.Fatalf("%v %s", err, diff)
	}
	proves(t, findings[0], `dsacls "OU=Staff,DC=baltic,DC=test" /I:T /G "BALTIC\mover:CCDC;user"`, `"BALTIC\mover:CA;Reset Password;user"`, `"Contact"`)
	proves(t, findings[1], `/I:T /G "BALTIC\mover:CCDC;group"`)
	findings, err = l.CheckCreate(t.Context(), staff.Child("OU", "Gone"), directory.ClassUser)
	if err != nil {
		t.Fatal(err)
	}
	proves(t, found(t, findings, "target.ou"))
}
