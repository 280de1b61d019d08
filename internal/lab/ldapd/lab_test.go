package ldapd_test

import (
	"encoding/hex"
	"slices"
	"strings"
	"testing"

	goldap "github.com/go-ldap/ldap/v3"
	"github.com/google/go-cmp/cmp"

	"reforest/directory"
	"reforest/internal/lab/real"
	"reforest/migrate"
)

// A schemaRow is what two schemas must agree on about an attribute.
type schemaRow struct {
	Syntax string
	Many   bool
	Linked string // "", "forward" or "back"
}

// readSchema returns the attributes of a forest, by lower-case name.
func readSchema(t *testing.T, conn *goldap.Conn, base string) map[string]schemaRow {
	t.Helper()
	request := searchFor(directory.DN("CN=Schema,CN=Configuration,"+base), "(objectClass=attributeSchema)",
		"lDAPDisplayName", "attributeSyntax", "isSingleValued", "linkID")
	found, err := conn.SearchWithPaging(request, 500)
	if err != nil {
		t.Fatal(err)
	}
	schema := map[string]schemaRow{}
	for _, entry := range found.Entries {
		row := schemaRow{Syntax: entry.GetAttributeValue("attributeSyntax"), Many: entry.GetAttributeValue("isSingleValued") == "FALSE"}
		if slices.Contains([]string{"2.5.5.4", "2.5.5.5", "2.5.5.6", "2.5.5.12"}, row.Syntax) {
			row.Syntax = "text"
		}
		if link := entry.GetAttributeValue("linkID"); link != "" {
			row.Linked = "forward"
			if strings.Contains("13579", link[len(link)-1:]) {
				row.Linked = "back"
			}
		}
		schema[strings.ToLower(entry.GetAttributeValue("lDAPDisplayName"))] = row
	}
	return schema
}

// TestSchemaOfRealForests finds every attribute of the rehearsal in both real forests,
// of the same syntax, multiplicity and linkage.
func TestSchemaOfRealForests(t *testing.T) {
	lab := real.Load(t)
	server := start(t)
	ours := readSchema(t, bound(t, server), string(server.BaseDN()))
	if len(ours) < 370 {
		t.Fatalf("got %d attributes of the rehearsal, want all", len(ours))
	}
	for _, forest := range []real.Forest{lab.Source, lab.Target} {
		theirs := readSchema(t, forest.Dial(t), forest.Base)
		for name, want := range ours {
			if got, there := theirs[name]; !there || got != want {
				t.Errorf("%s in %s: got %+v, %v, want %+v", name, forest.NetBIOS, got, there, want)
			}
		}
	}
}

// TestWritableEverywhere writes, on the rehearsal and on both real forests, each
// attribute that staging writes to a user, and reads it back; links also from
// their other end, before and after the target is deleted.
func TestWritableEverywhere(t *testing.T) {
	t.Run("rehearsal", func(t *testing.T) {
		server := start(t)
		db, err := server.AddDatabase("MBX-1")
		if err != nil {
			t.Fatal(err)
		}
		ou := server.BaseDN().Child("OU", "staging")
		seed(t, server, ou, "organizationalUnit", nil)
		testWritable(t, bound(t, server), ou, db)
	})
	t.Run("real", func(t *testing.T) {
		lab := real.Load(t)
		for forest, db := range map[real.Forest]string{lab.Source: "MBX-A1", lab.Target: "MBX-F1"} {
			forest.Reset(t)
			testWritable(t, forest.Dial(t), directory.DN(forest.OU("Staff")), directory.DN(forest.DatabaseDN(db)))
			forest.Reset(t)
		}
	})
}

// stagedAttrs are what Microsoft's own preparation writes to a mail user beyond links,
// and what we add: one valid value each.
func stagedAttrs(t *testing.T, trustee migrate.SID) map[string]string {
	t.Helper()
	raw, err := trustee.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	const guid, when, one = "0123456789abcdef", "20260102030405.0Z", "1"
	values := map[string]string{
		"msExchMailboxGuid": guid, "msExchArchiveGUID": guid, "msExchArchiveName": "Archive", "msExchMasterAccountSid": string(raw),
		"msExchMasterAccountHistory": string(raw), "msExchMailboxSecurityDescriptor": mailboxRights(raw),
		"msExchRecipientTypeDetails": "128", "msExchRecipientDisplayType": "-2147483642", "msExchVersion": "44220983382016",
		"msExchRemoteRecipientType": "100", "deliverAndRedirect": "TRUE", "msExchHideFromAddressLists": "TRUE",
		"msExchELCExpirySuspensionStart": when, "msExchELCExpirySuspensionEnd": when, "msExchLitigationHoldDate": when,
		"msExchBypassAudit": "FALSE", "msExchMailboxAuditEnable": "TRUE", "msExchEnableModeration": "TRUE",
		"msExchSafeSendersHash": guid, "msExchSafeRecipientsHash": guid, "msExchBlockedSendersHash": guid, "msExchUMSpokenName": guid,
		"c": "SE", "countryCode": "752", "initials": "AB", "mAPIRecipient": "TRUE", "oOFReplyToOriginator": "TRUE",
		"reportToOriginator": "TRUE", "reportToOwner": "TRUE", "msExchRequireAuthToSendTo": "FALSE", "mDBUseDefaults": "TRUE",
		"showInAdvancedViewOnly": "FALSE", "protocolSettings": "HTTP\xc2\xa71\xc2\xa71",
	}
	for _, attr := range strings.Fields(`adminDescription displayName mail mailNickname targetAddress legacyExchangeDN
		msExchUserCulture co company department givenName homePhone info l mobile msExchAssistantName otherHomePhone
		otherTelephone pager physicalDeliveryOfficeName postalCode sn st streetAddress telephoneAssistant telephoneNumber title
		facsimileTelephoneNumber comment departmentNumber description division employeeID employeeNumber employeeType
		homePostalAddress internationalISDNNumber ipPhone language middleName msDS-PhoneticCompanyName msDS-PhoneticDepartment
		msDS-PhoneticDisplayName msDS-PhoneticFirstName msDS-PhoneticLastName msExchPoliciesExcluded otherFacsimileTelephoneNumber
		otherIpPhone otherMobile otherPager personalPager personalTitle pOPCharacterSet pOPContentFormat postalAddress postOfficeBox
		primaryInternationalISDNNumber primaryTelexNumber street textEncodedORAddress url wWWHomePage msExchResourceDisplay
		msExchResourceMetaData msExchResourceSearchProperties msExchSenderHintTranslations msExchUserHoldPolicies
		msExchLitigationHoldOwner msExchRetentionComment msExchRetentionURL msExchHomeServerName msExchArchiveAddress
		extensionAttribute1 extensionAttribute15 msExchExtensionAttribute16 msExchExtensionAttribute45 msExchExtensionCustomAttribute1
		msExchTeamMailboxSharePointUrl proxyAddresses thumbnailPhoto thumbnailLogo photo userCert userSMIMECertificate terminalServer`) {
		values[attr] = "x"
	}
	for _, attr := range strings.Fields(`deletedItemFlags delivContLength localeID msExchELCMailboxFlags msExchExternalOOFOptions
		msExchMessageHygieneFlags msExchMessageHygieneSCLDeleteThreshold msExchMessageHygieneSCLJunkThreshold preferredDeliveryMethod
		msExchMessageHygieneSCLQuarantineThreshold msExchMessageHygieneSCLRejectThreshold msExchMDBRulesQuota msExchResourceCapacity
		mDBStorageQuota mDBOverQuotaLimit mDBOverHardQuotaLimit msExchArchiveQuota msExchArchiveWarnQuota msExchModerationFlags
		msExchUserAccountControl submissionContLength internetEncoding msExchRecipLimit msExchProvisioningFlags`) {
		values[attr] = one
	}
	return values
}

// mailboxRights is a security descriptor that allows one trustee one right, owned by SELF
// (MS-DTYP 2.4.6: header, owner, group, DACL).
func mailboxRights(trustee []byte) string {
	self := []byte{1, 1, 0, 0, 0, 0, 0, 5, 10, 0, 0, 0}
	ace := append([]byte{0, 0, byte(8 + len(trustee)), 0, 1, 0, 0, 0}, trustee...)
	header := []byte{1, 0, 0x04, 0x80, 20, 0, 0, 0, 32, 0, 0, 0, 0, 0, 0, 0, 44, 0, 0, 0}
	return string(slices.Concat(header, self, self, []byte{4, 0, byte(8 + len(ace)), 0, 1, 0, 0, 0}, ace))
}

func testWritable(t *testing.T, conn *goldap.Conn, ou, db directory.DN) {
	t.Helper()
	ada, bea := ou.Child("CN", "Ada"), ou.Child("CN", "Bea")
	for _, dn := range []directory.DN{ada, bea} {
		if err := addUser(conn, dn); err != nil {
			t.Fatal(err)
		}
	}
	for attr, want := range stagedAttrs(t, "S-1-5-21-1-2-3-1105") {
		if err := replace(conn, ada, attr, want); err != nil {
			t.Errorf("write %s: %v", attr, err)
			continue
		}
		if got := readBack(t, conn, ada, attr); len(got) != 1 || got[0] != want {
			t.Errorf("%s: got %q (%s), want %q", attr, got, hex.EncodeToString([]byte(strings.Join(got, " "))), want)
		}
	}
	for attr, target := range map[string]directory.DN{
		"homeMDB": db, "msExchArchiveDatabaseLink": db, "homeMTA": db, "msExchQueryBaseDN": ou, "msExchTeamMailboxOwners": bea, "showInAddressBook": db,
	} {
		if err := replace(conn, ada, attr, string(target)); err != nil {
			t.Errorf("write %s: %v", attr, err)
		}
	}
	testLinks(t, conn, ou, ada, bea)
}

func testLinks(t *testing.T, conn *goldap.Conn, ou, ada, bea directory.DN) {
	t.Helper()
	links := map[string]string{
		"manager": "directReports", "publicDelegates": "publicDelegatesBL", "altRecipient": "altRecipientBL",
		"msExchDelegateListLink": "msExchDelegateListBL", "authOrig": "authOrigBL", "unauthOrig": "unauthOrigBL",
		"dLMemSubmitPerms": "dLMemSubmitPermsBL", "dLMemRejectPerms": "dLMemRejectPermsBL", "msExchUseOAB": "msExchUseOABBL",
		"msExchCoManagedByLink": "msExchCoManagedObjectsBL", "msExchModeratedByLink": "msExchModeratedObjectsBL",
		"msExchAddressBookPolicyLink": "msExchAddressBookPolicyBL", "msExchArchiveDatabaseLink": "msExchArchiveDatabaseBL",
	}
	for forward, back := range links {
		if err := replace(conn, ada, forward, string(bea)); err != nil {
			t.Errorf("write %s: %v", forward, err)
			continue
		}
		if got := readBack(t, conn, bea, back); len(got) != 1 || !directory.DN(got[0]).Equal(ada) {
			t.Errorf("%s: got %q, want %q", back, got, ada)
		}
	}
	group := goldap.NewAddRequest(string(ou.Child("CN", "Crew")), nil)
	group.Attribute("objectClass", []string{"group"})
	group.Attribute("managedBy", []string{string(bea)})
	group.Attribute("member", []string{string(bea)})
	wantCode(t, "add a group", conn.Add(group), 0)
	for _, back := range []string{"managedObjects", "memberOf"} {
		if got := readBack(t, conn, bea, back); len(got) != 1 {
			t.Errorf("%s: got %q, want the group", back, got)
		}
	}
	wantCode(t, "delete what links point to", conn.Del(goldap.NewDelRequest(string(bea), nil)), 0)
	for forward := range links {
		if got := readBack(t, conn, ada, forward); len(got) != 0 {
			t.Errorf("%s still points to %q, which is gone", forward, got)
		}
	}
	if diff := cmp.Diff([]string(nil), readBack(t, conn, ou.Child("CN", "Crew"), "member")); diff != "" {
		t.Errorf("members after the delete (-want +got):\n%s", diff)
	}
}

func replace(conn *goldap.Conn, dn directory.DN, attr string, values ...string) error {
	request := goldap.NewModifyRequest(string(dn), nil)
	request.Replace(attr, values)
	return conn.Modify(request)
}

func readBack(t *testing.T, conn *goldap.Conn, dn directory.DN, attr string) []string {
	t.Helper()
	found, err := conn.Search(goldap.NewSearchRequest(string(dn), goldap.ScopeBaseObject, 0, 0, 0, false, "(objectClass=*)", []string{attr}, nil))
	if err != nil || len(found.Entries) != 1 {
		t.Fatalf("read %s of %s: %v", attr, dn, err)
	}
	if values := found.Entries[0].GetAttributeValues(attr); len(values) > 0 {
		return values
	}
	return nil
}
