package snapshot

import (
	"fmt"
	"slices"
	"strings"

	"reforest/directory"
)

// everywhere are read of every object.
var everywhere = []string{
	"objectClass", "objectCategory", "objectGUID", "distinguishedName", "name", "cn", "whenCreated", "whenChanged",
	"uSNCreated", "uSNChanged", "systemFlags",
}

// linkAttrs are the links between recipients, and their back links.
var linkAttrs = []string{
	"member", "memberOf", "manager", "directReports", "assistant", "secretary", "altRecipient", "altRecipientBL",
	"deliverAndRedirect", "publicDelegates", "publicDelegatesBL", "msExchDelegateListLink", "msExchDelegateListBL",
	"authOrig", "authOrigBL", "unauthOrig", "unauthOrigBL", "dLMemSubmitPerms", "dLMemSubmitPermsBL", "dLMemRejectPerms",
	"dLMemRejectPermsBL", "managedBy", "managedObjects", "msExchCoManagedByLink", "msExchCoManagedObjectsBL",
	"msExchTeamMailboxOwners", "msExchTeamMailboxOwnersBL", "msExchModeratedByLink", "msExchModeratedObjectsBL",
}

// keptAttrs are what else may tell something about a recipient: what marks it as ours,
// holds and archives, what it sees of the address books.
var keptAttrs = []string{
	"ou", "dc", "adminCount", "adminDescription", "description", "comment", "division", "employeeID", "employeeNumber",
	"employeeType", "departmentNumber", "groupType", "primaryGroupID", "sAMAccountType", "servicePrincipalName",
	"mS-DS-ConsistencyGuid", "isCriticalSystemObject", "uPNSuffixes", "showInAddressBook", "textEncodedORAddress",
	"msExchAddressBookPolicyLink", "msExchQueryBaseDN", "msExchUseOAB", "msExchArchiveName", "msExchArchiveStatus",
	"msExchDisabledArchiveGUID", "msExchELCMailboxFlags", "msExchUserHoldPolicies", "msExchLitigationHoldDate",
	"msExchLitigationHoldOwner", "msExchRemoteRecipientType", "msExchPreviousRecipientTypeDetails",
	"msExchPreviousMailboxGuid", "msExchPreviousAccountSid", "msExchRecipientSoftDeletedStatus",
	"msExchGenericForwardingAddress", "msExchPoliciesIncluded", "msExchResourceCapacity", "msExchResourceDisplay",
	"msExchResourceMetaData", "msExchResourceSearchProperties", "msExchRequireAuthToSendTo", "msExchModerationFlags",
	"msExchEnableModeration", "msExchDynamicDLBaseDN", "msExchDynamicDLFilter",
}

// trustAttrs are of the objects that stand for trusts. What authenticates a trust is
// not among them.
var trustAttrs = []string{"trustPartner", "flatName", "securityIdentifier", "trustType", "trustDirection", "trustAttributes"}

// effectiveAttrs are computed for the account that asks (MS-ADTS 3.1.1.4.5.3 to 5).
var effectiveAttrs = []string{"allowedChildClassesEffective", "allowedAttributesEffective", "sDRightsEffective"}

const sdAttr = "nTSecurityDescriptor"

// configAttrs are of the configuration: partitions, sites, and the Exchange organization
// with its servers, databases, accepted domains and address books. A batch may name any
// object by its DN, so whether it is a recipient is asked of all.
var configAttrs = slices.Concat(everywhere, directory.RecipientAttrs, []string{
	sdAttr, "nCName", "dnsRoot", "nETBIOSName", "uPNSuffixes", "msDS-Behavior-Version", "dNSHostName", "serverReference",
	"adminDisplayName", "displayName", "legacyExchangeDN", "networkAddress", "serialNumber", "versionNumber",
	"msExchVersion", "msExchALObjectVersion", "msExchOwningServer", "msExchOwningOrg", "msExchMasterServerOrAvailabilityGroup",
	"msExchProductId", "objectVersion", "msExchAcceptedDomainName", "msExchAcceptedDomainFlags", "msExchMailEnabledDomains",
	"addressBookRoots", "addressBookRoots2", "globalAddressList", "globalAddressList2", "purportedSearch",
	"msExchDynamicDLBaseDN", "msExchDynamicDLFilter", "msExchRecipientFilterFlags", "msExchSearchBase",
	"offLineABContainers", "offLineABServer", "msExchOABDefault", "msExchAddressListsLink", "msExchGlobalAddressListLink",
	"msExchOfflineAddressBookLink", "msExchAllRoomListLink", "homeMTA", "templateRoots", "templateRoots2",
})

// schemaAttrs are of the schema's attributes and classes.
var schemaAttrs = slices.Concat(everywhere, directory.RecipientAttrs, []string{
	"lDAPDisplayName", "attributeID", "attributeSyntax", "oMSyntax", "isSingleValued", "isMemberOfPartialAttributeSet",
	"linkID", "rangeLower", "rangeUpper", "searchFlags", "governsID", "subClassOf", "defaultObjectCategory", "objectVersion",
})

// objectAttrs returns what is read of the objects of a domain; further is added to it.
func objectAttrs(further []string) []string {
	var extensions []string
	for n := 1; n <= 15; n++ {
		extensions = append(extensions, fmt.Sprintf("extensionAttribute%d", n))
	}
	return distinct(slices.Concat(everywhere, directory.RecipientAttrs, linkAttrs, keptAttrs, extensions, trustAttrs, further, []string{sdAttr}))
}

// distinct leaves out names that came before, in whatever case.
func distinct(names []string) []string {
	seen := map[string]bool{}
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool {
		key := strings.ToLower(name)
		defer func() { seen[key] = true }()
		return seen[key]
	})
}

// secrets are attributes that hold passwords, keys, or what they can be made of. Servers
// show most of them to nobody, the others to those who may read everything.
var secrets = []string{
	"unicodePwd", "userPassword", "unixUserPassword", "dBCSPwd", "lmPwdHistory", "ntPwdHistory", "supplementalCredentials",
	"currentValue", "priorValue", "initialAuthIncoming", "initialAuthOutgoing", "trustAuthIncoming", "trustAuthOutgoing",
	"pekList", "msDS-ManagedPassword", "msDS-KeyCredentialLink", "msDS-ExecuteScriptPassword", "msPKIAccountCredentials",
	"msPKIDPAPIMasterKeys", "msPKIRoamingTimeStamp", "orclCommonAttribute", "msSFU30Password", "os400Password",
}

// secretPrefixes begin the names of whole families of secrets: local administrators'
// passwords, and keys to disks and chips.
var secretPrefixes = []string{"ms-Mcs-AdmPwd", "msLAPS-", "msFVE-", "msTPM-", "msKds-"}

// isSecret reports whether an attribute must not be written to a file.
func isSecret(attr string) bool {
	same := func(name string) bool { return strings.EqualFold(name, attr) }
	begins := func(prefix string) bool {
		return len(attr) >= len(prefix) && strings.EqualFold(attr[:len(prefix)], prefix)
	}
	return slices.ContainsFunc(secrets, same) || slices.ContainsFunc(secretPrefixes, begins)
}
