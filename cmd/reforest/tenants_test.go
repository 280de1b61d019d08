package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"reforest/directory"
)

// loadEdited loads the template with some of its text replaced, in pairs.
func loadEdited(t *testing.T, edits ...string) (*config, error) {
	t.Helper()
	text := string(configTemplate)
	for i := 0; i < len(edits); i += 2 {
		if !strings.Contains(text, edits[i]) {
			t.Fatalf("the template does not have %q", edits[i])
		}
	}
	path := filepath.Join(t.TempDir(), "reforest.yaml")
	if err := os.WriteFile(path, []byte(strings.NewReplacer(edits...).Replace(text)), 0o600); err != nil {
		t.Fatal(err)
	}
	return loadConfig(path)
}

const twoTenants = `
tenants:
  - name: Contoso
    source_domain: contoso.example
    attribute: company = Contoso Ltd
    ou: OU=Contoso,DC=x
    group: CN=Contoso,OU=Contoso,DC=x
    upn_suffix: "@contoso.example"
  - name: Tailspin
    source_ou: OU=T,DC=y
    ou: OU=Tailspin,DC=x
    query_base: OU=People,OU=Tailspin,DC=x
    oab: CN=OAB,DC=x
    address_book_policy: CN=ABP,DC=x
`

// Everything that the keys say reaches the directory.
func TestDirectoryRules(t *testing.T) {
	t.Parallel()
	c, err := loadEdited(t, "\ntenants: []\n", twoTenants, "\nattributes: {}\n", "\nattributes:\n  Title: force\n  extensionAttribute15: omit\n  manager: force\n",
		"accounts: enabled", "accounts: linked", "mover: imap", "mover: exchange",
		"domains: []               # further mail domains of the source", "domains: [old.example]",
		"domains: []               # further mail domains of the target", "domains: [new.example, newer.example]")
	if err != nil {
		t.Fatal(err)
	}
	all := c.rules()
	got := directory.Rules{
		Attributes: all.Attributes, Accounts: all.Accounts, ExchangeMoves: all.ExchangeMoves,
		SourceDomains: all.SourceDomains, TargetDomains: all.TargetDomains, Tenants: all.Tenants,
	}
	want := directory.Rules{
		Attributes: map[string]directory.Policy{"title": directory.Force, "extensionattribute15": directory.Omit, "manager": directory.Force},
		Accounts:   directory.AccountsLinked, ExchangeMoves: true,
		SourceDomains: []string{"old.example"}, TargetDomains: []string{"new.example", "newer.example"},
		Tenants: []directory.Tenant{
			{
				Name: "Contoso", SourceDomain: "contoso.example", Attribute: "company", Value: "Contoso Ltd", OU: "OU=Contoso,DC=x",
				Group: "CN=Contoso,OU=Contoso,DC=x", UPNSuffix: "contoso.example",
			},
			{
				Name: "Tailspin", SourceOU: "OU=T,DC=y", OU: "OU=Tailspin,DC=x", QueryBase: "OU=People,OU=Tailspin,DC=x",
				OAB: "CN=OAB,DC=x", AddressBookPolicy: "CN=ABP,DC=x",
			},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// Faults say where they are and what was expected.
func TestDirectoryFaults(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		edits []string
		want  []string // what the lines say; the place is that of the text behind the bar
	}{
		"policy word":         {[]string{"attributes: {}", "attributes:\n  title: frce"}, []string{`"frce" is no policy: want keep, force, merge or omit | title: frce`}},
		"unknown attribute":   {[]string{"attributes: {}", "attributes:\n  tittle: keep"}, []string{`tittle is not copied; did you mean "title"? | tittle: keep`}},
		"merge of one":        {[]string{"attributes: {}", "attributes:\n  title: merge"}, []string{"title has one value: want keep, force or omit | title: merge"}},
		"attribute twice":     {[]string{"attributes: {}", "attributes:\n  title: keep\n  Title: omit"}, []string{"attributes.Title stands here a second time | Title: omit"}},
		"no mapping":          {[]string{"attributes: {}", "attributes: [title]"}, []string{"attributes: want keys and values here | [title]"}},
		"policy is a list":    {[]string{"attributes: {}", "attributes:\n  title: [keep]"}, []string{"attributes.title: want text | [keep]"}},
		"accounts":            {[]string{"accounts: enabled", "accounts: enbled"}, []string{`"enbled": want enabled or linked | accounts: enbled`}},
		"mover":               {[]string{"mover: imap", "mover: ews"}, []string{`"ews": want imap or exchange | mover: ews`}},
		"domain of both":      {[]string{"domains: []               # further mail domains of the target", "domains: [Alpine.example]"}, []string{"alpine.example is one of source.domain too | domains: [Alpine.example]"}},
		"the target's domain": {[]string{"domains: []               # further mail domains of the source", "domains: [Fabrikam.example]"}, []string{"fabrikam.example is target.domain | domains: [Fabrikam.example]"}},
		"domain with @":       {[]string{"domains: []               # further mail domains of the source", "domains: ['@x.example']"}, []string{`"@x.example": want a mail domain | domains: ['@x.example']`}},
		"tenants no list":     {[]string{"\ntenants: []", "\ntenants: {name: x}"}, []string{"tenants: want a list | {name: x}"}},
		"tenant no mapping":   {[]string{"\ntenants: []", "\ntenants: [Contoso]"}, []string{"tenants.1: want keys and values here | Contoso]"}},
		"tenant's key": {
			[]string{"\ntenants: []", "\ntenants:\n  - name: A\n    source_domain: a.x\n    uo: OU=A,DC=x\n"},
			[]string{`unknown key "tenants.1.uo"; did you mean "tenants.1.ou"? | uo: OU=A`},
		},
		"tenant's DN": {
			[]string{"\ntenants: []", "\ntenants:\n  - name: A\n    source_domain: a@x\n    ou: Contoso\n"},
			[]string{`"a@x": want a mail domain, without @ | source_domain: a@x`, `"Contoso": want a distinguished name | ou: Contoso`},
		},
		"second tenant": {
			[]string{"\ntenants: []", "\ntenants:\n  - name: A\n    source_domain: a.x\n    ou: OU=A,DC=x\n  - name: B\n    attribute: company\n    ou: OU=B,OU=A,DC=x\n"},
			[]string{`"company=": want an attribute that is copied and its value | name: B`, "its ou and that of A lie in one another | name: B"},
		},
	} {
		_, err := loadEdited(t, test.edits...)
		var list *faults
		if !errors.As(err, &list) {
			t.Errorf("%s: got %v, want faults", name, err)
			continue
		}
		if len(list.list) != len(test.want) {
			t.Errorf("%s: got %v", name, err)
			continue
		}
		text := strings.Split(strings.NewReplacer(test.edits...).Replace(string(configTemplate)), "\n")
		for i, want := range test.want {
			what, where, _ := strings.Cut(want, " | ")
			f := list.list[i]
			if !strings.Contains(f.text, what) || !strings.HasPrefix(text[f.line-1][f.column-1:], where) {
				t.Errorf("%s: got %q at %q, want %q at %q", name, f.text, text[f.line-1][f.column-1:], what, where)
			}
		}
	}
}

// The plan says of each value where it comes from.
func TestPlanShowsOrigins(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	env := &environment{stdout: &out}
	options := &runOptions{globalOptions: &globalOptions{}}
	pair := directory.Pair{Source: &directory.Recipient{DisplayName: "Ada", DN: "CN=Ada,DC=x"}}
	plan := directory.Plan{Changes: []directory.Change{{
		Forest: directory.Target, Op: directory.Modify, DN: "CN=A,DC=y", Why: "test", Mods: []directory.Mod{
			{Op: directory.ReplaceValues, Attr: "title", Values: [][]byte{[]byte("Head")}, Origin: "source title"},
			{Op: directory.RandomPassword, Attr: "unicodePwd", Origin: "made up when it is set"},
			{Op: directory.AddValues, Attr: "member", Values: [][]byte{{0, 1}}},
		},
	}}}
	if err := printPlan(env, options, "stage", pair, plan); err != nil {
		t.Fatal(err)
	}
	want := `stage: Ada (CN=Ada,DC=x)
  target modify CN=A,DC=y: test
    replace title: Head   <- source title
    random password unicodePwd:    <- made up when it is set
    add member: 0x0001
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
}
