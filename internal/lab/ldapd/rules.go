package ldapd

import (
	"slices"
	"strings"
)

// Bits of userAccountControl (MS-ADTS 2.2.16).
const (
	uacDisabled       = 0x0002
	uacNoPassword     = 0x0020
	uacNormal         = 0x0200
	uacNotKept        = 0x0010 | 0x800000 // lockout and expired password
	uacTypes          = 0x0200 | 0x0100 | 0x0800 | 0x1000 | 0x2000
	uacWorkstation    = 0x1000
	maxSAMUser        = 20 // MS-SAMR 3.1.1.6: of a user
	forbiddenSAMChars = `"/\[]:;|=,+*?<>@`
)

// maxUnlinked is about how many values of an attribute that is no link fit into an
// object's one database record.
const maxUnlinked = 1200

// check judges the object as the draft would leave it. description has one value on what
// the security accounts manager keeps, though the schema says many.
func (d *draft) check() *fault {
	for key, values := range d.attrs {
		a := d.s.schema.attrs[key]
		if a.link == 0 && len(values) > maxUnlinked {
			return refuse(adminLimitExceeded, "00002024: SvcErr: DSID-02080490, problem 5008 (ADMIN_LIMIT_EXCEEDED), data 0, %s has too many values", a.name)
		}
		if len(values) > 1 && (!a.multi || a.key == "description" && list(principals, d.o.class.name)) {
			return refuse(constraintViolation, "00002081: AtrErr: DSID-03151904, problem 1005 (CONSTRAINT_ATT_TYPE), data 0, Att %s has a single value", a.name)
		}
		if a.on != "" && len(values) > 0 && !list(a.on, d.o.class.name) {
			return refuse(objectClassViolation, "0000207D: UpdErr: DSID-0315159B, problem 6002 (OBJ_CLASS_VIOLATION), %s on %s", a.name, d.o.class.name)
		}
	}
	for _, rule := range []func() *fault{d.checkMandatory, d.checkSAM, d.checkUPN, d.checkAccount, d.checkGroup} {
		if f := rule(); f != nil {
			return f
		}
	}
	return nil
}

// checkMandatory demands what the class has to have (MS-ADTS 3.1.1.5.2.2).
func (d *draft) checkMandatory() *fault {
	for _, attr := range strings.Fields(d.o.class.must) {
		if len(d.now(strings.ToLower(attr))) == 0 {
			return refuse(objectClassViolation, "0000207C: UpdErr: DSID-03151595, problem 6002 (OBJ_CLASS_VIOLATION), data 0, %s is mandatory", attr)
		}
	}
	return nil
}

func (d *draft) checkSAM() *fault {
	values, touched := d.attrs["samaccountname"]
	if !touched {
		return nil
	}
	if len(values) == 0 {
		return refuse(objectClassViolation, "0000207C: UpdErr: problem 6002 (OBJ_CLASS_VIOLATION), sAMAccountName is mandatory")
	}
	sam := string(values[0].raw)
	isUser := list("user inetOrgPerson", d.o.class.name)
	if isUser && length(d.s.schema.attrs["samaccountname"], []byte(sam)) > maxSAMUser {
		return refuse(constraintViolation, "00000523: SysErr: DSID-031A1256, problem 22 (Invalid argument), sAMAccountName is longer than %d", maxSAMUser)
	}
	if strings.ContainsAny(sam, forbiddenSAMChars) || strings.HasSuffix(sam, ".") || strings.TrimSpace(sam) == "" || hasControl(sam) {
		return refuse(constraintViolation, "00000523: SysErr: DSID-031A1256, problem 22 (Invalid argument), sAMAccountName %q", sam)
	}
	return d.unique("samaccountname", d.o.context(), entryExists, "00000524: UpdErr: DSID-031A11E2, problem 6005 (ENTRY_EXISTS), data 0")
}

func hasControl(text string) bool {
	return strings.ContainsFunc(text, func(r rune) bool { return r < 0x20 })
}

// checkUPN holds the names unique in the forest (MS-ADTS 3.1.1.5.1.3).
func (d *draft) checkUPN() *fault {
	f := d.unique("userprincipalname", nil, constraintViolation, "000021C8: AtrErr: DSID-03200BBA, problem 1005 (CONSTRAINT_ATT_TYPE), data 0, Att 90290")
	if f != nil {
		return f
	}
	return d.unique("serviceprincipalname", nil, constraintViolation, "000021C7: AtrErr: DSID-03200BBA, problem 1005 (CONSTRAINT_ATT_TYPE), data 0, Att 90303")
}

// unique refuses a value that another object has, in a domain or, if that is nil, anywhere
// in the forest.
func (d *draft) unique(key string, domain *object, code int, text string) *fault {
	for _, v := range d.attrs[key] {
		for other := range d.s.index[key][v.key].all() {
			if other != d.o && (domain == nil || other.context() == domain) {
				return refuse(code, "%s, %s %q belongs to %s", text, key, v.raw, other.dn())
			}
		}
	}
	return nil
}

// checkAccount refuses to enable a user that has no password, and what is no account type.
func (d *draft) checkAccount() *fault {
	if len(d.now("useraccountcontrol")) == 0 || !list(accounts, d.o.class.name) {
		return nil
	}
	uac := d.number("useraccountcontrol")
	if kind := uac & uacTypes; kind&(kind-1) != 0 {
		return refuse(unwilling, "00000057: SvcErr: DSID-031A12D2, problem 5003 (WILL_NOT_PERFORM), data 0, userAccountControl has two account types")
	}
	hasPassword := d.secret != nil || d.o.password != nil
	if uac&(uacDisabled|uacNoPassword) == 0 && uac&uacNormal != 0 && !hasPassword {
		return refuse(unwilling, "0000052D: SvcErr: DSID-031A12D2, problem 5003 (WILL_NOT_PERFORM), data 0, the account has no password")
	}
	return nil
}

// writable says whether a request may name the attribute.
func (d *draft) writable(a *attribute, adding bool) *fault {
	switch {
	case a.isBack():
		return refuse(unwilling, "00002079: SvcErr: DSID-03190BC5, problem 5003 (WILL_NOT_PERFORM), data 0, %s is a back link", a.name)
	case d.system:
		return nil
	case a.system && adding:
		return refuse(unwilling, "00002073: SvcErr: DSID-03152B3E, problem 5003 (WILL_NOT_PERFORM), data 0, %s is the system's own", a.name)
	case a.system:
		return refuse(constraintViolation, "000020B1: AtrErr: DSID-030F112A, problem 1005 (CONSTRAINT_ATT_TYPE), data 0, %s is the system's own", a.name)
	case !adding && strings.EqualFold(a.name, d.o.rdn.attr):
		return refuse(notAllowedOnRDN, "00002016: UpdErr: DSID-0310110A, problem 6004 (CANT_ON_RDN), data 0")
	case !adding && a.key == "objectclass":
		return refuse(objectClassViolation, "0000207D: UpdErr: DSID-0315159B, problem 6002 (OBJ_CLASS_VIOLATION), the class of an object stays")
	}
	return nil
}

// structural returns the class that the given names mean, and the auxiliary ones
// among them.
func (s *store) structural(names [][]byte) (*classRow, []string, *fault) {
	var leaf *classRow
	var aux []string
	for _, raw := range names {
		row := s.schema.classes[strings.ToLower(string(raw))]
		switch {
		case row == nil:
			return nil, nil, refuse(objectClassViolation, "0000207D: UpdErr: problem 6002 (OBJ_CLASS_VIOLATION), no class %q", raw)
		case row.aux:
			aux = append(aux, row.name)
		case leaf == nil || len(s.schema.chain(row)) > len(s.schema.chain(leaf)):
			leaf = row
		}
	}
	if leaf == nil {
		return nil, nil, refuse(objectClassViolation, "0000207D: UpdErr: problem 6002 (OBJ_CLASS_VIOLATION), no structural class")
	}
	chain := s.schema.chain(leaf)
	for _, raw := range names {
		row := s.schema.classes[strings.ToLower(string(raw))]
		if !row.aux && !slices.Contains(chain, row.name) {
			return nil, nil, refuse(objectClassViolation, "0000207D: UpdErr: problem 6002 (OBJ_CLASS_VIOLATION), %s is no %s", leaf.name, row.name)
		}
	}
	return leaf, aux, nil
}
