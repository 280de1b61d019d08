package ldapd

import "fmt"

// The result codes that the server gives (RFC 4511 4.1.9).
const (
	success               = 0
	operationsError       = 1
	protocolError         = 2
	sizeLimitExceeded     = 4
	compareFalse          = 5
	compareTrue           = 6
	referral              = 10
	authMethodUnsupported = 7
	strongerAuthRequired  = 8
	adminLimitExceeded    = 11
	criticalExtension     = 12
	noSuchAttribute       = 16
	constraintViolation   = 19
	valueExists           = 20
	invalidSyntax         = 21
	noSuchObject          = 32
	invalidDNSyntax       = 34
	invalidCredentials    = 49
	insufficientRights    = 50
	unwilling             = 53
	namingViolation       = 64
	objectClassViolation  = 65
	notAllowedOnNonLeaf   = 66
	notAllowedOnRDN       = 67
	entryExists           = 68
	affectsMultipleDSAs   = 71
)

// A fault is an answer other than success. Its text begins, as Active Directory's
// does, with a Windows error code (MS-ERREF 2.2).
type fault struct {
	code  int
	text  string
	refer string // of a referral: the URL to ask instead
}

func (f *fault) Error() string { return fmt.Sprintf("LDAP result %d: %s", f.code, f.text) }

func refuse(code int, format string, args ...any) *fault {
	return &fault{code: code, text: fmt.Sprintf(format, args...)}
}
