package directory_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestVerifyStaged: both sides of somebody who is staged, attribute by attribute against
// what staging plans now.
func TestVerifyStaged(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		spoil    func(l *lab, source, target map[string][][]byte)
		want     []string
		evidence []string
	}{
		"whole": {},
		"a title is gone": {
			spoil:    func(_ *lab, _, target map[string][][]byte) { delete(target, "sn") },
			want:     []string{"verify.attribute"},
			evidence: []string{"sn of CN=Meier\\, Birgit,OU=Staff", "target forest has no value", `the plan wants "Meier"`},
		},
		"a number was changed at the target, which keeps it": {
			spoil: func(_ *lab, _, target map[string][][]byte) { target["sn"] = [][]byte{[]byte("Schulz")} },
		},
		"another type": {
			spoil: func(_ *lab, _, target map[string][][]byte) {
				target["msexchrecipienttypedetails"] = [][]byte{[]byte("1")}
			},
			want:     []string{"verify.attribute"},
			evidence: []string{`msExchRecipientTypeDetails`, `is "1"`, `"128"`},
		},
		"names are gone": {
			spoil: func(_ *lab, source, target map[string][][]byte) {
				target["proxyaddresses"] = slices.DeleteFunc(target["proxyaddresses"], func(v []byte) bool { return strings.HasPrefix(string(v), "X500:/o=Old/ou=Site") })
				source["proxyaddresses"] = slices.DeleteFunc(source["proxyaddresses"], func(v []byte) bool { return string(v) == "X500:"+minted })
			},
			want: []string{"x500.missing", "x500.missing"},
		},
		"the routing address is gone from the source": {
			spoil: func(_ *lab, source, _ map[string][][]byte) {
				source["proxyaddresses"] = slices.DeleteFunc(source["proxyaddresses"], func(v []byte) bool { return string(v) == "smtp:bmeier@mail.baltic.test" })
			},
			want:     []string{"verify.attribute"},
			evidence: []string{"proxyAddresses of " + string(birgitDN), `lacks "smtp:bmeier@mail.baltic.test"`},
		},
		"mail is led away": {
			spoil: func(_ *lab, _, target map[string][][]byte) {
				target["targetaddress"] = [][]byte{[]byte("SMTP:b@freemail.test")}
			},
			want: []string{"verify.target-not-forwarding", "target.address-elsewhere"},
		},
		"the source lost its mailbox": {
			spoil: func(_ *lab, source, _ map[string][][]byte) {
				delete(source, "homemdb")
				delete(source, "msexchhomeservername")
			},
			want: []string{"verify.source-lost"},
		},
		"somebody took an address": {
			spoil: func(l *lab, _, target map[string][][]byte) {
				target["proxyaddresses"] = slices.DeleteFunc(target["proxyaddresses"], func(v []byte) bool { return string(v) == "smtp:b.schulz@alpine.test" })
				l.target.entries[staffDN("Thief").Key()] = &stored{dn: staffDN("Thief"), attrs: map[string][][]byte{
					"objectclass": {[]byte("user")}, "objectguid": {[]byte("guid of a thief.")}, "proxyaddresses": {[]byte("smtp:b.schulz@alpine.test")},
				}}
			},
			want:     []string{"address.missing", "address.taken"},
			evidence: []string{"smtp:b.schulz@alpine.test"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			pair := l.stage(t, l.putBirgit(t, nil))
			if test.spoil != nil {
				test.spoil(l, l.source.entries[birgitDN.Key()].attrs, l.target.entries[pair.Target.DN.Key()].attrs)
			}
			findings, err := l.VerifyStaged(t.Context(), pair)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, rules(findings)); diff != "" {
				t.Fatalf("%s\n%v", diff, findings)
			}
			for _, f := range findings {
				proves(t, f, test.evidence...)
			}
		})
	}
}

func TestVerifyStagedWithoutTarget(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	findings, err := l.VerifyStaged(t.Context(), l.putBirgit(t, nil))
	if err != nil {
		t.Fatal(err)
	}
	proves(t, found(t, findings, "verify.no-target"))
}

// TestVerifyComparesWithThePlan: after a whole move as well.
func TestVerifyComparesWithThePlan(t *testing.T) {
	t.Parallel()
	l, pair := movedLab(t)
	target := l.target.entries[pair.Target.DN.Key()].attrs
	delete(target, "othertelephone")
	findings, err := l.Verify(t.Context(), pair, "")
	if err != nil {
		t.Fatal(err)
	}
	proves(t, found(t, findings, "verify.attribute"), "otherTelephone", `"11", "22"`)
}
