package ldapd

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
	"time"

	"reforest/migrate"
)

// generate adds what the server gives to every new object.
func (s *store) generate(d *draft) {
	o := d.o
	usn, now := strconv.FormatInt(s.nextUSN(), 10), time.Now().UTC().Format(timeForm)
	d.set("objectGUID", string(o.guid[:]))
	d.set("name", o.rdn.value)
	d.set(o.rdn.attr, o.rdn.value)
	d.fill("instanceType", "4")
	d.set("uSNCreated", usn)
	d.set("uSNChanged", usn)
	d.set("whenCreated", now)
	d.set("whenChanged", now)
	if len(d.now("ntsecuritydescriptor")) == 0 {
		d.attrs["ntsecuritydescriptor"] = s.shared
	}
	if category := s.categoryOf(o.class); category != nil && len(d.now("objectcategory")) == 0 {
		d.attrs["objectcategory"] = []value{refTo(category)}
	}
	if list(principals, o.class.name) {
		s.generatePrincipal(d)
	}
}

// categoryOf returns the schema's object for a class's objectCategory, nil while
// the schema is not there yet.
func (s *store) categoryOf(row *classRow) *object {
	category := s.schema.classes[strings.ToLower(row.category)]
	if s.config == nil || category == nil {
		return nil
	}
	o, _ := s.find("CN=" + category.cn + ",CN=Schema," + string(s.config.dn()))
	return o
}

// generatePrincipal adds what users, computers and groups have.
func (s *store) generatePrincipal(d *draft) {
	if len(d.now("objectsid")) == 0 {
		d.set("objectSid", string(s.nextSID(d.o)))
	}
	d.fill("sAMAccountName", fmt.Sprintf("$%06X-%012X", s.rid, binary.BigEndian.Uint64(d.o.guid[8:])>>16))
	if d.o.class.name == "group" {
		d.fill("groupType", "-2147483646")
		d.set("sAMAccountType", groupAccountType(d.number("grouptype")))
		return
	}
	standard, group, kind := "546", "513", "805306368"
	if d.o.class.name == "computer" {
		standard, group, kind = "4128", "515", "805306369"
	}
	d.fill("userAccountControl", standard)
	d.normalizeUAC()
	d.fill("primaryGroupID", group)
	d.set("sAMAccountType", kind)
	for _, attr := range []string{"badPwdCount", "codePage", "countryCode", "badPasswordTime", "lastLogoff", "lastLogon", "logonCount"} {
		d.fill(attr, "0")
	}
	d.fill("pwdLastSet", passwordTime(d))
	d.fill("accountExpires", "9223372036854775807")
}

func passwordTime(d *draft) string {
	if d.secret == nil {
		return "0"
	}
	return fileTime(time.Now())
}

func fileTime(at time.Time) string {
	const since1601 = 116444736000000000 // FILETIME of 1970, in 100 ns (MS-DTYP 2.3.3)
	return strconv.FormatInt(at.UnixNano()/100+since1601, 10)
}

// normalizeUAC gives an account without a type the normal one, and takes away the bits
// that are not stored (MS-SAMR 3.1.1.8.10).
func (d *draft) normalizeUAC() {
	uac := d.number("useraccountcontrol") &^ uacNotKept
	if uac&uacTypes == 0 {
		uac |= uacNormal
	}
	d.set("userAccountControl", strconv.FormatInt(uac, 10))
}

// passwordAge reads what a client writes to pwdLastSet: 0 asks for a new password at the
// next logon, -1 means now. It cannot set any other time (MS-ADA3, pwdLastSet).
func (d *draft) passwordAge() *fault {
	values, touched := d.attrs["pwdlastset"]
	if !touched || d.system {
		return nil
	}
	switch age := d.text("pwdlastset"); {
	case len(values) == 1 && age == "0":
	case len(values) == 1 && age == "-1":
		d.set("pwdLastSet", fileTime(time.Now()))
	default:
		return refuse(unwilling, "00000057: SvcErr: DSID-031A12D2, problem 5003 (WILL_NOT_PERFORM), data 0, pwdLastSet is 0 or -1")
	}
	return nil
}

// groupAccountType returns sAMAccountType for a groupType (MS-SAMR 3.1.1.8.1).
func groupAccountType(groupType int64) string {
	const local, security = 4, 1 << 31
	kind := 268435456
	if groupType&local != 0 {
		kind = 536870912
	}
	if groupType&security == 0 {
		kind++
	}
	return strconv.Itoa(kind)
}

// nextSID makes the SID of a new object. The domains of a forest share one sequence here.
func (s *store) nextSID(o *object) []byte {
	b, err := (s.domainOf(o) + migrate.SID("-"+strconv.FormatUint(uint64(s.rid), 10))).Bytes()
	if err != nil {
		panic("ldapd: the domain's SID cannot be written: " + err.Error())
	}
	s.rid++
	return b
}
