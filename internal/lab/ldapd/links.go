package ldapd

// linkAttributes are the attributes of DN syntax. Those with a linkID have a back link at
// the object they point to (MS-ADTS 3.1.1.1.6); the linkIDs from 9000 on are the lab's.
func linkAttributes() []attribute {
	type pair struct {
		forward, back string
		link          int
		multi         bool
		on            string
	}
	var table []attribute
	for _, p := range []pair{
		{"member", "memberOf", 2, true, "group"},
		{"altRecipient", "altRecipientBL", 12, false, ""},
		{"publicDelegates", "publicDelegatesBL", 14, true, ""},
		{"homeMDB", "homeMDBBL", 32, false, ""},
		{"manager", "directReports", 42, false, people},
		{"managedBy", "managedObjects", 72, false, "group computer organizationalUnit msExchDynamicDistributionList"},
		{"serverReference", "serverReferenceBL", 94, false, "server"},
		{"authOrig", "authOrigBL", 110, true, ""},
		{"dLMemSubmitPerms", "dLMemSubmitPermsBL", 112, true, ""},
		{"unauthOrig", "unauthOrigBL", 114, true, ""},
		{"dLMemRejectPerms", "dLMemRejectPermsBL", 116, true, ""},
		{"msExchUseOAB", "msExchUseOABBL", 1014, false, ""},
		{"msExchDelegateListLink", "msExchDelegateListBL", 9000, true, ""},
		{"msExchCoManagedByLink", "msExchCoManagedObjectsBL", 9002, true, ""},
		{"msExchModeratedByLink", "msExchModeratedObjectsBL", 9004, true, ""},
		{"msExchAddressBookPolicyLink", "msExchAddressBookPolicyBL", 9008, false, ""},
		{"msExchArchiveDatabaseLink", "msExchArchiveDatabaseBL", 9010, false, ""},
		{"msExchRBACPolicyLink", "msExchRBACPolicyBL", 9012, false, ""},
		{"msExchMailboxTemplateLink", "msExchMailboxTemplateBL", 9014, false, ""},
		{"msExchMobileMailboxPolicyLink", "msExchMobileMailboxPolicyBL", 9016, false, ""},
		{"msExchUGMemberLink", "msExchUGMemberBL", 9018, true, ""},
	} {
		table = append(table,
			attribute{name: p.forward, syntax: name, multi: p.multi, link: p.link, on: p.on},
			attribute{name: p.back, syntax: name, multi: true, link: p.link + 1, system: true})
	}
	return append(table, unlinkedNames()...)
}

func unlinkedNames() []attribute {
	var table []attribute
	for _, one := range []string{
		"homeMTA", "msExchAllRoomListLink", "msExchDynamicDLBaseDN", "msExchGlobalAddressListLink",
		"msExchOfflineAddressBookLink", "msExchOwningServer", "msExchQueryBaseDN", "offLineAB",
	} {
		table = append(table, attribute{name: one, syntax: name})
	}
	for _, many := range []string{
		"addressBookRoots", "globalAddressList", "msExchAddressListsLink", "msExchTeamMailboxOwners", "offLineABContainers",
		"secretary", "showInAddressBook",
	} {
		table = append(table, attribute{name: many, syntax: name, multi: true})
	}
	return append(table,
		attribute{name: "assistant", syntax: name, on: people},
		attribute{name: "seeAlso", syntax: name, multi: true, on: located})
}
