package ldapd

import "strconv"

func mailAttributes() []attribute {
	return []attribute{
		{name: "mail", syntax: text, upper: 256, index: true},
		{name: "mailNickname", syntax: text, upper: 64, index: true},
		{name: "proxyAddresses", syntax: text, upper: 1123, multi: true, index: true},
		{name: "targetAddress", syntax: text, upper: 1123, index: true},
		{name: "legacyExchangeDN", syntax: text, index: true},
		{name: "textEncodedORAddress", syntax: text, upper: 1024},
		{name: "autoReply", syntax: boolean},
		{name: "autoReplyMessage", syntax: text},
		{name: "deletedItemFlags", syntax: integer},
		{name: "delivContLength", syntax: integer},
		{name: "deliverAndRedirect", syntax: boolean},
		{name: "dLMemDefault", syntax: integer},
		{name: "enabledProtocols", syntax: integer},
		{name: "formData", syntax: octets},
		{name: "garbageCollPeriod", syntax: integer},
		{name: "hideDLMembership", syntax: boolean},
		{name: "importedFrom", syntax: text, upper: 64},
		{name: "internetEncoding", syntax: integer},
		{name: "language", syntax: text},
		{name: "mAPIRecipient", syntax: boolean},
		{name: "mDBOverHardQuotaLimit", syntax: integer},
		{name: "mDBOverQuotaLimit", syntax: integer},
		{name: "mDBStorageQuota", syntax: integer},
		{name: "mDBUseDefaults", syntax: boolean},
		{name: "oOFReplyToOriginator", syntax: boolean},
		{name: "pOPCharacterSet", syntax: text},
		{name: "pOPContentFormat", syntax: text},
		{name: "protocolSettings", syntax: text, upper: 256, multi: true},
		{name: "reportToOriginator", syntax: boolean},
		{name: "reportToOwner", syntax: boolean},
		{name: "securityProtocol", syntax: octets, multi: true},
		{name: "submissionContLength", syntax: integer},
	}
}

func exchangeAttributes() []attribute {
	table := []attribute{
		{name: "msExchArchiveAddress", syntax: text},
		{name: "msExchArchiveGUID", syntax: octets, upper: 16, index: true},
		{name: "msExchArchiveName", syntax: text, upper: 512, multi: true},
		{name: "msExchAssistantName", syntax: text, upper: 256},
		{name: "msExchBlockedSendersHash", syntax: octets, upper: 32000},
		{name: "msExchBypassAudit", syntax: boolean},
		{name: "msExchDisabledArchiveGUID", syntax: octets, upper: 16},
		{name: "msExchELCExpirySuspensionEnd", syntax: when},
		{name: "msExchELCExpirySuspensionStart", syntax: when},
		{name: "msExchEnableModeration", syntax: boolean},
		{name: "msExchExternalOOFOptions", syntax: integer},
		{name: "msExchGenericForwardingAddress", syntax: text, upper: 1123},
		{name: "msExchHABShowInDepartments", syntax: text, multi: true},
		{name: "msExchHideFromAddressLists", syntax: boolean},
		{name: "msExchHomeServerName", syntax: text, index: true},
		{name: "msExchHouseIdentifier", syntax: text, upper: 128, on: people},
		{name: "msExchImmutableId", syntax: text, upper: 256},
		{name: "msExchLabeledURI", syntax: text, upper: 1024, multi: true},
		{name: "msExchLitigationHoldDate", syntax: when},
		{name: "msExchLitigationHoldOwner", syntax: text},
		{name: "msExchMailboxAuditEnable", syntax: boolean},
		{name: "msExchMailboxGuid", syntax: octets, upper: 16, index: true},
		{name: "msExchMailboxSecurityDescriptor", syntax: sd, upper: 65535},
		{name: "msExchMasterAccountHistory", syntax: sid, multi: true},
		{name: "msExchMasterAccountSid", syntax: sid, upper: 28, index: true},
		{name: "msExchOriginatingForest", syntax: text, multi: true},
		{name: "msExchPoliciesExcluded", syntax: text, multi: true},
		{name: "msExchPoliciesIncluded", syntax: text, multi: true},
		{name: "msExchPreviousAccountSid", syntax: sid, upper: 28},
		{name: "msExchPreviousMailboxGuid", syntax: octets, upper: 16},
		{name: "msExchRequireAuthToSendTo", syntax: boolean},
		{name: "msExchResourceDisplay", syntax: text, upper: 1024},
		{name: "msExchResourceMetaData", syntax: text, upper: 1024, multi: true},
		{name: "msExchResourceSearchProperties", syntax: text, upper: 1024, multi: true},
		{name: "msExchRetentionComment", syntax: text},
		{name: "msExchRetentionURL", syntax: text},
		{name: "msExchSafeRecipientsHash", syntax: octets, upper: 32000},
		{name: "msExchSafeSendersHash", syntax: octets, upper: 32000},
		{name: "msExchSenderHintTranslations", syntax: text, upper: 500, multi: true},
		{name: "msExchTeamMailboxExpiration", syntax: when},
		{name: "msExchTeamMailboxSharePointUrl", syntax: text},
		{name: "msExchUMSpokenName", syntax: octets, upper: 32768},
		{name: "msExchUMEnabledFlags", syntax: integer},
		{name: "msExchUserCulture", syntax: text},
		{name: "msExchUserHoldPolicies", syntax: text, multi: true},
		{name: "msExchWhenMailboxCreated", syntax: when},
	}
	for _, number := range []string{
		"msExchArchiveQuota", "msExchArchiveWarnQuota", "msExchDumpsterQuota", "msExchDumpsterWarningQuota",
		"msExchPreviousRecipientTypeDetails", "msExchRecipientTypeDetails", "msExchRemoteRecipientType", "msExchVersion",
	} {
		table = append(table, attribute{name: number, syntax: largeInt})
	}
	return append(table, exchangeNumbers()...)
}

func exchangeNumbers() []attribute {
	var table []attribute
	for _, number := range []string{
		"msExchALObjectVersion", "msExchArchiveStatus", "msExchELCMailboxFlags", "msExchMailboxMoveStatus",
		"msExchMDBRulesQuota", "msExchMessageHygieneFlags", "msExchMessageHygieneSCLDeleteThreshold",
		"msExchMessageHygieneSCLJunkThreshold", "msExchMessageHygieneSCLQuarantineThreshold",
		"msExchMessageHygieneSCLRejectThreshold", "msExchMobileMailboxFlags", "msExchModerationFlags",
		"msExchProvisioningFlags", "msExchRecipientDisplayType", "msExchRecipientSoftDeletedStatus",
		"msExchRecipLimit", "msExchResourceCapacity", "msExchTransportRecipientSettingsFlags", "msExchUserAccountControl",
	} {
		table = append(table, attribute{name: number, syntax: integer})
	}
	return table
}

func extensionAttributes() []attribute {
	var table []attribute
	for n := 1; n <= 15; n++ {
		upper := 1024
		if n > 10 {
			upper = 2048
		}
		table = append(table, attribute{name: "extensionAttribute" + strconv.Itoa(n), syntax: text, upper: upper})
	}
	for n := 16; n <= 45; n++ {
		table = append(table, attribute{name: "msExchExtensionAttribute" + strconv.Itoa(n), syntax: text, upper: 2048})
	}
	for n := 1; n <= 5; n++ {
		table = append(table, attribute{name: "msExchExtensionCustomAttribute" + strconv.Itoa(n), syntax: text, upper: 2048, multi: true})
	}
	return table
}
