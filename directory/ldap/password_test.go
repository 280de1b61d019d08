package ldap_test

import (
	"fmt"
	"strings"
	"testing"
	"unicode"

	"reforest/directory"
	"reforest/directory/ldap"
	"reforest/internal/lab/ldapd"
	"reforest/migrate"
)

// enabling is the change that gives an account a password and lets it log on.
func enabling(dn directory.DN) directory.Change {
	return directory.Change{Op: directory.Modify, DN: dn, Why: "test", Mods: []directory.Mod{
		{Op: directory.RandomPassword, Attr: "unicodePwd"},
		{Op: directory.ReplaceValues, Attr: "userAccountControl", Values: [][]byte{[]byte("512")}},
	}}
}

// TestRandomPassword: the server, which refuses an enabled account without a password and
// a password that breaks the default policy, takes it; and nothing but that tells of it.
func TestRandomPassword(t *testing.T) {
	t.Parallel()
	server, config := startLab(t)
	dn := server.BaseDN().Child("CN", "Users").Child("CN", "Ada")
	if _, err := server.Seed(dn, ldapd.Attrs{"objectClass": {"user"}, "sAMAccountName": {"ada"}, "userAccountControl": {"514"}}); err != nil {
		t.Fatal(err)
	}
	conn := dial(t, config)
	without := enabling(dn)
	without.Mods = without.Mods[1:]
	wantError(t, "enabled without a password", conn.Write(t.Context(), without), migrate.OneMailbox, migrate.Never)
	change := enabling(dn)
	if err := conn.Write(t.Context(), change); err != nil {
		t.Fatal(err)
	}
	entry, err := conn.Get(t.Context(), dn, "userAccountControl", "pwdLastSet", "unicodePwd")
	if err != nil {
		t.Fatal(err)
	}
	if entry.First("userAccountControl") != "512" || entry.First("pwdLastSet") == "0" || entry.Has("unicodePwd") {
		t.Errorf("got %v: %s, %s", entry.Attrs(), entry.First("userAccountControl"), entry.First("pwdLastSet"))
	}
	if len(change.Mods[0].Values) > 0 {
		t.Error("the password is in the change")
	}
}

// TestRandomPasswordIsRefused where it would set more, or less, than a new password.
func TestRandomPasswordIsRefused(t *testing.T) {
	t.Parallel()
	server, config := startLab(t)
	conn := dial(t, config)
	password, control := enabling("").Mods[0], enabling("").Mods[1]
	for name, mods := range map[string][]directory.Mod{
		"alone":             {password},
		"another attribute": {{Op: directory.RandomPassword, Attr: "description"}, control},
		"with values":       {{Op: directory.RandomPassword, Attr: "unicodePwd", Values: [][]byte{[]byte("geheim")}}, control},
	} {
		err := conn.Write(t.Context(), directory.Change{Op: directory.Modify, DN: server.AdminDN(), Mods: mods})
		e := wantError(t, name, err, migrate.WholeRun, migrate.Never)
		if strings.Contains(e.Error(), "geheim") {
			t.Errorf("%s: the value is in the error: %v", name, err)
		}
	}
	add := enabling(server.BaseDN().Child("CN", "x"))
	add.Op = directory.Add
	wantError(t, "add", conn.Write(t.Context(), add), migrate.WholeRun, migrate.Never)
	if err := ldap.WritePlain(t.Context(), enabling(server.AdminDN())); err == nil || !strings.Contains(err.Error(), "over TLS alone") {
		t.Errorf("without TLS: got %v", err)
	}
}

// TestRightToSetPasswords is named where it is missing.
func TestRightToSetPasswords(t *testing.T) {
	t.Parallel()
	server, config := startLab(t)
	users := server.BaseDN().Child("CN", "Users")
	for cn, control := range map[string]string{"plain": "512", "Ada": "514"} {
		attrs := ldapd.Attrs{"objectClass": {"user"}, "sAMAccountName": {cn}, "userAccountControl": {control}, "unicodePwd": {string(ldapd.EncodePassword(labPassword))}}
		if _, err := server.Seed(users.Child("CN", cn), attrs); err != nil {
			t.Fatal(err)
		}
	}
	config.BindDN = `ALPINE\plain`
	e := wantError(t, "plain", dial(t, config).Write(t.Context(), enabling(users.Child("CN", "Ada"))), migrate.OneMailbox, migrate.Never)
	if !strings.Contains(e.Hint, "Reset Password") {
		t.Errorf("hint: %q", e.Hint)
	}
}

// TestMakePassword: each of its own, of four kinds of characters, without three in a row
// that could be part of a name.
func TestMakePassword(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for range 200 {
		password, err := ldap.MakePassword()
		if err != nil {
			t.Fatal(err)
		}
		var kinds [4]bool
		run := 0
		for _, r := range password {
			word := unicode.IsLetter(r) || unicode.IsDigit(r)
			if run++; !word {
				run = 0
			}
			if run > 2 {
				t.Error("three letters or digits in a row")
			}
			kinds[0] = kinds[0] || unicode.IsUpper(r)
			kinds[1] = kinds[1] || unicode.IsLower(r)
			kinds[2] = kinds[2] || unicode.IsDigit(r)
			kinds[3] = kinds[3] || !word
		}
		if len(password) != 32 || kinds != [4]bool{true, true, true, true} || seen[password] {
			t.Errorf("%d characters of the kinds %s, seen before: %v", len(password), fmt.Sprint(kinds), seen[password])
		}
		seen[password] = true
	}
}
