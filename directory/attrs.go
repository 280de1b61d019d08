package directory

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
)

// Attribute names that more than one step uses.
const (
	attrSID              = "objectSid"
	attrSIDHistory       = "sIDHistory"
	attrMasterSID        = "msExchMasterAccountSid"
	attrLegacy           = "legacyExchangeDN"
	attrProxies          = "proxyAddresses"
	attrTargetAddress    = "targetAddress"
	attrMailboxGUID      = "msExchMailboxGuid"
	attrArchiveGUID      = "msExchArchiveGUID"
	attrHomeMDB          = "homeMDB"
	attrHomeServer       = "msExchHomeServerName"
	attrTypeDetails      = "msExchRecipientTypeDetails"
	attrDisplayType      = "msExchRecipientDisplayType"
	attrVersion          = "msExchVersion"
	attrPoliciesExcluded = "msExchPoliciesExcluded"
	attrSecurity         = "nTSecurityDescriptor"
	attrMailboxSecurity  = "msExchMailboxSecurityDescriptor"
	attrAdminCount       = "adminCount"
	attrAccountControl   = "userAccountControl"
	attrMark             = "adminDescription"
	attrProtocols        = "protocolSettings"
)

// mailboxAttrs are what ties an object to a mailbox in its own forest; they go when
// the mailbox is disconnected. msExchMailboxGuid is not among them: with it the
// mailbox can be connected again.
var mailboxAttrs = []string{
	attrHomeMDB, "homeMTA", attrHomeServer, "mDBUseDefaults", "mDBStorageQuota", "mDBOverQuotaLimit",
	"mDBOverHardQuotaLimit", attrMailboxSecurity, "msExchMailboxTemplateLink",
	"msExchRBACPolicyLink", "msExchArchiveDatabaseLink",
}

// RecipientAttrs names everything that is read of a recipient.
var RecipientAttrs = distinct(slices.Concat([]string{
	"objectClass", "objectGUID", attrSID, attrSIDHistory, attrMasterSID, "cn", "sAMAccountName",
	"userPrincipalName", attrAccountControl, attrLegacy,
	attrProxies, attrTargetAddress, attrTypeDetails, attrDisplayType, attrVersion, attrAltRecipient, attrRedirect, attrMark,
	"groupType", attrProtocols, attrMaker, attrPasswordSet, attrQueryBase, attrUseOAB, attrBookPolicy,
}, copiedNames, mailboxAttrs, ruleAttrs))

// binaryAttrs are compared octet by octet.
var binaryAttrs = lowerSet(
	"objectGUID", attrSID, attrSIDHistory, attrMasterSID, attrMailboxGUID, attrArchiveGUID,
	attrMailboxSecurity, attrSecurity, "msExchBlockedSendersHash", "msExchSafeRecipientsHash",
	"msExchSafeSendersHash", "msExchUMSpokenName", "photo", "terminalServer", "thumbnailLogo", "thumbnailPhoto",
	"userCert", "userCertificate", "userSMIMECertificate",
)

// dnAttrs are compared as distinguished names.
var dnAttrs = lowerSet(
	attrHomeMDB, "homeMTA", "msExchMailboxTemplateLink", "msExchRBACPolicyLink", "msExchArchiveDatabaseLink",
	"distinguishedName", "altRecipient", "manager", "publicDelegates", "msExchDelegateListLink", "authOrig",
	"unauthOrig", "dLMemSubmitPerms", "dLMemRejectPerms", "msExchModeratedByLink", "managedBy",
	"msExchCoManagedByLink", "msExchTeamMailboxOwners", "member", attrQueryBase, attrUseOAB, attrBookPolicy,
)

// mailboxNames are mailboxAttrs in lower case.
var mailboxNames = lowerSet(mailboxAttrs...)

func lowerSet(names ...string) map[string]bool {
	set := make(map[string]bool, len(names))
	for _, name := range names {
		set[strings.ToLower(name)] = true
	}
	return set
}

// sameValue reports whether the attribute's matching rule takes a and b for the
// same value: one cannot be added beside the other, and either deletes the other.
func sameValue(attr string, a, b []byte) bool {
	switch key := strings.ToLower(attr); {
	case binaryAttrs[key]:
		return bytes.Equal(a, b)
	case dnAttrs[key]:
		return DN(a).Equal(DN(b))
	}
	return strings.EqualFold(string(a), string(b))
}

// exactValue reports whether nothing would change if b were written over a. Case
// counts: SMTP: and smtp: are not the same to Exchange.
func exactValue(attr string, a, b []byte) bool {
	if dnAttrs[strings.ToLower(attr)] {
		return DN(a).Equal(DN(b))
	}
	return bytes.Equal(a, b)
}

// texts returns the values as octets.
func texts(values ...string) [][]byte {
	out := make([][]byte, len(values))
	for i, v := range values {
		out[i] = []byte(v)
	}
	return out
}

func number[N int32 | int64](n N) string { return strconv.FormatInt(int64(n), 10) }
