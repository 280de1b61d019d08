package ldapd

import (
	"slices"
	"strings"
	"time"
)

// The kinds of a modification (RFC 4511 4.6).
const (
	modAdd     = 0
	modDelete  = 1
	modReplace = 2
)

// A modification is one change of one attribute.
type modification struct {
	op     int
	attr   string
	values [][]byte
}

// An addition is what a new object is made of.
type addition struct {
	dn      string
	attrs   []modification
	sdParts int
	system  bool // made by the server itself: no class is closed to it
}

// add makes an object and returns it. The lock is held for writing.
func (s *store) add(req addition) (*object, *fault) {
	o, aux, f := s.prepare(req)
	if f != nil {
		return nil, f
	}
	d := s.draft(o)
	d.system, d.sdParts = req.system, req.sdParts
	d.attrs["objectclass"] = s.classNames(o.class, aux)
	for _, m := range req.attrs {
		if f := d.given(m); f != nil {
			return nil, f
		}
	}
	if f := d.passwordAge(); f != nil {
		return nil, f
	}
	s.generate(d)
	if f := d.check(); f != nil {
		return nil, f
	}
	s.enter(o)
	d.commit()
	return o, nil
}

// prepare checks where a new object is to stand and what it is to be. aux are the
// auxiliary classes that the request names.
func (s *store) prepare(req addition) (o *object, aux []string, f *fault) {
	parts, f := parseDN(req.dn)
	if f != nil {
		return nil, nil, f
	}
	if len(parts) < 2 {
		return nil, nil, refuse(namingViolation, "00002099: NameErr: problem 2003 (NAMING_VIOLATION), best match of: ''")
	}
	parent := s.byDN[keyOf(parts[1:])]
	if parent == nil {
		return nil, nil, refuse(noSuchObject, "0000208D: NameErr: DSID-0310028D, problem 2001 (NO_OBJECT), data 0, best match of: '%s'", s.nearest(req.dn))
	}
	row, aux, f := s.structural(classesOf(req.attrs))
	if f == nil {
		f = s.mayStand(row, parts[0], parent, req.system)
	}
	if f != nil {
		return nil, nil, f
	}
	o = newObject(row, rdn{strings.ToUpper(parts[0].attr), parts[0].value}, parent)
	o.guid = s.newGUID()
	if parent.children[o.rdn.key()] != nil {
		return nil, nil, refuse(entryExists, "00002071: UpdErr: DSID-031B0DCE, problem 6005 (ENTRY_EXISTS), data 0")
	}
	return o, aux, nil
}

func classesOf(attrs []modification) [][]byte {
	for _, m := range attrs {
		if strings.EqualFold(m.attr, "objectClass") {
			return m.values
		}
	}
	return nil
}

// mayStand checks the rules of naming (MS-ADTS 3.1.1.5.2.2).
func (s *store) mayStand(row *classRow, first rdn, parent *object, system bool) *fault {
	if row.hidden && !system {
		return refuse(unwilling, "000020AC: SvcErr: problem 5003 (WILL_NOT_PERFORM), data 0, %s cannot be added", row.name)
	}
	if !strings.EqualFold(first.attr, row.rdn) {
		return refuse(namingViolation, "00002099: NameErr: problem 2003 (NAMING_VIOLATION), %s is named by %s", row.name, row.rdn)
	}
	a := s.schema.attrs[strings.ToLower(row.rdn)]
	if a.upper > 0 && length(a, []byte(first.value)) > a.upper {
		return refuse(constraintViolation, "00002082: AtrErr: DSID-03151785, problem 1005 (CONSTRAINT_ATT_TYPE), %s is longer than %d", a.name, a.upper)
	}
	if row.parents != "" && !list(row.parents, parent.class.name) && !system {
		return refuse(namingViolation, "00002099: NameErr: problem 2003 (NAMING_VIOLATION), no %s below a %s", row.name, parent.class.name)
	}
	return nil
}

// given takes one attribute of an add request.
func (d *draft) given(m modification) *fault {
	a, f := d.s.schema.attr(m.attr)
	if f != nil {
		return f
	}
	if a.key == "objectclass" {
		return nil // add has read it
	}
	if _, twice := d.attrs[a.key]; twice {
		return existsAlready(a)
	}
	if f := d.writable(a, true); f != nil {
		return f
	}
	switch {
	case a.key == "unicodepwd" && len(m.values) == 1:
		return d.setPassword(m.values[0])
	case a.key == "ntsecuritydescriptor":
		return d.writeSD(a, m.values)
	case strings.EqualFold(a.name, d.o.rdn.attr):
		return d.givenRDN(a, m.values)
	}
	return d.add(a, m.values)
}

// givenRDN accepts the naming attribute if it says what the DN says.
func (d *draft) givenRDN(a *attribute, raws [][]byte) *fault {
	if len(raws) != 1 || fold(string(raws[0])) != fold(d.o.rdn.value) {
		return refuse(namingViolation, "00002099: NameErr: problem 2003 (NAMING_VIOLATION), %s is not what the DN says", a.name)
	}
	return nil
}

// A modify is a request to change an object.
type modify struct {
	dn      string
	mods    []modification
	sdParts int
	lenient bool
	system  bool
}

// modify changes an object. The lock is held for writing.
func (s *store) modify(req modify) *fault {
	o, f := s.must(req.dn)
	if f != nil {
		return f
	}
	d := s.draft(o)
	d.sdParts, d.lenient, d.system = req.sdParts, req.lenient, req.system
	for _, m := range req.mods {
		if f := d.modify(m); f != nil {
			return f
		}
	}
	if f := d.passwordAge(); f != nil {
		return f
	}
	if f := d.modifyPassword(req.mods); f != nil {
		return f
	}
	d.derive()
	if f := d.check(); f != nil {
		return f
	}
	d.stamp(time.Now())
	d.commit()
	return nil
}

// derive sets what follows from what has been written.
func (d *draft) derive() {
	if len(d.attrs["useraccountcontrol"]) > 0 {
		d.normalizeUAC()
	}
	if len(d.attrs["grouptype"]) > 0 {
		d.set("sAMAccountType", groupAccountType(d.number("grouptype")))
	}
}

func (d *draft) modify(m modification) *fault {
	a, f := d.s.schema.attr(m.attr)
	if f == nil {
		f = d.writable(a, false)
	}
	if f != nil {
		return f
	}
	if a.key == "unicodepwd" {
		return nil // modifyPassword looks at all of them together
	}
	if a.key == "ntsecuritydescriptor" {
		if m.op == modDelete {
			return badSD()
		}
		return d.writeSD(a, m.values)
	}
	switch m.op {
	case modAdd:
		return d.add(a, m.values)
	case modDelete:
		return d.remove(a, m.values)
	case modReplace:
		return d.replace(a, m.values)
	}
	return refuse(protocolError, "00000057: LdapErr: unknown modification %d", m.op)
}

func (d *draft) modifyPassword(mods []modification) *fault {
	ours := slices.DeleteFunc(slices.Clone(mods), func(m modification) bool { return !strings.EqualFold(m.attr, "unicodePwd") })
	if len(ours) == 0 {
		return nil
	}
	if !list(accounts, d.o.class.name) {
		return refuse(objectClassViolation, "0000207D: UpdErr: problem 6002 (OBJ_CLASS_VIOLATION), unicodePwd on %s", d.o.class.name)
	}
	if f := d.changePassword(ours); f != nil {
		return f
	}
	if _, said := d.attrs["pwdlastset"]; !said {
		d.set("pwdLastSet", passwordTime(d))
	}
	return nil
}
