package ldapd

import (
	"strconv"
	"strings"

	"reforest/migrate"
)

// The bits of groupType (MS-ADTS 2.2.12).
const (
	scopeGlobal    = 0x2
	scopeLocal     = 0x4
	scopeUniversal = 0x8
	groupScopes    = scopeGlobal | scopeLocal | scopeUniversal
	groupSecurity  = 1 << 31
)

// checkGroup holds a group to one scope and to the members that its scope takes.
func (d *draft) checkGroup() *fault {
	if d.o.class.name != "group" {
		return nil
	}
	if f := d.checkScope(); f != nil {
		return f
	}
	has := keys(d.o.attrs["member"])
	for _, v := range d.attrs["member"] {
		if has[v.key] {
			continue
		}
		if f := d.checkMember(v.ref); f != nil {
			return f
		}
	}
	return nil
}

// checkScope allows one scope, and from global to local and back only by way of universal
// (MS-ERREF 2.2: 0x2141 ERROR_DS_INVALID_GROUP_TYPE).
func (d *draft) checkScope() *fault {
	if _, touched := d.attrs["grouptype"]; !touched {
		return nil
	}
	next, _ := strconv.ParseInt(d.text("grouptype"), 10, 64)
	present, _ := strconv.ParseInt(d.o.first("grouptype"), 10, 64)
	scope, was := next&groupScopes, present&groupScopes
	known := scope == scopeGlobal || scope == scopeLocal || scope == scopeUniversal
	if !known || uint32(next)&^uint32(groupScopes|groupSecurity) != 0 {
		return refuse(unwilling, "00002141: SvcErr: DSID-031A0FC0, problem 5003 (WILL_NOT_PERFORM), data 0, groupType %d", next)
	}
	if was != 0 && was|scope == scopeGlobal|scopeLocal {
		return refuse(unwilling, "00002141: SvcErr: DSID-031A0FC0, problem 5003 (WILL_NOT_PERFORM), data 0, from scope %d to %d", was, scope)
	}
	return nil
}

// checkMember judges someone who is to join (MS-ERREF 2.2: 0x2181
// ERROR_DS_GLOBAL_CANT_HAVE_LOCAL_MEMBER, 0x2182 ..._UNIVERSAL_MEMBER, 0x2183
// ERROR_DS_UNIVERSAL_CANT_HAVE_LOCAL_MEMBER, 0x528 ERROR_MEMBER_IN_GROUP).
func (d *draft) checkMember(member *object) *fault {
	if d.isPrimaryGroupOf(member) {
		return refuse(entryExists, "00000528: UpdErr: DSID-031A11E2, problem 6005 (ENTRY_EXISTS), data 0, it is the primary group of %s", member.dn())
	}
	scope, _ := strconv.ParseInt(d.text("grouptype"), 10, 64)
	inner, _ := strconv.ParseInt(member.first("grouptype"), 10, 64)
	code := ""
	switch {
	case scope&scopeGlobal != 0 && inner&scopeLocal != 0:
		code = "00002181"
	case scope&scopeGlobal != 0 && inner&scopeUniversal != 0:
		code = "00002182"
	case scope&scopeUniversal != 0 && inner&scopeLocal != 0:
		code = "00002183"
	default:
		return nil
	}
	return refuse(unwilling, "%s: SvcErr: DSID-031A0FC0, problem 5003 (WILL_NOT_PERFORM), data 0, %s has the wrong scope", code, member.dn())
}

// isPrimaryGroupOf reports whether the group is the one that primaryGroupID names, to which
// an account belongs without being listed (MS-ADTS 3.1.1.4.5.10).
func (d *draft) isPrimaryGroupOf(member *object) bool {
	sid, err := migrate.SIDFromBytes([]byte(d.text("objectsid")))
	if err != nil {
		return false
	}
	rid := member.first("primarygroupid")
	return rid != "" && strings.HasSuffix(string(sid), "-"+rid) && sid.Domain() == d.s.domain
}
