package imap

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"reforest/migrate"
)

func aclTarget(t *testing.T, caps string, answers ...answer) *Target {
	t.Helper()
	return scriptedTarget(t, with(script(t, answers...), strings.Fields(caps)...))
}

func TestListOfAServerOfRFC4314(t *testing.T) {
	t.Parallel()
	say := `* ACL F owner lrswipkxtecda "O=OLD/OU=EX/CN=RECIPIENTS/CN=bob smith" rl -u3 s "" {3+}` + "\r\nlrs \"legacy-S-1-5-21-1-2-3-4\" \"\"\r\nTAG OK done\r\n"
	target := aclTarget(t, "ACL RIGHTS=KXTEN", answer{`GETACL "F"`, strings.Replace(say, "{3+}", "{3}", 1)})
	lists, err := target.Lists(t.Context(), []string{"F"})
	if err != nil {
		t.Fatal(err)
	}
	want := []migrate.List{{Folder: "F", Shared: true, Known: "lrswipkxtean", Grants: []migrate.Grant{
		{Who: "owner", Rights: "lrswipkxtea"},
		{Who: "O=OLD/OU=EX/CN=RECIPIENTS/CN=bob smith", Rights: "lr"},
		{Who: "u3", Rights: "s", Denied: true},
		{Who: "legacy-S-1-5-21-1-2-3-4"},
	}}}
	if diff := cmp.Diff(want, lists); diff != "" {
		t.Error(diff)
	}
}

// What c and d stand for takes their place, and goes back as c and d.
func TestRightsOfAServerOfRFC2086(t *testing.T) {
	t.Parallel()
	target := aclTarget(
		t, "ACL",
		answer{`GETACL "F"`, "* ACL F bob lrcd\r\nTAG OK done\r\n"},
		answer{`SETACL "F" "bob" "lrscd"`, "TAG OK done\r\n"},
	)
	list, shared, err := target.Grants(t.Context(), "F")
	if err != nil || !shared {
		t.Fatal(shared, err)
	}
	if diff := cmp.Diff([]migrate.Grant{{Who: "bob", Rights: "lrkxte"}}, list); diff != "" {
		t.Error(diff)
	}
	if err := target.Grant(t.Context(), "F", migrate.Grant{Who: "bob", Rights: list[0].Rights.And("s").Ordered()}); err != nil {
		t.Error(err)
	}
}

func TestServerWithoutACL(t *testing.T) {
	t.Parallel()
	target := aclTarget(t, "IDLE")
	list, shared, err := target.Grants(t.Context(), "F")
	if err != nil || shared || list != nil {
		t.Error(list, shared, err)
	}
	err = target.Grant(t.Context(), "F", migrate.Grant{Who: "bob", Rights: "lr"})
	if e := migrate.AsError(err); e == nil || e.Reach != migrate.OneItem {
		t.Errorf("granted: %v", err)
	}
}

func TestRefusedListNamesTheMissingRight(t *testing.T) {
	t.Parallel()
	target := aclTarget(
		t, "ACL RIGHTS=TEXK",
		answer{`GETACL "F"`, "TAG NO [NOPERM] Permission denied\r\n"},
		answer{`MYRIGHTS "F"`, "* MYRIGHTS F lrs\r\nTAG OK done\r\n"},
	)
	_, _, err := target.Grants(t.Context(), "F")
	e := migrate.AsError(err)
	if e == nil || e.Reach != migrate.OneItem || !strings.Contains(e.Hint, `"lrs"`) || !strings.Contains(e.Hint, "right a") {
		t.Errorf("got %v with hint %q", err, e.Hint)
	}
}

// A folder that its owner has deleted meanwhile concerns nobody else.
func TestListOfAFolderThatIsGone(t *testing.T) {
	t.Parallel()
	target := aclTarget(
		t, "ACL RIGHTS=TEXK",
		answer{`GETACL "F"`, "TAG NO [NONEXISTENT] Mailbox doesn't exist\r\n"},
		answer{`MYRIGHTS "F"`, "* MYRIGHTS (\r\nTAG NO [NONEXISTENT] Mailbox doesn't exist\r\n"},
	)
	lists, err := target.Lists(t.Context(), []string{"F"})
	if err != nil {
		t.Fatal(err)
	}
	if e := migrate.AsError(lists[0].Err); e == nil || e.Reach != migrate.OneItem || e.Retry != migrate.Never {
		t.Errorf("got %v", lists[0].Err)
	}
}

func TestServerThatIsBusyIsNotARefusal(t *testing.T) {
	t.Parallel()
	target := aclTarget(t, "ACL RIGHTS=TEXK", answer{`GETACL "F"`, "TAG NO [UNAVAILABLE] later\r\n"})
	_, err := target.Lists(t.Context(), []string{"F"})
	if e := migrate.AsError(err); e == nil || e.Retry != migrate.Later || e.Reach != migrate.OneServer {
		t.Errorf("got %v", err)
	}
}

func TestGrantFallsBackToWhatTheServerCanGive(t *testing.T) {
	t.Parallel()
	target := aclTarget(
		t, "ACL RIGHTS=TEXK",
		answer{`SETACL "F" "bob" "lrsa"`, "TAG NO a is for owners\r\n"},
		answer{`LISTRIGHTS "F" "bob"`, "* LISTRIGHTS F bob l r s w i p t e x k\r\nTAG OK done\r\n"},
		answer{`SETACL "F" "bob" "lrs"`, "TAG OK done\r\n"},
		answer{`DELETEACL "F" "-carl"`, "TAG OK done\r\n"},
	)
	if err := target.Grant(t.Context(), "F", migrate.Grant{Who: "bob", Rights: "lrsa"}); err != nil {
		t.Error(err)
	}
	if err := target.Revoke(t.Context(), "F", migrate.Grant{Who: "carl", Denied: true}); err != nil {
		t.Error(err)
	}
}

func TestIdentifiersThatWouldMeanAnother(t *testing.T) {
	t.Parallel()
	target := aclTarget(t, "ACL RIGHTS=TEXK")
	for _, who := range []string{"", "-bob", "bob\r\nr1 LOGOUT", "bob\x00", `b"ob`, `OLD\bob`} {
		if err := target.Grant(t.Context(), "F", migrate.Grant{Who: who, Rights: "l"}); err == nil {
			t.Errorf("identifier %q was sent", who)
		}
	}
}

// Nobody takes a list that is not understood for an empty one.
func TestMalformedLists(t *testing.T) {
	t.Parallel()
	for _, say := range []string{"", "* ACL G bob lr\r\n", "* ACL F bob\r\n", "* ACL F (bob) lr\r\n", "* ACL\r\n"} {
		target := aclTarget(
			t, "ACL RIGHTS=TEXK",
			answer{`GETACL "F"`, say + "TAG OK done\r\n"},
			answer{`GETACL "F"`, "* ACL F bob lr\r\nTAG OK done\r\n"},
		)
		lists, err := target.Lists(t.Context(), []string{"F"})
		if err != nil {
			t.Fatalf("%q costs more than the command: %v", say, err)
		}
		if e := migrate.AsError(lists[0].Err); e == nil || e.Reach != migrate.OneItem {
			t.Errorf("%q was taken for %v", say, lists)
		}
		if list, _, err := target.Grants(t.Context(), "F"); err != nil || len(list) != 1 {
			t.Errorf("after %q: %v, %v", say, list, err)
		}
	}
}
