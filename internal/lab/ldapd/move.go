package ldapd

import (
	"strings"
	"time"
)

// A deletion is a request to delete an object; with tree, everything below it as well
// (MS-ADTS 3.1.1.5.5.7.3).
type deletion struct {
	dn   string
	tree bool
}

// remove deletes an object. The lock is held for writing.
func (s *store) remove(req deletion) *fault {
	o, f := s.must(req.dn)
	if f != nil {
		return f
	}
	if o.head || o.first("iscriticalsystemobject") == "TRUE" {
		return refuse(unwilling, "00002082: SvcErr: DSID-030A0448, problem 5003 (WILL_NOT_PERFORM), data 0, the object is the system's own")
	}
	if len(o.children) > 0 && !req.tree {
		return refuse(notAllowedOnNonLeaf, "00002015: UpdErr: DSID-031A0FBF, problem 6003 (CANT_ON_NON_LEAF), data 0")
	}
	s.removeTree(o)
	return nil
}

func (s *store) removeTree(o *object) {
	for _, child := range o.children {
		s.removeTree(child)
	}
	s.bury(o)
	s.forget(o)
}

// A rename is a request to give an object another name or another parent.
type rename struct {
	dn, rdn   string
	deleteOld bool
	superior  string // "" keeps the parent
}

// rename carries out a ModifyDN (RFC 4511 4.9). Links follow by themselves: they
// point to the object. The lock is held for writing.
func (s *store) rename(req rename) *fault {
	o, f := s.must(req.dn)
	if f != nil {
		return f
	}
	to, f := s.destination(o, req)
	if f != nil {
		return f
	}
	first, f := newName(o, req)
	if f != nil {
		return f
	}
	if there := to.children[first.key()]; there != nil && there != o {
		return refuse(entryExists, "00002071: UpdErr: DSID-031B0DCE, problem 6005 (ENTRY_EXISTS), data 0")
	}
	d := s.draft(o)
	a := s.schema.attrs[strings.ToLower(first.attr)]
	if a.upper > 0 && length(a, []byte(first.value)) > a.upper {
		return refuse(constraintViolation, "00002082: AtrErr: DSID-03151785, problem 1005 (CONSTRAINT_ATT_TYPE), %s is longer than %d", a.name, a.upper)
	}
	parent, name := o.parent, o.rdn
	s.place(o, to, first)
	s.undo.did(func() { s.place(o, parent, name) })
	d.set("name", first.value)
	d.set(first.attr, first.value)
	d.stamp(time.Now())
	d.commit()
	return nil
}

// destination returns the object under which o is to stand.
func (s *store) destination(o *object, req rename) (*object, *fault) {
	if o.head || o.first("iscriticalsystemobject") == "TRUE" {
		return nil, refuse(unwilling, "00002082: SvcErr: problem 5003 (WILL_NOT_PERFORM), data 0, the object is the system's own")
	}
	if req.superior == "" {
		return o.parent, nil
	}
	to, f := s.must(req.superior)
	switch {
	case f != nil:
		return nil, f
	case to.under(o):
		return nil, refuse(unwilling, "00002089: SvcErr: problem 5003 (WILL_NOT_PERFORM), data 0, the new parent lies below the object")
	case to.context() != o.context():
		return nil, refuse(affectsMultipleDSAs, "00002012: problem 5012 (DIR_ERROR), the new parent lies in another naming context")
	case to != o.parent && o.class.parents != "" && !list(o.class.parents, to.class.name):
		return nil, refuse(namingViolation, "00002099: NameErr: problem 2003 (NAMING_VIOLATION), no %s below a %s", o.class.name, to.class.name)
	}
	return to, nil
}

func newName(o *object, req rename) (rdn, *fault) {
	parts, f := parseDN(req.rdn)
	if f != nil {
		return rdn{}, f
	}
	if len(parts) != 1 {
		return rdn{}, refuse(invalidDNSyntax, "0000208F: NameErr: problem 2006 (BAD_NAME), '%s'", req.rdn)
	}
	if !strings.EqualFold(parts[0].attr, o.rdn.attr) {
		return rdn{}, refuse(namingViolation, "00002099: NameErr: problem 2003 (NAMING_VIOLATION), %s is named by %s", o.class.name, o.rdn.attr)
	}
	if !req.deleteOld {
		return rdn{}, refuse(unwilling, "00002077: SvcErr: problem 5003 (WILL_NOT_PERFORM), data 0, the old name cannot be kept")
	}
	return rdn{o.rdn.attr, parts[0].value}, nil
}

// place gives an object another parent and another name.
func (s *store) place(o, parent *object, name rdn) {
	s.unname(o)
	delete(o.parent.children, o.rdn.key())
	o.parent, o.rdn = parent, name
	parent.adopt(o)
	s.name(o)
}

// unname takes an object and all below it out of the index of DNs.
func (s *store) unname(o *object) {
	delete(s.byDN, o.dnKey())
	for _, child := range o.children {
		s.unname(child)
	}
}

// name enters them again under their new names.
func (s *store) name(o *object) {
	s.byDN[o.dnKey()] = o
	for _, child := range o.children {
		s.name(child)
	}
}
