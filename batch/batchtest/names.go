package batchtest

import (
	"testing"

	"reforest/batch"
)

// namesOfAnna are further names as a directory has them.
func namesOfAnna() []string {
	return []string{
		"Anna.Berg@alpine.test", "a.schulz@old.alpine.test",
		"/o=Alpine/ou=Site/cn=Recipients/cn=J.Berg_1", "/o=Old/cn=Recipients/cn=bérg",
		"aberg", `ALPINE\aberg`, "anna@group.test", "6f9619ff-8b86-d011-b42d-00c04fc964ff", "S-1-5-21-1-2-3-1105",
	}
}

// found returns the IDs of the moves that who finds, each with a space after it.
func found(t *testing.T, s Store, who string) (ids string) {
	t.Helper()
	for _, move := range collect(t, s.Moves(t.Context(), batch.Query{Who: who})) {
		ids += string(move.ID) + " "
	}
	return ids
}

// names checks that a move is found by every name it has, however it is written, and
// by nothing else.
func names(t *testing.T, o Options) {
	s := o.New(t)
	planned(t, s, 2)
	c := claim(t, s, night)
	c.Move.Names = namesOfAnna()
	check(t, s.Commit(t.Context(), c, c.Move))
	for _, name := range namesOfAnna() {
		if got := found(t, s, name); got != "m000 " {
			t.Errorf("%q finds %q", name, got)
		}
	}
	const encoded = "_O=ALPINE_OU=SITE_CN=RECIPIENTS_CN=J+2EBERG+5F1@alpine.test"
	for who, want := range map[string]string{
		" ANNA.berg@ALPINE.test ":                "m000 ",
		"smtp:anna.berg@alpine.test":             "m000 ",
		"SMTP:anna.berg@alpine.test":             "m000 ",
		"<a.schulz@old.alpine.test>":             "m000 ",
		"X500:/o=Old/cn=Recipients/cn=bérg":      "m000 ",
		"/o=old/cn=recipients/cn=BE\u0301RG":     "m000 ", // composed in another way
		`alpine\ABERG`:                           "m000 ",
		"{6F9619FF-8B86-D011-B42D-00C04FC964FF}": "m000 ",
		"IMCEAEX-" + encoded:                     "m000 ",
		"imceaex-_o=alpine_ou=site_\r\n  cn=recipients_cn=j+2eberg+5f1@other.test": "m000 ",
		"SMTP:IMCEAEX-" + encoded: "m000 ",
		"mailto:IMCEAEX-_O%3DALPINE_OU%3DSITE_CN%3DRECIPIENTS_CN%3DJ%2B2EBERG%2B5F1": "m000 ",
		"smtp:user1@source.example":                 "m001 ", // an identity
		`BALTIC\aberg`:                              "",      // another domain's
		"/o=Alpine/ou=Site/cn=Recipients/cn=J.Berg": "",      // begins alike
		"IMCEASMTP-Anna+2EBerg+40alpine+2Etest@x":   "",
		"IMCEAEX-_O=ALPINE+2@x":                     "",
		"IMCEAEX-":                                  "",
		"smtp:":                                     "",
		"schulz":                                    "",
		"%":                                         "",
	} {
		if got := found(t, s, who); got != want {
			t.Errorf("%q finds %q, want %q", who, got, want)
		}
	}
}

// namesStay checks that names are added and that none is ever taken away, that a
// commit without names keeps them, and that those of a lost claim never come in.
func namesStay(t *testing.T, o Options) {
	s := o.New(t)
	planned(t, s, 2)
	c := claim(t, s, night)
	c.Move.Names = []string{"old@alpine.test", "", " "}
	check(t, s.Commit(t.Context(), c, c.Move))
	c.Move.Names = []string{"new@baltic.test", "OLD@alpine.test", "smtp:third@baltic.test"}
	check(t, s.Commit(t.Context(), c, c.Move))

	c = claim(t, s, later)
	if len(c.Move.Names) > 0 {
		t.Errorf("a claim has the names %q", c.Move.Names)
	}
	check(t, s.Commit(t.Context(), c, c.Move))
	for _, who := range []string{"old@alpine.test", "new@baltic.test", "third@baltic.test"} {
		if got := found(t, s, who); got != "m000 " {
			t.Errorf("%q finds %q", who, got)
		}
	}

	second := claim(t, s, later)
	c.Move.Names = []string{"lost@alpine.test"}
	wantErr(t, s.Commit(t.Context(), c, c.Move), batch.ErrLostClaim)
	if got := found(t, s, "lost@alpine.test"); got != "" {
		t.Errorf("a lost claim left a name to %q", got)
	}

	// One name may be several people's: both are the answer.
	other := claim(t, s, later, second.Move.ID)
	other.Move.Names = []string{"old@alpine.test"}
	check(t, s.Commit(t.Context(), other, other.Move))
	if got := found(t, s, "old@alpine.test"); got != "m000 m001 " {
		t.Errorf("a shared name finds %q", got)
	}
	if o.Crash != nil {
		if got := found(t, o.Crash(t, s), "third@baltic.test"); got != "m000 " {
			t.Errorf("after a crash: %q", got)
		}
	}
}
