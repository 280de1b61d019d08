package ldapd

import (
	"slices"
	"strconv"
)

// personAttributes are what the directory knows of people, each on the classes that
// may carry it.
func personAttributes() []attribute {
	table := []attribute{
		{name: "c", syntax: text, upper: 3, on: located},
		{name: "co", syntax: text, upper: 128, on: located},
		{name: "countryCode", syntax: integer, upper: 65535, on: located},
		{name: "comment", syntax: text, on: people},
		{name: "company", syntax: text, upper: 64, on: people},
		{name: "department", syntax: text, upper: 64, on: people},
		{name: "departmentNumber", syntax: text, multi: true, on: accounts},
		{name: "description", syntax: text, upper: 1024, multi: true},
		{name: "displayName", syntax: text, upper: 256, index: true},
		{name: "displayNamePrintable", syntax: text, upper: 256},
		{name: "division", syntax: text, upper: 256, on: people},
		{name: "employeeID", syntax: text, upper: 16, index: true, on: people},
		{name: "employeeNumber", syntax: text, upper: 512, on: accounts},
		{name: "employeeType", syntax: text, upper: 256, on: accounts},
		{name: "generationQualifier", syntax: text, upper: 64, on: people},
		{name: "givenName", syntax: text, upper: 64, on: people},
		{name: "info", syntax: text, upper: 1024},
		{name: "initials", syntax: text, upper: 6, on: people},
		{name: "jpegPhoto", syntax: octets, multi: true, on: accounts},
		{name: "l", syntax: text, upper: 128, on: located},
		{name: "labeledURI", syntax: text, multi: true},
		{name: "localeID", syntax: integer, multi: true, on: accounts},
		{name: "middleName", syntax: text, upper: 64, on: people},
		{name: "o", syntax: text, upper: 64, multi: true, on: people},
		{name: "personalTitle", syntax: text, upper: 64, on: people},
		{name: "photo", syntax: octets, multi: true, on: accounts},
		{name: "physicalDeliveryOfficeName", syntax: text, upper: 128, on: located},
		{name: "postalAddress", syntax: text, upper: 4096, multi: true, on: located},
		{name: "postalCode", syntax: text, upper: 40, on: located},
		{name: "postOfficeBox", syntax: text, upper: 40, multi: true, on: located},
		{name: "preferredDeliveryMethod", syntax: integer, multi: true, on: located},
		{name: "preferredLanguage", syntax: text, on: accounts},
		{name: "roomNumber", syntax: text, multi: true, on: accounts},
		{name: "sn", syntax: text, upper: 64, on: people},
		{name: "st", syntax: text, upper: 128, on: located},
		{name: "street", syntax: text, upper: 1024, on: located},
		{name: "streetAddress", syntax: text, upper: 1024, on: people},
		{name: "terminalServer", syntax: octets, upper: 20480, on: accounts},
		{name: "thumbnailLogo", syntax: octets, upper: 32767, on: located},
		{name: "thumbnailPhoto", syntax: octets, upper: 102400, on: people},
		{name: "title", syntax: text, upper: 128, on: people},
		{name: "uid", syntax: text, multi: true, on: accounts},
		{name: "url", syntax: text, multi: true},
		{name: "userCert", syntax: octets, upper: 32767},
		{name: "userCertificate", syntax: octets, upper: 32768, multi: true},
		{name: "userSMIMECertificate", syntax: octets, upper: 32768, multi: true},
		{name: "wWWHomePage", syntax: text, upper: 2048},
	}
	return slices.Concat(table, numberAttributes(), phoneticAttributes())
}

// numberAttributes are telephones and their kin: 64 characters, one or many.
func numberAttributes() []attribute {
	var table []attribute
	for _, one := range []string{
		"homePhone", "ipPhone", "mobile", "pager", "personalPager", "primaryInternationalISDNNumber",
		"primaryTelexNumber", "telephoneAssistant",
	} {
		table = append(table, attribute{name: one, syntax: text, upper: 64, on: people})
	}
	for _, many := range []string{
		"otherFacsimileTelephoneNumber", "otherHomePhone", "otherMobile", "otherPager", "otherTelephone",
	} {
		table = append(table, attribute{name: many, syntax: text, upper: 64, multi: true, on: people})
	}
	return append(table,
		attribute{name: "facsimileTelephoneNumber", syntax: text, upper: 64, on: located},
		attribute{name: "homePostalAddress", syntax: text, upper: 4096, on: people},
		attribute{name: "internationalISDNNumber", syntax: text, upper: 16, multi: true, on: located},
		attribute{name: "otherIpPhone", syntax: text, multi: true, on: people},
		attribute{name: "otherMailbox", syntax: text, multi: true, on: people},
		attribute{name: "telephoneNumber", syntax: text, upper: 64, on: located + " group"},
		attribute{name: "teletexTerminalIdentifier", syntax: octets, multi: true, on: located},
		attribute{name: "telexNumber", syntax: octets, upper: 32, multi: true, on: located})
}

func phoneticAttributes() []attribute {
	table := []attribute{{name: "msDS-PhoneticDisplayName", syntax: text, upper: 256}}
	for _, of := range []string{"FirstName", "LastName", "Department", "CompanyName"} {
		table = append(table, attribute{name: "msDS-Phonetic" + of, syntax: text, upper: 64, on: people})
	}
	for _, of := range []string{"Altitude", "Latitude", "Longitude"} {
		table = append(table, attribute{name: "msDS-GeoCoordinates" + of, syntax: largeInt})
	}
	for n := 1; n <= 20; n++ {
		table = append(table, attribute{name: "msDS-cloudExtensionAttribute" + strconv.Itoa(n), syntax: text, on: accounts})
	}
	return table
}
