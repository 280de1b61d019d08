package real

import (
	"strings"

	"github.com/go-ldap/ldap/v3"
)

// DNKey returns the form in which two DNs of one object are the same, however the
// server escapes them.
func DNKey(dn string) string {
	parsed, err := ldap.ParseDN(dn)
	if err != nil {
		return strings.ToLower(dn)
	}
	return strings.ToLower(parsed.String())
}
