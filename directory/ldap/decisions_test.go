package ldap_test

import (
	"context"
	"path/filepath"
	"slices"
	"testing"

	"reforest/directory"
	"reforest/directory/directorytest"
	"reforest/directory/ldap"
	"reforest/internal/lab/ldapd"
	"reforest/internal/lab/real"
)

// rehearsalCan and activeDirectoryCan are what the servers can do; over LDAP, Active
// Directory and Samba write no sIDHistory, and the real forests have one domain each.
var (
	rehearsalCan       = []directorytest.Ability{directorytest.SIDHistory, directorytest.SecondDomain}
	activeDirectoryCan []directorytest.Ability
)

// TestDecisionsOnTheRehearsal runs every case between two rehearsal forests.
func TestDecisionsOnTheRehearsal(t *testing.T) {
	t.Parallel()
	source := rehearse(t, "alpine.test", directory.Source)
	target := rehearse(t, "fabrikam.test", directory.Target)
	directorytest.Decisions(t, func(t *testing.T) directorytest.Forests {
		return directorytest.Forests{Source: source.home(t), Target: target.home(t)}
	}, rehearsalCan...)
}

// TestDecisionsOnActiveDirectory runs the cases between the two real forests of
// scripts/lab/up, but for those of LeftOut. It is not parallel: tests that wait for the
// forests would keep those that have them from running their cases.
func TestDecisionsOnActiveDirectory(t *testing.T) {
	lab := real.Load(t)
	source, target := realForest(t, lab.Source, "MBX-A1", directory.Source), realForest(t, lab.Target, "MBX-F1", directory.Target)
	directorytest.Decisions(t, func(t *testing.T) directorytest.Forests {
		return directorytest.Forests{Source: source.home(t), Target: target.home(t)}
	}, activeDirectoryCan...)
}

// TestEveryDecisionIsRun: the rehearsal plays all cases, and real forests all but two.
func TestEveryDecisionIsRun(t *testing.T) {
	t.Parallel()
	if left := directorytest.LeftOut(rehearsalCan...); len(left) > 0 {
		t.Errorf("the rehearsal leaves out %q", left)
	}
	want := []string{"user principal name is taken in another domain", "entry of a SID of long ago"}
	if left := directorytest.LeftOut(activeDirectoryCan...); !slices.Equal(left, want) {
		t.Errorf("real forests leave out %q, want %q", left, want)
	}
}

// TestStrictness sends what Active Directory forbids. The rehearsal answers as it does.
func TestStrictness(t *testing.T) {
	t.Parallel()
	server, config := startLab(t)
	directorytest.Strictness(t, dialRaw(t, config), newUnit(t, config, server.BaseDN()), false)
}

// TestStrictnessOfSamba sends it to the real source forest, which is laxer. It is not
// parallel, for the reason of TestDecisionsOnActiveDirectory.
func TestStrictnessOfSamba(t *testing.T) {
	forest := realForest(t, real.Load(t).Source, "MBX-A1", directory.Source)
	directorytest.Strictness(t, dialRaw(t, forest.config), newUnit(t, forest.config, forest.forest.Info.DefaultNC), true)
}

// A served forest is one that cases share, each in a unit of its own.
type served struct {
	config   ldap.Config
	forest   directory.Forest
	database directory.DN
	server   *ldapd.Server // nil: a real one
	far      directory.DN  // in another domain; "" if there is none
}

// home makes the unit of a case.
func (s served) home(t *testing.T) directorytest.Home {
	t.Helper()
	h := directorytest.Home{
		Forest: s.forest, Database: s.database, Base: newUnit(t, s.config, s.forest.Info.DefaultNC), Elsewhere: s.far,
	}
	if s.server == nil {
		return h
	}
	h.Seed = func(t *testing.T, dn directory.DN, attrs map[string][]string) {
		if _, err := s.server.Seed(dn, attrs); err != nil {
			t.Fatal(err)
		}
	}
	h.SeedDescriptor = func(t *testing.T, dn directory.DN, descriptor []byte) {
		change := directory.Mod{Op: directory.ReplaceValues, Attr: "nTSecurityDescriptor", Values: [][]byte{descriptor}}
		if err := s.server.SeedChange(dn, change); err != nil {
			t.Fatal(err)
		}
	}
	return h
}

// rehearse starts a rehearsal forest of two domains.
func rehearse(t *testing.T, domain string, side directory.Side) served {
	t.Helper()
	server, err := ldapd.Start(context.WithoutCancel(t.Context()), ldapd.Config{Domain: domain, AdminPassword: labPassword})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := server.Authority().WriteFile(ca); err != nil {
		t.Fatal(err)
	}
	s := served{server: server, config: ldap.Config{URL: server.URL(), CAFile: ca, BindDN: "Administrator@" + domain, Password: labPassword}}
	if s.database, err = server.AddDatabase("MBX-1"); err != nil {
		t.Fatal(err)
	}
	second, err := server.AddDomain("sub")
	if err != nil {
		t.Fatal(err)
	}
	s.far = second.Child("CN", "Users")
	s.survey(t, side, server.GlobalURL())
	return s
}

func realForest(t *testing.T, f real.Forest, database string, side directory.Side) served {
	t.Helper()
	s := served{database: directory.DN(f.DatabaseDN(database)), config: ldap.Config{
		URL: f.URL, CAFile: f.CA, ServerName: f.ServerName, BindDN: f.BindDN, Password: f.Password,
	}}
	s.survey(t, side, f.GC)
	return s
}

// survey dials the forest and its global catalog, as the product does.
func (s *served) survey(t *testing.T, side directory.Side, catalogURL string) {
	t.Helper()
	conn := dial(t, s.config)
	catalog := s.config
	catalog.URL, catalog.GlobalCatalog = catalogURL, true
	s.forest = directory.Forest{Side: side, Reader: conn, Writer: conn, Catalog: dial(t, catalog)}
	var err error
	if s.forest.Info, err = directory.Survey(t.Context(), conn); err != nil {
		t.Fatal(err)
	}
}
