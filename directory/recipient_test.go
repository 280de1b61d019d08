package directory_test

import (
	"strings"
	"testing"

	"reforest/directory"
	"reforest/migrate"
)

func entry(attrs map[string][]string) *directory.Entry {
	values := map[string][][]byte{}
	for name, texts := range attrs {
		for _, text := range texts {
			values[name] = append(values[name], []byte(text))
		}
	}
	return directory.NewEntry("CN=x,DC=alpine,DC=test", values)
}

func TestParseRecipient(t *testing.T) {
	t.Parallel()
	guid := migrate.GUID{0xff, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}
	r, err := directory.ParseRecipient(entry(with(birgit(), map[string][]string{
		"objectGUID": {string(guid[:])}, "OBJECTSID": {string(sidBytes(alpine + "-5"))},
		"sIDHistory": {string(sidBytes(ancient + "-6")), string(sidBytes(ancient + "-7"))}, "userAccountControl": {"514"},
		"targetAddress": {"SMTP:a@b"}, "msExchRecipientDisplayType": {"2147483654"},
	})))
	if err != nil {
		t.Fatal(err)
	}
	if r.GUID != guid || r.SID != alpine+"-5" || len(r.SIDHistory) != 2 || r.SIDHistory[1] != ancient+"-7" {
		t.Errorf("identifiers: got %v, %v, %v", r.GUID, r.SID, r.SIDHistory)
	}
	if !r.Disabled || !r.IsMailbox() || r.IsMailUser() || r.Class != directory.ClassUser || r.TargetAddress != "SMTP:a@b" {
		t.Errorf("got %+v", r)
	}
	if r.DisplayType != -2147483642 {
		t.Errorf("got display type %d; an unsigned value stands for the same bits", r.DisplayType)
	}
	if r.Alias != "bmeier" || r.Legacy != birgitLegacy || r.Address() != "birgit.meier@alpine.test" || len(r.Proxies) != 8 {
		t.Errorf("got %+v", r)
	}
}

func TestParseRecipientRefuses(t *testing.T) {
	t.Parallel()
	for attr, value := range map[string]string{
		"objectGUID": "short", "objectSid": "\x01\x05", "sIDHistory": "x", "msExchMasterAccountSid": "\x02",
		"msExchRecipientTypeDetails": "many", "userAccountControl": "0x2", "msExchMailboxGuid": "{01}",
	} {
		_, err := directory.ParseRecipient(entry(with(birgit(), map[string][]string{attr: {value}})))
		if err == nil || !strings.Contains(err.Error(), attr) {
			t.Errorf("%s=%q: got %v", attr, value, err)
		}
	}
}

func TestKindAndClass(t *testing.T) {
	t.Parallel()
	self, master := string(sidBytes(migrate.Self)), string(sidBytes(baltic+"-9"))
	for _, test := range []struct {
		attrs       map[string][]string
		kind, class string
	}{
		{map[string][]string{"objectClass": {"top", "user"}}, "user", "user"},
		{map[string][]string{"objectClass": {"user"}, "msExchRecipientTypeDetails": {"4"}}, "shared", "user"},
		{map[string][]string{"objectClass": {"user"}, "msExchMasterAccountSid": {self}}, "shared", "user"},
		{map[string][]string{"objectClass": {"user"}, "msExchMasterAccountSid": {master}}, "linked", "user"},
		{map[string][]string{"objectClass": {"user"}, "msExchRecipientTypeDetails": {"2"}}, "linked", "user"},
		{map[string][]string{"objectClass": {"user"}, "msExchRecipientTypeDetails": {"16"}, "msExchMasterAccountSid": {self}}, "room", "user"},
		{map[string][]string{"objectClass": {"user"}, "msExchRecipientTypeDetails": {"32"}}, "equipment", "user"},
		{map[string][]string{"objectClass": {"user"}, "msExchRecipientDisplayType": {"-2147481850"}, "msExchRecipientTypeDetails": {"128"}}, "room", "user"},
		{map[string][]string{"objectClass": {"user"}, "msExchRecipientDisplayType": {"-2147481594"}}, "equipment", "user"},
		{map[string][]string{"objectClass": {"user"}, "msExchRecipientDisplayType": {"-2147483642"}}, "user", "user"},
		{map[string][]string{"objectClass": {"user"}, "msExchRecipientDisplayType": {"1073741824"}}, "user", "user"},
		{map[string][]string{"objectClass": {"top", "person", "user", "computer"}}, "user", "computer"},
		{map[string][]string{"objectClass": {"top", "group"}}, "user", "group"},
		{map[string][]string{"objectClass": {"top", "msExchDynamicDistributionList"}}, "user", "group"},
		{map[string][]string{"objectClass": {"top", "contact"}}, "user", "contact"},
		{map[string][]string{"objectClass": {"top", "inetOrgPerson", "user"}}, "user", "user"},
		{map[string][]string{"objectClass": {"top", "publicFolder"}}, "user", "publicFolder"},
	} {
		r, err := directory.ParseRecipient(entry(test.attrs))
		if err != nil {
			t.Fatal(err)
		}
		if r.Kind() != test.kind || r.Class != test.class {
			t.Errorf("%v: got %s %s, want %s %s", test.attrs, r.Kind(), r.Class, test.kind, test.class)
		}
	}
}

func TestMailUserAndAddress(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		attrs    map[string][]string
		mailbox  bool
		mailUser bool
		address  migrate.SMTPAddress
	}{
		"mail user": {map[string][]string{"objectClass": {"user"}, "targetAddress": {"SMTP:a@b"}, "mail": {"m@x"}}, false, true, "m@x"},
		"prepared for Exchange's own engine": {map[string][]string{
			"objectClass": {"user"}, "msExchMailboxGuid": {strings.Repeat("x", 16)}, "msExchRecipientTypeDetails": {"128"},
		}, false, true, ""},
		"old mailbox":   {map[string][]string{"objectClass": {"user"}, "msExchMailboxGuid": {strings.Repeat("x", 16)}, "msExchHomeServerName": {"/o=A"}}, true, false, ""},
		"contact":       {map[string][]string{"objectClass": {"contact"}, "targetAddress": {"SMTP:a@b"}}, false, false, ""},
		"plain user":    {map[string][]string{"objectClass": {"user"}, "mail": {"m@x"}}, false, false, "m@x"},
		"two primaries": {map[string][]string{"proxyAddresses": {"SMTP:a@x", "SMTP:b@x"}, "mail": {"b@x"}}, false, false, "b@x"},
		"no primary":    {map[string][]string{"proxyAddresses": {"smtp:b@x", "smtp:a@x"}}, false, false, "a@x"},
	} {
		r, err := directory.ParseRecipient(entry(test.attrs))
		if err != nil {
			t.Fatal(err)
		}
		if r.IsMailbox() != test.mailbox || r.IsMailUser() != test.mailUser || r.Address() != test.address {
			t.Errorf("%s: got mailbox %v, mail user %v, address %q", name, r.IsMailbox(), r.IsMailUser(), r.Address())
		}
	}
}
